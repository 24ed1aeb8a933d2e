/* score_state.c - devices and machines in memory, and their compacted copies in the stream: what
 * makes a restart, or a batch that could not be stored, resume from the last commit. */
#include "tiers/inference/scorer.h"

#include "core/wire/number.h"
#include "lib/base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void drop_machine(void *value)
{
    struct mw_score_machine *machine = value;
    mw_baseline_clear(&machine->baseline);
    mw_buffer_free(&machine->baseline_text);
    free(machine);
}

void mw_score_state_clear(struct mw_scorer *scorer)
{
    mw_score_index_clear(&scorer->devices, free);
    mw_score_index_clear(&scorer->machines, drop_machine);
    scorer->fallback.model = NULL;
    scorer->n_touched = 0;
}

mw_err mw_score_device_entry(struct mw_scorer *scorer, struct mw_span name,
                             struct mw_score_device **device)
{
    if (mw_span_is(name, "*")) {
        *device = &scorer->fallback;
        return MW_OK;
    }
    if (!mw_name_valid(name)) {
        return MW_ERR_ARGUMENT;
    }
    *device = mw_score_index_get(&scorer->devices, name);
    if (*device != NULL) {
        return MW_OK;
    }
    struct mw_score_device *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return MW_ERR_MEMORY;
    }
    memcpy(made->name, name.data, name.size);
    mw_err err = mw_score_index_add(&scorer->devices, mw_span_of(made->name), made);
    if (err != MW_OK) {
        free(made);
        return err;
    }
    *device = made;
    return MW_OK;
}

mw_err mw_score_machine_entry(struct mw_scorer *scorer, struct mw_span name,
                              struct mw_score_machine **machine)
{
    *machine = mw_score_index_get(&scorer->machines, name);
    if (*machine != NULL) {
        return MW_OK;
    }
    if (!mw_name_valid(name)) {
        return MW_ERR_ARGUMENT;
    }
    struct mw_score_machine *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return MW_ERR_MEMORY;
    }
    memcpy(made->name, name.data, name.size);
    mw_err err = mw_score_index_add(&scorer->machines, mw_span_of(made->name), made);
    if (err != MW_OK) {
        free(made);
        return err;
    }
    *machine = made;
    return MW_OK;
}

void mw_score_machine_set_baseline(struct mw_score_machine *machine, struct mw_span text)
{
    mw_baseline_clear(&machine->baseline);
    machine->baseline_serial = 0;
    mw_buffer_clear(&machine->baseline_text);
    if (mw_buffer_add(&machine->baseline_text, text.data, text.size) != MW_OK) {
        mw_buffer_clear(&machine->baseline_text);
    }
}

mw_err mw_score_machine_touch(struct mw_scorer *scorer, struct mw_score_machine *machine)
{
    if (machine->touched) {
        return MW_OK;
    }
    if (scorer->n_touched == scorer->touched_capacity) {
        size_t capacity = scorer->touched_capacity == 0 ? 16 : 2 * scorer->touched_capacity;
        void *list = realloc(scorer->touched, capacity * sizeof *scorer->touched);
        if (list == NULL) {
            return MW_ERR_MEMORY;
        }
        scorer->touched = list;
        scorer->touched_capacity = capacity;
    }
    scorer->touched[scorer->n_touched++] = machine;
    machine->touched = true;
    return MW_OK;
}

static bool same_policy(const struct mw_score_policy *a, const struct mw_score_policy *b)
{
    return a->impending == b->impending && a->immediate == b->immediate && a->normal == b->normal &&
           a->held == b->held && a->expires == b->expires && a->quiet == b->quiet;
}

static mw_err save_trust(struct mw_scorer *scorer, struct mw_error *error)
{
    struct mw_trust_seen seen;
    char text[256];
    mw_trust_recall(scorer->store, &seen);
    int n = snprintf(text, sizeof text,
                     "{\"v\":1,\"root\":\"%s\",\"timestamp\":%" PRIu64 ",\"snapshot\":%" PRIu64
                     ",\"targets\":%" PRIu64 "}",
                     seen.root, seen.timestamp, seen.snapshot, seen.targets);
    return mw_stream_put(scorer->stream, "trust", mw_span_of("seen"),
                         (struct mw_span){text, (size_t)n}, error);
}

mw_err mw_score_state_save(struct mw_scorer *scorer, struct mw_error *error)
{
    mw_err err = scorer->reassigned ? save_trust(scorer, error) : MW_OK;
    for (size_t i = 0; err == MW_OK && i < scorer->n_touched; i++) {
        struct mw_score_machine *machine = scorer->touched[i];
        char text[192];
        machine->touched = false;
        if (same_policy(&machine->policy, &machine->saved_policy)) {
            continue;
        }
        size_t size = mw_score_policy_print(&machine->policy, text, sizeof text);
        err = mw_stream_put(scorer->stream, "policy", mw_span_of(machine->name),
                            (struct mw_span){text, size}, error);
        machine->saved_policy = machine->policy;
    }
    scorer->n_touched = 0;
    return err;
}

static bool load_desired(void *context, struct mw_span key, struct mw_span value)
{
    struct mw_scorer *scorer = context;
    struct mw_score_device *device = NULL;
    struct mw_error error = {0};
    char digest[MW_DIGEST_TEXT] = "";
    mw_err err = mw_score_read_update(scorer->parser, value, &key, digest);
    err = err == MW_OK ? mw_score_device_entry(scorer, key, &device) : err;
    err = err == MW_OK ? mw_score_model_load(scorer, digest, &device->model, &error) : err;
    if (err != MW_OK) {
        char name[MW_NAME_MAX + 1];
        (void)snprintf(name, sizeof name, "%.*s", (int)key.size, key.data);
        scorer->counts.refused++;
        mw_log(MW_LOG_ERROR, name, "the bundle in use cannot be loaded again",
               MW_KS("bundle", digest),
               MW_KS("reason", error.text[0] != '\0' ? error.text : mw_err_text(err)));
    }
    return true;
}

static bool load_baseline(void *context, struct mw_span key, struct mw_span value)
{
    struct mw_score_machine *machine = NULL;
    if (mw_score_machine_entry(context, key, &machine) == MW_OK) {
        mw_score_machine_set_baseline(machine, value);
    }
    return true;
}

static bool load_policy(void *context, struct mw_span key, struct mw_span value)
{
    struct mw_scorer *scorer = context;
    struct mw_score_machine *machine = NULL;
    if (mw_score_machine_entry(scorer, key, &machine) == MW_OK) {
        (void)mw_score_policy_parse(&machine->policy, scorer->parser, value);
        machine->saved_policy = machine->policy;
    }
    return true;
}

static bool load_trust(void *context, struct mw_span key, struct mw_span value)
{
    struct mw_scorer *scorer = context;
    struct mw_trust_seen seen = {0};
    struct mw_span root = {0}, timestamp = {0}, snapshot = {0}, targets = {0};
    (void)key;
    if (mw_wire_open(scorer->parser, value, NULL) == MW_OK &&
        mw_wire_get(scorer->parser, 0, "root", &root) == MW_OK &&
        mw_wire_get(scorer->parser, 0, "timestamp", &timestamp) == MW_OK &&
        mw_wire_get(scorer->parser, 0, "snapshot", &snapshot) == MW_OK &&
        mw_wire_get(scorer->parser, 0, "targets", &targets) == MW_OK && mw_digest_valid(root) &&
        mw_number_parse_u64(timestamp, &seen.timestamp) == MW_OK &&
        mw_number_parse_u64(snapshot, &seen.snapshot) == MW_OK &&
        mw_number_parse_u64(targets, &seen.targets) == MW_OK) {
        memcpy(seen.root, root.data, root.size);
        mw_trust_remember(scorer->store, &seen);
    }
    return true;
}

mw_err mw_score_state_load(struct mw_scorer *scorer, struct mw_error *error)
{
    struct mw_trust_seen seen;
    mw_err err = MW_OK;
    mw_score_state_clear(scorer);
    mw_trust_recall(scorer->store, &seen);
    if (seen.root[0] == '\0') { /* else memory knows at least as much */
        err = mw_stream_visit(scorer->stream, NULL, "trust", load_trust, scorer, error);
    }
    if (err == MW_OK) {
        err = mw_stream_visit(scorer->stream, NULL, "desired", load_desired, scorer, error);
    }
    if (err == MW_OK) {
        err =
            mw_stream_visit(scorer->stream, NULL, "baseline-in-use", load_baseline, scorer, error);
    }
    if (err == MW_OK) {
        err = mw_stream_visit(scorer->stream, NULL, "policy", load_policy, scorer, error);
    }
    return err;
}
