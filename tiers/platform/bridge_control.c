#include "tiers/platform/bridge_control.h"

#include "lib/base/log.h"
#include "tiers/platform/json_text.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define DOWNLOAD "download" /* topic of the stream */
#define KEY "model"
#define AWAY (60 * MW_SECOND)    /* a device that was silent for so long may have started anew */
#define NAME_GAP (5 * MW_SECOND) /* before the same model is named again */

enum { PAYLOAD_MAX = 1024 }; /* bytes of a text that is kept */

void mw_bridge_control_init(struct mw_bridge_control *control, const struct mw_plant *plant,
                            struct mw_bridge_intake *intake, struct mw_bridge_sender sender,
                            struct mw_clock monotonic)
{
    *control =
        (struct mw_bridge_control){.intake = intake, .sender = sender, .monotonic = monotonic};
    if (!plant->reference.enabled || plant->bridge.share != 0) {
        return;
    }
    control->topic = plant->reference.control;
    for (size_t i = 0; i < plant->topics.n; i++) {
        const struct mw_topic_map *map = &plant->topics.map[i];
        control->map = strcmp(map->name, MW_PLANT_REFERENCE) == 0 ? map : control->map;
    }
}

static int64_t now_of(const struct mw_bridge_control *control)
{
    return control->monotonic.now(control->monotonic.context);
}

/* ---- heard ---- */

static mw_err bury(struct mw_bridge_control *control, struct mw_span payload, const char *reason)
{
    return mw_bridge_bury(control->intake,
                          &(struct mw_bridge_dead){.topic = mw_span_of(control->topic),
                                                   .payload = payload,
                                                   .reason = reason});
}

static mw_err print_request(struct mw_buffer *out, const char *command, const char *payload,
                            int64_t now)
{
    mw_err err = mw_buffer_printf(out, "{\"v\":1,\"command\":\"%s\",\"payload\":", command);
    err = err == MW_OK ? mw_json_add_string(out, mw_span_of(payload)) : err;
    err = err == MW_OK ? mw_buffer_printf(out, ",\"time\":") : err;
    err = err == MW_OK ? mw_json_add_time(out, now) : err;
    return err == MW_OK ? mw_buffer_add(out, "}", 1) : err;
}

/* The file that is named lies on a platform of theirs; what is learnt from here is the stream. */
static mw_err ask_for_training(struct mw_bridge_control *control, const char *command,
                               const char *payload)
{
    struct mw_bridge_intake *intake = control->intake;
    struct mw_bridge_round *round = &intake->round;
    mw_err err = mw_bridge_round_open(round, "request", false, mw_span_of(command));
    if (err != MW_OK) {
        return err;
    }
    err = print_request(&round->text, command, payload, intake->clock.now(intake->clock.context));
    if (err != MW_OK) {
        mw_bridge_round_drop(round);
        return err;
    }
    mw_bridge_round_close(round);
    mw_log(MW_LOG_INFO, NULL, "a training is asked for", MW_KS("command", command),
           MW_KS("payload", payload));
    return MW_OK;
}

mw_err mw_bridge_control_take(struct mw_bridge_control *control, struct mw_span payload)
{
    json_t *message = payload.size > MW_MESSAGE_MAX
                          ? NULL
                          : json_loadb(payload.data, payload.size, JSON_REJECT_DUPLICATES, NULL);
    const char *command = json_string_value(json_object_get(message, "command"));
    const char *said = json_string_value(json_object_get(message, "payload"));
    mw_err err = MW_OK;
    if (!json_is_object(message)) {
        err = bury(control, payload, "a control message is {\"command\":..,\"payload\":..}");
    } else if (command == NULL || said == NULL) {
        err = bury(control, payload, "command and payload: two texts were expected");
    } else if (strlen(said) > PAYLOAD_MAX) {
        err = bury(control, payload, "payload: at most 1024 bytes were expected");
    } else if (strcmp(command, "extract-data") == 0 || strcmp(command, "train-model") == 0) {
        err = ask_for_training(control, command, said);
    } else if (strcmp(command, "download-model") != 0) {
        err = bury(control, payload,
                   "command: extract-data, train-model or download-model was expected");
    }
    json_decref(message);
    return err;
}

void mw_bridge_control_heard(struct mw_bridge_control *control, struct mw_span topic)
{
    struct mw_bridge_intake *intake = control->intake;
    struct mw_topic_match match;
    if (control->map == NULL || !mw_topic_map_match(control->map, topic, &match)) {
        return;
    }
    const struct mw_bridge_device *device =
        mw_table_find(&intake->devices, intake->telemetry.device);
    struct mw_bridge_held *held = device == NULL ? NULL : device->held;
    if (held != NULL) {
        int64_t now = now_of(control);
        control->due |= held->heard == 0 || now - held->heard > AWAY;
        held->heard = now;
    }
}

/* ---- said ---- */

/* As in a path of a URL, and in a JSON text, without a need to escape anything. */
static bool is_name(struct mw_span text)
{
    bool good = text.size < MW_BRIDGE_MODEL_NAME;
    for (size_t i = 0; i < text.size && good; i++) {
        char c = text.data[i];
        good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               (c != '\0' && strchr("-_.:", c) != NULL);
    }
    return good;
}

static mw_err put(const struct mw_bridge_control *control, struct mw_bridge_round *round)
{
    char text[MW_BRIDGE_MODEL_NAME + 32];
    snprintf(text, sizeof text, "{\"v\":1,\"name\":\"%s\"}", control->name);
    return mw_bridge_round_add(round, DOWNLOAD, true, mw_span_of(KEY), mw_span_of(text));
}

static bool read_name(struct mw_bridge_control *control, struct mw_span value)
{
    struct mw_wire_parser *parser = control->intake->parser;
    struct mw_span name;
    if (mw_wire_open(parser, value, NULL) != MW_OK ||
        mw_wire_get(parser, 0, "name", &name) != MW_OK || !is_name(name)) {
        return false;
    }
    memcpy(control->name, name.size == 0 ? "" : name.data, name.size);
    control->name[name.size] = '\0';
    return true;
}

void mw_bridge_control_told(struct mw_bridge_control *control, struct mw_span value)
{
    char before[MW_BRIDGE_MODEL_NAME];
    struct mw_span started;
    memcpy(before, control->name, sizeof before);
    if (!read_name(control, value)) {
        mw_log(MW_LOG_WARN, NULL, "a record about a model to be fetched cannot be read");
        return;
    }
    if (mw_wire_get(control->intake->parser, 0, "device", &started) == MW_OK) {
        struct mw_bridge_device *device = mw_table_find(&control->intake->devices, started);
        if (device != NULL && device->held != NULL) {
            device->held->heard = 0; /* it subscribes before it sends */
        }
    } else {
        control->due = true;
    }
    if (strcmp(before, control->name) != 0) {
        control->named = 0;
    }
    (void)put(control, &control->intake->round);
}

void mw_bridge_control_pump(struct mw_bridge_control *control)
{
    const struct mw_bridge_sender *sender = &control->sender;
    char text[MW_BRIDGE_MODEL_NAME + 64];
    int64_t now = now_of(control);
    if (control->topic == NULL || !control->due ||
        (control->named != 0 && now - control->named < NAME_GAP)) {
        return;
    }
    if (control->name[0] == '\0') {
        control->due = false; /* they keep what they have */
        return;
    }
    snprintf(text, sizeof text, "{\"command\": \"download-model\", \"payload\": \"%s\"}",
             control->name);
    if (sender->room(sender->context) &&
        sender->publish(sender->context, control->topic, mw_span_of(text), 1, false) == MW_OK) {
        control->due = false;
        control->named = now;
        mw_log(MW_LOG_INFO, NULL, "a model is to be fetched", MW_KS("name", control->name),
               MW_KS("topic", control->topic));
    }
}

/* ---- from run to run ---- */

static bool load(void *context, struct mw_span key, struct mw_span value)
{
    (void)key;
    (void)read_name(context, value);
    return true;
}

mw_err mw_bridge_control_load(struct mw_bridge_control *control, struct mw_stream *stream,
                              struct mw_error *error)
{
    return control->topic == NULL ? MW_OK
                                  : mw_stream_visit(stream, NULL, DOWNLOAD, load, control, error);
}

mw_err mw_bridge_control_remember(const struct mw_bridge_control *control,
                                  struct mw_bridge_round *round)
{
    return control->topic == NULL ? MW_OK : put(control, round);
}
