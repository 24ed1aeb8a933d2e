/* host.c - one connection, the devices behind it, and which of them a message is for. */
#include "tiers/iot/uplink_internal.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/plant/broker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK (MW_SECOND / 4)
#define PARSER_TOKENS 512

static void dispatch(struct mw_host *host, struct mw_uplink *uplink, struct mw_span kind,
                     struct mw_span payload)
{
    struct mw_why why = {0};
    if (mw_span_is(kind, "update")) {
        if (uplink->source.update != NULL) {
            uplink->source.update(uplink->source.context, payload);
        }
    } else if (mw_wire_open(host->parser, payload, &why) != MW_OK) {
        mw_log(MW_LOG_WARN, uplink->name, "a message that cannot be read",
               MW_KS("reason", why.text));
    } else if (mw_span_is(kind, "ack")) {
        mw_uplink_take_ack(uplink, host->parser);
    } else if (mw_span_is(kind, "command")) {
        mw_uplink_take_command(uplink, host->parser);
    }
}

/* mw/<plant>/<kind>/<device>: the plant is ours, since we subscribed to nothing else. */
static void on_message(void *context, const struct mw_mqtt_message *message)
{
    struct mw_host *host = context;
    struct mw_span topic = message->topic;
    size_t prefix = strlen("mw/") + strlen(host->plant->plant) + 1;
    const char *slash =
        topic.size <= prefix ? NULL : memchr(topic.data + prefix, '/', topic.size - prefix);
    if (slash == NULL) {
        return;
    }
    struct mw_span kind = {topic.data + prefix, (size_t)(slash - topic.data) - prefix};
    struct mw_span name = {slash + 1, topic.size - prefix - kind.size - 1};
    struct mw_uplink *uplink = mw_name_map_find(&host->names, name);
    if (uplink == NULL || message->payload.size == 0) {
        return; /* an empty one clears what was retained */
    }
    if (message->cut > 0) {
        mw_log(MW_LOG_WARN, uplink->name, "a message that is too long",
               MW_KI("bytes", message->payload.size + message->cut));
        return;
    }
    dispatch(host, uplink, kind, message->payload);
}

static void on_connect(void *context, bool session_present)
{
    (void)session_present;
    struct mw_host *host = context;
    for (struct mw_uplink *uplink = host->first; uplink != NULL; uplink = uplink->next_in_host) {
        mw_uplink_connected(uplink);
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
        mw_uplink_disconnected(uplink);
    }
}

static void on_idle(void *context)
{
    struct mw_host *host = context;
    if (host->options.on_idle != NULL) {
        host->options.on_idle(host->options.context);
    }
}

static void on_writable(void *context)
{
    struct mw_host *host = context;
    for (struct mw_uplink *uplink = host->first; uplink != NULL; uplink = uplink->next_in_host) {
        mw_uplink_pump(uplink);
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
        mw_uplink_tick(uplink, now);
    }
}

/* --- making and ending --- */

static mw_err connect_host(struct mw_host *host, const struct mw_broker_address *broker,
                           struct mw_error *error)
{
    struct mw_mqtt_options mqtt = {
        .url = broker->url,
        .client_id = host->options.client_id,
        .username = broker->username[0] ? broker->username : NULL,
        .password = broker->password[0] ? broker->password : NULL,
        .tls = {broker->ca_file, broker->certificate_file, broker->key_file},
        .speak = (enum mw_mqtt_speak)broker->version,
        .clean_session = true,
        .on_message = on_message,
        .on_connect = on_connect,
        .on_disconnect = on_disconnect,
        .on_idle = on_idle,
        .on_writable = on_writable,
        .context = host};
    mw_err err = mw_loop_add_timer(host->loop, TICK, TICK, on_tick, host, &host->timer, error);
    return err == MW_OK ? mw_mqtt_new(&host->mqtt, host->loop, &mqtt, error) : err;
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
    if (host == NULL || memory == NULL ||
        mw_wire_parser_init(memory, parser_size, &host->parser) != MW_OK) {
        free(host);
        free(memory);
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    host->plant = plant;
    host->options = *options;
    host->loop = loop;
    host->parser_memory = memory;
    err = connect_host(host, &broker, error);
    if (err != MW_OK) {
        mw_host_free(host);
        return err;
    }
    host->options.client_id = NULL; /* borrowed until here */
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
    mw_name_map_free(&host->names);
    mw_buffer_free(&host->message);
    free(host->parser_memory);
    free(host);
}

bool mw_host_connected(const struct mw_host *host)
{
    return mw_mqtt_connected(host->mqtt);
}

mw_err mw_host_publish(struct mw_host *host, const char *kind, const char *device,
                       struct mw_span json)
{
    return mw_host_publish_to(host, kind, device, -1, json);
}

mw_err mw_host_publish_to(struct mw_host *host, const char *kind, const char *device, int share,
                          struct mw_span json)
{
    char topic[256], last[16] = "";
    if (!mw_mqtt_connected(host->mqtt)) {
        return MW_ERR_NET;
    }
    if (share >= 0) {
        snprintf(last, sizeof last, "/%d", share);
    }
    snprintf(topic, sizeof topic, "mw/%s/%s/%s%s", host->plant->plant, kind, device, last);
    return mw_mqtt_publish(host->mqtt, topic, json, 1, false);
}
