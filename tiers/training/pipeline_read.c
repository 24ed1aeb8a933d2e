/* pipeline_read.c - pipeline.yaml: the strict door, and the order of the steps. */
#include "tiers/training/pipeline.h"

#include "core/wire/message.h"
#include "lib/base/file.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the one being looked at; valid when `held` */
    bool held;
    const char *path;
    struct mw_pipeline *pipeline;
    struct mw_error *error;
};

__attribute__((format(printf, 4, 5))) static mw_err refuse(struct reader *r, unsigned line,
                                                           mw_err code, const char *format, ...)
{
    char text[384];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return mw_error_set(r->error, code, "%s:%u: %s", r->path, line, text);
}

static unsigned line_of(const struct reader *r)
{
    return (unsigned)r->event.start_mark.line + 1;
}

/* Moves to the next event; aliases, anchors and tags are refused wherever they stand. */
static mw_err next(struct reader *r)
{
    if (r->held) {
        yaml_event_delete(&r->event);
        r->held = false;
    }
    if (!yaml_parser_parse(&r->parser, &r->event)) {
        return refuse(r, (unsigned)r->parser.problem_mark.line + 1,
                      r->parser.error == YAML_MEMORY_ERROR ? MW_ERR_MEMORY : MW_ERR_PARSE, "%s",
                      r->parser.problem == NULL ? "broken YAML" : r->parser.problem);
    }
    r->held = true;
    const yaml_event_t *e = &r->event;
    bool odd = e->type == YAML_ALIAS_EVENT ||
               (e->type == YAML_SCALAR_EVENT &&
                (e->data.scalar.anchor != NULL || e->data.scalar.tag != NULL)) ||
               (e->type == YAML_SEQUENCE_START_EVENT &&
                (e->data.sequence_start.anchor != NULL || e->data.sequence_start.tag != NULL)) ||
               (e->type == YAML_MAPPING_START_EVENT &&
                (e->data.mapping_start.anchor != NULL || e->data.mapping_start.tag != NULL));
    return odd ? refuse(r, line_of(r), MW_ERR_PARSE, "anchors, aliases and tags are not taken")
               : MW_OK;
}

static mw_err expect(struct reader *r, yaml_event_type_t type, const char *what)
{
    mw_err err = next(r);
    return err != MW_OK || r->event.type == type
               ? err
               : refuse(r, line_of(r), MW_ERR_PARSE, "%s was expected", what);
}

/* The scalar being looked at, copied. Text with a NUL in it is refused. */
static mw_err take_scalar(struct reader *r, const char *what, char **text)
{
    if (r->event.type != YAML_SCALAR_EVENT) {
        return refuse(r, line_of(r), MW_ERR_PARSE, "%s was expected", what);
    }
    const char *value = (const char *)r->event.data.scalar.value;
    size_t size = r->event.data.scalar.length;
    if (memchr(value, 0, size) != NULL) {
        return refuse(r, line_of(r), MW_ERR_PARSE, "a NUL character");
    }
    *text = strndup(value, size);
    return *text == NULL ? refuse(r, line_of(r), MW_ERR_MEMORY, "out of memory") : MW_OK;
}

static mw_err read_list(struct reader *r, const char *what, size_t most, struct mw_list *list)
{
    mw_err err = expect(r, YAML_SEQUENCE_START_EVENT, what);
    if (err != MW_OK) {
        return err;
    }
    list->item = calloc(most, sizeof *list->item);
    if (list->item == NULL) {
        return refuse(r, line_of(r), MW_ERR_MEMORY, "out of memory");
    }
    while ((err = next(r)) == MW_OK && r->event.type != YAML_SEQUENCE_END_EVENT) {
        if (list->n == most) {
            return refuse(r, line_of(r), MW_ERR_TOO_LARGE, "more than %zu items", most);
        }
        err = take_scalar(r, what, &list->item[list->n]);
        if (err != MW_OK) {
            return err;
        }
        list->n++;
    }
    return err;
}

static void free_list(struct mw_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        free(list->item[i]);
    }
    free(list->item);
    *list = (struct mw_list){0};
}

/* --- the keys of a step --- */

static mw_err read_name(struct reader *r, struct mw_pipeline_step *step)
{
    mw_err err = next(r);
    err = err == MW_OK ? take_scalar(r, "a name", &step->name) : err;
    if (err == MW_OK && !mw_name_valid(mw_span_of(step->name))) {
        err = refuse(r, line_of(r), MW_ERR_PARSE, "name: '%.80s' does not match [a-z0-9-]{1,63}",
                     step->name);
    }
    for (size_t i = 0; err == MW_OK && i < r->pipeline->n; i++) {
        const struct mw_pipeline_step *other = &r->pipeline->step[i];
        if (other != step && other->name != NULL && strcmp(other->name, step->name) == 0) {
            err = refuse(r, line_of(r), MW_ERR_PARSE, "name: %s is there already, on line %u",
                         step->name, other->line);
        }
    }
    step->line = line_of(r);
    return err;
}

/* A pipeline with a mistyped variable is refused before anything runs. */
static mw_err check_variables(struct reader *r, unsigned line, const char *argument)
{
    static char known[] = "x"; /* every variable has a value for this check */
    char *values[MW_PIPELINE_VARIABLES], *text = NULL;
    struct mw_error why = {0};
    for (size_t i = 0; i < MW_PIPELINE_VARIABLES; i++) {
        values[i] = known;
    }
    mw_err err = mw_pipeline_expand(argument, values, &text, &why);
    free(text);
    return err == MW_OK ? MW_OK : refuse(r, line, MW_ERR_PARSE, "%.300s", why.text);
}

static mw_err read_run(struct reader *r, struct mw_pipeline_step *step)
{
    mw_err err = read_list(r, "a list of arguments", MW_PIPELINE_ARGUMENTS_MAX, &step->run);
    if (err == MW_OK && step->run.n == 0) {
        err = refuse(r, line_of(r), MW_ERR_PARSE, "run: a subcommand was expected");
    }
    for (size_t i = 0; err == MW_OK && i < step->run.n; i++) {
        err = check_variables(r, line_of(r), step->run.item[i]);
    }
    return err;
}

static mw_err read_accept(struct reader *r, struct mw_pipeline_step *step)
{
    struct mw_list codes = {0};
    mw_err err = read_list(r, "a list of exit codes", 256, &codes);
    for (size_t i = 0; err == MW_OK && i < codes.n; i++) {
        char *end;
        long code = strtol(codes.item[i], &end, 10);
        if (end == codes.item[i] || *end != '\0' || code < 0 || code > 255) {
            err = refuse(r, line_of(r), MW_ERR_PARSE, "accept: %.40s is no exit code (0 to 255)",
                         codes.item[i]);
        } else {
            step->accept[code] = true;
        }
    }
    free_list(&codes);
    return err;
}

static mw_err read_when(struct reader *r, struct mw_pipeline_step *step)
{
    mw_err err = next(r);
    err = err == MW_OK ? take_scalar(r, "a variable", &step->when) : err;
    if (err == MW_OK && mw_pipeline_find_variable(mw_span_of(step->when)) < 0) {
        err = refuse(r, line_of(r), MW_ERR_PARSE, "when: %.80s is no variable", step->when);
    }
    return err;
}

/* A class, or a resource of Kubernetes with its domain. */
static bool is_accelerator(const char *text)
{
    size_t size = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-./");
    return size > 0 && size <= 63 && text[size] == '\0' && strchr("-./", text[0]) == NULL &&
           strchr("-./", text[size - 1]) == NULL && strchr(text, '/') == strrchr(text, '/');
}

static mw_err read_accelerator(struct reader *r, struct mw_pipeline_step *step)
{
    mw_err err = next(r);
    err = err == MW_OK ? take_scalar(r, "an accelerator", &step->accelerator) : err;
    if (err == MW_OK && !is_accelerator(step->accelerator)) {
        return refuse(r, line_of(r), MW_ERR_PARSE,
                      "accelerator: '%.80s' is none, as cpu, edgetpu or nvidia.com/gpu are",
                      step->accelerator);
    }
    if (err == MW_OK && strcmp(step->accelerator, "cpu") == 0) {
        free(step->accelerator);
        step->accelerator = NULL;
    }
    return err;
}

static const char *const keys[] = {"name", "needs", "when", "accelerator", "accept", "run"};
enum { KEYS = sizeof keys / sizeof *keys };

static mw_err read_value(struct reader *r, size_t key, struct mw_pipeline_step *step)
{
    switch (key) {
    case 0:
        return read_name(r, step);
    case 1:
        return read_list(r, "a list of steps", MW_PIPELINE_STEPS_MAX, &step->needs);
    case 2:
        return read_when(r, step);
    case 3:
        return read_accelerator(r, step);
    case 4:
        return read_accept(r, step);
    default:
        return read_run(r, step);
    }
}

static mw_err read_step(struct reader *r, struct mw_pipeline_step *step)
{
    bool given[KEYS] = {false};
    unsigned start = line_of(r);
    mw_err err = MW_OK;
    while (err == MW_OK && (err = next(r)) == MW_OK && r->event.type != YAML_MAPPING_END_EVENT) {
        char *text = NULL;
        size_t key = 0;
        unsigned line = line_of(r);
        err = take_scalar(r, "a key", &text);
        while (err == MW_OK && key < KEYS && strcmp(text, keys[key]) != 0) {
            key++;
        }
        if (err == MW_OK && (key == KEYS || given[key])) {
            err = refuse(r, line, MW_ERR_PARSE,
                         key == KEYS ? "%.80s: a step has name, needs, when, accelerator, accept "
                                       "and run"
                                     : "%.80s: given twice",
                         text);
        }
        free(text);
        if (err == MW_OK) {
            given[key] = true;
            err = read_value(r, key, step);
        }
    }
    if (err == MW_OK && (!given[0] || !given[KEYS - 1])) {
        err = refuse(r, start, MW_ERR_PARSE, "a step needs a name and run");
    }
    step->accept[0] = step->accept[0] || !given[4];
    return err;
}

static mw_err read_steps(struct reader *r)
{
    struct mw_pipeline *pipeline = r->pipeline;
    mw_err err = expect(r, YAML_STREAM_START_EVENT, "YAML");
    err = err == MW_OK ? expect(r, YAML_DOCUMENT_START_EVENT, "'steps:'") : err;
    err = err == MW_OK ? expect(r, YAML_MAPPING_START_EVENT, "'steps:'") : err;
    err = err == MW_OK ? expect(r, YAML_SCALAR_EVENT, "'steps:'") : err;
    if (err == MW_OK && strcmp((const char *)r->event.data.scalar.value, "steps") != 0) {
        err = refuse(r, line_of(r), MW_ERR_PARSE, "'steps:' was expected");
    }
    err = err == MW_OK ? expect(r, YAML_SEQUENCE_START_EVENT, "a list of steps") : err;
    pipeline->step = calloc(MW_PIPELINE_STEPS_MAX, sizeof *pipeline->step);
    if (err == MW_OK && pipeline->step == NULL) {
        err = refuse(r, line_of(r), MW_ERR_MEMORY, "out of memory");
    }
    while (err == MW_OK && (err = next(r)) == MW_OK && r->event.type != YAML_SEQUENCE_END_EVENT) {
        if (r->event.type != YAML_MAPPING_START_EVENT) {
            err = refuse(r, line_of(r), MW_ERR_PARSE, "a step was expected");
        } else if (pipeline->n == MW_PIPELINE_STEPS_MAX) {
            err = refuse(r, line_of(r), MW_ERR_TOO_LARGE, "more than %d steps",
                         MW_PIPELINE_STEPS_MAX);
        } else {
            err = read_step(r, &pipeline->step[pipeline->n++]);
        }
    }
    if (err == MW_OK && pipeline->n == 0) {
        err = refuse(r, line_of(r), MW_ERR_PARSE, "a pipeline without a step");
    }
    err = err == MW_OK ? expect(r, YAML_MAPPING_END_EVENT, "nothing beside 'steps:'") : err;
    err = err == MW_OK ? expect(r, YAML_DOCUMENT_END_EVENT, "the end") : err;
    return err == MW_OK ? expect(r, YAML_STREAM_END_EVENT, "one document") : err;
}

/* --- the order --- */

static size_t find_step(const struct mw_pipeline *pipeline, const char *name)
{
    size_t i = 0;
    while (i < pipeline->n && strcmp(pipeline->step[i].name, name) != 0) {
        i++;
    }
    return i;
}

/* Moves the first step whose needs are all among the first `placed` to their end. Keeps the order
 * of the file where that is one. */
static mw_err order(struct reader *r)
{
    struct mw_pipeline *pipeline = r->pipeline;
    for (size_t i = 0; i < pipeline->n; i++) {
        const struct mw_pipeline_step *step = &pipeline->step[i];
        for (size_t k = 0; k < step->needs.n; k++) {
            if (find_step(pipeline, step->needs.item[k]) == pipeline->n) {
                return refuse(r, step->line, MW_ERR_PARSE, "%s needs %.80s, which is no step",
                              step->name, step->needs.item[k]);
            }
        }
    }
    for (size_t placed = 0; placed < pipeline->n; placed++) {
        size_t at = placed;
        for (bool ready = false; at < pipeline->n && !ready; at += !ready) {
            ready = true;
            for (size_t k = 0; k < pipeline->step[at].needs.n; k++) {
                ready = ready && find_step(pipeline, pipeline->step[at].needs.item[k]) < placed;
            }
        }
        if (at == pipeline->n) {
            return refuse(r, pipeline->step[placed].line, MW_ERR_PARSE,
                          "%s waits for a step that waits for it: a cycle",
                          pipeline->step[placed].name);
        }
        struct mw_pipeline_step step = pipeline->step[at];
        memmove(&pipeline->step[placed + 1], &pipeline->step[placed],
                (at - placed) * sizeof *pipeline->step);
        pipeline->step[placed] = step;
    }
    return MW_OK;
}

/* --- in and out --- */

mw_err mw_pipeline_parse(struct mw_pipeline *pipeline, const char *text, size_t size,
                         const char *path, struct mw_error *error)
{
    struct reader r = {.path = path, .pipeline = pipeline, .error = error};
    *pipeline = (struct mw_pipeline){0};
    if (size > MW_PIPELINE_TEXT_MAX) {
        return refuse(&r, 1, MW_ERR_TOO_LARGE, "more than %d bytes", MW_PIPELINE_TEXT_MAX);
    }
    if (!yaml_parser_initialize(&r.parser)) {
        return refuse(&r, 1, MW_ERR_MEMORY, "out of memory");
    }
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, size);
    mw_err err = read_steps(&r);
    if (r.held) {
        yaml_event_delete(&r.event);
        r.held = false;
    }
    yaml_parser_delete(&r.parser);
    err = err == MW_OK ? order(&r) : err;
    if (err != MW_OK) {
        mw_pipeline_clear(pipeline);
    }
    return err;
}

mw_err mw_pipeline_read(struct mw_pipeline *pipeline, const char *path, struct mw_error *error)
{
    struct mw_buffer text = {0};
    *pipeline = (struct mw_pipeline){0};
    if (path == NULL) {
        return mw_pipeline_parse(pipeline, mw_pipeline_default, strlen(mw_pipeline_default),
                                 "default pipeline", error);
    }
    mw_err err = mw_file_read(path, MW_PIPELINE_TEXT_MAX, &text, error);
    if (err == MW_OK) {
        err = mw_pipeline_parse(pipeline, text.size == 0 ? "" : text.data, text.size, path, error);
    }
    mw_buffer_free(&text);
    return err;
}

void mw_pipeline_clear(struct mw_pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->n; i++) {
        struct mw_pipeline_step *step = &pipeline->step[i];
        free(step->name);
        free(step->when);
        free(step->accelerator);
        free_list(&step->run);
        free_list(&step->needs);
    }
    free(pipeline->step);
    *pipeline = (struct mw_pipeline){0};
}
