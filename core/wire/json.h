/* json.h - is this text JSON, to the letter of RFC 8259?
 *
 * Accepts exactly that grammar, in valid UTF-8 (RFC 3629) without a byte-order mark. jsmn, which
 * tokenises, takes much that is not JSON ({"a" "b"}, [1,,2], 01, a raw control character); so every
 * text passes here first. */
#ifndef MW_CORE_WIRE_JSON_H
#define MW_CORE_WIRE_JSON_H

#include "core/err.h"
#include "core/span.h"

#include <stdbool.h>
#include <stddef.h>

#define MW_JSON_DEPTH_LIMIT 32 /* the most that depth_max may be */

/* Checks a whole text: one value with white space around it.
 * depth_max: how deep arrays and objects may nest, 0 to MW_JSON_DEPTH_LIMIT; *tokens: how many
 * values and keys there are. Errors: PARSE, TOO_LARGE (too deep); why->where is a byte offset. */
mw_err mw_json_check(struct mw_span text, unsigned depth_max, size_t *tokens, struct mw_why *why);

/* True when `body` may stand between the quotes of a JSON string as it is. */
bool mw_json_string_valid(struct mw_span body);

/* The same without any escape: what it says is what is meant. */
bool mw_json_string_plain(struct mw_span body);

#endif
