#include "tiers/training/catalog.h"

#include "lib/artifact/trust.h"
#include "tiers/training/in_use.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gather {
    struct mw_catalog *catalog;
    mw_err err;
};

/* The row of a digest, made when missing; NULL without memory. */
static struct mw_catalog_row *row_of(struct mw_catalog *catalog, const char *digest)
{
    for (size_t i = 0; i < catalog->n; i++) {
        if (strcmp(catalog->row[i].digest, digest) == 0) {
            return &catalog->row[i];
        }
    }
    struct mw_catalog_row *grown = realloc(catalog->row, (catalog->n + 1) * sizeof *catalog->row);
    if (grown == NULL) {
        return NULL;
    }
    catalog->row = grown;
    struct mw_catalog_row *row = &grown[catalog->n];
    *row = (struct mw_catalog_row){.tags = strdup(""), .name = strdup(""), .roc_auc = NAN};
    snprintf(row->digest, sizeof row->digest, "%s", digest);
    catalog->n++;
    return row->tags == NULL || row->name == NULL ? NULL : row;
}

static bool take_tag(void *context, const char *tag, const char *digest)
{
    struct gather *gather = context;
    struct mw_catalog_row *row = row_of(gather->catalog, digest);
    char *tags = NULL;
    if (row == NULL ||
        asprintf(&tags, "%s%s%s", row->tags, row->tags[0] == '\0' ? "" : ",", tag) < 0) {
        gather->err = MW_ERR_MEMORY;
        return false;
    }
    free(row->tags);
    row->tags = tags;
    return true;
}

/* Every name in targets; that metadata is not there yet is no error. */
static mw_err take_targets(struct mw_catalog *catalog, struct mw_store *store)
{
    struct mw_buffer text = {0};
    json_error_t why;
    const char *name;
    json_t *target;
    mw_err err = MW_OK;
    json_t *root = mw_trust_targets(store, &text, NULL) == MW_OK
                       ? json_loadb(text.data, text.size, 0, &why)
                       : NULL;
    json_object_foreach(json_object_get(json_object_get(root, "signed"), "targets"), name, target)
    {
        const char *hex =
            json_string_value(json_object_get(json_object_get(target, "hashes"), "sha256"));
        char digest[MW_DIGEST_TEXT];
        if (hex == NULL || strlen(hex) != 64) {
            continue;
        }
        snprintf(digest, sizeof digest, "sha256:%s", hex);
        struct mw_catalog_row *row = row_of(catalog, digest);
        char *copy = row == NULL ? NULL : strdup(name);
        if (copy == NULL) {
            err = MW_ERR_MEMORY;
            break;
        }
        free(row->name);
        row->name = copy;
    }
    json_decref(root);
    mw_buffer_free(&text);
    return err;
}

static mw_err fill(struct mw_catalog_row *row, const struct mw_plant *plant, struct mw_store *store,
                   struct mw_error *error)
{
    json_error_t why;
    mw_err err = mw_in_use_by_any(plant, row->digest, &row->in_use, error);
    if (err != MW_OK) {
        return err;
    }
    row->err = mw_bundle_get(store, row->digest, &row->bundle, &row->reason);
    if (row->err == MW_OK && row->bundle.metrics_json != NULL) {
        json_t *metrics = json_loads(row->bundle.metrics_json, 0, &why);
        const json_t *auc = json_object_get(metrics, "roc_auc");
        row->roc_auc = json_is_number(auc) ? json_number_value(auc) : NAN;
        json_decref(metrics);
    }
    mw_buffer_free(&row->bundle.int8_model);
    mw_buffer_free(&row->bundle.float_model);
    mw_buffer_free(&row->bundle.golden);
    return MW_OK;
}

static int by_age(const void *left, const void *right)
{
    const struct mw_catalog_row *a = left, *b = right;
    return (a->bundle.created < b->bundle.created) - (a->bundle.created > b->bundle.created);
}

mw_err mw_catalog_read(struct mw_catalog *catalog, const struct mw_plant *plant,
                       struct mw_error *error)
{
    struct mw_store *store = NULL;
    struct gather gather = {catalog, MW_OK};
    *catalog = (struct mw_catalog){0};
    mw_err err = mw_in_use_store(&store, plant, false, error);
    if (err != MW_OK) {
        return err;
    }
    err = mw_store_visit(store, take_tag, &gather, error);
    if (err == MW_OK) {
        err = gather.err == MW_OK ? take_targets(catalog, store) : gather.err;
        err = err == MW_OK ? MW_OK : mw_error_set(error, err, "out of memory");
    }
    for (size_t i = 0; err == MW_OK && i < catalog->n; i++) {
        err = fill(&catalog->row[i], plant, store, error);
    }
    mw_store_close(store);
    if (err != MW_OK) {
        mw_catalog_clear(catalog);
    } else if (catalog->n > 1) {
        qsort(catalog->row, catalog->n, sizeof *catalog->row, by_age);
    }
    return err;
}

void mw_catalog_clear(struct mw_catalog *catalog)
{
    for (size_t i = 0; i < catalog->n; i++) {
        free(catalog->row[i].tags);
        free(catalog->row[i].name);
        mw_bundle_clear(&catalog->row[i].bundle);
    }
    free(catalog->row);
    *catalog = (struct mw_catalog){0};
}

static bool has_tag(const struct mw_catalog_row *row, const char *tag)
{
    size_t length = strlen(tag);
    for (const char *at = row->tags; *at != '\0'; at += strcspn(at, ","), at += *at == ',') {
        if (strcspn(at, ",") == length && strncmp(at, tag, length) == 0) {
            return true;
        }
    }
    return false;
}

const struct mw_catalog_row *mw_catalog_find(const struct mw_catalog *catalog, const char *what,
                                             struct mw_error *error)
{
    const struct mw_catalog_row *found = NULL;
    const char *hex = strncmp(what, "sha256:", 7) == 0 ? what + 7 : what;
    for (size_t i = 0; i < catalog->n; i++) {
        if (has_tag(&catalog->row[i], what)) {
            return &catalog->row[i];
        }
    }
    for (size_t i = 0; i < catalog->n && strlen(hex) >= 6; i++) {
        if (strncmp(catalog->row[i].digest + 7, hex, strlen(hex)) == 0) {
            if (found != NULL) {
                mw_error_set(error, MW_ERR_ARGUMENT, "%s: several bundles begin so", what);
                return NULL;
            }
            found = &catalog->row[i];
        }
    }
    if (found == NULL) {
        mw_error_set(error, MW_ERR_NOT_FOUND,
                     "%s: no bundle of that tag or digest; 'millwright model list' shows all",
                     what);
    }
    return found;
}
