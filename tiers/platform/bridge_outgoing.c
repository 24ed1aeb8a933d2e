#include "tiers/platform/bridge_outgoing.h"

#include "lib/base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS = 2048 };

#define GIVE_UP (7 * 24 * 3600 * MW_SECOND) /* a command that its thing never answered */

struct command {
    struct mw_table_key key; /* the id */
    struct mw_bridge_device *device;
    int64_t expires; /* in the plant's time */
    int64_t since;   /* in ours */
    size_t size;
    char text[]; /* the id, then the command's JSON */
};

static struct mw_span json_of(const struct command *command)
{
    return (struct mw_span){command->text + command->key.name.size, command->size};
}

mw_err mw_bridge_send(struct mw_bridge_outgoing *outgoing, const char *kind, const char *device,
                      struct mw_span payload, uint8_t qos, bool retain)
{
    char topic[2 * MW_NAME_MAX + 32];
    int n = snprintf(topic, sizeof topic, "%s%s/%s", outgoing->intake->prefix, kind, device);
    if (n < 0 || (size_t)n >= sizeof topic) {
        return MW_ERR_TOO_LARGE;
    }
    return outgoing->sender.publish(outgoing->sender.context, topic, payload, qos, retain);
}

static int64_t now_of(const struct mw_bridge_outgoing *outgoing)
{
    return outgoing->intake->clock.now(outgoing->intake->clock.context);
}

/* ---- commands ---- */

static struct command *command_new(struct mw_bridge_outgoing *outgoing, struct mw_span json)
{
    struct mw_command parsed;
    struct mw_why why = {"", 0};
    if (mw_wire_open(outgoing->parser, json, &why) != MW_OK ||
        mw_wire_read_command(outgoing->parser, 0, &parsed, &why) != MW_OK) {
        mw_log(MW_LOG_WARN, NULL, "command cannot be read", MW_KS("reason", why.text));
        return NULL;
    }
    struct mw_bridge_device *device = mw_table_find(&outgoing->intake->devices, parsed.device);
    bool ours = mw_bridge_owns(outgoing->intake, parsed.device) ||
                (device != NULL && device->held != NULL); /* only share 0 knows its words */
    if (!ours || mw_table_find(&outgoing->pending, parsed.id) != NULL) {
        return NULL;
    }
    device = mw_bridge_device(&outgoing->intake->devices, parsed.device);
    struct command *command =
        device == NULL ? NULL : malloc(sizeof *command + parsed.id.size + json.size);
    if (command == NULL) {
        return NULL;
    }
    *command = (struct command){
        .device = device, .expires = parsed.expires, .since = now_of(outgoing), .size = json.size};
    memcpy(command->text, parsed.id.data, parsed.id.size);
    memcpy(command->text + parsed.id.size, json.data, json.size);
    command->key.name = (struct mw_span){command->text, parsed.id.size};
    if (mw_table_add(&outgoing->pending, command) != MW_OK) {
        free(command);
        return NULL;
    }
    return command;
}

/* A device of another layout is told in its own words, and answers with no id. Whether it is over
 * with: told, or never to be. *mine: it is no such device, or nobody has said how. */
static bool order(struct mw_bridge_outgoing *outgoing, const struct command *command, bool *mine)
{
    struct mw_command parsed;
    struct mw_why why = {"", 0};
    const char *fault = "";
    *mine = true;
    if (outgoing->order.send == NULL || command->device->held == NULL ||
        mw_wire_open(outgoing->parser, json_of(command), &why) != MW_OK ||
        mw_wire_read_command(outgoing->parser, 0, &parsed, &why) != MW_OK) {
        return false;
    }
    mw_err err = outgoing->order.send(outgoing->order.context, command->device, &parsed,
                                      json_of(command), &fault);
    *mine = err == MW_ERR_NOT_FOUND;
    if (err == MW_OK) {
        char action[MW_NAME_MAX + 1];
        (void)snprintf(action, sizeof action, "%.*s", (int)parsed.action.size, parsed.action.data);
        mw_log(MW_LOG_INFO, command->device->name, "command told", MW_KS("action", action));
        outgoing->answered++;
    } else if (err != MW_ERR_NOT_FOUND && err != MW_ERR_NET && err != MW_ERR_AGAIN) {
        mw_log(MW_LOG_ERROR, command->device->name, "command cannot be told",
               MW_KS("reason", fault));
        outgoing->expired++;
        return true;
    }
    return err == MW_OK;
}

static void take_command(struct mw_bridge_outgoing *outgoing, const struct mw_stream_record *record)
{
    struct command *command = command_new(outgoing, record->value);
    bool mine;
    if (command == NULL) {
        return;
    }
    outgoing->commands++;
    if (order(outgoing, command, &mine)) {
        mw_table_remove(&outgoing->pending, command);
        free(command);
        return;
    }
    if (mine && command->device->held != NULL) {
        mw_log(MW_LOG_WARN, command->device->name,
               "a command for a device of another layout, and nothing in commands: of plant.yaml "
               "says how it is told");
    }
    /* At once, before it is on disk: after a crash it is read from the stream again, and the thing
     * carries out an id only once. QoS 0, because the resending is the assurance, and a broker
     * would queue the repetitions at QoS 1 for a thing that is away. */
    if (mine) {
        (void)mw_bridge_send(outgoing, "command", command->device->name, record->value, 0, false);
    }
    (void)mw_bridge_round_add(&outgoing->intake->round, "pending", true, command->key.name,
                              record->value);
}

static void forget(struct mw_bridge_outgoing *outgoing, struct command *command)
{
    (void)mw_bridge_round_add(&outgoing->intake->round, "pending", true, command->key.name,
                              (struct mw_span){"", 0});
    mw_table_remove(&outgoing->pending, command);
    free(command);
}

static void on_answered(void *context, struct mw_span id, struct mw_span result)
{
    struct mw_bridge_outgoing *outgoing = context;
    struct command *command = mw_table_find(&outgoing->pending, id);
    if (command == NULL) {
        return;
    }
    char text[32];
    snprintf(text, sizeof text, "%.*s", (int)result.size, result.data == NULL ? "" : result.data);
    mw_log(MW_LOG_INFO, command->device->name, "command answered", MW_KS("result", text));
    outgoing->answered++;
    forget(outgoing, command);
}

/* The plant's time is what its records say; it may be a recording's or a simulation's. Only where
 * times are held to be near ours may our clock void a command too. */
static bool is_void(const struct mw_bridge_outgoing *outgoing, const struct command *command,
                    int64_t now)
{
    int64_t tolerance = outgoing->intake->tolerance;
    return command->device->time > command->expires ||
           (tolerance >= 0 && now - tolerance > command->expires) || now - command->since > GIVE_UP;
}

void mw_bridge_outgoing_resend(struct mw_bridge_outgoing *outgoing)
{
    enum { AT_ONCE = 64 };
    struct command *over[AT_ONCE];
    size_t n = 0, at = 0;
    struct command *command;
    int64_t now = now_of(outgoing);
    while (n < AT_ONCE && (command = mw_table_next(&outgoing->pending, &at)) != NULL) {
        bool mine = true;
        if (is_void(outgoing, command, now)) {
            mw_log(MW_LOG_WARN, command->device->name, "command expired without an answer",
                   MW_KI("pending", outgoing->pending.count - n - 1));
            outgoing->expired++;
            over[n++] = command;
        } else if (order(outgoing, command, &mine)) {
            over[n++] = command;
        } else if (mine && !command->device->gone) {
            (void)mw_bridge_send(outgoing, "command", command->device->name, json_of(command), 0,
                                 false);
        }
    }
    for (size_t i = 0; i < n; i++) {
        forget(outgoing, over[i]);
    }
}

static bool load_command(void *context, struct mw_span key, struct mw_span value)
{
    (void)key;
    (void)command_new(context, value);
    return true;
}

/* ---- the stream ---- */

static void take(struct mw_bridge_outgoing *outgoing, const struct mw_stream_record *record)
{
    if (strcmp(record->topic, "command") == 0) {
        take_command(outgoing, record);
        return;
    }
    outgoing->intake->round.pressing = true; /* devices are told what the stream holds */
    if (strcmp(record->topic, "update") == 0) {
        mw_bridge_take_update(outgoing, record);
    } else if (strcmp(record->topic, "download") == 0) {
        const struct mw_bridge_others *others = &outgoing->intake->others;
        others->told(others->context, record->value);
    } else {
        mw_bridge_take_baseline(outgoing, record);
    }
}

static mw_err open_reader(struct mw_bridge_outgoing *outgoing, struct mw_error *error)
{
    static const char *const topics[] = {"command", "update", "baseline", "download"};
    size_t n = outgoing->intake->others.told == NULL ? 3 : 4;
    return mw_stream_reader_open(&outgoing->reader, outgoing->stream, topics, n, MW_STREAM_EARLIEST,
                                 error);
}

void mw_bridge_outgoing_fetch(struct mw_bridge_outgoing *outgoing)
{
    outgoing->error = (struct mw_error){0};
    mw_stream_reader_drain(outgoing->reader);
    outgoing->err = mw_stream_poll(outgoing->reader, outgoing->records, MW_BRIDGE_BATCH,
                                   &outgoing->n_records, &outgoing->error);
}

void mw_bridge_outgoing_take(struct mw_bridge_outgoing *outgoing, bool *more)
{
    size_t n = outgoing->n_records;
    *more = false;
    if (outgoing->err != MW_OK) {
        if (!outgoing->complained) {
            mw_log(MW_LOG_ERROR, NULL, "stream cannot be read",
                   MW_KS("reason", outgoing->error.text));
        }
        outgoing->complained = true;
        return;
    }
    outgoing->complained = false;
    for (size_t i = 0; i < n; i++) {
        take(outgoing, &outgoing->records[i]);
    }
    outgoing->intake->round.moved |= n > 0;
    outgoing->n_records = 0;
    *more = n == MW_BRIDGE_BATCH;
}

void mw_bridge_outgoing_poll(struct mw_bridge_outgoing *outgoing, bool *more)
{
    mw_bridge_outgoing_fetch(outgoing);
    mw_bridge_outgoing_take(outgoing, more);
}

void mw_bridge_outgoing_detach(struct mw_bridge_outgoing *outgoing)
{
    mw_stream_reader_close(outgoing->reader);
    outgoing->reader = NULL;
    outgoing->stream = NULL;
    outgoing->n_records = 0;
}

mw_err mw_bridge_outgoing_attach(struct mw_bridge_outgoing *outgoing, struct mw_stream *stream,
                                 struct mw_error *error)
{
    outgoing->stream = stream;
    mw_err err = open_reader(outgoing, error);
    return err == MW_OK ? mw_bridge_outgoing_warm(outgoing, error) : err;
}

mw_err mw_bridge_outgoing_warm(struct mw_bridge_outgoing *outgoing, struct mw_error *error)
{
    static const char *const topics[] = {"desired", "baseline"};
    struct mw_span value;
    mw_err err = MW_OK;
    for (size_t i = 0; i < 2 && err == MW_OK; i++) {
        err = mw_stream_get(outgoing->stream, NULL, topics[i], mw_span_of("*"), &value, error);
        if (err == MW_ERR_NOT_FOUND) {
            err = MW_OK;
            if (error != NULL) {
                *error = (struct mw_error){0};
            }
        }
    }
    return err;
}

mw_err mw_bridge_outgoing_remember(const struct mw_bridge_outgoing *outgoing,
                                   struct mw_bridge_round *round)
{
    const struct command *command;
    size_t at = 0;
    mw_err err = MW_OK;
    while (err == MW_OK && (command = mw_table_next(&outgoing->pending, &at)) != NULL) {
        err = mw_bridge_round_add(round, "pending", true, command->key.name, json_of(command));
    }
    return err;
}

/* ---- hooks, making and ending ---- */

static void on_wanted(void *context, struct mw_bridge_device *device, struct mw_span digest,
                      uint64_t offset)
{
    mw_bridge_send_part(context, device, digest, offset);
}

static void on_reported(void *context, struct mw_bridge_device *device)
{
    device->compare_due = true;
    mw_bridge_queue_update(context, device);
}

mw_err mw_bridge_outgoing_init(struct mw_bridge_outgoing *outgoing, struct mw_bridge_intake *intake,
                               struct mw_stream *stream, struct mw_stream *known,
                               struct mw_bridge_sender sender, const char *artifacts,
                               struct mw_error *error)
{
    *outgoing = (struct mw_bridge_outgoing){.intake = intake, .sender = sender, .stream = stream};
    size_t bytes = mw_wire_parser_size(TOKENS);
    outgoing->memory = malloc(bytes);
    if (outgoing->memory == NULL || asprintf(&outgoing->store_uri, "oci:%s", artifacts) < 0) {
        outgoing->store_uri = NULL;
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    mw_err err = mw_wire_parser_init(outgoing->memory, bytes, &outgoing->parser);
    if (err != MW_OK) {
        return mw_error_set(error, err, "parser: %s", mw_err_text(err));
    }
    intake->hooks = (struct mw_bridge_hooks){on_answered, on_wanted, on_reported, outgoing};
    err = mw_stream_visit(known, NULL, "pending", load_command, outgoing, error);
    if (err == MW_OK && stream != NULL) {
        err = open_reader(outgoing, error);
    }
    return err;
}

void mw_bridge_outgoing_clear(struct mw_bridge_outgoing *outgoing)
{
    mw_stream_reader_close(outgoing->reader);
    mw_store_close(outgoing->store);
    mw_table_clear(&outgoing->pending, free);
    mw_buffer_free(&outgoing->text);
    mw_buffer_free(&outgoing->targets);
    free(outgoing->memory);
    free(outgoing->store_uri);
    *outgoing = (struct mw_bridge_outgoing){0};
}
