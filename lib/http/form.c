#include "lib/http/form.h"

#include <string.h>

static int hex_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The byte that text[*at] stands for; *at moves behind it. -1: none. */
static int decode(struct mw_span text, size_t *at)
{
    char c = text.data[(*at)++];
    if (c != '%') {
        return c == '+' ? ' ' : (unsigned char)c;
    }
    if (text.size - *at < 2) {
        return -1;
    }
    int high = hex_of(text.data[*at]), low = hex_of(text.data[*at + 1]);
    *at += 2;
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* A NUL in it would end it too soon. */
static mw_err copy(struct mw_span text, char *value, size_t capacity)
{
    size_t n = 0, at = 0;
    while (at < text.size) {
        int byte = decode(text, &at);
        if (byte <= 0) {
            return MW_ERR_PARSE;
        }
        if (n + 1 >= capacity) {
            return MW_ERR_TOO_LARGE;
        }
        value[n++] = (char)byte;
    }
    value[n] = '\0';
    return MW_OK;
}

mw_err mw_http_form_get(struct mw_span body, const char *name, char *value, size_t capacity)
{
    char found[64];
    while (body.size > 0) {
        const char *end = memchr(body.data, '&', body.size);
        size_t size = end == NULL ? body.size : (size_t)(end - body.data);
        const char *equals = memchr(body.data, '=', size);
        size_t left = equals == NULL ? size : (size_t)(equals - body.data);
        if (copy((struct mw_span){body.data, left}, found, sizeof found) == MW_OK &&
            strcmp(found, name) == 0) {
            size_t from = equals == NULL ? size : left + 1;
            return copy((struct mw_span){body.data + from, size - from}, value, capacity);
        }
        size += end == NULL ? 0 : 1;
        body = (struct mw_span){body.data + size, body.size - size};
    }
    return MW_ERR_NOT_FOUND;
}
