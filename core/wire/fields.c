/* fields.c - the known keys of one object, and their values by type. */
#include "core/wire/json.h"
#include "core/wire/number.h"
#include "core/wire/wire_internal.h"

static size_t find_key(const struct mw_wire_key *keys, size_t n_keys, struct mw_span name)
{
    for (size_t k = 0; k < n_keys; k++) {
        if (keys[k].name.size == name.size && keys[k].name.data[0] == name.data[0] &&
            memcmp(keys[k].name.data, name.data, name.size) == 0) {
            return k;
        }
    }
    return n_keys;
}

mw_err mw_wire_fields_open(struct mw_wire_fields *fields, const struct mw_wire_parser *parser,
                           size_t i, const struct mw_wire_key *keys, size_t n_keys,
                           struct mw_why *why)
{
    if (i >= parser->n_items) {
        return mw_fail(why, MW_ERR_ARGUMENT, "no such record in the message", i);
    }
    *fields = (struct mw_wire_fields){
        .parser = parser, .keys = keys, .object = parser->item[i], .why = why};
    size_t token = fields->object + 1;
    for (int n = parser->tokens[fields->object].size; n > 0; n--) {
        struct mw_span name = mw_wire_token_text(parser, token);
        size_t k = name.size == 0 ? n_keys : find_key(keys, n_keys, name);
        if (k < n_keys) {
            if (fields->value[k] != 0) {
                return mw_fail(why, MW_ERR_PARSE, keys[k].twice,
                               (size_t)parser->tokens[token].start);
            }
            fields->value[k] = token + 1;
        }
        token = mw_wire_token_next(parser, token + 1);
    }
    return MW_OK;
}

bool mw_wire_fields_has(const struct mw_wire_fields *fields, size_t key)
{
    return fields->value[key] != 0;
}

mw_err mw_wire_fields_fail(const struct mw_wire_fields *fields, size_t key, mw_err err)
{
    bool has = mw_wire_fields_has(fields, key);
    size_t token = has ? fields->value[key] : fields->object;
    return mw_fail(fields->why, err, has ? fields->keys[key].wrong : fields->keys[key].missing,
                   (size_t)fields->parser->tokens[token].start);
}

mw_err mw_wire_fields_version(const struct mw_wire_fields *fields)
{
    if (!mw_wire_fields_has(fields, MW_WIRE_V)) {
        return mw_wire_fields_fail(fields, MW_WIRE_V, MW_ERR_PARSE);
    }
    size_t token = fields->value[MW_WIRE_V];
    if (fields->parser->tokens[token].type != JSMN_PRIMITIVE ||
        !mw_span_is(mw_wire_token_text(fields->parser, token), "1")) {
        return mw_fail(fields->why, MW_ERR_VERSION, "v is not 1",
                       (size_t)fields->parser->tokens[token].start);
    }
    return MW_OK;
}

/* The text of a key's value if it is there and of that type. */
static bool get(const struct mw_wire_fields *fields, size_t key, jsmntype_t type,
                struct mw_span *text)
{
    size_t token = fields->value[key];
    if (token == 0 || fields->parser->tokens[token].type != type) {
        return false;
    }
    *text = mw_wire_token_text(fields->parser, token);
    return true;
}

mw_err mw_wire_fields_name(const struct mw_wire_fields *fields, size_t key, struct mw_span *name)
{
    return get(fields, key, JSMN_STRING, name) && mw_name_valid(*name)
               ? MW_OK
               : mw_wire_fields_fail(fields, key, MW_ERR_PARSE);
}

mw_err mw_wire_fields_id(const struct mw_wire_fields *fields, size_t key, struct mw_span *id)
{
    return get(fields, key, JSMN_STRING, id) && mw_wire_id_valid(*id)
               ? MW_OK
               : mw_wire_fields_fail(fields, key, MW_ERR_PARSE);
}

mw_err mw_wire_fields_string(const struct mw_wire_fields *fields, size_t key, struct mw_span *text)
{
    return get(fields, key, JSMN_STRING, text) ? MW_OK
                                               : mw_wire_fields_fail(fields, key, MW_ERR_PARSE);
}

mw_err mw_wire_fields_u64(const struct mw_wire_fields *fields, size_t key, uint64_t *value)
{
    struct mw_span text;
    mw_err err =
        get(fields, key, JSMN_PRIMITIVE, &text) ? mw_number_parse_u64(text, value) : MW_ERR_PARSE;
    return err == MW_OK ? MW_OK : mw_wire_fields_fail(fields, key, err);
}

mw_err mw_wire_fields_u32(const struct mw_wire_fields *fields, size_t key, uint32_t *value)
{
    uint64_t wide = 0;
    mw_err err = mw_wire_fields_u64(fields, key, &wide);
    if (err == MW_OK && wide > UINT32_MAX) {
        err = mw_wire_fields_fail(fields, key, MW_ERR_RANGE);
    }
    *value = (uint32_t)wide;
    return err;
}

mw_err mw_wire_fields_time(const struct mw_wire_fields *fields, size_t key, int64_t *microseconds)
{
    struct mw_span text;
    mw_err err = get(fields, key, JSMN_PRIMITIVE, &text) ? mw_number_parse_time(text, microseconds)
                                                         : MW_ERR_PARSE;
    return err == MW_OK ? MW_OK : mw_wire_fields_fail(fields, key, err);
}

mw_err mw_wire_fields_f32(const struct mw_wire_fields *fields, size_t key, float *value)
{
    struct mw_span text;
    mw_err err =
        get(fields, key, JSMN_PRIMITIVE, &text) ? mw_number_parse_f32(text, value) : MW_ERR_PARSE;
    return err == MW_OK ? MW_OK : mw_wire_fields_fail(fields, key, err);
}

mw_err mw_wire_fields_device(const struct mw_wire_fields *fields, size_t device_key,
                             size_t machine_key, struct mw_span *device, struct mw_span *machine)
{
    mw_err err = mw_wire_fields_name(fields, device_key, device);
    if (err != MW_OK) {
        return err;
    }
    if (mw_wire_fields_has(fields, machine_key)) {
        return mw_wire_fields_name(fields, machine_key, machine);
    }
    *machine = *device;
    return MW_OK;
}
