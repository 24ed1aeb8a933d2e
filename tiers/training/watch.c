#include "tiers/training/watch.h"

#include "core/wire/message.h"
#include "core/wire/number.h"
#include "lib/artifact/baselines.h"
#include "lib/artifact/bundle.h"
#include "lib/artifact/gather.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/role.h"
#include "lib/stream/stream.h"
#include "tiers/training/watch_window.h"

#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POLL 256
#define TOKENS 4096
#define LOOK (MW_SECOND / 10)
#define READ_FOR (20 * 1000) /* microseconds at a time: in between the loop sees its signals */

struct role {
    const struct mw_plant *plant;
    struct mw_role role;
    struct mw_stream *stream;
    struct mw_stream_reader *reader;
    struct mw_stream_record *records;
    struct mw_wire_parser *parser;
    void *parser_memory;
    struct mw_telemetry telemetry; /* scratch, as is the next */
    struct mw_sketch_record sketch;
    struct mw_sketch mapped[MW_BUNDLE_FEATURES_MAX];
    struct mw_store *store;
    struct mw_bundle bundle; /* whose reference counts; digest empty: none yet */
    struct mw_baselines *baselines;
    struct mw_watch *watch;
    uint64_t seen, alarms;
    int64_t committed; /* the position, monotonic */
    bool alarmed;      /* something was appended in this round */
    struct mw_loop_watch *look, *second;
};

/* --- following the model in use --- */

static void follow_bundle(struct role *role, const char *digest)
{
    struct mw_bundle bundle = {0};
    struct mw_error error = {0};
    if (strcmp(role->bundle.digest, digest) == 0) {
        return;
    }
    if (mw_bundle_get(role->store, digest, &bundle, &error) != MW_OK) {
        mw_log(MW_LOG_ERROR, NULL, "cannot read the bundle in use", MW_KS("bundle", digest),
               MW_KS("reason", error.text));
        return;
    }
    mw_watch_free(role->watch);
    role->watch = NULL;
    mw_bundle_clear(&role->bundle);
    role->bundle = bundle;
    mw_baselines_arrange(role->baselines, bundle.features, bundle.n_features, bundle.reference_mean,
                         bundle.reference_std);
    if (mw_watch_new(&role->watch, role->plant, &role->bundle, &error) != MW_OK) {
        mw_log(MW_LOG_ERROR, NULL, "cannot watch", MW_KS("reason", error.text));
        return;
    }
    mw_log(MW_LOG_INFO, NULL, "watching against a new reference", MW_KS("bundle", digest));
}

/* The order that holds for all devices says which model is in use; a canary's does not. */
static void take_update(struct role *role, const struct mw_stream_record *record)
{
    json_error_t why;
    json_t *root = json_loadb(record->value.data, record->value.size, 0, &why);
    const char *bundle =
        json_string_value(json_object_get(json_object_get(root, "desired"), "bundle"));
    if (bundle != NULL && mw_span_is(record->key, "*")) {
        follow_bundle(role, bundle);
    }
    json_decref(root);
}

static void take_baseline(struct role *role, const struct mw_stream_record *record)
{
    json_error_t why;
    json_t *root = json_loadb(record->value.data, record->value.size, 0, &why);
    const char *machine = json_string_value(json_object_get(root, "machine"));
    if (machine != NULL) {
        mw_baselines_set(role->baselines, machine,
                         (uint64_t)json_integer_value(json_object_get(root, "count")),
                         json_object_get(root, "features"));
        if (role->watch != NULL) {
            mw_baselines_arrange(role->baselines, role->bundle.features, role->bundle.n_features,
                                 role->bundle.reference_mean, role->bundle.reference_std);
        }
    }
    json_decref(root);
}

/* --- evidence --- */

static mw_err take_telemetry(struct role *role, struct mw_error *error)
{
    float x[MW_BUNDLE_FEATURES_MAX];
    char machine[MW_NAME_MAX + 1];
    struct mw_why why = {0};
    struct mw_telemetry *record = &role->telemetry;
    /* A time that is not to be believed would say that the drift began then. */
    if (role->watch == NULL || mw_wire_read_telemetry(role->parser, 0, record, &why) != MW_OK ||
        mw_wire_has(role->parser, 0, "time_suspect") ||
        !mw_gather(role->bundle.features, role->bundle.n_features, record, x)) {
        return MW_OK;
    }
    memcpy(machine, record->machine.data, record->machine.size);
    machine[record->machine.size] = '\0';
    mw_baseline_map(mw_baselines_find(role->baselines, machine), role->bundle.reference_mean,
                    role->bundle.reference_std, role->bundle.n_features, x, x);
    return mw_watch_add(role->watch, record->machine, record->time, x, error);
}

static mw_err take_score(struct role *role, struct mw_error *error)
{
    struct mw_score score;
    struct mw_why why = {0};
    if (role->watch == NULL || mw_wire_read_score(role->parser, 0, &score, &why) != MW_OK ||
        !mw_span_is(score.model, role->bundle.digest)) {
        return MW_OK;
    }
    return mw_watch_add_score(role->watch, score.machine, score.score, error);
}

static mw_err take_sketch(struct role *role, struct mw_error *error)
{
    struct mw_why why = {0};
    struct mw_sketch_record *sketch = &role->sketch;
    if (role->watch == NULL || mw_wire_read_sketch(role->parser, 0, sketch, &why) != MW_OK ||
        !mw_span_is(sketch->bundle, role->bundle.digest)) {
        return MW_OK; /* only counts in the same bins add up */
    }
    for (size_t i = 0; i < role->bundle.n_features; i++) {
        size_t k = 0;
        while (k < sketch->n_features && !mw_span_is(sketch->names[k], role->bundle.features[i])) {
            k++;
        }
        if (k == sketch->n_features) {
            return MW_OK;
        }
        role->mapped[i] = sketch->features[k];
    }
    return mw_watch_add_sketch(role->watch, sketch->machine, sketch->from, sketch->to,
                               sketch->count, role->mapped, &sketch->score, error);
}

/* A machine that broke, or that a finding said has a fault: that is no drift. */
static void take_event(struct role *role)
{
    struct mw_event event;
    struct mw_why why = {0};
    if (mw_wire_read_event(role->parser, 0, &event, &why) == MW_OK &&
        (event.type == MW_EVENT_FAILURE || event.finding == MW_FINDING_FAULT)) {
        mw_watch_fault(role->watch, event.machine);
    }
}

/* --- alarms --- */

static void describe(const struct mw_watch_alarm *alarm, char *text, size_t size)
{
    int n =
        snprintf(text, size, "%s%s moved away from what the model knows:",
                 alarm->plant ? "the whole plant" : "only ", alarm->plant ? "" : alarm->machine);
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

static json_t *alarm_json(const struct role *role, const struct mw_watch_alarm *alarm,
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
                  "bundle", role->bundle.digest, "records", (json_int_t)alarm->records, "features",
                  features, "text", text);
    if (root != NULL && !alarm->plant) {
        json_object_set_new(root, "machine", json_string(alarm->machine));
    }
    if (root != NULL && score != NULL) {
        json_object_set(root, "score", score);
    }
    json_decref(score);
    return root;
}

static mw_err raise_alarm(struct role *role, const struct mw_watch_alarm *alarm,
                          struct mw_error *error)
{
    char text[512];
    describe(alarm, text, sizeof text);
    json_t *root = alarm_json(role, alarm, text);
    char *json = root == NULL ? NULL : json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_decref(root);
    if (json == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    mw_log(MW_LOG_WARN, alarm->machine, "drift", MW_KS("what", text),
           MW_KI("records", alarm->records));
    mw_err err = role->alarmed ? MW_OK : mw_stream_begin(role->stream, error);
    if (err == MW_OK) {
        role->alarmed = true;
        err = mw_stream_append(role->stream, "drift",
                               mw_span_of(alarm->plant ? "plant" : alarm->machine),
                               mw_span_of(json), error);
    }
    role->alarms++;
    free(json);
    return err;
}

/* --- the loop --- */

static mw_err take(struct role *role, const struct mw_stream_record *record, struct mw_error *error)
{
    struct mw_why why = {0};
    const char *topic = record->topic;
    role->seen++;
    if (strcmp(topic, "update") == 0) {
        take_update(role, record);
    } else if (strcmp(topic, "baseline") == 0) {
        take_baseline(role, record);
    } else if (role->watch != NULL && mw_wire_open(role->parser, record->value, &why) == MW_OK) {
        if (strcmp(topic, "telemetry") == 0) {
            return take_telemetry(role, error);
        }
        if (strcmp(topic, "score") == 0) {
            return take_score(role, error);
        }
        if (strcmp(topic, "sketch") == 0) {
            return take_sketch(role, error);
        }
        take_event(role);
    }
    return MW_OK;
}

/* One batch. Its alarms and its position are one transaction. */
static mw_err take_batch(struct role *role, size_t *n, struct mw_error *error)
{
    static struct mw_watch_alarm alarm; /* large; one thread */
    mw_err err = mw_stream_poll(role->reader, role->records, POLL, n, error);
    role->alarmed = false;
    for (size_t i = 0; err == MW_OK && i < *n; i++) {
        err = take(role, &role->records[i], error);
        while (err == MW_OK && role->watch != NULL && mw_watch_alarm(role->watch, &alarm)) {
            err = raise_alarm(role, &alarm, error);
        }
    }
    /* A position alone can wait: what is read twice after a restart only fills windows that are
     * empty then. */
    bool due = mw_clock_monotonic() - role->committed > MW_SECOND;
    if (err == MW_OK && (role->alarmed || (*n > 0 && due))) {
        err = role->alarmed ? MW_OK : mw_stream_begin(role->stream, error);
        if (err == MW_OK) {
            err = mw_stream_commit(role->stream, role->reader, error);
        }
        role->committed = mw_clock_monotonic();
    }
    return err;
}

static void on_look(void *context)
{
    struct role *role = context;
    int64_t end = mw_clock_monotonic() + READ_FOR;
    size_t n = 0;
    mw_stream_reader_drain(role->reader);
    do {
        struct mw_error error = {0};
        if (take_batch(role, &n, &error) != MW_OK) {
            mw_log(MW_LOG_ERROR, NULL, "cannot follow the stream", MW_KS("reason", error.text));
            mw_stream_rollback(role->stream);
            mw_stream_reader_rewind(role->reader, NULL);
            if (mw_stream_ended(role->stream)) { /* only a new process finds out what is stored */
                mw_loop_stop(role->role.loop);
            }
            return;
        }
    } while (n > 0 && mw_clock_monotonic() < end);
    if (n > 0) {
        mw_loop_set_timer(role->role.loop, role->look, 0, LOOK);
    }
}

static void on_second(void *context)
{
    struct role *role = context;
    struct mw_error error = {0};
    char path[PATH_MAX], json[512];
    int n = snprintf(json, sizeof json,
                     "{\"v\":1,\"role\":\"watch\",\"pid\":%d,\"time\":%.6f,\"records\":%llu,"
                     "\"alarms\":%llu,\"machines\":%zu,\"bundle\":\"%s\"}\n",
                     (int)getpid(), (double)mw_clock_utc() / 1e6, (unsigned long long)role->seen,
                     (unsigned long long)role->alarms,
                     role->watch == NULL ? 0 : mw_watch_machines(role->watch), role->bundle.digest);
    if (mw_plant_path(role->plant, "run", "watch.json", path, sizeof path, &error) != MW_OK ||
        mw_file_replace(path, json, (size_t)n, 0644, &error) != MW_OK) {
        mw_log(MW_LOG_WARN, NULL, "cannot write run/watch.json", MW_KS("reason", error.text));
    }
}

static mw_err open_stream(struct role *role, struct mw_error *error)
{
    static const char *const topics[] = {"update", "baseline", "telemetry",
                                         "sketch", "score",    "event"};
    char uri[PATH_MAX];
    struct mw_stream_options options = {.uri = uri, .plant = role->plant->plant, .writer = "watch"};
    mw_err err = mw_plant_stream_uri(role->plant, uri, sizeof uri);
    if (err == MW_OK) {
        err = mw_stream_open(&role->stream, &options, error);
    }
    if (err == MW_OK) {
        err = mw_stream_reader_open(&role->reader, role->stream, topics,
                                    sizeof topics / sizeof *topics, MW_STREAM_EARLIEST, error);
    }
    return err;
}

/* What was in force when the last process ended: orders and baselines before the position. */
static bool restore_baseline(void *context, struct mw_span key, struct mw_span value)
{
    struct role *role = context;
    struct mw_stream_record record = {.key = key, .value = value};
    take_baseline(role, &record);
    return true;
}

/* The bridge keeps the newest order of each device, and of all, without its envelope. */
static void restore_bundle(struct role *role)
{
    struct mw_span value;
    json_error_t why;
    if (mw_stream_get(role->stream, "bridge", "desired", mw_span_of("*"), &value, NULL) == MW_OK) {
        json_t *root = json_loadb(value.data, value.size, 0, &why);
        const char *bundle = json_string_value(json_object_get(root, "bundle"));
        if (bundle != NULL) {
            follow_bundle(role, bundle);
        }
        json_decref(root);
    }
}

static mw_err open_all(struct role *role, struct mw_error *error)
{
    char path[PATH_MAX], uri[PATH_MAX + 8];
    size_t size = mw_wire_parser_size(TOKENS);
    role->records = calloc(POLL, sizeof *role->records);
    role->parser_memory = malloc(size);
    if (role->records == NULL || role->parser_memory == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    mw_err err = mw_wire_parser_init(role->parser_memory, size, &role->parser);
    if (err == MW_OK) {
        err = mw_plant_path(role->plant, "artifacts", NULL, path, sizeof path, error);
    }
    if (err == MW_OK) {
        snprintf(uri, sizeof uri, "oci:%s", path);
        err = mw_store_open(&role->store, uri, true, error);
    }
    if (err == MW_OK) {
        err = mw_baselines_new(&role->baselines, error);
    }
    if (err == MW_OK) {
        err = open_stream(role, error);
    }
    if (err == MW_OK) {
        err = mw_stream_visit(role->stream, "learn", "baseline", restore_baseline, role, error);
    }
    if (err == MW_OK || err == MW_ERR_NOT_FOUND) {
        restore_bundle(role);
        err = MW_OK;
    }
    return err;
}

mw_err mw_watch_run(const struct mw_plant *plant, struct mw_error *error)
{
    struct role *role = calloc(1, sizeof *role);
    if (role == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    role->plant = plant;
    mw_err err = mw_role_init(&role->role, "watch", error);
    if (err == MW_OK) {
        err = open_all(role, error);
    }
    if (err == MW_OK) {
        /* Nobody waits for the watch, so it does not wake with every record beside those that are
         * waited for. */
        err = mw_loop_add_timer(role->role.loop, LOOK, LOOK, on_look, role, &role->look, error);
    }
    if (err == MW_OK) {
        err =
            mw_loop_add_timer(role->role.loop, 0, MW_SECOND, on_second, role, &role->second, error);
    }
    if (err == MW_OK) {
        err = mw_role_run(&role->role, error);
    }
    mw_watch_free(role->watch);
    mw_bundle_clear(&role->bundle);
    mw_baselines_free(role->baselines);
    mw_stream_reader_close(role->reader);
    mw_stream_close(role->stream);
    mw_store_close(role->store);
    mw_role_clear(&role->role);
    free(role->parser_memory);
    free(role->records);
    free(role);
    return err;
}
