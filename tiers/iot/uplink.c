#include "tiers/iot/uplink.h"

#include "core/wire/number.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/mqtt/client.h"
#include "lib/plant/broker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW 4096            /* records in flight a device */
#define STALL MW_SECOND        /* without progress for this long the position is asked again */
#define REPORT (5 * MW_SECOND) /* a status at least this often */
#define TICK (MW_SECOND / 4)
#define PARSER_TOKENS 512

struct mw_uplink {
    struct mw_uplink *next_in_host;
    struct mw_host *host;
    char name[MW_NAME_MAX + 1];
    struct mw_uplink_source source;
    struct mw_numbers numbers;
    uint64_t sent;      /* the next number to send */
    uint64_t sent_high; /* numbers from here on were never handed to a broker */
    bool synced;
    int64_t progress, reported; /* monotonic */
};

struct mw_host {
    const struct mw_plant *plant;
    struct mw_host_options options;
    struct mw_loop *loop;
    struct mw_mqtt *mqtt;
    struct mw_loop_watch *timer;
    struct mw_uplink *first;
    struct mw_wire_parser *parser;
    void *parser_memory;
    struct mw_buffer message; /* being built */
};

/* --- sending --- */

struct batch {
    struct mw_uplink *uplink;
    size_t n;
    mw_err err;
};

static void add_record(void *context, uint64_t seq, struct mw_span text)
{
    struct batch *batch = context;
    struct mw_buffer *message = &batch->uplink->host->message;
    if (batch->err == MW_OK) {
        batch->err =
            mw_buffer_printf(message, "%s{\"v\":1,\"device\":\"%s\",\"boot\":%u,\"seq\":%llu,",
                             batch->n == 0 ? "[" : ",", batch->uplink->name,
                             batch->uplink->numbers.boot, (unsigned long long)seq);
    }
    if (batch->err == MW_OK) {
        batch->err = mw_buffer_add(message, text.data, text.size);
    }
    batch->n++;
}

/* Sends one message of waiting records. AGAIN when nothing may be sent now. */
static mw_err send_batch(struct mw_uplink *uplink, struct mw_error *error)
{
    uint64_t flying = uplink->sent - uplink->numbers.first;
    if (!uplink->synced || uplink->sent >= uplink->numbers.next || flying >= WINDOW) {
        return MW_ERR_AGAIN;
    }
    uint64_t waiting = uplink->numbers.next - uplink->sent;
    size_t max = waiting < MW_BATCH_MAX ? (size_t)waiting : MW_BATCH_MAX;
    struct mw_buffer *message = &uplink->host->message;
    struct batch batch = {.uplink = uplink};
    mw_buffer_clear(message);
    mw_err err =
        uplink->source.read(uplink->source.context, uplink->sent, max, add_record, &batch, error);
    if (err != MW_OK || batch.err != MW_OK || batch.n == 0) {
        return err != MW_OK ? err : batch.err != MW_OK ? batch.err : MW_ERR_AGAIN;
    }
    struct mw_span json = {message->data + 1, message->size - 1}; /* one record needs no array */
    if (batch.n > 1) {
        err = mw_buffer_add(message, "]", 1);
        json = (struct mw_span){message->data, message->size};
    }
    if (err == MW_OK) {
        err = mw_host_publish(uplink->host, "telemetry", uplink->name, json);
    }
    if (err != MW_OK) {
        return err;
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

static void pump(struct mw_uplink *uplink)
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
    mw_number_print_time(time, mw_clock_utc());
    mw_err err = mw_buffer_printf(
        &json, "{\"v\":1,\"device\":\"%s\",\"boot\":%u,\"last_seq\":%lld,\"time\":%s", uplink->name,
        uplink->numbers.boot, (long long)uplink->numbers.next - 1, time);
    if (err == MW_OK && uplink->source.status != NULL) {
        uplink->source.status(uplink->source.context, &json);
    }
    if (err == MW_OK) {
        err = mw_buffer_add(&json, "}", 1);
    }
    if (err == MW_OK) {
        mw_host_publish(uplink->host, "status", uplink->name,
                        (struct mw_span){json.data, json.size});
    }
    uplink->reported = mw_clock_monotonic();
    mw_buffer_free(&json);
}

/* --- what comes back --- */

static void start_boot(struct mw_uplink *uplink, uint32_t boot)
{
    mw_log(MW_LOG_INFO, uplink->name, "numbers do not join on to the bridge's, starting a new boot",
           MW_KI("boot", boot), MW_KI("first", uplink->numbers.first));
    uplink->numbers.boot = boot;
    uplink->numbers.next -= uplink->numbers.first;
    uplink->numbers.first = 0;
    uplink->sent_high = uplink->numbers.next;
    if (uplink->source.new_boot != NULL) {
        uplink->source.new_boot(uplink->source.context, boot);
    }
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

static void on_ack(struct mw_uplink *uplink, const struct mw_ack *ack)
{
    struct mw_numbers *mine = &uplink->numbers;
    bool joins = ack->boot == mine->boot && ack->next >= mine->first && ack->next <= mine->next;
    bool fresh = ack->boot < mine->boot && mine->first == 0;
    if (!uplink->synced) {
        if (!joins && adopt(uplink, ack)) {
            joins = true;
        } else if (!joins && !fresh) {
            start_boot(uplink, (ack->boot > mine->boot ? ack->boot : mine->boot) + 1);
        }
        uplink->synced = true;
        uplink->progress = mw_clock_monotonic();
        uplink->sent = joins ? ack->next : mine->first;
    } else if (!joins) {
        return; /* of an earlier boot, or older than what we know: a later one will come */
    }
    if (joins && ack->next > mine->first) {
        mine->first = ack->next;
        uplink->progress = mw_clock_monotonic();
        if (uplink->sent < mine->first) {
            uplink->sent = mine->first;
        }
        if (uplink->source.acknowledged != NULL) {
            uplink->source.acknowledged(uplink->source.context, ack->next);
        }
    }
    pump(uplink);
}

static void on_ack_message(struct mw_uplink *uplink)
{
    struct mw_wire_parser *parser = uplink->host->parser;
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
        on_ack(uplink, &ack);
    } else {
        mw_log(MW_LOG_WARN, uplink->name, "an ack that cannot be read", MW_KS("reason", why.text));
    }
}

static void on_command_message(struct mw_uplink *uplink)
{
    struct mw_command command;
    struct mw_why why = {0};
    if (mw_wire_read_command(uplink->host->parser, 0, &command, &why) != MW_OK) {
        mw_log(MW_LOG_WARN, uplink->name, "a command that cannot be read",
               MW_KS("reason", why.text));
    } else if (uplink->source.command != NULL) {
        uplink->source.command(uplink->source.context, &command);
    }
}

static struct mw_uplink *find(struct mw_host *host, struct mw_span name)
{
    for (struct mw_uplink *uplink = host->first; uplink != NULL; uplink = uplink->next_in_host) {
        if (mw_span_is(name, uplink->name)) {
            return uplink;
        }
    }
    return NULL;
}

/* mw/<plant>/<kind>/<device>: the plant is ours, since we subscribed to nothing else. */
static void on_message(void *context, const struct mw_mqtt_message *message)
{
    struct mw_host *host = context;
    size_t prefix = strlen("mw/") + strlen(host->plant->plant) + 1;
    if (message->topic.size <= prefix) {
        return;
    }
    const char *kind = message->topic.data + prefix;
    const char *slash = memchr(kind, '/', message->topic.size - prefix);
    if (slash == NULL) {
        return;
    }
    struct mw_span kind_span = {kind, (size_t)(slash - kind)};
    struct mw_span name = {slash + 1, message->topic.size - prefix - kind_span.size - 1};
    struct mw_uplink *uplink = find(host, name);
    if (uplink == NULL || message->payload.size == 0) {
        return;
    }
    if (mw_span_is(kind_span, "update")) {
        if (uplink->source.update != NULL) {
            uplink->source.update(uplink->source.context, message->payload);
        }
        return;
    }
    struct mw_why why = {0};
    if (mw_wire_open(host->parser, message->payload, &why) != MW_OK) {
        mw_log(MW_LOG_WARN, uplink->name, "a message that cannot be read",
               MW_KS("reason", why.text));
    } else if (mw_span_is(kind_span, "ack")) {
        on_ack_message(uplink);
    } else if (mw_span_is(kind_span, "command")) {
        on_command_message(uplink);
    }
}

static void on_connect(void *context, bool session_present)
{
    (void)session_present;
    struct mw_host *host = context;
    for (struct mw_uplink *uplink = host->first; uplink != NULL; uplink = uplink->next_in_host) {
        uplink->synced = false;
        mw_uplink_report(uplink);
    }
    if (host->options.on_connect != NULL) {
        host->options.on_connect(host->options.context);
    }
}

static void on_disconnect(void *context, const char *reason)
{
    struct mw_host *host = context;
    mw_log(MW_LOG_WARN, NULL, "broker lost, records wait", MW_KS("reason", reason));
    for (struct mw_uplink *uplink = host->first; uplink != NULL; uplink = uplink->next_in_host) {
        uplink->synced = false;
    }
}

static void on_writable(void *context)
{
    struct mw_host *host = context;
    for (struct mw_uplink *uplink = host->first; uplink != NULL; uplink = uplink->next_in_host) {
        pump(uplink);
    }
}

static void on_tick(void *context)
{
    struct mw_host *host = context;
    if (!mw_mqtt_connected(host->mqtt)) {
        return;
    }
    int64_t now = mw_clock_monotonic();
    for (struct mw_uplink *uplink = host->first; uplink != NULL; uplink = uplink->next_in_host) {
        bool waiting = !uplink->synced || uplink->numbers.first < uplink->sent;
        if (waiting && now - uplink->progress > STALL && now - uplink->reported > STALL) {
            uplink->synced = false; /* the answer says where to go on */
            mw_uplink_report(uplink);
        } else if (now - uplink->reported > REPORT) {
            mw_uplink_report(uplink);
        }
    }
}

/* --- making and ending --- */

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
    if (!mw_name_valid(mw_span_of(name))) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "%s is no name of a device: 1 to 63 of a-z, 0-9 and - were expected",
                            name);
    }
    struct mw_uplink *uplink = calloc(1, sizeof *uplink);
    if (uplink == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    uplink->host = host;
    snprintf(uplink->name, sizeof uplink->name, "%s", name);
    uplink->source = *source;
    uplink->numbers = numbers;
    uplink->sent = numbers.first;
    uplink->sent_high = numbers.next; /* an earlier process may have sent them */
    mw_err err = subscribe(uplink, "ack", 0, error);
    if (err == MW_OK && source->command != NULL) {
        err = subscribe(uplink, "command", 1, error);
    }
    if (err == MW_OK && source->update != NULL) {
        err = subscribe(uplink, "update", 1, error);
    }
    if (err != MW_OK) {
        free(uplink);
        return err;
    }
    uplink->next_in_host = host->first;
    host->first = uplink;
    if (mw_mqtt_connected(host->mqtt)) {
        mw_uplink_report(uplink);
    }
    *out = uplink;
    return MW_OK;
}

mw_err mw_host_new(struct mw_host **out, struct mw_loop *loop, const struct mw_plant *plant,
                   const struct mw_host_options *options, struct mw_error *error)
{
    *out = NULL;
    struct mw_broker_address broker;
    mw_err err = mw_plant_broker(plant, &broker, error);
    if (err != MW_OK) {
        return err;
    }
    struct mw_host *host = calloc(1, sizeof *host);
    size_t parser_size = mw_wire_parser_size(PARSER_TOKENS);
    void *memory = malloc(parser_size);
    if (host == NULL || memory == NULL) {
        free(host);
        free(memory);
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    host->plant = plant;
    host->options = *options;
    host->loop = loop;
    host->parser_memory = memory;
    err = mw_wire_parser_init(memory, parser_size, &host->parser);
    struct mw_mqtt_options mqtt = {.url = broker.url,
                                   .client_id = options->client_id,
                                   .username = broker.username[0] ? broker.username : NULL,
                                   .password = broker.password[0] ? broker.password : NULL,
                                   .clean_session = true,
                                   .on_message = on_message,
                                   .on_connect = on_connect,
                                   .on_disconnect = on_disconnect,
                                   .on_writable = on_writable,
                                   .context = host};
    if (err == MW_OK) {
        err = mw_loop_add_timer(loop, TICK, TICK, on_tick, host, &host->timer, error);
    }
    if (err == MW_OK) {
        err = mw_mqtt_new(&host->mqtt, loop, &mqtt, error);
    }
    if (err != MW_OK) {
        mw_host_free(host);
        return err;
    }
    *out = host;
    return MW_OK;
}

void mw_host_free(struct mw_host *host)
{
    if (host == NULL) {
        return;
    }
    mw_loop_remove(host->loop, host->timer);
    mw_mqtt_free(host->mqtt);
    struct mw_uplink *uplink = host->first;
    while (uplink != NULL) {
        struct mw_uplink *next = uplink->next_in_host;
        free(uplink);
        uplink = next;
    }
    mw_buffer_free(&host->message);
    free(host->parser_memory);
    free(host);
}

mw_err mw_host_publish(struct mw_host *host, const char *kind, const char *device,
                       struct mw_span json)
{
    char topic[256];
    snprintf(topic, sizeof topic, "mw/%s/%s/%s", host->plant->plant, kind, device);
    return mw_mqtt_publish(host->mqtt, topic, json, 1, false);
}

void mw_uplink_offer(struct mw_uplink *uplink, uint64_t next)
{
    if (uplink->numbers.first == uplink->sent && uplink->sent == uplink->numbers.next) {
        uplink->progress = mw_clock_monotonic(); /* nothing was waiting: the wait begins now */
    }
    uplink->numbers.next = next;
    pump(uplink);
}

void mw_uplink_shrink(struct mw_uplink *uplink, uint64_t next)
{
    uplink->numbers.next = next;
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

const char *mw_uplink_name(const struct mw_uplink *uplink)
{
    return uplink->name;
}
