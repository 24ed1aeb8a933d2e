#include "tiers/platform/bridge_sparkplug.h"

#include "lib/base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ASK_GAP (5 * MW_SECOND) /* before a node is asked for a rebirth again */

/* A message on its way through. */
struct message {
    struct mw_bridge_sparkplug *host;
    struct mw_span topic, payload;
    struct mw_sparkplug_topic at;
    struct mw_sparkplug_payload body;
    struct mw_bridge_held *node, *held; /* held: the node, or its device */
};

static mw_err bury(const struct message *message, const char *reason, uint32_t where)
{
    struct mw_span none = {NULL, 0};
    return mw_bridge_bury(message->host->holder->intake,
                          &(struct mw_bridge_dead){.topic = message->topic,
                                                   .device = message->held == NULL
                                                                 ? none
                                                                 : message->held->device->key.name,
                                                   .payload = message->payload,
                                                   .reason = reason,
                                                   .where = where});
}

/* ---- who speaks ---- */

static mw_err find_held(struct message *message, const struct mw_span *parts, size_t n,
                        struct mw_span device, struct mw_bridge_held **held)
{
    char origin[1024], name[MW_NAME_MAX + 1];
    int size = snprintf(origin, sizeof origin, MW_SPARKPLUG "/%.*s/%.*s%s%.*s",
                        (int)message->at.group.size, message->at.group.data,
                        (int)message->at.node.size, message->at.node.data, n > 1 ? "/" : "",
                        (int)device.size, device.data == NULL ? "" : device.data);
    if (size < 0 || (size_t)size >= sizeof origin) {
        return MW_ERR_TOO_LARGE;
    }
    mw_err err = mw_bridge_make_name(parts, n, name);
    return err == MW_OK
               ? mw_bridge_held_get(message->host->holder, (struct mw_span){origin, (size_t)size},
                                    name, NULL, held)
               : err;
}

static mw_err find_speaker(struct message *message)
{
    const struct mw_span parts[2] = {message->at.node, message->at.device};
    const struct mw_span none = {NULL, 0};
    mw_err err = find_held(message, parts, 1, none, &message->node);
    message->held = message->node;
    if (err == MW_OK && message->at.device.size > 0) {
        message->held = NULL;
        err = find_held(message, parts, 2, message->at.device, &message->held);
        if (err == MW_OK) {
            message->held->node = message->node;
        }
    }
    return err;
}

void mw_bridge_sparkplug_link(struct mw_bridge_sparkplug *host)
{
    size_t at = 0;
    struct mw_bridge_held *held;
    while ((held = mw_table_next(&host->holder->table, &at)) != NULL) {
        const char *last = strrchr(held->origin, '/');
        if (strncmp(held->origin, MW_SPARKPLUG "/", sizeof MW_SPARKPLUG) == 0 && last != NULL) {
            held->node =
                mw_table_find(&host->holder->table,
                              (struct mw_span){held->origin, (size_t)(last - held->origin)});
        }
    }
}

/* ---- asking for a rebirth ---- */

static void ask_rebirth(struct message *message, const char *reason)
{
    struct mw_bridge_sparkplug *host = message->host;
    struct mw_bridge_held *node = message->node;
    int64_t now = host->monotonic.now(host->monotonic.context);
    if (node->asked != 0 && now - node->asked < ASK_GAP) {
        return;
    }
    char topic[1024], text[64];
    size_t length;
    struct mw_sparkplug_writer writer;
    struct mw_bridge_intake *intake = host->holder->intake;
    struct mw_sparkplug_metric rebirth = {.has_name = true,
                                          .name = mw_span_of("Node Control/Rebirth"),
                                          .type = MW_SPARKPLUG_BOOLEAN,
                                          .value = MW_SPARKPLUG_AS_BOOLEAN,
                                          .integer = 1};
    mw_sparkplug_begin(&writer, text, sizeof text, intake->clock.now(intake->clock.context));
    mw_sparkplug_add(&writer, &rebirth);
    int size =
        snprintf(topic, sizeof topic, MW_SPARKPLUG "/%.*s/NCMD/%.*s", (int)message->at.group.size,
                 message->at.group.data, (int)message->at.node.size, message->at.node.data);
    if (mw_sparkplug_end(&writer, NULL, &length) != MW_OK || (size_t)size >= sizeof topic) {
        return;
    }
    node->asked = now;
    intake->counts.rebirths++;
    mw_log(MW_LOG_INFO, node->device->name, "asked to be born again", MW_KS("reason", reason));
    (void)host->sender.publish(host->sender.context, topic, (struct mw_span){text, length}, 0,
                               false);
}

/* ---- births ---- */

/* The value of a metric, by the datatype of its birth; none when it is null or not finite. */
static void set_value(struct mw_bridge_metric *metric, const struct mw_sparkplug_metric *said)
{
    float value = 0;
    metric->has_shown = mw_sparkplug_number(said, metric->type, &value) == MW_OK;
    metric->shown = value;
    metric->set = true;
    if (!said->historical) {
        metric->has_value = metric->has_shown;
        metric->value = metric->shown;
    }
}

/* A birth's metrics take the place of what was known. *news: one of them says what was not held. */
static mw_err take_metrics(struct message *message, bool *news)
{
    struct mw_bridge_held fresh = {0};
    struct mw_sparkplug_metric said;
    mw_err err = MW_OK;
    *news = false;
    while (err == MW_OK && mw_sparkplug_next(&message->body, &said)) {
        struct mw_bridge_metric *metric = mw_bridge_held_find(&fresh, said.name);
        if (said.name.size == 0 || metric != NULL) {
            continue;
        }
        bool text = memchr(said.name.data, '\0', said.name.size) == NULL;
        err = text ? mw_bridge_held_add(&fresh, said.name, &metric) : MW_ERR_PARSE;
        if (err == MW_OK) {
            metric->has_alias = said.has_alias;
            metric->alias = said.alias;
            mw_bridge_metric_type(metric, said.type);
            set_value(metric, &said);
            const struct mw_bridge_metric *old = mw_bridge_held_find(message->held, said.name);
            *news |= metric->feature && metric->has_value &&
                     (old == NULL || !old->has_value || old->value != metric->value);
        }
    }
    if (err != MW_OK) {
        mw_bridge_metrics_free(fresh.metric, fresh.n_metrics);
        return err;
    }
    mw_bridge_metrics_free(message->held->metric, message->held->n_metrics);
    message->held->metric = fresh.metric;
    message->held->n_metrics = fresh.n_metrics;
    message->held->bytes = fresh.bytes;
    message->held->hint = 0;
    return MW_OK;
}

static uint64_t bd_seq_of(struct mw_sparkplug_payload body)
{
    struct mw_sparkplug_metric said;
    while (mw_sparkplug_next(&body, &said)) {
        if (said.has_name && mw_span_is(said.name, "bdSeq")) {
            return said.integer;
        }
    }
    return 0;
}

/* Calls fn for each device of the message's node. */
static mw_err each_device(struct message *message,
                          mw_err (*fn)(struct message *message, struct mw_bridge_held *held))
{
    size_t at = 0;
    mw_err err = MW_OK;
    struct mw_bridge_held *held;
    while (err == MW_OK && (held = mw_table_next(&message->host->holder->table, &at)) != NULL) {
        err = held->node == message->node ? fn(message, held) : MW_OK;
    }
    return err;
}

/* Its own birth has to follow. */
static mw_err unbear(struct message *message, struct mw_bridge_held *held)
{
    held->born = false;
    mw_bridge_held_touch(message->host->holder, held);
    return MW_OK;
}

static mw_err take_birth(struct message *message)
{
    struct mw_bridge_held *held = message->held;
    char said[64];
    bool news;
    uint64_t bd_seq = bd_seq_of(message->body);
    mw_err err = take_metrics(message, &news);
    if (err != MW_OK) {
        return err == MW_ERR_TOO_LARGE ? bury(message, "the birth has too many metrics", 0)
               : err == MW_ERR_PARSE   ? bury(message, "a metric's name has a NUL in it", 0)
                                       : err;
    }
    held->born = true;
    held->stale = false;
    held->device->gone = false;
    mw_bridge_held_touch(message->host->holder, held);
    if (held == message->node) {
        held->bd_seq = bd_seq;
        held->asked = 0;
        err = each_device(message, unbear);
    }
    snprintf(said, sizeof said, "\"born\":true,\"metrics\":%zu", held->n_metrics);
    if (err == MW_OK) {
        err = mw_bridge_held_status(message->host->holder, held, said, message->body.time);
    }
    return err == MW_OK && news
               ? mw_bridge_held_record(message->host->holder, held, message->body.time)
               : err;
}

/* ---- deaths ---- */

static mw_err take_death(struct message *message, struct mw_bridge_held *held)
{
    bool known = held->born;
    held->born = false;
    held->device->gone = true;
    mw_bridge_held_touch(message->host->holder, held);
    return known ? mw_bridge_held_status(message->host->holder, held, "\"gone\":true",
                                         message->body.time)
                 : MW_OK;
}

static mw_err take_node_death(struct message *message)
{
    /* The will of a connection that the node has replaced since says nothing about this one. */
    if (message->node->born && bd_seq_of(message->body) != message->node->bd_seq) {
        return MW_OK;
    }
    mw_err err = take_death(message, message->node);
    return err == MW_OK ? each_device(message, take_death) : err;
}

/* ---- data ---- */

static struct mw_bridge_metric *metric_of(const struct message *message,
                                          const struct mw_sparkplug_metric *said)
{
    return said->has_name    ? mw_bridge_held_find(message->held, said->name)
           : said->has_alias ? mw_bridge_held_find_alias(message->held, said->alias)
                             : NULL;
}

/* What is wrong with it as a whole; NULL: nothing. */
static const char *fault_of(const struct message *message)
{
    struct mw_sparkplug_payload body = message->body;
    struct mw_sparkplug_metric said;
    if (!message->held->born) {
        return "no birth of the device was seen";
    }
    while (mw_sparkplug_next(&body, &said)) {
        if (!said.has_name && message->held->stale) {
            return "an alias behind a gap in seq may stand for something else";
        }
        if (metric_of(message, &said) == NULL) {
            return "a metric is not in the birth of the device";
        }
    }
    return NULL;
}

static mw_err take_data(struct message *message)
{
    struct mw_bridge_holder *holder = message->host->holder;
    struct mw_bridge_held *held = message->held;
    struct mw_sparkplug_metric said;
    bool any = false;
    int64_t time = 0;
    mw_err err = MW_OK;
    const char *fault = fault_of(message);
    if (fault != NULL || message->node->stale) {
        ask_rebirth(message, fault == NULL ? "there was a gap in its numbers" : fault);
    }
    if (fault != NULL) {
        return bury(message, fault, 0);
    }
    mw_bridge_held_begin(held);
    while (err == MW_OK && mw_sparkplug_next(&message->body, &said)) {
        struct mw_bridge_metric *metric = metric_of(message, &said);
        if (!metric->feature) {
            continue;
        }
        if (metric->set) {
            err = mw_bridge_held_record(holder, held, time);
            for (size_t i = 0; i < held->n_metrics; i++) {
                held->metric[i].set = false;
            }
            time = 0;
        }
        set_value(metric, &said);
        any = true;
        int64_t own = said.has_time ? said.time : message->body.time;
        time = own > time ? own : time;
    }
    mw_bridge_held_touch(holder, held);
    return err == MW_OK && any ? mw_bridge_held_record(holder, held, time) : err;
}

/* ---- the numbers of a node ---- */

static mw_err make_stale(struct message *message, struct mw_bridge_held *held)
{
    held->stale = true;
    mw_bridge_held_touch(message->host->holder, held);
    return MW_OK;
}

static mw_err note_gap(struct message *message, unsigned expected)
{
    char said[96];
    struct mw_bridge_held *node = message->node;
    unsigned got = (unsigned)message->body.seq;
    message->host->holder->intake->counts.gaps++;
    mw_log(MW_LOG_WARN, node->device->name, "messages of the edge node are missing",
           MW_KI("expected", expected), MW_KI("got", got));
    (void)make_stale(message, node);
    (void)each_device(message, make_stale);
    ask_rebirth(message, "there is a gap in its numbers");
    snprintf(said, sizeof said, "\"gap\":{\"expected\":%u,\"got\":%u}", expected, got);
    return mw_bridge_held_status(message->host->holder, node, said, message->body.time);
}

static unsigned expected_of(const struct message *message)
{
    return (message->node->seq + 1U) % MW_SPARKPLUG_SEQ_END;
}

/* A broker marks what it delivers again. By then seq may have come round more than once, so the
 * time of the payload decides, and seq where one millisecond has several messages. */
static bool is_old(const struct message *message, unsigned expected)
{
    const struct mw_bridge_held *node = message->node;
    const struct mw_sparkplug_payload *body = &message->body;
    return message->host->holder->intake->duplicate && node->born &&
           (body->time < node->time || (body->time == node->time && body->seq != expected));
}

/* Notes the message's number, and a gap before it. */
static mw_err count(struct message *message)
{
    struct mw_bridge_held *node = message->node;
    unsigned expected = expected_of(message);
    if (!node->born) {
        ask_rebirth(message, "no birth of the node was seen");
        return MW_OK;
    }
    bool gap = message->body.seq != expected;
    node->seq = (uint8_t)message->body.seq;
    node->time = message->body.time > node->time ? message->body.time : node->time;
    mw_bridge_held_touch(message->host->holder, node);
    return gap ? note_gap(message, expected) : MW_OK;
}

static mw_err take_node_birth(struct message *message)
{
    message->node->seq = (uint8_t)message->body.seq;
    message->node->time = message->body.time;
    return take_birth(message);
}

static mw_err take_numbered(struct message *message)
{
    if (!message->body.has_seq || message->body.seq >= MW_SPARKPLUG_SEQ_END) {
        return bury(message, "seq is not a number from 0 to 255", 0);
    }
    /* A birth begins the count anew, so no number of it is the expected one. */
    bool birth = message->at.kind == MW_SPARKPLUG_NBIRTH;
    if (is_old(message, birth ? MW_SPARKPLUG_SEQ_END : expected_of(message))) {
        message->host->holder->intake->counts.again++;
        return MW_OK;
    }
    if (birth) {
        return take_node_birth(message);
    }
    mw_err err = count(message);
    if (err != MW_OK) {
        return err;
    }
    switch (message->at.kind) {
    case MW_SPARKPLUG_DBIRTH:
        return take_birth(message);
    case MW_SPARKPLUG_DDEATH:
        return take_death(message, message->held);
    default:
        return take_data(message);
    }
}

mw_err mw_bridge_sparkplug_take(struct mw_bridge_sparkplug *host, struct mw_span topic,
                                struct mw_span payload)
{
    struct message message = {.host = host, .topic = topic, .payload = payload};
    struct mw_why why = {"the topic is none of Sparkplug B's", 0};
    if (mw_sparkplug_read_topic(topic, &message.at) != MW_OK) {
        return bury(&message, why.text, 0);
    }
    enum mw_sparkplug_kind kind = message.at.kind;
    bool own =
        mw_span_equal(message.at.group, host->group) && mw_span_equal(message.at.node, host->node);
    if (kind == MW_SPARKPLUG_STATE || kind == MW_SPARKPLUG_NCMD || kind == MW_SPARKPLUG_DCMD ||
        own) {
        return MW_OK; /* not for us, or our own */
    }
    mw_err err = find_speaker(&message);
    if (err == MW_ERR_MEMORY) {
        return err;
    }
    if (err != MW_OK) {
        return bury(&message,
                    err == MW_ERR_EXISTS ? "another device has that name already"
                                         : "the name is too long or empty",
                    0);
    }
    if (mw_sparkplug_open(&message.body, payload, &why) != MW_OK) {
        return bury(&message, why.text, why.where);
    }
    err = kind == MW_SPARKPLUG_NDEATH ? take_node_death(&message) : take_numbered(&message);
    /* Only want of memory may make a broker send a message again: anything else would for ever. */
    return err == MW_OK || err == MW_ERR_MEMORY ? err : bury(&message, mw_err_text(err), 0);
}
