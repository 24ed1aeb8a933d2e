/* watch_tell.c - an alarm as a record, and in words. */
#include "tiers/training/watch_internal.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void describe(const struct mw_watched *watched, const struct mw_watch_alarm *alarm,
                     char *text, size_t size)
{
    bool alone = watched->bundle.machine != NULL;
    int n = snprintf(text, size, "%s%s moved away from what %s model knows:",
                     alarm->plant ? "the whole plant"
                     : alone      ? ""
                                  : "only ",
                     alarm->plant ? "" : alarm->machine, alone ? "its" : "the");
    for (size_t i = 0; i < alarm->n && i < 3 && n > 0 && (size_t)n < size; i++) {
        const struct mw_watch_feature *f = &alarm->feature[i];
        const char *comma = i == 0 ? "" : ",";
        if (strcmp(f->name, "score") == 0) {
            n += snprintf(text + n, size - (size_t)n, "%s its own score (PSI %.2f)", comma, f->psi);
        } else {
            n += snprintf(text + n, size - (size_t)n, "%s %s by %+.1f deviations (PSI %.2f)", comma,
                          f->name, f->moved, f->psi);
        }
    }
}

static json_t *alarm_json(const struct mw_watched *watched, const struct mw_watch_alarm *alarm,
                          const char *text)
{
    json_t *features = json_array();
    json_t *score = NULL;
    char id[128];
    for (size_t i = 0; i < alarm->n; i++) {
        const struct mw_watch_feature *f = &alarm->feature[i];
        json_t *one = json_pack("{s:s,s:f,s:f,s:f}", "name", f->name, "psi", f->psi, "p", f->p,
                                "moved", f->moved);
        if (strcmp(f->name, "score") == 0) {
            score = json_incref(one);
        }
        json_array_append_new(features, one);
    }
    snprintf(id, sizeof id, "drift-%s-%lld", alarm->plant ? "plant" : alarm->machine,
             (long long)(alarm->time / MW_SECOND));
    json_t *root =
        json_pack("{s:i,s:s,s:f,s:f,s:f,s:s,s:s,s:I,s:o,s:s}", "v", 1, "id", id, "time",
                  (double)alarm->time / 1e6, "onset", (double)alarm->onset / 1e6, "told",
                  (double)mw_clock_utc() / 1e6, "scope", alarm->plant ? "plant" : "machine",
                  "bundle", watched->bundle.digest, "records", (json_int_t)alarm->records,
                  "features", features, "text", text);
    if (root != NULL && !alarm->plant) {
        json_object_set_new(root, "machine", json_string(alarm->machine));
    }
    if (root != NULL && score != NULL) {
        json_object_set(root, "score", score);
    }
    json_decref(score);
    return root;
}

mw_err mw_watch_tell(struct mw_watch_role *role, const struct mw_watched *watched,
                     const struct mw_watch_alarm *alarm, struct mw_error *error)
{
    char text[512];
    describe(watched, alarm, text, sizeof text);
    json_t *root = alarm_json(watched, alarm, text);
    char *json = root == NULL ? NULL : json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_decref(root);
    if (json == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    mw_log(MW_LOG_WARN, alarm->machine, "drift", MW_KS("what", text),
           MW_KI("records", alarm->records));
    struct mw_span key = mw_span_of(alarm->plant ? "plant" : alarm->machine);
    mw_err err = role->alarmed ? MW_OK : mw_stream_begin(role->stream, error);
    if (err == MW_OK) {
        role->alarmed = true;
        err = mw_stream_append(role->stream, "drift", key, mw_span_of(json), error);
    }
    if (err == MW_OK) { /* a process that starts anew is not to give it again */
        err = mw_stream_put(role->stream, "drift", key, mw_span_of(json), error);
    }
    role->alarms++;
    free(json);
    return err;
}
