/* message.h - what gRPC puts into the bytes of an HTTP/2 stream and into its header fields.
 *
 *   message       1 byte: 0, or 1 when it is compressed; 4 bytes: its length, most significant
 *                 first; the message
 *   grpc-timeout  1 to 8 digits and a unit: H, M, S, m (milliseconds), u, n
 *   grpc-message  text, of which what is not printable ASCII, and %, is %XX
 *
 * Compressed messages are not read: a server that announces no compression does not get any. */
#ifndef MW_GRPC_MESSAGE_H
#define MW_GRPC_MESSAGE_H

#include "core/err.h"
#include "core/span.h"
#include "lib/base/file.h"

#include <stdint.h>

/* The bytes of one direction of a stream, as they come; {.limit = N} is empty. */
struct mw_grpc_reader {
    struct mw_buffer bytes;
    size_t at;    /* of the next message */
    size_t limit; /* longest message, in bytes */
};

/* Copies. Errors: MEMORY; TOO_LARGE: a message is over the limit; UNSUPPORTED: it is compressed;
 * PARSE: its first byte is neither 0 nor 1. */
mw_err mw_grpc_reader_add(struct mw_grpc_reader *reader, const void *data, size_t size);

/* The next whole message, borrowed until the next call. Errors: AGAIN (none yet); those of add. */
mw_err mw_grpc_reader_next(struct mw_grpc_reader *reader, struct mw_span *message);

/* Are there bytes that belong to no whole message? */
bool mw_grpc_reader_rest(const struct mw_grpc_reader *reader);
void mw_grpc_reader_fini(struct mw_grpc_reader *reader);

/* Appends the message with its five bytes before it. Errors: MEMORY, TOO_LARGE. */
mw_err mw_grpc_frame(struct mw_buffer *out, struct mw_span message);

/* Microseconds, rounded up; at most 10^8 hours. Errors: PARSE. */
mw_err mw_grpc_parse_timeout(struct mw_span text, int64_t *microseconds);
/* The shortest that says it; microseconds > 0. */
void mw_grpc_print_timeout(char text[24], int64_t microseconds);

/* grpc-message; what does not fit is cut, between characters of the input. */
void mw_grpc_escape(char *out, size_t capacity, const char *text);
void mw_grpc_unescape(char *out, size_t capacity, struct mw_span text);

#endif
