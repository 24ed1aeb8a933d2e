#include "lib/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The format's arguments may point into error->text, so the new text is made beside it. */
static __attribute__((format(printf, 3, 0))) mw_err
set(struct mw_error *error, mw_err code, const char *format, va_list arguments, const char *tail)
{
    if (error == NULL) {
        return code;
    }
    char text[MW_ERROR_TEXT];
    int n = vsnprintf(text, sizeof text, format, arguments);
    size_t used = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    text[used] = 0;
    if (tail != NULL) {
        snprintf(text + used, sizeof text - used, ": %s", tail);
    }
    memcpy(error->text, text, sizeof text);
    error->code = code;
    return code;
}

mw_err mw_error_set(struct mw_error *error, mw_err code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    set(error, code, format, arguments, NULL);
    va_end(arguments);
    return code;
}

mw_err mw_error_errno(struct mw_error *error, mw_err code, const char *format, ...)
{
    int number = errno;
    if (number == ENOSPC || number == EDQUOT) {
        code = MW_ERR_FULL;
    }
    char tail[128];
    /* GNU's strerror_r: thread-safe, and the text may lie elsewhere than in the buffer. */
    const char *said = strerror_r(number, tail, sizeof tail);
    va_list arguments;
    va_start(arguments, format);
    set(error, code, format, arguments, said);
    va_end(arguments);
    errno = number;
    return code;
}

mw_err mw_error_wrap(struct mw_error *error, const char *format, ...)
{
    if (error == NULL) {
        /* Nobody holds the code, so there is none to give back; the caller has it. */
        return MW_ERR_ARGUMENT;
    }
    char before[MW_ERROR_TEXT];
    memcpy(before, error->text, sizeof before);
    va_list arguments;
    va_start(arguments, format);
    set(error, error->code, format, arguments, before);
    va_end(arguments);
    return error->code;
}

mw_err mw_error_why(struct mw_error *error, mw_err code, const struct mw_why *why, const char *unit)
{
    if (why == NULL || why->text == NULL) {
        return mw_error_set(error, code, "%s", mw_err_text(code));
    }
    if (unit == NULL) {
        return mw_error_set(error, code, "%s at %u", why->text, (unsigned)why->where);
    }
    return mw_error_set(error, code, "%s at %s %u", why->text, unit, (unsigned)why->where);
}

int mw_error_exit_status(mw_err code)
{
    switch (code) {
    case MW_OK:
        return 0;
    case MW_ERR_ARGUMENT:
    case MW_ERR_PARSE:
    case MW_ERR_RANGE:
    case MW_ERR_UNSUPPORTED:
    case MW_ERR_TOO_LARGE:
    case MW_ERR_NOT_FOUND:
    case MW_ERR_VERSION:
        return 2;
    case MW_ERR_MEMORY:
    case MW_ERR_TOO_SMALL:
    case MW_ERR_EXISTS:
    case MW_ERR_BUSY:
    case MW_ERR_IO:
    case MW_ERR_FULL:
    case MW_ERR_NET:
    case MW_ERR_TIMEOUT:
    case MW_ERR_AGAIN:
    case MW_ERR_DENIED:
    case MW_ERR_SIGNATURE:
    case MW_ERR_CORRUPT:
    case MW_ERR_STATE:
        return 1;
    }
    return 1;
}
