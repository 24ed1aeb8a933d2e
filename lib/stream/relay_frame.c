/* relay_frame.c - writes and reads frames, and carries them over a socket. */
#include "lib/stream/relay_frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RECEIVE 262144 /* bytes of room, unless a frame has more */

static void put(struct mw_relay_out *out, const void *data, size_t size)
{
    if (size > out->capacity - out->size) {
        size_t wanted = out->capacity == 0 ? 4096 : out->capacity * 2;
        while (wanted - out->size < size) {
            wanted *= 2;
        }
        char *more = out->failed ? NULL : realloc(out->data, wanted);
        if (more == NULL) {
            out->failed = true;
            return;
        }
        out->data = more;
        out->capacity = wanted;
    }
    if (size > 0) {
        memcpy(out->data + out->size, data, size);
        out->size += size;
    }
}

static void write_u32(unsigned char bytes[4], uint32_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        bytes[i] = (unsigned char)(value >> (8 * i));
    }
}

static uint32_t read_u32(const char *data)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < 4; i++) {
        value |= (uint32_t)(unsigned char)data[i] << (8 * i);
    }
    return value;
}

void mw_relay_u8(struct mw_relay_out *out, unsigned value)
{
    unsigned char byte = (unsigned char)value;
    put(out, &byte, 1);
}

void mw_relay_u32(struct mw_relay_out *out, uint32_t value)
{
    unsigned char bytes[4];
    write_u32(bytes, value);
    put(out, bytes, sizeof bytes);
}

void mw_relay_i64(struct mw_relay_out *out, int64_t value)
{
    mw_relay_u32(out, (uint32_t)(uint64_t)value);
    mw_relay_u32(out, (uint32_t)((uint64_t)value >> 32));
}

void mw_relay_bytes(struct mw_relay_out *out, struct mw_span bytes)
{
    mw_relay_u32(out, (uint32_t)bytes.size);
    put(out, bytes.data, bytes.size);
}

void mw_relay_set_u32(struct mw_relay_out *out, size_t where, uint32_t value)
{
    if (!out->failed) {
        write_u32((unsigned char *)out->data + where, value);
    }
}

void mw_relay_begin(struct mw_relay_out *out, enum mw_relay_op op)
{
    out->frame = out->size;
    mw_relay_u32(out, 0);
    mw_relay_u8(out, op);
}

void mw_relay_end(struct mw_relay_out *out)
{
    mw_relay_set_u32(out, out->frame, (uint32_t)(out->size - out->frame - 4));
}

void mw_relay_out_free(struct mw_relay_out *out)
{
    free(out->data);
    *out = (struct mw_relay_out){0};
}

static const char *take(struct mw_relay_in *in, size_t size)
{
    if (in->failed || size > in->size - in->at) {
        in->failed = true;
        return NULL;
    }
    in->at += size;
    return in->data + in->at - size;
}

unsigned mw_relay_take_u8(struct mw_relay_in *in)
{
    const char *data = take(in, 1);
    return data == NULL ? 0 : (unsigned char)*data;
}

uint32_t mw_relay_take_u32(struct mw_relay_in *in)
{
    const char *data = take(in, 4);
    return data == NULL ? 0 : read_u32(data);
}

int64_t mw_relay_take_i64(struct mw_relay_in *in)
{
    uint64_t low = mw_relay_take_u32(in);
    return (int64_t)(low | (uint64_t)mw_relay_take_u32(in) << 32);
}

struct mw_span mw_relay_take_bytes(struct mw_relay_in *in)
{
    size_t size = mw_relay_take_u32(in);
    const char *data = take(in, size);
    return (struct mw_span){data, data == NULL ? 0 : size};
}

void mw_relay_take_name(struct mw_relay_in *in, char name[64])
{
    struct mw_span bytes = mw_relay_take_bytes(in);
    in->failed |= bytes.size > 63;
    size_t size = in->failed ? 0 : bytes.size;
    if (size > 0) {
        memcpy(name, bytes.data, size);
    }
    name[size] = '\0';
}

bool mw_relay_done(const struct mw_relay_in *in)
{
    return !in->failed && in->at == in->size;
}

union control { /* room for one descriptor, aligned as the kernel wants it */
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int))];
};

static mw_err fail(struct mw_error *error)
{
    return errno == EAGAIN || errno == EWOULDBLOCK
               ? mw_error_set(error, MW_ERR_NET, "the other end does nothing any more")
               : mw_error_errno(error, MW_ERR_NET, "the other end");
}

mw_err mw_relay_send(const struct mw_relay_pipe *pipe, struct mw_relay_out *out, int along,
                     struct mw_error *error)
{
    if (out->failed) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory for a frame");
    }
    size_t sent = 0;
    while (sent < out->size) {
        struct iovec part = {.iov_base = out->data + sent, .iov_len = out->size - sent};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
        union control control = {0};
        if (along >= 0) {
            message.msg_control = control.room;
            message.msg_controllen = sizeof control.room;
            struct cmsghdr *header = CMSG_FIRSTHDR(&message);
            header->cmsg_level = SOL_SOCKET;
            header->cmsg_type = SCM_RIGHTS;
            header->cmsg_len = CMSG_LEN(sizeof along);
            memcpy(CMSG_DATA(header), &along, sizeof along);
        }
        ssize_t n = sendmsg(pipe->fd, &message, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR) {
            return fail(error);
        }
        if (n > 0) {
            sent += (size_t)n;
            along = -1;
        }
    }
    out->size = 0;
    return MW_OK;
}

static void keep_descriptor(struct mw_relay_pipe *pipe, struct msghdr *message)
{
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
        header->cmsg_len != CMSG_LEN(sizeof pipe->received)) {
        return;
    }
    if (pipe->received >= 0) {
        (void)close(pipe->received);
    }
    memcpy(&pipe->received, CMSG_DATA(header), sizeof pipe->received);
}

/* Makes room for `size` bytes from pipe->begin on. */
static mw_err make_room(struct mw_relay_pipe *pipe, size_t size, struct mw_error *error)
{
    if (size <= pipe->capacity - pipe->begin) {
        return MW_OK;
    }
    if (pipe->begin > 0) {
        memmove(pipe->data, pipe->data + pipe->begin, pipe->end - pipe->begin);
        pipe->end -= pipe->begin;
        pipe->begin = 0;
    }
    if (size > pipe->capacity) {
        size_t wanted = size < RECEIVE ? RECEIVE : size;
        char *more = realloc(pipe->data, wanted);
        if (more == NULL) {
            return mw_error_set(error, MW_ERR_MEMORY, "out of memory for a frame");
        }
        pipe->data = more;
        pipe->capacity = wanted;
    }
    return MW_OK;
}

/* Waits until `size` bytes are there from pipe->begin on. */
static mw_err fill(struct mw_relay_pipe *pipe, size_t size, struct mw_error *error)
{
    mw_err err = make_room(pipe, size, error);
    while (err == MW_OK && pipe->end - pipe->begin < size) {
        union control control = {0};
        struct iovec part = {.iov_base = pipe->data + pipe->end,
                             .iov_len = pipe->capacity - pipe->end};
        struct msghdr message = {.msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = control.room,
                                 .msg_controllen = sizeof control.room};
        ssize_t n = recvmsg(pipe->fd, &message, MSG_CMSG_CLOEXEC);
        if (n == 0) {
            err = mw_error_set(error, MW_ERR_NET, "the other end is gone");
        } else if (n < 0 && errno != EINTR) {
            err = fail(error);
        } else if (n > 0) {
            keep_descriptor(pipe, &message);
            pipe->end += (size_t)n;
        }
    }
    return err;
}

mw_err mw_relay_receive(struct mw_relay_pipe *pipe, enum mw_relay_op *op, struct mw_relay_in *in,
                        struct mw_error *error)
{
    mw_err err = fill(pipe, 4, error);
    if (err != MW_OK) {
        return err;
    }
    size_t size = read_u32(pipe->data + pipe->begin);
    if (size == 0 || size > MW_RELAY_FRAME_MAX) {
        return mw_error_set(error, MW_ERR_PARSE, "a frame of %zu bytes: 1 to %d were expected",
                            size, MW_RELAY_FRAME_MAX);
    }
    err = fill(pipe, 4 + size, error);
    if (err != MW_OK) {
        return err;
    }
    *in = (struct mw_relay_in){.data = pipe->data + pipe->begin + 4, .size = size};
    *op = (enum mw_relay_op)mw_relay_take_u8(in);
    pipe->begin += 4 + size;
    if (pipe->begin == pipe->end) {
        pipe->begin = pipe->end = 0;
    }
    return MW_OK;
}

void mw_relay_pipe_close(struct mw_relay_pipe *pipe)
{
    if (pipe->fd >= 0) {
        (void)close(pipe->fd);
    }
    if (pipe->received >= 0) {
        (void)close(pipe->received);
    }
    free(pipe->data);
    *pipe = (struct mw_relay_pipe){.fd = -1, .received = -1};
}
