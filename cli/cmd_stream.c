/* cmd_stream.c - what is in the stream, one record a line: for scripts, reports and curious people.
 */
#include "cli/command.h"
#include "lib/base/nearest.h"
#include "lib/plant/plant.h"
#include "lib/stream/stream.h"

#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLL 1024

struct values {
    char *config;
    int64_t from;
    bool json;
};

static const struct mw_option options[] = {
    MW_OPTION_CONFIG(struct values),
    {"from", MW_OPTION_INT, NULL, 0, 9e15, "0", "offset",
     "first offset that is printed, in each partition", offsetof(struct values, from)},
    {"json", MW_OPTION_BOOL, NULL, 0, 0, "false", NULL,
     "print partition, offset, time of append and key with each record",
     offsetof(struct values, json)},
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0},
};

/* The topics that the roles of a plant append to (docs/protocol.md); tests/cli/topics_test.py holds
 * them against who appends, and the chart against them. */
static const char *const topics[] = {"telemetry", "sketch",  "event",   "status",  "dead",
                                     "score",     "command", "drift",   "model",   "baseline",
                                     "update",    "rollout", "request", "download"};

static mw_err check_topic(const char *name, struct mw_error *error)
{
    const char *best = NULL;
    size_t least = mw_nearest_limit(mw_span_of(name));
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++) {
        size_t distance = mw_nearest_distance(mw_span_of(name), mw_span_of(topics[i]));
        if (distance == 0) {
            return MW_OK;
        }
        if (distance <= least) {
            best = topics[i];
            least = distance;
        }
    }
    if (best != NULL) {
        return mw_error_set(error, MW_ERR_ARGUMENT, "there is no topic %.80s; did you mean %s?",
                            name, best);
    }
    char all[256] = "";
    for (size_t i = 0, at = 0; i < sizeof topics / sizeof *topics && at < sizeof all; i++) {
        at += (size_t)snprintf(all + at, sizeof all - at, "%s%s", i == 0 ? "" : ", ", topics[i]);
    }
    return mw_error_set(error, MW_ERR_ARGUMENT, "there is no topic %.80s: one of %s was expected",
                        name, all);
}

/* A value is JSON, but may have come with line ends between its tokens. */
static void print_value(struct mw_span value)
{
    for (size_t i = 0; i < value.size; i++) {
        char c = value.data[i];
        (void)putchar(c == '\n' || c == '\r' ? ' ' : c);
    }
}

static void print_key(struct mw_span key)
{
    json_t *text = json_stringn(key.data, key.size);
    char *quoted = text == NULL ? NULL : json_dumps(text, JSON_ENCODE_ANY);
    (void)fputs(quoted == NULL ? "null" : quoted, stdout);
    free(quoted);
    json_decref(text);
}

static void print_record(const struct mw_stream_record *record, bool json)
{
    if (json) {
        printf("{\"partition\":%lu,\"offset\":%lld,\"appended\":%.6f,\"key\":",
               (unsigned long)record->partition, (long long)record->offset,
               (double)record->appended / 1e6);
        print_key(record->key);
        (void)fputs(",\"value\":", stdout);
    }
    print_value(record->value);
    (void)fputs(json ? "}\n" : "\n", stdout);
}

static mw_err print_all(struct mw_stream_reader *reader, const struct values *v,
                        struct mw_error *error)
{
    struct mw_stream_record *records = calloc(POLL, sizeof *records);
    size_t n = 0;
    if (records == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    mw_err err = MW_OK;
    do {
        err = mw_stream_poll(reader, records, POLL, &n, error);
        for (size_t i = 0; err == MW_OK && i < n; i++) {
            if (records[i].offset >= v->from) {
                print_record(&records[i], v->json);
            }
        }
    } while (err == MW_OK && n > 0 && !ferror(stdout));
    free(records);
    return err;
}

static mw_err cat(const struct mw_plant *plant, const struct values *v, const char *topic,
                  struct mw_error *error)
{
    struct mw_stream *stream = NULL;
    struct mw_stream_reader *reader = NULL;
    char uri[PATH_MAX];
    struct mw_stream_options where = {.uri = uri, .plant = plant->plant};
    mw_err err = mw_plant_stream_uri(plant, uri, sizeof uri);
    if (err != MW_OK) {
        return mw_error_set(error, err, "%s: path too long", plant->data);
    }
    err = mw_stream_open(&stream, &where, error);
    if (err == MW_OK) {
        err = mw_stream_reader_open(&reader, stream, &topic, 1, MW_STREAM_EARLIEST, error);
    }
    if (err == MW_OK) {
        err = print_all(reader, v, error);
    }
    mw_stream_reader_close(reader);
    mw_stream_close(stream);
    return err;
}

static int run(void *values, int n, char **argv, struct mw_error *error)
{
    const struct values *v = values;
    struct mw_plant plant;
    if (n != 1) {
        mw_error_set(error, MW_ERR_ARGUMENT, "one topic was expected, e.g. score");
        return 2;
    }
    if (check_topic(argv[0], error) != MW_OK || mw_plant_read(&plant, v->config, error) != MW_OK) {
        return 2;
    }
    mw_err err = cat(&plant, v, argv[0], error);
    mw_plant_clear(&plant);
    return err == MW_OK ? 0 : 1;
}

const struct mw_subcommand mw_command_stream_cat = {
    .name = "stream cat",
    .synopsis = "-c plant.yaml TOPIC [--from OFFSET] [--json]",
    .summary = "print the records of a topic, one a line, in their order",
    .shorts = "c=config",
    .options = options,
    .values_size = sizeof(struct values),
    .run = run,
    .positional = true,
};
