/* telemetry.c - records of features; also the flat ones of the reference firmware. */
#include "core/wire/number.h"
#include "core/wire/wire_internal.h"

enum { V, DEVICE, MACHINE, BOOT, SEQ, TIME, P, FEATURES, FLAT_DEVICE, N_KEYS };
static const struct mw_wire_key keys[N_KEYS] = {
    [V] = MW_WIRE_KEY_V,
    [DEVICE] = MW_WIRE_KEY("device", "a name of a-z, 0-9 and -"),
    [MACHINE] = MW_WIRE_KEY("machine", "a name of a-z, 0-9 and -"),
    [BOOT] = MW_WIRE_KEY("boot", "an integer of 32 bits"),
    [SEQ] = MW_WIRE_KEY("seq", "an integer of 64 bits"),
    [TIME] = MW_WIRE_KEY("time", "a number of seconds"),
    [P] = MW_WIRE_KEY("p", "a number above 0 and up to 1"),
    [FEATURES] = MW_WIRE_KEY("features", "an object of numbers with at least one"),
    [FLAT_DEVICE] = MW_WIRE_KEY("deviceID", "a name of a-z, 0-9 and -"),
};

enum { FLAT_NAME, CURRENT, TEMPERATURE, VIBRATION, SOUND, N_FLAT_KEYS };
static const struct mw_wire_key flat_keys[N_FLAT_KEYS] = {
    [FLAT_NAME] = MW_WIRE_KEY("deviceID", "a name of a-z, 0-9 and -"),
    [CURRENT] = MW_WIRE_KEY("current", "a number that float32 can hold"),
    [TEMPERATURE] = MW_WIRE_KEY("temperature", "a number that float32 can hold"),
    [VIBRATION] = MW_WIRE_KEY("vibration", "a number that float32 can hold"),
    [SOUND] = MW_WIRE_KEY("sound", "a number that float32 can hold"),
};

static mw_err read_flat(const struct mw_wire_parser *p, size_t i, struct mw_telemetry *out,
                        struct mw_why *why)
{
    struct mw_wire_fields f;
    mw_err err = mw_wire_fields_open(&f, p, i, flat_keys, N_FLAT_KEYS, why);
    if (err == MW_OK) {
        err = mw_wire_fields_name(&f, FLAT_NAME, &out->device);
    }
    for (size_t key = CURRENT; err == MW_OK && key <= SOUND; key++) {
        struct mw_feature *feature = &out->features[key - CURRENT];
        err = mw_wire_fields_f32(&f, key, &feature->value);
        if (err == MW_OK) {
            /* The message's own bytes: the name is to borrow from the same place as all others. */
            feature->name = mw_wire_token_text(p, f.value[key] - 1);
        }
    }
    out->machine = out->device;
    out->numbered = false;
    out->boot = 0;
    out->seq = 0;
    out->time = 0;
    out->time_unknown = true;
    out->p = 1;
    out->n_features = N_FLAT_KEYS - CURRENT;
    return err;
}

static mw_err read_feature(const struct mw_wire_parser *p, size_t token, struct mw_feature *out,
                           struct mw_why *why)
{
    const jsmntok_t *value = &p->tokens[token + 1];
    out->name = mw_wire_token_text(p, token);
    if (!mw_feature_name_valid(out->name)) {
        return mw_fail(why, MW_ERR_PARSE, "feature name is empty, too long or escaped",
                       (size_t)p->tokens[token].start);
    }
    mw_err err = value->type == JSMN_PRIMITIVE
                     ? mw_number_parse_f32(mw_wire_token_text(p, token + 1), &out->value)
                     : MW_ERR_PARSE;
    if (err != MW_OK) {
        return mw_fail(why, err,
                       err == MW_ERR_RANGE ? "feature value is beyond the range of float32"
                                           : "feature value is not a number",
                       (size_t)value->start);
    }
    return MW_OK;
}

static mw_err read_features(const struct mw_wire_fields *f, struct mw_telemetry *out)
{
    const struct mw_wire_parser *p = f->parser;
    size_t token = f->value[FEATURES];
    if (token == 0 || p->tokens[token].type != JSMN_OBJECT || p->tokens[token].size == 0) {
        return mw_wire_fields_fail(f, FEATURES, MW_ERR_PARSE);
    }
    size_t n = (size_t)p->tokens[token].size;
    if (n > MW_FEATURES_MAX) {
        return mw_fail(f->why, MW_ERR_TOO_LARGE, "too many features in one record",
                       (size_t)p->tokens[token].start);
    }
    struct mw_wire_name_set names = {{0}};
    for (size_t i = 0; i < n; i++) {
        size_t name = token + 1 + 2 * i; /* each before it was a name and a number */
        mw_err err = read_feature(p, name, &out->features[i], f->why);
        if (err != MW_OK) {
            return err;
        }
        if (!mw_wire_name_set_add(&names, &out->features[0].name, sizeof out->features[0], i)) {
            return mw_fail(f->why, MW_ERR_PARSE, "feature is given twice",
                           (size_t)p->tokens[name].start);
        }
    }
    out->n_features = n;
    return MW_OK;
}

static mw_err read_number_and_time(const struct mw_wire_fields *f, struct mw_telemetry *out)
{
    out->numbered = mw_wire_fields_has(f, BOOT) || mw_wire_fields_has(f, SEQ);
    out->time_unknown = !mw_wire_fields_has(f, TIME);
    out->boot = 0;
    out->seq = 0;
    out->time = 0;
    out->p = 1;
    mw_err err = MW_OK;
    if (out->numbered) { /* one of the two without the other cannot be placed */
        err = mw_wire_fields_u32(f, BOOT, &out->boot);
        err = err == MW_OK ? mw_wire_fields_u64(f, SEQ, &out->seq) : err;
    }
    if (err == MW_OK && !out->time_unknown) {
        err = mw_wire_fields_time(f, TIME, &out->time);
    }
    if (err == MW_OK && mw_wire_fields_has(f, P)) {
        err = mw_wire_fields_f32(f, P, &out->p);
        if (err == MW_OK && !(out->p > 0 && out->p <= 1)) {
            err = mw_wire_fields_fail(f, P, MW_ERR_RANGE);
        }
    }
    return err;
}

mw_err mw_wire_read_telemetry(const struct mw_wire_parser *p, size_t i, struct mw_telemetry *out,
                              struct mw_why *why)
{
    struct mw_wire_fields f;
    mw_err err = mw_wire_fields_open(&f, p, i, keys, N_KEYS, why);
    if (err == MW_OK && !mw_wire_fields_has(&f, V) && mw_wire_fields_has(&f, FLAT_DEVICE)) {
        return read_flat(p, i, out, why);
    }
    if (err == MW_OK) {
        err = mw_wire_fields_version(&f);
    }
    if (err == MW_OK) {
        err = mw_wire_fields_device(&f, DEVICE, MACHINE, &out->device, &out->machine);
    }
    if (err == MW_OK) {
        err = read_number_and_time(&f, out);
    }
    return err == MW_OK ? read_features(&f, out) : err;
}

static bool valid(const struct mw_telemetry *in)
{
    bool whole = mw_wire_device_valid(in->device, in->machine) && in->p > 0 && in->p <= 1 &&
                 in->n_features > 0 && in->n_features <= MW_FEATURES_MAX;
    struct mw_wire_name_set names = {{0}};
    for (size_t i = 0; whole && i < in->n_features; i++) {
        float value = in->features[i].value;
        whole = mw_feature_name_valid(in->features[i].name) && value - value == 0 &&
                mw_wire_name_set_add(&names, &in->features[0].name, sizeof in->features[0], i);
    }
    return whole;
}

mw_err mw_wire_write_telemetry(char *text, size_t capacity, size_t *length,
                               const struct mw_telemetry *in)
{
    if (!valid(in)) {
        return MW_ERR_ARGUMENT;
    }
    struct mw_wire_text t = {text, capacity, 0};
    mw_wire_text_device(&t, in->device, in->machine);
    if (in->numbered) {
        mw_wire_text_u64(&t, "boot", in->boot);
        mw_wire_text_u64(&t, "seq", in->seq);
    }
    if (!in->time_unknown) {
        mw_wire_text_time(&t, "time", in->time);
    }
    if (in->p < 1) {
        mw_wire_text_f32(&t, "p", in->p);
    }
    for (size_t i = 0; i < in->n_features; i++) {
        mw_wire_text_literal(&t, i == 0 ? ",\"features\":{" : ",");
        mw_wire_text_quoted(&t, in->features[i].name);
        mw_wire_text_literal(&t, ":");
        mw_wire_text_number_f32(&t, in->features[i].value);
    }
    mw_wire_text_literal(&t, "}}");
    return mw_wire_text_end(&t, length);
}
