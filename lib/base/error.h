/* error.h - an error with its story: the innermost layer says what happened, each layer above adds
 * where, so that a person reads "plant.yaml:14: signals.current.rate: 2k is not a number". */
#ifndef MW_BASE_ERROR_H
#define MW_BASE_ERROR_H

#include "core/err.h"

#define MW_ERROR_TEXT 512

/* Owned by the caller; {0} is "no error". */
struct mw_error {
    mw_err code;
    char text[MW_ERROR_TEXT]; /* without a full stop; cut, never overrun */
};

/* Sets code and text (printf format) and returns code. `error` may be NULL. */
mw_err mw_error_set(struct mw_error *error, mw_err code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with ": " and the text of errno behind. ENOSPC and EDQUOT give MW_ERR_FULL whatever the
 * code said. */
mw_err mw_error_errno(struct mw_error *error, mw_err code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts context and ": " before the text that is there; returns the code that is there, so
 * `error` has to hold one (with NULL it gives ARGUMENT: who may get NULL returns its own code). */
mw_err mw_error_wrap(struct mw_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Sets code and the text of *why ("why->text at where"). */
mw_err mw_error_why(struct mw_error *error, mw_err code, const struct mw_why *why,
                    const char *unit);

/* The exit status of the design for a code: 0 done, 1 failed, 2 wrong usage or bad input. */
int mw_error_exit_status(mw_err code);

#endif
