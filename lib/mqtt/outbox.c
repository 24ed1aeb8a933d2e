#include "lib/mqtt/outbox.h"

#include <stdlib.h>
#include <string.h>

static struct mw_mqtt_outgoing *at(const struct mw_mqtt_outbox *outbox, size_t count)
{
    return &outbox->ring[count & (outbox->capacity - 1)];
}

static mw_err grow(struct mw_mqtt_outbox *outbox)
{
    size_t capacity = outbox->capacity == 0 ? 64 : 2 * outbox->capacity;
    struct mw_mqtt_outgoing *ring = calloc(capacity, sizeof(*ring));
    if (ring == NULL) {
        return MW_ERR_MEMORY;
    }
    for (size_t i = outbox->head; i != outbox->tail; i++) {
        ring[i & (capacity - 1)] = *at(outbox, i);
    }
    free(outbox->ring);
    outbox->ring = ring;
    outbox->capacity = capacity;
    return MW_OK;
}

enum { TOPIC_HOME = sizeof(((struct mw_mqtt_frame *)NULL)->front) };

mw_err mw_mqtt_outbox_add(struct mw_mqtt_outbox *outbox, struct mw_span topic,
                          struct mw_span properties, struct mw_span payload, uint8_t qos,
                          bool retain)
{
    if (topic.size > MW_MQTT_TEXT_MAX || properties.size > MW_MQTT_BODY_MAX / 4 ||
        payload.size > MW_MQTT_BODY_MAX / 2) {
        return MW_ERR_TOO_LARGE;
    }
    if (outbox->tail - outbox->head == outbox->capacity && grow(outbox) != MW_OK) {
        return MW_ERR_MEMORY;
    }
    size_t size = MW_MQTT_ROOM + topic.size + properties.size + payload.size;
    struct mw_mqtt_outgoing message = {
        .data = malloc(size),
        .size = (uint32_t)size,
        .topic_at = TOPIC_HOME,
        .topic_size = (uint16_t)topic.size,
        .properties = (uint32_t)properties.size,
        .rest_at = (uint32_t)(MW_MQTT_ROOM + topic.size),
        .qos = qos,
        .retain = retain,
    };
    if (message.data == NULL) {
        return MW_ERR_MEMORY;
    }
    uint8_t *rest = message.data + message.rest_at;
    memcpy(message.data + TOPIC_HOME, topic.data, topic.size);
    if (properties.size > 0) {
        memcpy(rest, properties.data, properties.size);
    }
    if (payload.size > 0) {
        memcpy(rest + properties.size, payload.data, payload.size);
    }
    *at(outbox, outbox->tail++) = message;
    outbox->bytes += mw_mqtt_outbox_cost(size - MW_MQTT_ROOM);
    return MW_OK;
}

void mw_mqtt_outbox_begin(struct mw_mqtt_outbox *outbox, const struct mw_mqtt_terms *terms)
{
    outbox->terms = *terms;
    if (outbox->terms.aliases > MW_MQTT_ALIASES) {
        outbox->terms.aliases = MW_MQTT_ALIASES;
    }
}

uint16_t mw_mqtt_outbox_take_id(struct mw_mqtt_outbox *outbox)
{
    for (unsigned tries = 0; tries < 65536; tries++) {
        uint16_t id = ++outbox->last_id;
        uint8_t bit = (uint8_t)(1U << (id & 7));
        if (id != 0 && (outbox->used[id >> 3] & bit) == 0) {
            outbox->used[id >> 3] |= bit;
            return id;
        }
    }
    return 0;
}

void mw_mqtt_outbox_give_id(struct mw_mqtt_outbox *outbox, uint16_t id)
{
    outbox->used[id >> 3] &= (uint8_t) ~(1U << (id & 7));
}

static void forget_aliases(struct mw_mqtt_outbox *outbox)
{
    for (size_t i = 0; i < MW_MQTT_ALIASES; i++) {
        free(outbox->alias[i].topic);
        outbox->alias[i] = (struct mw_mqtt_alias){0};
    }
}

/* The topic's alias, 0 for none; *known: the broker has it already. A topic has one place in the
 * table, and takes it from whichever had it before. */
static uint16_t alias_of(struct mw_mqtt_outbox *outbox, struct mw_span topic, bool *known)
{
    *known = false;
    if (outbox->terms.aliases == 0) {
        return 0;
    }
    size_t place = mw_mqtt_text_hash(topic) % outbox->terms.aliases;
    struct mw_mqtt_alias *alias = &outbox->alias[place];
    *known =
        alias->topic != NULL && mw_span_equal((struct mw_span){alias->topic, alias->size}, topic);
    if (!*known) {
        char *copy = malloc(topic.size);
        if (copy == NULL) {
            return 0;
        }
        memcpy(copy, topic.data, topic.size);
        free(alias->topic);
        *alias = (struct mw_mqtt_alias){copy, topic.size};
    }
    return (uint16_t)(place + 1);
}

/* Makes the packet in place; false when all identifiers are in use. */
static bool make_packet(struct mw_mqtt_outbox *outbox, struct mw_mqtt_outgoing *message)
{
    if (message->begin != 0) {
        return true;
    }
    if (message->qos > 0 && message->id == 0) {
        message->id = mw_mqtt_outbox_take_id(outbox);
        if (message->id == 0) {
            return false;
        }
    }
    bool five = outbox->terms.version == MW_MQTT_VERSION_5;
    if (!five) {
        message->rest_at += message->properties;
        message->properties = 0;
    }
    struct mw_span topic = {(const char *)message->data + message->topic_at, message->topic_size};
    bool known = false;
    uint16_t alias = five ? alias_of(outbox, topic, &known) : 0;
    struct mw_mqtt_publish publish = {
        .version = outbox->terms.version,
        .qos = message->qos,
        .retain = message->retain && outbox->terms.retain,
        .duplicate = message->duplicate,
        .id = message->id,
        .alias = alias,
        .topic = {NULL, known ? 0 : topic.size},
        .properties = {NULL, message->properties},
        .payload = {NULL, message->size - message->rest_at - message->properties},
    };
    struct mw_mqtt_frame frame;
    (void)mw_mqtt_frame_publish(&publish, &frame); /* the lengths were checked when it was added */
    uint8_t *middle = message->data + message->rest_at - frame.middle_size;
    uint8_t *place = known ? message->data + TOPIC_HOME : middle - topic.size;
    memmove(place, topic.data, topic.size);
    message->topic_at = (uint32_t)(place - message->data);
    uint8_t *begin = (known ? middle : place) - frame.front_size;
    memcpy(begin, frame.front, frame.front_size);
    memcpy(middle, frame.middle, frame.middle_size);
    message->begin = (uint32_t)(begin - message->data);
    return true;
}

static void drop(struct mw_mqtt_outbox *outbox, struct mw_mqtt_outgoing *message)
{
    uint32_t texts = message->size - MW_MQTT_ROOM;
    outbox->bytes -= mw_mqtt_outbox_cost(texts);
    free(message->data);
    message->data = NULL;
    if (message->id != 0) {
        mw_mqtt_outbox_give_id(outbox, message->id);
    }
}

/* Drops a message that the broker would not take; true when it did. */
static bool drop_too_large(struct mw_mqtt_outbox *outbox, struct mw_mqtt_outgoing *message)
{
    size_t most = message->size - MW_MQTT_ROOM + MW_MQTT_OVERHEAD;
    if (message->begin != 0 || most <= outbox->terms.largest) {
        return false;
    }
    drop(outbox, message);
    outbox->too_large++;
    return true;
}

size_t mw_mqtt_outbox_gather(struct mw_mqtt_outbox *outbox, struct iovec *pieces, size_t max)
{
    size_t n = 0;
    size_t unacknowledged = outbox->unacknowledged;
    for (size_t i = outbox->next; i != outbox->tail && n < max; i++) {
        struct mw_mqtt_outgoing *message = at(outbox, i);
        if (message->data == NULL || drop_too_large(outbox, message)) {
            continue;
        }
        size_t written = i == outbox->next ? outbox->written : 0;
        if (message->qos > 0 && written == 0 && ++unacknowledged > outbox->terms.window) {
            break;
        }
        if (!make_packet(outbox, message)) {
            break;
        }
        size_t begin = message->begin + written;
        pieces[n++] = (struct iovec){message->data + begin, message->size - begin};
    }
    return n;
}

static void move_head(struct mw_mqtt_outbox *outbox)
{
    while (outbox->head != outbox->next && at(outbox, outbox->head)->data == NULL) {
        outbox->head++;
    }
}

void mw_mqtt_outbox_advance(struct mw_mqtt_outbox *outbox, size_t bytes)
{
    while (outbox->next != outbox->tail) {
        struct mw_mqtt_outgoing *message = at(outbox, outbox->next);
        if (message->data == NULL) { /* dropped before its turn */
            outbox->next++;
            continue;
        }
        if (bytes == 0) {
            break;
        }
        size_t left = message->size - message->begin - outbox->written;
        outbox->unacknowledged += message->qos > 0 && outbox->written == 0 ? 1 : 0;
        if (bytes < left) {
            outbox->written += bytes;
            break;
        }
        bytes -= left;
        outbox->written = 0;
        outbox->next++;
        if (message->qos == 0) {
            drop(outbox, message);
        }
    }
    move_head(outbox);
}

/* Drops the message with that identifier if it is in [from, to). */
static bool acknowledge_in(struct mw_mqtt_outbox *outbox, size_t from, size_t to, uint16_t id)
{
    for (size_t i = from; i != to; i++) {
        struct mw_mqtt_outgoing *message = at(outbox, i);
        if (message->data != NULL && message->id == id) {
            drop(outbox, message);
            outbox->unacknowledged--;
            outbox->expected = i + 1;
            return true;
        }
    }
    return false;
}

void mw_mqtt_outbox_acknowledge(struct mw_mqtt_outbox *outbox, uint16_t id)
{
    /* Brokers acknowledge in order: the one behind the last is nearly always it. */
    size_t sent = outbox->next - outbox->head;
    size_t place = outbox->expected - outbox->head;
    size_t start = outbox->head + (place <= sent ? place : 0);
    if (!acknowledge_in(outbox, start, outbox->next, id)) {
        (void)acknowledge_in(outbox, outbox->head, start, id);
    }
    move_head(outbox);
}

void mw_mqtt_outbox_restart(struct mw_mqtt_outbox *outbox)
{
    size_t sent = outbox->next + (outbox->written > 0 ? 1 : 0);
    size_t kept = outbox->head;
    for (size_t i = outbox->head; i != outbox->tail; i++) {
        struct mw_mqtt_outgoing message = *at(outbox, i);
        if (message.data == NULL) {
            continue;
        }
        if (message.qos == 0) {
            drop(outbox, &message);
            continue;
        }
        message.duplicate = message.duplicate || i < sent;
        message.begin = 0;
        *at(outbox, kept++) = message;
    }
    outbox->tail = kept;
    outbox->next = outbox->expected = outbox->head;
    outbox->written = 0;
    outbox->unacknowledged = 0;
    forget_aliases(outbox);
}

void mw_mqtt_outbox_free(struct mw_mqtt_outbox *outbox)
{
    for (size_t i = outbox->head; i != outbox->tail; i++) {
        free(at(outbox, i)->data);
    }
    free(outbox->ring);
    forget_aliases(outbox);
    *outbox = (struct mw_mqtt_outbox){0};
}
