/* bridge_held_load.c - what an earlier run of the bridge held. */
#include "tiers/platform/bridge_held.h"

#include "core/wire/number.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

struct loading {
    struct mw_bridge_holder *holder;
    mw_err err;
};

static uint64_t u64_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    uint64_t value = 0;
    return text != NULL && mw_number_parse_u64(mw_span_of(text), &value) == MW_OK ? value : 0;
}

static mw_err load_metric(struct mw_bridge_held *held, const json_t *object)
{
    const json_t *name = json_object_get(object, "name");
    const json_t *value = json_object_get(object, "value");
    struct mw_bridge_metric *metric;
    if (!json_is_string(name)) {
        return MW_ERR_CORRUPT;
    }
    mw_err err = mw_bridge_held_add(
        held, (struct mw_span){json_string_value(name), json_string_length(name)}, &metric);
    if (err != MW_OK) {
        return err;
    }
    metric->has_alias = json_object_get(object, "alias") != NULL;
    metric->alias = u64_of(object, "alias");
    metric->has_value = json_is_number(value);
    metric->value = (float)json_number_value(value);
    mw_bridge_metric_type(metric, (uint32_t)json_integer_value(json_object_get(object, "type")));
    return MW_OK;
}

static mw_err load_held(struct mw_bridge_holder *holder, struct mw_span origin,
                        const json_t *object)
{
    const char *device = json_string_value(json_object_get(object, "device"));
    const char *machine = json_string_value(json_object_get(object, "machine"));
    struct mw_bridge_held *held;
    if (device == NULL || machine == NULL || !mw_name_valid(mw_span_of(device)) ||
        !mw_name_valid(mw_span_of(machine))) {
        return MW_ERR_CORRUPT;
    }
    mw_err err = mw_bridge_held_get(holder, origin, device, machine, &held);
    if (err != MW_OK) {
        return err;
    }
    held->whole = json_is_true(json_object_get(object, "whole"));
    held->born = json_is_true(json_object_get(object, "born"));
    held->stale = json_is_true(json_object_get(object, "stale"));
    held->seq = (uint8_t)json_integer_value(json_object_get(object, "seq"));
    held->bd_seq = u64_of(object, "bd_seq");
    held->time = (int64_t)(json_number_value(json_object_get(object, "time")) * 1e6 + 0.5);
    size_t i;
    const json_t *metric;
    json_array_foreach(json_object_get(object, "metrics"), i, metric)
    {
        err = load_metric(held, metric);
        if (err != MW_OK) {
            break;
        }
    }
    return err;
}

static bool load(void *context, struct mw_span key, struct mw_span value)
{
    struct loading *loading = context;
    json_t *object = json_loadb(value.data, value.size, JSON_REJECT_DUPLICATES, NULL);
    loading->err =
        json_is_object(object) ? load_held(loading->holder, key, object) : MW_ERR_CORRUPT;
    json_decref(object);
    return loading->err == MW_OK;
}

mw_err mw_bridge_holder_load(struct mw_bridge_holder *holder, struct mw_stream *stream,
                             struct mw_error *error)
{
    struct loading loading = {holder, MW_OK};
    mw_err err = mw_stream_visit(stream, NULL, "held", load, &loading, error);
    return err == MW_OK && loading.err != MW_OK
               ? mw_error_set(error, loading.err,
                              "what the stream holds of a device of another layout cannot be "
                              "read: %s",
                              mw_err_text(loading.err))
               : err;
}
