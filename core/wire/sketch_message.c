/* sketch_message.c - histograms on the wire: counts of the bins, then of what was not finite. */
#include "core/wire/number.h"
#include "core/wire/wire_internal.h"

enum { V, DEVICE, MACHINE, BOOT, SEQ, BUNDLE, FROM, TO, COUNT, FEATURES, SCORE, N_KEYS };
static const struct mw_wire_key keys[N_KEYS] = {
    [V] = MW_WIRE_KEY_V,
    [DEVICE] = MW_WIRE_KEY("device", "a name of a-z, 0-9 and -"),
    [MACHINE] = MW_WIRE_KEY("machine", "a name of a-z, 0-9 and -"),
    [BOOT] = MW_WIRE_KEY("boot", "an integer of 32 bits"),
    [SEQ] = MW_WIRE_KEY("seq", "an integer of 64 bits"),
    [BUNDLE] = MW_WIRE_KEY("bundle", "a digest"),
    [FROM] = MW_WIRE_KEY("from", "a number of seconds"),
    [TO] = MW_WIRE_KEY("to", "a number of seconds from `from` on"),
    [COUNT] = MW_WIRE_KEY("count", "an integer of 64 bits"),
    [FEATURES] = MW_WIRE_KEY("features", "an object of sketches"),
    [SCORE] = MW_WIRE_KEY("score", "an array of 17 counts"),
};

/* The counts of the array at `token`, which takes itself and MW_SKETCH_BINS + 1 tokens. */
static mw_err read_counts(const struct mw_wire_fields *f, size_t token, struct mw_sketch *out)
{
    const struct mw_wire_parser *p = f->parser;
    const jsmntok_t *array = &p->tokens[token];
    if (array->type != JSMN_ARRAY || array->size != MW_SKETCH_BINS + 1) {
        return mw_fail(f->why, MW_ERR_PARSE, "sketch is not an array of 17 counts",
                       (size_t)array->start);
    }
    for (size_t i = 0; i <= MW_SKETCH_BINS; i++) {
        size_t at = token + 1 + i;
        uint64_t *count = i < MW_SKETCH_BINS ? &out->count[i] : &out->not_finite;
        mw_err err = p->tokens[at].type == JSMN_PRIMITIVE
                         ? mw_number_parse_u64(mw_wire_token_text(p, at), count)
                         : MW_ERR_PARSE;
        if (err != MW_OK) {
            return mw_fail(f->why, err, "count of a sketch is not an integer of 64 bits",
                           (size_t)p->tokens[at].start);
        }
    }
    return MW_OK;
}

static mw_err read_features(const struct mw_wire_fields *f, struct mw_sketch_record *out)
{
    const struct mw_wire_parser *p = f->parser;
    size_t token = f->value[FEATURES];
    if (token == 0 || p->tokens[token].type != JSMN_OBJECT) {
        return mw_wire_fields_fail(f, FEATURES, MW_ERR_PARSE);
    }
    size_t n = (size_t)p->tokens[token].size;
    if (n > MW_FEATURES_MAX) {
        return mw_fail(f->why, MW_ERR_TOO_LARGE, "too many features in one sketch",
                       (size_t)p->tokens[token].start);
    }
    struct mw_wire_name_set names = {{0}};
    token++;
    for (size_t i = 0; i < n; i++) {
        out->names[i] = mw_wire_token_text(p, token);
        size_t where = (size_t)p->tokens[token].start;
        if (!mw_feature_name_valid(out->names[i])) {
            return mw_fail(f->why, MW_ERR_PARSE, "feature name is empty, too long or escaped",
                           where);
        }
        if (!mw_wire_name_set_add(&names, out->names, sizeof out->names[0], i)) {
            return mw_fail(f->why, MW_ERR_PARSE, "feature is given twice", where);
        }
        mw_err err = read_counts(f, token + 1, &out->features[i]);
        if (err != MW_OK) {
            return err;
        }
        token += 2 + MW_SKETCH_BINS + 1;
    }
    out->n_features = n;
    return MW_OK;
}

static mw_err read_span_of_time(const struct mw_wire_fields *f, struct mw_sketch_record *out)
{
    mw_err err = mw_wire_fields_time(f, FROM, &out->from);
    if (err == MW_OK) {
        err = mw_wire_fields_time(f, TO, &out->to);
    }
    if (err == MW_OK && out->to < out->from) {
        err = mw_wire_fields_fail(f, TO, MW_ERR_RANGE);
    }
    return err;
}

mw_err mw_wire_read_sketch(const struct mw_wire_parser *p, size_t i, struct mw_sketch_record *out,
                           struct mw_why *why)
{
    struct mw_wire_fields f;
    mw_err err = mw_wire_fields_open(&f, p, i, keys, N_KEYS, why);
    err = err == MW_OK ? mw_wire_fields_version(&f) : err;
    err = err == MW_OK ? mw_wire_fields_device(&f, DEVICE, MACHINE, &out->device, &out->machine)
                       : err;
    err = err == MW_OK ? mw_wire_fields_u32(&f, BOOT, &out->boot) : err;
    err = err == MW_OK ? mw_wire_fields_u64(&f, SEQ, &out->seq) : err;
    err = err == MW_OK ? mw_wire_fields_id(&f, BUNDLE, &out->bundle) : err;
    err = err == MW_OK ? read_span_of_time(&f, out) : err;
    err = err == MW_OK ? mw_wire_fields_u64(&f, COUNT, &out->count) : err;
    err = err == MW_OK ? read_features(&f, out) : err;
    if (err == MW_OK && !mw_wire_fields_has(&f, SCORE)) {
        err = mw_wire_fields_fail(&f, SCORE, MW_ERR_PARSE);
    }
    return err == MW_OK ? read_counts(&f, f.value[SCORE], &out->score) : err;
}

static void put_counts(struct mw_wire_text *t, const struct mw_sketch *sketch)
{
    for (size_t i = 0; i < MW_SKETCH_BINS; i++) {
        mw_wire_text_literal(t, i == 0 ? "[" : ",");
        mw_wire_text_number_u64(t, sketch->count[i]);
    }
    mw_wire_text_literal(t, ",");
    mw_wire_text_number_u64(t, sketch->not_finite);
    mw_wire_text_literal(t, "]");
}

static bool valid(const struct mw_sketch_record *in)
{
    bool whole = mw_wire_device_valid(in->device, in->machine) && mw_wire_id_valid(in->bundle) &&
                 in->from <= in->to && in->n_features <= MW_FEATURES_MAX;
    struct mw_wire_name_set names = {{0}};
    for (size_t i = 0; whole && i < in->n_features; i++) {
        whole = mw_feature_name_valid(in->names[i]) &&
                mw_wire_name_set_add(&names, in->names, sizeof in->names[0], i);
    }
    return whole;
}

mw_err mw_wire_write_sketch(char *text, size_t capacity, size_t *length,
                            const struct mw_sketch_record *in)
{
    if (!valid(in)) {
        return MW_ERR_ARGUMENT;
    }
    struct mw_wire_text t = {text, capacity, 0};
    mw_wire_text_device(&t, in->device, in->machine);
    mw_wire_text_u64(&t, "boot", in->boot);
    mw_wire_text_u64(&t, "seq", in->seq);
    mw_wire_text_string(&t, "bundle", in->bundle);
    mw_wire_text_time(&t, "from", in->from);
    mw_wire_text_time(&t, "to", in->to);
    mw_wire_text_u64(&t, "count", in->count);
    mw_wire_text_literal(&t, ",\"features\":{");
    for (size_t i = 0; i < in->n_features; i++) {
        mw_wire_text_literal(&t, i == 0 ? "" : ",");
        mw_wire_text_quoted(&t, in->names[i]);
        mw_wire_text_literal(&t, ":");
        put_counts(&t, &in->features[i]);
    }
    mw_wire_text_literal(&t, "},\"score\":");
    put_counts(&t, &in->score);
    mw_wire_text_literal(&t, "}");
    return mw_wire_text_end(&t, length);
}
