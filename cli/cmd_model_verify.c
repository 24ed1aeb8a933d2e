/* cmd_model_verify.c - may this model run here? */
#include "cli/command.h"
#include "cli/open_plant.h"
#include "core/model/model.h"
#include "lib/artifact/trust.h"
#include "lib/plant/plant.h"
#include "tiers/training/catalog.h"
#include "tiers/training/in_use.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (64U << 20)
#define NO_PLANT "plant.yaml"

struct values {
    char *config;
    bool json;
};

static const struct mw_option options[] = {
    {"config", MW_OPTION_STRING, NULL, 0, 0, NULL, NULL,
     "description of the plant; default " NO_PLANT " for a tag or digest, none for a file",
     offsetof(struct values, config)},
    {"json", MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, "print the answer as JSON",
     offsetof(struct values, json)},
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0},
};

/* Signature chain, then every hash, then the golden vectors. */
static mw_err prove(struct mw_store *store, const char *digest, bool *is_signed,
                    struct mw_error *why)
{
    struct mw_bundle bundle = {0};
    struct mw_runner runner = {0};
    mw_err err = mw_trust_verify(store, digest, why);
    *is_signed = err == MW_OK;
    err = err == MW_OK ? mw_bundle_get(store, digest, &bundle, why) : err;
    err = err == MW_OK ? mw_runner_init(&runner, &bundle, why) : err;
    mw_runner_clear(&runner);
    mw_bundle_clear(&bundle);
    return err;
}

/* Can the engine run the file at all? */
static mw_err check_file(const char *path, struct mw_buffer *file, struct mw_error *error,
                         struct mw_error *refusal)
{
    struct mw_why why = {0};
    struct mw_model *model = NULL;
    size_t bytes = 0;
    mw_err err = mw_file_read(path, FILE_MAX, file, error);
    if (err != MW_OK) {
        return err;
    }
    void *memory = NULL;
    err = mw_model_size(file->data, file->size, &bytes, &why);
    if (err == MW_OK) {
        size_t whole = (bytes + MW_MODEL_ALIGN - 1) / MW_MODEL_ALIGN * MW_MODEL_ALIGN;
        memory = aligned_alloc(MW_MODEL_ALIGN, whole);
        err = memory == NULL ? MW_ERR_MEMORY
                             : mw_model_init(memory, bytes, file->data, file->size, &model, &why);
    }
    if (err != MW_OK) {
        (void)mw_error_why(refusal, err, &why, "operator or byte");
    }
    free(memory);
    return MW_OK;
}

/* The digest of the signed bundle that holds this very file; NOT_FOUND in *refusal. */
static mw_err find_owner(const struct mw_plant *plant, const struct mw_buffer *file,
                         char digest[MW_DIGEST_TEXT], struct mw_error *error,
                         struct mw_error *refusal)
{
    struct mw_catalog catalog = {0};
    struct mw_store *store = NULL;
    mw_err err = mw_catalog_read(&catalog, plant, error);
    err = err == MW_OK ? mw_in_use_store(&store, plant, false, error) : err;
    digest[0] = '\0';
    for (size_t i = 0; err == MW_OK && i < catalog.n && digest[0] == '\0'; i++) {
        struct mw_bundle bundle = {0};
        if (catalog.row[i].name[0] != '\0' &&
            mw_bundle_get(store, catalog.row[i].digest, &bundle, NULL) == MW_OK) {
            const struct mw_buffer *layers[] = {&bundle.int8_model, &bundle.float_model};
            for (size_t k = 0; k < 2; k++) {
                if (layers[k]->size == file->size &&
                    memcmp(layers[k]->data, file->data, file->size) == 0) {
                    memcpy(digest, catalog.row[i].digest, sizeof catalog.row[i].digest);
                }
            }
        }
        mw_bundle_clear(&bundle);
    }
    mw_store_close(store);
    mw_catalog_clear(&catalog);
    if (err == MW_OK && digest[0] == '\0') {
        (void)mw_error_set(refusal, MW_ERR_SIGNATURE, "no signed bundle of the plant holds it");
    }
    return err;
}

static mw_err verify_bundle(const struct mw_plant *plant, const char *what,
                            char digest[MW_DIGEST_TEXT], bool *is_signed, struct mw_error *error,
                            struct mw_error *refusal)
{
    struct mw_catalog catalog = {0};
    struct mw_store *store = NULL;
    mw_err err = mw_in_use_store(&store, plant, false, error);
    if (err == MW_OK && digest[0] == '\0' && mw_digest_valid(mw_span_of(what))) {
        memcpy(digest, what, strlen(what) + 1); /* also one that nothing names any more */
    }
    if (err == MW_OK && digest[0] == '\0') {
        err = mw_catalog_read(&catalog, plant, error);
        const struct mw_catalog_row *row =
            err == MW_OK ? mw_catalog_find(&catalog, what, error) : NULL;
        if (row == NULL) {
            err = error->code;
        } else {
            memcpy(digest, row->digest, sizeof row->digest);
        }
    }
    if (err == MW_OK) {
        (void)prove(store, digest, is_signed, refusal);
    }
    mw_catalog_clear(&catalog);
    mw_store_close(store);
    return err;
}

static bool is_file(const char *what)
{
    size_t size = strlen(what);
    return strchr(what, '/') != NULL || (size > 7 && strcmp(what + size - 7, ".tflite") == 0);
}

static int answer(const struct values *v, const char *what, const char *digest, bool is_signed,
                  const struct mw_error *refusal)
{
    bool yes = refusal->code == MW_OK;
    if (v->json) {
        json_t *root = json_pack("{s:b,s:b,s:s}", "verified", (int)yes, "signed", (int)is_signed,
                                 "model", what);
        json_object_set_new(root, "bundle", digest[0] == '\0' ? json_null() : json_string(digest));
        if (!yes) {
            json_object_set_new(root, "reason", json_string(refusal->text));
        }
        char *text = json_dumps(root, JSON_COMPACT);
        puts(text == NULL ? "{}" : text);
        free(text);
        json_decref(root);
    } else if (!yes) {
        printf("%s is NOT verified: %s\n", what, refusal->text);
    } else if (digest[0] == '\0') {
        printf("%s is well formed and can run; without -c plant.yaml nobody vouches for it\n",
               what);
    } else {
        printf("%s is verified: signed, every hash right, golden vectors reproduced\n%s\n", what,
               digest);
    }
    return yes ? 0 : MW_EXIT_ANSWER_NO;
}

static int run(void *values, int n, char **argv, struct mw_error *error)
{
    const struct values *v = values;
    struct mw_plant plant = {0};
    struct mw_buffer file = {0};
    struct mw_error refusal = {0};
    char digest[MW_DIGEST_TEXT] = "";
    if (n != 1) {
        return mw_error_exit_status(
            mw_error_set(error, MW_ERR_ARGUMENT, "one tag, digest or .tflite file is needed"));
    }
    bool from_file = is_file(argv[0]), is_signed = false;
    bool with_plant = !from_file || v->config != NULL;
    mw_err err =
        with_plant ? mw_open_plant(&plant, v->config == NULL ? NO_PLANT : v->config, error) : MW_OK;
    if (err == MW_OK && from_file) {
        err = check_file(argv[0], &file, error, &refusal);
        if (err == MW_OK && with_plant && refusal.code == MW_OK) {
            err = find_owner(&plant, &file, digest, error, &refusal);
        }
    }
    if (err == MW_OK && with_plant && refusal.code == MW_OK) {
        err = verify_bundle(&plant, argv[0], digest, &is_signed, error, &refusal);
    }
    mw_buffer_free(&file);
    mw_plant_clear(&plant);
    return err == MW_OK ? answer(v, argv[0], digest, is_signed, &refusal)
                        : mw_error_exit_status(err);
}

const struct mw_subcommand mw_command_model_verify = {
    .name = "model verify",
    .synopsis = "[-c plant.yaml] TAG|DIGEST|FILE.tflite [--json]",
    .summary = "check a model's signature, hashes and golden vectors: exit 0 verified, 3 not",
    .shorts = "c=config",
    .options = options,
    .values_size = sizeof(struct values),
    .run = run,
    .positional = true,
};
