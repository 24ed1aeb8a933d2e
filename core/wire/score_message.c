/* score_message.c - what a model said of one record. */
#include "core/wire/wire_internal.h"

enum { V, DEVICE, MACHINE, BOOT, SEQ, TIME, SCORE, BAND, MODEL, LEVEL, N_KEYS };
static const struct mw_wire_key keys[N_KEYS] = {
    [V] = MW_WIRE_KEY_V,
    [DEVICE] = MW_WIRE_KEY("device", "a name of a-z, 0-9 and -"),
    [MACHINE] = MW_WIRE_KEY("machine", "a name of a-z, 0-9 and -"),
    [BOOT] = MW_WIRE_KEY("boot", "an integer of 32 bits"),
    [SEQ] = MW_WIRE_KEY("seq", "an integer of 64 bits"),
    [TIME] = MW_WIRE_KEY("time", "a number of seconds"),
    [SCORE] = MW_WIRE_KEY("score", "a number from 0 to 1"),
    [BAND] = MW_WIRE_KEY("band", "normal, impending or immediate"),
    [MODEL] = MW_WIRE_KEY("model", "a digest"),
    [LEVEL] = MW_WIRE_KEY("level", "an integer of 32 bits"),
};

static mw_err read_band(const struct mw_wire_fields *f, enum mw_band *band)
{
    struct mw_span text;
    mw_err err = mw_wire_fields_string(f, BAND, &text);
    if (err != MW_OK) {
        return err;
    }
    for (enum mw_band b = MW_BAND_NORMAL; b <= MW_BAND_IMMEDIATE; b++) {
        if (mw_span_is(text, mw_band_name(b))) {
            *band = b;
            return MW_OK;
        }
    }
    return mw_wire_fields_fail(f, BAND, MW_ERR_PARSE);
}

static bool is_score(float score)
{
    return score >= 0 && score <= 1;
}

mw_err mw_wire_read_score(const struct mw_wire_parser *p, size_t i, struct mw_score *out,
                          struct mw_why *why)
{
    struct mw_wire_fields f;
    mw_err err = mw_wire_fields_open(&f, p, i, keys, N_KEYS, why);
    err = err == MW_OK ? mw_wire_fields_version(&f) : err;
    err = err == MW_OK ? mw_wire_fields_device(&f, DEVICE, MACHINE, &out->device, &out->machine)
                       : err;
    err = err == MW_OK ? mw_wire_fields_u32(&f, BOOT, &out->boot) : err;
    err = err == MW_OK ? mw_wire_fields_u64(&f, SEQ, &out->seq) : err;
    err = err == MW_OK ? mw_wire_fields_time(&f, TIME, &out->time) : err;
    err = err == MW_OK ? mw_wire_fields_f32(&f, SCORE, &out->score) : err;
    if (err == MW_OK && !is_score(out->score)) {
        err = mw_wire_fields_fail(&f, SCORE, MW_ERR_RANGE);
    }
    err = err == MW_OK ? read_band(&f, &out->band) : err;
    err = err == MW_OK ? mw_wire_fields_id(&f, MODEL, &out->model) : err;
    return err == MW_OK ? mw_wire_fields_u32(&f, LEVEL, &out->level) : err;
}

mw_err mw_wire_write_score(char *text, size_t capacity, size_t *length, const struct mw_score *in)
{
    bool band_known = in->band == MW_BAND_NORMAL || in->band == MW_BAND_IMPENDING ||
                      in->band == MW_BAND_IMMEDIATE;
    if (!mw_wire_device_valid(in->device, in->machine) || !is_score(in->score) || !band_known ||
        !mw_wire_id_valid(in->model)) {
        return MW_ERR_ARGUMENT;
    }
    struct mw_wire_text t = {text, capacity, 0};
    mw_wire_text_device(&t, in->device, in->machine);
    mw_wire_text_u64(&t, "boot", in->boot);
    mw_wire_text_u64(&t, "seq", in->seq);
    mw_wire_text_time(&t, "time", in->time);
    mw_wire_text_f32(&t, "score", in->score);
    mw_wire_text_string(&t, "band", mw_span_of(mw_band_name(in->band)));
    mw_wire_text_string(&t, "model", in->model);
    mw_wire_text_u64(&t, "level", in->level);
    mw_wire_text_literal(&t, "}");
    return mw_wire_text_end(&t, length);
}
