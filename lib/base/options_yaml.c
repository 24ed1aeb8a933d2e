/* The YAML door. libyaml's events are read by one function a shape (mapping, sequence, scalar) that
 * extend and cut back one dotted key, so the file is checked against the option table as it is read
 * and no tree is built. Sizes are bounded before anything is kept: 1 MiB of text, 16 levels, 10,000
 * keys, 255 bytes a key. */
#include "lib/base/file.h"
#include "lib/base/options.h"
#include "lib/base/options_internal.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { FILE_LIMIT = 1048576, DEPTH_LIMIT = 16, KEYS_LIMIT = 10000, KEY_LIMIT = 255 };

struct seen {
    char *key;
    uint64_t hash;
    unsigned line;
};

struct reader {
    yaml_parser_t parser;
    const struct mw_option *table;
    void *values;
    const char *text;
    size_t size;
    const char *path; /* for messages */
    const char *const *free_prefixes;
    mw_options_free_fn *on_free;
    void *context;
    char key[KEY_LIMIT + 1];
    unsigned line; /* of the key */
    struct seen *seen;
    size_t n_seen, seen_capacity;
    struct mw_error *error;
};

static unsigned line_of(const yaml_event_t *event)
{
    return (unsigned)event->start_mark.line + 1;
}

/* Puts "FILE:LINE: " before the message and gives its code. */
static mw_err located(struct reader *reader, unsigned line, mw_err err)
{
    mw_error_wrap(reader->error, "%s:%u", reader->path, line);
    return err;
}

static mw_err refuse(struct reader *reader, unsigned line, mw_err code, const char *text)
{
    if (reader->key[0] != 0) {
        mw_error_set(reader->error, code, "%s: %s", reader->key, text);
    } else {
        mw_error_set(reader->error, code, "%s", text);
    }
    return located(reader, line, code);
}

static mw_err refuse_syntax(struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    const char *problem = parser->problem == NULL ? "broken YAML" : parser->problem;
    unsigned line = (unsigned)parser->problem_mark.line + 1;
    if (parser->error == YAML_MEMORY_ERROR) {
        return mw_error_set(reader->error, MW_ERR_MEMORY, "%s: out of memory", reader->path);
    }
    if (parser->error == YAML_READER_ERROR) {
        /* libyaml gives only an offset for bytes that are not text. */
        line = 1;
        for (size_t i = 0; i < parser->problem_offset && i < reader->size; i++) {
            line += reader->text[i] == '\n';
        }
    }
    mw_error_set(reader->error, MW_ERR_PARSE, "%s%s%s", problem, parser->context == NULL ? "" : " ",
                 parser->context == NULL ? "" : parser->context);
    return located(reader, line, MW_ERR_PARSE);
}

static mw_err next_event(struct reader *reader, yaml_event_t *event)
{
    if (!yaml_parser_parse(&reader->parser, event)) {
        return refuse_syntax(reader);
    }
    return MW_OK;
}

/* ---- keys ---- */

static mw_err remember(struct reader *reader)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (const char *c = reader->key; *c != 0; c++) {
        hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
    }
    for (size_t i = 0; i < reader->n_seen; i++) {
        if (reader->seen[i].hash == hash && strcmp(reader->seen[i].key, reader->key) == 0) {
            char text[64];
            snprintf(text, sizeof text, "given twice, first on line %u", reader->seen[i].line);
            return refuse(reader, reader->line, MW_ERR_PARSE, text);
        }
    }
    if (reader->n_seen == KEYS_LIMIT) {
        return refuse(reader, reader->line, MW_ERR_TOO_LARGE, "more than 10,000 keys");
    }
    if (reader->n_seen == reader->seen_capacity) {
        size_t capacity = reader->seen_capacity == 0 ? 64 : reader->seen_capacity * 2;
        struct seen *seen = realloc(reader->seen, capacity * sizeof *seen);
        if (seen == NULL) {
            return refuse(reader, reader->line, MW_ERR_MEMORY, "out of memory");
        }
        reader->seen = seen;
        reader->seen_capacity = capacity;
    }
    char *copy = strdup(reader->key);
    if (copy == NULL) {
        return refuse(reader, reader->line, MW_ERR_MEMORY, "out of memory");
    }
    reader->seen[reader->n_seen++] = (struct seen){copy, hash, reader->line};
    return MW_OK;
}

/* Is the key below a prefix whose keys the user chooses? */
static bool is_free(const struct reader *reader)
{
    const char *const *prefix = reader->free_prefixes;
    for (; prefix != NULL && *prefix != NULL; prefix++) {
        size_t size = strlen(*prefix);
        if (strncmp(reader->key, *prefix, size) == 0 && reader->key[size] == '.') {
            return true;
        }
    }
    return false;
}

/* Is the key such a prefix, or a section above one? */
static bool leads_to_free(const struct reader *reader)
{
    size_t size = strlen(reader->key);
    const char *const *prefix = reader->free_prefixes;
    for (; prefix != NULL && *prefix != NULL; prefix++) {
        if (strncmp(*prefix, reader->key, size) == 0 &&
            ((*prefix)[size] == 0 || (*prefix)[size] == '.')) {
            return true;
        }
    }
    return false;
}

static bool is_section(const struct reader *reader)
{
    return reader->key[0] == 0 || mw_option_is_section(reader->table, reader->key) ||
           leads_to_free(reader);
}

static mw_err refuse_unknown(struct reader *reader)
{
    return located(reader, reader->line,
                   mw_option_unknown(reader->table, reader->key, reader->error));
}

/* The key stands for one thing and got another: "broker: expected keys below it, not a value". */
static mw_err refuse_shape(struct reader *reader, const char *got)
{
    const struct mw_option *option = mw_option_find(reader->table, reader->key);
    char expected[256], text[320];
    if (option == NULL && is_section(reader)) {
        snprintf(text, sizeof text, "expected keys below it, not %s", got);
    } else if (option != NULL) {
        mw_option_expected(option, expected, sizeof expected);
        snprintf(text, sizeof text, "expected %s, not %s", expected, got);
    } else {
        return refuse_unknown(reader);
    }
    return refuse(reader, reader->line, MW_ERR_PARSE, text);
}

/* ---- values ---- */

static mw_err check_plain(struct reader *reader, const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    } else if (event->type == YAML_ALIAS_EVENT) {
        return refuse(reader, line_of(event), MW_ERR_PARSE, "aliases (*name) are not taken");
    }
    if (anchor != NULL) {
        return refuse(reader, line_of(event), MW_ERR_PARSE, "anchors (&name) are not taken");
    }
    if (tag != NULL) {
        return refuse(reader, line_of(event), MW_ERR_PARSE, "tags (!name) are not taken");
    }
    if (event->type == YAML_SCALAR_EVENT &&
        memchr(event->data.scalar.value, 0, event->data.scalar.length) != NULL) {
        return refuse(reader, line_of(event), MW_ERR_PARSE, "NUL characters are not taken");
    }
    return MW_OK;
}

static bool is_null(const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    return event->type == YAML_SCALAR_EVENT &&
           event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (*text == 0 || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

static mw_err set_value(struct reader *reader, unsigned line, const char *text,
                        enum mw_option_how how)
{
    const struct mw_option *option = mw_option_find(reader->table, reader->key);
    mw_err err = mw_option_assign(option, reader->values, text, how, reader->error);
    if (err != MW_OK) {
        mw_error_wrap(reader->error, "%s", reader->key);
        located(reader, line, err);
    }
    return err;
}

static mw_err give_free(struct reader *reader, const char *text, unsigned line)
{
    mw_err err = reader->on_free == NULL
                     ? mw_error_set(reader->error, MW_ERR_NOT_FOUND, "%s: unknown key", reader->key)
                     : reader->on_free(reader->context, reader->key, text, line, reader->error);
    return err == MW_OK ? MW_OK : located(reader, line, err);
}

static mw_err read_scalar(struct reader *reader, const yaml_event_t *event)
{
    const char *text = is_null(event) ? "" : (const char *)event->data.scalar.value;
    if (is_free(reader)) {
        return give_free(reader, text, line_of(event));
    }
    if (mw_option_find(reader->table, reader->key) != NULL) {
        return set_value(reader, line_of(event), text, MW_OPTION_REPLACE);
    }
    if (is_null(event) && is_section(reader)) {
        return MW_OK; /* a section whose keys are all commented out */
    }
    return refuse_shape(reader, "a value");
}

static mw_err read_sequence(struct reader *reader)
{
    const struct mw_option *option = mw_option_find(reader->table, reader->key);
    bool given_free = is_free(reader);
    if (!given_free && (option == NULL || !mw_option_is_list(option))) {
        return refuse_shape(reader, "a list");
    }
    if (!given_free) {
        mw_option_clear(option, reader->values);
    }
    for (;;) {
        yaml_event_t event;
        mw_err err = next_event(reader, &event);
        if (err != MW_OK) {
            return err;
        }
        bool last = event.type == YAML_SEQUENCE_END_EVENT;
        err = check_plain(reader, &event);
        if (err == MW_OK && !last && event.type != YAML_SCALAR_EVENT) {
            err = refuse(reader, line_of(&event), MW_ERR_PARSE, "an item of the list is no value");
        }
        if (err == MW_OK && !last) {
            const char *text = (const char *)event.data.scalar.value;
            err = given_free ? give_free(reader, text, line_of(&event))
                             : set_value(reader, line_of(&event), text, MW_OPTION_ITEM);
        }
        yaml_event_delete(&event);
        if (err != MW_OK || last) {
            return err;
        }
    }
}

static mw_err read_mapping(struct reader *reader, unsigned depth);

static mw_err read_value(struct reader *reader, unsigned depth)
{
    yaml_event_t event;
    mw_err err = next_event(reader, &event);
    if (err != MW_OK) {
        return err;
    }
    err = check_plain(reader, &event);
    if (err == MW_OK && event.type == YAML_SCALAR_EVENT) {
        err = read_scalar(reader, &event);
    } else if (err == MW_OK && event.type == YAML_SEQUENCE_START_EVENT) {
        err = read_sequence(reader);
    } else if (err == MW_OK && event.type == YAML_MAPPING_START_EVENT) {
        err = is_free(reader) || is_section(reader) ? read_mapping(reader, depth + 1)
                                                    : refuse_shape(reader, "keys below it");
    }
    yaml_event_delete(&event);
    return err;
}

/* Extends the dotted key by a key of the mapping. */
static mw_err enter_key(struct reader *reader, const yaml_event_t *event)
{
    mw_err err = check_plain(reader, event);
    if (err != MW_OK) {
        return err;
    }
    if (event->type != YAML_SCALAR_EVENT || event->data.scalar.length == 0) {
        return refuse(reader, line_of(event), MW_ERR_PARSE, "a key has to be a plain text");
    }
    size_t size = strlen(reader->key), added = event->data.scalar.length;
    if (size + 1 + added > KEY_LIMIT) {
        return refuse(reader, line_of(event), MW_ERR_TOO_LARGE, "a key is longer than 255 bytes");
    }
    if (size > 0) {
        reader->key[size++] = '.';
    }
    memcpy(reader->key + size, event->data.scalar.value, added);
    reader->key[size + added] = 0;
    reader->line = line_of(event);
    return remember(reader);
}

/* Reads the keys up to the end of a mapping whose start has been read. */
static mw_err read_mapping(struct reader *reader, unsigned depth)
{
    size_t size = strlen(reader->key);
    if (depth > DEPTH_LIMIT) {
        return refuse(reader, reader->line, MW_ERR_TOO_LARGE, "nested deeper than 16 levels");
    }
    for (;;) {
        yaml_event_t event;
        mw_err err = next_event(reader, &event);
        if (err != MW_OK) {
            return err;
        }
        bool last = event.type == YAML_MAPPING_END_EVENT;
        if (!last) {
            err = enter_key(reader, &event);
        }
        yaml_event_delete(&event);
        if (err == MW_OK && !last) {
            err = read_value(reader, depth);
        }
        if (err != MW_OK || last) {
            return err;
        }
        reader->key[size] = 0;
    }
}

/* ---- the file ---- */

static mw_err read_root(struct reader *reader, const yaml_event_t *event)
{
    mw_err err = check_plain(reader, event);
    if (err != MW_OK || is_null(event)) {
        return err;
    }
    if (event->type != YAML_MAPPING_START_EVENT) {
        return refuse(reader, line_of(event), MW_ERR_PARSE, "expected keys, as in \"key: value\"");
    }
    return read_mapping(reader, 1);
}

static mw_err read_stream(struct reader *reader)
{
    bool had_document = false;
    for (;;) {
        yaml_event_t event;
        mw_err err = next_event(reader, &event);
        if (err != MW_OK) {
            return err;
        }
        bool last = event.type == YAML_STREAM_END_EVENT;
        if (event.type == YAML_DOCUMENT_START_EVENT) {
            if (had_document) {
                err = refuse(reader, line_of(&event), MW_ERR_PARSE, "only one document is taken");
            }
            had_document = true;
        } else if (!last && event.type != YAML_STREAM_START_EVENT &&
                   event.type != YAML_DOCUMENT_END_EVENT) {
            err = read_root(reader, &event);
        }
        yaml_event_delete(&event);
        if (err != MW_OK || last) {
            return err;
        }
    }
}

mw_err mw_options_parse_yaml(const struct mw_option *table, void *values, const char *text,
                             size_t size, const char *path, const char *const *free_prefixes,
                             mw_options_free_fn *on_free, void *context, struct mw_error *error)
{
    mw_options_clear(table, values);
    mw_err err = mw_options_defaults(table, values, error);
    if (err != MW_OK) {
        return err;
    }
    if (size > FILE_LIMIT) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "%s: larger than 1 MiB", path);
    }
    struct reader reader = {.table = table,
                            .values = values,
                            .text = text,
                            .size = size,
                            .path = path,
                            .free_prefixes = free_prefixes,
                            .on_free = on_free,
                            .context = context,
                            .error = error};
    if (!yaml_parser_initialize(&reader.parser)) {
        return mw_error_set(error, MW_ERR_MEMORY, "%s: out of memory", path);
    }
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, size);
    err = read_stream(&reader);
    yaml_parser_delete(&reader.parser);
    for (size_t i = 0; i < reader.n_seen; i++) {
        free(reader.seen[i].key);
    }
    free(reader.seen);
    return err;
}

mw_err mw_options_read_yaml(const struct mw_option *table, void *values, const char *path,
                            const char *const *free_prefixes, mw_options_free_fn *on_free,
                            void *context, struct mw_error *error)
{
    struct mw_buffer buffer = {0};
    mw_err err = mw_file_read(path, FILE_LIMIT, &buffer, error);
    if (err == MW_OK) {
        err = mw_options_parse_yaml(table, values, buffer.data == NULL ? "" : buffer.data,
                                    buffer.size, path, free_prefixes, on_free, context, error);
    }
    mw_buffer_free(&buffer);
    return err;
}
