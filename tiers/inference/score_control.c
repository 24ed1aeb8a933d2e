/* score_control.c - the records that change how scores are made: update, baseline and event. */
#include "tiers/inference/scorer.h"

#include "core/wire/number.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

#include <stdio.h>

mw_err mw_score_read_update(struct mw_wire_parser *parser, struct mw_span text,
                            struct mw_span *name, char digest[MW_DIGEST_TEXT])
{
    struct mw_span version = {0}, desired = {0}, bundle = {0};
    mw_err err = mw_wire_open(parser, text, NULL);
    err = err == MW_OK ? mw_wire_get(parser, 0, "v", &version) : err;
    if (err == MW_OK && name->size == 0) {
        err = mw_wire_get(parser, 0, "device", name);
    }
    err = err == MW_OK ? mw_wire_get(parser, 0, "desired", &desired) : err;
    err = err == MW_OK ? mw_wire_open(parser, desired, NULL) : err;
    err = err == MW_OK ? mw_wire_get(parser, 0, "bundle", &bundle) : err;
    if (err != MW_OK || !mw_span_is(version, "1")) {
        return MW_ERR_PARSE;
    }
    if (!mw_span_is(*name, "*") && !mw_name_valid(*name)) {
        return MW_ERR_PARSE;
    }
    digest[0] = '\0';
    if (bundle.size > 0 && !mw_span_is(bundle, "null")) {
        if (!mw_digest_valid(bundle)) {
            return MW_ERR_PARSE;
        }
        memcpy(digest, bundle.data, bundle.size);
        digest[bundle.size] = '\0';
    }
    return MW_OK;
}

/* Appends the status record. `refused` is NULL after a success. */
static mw_err report(struct mw_scorer *scorer, struct mw_span name,
                     const struct mw_score_model *model, const char *refused, const char *reason,
                     struct mw_error *error)
{
    struct mw_buffer *json = &scorer->text;
    char now[MW_NUMBER_TEXT];
    (void)mw_number_print_time(now, mw_clock_utc());
    mw_buffer_clear(json);
    mw_err err = mw_buffer_printf(json,
                                  "{\"v\":1,\"device\":\"score\",\"time\":%s,\"reported\":{"
                                  "\"serves\":\"%.*s\",\"bundle\":\"%s\"",
                                  now, (int)name.size, name.data,
                                  model != NULL ? model->runner.bundle.digest : "");
    if (err == MW_OK && refused != NULL) {
        err = mw_buffer_printf(json, ",\"refused\":\"%s\",\"reason\":", refused);
        err = err == MW_OK ? mw_score_add_text(json, reason) : err;
    }
    err = err == MW_OK ? mw_buffer_printf(json, "}}") : err;
    if (err != MW_OK) {
        return mw_error_set(error, err, "status: out of memory");
    }
    return mw_stream_append(scorer->stream, "status", mw_span_of("score"),
                            (struct mw_span){json->data, json->size}, error);
}

static void log_update(struct mw_span name, const char *digest, const char *reason)
{
    char thing[MW_NAME_MAX + 1];
    (void)snprintf(thing, sizeof thing, "%.*s", (int)name.size, name.data);
    if (reason != NULL) {
        mw_log(MW_LOG_ERROR, thing, "bundle refused, the one in use stays", MW_KS("bundle", digest),
               MW_KS("reason", reason));
    } else {
        mw_log(MW_LOG_INFO, thing, "scores with another bundle", MW_KS("bundle", digest));
    }
}

mw_err mw_score_take_update(struct mw_scorer *scorer, const struct mw_stream_record *record,
                            struct mw_error *error)
{
    struct mw_span name = record->key, kept = record->value;
    char digest[MW_DIGEST_TEXT];
    struct mw_score_device *device = NULL;
    struct mw_score_model *model = NULL;
    struct mw_error why = {0};
    if (mw_score_read_update(scorer->parser, record->value, &name, digest) != MW_OK) {
        return mw_score_bury(scorer, record, NULL, "not an update", error);
    }
    mw_err err = mw_score_device_entry(scorer, name, &device);
    if (err != MW_OK) {
        return mw_error_set(error, err, "devices: %s", mw_err_text(err));
    }
    scorer->reassigned = true;
    if (digest[0] != '\0' && mw_score_model_load(scorer, digest, &model, &why) != MW_OK) {
        scorer->counts.refused++;
        log_update(name, digest, why.text);
        return report(scorer, name, mw_score_model_of(scorer, name), digest, why.text, error);
    }
    /* From the next record on. */
    device->model = model;
    log_update(name, digest, NULL);
    kept.size = digest[0] != '\0' ? kept.size : 0;
    err = mw_stream_put(scorer->stream, "desired", name, kept, error);
    return err == MW_OK ? report(scorer, name, mw_score_model_of(scorer, name), NULL, NULL, error)
                        : err;
}

mw_err mw_score_take_baseline(struct mw_scorer *scorer, const struct mw_stream_record *record,
                              struct mw_error *error)
{
    struct mw_span version = {0}, features = {0}, name = record->key;
    struct mw_score_machine *machine = NULL;
    mw_err err = mw_wire_open(scorer->parser, record->value, NULL);
    err = err == MW_OK ? mw_wire_get(scorer->parser, 0, "v", &version) : err;
    err = err == MW_OK ? mw_wire_get(scorer->parser, 0, "features", &features) : err;
    if (err == MW_OK && name.size == 0) {
        err = mw_wire_get(scorer->parser, 0, "machine", &name);
    }
    if (err != MW_OK || !mw_span_is(version, "1") || !mw_name_valid(name)) {
        return mw_score_bury(scorer, record, NULL, "not a baseline", error);
    }
    err = mw_score_machine_entry(scorer, name, &machine);
    if (err != MW_OK) {
        return mw_error_set(error, err, "machines: %s", mw_err_text(err));
    }
    mw_score_machine_set_baseline(machine, record->value);
    return mw_stream_put(scorer->stream, "baseline-in-use", name, record->value, error);
}

mw_err mw_score_take_event(struct mw_scorer *scorer, const struct mw_stream_record *record,
                           struct mw_error *error)
{
    struct mw_event event;
    struct mw_why why = {0};
    mw_err err = mw_wire_open(scorer->parser, record->value, &why);
    err = err == MW_OK ? mw_wire_read_event(scorer->parser, 0, &event, &why) : err;
    if (err != MW_OK) {
        return mw_score_bury(scorer, record, NULL, why.text != NULL ? why.text : "not an event",
                             error);
    }
    struct mw_score_machine *machine = mw_score_index_get(&scorer->machines, event.machine);
    if (event.type == MW_EVENT_FAILURE || machine == NULL) {
        return MW_OK;
    }
    mw_score_policy_judge(&machine->policy, scorer->plant, event.finding, event.time);
    err = mw_score_machine_touch(scorer, machine);
    return err == MW_OK ? MW_OK : mw_error_set(error, err, "%s: out of memory", machine->name);
}
