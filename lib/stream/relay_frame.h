/* relay_frame.h - what goes over the socket between a stream's relay (relay.h) and who uses it.
 *
 * A frame is its length (u32, of what follows), an operation (u8) and fields: u8, u32, i64, little
 * endian, and bytes (u32 length, then these). Each operation's fields are named below; those marked
 * with -> are answered, in order, by a frame REPLY: error (u8, an mw_err), ended (u8), text
 * (bytes; empty without an error), then what stands behind the arrow. The others report an error
 * in the answer to the next COMMIT. */
#ifndef MW_STREAM_RELAY_FRAME_H
#define MW_STREAM_RELAY_FRAME_H

#include "core/span.h"
#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MW_RELAY_VERSION 1
#define MW_RELAY_FRAME_MAX (80 << 20) /* bytes of a frame behind its length */
#define MW_RELAY_CHUNK (1 << 20)      /* bytes after which a frame of several records is closed */
#define MW_RELAY_READERS 16           /* of one stream */
#define MW_RELAY_NO_READER 255

enum mw_relay_op {
    MW_RELAY_OPEN = 1,     /* version u8, plant, writable u8, writer -> durable u8: needs no SYNC */
    MW_RELAY_BEGIN,        /* */
    MW_RELAY_APPEND,       /* topic, key, value */
    MW_RELAY_PUT,          /* topic, key, value */
    MW_RELAY_ROLLBACK,     /* */
    MW_RELAY_COMMIT,       /* reader u8 or NO_READER -> */
    MW_RELAY_SYNC,         /* -> */
    MW_RELAY_GET,          /* named u8, writer, topic, key -> value */
    MW_RELAY_VISIT,        /* named u8, writer, topic -> any number of ENTRIES come before REPLY */
    MW_RELAY_READER_OPEN,  /* start u8, n u32, topics, divided u8; then, if it is, topic, share u32,
                              shares u32, heir u8, heir_of -> reader u8; with the descriptor that
                              wakes */
    MW_RELAY_READER_CLOSE, /* reader u8 */
    MW_RELAY_POLL,         /* reader u8, drain u8, max u32 -> n u32, n times: topic u32, its place
                              among the reader's; partition u32, offset i64, appended i64, key, value */
    MW_RELAY_REWIND,       /* reader u8 -> */
    MW_RELAY_RETAIN,       /* age, bytes, now i64 -> more u8 */
    MW_RELAY_TIDY,         /* */
    MW_RELAY_CLOSE,        /* -> the writer is free for others, the shares too; the last frame */
    MW_RELAY_JOIN,         /* instead of OPEN: version u8, plant, role, shares u32 -> ; with the
                              descriptor that wakes */
    MW_RELAY_MEMBERS,      /* -> mine i64, a bit a share */
    MW_RELAY_ENTRIES,      /* from the relay: key, value, to the frame's end */
    MW_RELAY_REPLY
};

/* Frames being written, one behind the other. Owned by who zeroed it; mw_relay_out_free. */
struct mw_relay_out {
    char *data;
    size_t size, capacity;
    size_t frame; /* where the frame that is open begins */
    bool failed;  /* out of memory: what follows is left out */
};

void mw_relay_begin(struct mw_relay_out *out, enum mw_relay_op op);
void mw_relay_u8(struct mw_relay_out *out, unsigned value);
void mw_relay_u32(struct mw_relay_out *out, uint32_t value);
void mw_relay_i64(struct mw_relay_out *out, int64_t value);
void mw_relay_bytes(struct mw_relay_out *out, struct mw_span bytes);
void mw_relay_set_u32(struct mw_relay_out *out, size_t where, uint32_t value);
void mw_relay_end(struct mw_relay_out *out);
void mw_relay_out_free(struct mw_relay_out *out);

/* A frame being read. After a field that is not there `failed` is set and all else reads as 0. */
struct mw_relay_in {
    const char *data;
    size_t size, at;
    bool failed;
};

unsigned mw_relay_take_u8(struct mw_relay_in *in);
uint32_t mw_relay_take_u32(struct mw_relay_in *in);
int64_t mw_relay_take_i64(struct mw_relay_in *in);
struct mw_span mw_relay_take_bytes(struct mw_relay_in *in); /* lives as long as the frame */
/* A name of at most 63 bytes, into name[64], NUL-terminated; a longer one fails. */
void mw_relay_take_name(struct mw_relay_in *in, char name[64]);
bool mw_relay_done(const struct mw_relay_in *in); /* all was read, and was there */

/* One end of the socket. */
struct mw_relay_pipe {
    int fd;
    char *data; /* what has come: of it, [begin, end) has not been read yet */
    size_t begin, end, capacity;
    int received; /* a descriptor that came along, -1: none */
};

/* Sends all that `out` holds and empties it; `along` (-1: none) goes with its first byte. NET when
 * the other end is gone or takes nothing for as long as the socket's timeout; MEMORY when `out` has
 * failed. */
mw_err mw_relay_send(const struct mw_relay_pipe *pipe, struct mw_relay_out *out, int along,
                     struct mw_error *error);
/* Waits for a frame; *in borrows from the pipe until the next one. NET as above, PARSE for a length
 * that no frame has. */
mw_err mw_relay_receive(struct mw_relay_pipe *pipe, enum mw_relay_op *op, struct mw_relay_in *in,
                        struct mw_error *error);
void mw_relay_pipe_close(struct mw_relay_pipe *pipe);

#endif
