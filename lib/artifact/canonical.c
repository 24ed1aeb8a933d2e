/* canonical.c - JSON in, JSON in canonical form out. */
#include "lib/artifact/parts.h"

#include <stdlib.h>

mw_err mw_json_load(struct mw_span text, const char *what, json_t **json, struct mw_error *error)
{
    json_error_t detail;
    *json = NULL;
    if (text.size > MW_JSON_MAX) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "%s: %zu bytes are more than %u", what,
                            text.size, MW_JSON_MAX);
    }
    json_t *value =
        json_loadb(text.size > 0 ? text.data : "", text.size, JSON_REJECT_DUPLICATES, &detail);
    if (value == NULL) {
        mw_err code =
            json_error_code(&detail) == json_error_out_of_memory ? MW_ERR_MEMORY : MW_ERR_PARSE;
        return mw_error_set(error, code, "%s:%d: %s", what, detail.line, detail.text);
    }
    if (!json_is_object(value)) {
        json_decref(value);
        return mw_error_set(error, MW_ERR_PARSE, "%s: not a JSON object", what);
    }
    *json = value;
    return MW_OK;
}

const char *mw_json_string(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static mw_err add_string(const char *string, struct mw_buffer *text)
{
    mw_err err = mw_buffer_add(text, "\"", 1);
    for (const char *c = string; err == MW_OK && *c != '\0'; c++) {
        if (*c == '"' || *c == '\\') {
            err = mw_buffer_add(text, "\\", 1);
        }
        if (err == MW_OK) {
            err = mw_buffer_add(text, c, 1);
        }
    }
    return err == MW_OK ? mw_buffer_add(text, "\"", 1) : err;
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static mw_err add_object(const json_t *object, struct mw_buffer *text)
{
    size_t n = json_object_size(object);
    const char **keys = calloc(n + 1, sizeof *keys);
    if (keys == NULL) {
        return MW_ERR_MEMORY;
    }
    size_t filled = 0;
    /* jansson's iteration takes no const object but changes nothing. */
    json_t *open = (json_t *)(uintptr_t)object;
    for (void *at = json_object_iter(open); at != NULL; at = json_object_iter_next(open, at)) {
        keys[filled++] = json_object_iter_key(at);
    }
    /* UTF-8 sorts by byte as Unicode does by code point. */
    qsort(keys, n, sizeof *keys, compare_keys);
    mw_err err = mw_buffer_add(text, "{", 1);
    for (size_t i = 0; err == MW_OK && i < n; i++) {
        if (i > 0) {
            err = mw_buffer_add(text, ",", 1);
        }
        if (err == MW_OK) {
            err = add_string(keys[i], text);
        }
        if (err == MW_OK) {
            err = mw_buffer_add(text, ":", 1);
        }
        if (err == MW_OK) {
            err = mw_json_canonical(json_object_get(object, keys[i]), text);
        }
    }
    free(keys);
    return err == MW_OK ? mw_buffer_add(text, "}", 1) : err;
}

static mw_err add_array(const json_t *array, struct mw_buffer *text)
{
    mw_err err = mw_buffer_add(text, "[", 1);
    for (size_t i = 0; err == MW_OK && i < json_array_size(array); i++) {
        if (i > 0) {
            err = mw_buffer_add(text, ",", 1);
        }
        if (err == MW_OK) {
            err = mw_json_canonical(json_array_get(array, i), text);
        }
    }
    return err == MW_OK ? mw_buffer_add(text, "]", 1) : err;
}

mw_err mw_json_canonical(const json_t *json, struct mw_buffer *text)
{
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        return add_object(json, text);
    case JSON_ARRAY:
        return add_array(json, text);
    case JSON_STRING:
        return add_string(json_string_value(json), text);
    case JSON_INTEGER:
        return mw_buffer_printf(text, "%lld", (long long)json_integer_value(json));
    case JSON_TRUE:
        return mw_buffer_add(text, "true", 4);
    case JSON_FALSE:
        return mw_buffer_add(text, "false", 5);
    case JSON_NULL:
        return mw_buffer_add(text, "null", 4);
    case JSON_REAL:
        break;
    }
    return MW_ERR_UNSUPPORTED;
}
