#include "tiers/platform/json_text.h"

#include "core/wire/number.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Length of the well-formed UTF-8 sequence at s (RFC 3629, table 3-7 of Unicode); 0: none. */
static size_t sequence(const unsigned char *s, size_t left)
{
    if (s[0] < 0x80) {
        return 1;
    }
    size_t length = s[0] >= 0xC2 && s[0] <= 0xDF   ? 2
                    : s[0] >= 0xE0 && s[0] <= 0xEF ? 3
                    : s[0] >= 0xF0 && s[0] <= 0xF4 ? 4
                                                   : 0;
    if (length == 0 || length > left) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xF0 && s[1] < 0x90);
    bool outside = (s[0] == 0xED && s[1] > 0x9F) || (s[0] == 0xF4 && s[1] > 0x8F);
    return overlong || outside ? 0 : length;
}

static mw_err escape(struct mw_buffer *out, unsigned char c)
{
    switch (c) {
    case '"':
        return mw_buffer_add(out, "\\\"", 2);
    case '\\':
        return mw_buffer_add(out, "\\\\", 2);
    case '\n':
        return mw_buffer_add(out, "\\n", 2);
    default:
        return mw_buffer_printf(out, "\\u%04x", (unsigned)c);
    }
}

mw_err mw_json_add_string(struct mw_buffer *out, struct mw_span text)
{
    const unsigned char *s = (const unsigned char *)text.data;
    mw_err err = mw_buffer_add(out, "\"", 1);
    size_t plain = 0; /* where the run of bytes that need no change began */
    for (size_t i = 0; i < text.size && err == MW_OK;) {
        size_t length = sequence(s + i, text.size - i);
        if (length > 0 && s[i] >= 0x20 && s[i] != '"' && s[i] != '\\' && s[i] != 0x7F) {
            i += length;
            continue;
        }
        err = i > plain ? mw_buffer_add(out, s + plain, i - plain) : MW_OK;
        if (err == MW_OK) {
            err = escape(out, s[i]);
        }
        plain = ++i;
    }
    if (err == MW_OK && text.size > plain) {
        err = mw_buffer_add(out, s + plain, text.size - plain);
    }
    return err == MW_OK ? mw_buffer_add(out, "\"", 1) : err;
}

mw_err mw_json_add_base64(struct mw_buffer *out, struct mw_span bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *s = (const unsigned char *)bytes.data;
    mw_err err = mw_buffer_reserve(out, (bytes.size + 2) / 3 * 4);
    for (size_t i = 0; i < bytes.size && err == MW_OK; i += 3) {
        size_t left = bytes.size - i;
        unsigned bits = (unsigned)s[i] << 16;
        bits |= left > 1 ? (unsigned)s[i + 1] << 8 : 0;
        bits |= left > 2 ? (unsigned)s[i + 2] : 0;
        char four[4] = {digits[bits >> 18], digits[bits >> 12 & 63],
                        left > 1 ? digits[bits >> 6 & 63] : '=',
                        left > 2 ? digits[bits & 63] : '='};
        err = mw_buffer_add(out, four, 4);
    }
    return err;
}

mw_err mw_json_add_time(struct mw_buffer *out, int64_t microseconds)
{
    char text[MW_NUMBER_TEXT];
    return mw_buffer_add(out, text, mw_number_print_time(text, microseconds));
}

void mw_run_file_replace(const char *path, struct mw_span text)
{
    char other[4096];
    int n = snprintf(other, sizeof other, "%s.new", path);
    if (n < 0 || (size_t)n >= sizeof other) {
        return;
    }
    int fd = open(other, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return;
    }
    bool whole = write(fd, text.data, text.size) == (ssize_t)text.size;
    whole = close(fd) == 0 && whole;
    if (!whole || rename(other, path) != 0) {
        unlink(other);
    }
}
