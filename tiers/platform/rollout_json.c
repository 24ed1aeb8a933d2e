/* rollout_json.c - a rollout as it is kept and told. */
#include "tiers/platform/rollout.h"

#include "lib/base/file.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double seconds(int64_t microseconds)
{
    return (double)microseconds / 1e6;
}

static json_t *evidence_json(const struct mw_rollout_evidence *evidence)
{
    return json_pack("{s:I,s:I,s:f,s:f}", "scores", (json_int_t)evidence->scores, "alarms",
                     (json_int_t)evidence->alarms, "weight", evidence->weight, "alarm_weight",
                     evidence->alarm_weight);
}

mw_err mw_rollout_print(const struct mw_rollout *rollout, struct mw_buffer *out)
{
    json_t *root = json_pack(
        "{s:i,s:s,s:f,s:f,s:s,s:s,s:s,s:s,s:b,s:o,s:o,s:[]}", "v", 1, "id", rollout->id, "time",
        seconds(rollout->time), "since", seconds(rollout->since), "bundle", rollout->bundle,
        "previous", rollout->previous, "state", mw_rollout_stage_name(rollout->stage), "reason",
        rollout->reason, "scorer", (int)rollout->scorer, "before", evidence_json(&rollout->before),
        "after", evidence_json(&rollout->after), "canary");
    json_t *canaries = json_object_get(root, "canary");
    for (size_t i = 0; i < rollout->n_canaries; i++) {
        json_array_append_new(canaries, json_string(rollout->canary[i]));
    }
    if (isfinite(rollout->expected)) {
        json_object_set_new(root, "expected", json_real(rollout->expected));
    }
    if (rollout->machine[0] != '\0') {
        json_object_set_new(root, "machine", json_string(rollout->machine));
    }
    char *text = root == NULL ? NULL : json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(16));
    json_decref(root);
    mw_err err = text == NULL ? MW_ERR_MEMORY : mw_buffer_add(out, text, strlen(text));
    free(text);
    return err;
}

static void copy_text(char *out, size_t capacity, const json_t *root, const char *key)
{
    const char *text = json_string_value(json_object_get(root, key));
    snprintf(out, capacity, "%s", text == NULL ? "" : text);
}

static int64_t time_of(const json_t *root, const char *key)
{
    return (int64_t)(json_number_value(json_object_get(root, key)) * 1e6 + 0.5);
}

static void read_evidence(const json_t *root, const char *key, struct mw_rollout_evidence *out)
{
    const json_t *entry = json_object_get(root, key);
    out->scores = (uint64_t)json_integer_value(json_object_get(entry, "scores"));
    out->alarms = (uint64_t)json_integer_value(json_object_get(entry, "alarms"));
    out->weight = json_number_value(json_object_get(entry, "weight"));
    out->alarm_weight = json_number_value(json_object_get(entry, "alarm_weight"));
}

static mw_err read_canaries(const json_t *list, struct mw_rollout *rollout)
{
    size_t n = json_array_size(list);
    rollout->canary = n == 0 ? NULL : calloc(n, sizeof *rollout->canary);
    if (n > 0 && rollout->canary == NULL) {
        return MW_ERR_MEMORY;
    }
    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (name != NULL && mw_name_valid(mw_span_of(name))) {
            snprintf(rollout->canary[rollout->n_canaries++], sizeof *rollout->canary, "%s", name);
        }
    }
    return MW_OK;
}

mw_err mw_rollout_parse(struct mw_span json, struct mw_rollout *rollout)
{
    char state[32];
    *rollout = (struct mw_rollout){0};
    json_t *root = json_loadb(json.data, json.size, 0, NULL);
    copy_text(rollout->id, sizeof rollout->id, root, "id");
    copy_text(rollout->bundle, sizeof rollout->bundle, root, "bundle");
    copy_text(rollout->previous, sizeof rollout->previous, root, "previous");
    copy_text(rollout->machine, sizeof rollout->machine, root, "machine");
    copy_text(rollout->reason, sizeof rollout->reason, root, "reason");
    copy_text(state, sizeof state, root, "state");
    rollout->time = time_of(root, "time");
    rollout->since = time_of(root, "since");
    rollout->scorer = json_is_true(json_object_get(root, "scorer"));
    const json_t *expected = json_object_get(root, "expected");
    rollout->expected = json_is_number(expected) ? json_number_value(expected) : (double)NAN;
    read_evidence(root, "before", &rollout->before);
    read_evidence(root, "after", &rollout->after);
    mw_err err = MW_ERR_PARSE;
    for (int i = 0; i <= MW_ROLLOUT_HALTED; i++) {
        if (strcmp(state, mw_rollout_stage_name((enum mw_rollout_stage)i)) == 0) {
            rollout->stage = (enum mw_rollout_stage)i;
            err = mw_digest_valid(mw_span_of(rollout->bundle)) ? MW_OK : MW_ERR_PARSE;
        }
    }
    if (err == MW_OK) {
        err = read_canaries(json_object_get(root, "canary"), rollout);
    }
    json_decref(root);
    return err;
}
