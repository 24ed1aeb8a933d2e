/* bridge_open.c - what the bridge knows from before, and what it watches. */
#include "tiers/platform/bridge_internal.h"

#include "lib/base/log.h"
#include "lib/plant/share.h"
#include "tiers/platform/bridge_order.h"
#include "tiers/platform/bridge_share.h"

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

struct loading {
    struct mw_bridge *bridge;
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

/* Without a spool of its own: whether another's may hold something. */
static mw_err check_claim(struct mw_bridge *bridge, struct mw_error *error)
{
    struct mw_bridge_mark mark;
    mw_err err = mw_bridge_claim_read(bridge->stream, &mark, error);
    return err == MW_OK ? mw_bridge_claim_settle(bridge->stream, bridge->plant, NULL, &mark, error)
                        : err;
}

static mw_err open_spool(struct mw_bridge *bridge, struct mw_error *error)
{
    struct loading loading = {bridge, MW_OK};
    if (!mw_bridge_far_wanted(bridge->plant)) {
        return mw_plant_in_kafka(bridge->plant) ? check_claim(bridge, error) : MW_OK;
    }
    mw_err err =
        mw_bridge_far_open(&bridge->far, bridge->plant, bridge->stream, load_put, &loading, error);
    bridge->spooling = err == MW_OK && bridge->plant->stream.spool >= 0;
    if (!bridge->spooling) {
        mw_bridge_far_close(&bridge->far);
    }
    return err;
}

/* Kafka does not answer: from what is on disk, if that is all there is to know. Among several
 * bridges it is not: devices may have changed hands. */
static mw_err open_away(struct mw_bridge *bridge)
{
    if (!mw_bridge_far_wanted(bridge->plant) || bridge->plant->stream.spool < 0 ||
        bridge->plant->bridge.shares > 1) {
        return MW_ERR_NET;
    }
    mw_err err = mw_bridge_far_open_away(&bridge->far, bridge->plant, NULL);
    bridge->spooling = err == MW_OK;
    return err;
}

static mw_err tell(void *context, const struct mw_bridge_device *device,
                   const struct mw_command *command, struct mw_span json, const char **fault)
{
    const struct mw_bridge *bridge = context;
    return mw_bridge_order_send(&bridge->foreign, device, command, json, fault);
}

/* What is known from before, from the stream or the spool, whichever is `known`. */
static mw_err load(struct mw_bridge *bridge, struct mw_stream *known, struct mw_error *error)
{
    char artifacts[4096];
    struct loading loading = {bridge, MW_OK};
    mw_err err = mw_stream_visit(known, NULL, "position", load_position, &loading, error);
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
    struct mw_bridge_sender sender = {mw_bridge_publish, mw_bridge_has_room, bridge};
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
    if (err == MW_OK && bridge->spooling && bridge->stream != NULL) {
        err = mw_bridge_outgoing_warm(&bridge->outgoing, error);
    }
    return err;
}

static mw_err open_stream(struct mw_bridge *bridge, struct mw_error *error)
{
    char uri[4096 + 16], writer[MW_SHARE_NAME];
    mw_err err = mw_plant_stream_uri(bridge->plant, uri, sizeof uri);
    if (err != MW_OK) {
        return mw_error_set(error, err, "stream.url is too long");
    }
    mw_share_name((size_t)bridge->plant->bridge.share, writer);
    struct mw_stream_options options = {uri, bridge->plant->plant, writer};
    err = mw_stream_open(&bridge->stream, &options, error);
    if (err == MW_OK) {
        err = mw_bridge_share_join(bridge->stream, uri, bridge->plant, &bridge->intake, error);
    }
    return err == MW_OK ? load(bridge, bridge->stream, error) : err;
}

/* To another bridge of the plant. At QoS 1, and before the PUBACK of what it is made of. */
static void pass_on(void *context, const char *topic, struct mw_span payload)
{
    struct mw_bridge *bridge = context;
    (void)mw_bridge_publish(bridge, topic, payload, 1, false);
}

static mw_err begin_intake(struct mw_bridge *bridge, struct mw_error *error)
{
    const struct mw_plant *plant = bridge->plant;
    mw_err err = mw_bridge_intake_init(&bridge->intake, plant->plant, plant->time.tolerance,
                                       mw_clock_system);
    if (err != MW_OK) {
        return mw_error_set(error, err, "bridge: %s", mw_err_text(err));
    }
    bridge->intake.share = (size_t)plant->bridge.share;
    bridge->intake.shares = (size_t)plant->bridge.shares;
    bridge->intake.pass.send = pass_on;
    bridge->intake.pass.context = bridge;
    return MW_OK;
}

/* From Kafka, or, when that does not answer at all, from what is on disk. Kafka that opens the
 * writer and then does not let all be read is waited for, by starting again: what a transaction in
 * doubt has left may then be in Kafka and not to be seen. */
static mw_err open_or_go_on(struct mw_bridge *bridge, struct mw_error *error)
{
    mw_err err = open_stream(bridge, error);
    bool away = bridge->stream == NULL && (err == MW_ERR_NET || err == MW_ERR_IO);
    if (!away || open_away(bridge) != MW_OK) {
        return err;
    }
    if (error != NULL) {
        *error = (struct mw_error){0};
    }
    return load(bridge, bridge->far.spool.stream, error);
}

/* What another run would need to go on without asking Kafka. */
static mw_err remember(void *context, struct mw_bridge_round *round)
{
    struct mw_bridge *bridge = context;
    mw_err err = mw_bridge_intake_remember(&bridge->intake, round);
    err = err == MW_OK ? mw_bridge_holder_remember(&bridge->foreign.holder, round) : err;
    err = err == MW_OK ? mw_bridge_outgoing_remember(&bridge->outgoing, round) : err;
    err = err == MW_OK ? mw_bridge_control_remember(&bridge->foreign.control, round) : err;
    return err == MW_OK && bridge->node != NULL ? mw_bridge_node_remember(bridge->node, round)
                                                : err;
}

static mw_err add_watches(struct mw_bridge *bridge, struct mw_error *error)
{
    struct mw_loop *loop = bridge->role.loop;
    int fd = bridge->spooling ? -1 : mw_stream_reader_fd(bridge->outgoing.reader);
    mw_err err = mw_loop_add_after(loop, mw_bridge_on_after, bridge, NULL, error);
    if (err == MW_OK && !bridge->spooling) {
        const struct mw_bridge_answer_calls calls = mw_bridge_answering(bridge);
        err = mw_bridge_answers_init(&bridge->answers, bridge->stream, loop, &calls, error);
    }
    if (err == MW_OK && bridge->spooling) {
        err = mw_bridge_far_start(&bridge->far, &bridge->outgoing, loop, mw_bridge_on_stream,
                                  remember, bridge, error);
    } else if (err == MW_OK && fd >= 0) {
        err = mw_loop_add_fd(loop, fd, EPOLLIN, mw_bridge_on_stream, bridge, NULL, error);
    }
    if (err == MW_OK) {
        err = mw_loop_add_timer(loop, 0, MW_SECOND, mw_bridge_on_second, bridge, NULL, error);
    }
    if (err == MW_OK) {
        err = mw_loop_add_timer(loop, MW_SECOND, 0, mw_bridge_on_retain, bridge, &bridge->retain,
                                error);
    }
    if (err == MW_OK) {
        err = mw_loop_add_timer(loop, -1, 0, mw_bridge_on_retry, bridge, &bridge->retry, error);
    }
    return err;
}

/* Alone, a bridge gets everything. One of several gets what the broker chooses, and what is sent to
 * its share. The number is part of the names, because a broker keeps what it was asked for. */
static void name_all(struct mw_bridge *bridge)
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

mw_err mw_bridge_begin(struct mw_bridge *bridge, struct mw_error *error)
{
    const struct mw_plant *plant = bridge->plant;
    char file[MW_SHARE_NAME + 8];
    mw_err err = begin_intake(bridge, error);
    if (err != MW_OK) {
        return err;
    }
    name_all(bridge);
    mw_bridge_presence_topic(plant, bridge->presence);
    mw_bridge_order_overheard(plant, bridge->overheard);
    mw_share_name(bridge->intake.share, file);
    strcat(file, ".json");
    err = mw_plant_path(plant, "run", file, bridge->stats_path, sizeof bridge->stats_path, error);
    if (err == MW_OK) {
        err = open_or_go_on(bridge, error);
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
    return err == MW_OK ? mw_bridge_connect(bridge, error) : err;
}
