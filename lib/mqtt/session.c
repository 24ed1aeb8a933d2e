/* session.c - what the broker says once it is greeted: its terms, answers and messages. */
#include "lib/mqtt/client_internal.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mw_mqtt_send_subscribe(struct mw_mqtt *client, struct mw_mqtt_subscription *subscription)
{
    if (subscription->id != 0) { /* the answer to the one before does not count any more */
        mw_mqtt_outbox_give_id(&client->outbox, subscription->id);
        client->unanswered--;
    }
    subscription->id = mw_mqtt_outbox_take_id(&client->outbox);
    if (subscription->id == 0) {
        mw_mqtt_lose(client, "no room for a subscription");
        return;
    }
    client->unanswered++;
    struct mw_span filter = mw_span_of(subscription->filter);
    if (mw_mqtt_encode_subscribe(&client->control, client->version, subscription->id, filter,
                                 subscription->options) != MW_OK) {
        mw_mqtt_lose(client, "no room for a subscription");
    }
}

/* Says that the connection is there. */
static void announce(struct mw_mqtt *client)
{
    if (!client->greeted && !client->lost) {
        client->greeted = true;
        if (client->options.on_connect != NULL) {
            client->options.on_connect(client->options.context, client->session_present);
        }
    }
}

static void announce_when_subscribed(struct mw_mqtt *client)
{
    if (client->unanswered == 0) {
        announce(client);
    }
}

/* A reason code in words, with what the broker adds, ready for a log. */
static void describe(const struct mw_mqtt_packet *packet, char *text, size_t capacity)
{
    const struct mw_mqtt_properties *properties = &packet->properties;
    int n = snprintf(text, capacity, "%s", mw_mqtt_reason_text(packet->code));
    const struct mw_span parts[] = {properties->reason, properties->server_reference};
    for (size_t i = 0; i < 2; i++) {
        if (parts[i].size > 0 && n > 0 && (size_t)n < capacity) {
            int size = parts[i].size < 100 ? (int)parts[i].size : 100;
            n += snprintf(text + n, capacity - (size_t)n, " (%.*s)", size, parts[i].data);
        }
    }
}

static void receive_refusal(struct mw_mqtt *client, const struct mw_mqtt_packet *packet)
{
    bool five = client->version == MW_MQTT_VERSION_5;
    if (packet->code == MW_MQTT_VERSION_UNSUPPORTED) {
        bool again = five && client->options.speak == MW_MQTT_AUTO;
        client->only_3_1_1 = client->at_once = again;
        mw_mqtt_lose(client, "refused: the broker does not speak MQTT %s%s", five ? "5" : "3.1.1",
                     again ? ", going on with 3.1.1" : "");
        return;
    }
    char text[256];
    describe(packet, text, sizeof(text));
    mw_mqtt_lose(client, "refused: %s", text);
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* What this broker takes; the standard's values where it names none. */
static void accept_terms(struct mw_mqtt *client, const struct mw_mqtt_properties *said)
{
    bool five = client->version == MW_MQTT_VERSION_5;
    bool limited = mw_mqtt_has_property(said, MW_MQTT_RECEIVE_MAXIMUM);
    bool short_packets = mw_mqtt_has_property(said, MW_MQTT_MAXIMUM_PACKET);
    struct mw_mqtt_terms terms = {
        .version = client->version,
        .window = smaller(limited ? said->receive_maximum : MW_MQTT_WINDOW, MW_MQTT_WINDOW),
        .largest = short_packets ? said->maximum_packet : SIZE_MAX,
        .aliases = (uint16_t)said->topic_alias_maximum,
        .retain =
            !mw_mqtt_has_property(said, MW_MQTT_RETAIN_AVAILABLE) || said->retain_available == 1,
    };
    mw_mqtt_outbox_begin(&client->outbox, &terms);
    bool paced = mw_mqtt_has_property(said, MW_MQTT_SERVER_KEEPALIVE);
    client->keepalive = paced ? (uint16_t)said->server_keepalive : client->options.keepalive;
    if (five && !terms.retain) {
        mw_log(MW_LOG_WARN, NULL, "broker keeps no retained messages",
               MW_KS("broker", client->url->host));
    }
    free(client->assigned_id);
    client->assigned_id =
        said->assigned_client_id.size == 0
            ? NULL
            : strndup(said->assigned_client_id.data, said->assigned_client_id.size);
}

static void receive_connack(struct mw_mqtt *client, const struct mw_mqtt_packet *packet)
{
    client->answered = true;
    if (packet->code != MW_MQTT_SUCCESS) {
        receive_refusal(client, packet);
        return;
    }
    const struct mw_mqtt_properties *said = &packet->properties;
    if (mw_mqtt_has_property(said, MW_MQTT_MAXIMUM_QOS) && said->maximum_qos == 0) {
        mw_mqtt_lose(client, "the broker takes messages at QoS 0 only");
        return;
    }
    mw_mqtt_forget_addresses(client);
    accept_terms(client, said);
    client->state = MW_MQTT_UP;
    client->up_since = mw_clock_monotonic();
    client->connection++;
    client->session_present = packet->session_present;
    client->greeted = client->said = client->pinged = false;
    client->complained = 0;
    client->failed = 0;
    client->logged[client->url - client->urls.url] = 0;
    mw_log(MW_LOG_INFO, NULL, "broker connected", MW_KS("broker", client->url->host),
           MW_KS("port", client->url->port),
           MW_KS("mqtt", client->version == MW_MQTT_VERSION_5 ? "5" : "3.1.1"),
           MW_KS("tls", client->tls == NULL ? "no" : mw_mqtt_tls_version(client->tls)));
    int64_t half = client->keepalive * MW_SECOND / 2;
    mw_loop_set_timer(client->loop, client->timer, half > 0 ? half : -1, half);
    client->expected = 0;
    for (size_t i = 0; i < client->subscriptions_n; i++) {
        mw_mqtt_send_subscribe(client, &client->subscriptions[i]);
    }
    mw_mqtt_look_back(client);
    announce_when_subscribed(client);
}

/* Brokers answer in order: the one behind the last is nearly always it. NULL: to none of them. */
static struct mw_mqtt_subscription *find_answered(struct mw_mqtt *client, uint16_t id)
{
    for (size_t n = 0; n < client->subscriptions_n; n++) {
        size_t i = (client->expected + n) % client->subscriptions_n;
        if (client->subscriptions[i].id == id) {
            client->expected = i + 1;
            return &client->subscriptions[i];
        }
    }
    return NULL;
}

static void receive_suback(struct mw_mqtt *client, const struct mw_mqtt_packet *packet)
{
    struct mw_mqtt_subscription *subscription = find_answered(client, packet->id);
    if (subscription == NULL) {
        return;
    }
    mw_mqtt_outbox_give_id(&client->outbox, subscription->id);
    subscription->id = 0;
    client->unanswered--;
    if (packet->code >= MW_MQTT_FAILURE) {
        char text[256];
        describe(packet, text, sizeof(text));
        mw_log(MW_LOG_ERROR, NULL, "broker refused a subscription",
               MW_KS("filter", subscription->filter), MW_KS("reason", text));
    }
    announce_when_subscribed(client);
}

/* Puts the topic where its alias stands for it, and remembers a new one. */
static bool resolve_alias(struct mw_mqtt *client, const struct mw_mqtt_packet *packet,
                          struct mw_span *topic)
{
    uint32_t number = packet->properties.topic_alias;
    *topic = packet->topic;
    if (number == 0) {
        return true;
    }
    if (number > MW_MQTT_ALIASES_IN) {
        return false;
    }
    struct mw_mqtt_alias *alias = &client->alias[number - 1];
    if (topic->size > 0) {
        char *copy = malloc(topic->size);
        if (copy == NULL) {
            return false;
        }
        memcpy(copy, topic->data, topic->size);
        free(alias->topic);
        *alias = (struct mw_mqtt_alias){copy, topic->size};
    }
    *topic = (struct mw_span){alias->topic, alias->size};
    return alias->topic != NULL;
}

static void receive_publish(struct mw_mqtt *client, const struct mw_mqtt_packet *packet)
{
    struct mw_mqtt_message message = {
        .payload = packet->payload,
        .qos = packet->qos,
        .retained = packet->retained,
        .duplicate = packet->duplicate,
        .id = packet->id,
        .cut = packet->cut,
        .properties = &packet->properties,
    };
    if (!resolve_alias(client, packet, &message.topic)) {
        mw_mqtt_lose_with(client, MW_MQTT_TOPIC_ALIAS_INVALID, "malformed: unknown topic alias %u",
                          packet->properties.topic_alias);
        return;
    }
    uint16_t maximum = client->version == MW_MQTT_VERSION_5 ? client->options.receive_maximum : 0;
    client->unacknowledged += packet->qos;
    if (maximum > 0 && client->unacknowledged > maximum) {
        mw_mqtt_lose_with(client, MW_MQTT_RECEIVE_MAXIMUM_EXCEEDED,
                          "malformed: more than %u messages without acknowledgement", maximum);
        return;
    }
    announce(client); /* what the broker had kept comes before its answers */
    client->received = true;
    if (client->options.on_message != NULL) {
        client->options.on_message(client->options.context, &message);
    }
    if (packet->qos > 0 && !client->options.manual_ack) {
        mw_mqtt_acknowledge(client, client->connection, packet->id);
    }
}

/* A message that the broker refuses is done with all the same: it would refuse it again. */
static void receive_puback(struct mw_mqtt *client, const struct mw_mqtt_packet *packet)
{
    mw_mqtt_outbox_acknowledge(&client->outbox, packet->id);
    if (packet->code >= MW_MQTT_FAILURE && packet->code != client->complained) {
        char text[256];
        describe(packet, text, sizeof(text));
        client->complained = packet->code;
        mw_log(MW_LOG_ERROR, NULL, "broker refused a message", MW_KS("reason", text));
    }
}

static void receive_disconnect(struct mw_mqtt *client, const struct mw_mqtt_packet *packet)
{
    char text[256];
    if (packet->code == MW_MQTT_SESSION_TAKEN_OVER) {
        client->taken = true;
        mw_mqtt_lose(client,
                     "another client has connected as %s: is it running twice, or under one name "
                     "with another?",
                     mw_mqtt_client_id(client));
        return;
    }
    describe(packet, text, sizeof(text));
    mw_mqtt_lose(client, "the broker ends the connection: %s", text);
}

void mw_mqtt_receive(struct mw_mqtt *client, const struct mw_mqtt_packet *packet)
{
    bool greeting = client->state == MW_MQTT_GREETING;
    if (greeting != (packet->type == MW_MQTT_CONNACK)) {
        mw_mqtt_lose_with(client, MW_MQTT_PROTOCOL_ERROR,
                          greeting ? "malformed: no CONNACK came first"
                                   : "malformed: a second CONNACK came");
        return;
    }
    switch (packet->type) {
    case MW_MQTT_CONNACK:
        receive_connack(client, packet);
        return;
    case MW_MQTT_PUBLISH:
        receive_publish(client, packet);
        return;
    case MW_MQTT_PUBACK:
        receive_puback(client, packet);
        return;
    case MW_MQTT_SUBACK:
        receive_suback(client, packet);
        return;
    case MW_MQTT_DISCONNECT:
        receive_disconnect(client, packet);
        return;
    default:
        client->pinged = false; /* PINGRESP */
    }
}
