#include "tiers/platform/bridge_internal.h"

#include "lib/base/log.h"
#include "tiers/platform/bridge_order.h"
#include "tiers/platform/json_text.h"

#include <malloc.h>
#include <string.h>

#define RETAIN_GAP (MW_SECOND / 20) /* between steps while there is more to remove */

enum {
    ROUND_BYTES =
        8 << 20,         /* a round that has grown to this is stored without waiting for its end */
    ROOM_BYTES = 1 << 20 /* output that may wait before updates wait too */
};

/* ---- MQTT ---- */

/* Its identity; empty: it has none. */
static const char *spool_of(const struct mw_bridge *bridge)
{
    return bridge->spooling ? bridge->far.spool.mark.spool : "";
}

static void answer_presence(struct mw_bridge *bridge, struct mw_span payload)
{
    char text[MW_PRESENCE_ANSWER];
    if (mw_bridge_presence_asks(bridge->intake.parser, payload)) {
        mw_bridge_presence_answer(spool_of(bridge), text);
        (void)mw_bridge_publish(bridge, bridge->presence, mw_span_of(text), 0, false);
        mw_mqtt_flush(bridge->mqtt); /* the round's end may wait for the disk */
    }
}

/* A command of another share's; at QoS 0, so nobody waits for a PUBACK. */
static bool overhear(struct mw_bridge *bridge, const struct mw_mqtt_message *message)
{
    size_t size = strlen(bridge->overheard); /* with its '+' */
    struct mw_span topic = message->topic;
    if (size == 0 || topic.size < size || memcmp(topic.data, bridge->overheard, size - 1) != 0) {
        return false;
    }
    struct mw_span device = {topic.data + size - 1, topic.size - size + 1};
    mw_bridge_order_overhear(&bridge->foreign, device, message->payload);
    return true;
}

static void on_message(void *context, const struct mw_mqtt_message *message)
{
    struct mw_bridge *bridge = context;
    if (mw_span_is(message->topic, bridge->presence)) {
        answer_presence(bridge, message->payload);
        return;
    }
    if (overhear(bridge, message)) {
        return;
    }
    if (bridge->paused) {
        bridge->let_go = true;
        return;
    }
    bridge->intake.duplicate = message->duplicate;
    mw_err err = mw_bridge_intake_take(&bridge->intake, message->topic, message->payload,
                                       mw_mqtt_connection(bridge->mqtt), message->id);
    if (err != MW_OK) {
        mw_log(MW_LOG_ERROR, NULL, "message not taken", MW_KS("reason", mw_err_text(err)),
               MW_KI("bytes", message->payload.size));
        bridge->let_go = true;
    }
    if (bridge->intake.round.text.size > ROUND_BYTES) {
        mw_bridge_store_round(bridge);
    }
}

static void on_connect(void *context, bool session_present)
{
    struct mw_bridge *bridge = context;
    mw_log(MW_LOG_INFO, NULL, "connected to the broker",
           MW_KS("session", session_present ? "kept" : "new"));
    char here[MW_PRESENCE_ANSWER];
    mw_bridge_presence_answer(spool_of(bridge), here);
    (void)mw_bridge_publish(bridge, bridge->presence, mw_span_of(here), 1, true);
    mw_bridge_foreign_state(&bridge->foreign, true);
}

static void on_disconnect(void *context, const char *reason)
{
    (void)context;
    mw_log(MW_LOG_WARN, NULL, "connection to the broker lost", MW_KS("reason", reason));
}

mw_err mw_bridge_publish(void *context, const char *topic, struct mw_span payload, uint8_t qos,
                         bool retain)
{
    struct mw_bridge *bridge = context;
    return bridge->mqtt == NULL ? MW_ERR_NET
                                : mw_mqtt_publish(bridge->mqtt, topic, payload, qos, retain);
}

bool mw_bridge_has_room(void *context)
{
    struct mw_bridge *bridge = context;
    return bridge->mqtt != NULL && mw_mqtt_connected(bridge->mqtt) &&
           mw_mqtt_queued(bridge->mqtt) < ROOM_BYTES;
}

mw_err mw_bridge_connect(struct mw_bridge *bridge, struct mw_error *error)
{
    const struct mw_broker_address *address = &bridge->address;
    struct mw_mqtt_options options = {
        .url = address->url,
        .client_id = bridge->client_id,
        .username = address->username[0] == '\0' ? NULL : address->username,
        .password = address->password[0] == '\0' ? NULL : address->password,
        .tls = {address->ca_file, address->certificate_file, address->key_file},
        .speak = (enum mw_mqtt_speak)address->version,
        .clean_session = false,
        .manual_ack = true,
        .on_message = on_message,
        .on_connect = on_connect,
        .on_disconnect = on_disconnect,
        .context = bridge,
    };
    mw_bridge_foreign_will(&bridge->foreign, &options);
    mw_err err = mw_mqtt_new(&bridge->mqtt, bridge->role.loop, &options, error);
    for (size_t i = 0; i < bridge->n_filters && err == MW_OK; i++) {
        err = mw_mqtt_subscribe(bridge->mqtt, bridge->filter[i], 1, error);
    }
    err = err == MW_OK ? mw_mqtt_subscribe(bridge->mqtt, bridge->presence, 0, error) : err;
    if (err == MW_OK && bridge->overheard[0] != '\0') {
        err = mw_mqtt_subscribe(bridge->mqtt, bridge->overheard, 0, error);
    }
    return err == MW_OK ? mw_bridge_foreign_subscribe(&bridge->foreign, bridge->mqtt, error) : err;
}

/* ---- the stream's other direction, timers ---- */

void mw_bridge_read_stream(struct mw_bridge *bridge)
{
    bool more = false;
    if (!bridge->paused && !bridge->spooling) {
        mw_bridge_outgoing_poll(&bridge->outgoing, &more);
    } else if (!bridge->paused && mw_bridge_far_fetch(&bridge->far)) {
        mw_bridge_outgoing_take(&bridge->outgoing, &more);
        more |= bridge->intake.round.pressing;
    }
    if (bridge->mqtt != NULL) {
        mw_mqtt_flush(bridge->mqtt); /* commands leave before the round's end waits for the disk */
    }
    if (more) {
        mw_loop_wake(bridge->role.loop);
    }
}

void mw_bridge_on_stream(void *context, uint32_t events)
{
    (void)events;
    mw_bridge_read_stream(context);
}

static void write_stats(struct mw_bridge *bridge)
{
    const struct mw_bridge_counts *counts = &bridge->intake.counts;
    int64_t now = mw_clock_monotonic(), passed = now - bridge->stats_time;
    uint64_t records = counts->records + counts->sketches;
    double rate = passed <= 0 ? 0
                              : (double)(records - bridge->stats_records) * (double)MW_SECOND /
                                    (double)passed;
    bridge->stats_time = now;
    bridge->stats_records = records;
    struct mw_buffer text = {0};
    mw_bridge_print_stats(&text, &bridge->intake, &bridge->outgoing, rate, bridge->mqtt,
                          bridge->paused, bridge->spooling ? &bridge->far : NULL);
    struct mw_span json = {text.data, text.size};
    if (json.size > 0) {
        mw_run_file_replace(bridge->stats_path, json);
        mw_role_tell(&bridge->role, json);
    }
    mw_buffer_free(&text);
}

void mw_bridge_on_second(void *context)
{
    struct mw_bridge *bridge = context;
    if (bridge->let_go && !bridge->paused) {
        mw_bridge_resume_intake(bridge); /* a message was let go for want of memory */
    }
    mw_stream_tidy(bridge->spooling ? bridge->far.spool.stream : bridge->stream);
    mw_bridge_read_stream(bridge);
    mw_bridge_outgoing_resend(&bridge->outgoing);
    mw_bridge_control_pump(&bridge->foreign.control);
    bridge->position_due = true;
    bridge->intake.round.moved |= bridge->moved;
    bridge->intake.round.pressing |= !mw_bridge_round_empty(&bridge->intake.round);
    write_stats(bridge);
}

void mw_bridge_on_retain(void *context)
{
    struct mw_bridge *bridge = context;
    struct mw_error error = {0};
    bool more = false;
    if (!bridge->paused && !mw_plant_in_kafka(bridge->plant) &&
        mw_stream_retain(bridge->stream, bridge->plant->stream.retention_age,
                         bridge->plant->stream.retention_size, mw_clock_utc(), &more,
                         &error) != MW_OK) {
        mw_log(MW_LOG_WARN, NULL, "old records cannot be removed", MW_KS("reason", error.text));
        more = false;
    }
    mw_loop_set_timer(bridge->role.loop, bridge->retain, more ? RETAIN_GAP : 10 * MW_SECOND, 0);
}

/* ---- a run ---- */

/* A writer of SQLite is its process's until that ends; one of Kafka would be taken away. */
static mw_err wait_for_share(struct mw_bridge *bridge, bool *alone, struct mw_error *error)
{
    const struct mw_plant *plant = bridge->plant;
    mw_err err = mw_plant_broker(plant, &bridge->address, error);
    if (err != MW_OK || !mw_plant_in_kafka(plant)) {
        return err;
    }
    char spool[MW_BRIDGE_IDENTITY] = "";
    if (plant->stream.spool >= 0) {
        err = mw_bridge_claim_identify(plant, spool, error);
    }
    return err == MW_OK ? mw_bridge_presence_wait(plant, bridge->role.loop, &bridge->address, spool,
                                                  alone, error)
                        : err;
}

mw_err mw_bridge_run(const struct mw_plant *plant, struct mw_error *error)
{
    /* What librdkafka's threads free was mostly taken by another, and an arena of each thread's own
     * would keep it. */
    (void)mallopt(M_ARENA_MAX, 1);
    static struct mw_bridge bridge; /* some 30 KiB of parsed records are no matter for the stack */
    bridge = (struct mw_bridge){.plant = plant};
    mw_err err = mw_role_init(&bridge.role, "bridge", error);
    if (err != MW_OK) {
        return err;
    }
    bool alone = true;
    err = wait_for_share(&bridge, &alone, error);
    err = err == MW_OK && alone ? mw_bridge_begin(&bridge, error) : err;
    if (err == MW_OK && alone) {
        err = mw_role_run(&bridge.role, error);
        if (!bridge.paused) {
            bridge.position_due = true;
            bridge.intake.round.moved |= bridge.moved;
            mw_bridge_store_round(&bridge);
        }
        mw_bridge_answers_finish(&bridge.answers);
        if (err == MW_OK && bridge.spooling) {
            mw_bridge_far_remember(&bridge.far);
        }
    }
    if (bridge.mqtt != NULL) {
        (void)mw_bridge_publish(&bridge, bridge.presence, (struct mw_span){"", 0}, 1, true);
        mw_bridge_foreign_state(&bridge.foreign, false);
    }
    mw_bridge_node_free(bridge.node);
    mw_mqtt_free(bridge.mqtt);
    mw_bridge_foreign_clear(&bridge.foreign);
    mw_bridge_answers_clear(&bridge.answers);
    if (bridge.spooling) {
        mw_bridge_far_close(&bridge.far);
        bridge.stream = bridge.far.stream;
    }
    mw_bridge_outgoing_clear(&bridge.outgoing);
    mw_bridge_intake_clear(&bridge.intake);
    mw_stream_close(bridge.stream);
    mw_role_clear(&bridge.role);
    return err;
}
