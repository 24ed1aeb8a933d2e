#include "tiers/platform/bridge_foreign.h"

#include "lib/base/log.h"
#include "tiers/platform/bridge_map.h"

#include <stdio.h>
#include <string.h>

/* Somebody else's word that we are gone, such as the will of a connection that this one replaced.
 */
static bool denies_us(const struct mw_bridge_foreign *foreign, struct mw_span topic,
                      struct mw_span payload)
{
    struct mw_span online;
    struct mw_wire_parser *parser = foreign->holder.intake->parser;
    return foreign->state_topic[0] != '\0' && mw_span_is(topic, foreign->state_topic) &&
           mw_wire_open(parser, payload, NULL) == MW_OK &&
           mw_wire_get(parser, 0, "online", &online) == MW_OK && mw_span_is(online, "false");
}

/* The broker keeps a session's subscriptions, also those that plant.yaml has dropped since. */
static mw_err let_pass(struct mw_bridge_foreign *foreign, struct mw_span topic)
{
    char text[128];
    if (!foreign->complained) {
        snprintf(text, sizeof text, "%.*s", (int)topic.size, topic.data);
        mw_log(MW_LOG_WARN, NULL, "messages of a topic that plant.yaml does not name are let pass",
               MW_KS("topic", text));
    }
    foreign->complained = true;
    return MW_OK;
}

static bool is_wanted(const struct mw_bridge_foreign *foreign, struct mw_span topic)
{
    const struct mw_list *groups = &foreign->plant->sparkplug.groups;
    struct mw_sparkplug_topic parts;
    if (mw_sparkplug_read_topic(topic, &parts) != MW_OK || parts.kind == MW_SPARKPLUG_STATE) {
        return true;
    }
    for (size_t i = 0; i < groups->n; i++) {
        if (strcmp(groups->item[i], "+") == 0 || mw_span_is(parts.group, groups->item[i])) {
            return true;
        }
    }
    return false;
}

static mw_err take(void *context, struct mw_span topic, struct mw_span payload)
{
    struct mw_bridge_foreign *foreign = context;
    if (topic.size >= sizeof MW_SPARKPLUG &&
        memcmp(topic.data, MW_SPARKPLUG "/", sizeof MW_SPARKPLUG) == 0) {
        if (denies_us(foreign, topic, payload)) {
            mw_bridge_foreign_state(foreign, true);
        }
        return is_wanted(foreign, topic)
                   ? mw_bridge_sparkplug_take(&foreign->sparkplug, topic, payload)
                   : let_pass(foreign, topic);
    }
    if (foreign->control.topic != NULL && mw_span_is(topic, foreign->control.topic)) {
        return mw_bridge_control_take(&foreign->control, payload);
    }
    uint64_t before = foreign->holder.intake->counts.unnumbered;
    mw_err err = mw_bridge_map_take(&foreign->holder, &foreign->plant->topics, topic, payload);
    if (err == MW_OK && foreign->holder.intake->counts.unnumbered > before) {
        mw_bridge_control_heard(&foreign->control, topic);
    }
    return err == MW_ERR_NOT_FOUND ? let_pass(foreign, topic) : err;
}

static void told(void *context, struct mw_span value)
{
    struct mw_bridge_foreign *foreign = context;
    mw_bridge_control_told(&foreign->control, value);
}

static mw_err seal(void *context)
{
    struct mw_bridge_foreign *foreign = context;
    return mw_bridge_holder_seal(&foreign->holder);
}

static int64_t monotonic(void *context)
{
    (void)context;
    return mw_clock_monotonic();
}

/* One time for all of this run: a node believes what is not older than what it knows, and the will
 * of this run must be able to end what this run began. */
static mw_err make_state(struct mw_bridge_foreign *foreign, struct mw_error *error)
{
    const char *host = foreign->plant->sparkplug.host;
    struct mw_clock clock = foreign->holder.intake->clock;
    long long now = clock.now(clock.context) / 1000;
    if (host == NULL || host[0] == '\0' || foreign->plant->bridge.share != 0) {
        return MW_OK;
    }
    int n =
        snprintf(foreign->state_topic, sizeof foreign->state_topic, MW_SPARKPLUG "/STATE/%s", host);
    if (n < 0 || (size_t)n >= sizeof foreign->state_topic) {
        return mw_error_set(error, MW_ERR_ARGUMENT, "sparkplug.host: more than 100 bytes");
    }
    static const char format[] = "{\"online\":%s,\"timestamp\":%lld}";
    snprintf(foreign->online, sizeof foreign->online, format, "true", now);
    snprintf(foreign->offline, sizeof foreign->offline, format, "false", now);
    return MW_OK;
}

mw_err mw_bridge_foreign_init(struct mw_bridge_foreign *foreign, const struct mw_plant *plant,
                              struct mw_bridge_intake *intake, struct mw_bridge_sender sender,
                              struct mw_error *error)
{
    *foreign = (struct mw_bridge_foreign){.plant = plant, .holder = {.intake = intake}};
    foreign->sparkplug = (struct mw_bridge_sparkplug){
        .holder = &foreign->holder, .sender = sender, .monotonic = {monotonic, NULL}};
    const char *own = plant->sparkplug.publish;
    const char *slash = own == NULL ? NULL : strchr(own, '/');
    if (slash != NULL) {
        foreign->sparkplug.group = (struct mw_span){own, (size_t)(slash - own)};
        foreign->sparkplug.node = mw_span_of(slash + 1);
    }
    mw_bridge_control_init(&foreign->control, plant, intake, sender, foreign->sparkplug.monotonic);
    bool controls = foreign->control.topic != NULL;
    intake->others = (struct mw_bridge_others){take, seal, controls ? told : NULL, foreign};
    return make_state(foreign, error);
}

mw_err mw_bridge_foreign_load(struct mw_bridge_foreign *foreign, struct mw_stream *stream,
                              struct mw_error *error)
{
    mw_err err = mw_bridge_holder_load(&foreign->holder, stream, error);
    mw_bridge_sparkplug_link(&foreign->sparkplug);
    return err == MW_OK ? mw_bridge_control_load(&foreign->control, stream, error) : err;
}

void mw_bridge_foreign_clear(struct mw_bridge_foreign *foreign)
{
    mw_bridge_holder_clear(&foreign->holder);
}

void mw_bridge_foreign_will(const struct mw_bridge_foreign *foreign,
                            struct mw_mqtt_options *options)
{
    if (foreign->state_topic[0] != '\0') {
        options->will_topic = foreign->state_topic;
        options->will_payload = foreign->offline;
        options->will_retain = true;
    }
}

mw_err mw_bridge_foreign_subscribe(const struct mw_bridge_foreign *foreign, struct mw_mqtt *mqtt,
                                   struct mw_error *error)
{
    const struct mw_list *groups = &foreign->plant->sparkplug.groups;
    const struct mw_topic_maps *maps = &foreign->plant->topics;
    char filter[MW_TOPIC_PATTERN_MAX + 1];
    mw_err err = MW_OK;
    if (foreign->plant->bridge.share != 0) {
        return MW_OK; /* what is held of an origin needs all of its messages, in order */
    }
    if (foreign->state_topic[0] != '\0') {
        err = mw_mqtt_subscribe(mqtt, foreign->state_topic, 1, error);
    }
    for (size_t i = 0; i < groups->n && err == MW_OK; i++) {
        int n = snprintf(filter, sizeof filter, MW_SPARKPLUG "/%s/#", groups->item[i]);
        err = n < 0 || (size_t)n >= sizeof filter
                  ? mw_error_set(error, MW_ERR_TOO_LARGE, "sparkplug.groups: %s is too long",
                                 groups->item[i])
                  : mw_mqtt_subscribe(mqtt, filter, 1, error);
    }
    if (foreign->control.topic != NULL && err == MW_OK) {
        err = mw_mqtt_subscribe(mqtt, foreign->control.topic, 1, error);
    }
    for (size_t i = 0; i < maps->n && err == MW_OK; i++) {
        mw_topic_map_filter(&maps->map[i], filter);
        err = mw_mqtt_subscribe(mqtt, filter, 1, error);
    }
    return err;
}

void mw_bridge_foreign_state(const struct mw_bridge_foreign *foreign, bool online)
{
    const struct mw_bridge_sender *sender = &foreign->sparkplug.sender;
    if (foreign->state_topic[0] != '\0') {
        (void)sender->publish(sender->context, foreign->state_topic,
                              mw_span_of(online ? foreign->online : foreign->offline), 1, true);
    }
}
