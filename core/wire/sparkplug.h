/* sparkplug.h - Sparkplug B topics and payloads (Eclipse Sparkplug 3.0.0), without a heap.
 *
 * A topic is one of
 *   spBv1.0/<group>/NBIRTH|NDATA|NDEATH|NCMD/<node>
 *   spBv1.0/<group>/DBIRTH|DDATA|DDEATH|DCMD/<node>/<device>
 *   spBv1.0/STATE/<host>                                       whose payload is JSON
 *
 * A payload is a protocol buffer; numbers of fields and what is read of them:
 *   payload  1 timestamp (ms)  2 metric, any number of them  3 seq
 *   metric   1 name  2 alias  3 timestamp (ms)  4 datatype  5 is_historical  6 is_transient
 *            7 is_null  and at most one value: 10 int (32 bits)  11 long (64 bits)  12 float
 *            13 double  14 boolean  15 string  16 bytes
 * Any other field, data sets and templates among them, is passed over. Integers shorter than 64
 * bits are in two's complement of their own width. A payload is checked whole when it is opened;
 * metrics are then read one by one, and their texts borrow the payload. */
#ifndef MW_CORE_WIRE_SPARKPLUG_H
#define MW_CORE_WIRE_SPARKPLUG_H

#include "core/err.h"
#include "core/span.h"

#include <stdbool.h>
#include <stdint.h>

#define MW_SPARKPLUG "spBv1.0"
#define MW_SPARKPLUG_SEQ_END 256 /* seq and bdSeq count from 0 to one below this, and again */

enum mw_sparkplug_kind {
    MW_SPARKPLUG_NBIRTH,
    MW_SPARKPLUG_NDATA,
    MW_SPARKPLUG_NDEATH,
    MW_SPARKPLUG_NCMD,
    MW_SPARKPLUG_DBIRTH,
    MW_SPARKPLUG_DDATA,
    MW_SPARKPLUG_DDEATH,
    MW_SPARKPLUG_DCMD,
    MW_SPARKPLUG_STATE
};

struct mw_sparkplug_topic {
    enum mw_sparkplug_kind kind;
    struct mw_span group;  /* empty in STATE */
    struct mw_span node;   /* in STATE the host */
    struct mw_span device; /* empty in STATE and in what a node says of itself */
};

/* Errors: PARSE. */
mw_err mw_sparkplug_read_topic(struct mw_span topic, struct mw_sparkplug_topic *out);

/* Datatypes that have a number for a value, and some more. */
enum mw_sparkplug_type {
    MW_SPARKPLUG_UNKNOWN = 0, /* not said, as in most DATA: the BIRTH has told */
    MW_SPARKPLUG_INT8 = 1,
    MW_SPARKPLUG_INT16 = 2,
    MW_SPARKPLUG_INT32 = 3,
    MW_SPARKPLUG_INT64 = 4,
    MW_SPARKPLUG_UINT8 = 5,
    MW_SPARKPLUG_UINT16 = 6,
    MW_SPARKPLUG_UINT32 = 7,
    MW_SPARKPLUG_UINT64 = 8,
    MW_SPARKPLUG_FLOAT = 9,
    MW_SPARKPLUG_DOUBLE = 10,
    MW_SPARKPLUG_BOOLEAN = 11,
    MW_SPARKPLUG_STRING = 12
};

enum mw_sparkplug_value {
    MW_SPARKPLUG_NO_VALUE, /* null, or of a sort that is not read */
    MW_SPARKPLUG_AS_INTEGER,
    MW_SPARKPLUG_AS_FLOAT,
    MW_SPARKPLUG_AS_DOUBLE,
    MW_SPARKPLUG_AS_BOOLEAN,
    MW_SPARKPLUG_AS_TEXT /* string or bytes */
};

struct mw_sparkplug_metric {
    bool has_name, has_alias, has_time;
    struct mw_span name;
    uint64_t alias;
    int64_t time;  /* microseconds UTC */
    uint32_t type; /* enum mw_sparkplug_type, or another number */
    bool historical, transient;
    enum mw_sparkplug_value value;
    uint64_t integer; /* as it came, before the datatype is looked at; 0 or 1 of a boolean */
    float single;
    double real;
    struct mw_span text;
};

struct mw_sparkplug_payload {
    bool has_time, has_seq;
    int64_t time; /* microseconds UTC */
    uint64_t seq;
    size_t n_metrics;
    struct mw_span bytes;
    size_t at; /* of what mw_sparkplug_next reads */
};

/* Checks the bytes, borrows them, and reads all but the metrics. Errors: PARSE (no protocol buffer,
 * or a field of another wire type), RANGE (a timestamp beyond int64 microseconds); why->where is a
 * byte offset, or that of the metric. */
mw_err mw_sparkplug_open(struct mw_sparkplug_payload *payload, struct mw_span bytes,
                         struct mw_why *why);
/* The next metric of an opened payload; false at the end. */
bool mw_sparkplug_next(struct mw_sparkplug_payload *payload, struct mw_sparkplug_metric *metric);

/* True when a metric of this datatype (that of its BIRTH) has a number or a boolean for a value. */
bool mw_sparkplug_is_number(uint32_t type);
/* The metric's value as a number, read as `type`. Errors: NOT_FOUND (null, or none that is a number
 * in this datatype), RANGE (not finite, or beyond float32). */
mw_err mw_sparkplug_number(const struct mw_sparkplug_metric *metric, uint32_t type, float *value);

/* A payload being written to the caller's memory. What does not fit is reported at the end. */
struct mw_sparkplug_writer {
    char *data;
    size_t capacity, size;
    bool full;
};
void mw_sparkplug_begin(struct mw_sparkplug_writer *writer, char *data, size_t capacity,
                        int64_t time);
/* Only what the metric has is written. A value of AS_INTEGER goes out in 64 bits for the datatypes
 * INT64 and UINT64 (and others that are not listed), else in 32. */
void mw_sparkplug_add(struct mw_sparkplug_writer *writer, const struct mw_sparkplug_metric *metric);
/* `seq` NULL: none, as NDEATH and commands have it. Errors: TOO_SMALL. */
mw_err mw_sparkplug_end(struct mw_sparkplug_writer *writer, const uint64_t *seq, size_t *length);

#endif
