/* uplink.c - one device: what may be sent, what has been stored, and where to go on. */
#include "tiers/iot/uplink_internal.h"

#include "core/wire/number.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/plant/share.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW 4096            /* records in flight a device */
#define MESSAGE_BYTES 60000    /* of records in a message; no JSON that short has 32,768 tokens */
#define STALL MW_SECOND        /* without progress for this long the position is asked again */
#define REPORT (5 * MW_SECOND) /* a status at least this often */

/* --- sending --- */

struct batch {
    struct mw_uplink *uplink;
    char head[160]; /* what all its records begin with */
    int head_size;
    size_t n;
    bool full;
    mw_err err;
};

static void add_record(void *context, uint64_t seq, struct mw_span text)
{
    struct batch *batch = context;
    struct mw_buffer *message = &batch->uplink->host->message;
    batch->full |= batch->n > 0 && message->size + text.size > MESSAGE_BYTES;
    if (batch->full || batch->err != MW_OK) {
        return;
    }
    if (seq != batch->uplink->sent + batch->n) {
        batch->err = MW_ERR_CORRUPT; /* a hole: what is behind it would never be taken */
        return;
    }
    char number[MW_NUMBER_TEXT + 1];
    size_t digits = mw_number_print_u64(number, seq);
    number[digits] = ',';
    batch->err = mw_buffer_add(message, batch->n == 0 ? "[" : ",", 1);
    if (batch->err == MW_OK) {
        batch->err = mw_buffer_add(message, batch->head, (size_t)batch->head_size);
    }
    if (batch->err == MW_OK) {
        batch->err = mw_buffer_add(message, number, digits + 1);
    }
    if (batch->err == MW_OK) {
        batch->err = mw_buffer_add(message, text.data, text.size);
    }
    batch->n++;
}

/* Fills the host's buffer with waiting records. AGAIN when there are none. */
static mw_err gather(struct mw_uplink *uplink, struct batch *batch, struct mw_error *error)
{
    uint64_t waiting = uplink->numbers.next - uplink->sent;
    size_t max = waiting < MW_BATCH_MAX ? (size_t)waiting : MW_BATCH_MAX;
    *batch = (struct batch){.uplink = uplink};
    batch->head_size = snprintf(batch->head, sizeof batch->head,
                                "{\"v\":1,\"device\":\"%s\",\"boot\":%u,\"seq\":", uplink->name,
                                uplink->numbers.boot);
    mw_buffer_clear(&uplink->host->message);
    mw_err err =
        uplink->source.read(uplink->source.context, uplink->sent, max, add_record, batch, error);
    if (err == MW_OK && batch->n == 0 && batch->err == MW_OK) {
        batch->err = MW_ERR_CORRUPT; /* they were said to be there */
    }
    if (err == MW_OK && batch->err != MW_OK) {
        err = mw_error_set(error, batch->err, "record %llu is not there",
                           (unsigned long long)(uplink->sent + batch->n));
    }
    return err;
}

/* Sends one message of waiting records. AGAIN when nothing may be sent now. */
static mw_err send_batch(struct mw_uplink *uplink, struct mw_error *error)
{
    uint64_t flying = uplink->sent - uplink->numbers.first;
    if (!uplink->synced || uplink->sent >= uplink->numbers.next || flying >= WINDOW) {
        return MW_ERR_AGAIN;
    }
    struct batch batch;
    mw_err err = gather(uplink, &batch, error);
    if (err != MW_OK) {
        return err;
    }
    struct mw_buffer *message = &uplink->host->message;
    struct mw_span json = {message->data + 1, message->size - 1}; /* one record needs no array */
    if (batch.n > 1) {
        err = mw_buffer_add(message, "]", 1);
        json = (struct mw_span){message->data, message->size};
    }
    if (err == MW_OK) {
        err = mw_host_publish_to(uplink->host, "telemetry", uplink->name, uplink->share, json);
    }
    if (err != MW_OK) {
        return mw_error_set(error, err, "%s", mw_err_text(err));
    }
    uint64_t from = uplink->sent;
    uplink->sent += batch.n;
    if (uplink->sent > uplink->sent_high) {
        uplink->sent_high = uplink->sent;
    }
    if (uplink->source.sent != NULL) {
        uplink->source.sent(uplink->source.context, from, uplink->sent, mw_clock_monotonic());
    }
    return MW_OK;
}

void mw_uplink_pump(struct mw_uplink *uplink)
{
    struct mw_error error = {0};
    mw_err err;
    do {
        err = send_batch(uplink, &error);
    } while (err == MW_OK);
    if (err != MW_ERR_AGAIN && err != MW_ERR_NET) {
        mw_log(MW_LOG_ERROR, uplink->name, "cannot send records", MW_KS("reason", error.text));
    }
}

void mw_uplink_report(struct mw_uplink *uplink)
{
    struct mw_buffer json = {0};
    char time[MW_NUMBER_TEXT];
    if (!mw_host_connected(uplink->host)) {
        return; /* a status is the first thing on each connection */
    }
    mw_number_print_time(time, mw_clock_utc());
    /* In boot 0 no number has been given out for good. */
    long long last = uplink->numbers.boot == 0 ? -1 : (long long)uplink->numbers.next - 1;
    mw_err err = mw_buffer_printf(
        &json, "{\"v\":1,\"device\":\"%s\",\"boot\":%u,\"last_seq\":%lld,\"time\":%s", uplink->name,
        uplink->numbers.boot, last, time);
    if (err == MW_OK && uplink->source.status != NULL) {
        uplink->source.status(uplink->source.context, &json);
    }
    if (err == MW_OK) {
        err = mw_buffer_add(&json, "}", 1);
    }
    if (err == MW_OK) {
        err = mw_host_publish(uplink->host, "status", uplink->name,
                              (struct mw_span){json.data, json.size});
    }
    uplink->asked |= err == MW_OK;
    uplink->reported = mw_clock_monotonic();
    mw_buffer_free(&json);
}

/* --- what comes back --- */

enum position {
    JOINS,  /* on to our numbers */
    FRESH,  /* an earlier boot; of this one nothing is stored yet */
    BEHIND, /* before what was acknowledged: an old ack, or a bridge that has lost something */
    AHEAD   /* beyond what we know: we have lost something, or have never been answered */
};

static enum position judge(const struct mw_numbers *mine, const struct mw_ack *ack)
{
    if (mine->boot == 0 || ack->boot > mine->boot) {
        return AHEAD;
    }
    if (ack->boot < mine->boot) {
        return mine->first == 0 ? FRESH : BEHIND;
    }
    return ack->next > mine->next ? AHEAD : ack->next < mine->first ? BEHIND : JOINS;
}

static bool start_boot(struct mw_uplink *uplink, uint32_t boot)
{
    struct mw_numbers *mine = &uplink->numbers;
    struct mw_error error = {0};
    if (uplink->source.new_boot != NULL &&
        uplink->source.new_boot(uplink->source.context, boot, &error) != MW_OK) {
        mw_log(MW_LOG_ERROR, uplink->name, "cannot start a new boot", MW_KS("reason", error.text));
        return false;
    }
    if (mine->boot != 0) {
        mw_log(MW_LOG_WARN, uplink->name,
               "numbers do not join on to the bridge's, a new boot starts", MW_KI("boot", boot),
               MW_KI("waiting", mine->next - mine->first));
    }
    /* What had been sent may be stored somewhere, whatever its number is now. */
    uplink->sent_high = uplink->sent_high > mine->first ? uplink->sent_high - mine->first : 0;
    mine->boot = boot;
    mine->next -= mine->first;
    mine->first = 0;
    mw_uplink_report(uplink);
    return true;
}

/* Goes on where the bridge stands, if the thing can. */
static bool adopt(struct mw_uplink *uplink, const struct mw_ack *ack)
{
    struct mw_numbers *mine = &uplink->numbers;
    if (ack->boot == 0 || uplink->source.adopt == NULL ||
        !uplink->source.adopt(uplink->source.context, ack->boot, ack->next)) {
        return false;
    }
    mine->boot = ack->boot;
    mine->first = ack->next;
    mine->next = mine->next < mine->first ? mine->first : mine->next;
    return true;
}

static void acknowledge(struct mw_uplink *uplink, uint64_t next)
{
    struct mw_numbers *mine = &uplink->numbers;
    if (next <= mine->first) {
        return;
    }
    mine->first = next;
    uplink->sent = uplink->sent < next ? next : uplink->sent;
    uplink->progress = mw_clock_monotonic();
    uplink->stalled = false;
    if (uplink->source.acknowledged != NULL) {
        uplink->source.acknowledged(uplink->source.context, next);
    }
}

/* Finds out where to go on from the first ack; false when that has to wait for another one. */
static bool sync(struct mw_uplink *uplink, const struct mw_ack *ack, enum position position)
{
    if (position == BEHIND && !uplink->doubted) {
        uplink->doubted = true;
        return false;
    }
    uint32_t mine = uplink->numbers.boot;
    if (position == AHEAD && adopt(uplink, ack)) {
        position = JOINS;
    } else if (position == AHEAD || position == BEHIND) {
        if (!start_boot(uplink, (ack->boot > mine ? ack->boot : mine) + 1)) {
            return false;
        }
    }
    uplink->synced = true;
    uplink->doubted = false;
    uplink->stalled = false;
    uplink->progress = mw_clock_monotonic();
    uplink->sent = position == JOINS ? ack->next : uplink->numbers.first;
    return true;
}

static void take_position(struct mw_uplink *uplink, const struct mw_ack *ack)
{
    enum position position = judge(&uplink->numbers, ack);
    bool asked = uplink->asked;
    uplink->asked = false;
    if (uplink->synced && uplink->stalled && position != JOINS && position != FRESH) {
        uplink->synced = false; /* the bridge does not know what we are sending */
    }
    if (!uplink->synced) {
        if (!asked || !sync(uplink, ack, position)) {
            return;
        }
    } else if (uplink->stalled) {
        if (position == FRESH || ack->next == uplink->numbers.first) {
            uplink->sent = uplink->numbers.first; /* what was in flight is lost */
            uplink->stalled = false;
            uplink->progress = mw_clock_monotonic();
        }
    }
    if (position == JOINS && ack->boot == uplink->numbers.boot) {
        acknowledge(uplink, ack->next);
    }
    mw_uplink_pump(uplink);
}

static int read_share(const struct mw_wire_parser *parser)
{
    struct mw_span text;
    uint64_t share;
    bool said = mw_wire_get(parser, 0, "share", &text) == MW_OK &&
                mw_number_parse_u64(text, &share) == MW_OK && share < MW_SHARES_MAX;
    return said ? (int)share : -1;
}

void mw_uplink_take_ack(struct mw_uplink *uplink, struct mw_wire_parser *parser)
{
    struct mw_span id;
    if (mw_wire_get(parser, 0, "event", &id) == MW_OK) {
        if (uplink->source.event_acknowledged != NULL) {
            uplink->source.event_acknowledged(uplink->source.context, id);
        }
        return;
    }
    struct mw_ack ack;
    struct mw_why why = {0};
    if (mw_wire_read_ack(parser, 0, &ack, &why) == MW_OK) {
        uplink->share = read_share(parser);
        take_position(uplink, &ack);
    } else {
        mw_log(MW_LOG_WARN, uplink->name, "an ack that cannot be read", MW_KS("reason", why.text));
    }
}

void mw_uplink_take_command(struct mw_uplink *uplink, struct mw_wire_parser *parser)
{
    struct mw_command command;
    struct mw_why why = {0};
    if (mw_wire_read_command(parser, 0, &command, &why) != MW_OK) {
        mw_log(MW_LOG_WARN, uplink->name, "a command that cannot be read",
               MW_KS("reason", why.text));
    } else if (uplink->source.command != NULL) {
        uplink->source.command(uplink->source.context, &command);
    }
}

void mw_uplink_connected(struct mw_uplink *uplink)
{
    mw_uplink_disconnected(uplink);
    mw_uplink_report(uplink);
}

void mw_uplink_disconnected(struct mw_uplink *uplink)
{
    uplink->synced = false;
    uplink->asked = false;
    uplink->stalled = false;
    uplink->doubted = false;
}

void mw_uplink_tick(struct mw_uplink *uplink, int64_t now)
{
    bool flying = uplink->numbers.first < uplink->sent;
    if (now - uplink->reported > REPORT) {
        mw_uplink_report(uplink);
    } else if (now - uplink->reported > STALL &&
               (!uplink->synced || (flying && now - uplink->progress > STALL))) {
        uplink->stalled = uplink->synced;
        mw_uplink_report(uplink); /* the answer says where to go on */
    }
}

/* --- making, asking --- */

static mw_err subscribe(struct mw_uplink *uplink, const char *kind, uint8_t qos,
                        struct mw_error *error)
{
    char filter[256];
    snprintf(filter, sizeof filter, "mw/%s/%s/%s", uplink->host->plant->plant, kind, uplink->name);
    return mw_mqtt_subscribe(uplink->host->mqtt, filter, qos, error);
}

mw_err mw_uplink_new(struct mw_uplink **out, struct mw_host *host, const char *name,
                     const struct mw_uplink_source *source, struct mw_numbers numbers,
                     struct mw_error *error)
{
    *out = NULL;
    if (!mw_name_valid(mw_span_of(name))) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "%s is no name of a device: 1 to 63 of a-z, 0-9 and - were expected",
                            name);
    }
    if (mw_name_map_find(&host->names, mw_span_of(name)) != NULL) {
        return mw_error_set(error, MW_ERR_EXISTS, "two devices are called %s", name);
    }
    struct mw_uplink *uplink = calloc(1, sizeof *uplink);
    if (uplink == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    uplink->host = host;
    snprintf(uplink->name, sizeof uplink->name, "%s", name);
    uplink->source = *source;
    uplink->numbers = numbers;
    uplink->share = -1;
    uplink->sent = numbers.first;
    /* An earlier process may have sent what waits; in boot 0 nobody has. */
    uplink->sent_high = numbers.boot == 0 ? 0 : numbers.next;
    mw_err err = subscribe(uplink, "ack", 0, error);
    if (err == MW_OK && source->command != NULL) {
        err = subscribe(uplink, "command", 1, error);
    }
    if (err == MW_OK && source->update != NULL) {
        err = subscribe(uplink, "update", 1, error);
    }
    if (err == MW_OK && mw_name_map_add(&host->names, mw_span_of(uplink->name), uplink) != MW_OK) {
        err = mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    if (err != MW_OK) {
        free(uplink);
        return err;
    }
    uplink->next_in_host = host->first;
    host->first = uplink;
    *out = uplink;
    mw_uplink_report(uplink);
    return MW_OK;
}

void mw_uplink_offer(struct mw_uplink *uplink, uint64_t next)
{
    if (uplink->numbers.first == uplink->sent) {
        uplink->progress = mw_clock_monotonic(); /* nothing is in flight: the wait begins now */
    }
    uplink->numbers.next = next;
    mw_uplink_pump(uplink);
}

void mw_uplink_shrink(struct mw_uplink *uplink, uint64_t n)
{
    uint64_t unsent = uplink->numbers.next > uplink->sent_high
                          ? uplink->numbers.next - uplink->sent_high
                          : 0; /* the others have not been offered yet */
    uplink->numbers.next -= n < unsent ? n : unsent;
}

uint64_t mw_uplink_unsent(const struct mw_uplink *uplink)
{
    return uplink->sent_high;
}

struct mw_numbers mw_uplink_numbers(const struct mw_uplink *uplink)
{
    return uplink->numbers;
}

bool mw_uplink_synced(const struct mw_uplink *uplink)
{
    return uplink->synced;
}
