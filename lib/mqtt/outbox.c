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

mw_err mw_mqtt_outbox_add(struct mw_mqtt_outbox *outbox, struct mw_span topic,
                          struct mw_span payload, uint8_t qos, bool retain)
{
    if (outbox->tail - outbox->head == outbox->capacity && grow(outbox) != MW_OK) {
        return MW_ERR_MEMORY;
    }
    mw_buffer_clear(&outbox->scratch);
    mw_err err = mw_mqtt_encode_publish(&outbox->scratch, topic, payload, qos, retain, 0);
    if (err != MW_OK) {
        return err;
    }
    struct mw_mqtt_outgoing message = {.size = outbox->scratch.size, .qos = qos};
    message.data = malloc(message.size);
    if (message.data == NULL) {
        return MW_ERR_MEMORY;
    }
    memcpy(message.data, outbox->scratch.data, message.size);
    if (outbox->scratch.capacity > 65536) {
        mw_buffer_free(&outbox->scratch);
    }
    *at(outbox, outbox->tail++) = message;
    outbox->bytes += message.size;
    return MW_OK;
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

/* Writes the identifier into the packet. */
static bool name_message(struct mw_mqtt_outbox *outbox, struct mw_mqtt_outgoing *message)
{
    if (message->qos == 0 || message->id != 0) {
        return true;
    }
    message->id = mw_mqtt_outbox_take_id(outbox);
    if (message->id == 0) {
        return false;
    }
    size_t place = mw_mqtt_publish_id_at(message->data, message->size);
    message->data[place] = (uint8_t)(message->id >> 8);
    message->data[place + 1] = (uint8_t)(message->id & 0xff);
    return true;
}

size_t mw_mqtt_outbox_gather(struct mw_mqtt_outbox *outbox, struct iovec *pieces, size_t max)
{
    size_t n = 0;
    size_t unacknowledged = outbox->unacknowledged;
    for (size_t i = outbox->next; i != outbox->tail && n < max; i++) {
        struct mw_mqtt_outgoing *message = at(outbox, i);
        size_t written = i == outbox->next ? outbox->written : 0;
        if (message->qos > 0 && written == 0 && ++unacknowledged > MW_MQTT_WINDOW) {
            break;
        }
        if (!name_message(outbox, message)) {
            break;
        }
        pieces[n++] = (struct iovec){message->data + written, message->size - written};
    }
    return n;
}

static void drop(struct mw_mqtt_outbox *outbox, struct mw_mqtt_outgoing *message)
{
    outbox->bytes -= message->size;
    free(message->data);
    message->data = NULL;
    if (message->id != 0) {
        mw_mqtt_outbox_give_id(outbox, message->id);
    }
}

static void move_head(struct mw_mqtt_outbox *outbox)
{
    while (outbox->head != outbox->next && at(outbox, outbox->head)->data == NULL) {
        outbox->head++;
    }
}

void mw_mqtt_outbox_advance(struct mw_mqtt_outbox *outbox, size_t bytes)
{
    while (bytes > 0 && outbox->next != outbox->tail) {
        struct mw_mqtt_outgoing *message = at(outbox, outbox->next);
        size_t left = message->size - outbox->written;
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
        if (i < sent) {
            message.data[0] |= MW_MQTT_DUPLICATE;
        }
        *at(outbox, kept++) = message;
    }
    outbox->tail = kept;
    outbox->next = outbox->expected = outbox->head;
    outbox->written = 0;
    outbox->unacknowledged = 0;
}

void mw_mqtt_outbox_free(struct mw_mqtt_outbox *outbox)
{
    for (size_t i = outbox->head; i != outbox->tail; i++) {
        free(at(outbox, i)->data);
    }
    free(outbox->ring);
    mw_buffer_free(&outbox->scratch);
    *outbox = (struct mw_mqtt_outbox){0};
}
