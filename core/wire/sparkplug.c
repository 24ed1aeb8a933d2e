/* sparkplug.c - reading topics and payloads, field by field with nanopb's decoder. */
#include "core/wire/sparkplug.h"

#include <float.h>
#include <pb_decode.h>

/* ---- topics ---- */

static const char *const kinds[] = {
    [MW_SPARKPLUG_NBIRTH] = "NBIRTH", [MW_SPARKPLUG_NDATA] = "NDATA",
    [MW_SPARKPLUG_NDEATH] = "NDEATH", [MW_SPARKPLUG_NCMD] = "NCMD",
    [MW_SPARKPLUG_DBIRTH] = "DBIRTH", [MW_SPARKPLUG_DDATA] = "DDATA",
    [MW_SPARKPLUG_DDEATH] = "DDEATH", [MW_SPARKPLUG_DCMD] = "DCMD"};

enum { LEVELS = 5 };

/* The levels of a topic; LEVELS + 1 when there are more. */
static size_t split(struct mw_span topic, struct mw_span level[LEVELS])
{
    size_t n = 0, from = 0;
    for (size_t i = 0; i <= topic.size; i++) {
        if (i < topic.size && topic.data[i] != '/') {
            continue;
        }
        if (n == LEVELS) {
            return LEVELS + 1;
        }
        level[n++] = (struct mw_span){topic.data + from, i - from};
        from = i + 1;
    }
    return n;
}

mw_err mw_sparkplug_read_topic(struct mw_span topic, struct mw_sparkplug_topic *out)
{
    struct mw_span level[LEVELS];
    *out = (struct mw_sparkplug_topic){0};
    size_t n = topic.size == 0 ? 0 : split(topic, level);
    if (n < 3 || n > LEVELS || !mw_span_is(level[0], MW_SPARKPLUG)) {
        return MW_ERR_PARSE;
    }
    for (size_t i = 1; i < n; i++) {
        if (level[i].size == 0) {
            return MW_ERR_PARSE;
        }
    }
    if (n == 3) {
        out->kind = MW_SPARKPLUG_STATE;
        out->node = level[2];
        return mw_span_is(level[1], "STATE") ? MW_OK : MW_ERR_PARSE;
    }
    out->group = level[1];
    out->node = level[3];
    out->device = n == LEVELS ? level[4] : out->device;
    size_t first = n == LEVELS ? MW_SPARKPLUG_DBIRTH : MW_SPARKPLUG_NBIRTH;
    for (size_t i = first; i < first + 4; i++) {
        if (mw_span_is(level[2], kinds[i])) {
            out->kind = (enum mw_sparkplug_kind)i;
            return MW_OK;
        }
    }
    return MW_ERR_PARSE;
}

/* ---- payloads ---- */

enum { PAYLOAD_TIME = 1, PAYLOAD_METRIC = 2, PAYLOAD_SEQ = 3 };
enum {
    METRIC_NAME = 1,
    METRIC_ALIAS,
    METRIC_TIME,
    METRIC_TYPE,
    METRIC_HISTORICAL,
    METRIC_TRANSIENT,
    METRIC_NULL,
    METRIC_INT = 10,
    METRIC_LONG,
    METRIC_FLOAT,
    METRIC_DOUBLE,
    METRIC_BOOLEAN,
    METRIC_STRING,
    METRIC_BYTES,
    METRIC_VALUE_END = 19
};

/* Bytes with their place in them. */
struct source {
    struct mw_span bytes;
    pb_istream_t stream;
};

static struct source source_of(struct mw_span bytes)
{
    return (struct source){bytes,
                           pb_istream_from_buffer((const pb_byte_t *)bytes.data, bytes.size)};
}

static size_t place(const struct source *source)
{
    return source->bytes.size - source->stream.bytes_left;
}

/* The next field's number and wire type; false at the end or, with *broken, at what is no field. */
static bool next_field(struct source *source, uint32_t *tag, pb_wire_type_t *type, bool *broken)
{
    bool end = false;
    *broken = false;
    if (source->stream.bytes_left == 0) {
        return false;
    }
    *broken = !pb_decode_tag(&source->stream, type, tag, &end) || *tag == 0;
    return !*broken;
}

/* Bytes with their length before them, borrowed. */
static bool read_span(struct source *source, pb_wire_type_t type, struct mw_span *out)
{
    uint32_t size;
    if (type != PB_WT_STRING || !pb_decode_varint32(&source->stream, &size) ||
        size > source->stream.bytes_left) {
        return false;
    }
    *out = (struct mw_span){source->bytes.data + place(source), size};
    return size == 0 || pb_read(&source->stream, NULL, size);
}

static bool read_u64(struct source *source, pb_wire_type_t type, uint64_t *value)
{
    return type == PB_WT_VARINT && pb_decode_varint(&source->stream, value);
}

static bool read_bool(struct source *source, pb_wire_type_t type, bool *value)
{
    uint64_t number = 0;
    bool good = read_u64(source, type, &number);
    *value = number != 0;
    return good;
}

/* Milliseconds. *range: they do not fit. */
static bool read_time(struct source *source, pb_wire_type_t type, bool *has, int64_t *time,
                      bool *range)
{
    uint64_t number = 0;
    if (!read_u64(source, type, &number)) {
        return false;
    }
    *range = number > INT64_MAX / 1000;
    *has = !*range;
    *time = *range ? 0 : (int64_t)number * 1000;
    return !*range;
}

/* A second value takes the place of the first, as in any protocol buffer. */
static bool read_value(struct source *source, uint32_t tag, pb_wire_type_t type,
                       struct mw_sparkplug_metric *metric)
{
    metric->value = MW_SPARKPLUG_NO_VALUE;
    switch (tag) {
    case METRIC_INT:
    case METRIC_LONG:
        metric->value = MW_SPARKPLUG_AS_INTEGER;
        return read_u64(source, type, &metric->integer);
    case METRIC_FLOAT:
        metric->value = MW_SPARKPLUG_AS_FLOAT;
        return type == PB_WT_32BIT && pb_decode_fixed32(&source->stream, &metric->single);
    case METRIC_DOUBLE:
        metric->value = MW_SPARKPLUG_AS_DOUBLE;
        return type == PB_WT_64BIT && pb_decode_fixed64(&source->stream, &metric->real);
    case METRIC_BOOLEAN:
        metric->value = MW_SPARKPLUG_AS_BOOLEAN;
        bool on = false;
        bool good = read_bool(source, type, &on);
        metric->integer = on;
        return good;
    case METRIC_STRING:
    case METRIC_BYTES:
        metric->value = MW_SPARKPLUG_AS_TEXT;
        return read_span(source, type, &metric->text);
    default:
        return pb_skip_field(&source->stream, type);
    }
}

static bool read_type(struct source *source, pb_wire_type_t type, uint32_t *value)
{
    uint64_t number = 0;
    bool good = read_u64(source, type, &number) && number <= UINT32_MAX;
    *value = good ? (uint32_t)number : 0;
    return good;
}

static mw_err read_metric(struct mw_span bytes, struct mw_sparkplug_metric *metric)
{
    struct source source = source_of(bytes);
    uint32_t tag;
    pb_wire_type_t type;
    bool broken, range = false, good = true, null = false;
    *metric = (struct mw_sparkplug_metric){0};
    while (good && next_field(&source, &tag, &type, &broken)) {
        switch (tag) {
        case METRIC_NAME:
            metric->has_name = true;
            good = read_span(&source, type, &metric->name);
            break;
        case METRIC_ALIAS:
            metric->has_alias = true;
            good = read_u64(&source, type, &metric->alias);
            break;
        case METRIC_TIME:
            good = read_time(&source, type, &metric->has_time, &metric->time, &range);
            break;
        case METRIC_TYPE:
            good = read_type(&source, type, &metric->type);
            break;
        case METRIC_HISTORICAL:
            good = read_bool(&source, type, &metric->historical);
            break;
        case METRIC_TRANSIENT:
            good = read_bool(&source, type, &metric->transient);
            break;
        case METRIC_NULL:
            good = read_bool(&source, type, &null);
            break;
        default:
            good = tag >= METRIC_INT && tag <= METRIC_VALUE_END
                       ? read_value(&source, tag, type, metric)
                       : pb_skip_field(&source.stream, type);
        }
    }
    metric->value = null ? MW_SPARKPLUG_NO_VALUE : metric->value;
    return range ? MW_ERR_RANGE : good && !broken ? MW_OK : MW_ERR_PARSE;
}

mw_err mw_sparkplug_open(struct mw_sparkplug_payload *payload, struct mw_span bytes,
                         struct mw_why *why)
{
    struct source source = source_of(bytes);
    struct mw_sparkplug_metric metric;
    struct mw_span part;
    uint32_t tag;
    pb_wire_type_t type;
    bool broken, range = false, good = true;
    *payload = (struct mw_sparkplug_payload){.bytes = bytes};
    while (good && next_field(&source, &tag, &type, &broken)) {
        mw_err err;
        switch (tag) {
        case PAYLOAD_TIME:
            good = read_time(&source, type, &payload->has_time, &payload->time, &range);
            break;
        case PAYLOAD_SEQ:
            payload->has_seq = true;
            good = read_u64(&source, type, &payload->seq);
            break;
        case PAYLOAD_METRIC:
            good = read_span(&source, type, &part);
            err = good ? read_metric(part, &metric) : MW_OK;
            if (err != MW_OK) {
                return mw_fail(why, err, "the metric cannot be read",
                               (size_t)(part.data - bytes.data));
            }
            payload->n_metrics++;
            break;
        default:
            good = pb_skip_field(&source.stream, type);
        }
    }
    if (range) {
        return mw_fail(why, MW_ERR_RANGE, "timestamp is out of range", place(&source));
    }
    return good && !broken
               ? MW_OK
               : mw_fail(why, MW_ERR_PARSE, "not a Sparkplug B payload", place(&source));
}

bool mw_sparkplug_next(struct mw_sparkplug_payload *payload, struct mw_sparkplug_metric *metric)
{
    struct source source = source_of(
        (struct mw_span){payload->bytes.data + payload->at, payload->bytes.size - payload->at});
    struct mw_span part;
    uint32_t tag;
    pb_wire_type_t type;
    bool broken;
    if (payload->bytes.size == payload->at) {
        return false;
    }
    while (next_field(&source, &tag, &type, &broken)) {
        bool good = tag == PAYLOAD_METRIC ? read_span(&source, type, &part)
                                          : pb_skip_field(&source.stream, type);
        if (!good) {
            break;
        }
        if (tag == PAYLOAD_METRIC) {
            payload->at += place(&source);
            return read_metric(part, metric) == MW_OK;
        }
    }
    payload->at = payload->bytes.size;
    return false;
}

/* ---- values ---- */

bool mw_sparkplug_is_number(uint32_t type)
{
    return type >= MW_SPARKPLUG_INT8 && type <= MW_SPARKPLUG_BOOLEAN;
}

static double signed_of(uint64_t bits, unsigned width)
{
    uint64_t sign = (uint64_t)1 << (width - 1);
    uint64_t mask = sign | (sign - 1);
    return (bits & sign) != 0 ? -(double)((~bits & mask) + 1) : (double)(bits & mask);
}

static double integer_of(uint64_t bits, uint32_t type)
{
    switch (type) {
    case MW_SPARKPLUG_INT8:
        return signed_of(bits, 8);
    case MW_SPARKPLUG_INT16:
        return signed_of(bits, 16);
    case MW_SPARKPLUG_INT32:
        return signed_of(bits, 32);
    case MW_SPARKPLUG_INT64:
        return signed_of(bits, 64);
    default:
        return (double)bits;
    }
}

mw_err mw_sparkplug_number(const struct mw_sparkplug_metric *metric, uint32_t type, float *value)
{
    double number = 0;
    if (!mw_sparkplug_is_number(type)) {
        return MW_ERR_NOT_FOUND;
    }
    switch (metric->value) {
    case MW_SPARKPLUG_AS_INTEGER:
        number = integer_of(metric->integer, type);
        break;
    case MW_SPARKPLUG_AS_BOOLEAN:
        number = metric->integer != 0;
        break;
    case MW_SPARKPLUG_AS_FLOAT:
        number = (double)metric->single;
        break;
    case MW_SPARKPLUG_AS_DOUBLE:
        number = metric->real;
        break;
    default:
        return MW_ERR_NOT_FOUND;
    }
    if (!(number >= -(double)FLT_MAX && number <= (double)FLT_MAX)) {
        return MW_ERR_RANGE;
    }
    *value = (float)number;
    return MW_OK;
}
