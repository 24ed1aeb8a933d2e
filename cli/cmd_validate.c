#include "cli/command.h"
#include "cli/open_plant.h"
#include "lib/plant/plant.h"
#include "tiers/training/validate.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

struct values {
    char *config, *data, *model, *float_model, *train, *extract, *parent, *in_use, *parent_digest;
    char *machine, *out;
    int64_t max_size;
    bool json;
};

#define ROW(key, type, fallback, unit, help, field)                                             \
    {                                                                                           \
        key, MW_OPTION_##type, NULL, 0, 0, fallback, unit, help, offsetof(struct values, field) \
    }

static const struct mw_option options[] = {
    ROW("config", STRING, "plant.yaml", NULL, "description of the plant", config),
    ROW("data", STRING, NULL, "CSV file", "what extract wrote", data),
    ROW("model", STRING, NULL, "file", "the int8 candidate", model),
    ROW("float", STRING, NULL, "file", "its float32 variant", float_model),
    ROW("train", STRING, NULL, "file", "what train --json printed", train),
    ROW("extract", STRING, NULL, "file", "what extract --json printed", extract),
    ROW("parent", STRING, NULL, "folder", "the bundle in use, which the candidate has to beat",
        parent),
    ROW("in-use", STRING, NULL, "CSV file",
        "the newest records as the bundle in use maps them; without it as in --data", in_use),
    ROW("parent-digest", STRING, NULL, "digest", "its digest, for the lineage", parent_digest),
    ROW("machine", STRING, NULL, "name", "the one machine that the candidate is for", machine),
    ROW("max-size", SIZE, "1MiB", NULL, "largest int8 file", max_size),
    ROW("out", STRING, NULL, "folder", "where the bundle goes", out),
    ROW("json", BOOL, NULL, NULL, "print the gates and figures as JSON", json),
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0},
};

static void print_gates(const struct values *v, const struct mw_validate_result *result)
{
    json_t *gates = json_loads(result->gates.data, 0, NULL);
    const char *name;
    json_t *text;
    json_object_foreach(gates, name, text)
    {
        printf("%-10s %s\n", name, json_string_value(text));
    }
    json_decref(gates);
    if (result->passed) {
        printf("passed; the bundle is in %s\n", v->out);
    } else {
        printf("refused: %s\n", result->reason);
    }
}

static mw_err print_json(const struct mw_validate_result *result, struct mw_error *error)
{
    json_t *root = json_pack("{s:b,s:o?,s:o?}", "passed", (int)result->passed, "gates",
                             json_loads(result->gates.data, 0, NULL), "metrics",
                             json_loads(result->metrics.data, 0, NULL));
    if (root != NULL && !result->passed) {
        json_object_set_new(root, "reason", json_string(result->reason));
    }
    char *text = root == NULL ? NULL : json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(root);
    if (text == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    puts(text);
    free(text);
    return MW_OK;
}

static mw_err check_usage(const struct values *v, struct mw_error *error)
{
    const struct {
        const char *key, *value;
    } needed[] = {{"data", v->data},   {"model", v->model},     {"float", v->float_model},
                  {"train", v->train}, {"extract", v->extract}, {"out", v->out}};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if (needed[i].value == NULL) {
            return mw_error_set(error, MW_ERR_ARGUMENT, "--%s is needed", needed[i].key);
        }
    }
    return MW_OK;
}

static int run(void *values, int n, char **argv, struct mw_error *error)
{
    const struct values *v = values;
    struct mw_plant plant;
    struct mw_validate_result result = {0};
    struct mw_validate_options with = {.data = v->data,
                                       .int8_model = v->model,
                                       .float_model = v->float_model,
                                       .train = v->train,
                                       .extract = v->extract,
                                       .parent = v->parent,
                                       .in_use = v->in_use,
                                       .parent_digest = v->parent_digest,
                                       .machine = v->machine,
                                       .out = v->out,
                                       .size_limit = v->max_size < 0 ? INT64_MAX : v->max_size};
    (void)n;
    (void)argv;
    mw_err err = check_usage(v, error);
    err = err == MW_OK ? mw_open_plant(&plant, v->config, error) : err;
    if (err != MW_OK) {
        return mw_error_exit_status(err);
    }
    err = mw_validate(&plant, &with, &result, error);
    if (err == MW_OK && v->json) {
        err = print_json(&result, error);
    } else if (err == MW_OK) {
        print_gates(v, &result);
    }
    int status = mw_error_exit_status(err);
    if (err == MW_OK && !result.passed) {
        fprintf(stderr, "millwright validate: %s\n", result.reason);
        status = MW_EXIT_ANSWER_NO;
    }
    mw_validate_clear(&result);
    mw_plant_clear(&plant);
    return status;
}

const struct mw_subcommand mw_command_validate = {
    .name = "validate",
    .synopsis = "-c plant.yaml --data FILE.csv --model INT8.tflite --float FLOAT.tflite "
                "--train train.json --extract extract.json [--parent FOLDER [--in-use FILE.csv]] "
                "--out FOLDER [--json]",
    .summary = "put a candidate through the gates and make a bundle: exit 0 passed, 3 refused",
    .shorts = "c=config",
    .options = options,
    .values_size = sizeof(struct values),
    .run = run,
};
