/* sparkplug_write.c - payloads, written with nanopb's encoder. */
#include "core/wire/sparkplug.h"

#include <pb_encode.h>

static bool put_varint(pb_ostream_t *out, uint32_t tag, uint64_t value)
{
    return pb_encode_tag(out, PB_WT_VARINT, tag) && pb_encode_varint(out, value);
}

static bool put_text(pb_ostream_t *out, uint32_t tag, struct mw_span text)
{
    return pb_encode_tag(out, PB_WT_STRING, tag) &&
           pb_encode_string(out, (const pb_byte_t *)text.data, text.size);
}

static bool put_time(pb_ostream_t *out, uint32_t tag, int64_t microseconds)
{
    return put_varint(out, tag, microseconds < 0 ? 0 : (uint64_t)microseconds / 1000);
}

static bool is_short(uint32_t type)
{
    return (type >= MW_SPARKPLUG_INT8 && type <= MW_SPARKPLUG_INT32) ||
           (type >= MW_SPARKPLUG_UINT8 && type <= MW_SPARKPLUG_UINT32);
}

static bool put_value(pb_ostream_t *out, const struct mw_sparkplug_metric *metric)
{
    switch (metric->value) {
    case MW_SPARKPLUG_AS_INTEGER:
        return put_varint(out, is_short(metric->type) ? 10 : 11, metric->integer);
    case MW_SPARKPLUG_AS_FLOAT:
        return pb_encode_tag(out, PB_WT_32BIT, 12) && pb_encode_fixed32(out, &metric->single);
    case MW_SPARKPLUG_AS_DOUBLE:
        return pb_encode_tag(out, PB_WT_64BIT, 13) && pb_encode_fixed64(out, &metric->real);
    case MW_SPARKPLUG_AS_BOOLEAN:
        return put_varint(out, 14, metric->integer != 0);
    case MW_SPARKPLUG_AS_TEXT:
        return put_text(out, 15, metric->text);
    case MW_SPARKPLUG_NO_VALUE:
        break;
    }
    return put_varint(out, 7, 1);
}

static bool put_metric(pb_ostream_t *out, const struct mw_sparkplug_metric *metric)
{
    bool good = !metric->has_name || put_text(out, 1, metric->name);
    good = good && (!metric->has_alias || put_varint(out, 2, metric->alias));
    good = good && (!metric->has_time || put_time(out, 3, metric->time));
    good = good && (metric->type == MW_SPARKPLUG_UNKNOWN || put_varint(out, 4, metric->type));
    good = good && (!metric->historical || put_varint(out, 5, 1));
    good = good && (!metric->transient || put_varint(out, 6, 1));
    return good && put_value(out, metric);
}

static pb_ostream_t rest_of(const struct mw_sparkplug_writer *writer)
{
    return pb_ostream_from_buffer((pb_byte_t *)writer->data + writer->size,
                                  writer->capacity - writer->size);
}

static void close_rest(struct mw_sparkplug_writer *writer, const pb_ostream_t *out, bool good)
{
    writer->full |= !good;
    writer->size += good ? out->bytes_written : 0;
}

void mw_sparkplug_begin(struct mw_sparkplug_writer *writer, char *data, size_t capacity,
                        int64_t time)
{
    *writer = (struct mw_sparkplug_writer){.data = data, .capacity = capacity};
    pb_ostream_t out = rest_of(writer);
    close_rest(writer, &out, put_time(&out, 1, time));
}

void mw_sparkplug_add(struct mw_sparkplug_writer *writer, const struct mw_sparkplug_metric *metric)
{
    pb_ostream_t size = PB_OSTREAM_SIZING;
    pb_ostream_t out = rest_of(writer);
    bool good = put_metric(&size, metric) && pb_encode_tag(&out, PB_WT_STRING, 2) &&
                pb_encode_varint(&out, size.bytes_written) && put_metric(&out, metric);
    close_rest(writer, &out, good);
}

mw_err mw_sparkplug_end(struct mw_sparkplug_writer *writer, const uint64_t *seq, size_t *length)
{
    if (seq != NULL) {
        pb_ostream_t out = rest_of(writer);
        close_rest(writer, &out, put_varint(&out, 3, *seq));
    }
    *length = writer->full ? 0 : writer->size;
    return writer->full ? MW_ERR_TOO_SMALL : MW_OK;
}
