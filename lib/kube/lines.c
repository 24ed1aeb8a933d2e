#include "lib/kube/lines.h"

#include <string.h>

static mw_err add(struct mw_kube_lines *lines, const char *data, size_t size)
{
    if (lines->rest.size + size > lines->most) {
        return MW_ERR_TOO_LARGE;
    }
    return size == 0 ? MW_OK : mw_buffer_add(&lines->rest, data, size);
}

static mw_err hand_over(struct mw_kube_lines *lines, struct mw_span line, mw_kube_line_fn *fn,
                        void *context)
{
    if (lines->rest.size > 0) {
        mw_err err = add(lines, line.data, line.size);
        if (err != MW_OK) {
            return err;
        }
        line = (struct mw_span){lines->rest.data, lines->rest.size};
    } else if (line.size > lines->most) {
        return MW_ERR_TOO_LARGE;
    }
    bool more = line.size == 0 || fn(context, line);
    mw_buffer_clear(&lines->rest);
    return more ? MW_OK : MW_ERR_STATE;
}

mw_err mw_kube_lines_feed(struct mw_kube_lines *lines, struct mw_span bytes, mw_kube_line_fn *fn,
                          void *context)
{
    while (bytes.size > 0) {
        const char *end = memchr(bytes.data, '\n', bytes.size);
        if (end == NULL) {
            return add(lines, bytes.data, bytes.size);
        }
        size_t size = (size_t)(end - bytes.data);
        mw_err err = hand_over(lines, (struct mw_span){bytes.data, size}, fn, context);
        if (err != MW_OK) {
            return err;
        }
        bytes.data += size + 1;
        bytes.size -= size + 1;
    }
    return MW_OK;
}

void mw_kube_lines_clear(struct mw_kube_lines *lines)
{
    mw_buffer_free(&lines->rest);
}

const char *mw_kube_meta(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(json_object_get(object, "metadata"), name));
}

static mw_err read_type(const char *type, struct mw_kube_event *event)
{
    static const struct {
        const char *name;
        enum mw_kube_event_type type;
    } types[] = {{"ADDED", MW_KUBE_ADDED},
                 {"MODIFIED", MW_KUBE_ADDED},
                 {"DELETED", MW_KUBE_DELETED},
                 {"BOOKMARK", MW_KUBE_BOOKMARK},
                 {"ERROR", MW_KUBE_ERROR}};
    for (size_t i = 0; type != NULL && i < sizeof types / sizeof *types; i++) {
        if (strcmp(types[i].name, type) == 0) {
            event->type = types[i].type;
            return MW_OK;
        }
    }
    return MW_ERR_PARSE;
}

static mw_err read_object(json_t *object, struct mw_kube_event *event)
{
    if (!json_is_object(object)) {
        return MW_ERR_PARSE;
    }
    if (event->type == MW_KUBE_ERROR) {
        json_int_t code = json_integer_value(json_object_get(object, "code"));
        event->code = code > 0 && code < 1000 ? (int)code : 0;
        return MW_OK;
    }
    event->version = mw_kube_meta(object, "resourceVersion");
    return event->version == NULL ? MW_ERR_PARSE : MW_OK;
}

mw_err mw_kube_event_parse(struct mw_span line, struct mw_kube_event *event, struct mw_error *error)
{
    *event = (struct mw_kube_event){0};
    json_error_t why;
    json_t *root = json_loadb(line.data, line.size, 0, &why);
    if (root == NULL) {
        return mw_error_set(error, MW_ERR_PARSE, "watch: %s at byte %d", why.text, why.position);
    }
    json_t *object = json_object_get(root, "object");
    mw_err err = read_type(json_string_value(json_object_get(root, "type")), event);
    if (err == MW_OK) {
        err = read_object(object, event);
    }
    if (err == MW_OK) {
        event->object = json_incref(object);
    }
    json_decref(root);
    return err == MW_OK ? MW_OK
                        : mw_error_set(error, err, "watch: an event with its object was expected");
}
