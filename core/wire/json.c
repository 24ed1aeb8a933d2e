/* json.c - the grammar of RFC 8259, without recursion and without building anything. */
#include "core/wire/json.h"

#include <stdint.h>

struct check {
    const char *at;
    const char *end;
    const char *text;
    size_t tokens;
    unsigned depth;
    uint32_t objects; /* bit d: the container at depth d is an object */
    struct mw_why *why;
};

static mw_err fail(const struct check *c, const char *text)
{
    return mw_fail(c->why, MW_ERR_PARSE, text, (size_t)(c->at - c->text));
}

static inline bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

static inline bool is_hex(char c)
{
    return is_digit(c) || (unsigned char)((c | 0x20) - 'a') < 6;
}

static inline void skip_space(struct check *c)
{
    while (c->at < c->end &&
           (*c->at == ' ' || *c->at == '\n' || *c->at == '\r' || *c->at == '\t')) {
        c->at++;
    }
}

/* The length of the UTF-8 sequence at `at` that is not ASCII, 0 when it is malformed: overlong,
 * a surrogate, above U+10FFFF, or cut short. */
static size_t utf8_sequence(const char *at, const char *end)
{
    unsigned char first = (unsigned char)*at;
    size_t n = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || (size_t)(end - at) < n) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)at[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    unsigned char second = (unsigned char)at[1];
    bool bad = (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
               (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F);
    return bad ? 0 : n;
}

/* The length of the escape at `at` (a backslash), 0 when there is no such escape. */
static size_t escape_sequence(const char *at, const char *end)
{
    if (end - at < 2) {
        return 0;
    }
    switch (at[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return 2;
    case 'u':
        return end - at >= 6 && is_hex(at[2]) && is_hex(at[3]) && is_hex(at[4]) && is_hex(at[5])
                   ? 6
                   : 0;
    default:
        return 0;
    }
}

/* Skips what needs no second look, eight bytes at a time: neither a control character, nor a quote,
 * nor a backslash, nor part of a longer UTF-8 sequence. Each subtraction sets the top bit of the
 * first byte that is looked for; a borrow out of it only disturbs bytes above, when the answer is
 * known already. */
static const char *skip_plain(const char *at, const char *end)
{
    const uint64_t ones = 0x0101010101010101U;
    const uint64_t tops = 0x8080808080808080U;
    while (end - at >= 8) {
        uint64_t x;
        memcpy(&x, at, sizeof x);
        uint64_t quote = x ^ ones * '"';
        uint64_t backslash = x ^ ones * '\\';
        uint64_t special = (x - ones * 0x20) | (quote - ones) | (backslash - ones) | x;
        if ((special & tops) != 0) {
            break;
        }
        at += 8;
    }
    while (at < end && (unsigned char)*at >= 0x20 && (unsigned char)*at < 0x80 && *at != '"' &&
           *at != '\\') {
        at++;
    }
    return at;
}

/* Behind the opening quote. Stops on the closing one, or on what may not stand in a string; returns
 * NULL, or what is wrong there. */
static const char *check_string_body(const char **at, const char *end, bool *escaped)
{
    for (;;) {
        *at = skip_plain(*at, end);
        if (*at == end || **at == '"') {
            return NULL;
        }
        size_t n;
        if (**at == '\\') {
            *escaped = true;
            n = escape_sequence(*at, end);
            if (n == 0) {
                return "unknown escape in a string";
            }
        } else if ((unsigned char)**at < 0x20) {
            return "control character in a string";
        } else {
            n = utf8_sequence(*at, end);
            if (n == 0) {
                return "not UTF-8";
            }
        }
        *at += n;
    }
}

static mw_err check_string(struct check *c)
{
    c->at++;
    c->tokens++;
    bool escaped = false;
    const char *wrong = check_string_body(&c->at, c->end, &escaped);
    if (wrong != NULL) {
        return fail(c, wrong);
    }
    if (c->at == c->end) {
        return fail(c, "string without an end");
    }
    c->at++;
    return MW_OK;
}

static bool skip_digits(struct check *c)
{
    const char *first = c->at;
    while (c->at < c->end && is_digit(*c->at)) {
        c->at++;
    }
    return c->at > first;
}

static mw_err check_number(struct check *c)
{
    c->at += *c->at == '-' ? 1 : 0;
    if (c->at < c->end && *c->at == '0') {
        c->at++; /* a digit behind it is then found to be no comma */
    } else if (!skip_digits(c)) {
        return fail(c, "not a number");
    }
    if (c->at < c->end && *c->at == '.') {
        c->at++;
        if (!skip_digits(c)) {
            return fail(c, "number without a digit behind its point");
        }
    }
    if (c->at < c->end && (*c->at == 'e' || *c->at == 'E')) {
        c->at++;
        c->at += c->at < c->end && (*c->at == '+' || *c->at == '-') ? 1 : 0;
        if (!skip_digits(c)) {
            return fail(c, "number without a digit in its exponent");
        }
    }
    return MW_OK;
}

static mw_err check_word(struct check *c, const char *word, size_t size)
{
    if ((size_t)(c->end - c->at) < size || memcmp(c->at, word, size) != 0) {
        return fail(c, "not a value");
    }
    c->at += size;
    return MW_OK;
}

static mw_err check_scalar(struct check *c)
{
    if (c->at == c->end) {
        return fail(c, "value missing at the end");
    }
    if (*c->at == '"') {
        return check_string(c);
    }
    c->tokens++;
    switch (*c->at) {
    case 't':
        return check_word(c, "true", 4);
    case 'f':
        return check_word(c, "false", 5);
    case 'n':
        return check_word(c, "null", 4);
    default:
        return *c->at == '-' || is_digit(*c->at) ? check_number(c) : fail(c, "not a value");
    }
}

static inline bool in_object(const struct check *c)
{
    return ((c->objects >> (c->depth - 1)) & 1) != 0;
}

/* "key" : - up to where its value starts. */
static mw_err check_key(struct check *c)
{
    skip_space(c);
    if (c->at == c->end || *c->at != '"') {
        return fail(c, "key missing");
    }
    mw_err err = check_string(c);
    if (err != MW_OK) {
        return err;
    }
    skip_space(c);
    if (c->at == c->end || *c->at != ':') {
        return fail(c, "colon missing");
    }
    c->at++;
    return MW_OK;
}

/* Opens an array or object. Afterwards a value follows, unless *empty. */
static mw_err open_container(struct check *c, unsigned depth_max, bool *empty)
{
    bool object = *c->at == '{';
    if (c->depth == depth_max) {
        return mw_fail(c->why, MW_ERR_TOO_LARGE, "nested too deep", (size_t)(c->at - c->text));
    }
    c->at++;
    c->tokens++;
    c->objects &= ~((uint32_t)1 << c->depth);
    c->objects |= (uint32_t)object << c->depth;
    c->depth++;
    skip_space(c);
    *empty = c->at < c->end && *c->at == (object ? '}' : ']');
    return object && !*empty ? check_key(c) : MW_OK;
}

/* Behind a value: closes what ends here and goes on to the next value, or to depth 0. */
static mw_err close_or_go_on(struct check *c)
{
    while (c->depth > 0) {
        skip_space(c);
        if (c->at == c->end) {
            return fail(c, "array or object without an end");
        }
        if (*c->at == ',') {
            c->at++;
            return in_object(c) ? check_key(c) : MW_OK;
        }
        if (*c->at != (in_object(c) ? '}' : ']')) {
            return fail(c, "comma or end missing");
        }
        c->at++;
        c->depth--;
    }
    return MW_OK;
}

mw_err mw_json_check(struct mw_span text, unsigned depth_max, size_t *tokens, struct mw_why *why)
{
    if (depth_max > MW_JSON_DEPTH_LIMIT) {
        return mw_fail(why, MW_ERR_ARGUMENT, "depth limit too large", 0);
    }
    if (text.size == 0) {
        return mw_fail(why, MW_ERR_PARSE, "empty text", 0);
    }
    struct check c = {.at = text.data, .end = text.data + text.size, .text = text.data, .why = why};
    do {
        skip_space(&c);
        bool opened = c.at < c.end && (*c.at == '{' || *c.at == '[');
        bool empty = false;
        mw_err err = opened ? open_container(&c, depth_max, &empty) : check_scalar(&c);
        if (err == MW_OK && (!opened || empty)) {
            err = close_or_go_on(&c);
        }
        if (err != MW_OK) {
            return err;
        }
    } while (c.depth > 0);
    skip_space(&c);
    if (c.at != c.end) {
        return fail(&c, "more behind the value");
    }
    *tokens = c.tokens;
    return MW_OK;
}

static bool string_valid(struct mw_span body, bool *escaped)
{
    *escaped = false;
    if (body.size == 0) {
        return true;
    }
    const char *at = body.data;
    const char *end = body.data + body.size;
    return check_string_body(&at, end, escaped) == NULL && at == end;
}

bool mw_json_string_valid(struct mw_span body)
{
    bool escaped;
    return string_valid(body, &escaped);
}

bool mw_json_string_plain(struct mw_span body)
{
    bool escaped;
    return string_valid(body, &escaped) && !escaped;
}
