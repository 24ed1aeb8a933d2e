/* message.h - the messages between tiers, in JSON, read and written without a heap.
 *
 * All carry "v":1; unknown keys are ignored, an unknown v is refused with MW_ERR_VERSION. Names of
 * plants, devices and machines match [a-z0-9-]{1,63}. Times are seconds in JSON and int64
 * microseconds UTC in C.
 *
 *   telemetry {v,device,machine?,boot,seq,time,p?,features:{name:number,...}}
 *   sketch    {v,device,machine?,boot,seq,bundle,from,to,count,features:{name:[..]},score:[..]}
 *             arrays of MW_SKETCH_BINS + 1 counts, the last for values that are not finite.
 *             Travels on the telemetry topic: it is a numbered record like any other.
 *   ack       {v,boot,next}
 *   score     {v,device,machine?,boot,seq,time,score,band,model,level}
 *   event     {v,id,machine,type,finding,time,by}
 *   command   {v,id,device,machine?,action,time,expires,cause?}
 *   update, status: see their own builders in the tiers that own them; status is
 *             {v,device,boot,last_seq,...}
 *
 * A message holds one object or an array of up to MW_BATCH_MAX of them.
 * Everything parsed borrows the text, which must outlive it.
 */
#ifndef MW_CORE_WIRE_MESSAGE_H
#define MW_CORE_WIRE_MESSAGE_H

#include "core/drift/sketch.h"
#include "core/err.h"
#include "core/span.h"

#include <stdbool.h>
#include <stdint.h>

#define MW_NAME_MAX 63
#define MW_FEATURES_MAX 128
#define MW_FEATURE_NAME_MAX 127 /* bytes of UTF-8 that JSON needs no escape for */
#define MW_ID_MAX 127           /* of an event's or a command's id, a bundle's digest; the same */
#define MW_BATCH_MAX 64
#define MW_MESSAGE_MAX (1U << 20) /* bytes; a longer message is refused */
#define MW_DEPTH_MAX 8            /* nesting of JSON; a deeper one is refused */

struct mw_feature {
    struct mw_span name;
    float value; /* always finite */
};

struct mw_telemetry {
    struct mw_span device;
    struct mw_span machine; /* equals device when the message names none */
    bool numbered;          /* boot and seq were there */
    uint32_t boot;
    uint64_t seq;
    int64_t time;      /* microseconds UTC; 0 with time_unknown */
    bool time_unknown; /* no time in the message: the reader of the message sets it */
    float p;           /* probability of being forwarded, (0,1]; 1 when not stated */
    size_t n_features;
    struct mw_feature features[MW_FEATURES_MAX];
};

struct mw_sketch_record {
    struct mw_span device, machine;
    uint32_t boot;
    uint64_t seq;
    struct mw_span bundle; /* "sha256:..." */
    int64_t from, to;      /* microseconds UTC */
    uint64_t count;        /* records counted (suppressed ones) */
    size_t n_features;
    struct mw_span names[MW_FEATURES_MAX];
    struct mw_sketch features[MW_FEATURES_MAX];
    struct mw_sketch score;
};

enum mw_band { MW_BAND_NORMAL, MW_BAND_IMPENDING, MW_BAND_IMMEDIATE };

struct mw_score {
    struct mw_span device, machine;
    uint32_t boot;
    uint64_t seq;
    int64_t time;
    float score; /* [0,1], at equal priors */
    enum mw_band band;
    struct mw_span model; /* digest of the bundle */
    uint32_t level;       /* 2 on the thing, 3 on the gateway */
};

enum mw_event_type { MW_EVENT_FAILURE, MW_EVENT_REPAIR, MW_EVENT_INSPECTION };
enum mw_finding { MW_FINDING_NONE, MW_FINDING_FAULT, MW_FINDING_NO_FAULT };

struct mw_event {
    struct mw_span id, machine, by;
    enum mw_event_type type;
    enum mw_finding finding; /* NONE for a failure, which is its own finding */
    int64_t time;
};

struct mw_command {
    struct mw_span id, device, machine;
    struct mw_span action; /* "stop" */
    int64_t time;          /* of the record that caused it, microseconds UTC */
    int64_t expires;       /* by the plant's time, as the record's */
    struct mw_span cause;  /* free text, JSON-escaped as it came */
};

struct mw_ack {
    uint32_t boot;
    uint64_t next; /* all before it is stored */
};

/* A parser brings its own token space; size it with mw_wire_parser_size for messages of up to
 * `tokens` JSON tokens (an array of 64 records of 24 features has about 64 * 64). */
struct mw_wire_parser;
size_t mw_wire_parser_size(size_t tokens);
mw_err mw_wire_parser_init(void *memory, size_t bytes, struct mw_wire_parser **parser);

/* Tokenises one message. Then mw_wire_count says how many objects it holds (1, or the array's
 * length, 1 to MW_BATCH_MAX), and mw_wire_item gives object i's own text.
 * Errors: PARSE (broken, or not an object or array of objects), TOO_LARGE (too long, too deep, too
 * many tokens or items); why->where is a byte offset. */
mw_err mw_wire_open(struct mw_wire_parser *parser, struct mw_span text, struct mw_why *why);
size_t mw_wire_count(const struct mw_wire_parser *parser);
struct mw_span mw_wire_item(const struct mw_wire_parser *parser, size_t i);

/* True when object i has this key at its top level. */
bool mw_wire_has(const struct mw_wire_parser *parser, size_t i, const char *key);

/* Object i's value of a top-level key, as its own JSON text; strings without their quotes, escapes
 * as they came. NOT_FOUND. For the messages that a tier reads by itself (status, update). */
mw_err mw_wire_get(const struct mw_wire_parser *parser, size_t i, const char *key,
                   struct mw_span *value);

/* The same of n keys in one go: value[k] is that of key[k], with data NULL when it is not there. */
void mw_wire_get_all(const struct mw_wire_parser *parser, size_t i, const struct mw_span *key,
                     struct mw_span *value, size_t n);

/* Reads object i as one message. Errors: VERSION, PARSE (missing key, wrong type, bad name,
 * unreadable time), RANGE; why->text names the key. The telemetry reader also takes the reference
 * firmware's
 * {"deviceID":...,"current":...,"temperature":...,"vibration":...,"sound":...}. A feature that is
 * not a finite number is an error, so that nothing downstream has to ask. */
mw_err mw_wire_read_telemetry(const struct mw_wire_parser *p, size_t i, struct mw_telemetry *out,
                              struct mw_why *why);
mw_err mw_wire_read_sketch(const struct mw_wire_parser *p, size_t i, struct mw_sketch_record *out,
                           struct mw_why *why);
mw_err mw_wire_read_score(const struct mw_wire_parser *p, size_t i, struct mw_score *out,
                          struct mw_why *why);
mw_err mw_wire_read_event(const struct mw_wire_parser *p, size_t i, struct mw_event *out,
                          struct mw_why *why);
mw_err mw_wire_read_command(const struct mw_wire_parser *p, size_t i, struct mw_command *out,
                            struct mw_why *why);
mw_err mw_wire_read_ack(const struct mw_wire_parser *p, size_t i, struct mw_ack *out,
                        struct mw_why *why);

/* Each writes one JSON object to text[capacity], without a NUL, and sets *length.
 * Errors: TOO_SMALL, ARGUMENT (a name that is not a name, a value that is not finite). */
mw_err mw_wire_write_telemetry(char *text, size_t capacity, size_t *length,
                               const struct mw_telemetry *in);
mw_err mw_wire_write_sketch(char *text, size_t capacity, size_t *length,
                            const struct mw_sketch_record *in);
mw_err mw_wire_write_score(char *text, size_t capacity, size_t *length, const struct mw_score *in);
mw_err mw_wire_write_event(char *text, size_t capacity, size_t *length, const struct mw_event *in);
mw_err mw_wire_write_command(char *text, size_t capacity, size_t *length,
                             const struct mw_command *in);
mw_err mw_wire_write_ack(char *text, size_t capacity, size_t *length, const struct mw_ack *in);

/* True when the span matches [a-z0-9-]{1,63}. */
bool mw_name_valid(struct mw_span name);
/* True when a feature may be called so: 1 to MW_FEATURE_NAME_MAX bytes, no quote, no backslash, no
 * control character, valid UTF-8. */
bool mw_feature_name_valid(struct mw_span name);

/* "normal", "impending", "immediate"; the band of a score (impending >= 0.5, immediate >= 0.8). */
const char *mw_band_name(enum mw_band band);
enum mw_band mw_band_of(float score);
const char *mw_event_type_name(enum mw_event_type type);
const char *mw_finding_name(enum mw_finding finding);

#endif
