/* score_telemetry.c - one record: its model, its features, its machine's baseline, its score. */
#include "tiers/inference/scorer.h"

#include "core/wire/number.h"
#include "lib/base/log.h"

#include <inttypes.h>
#include <stdio.h>

#define SCORE_TEXT 512 /* bytes; the names and the digest are the longest parts */
#define COMMAND_TEXT 640

/* Finds feature i of the model in the record; tries first where it stood in the record before. */
static bool find(const struct mw_telemetry *telemetry, struct mw_score_model *model, size_t i,
                 float *value)
{
    struct mw_span name = mw_span_of(model->runner.bundle.features[i]);
    size_t at = model->place[i];
    if (at >= telemetry->n_features || !mw_span_equal(telemetry->features[at].name, name)) {
        for (at = 0; at < telemetry->n_features; at++) {
            if (mw_span_equal(telemetry->features[at].name, name)) {
                break;
            }
        }
        if (at == telemetry->n_features) {
            return false;
        }
        model->place[i] = at;
    }
    *value = telemetry->features[at].value;
    return true;
}

/* The machine's baseline for this model's features, or NULL (identity). */
static const struct mw_baseline *baseline_of(struct mw_score_machine *machine,
                                             const struct mw_score_model *model)
{
    if (machine->baseline_text.size > 0 && machine->baseline_serial != model->serial) {
        struct mw_error error = {0};
        mw_baseline_clear(&machine->baseline);
        machine->baseline_serial = model->serial;
        if (mw_baseline_parse(
                &machine->baseline, &model->runner.bundle,
                (struct mw_span){machine->baseline_text.data, machine->baseline_text.size},
                &error) != MW_OK) {
            mw_log(MW_LOG_WARN, machine->name, "baseline not used", MW_KS("reason", error.text));
        }
    }
    return mw_baseline_list_choose(&model->runner.bundle.baselines, machine->name, INT64_MAX,
                                   machine->baseline.mean != NULL ? &machine->baseline : NULL);
}

static mw_err send_command(struct mw_scorer *scorer, const struct mw_telemetry *telemetry,
                           const struct mw_score_machine *machine, const struct mw_score *score,
                           const char *action, struct mw_error *error)
{
    char id[128], cause[160], number[MW_NUMBER_TEXT], text[COMMAND_TEXT];
    size_t length = 0;
    (void)mw_number_print_f32(number, score->score);
    /* Made of the record, so that the same record can never give two commands. */
    (void)snprintf(id, sizeof id, "%s-%" PRIu32 "-%" PRIu64, machine->name, score->boot,
                   score->seq);
    (void)snprintf(cause, sizeof cause, "score %s is %s, %u in a row", number,
                   mw_band_name(score->band),
                   machine->policy.held == MW_BAND_IMMEDIATE ? machine->policy.immediate
                                                             : machine->policy.impending);
    struct mw_command command = {.id = mw_span_of(id),
                                 .device = telemetry->device,
                                 .machine = telemetry->machine,
                                 .action = mw_span_of(action),
                                 .time = score->time,
                                 .expires = machine->policy.expires,
                                 .cause = mw_span_of(cause)};
    mw_err err = mw_wire_write_command(text, sizeof text, &length, &command);
    if (err != MW_OK) {
        mw_log(MW_LOG_ERROR, machine->name, "no command could be made", MW_KS("action", action),
               MW_KS("reason", mw_err_text(err)));
        return MW_OK;
    }
    scorer->counts.commands++;
    mw_log(MW_LOG_INFO, machine->name, "command", MW_KS("action", action), MW_KS("id", id),
           MW_KS("cause", cause));
    return mw_stream_append(scorer->stream, "command", telemetry->device,
                            (struct mw_span){text, length}, error);
}

/* A time that is missing or not to be believed gives way to that of the append: a command that
 * expired in 1970 stops nothing, and a machine found right would be left alone for ever. */
static int64_t time_of(const struct mw_scorer *scorer, const struct mw_stream_record *record)
{
    bool usable =
        !scorer->telemetry.time_unknown && !mw_wire_has(scorer->parser, 0, "time_suspect");
    return usable ? scorer->telemetry.time : record->appended;
}

static mw_err write_score(struct mw_scorer *scorer, const struct mw_stream_record *record,
                          struct mw_score_model *model, struct mw_score_machine *machine,
                          float value, struct mw_error *error)
{
    const struct mw_telemetry *telemetry = &scorer->telemetry;
    char text[SCORE_TEXT];
    size_t length = 0;
    struct mw_score score = {.device = telemetry->device,
                             .machine = telemetry->machine,
                             .boot = telemetry->numbered ? telemetry->boot : 0,
                             .seq = telemetry->numbered ? telemetry->seq : (uint64_t)record->offset,
                             .time = time_of(scorer, record),
                             .score = value,
                             .band = mw_band_of(value),
                             .model = mw_span_of(model->runner.bundle.digest),
                             .level = 3};
    mw_err err = mw_wire_write_score(text, sizeof text, &length, &score);
    if (err != MW_OK) {
        return mw_score_bury(scorer, record, telemetry, mw_err_text(err), error);
    }
    err = mw_stream_append(scorer->stream, "score", telemetry->device,
                           (struct mw_span){text, length}, error);
    if (err != MW_OK) {
        return err;
    }
    scorer->counts.scored++;
    const char *action =
        mw_score_policy_take(&machine->policy, scorer->plant, score.band, score.time);
    if (mw_score_machine_touch(scorer, machine) != MW_OK) {
        return mw_error_set(error, MW_ERR_MEMORY, "%s: out of memory", machine->name);
    }
    return action == NULL ? MW_OK : send_command(scorer, telemetry, machine, &score, action, error);
}

static mw_err score(struct mw_scorer *scorer, const struct mw_stream_record *record,
                    struct mw_score_model *model, struct mw_error *error)
{
    const struct mw_telemetry *telemetry = &scorer->telemetry;
    struct mw_runner *runner = &model->runner;
    struct mw_score_machine *machine = NULL;
    float x[MW_BUNDLE_FEATURES_MAX];
    char reason[320];
    for (size_t i = 0; i < runner->bundle.n_features; i++) {
        if (!find(telemetry, model, i, &x[i])) {
            (void)snprintf(reason, sizeof reason, "feature %s of the model is missing",
                           runner->bundle.features[i]);
            return mw_score_bury(scorer, record, telemetry, reason, error);
        }
    }
    mw_err err = mw_score_machine_entry(scorer, telemetry->machine, &machine);
    if (err != MW_OK) {
        return mw_error_set(error, err, "machines: %s", mw_err_text(err));
    }
    mw_runner_map(runner, baseline_of(machine, model), x, x);
    float value = mw_runner_score(runner, x);
    if (!(value >= 0.0F && value <= 1.0F)) {
        return mw_score_bury(scorer, record, telemetry, "the model's answer is not in [0,1]",
                             error);
    }
    return write_score(scorer, record, model, machine, value, error);
}

mw_err mw_score_take_telemetry(struct mw_scorer *scorer, const struct mw_stream_record *record,
                               struct mw_error *error)
{
    struct mw_why why = {0};
    char reason[320];
    scorer->counts.records++;
    mw_err err = mw_wire_open(scorer->parser, record->value, &why);
    err = err == MW_OK ? mw_wire_read_telemetry(scorer->parser, 0, &scorer->telemetry, &why) : err;
    if (err != MW_OK) {
        (void)snprintf(reason, sizeof reason, "%s (at %u)",
                       why.text != NULL ? why.text : mw_err_text(err), why.where);
        return mw_score_bury(scorer, record, NULL, reason, error);
    }
    struct mw_score_model *model = mw_score_model_of(scorer, scorer->telemetry.device);
    if (model == NULL) {
        scorer->counts.unserved++;
        return MW_OK;
    }
    return score(scorer, record, model, error);
}
