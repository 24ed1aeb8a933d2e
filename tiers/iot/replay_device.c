#include "tiers/iot/replay_device.h"

#include "lib/base/clock.h"
#include "tiers/iot/record_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 65536
#define RING_FIRST 256              /* grows by doubling */
#define EVENT_RETRY (2 * MW_SECOND) /* without an ack for so long events go out again */

struct waiting_event {
    char id[MW_ID_MAX + 1];
    char *json; /* NULL: acknowledged */
};

struct mw_replay_device {
    char name[MW_NAME_MAX + 1];
    struct mw_host *host;
    struct mw_uplink *uplink;
    struct mw_replay_counts *counts;
    char **ring; /* texts of rows first .. next-1, at number % capacity */
    size_t capacity;
    uint64_t first, next; /* rows waiting */
    uint64_t sent;        /* rows before this were sent by this process, or are present */
    uint64_t row;         /* the next row of the recording */
    uint64_t offered;     /* rows before this have been offered to the uplink */
    struct waiting_event *event;
    size_t event_first, event_unsent, event_end, event_capacity;
    int64_t event_progress; /* monotonic */
};

static void forget(struct mw_replay_device *device, uint64_t next)
{
    while (device->first < next && device->first < device->next) {
        free(device->ring[device->first % device->capacity]);
        device->ring[device->first % device->capacity] = NULL;
        device->first++;
        device->counts->waiting--;
    }
}

/* --- what the uplink asks --- */

static mw_err on_read(void *context, uint64_t from, size_t max,
                      void (*fn)(void *, uint64_t, struct mw_span), void *fn_context,
                      struct mw_error *error)
{
    (void)error;
    struct mw_replay_device *device = context;
    for (uint64_t i = from; i >= device->first && i < device->next && i < from + max; i++) {
        fn(fn_context, i, mw_span_of(device->ring[i % device->capacity]));
    }
    return MW_OK;
}

static void on_sent(void *context, uint64_t from, uint64_t next, int64_t now)
{
    struct mw_replay_device *device = context;
    (void)from;
    (void)now;
    device->sent = device->sent < next ? next : device->sent;
}

static void on_acknowledged(void *context, uint64_t next)
{
    struct mw_replay_device *device = context;
    uint64_t stored = next - device->first;
    uint64_t ours = device->sent < next ? device->sent - device->first : stored;
    device->counts->acknowledged += ours;
    device->counts->present += stored - ours; /* by an earlier replay */
    forget(device, next);
    device->sent = device->sent < next ? next : device->sent;
}

static bool on_adopt(void *context, uint32_t boot, uint64_t next)
{
    (void)boot;
    struct mw_replay_device *device = context;
    if (next < device->first) {
        return false; /* those rows are gone from memory */
    }
    uint64_t taken = device->next < next ? device->next : next;
    device->counts->present += taken - device->first;
    forget(device, next);
    device->first = next;
    device->next = device->next < next ? next : device->next;
    device->sent = device->sent < next ? next : device->sent;
    return true;
}

/* Rows are numbers, so a recording cannot be numbered anew. */
static mw_err on_new_boot(void *context, uint32_t boot, struct mw_error *error)
{
    struct mw_replay_device *device = context;
    (void)boot;
    device->counts->lost = device->name;
    return mw_error_set(error, MW_ERR_STATE,
                        "the bridge has lost its position in the middle of a replay");
}

static void on_event_acknowledged(void *context, struct mw_span id)
{
    struct mw_replay_device *device = context;
    size_t i = device->event_first; /* acks come in the order of sending: mostly it is the first */
    while (i < device->event_end &&
           (device->event[i].json == NULL || !mw_span_is(id, device->event[i].id))) {
        i++;
    }
    if (i == device->event_end) {
        return;
    }
    free(device->event[i].json);
    device->event[i].json = NULL;
    device->counts->waiting_events--;
    device->event_progress = mw_clock_monotonic();
    while (device->event_first < device->event_end &&
           device->event[device->event_first].json == NULL) {
        device->event_first++;
    }
    if (device->event_unsent < device->event_first) {
        device->event_unsent = device->event_first;
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

static mw_err write_record(struct mw_replay_device *device, const struct mw_recorded *row,
                           char **copy)
{
    char text[TEXT_MAX];
    size_t size = 0;
    mw_err err = mw_wire_write_telemetry(text, sizeof text, &size, &row->telemetry);
    if (err != MW_OK) {
        return err;
    }
    struct mw_span rest = mw_record_text_cut(text, size, device->name, row->telemetry.machine);
    if (rest.data == NULL) {
        return MW_ERR_STATE;
    }
    *copy = strndup(rest.data, rest.size);
    return *copy == NULL ? MW_ERR_MEMORY : MW_OK;
}

static mw_err add_record(struct mw_replay_device *device, const struct mw_recorded *row,
                         struct mw_error *error)
{
    char *copy = NULL;
    if (device->row < device->next) { /* the bridge stands further: it has this row */
        device->row++;
        device->counts->present++;
        return MW_OK;
    }
    mw_err err = MW_OK;
    if (device->next - device->first == device->capacity) {
        err = grow(device);
    }
    if (err == MW_OK) {
        err = write_record(device, row, &copy);
    }
    if (err != MW_OK) {
        return mw_error_set(error, err, "%s: row %llu cannot be written as a record: %s",
                            device->name, (unsigned long long)device->row, mw_err_text(err));
    }
    device->ring[device->next % device->capacity] = copy;
    device->next++;
    device->row++;
    device->counts->waiting++;
    return MW_OK;
}

/* Makes room for one more: drops what was acknowledged, then doubles. */
static mw_err reserve_event(struct mw_replay_device *device)
{
    if (device->event_end < device->event_capacity) {
        return MW_OK;
    }
    size_t n = device->event_end - device->event_first;
    if (n > device->event_capacity / 2 || device->event_capacity == 0) {
        size_t capacity = device->event_capacity == 0 ? 8 : device->event_capacity * 2;
        struct waiting_event *grown = realloc(device->event, capacity * sizeof *grown);
        if (grown == NULL) {
            return MW_ERR_MEMORY;
        }
        device->event = grown;
        device->event_capacity = capacity;
    }
    memmove(device->event, device->event + device->event_first, n * sizeof *device->event);
    device->event_unsent -= device->event_first;
    device->event_first = 0;
    device->event_end = n;
    return MW_OK;
}

static mw_err add_event(struct mw_replay_device *device, const struct mw_recorded *row,
                        enum mw_event_type type, enum mw_finding finding, struct mw_error *error)
{
    char json[1024];
    size_t size = 0;
    mw_err err = reserve_event(device);
    if (err != MW_OK) {
        return mw_error_set(error, err, "out of memory");
    }
    struct waiting_event *event = &device->event[device->event_end];
    snprintf(event->id, sizeof event->id, "%s-row-%llu-%s", device->name,
             (unsigned long long)device->row - 1, mw_event_type_name(type));
    struct mw_event message = {.id = mw_span_of(event->id),
                               .machine = mw_span_of(row->machine),
                               .by = mw_span_of("recording"),
                               .type = type,
                               .finding = finding,
                               .time = row->telemetry.time};
    err = mw_wire_write_event(json, sizeof json, &size, &message);
    event->json = err == MW_OK ? strndup(json, size) : NULL;
    if (event->json == NULL) {
        return mw_error_set(error, err == MW_OK ? MW_ERR_MEMORY : err,
                            "%s: an event cannot be written", device->name);
    }
    device->event_end++;
    device->counts->waiting_events++;
    device->counts->events++;
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

bool mw_replay_device_synced(const struct mw_replay_device *device)
{
    return mw_uplink_synced(device->uplink);
}

bool mw_replay_device_next_is_present(const struct mw_replay_device *device)
{
    return device->row < device->next;
}

/* --- sending --- */

/* Events go in arrays too, as many a message as records do. False: not now. */
static bool send_some_events(struct mw_replay_device *device, struct mw_buffer *json)
{
    size_t at = device->event_unsent, n = 0;
    mw_err err = MW_OK;
    mw_buffer_clear(json);
    for (; err == MW_OK && at < device->event_end && n < MW_BATCH_MAX; at++) {
        const char *text = device->event[at].json;
        if (text != NULL) {
            err = mw_buffer_printf(json, "%c%s", n == 0 ? '[' : ',', text);
            n++;
        }
    }
    if (err == MW_OK && n > 0) {
        err = mw_buffer_add(json, "]", 1);
    }
    if (err == MW_OK && n > 0) {
        err = mw_host_publish(device->host, "event", device->name,
                              (struct mw_span){json->data, json->size});
    }
    if (err == MW_OK) {
        device->event_unsent = at;
    }
    return err == MW_OK;
}

static void send_events(struct mw_replay_device *device)
{
    struct mw_buffer json = {0};
    while (device->event_unsent < device->event_end && send_some_events(device, &json)) {
        device->event_progress = mw_clock_monotonic();
    }
    mw_buffer_free(&json);
}

void mw_replay_device_send(struct mw_replay_device *device)
{
    if (device->offered != device->next) {
        device->offered = device->next;
        mw_uplink_offer(device->uplink, device->next);
    }
    send_events(device);
}

void mw_replay_device_tick(struct mw_replay_device *device, int64_t now_monotonic)
{
    if (device->event_first < device->event_end &&
        now_monotonic - device->event_progress > EVENT_RETRY) {
        device->event_unsent = device->event_first;
    }
    send_events(device);
}

void mw_replay_device_report(struct mw_replay_device *device)
{
    mw_uplink_report(device->uplink);
}

/* --- making and ending --- */

mw_err mw_replay_device_new(struct mw_replay_device **out, struct mw_host *host,
                            struct mw_replay_counts *counts, const char *name,
                            struct mw_error *error)
{
    *out = NULL;
    struct mw_replay_device *device = calloc(1, sizeof *device);
    if (device == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    snprintf(device->name, sizeof device->name, "%s", name);
    device->host = host;
    device->counts = counts;
    struct mw_uplink_source source = {.context = device,
                                      .read = on_read,
                                      .acknowledged = on_acknowledged,
                                      .adopt = on_adopt,
                                      .new_boot = on_new_boot,
                                      .status = on_status,
                                      .event_acknowledged = on_event_acknowledged,
                                      .sent = on_sent};
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
    for (size_t i = device->event_first; i < device->event_end; i++) {
        free(device->event[i].json);
    }
    free(device->event);
    free(device->ring);
    free(device);
}

const char *mw_replay_device_name(const struct mw_replay_device *device)
{
    return device->name;
}
