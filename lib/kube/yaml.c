#include "lib/kube/yaml.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { DEEPEST = 32 };

/* ---- reading ---- */

struct reader {
    yaml_parser_t parser;
    const char *path;
    struct mw_error *error;
};

static mw_err refuse(struct reader *reader, size_t line, const char *why)
{
    return mw_error_set(reader->error, MW_ERR_PARSE, "%s:%zu: %s", reader->path, line + 1, why);
}

static mw_err next(struct reader *reader, yaml_event_t *event)
{
    if (yaml_parser_parse(&reader->parser, event) == 0) {
        const char *why = reader->parser.problem;
        return refuse(reader, reader->parser.problem_mark.line, why == NULL ? "no YAML" : why);
    }
    return MW_OK;
}

static json_t *plain_value(const char *text)
{
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
        return json_boolean(*text == 't');
    }
    if (text[0] == '\0' || strcmp(text, "null") == 0 || strcmp(text, "~") == 0) {
        return json_null();
    }
    char *end = NULL;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    bool whole = *end == '\0' && errno == 0 && (isdigit((unsigned char)text[0]) || text[0] == '-');
    return whole ? json_integer(number) : json_string(text);
}

static mw_err read_value(struct reader *reader, yaml_event_t *event, unsigned depth,
                         json_t **value);

static mw_err read_sequence(struct reader *reader, unsigned depth, json_t **value)
{
    *value = json_array();
    for (;;) {
        yaml_event_t event;
        mw_err err = next(reader, &event);
        if (err != MW_OK || event.type == YAML_SEQUENCE_END_EVENT) {
            if (err == MW_OK) {
                yaml_event_delete(&event);
            }
            return err;
        }
        json_t *item = NULL;
        err = read_value(reader, &event, depth + 1, &item);
        if (json_array_append_new(*value, item) != 0 && err == MW_OK) {
            err = mw_error_set(reader->error, MW_ERR_MEMORY, "out of memory");
        }
        if (err != MW_OK) {
            return err;
        }
    }
}

static mw_err read_pair(struct reader *reader, yaml_event_t *key, unsigned depth, json_t *into)
{
    const char *name = (const char *)key->data.scalar.value;
    if (key->type != YAML_SCALAR_EVENT || key->data.scalar.anchor != NULL ||
        strlen(name) != key->data.scalar.length) {
        return refuse(reader, key->start_mark.line, "a key was expected");
    }
    if (json_object_get(into, name) != NULL) {
        return refuse(reader, key->start_mark.line, "this key is given twice");
    }
    yaml_event_t event;
    mw_err err = next(reader, &event);
    json_t *item = NULL;
    if (err == MW_OK) {
        err = read_value(reader, &event, depth + 1, &item);
    }
    if (json_object_set_new(into, name, item) != 0 && err == MW_OK) {
        err = refuse(reader, key->start_mark.line, "this key is not UTF-8");
    }
    return err;
}

static mw_err read_mapping(struct reader *reader, unsigned depth, json_t **value)
{
    *value = json_object();
    for (;;) {
        yaml_event_t key;
        mw_err err = next(reader, &key);
        if (err != MW_OK) {
            return err;
        }
        bool end = key.type == YAML_MAPPING_END_EVENT;
        err = end ? MW_OK : read_pair(reader, &key, depth, *value);
        yaml_event_delete(&key);
        if (end || err != MW_OK) {
            return err;
        }
    }
}

static mw_err read_scalar(struct reader *reader, const yaml_event_t *event, json_t **value)
{
    const char *text = (const char *)event->data.scalar.value;
    if (event->data.scalar.anchor != NULL || event->data.scalar.tag != NULL) {
        return refuse(reader, event->start_mark.line, "anchors and tags are not read");
    }
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    *value = plain ? plain_value(text) : json_stringn(text, event->data.scalar.length);
    return *value != NULL ? MW_OK
                          : refuse(reader, event->start_mark.line, "this text is not UTF-8");
}

/* Takes the event. */
static mw_err read_value(struct reader *reader, yaml_event_t *event, unsigned depth, json_t **value)
{
    mw_err err;
    if (depth > DEEPEST) {
        err = refuse(reader, event->start_mark.line, "nested too deep");
    } else if (event->type == YAML_SCALAR_EVENT) {
        err = read_scalar(reader, event, value);
    } else if (event->type == YAML_MAPPING_START_EVENT &&
               event->data.mapping_start.anchor == NULL && event->data.mapping_start.tag == NULL) {
        err = read_mapping(reader, depth, value);
    } else if (event->type == YAML_SEQUENCE_START_EVENT &&
               event->data.sequence_start.anchor == NULL &&
               event->data.sequence_start.tag == NULL) {
        err = read_sequence(reader, depth, value);
    } else {
        err = refuse(reader, event->start_mark.line,
                     "a value without alias, anchor and tag was expected");
    }
    yaml_event_delete(event);
    return err;
}

/* Past the start of the stream and of its document to the first value. */
static mw_err read_document(struct reader *reader, json_t **value)
{
    yaml_event_t event;
    mw_err err = next(reader, &event);
    while (err == MW_OK &&
           (event.type == YAML_STREAM_START_EVENT || event.type == YAML_DOCUMENT_START_EVENT)) {
        yaml_event_delete(&event);
        err = next(reader, &event);
    }
    if (err == MW_OK) {
        err = read_value(reader, &event, 0, value);
    }
    bool end = false;
    while (err == MW_OK && !end) {
        err = next(reader, &event);
        if (err == MW_OK) {
            end = event.type == YAML_STREAM_END_EVENT;
            if (!end && event.type != YAML_DOCUMENT_END_EVENT) {
                err = refuse(reader, event.start_mark.line, "one document was expected");
            }
            yaml_event_delete(&event);
        }
    }
    return err;
}

mw_err mw_kube_yaml_parse(struct mw_span text, const char *path, json_t **value,
                          struct mw_error *error)
{
    struct reader reader = {.path = path, .error = error};
    *value = NULL;
    if (yaml_parser_initialize(&reader.parser) == 0) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    const char *data = text.data == NULL ? "" : text.data;
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)data, text.size);
    mw_err err = read_document(&reader, value);
    yaml_parser_delete(&reader.parser);
    if (err != MW_OK) {
        json_decref(*value);
        *value = NULL;
    }
    return err;
}

/* ---- printing ---- */

/* Words that are something else than a string in YAML 1.1 or 1.2. */
static bool is_word_of_yaml(const char *text)
{
    static const char *const words[] = {"true", "false", "null", "yes", "no",   "on",
                                        "off",  "y",     "n",    "~",   ".nan", ".inf"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcasecmp(text, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_plain(const char *text, size_t size)
{
    if (size == 0 || !isalpha((unsigned char)text[0]) || text[size - 1] == ' ' ||
        text[size - 1] == ':' || is_word_of_yaml(text)) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        bool in = isalnum((unsigned char)text[i]) || strchr("-_./ ,()+;=", text[i]) != NULL ||
                  (text[i] == ':' && text[i + 1] != ' ');
        if (!in || text[i] == '\0') {
            return false;
        }
    }
    return true;
}

static mw_err print_text(const char *text, size_t size, struct mw_buffer *out)
{
    if (is_plain(text, size)) {
        return mw_buffer_add(out, text, size);
    }
    json_t *value = json_stringn(text, size);
    char *quoted = value == NULL ? NULL : json_dumps(value, JSON_ENCODE_ANY);
    json_decref(value);
    mw_err err = quoted == NULL ? MW_ERR_MEMORY : mw_buffer_add(out, quoted, strlen(quoted));
    free(quoted);
    return err;
}

static mw_err print_scalar(const json_t *value, struct mw_buffer *out)
{
    if (json_is_string(value)) {
        return print_text(json_string_value(value), json_string_length(value), out);
    }
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    mw_err err = text == NULL ? MW_ERR_MEMORY : mw_buffer_add(out, text, strlen(text));
    free(text);
    return err;
}

static bool is_block(const json_t *value)
{
    return json_object_size(value) > 0 || json_array_size(value) > 0;
}

static mw_err print_block(const json_t *value, unsigned indent, bool inside, struct mw_buffer *out);

/* What stands behind "key:" or "-". */
static mw_err print_rest(const json_t *value, unsigned indent, bool item, struct mw_buffer *out)
{
    if (!is_block(value)) {
        mw_err err = mw_buffer_add(out, " ", 1);
        err = err == MW_OK ? print_scalar(value, out) : err;
        return err == MW_OK ? mw_buffer_add(out, "\n", 1) : err;
    }
    if (item) { /* the first key or item stands on the line of the dash */
        mw_err err = mw_buffer_add(out, " ", 1);
        return err == MW_OK ? print_block(value, indent, true, out) : err;
    }
    mw_err err = mw_buffer_add(out, "\n", 1);
    return err == MW_OK ? print_block(value, indent, false, out) : err;
}

static mw_err print_block(const json_t *value, unsigned indent, bool inside, struct mw_buffer *out)
{
    mw_err err = MW_OK;
    size_t index;
    json_t *item, *object = (json_t *)(uintptr_t)value; /* the iteration takes no const */
    const char *key;
    json_object_foreach(object, key, item)
    {
        err = err == MW_OK ? mw_buffer_printf(out, "%*s", inside ? 0 : (int)indent, "") : err;
        err = err == MW_OK ? print_text(key, strlen(key), out) : err;
        err = err == MW_OK ? mw_buffer_add(out, ":", 1) : err;
        err = err == MW_OK ? print_rest(item, indent + 2, false, out) : err;
        inside = false;
    }
    json_array_foreach(value, index, item)
    {
        err = err == MW_OK ? mw_buffer_printf(out, "%*s-", inside ? 0 : (int)indent, "") : err;
        err = err == MW_OK ? print_rest(item, indent + 2, true, out) : err;
        inside = false;
    }
    return err;
}

mw_err mw_kube_yaml_print(const json_t *value, struct mw_buffer *out)
{
    if (is_block(value)) {
        return print_block(value, 0, false, out);
    }
    mw_err err = print_scalar(value, out);
    return err == MW_OK ? mw_buffer_add(out, "\n", 1) : err;
}
