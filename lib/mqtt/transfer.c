/* transfer.c - bytes in and out of the socket. */
#include "lib/mqtt/client_internal.h"

#include "lib/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define PIECES 512         /* packets a write */
#define READ 65536         /* bytes a read */
#define READS 3            /* reads before the rest of the role has its turn */
#define PACKET_MAX 1100000 /* bytes of a message; of a longer one only so many are handed over */

static void lose(struct mw_mqtt *client, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
static void lose(struct mw_mqtt *client, const char *format, va_list arguments)
{
    if (!client->lost) { /* the first reason is the true one */
        (void)vsnprintf(client->reason, sizeof(client->reason), format, arguments);
        client->lost = true;
        mw_mqtt_send_later(client);
    }
}

void mw_mqtt_lose(struct mw_mqtt *client, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    lose(client, format, arguments);
    va_end(arguments);
}

void mw_mqtt_lose_with(struct mw_mqtt *client, enum mw_mqtt_reason code, const char *format, ...)
{
    if (client->state == MW_MQTT_UP && client->version == MW_MQTT_VERSION_5 &&
        mw_mqtt_encode_disconnect(&client->control, client->version, (uint8_t)code) == MW_OK) {
        mw_mqtt_write(client);
    }
    va_list arguments;
    va_start(arguments, format);
    lose(client, format, arguments);
    va_end(arguments);
}

bool mw_mqtt_has_output(const struct mw_mqtt *client)
{
    return client->control.size > client->control_written ||
           (client->tls != NULL && mw_mqtt_tls_pending(client->tls) > 0) ||
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

/* Writes so many bytes of the pieces at most; what went out is in *n. */
static mw_err write_plain(struct mw_mqtt *client, struct iovec *pieces, size_t pieces_n, size_t *n)
{
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = pieces_n};
    ssize_t sent = sendmsg(client->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    *n = sent > 0 ? (size_t)sent : 0;
    if (sent >= 0 || errno == EINTR) {
        return MW_OK;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return MW_ERR_AGAIN;
    }
    mw_mqtt_lose(client, "%s", strerror(errno));
    return MW_ERR_NET;
}

/* The same over TLS: what a record has taken counts as written. */
static mw_err write_sealed(struct mw_mqtt *client, const struct iovec *pieces, size_t pieces_n,
                           size_t *n)
{
    struct mw_error error = {0};
    *n = mw_mqtt_tls_put(client->tls, pieces, pieces_n);
    mw_err err = mw_mqtt_tls_flush(client->tls, &error);
    if (err != MW_OK && err != MW_ERR_AGAIN) {
        mw_mqtt_lose(client, "%s", error.text);
    }
    return err;
}

/* Writes once; false when there is nothing more to do now. */
static bool write_once(struct mw_mqtt *client)
{
    struct iovec pieces[PIECES];
    size_t pieces_n = gather(client, pieces);
    bool pending = client->tls != NULL && mw_mqtt_tls_pending(client->tls) > 0;
    if (pieces_n == 0 && !pending) {
        mw_mqtt_outbox_advance(&client->outbox, 0);
        return false; /* the window is full: acknowledgements will go on with it */
    }
    size_t first_size = pieces_n == 0 ? 0 : pieces[0].iov_len;
    size_t size = 0;
    for (size_t i = 0; i < pieces_n; i++) {
        size += pieces[i].iov_len;
    }
    size_t n = 0;
    mw_err err = client->tls == NULL ? write_plain(client, pieces, pieces_n, &n)
                                     : write_sealed(client, pieces, pieces_n, &n);
    if (n > 0) {
        client->said = true;
        advance(client, n, first_size);
    }
    client->blocked = err == MW_ERR_AGAIN || (client->tls == NULL && n > 0 && n < size);
    return !client->lost && !client->blocked;
}

void mw_mqtt_watch(struct mw_mqtt *client)
{
    uint32_t events = (client->resting ? 0U : EPOLLIN) | (client->blocked ? EPOLLOUT : 0U);
    if (!client->lost && mw_loop_set_events(client->loop, client->io, events) != MW_OK) {
        mw_mqtt_lose(client, "epoll: %s", strerror(errno));
    }
}

void mw_mqtt_write(struct mw_mqtt *client)
{
    if ((client->state != MW_MQTT_GREETING && client->state != MW_MQTT_UP) || client->blocked ||
        client->lost) {
        return;
    }
    while (mw_mqtt_has_output(client) && write_once(client)) {
    }
    if (client->outbox.too_large > 0) {
        mw_log(MW_LOG_ERROR, NULL, "messages dropped: the broker takes none so long",
               MW_KI("messages", client->outbox.too_large),
               MW_KI("bytes", client->outbox.terms.largest));
        client->outbox.too_large = 0;
    }
    mw_mqtt_watch(client);
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
        mw_err err = mw_mqtt_decode(rest, client->version, PACKET_MAX, &packet, &size, &why);
        if (err == MW_ERR_AGAIN) {
            break;
        }
        if (err != MW_OK) {
            mw_mqtt_lose_with(client, MW_MQTT_MALFORMED, "malformed: %s", why.text);
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

/* Reads into the free end of the input, *n bytes. Other than OK and AGAIN: the stream has ended,
 * *error says how. */
static mw_err fill_input(struct mw_mqtt *client, size_t *n, struct mw_error *error)
{
    uint8_t *end = client->in + client->in_size;
    size_t room = client->in_capacity - client->in_size;
    if (client->tls != NULL) {
        return mw_mqtt_tls_read(client->tls, end, room, n, error);
    }
    ssize_t got = recv(client->fd, end, room, MSG_DONTWAIT);
    *n = got > 0 ? (size_t)got : 0;
    if (got > 0) {
        return MW_OK;
    }
    if (got == 0) {
        return mw_error_set(error, MW_ERR_NET, "closed by the broker");
    }
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR
               ? MW_ERR_AGAIN
               : mw_error_set(error, MW_ERR_NET, "%s", strerror(errno));
}

/* True when there may be more: in the socket, or inside of TLS already, of which it does not tell.
 */
static bool read_once(struct mw_mqtt *client)
{
    if (!reserve_input(client)) {
        return false;
    }
    struct mw_error error = {0};
    size_t room = client->in_capacity - client->in_size;
    size_t n = 0;
    mw_err err = fill_input(client, &n, &error);
    if (n > 0) {
        client->heard = true;
        client->in_size += n;
        size_t used = decode_all(client);
        memmove(client->in, client->in + used, client->in_size - used);
        client->in_size -= used;
    }
    if (err != MW_OK && err != MW_ERR_AGAIN) {
        mw_mqtt_lose(client, "%s", error.text);
    }
    return n == room && !client->lost;
}

void mw_mqtt_read(struct mw_mqtt *client)
{
    client->more = true;
    for (unsigned i = 0; i < READS && client->more; i++) {
        client->more = read_once(client);
    }
    if (client->more && client->tls != NULL) {
        mw_loop_set_timer(client->loop, client->soon, 0, 0);
    }
}
