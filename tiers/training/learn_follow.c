/* learn_follow.c - what the stream says: records, events, alarms, models and roll-outs. */
#include "tiers/training/learn_internal.h"

#include "lib/base/log.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static mw_err take_telemetry(struct mw_learn *learn, struct mw_error *error)
{
    struct mw_why why = {0};
    struct mw_telemetry *record = &learn->telemetry;
    if (mw_wire_read_telemetry(learn->parser, 0, record, &why) != MW_OK ||
        mw_wire_has(learn->parser, 0, "time_suspect")) {
        return MW_OK;
    }
    learn->newest = record->time > learn->newest ? record->time : learn->newest;
    mw_own_models_record(learn->own, record->machine);
    mw_buffer_clear(&learn->json);
    mw_err err = mw_commission_record(learn->commission, record, &learn->json, error);
    if (err == MW_OK && learn->json.size > 0) {
        err = mw_learn_append(learn, "baseline", record->machine,
                              (struct mw_span){learn->json.data, learn->json.size}, true, error);
        char machine[MW_NAME_MAX + 1];
        snprintf(machine, sizeof machine, "%.*s", (int)record->machine.size, record->machine.data);
        mw_log(MW_LOG_INFO, machine, "commissioned: its own baseline is set",
               MW_KI("records", learn->plant->commission.records));
        if (err == MW_OK && learn->plant->model.scope == MW_SCOPE_MACHINE) {
            err = mw_own_models_commissioned(learn->own, record->machine, error);
        }
    }
    learn->news = true;
    return err;
}

static mw_err take_event(struct mw_learn *learn)
{
    struct mw_event event;
    struct mw_why why = {0};
    if (mw_wire_read_event(learn->parser, 0, &event, &why) == MW_OK) {
        mw_commission_event(learn->commission, &event);
        learn->news = true;
    }
    return MW_OK;
}

static void take_drift(struct mw_learn *learn, struct mw_span value)
{
    json_error_t why;
    json_t *root = json_loadb(value.data, value.size, 0, &why);
    const char *scope = json_string_value(json_object_get(root, "scope"));
    double onset = json_number_value(json_object_get(root, "onset"));
    if (scope != NULL && strcmp(scope, "plant") == 0) {
        mw_policy_drift(&learn->policy, (int64_t)(onset * 1e6));
        learn->news = true;
    } else if (scope != NULL) {
        const char *machine = json_string_value(json_object_get(root, "machine"));
        mw_log(MW_LOG_WARN, machine,
               "this machine alone has moved: look at its sensors; no training",
               MW_KI("onset", (int64_t)onset));
    }
    json_decref(root);
}

static struct mw_policy_counts counts_of(const json_t *root)
{
    return (struct mw_policy_counts){
        (uint64_t)json_integer_value(json_object_get(root, "records")),
        (uint64_t)json_integer_value(json_object_get(root, "positives"))};
}

static mw_err take_model_of_machine(struct mw_learn *learn, const json_t *root,
                                    struct mw_span machine, struct mw_error *error)
{
    if (json_object_get(root, "bundle") != NULL) {
        return mw_own_models_published(learn->own, machine, error);
    }
    return json_object_get(root, "refused") == NULL
               ? MW_OK
               : mw_own_models_refused(learn->own, machine,
                                       (uint64_t)learn->plant->retrain.attempts_gap, error);
}

static mw_err take_model(struct mw_learn *learn, struct mw_span value, struct mw_error *error)
{
    json_error_t why;
    mw_err err = MW_OK;
    json_t *root = json_loadb(value.data, value.size, 0, &why);
    const char *bundle = json_string_value(json_object_get(root, "bundle"));
    const char *machine = json_string_value(json_object_get(root, "machine"));
    if (machine != NULL) {
        err = take_model_of_machine(learn, root, mw_span_of(machine), error);
    } else if (bundle != NULL) {
        snprintf(learn->published, sizeof learn->published, "%s", bundle);
        mw_policy_published(&learn->policy, learn->newest);
    } else if (json_object_get(root, "started") != NULL) {
        learn->begun = counts_of(root);
    } else if (json_object_get(root, "refused") != NULL) {
        mw_policy_refused(&learn->policy, learn->plant, counts_of(root));
    }
    json_decref(root);
    return err;
}

/* A model that was taken back with none before it leaves nothing that drifts, and so nothing that
 * would ask for another. */
static mw_err take_rollout(struct mw_learn *learn, struct mw_span value, struct mw_error *error)
{
    json_error_t why;
    mw_err err = MW_OK;
    json_t *root = json_loadb(value.data, value.size, 0, &why);
    const char *state = json_string_value(json_object_get(root, "state"));
    const char *bundle = json_string_value(json_object_get(root, "bundle"));
    const char *before = json_string_value(json_object_get(root, "previous"));
    const char *machine = json_string_value(json_object_get(root, "machine"));
    bool to_nothing = state != NULL && strcmp(state, "rolled-back") == 0 && before != NULL &&
                      before[0] == '\0' && bundle != NULL;
    if (to_nothing && machine != NULL) {
        err = mw_own_models_refused(learn->own, mw_span_of(machine),
                                    (uint64_t)learn->plant->retrain.attempts_gap, error);
    } else if (to_nothing && strcmp(bundle, learn->published) == 0) {
        mw_policy_taken_back(&learn->policy, learn->plant, learn->begun);
        learn->news = true;
    }
    json_decref(root);
    return err;
}

mw_err mw_learn_take(struct mw_learn *learn, const struct mw_stream_record *record,
                     struct mw_error *error)
{
    struct mw_why why = {0};
    if (strcmp(record->topic, "drift") == 0) {
        take_drift(learn, record->value);
    } else if (strcmp(record->topic, "model") == 0) {
        return take_model(learn, record->value, error);
    } else if (strcmp(record->topic, "rollout") == 0) {
        return take_rollout(learn, record->value, error);
    } else if (mw_wire_open(learn->parser, record->value, &why) == MW_OK) {
        return strcmp(record->topic, "telemetry") == 0 ? take_telemetry(learn, error)
                                                       : take_event(learn);
    }
    return MW_OK;
}
