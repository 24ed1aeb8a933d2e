#include "tiers/platform/bridge_intake.h"

#include "core/wire/number.h"
#include "lib/plant/share.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 64 records of 128 features have about 18,000 tokens; the memory is touched only as far as used.
 */
enum { TOKENS = 32768, INNER_TOKENS = 1024 };

static size_t aligned(size_t size)
{
    return (size + 15) & ~(size_t)15;
}

mw_err mw_bridge_intake_init(struct mw_bridge_intake *intake, const char *plant, int64_t tolerance,
                             struct mw_clock clock)
{
    *intake = (struct mw_bridge_intake){.tolerance = tolerance, .clock = clock, .shares = 1};
    if (!mw_name_valid(mw_span_of(plant))) {
        return MW_ERR_ARGUMENT;
    }
    intake->prefix_size = (size_t)snprintf(intake->prefix, sizeof intake->prefix, "mw/%s/", plant);
    size_t first = aligned(mw_wire_parser_size(TOKENS));
    size_t second = mw_wire_parser_size(INNER_TOKENS);
    intake->memory = malloc(first + second);
    if (intake->memory == NULL) {
        return MW_ERR_MEMORY;
    }
    mw_err err = mw_wire_parser_init(intake->memory, first, &intake->parser);
    return err == MW_OK
               ? mw_wire_parser_init((char *)intake->memory + first, second, &intake->inner)
               : err;
}

void mw_bridge_intake_clear(struct mw_bridge_intake *intake)
{
    mw_table_clear(&intake->devices, mw_bridge_device_free);
    mw_bridge_round_free(&intake->round);
    free(intake->memory);
    *intake = (struct mw_bridge_intake){0};
}

void mw_bridge_touch(struct mw_bridge_intake *intake, struct mw_bridge_device *device, bool changed,
                     bool answer)
{
    device->changed |= changed;
    device->answer |= answer;
    if (!device->touched) {
        device->touched = true;
        device->next_touched = intake->touched;
        intake->touched = device;
    }
}

/* ---- what is another bridge's ---- */

bool mw_bridge_owns(const struct mw_bridge_intake *intake, struct mw_span device)
{
    return mw_share_of(device, intake->shares) == intake->share;
}

/* To mw/<plant>/<kind>/<device>/<share>, which the device's own bridge alone subscribes to. */
static void pass_on(struct mw_bridge_intake *intake, struct mw_span kind, struct mw_span device,
                    struct mw_span payload)
{
    char topic[sizeof intake->prefix + 2 * MW_NAME_MAX + 32];
    snprintf(topic, sizeof topic, "%s%.*s/%.*s/%zu", intake->prefix, (int)kind.size, kind.data,
             (int)device.size, device.data, mw_share_of(device, intake->shares));
    intake->counts.passed++;
    intake->pass.send(intake->pass.context, topic, payload);
}

static bool is_numbered(const struct mw_wire_parser *parser, size_t i)
{
    return mw_wire_has(parser, i, "boot") && mw_wire_has(parser, i, "seq");
}

/* A status says how a device stands, and records with numbers have an order: both only its own
 * bridge can judge. Whatever else comes in any bridge may store. */
static bool needs_owner(const struct mw_wire_parser *parser, struct mw_span kind)
{
    bool needed = mw_span_is(kind, "status");
    size_t n = mw_span_is(kind, "telemetry") ? mw_wire_count(parser) : 0;
    for (size_t i = 0; i < n && !needed; i++) {
        needed = is_numbered(parser, i);
    }
    return needed;
}

/* ---- dead letters ---- */

static mw_err bury_message(struct mw_bridge_intake *intake, struct mw_span topic,
                           struct mw_span device, struct mw_span payload, const struct mw_why *why)
{
    return mw_bridge_bury(intake, &(struct mw_bridge_dead){.topic = topic,
                                                           .device = device,
                                                           .payload = payload,
                                                           .reason = why->text,
                                                           .where = why->where});
}

/* ---- records ---- */

/* What a record of either sort says of itself. */
struct record {
    struct mw_span text, device, machine;
    bool sketch, numbered;
    uint32_t boot;
    uint64_t seq;
    int64_t time;
};

/* The bridge's own words go before the closing brace; the record stays byte for byte as it came. */
static mw_err print_record(struct mw_bridge_intake *intake, const struct record *record,
                           int64_t now)
{
    static const char suspect[] = ",\"time_suspect\":true}", end[] = "}";
    struct mw_buffer *out = &intake->round.text;
    mw_err err;
    if (record->text.data != NULL) {
        err = mw_buffer_add(out, record->text.data, record->text.size - 1);
    } else {
        /* Without a time of its own the record is written anew with that of its receipt. */
        size_t room = record->text.size * 2 + 1024, length;
        err = mw_buffer_reserve(out, room);
        if (err == MW_OK) {
            err = mw_wire_write_telemetry(out->data + out->size, room, &length, &intake->telemetry);
            out->size += err == MW_OK ? length - 1 : 0;
        }
    }
    char received[MW_NUMBER_TEXT + 16] = ",\"received\":";
    size_t at = strlen(received);
    at += mw_number_print_time(received + at, now);
    if (err == MW_OK) {
        err = mw_buffer_add(out, received, at);
    }
    int64_t off = record->time > now ? record->time - now : now - record->time;
    bool doubted = !record->sketch && intake->tolerance >= 0 && off > intake->tolerance;
    if (err == MW_OK) {
        err = doubted ? mw_buffer_add(out, suspect, sizeof suspect - 1)
                      : mw_buffer_add(out, end, sizeof end - 1);
    }
    return err;
}

static mw_err keep_record(struct mw_bridge_intake *intake, struct mw_bridge_device *device,
                          const struct record *record)
{
    int64_t now = intake->clock.now(intake->clock.context);
    const char *topic = record->sketch ? "sketch" : "telemetry";
    mw_err err = mw_bridge_round_open(&intake->round, topic, false, device->key.name);
    if (err != MW_OK) {
        return err;
    }
    err = print_record(intake, record, now);
    if (err != MW_OK) {
        mw_bridge_round_drop(&intake->round);
        return err;
    }
    mw_bridge_round_close(&intake->round);
    device->time = record->time > device->time ? record->time : device->time;
    device->received = now;
    device->gone = false;
    intake->counts.records += record->sketch ? 0 : 1;
    intake->counts.sketches += record->sketch ? 1 : 0;
    mw_bridge_note_machine(device, record->machine);
    return MW_OK;
}

/* Reads object i into `record`; numbered, boot and seq are set as far as they can be read even when
 * the rest is broken. */
static mw_err read_record(struct mw_bridge_intake *intake, size_t i, struct record *record,
                          struct mw_why *why)
{
    enum { BOOT, SEQ, RECEIVED, SUSPECT, FROM, TO, KEYS };
    static const struct mw_span key[KEYS] = {{"boot", 4},          {"seq", 3},  {"received", 8},
                                             {"time_suspect", 12}, {"from", 4}, {"to", 2}};
    const struct mw_wire_parser *parser = intake->parser;
    struct mw_span value[KEYS];
    uint64_t number = 0;
    *record = (struct record){.text = mw_wire_item(parser, i)};
    mw_wire_get_all(parser, i, key, value, KEYS);
    if (value[BOOT].data != NULL && value[SEQ].data != NULL &&
        mw_number_parse_u64(value[BOOT], &number) == MW_OK && number <= UINT32_MAX &&
        mw_number_parse_u64(value[SEQ], &record->seq) == MW_OK) {
        record->boot = (uint32_t)number;
        record->numbered = true;
    }
    if (value[RECEIVED].data != NULL || value[SUSPECT].data != NULL) {
        return mw_fail(why, MW_ERR_PARSE, "received and time_suspect are the bridge's to say", 0);
    }
    record->sketch = value[FROM].data != NULL && value[TO].data != NULL;
    if (record->sketch) {
        mw_err err = mw_wire_read_sketch(parser, i, &intake->sketch, why);
        record->device = intake->sketch.device;
        record->machine = intake->sketch.machine;
        record->time = intake->sketch.to;
        return err;
    }
    struct mw_telemetry *telemetry = &intake->telemetry;
    mw_err err = mw_wire_read_telemetry(parser, i, telemetry, why);
    if (err != MW_OK) {
        return err;
    }
    if (telemetry->time_unknown) {
        telemetry->time = intake->clock.now(intake->clock.context);
        telemetry->time_unknown = false;
        record->text.data = NULL;
    }
    record->device = telemetry->device;
    record->machine = telemetry->machine;
    record->time = telemetry->time;
    record->numbered = telemetry->numbered;
    return MW_OK;
}

/* A record without a number is kept each time it comes. */
static mw_err take_unnumbered(struct mw_bridge_intake *intake, struct mw_bridge_device *device,
                              const struct record *record)
{
    mw_err err = keep_record(intake, device, record);
    intake->counts.unnumbered += err == MW_OK ? 1 : 0;
    return err;
}

mw_err mw_bridge_keep_telemetry(struct mw_bridge_intake *intake, struct mw_bridge_device *device)
{
    const struct mw_telemetry *telemetry = &intake->telemetry;
    size_t room = telemetry->n_features * (MW_FEATURE_NAME_MAX + MW_NUMBER_TEXT);
    struct record record = {.text = {NULL, room},
                            .device = telemetry->device,
                            .machine = telemetry->machine,
                            .time = telemetry->time};
    return take_unnumbered(intake, device, &record);
}

static mw_err take_numbered(struct mw_bridge_intake *intake, struct mw_bridge_device *device,
                            const struct record *record, const struct mw_bridge_dead *dead)
{
    enum mw_bridge_verdict verdict = mw_bridge_judge(device, record->boot, record->seq);
    if (verdict != MW_BRIDGE_TAKE) {
        intake->counts.again += verdict == MW_BRIDGE_OLD ? 1 : 0;
        intake->counts.ahead += verdict == MW_BRIDGE_AHEAD ? 1 : 0;
        mw_bridge_touch(intake, device, false, true);
        return MW_OK;
    }
    mw_err err = dead == NULL ? keep_record(intake, device, record) : mw_bridge_bury(intake, dead);
    if (err != MW_OK) {
        return err;
    }
    mw_bridge_advance(device, record->boot, record->seq);
    device->stored += dead == NULL ? 1 : 0;
    device->sketches += dead == NULL && record->sketch ? 1 : 0;
    device->dead += dead == NULL ? 0 : 1;
    mw_bridge_touch(intake, device, true, true);
    return MW_OK;
}

static mw_err take_record(struct mw_bridge_intake *intake, struct mw_span topic,
                          struct mw_bridge_device *device, size_t i)
{
    struct mw_why why = {"the record cannot be read", 0};
    struct record record;
    mw_err err = read_record(intake, i, &record, &why);
    if (err == MW_OK && !mw_span_equal(record.device, device->key.name)) {
        err = mw_fail(&why, MW_ERR_PARSE, "device is not that of the topic", 0);
    }
    if (err == MW_OK) {
        return record.numbered ? take_numbered(intake, device, &record, NULL)
                               : take_unnumbered(intake, device, &record);
    }
    struct mw_bridge_dead dead = {.topic = topic,
                                  .device = device->key.name,
                                  .payload = mw_wire_item(intake->parser, i),
                                  .numbered = record.numbered,
                                  .boot = record.boot,
                                  .seq = record.seq,
                                  .reason = why.text,
                                  .where = why.where};
    return record.numbered ? take_numbered(intake, device, &record, &dead)
                           : mw_bridge_bury(intake, &dead);
}

static mw_err take_telemetry(struct mw_bridge_intake *intake, struct mw_span topic,
                             struct mw_span name)
{
    struct mw_bridge_device *device = mw_bridge_device(&intake->devices, name);
    if (device == NULL) {
        return MW_ERR_MEMORY;
    }
    mw_err err = MW_OK;
    size_t n = mw_wire_count(intake->parser);
    for (size_t i = 0; i < n && err == MW_OK; i++) {
        err = take_record(intake, topic, device, i);
    }
    return err;
}

mw_err mw_bridge_take_records(struct mw_bridge_intake *intake, struct mw_span topic,
                              struct mw_span payload)
{
    struct mw_why why = {"device is missing, or not a name of a-z, 0-9 and -", 0};
    struct mw_span name, none = {NULL, 0};
    if (mw_wire_open(intake->parser, payload, &why) != MW_OK) {
        return bury_message(intake, topic, none, payload, &why);
    }
    mw_err err = MW_OK;
    size_t n = mw_wire_count(intake->parser);
    for (size_t i = 0; i < n && err == MW_OK; i++) {
        if (mw_wire_get(intake->parser, i, "device", &name) != MW_OK || !mw_name_valid(name)) {
            err = bury_message(intake, topic, none, mw_wire_item(intake->parser, i), &why);
            continue;
        }
        if (!mw_bridge_owns(intake, name) && is_numbered(intake->parser, i)) {
            pass_on(intake, mw_span_of("telemetry"), name, mw_wire_item(intake->parser, i));
            continue;
        }
        struct mw_bridge_device *device = mw_bridge_device(&intake->devices, name);
        err = device == NULL ? MW_ERR_MEMORY : take_record(intake, topic, device, i);
    }
    return err;
}

/* ---- events ---- */

/* Whoever sent an event keeps it until told that it is on disk, be it as a dead letter. */
static mw_err take_event(struct mw_bridge_intake *intake, struct mw_span topic,
                         const struct mw_bridge_device *device, size_t i)
{
    struct mw_why why = {"the event cannot be read", 0};
    struct mw_event event;
    struct mw_span id, text = mw_wire_item(intake->parser, i);
    mw_err err;
    if (mw_wire_read_event(intake->parser, i, &event, &why) == MW_OK) {
        err = mw_bridge_round_add(&intake->round, "event", false, event.machine, text);
        intake->counts.events += err == MW_OK ? 1 : 0;
    } else {
        err = bury_message(intake, topic, device->key.name, text, &why);
    }
    if (err == MW_OK && mw_wire_get(intake->parser, i, "id", &id) == MW_OK) {
        err = mw_bridge_round_receipt(&intake->round, device->name, id);
    }
    return err;
}

static mw_err take_events(struct mw_bridge_intake *intake, struct mw_span topic,
                          struct mw_span name)
{
    const struct mw_bridge_device *device = mw_bridge_device(&intake->devices, name);
    mw_err err = device == NULL ? MW_ERR_MEMORY : MW_OK;
    size_t n = mw_wire_count(intake->parser);
    for (size_t i = 0; i < n && err == MW_OK; i++) {
        err = take_event(intake, topic, device, i);
    }
    return err;
}

/* ---- messages ---- */

static bool has_prefix(const struct mw_bridge_intake *intake, struct mw_span topic)
{
    return topic.size > intake->prefix_size &&
           memcmp(topic.data, intake->prefix, intake->prefix_size) == 0;
}

/* "<prefix><kind>/<device>[/<share>]" into its parts; *handed: there is a share, which is ours,
 * since nothing else is subscribed to. */
static bool split_topic(const struct mw_bridge_intake *intake, struct mw_span topic,
                        struct mw_span *kind, struct mw_span *device, bool *handed)
{
    if (!has_prefix(intake, topic)) {
        return false;
    }
    const char *at = topic.data + intake->prefix_size;
    const char *slash = memchr(at, '/', topic.size - intake->prefix_size);
    if (slash == NULL) {
        return false;
    }
    *kind = (struct mw_span){at, (size_t)(slash - at)};
    *device = (struct mw_span){slash + 1, (size_t)(topic.data + topic.size - slash - 1)};
    const char *last = memchr(device->data, '/', device->size);
    *handed = last != NULL && intake->shares > 1;
    if (*handed) {
        device->size = (size_t)(last - device->data);
    }
    return mw_name_valid(*device);
}

static mw_err dispatch(struct mw_bridge_intake *intake, struct mw_span topic,
                       struct mw_span payload)
{
    struct mw_why why = {"the topic is not mw/<plant>/<kind>/<device>", 0};
    struct mw_span kind, device = {NULL, 0};
    bool handed = false;
    if (!has_prefix(intake, topic) && intake->others.take != NULL) {
        return intake->others.take(intake->others.context, topic, payload);
    }
    if (!split_topic(intake, topic, &kind, &device, &handed)) {
        device = (struct mw_span){NULL, 0};
        return bury_message(intake, topic, device, payload, &why);
    }
    if (mw_wire_open(intake->parser, payload, &why) != MW_OK) {
        return bury_message(intake, topic, device, payload, &why);
    }
    if (!mw_bridge_owns(intake, device) && needs_owner(intake->parser, kind)) {
        if (handed) { /* by who believes in another number of shares; not on, it might go round */
            intake->counts.astray++;
        } else {
            pass_on(intake, kind, device, payload);
        }
        return MW_OK;
    }
    if (mw_span_is(kind, "telemetry")) {
        return take_telemetry(intake, topic, device);
    }
    if (mw_span_is(kind, "status")) {
        return mw_bridge_take_status(intake, topic, device, payload);
    }
    return mw_span_is(kind, "event") ? take_events(intake, topic, device) : MW_OK;
}

mw_err mw_bridge_intake_take(struct mw_bridge_intake *intake, struct mw_span topic,
                             struct mw_span payload, uint32_t connection, uint16_t id)
{
    intake->counts.messages++;
    mw_err err = dispatch(intake, topic, payload);
    if (err == MW_OK && id != 0) {
        err = mw_bridge_round_puback(&intake->round, connection, id);
    }
    return err;
}

static mw_err put_position(struct mw_bridge_round *round, const struct mw_bridge_device *device)
{
    mw_err err = mw_bridge_round_open(round, "position", true, device->key.name);
    if (err != MW_OK) {
        return err;
    }
    err = mw_bridge_print_position(device, &round->text);
    if (err != MW_OK) {
        mw_bridge_round_drop(round);
        return err;
    }
    mw_bridge_round_close(round);
    return MW_OK;
}

mw_err mw_bridge_intake_remember(const struct mw_bridge_intake *intake,
                                 struct mw_bridge_round *round)
{
    const struct mw_bridge_device *device;
    size_t at = 0;
    mw_err err = MW_OK;
    while (err == MW_OK && (device = mw_table_next(&intake->devices, &at)) != NULL) {
        err = device->known ? put_position(round, device) : MW_OK;
    }
    return err;
}

mw_err mw_bridge_intake_seal(struct mw_bridge_intake *intake)
{
    for (struct mw_bridge_device *d = intake->touched; d != NULL; d = d->next_touched) {
        if (!d->changed) {
            continue;
        }
        mw_err err = put_position(&intake->round, d);
        if (err != MW_OK) {
            return err;
        }
        d->changed = false;
    }
    return intake->others.seal == NULL ? MW_OK : intake->others.seal(intake->others.context);
}

static void print_ack(const struct mw_bridge_intake *intake, const struct mw_bridge_device *device,
                      mw_bridge_ack_fn *fn, void *context)
{
    char text[128];
    size_t length;
    /* Boots count from 1, so {0, 0} says: never heard of. */
    struct mw_ack ack =
        device->known ? (struct mw_ack){device->boot, device->next} : (struct mw_ack){0, 0};
    if (mw_wire_write_ack(text, sizeof text, &length, &ack) == MW_OK) {
        if (intake->shares > 1) { /* before the closing brace: where to send records from now on */
            length--;
            length += (size_t)snprintf(text + length, sizeof text - length, ",\"share\":%zu}",
                                       intake->share);
        }
        fn(context, device->name, (struct mw_span){text, length});
    }
}

static void print_receipts(struct mw_bridge_intake *intake, mw_bridge_ack_fn *fn, void *context)
{
    const struct mw_bridge_round *round = &intake->round;
    struct mw_buffer text = {0};
    for (size_t i = 0; i < round->n_receipts; i++) {
        const struct mw_bridge_receipt *receipt = &round->receipt[i];
        mw_buffer_clear(&text);
        if (mw_buffer_printf(&text, "{\"v\":1,\"event\":\"%.*s\"}", (int)receipt->id_size,
                             round->text.data + receipt->id_at) == MW_OK) {
            fn(context, receipt->device, (struct mw_span){text.data, text.size});
        }
    }
    mw_buffer_free(&text);
}

/* What the newest status promises and has not come yet. */
static uint64_t pending_of(const struct mw_bridge_device *device)
{
    if (!device->heard || device->last_seq < 0) {
        return 0;
    }
    uint64_t end = (uint64_t)device->last_seq + 1;
    bool same = device->known && device->boot == device->status_boot;
    bool ahead = !device->known || device->status_boot > device->boot;
    return ahead ? end : same && end > device->next ? end - device->next : 0;
}

void mw_bridge_intake_stored(struct mw_bridge_intake *intake, mw_bridge_ack_fn *fn, void *context)
{
    while (intake->touched != NULL) {
        struct mw_bridge_device *device = intake->touched;
        uint64_t pending = pending_of(device);
        intake->touched = device->next_touched;
        intake->pending += pending - device->pending;
        device->pending = pending;
        if (device->answer) {
            print_ack(intake, device, fn, context);
        }
        device->answer = false;
        device->touched = false;
        device->next_touched = NULL;
    }
    print_receipts(intake, fn, context);
    mw_bridge_round_clear(&intake->round);
}
