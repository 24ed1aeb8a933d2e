#include "cli/demo_watch.h"

#include "core/wire/number.h"
#include "lib/base/clock.h"
#include "tiers/training/metrics.h"

#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLL 512
#define TOKENS 2048

static void *grow(void *array, size_t n, size_t *capacity, size_t size)
{
    if (n < *capacity) {
        return array;
    }
    size_t more = *capacity == 0 ? 256 : *capacity * 2;
    void *grown = realloc(array, more * size);
    if (grown != NULL) {
        *capacity = more;
    }
    return grown;
}

/* The machine's index; a new one gets the next. MW_DEMO_MACHINES: no room. */
static size_t find_machine(struct mw_demo_watch *watch, struct mw_span name)
{
    size_t i = 0;
    while (i < watch->machines && !mw_span_is(name, watch->machine[i])) {
        i++;
    }
    if (i == watch->machines && i < MW_DEMO_MACHINES) {
        snprintf(watch->machine[i], sizeof watch->machine[i], "%.*s", (int)name.size, name.data);
        watch->machines++;
    }
    return i;
}

static mw_err take_telemetry(struct mw_demo_watch *watch)
{
    struct mw_why why = {0};
    struct mw_telemetry *record = &watch->telemetry;
    if (mw_wire_read_telemetry(watch->parser, 0, record, &why) != MW_OK) {
        return MW_OK;
    }
    size_t machine = find_machine(watch, record->machine);
    watch->telemetry_seen++;
    watch->newest = record->time > watch->newest ? record->time : watch->newest;
    if (machine == MW_DEMO_MACHINES || record->seq > 10000000) {
        return MW_OK;
    }
    if (record->seq >= watch->weights[machine]) {
        size_t n = (size_t)record->seq * 2 + 1024;
        float *grown = realloc(watch->weight[machine], n * sizeof *grown);
        if (grown == NULL) {
            return MW_ERR_MEMORY;
        }
        watch->weight[machine] = grown;
        watch->weights[machine] = n;
    }
    watch->weight[machine][record->seq] = 1 / record->p;
    return MW_OK;
}

mw_err mw_demo_watch_add_score(struct mw_demo_watch *watch, const struct mw_demo_score *score)
{
    void *grown = grow(watch->score, watch->scores, &watch->score_capacity, sizeof *watch->score);
    if (grown == NULL) {
        return MW_ERR_MEMORY;
    }
    watch->score = grown;
    watch->score[watch->scores++] = *score;
    return MW_OK;
}

static mw_err take_score(struct mw_demo_watch *watch)
{
    struct mw_score score;
    struct mw_why why = {0};
    if (mw_wire_read_score(watch->parser, 0, &score, &why) != MW_OK) {
        return MW_OK;
    }
    size_t machine = find_machine(watch, score.machine);
    size_t model = 0;
    if (machine < MW_DEMO_MACHINES) {
        watch->scored[machine] = true;
        watch->band[machine] = score.band;
    }
    while (model < watch->models && !mw_span_is(score.model, watch->model[model].digest)) {
        model++;
    }
    if (machine == MW_DEMO_MACHINES || model == watch->models ||
        score.seq >= watch->weights[machine]) {
        return MW_OK;
    }
    const struct mw_demo_score one = {.machine = (uint32_t)machine,
                                      .model = (uint32_t)model,
                                      .time = score.time,
                                      .score = score.score,
                                      .weight = watch->weight[machine][score.seq]};
    return mw_demo_watch_add_score(watch, &one);
}

static mw_err take_command(struct mw_demo_watch *watch)
{
    struct mw_command command;
    struct mw_why why = {0};
    if (mw_wire_read_command(watch->parser, 0, &command, &why) != MW_OK) {
        return MW_OK;
    }
    void *grown =
        grow(watch->command, watch->commands, &watch->command_capacity, sizeof *watch->command);
    if (grown == NULL) {
        return MW_ERR_MEMORY;
    }
    watch->command = grown;
    struct mw_demo_command *new = &watch->command[watch->commands++];
    *new = (struct mw_demo_command){.time = command.time, .wall = mw_clock_utc()};
    snprintf(new->id, sizeof new->id, "%.*s", (int)command.id.size, command.id.data);
    snprintf(new->machine, sizeof new->machine, "%.*s", (int)command.machine.size,
             command.machine.data);
    return MW_OK;
}

static void take_status(struct mw_demo_watch *watch, const struct mw_stream_record *record)
{
    json_error_t why;
    json_t *root = json_loadb(record->value.data, record->value.size, 0, &why);
    const char *id = json_string_value(json_object_get(json_object_get(root, "answer"), "id"));
    const char *result =
        json_string_value(json_object_get(json_object_get(root, "answer"), "result"));
    const char *bundle =
        json_string_value(json_object_get(json_object_get(root, "reported"), "bundle"));
    if (id != NULL && result != NULL && strcmp(result, "done") == 0) {
        for (size_t i = watch->commands; i > 0; i--) {
            if (strcmp(watch->command[i - 1].id, id) == 0) {
                watch->command[i - 1].done = true;
                break;
            }
        }
    }
    size_t machine = MW_DEMO_MACHINES;
    if (bundle != NULL && !mw_span_is(record->key, "score")) {
        machine = find_machine(watch, record->key);
    }
    if (machine < MW_DEMO_MACHINES) {
        snprintf(watch->running[machine], sizeof watch->running[machine], "%s", bundle);
        for (size_t i = 0; i < watch->models; i++) {
            struct mw_demo_model *model = &watch->model[i];
            if (model->everywhere == 0 && mw_demo_watch_everywhere(watch, model->digest)) {
                model->everywhere = record->appended;
            }
        }
    }
    json_decref(root);
}

static void take_drift(struct mw_demo_watch *watch, const struct mw_stream_record *record)
{
    json_error_t why;
    json_t *root = json_loadb(record->value.data, record->value.size, 0, &why);
    const char *scope = json_string_value(json_object_get(root, "scope"));
    const char *text = json_string_value(json_object_get(root, "text"));
    watch->drift_alarms++;
    if (scope != NULL && strcmp(scope, "plant") == 0 && watch->drift_wall == 0) {
        watch->drift_wall = record->appended;
        watch->drift_time = (int64_t)(json_number_value(json_object_get(root, "time")) * 1e6);
        watch->drift_onset = (int64_t)(json_number_value(json_object_get(root, "onset")) * 1e6);
        snprintf(watch->drift_text, sizeof watch->drift_text, "%s", text == NULL ? "" : text);
        json_t *names = json_array();
        size_t i;
        json_t *one;
        json_array_foreach(json_object_get(root, "features"), i, one)
        {
            json_array_append(names, json_object_get(one, "name"));
        }
        char *list = json_dumps(names, JSON_COMPACT);
        snprintf(watch->drift_features, sizeof watch->drift_features, "%s",
                 list == NULL || strlen(list) >= sizeof watch->drift_features ? "[]" : list);
        free(list);
        json_decref(names);
    }
    json_decref(root);
}

static void take_model(struct mw_demo_watch *watch, const struct mw_stream_record *record)
{
    json_error_t why;
    json_t *root = json_loadb(record->value.data, record->value.size, 0, &why);
    const char *bundle = json_string_value(json_object_get(root, "bundle"));
    const char *cause = json_string_value(json_object_get(root, "cause"));
    const char *refused = json_string_value(json_object_get(root, "refused"));
    if (json_is_true(json_object_get(root, "started"))) {
        watch->training_started = (int64_t)(json_number_value(json_object_get(root, "time")) * 1e6);
        watch->training_records = json_integer_value(json_object_get(root, "records"));
        watch->training_positives = json_integer_value(json_object_get(root, "positives"));
    } else if (refused != NULL) {
        watch->refused++;
        snprintf(watch->refusal, sizeof watch->refusal, "%s", refused);
    } else if (bundle != NULL && watch->models < MW_DEMO_MODELS) {
        struct mw_demo_model *model = &watch->model[watch->models++];
        *model = (struct mw_demo_model){.published = record->appended,
                                        .started = watch->training_started,
                                        .drift = cause != NULL && strcmp(cause, "drift") == 0,
                                        .records = (uint64_t)watch->training_records,
                                        .positives = (uint64_t)watch->training_positives};
        snprintf(model->digest, sizeof model->digest, "%s", bundle);
    }
    json_decref(root);
}

static mw_err take(struct mw_demo_watch *watch, const struct mw_stream_record *record)
{
    struct mw_why why = {0};
    struct mw_event event;
    if (strcmp(record->topic, "status") == 0) {
        take_status(watch, record);
    } else if (strcmp(record->topic, "drift") == 0) {
        take_drift(watch, record);
    } else if (strcmp(record->topic, "model") == 0) {
        take_model(watch, record);
    } else if (strcmp(record->topic, "dead") == 0) {
        watch->dead++;
    } else if (mw_wire_open(watch->parser, record->value, &why) == MW_OK) {
        if (strcmp(record->topic, "telemetry") == 0) {
            return take_telemetry(watch);
        }
        if (strcmp(record->topic, "score") == 0) {
            return take_score(watch);
        }
        if (strcmp(record->topic, "command") == 0) {
            return take_command(watch);
        }
        if (mw_wire_read_event(watch->parser, 0, &event, &why) == MW_OK) {
            watch->events++;
            watch->failures += event.type == MW_EVENT_FAILURE;
        }
    }
    return MW_OK;
}

mw_err mw_demo_watch_open(struct mw_demo_watch *watch, const struct mw_plant *plant,
                          struct mw_error *error)
{
    static const char *const topics[] = {"model",  "telemetry", "score", "command",
                                         "status", "drift",     "event", "dead"};
    char uri[PATH_MAX];
    size_t size = mw_wire_parser_size(TOKENS);
    *watch = (struct mw_demo_watch){.plant = plant};
    watch->records = calloc(POLL, sizeof *watch->records);
    watch->parser_memory = malloc(size);
    struct mw_stream_options options = {.uri = uri, .plant = plant->plant};
    if (watch->records == NULL || watch->parser_memory == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    mw_err err = mw_wire_parser_init(watch->parser_memory, size, &watch->parser);
    if (err == MW_OK) {
        err = mw_plant_stream_uri(plant, uri, sizeof uri);
    }
    if (err == MW_OK) {
        err = mw_stream_open(&watch->stream, &options, error);
    }
    return err == MW_OK
               ? mw_stream_reader_open(&watch->reader, watch->stream, topics,
                                       sizeof topics / sizeof *topics, MW_STREAM_EARLIEST, error)
               : err;
}

void mw_demo_watch_close(struct mw_demo_watch *watch)
{
    mw_stream_reader_close(watch->reader);
    mw_stream_close(watch->stream);
    mw_demo_truth_clear(&watch->truth);
    for (size_t i = 0; i < watch->machines; i++) {
        free(watch->weight[i]);
    }
    free(watch->score);
    free(watch->command);
    free(watch->records);
    free(watch->parser_memory);
    *watch = (struct mw_demo_watch){0};
}

mw_err mw_demo_watch_poll(struct mw_demo_watch *watch, struct mw_error *error)
{
    char path[PATH_MAX];
    size_t n = 0;
    mw_err err = mw_plant_path(watch->plant, "things", "truth.jsonl", path, sizeof path, error);
    if (err == MW_OK) {
        err = mw_demo_truth_read(&watch->truth, path, error);
    }
    if (err == MW_OK) {
        mw_stream_reader_drain(watch->reader);
    }
    do {
        if (err == MW_OK) {
            err = mw_stream_poll(watch->reader, watch->records, POLL, &n, error);
        }
        for (size_t i = 0; err == MW_OK && i < n; i++) {
            err = take(watch, &watch->records[i]);
        }
    } while (err == MW_OK && n > 0);
    return err;
}

mw_err mw_demo_watch_auc(const struct mw_demo_watch *watch, size_t model, int64_t from, int64_t to,
                         double *auc, size_t *n, struct mw_error *error)
{
    int64_t horizon = watch->plant->model.horizon;
    double *value = malloc((watch->scores + 1) * sizeof *value);
    double *weight = malloc((watch->scores + 1) * sizeof *weight);
    uint8_t *label = malloc(watch->scores + 1);
    mw_err err = MW_OK;
    *n = 0;
    *auc = NAN;
    if (value == NULL || weight == NULL || label == NULL) {
        err = mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    for (size_t i = 0; err == MW_OK && i < watch->scores; i++) {
        const struct mw_demo_score *score = &watch->score[i];
        bool known = score->time + horizon <= watch->newest; /* what followed has been told */
        if (score->model != model || score->time < from || score->time >= to || !known) {
            continue;
        }
        bool truth = mw_demo_truth_label(&watch->truth, watch->machine[score->machine], score->time,
                                         horizon, score->twin);
        value[*n] = score->score;
        weight[*n] = score->weight;
        label[(*n)++] = (uint8_t)truth;
    }
    if (err == MW_OK && *n > 0) {
        err = mw_metrics_roc_auc(value, label, weight, *n, auc);
    }
    free(value);
    free(weight);
    free(label);
    return err;
}

bool mw_demo_watch_everywhere(const struct mw_demo_watch *watch, const char *digest)
{
    for (size_t i = 0; i < watch->machines; i++) {
        if (strcmp(watch->running[i], digest) != 0) {
            return false;
        }
    }
    return watch->machines > 0;
}
