/* recording_open.c - the files of a recording, what their devices are called, and their columns. */
#include "tiers/iot/recording_internal.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- columns --- */

static bool given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static mw_err find_column(struct mw_recording *r, const char *name, size_t *column,
                          struct mw_error *error)
{
    *column = MW_RECORDING_NONE;
    return given(name) ? mw_csv_column(r->csv, name, column, error) : MW_OK;
}

static bool is_feature(const struct mw_recording *r, size_t column)
{
    const char *label = r->plant->columns.label;
    bool taken = column == r->device || column == r->machine || column == r->time ||
                 column == r->failure || column == r->finding;
    return !taken && !(given(label) && mw_span_is(mw_csv_name(r->csv, column), label));
}

/* The kept copy of a name. */
static const char *intern(struct mw_recording *r, struct mw_span name)
{
    for (size_t i = 0; i < r->n_interned; i++) {
        if (mw_span_is(name, r->interned[i])) {
            return r->interned[i];
        }
    }
    char **grown = realloc(r->interned, (r->n_interned + 1) * sizeof *grown);
    if (grown == NULL) {
        return NULL;
    }
    r->interned = grown;
    grown[r->n_interned] = strndup(name.data, name.size);
    return grown[r->n_interned] == NULL ? NULL : grown[r->n_interned++];
}

static mw_err add_feature(struct mw_recording *r, size_t column, struct mw_span name,
                          struct mw_error *error)
{
    if (r->n_features == MW_FEATURES_MAX) {
        return mw_error_set(error, MW_ERR_TOO_LARGE,
                            "%s: more than %d features; name the wanted ones in columns.features",
                            r->path[r->at], MW_FEATURES_MAX);
    }
    if (!mw_feature_name_valid(name)) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "%s: column %zu: \"%.*s\" cannot be the name of a feature: 1 to %d "
                            "bytes without quotes and backslashes were expected; give it another "
                            "one in columns.names",
                            r->path[r->at], column + 1, (int)(name.size < 80 ? name.size : 80),
                            name.data, MW_FEATURE_NAME_MAX);
    }
    const char *kept = intern(r, name);
    if (kept == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    r->name[r->n_features] = (struct mw_span){kept, name.size};
    r->feature[r->n_features++] = column;
    return MW_OK;
}

static mw_err find_features(struct mw_recording *r, struct mw_error *error)
{
    const struct mw_list *wanted = &r->plant->columns.features;
    const struct mw_list *names = &r->plant->columns.names;
    mw_err err = MW_OK;
    r->n_features = 0;
    for (size_t i = 0; err == MW_OK && i < wanted->n; i++) {
        size_t column;
        err = mw_csv_column(r->csv, wanted->item[i], &column, error);
        if (err == MW_OK) {
            err = add_feature(r, column,
                              mw_span_of(names->n > 0 ? names->item[i] : wanted->item[i]), error);
        }
    }
    for (size_t i = 0; err == MW_OK && wanted->n == 0 && i < mw_csv_columns(r->csv); i++) {
        if (is_feature(r, i)) {
            err = add_feature(r, i, mw_csv_name(r->csv, i), error);
        }
    }
    return err;
}

/* --- files --- */

/* The file's name without folders and extension. */
static struct mw_span stem_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash == NULL ? path : slash + 1;
    return (struct mw_span){base, strcspn(base, ".")};
}

/* The name of the folder that the file is in; empty when the path does not say. */
static struct mw_span folder_of(const char *path)
{
    const char *end = strrchr(path, '/');
    const char *begin = end;
    while (begin != NULL && begin > path && begin[-1] != '/') {
        begin--;
    }
    return (struct mw_span){begin, begin == NULL ? 0 : (size_t)(end - begin)};
}

/* Two devices must not share a name, or their rows would be taken for one. */
static mw_err check_stems(struct mw_recording *r, struct mw_error *error)
{
    for (size_t i = 0; !given(r->plant->columns.device) && i < r->n_paths; i++) {
        for (size_t j = 0; j < i; j++) {
            if (!mw_span_equal(stem_of(r->path[i]), stem_of(r->path[j]))) {
                continue;
            }
            if (mw_span_equal(folder_of(r->path[i]), folder_of(r->path[j]))) {
                return mw_error_set(error, MW_ERR_ARGUMENT,
                                    "%s and %s would be the same device: name a column in "
                                    "columns.device, or one of the files anew",
                                    r->path[j], r->path[i]);
            }
            r->folders = true;
        }
    }
    if (r->folders) {
        mw_log(MW_LOG_INFO, NULL, "files are called the same, so devices are called FOLDER-FILE",
               MW_KI("files", r->n_paths));
    }
    return MW_OK;
}

static mw_err name_file(struct mw_recording *r, struct mw_error *error)
{
    struct mw_span stem = stem_of(r->path[r->at]), folder = folder_of(r->path[r->at]);
    if (stem.size > MW_NAME_MAX || folder.size > MW_NAME_MAX) {
        return given(r->plant->columns.device)
                   ? MW_OK
                   : mw_error_set(error, MW_ERR_PARSE,
                                  "%s: a name of at most %d characters was expected",
                                  r->path[r->at], MW_NAME_MAX);
    }
    bool both = r->folders && folder.size > 0;
    snprintf(r->stem, sizeof r->stem, "%.*s%s%.*s", both ? (int)folder.size : 0, folder.data,
             both ? "-" : "", (int)stem.size, stem.data);
    return MW_OK;
}

static mw_err find_columns(struct mw_recording *r, struct mw_error *error)
{
    const char *failure = r->plant->columns.failure;
    r->ends_fail = given(failure) && strcmp(failure, "end") == 0;
    const struct {
        const char *name;
        size_t *column;
    } wanted[] = {{r->plant->columns.device, &r->device},
                  {r->plant->columns.machine, &r->machine},
                  {r->plant->columns.time, &r->time},
                  {r->ends_fail ? NULL : failure, &r->failure},
                  {r->plant->columns.finding, &r->finding}};
    mw_err err = MW_OK;
    for (size_t i = 0; err == MW_OK && i < sizeof wanted / sizeof *wanted; i++) {
        err = find_column(r, wanted[i].name, wanted[i].column, error);
    }
    return err == MW_OK ? find_features(r, error) : err;
}

mw_err mw_recording_open_file(struct mw_recording *r, struct mw_error *error)
{
    static const char delimiter[] = {0, ',', ';', '\t', ' '};
    struct mw_csv_format format = {delimiter[r->plant->columns.delimiter],
                                   r->plant->columns.decimal == 0 ? '.' : ',',
                                   r->plant->columns.header};
    mw_err err = name_file(r, error);
    if (err == MW_OK) {
        err = mw_csv_open(&r->csv, r->path[r->at], format, error);
    }
    return err == MW_OK ? find_columns(r, error) : err;
}

static mw_err read_start(struct mw_recording *r, struct mw_error *error)
{
    const char *start = r->plant->columns.start;
    if (!given(start)) {
        return MW_OK;
    }
    mw_err err = mw_clock_parse(mw_span_of(start), &r->start);
    return err == MW_OK ? MW_OK
                        : mw_error_set(error, err,
                                       "columns.start: \"%s\": a date like 2026-01-31, or with "
                                       "T08:30:00 behind it, was expected",
                                       start);
}

mw_err mw_recording_open(struct mw_recording **out, const struct mw_plant *plant,
                         char *const *paths, size_t n, struct mw_error *error)
{
    *out = NULL;
    if (n == 0) {
        return mw_error_set(error, MW_ERR_ARGUMENT, "at least one CSV file was expected");
    }
    struct mw_recording *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    r->plant = plant;
    r->path = paths;
    r->n_paths = n;
    mw_err err = read_start(r, error);
    if (err == MW_OK) {
        err = check_stems(r, error);
    }
    if (err == MW_OK) {
        err = mw_recording_open_file(r, error);
    }
    if (err != MW_OK) {
        mw_recording_close(r);
        return err;
    }
    *out = r;
    return MW_OK;
}

void mw_recording_close(struct mw_recording *r)
{
    if (r == NULL) {
        return;
    }
    mw_csv_close(r->csv);
    for (size_t i = 0; i < r->n_interned; i++) {
        free(r->interned[i]);
    }
    free(r->interned);
    for (size_t i = 0; i < r->ended.capacity; i++) {
        free(r->ended.entry[i].value);
    }
    mw_name_map_free(&r->ended);
    free(r);
}
