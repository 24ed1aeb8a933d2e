#include "tiers/platform/bridge.h"

#include "lib/base/log.h"
#include "lib/base/role.h"
#include "lib/mqtt/client.h"
#include "lib/plant/broker.h"
#include "lib/plant/share.h"
#include "lib/stream/stream.h"
#include "tiers/platform/bridge_answers.h"
#include "tiers/platform/bridge_far.h"
#include "tiers/platform/bridge_foreign.h"
#include "tiers/platform/bridge_node.h"
#include "tiers/platform/bridge_order.h"
#include "tiers/platform/bridge_outgoing.h"
#include "tiers/platform/bridge_pace.h"
#include "tiers/platform/bridge_presence.h"
#include "tiers/platform/bridge_share.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#define RETRY_FIRST (MW_SECOND / 10)
#define RETRY_MOST (5 * MW_SECOND)
#define RETAIN_GAP (MW_SECOND / 20) /* between steps while there is more to remove */

enum {
    ROUND_BYTES =
        8 << 20,          /* a round that has grown to this is stored without waiting for its end */
    ROOM_BYTES = 1 << 20, /* output that may wait before updates wait too */
    SYNC_ROUNDS = 4       /* rounds that a sync of the disk makes durable; more become one */
};

struct bridge {
    const struct mw_plant *plant;
    struct mw_role role;
    struct mw_stream *stream;
    struct mw_bridge_intake intake;
    struct mw_bridge_outgoing outgoing;
    struct mw_bridge_foreign foreign;
    struct mw_bridge_answers answers; /* to rounds that are not on the disk yet */
    bool moved, position_due;         /* the reader has moved; it is time to commit where it is */
    struct mw_bridge_far far;
    bool spooling; /* rounds go through `far`, which has the stream then; `answers` is not used */
    struct mw_bridge_node *node; /* NULL: scores are not published to Sparkplug hosts */

    struct mw_broker_address address;
    char client_id[MW_NAME_MAX + 32], filter[6][MW_NAME_MAX + 64];
    size_t n_filters;
    char presence[MW_PRESENCE_TOPIC]; /* where another bridge may ask whether this one is there */
    struct mw_mqtt *mqtt;

    struct mw_bridge_pace pace;
    bool paused;   /* the stream cannot be written: the round waits */
    bool let_go;   /* messages came meanwhile and were not taken */
    int64_t delay; /* before the next attempt */
    struct mw_loop_watch *retry, *retain;

    char stats_path[4096];
    int64_t stats_time;
    uint64_t stats_records;
};

/* ---- storing a round ---- */

static mw_err write_round(struct bridge *bridge, struct mw_error *error)
{
    const struct mw_bridge_round *round = &bridge->intake.round;
    mw_err err = mw_stream_begin(bridge->stream, error);
    for (size_t i = 0; i < round->n_items && err == MW_OK; i++) {
        struct mw_span key = mw_bridge_item_key(round, i);
        struct mw_span value = mw_bridge_item_value(round, i);
        const char *topic = round->item[i].topic;
        err = round->item[i].put ? mw_stream_put(bridge->stream, topic, key, value, error)
                                 : mw_stream_append(bridge->stream, topic, key, value, error);
    }
    /* A position needs the disk before it can be committed, and without one a crash would only make
     * the commands of the last second go out again. */
    bool with_reader = bridge->position_due && (bridge->moved || round->moved);
    if (err == MW_OK) {
        err = mw_stream_commit_visible(bridge->stream, with_reader ? bridge->outgoing.reader : NULL,
                                       error);
    }
    if (err == MW_OK) {
        bridge->moved = !with_reader && (bridge->moved || round->moved);
        bridge->position_due = false;
    }
    return err;
}

static void send_ack(void *context, const char *device, struct mw_span json)
{
    struct bridge *bridge = context;
    (void)mw_bridge_send(&bridge->outgoing, "ack", device, json, 0, false);
}

static void send_puback(void *context, uint32_t connection, uint16_t id)
{
    struct bridge *bridge = context;
    if (bridge->mqtt != NULL) {
        mw_mqtt_acknowledge(bridge->mqtt, connection, id);
    }
}

static void keep_ack(void *context, const char *device, struct mw_span json)
{
    struct bridge *bridge = context;
    if (mw_bridge_answers_ack(&bridge->answers, device, json) != MW_OK) {
        mw_log(MW_LOG_WARN, device, "out of memory: an ack is not sent, the next one says more");
    }
}

/* Nobody knows what of the last rounds a power cut would leave: a new process finds out. */
static void on_disk_failed(void *context, const struct mw_error *error)
{
    struct bridge *bridge = context;
    mw_log(MW_LOG_ERROR, NULL, "the disk has failed: what it has not stored is not acknowledged",
           MW_KS("reason", error->text));
    mw_loop_stop(bridge->role.loop);
}

/* The round is stored: answers at once when it is on the disk, else when it will be. */
static void acknowledge(struct bridge *bridge)
{
    const struct mw_bridge_round *round = &bridge->intake.round;
    for (size_t i = 0; i < round->n_pubacks; i++) {
        if (bridge->spooling) {
            send_puback(bridge, round->puback[i].connection, round->puback[i].id);
        } else if (mw_bridge_answers_puback(&bridge->answers, round->puback[i]) != MW_OK) {
            bridge->let_go = true; /* the broker has to send it again */
        }
    }
    mw_bridge_intake_stored(&bridge->intake, bridge->spooling ? send_ack : keep_ack, bridge);
    if (!bridge->spooling) {
        mw_bridge_answers_round(&bridge->answers);
    }
}

static mw_err connect_broker(struct bridge *bridge, struct mw_error *error);

static void pause_intake(struct bridge *bridge, const struct mw_error *error)
{
    if (!bridge->paused) {
        mw_log(MW_LOG_ERROR, NULL,
               "stream cannot be written: intake paused, nothing is acknowledged",
               MW_KS("reason", error->text), MW_KI("waiting", bridge->intake.round.n_items));
        bridge->paused = true;
        bridge->delay = RETRY_FIRST;
    } else {
        bridge->delay = bridge->delay * 2 > RETRY_MOST ? RETRY_MOST : bridge->delay * 2;
    }
    if (!bridge->spooling &&
        mw_stream_ended(bridge->stream)) { /* only a new process finds out what is stored */
        mw_loop_stop(bridge->role.loop);
        return;
    }
    mw_loop_set_timer(bridge->role.loop, bridge->retry, bridge->delay, 0);
}

static void resume_intake(struct bridge *bridge)
{
    mw_log(MW_LOG_INFO, NULL, "stream can be written again: intake goes on",
           MW_KI("let_go", bridge->let_go));
    bridge->paused = false;
    if (!bridge->let_go) {
        return;
    }
    /* A broker sends again what has no PUBACK only on a new connection. */
    struct mw_error error = {0};
    bridge->let_go = false;
    mw_mqtt_free(bridge->mqtt);
    bridge->mqtt = NULL;
    if (connect_broker(bridge, &error) != MW_OK) {
        mw_log(MW_LOG_ERROR, NULL, "cannot connect again", MW_KS("reason", error.text));
        mw_loop_stop(bridge->role.loop);
    }
}

/* Lets the next round gather, if that is worth it. */
static void rest(struct bridge *bridge, size_t messages, int64_t began)
{
    int64_t time = mw_bridge_pace_rest(&bridge->pace, messages, began, mw_clock_monotonic());
    if (time > 0 && bridge->mqtt != NULL) {
        mw_mqtt_rest(bridge->mqtt, time);
    }
}

static void store_round(struct bridge *bridge)
{
    struct mw_error error = {0};
    struct mw_bridge_intake *intake = &bridge->intake;
    const size_t messages = intake->round.n_pubacks;
    const int64_t began = mw_clock_monotonic();
    if (mw_bridge_round_empty(&intake->round) && intake->touched == NULL) {
        return;
    }
    mw_err err = mw_bridge_intake_seal(intake);
    if (err != MW_OK) {
        mw_error_set(&error, err, "out of memory");
    } else if (intake->round.n_items > 0 || intake->round.moved) {
        err = bridge->spooling ? mw_bridge_far_store(&bridge->far, &intake->round, &error)
                               : write_round(bridge, &error);
    }
    if (err != MW_OK) {
        if (!bridge->spooling) {
            mw_stream_rollback(bridge->stream);
        }
        pause_intake(bridge, &error);
        return;
    }
    acknowledge(bridge);
    if (bridge->paused) {
        resume_intake(bridge);
    } else if (bridge->spooling) {
        rest(bridge, messages, began);
    }
}

/* Nobody waits for what the round holds: that commands went out, which a crash would only make
 * happen again. Their answers are milliseconds away and need the disk anyway; a sync of its own
 * would stand in the way of the next record and the next command. */
static bool can_wait(const struct bridge *bridge)
{
    const struct mw_bridge_intake *intake = &bridge->intake;
    const struct mw_bridge_round *round = &intake->round;
    /* While the disk is busy, what comes can as well be gathered. */
    if (!bridge->spooling && mw_bridge_answers_waiting(&bridge->answers) >= SYNC_ROUNDS) {
        return true;
    }
    return !round->pressing && round->n_pubacks == 0 && round->n_receipts == 0 &&
           intake->touched == NULL;
}

static void read_stream(struct bridge *bridge);

/* Behind the round, because the spool may be drained while nothing comes or nothing can be taken.
 */
static void tend_far(struct bridge *bridge)
{
    struct mw_bridge_far *far = &bridge->far;
    if (far->fetched || (far->fetch_due && mw_bridge_far_free(far))) {
        read_stream(bridge);
    }
    mw_bridge_far_tend(far);
}

static void on_after(void *context)
{
    struct bridge *bridge = context;
    if (!bridge->paused && bridge->mqtt != NULL) {
        if (!can_wait(bridge)) {
            store_round(bridge);
        }
        if (!bridge->paused && (!bridge->spooling || mw_bridge_far_free(&bridge->far))) {
            mw_bridge_outgoing_pump(&bridge->outgoing);
        }
    }
    if (bridge->spooling) {
        tend_far(bridge);
    }
}

static void on_retry(void *context)
{
    struct bridge *bridge = context;
    if (bridge->paused) {
        store_round(bridge);
    }
}

/* ---- MQTT ---- */

static mw_err publish(void *context, const char *topic, struct mw_span payload, uint8_t qos,
                      bool retain);

static void answer_presence(struct bridge *bridge, struct mw_span payload)
{
    char text[128];
    if (mw_bridge_presence_asks(bridge->intake.parser, payload)) {
        mw_bridge_presence_answer(text);
        (void)publish(bridge, bridge->presence, mw_span_of(text), 0, false);
        mw_mqtt_flush(bridge->mqtt); /* the round's end may wait for the disk */
    }
}

static void on_message(void *context, const struct mw_mqtt_message *message)
{
    struct bridge *bridge = context;
    if (mw_span_is(message->topic, bridge->presence)) {
        answer_presence(bridge, message->payload);
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
        store_round(bridge);
    }
}

static void on_connect(void *context, bool session_present)
{
    struct bridge *bridge = context;
    mw_log(MW_LOG_INFO, NULL, "connected to the broker",
           MW_KS("session", session_present ? "kept" : "new"));
    char here[128];
    mw_bridge_presence_answer(here);
    (void)publish(bridge, bridge->presence, mw_span_of(here), 1, true);
    mw_bridge_foreign_state(&bridge->foreign, true);
}

static void on_disconnect(void *context, const char *reason)
{
    (void)context;
    mw_log(MW_LOG_WARN, NULL, "connection to the broker lost", MW_KS("reason", reason));
}

static mw_err publish(void *context, const char *topic, struct mw_span payload, uint8_t qos,
                      bool retain)
{
    struct bridge *bridge = context;
    return bridge->mqtt == NULL ? MW_ERR_NET
                                : mw_mqtt_publish(bridge->mqtt, topic, payload, qos, retain);
}

static bool has_room(void *context)
{
    struct bridge *bridge = context;
    return bridge->mqtt != NULL && mw_mqtt_connected(bridge->mqtt) &&
           mw_mqtt_queued(bridge->mqtt) < ROOM_BYTES;
}

static mw_err connect_broker(struct bridge *bridge, struct mw_error *error)
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
    return err == MW_OK ? mw_bridge_foreign_subscribe(&bridge->foreign, bridge->mqtt, error) : err;
}

/* ---- the stream's other direction, timers ---- */

static void read_stream(struct bridge *bridge)
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

static void on_stream(void *context, uint32_t events)
{
    (void)events;
    read_stream(context);
}

static void write_stats(struct bridge *bridge)
{
    const struct mw_bridge_counts *counts = &bridge->intake.counts;
    int64_t now = mw_clock_monotonic(), passed = now - bridge->stats_time;
    uint64_t records = counts->records + counts->sketches;
    double rate = passed <= 0 ? 0
                              : (double)(records - bridge->stats_records) * (double)MW_SECOND /
                                    (double)passed;
    bridge->stats_time = now;
    bridge->stats_records = records;
    mw_bridge_write_stats(bridge->stats_path, &bridge->intake, &bridge->outgoing, rate,
                          mw_mqtt_connected(bridge->mqtt), bridge->paused,
                          bridge->spooling ? &bridge->far : NULL);
}

static void on_second(void *context)
{
    struct bridge *bridge = context;
    if (bridge->let_go && !bridge->paused) {
        resume_intake(bridge); /* a message was let go for want of memory */
    }
    mw_stream_tidy(bridge->spooling ? bridge->far.spool.stream : bridge->stream);
    read_stream(bridge);
    mw_bridge_outgoing_resend(&bridge->outgoing);
    bridge->position_due = true;
    bridge->intake.round.moved |= bridge->moved;
    bridge->intake.round.pressing |= !mw_bridge_round_empty(&bridge->intake.round);
    write_stats(bridge);
}

static void on_retain(void *context)
{
    struct bridge *bridge = context;
    struct mw_error error = {0};
    bool more = false;
    if (!bridge->paused && !bridge->spooling &&
        mw_stream_retain(bridge->stream, bridge->plant->stream.retention_age,
                         bridge->plant->stream.retention_size, mw_clock_utc(), &more,
                         &error) != MW_OK) {
        mw_log(MW_LOG_WARN, NULL, "old records cannot be removed", MW_KS("reason", error.text));
        more = false;
    }
    mw_loop_set_timer(bridge->role.loop, bridge->retain, more ? RETAIN_GAP : 10 * MW_SECOND, 0);
}

/* ---- beginning and end ---- */

struct loading {
    struct bridge *bridge;
    mw_err err;
};

static bool load_position(void *context, struct mw_span key, struct mw_span value)
{
    struct loading *loading = context;
    struct mw_bridge_intake *intake = &loading->bridge->intake;
    if (!mw_bridge_owns(intake, key)) {
        return true; /* it was ours once */
    }
    struct mw_bridge_device *device = mw_bridge_device(&intake->devices, key);
    loading->err =
        device == NULL ? MW_ERR_MEMORY : mw_bridge_read_position(intake->parser, value, device);
    return loading->err == MW_OK;
}

/* A position from the spool is newer than the one that Kafka had. */
static mw_err load_put(void *context, const char *topic, struct mw_span key, struct mw_span value)
{
    struct loading *loading = context;
    return strcmp(topic, "position") != 0 || load_position(loading, key, value) ? MW_OK
                                                                                : loading->err;
}

static mw_err open_spool(struct bridge *bridge, struct mw_error *error)
{
    struct loading loading = {bridge, MW_OK};
    if (!mw_bridge_far_wanted(bridge->plant)) {
        return MW_OK;
    }
    mw_err err =
        mw_bridge_far_open(&bridge->far, bridge->plant, bridge->stream, load_put, &loading, error);
    bridge->spooling = err == MW_OK && bridge->plant->stream.spool >= 0;
    if (!bridge->spooling) {
        mw_bridge_far_close(&bridge->far);
    }
    return err;
}

/* Kafka does not answer: from what is on disk, if that is all there is to know. */
static mw_err open_away(struct bridge *bridge, struct mw_error *error)
{
    if (!mw_bridge_far_wanted(bridge->plant) || bridge->plant->stream.spool < 0 ||
        bridge->plant->bridge.shares > 1) {
        return MW_ERR_NET; /* as the error says; among several, devices may have changed hands */
    }
    mw_err err = mw_bridge_far_open_away(&bridge->far, bridge->plant, error);
    bridge->spooling = err == MW_OK;
    if (err == MW_OK && error != NULL) {
        *error = (struct mw_error){0};
    }
    return err;
}

static mw_err tell(void *context, const struct mw_bridge_device *device,
                   const struct mw_command *command, struct mw_span json, const char **fault)
{
    const struct bridge *bridge = context;
    return mw_bridge_order_send(&bridge->foreign, device, command, json, fault);
}

static mw_err open_stream(struct bridge *bridge, struct mw_error *error)
{
    char uri[4096 + 16], artifacts[4096], writer[MW_SHARE_NAME];
    mw_err err = mw_plant_stream_uri(bridge->plant, uri, sizeof uri);
    if (err != MW_OK) {
        return mw_error_set(error, err, "stream.url is too long");
    }
    mw_share_name((size_t)bridge->plant->bridge.share, writer);
    struct mw_stream_options options = {uri, bridge->plant->plant, writer};
    err = mw_stream_open(&bridge->stream, &options, error);
    if (err == MW_ERR_NET) {
        err = open_away(bridge, error);
    } else if (err == MW_OK) {
        err = mw_bridge_share_join(bridge->stream, uri, bridge->plant, &bridge->intake, error);
    }
    if (err != MW_OK) {
        return err;
    }
    struct mw_stream *known = bridge->stream == NULL ? bridge->far.spool.stream : bridge->stream;
    struct loading loading = {bridge, MW_OK};
    err = mw_stream_visit(known, NULL, "position", load_position, &loading, error);
    if (err == MW_OK && loading.err != MW_OK) {
        err = mw_error_set(error, loading.err, "a position in the stream cannot be read: %s",
                           mw_err_text(loading.err));
    }
    if (err == MW_OK && bridge->stream != NULL) {
        err = open_spool(bridge, error);
    }
    if (err == MW_OK) {
        err = mw_plant_path(bridge->plant, "artifacts", NULL, artifacts, sizeof artifacts, error);
    }
    struct mw_bridge_sender sender = {publish, has_room, bridge};
    if (err == MW_OK) {
        err =
            mw_bridge_foreign_init(&bridge->foreign, bridge->plant, &bridge->intake, sender, error);
    }
    if (err == MW_OK) {
        err = mw_bridge_foreign_load(&bridge->foreign, known, error);
    }
    if (err == MW_OK) {
        err = mw_bridge_outgoing_init(&bridge->outgoing, &bridge->intake, bridge->stream, known,
                                      sender, artifacts, error);
        bridge->outgoing.order = (struct mw_bridge_order){tell, bridge};
    }
    return err;
}

/* What another run would need to go on without asking Kafka. */
static mw_err remember(void *context, struct mw_bridge_round *round)
{
    struct bridge *bridge = context;
    mw_err err = mw_bridge_intake_remember(&bridge->intake, round);
    err = err == MW_OK ? mw_bridge_holder_remember(&bridge->foreign.holder, round) : err;
    err = err == MW_OK ? mw_bridge_outgoing_remember(&bridge->outgoing, round) : err;
    return err == MW_OK && bridge->node != NULL ? mw_bridge_node_remember(bridge->node, round)
                                                : err;
}

static mw_err add_watches(struct bridge *bridge, struct mw_error *error)
{
    struct mw_loop *loop = bridge->role.loop;
    int fd = bridge->spooling ? -1 : mw_stream_reader_fd(bridge->outgoing.reader);
    mw_err err = mw_loop_add_after(loop, on_after, bridge, NULL, error);
    if (err == MW_OK && !bridge->spooling) {
        const struct mw_bridge_answer_calls calls = {send_puback, send_ack, on_disk_failed, bridge};
        err = mw_bridge_answers_init(&bridge->answers, bridge->stream, loop, &calls, error);
    }
    if (err == MW_OK && bridge->spooling) {
        err = mw_bridge_far_start(&bridge->far, &bridge->outgoing, loop, on_stream, remember,
                                  bridge, error);
    } else if (err == MW_OK && fd >= 0) {
        err = mw_loop_add_fd(loop, fd, EPOLLIN, on_stream, bridge, NULL, error);
    }
    if (err == MW_OK) {
        err = mw_loop_add_timer(loop, 0, MW_SECOND, on_second, bridge, NULL, error);
    }
    if (err == MW_OK) {
        err = mw_loop_add_timer(loop, MW_SECOND, 0, on_retain, bridge, &bridge->retain, error);
    }
    if (err == MW_OK) {
        err = mw_loop_add_timer(loop, -1, 0, on_retry, bridge, &bridge->retry, error);
    }
    return err;
}

/* Alone, a bridge gets everything. One of several gets what the broker chooses, and what is sent to
 * its share. The number is part of the names, because a broker keeps what it was asked for. */
static void name_all(struct bridge *bridge)
{
    static const char *const kinds[] = {"telemetry", "event", "status"};
    const struct mw_plant *plant = bridge->plant;
    int shares = (int)plant->bridge.shares, share = (int)plant->bridge.share;
    const size_t size = sizeof bridge->filter[0];
    bridge->n_filters = shares == 1 ? 3 : 6;
    if (shares == 1) {
        snprintf(bridge->client_id, sizeof bridge->client_id, "mw-%s-bridge", plant->plant);
    } else {
        snprintf(bridge->client_id, sizeof bridge->client_id, "mw-%s-bridge-%d-of-%d", plant->plant,
                 share, shares);
    }
    for (size_t i = 0; i < 3; i++) {
        if (shares == 1) {
            snprintf(bridge->filter[i], size, "mw/%s/%s/+", plant->plant, kinds[i]);
            continue;
        }
        snprintf(bridge->filter[i], size, "$share/mw-bridge-of-%d/mw/%s/%s/+", shares, plant->plant,
                 kinds[i]);
        snprintf(bridge->filter[3 + i], size, "mw/%s/%s/+/%d", plant->plant, kinds[i], share);
    }
}

/* To another bridge of the plant. At QoS 1, and before the PUBACK of what it is made of. */
static void pass_on(void *context, const char *topic, struct mw_span payload)
{
    struct bridge *bridge = context;
    (void)publish(bridge, topic, payload, 1, false);
}

static mw_err begin(struct bridge *bridge, struct mw_error *error)
{
    const struct mw_plant *plant = bridge->plant;
    char file[MW_SHARE_NAME + 8];
    mw_err err = mw_bridge_intake_init(&bridge->intake, plant->plant, plant->time.tolerance,
                                       mw_clock_system);
    if (err != MW_OK) {
        return mw_error_set(error, err, "bridge: %s", mw_err_text(err));
    }
    bridge->intake.share = (size_t)plant->bridge.share;
    bridge->intake.shares = (size_t)plant->bridge.shares;
    bridge->intake.pass.send = pass_on;
    bridge->intake.pass.context = bridge;
    name_all(bridge);
    mw_bridge_presence_topic(plant, bridge->presence);
    mw_share_name(bridge->intake.share, file);
    strcat(file, ".json");
    err = mw_plant_path(plant, "run", file, bridge->stats_path, sizeof bridge->stats_path, error);
    if (err == MW_OK) {
        err = open_stream(bridge, error);
    }
    if (err == MW_OK) {
        err = add_watches(bridge, error);
    }
    const char *publish_as = plant->sparkplug.publish;
    if (err == MW_OK && publish_as != NULL && publish_as[0] != '\0' && plant->bridge.share == 0) {
        err = mw_bridge_node_new(
            &bridge->node, plant, bridge->role.loop, &bridge->address, &bridge->intake,
            bridge->stream == NULL ? bridge->far.spool.stream : bridge->stream, error);
    }
    return err == MW_OK ? connect_broker(bridge, error) : err;
}

/* A writer of SQLite is its process's until that ends; one of Kafka would be taken away. */
static mw_err wait_for_share(struct bridge *bridge, bool *alone, struct mw_error *error)
{
    const struct mw_plant *plant = bridge->plant;
    mw_err err = mw_plant_broker(plant, &bridge->address, error);
    if (err != MW_OK || plant->stream.url == NULL || strncmp(plant->stream.url, "kafka:", 6) != 0) {
        return err;
    }
    return mw_bridge_presence_wait(plant, bridge->role.loop, &bridge->address, alone, error);
}

mw_err mw_bridge_run(const struct mw_plant *plant, struct mw_error *error)
{
    /* What librdkafka's threads free was mostly taken by another, and an arena of each thread's own
     * would keep it. */
    (void)mallopt(M_ARENA_MAX, 1);
    static struct bridge bridge; /* some 30 KiB of parsed records are no matter for the stack */
    bridge = (struct bridge){.plant = plant};
    mw_err err = mw_role_init(&bridge.role, "bridge", error);
    if (err != MW_OK) {
        return err;
    }
    bool alone = true;
    err = wait_for_share(&bridge, &alone, error);
    err = err == MW_OK && alone ? begin(&bridge, error) : err;
    if (err == MW_OK && alone) {
        err = mw_role_run(&bridge.role, error);
        if (!bridge.paused) {
            bridge.position_due = true;
            bridge.intake.round.moved |= bridge.moved;
            store_round(&bridge);
        }
        mw_bridge_answers_finish(&bridge.answers);
        if (err == MW_OK && bridge.spooling) {
            mw_bridge_far_remember(&bridge.far);
        }
    }
    if (bridge.mqtt != NULL) {
        (void)publish(&bridge, bridge.presence, (struct mw_span){"", 0}, 1, true);
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
