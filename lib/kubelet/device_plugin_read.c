/* device_plugin_read.c - requests, field by field with nanopb's decoder. */
#include "lib/kubelet/device_plugin.h"

#include <pb_decode.h>

static pb_istream_t stream_of(struct mw_span bytes)
{
    return pb_istream_from_buffer((const pb_byte_t *)bytes.data, bytes.size);
}

static size_t place(struct mw_span bytes, const pb_istream_t *stream)
{
    return bytes.size - stream->bytes_left;
}

/* Bytes with their length before them, borrowed from the whole. */
static bool read_span(struct mw_span bytes, pb_istream_t *stream, pb_wire_type_t type,
                      struct mw_span *out)
{
    uint32_t size;
    if (type != PB_WT_STRING || !pb_decode_varint32(stream, &size) || size > stream->bytes_left) {
        return false;
    }
    *out = (struct mw_span){bytes.data + place(bytes, stream), size};
    return size == 0 || pb_read(stream, NULL, size);
}

static bool is_id(struct mw_span id)
{
    for (size_t i = 0; i < id.size; i++) {
        if (id.data[i] <= ' ' || id.data[i] > '~') {
            return false;
        }
    }
    return id.size > 0 && id.size <= MW_KUBELET_ID;
}

/* The fields of one container: 1 ids and, when preferred, 2 must and 3 size. */
static mw_err read_container(struct mw_span bytes, bool preferred,
                             struct mw_kubelet_container *container, struct mw_why *why)
{
    pb_istream_t stream = stream_of(bytes);
    container->n = 0;
    container->n_must = 0;
    container->size = 0;
    while (stream.bytes_left > 0) {
        pb_wire_type_t type;
        uint32_t tag;
        bool end;
        uint64_t number = 0;
        struct mw_span id;
        size_t at = place(bytes, &stream);
        if (!pb_decode_tag(&stream, &type, &tag, &end) || tag == 0) {
            return mw_fail(why, MW_ERR_PARSE, "no protocol buffer", at);
        }
        bool must = preferred && tag == 2;
        if (tag == 1 || must) {
            if (!read_span(bytes, &stream, type, &id) || !is_id(id)) {
                return mw_fail(why, MW_ERR_PARSE, "no device id", at);
            }
            size_t *n = must ? &container->n_must : &container->n;
            if (*n == MW_KUBELET_DEVICES_MOST) {
                return mw_fail(why, MW_ERR_TOO_LARGE, "too many devices for a container", at);
            }
            (must ? container->must : container->ids)[(*n)++] = id;
        } else if (preferred && tag == 3) {
            if (type != PB_WT_VARINT || !pb_decode_varint(&stream, &number)) {
                return mw_fail(why, MW_ERR_PARSE, "no allocation size", at);
            }
            container->size = (int32_t)(uint32_t)number;
        } else if (!pb_skip_field(&stream, type)) {
            return mw_fail(why, MW_ERR_PARSE, "no protocol buffer", at);
        }
    }
    return MW_OK;
}

/* The bytes of the next container at *at. AGAIN: there is none. */
static mw_err next_bytes(struct mw_span request, size_t *at, struct mw_span *bytes,
                         struct mw_why *why)
{
    struct mw_span rest = {request.data + *at, request.size - *at};
    pb_istream_t stream = stream_of(rest);
    while (stream.bytes_left > 0) {
        pb_wire_type_t type;
        uint32_t tag;
        bool end;
        size_t field = *at + place(rest, &stream);
        if (!pb_decode_tag(&stream, &type, &tag, &end) || tag == 0 ||
            !(tag == 1 ? read_span(rest, &stream, type, bytes) : pb_skip_field(&stream, type))) {
            return mw_fail(why, MW_ERR_PARSE, "no protocol buffer", field);
        }
        if (tag == 1) {
            *at += place(rest, &stream);
            return MW_OK;
        }
    }
    return MW_ERR_AGAIN;
}

mw_err mw_kubelet_check_request(struct mw_span request, bool preferred, struct mw_why *why)
{
    struct mw_kubelet_container container;
    struct mw_span bytes;
    size_t at = 0;
    for (size_t n = 0; request.size > 0; n++) {
        mw_err err = next_bytes(request, &at, &bytes, why);
        if (err == MW_ERR_AGAIN) {
            break;
        }
        if (err == MW_OK && n == MW_KUBELET_CONTAINERS) {
            err = mw_fail(why, MW_ERR_TOO_LARGE, "too many containers", at);
        }
        if (err == MW_OK) {
            err = read_container(bytes, preferred, &container, why);
        }
        if (err != MW_OK) {
            return err;
        }
    }
    return MW_OK;
}

bool mw_kubelet_next_container(struct mw_span request, bool preferred, size_t *at,
                               struct mw_kubelet_container *container)
{
    struct mw_span bytes;
    return request.size > *at && next_bytes(request, at, &bytes, NULL) == MW_OK &&
           read_container(bytes, preferred, container, NULL) == MW_OK;
}

mw_err mw_kubelet_read_ids(struct mw_span request, struct mw_kubelet_container *container,
                           struct mw_why *why)
{
    return read_container(request, false, container, why);
}
