#include "tiers/iot/thing_device_internal.h"

#include "lib/base/log.h"
#include "tiers/iot/record_text.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DROP_STEP 64

/* --- records --- */

/* Gives up the oldest records that nobody has seen when the outbox is over its bound. */
static mw_err make_room(struct mw_thing_device *device, struct mw_error *error)
{
    struct mw_outbox_device *numbers = &device->numbers;
    if (mw_outbox_bytes(device->host->outbox) <= device->host->outbox_bytes) {
        return MW_OK;
    }
    uint64_t unsent = mw_uplink_unsent(device->uplink);
    if (unsent >= numbers->next) {
        return MW_OK; /* all of ours have been sent: they may be stored, so they stay */
    }
    uint64_t n = numbers->next - unsent < DROP_STEP ? numbers->next - unsent : DROP_STEP;
    mw_err err = mw_outbox_drop(device->host->outbox, numbers, unsent, n, error);
    if (err == MW_OK) {
        mw_log(MW_LOG_WARN, device->name, "outbox full, oldest unsent records dropped",
               MW_KI("dropped", numbers->dropped));
        mw_uplink_shrink(device->uplink, n);
    }
    return err;
}

static mw_err add_text(struct mw_thing_device *device, size_t size, struct mw_error *error)
{
    struct mw_span rest =
        mw_record_text_cut(device->text, size, device->name, mw_span_of(device->name));
    if (rest.data == NULL) {
        return mw_error_set(error, MW_ERR_STATE, "%s: a record without numbers", device->name);
    }
    mw_err err = make_room(device, error);
    return err == MW_OK ? mw_outbox_add(device->host->outbox, &device->numbers, rest, error) : err;
}

mw_err mw_thing_device_close_window(struct mw_thing_device *device, const struct mw_bundle *bundle,
                                    struct mw_error *error)
{
    size_t size = 0;
    if (device->level2.count == 0) {
        return MW_OK;
    }
    mw_err err =
        mw_level2_sketch(&device->level2, bundle, device->name, device->name, &device->sketch);
    if (err == MW_OK) {
        err = mw_wire_write_sketch(device->text, sizeof device->text, &size, &device->sketch);
    }
    if (err != MW_OK) {
        return mw_error_set(error, err, "%s: the sketch cannot be written: %s", device->name,
                            mw_err_text(err));
    }
    err = add_text(device, size, error);
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
            return mw_thing_device_close_window(device, &runner->bundle, error);
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
        return mw_error_set(error, err, "%s: a record cannot be written: %s", device->name,
                            mw_err_text(err));
    }
    return add_text(device, size, error);
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

static void read_level2(struct mw_thing_device *device)
{
    struct mw_span bytes;
    if (mw_outbox_get(device->host->outbox, "level2", device->name, &bytes, NULL) == MW_OK &&
        bytes.size >= level2_bytes(0) && bytes.size <= sizeof device->level2 &&
        (bytes.size - level2_bytes(0)) % sizeof(struct mw_sketch) == 0) {
        memcpy(&device->level2, bytes.data, bytes.size);
        device->level2.bundle[sizeof device->level2.bundle - 1] = '\0';
        device->level2_features = (bytes.size - level2_bytes(0)) / sizeof(struct mw_sketch);
    }
}

/* Counts go on only with the model that they are of; when it does not run any more nobody knows
 * what the bins mean. */
static mw_err resume_level2(struct mw_thing_device *device, struct mw_error *error)
{
    const struct mw_runner *runner = mw_model_slot_runner(device->slot);
    bool ours = runner != NULL && strcmp(runner->bundle.digest, device->level2.bundle) == 0 &&
                runner->bundle.n_features == device->level2_features;
    if (device->level2.count == 0 || (ours && device->host->plant->level2.enabled)) {
        return MW_OK;
    }
    mw_err err = mw_outbox_begin(device->host->outbox, error);
    if (err == MW_OK && ours) { /* level 2 has been switched off */
        err = mw_thing_device_close_window(device, &runner->bundle, error);
    } else if (err == MW_OK) {
        mw_log(MW_LOG_WARN, device->name, "counts of a model that does not run are lost",
               MW_KI("records", device->level2.count), MW_KS("bundle", device->level2.bundle));
        mw_level2_clear(&device->level2);
    }
    if (err == MW_OK) {
        err = mw_thing_device_save(device, error);
    }
    if (err == MW_OK) {
        err = mw_outbox_commit(device->host->outbox, error);
    }
    return err;
}

void mw_thing_device_send(struct mw_thing_device *device)
{
    mw_uplink_offer(device->uplink, device->numbers.next);
}

void mw_thing_device_status(const struct mw_thing_device *device, struct mw_buffer *json)
{
    device->host->status(device->host->context, device->index, json);
}

void mw_thing_device_report(struct mw_thing_device *device)
{
    mw_uplink_report(device->uplink);
}

/* --- making and ending --- */

mw_err mw_thing_device_new(struct mw_thing_device **out, const struct mw_thing_host *host,
                           unsigned index, const char *name, struct mw_error *error)
{
    *out = NULL;
    struct mw_thing_device *device = calloc(1, sizeof *device);
    if (device == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    device->host = host;
    device->index = index;
    snprintf(device->name, sizeof device->name, "%s", name);
    mw_err err = mw_outbox_device(host->outbox, name, &device->numbers, error);
    if (err == MW_OK) {
        read_level2(device);
        err = mw_thing_device_link(device, error);
    }
    if (err == MW_OK) {
        err = resume_level2(device, error);
    }
    if (err != MW_OK) {
        mw_thing_device_free(device);
        return err;
    }
    mw_model_slot_resume(device->slot);
    mw_thing_device_send(device);
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

size_t mw_thing_device_bundles(const struct mw_thing_device *device,
                               char digest[MW_MODEL_SLOT_BUNDLES][MW_DIGEST_TEXT])
{
    return mw_model_slot_bundles(device->slot, digest);
}
