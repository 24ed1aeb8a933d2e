#include "tiers/training/train.h"

#include <math.h>

/* "key":figure with a leading comma unless first; null when there is no figure. */
static mw_err figure(struct mw_buffer *json, const char *key, double value, bool first)
{
    const char *comma = first ? "" : ",";
    return isfinite(value) ? mw_buffer_printf(json, "%s\"%s\":%.9g", comma, key, value)
                           : mw_buffer_printf(json, "%s\"%s\":null", comma, key);
}

static double known(const struct mw_alarm_metrics *alarms, double value)
{
    return alarms->known ? value : (double)NAN;
}

static mw_err print_metrics(const struct mw_metrics *metrics, const struct mw_alarm_metrics *alarms,
                            struct mw_buffer *json)
{
    const struct {
        const char *key;
        double value;
    } row[] = {
        {"records", (double)metrics->records},
        {"positives", (double)metrics->positives},
        {"base_rate", metrics->base_rate},
        {"roc_auc", metrics->roc_auc},
        {"average_precision", metrics->average_precision},
        {"log_loss", metrics->log_loss},
        {"calibration_error", metrics->calibration_error},
        {"f1_impending", metrics->f1_impending},
        {"f1_immediate", metrics->f1_immediate},
        {"machine_days", known(alarms, alarms->machine_days)},
        {"alarms", known(alarms, (double)alarms->alarms)},
        {"alarms_per_machine_day", known(alarms, alarms->alarms_per_machine_day)},
        {"false_alarms_per_machine_day", known(alarms, alarms->false_alarms_per_machine_day)},
        {"breakdowns", known(alarms, (double)alarms->breakdowns)},
        {"breakdowns_predicted", known(alarms, (double)alarms->predicted)},
        {"lead_time_median_s", known(alarms, alarms->lead_median)},
    };
    mw_err err = mw_buffer_add(json, "{", 1);
    for (size_t i = 0; err == MW_OK && i < sizeof row / sizeof *row; i++) {
        err = figure(json, row[i].key, row[i].value, i == 0);
    }
    return err == MW_OK ? mw_buffer_add(json, "}", 1) : err;
}

static mw_err print_text(struct mw_buffer *json, const char *text)
{
    mw_err err = mw_buffer_add(json, "\"", 1);
    for (; err == MW_OK && *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            err = mw_buffer_printf(json, "\\%c", *text);
        } else if ((unsigned char)*text < 0x20) {
            err = mw_buffer_printf(json, "\\u%04x", (unsigned)*text);
        } else {
            err = mw_buffer_add(json, text, 1);
        }
    }
    return err == MW_OK ? mw_buffer_add(json, "\"", 1) : err;
}

static mw_err print_names(const struct mw_train_result *result, struct mw_buffer *json)
{
    const struct mw_network *network = &result->network;
    mw_err err = mw_buffer_printf(json, ",\"features\":[");
    for (size_t i = 0; err == MW_OK && i < network->n_features; i++) {
        err = i > 0 ? mw_buffer_add(json, ",", 1) : MW_OK;
        err = err == MW_OK ? print_text(json, network->features[i]) : err;
    }
    if (err == MW_OK) {
        err = mw_buffer_printf(json, "],\"constant_features\":[");
    }
    for (size_t i = 0; err == MW_OK && i < result->n_constant; i++) {
        err = i > 0 ? mw_buffer_add(json, ",", 1) : MW_OK;
        err = err == MW_OK ? print_text(json, network->features[result->constant[i]]) : err;
    }
    return err == MW_OK ? mw_buffer_add(json, "]", 1) : err;
}

static mw_err print_validation(const struct mw_train_result *result, struct mw_buffer *json)
{
    if (!result->labelled) {
        return mw_buffer_printf(json, ",\"validation\":null");
    }
    mw_err err = mw_buffer_printf(json, ",\"validation\":{\"int8\":");
    if (err == MW_OK) {
        err = print_metrics(&result->int8_validation, &result->int8_alarms, json);
    }
    if (err == MW_OK) {
        err = mw_buffer_printf(json, ",\"float32\":");
    }
    if (err == MW_OK) {
        err = print_metrics(&result->float_validation, &result->float_alarms, json);
    }
    return err == MW_OK ? mw_buffer_add(json, "}", 1) : err;
}

mw_err mw_train_print_json(const struct mw_train_result *result, struct mw_buffer *json)
{
    const struct {
        const char *key;
        double value;
    } row[] = {
        {"records", (double)result->records},
        {"training_records", (double)result->training},
        {"validation_records", (double)result->validation},
        {"positives", (double)result->positives},
        {"base_rate", result->base_rate},
        {"epochs", (double)result->epochs},
        {"training_loss", result->training_loss},
        {"platt_a", result->platt.a},
        {"platt_b", result->platt.b},
        {"input_cut", result->cut.input},
        {"hidden_cut", result->cut.hidden},
        {"output_cut", result->cut.output},
        {"int8_auc_loss", result->int8_auc_loss},
        {"int8_score_difference", result->int8_difference},
        {"int8_bytes", (double)result->int8_model.size},
        {"float32_bytes", (double)result->float_model.size},
    };
    mw_err err =
        mw_buffer_printf(json, "{\"kind\":\"%s\"", mw_network_kind_name(result->network.kind));
    for (size_t i = 0; err == MW_OK && i < sizeof row / sizeof *row; i++) {
        err = figure(json, row[i].key, row[i].value, false);
    }
    if (err == MW_OK) {
        err = print_names(result, json);
    }
    if (err == MW_OK) {
        err = print_validation(result, json);
    }
    return err == MW_OK ? mw_buffer_add(json, "}", 1) : err;
}
