/* thing_link.c - what comes down the uplink to a thing: acks, commands, models. */
#include "tiers/iot/thing_device_internal.h"

#include "core/wire/number.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

#include <stdio.h>
#include <string.h>

/* --- numbers --- */

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
        device->numbers.first = next; /* what stays on disk goes with the next one */
        mw_log(MW_LOG_ERROR, device->name, "cannot note an acknowledgement",
               MW_KS("reason", error.text));
    }
}

static mw_err on_new_boot(void *context, uint32_t boot, struct mw_error *error)
{
    struct mw_thing_device *device = context;
    struct mw_outbox_device before = device->numbers;
    mw_err err = mw_outbox_begin(device->host->outbox, error);
    if (err == MW_OK) {
        err = mw_outbox_renumber(device->host->outbox, &device->numbers, boot, error);
    }
    if (err == MW_OK) {
        err = mw_outbox_commit(device->host->outbox, error);
    }
    if (err != MW_OK) {
        mw_outbox_rollback(device->host->outbox);
        device->numbers = before;
        return err;
    }
    memset(device->sent, 0, sizeof device->sent);
    return MW_OK;
}

static void on_sent(void *context, uint64_t from, uint64_t next, int64_t now)
{
    struct mw_thing_device *device = context;
    for (uint64_t seq = from; seq < next; seq++) {
        size_t at = seq % MW_THING_SENT_RING;
        if (device->sent[at].seq != seq || device->sent[at].at == 0) {
            device->sent[at].seq = seq; /* the first time counts */
            device->sent[at].at = now;
        }
    }
}

static void on_status(void *context, struct mw_buffer *json)
{
    struct mw_thing_device *device = context;
    mw_buffer_printf(json, ",\"published\":%llu,\"dropped\":%llu,\"suppressed\":%llu",
                     (unsigned long long)device->numbers.published,
                     (unsigned long long)device->numbers.dropped,
                     (unsigned long long)device->numbers.suppressed);
    mw_thing_device_status(device, json);
    mw_model_slot_status(device->slot, json);
}

static void on_event_acknowledged(void *context, struct mw_span id)
{
    struct mw_thing_device *device = context;
    char key[MW_ID_MAX + 1];
    struct mw_error error = {0};
    if (id.size > MW_ID_MAX) {
        return;
    }
    snprintf(key, sizeof key, "%.*s", (int)id.size, id.data);
    mw_err err = mw_outbox_begin(device->host->outbox, &error);
    if (err == MW_OK) {
        err = mw_outbox_put(device->host->outbox, "event", key, (struct mw_span){NULL, 0}, &error);
    }
    if (err != MW_OK) {
        mw_log(MW_LOG_ERROR, device->name, "cannot forget a stored event",
               MW_KS("reason", error.text)); /* it goes out again, which does no harm */
    }
}

/* --- models --- */

/* A swap closes the sketches' window: counts in other bins cannot be added. */
static mw_err on_model_commit(void *context, const struct mw_bundle *leaving,
                              struct mw_error *error)
{
    struct mw_thing_device *device = context;
    struct mw_level2 counts = device->level2;
    struct mw_outbox_device numbers = device->numbers;
    mw_err err = leaving == NULL ? MW_OK : mw_thing_device_close_window(device, leaving, error);
    if (err == MW_OK) {
        err = mw_thing_device_save(device, error);
    }
    if (err == MW_OK) {
        err = mw_outbox_commit(device->host->outbox, error);
    }
    if (err != MW_OK) {
        device->level2 = counts;
        device->numbers = numbers;
    }
    return err;
}

static void on_model_changed(void *context)
{
    struct mw_thing_device *device = context;
    mw_thing_device_send(device);
    mw_uplink_report(device->uplink);
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

static void on_update(void *context, struct mw_span json)
{
    struct mw_thing_device *device = context;
    mw_model_slot_update(device->slot, json);
}

/* --- commands --- */

/* One that is lost is asked for again, since the command comes again. */
static void send_answer(const struct mw_thing_device *device, const char *id, const char *result)
{
    char json[512], time[MW_NUMBER_TEXT];
    mw_number_print_time(time, mw_clock_utc());
    int n = snprintf(json, sizeof json,
                     "{\"v\":1,\"device\":\"%s\",\"answer\":{\"id\":\"%s\",\"result\":\"%s\"},"
                     "\"time\":%s}",
                     device->name, id, result, time);
    mw_host_publish(device->host->uplinks, "status", device->name,
                    (struct mw_span){json, (size_t)n});
}

void mw_thing_answer(const struct mw_thing_host *host)
{
    struct mw_thing_answers *answers = host->answers;
    struct mw_error error = {0};
    size_t n = answers->n;
    if (n == 0) {
        return;
    }
    answers->n = 0;
    mw_err err = mw_outbox_commit(host->outbox, &error);
    if (err == MW_OK && mw_outbox_rolled_back(host->outbox) != answers->rolled_back) {
        err = mw_error_set(&error, MW_ERR_IO, "outbox: what commands changed was rolled back");
    }
    if (err != MW_OK) {
        mw_outbox_rollback(host->outbox);
        mw_log(MW_LOG_ERROR, NULL, "commands could not be stored", MW_KI("commands", n),
               MW_KS("reason", error.text));
        host->failed(host->context, &error);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        send_answer(answers->answer[i].device, answers->answer[i].id, answers->answer[i].result);
    }
}

static void answer_later(struct mw_thing_device *device, const char *id, struct mw_span result)
{
    struct mw_thing_answers *answers = device->host->answers;
    if (answers->n == MW_THING_ANSWERS) {
        mw_thing_answer(device->host);
    }
    if (answers->n == 0) {
        answers->rolled_back = mw_outbox_rolled_back(device->host->outbox);
    }
    size_t i = answers->n++;
    answers->answer[i].device = device;
    snprintf(answers->answer[i].id, sizeof answers->answer[i].id, "%s", id);
    snprintf(answers->answer[i].result, sizeof answers->answer[i].result, "%.*s", (int)result.size,
             result.data);
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
    if (mw_number_parse_u64(digits, &seq) != MW_OK) {
        return;
    }
    size_t at = seq % MW_THING_SENT_RING;
    if (device->sent[at].seq == seq && device->sent[at].at != 0) {
        mw_latency_add(device->host->latency, mw_clock_monotonic() - device->sent[at].at);
    }
}

/* Acts and notes it in one transaction: a command is done once, whatever is killed when. *result
 * is NULL while it is under way. */
static mw_err obey(struct mw_thing_device *device, const struct mw_command *command,
                   const char *key, const char **result, struct mw_error *error)
{
    struct mw_outbox *outbox = device->host->outbox;
    *result = "expired";
    mw_err err = mw_outbox_begin(outbox, error);
    if (err == MW_OK && device->host->now(device->host->context) <= command->expires) {
        const struct mw_thing_order order = {device->name, key, command->action};
        enum mw_thing_act act = MW_THING_UNKNOWN;
        err = device->host->act(device->host->context, &order, &act, error);
        *result = act == MW_THING_LATER ? NULL : act == MW_THING_DONE ? "done" : "unknown";
    }
    if (err != MW_OK || *result == NULL) {
        return err;
    }
    return mw_outbox_put(outbox, "done", key, mw_span_of(*result), error);
}

mw_err mw_thing_device_done(struct mw_thing_device *device, const char *id, struct mw_error *error)
{
    const struct mw_span done = mw_span_of("done");
    mw_err err = mw_outbox_put(device->host->outbox, "done", id, done, error);
    if (err == MW_OK) {
        mw_log(MW_LOG_INFO, device->name, "command", MW_KS("id", id), MW_KS("result", "done"));
        answer_later(device, id, done);
    }
    return err;
}

static void on_command(void *context, const struct mw_command *command)
{
    struct mw_thing_device *device = context;
    char key[MW_ID_MAX + 1];
    struct mw_span before;
    struct mw_error error = {0};
    if (command->id.size > MW_ID_MAX) {
        return;
    }
    snprintf(key, sizeof key, "%.*s", (int)command->id.size, command->id.data);
    if (mw_outbox_get(device->host->outbox, "done", key, &before, &error) == MW_OK) {
        answer_later(device, key, before);
        return;
    }
    measure_latency(device, command->id);
    const char *result;
    if (obey(device, command, key, &result, &error) != MW_OK) {
        mw_outbox_rollback(device->host->outbox);
        mw_log(MW_LOG_ERROR, device->name, "a command could not be stored", MW_KS("id", key),
               MW_KS("reason", error.text));
        device->host->failed(device->host->context, &error);
        return;
    }
    if (result != NULL) {
        mw_log(MW_LOG_INFO, device->name, "command", MW_KS("id", key), MW_KS("result", result));
        answer_later(device, key, mw_span_of(result));
    }
}

/* --- making --- */

mw_err mw_thing_device_link(struct mw_thing_device *device, struct mw_error *error)
{
    const struct mw_thing_host *host = device->host;
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
                                         .commit = on_model_commit,
                                         .changed = on_model_changed};
    mw_err err = mw_model_slot_new(&device->slot, &slot, error);
    if (err == MW_OK) {
        struct mw_numbers numbers = {device->numbers.boot, device->numbers.first,
                                     device->numbers.next};
        err = mw_uplink_new(&device->uplink, host->uplinks, device->name, &source, numbers, error);
    }
    return err;
}
