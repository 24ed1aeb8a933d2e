/* score_dead.c - what cannot be scored is kept with the reason, and never stops the rest. */
#include "tiers/inference/scorer.h"

#include "core/wire/number.h"

#include <inttypes.h>

mw_err mw_score_add_text(struct mw_buffer *json, const char *text)
{
    mw_err err = mw_buffer_add(json, "\"", 1);
    for (const char *c = text; err == MW_OK && *c != '\0'; c++) {
        if (*c == '"' || *c == '\\') {
            err = mw_buffer_add(json, "\\", 1);
        }
        if (err == MW_OK) {
            err = mw_buffer_add(json, *c < ' ' || *c > '~' ? "?" : c, 1);
        }
    }
    return err == MW_OK ? mw_buffer_add(json, "\"", 1) : err;
}

mw_err mw_score_bury(struct mw_scorer *scorer, const struct mw_stream_record *record,
                     const struct mw_telemetry *telemetry, const char *reason,
                     struct mw_error *error)
{
    struct mw_buffer *json = &scorer->text;
    struct mw_span device = telemetry != NULL ? telemetry->device : record->key;
    char received[MW_NUMBER_TEXT];
    (void)mw_number_print_time(received, record->appended);
    mw_buffer_clear(json);
    mw_err err = mw_buffer_printf(json, "{\"v\":1,\"topic\":\"%s\"", record->topic);
    if (err == MW_OK && mw_name_valid(device)) {
        err = mw_buffer_printf(json, ",\"device\":\"%.*s\"", (int)device.size, device.data);
    }
    if (err == MW_OK && telemetry != NULL && telemetry->numbered) {
        err = mw_buffer_printf(json, ",\"boot\":%" PRIu32 ",\"seq\":%" PRIu64, telemetry->boot,
                               telemetry->seq);
    }
    err = err == MW_OK ? mw_buffer_printf(json, ",\"reason\":") : err;
    err = err == MW_OK ? mw_score_add_text(json, reason) : err;
    err =
        err == MW_OK ? mw_buffer_printf(json, ",\"received\":%s,\"by\":\"score\"}", received) : err;
    if (err != MW_OK) {
        return mw_error_set(error, err, "dead letter: out of memory");
    }
    scorer->counts.dead++;
    return mw_stream_append(scorer->stream, "dead", device,
                            (struct mw_span){json->data, json->size}, error);
}
