#include "cli/command.h"
#include "lib/base/file.h"
#include "lib/base/progress.h"
#include "tiers/training/network_file.h"
#include "tiers/training/train.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>

struct values {
    char *data, *label, *machine, *time, *weight, *split, *out, *out_float, *out_network;
    struct mw_list features;
    struct mw_ints hidden;
    int kind;
    int64_t seed, epochs;
    double validation, l2, class_weight, quantile, int8_auc_loss;
    bool json;
};

#define ROW(key, type, min, max, fallback, unit, help, field)        \
    {                                                                \
        key, MW_OPTION_##type, NULL, min, max, fallback, unit, help, \
            offsetof(struct values, field)                           \
    }

static const struct mw_option options[] = {
    ROW("data", STRING, 0, 0, NULL, "CSV file", "labelled records, - for stdin", data),
    ROW("label", STRING, 0, 0, NULL, "column", "1 for records before a failure, else 0", label),
    ROW("features", LIST, 0, 0, NULL, "columns", "what to learn from; default all numbers",
        features),
    ROW("machine", STRING, 0, 0, NULL, "column", "which machine a record is from", machine),
    ROW("time", STRING, 0, 0, NULL, "column", "when a record was taken: a date, or seconds", time),
    ROW("weight", STRING, 0, 0, NULL, "column", "how many records a record stands for", weight),
    ROW("split", STRING, 0, 0, NULL, "column", "train or validation, when that is decided already",
        split),
    {"kind", MW_OPTION_ENUM, "logistic|mlp|autoencoder", 0, 0, "logistic", NULL,
     "logistic regression, a perceptron, or an autoencoder, which needs no label",
     offsetof(struct values, kind)},
    ROW("hidden", INTS, 0, 0, NULL, "units", "widths of hidden layers, 50,40 for a perceptron",
        hidden),
    ROW("seed", INT, 0, 9e15, "1", NULL, "the same seed gives the same bytes", seed),
    ROW("validation", FLOAT, 0.01, 0.89, "0.2", "share",
        "records held out to stop and calibrate by", validation),
    ROW("epochs", INT, 0, 1e6, "0", NULL, "passes over the data at most; 0 chooses", epochs),
    ROW("l2", FLOAT, -1, 1e9, "-1", NULL, "penalty on weights; -1 is the kind's default", l2),
    ROW("class-weight", FLOAT, 0, 1, "0.5", NULL,
        "0: records count alike; 1: both classes weigh the same", class_weight),
    ROW("quantile", FLOAT, 0, 1, "0.99", NULL, "of healthy errors, gets score 0.5 (autoencoder)",
        quantile),
    ROW("int8-auc-loss", FLOAT, -1, 1, "0.005", "AUC", "the most that int8 may lose; -1: no limit",
        int8_auc_loss),
    ROW("out", STRING, 0, 0, NULL, "file", "the int8 model", out),
    ROW("out-float", STRING, 0, 0, NULL, "file", "the float32 variant", out_float),
    ROW("out-network", STRING, 0, 0, NULL, "file", "the network for millwright quantize",
        out_network),
    ROW("json", BOOL, 0, 0, NULL, NULL, "print the figures as JSON", json),
    {.key = NULL},
};

static void show_epoch(void *context, size_t epoch)
{
    mw_progress_update(context, epoch);
}

static void print_alarms(const struct mw_alarm_metrics *alarms)
{
    if (!alarms->known) {
        return;
    }
    if (isnan(alarms->alarms_per_machine_day)) {
        printf("alarms on those: %zu, %zu of them false", alarms->alarms, alarms->false_alarms);
    } else {
        printf("alarms on those: %.3g per machine and day, %.3g of them false",
               alarms->alarms_per_machine_day, alarms->false_alarms_per_machine_day);
    }
    printf("; %zu of %zu breakdowns predicted", alarms->predicted, alarms->breakdowns);
    if (!isnan(alarms->lead_median)) {
        printf(", half of them at least %.6g s before", alarms->lead_median);
    }
    printf("\n");
}

static void print_figures(const struct values *v, const struct mw_train_result *r)
{
    printf("%s of %zu features, %zu records (%zu positive): %s, %zu bytes\n",
           mw_network_kind_name(r->network.kind), r->network.n_features, r->records, r->positives,
           v->out == NULL ? v->out_network : v->out, r->int8_model.size);
    if (r->labelled) {
        const struct mw_metrics *m = &r->int8_validation;
        printf("validation, %zu records held out, int8: ROC AUC %.4f, average precision %.4f, "
               "log loss %.4f, calibration error %.4f, F1 %.3f at impending, %.3f at immediate\n",
               m->records, m->roc_auc, m->average_precision, m->log_loss, m->calibration_error,
               m->f1_impending, m->f1_immediate);
        print_alarms(&r->int8_alarms);
    }
    printf("int8 against float32: AUC lost %.6f, mean difference of the score %.6f\n",
           r->int8_auc_loss, r->int8_difference);
}

static mw_err report(const struct values *v, const struct mw_train_result *result,
                     struct mw_error *error)
{
    for (size_t i = 0; i < result->n_constant; i++) {
        fprintf(stderr, "warning: feature %s never changes; the model ignores it\n",
                result->network.features[result->constant[i]]);
    }
    if (!v->json) {
        print_figures(v, result);
        return MW_OK;
    }
    struct mw_buffer json = {0};
    mw_err err = mw_train_print_json(result, &json);
    if (err == MW_OK) {
        printf("%s\n", json.data);
    } else {
        (void)mw_error_set(error, err, "report");
    }
    mw_buffer_free(&json);
    return err;
}

static mw_err write_network(const struct values *v, const struct mw_train_result *result,
                            struct mw_error *error)
{
    struct mw_buffer json = {0};
    const struct mw_network_file file = {result->network, result->cut, v->quantile};
    mw_err err = mw_network_file_print(&file, &json);
    err = err == MW_OK ? mw_file_write(v->out_network, json.data, json.size, 0644, error)
                       : mw_error_set(error, err, "%s: the network", v->out_network);
    mw_buffer_free(&json);
    return err;
}

static mw_err train(const struct values *v, const struct mw_dataset *dataset,
                    struct mw_error *error)
{
    struct mw_progress progress;
    struct mw_train_result result;
    struct mw_train_options with = mw_train_defaults;
    with.kind = (enum mw_model_kind)v->kind;
    with.hidden = v->hidden.item;
    with.n_hidden = v->hidden.n;
    with.seed = (uint64_t)v->seed;
    with.epochs = (size_t)v->epochs;
    with.validation_share = v->validation;
    with.l2 = v->l2;
    with.class_weight = v->class_weight;
    with.quantile = v->quantile;
    with.int8_auc_loss = v->int8_auc_loss;
    if (with.kind != MW_MODEL_LOGISTIC) {
        mw_progress_start(&progress, "epochs", 0);
        with.progress = show_epoch;
        with.context = &progress;
    }
    mw_err err = mw_train(dataset, &with, &result, error);
    if (with.progress != NULL) {
        mw_progress_end(&progress, err == MW_OK ? result.epochs : 0);
    }
    if (err == MW_OK && v->out != NULL) {
        err = mw_file_write(v->out, result.int8_model.data, result.int8_model.size, 0644, error);
    }
    if (err == MW_OK && v->out_float != NULL) {
        err = mw_file_write(v->out_float, result.float_model.data, result.float_model.size, 0644,
                            error);
    }
    if (err == MW_OK && v->out_network != NULL) {
        err = write_network(v, &result, error);
    }
    if (err == MW_OK) {
        err = report(v, &result, error);
    }
    mw_train_result_clear(&result);
    return err;
}

static int run(void *values, int n, char **argv, struct mw_error *error)
{
    struct values *v = values;
    (void)n;
    (void)argv;
    if (v->data == NULL || (v->out == NULL && v->out_network == NULL)) {
        return mw_error_exit_status(mw_error_set(error, MW_ERR_ARGUMENT, "--%s is needed",
                                                 v->data == NULL ? "data" : "out"));
    }
    if (v->label == NULL && v->kind != MW_MODEL_AUTOENCODER) {
        return mw_error_exit_status(
            mw_error_set(error, MW_ERR_ARGUMENT, "--label is needed, except with an autoencoder"));
    }
    struct mw_dataset dataset;
    struct mw_dataset_columns columns = {.label = v->label,
                                         .weight = v->weight,
                                         .machine = v->machine,
                                         .time = v->time,
                                         .split = v->split,
                                         .features = v->features};
    mw_err err = mw_dataset_read(&dataset, v->data, &columns, error);
    if (err != MW_OK) {
        return mw_error_exit_status(err);
    }
    err = train(v, &dataset, error);
    mw_dataset_clear(&dataset);
    return mw_error_exit_status(err);
}

const struct mw_subcommand mw_command_train = {
    .name = "train",
    .synopsis = "--data FILE.csv --label COLUMN [--features a,b] [--machine COLUMN] "
                "[--time COLUMN] [--kind logistic|mlp|autoencoder] [--seed N] "
                "--out MODEL.tflite [--json]",
    .summary = "learn a model from labelled records and write it as int8 .tflite",
    .options = options,
    .values_size = sizeof(struct values),
    .run = run,
};
