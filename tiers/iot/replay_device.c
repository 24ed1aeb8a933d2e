#include "tiers/iot/replay_device.h"

#include "lib/base/log.h"
#include "tiers/iot/record_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 65536
#define RING_FIRST 256 /* grows by doubling */

struct waiting_event {
    char id[MW_NAME_MAX * 2 + 32];
    struct mw_span json; /* owned */
    bool sent;
};

struct mw_replay_device {
    char name[MW_NAME_MAX + 1];
    struct mw_host *host;
    struct mw_uplink *uplink;
    char **ring; /* texts of rows first .. next-1, at number % capacity */
    size_t capacity;
    uint64_t first, next; /* rows waiting */
    uint64_t row;         /* the next row of the recording */
    uint64_t present, acknowledged, n_events;
    struct waiting_event *event;
    size_t n_waiting, event_capacity;
};

static void forget(struct mw_replay_device *device, uint64_t next)
{
    while (device->first < next && device->first < device->next) {
        free(device->ring[device->first % device->capacity]);
        device->ring[device->first % device->capacity] = NULL;
        device->first++;
    }
}

/* --- what the uplink asks --- */

static mw_err on_read(void *context, uint64_t from, size_t max,
                      void (*fn)(void *, uint64_t, struct mw_span), void *fn_context,
                      struct mw_error *error)
{
    (void)error;
    struct mw_replay_device *device = context;
    for (uint64_t i = from; i < device->next && i < from + max; i++) {
        fn(fn_context, i, mw_span_of(device->ring[i % device->capacity]));
    }
    return MW_OK;
}

static void on_acknowledged(void *context, uint64_t next)
{
    struct mw_replay_device *device = context;
    device->acknowledged += next - device->first;
    forget(device, next);
}

static bool on_adopt(void *context, uint32_t boot, uint64_t next)
{
    (void)boot;
    struct mw_replay_device *device = context;
    uint64_t taken = device->row < next ? device->row : next;
    device->present += taken > device->first ? taken - device->first : 0;
    forget(device, next);
    if (device->first < next) {
        device->first = next;
    }
    if (device->next < next) {
        device->next = next;
    }
    return true;
}

static void on_new_boot(void *context, uint32_t boot)
{
    struct mw_replay_device *device = context;
    mw_log(MW_LOG_ERROR, device->name,
           "the bridge has lost this device's position in the middle of a replay",
           MW_KI("boot", boot));
}

static void on_event_acknowledged(void *context, struct mw_span id)
{
    struct mw_replay_device *device = context;
    for (size_t i = 0; i < device->n_waiting; i++) {
        if (mw_span_is(id, device->event[i].id)) {
            free((char *)(uintptr_t)device->event[i].json.data);
            device->event[i] = device->event[--device->n_waiting];
            return;
        }
    }
}

static void on_status(void *context, struct mw_buffer *json)
{
    struct mw_replay_device *device = context;
    mw_buffer_printf(json, ",\"published\":%llu", (unsigned long long)device->next);
}

/* --- rows --- */

static mw_err grow(struct mw_replay_device *device)
{
    size_t capacity = device->capacity == 0 ? RING_FIRST : device->capacity * 2;
    char **ring = calloc(capacity, sizeof *ring);
    if (ring == NULL) {
        return MW_ERR_MEMORY;
    }
    for (uint64_t i = device->first; i < device->next; i++) {
        ring[i % capacity] = device->ring[i % device->capacity];
    }
    free(device->ring);
    device->ring = ring;
    device->capacity = capacity;
    return MW_OK;
}

static mw_err add_record(struct mw_replay_device *device, const struct mw_recorded *row,
                         struct mw_error *error)
{
    char text[TEXT_MAX];
    size_t size = 0;
    if (device->row < device->next) { /* the bridge stands further: it has this row */
        device->row++;
        device->present++;
        return MW_OK;
    }
    mw_err err = mw_wire_write_telemetry(text, sizeof text, &size, &row->telemetry);
    if (err == MW_OK && device->next - device->first == device->capacity) {
        err = grow(device);
    }
    struct mw_span rest = {0};
    if (err == MW_OK) {
        rest = mw_record_text_cut(text, size, device->name, row->telemetry.machine);
        err = rest.data == NULL ? MW_ERR_STATE : MW_OK;
    }
    char *copy = err == MW_OK ? strndup(rest.data, rest.size) : NULL;
    if (copy == NULL) {
        return mw_error_set(error, err == MW_OK ? MW_ERR_MEMORY : err,
                            "%s: a row cannot be written as a record", device->name);
    }
    device->ring[device->next % device->capacity] = copy;
    device->next++;
    device->row++;
    return MW_OK;
}

static mw_err add_event(struct mw_replay_device *device, const struct mw_recorded *row,
                        enum mw_event_type type, enum mw_finding finding, struct mw_error *error)
{
    if (device->n_waiting == device->event_capacity) {
        size_t capacity = device->event_capacity == 0 ? 8 : device->event_capacity * 2;
        struct waiting_event *grown = realloc(device->event, capacity * sizeof *grown);
        if (grown == NULL) {
            return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
        }
        device->event = grown;
        device->event_capacity = capacity;
    }
    struct waiting_event *event = &device->event[device->n_waiting];
    char json[1024];
    size_t size = 0;
    snprintf(event->id, sizeof event->id, "%s-row-%llu-%s", device->name,
             (unsigned long long)device->row - 1, mw_event_type_name(type));
    struct mw_event message = {.id = mw_span_of(event->id),
                               .machine = mw_span_of(row->machine),
                               .by = mw_span_of("recording"),
                               .type = type,
                               .finding = finding,
                               .time = row->telemetry.time};
    mw_err err = mw_wire_write_event(json, sizeof json, &size, &message);
    char *copy = err == MW_OK ? strndup(json, size) : NULL;
    if (copy == NULL) {
        return mw_error_set(error, err == MW_OK ? MW_ERR_MEMORY : err,
                            "%s: an event cannot be written", device->name);
    }
    event->json = (struct mw_span){copy, size};
    event->sent = false;
    device->n_waiting++;
    device->n_events++;
    return MW_OK;
}

mw_err mw_replay_device_row(struct mw_replay_device *device, const struct mw_recorded *row,
                            struct mw_error *error)
{
    mw_err err = add_record(device, row, error);
    if (err == MW_OK && row->inspected) {
        err = add_event(device, row, MW_EVENT_INSPECTION,
                        row->fault ? MW_FINDING_FAULT : MW_FINDING_NO_FAULT, error);
    }
    if (err == MW_OK && row->failure) {
        err = add_event(device, row, MW_EVENT_FAILURE, MW_FINDING_NONE, error);
    }
    return err;
}

void mw_replay_device_send(struct mw_replay_device *device)
{
    mw_uplink_offer(device->uplink, device->next);
}

/* Events go in arrays too, as many a message as records do. */
void mw_replay_device_send_events(struct mw_replay_device *device, bool again)
{
    struct mw_buffer json = {0};
    size_t at = 0;
    while (at < device->n_waiting) {
        size_t n = 0, end = at;
        mw_buffer_clear(&json);
        mw_err err = MW_OK;
        for (; err == MW_OK && end < device->n_waiting && n < MW_BATCH_MAX; end++) {
            if (again || !device->event[end].sent) {
                err = mw_buffer_add(&json, n == 0 ? "[" : ",", 1);
                n++;
                if (err == MW_OK) {
                    err = mw_buffer_add(&json, device->event[end].json.data,
                                        device->event[end].json.size);
                }
            }
        }
        if (err == MW_OK && n > 0) {
            err = mw_buffer_add(&json, "]", 1);
        }
        if (err != MW_OK || n == 0 ||
            mw_host_publish(device->host, "event", device->name,
                            (struct mw_span){json.data, json.size}) != MW_OK) {
            break; /* a later round sends it */
        }
        for (; at < end; at++) {
            device->event[at].sent = true;
        }
    }
    mw_buffer_free(&json);
}

/* --- making and ending --- */

mw_err mw_replay_device_new(struct mw_replay_device **out, struct mw_host *host, const char *name,
                            struct mw_error *error)
{
    *out = NULL;
    struct mw_replay_device *device = calloc(1, sizeof *device);
    if (device == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    snprintf(device->name, sizeof device->name, "%s", name);
    device->host = host;
    struct mw_uplink_source source = {.context = device,
                                      .read = on_read,
                                      .acknowledged = on_acknowledged,
                                      .adopt = on_adopt,
                                      .new_boot = on_new_boot,
                                      .status = on_status,
                                      .event_acknowledged = on_event_acknowledged};
    struct mw_numbers numbers = {.boot = 1};
    mw_err err = mw_uplink_new(&device->uplink, host, device->name, &source, numbers, error);
    if (err != MW_OK) {
        free(device);
        return err;
    }
    *out = device;
    return MW_OK;
}

void mw_replay_device_free(struct mw_replay_device *device)
{
    if (device == NULL) {
        return;
    }
    for (size_t i = 0; i < device->capacity; i++) {
        free(device->ring[i]);
    }
    for (size_t i = 0; i < device->n_waiting; i++) {
        free((char *)(uintptr_t)device->event[i].json.data);
    }
    free(device->event);
    free(device->ring);
    free(device);
}

struct mw_replay_counts mw_replay_device_counts(const struct mw_replay_device *device)
{
    return (struct mw_replay_counts){.waiting = device->next - device->first,
                                     .waiting_events = device->n_waiting,
                                     .present = device->present,
                                     .acknowledged = device->acknowledged,
                                     .events = device->n_events};
}

const char *mw_replay_device_name(const struct mw_replay_device *device)
{
    return device->name;
}
