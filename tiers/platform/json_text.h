/* json_text.h - what the platform writes into JSON by itself, and small files that say how it goes.
 */
#ifndef MW_PLATFORM_JSON_TEXT_H
#define MW_PLATFORM_JSON_TEXT_H

#include "core/span.h"
#include "lib/base/error.h"
#include "lib/base/file.h"

/* Appends a JSON string with its quotes. Bytes that are not well-formed UTF-8 become the code point
 * of their own number (as Latin-1), so that any payload can be shown. */
mw_err mw_json_add_string(struct mw_buffer *out, struct mw_span text);

/* Appends base64 (RFC 4648, with padding). */
mw_err mw_json_add_base64(struct mw_buffer *out, struct mw_span bytes);

/* Appends a time in seconds, as messages carry it. */
mw_err mw_json_add_time(struct mw_buffer *out, int64_t microseconds);

/* Replaces a small file atomically but not durably: it says what a role does just now, and is worth
 * nothing after a crash. Silent when it cannot, since a full disk has louder voices. */
void mw_run_file_replace(const char *path, struct mw_span text);

#endif
