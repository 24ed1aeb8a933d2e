/* transfer.c - bytes in and out of the socket. */
#include "lib/mqtt/client_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define PIECES 512         /* packets a write */
#define READ 65536         /* bytes a read */
#define PACKET_MAX 1100000 /* bytes of a message; of a longer one only so many are handed over */

void mw_mqtt_lose(struct mw_mqtt *client, const char *format, ...)
{
    if (client->lost) {
        return; /* the first reason is the true one */
    }
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(client->reason, sizeof(client->reason), format, arguments);
    va_end(arguments);
    client->lost = true;
    mw_mqtt_send_later(client);
}

bool mw_mqtt_has_output(const struct mw_mqtt *client)
{
    return client->control.size > client->control_written ||
           (client->state == MW_MQTT_UP && client->outbox.next != client->outbox.tail);
}

/* Lists what to write: a message that is out in part, the control packets, more messages. */
static size_t gather(struct mw_mqtt *client, struct iovec *pieces)
{
    size_t n = 0;
    size_t messages = 0;
    size_t control = client->control.size - client->control_written;
    bool partial = client->outbox.written > 0;
    if (client->state == MW_MQTT_UP) {
        messages = mw_mqtt_outbox_gather(&client->outbox, pieces + 1, PIECES - 1);
    }
    if (control == 0) {
        memmove(pieces, pieces + 1, messages * sizeof(pieces[0]));
        return messages;
    }
    struct iovec first = {client->control.data + client->control_written, control};
    if (partial) {
        pieces[n++] = pieces[1];
    }
    pieces[n] = first;
    return messages + 1;
}

/* Takes so many written bytes off what gather listed. */
static void advance(struct mw_mqtt *client, size_t bytes, size_t first_size)
{
    if (client->outbox.written > 0) {
        size_t part = bytes < first_size ? bytes : first_size;
        mw_mqtt_outbox_advance(&client->outbox, part);
        bytes -= part;
    }
    size_t control = client->control.size - client->control_written;
    size_t part = bytes < control ? bytes : control;
    client->control_written += part;
    if (client->control_written == client->control.size) {
        mw_buffer_clear(&client->control);
        client->control_written = 0;
    }
    mw_mqtt_outbox_advance(&client->outbox, bytes - part);
}

/* Writes once; false when there is nothing more to do now. */
static bool write_once(struct mw_mqtt *client)
{
    struct iovec pieces[PIECES];
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = gather(client, pieces)};
    if (message.msg_iovlen == 0) {
        return false; /* the window is full: acknowledgements will go on with it */
    }
    size_t first_size = pieces[0].iov_len;
    size_t size = 0;
    for (size_t i = 0; i < message.msg_iovlen; i++) {
        size += pieces[i].iov_len;
    }
    ssize_t n = sendmsg(client->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
        client->said = true;
        client->blocked = (size_t)n < size;
        advance(client, (size_t)n, first_size);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        client->blocked = true;
    } else if (errno != EINTR) {
        mw_mqtt_lose(client, "%s", strerror(errno));
    }
    return !client->lost && !client->blocked;
}

void mw_mqtt_write(struct mw_mqtt *client)
{
    if ((client->state != MW_MQTT_GREETING && client->state != MW_MQTT_UP) || client->blocked ||
        client->lost) {
        return;
    }
    while (mw_mqtt_has_output(client) && write_once(client)) {
    }
    uint32_t events = client->blocked ? EPOLLIN | EPOLLOUT : EPOLLIN;
    if (!client->lost && mw_loop_set_events(client->loop, client->io, events) != MW_OK) {
        mw_mqtt_lose(client, "epoll: %s", strerror(errno));
    }
}

/* Decodes what is there; returns the bytes used. */
static size_t decode_all(struct mw_mqtt *client)
{
    size_t used = 0;
    while (!client->lost && used < client->in_size) {
        if (client->skip > 0) {
            size_t left = client->in_size - used;
            size_t part = left < client->skip ? left : client->skip;
            client->skip -= part;
            used += part;
            continue;
        }
        struct mw_mqtt_packet packet;
        struct mw_why why = {0};
        size_t size = 0;
        struct mw_span rest = {(const char *)client->in + used, client->in_size - used};
        mw_err err = mw_mqtt_decode(rest, PACKET_MAX, &packet, &size, &why);
        if (err == MW_ERR_AGAIN) {
            break;
        }
        if (err != MW_OK) {
            mw_mqtt_lose(client, "malformed: %s", why.text);
            break;
        }
        client->skip = packet.cut;
        mw_mqtt_receive(client, &packet);
        used += size;
    }
    return used;
}

static bool reserve_input(struct mw_mqtt *client)
{
    size_t capacity = client->in_capacity;
    if (client->in_size == 0 && capacity > 4 * READ) {
        free(client->in); /* a long message is over: back to a small buffer */
        client->in = NULL;
        capacity = client->in_capacity = 0;
    }
    if (client->in_size < capacity) {
        return true;
    }
    capacity = capacity == 0 ? READ : 2 * capacity;
    uint8_t *in = realloc(client->in, capacity);
    if (in == NULL) {
        mw_mqtt_lose(client, "out of memory");
        return false;
    }
    client->in = in;
    client->in_capacity = capacity;
    return true;
}

void mw_mqtt_read(struct mw_mqtt *client)
{
    if (!reserve_input(client)) {
        return;
    }
    ssize_t n = recv(client->fd, client->in + client->in_size,
                     client->in_capacity - client->in_size, MSG_DONTWAIT);
    if (n == 0) {
        mw_mqtt_lose(client, "closed by the broker");
    } else if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        mw_mqtt_lose(client, "%s", strerror(errno));
    }
    if (n <= 0) {
        return;
    }
    client->heard = true;
    client->in_size += (size_t)n;
    size_t used = decode_all(client);
    memmove(client->in, client->in + used, client->in_size - used);
    client->in_size -= used;
}
