/* watch_follow.c - what the stream says: records, sketches, scores and events. */
#include "tiers/training/watch_internal.h"

#include "lib/artifact/gather.h"

#include <string.h>

/* The baseline that the machine's records are mapped by under this bundle; NULL: none. */
static const struct mw_baseline *baseline_of(const struct mw_watch_role *role,
                                             const struct mw_watched *watched,
                                             struct mw_span machine)
{
    char name[MW_NAME_MAX + 1];
    const struct mw_baseline *plant = watched->baseline.mean == NULL ? NULL : &watched->baseline;
    memcpy(name, machine.data, machine.size);
    name[machine.size] = '\0';
    if (watched->bundle.machine == NULL) {
        plant = mw_baselines_find(role->baselines, name);
    }
    return mw_baseline_list_choose(&watched->bundle.baselines, name, INT64_MAX, plant);
}

static mw_err take_telemetry(struct mw_watch_role *role, struct mw_watched **watched,
                             struct mw_error *error)
{
    float x[MW_BUNDLE_FEATURES_MAX];
    struct mw_why why = {0};
    struct mw_telemetry *record = &role->telemetry;
    /* A time that is not to be believed would say that the drift began then. */
    if (mw_wire_read_telemetry(role->parser, 0, record, &why) != MW_OK ||
        mw_wire_has(role->parser, 0, "time_suspect")) {
        return MW_OK;
    }
    struct mw_watched *whose = mw_watch_find(role, record->machine);
    if (whose == NULL || !mw_gather(whose->bundle.features, whose->bundle.n_features, record, x)) {
        return MW_OK;
    }
    *watched = whose;
    mw_baseline_map(baseline_of(role, whose, record->machine), whose->bundle.reference_mean,
                    whose->bundle.reference_std, whose->bundle.n_features, x, x);
    return mw_watch_add(whose->watch, record->machine, record->time, x, error);
}

static mw_err take_score(struct mw_watch_role *role, struct mw_watched **watched,
                         struct mw_error *error)
{
    struct mw_score score;
    struct mw_why why = {0};
    if (mw_wire_read_score(role->parser, 0, &score, &why) != MW_OK) {
        return MW_OK;
    }
    struct mw_watched *whose = mw_watch_find(role, score.machine);
    if (whose == NULL || !mw_span_is(score.model, whose->bundle.digest)) {
        return MW_OK;
    }
    *watched = whose;
    return mw_watch_add_score(whose->watch, score.machine, score.score, error);
}

static mw_err take_sketch(struct mw_watch_role *role, struct mw_watched **watched,
                          struct mw_error *error)
{
    struct mw_why why = {0};
    struct mw_sketch_record *sketch = &role->sketch;
    if (mw_wire_read_sketch(role->parser, 0, sketch, &why) != MW_OK) {
        return MW_OK;
    }
    struct mw_watched *whose = mw_watch_find(role, sketch->machine);
    if (whose == NULL || !mw_span_is(sketch->bundle, whose->bundle.digest)) {
        return MW_OK; /* only counts in the same bins add up */
    }
    for (size_t i = 0; i < whose->bundle.n_features; i++) {
        size_t k = 0;
        while (k < sketch->n_features && !mw_span_is(sketch->names[k], whose->bundle.features[i])) {
            k++;
        }
        if (k == sketch->n_features) {
            return MW_OK;
        }
        role->mapped[i] = sketch->features[k];
    }
    *watched = whose;
    return mw_watch_add_sketch(whose->watch, sketch->machine, sketch->from, sketch->to,
                               sketch->count, role->mapped, &sketch->score, error);
}

/* A machine that broke, or that a finding said has a fault: that is no drift. */
static void take_event(struct mw_watch_role *role)
{
    struct mw_event event;
    struct mw_why why = {0};
    if (mw_wire_read_event(role->parser, 0, &event, &why) != MW_OK) {
        return;
    }
    struct mw_watched *whose = mw_watch_find(role, event.machine);
    if (whose == NULL) {
        return;
    }
    if (event.type == MW_EVENT_FAILURE || event.finding == MW_FINDING_FAULT) {
        mw_watch_fault(whose->watch, event.machine, event.time);
    }
    if (event.type == MW_EVENT_REPAIR) {
        mw_watch_repair(whose->watch, event.machine, event.time);
    }
}

mw_err mw_watch_take(struct mw_watch_role *role, const struct mw_stream_record *record,
                     struct mw_watched **watched, struct mw_error *error)
{
    struct mw_why why = {0};
    const char *topic = record->topic;
    *watched = NULL;
    if (strcmp(topic, "update") == 0) {
        mw_watch_take_update(role, record);
    } else if (strcmp(topic, "baseline") == 0) {
        mw_watch_take_baseline(role, record->value);
    } else if (role->n_watched > 0 && mw_wire_open(role->parser, record->value, &why) == MW_OK) {
        if (strcmp(topic, "telemetry") == 0) {
            return take_telemetry(role, watched, error);
        }
        if (strcmp(topic, "score") == 0) {
            return take_score(role, watched, error);
        }
        if (strcmp(topic, "sketch") == 0) {
            return take_sketch(role, watched, error);
        }
        take_event(role);
    }
    return MW_OK;
}
