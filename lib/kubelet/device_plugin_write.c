/* device_plugin_write.c - what a plugin says, with nanopb's encoder into a growing buffer. */
#include "lib/kubelet/device_plugin.h"

#include <pb_encode.h>

static bool to_buffer(pb_ostream_t *stream, const pb_byte_t *data, size_t size)
{
    return mw_buffer_add(stream->state, data, size) == MW_OK;
}

static pb_ostream_t stream_of(struct mw_buffer *out)
{
    return (pb_ostream_t){.callback = to_buffer, .state = out, .max_size = SIZE_MAX};
}

/* proto3 leaves out what has its default: an empty text, false, 0. */
static bool put_text(pb_ostream_t *stream, uint32_t tag, const char *text)
{
    struct mw_span span = mw_span_of(text);
    return span.size == 0 || (pb_encode_tag(stream, PB_WT_STRING, tag) &&
                              pb_encode_string(stream, (const pb_byte_t *)span.data, span.size));
}

static bool put_bool(pb_ostream_t *stream, uint32_t tag, bool value)
{
    return !value || (pb_encode_tag(stream, PB_WT_VARINT, tag) && pb_encode_varint(stream, 1));
}

/* A message within a message, even when it is empty. */
static mw_err put_message(struct mw_buffer *out, uint32_t tag, struct mw_span message)
{
    pb_ostream_t stream = stream_of(out);
    bool good = pb_encode_tag(&stream, PB_WT_STRING, tag) &&
                pb_encode_string(&stream, (const pb_byte_t *)message.data, message.size);
    return good ? MW_OK : MW_ERR_MEMORY;
}

/* Puts `inner` (freed), of which `good` tells whether it was written, into `out`. */
static mw_err close_message(struct mw_buffer *out, uint32_t tag, struct mw_buffer *inner, bool good)
{
    mw_err err =
        good ? put_message(out, tag, (struct mw_span){inner->data, inner->size}) : MW_ERR_MEMORY;
    mw_buffer_free(inner);
    return err;
}

static mw_err put_texts(struct mw_buffer *out, uint32_t tag, const char *first, const char *second,
                        const char *third)
{
    struct mw_buffer inner = {0};
    pb_ostream_t stream = stream_of(&inner);
    bool good =
        put_text(&stream, 1, first) && put_text(&stream, 2, second) && put_text(&stream, 3, third);
    return close_message(out, tag, &inner, good);
}

mw_err mw_kubelet_write_options(struct mw_buffer *out, bool pre_start, bool preferred)
{
    pb_ostream_t stream = stream_of(out);
    return put_bool(&stream, 1, pre_start) && put_bool(&stream, 2, preferred) ? MW_OK
                                                                              : MW_ERR_MEMORY;
}

mw_err mw_kubelet_write_register(struct mw_buffer *out, const char *endpoint, const char *resource,
                                 bool pre_start, bool preferred)
{
    struct mw_buffer options = {0};
    pb_ostream_t stream = stream_of(out);
    bool good = put_text(&stream, 1, MW_KUBELET_VERSION) && put_text(&stream, 2, endpoint) &&
                put_text(&stream, 3, resource) &&
                mw_kubelet_write_options(&options, pre_start, preferred) == MW_OK;
    return close_message(out, 4, &options, good);
}

/* Node 0 is a default, which is left out: the message of the node is empty then, but there. */
static bool put_topology(struct mw_buffer *out, int numa)
{
    struct mw_buffer node = {0}, topology = {0};
    pb_ostream_t stream = stream_of(&node);
    bool good = numa == 0 || (pb_encode_tag(&stream, PB_WT_VARINT, 1) &&
                              pb_encode_varint(&stream, (uint64_t)numa));
    good = close_message(&topology, 1, &node, good) == MW_OK;
    return close_message(out, 3, &topology, good) == MW_OK;
}

mw_err mw_kubelet_write_device(struct mw_buffer *out, const char *id, bool healthy, int numa)
{
    struct mw_buffer device = {0};
    pb_ostream_t stream = stream_of(&device);
    bool good = put_text(&stream, 1, id) &&
                put_text(&stream, 2, healthy ? "Healthy" : "Unhealthy") &&
                (numa < 0 || put_topology(&device, numa));
    return close_message(out, 1, &device, good);
}

mw_err mw_kubelet_write_environment(struct mw_buffer *out, const char *key, const char *value)
{
    return put_texts(out, 1, key, value, "");
}

mw_err mw_kubelet_write_mount(struct mw_buffer *out, const char *container, const char *host,
                              bool read_only)
{
    struct mw_buffer mount = {0};
    pb_ostream_t stream = stream_of(&mount);
    bool good = put_text(&stream, 1, container) && put_text(&stream, 2, host) &&
                put_bool(&stream, 3, read_only);
    return close_message(out, 2, &mount, good);
}

mw_err mw_kubelet_write_node(struct mw_buffer *out, const char *container, const char *host,
                             const char *permissions)
{
    return put_texts(out, 3, container, host, permissions);
}

mw_err mw_kubelet_write_cdi(struct mw_buffer *out, const char *name)
{
    return put_texts(out, 5, name, "", "");
}

mw_err mw_kubelet_write_preferred(struct mw_buffer *out, struct mw_span id)
{
    return put_message(out, 1, id);
}

mw_err mw_kubelet_write_container(struct mw_buffer *out, struct mw_span container)
{
    return put_message(out, 1, container);
}
