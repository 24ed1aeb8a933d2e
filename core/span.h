/* span.h - a borrowed run of bytes: neither owned nor NUL-terminated. */
#ifndef MW_CORE_SPAN_H
#define MW_CORE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct mw_span {
    const char *data; /* may be NULL when size is 0 */
    size_t size;      /* bytes */
};

/* Borrows a NUL-terminated text. */
static inline struct mw_span mw_span_of(const char *text)
{
    return (struct mw_span){text, strlen(text)};
}

static inline bool mw_span_equal(struct mw_span a, struct mw_span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool mw_span_is(struct mw_span a, const char *text)
{
    return mw_span_equal(a, mw_span_of(text));
}

#endif
