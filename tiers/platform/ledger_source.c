#include "tiers/platform/ledger_source.h"

#include "core/wire/number.h"
#include "lib/plant/share.h"
#include "tiers/platform/bridge_position.h"

#include <stdlib.h>
#include <string.h>

enum { TOKENS = 8192, BATCH = 512, HIGHEST_LEVEL = 3 };

size_t mw_ledger_event_size(const struct mw_ledger_event *event)
{
    if (event->kind == MW_LEDGER_IS_POSITION) {
        return sizeof *event;
    }
    bool counts = event->kind == MW_LEDGER_IS_SKETCH || event->kind == MW_LEDGER_IS_STATUS;
    return offsetof(struct mw_ledger_event, count) + (counts ? 2 * sizeof event->count[0] : 0);
}

/* ---- one record ---- */

static bool get_u64(const struct mw_ledger_source *source, const char *key, uint64_t *value)
{
    struct mw_span text;
    return mw_wire_get(source->parser, 0, key, &text) == MW_OK &&
           mw_number_parse_u64(text, value) == MW_OK;
}

static bool get_number(const struct mw_ledger_source *source, struct mw_ledger_event *event)
{
    uint64_t wide;
    bool there =
        get_u64(source, "boot", &wide) && wide <= UINT32_MAX && get_u64(source, "seq", &event->seq);
    event->boot = there ? (uint32_t)wide : 0;
    return there;
}

static bool read_stored(const struct mw_ledger_source *source, bool sketch,
                        struct mw_ledger_event *event)
{
    if (!get_number(source, event)) {
        event->kind = MW_LEDGER_IS_UNNUMBERED;
    } else if (sketch) {
        event->kind = MW_LEDGER_IS_SKETCH;
        (void)get_u64(source, "count", &event->count[0]);
        (void)get_u64(source, "merged", &event->count[1]);
    } else {
        event->kind = MW_LEDGER_IS_STORED;
        event->flag = source->served != 0 && event->appended > source->served;
    }
    return true;
}

static bool read_dead(const struct mw_ledger_source *source, struct mw_ledger_event *event)
{
    struct mw_span by;
    bool numbered = get_number(source, event);
    if (mw_wire_get(source->parser, 0, "by", &by) == MW_OK && mw_span_is(by, "score")) {
        event->kind = MW_LEDGER_IS_REFUSED;
        return numbered;
    }
    event->kind = numbered ? MW_LEDGER_IS_DEAD : MW_LEDGER_IS_DEAD_UNNUMBERED;
    return true;
}

static bool read_score(const struct mw_ledger_source *source, struct mw_ledger_event *event)
{
    uint64_t level;
    event->kind = MW_LEDGER_IS_SCORED;
    return get_u64(source, "level", &level) && level == HIGHEST_LEVEL && get_number(source, event);
}

static bool read_status(const struct mw_ledger_source *source, struct mw_ledger_event *event)
{
    struct mw_span last;
    int64_t last_seq;
    uint64_t boot;
    if (!get_u64(source, "boot", &boot) || boot > UINT32_MAX ||
        mw_wire_get(source->parser, 0, "last_seq", &last) != MW_OK ||
        mw_number_parse_i64(last, &last_seq) != MW_OK) {
        return false;
    }
    event->kind = MW_LEDGER_IS_STATUS;
    event->boot = (uint32_t)boot;
    event->seq = last_seq < 0 ? 0 : (uint64_t)last_seq + 1;
    event->flag = get_u64(source, "published", &event->count[0]) ? MW_LEDGER_SAYS_PUBLISHED : 0;
    event->flag |= get_u64(source, "dropped", &event->count[1]) ? MW_LEDGER_SAYS_DROPPED : 0;
    return true;
}

/* The scorer says which bundle serves a device, or all ("*"). From then on each record that is
 * stored will get a score. */
static bool read_served(struct mw_ledger_source *source, struct mw_span *device,
                        struct mw_ledger_event *event)
{
    struct mw_span reported, bundle;
    if (mw_wire_get(source->parser, 0, "reported", &reported) != MW_OK ||
        mw_wire_open(source->parser, reported, NULL) != MW_OK ||
        mw_wire_get(source->parser, 0, "serves", device) != MW_OK ||
        mw_wire_get(source->parser, 0, "bundle", &bundle) != MW_OK) {
        return false;
    }
    event->kind = MW_LEDGER_IS_SERVED;
    event->flag = bundle.size > 0;
    if (!mw_span_is(*device, "*")) {
        return true;
    }
    if (bundle.size == 0 || source->served == 0) {
        source->served = bundle.size == 0 ? 0 : event->appended;
    }
    return false;
}

/* False: nothing that counts. */
static bool read_event(struct mw_ledger_source *source, const struct mw_stream_record *record,
                       struct mw_span *device, struct mw_ledger_event *event)
{
    *device = record->key;
    *event = (struct mw_ledger_event){.appended = record->appended};
    if (!mw_name_valid(record->key) || mw_wire_open(source->parser, record->value, NULL) != MW_OK) {
        return false;
    }
    if (strcmp(record->topic, "telemetry") == 0) {
        return read_stored(source, false, event);
    }
    if (strcmp(record->topic, "sketch") == 0) {
        return read_stored(source, true, event);
    }
    if (strcmp(record->topic, "dead") == 0) {
        return read_dead(source, event);
    }
    if (strcmp(record->topic, "score") == 0) {
        return read_score(source, event);
    }
    if (mw_span_is(record->key, "score")) {
        return read_served(source, device, event) && mw_name_valid(*device);
    }
    return read_status(source, event);
}

/* ---- reading on ---- */

struct visit {
    struct mw_ledger_source *source;
    mw_ledger_event_fn *fn;
    void *context;
    struct mw_error *error;
    mw_err err;
};

static bool give_position(void *context, struct mw_span key, struct mw_span value)
{
    struct visit *visit = context;
    struct mw_bridge_device position = {.key.name = key};
    if (mw_name_valid(key) &&
        mw_bridge_read_position(visit->source->parser, value, &position) == MW_OK) {
        const struct mw_ledger_event event = {
            .kind = MW_LEDGER_IS_POSITION,
            .boot = position.boot,
            .seq = position.next,
            .count = {position.stored, position.dead, position.skipped, position.dropped,
                      position.merged},
        };
        visit->err = visit->fn(visit->context, key, &event, visit->error);
    }
    free(position.machines);
    return visit->err == MW_OK;
}

static bool take_removed(void *context, struct mw_span key, struct mw_span value)
{
    struct mw_ledger_source *source = context;
    uint64_t n = 0;
    (void)mw_number_parse_u64(value, &n);
    if (mw_span_is(key, "telemetry") || mw_span_is(key, "sketch")) {
        source->removed += n;
    } else if (mw_span_is(key, "dead")) {
        source->removed_dead += n;
    }
    return true;
}

/* Kafka counts for a topic, whoever wrote it, and SQLite for a file. */
static mw_err visit_removed(struct mw_ledger_source *source, struct mw_error *error)
{
    mw_err err = MW_OK;
    for (size_t i = 0; i < (source->kafka ? 1 : source->shares) && err == MW_OK; i++) {
        char writer[MW_SHARE_NAME];
        mw_share_name(i, writer);
        err =
            mw_stream_visit(source->stream, writer, MW_STREAM_REMOVED, take_removed, source, error);
    }
    return err;
}

static mw_err give_records(struct mw_ledger_source *source, size_t records, mw_ledger_event_fn *fn,
                           void *context, bool *more, struct mw_error *error)
{
    for (size_t done = 0; done < records && *more;) {
        struct mw_stream_record record[BATCH];
        size_t n = 0;
        mw_err err = mw_stream_poll(source->reader, record, BATCH, &n, error);
        for (size_t i = 0; err == MW_OK && i < n; i++) {
            struct mw_span device;
            struct mw_ledger_event event;
            if (read_event(source, &record[i], &device, &event)) {
                err = fn(context, device, &event, error);
            }
        }
        if (err != MW_OK) {
            return err;
        }
        done += n;
        *more = n > 0;
    }
    return MW_OK;
}

mw_err mw_ledger_source_read(struct mw_ledger_source *source, size_t records,
                             mw_ledger_event_fn *fn, void *context, bool *more,
                             struct mw_error *error)
{
    /* Positions first: what they call taken must then be found by reading to the end. */
    mw_err err = MW_OK;
    *more = true;
    if (!source->reading) {
        struct visit visit = {source, fn, context, error, MW_OK};
        err =
            mw_bridge_visit_positions(source->stream, source->shares, give_position, &visit, error);
        err = err == MW_OK ? visit.err : err;
        source->reading = err == MW_OK;
    }
    if (err == MW_OK) {
        err = give_records(source, records, fn, context, more, error);
    }
    if (err == MW_OK && !*more) {
        source->reading = false;
        if (!source->whole) {
            /* Asked at the end, so that nothing is removed between the question and the reading;
             * what is removed later has been read. */
            source->removed = source->removed_dead = 0;
            err = visit_removed(source, error);
            source->whole = err == MW_OK;
        }
    }
    return err;
}

/* ---- opening ---- */

mw_err mw_ledger_source_init(struct mw_ledger_source *source, const struct mw_plant *plant,
                             struct mw_error *error)
{
    static const char *const topics[] = {"telemetry", "sketch", "dead", "status", "score"};
    char uri[4096 + 16];
    size_t bytes = mw_wire_parser_size(TOKENS);
    *source =
        (struct mw_ledger_source){.memory = malloc(bytes), .shares = (size_t)plant->bridge.shares};
    if (source->memory == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    mw_err err = mw_wire_parser_init(source->memory, bytes, &source->parser);
    if (err == MW_OK) {
        err = mw_plant_stream_uri(plant, uri, sizeof uri);
    }
    if (err != MW_OK) {
        return mw_error_set(error, err, "ledger: %s", mw_err_text(err));
    }
    source->kafka = mw_plant_in_kafka(plant);
    const struct mw_stream_options options = {uri, plant->plant, NULL};
    err = mw_stream_open(&source->stream, &options, error);
    if (err == MW_OK) {
        err = mw_stream_reader_open(&source->reader, source->stream, topics, 5, MW_STREAM_EARLIEST,
                                    error);
    }
    return err;
}

void mw_ledger_source_fini(struct mw_ledger_source *source)
{
    if (source->reader != NULL) {
        mw_stream_reader_close(source->reader);
    }
    mw_stream_close(source->stream);
    free(source->memory);
    *source = (struct mw_ledger_source){0};
}
