/* bridge_update.c - the desired state of each device, and the blobs that it asks for. */
#include "tiers/platform/bridge_outgoing.h"

#include "lib/artifact/trust.h"
#include "lib/base/log.h"
#include "tiers/platform/json_text.h"

#include <string.h>

enum { PART = 32 * 1024 }; /* bytes of a blob in one message */

#define UPDATE_GAP (5 * MW_SECOND) /* before a device is told the same again */

static struct mw_store *store_of(struct mw_bridge_outgoing *outgoing)
{
    if (outgoing->store == NULL) {
        /* There is none before the first model was published. */
        (void)mw_store_open(&outgoing->store, outgoing->store_uri, false, NULL);
    }
    return outgoing->store;
}

/* ---- what the stream says ---- */

void mw_bridge_queue_update(struct mw_bridge_outgoing *outgoing, struct mw_bridge_device *device)
{
    if (device->queued || device->held != NULL ||
        !mw_bridge_owns(outgoing->intake, device->key.name)) {
        return; /* a device of another layout would not understand, another bridge's is told by it
                 */
    }
    device->queued = true;
    device->next_queued = NULL;
    if (outgoing->last == NULL) {
        outgoing->first = device;
    } else {
        outgoing->last->next_queued = device;
    }
    outgoing->last = device;
}

static void force_update(struct mw_bridge_outgoing *outgoing, struct mw_bridge_device *device)
{
    device->update_due = true;
    mw_bridge_queue_update(outgoing, device);
}

void mw_bridge_take_update(struct mw_bridge_outgoing *outgoing,
                           const struct mw_stream_record *record)
{
    struct mw_span name, desired;
    if (mw_wire_open(outgoing->parser, record->value, NULL) != MW_OK ||
        mw_wire_get(outgoing->parser, 0, "device", &name) != MW_OK ||
        mw_wire_get(outgoing->parser, 0, "desired", &desired) != MW_OK || desired.size < 2) {
        mw_log(MW_LOG_WARN, NULL, "update cannot be read", MW_KI("offset", record->offset));
        return;
    }
    (void)mw_bridge_round_add(&outgoing->intake->round, "desired", true, name, desired);
    if (mw_span_is(name, "*")) {
        size_t at = 0;
        struct mw_bridge_device *device;
        while ((device = mw_table_next(&outgoing->intake->devices, &at)) != NULL) {
            force_update(outgoing, device);
        }
        return;
    }
    struct mw_bridge_device *device =
        mw_name_valid(name) ? mw_bridge_device(&outgoing->intake->devices, name) : NULL;
    if (device != NULL) {
        force_update(outgoing, device);
    }
}

static bool speaks_for(const struct mw_bridge_device *device, struct mw_span machine)
{
    for (size_t i = 0; i < device->n_machines; i++) {
        if (mw_span_is(machine, device->machines[i])) {
            return true;
        }
    }
    return device->n_machines == 0 && mw_span_equal(machine, device->key.name);
}

void mw_bridge_take_baseline(struct mw_bridge_outgoing *outgoing,
                             const struct mw_stream_record *record)
{
    struct mw_span machine;
    if (mw_wire_open(outgoing->parser, record->value, NULL) != MW_OK ||
        mw_wire_get(outgoing->parser, 0, "machine", &machine) != MW_OK || !mw_name_valid(machine)) {
        mw_log(MW_LOG_WARN, NULL, "baseline cannot be read", MW_KI("offset", record->offset));
        return;
    }
    (void)mw_bridge_round_add(&outgoing->intake->round, "baseline", true, machine, record->value);
    /* Nearly always the device has the machine's name; else it has to be looked for. */
    struct mw_bridge_device *device = mw_table_find(&outgoing->intake->devices, machine);
    if (device != NULL && speaks_for(device, machine)) {
        force_update(outgoing, device);
        return;
    }
    size_t at = 0;
    while ((device = mw_table_next(&outgoing->intake->devices, &at)) != NULL) {
        if (speaks_for(device, machine)) {
            force_update(outgoing, device);
        }
    }
}

/* ---- telling a device ---- */

/* Into text: the newest desired state of the device, or else of all. False: there is none. */
static bool find_desired(struct mw_bridge_outgoing *outgoing, const struct mw_bridge_device *device,
                         struct mw_span *desired)
{
    mw_err err = mw_stream_get(outgoing->stream, NULL, "desired", device->key.name, desired, NULL);
    if (err == MW_ERR_NOT_FOUND) {
        err = mw_stream_get(outgoing->stream, NULL, "desired", mw_span_of("*"), desired, NULL);
    }
    return err == MW_OK && desired->size >= 2;
}

/* The device runs, or has refused, just what it should run, or was told a moment ago. */
static bool is_told(struct mw_bridge_outgoing *outgoing, const struct mw_bridge_device *device,
                    struct mw_span desired)
{
    struct mw_span bundle;
    if (mw_wire_open(outgoing->parser, desired, NULL) != MW_OK ||
        mw_wire_get(outgoing->parser, 0, "bundle", &bundle) != MW_OK) {
        return true;
    }
    bool none = bundle.size == 0 || mw_span_is(bundle, "null");
    bool runs = none ? device->reported[0] == '\0' : mw_span_is(bundle, device->reported);
    return runs || (device->refused != NULL && mw_span_is(bundle, device->refused)) ||
           mw_clock_monotonic() - device->update_sent < UPDATE_GAP;
}

static mw_err add_baseline(struct mw_bridge_outgoing *outgoing, const char *machine, bool *first)
{
    struct mw_span value;
    mw_err err =
        mw_stream_get(outgoing->stream, NULL, "baseline", mw_span_of(machine), &value, NULL);
    if (err != MW_OK) {
        return err == MW_ERR_NOT_FOUND ? MW_OK : err;
    }
    err = mw_buffer_printf(&outgoing->text, "%s\"%s\":", *first ? ",\"baseline\":{" : ",", machine);
    *first = false;
    return err == MW_OK ? mw_buffer_add(&outgoing->text, value.data, value.size) : err;
}

static mw_err add_baselines(struct mw_bridge_outgoing *outgoing,
                            const struct mw_bridge_device *device)
{
    bool first = true;
    mw_err err = device->n_machines == 0 ? add_baseline(outgoing, device->name, &first) : MW_OK;
    for (size_t i = 0; i < device->n_machines && err == MW_OK; i++) {
        err = add_baseline(outgoing, device->machines[i], &first);
    }
    return err == MW_OK && !first ? mw_buffer_add(&outgoing->text, "}", 1) : err;
}

static mw_err add_targets(struct mw_bridge_outgoing *outgoing)
{
    struct mw_error error = {0};
    if (outgoing->targets.size == 0) {
        struct mw_store *store = store_of(outgoing);
        if (store == NULL || mw_trust_targets(store, &outgoing->targets, &error) != MW_OK) {
            mw_log(MW_LOG_WARN, NULL, "no signed targets", MW_KS("reason", error.text));
            mw_buffer_clear(&outgoing->targets);
            return MW_OK;
        }
    }
    mw_err err = mw_buffer_printf(&outgoing->text, ",\"targets\":\"");
    if (err == MW_OK) {
        err = mw_json_add_base64(&outgoing->text,
                                 (struct mw_span){outgoing->targets.data, outgoing->targets.size});
    }
    return err == MW_OK ? mw_buffer_add(&outgoing->text, "\"", 1) : err;
}

static mw_err print_update(struct mw_bridge_outgoing *outgoing,
                           const struct mw_bridge_device *device, struct mw_span desired)
{
    mw_buffer_clear(&outgoing->text);
    mw_err err = mw_buffer_printf(&outgoing->text, "{\"v\":1,\"desired\":");
    if (err == MW_OK) {
        err = mw_buffer_add(&outgoing->text, desired.data, desired.size - 1);
    }
    if (err == MW_OK) {
        err = add_targets(outgoing);
    }
    if (err == MW_OK) {
        err = add_baselines(outgoing, device);
    }
    return err == MW_OK ? mw_buffer_add(&outgoing->text, "}}", 2) : err;
}

static mw_err tell(struct mw_bridge_outgoing *outgoing, struct mw_bridge_device *device)
{
    struct mw_span desired;
    if (!find_desired(outgoing, device, &desired) ||
        (!device->update_due && is_told(outgoing, device, desired))) {
        return MW_OK;
    }
    mw_err err = print_update(outgoing, device, desired);
    if (err == MW_OK) {
        err = mw_bridge_send(outgoing, "update", device->name,
                             (struct mw_span){outgoing->text.data, outgoing->text.size}, 1, true);
    }
    if (err == MW_OK) {
        outgoing->updates++;
        device->update_sent = mw_clock_monotonic();
    }
    return err;
}

void mw_bridge_outgoing_pump(struct mw_bridge_outgoing *outgoing)
{
    /* Metadata is signed anew for each model, so it is read again for each burst of updates. */
    mw_buffer_clear(&outgoing->targets);
    while (outgoing->first != NULL && outgoing->sender.room(outgoing->sender.context)) {
        struct mw_bridge_device *device = outgoing->first;
        if (tell(outgoing, device) == MW_ERR_AGAIN) {
            return;
        }
        outgoing->first = device->next_queued;
        outgoing->last = outgoing->first == NULL ? NULL : outgoing->last;
        device->queued = false;
        device->update_due = false;
        device->compare_due = false;
        device->next_queued = NULL;
    }
}

/* ---- blobs ---- */

static mw_err print_part(struct mw_bridge_outgoing *outgoing, const char *digest, uint64_t offset,
                         uint64_t total, struct mw_span bytes)
{
    mw_buffer_clear(&outgoing->text);
    mw_err err = mw_buffer_printf(
        &outgoing->text,
        "{\"v\":1,\"blob\":{\"digest\":\"%s\",\"offset\":%llu,\"size\":%llu,\"data\":\"", digest,
        (unsigned long long)offset, (unsigned long long)total);
    if (err == MW_OK) {
        err = mw_json_add_base64(&outgoing->text, bytes);
    }
    return err == MW_OK ? mw_buffer_add(&outgoing->text, "\"}}", 3) : err;
}

void mw_bridge_send_part(struct mw_bridge_outgoing *outgoing, struct mw_bridge_device *device,
                         struct mw_span digest, uint64_t offset)
{
    char name[MW_DIGEST_TEXT];
    struct mw_error error = {0};
    struct mw_buffer bytes = {0};
    uint64_t total = 0;
    memcpy(name, digest.data, digest.size);
    name[digest.size] = '\0';
    struct mw_store *store = store_of(outgoing);
    mw_err err = store == NULL ? mw_error_set(&error, MW_ERR_NOT_FOUND, "no artifacts yet")
                               : mw_store_read(store, name, offset, PART, &bytes, &total, &error);
    if (err != MW_OK) {
        mw_log(MW_LOG_WARN, device->name, "part of a blob cannot be given", MW_KS("digest", name),
               MW_KI("offset", offset), MW_KS("reason", error.text));
    } else if (print_part(outgoing, name, offset, total,
                          (struct mw_span){bytes.data, bytes.size}) == MW_OK) {
        (void)mw_bridge_send(outgoing, "update", device->name,
                             (struct mw_span){outgoing->text.data, outgoing->text.size}, 1, false);
        outgoing->parts++;
    }
    mw_buffer_free(&bytes);
}
