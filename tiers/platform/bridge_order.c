#include "tiers/platform/bridge_order.h"

#include "core/wire/number.h"
#include "lib/plant/share.h"
#include "tiers/platform/bridge_map.h"

#include <stdio.h>
#include <string.h>

#define TEXT_MAX 1024 /* bytes of a payload made of a text */

/* ---- mapped topics ---- */

/* The text with {id} and {action} filled in; JSON's own braces stay. */
static mw_err fill_text(const char *text, const struct mw_command *command, char *out, size_t *size)
{
    const struct {
        const char *name;
        struct mw_span value;
    } names[] = {{"{id}", command->id}, {"{action}", command->action}};
    size_t used = 0;
    while (*text != '\0') {
        struct mw_span piece = {text, 1};
        size_t step = 1;
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            if (strncmp(text, names[i].name, strlen(names[i].name)) == 0) {
                piece = names[i].value;
                step = strlen(names[i].name);
            }
        }
        if (used + piece.size > TEXT_MAX) {
            return MW_ERR_TOO_LARGE;
        }
        memcpy(out + used, piece.data, piece.size);
        used += piece.size;
        text += step;
    }
    *size = used;
    return MW_OK;
}

static mw_err send_mapped(const struct mw_bridge_foreign *foreign,
                          const struct mw_bridge_held *held, const struct mw_command *command,
                          struct mw_span json, const char **fault)
{
    const struct mw_plant *plant = foreign->plant;
    const struct mw_bridge_sender *sender = &foreign->sparkplug.sender;
    const struct mw_topic_map *map = mw_bridge_map_of(&plant->topics, held->origin);
    const char *pattern = map == NULL ? NULL
                                      : mw_command_maps_find(&plant->commands, map->name,
                                                             mw_span_of(MW_COMMAND_TOPIC));
    char topic[MW_TOPIC_PATTERN_MAX + 1], text[TEXT_MAX];
    if (pattern == NULL) {
        return MW_ERR_NOT_FOUND;
    }
    mw_err err = mw_command_topic(map, pattern, mw_span_of(held->origin), topic);
    if (err != MW_OK) {
        *fault = "no topic can be made of its name";
        return err == MW_ERR_NOT_FOUND ? MW_ERR_ARGUMENT : err;
    }
    const char *said = mw_command_maps_find(&plant->commands, map->name, command->action);
    struct mw_span payload = {text, 0};
    err = said == NULL ? MW_OK : fill_text(said, command, text, &payload.size);
    if (err != MW_OK) {
        *fault = "its text is too long";
        return err;
    }
    return sender->publish(sender->context, topic, said == NULL ? json : payload, 1, false);
}

/* ---- Sparkplug B ---- */

/* An integer of that many bits, in two's complement of its own width. */
static mw_err read_integer(struct mw_span text, bool has_sign, unsigned bits, uint64_t *value)
{
    int64_t number = 0;
    uint64_t mask = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
    if (!has_sign) {
        return mw_number_parse_u64(text, value) == MW_OK && *value <= mask ? MW_OK : MW_ERR_RANGE;
    }
    int64_t most = (int64_t)(mask >> 1);
    if (mw_number_parse_i64(text, &number) != MW_OK || number > most || number < -most - 1) {
        return MW_ERR_RANGE;
    }
    *value = (uint64_t)number & mask;
    return MW_OK;
}

static mw_err read_boolean(struct mw_span text, uint64_t *value)
{
    *value = mw_span_is(text, "true") || mw_span_is(text, "1");
    return *value != 0 || mw_span_is(text, "false") || mw_span_is(text, "0") ? MW_OK : MW_ERR_RANGE;
}

/* Without a birth that knows the metric, its datatype is what the value looks like. */
static uint32_t guess_type(struct mw_span text)
{
    uint64_t integer;
    double real;
    if (mw_span_is(text, "true") || mw_span_is(text, "false")) {
        return MW_SPARKPLUG_BOOLEAN;
    }
    return read_integer(text, true, 64, &integer) == MW_OK ? MW_SPARKPLUG_INT64
           : mw_number_parse_f64(text, &real) == MW_OK     ? MW_SPARKPLUG_DOUBLE
                                                           : MW_SPARKPLUG_STRING;
}

static mw_err read_value(struct mw_sparkplug_metric *metric, struct mw_span text)
{
    metric->value = MW_SPARKPLUG_AS_INTEGER;
    switch (metric->type) {
    case MW_SPARKPLUG_INT8:
    case MW_SPARKPLUG_INT16:
    case MW_SPARKPLUG_INT32:
    case MW_SPARKPLUG_INT64:
        return read_integer(text, true, 8U << (metric->type - MW_SPARKPLUG_INT8), &metric->integer);
    case MW_SPARKPLUG_UINT8:
    case MW_SPARKPLUG_UINT16:
    case MW_SPARKPLUG_UINT32:
    case MW_SPARKPLUG_UINT64:
        return read_integer(text, false, 8U << (metric->type - MW_SPARKPLUG_UINT8),
                            &metric->integer);
    case MW_SPARKPLUG_BOOLEAN:
        metric->value = MW_SPARKPLUG_AS_BOOLEAN;
        return read_boolean(text, &metric->integer);
    case MW_SPARKPLUG_FLOAT:
        metric->value = MW_SPARKPLUG_AS_FLOAT;
        return mw_number_parse_f32(text, &metric->single);
    case MW_SPARKPLUG_DOUBLE:
        metric->value = MW_SPARKPLUG_AS_DOUBLE;
        return mw_number_parse_f64(text, &metric->real);
    case MW_SPARKPLUG_STRING:
        metric->value = MW_SPARKPLUG_AS_TEXT;
        metric->text = text;
        return MW_OK;
    default:
        return MW_ERR_UNSUPPORTED;
    }
}

/* "spBv1.0/<group>/<node>[/<device>]" into the topic of its commands. */
static mw_err command_topic(const char *origin, char *topic, size_t capacity)
{
    const char *group = origin + sizeof MW_SPARKPLUG;
    int group_size = (int)strcspn(group, "/");
    const char *rest = group + group_size;
    bool node = rest[0] == '/' && strchr(rest + 1, '/') == NULL;
    int n = snprintf(topic, capacity, MW_SPARKPLUG "/%.*s/%s%s", group_size, group,
                     node ? "NCMD" : "DCMD", rest);
    return n < 0 || (size_t)n >= capacity ? MW_ERR_TOO_LARGE : MW_OK;
}

static mw_err send_sparkplug(const struct mw_bridge_foreign *foreign, struct mw_bridge_held *held,
                             const struct mw_command *command, const char **fault)
{
    const struct mw_bridge_sender *sender = &foreign->sparkplug.sender;
    struct mw_clock clock = foreign->holder.intake->clock;
    const char *said =
        mw_command_maps_find(&foreign->plant->commands, MW_COMMAND_SPARKPLUG, command->action);
    struct mw_sparkplug_metric metric = {.has_name = true};
    struct mw_sparkplug_writer writer;
    struct mw_span value;
    char topic[1100], text[TEXT_MAX];
    size_t length = 0;
    if (said == NULL || mw_command_metric(said, &metric.name, &value) != MW_OK) {
        return MW_ERR_NOT_FOUND;
    }
    if (!held->born) {
        return MW_ERR_AGAIN; /* nobody is there to hear it */
    }
    const struct mw_bridge_metric *known = mw_bridge_held_find(held, metric.name);
    metric.type = known != NULL ? known->type : guess_type(value);
    mw_err err = read_value(&metric, value);
    if (err != MW_OK) {
        *fault = err == MW_ERR_UNSUPPORTED ? "the metric's datatype cannot be written"
                                           : "the value is none of the metric's datatype";
        return err;
    }
    mw_sparkplug_begin(&writer, text, sizeof text, clock.now(clock.context));
    mw_sparkplug_add(&writer, &metric);
    err = mw_sparkplug_end(&writer, NULL, &length);
    err = err == MW_OK ? command_topic(held->origin, topic, sizeof topic) : err;
    if (err != MW_OK) {
        *fault = "the message is too long";
        return err;
    }
    return sender->publish(sender->context, topic, (struct mw_span){text, length}, 0, false);
}

mw_err mw_bridge_order_send(const struct mw_bridge_foreign *foreign,
                            const struct mw_bridge_device *device, const struct mw_command *command,
                            struct mw_span json, const char **fault)
{
    struct mw_bridge_held *held = device->held;
    if (held == NULL) {
        return MW_ERR_NOT_FOUND;
    }
    return strncmp(held->origin, MW_SPARKPLUG "/", sizeof MW_SPARKPLUG) == 0
               ? send_sparkplug(foreign, held, command, fault)
               : send_mapped(foreign, held, command, json, fault);
}

/* ---- commands that another share has taken for a thing's ---- */

void mw_bridge_order_overheard(const struct mw_plant *plant,
                               char filter[static MW_BRIDGE_OVERHEARD])
{
    filter[0] = '\0';
    if (plant->bridge.share == 0 && plant->bridge.shares > 1 &&
        (plant->topics.n > 0 || plant->sparkplug.groups.n > 0)) {
        snprintf(filter, MW_BRIDGE_OVERHEARD, "mw/%s/command/+", plant->plant);
    }
}

void mw_bridge_order_overhear(const struct mw_bridge_foreign *foreign, struct mw_span device,
                              struct mw_span command)
{
    const struct mw_bridge_intake *intake = foreign->holder.intake;
    const struct mw_bridge_sender *sender = &foreign->sparkplug.sender;
    const struct mw_bridge_device *known = mw_table_find(&intake->devices, device);
    char topic[2 * MW_NAME_MAX + 64], text[MW_NAME_MAX + 2 * MW_ID_MAX + 128];
    struct mw_command parsed;
    struct mw_why why = {"", 0};
    if (known == NULL || known->held == NULL || mw_bridge_owns(intake, device) ||
        mw_wire_open(intake->parser, command, &why) != MW_OK ||
        mw_wire_read_command(intake->parser, 0, &parsed, &why) != MW_OK) {
        return;
    }
    snprintf(topic, sizeof topic, "%sstatus/%s/%zu", intake->prefix, known->name,
             mw_share_of(device, intake->shares));
    int n =
        snprintf(text, sizeof text,
                 "{\"v\":1,\"device\":\"%s\",\"answer\":{\"id\":\"%.*s\",\"result\":\"share 0\"}}",
                 known->name, (int)parsed.id.size, parsed.id.data);
    if (n > 0 && (size_t)n < sizeof text) {
        (void)sender->publish(sender->context, topic, mw_span_of(text), 1, false);
    }
}
