#include "cli/command.h"
#include "core/wire/number.h"
#include "lib/base/clock.h"
#include "lib/plant/plant.h"
#include "tiers/training/extract.h"

#include <inttypes.h>
#include <stdio.h>

struct values {
    char *config, *out, *since, *fresh, *machine, *reference, *in_use;
    bool healthy, json;
};

#define ROW(key, type, fallback, unit, help, field)                                             \
    {                                                                                           \
        key, MW_OPTION_##type, NULL, 0, 0, fallback, unit, help, offsetof(struct values, field) \
    }

static const struct mw_option options[] = {
    ROW("config", STRING, "plant.yaml", NULL, "description of the plant", config),
    ROW("out", STRING, NULL, "CSV file", "where the records go; without it they are counted", out),
    ROW("since", STRING, NULL, "time", "only records from then on: a date, or seconds since 1970",
        since),
    ROW("fresh", STRING, NULL, "time", "validate on the newest of the records from then on", fresh),
    ROW("machine", STRING, NULL, "name", "only records of this machine", machine),
    ROW("healthy", BOOL, NULL, NULL,
        "the commissioning records instead of labelled ones; with --since all healthy ones",
        healthy),
    ROW("reference", STRING, NULL, "bundle.json", "map onto this bundle's reference machine",
        reference),
    ROW("in-use", STRING, NULL, "CSV file",
        "where the same records go as the reference bundle maps them, those since --fresh", in_use),
    ROW("json", BOOL, NULL, NULL, "print the counts and the reference as JSON", json),
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0},
};

static mw_err parse_time(const char *name, const char *text, int64_t *time, struct mw_error *error)
{
    *time = INT64_MIN;
    if (text == NULL || text[0] == '\0' || mw_number_parse_time(mw_span_of(text), time) == MW_OK) {
        return MW_OK;
    }
    mw_err err = mw_clock_parse(mw_span_of(text), time);
    return err == MW_OK ? MW_OK
                        : mw_error_set(error, err,
                                       "%s %s: neither seconds nor a date like "
                                       "2026-11-23T10:58:31Z",
                                       name, text);
}

static void note(const char *text, uint64_t count)
{
    if (count > 0) {
        printf("  %10" PRIu64 " %s\n", count, text);
    }
}

static void print_counts(const struct values *v, const struct mw_extract_result *r)
{
    printf("%" PRIu64 " records of %zu machines: %" PRIu64 " labelled, %" PRIu64
           " of them before a failure; %zu features%s\n",
           r->records, r->machines, r->labelled, r->positives, r->features,
           r->mapped ? ", mapped onto the reference machine" : "");
    note("validate, the newest", r->validation);
    note("of those are before a failure", r->validation_positives);
    note("machines with a baseline taken anew", r->retaken);
    note("left out: it is not known yet what follows", r->unknown);
    note("left out: broken, or acted upon and not judged", r->excluded);
    note("left out: their time is not to be believed", r->suspect);
    note("left out: a feature is missing", r->incomplete);
    note("left out: too close to the validating ones", r->border);
    if (v->out != NULL) {
        printf("written to %s\n", v->out);
    }
}

static mw_err report(const struct values *v, const struct mw_extract_result *result,
                     struct mw_error *error)
{
    struct mw_buffer json = {0};
    if (!v->json) {
        print_counts(v, result);
        return MW_OK;
    }
    mw_err err = mw_extract_print_json(result, &json);
    if (err == MW_OK) {
        puts(json.data);
    } else {
        (void)mw_error_set(error, err, "out of memory");
    }
    mw_buffer_free(&json);
    return err;
}

static int run(void *values, int n, char **argv, struct mw_error *error)
{
    static struct mw_extract_result result; /* large */
    const struct values *v = values;
    struct mw_plant plant;
    struct mw_extract_options with = {.out = v->out,
                                      .machine = v->machine,
                                      .healthy = v->healthy,
                                      .reference = v->reference,
                                      .in_use = v->in_use};
    (void)n;
    (void)argv;
    mw_err err = parse_time("--since", v->since, &with.since, error);
    if (err == MW_OK) {
        err = parse_time("--fresh", v->fresh, &with.fresh, error);
    }
    if (err == MW_OK) {
        err = mw_plant_read(&plant, v->config, error);
    }
    if (err != MW_OK) {
        return mw_error_exit_status(err);
    }
    err = mw_extract(&plant, &with, &result, error);
    if (err == MW_OK) {
        err = report(v, &result, error);
    }
    mw_extract_clear(&result);
    mw_plant_clear(&plant);
    return mw_error_exit_status(err);
}

const struct mw_subcommand mw_command_extract = {
    .name = "extract",
    .synopsis =
        "-c plant.yaml [--out FILE.csv] [--since TIME] [--fresh TIME] [--machine NAME] [--healthy] "
        "[--reference bundle.json [--in-use FILE.csv]] [--json]",
    .summary = "label a plant's records by what followed and write them as a data set",
    .shorts = "c=config",
    .options = options,
    .values_size = sizeof(struct values),
    .run = run,
};
