#include "cli/command.h"
#include "cli/open_plant.h"
#include "lib/base/clock.h"
#include "lib/plant/plant.h"
#include "tiers/training/publish.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define PATIENCE (10 * MW_SECOND)

static const char *const causes[] = {"first", "drift", "schedule", "asked", "manual"};

struct values {
    char *config, *bundle, *metrics, *machine;
    int cause;
    bool json;
};

#define ROW(key, type, fallback, unit, help, field)                                             \
    {                                                                                           \
        key, MW_OPTION_##type, NULL, 0, 0, fallback, unit, help, offsetof(struct values, field) \
    }

static const struct mw_option options[] = {
    ROW("config", STRING, "plant.yaml", NULL, "description of the plant", config),
    ROW("bundle", STRING, NULL, "digest", "a signed bundle; or a file that sign --json printed",
        bundle),
    {"cause", MW_OPTION_ENUM, "first|drift|schedule|asked|manual", 0, 0, "manual", NULL,
     "why it was trained", offsetof(struct values, cause)},
    ROW("metrics", STRING, NULL, "report.json", "figures to tell; default the bundle's", metrics),
    ROW("machine", STRING, NULL, "name", "the one machine that it is for", machine),
    ROW("json", BOOL, NULL, NULL, "print digest and version as JSON", json),
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0},
};

/* A digest, as it stands or as the signing step left it in a file. */
static mw_err read_digest(const char *text, char digest[MW_DIGEST_TEXT], struct mw_error *error)
{
    if (mw_digest_valid(mw_span_of(text))) {
        memcpy(digest, text, strlen(text) + 1);
        return MW_OK;
    }
    json_error_t why;
    json_t *root = json_load_file(text, 0, &why);
    const char *bundle = json_string_value(json_object_get(root, "bundle"));
    bool found = bundle != NULL && mw_digest_valid(mw_span_of(bundle));
    if (found) {
        memcpy(digest, bundle, strlen(bundle) + 1);
    }
    json_decref(root);
    return found ? MW_OK
                 : mw_error_set(error, MW_ERR_ARGUMENT,
                                "--bundle %s: neither a digest nor a file with one", text);
}

static int run(void *values, int n, char **argv, struct mw_error *error)
{
    const struct values *v = values;
    struct mw_plant plant;
    char digest[MW_DIGEST_TEXT];
    uint64_t version = 0;
    struct mw_publish_options with = {.digest = digest,
                                      .cause = causes[v->cause],
                                      .machine = v->machine,
                                      .metrics = v->metrics,
                                      .patience = PATIENCE};
    (void)n;
    (void)argv;
    if (v->bundle == NULL) {
        return mw_error_exit_status(mw_error_set(error, MW_ERR_ARGUMENT, "--bundle is needed"));
    }
    mw_err err = read_digest(v->bundle, digest, error);
    err = err == MW_OK ? mw_open_plant(&plant, v->config, error) : err;
    if (err != MW_OK) {
        return mw_error_exit_status(err);
    }
    err = mw_publish(&plant, &with, &version, error);
    if (err == MW_OK && v->json) {
        printf("{\"bundle\":\"%s\",\"version\":%" PRIu64 ",\"cause\":\"%s\"}\n", digest, version,
               with.cause);
    } else if (err == MW_OK) {
        printf("published %s, targets version %" PRIu64 "\n", digest, version);
    }
    mw_plant_clear(&plant);
    return mw_error_exit_status(err);
}

const struct mw_subcommand mw_command_publish = {
    .name = "publish",
    .synopsis = "-c plant.yaml --bundle DIGEST [--cause first|drift|schedule|asked|manual] "
                "[--metrics report.json] [--machine NAME] [--json]",
    .summary = "tell the plant about a signed bundle, so that a roll-out begins",
    .shorts = "c=config",
    .options = options,
    .values_size = sizeof(struct values),
    .run = run,
};
