/* cmd_model.c - what models the plant has: list and show. */
#include "cli/command.h"
#include "cli/open_plant.h"
#include "lib/artifact/trust.h"
#include "lib/base/clock.h"
#include "lib/plant/plant.h"
#include "tiers/training/catalog.h"
#include "tiers/training/in_use.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct values {
    char *config;
    bool json;
};

static const struct mw_option options[] = {
    MW_OPTION_CONFIG(struct values),
    {"json", MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, "print as JSON",
     offsetof(struct values, json)},
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0},
};

static mw_err print_root(json_t *root, struct mw_error *error)
{
    char *text = root == NULL ? NULL : json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(15));
    json_decref(root);
    if (text == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    puts(text);
    free(text);
    return MW_OK;
}

static json_t *row_json(const struct mw_catalog_row *row)
{
    json_t *one = json_pack("{s:s,s:s,s:s,s:b}", "digest", row->digest, "tags", row->tags, "name",
                            row->name, "in_use", (int)row->in_use);
    if (one != NULL && row->err == MW_OK) {
        json_object_set_new(one, "kind", json_string(row->bundle.kind));
        json_object_set_new(one, "created", json_real((double)row->bundle.created / 1e6));
        json_object_set_new(one, "roc_auc",
                            isnan(row->roc_auc) ? json_null() : json_real(row->roc_auc));
        if (row->bundle.machine != NULL) {
            json_object_set_new(one, "machine", json_string(row->bundle.machine));
        }
    } else if (one != NULL) {
        json_object_set_new(one, "reason", json_string(row->reason.text));
    }
    return one;
}

static void print_rows(const struct mw_catalog *catalog)
{
    printf("%-19s  %-16s  %-11s  %-24s  %7s  %s\n", "bundle", "tag", "kind", "created", "AUC",
           "state");
    for (size_t i = 0; i < catalog->n; i++) {
        const struct mw_catalog_row *row = &catalog->row[i];
        char created[32] = "-", auc[16] = "-";
        if (row->err == MW_OK) {
            mw_clock_print(created, row->bundle.created);
        }
        if (!isnan(row->roc_auc)) {
            snprintf(auc, sizeof auc, "%.4f", row->roc_auc);
        }
        printf("%-19.19s  %-16s  %-11s  %-24s  %7s  %s%s\n", row->digest,
               row->tags[0] == '\0' ? "-" : row->tags,
               row->err == MW_OK ? row->bundle.kind : "unreadable", created, auc,
               row->in_use            ? "in use"
               : row->name[0] == '\0' ? "not signed"
                                      : "",
               row->in_use && row->name[0] == '\0' ? ", not signed" : "");
    }
}

static mw_err list(const struct values *v, const struct mw_catalog *catalog, struct mw_error *error)
{
    if (!v->json) {
        print_rows(catalog);
        return MW_OK;
    }
    json_t *rows = json_array();
    for (size_t i = 0; i < catalog->n; i++) {
        json_array_append_new(rows, row_json(&catalog->row[i]));
    }
    return print_root(json_pack("{s:o}", "bundles", rows), error);
}

/* --- show --- */

static void print_pairs(const char *title, const char *text)
{
    const char *name;
    json_t *value, *root = text == NULL ? NULL : json_loads(text, 0, NULL);
    json_object_foreach(root, name, value)
    {
        char *plain =
            json_is_string(value)
                ? NULL
                : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));
        printf("%-12s  %-18s %s\n", title, name, plain == NULL ? json_string_value(value) : plain);
        free(plain);
        title = "";
    }
    json_decref(root);
}

static void print_bundle(const struct mw_catalog_row *row, const char *signature)
{
    const struct mw_bundle *b = &row->bundle;
    char created[32];
    mw_clock_print(created, b->created);
    printf("%-12s  %s\n%-12s  %s, %s\n", "bundle", row->digest, "state",
           row->in_use ? "in use" : "not in use", signature);
    printf("%-12s  %s\n", "tags", row->tags);
    printf("%-12s  %s%s%s\n", "kind", b->kind, b->machine == NULL ? "" : ", for machine ",
           b->machine == NULL ? "" : b->machine);
    printf("%-12s  %s by millwright %s, seed %" PRId64 "\n", "made", created, b->code, b->seed);
    printf("%-12s  %s\n%-12s  %s\n", "dataset", b->dataset, "replaces",
           b->parent == NULL ? "-" : b->parent);
    printf("%-12s  %.6g s\n%-12s  %.6g\n%-12s  %.6f of ROC AUC\n", "horizon",
           (double)b->horizon / 1e6, "base rate", b->base_rate, "int8 loses", b->int8_auc_loss);
    for (size_t i = 0; i < b->n_features; i++) {
        printf("%-12s  %-32s reference %.6g, deviation %.6g\n", i == 0 ? "features" : "",
               b->features[i], (double)b->reference_mean[i], (double)b->reference_std[i]);
    }
    print_pairs("gates", b->gates_json);
    print_pairs("metrics", b->metrics_json);
}

static mw_err print_bundle_json(const struct mw_catalog_row *row, const char *signature,
                                struct mw_error *error)
{
    struct mw_buffer manifest = {0};
    mw_err err = mw_bundle_print_json(&row->bundle, &manifest);
    if (err != MW_OK) {
        return mw_error_set(error, err, "bundle.json");
    }
    json_t *root = row_json(row);
    json_object_set_new(root, "signature", json_string(signature));
    json_object_set_new(root, "manifest", json_loadb(manifest.data, manifest.size, 0, NULL));
    mw_buffer_free(&manifest);
    return print_root(root, error);
}

/* "signed by key ..." or why not. */
static void describe_signature(const struct mw_plant *plant, const char *digest, char *text,
                               size_t size)
{
    struct mw_store *store = NULL;
    struct mw_error why = {0};
    char key[MW_DIGEST_TEXT] = "";
    mw_err err = mw_in_use_store(&store, plant, false, &why);
    err = err == MW_OK ? mw_trust_verify(store, digest, &why) : err;
    err = err == MW_OK ? mw_trust_signer(store, key, &why) : err;
    if (err == MW_OK) {
        snprintf(text, size, "signed by key %.16s", key);
    } else {
        snprintf(text, size, "NOT verified: %s", why.text);
    }
    mw_store_close(store);
}

static mw_err show(const struct values *v, const struct mw_plant *plant,
                   const struct mw_catalog *catalog, const char *what, struct mw_error *error)
{
    char signature[MW_ERROR_TEXT + 32];
    const struct mw_catalog_row *row = mw_catalog_find(catalog, what, error);
    if (row == NULL) {
        return error->code;
    }
    if (row->err != MW_OK) {
        *error = row->reason;
        return mw_error_wrap(error, "%s", row->digest);
    }
    describe_signature(plant, row->digest, signature, sizeof signature);
    if (v->json) {
        return print_bundle_json(row, signature, error);
    }
    print_bundle(row, signature);
    return MW_OK;
}

static int run(const struct values *v, const char *what, struct mw_error *error)
{
    struct mw_plant plant;
    struct mw_catalog catalog = {0};
    mw_err err = mw_open_plant(&plant, v->config, error);
    if (err != MW_OK) {
        return mw_error_exit_status(err);
    }
    err = mw_catalog_read(&catalog, &plant, error);
    if (err == MW_ERR_NOT_FOUND && what == NULL) { /* nothing was ever published: an empty list */
        *error = (struct mw_error){0};
        err = MW_OK;
    }
    if (err == MW_OK) {
        err = what == NULL ? list(v, &catalog, error) : show(v, &plant, &catalog, what, error);
    }
    mw_catalog_clear(&catalog);
    mw_plant_clear(&plant);
    return mw_error_exit_status(err);
}

static int run_list(void *values, int n, char **argv, struct mw_error *error)
{
    (void)n;
    (void)argv;
    return run(values, NULL, error);
}

static int run_show(void *values, int n, char **argv, struct mw_error *error)
{
    return n != 1 ? mw_error_exit_status(
                        mw_error_set(error, MW_ERR_ARGUMENT, "one tag or digest is needed"))
                  : run(values, argv[0], error);
}

const struct mw_subcommand mw_command_model_list = {
    .name = "model list",
    .synopsis = "-c plant.yaml [--json]",
    .summary = "the models that the plant has, newest first",
    .shorts = "c=config",
    .options = options,
    .values_size = sizeof(struct values),
    .run = run_list,
};

const struct mw_subcommand mw_command_model_show = {
    .name = "model show",
    .synopsis = "-c plant.yaml TAG|DIGEST [--json]",
    .summary = "a model's features, lineage, gates, figures and signature",
    .shorts = "c=config",
    .options = options,
    .values_size = sizeof(struct values),
    .run = run_show,
    .positional = true,
};
