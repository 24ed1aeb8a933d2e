#include "tiers/training/archive.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define POLL 256
#define TOKENS 2048

struct mw_archive {
    struct mw_stream *stream;
    struct mw_history *history;
    struct mw_baselines *baselines;
    struct mw_wire_parser *parser;
    void *memory;
    struct mw_telemetry record; /* scratch */
};

typedef mw_err take_fn(struct mw_archive *archive, const struct mw_stream_record *record,
                       void *context, struct mw_error *error);

/* Reads a topic from its start to its present end. */
static mw_err read_topic(struct mw_archive *archive, const char *topic, take_fn *take,
                         void *context, struct mw_error *error)
{
    struct mw_stream_reader *reader = NULL;
    struct mw_stream_record *records = calloc(POLL, sizeof *records);
    size_t n = 0;
    if (records == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    mw_err err =
        mw_stream_reader_open(&reader, archive->stream, &topic, 1, MW_STREAM_EARLIEST, error);
    do {
        if (err == MW_OK) {
            err = mw_stream_poll(reader, records, POLL, &n, error);
        }
        for (size_t i = 0; err == MW_OK && i < n; i++) {
            struct mw_why why = {0};
            /* What a role stored has been read once; a record that cannot be read now is skipped.
             */
            if (mw_wire_open(archive->parser, records[i].value, &why) == MW_OK) {
                err = take(archive, &records[i], context, error);
            }
        }
    } while (err == MW_OK && n > 0);
    mw_stream_reader_close(reader);
    free(records);
    return err;
}

static mw_err take_event(struct mw_archive *archive, const struct mw_stream_record *record,
                         void *context, struct mw_error *error)
{
    (void)record;
    (void)context;
    struct mw_event event;
    struct mw_why why = {0};
    if (mw_wire_read_event(archive->parser, 0, &event, &why) != MW_OK) {
        return MW_OK;
    }
    return mw_history_add_event(archive->history, &event, error);
}

static mw_err take_command(struct mw_archive *archive, const struct mw_stream_record *record,
                           void *context, struct mw_error *error)
{
    (void)record;
    (void)context;
    struct mw_command command;
    struct mw_why why = {0};
    if (mw_wire_read_command(archive->parser, 0, &command, &why) != MW_OK) {
        return MW_OK;
    }
    return mw_history_add_action(archive->history, command.machine, command.time, error);
}

static mw_err take_time(struct mw_archive *archive, const struct mw_stream_record *record,
                        void *context, struct mw_error *error)
{
    (void)record;
    (void)context;
    struct mw_why why = {0};
    if (mw_wire_read_telemetry(archive->parser, 0, &archive->record, &why) != MW_OK) {
        return MW_OK;
    }
    /* A time that is not to be believed is no "now": it would settle labels that are open. */
    bool suspect = mw_wire_has(archive->parser, 0, "time_suspect");
    return mw_history_add_record(archive->history, archive->record.machine,
                                 suspect ? INT64_MIN : archive->record.time, error);
}

/* The newest is there even when retention has removed what was appended. */
static bool take_newest_baseline(void *context, struct mw_span key, struct mw_span value)
{
    struct mw_archive *archive = context;
    json_error_t why;
    char machine[MW_NAME_MAX + 1];
    json_t *root = json_loadb(value.data, value.size, 0, &why);
    if (root != NULL && key.size <= MW_NAME_MAX) {
        memcpy(machine, key.data, key.size);
        machine[key.size] = '\0';
        mw_baselines_add(archive->baselines, machine, root);
    }
    json_decref(root);
    return true;
}

static mw_err take_baseline(struct mw_archive *archive, const struct mw_stream_record *record,
                            void *context, struct mw_error *error)
{
    (void)context;
    (void)error;
    (void)take_newest_baseline(archive, record->key, record->value);
    return MW_OK;
}

static mw_err take_in(struct mw_archive *archive, struct mw_error *error)
{
    mw_err err = read_topic(archive, "event", take_event, NULL, error);
    if (err == MW_OK) {
        err = read_topic(archive, "command", take_command, NULL, error);
    }
    if (err == MW_OK) {
        err = read_topic(archive, "telemetry", take_time, NULL, error);
    }
    if (err == MW_OK) {
        err = read_topic(archive, "baseline", take_baseline, NULL, error);
    }
    if (err == MW_OK) {
        err = mw_stream_visit(archive->stream, "learn", "baseline", take_newest_baseline, archive,
                              error);
    }
    return err == MW_ERR_NOT_FOUND ? MW_OK : err; /* no baselines yet */
}

mw_err mw_archive_open(struct mw_archive **out, const struct mw_plant *plant,
                       struct mw_error *error)
{
    char uri[4096];
    *out = NULL;
    struct mw_archive *archive = calloc(1, sizeof *archive);
    size_t parser_size = mw_wire_parser_size(TOKENS);
    if (archive == NULL || (archive->memory = malloc(parser_size)) == NULL) {
        free(archive);
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    struct mw_stream_options options = {.uri = uri, .plant = plant->plant};
    mw_err err = mw_wire_parser_init(archive->memory, parser_size, &archive->parser);
    if (err == MW_OK) {
        err = mw_plant_stream_uri(plant, uri, sizeof uri);
    }
    if (err == MW_OK) {
        err = mw_history_new(&archive->history, error);
    }
    if (err == MW_OK) {
        err = mw_baselines_new(&archive->baselines, error);
    }
    if (err == MW_OK) {
        err = mw_stream_open(&archive->stream, &options, error);
    }
    if (err == MW_OK) {
        err = take_in(archive, error);
    }
    if (err != MW_OK) {
        mw_archive_close(archive);
        return err;
    }
    *out = archive;
    return MW_OK;
}

void mw_archive_close(struct mw_archive *archive)
{
    if (archive != NULL) {
        mw_stream_close(archive->stream);
        mw_history_free(archive->history);
        mw_baselines_free(archive->baselines);
        free(archive->memory);
        free(archive);
    }
}

struct mw_history *mw_archive_history(struct mw_archive *archive)
{
    return archive->history;
}

struct mw_baselines *mw_archive_baselines(struct mw_archive *archive)
{
    return archive->baselines;
}

struct visit {
    mw_archive_visit_fn *fn;
    void *context;
};

static mw_err take_record(struct mw_archive *archive, const struct mw_stream_record *record,
                          void *context, struct mw_error *error)
{
    (void)record;
    const struct visit *visit = context;
    struct mw_why why = {0};
    if (mw_wire_read_telemetry(archive->parser, 0, &archive->record, &why) != MW_OK) {
        return MW_OK;
    }
    bool suspect = mw_wire_has(archive->parser, 0, "time_suspect");
    return visit->fn(visit->context, &archive->record, suspect, error);
}

mw_err mw_archive_visit(struct mw_archive *archive, mw_archive_visit_fn *fn, void *context,
                        struct mw_error *error)
{
    struct visit visit = {fn, context};
    return read_topic(archive, "telemetry", take_record, &visit, error);
}
