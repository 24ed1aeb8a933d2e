/* form.h - the body of a form that a browser or a small device sends.
 *
 *   application/x-www-form-urlencoded:  name=value&name=value
 *
 * where + is a blank and %XX the byte of that number (WHATWG URL, 5.1). */
#ifndef MW_HTTP_FORM_H
#define MW_HTTP_FORM_H

#include "core/span.h"
#include "lib/base/error.h"

/* Copies the value of the first field of that name, with a NUL behind it. Errors: NOT_FOUND; PARSE
 * (a % without two hex digits, or one that means a NUL); TOO_LARGE (not below `capacity` bytes). */
mw_err mw_http_form_get(struct mw_span body, const char *name, char *value, size_t capacity);

#endif
