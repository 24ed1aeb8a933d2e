/* cmd_model_carry.c - bundles to the plant's registry and from it, by hand. */
#include "cli/command.h"
#include "cli/open_plant.h"
#include "lib/artifact/image.h"
#include "lib/artifact/trust.h"
#include "tiers/training/in_use.h"

#include <stdio.h>
#include <string.h>

struct values {
    char *config, *image;
    bool json;
};

#define CONFIG                                                          \
    {                                                                   \
        "config", MW_OPTION_STRING, NULL, 0, 0, "plant.yaml", NULL,     \
            "description of the plant; its artifacts.registry is used", \
            offsetof(struct values, config)                             \
    }
#define JSON                                                                         \
    {                                                                                \
        "json", MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, "say it as one JSON object", \
            offsetof(struct values, json)                                            \
    }
#define END                                                   \
    {                                                         \
        NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0 \
    }

static const struct mw_option pull_options[] = {CONFIG, JSON, END};
static const struct mw_option push_options[] = {
    CONFIG,
    {"image", MW_OPTION_STRING, NULL, 0, 0, NULL, "tag",
     "send these models as one image with that tag, for Kubernetes to mount",
     offsetof(struct values, image)},
    JSON,
    END,
};

static bool is_digest(const char *what)
{
    return mw_digest_valid(mw_span_of(what));
}

static void tell(const struct values *v, const char *done, const char *digest)
{
    printf(v->json ? "{\"%s\":\"%s\"}\n" : "%s %s\n", done, digest);
}

/* The metadata go first: who sees the tag can check what it names. */
static mw_err push(const struct values *v, struct mw_registry *registry, struct mw_store *store,
                   const char *what, struct mw_error *error)
{
    char digest[MW_DIGEST_TEXT];
    mw_err err = mw_store_resolve(store, what, digest, error);
    err = err == MW_OK ? mw_trust_verify(store, digest, error) : err;
    err = err == MW_OK ? mw_registry_push_metadata(registry, store, error) : err;
    if (err == MW_OK) {
        err = mw_registry_push(registry, store, digest, is_digest(what) ? NULL : what, error);
    }
    if (err == MW_OK) {
        tell(v, "pushed", digest);
    }
    return err;
}

static mw_err pull(const struct values *v, struct mw_registry *registry, struct mw_store *store,
                   const char *what, struct mw_error *error)
{
    char digest[MW_DIGEST_TEXT];
    mw_err err = mw_registry_pull_metadata(registry, store, error);
    err = err == MW_OK ? mw_registry_pull(registry, store, what, digest, error) : err;
    err = err == MW_OK ? mw_trust_verify(store, digest, error) : err;
    if (err == MW_OK && !is_digest(what)) {
        err = mw_store_tag(store, what, digest, error);
    }
    if (err == MW_OK) {
        tell(v, "pulled", digest);
    }
    return err;
}

/* A tag of bundles or metadata would be lost to those who follow it. */
static mw_err check_image_tag(struct mw_store *store, const char *tag, struct mw_error *error)
{
    char digest[MW_DIGEST_TEXT];
    if (is_digest(tag) || strcmp(tag, MW_REGISTRY_METADATA) == 0 ||
        mw_store_resolve(store, tag, digest, NULL) == MW_OK) {
        return mw_error_set(error, MW_ERR_ARGUMENT,
                            "--image %.80s: a tag was expected that no model has", tag);
    }
    return MW_OK;
}

static mw_err push_image(const struct values *v, struct mw_registry *registry,
                         struct mw_store *store, char **names, size_t n, struct mw_error *error)
{
    struct mw_image image = {0};
    mw_err err = check_image_tag(store, v->image, error);
    err = err == MW_OK ? mw_image_pack(store, names, n, &image, error) : err;
    err = err == MW_OK ? mw_registry_push_image(registry, &image, v->image, error) : err;
    if (err == MW_OK) {
        tell(v, "pushed", image.digest);
    }
    mw_image_clear(&image);
    return err;
}

typedef mw_err carry_fn(const struct values *v, struct mw_registry *registry,
                        struct mw_store *store, const char *what, struct mw_error *error);

static int carry(const struct values *v, int n, char **argv, carry_fn *fn, bool create,
                 struct mw_error *error)
{
    struct mw_plant plant;
    struct mw_registry *registry = NULL;
    struct mw_store *store = NULL;
    if (n != 1 && (v->image == NULL || n == 0)) {
        return mw_error_exit_status(
            mw_error_set(error, MW_ERR_ARGUMENT, "one tag or digest is needed"));
    }
    mw_err err = mw_plant_read(&plant, v->config, error);
    if (err != MW_OK) {
        return mw_error_exit_status(err);
    }
    err = mw_open_registry(&registry, &plant, error);
    err = err == MW_OK ? mw_in_use_store(&store, &plant, create, error) : err;
    if (err == MW_OK) {
        err = v->image == NULL ? fn(v, registry, store, argv[0], error)
                               : push_image(v, registry, store, argv, (size_t)n, error);
    }
    mw_store_close(store);
    mw_registry_close(registry);
    mw_plant_clear(&plant);
    return mw_error_exit_status(err);
}

static int run_push(void *values, int n, char **argv, struct mw_error *error)
{
    return carry(values, n, argv, push, false, error);
}

static int run_pull(void *values, int n, char **argv, struct mw_error *error)
{
    return carry(values, n, argv, pull, true, error);
}

const struct mw_subcommand mw_command_model_push = {
    .name = "model push",
    .synopsis = "-c plant.yaml [--image TAG] TAG|DIGEST ... [--json]",
    .summary = "send a model and who signed it to the plant's registry",
    .shorts = "c=config",
    .options = push_options,
    .values_size = sizeof(struct values),
    .run = run_push,
    .positional = true,
};

const struct mw_subcommand mw_command_model_pull = {
    .name = "model pull",
    .synopsis = "-c plant.yaml TAG|DIGEST [--json]",
    .summary = "bring a model from the plant's registry, if it is signed",
    .shorts = "c=config",
    .options = pull_options,
    .values_size = sizeof(struct values),
    .run = run_pull,
    .positional = true,
};
