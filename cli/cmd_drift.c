#include "cli/command.h"
#include "tiers/training/drift_check.h"

#include <inttypes.h>
#include <stdio.h>

#define BUNDLE_MAX (16U << 20)

struct values {
    char *reference, *current, *bundle, *weight, *detector;
    struct mw_list features;
    double psi, alpha;
    bool json;
};

#define ROW(key, type, min, max, fallback, unit, help, field)        \
    {                                                                \
        key, MW_OPTION_##type, NULL, min, max, fallback, unit, help, \
            offsetof(struct values, field)                           \
    }

static const struct mw_option options[] = {
    ROW("reference", STRING, 0, 0, NULL, "CSV file", "what the world was like", reference),
    ROW("bundle", STRING, 0, 0, NULL, "bundle.json", "a model's reference instead of a file",
        bundle),
    ROW("current", STRING, 0, 0, NULL, "CSV file", "what it is like now", current),
    ROW("features", LIST, 0, 0, NULL, "columns",
        "what to compare; default all numbers of the reference", features),
    ROW("weight", STRING, 0, 0, NULL, "column", "how many records a record stands for", weight),
    ROW("psi", FLOAT, 0, 100, "0.1", NULL,
        "population stability index from which a feature has moved", psi),
    ROW("alpha", FLOAT, 1e-300, 0.5, "0.001", NULL, "chance of a false alarm over all features",
        alpha),
    ROW("detector", STRING, 0, 0, NULL, "name",
        "streaming detector; this version has none and says so", detector),
    ROW("json", BOOL, 0, 0, NULL, NULL, "print the answer as JSON", json),
    {.key = NULL},
};

static mw_err read_bundle(const char *path, struct mw_bundle *bundle, struct mw_error *error)
{
    struct mw_buffer text = {0};
    mw_err err = mw_file_read(path, BUNDLE_MAX, &text, error);
    if (err == MW_OK) {
        err = mw_bundle_parse_json((struct mw_span){text.data, text.size}, bundle, error);
        err = err == MW_OK ? MW_OK : mw_error_wrap(error, "%s", path);
    }
    mw_buffer_free(&text);
    return err;
}

static mw_err check_bundle(const struct values *v, struct mw_drift_check *check,
                           struct mw_error *error)
{
    struct mw_bundle bundle = {0};
    struct mw_dataset current = {0};
    mw_err err = read_bundle(v->bundle, &bundle, error);
    if (err == MW_OK) {
        struct mw_dataset_columns columns = {.weight = v->weight,
                                             .features = {bundle.features, bundle.n_features}};
        err = mw_dataset_read(&current, v->current, &columns, error);
    }
    if (err == MW_OK) {
        err = mw_drift_check_bundle(check, &bundle, &current, v->psi, v->alpha, error);
    }
    mw_dataset_clear(&current);
    mw_bundle_clear(&bundle);
    return err;
}

static mw_err check_data(const struct values *v, struct mw_drift_check *check,
                         struct mw_error *error)
{
    struct mw_dataset reference = {0}, current = {0};
    struct mw_dataset_columns columns = {.weight = v->weight, .features = v->features};
    mw_err err = mw_dataset_read(&reference, v->reference, &columns, error);
    if (err == MW_OK && reference.columns == 0) {
        err = mw_error_set(error, MW_ERR_PARSE, "%s: no column of numbers", v->reference);
    }
    if (err == MW_OK) {
        columns.features = (struct mw_list){reference.names, reference.columns};
        err = mw_dataset_read(&current, v->current, &columns, error);
    }
    if (err == MW_OK) {
        err = mw_drift_check_data(check, &reference, &current, v->psi, v->alpha, error);
    }
    mw_dataset_clear(&reference);
    mw_dataset_clear(&current);
    return err;
}

static void print_table(const struct mw_drift_check *check)
{
    printf("%-28s %9s %12s %10s  %s\n", "feature", "PSI", "p", "shift/sd", "moved");
    for (size_t i = 0; i < check->n; i++) {
        const struct mw_drift_feature *f = &check->feature[i];
        printf("%-28s %9.4f %12.3g %+10.3f  %s\n", f->name, f->compared.psi, f->compared.adjusted,
               f->moved, f->compared.moved ? "yes" : "no");
    }
    for (size_t i = 0; i < check->n_left_out; i++) {
        printf("%-28s counts up from row to row: left out\n", check->left_out[i]);
    }
    printf("\n%s: %zu of %zu features moved (PSI of at least %g and p under %g); %" PRIu64
           " records against %" PRIu64 "\n",
           check->moved > 0 ? "drift" : "no drift", check->moved, check->n, check->psi,
           check->alpha, check->current_records, check->reference_records);
}

static mw_err report(const struct values *v, const struct mw_drift_check *check,
                     struct mw_error *error)
{
    struct mw_buffer json = {0};
    if (!v->json) {
        print_table(check);
        return MW_OK;
    }
    mw_err err = mw_drift_check_print_json(check, &json);
    if (err == MW_OK) {
        puts(json.data);
    } else {
        (void)mw_error_set(error, err, "out of memory");
    }
    mw_buffer_free(&json);
    return err;
}

static mw_err check_usage(const struct values *v, struct mw_error *error)
{
    if (v->detector != NULL) {
        return mw_error_set(error, MW_ERR_UNSUPPORTED,
                            "--detector %s: this version has no streaming detector; compare two "
                            "files with --reference and --current",
                            v->detector);
    }
    if (v->current == NULL || (v->reference == NULL) == (v->bundle == NULL)) {
        return mw_error_set(error, MW_ERR_ARGUMENT,
                            "--current is needed, and one of --reference and --bundle");
    }
    return MW_OK;
}

static int run(void *values, int n, char **argv, struct mw_error *error)
{
    const struct values *v = values;
    struct mw_drift_check check = {0};
    (void)n;
    (void)argv;
    mw_err err = check_usage(v, error);
    if (err == MW_OK) {
        err = v->bundle != NULL ? check_bundle(v, &check, error) : check_data(v, &check, error);
    }
    if (err == MW_OK) {
        err = report(v, &check, error);
    }
    int status = err == MW_OK && check.moved > 0 ? MW_EXIT_ANSWER_NO : mw_error_exit_status(err);
    mw_drift_check_clear(&check);
    return status;
}

const struct mw_subcommand mw_command_drift = {
    .name = "drift",
    .synopsis = "--reference A.csv --current B.csv [--features a,b] [--json]",
    .summary = "compare two sets of records: exit 0 no drift, 3 drift",
    .options = options,
    .values_size = sizeof(struct values),
    .run = run,
};
