/* bridge_store.c - a round goes into the stream, and behind it its answers. */
#include "tiers/platform/bridge_internal.h"

#include "lib/base/log.h"

#define RETRY_FIRST (MW_SECOND / 10)
#define RETRY_MOST (5 * MW_SECOND)
#define SYNC_ROUNDS 4 /* rounds that a sync of the disk makes durable; more become one */

static mw_err write_round(struct mw_bridge *bridge, struct mw_error *error)
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
    struct mw_bridge *bridge = context;
    (void)mw_bridge_send(&bridge->outgoing, "ack", device, json, 0, false);
}

static void send_puback(void *context, uint32_t connection, uint16_t id)
{
    struct mw_bridge *bridge = context;
    if (bridge->mqtt != NULL) {
        mw_mqtt_acknowledge(bridge->mqtt, connection, id);
    }
}

static void keep_ack(void *context, const char *device, struct mw_span json)
{
    struct mw_bridge *bridge = context;
    if (mw_bridge_answers_ack(&bridge->answers, device, json) != MW_OK) {
        mw_log(MW_LOG_WARN, device, "out of memory: an ack is not sent, the next one says more");
    }
}

/* Nobody knows what of the last rounds a power cut would leave: a new process finds out. */
static void on_disk_failed(void *context, const struct mw_error *error)
{
    struct mw_bridge *bridge = context;
    mw_log(MW_LOG_ERROR, NULL, "the disk has failed: what it has not stored is not acknowledged",
           MW_KS("reason", error->text));
    mw_loop_stop(bridge->role.loop);
}

/* The round is stored: answers at once when it is on the disk, else when it will be. */
static void acknowledge(struct mw_bridge *bridge)
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

static void pause_intake(struct mw_bridge *bridge, const struct mw_error *error)
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

void mw_bridge_resume_intake(struct mw_bridge *bridge)
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
    if (mw_bridge_connect(bridge, &error) != MW_OK) {
        mw_log(MW_LOG_ERROR, NULL, "cannot connect again", MW_KS("reason", error.text));
        mw_loop_stop(bridge->role.loop);
    }
}

/* Lets the next round gather, if that is worth it. */
static void rest(struct mw_bridge *bridge, size_t messages, int64_t began)
{
    int64_t time = mw_bridge_pace_rest(&bridge->pace, messages, began, mw_clock_monotonic());
    int64_t gap = messages < MW_BRIDGE_ENOUGH ? mw_bridge_far_gap(&bridge->far) : 0;
    time = time > gap ? time : gap;
    if (time > 0 && bridge->mqtt != NULL) {
        mw_mqtt_rest(bridge->mqtt, time);
    }
}

void mw_bridge_store_round(struct mw_bridge *bridge)
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
        mw_bridge_resume_intake(bridge);
    } else if (bridge->spooling) {
        rest(bridge, messages, began);
    }
}

/* Nobody waits for what the round holds: that commands went out, which a crash would only make
 * happen again. Their answers are milliseconds away and need the disk anyway; a sync of its own
 * would stand in the way of the next record and the next command. */
static bool can_wait(const struct mw_bridge *bridge)
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

/* Behind the round, because the spool may be drained while nothing comes or nothing can be taken.
 */
static void tend_far(struct mw_bridge *bridge)
{
    struct mw_bridge_far *far = &bridge->far;
    if (far->fetched || (far->fetch_due && mw_bridge_far_free(far))) {
        mw_bridge_read_stream(bridge);
    }
    mw_bridge_far_tend(far);
}

void mw_bridge_on_after(void *context)
{
    struct mw_bridge *bridge = context;
    if (!bridge->paused && bridge->mqtt != NULL) {
        if (!can_wait(bridge)) {
            mw_bridge_store_round(bridge);
        }
        if (!bridge->paused && (!bridge->spooling || mw_bridge_far_free(&bridge->far))) {
            mw_bridge_outgoing_pump(&bridge->outgoing);
        }
    }
    if (bridge->spooling) {
        tend_far(bridge);
    }
}

void mw_bridge_on_retry(void *context)
{
    struct mw_bridge *bridge = context;
    if (bridge->paused) {
        mw_bridge_store_round(bridge);
    }
}

struct mw_bridge_answer_calls mw_bridge_answering(struct mw_bridge *bridge)
{
    return (struct mw_bridge_answer_calls){send_puback, send_ack, on_disk_failed, bridge};
}
