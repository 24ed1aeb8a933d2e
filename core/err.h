/* err.h - the error codes of the whole program.
 *
 * Functions return mw_err; 0 is success. Results go through out-parameters. One X-macro makes the
 * enum, the short name and the sentence that a person reads. Code in core/ has no heap to build a
 * message in, so it reports a detail through struct mw_why: a constant sentence and a place. */
#ifndef MW_CORE_ERR_H
#define MW_CORE_ERR_H

#include <stddef.h>
#include <stdint.h>

#define MW_ERR_TABLE(X)                           \
    X(OK, 0, "done")                              \
    X(MEMORY, 1, "out of memory")                 \
    X(ARGUMENT, 2, "wrong argument")              \
    X(PARSE, 3, "malformed input")                \
    X(RANGE, 4, "value out of range")             \
    X(UNSUPPORTED, 5, "not supported")            \
    X(TOO_SMALL, 6, "buffer too small")           \
    X(TOO_LARGE, 7, "input too large")            \
    X(NOT_FOUND, 8, "not found")                  \
    X(EXISTS, 9, "already there")                 \
    X(BUSY, 10, "held by another process")        \
    X(IO, 11, "input/output error")               \
    X(FULL, 12, "no space left")                  \
    X(NET, 13, "network error")                   \
    X(TIMEOUT, 14, "timed out")                   \
    X(AGAIN, 15, "nothing there yet")             \
    X(DENIED, 16, "refused")                      \
    X(SIGNATURE, 17, "signature does not verify") \
    X(CORRUPT, 18, "stored data is damaged")      \
    X(VERSION, 19, "unknown version")             \
    X(STATE, 20, "not possible in this state")

typedef enum mw_err {
#define MW_ERR_ENUM(name, number, text) MW_ERR_##name = number,
    MW_ERR_TABLE(MW_ERR_ENUM)
#undef MW_ERR_ENUM
} mw_err;

#define MW_OK MW_ERR_OK

/* A detail that core/ can give without a heap: `text` is a constant sentence without a full stop
 * (never NULL once set), `where` the byte offset, operator or column that it speaks of. */
struct mw_why {
    const char *text;
    uint32_t where;
};

/* Sets *why when why is not NULL and returns err, so that a check reads as one line. */
static inline mw_err mw_fail(struct mw_why *why, mw_err err, const char *text, size_t where)
{
    if (why != NULL) {
        why->text = text;
        why->where = (uint32_t)where;
    }
    return err;
}

/* The sentence of a code; for an unknown number "unknown error". Never NULL. */
static inline const char *mw_err_text(mw_err err)
{
    switch (err) {
#define MW_ERR_CASE(name, number, text) \
    case MW_ERR_##name:                 \
        return text;
        MW_ERR_TABLE(MW_ERR_CASE)
#undef MW_ERR_CASE
    }
    return "unknown error";
}

#endif
