/* parser.c - one message into tokens, and the objects in it. */
#define JSMN_STATIC
#define JSMN_STRICT       /* no unquoted keys or values */
#define JSMN_PARENT_LINKS /* without them a comma searches all tokens for its array */
#include <jsmn.h>
/* jsmn comes first and with its code; what follows would include its declarations alone. */
#include "core/wire/json.h"
#include "core/wire/wire_internal.h"

#include <stdalign.h>

size_t mw_wire_parser_size(size_t tokens)
{
    const size_t most = MW_MESSAGE_MAX; /* a token takes at least one byte of text */
    return sizeof(struct mw_wire_parser) + (tokens < most ? tokens : most) * sizeof(jsmntok_t);
}

mw_err mw_wire_parser_init(void *memory, size_t bytes, struct mw_wire_parser **parser)
{
    if (memory == NULL || (uintptr_t)memory % alignof(struct mw_wire_parser) != 0) {
        return MW_ERR_ARGUMENT;
    }
    if (bytes < sizeof(struct mw_wire_parser) + sizeof(jsmntok_t)) {
        return MW_ERR_TOO_SMALL;
    }
    struct mw_wire_parser *p = memory;
    p->text = (struct mw_span){NULL, 0};
    p->tokens_max = (bytes - sizeof *p) / sizeof(jsmntok_t);
    p->n_tokens = 0;
    p->n_items = 0;
    *parser = p;
    return MW_OK;
}

/* Finds the objects: the root itself, or the elements of the array that it is. */
static mw_err find_items(struct mw_wire_parser *p, struct mw_why *why)
{
    if (p->tokens[0].type == JSMN_OBJECT) {
        p->item[0] = 0;
        p->n_items = 1;
        return MW_OK;
    }
    if (p->tokens[0].type != JSMN_ARRAY || p->n_tokens == 1) {
        return mw_fail(why, MW_ERR_PARSE, "not an object or an array of objects",
                       (size_t)p->tokens[0].start);
    }
    size_t n = 0;
    for (size_t token = 1; token < p->n_tokens; token = mw_wire_token_next(p, token)) {
        size_t where = (size_t)p->tokens[token].start;
        if (p->tokens[token].type != JSMN_OBJECT) {
            return mw_fail(why, MW_ERR_PARSE, "array element is not an object", where);
        }
        if (n == MW_BATCH_MAX) {
            return mw_fail(why, MW_ERR_TOO_LARGE, "too many records in one message", where);
        }
        p->item[n++] = token;
    }
    p->n_items = n;
    return MW_OK;
}

mw_err mw_wire_open(struct mw_wire_parser *parser, struct mw_span text, struct mw_why *why)
{
    parser->n_items = 0;
    parser->n_tokens = 0;
    parser->text = text;
    if (text.size > MW_MESSAGE_MAX) {
        return mw_fail(why, MW_ERR_TOO_LARGE, "message too long", MW_MESSAGE_MAX);
    }
    size_t tokens;
    mw_err err = mw_json_check(text, MW_DEPTH_MAX, &tokens, why);
    if (err != MW_OK) {
        return err;
    }
    if (tokens > parser->tokens_max) {
        return mw_fail(why, MW_ERR_TOO_LARGE, "too many values in one message", 0);
    }
    jsmn_parser jsmn;
    jsmn_init(&jsmn);
    int n = jsmn_parse(&jsmn, text.data, text.size, parser->tokens, (unsigned)tokens);
    if (n < 0 || (size_t)n != tokens) {
        return mw_fail(why, MW_ERR_PARSE, "message cannot be tokenised", jsmn.pos);
    }
    parser->n_tokens = tokens;
    return find_items(parser, why);
}

size_t mw_wire_count(const struct mw_wire_parser *parser)
{
    return parser->n_items;
}

struct mw_span mw_wire_item(const struct mw_wire_parser *parser, size_t i)
{
    if (i >= parser->n_items) {
        return (struct mw_span){NULL, 0};
    }
    return mw_wire_token_text(parser, parser->item[i]);
}

mw_err mw_wire_get(const struct mw_wire_parser *parser, size_t i, const char *key,
                   struct mw_span *value)
{
    if (i >= parser->n_items) {
        return MW_ERR_ARGUMENT;
    }
    struct mw_span wanted = mw_span_of(key);
    size_t object = parser->item[i];
    size_t end = mw_wire_token_next(parser, object);
    for (size_t token = object + 1; token < end; token = mw_wire_token_next(parser, token + 1)) {
        if (mw_span_equal(mw_wire_token_text(parser, token), wanted)) {
            *value = mw_wire_token_text(parser, token + 1);
            return MW_OK;
        }
    }
    return MW_ERR_NOT_FOUND;
}

void mw_wire_get_all(const struct mw_wire_parser *parser, size_t i, const struct mw_span *key,
                     struct mw_span *value, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        value[k] = (struct mw_span){NULL, 0};
    }
    if (i >= parser->n_items) {
        return;
    }
    size_t token = parser->item[i] + 1;
    for (int left = parser->tokens[parser->item[i]].size; left > 0; left--) {
        struct mw_span name = mw_wire_token_text(parser, token);
        for (size_t k = 0; k < n; k++) {
            if (value[k].data == NULL && mw_span_equal(name, key[k])) {
                value[k] = mw_wire_token_text(parser, token + 1);
            }
        }
        token = mw_wire_token_next(parser, token + 1);
    }
}

bool mw_wire_has(const struct mw_wire_parser *parser, size_t i, const char *key)
{
    struct mw_span value;
    return mw_wire_get(parser, i, key, &value) == MW_OK;
}
