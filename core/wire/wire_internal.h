/* wire_internal.h - what the message files of this folder share; not for other folders. */
#ifndef MW_CORE_WIRE_INTERNAL_H
#define MW_CORE_WIRE_INTERNAL_H

#include "core/wire/message.h"

/* Declarations alone: parser.c holds jsmn's code. The tokens must look the same there and here. */
#define JSMN_PARENT_LINKS
#define JSMN_HEADER
#include <jsmn.h>

struct mw_wire_parser {
    struct mw_span text;
    size_t tokens_max;
    size_t n_tokens;
    size_t n_items;
    size_t item[MW_BATCH_MAX]; /* token of each object */
    jsmntok_t tokens[];        /* in the order of the text: a parent before its children */
};

static inline struct mw_span mw_wire_token_text(const struct mw_wire_parser *p, size_t token)
{
    const jsmntok_t *t = &p->tokens[token];
    return (struct mw_span){p->text.data + t->start, (size_t)(t->end - t->start)};
}

/* The token behind this one and all that is in it; n_tokens behind the last. */
static inline size_t mw_wire_token_next(const struct mw_wire_parser *p, size_t token)
{
    const jsmntok_t *t = &p->tokens[token];
    size_t next = token + 1;
    if (t->type == JSMN_OBJECT || t->type == JSMN_ARRAY) {
        while (next < p->n_tokens && p->tokens[next].start < t->end) {
            next++;
        }
    }
    return next;
}

/* A key that a message may have, with its sentences. */
struct mw_wire_key {
    struct mw_span name;
    const char *missing;
    const char *wrong;
    const char *twice;
};
#define MW_WIRE_KEY(key, what)                                                                \
    {                                                                                         \
        {key, sizeof(key) - 1}, key " is missing", key " is not " what, key " is given twice" \
    }
#define MW_WIRE_KEYS_MAX 16
/* Every message has this one; it is always at this place in its table. */
#define MW_WIRE_V 0
#define MW_WIRE_KEY_V MW_WIRE_KEY("v", "a version")

/* One object of a message with its known keys found. */
struct mw_wire_fields {
    const struct mw_wire_parser *parser;
    const struct mw_wire_key *keys;
    size_t object;                  /* its token */
    size_t value[MW_WIRE_KEYS_MAX]; /* token of each key's value, 0 when absent */
    struct mw_why *why;
};

/* Finds the known keys of object i. Unknown ones are ignored, as is a key spelled with escapes.
 * Errors: PARSE (a known key twice), ARGUMENT (no object i). */
mw_err mw_wire_fields_open(struct mw_wire_fields *fields, const struct mw_wire_parser *parser,
                           size_t i, const struct mw_wire_key *keys, size_t n_keys,
                           struct mw_why *why);
/* Errors: PARSE without "v", VERSION when it is not 1. */
mw_err mw_wire_fields_version(const struct mw_wire_fields *fields);
bool mw_wire_fields_has(const struct mw_wire_fields *fields, size_t key);
mw_err mw_wire_fields_fail(const struct mw_wire_fields *fields, size_t key, mw_err err);

/* Each reads one key. Errors: PARSE when it is missing or of another type, RANGE. */
mw_err mw_wire_fields_name(const struct mw_wire_fields *fields, size_t key, struct mw_span *name);
/* See mw_wire_id_valid. */
mw_err mw_wire_fields_id(const struct mw_wire_fields *fields, size_t key, struct mw_span *id);
/* Any string, escapes as they came. */
mw_err mw_wire_fields_string(const struct mw_wire_fields *fields, size_t key, struct mw_span *text);
mw_err mw_wire_fields_u32(const struct mw_wire_fields *fields, size_t key, uint32_t *value);
mw_err mw_wire_fields_u64(const struct mw_wire_fields *fields, size_t key, uint64_t *value);
mw_err mw_wire_fields_time(const struct mw_wire_fields *fields, size_t key, int64_t *microseconds);
mw_err mw_wire_fields_f32(const struct mw_wire_fields *fields, size_t key, float *value);

/* Device and machine, which defaults to device. */
mw_err mw_wire_fields_device(const struct mw_wire_fields *fields, size_t device_key,
                             size_t machine_key, struct mw_span *device, struct mw_span *machine);

/* A set that says "certainly new" of most names, so that few must be compared with all before. */
struct mw_wire_name_set {
    uint64_t bits[4];
};
/* Adds names[n] unless one of names[0..n) equals it; `stride` is the distance of two in bytes. */
bool mw_wire_name_set_add(struct mw_wire_name_set *set, const struct mw_span *names, size_t stride,
                          size_t n);

/* An identifier or a digest: 1 to MW_ID_MAX bytes that JSON needs no escape for. */
bool mw_wire_id_valid(struct mw_span id);

/* Text being written. What does not fit is counted but not written. */
struct mw_wire_text {
    char *data;
    size_t capacity;
    size_t size; /* may exceed capacity: then the text is incomplete */
};
void mw_wire_text_raw(struct mw_wire_text *text, const char *data, size_t size);
void mw_wire_text_literal(struct mw_wire_text *text, const char *literal);
void mw_wire_text_quoted(struct mw_wire_text *text, struct mw_span value);
void mw_wire_text_number_u64(struct mw_wire_text *text, uint64_t value);
void mw_wire_text_number_f32(struct mw_wire_text *text, float value);
/* Each writes one member with a comma before it. */
void mw_wire_text_string(struct mw_wire_text *text, const char *key, struct mw_span value);
void mw_wire_text_u64(struct mw_wire_text *text, const char *key, uint64_t value);
void mw_wire_text_time(struct mw_wire_text *text, const char *key, int64_t microseconds);
void mw_wire_text_f32(struct mw_wire_text *text, const char *key, float value);
/* Opens an object: version, device, and the machine when it is another. */
void mw_wire_text_device(struct mw_wire_text *text, struct mw_span device, struct mw_span machine);
/* The device's name is valid, and the machine's, which may also be empty. */
bool mw_wire_device_valid(struct mw_span device, struct mw_span machine);
/* MW_OK with the length, or TOO_SMALL. */
mw_err mw_wire_text_end(const struct mw_wire_text *text, size_t *length);

#endif
