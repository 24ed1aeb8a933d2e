#include "tiers/iot/thing_device.h"

#include "core/wire/number.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "tiers/iot/level2.h"
#include "tiers/iot/model_slot.h"
#include "tiers/iot/record_text.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 65536
#define SENT_RING 512 /* newest records whose time of publication is known */
#define DROP_STEP 64

struct mw_thing_device {
    const struct mw_thing_host *host;
    char name[MW_NAME_MAX + 1];
    struct mw_outbox_device numbers;
    struct mw_uplink *uplink;
    struct mw_model_slot *slot;
    struct mw_level2 level2;
    size_t level2_features; /* of the bundle counted */
    struct {
        uint64_t seq;
        int64_t at;
    } sent[SENT_RING];
    struct mw_sketch_record sketch; /* scratch, too large for a stack */
    char text[TEXT_MAX];            /* scratch */
};

/* --- records --- */

/* Gives up the oldest records that nobody has seen when the outbox is over its bound. */
static mw_err make_room(struct mw_thing_device *device, struct mw_error *error)
{
    if (mw_outbox_bytes(device->host->outbox) <= device->host->plant->simulate.outbox) {
        return MW_OK;
    }
    uint64_t unsent = mw_uplink_unsent(device->uplink);
    if (unsent >= device->numbers.next) {
        return MW_OK; /* all of ours have been sent: they may be stored, so they stay */
    }
    mw_err err = mw_outbox_drop(device->host->outbox, &device->numbers, unsent, DROP_STEP, error);
    if (err == MW_OK) {
        mw_log(MW_LOG_WARN, device->name, "outbox full, oldest unsent records dropped",
               MW_KI("dropped", device->numbers.dropped));
        mw_uplink_shrink(device->uplink, device->numbers.next);
    }
    return err;
}

static mw_err add_text(struct mw_thing_device *device, size_t size, struct mw_span machine,
                       struct mw_error *error)
{
    struct mw_span rest = mw_record_text_cut(device->text, size, device->name, machine);
    if (rest.data == NULL) {
        return mw_error_set(error, MW_ERR_STATE, "%s: a record without numbers", device->name);
    }
    mw_err err = make_room(device, error);
    return err == MW_OK ? mw_outbox_add(device->host->outbox, &device->numbers, rest, error) : err;
}

/* Sends the counts of suppressed records as a numbered record and starts a new window. */
static mw_err close_window(struct mw_thing_device *device, const struct mw_bundle *bundle,
                           struct mw_error *error)
{
    size_t size = 0;
    mw_err err =
        mw_level2_sketch(&device->level2, bundle, device->name, device->name, &device->sketch);
    if (err == MW_OK) {
        err = mw_wire_write_sketch(device->text, sizeof device->text, &size, &device->sketch);
    }
    if (err != MW_OK) {
        return mw_error_set(error, err, "%s: the sketch cannot be written", device->name);
    }
    err = add_text(device, size, mw_span_of(device->name), error);
    if (err == MW_OK) {
        mw_level2_clear(&device->level2);
    }
    return err;
}

static mw_err decide(struct mw_thing_device *device, struct mw_telemetry *record,
                     enum mw_level2_decision *decision, struct mw_error *error)
{
    const struct mw_plant *plant = device->host->plant;
    *decision = MW_LEVEL2_FORWARD;
    record->p = 1;
    struct mw_runner *runner = mw_model_slot_runner(device->slot);
    if (!plant->level2.enabled || runner == NULL) {
        return MW_OK;
    }
    float score;
    double draw =
        mw_level2_draw((uint64_t)plant->simulate.seed, device->name, device->numbers.draws++);
    mw_err err = mw_level2_decide(&device->level2, runner,
                                  mw_model_slot_baseline(device->slot, device->name),
                                  plant->level2.share, draw, record, decision, &score);
    if (err != MW_OK) {
        return mw_error_set(error, err, "%s: counts of another model are pending", device->name);
    }
    if (*decision == MW_LEVEL2_SUPPRESS) {
        device->numbers.suppressed++;
        device->level2_features = runner->bundle.n_features;
        if (device->level2.count >= (uint64_t)plant->level2.sketch_records) {
            return close_window(device, &runner->bundle, error);
        }
    }
    return MW_OK;
}

mw_err mw_thing_device_record(struct mw_thing_device *device, struct mw_telemetry *record,
                              struct mw_error *error)
{
    enum mw_level2_decision decision;
    record->device = mw_span_of(device->name);
    record->machine = record->device;
    record->numbered = true;
    record->boot = 0;
    record->seq = 0;
    mw_err err = decide(device, record, &decision, error);
    if (err != MW_OK || decision == MW_LEVEL2_SUPPRESS) {
        return err;
    }
    size_t size = 0;
    err = mw_wire_write_telemetry(device->text, sizeof device->text, &size, record);
    if (err != MW_OK) {
        return mw_error_set(error, err, "%s: a record cannot be written", device->name);
    }
    return add_text(device, size, record->machine, error);
}

/* --- what survives a restart --- */

static size_t level2_bytes(size_t n_features)
{
    return offsetof(struct mw_level2, feature) + n_features * sizeof(struct mw_sketch);
}

mw_err mw_thing_device_save(struct mw_thing_device *device, struct mw_error *error)
{
    struct mw_span bytes = {(const char *)&device->level2,
                            device->level2.count == 0 ? 0 : level2_bytes(device->level2_features)};
    mw_err err = mw_outbox_put(device->host->outbox, "level2", device->name, bytes, error);
    return err == MW_OK ? mw_outbox_device_put(device->host->outbox, &device->numbers, error) : err;
}

static void restore_level2(struct mw_thing_device *device)
{
    struct mw_span bytes;
    if (mw_outbox_get(device->host->outbox, "level2", device->name, &bytes, NULL) == MW_OK &&
        bytes.size <= sizeof device->level2 && bytes.size >= level2_bytes(0)) {
        memcpy(&device->level2, bytes.data, bytes.size);
        device->level2_features = (bytes.size - level2_bytes(0)) / sizeof(struct mw_sketch);
    }
}

void mw_thing_device_send(struct mw_thing_device *device)
{
    mw_uplink_offer(device->uplink, device->numbers.next);
}

/* --- what the uplink asks --- */

static mw_err on_read(void *context, uint64_t from, size_t max,
                      void (*fn)(void *, uint64_t, struct mw_span), void *fn_context,
                      struct mw_error *error)
{
    struct mw_thing_device *device = context;
    return mw_outbox_read(device->host->outbox, &device->numbers, from, max, fn, fn_context, error);
}

static void on_acknowledged(void *context, uint64_t next)
{
    struct mw_thing_device *device = context;
    struct mw_error error = {0};
    mw_err err = mw_outbox_begin(device->host->outbox, &error);
    if (err == MW_OK) {
        err = mw_outbox_acknowledge(device->host->outbox, &device->numbers, next, &error);
    }
    if (err != MW_OK) {
        mw_log(MW_LOG_ERROR, device->name, "cannot note an acknowledgement",
               MW_KS("reason", error.text)); /* harmless: it is asked for again */
    }
}

static void on_new_boot(void *context, uint32_t boot)
{
    struct mw_thing_device *device = context;
    struct mw_error error = {0};
    mw_err err = mw_outbox_begin(device->host->outbox, &error);
    if (err == MW_OK) {
        err = mw_outbox_renumber(device->host->outbox, &device->numbers, boot, &error);
    }
    if (err == MW_OK) {
        err = mw_outbox_commit(device->host->outbox, &error);
    }
    if (err != MW_OK) {
        mw_log(MW_LOG_ERROR, device->name, "cannot start a new boot", MW_KS("reason", error.text));
    }
}

static void on_status(void *context, struct mw_buffer *json)
{
    struct mw_thing_device *device = context;
    mw_buffer_printf(json, ",\"published\":%llu,\"dropped\":%llu,\"suppressed\":%llu",
                     (unsigned long long)device->numbers.published,
                     (unsigned long long)device->numbers.dropped,
                     (unsigned long long)device->numbers.suppressed);
    mw_model_slot_status(device->slot, json);
}

static void on_event_acknowledged(void *context, struct mw_span id)
{
    struct mw_thing_device *device = context;
    char key[256];
    struct mw_error error = {0};
    snprintf(key, sizeof key, "%.*s", (int)id.size, id.data);
    mw_err err = mw_outbox_begin(device->host->outbox, &error);
    if (err == MW_OK) {
        err = mw_outbox_put(device->host->outbox, "event", key, (struct mw_span){NULL, 0}, &error);
    }
    if (err != MW_OK) {
        mw_log(MW_LOG_ERROR, device->name, "cannot forget a stored event",
               MW_KS("reason", error.text));
    }
}

/* A swap closes the sketches' window: counts in other bins cannot be added. */
static void on_model_leaving(void *context, const struct mw_bundle *bundle)
{
    struct mw_thing_device *device = context;
    struct mw_error error = {0};
    if (device->level2.count == 0) {
        return;
    }
    mw_err err = mw_outbox_begin(device->host->outbox, &error);
    if (err == MW_OK) {
        err = close_window(device, bundle, &error);
    }
    if (err == MW_OK) {
        err = mw_thing_device_save(device, &error);
    }
    if (err == MW_OK) {
        err = mw_outbox_commit(device->host->outbox, &error);
    }
    if (err != MW_OK) {
        mw_log(MW_LOG_ERROR, device->name, "cannot send the last sketch of a model",
               MW_KS("reason", error.text));
        mw_level2_clear(&device->level2);
    }
    mw_thing_device_send(device);
}

static void on_update(void *context, struct mw_span json)
{
    struct mw_thing_device *device = context;
    mw_model_slot_update(device->slot, json);
}

static void on_sent(void *context, uint64_t from, uint64_t next, int64_t now)
{
    struct mw_thing_device *device = context;
    for (uint64_t seq = from; seq < next; seq++) {
        device->sent[seq % SENT_RING].seq = seq;
        device->sent[seq % SENT_RING].at = now;
    }
}

/* --- commands --- */

static void answer(struct mw_thing_device *device, struct mw_span id, const char *result)
{
    char json[512], time[MW_NUMBER_TEXT];
    mw_number_print_time(time, mw_clock_utc());
    int n = snprintf(json, sizeof json,
                     "{\"v\":1,\"device\":\"%s\",\"answer\":{\"id\":\"%.*s\",\"result\":\"%s\"},"
                     "\"time\":%s}",
                     device->name, (int)id.size, id.data, result, time);
    mw_host_publish(device->host->uplinks, "status", device->name,
                    (struct mw_span){json, (size_t)n});
}

/* Commands are named <machine>-<boot>-<seq> after the record that caused them. */
static void measure_latency(struct mw_thing_device *device, struct mw_span id)
{
    const char *dash = memrchr(id.data, '-', id.size);
    uint64_t seq;
    if (dash == NULL) {
        return;
    }
    struct mw_span digits = {dash + 1, id.size - (size_t)(dash + 1 - id.data)};
    if (mw_number_parse_u64(digits, &seq) == MW_OK && device->sent[seq % SENT_RING].seq == seq &&
        device->sent[seq % SENT_RING].at != 0) {
        mw_latency_add(device->host->latency,
                       mw_clock_monotonic() - device->sent[seq % SENT_RING].at);
    }
}

static void on_command(void *context, const struct mw_command *command)
{
    struct mw_thing_device *device = context;
    char key[256];
    struct mw_span before;
    struct mw_error error = {0};
    if (command->id.size >= sizeof key) {
        return;
    }
    snprintf(key, sizeof key, "%.*s", (int)command->id.size, command->id.data);
    if (mw_outbox_get(device->host->outbox, "done", key, &before, &error) == MW_OK) {
        char result[16];
        snprintf(result, sizeof result, "%.*s", (int)before.size, before.data);
        answer(device, command->id, result);
        return;
    }
    measure_latency(device, command->id);
    const char *result = "expired";
    if (device->host->now(device->host->context) <= command->expires) {
        bool acted = device->host->act(device->host->context, device->name, command->action);
        result = acted ? "done" : "unknown";
    }
    mw_err err = mw_outbox_begin(device->host->outbox, &error);
    if (err == MW_OK) {
        err = mw_outbox_put(device->host->outbox, "done", key, mw_span_of(result), &error);
    }
    if (err == MW_OK) {
        err = mw_outbox_commit(device->host->outbox, &error);
    }
    if (err != MW_OK) {
        mw_log(MW_LOG_ERROR, device->name, "cannot note a command as done",
               MW_KS("reason", error.text));
        return; /* it comes again, and acting twice on a stopped machine changes nothing */
    }
    mw_log(MW_LOG_INFO, device->name, "command", MW_KS("id", key), MW_KS("result", result));
    answer(device, command->id, result);
}

static void on_want(void *context, const char *digest, uint64_t offset)
{
    struct mw_thing_device *device = context;
    char json[256];
    int n = snprintf(json, sizeof json,
                     "{\"v\":1,\"device\":\"%s\",\"want\":{\"digest\":\"%s\",\"offset\":%llu}}",
                     device->name, digest, (unsigned long long)offset);
    mw_host_publish(device->host->uplinks, "status", device->name,
                    (struct mw_span){json, (size_t)n});
}

static void on_model_changed(void *context)
{
    struct mw_thing_device *device = context;
    mw_uplink_report(device->uplink);
}

/* --- making and ending --- */

mw_err mw_thing_device_new(struct mw_thing_device **out, const struct mw_thing_host *host,
                           const char *name, struct mw_error *error)
{
    *out = NULL;
    struct mw_thing_device *device = calloc(1, sizeof *device);
    if (device == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    device->host = host;
    snprintf(device->name, sizeof device->name, "%s", name);
    struct mw_uplink_source source = {.context = device,
                                      .read = on_read,
                                      .acknowledged = on_acknowledged,
                                      .new_boot = on_new_boot,
                                      .status = on_status,
                                      .event_acknowledged = on_event_acknowledged,
                                      .command = on_command,
                                      .update = on_update,
                                      .sent = on_sent};
    struct mw_model_slot_options slot = {.device = device->name,
                                         .store = host->store,
                                         .outbox = host->outbox,
                                         .root = host->root,
                                         .context = device,
                                         .want = on_want,
                                         .leaving = on_model_leaving,
                                         .changed = on_model_changed};
    mw_err err = mw_outbox_device(host->outbox, name, &device->numbers, error);
    if (err == MW_OK) {
        restore_level2(device);
        err = mw_model_slot_new(&device->slot, &slot, error);
    }
    if (err == MW_OK) {
        struct mw_numbers numbers = {device->numbers.boot, device->numbers.first,
                                     device->numbers.next};
        err = mw_uplink_new(&device->uplink, host->uplinks, device->name, &source, numbers, error);
    }
    if (err != MW_OK) {
        mw_thing_device_free(device);
        return err;
    }
    *out = device;
    return MW_OK;
}

void mw_thing_device_free(struct mw_thing_device *device)
{
    if (device != NULL) {
        mw_model_slot_free(device->slot);
        free(device);
    }
}

void mw_thing_device_tick(struct mw_thing_device *device, int64_t now_monotonic)
{
    mw_model_slot_tick(device->slot, now_monotonic);
}

uint64_t mw_thing_device_waiting(const struct mw_thing_device *device)
{
    return device->numbers.next - device->numbers.first;
}

const struct mw_outbox_device *mw_thing_device_numbers(const struct mw_thing_device *device)
{
    return &device->numbers;
}

const char *mw_thing_device_name(const struct mw_thing_device *device)
{
    return device->name;
}

const char *mw_thing_device_bundle(const struct mw_thing_device *device)
{
    const struct mw_runner *runner = mw_model_slot_runner(device->slot);
    return runner == NULL ? "" : runner->bundle.digest;
}
