#include "lib/grpc/message.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { PREFIX = 5 };

static uint32_t length_of(const char *prefix)
{
    const unsigned char *byte = (const unsigned char *)prefix;
    return (uint32_t)byte[1] << 24 | (uint32_t)byte[2] << 16 | (uint32_t)byte[3] << 8 | byte[4];
}

/* Says OK, when the next message is whole, else AGAIN or what is wrong with it. */
static mw_err look(const struct mw_grpc_reader *reader)
{
    size_t left = reader->bytes.size - reader->at;
    const char *prefix = left == 0 ? NULL : reader->bytes.data + reader->at;
    if (left > 0 && prefix[0] != 0) {
        return prefix[0] == 1 ? MW_ERR_UNSUPPORTED : MW_ERR_PARSE;
    }
    if (left < PREFIX) {
        return MW_ERR_AGAIN;
    }
    uint32_t length = length_of(prefix);
    if (length > reader->limit) {
        return MW_ERR_TOO_LARGE;
    }
    return left - PREFIX < length ? MW_ERR_AGAIN : MW_OK;
}

mw_err mw_grpc_reader_add(struct mw_grpc_reader *reader, const void *data, size_t size)
{
    if (reader->at > 0) {
        size_t left = reader->bytes.size - reader->at;
        memmove(reader->bytes.data, reader->bytes.data + reader->at, left);
        reader->bytes.size = left;
        reader->at = 0;
    }
    mw_err err = mw_buffer_add(&reader->bytes, data, size);
    if (err == MW_OK) {
        err = look(reader);
    }
    return err == MW_ERR_AGAIN ? MW_OK : err;
}

mw_err mw_grpc_reader_next(struct mw_grpc_reader *reader, struct mw_span *message)
{
    mw_err err = look(reader);
    *message = (struct mw_span){NULL, 0};
    if (err == MW_OK) {
        const char *prefix = reader->bytes.data + reader->at;
        *message = (struct mw_span){prefix + PREFIX, length_of(prefix)};
        reader->at += PREFIX + message->size;
    }
    return err;
}

bool mw_grpc_reader_rest(const struct mw_grpc_reader *reader)
{
    return reader->at < reader->bytes.size;
}

void mw_grpc_reader_fini(struct mw_grpc_reader *reader)
{
    mw_buffer_free(&reader->bytes);
    reader->at = 0;
}

mw_err mw_grpc_frame(struct mw_buffer *out, struct mw_span message)
{
    if (message.size > UINT32_MAX) {
        return MW_ERR_TOO_LARGE;
    }
    uint32_t size = (uint32_t)message.size;
    unsigned char prefix[PREFIX] = {0, (unsigned char)(size >> 24), (unsigned char)(size >> 16),
                                    (unsigned char)(size >> 8), (unsigned char)size};
    mw_err err = mw_buffer_reserve(out, PREFIX + message.size);
    if (err == MW_OK) {
        err = mw_buffer_add(out, prefix, PREFIX);
    }
    return err == MW_OK ? mw_buffer_add(out, message.data, message.size) : err;
}

/* ---- grpc-timeout ---- */

static const struct {
    char unit;
    int64_t nanoseconds;
} units[] = {{'n', 1},           {'u', 1000},
             {'m', 1000000},     {'S', INT64_C(1000000000)},
             {'M', 60000000000}, {'H', INT64_C(3600000000000)}};
enum { UNITS = sizeof units / sizeof *units, DIGITS = 8 };

mw_err mw_grpc_parse_timeout(struct mw_span text, int64_t *microseconds)
{
    if (text.size < 2 || text.size > DIGITS + 1) {
        return MW_ERR_PARSE;
    }
    int64_t value = 0;
    for (size_t i = 0; i + 1 < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return MW_ERR_PARSE;
        }
        value = value * 10 + (text.data[i] - '0');
    }
    for (size_t i = 0; i < UNITS; i++) {
        if (units[i].unit == text.data[text.size - 1]) {
            /* Eight digits of hours are more nanoseconds than there is room for. */
            *microseconds = units[i].nanoseconds >= 1000 ? value * (units[i].nanoseconds / 1000)
                                                         : (value + 999) / 1000;
            return MW_OK;
        }
    }
    return MW_ERR_PARSE;
}

void mw_grpc_print_timeout(char text[24], int64_t microseconds)
{
    static const int64_t most = 99999999;
    for (size_t i = 1; i < UNITS; i++) {
        int64_t unit = units[i].nanoseconds / 1000;
        int64_t value = microseconds / unit + (microseconds % unit != 0);
        if (value <= most || i + 1 == UNITS) {
            snprintf(text, 24, "%" PRId64 "%c", value < most ? value : most, units[i].unit);
            return;
        }
    }
}

/* ---- grpc-message ---- */

void mw_grpc_escape(char *out, size_t capacity, const char *text)
{
    size_t n = 0;
    for (const unsigned char *c = (const unsigned char *)text; *c != 0; c++) {
        bool plain = *c >= ' ' && *c <= '~' && *c != '%';
        if (n + (plain ? 1 : 3) >= capacity) {
            break;
        }
        n += (size_t)snprintf(out + n, capacity - n, plain ? "%c" : "%%%02X", *c);
    }
    out[n] = 0;
}

static int hexadecimal(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void mw_grpc_unescape(char *out, size_t capacity, struct mw_span text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.size && n + 1 < capacity; i++) {
        int high = -1, low = -1;
        if (text.data[i] == '%' && text.size - i > 2) {
            high = hexadecimal(text.data[i + 1]);
            low = hexadecimal(text.data[i + 2]);
        }
        bool escaped = high >= 0 && low >= 0 && (high | low) != 0;
        out[n] = text.data[i];
        if (escaped) {
            out[n] = (char)(high << 4 | low);
        }
        n++;
        i += escaped ? 2 : 0;
    }
    out[n] = 0;
}
