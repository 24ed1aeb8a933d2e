#include "cli/command.h"
#include "lib/base/file.h"
#include "tiers/training/train_quantize.h"

#include <stdio.h>

struct values {
    char *network, *data, *out, *label, *weight;
    double max_auc_loss;
    bool json;
};

#define ROW(key, type, min, max, fallback, unit, help, field)        \
    {                                                                \
        key, MW_OPTION_##type, NULL, min, max, fallback, unit, help, \
            offsetof(struct values, field)                           \
    }

static const struct mw_option options[] = {
    ROW("network", STRING, 0, 0, NULL, "file", "what train --out-network wrote", network),
    ROW("data", STRING, 0, 0, NULL, "CSV file", "the records that it was trained on", data),
    ROW("label", STRING, 0, 0, "label", "column", "1 for records before a failure; empty: none",
        label),
    ROW("weight", STRING, 0, 0, "weight", "column", "how many records a record stands for", weight),
    ROW("max-auc-loss", FLOAT, -1, 1, "0.005", "AUC", "the most that int8 may lose; -1: no limit",
        max_auc_loss),
    ROW("out", STRING, 0, 0, NULL, "file", "the int8 model", out),
    ROW("json", BOOL, 0, 0, NULL, NULL, "print the figures as JSON", json),
    {.key = NULL},
};

static mw_err read_network(const char *path, struct mw_network_file *file, struct mw_error *error)
{
    struct mw_buffer text = {0};
    mw_err err = mw_file_read(path, MW_NETWORK_FILE_MAX, &text, error);
    if (err == MW_OK) {
        err = mw_network_file_parse(file, (struct mw_span){text.data, text.size}, error);
        err = err == MW_OK ? MW_OK : mw_error_wrap(error, "%s", path);
    }
    mw_buffer_free(&text);
    return err;
}

static mw_err quantize(const struct values *v, struct mw_network_file *file,
                       struct mw_train_int8 *figures, struct mw_error *error)
{
    struct mw_dataset dataset = {0};
    struct mw_buffer model = {0};
    struct mw_dataset_columns columns = {
        .label = v->label,
        .weight = v->weight,
        .features = {file->network.features, file->network.n_features}};
    mw_err err = mw_dataset_read(&dataset, v->data, &columns, error);
    if (err == MW_OK) {
        err = mw_train_quantize(&dataset, file, &model, figures, error);
    }
    if (err == MW_OK) {
        err = mw_file_write(v->out, model.data, model.size, 0644, error);
    }
    if (err == MW_OK) {
        printf(v->json ? "{\"int8_auc_loss\":%.9g,\"int8_score_difference\":%.9g,"
                         "\"int8_bytes\":%zu}\n"
                       : "int8 against float32: AUC lost %.6f, mean difference of the score %.6f, "
                         "%zu bytes\n",
               figures->auc_loss, figures->difference, model.size);
    }
    mw_buffer_free(&model);
    mw_dataset_clear(&dataset);
    return err;
}

static int run(void *values, int n, char **argv, struct mw_error *error)
{
    const struct values *v = values;
    struct mw_network_file file = {0};
    struct mw_train_int8 figures = {0};
    (void)n;
    (void)argv;
    if (v->network == NULL || v->data == NULL || v->out == NULL) {
        return mw_error_exit_status(
            mw_error_set(error, MW_ERR_ARGUMENT, "--network, --data and --out are needed"));
    }
    mw_err err = read_network(v->network, &file, error);
    err = err == MW_OK ? quantize(v, &file, &figures, error) : err;
    mw_network_clear(&file.network);
    if (err == MW_OK && v->max_auc_loss >= 0 && figures.auc_loss > v->max_auc_loss) {
        fprintf(stderr,
                "millwright quantize: int8 loses %.6f of ROC AUC against float32, and may lose "
                "%g\n",
                figures.auc_loss, v->max_auc_loss);
        return MW_EXIT_ANSWER_NO;
    }
    return mw_error_exit_status(err);
}

const struct mw_subcommand mw_command_quantize = {
    .name = "quantize",
    .synopsis = "--network FILE --data FILE.csv --out INT8.tflite [--max-auc-loss X] [--json]",
    .summary = "make the int8 model of a trained network: exit 3 when it loses too much",
    .options = options,
    .values_size = sizeof(struct values),
    .run = run,
};
