#include "tiers/platform/bridge_position.h"

#include "core/wire/number.h"
#include "lib/plant/share.h"
#include "tiers/platform/json_text.h"

#include <stdlib.h>
#include <string.h>

struct mw_bridge_device *mw_bridge_device(struct mw_table *devices, struct mw_span name)
{
    struct mw_bridge_device *device = mw_table_find(devices, name);
    if (device != NULL || name.size > MW_NAME_MAX) {
        return device;
    }
    device = calloc(1, sizeof *device + name.size + 1);
    if (device == NULL) {
        return NULL;
    }
    memcpy(device->name, name.data, name.size);
    device->key.name = (struct mw_span){device->name, name.size};
    device->last_seq = -1;
    if (mw_table_add(devices, device) != MW_OK) {
        free(device);
        return NULL;
    }
    return device;
}

void mw_bridge_device_free(void *device)
{
    struct mw_bridge_device *d = device;
    if (d != NULL) {
        free(d->machines);
        free(d->refused);
        free(d);
    }
}

enum mw_bridge_verdict mw_bridge_judge(const struct mw_bridge_device *device, uint32_t boot,
                                       uint64_t seq)
{
    if (!device->known || boot > device->boot) {
        return seq == 0 ? MW_BRIDGE_TAKE : MW_BRIDGE_AHEAD;
    }
    if (boot < device->boot || seq < device->next) {
        return MW_BRIDGE_OLD;
    }
    return seq == device->next ? MW_BRIDGE_TAKE : MW_BRIDGE_AHEAD;
}

void mw_bridge_advance(struct mw_bridge_device *device, uint32_t boot, uint64_t seq)
{
    device->known = true;
    device->boot = boot;
    device->next = seq + 1;
}

bool mw_bridge_skip(struct mw_bridge_device *device, uint32_t boot, uint64_t seq, uint64_t *skipped)
{
    bool same = device->known && boot == device->boot;
    bool ahead = same ? seq > device->next : (!device->known || boot > device->boot) && seq > 0;
    if (!ahead || seq == UINT64_MAX) {
        return false;
    }
    *skipped = same ? seq - device->next : seq;
    device->skipped += *skipped;
    device->known = true;
    device->boot = boot;
    device->next = seq;
    return true;
}

bool mw_bridge_note_machine(struct mw_bridge_device *device, struct mw_span machine)
{
    bool own = mw_span_equal(machine, device->key.name);
    if ((own && device->n_machines == 0) || machine.size > MW_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < device->n_machines; i++) {
        if (mw_span_is(machine, device->machines[i])) {
            return false;
        }
    }
    if (device->n_machines == MW_BRIDGE_MACHINES_MAX) {
        return false;
    }
    char(*more)[MW_NAME_MAX + 1] =
        realloc(device->machines, (device->n_machines + 1) * sizeof *device->machines);
    if (more == NULL) {
        return false;
    }
    device->machines = more;
    memcpy(more[device->n_machines], machine.data, machine.size);
    more[device->n_machines][machine.size] = '\0';
    device->n_machines++;
    return true;
}

mw_err mw_bridge_print_position(const struct mw_bridge_device *device, struct mw_buffer *out)
{
    char time[MW_NUMBER_TEXT], received[MW_NUMBER_TEXT];
    mw_number_print_time(time, device->time);
    mw_number_print_time(received, device->received);
    mw_err err = mw_buffer_printf(
        out,
        "{\"boot\":%lu,\"next\":%llu,\"stored\":%llu,\"sketches\":%llu,\"dead\":%llu,"
        "\"skipped\":%llu",
        (unsigned long)device->boot, (unsigned long long)device->next,
        (unsigned long long)device->stored, (unsigned long long)device->sketches,
        (unsigned long long)device->dead, (unsigned long long)device->skipped);
    if (err == MW_OK && (device->dropped > 0 || device->merged > 0)) {
        err = mw_buffer_printf(out, ",\"dropped\":%llu,\"merged\":%llu",
                               (unsigned long long)device->dropped,
                               (unsigned long long)device->merged);
    }
    if (err == MW_OK) {
        err = mw_buffer_printf(out, ",\"time\":%s,\"received\":%s", time, received);
    }
    for (size_t i = 0; i < device->n_machines && err == MW_OK; i++) {
        err = mw_buffer_printf(out, "%s\"%s\"", i == 0 ? ",\"machines\":[" : ",",
                               device->machines[i]);
    }
    const char *end = device->n_machines > 0 ? "]}" : "}";
    return err == MW_OK ? mw_buffer_add(out, end, strlen(end)) : err;
}

static uint64_t read_u64(const struct mw_wire_parser *parser, const char *key)
{
    struct mw_span text;
    uint64_t value = 0;
    if (mw_wire_get(parser, 0, key, &text) != MW_OK || mw_number_parse_u64(text, &value) != MW_OK) {
        return 0;
    }
    return value;
}

static int64_t read_time(const struct mw_wire_parser *parser, const char *key)
{
    struct mw_span text;
    int64_t value = 0;
    if (mw_wire_get(parser, 0, key, &text) != MW_OK ||
        mw_number_parse_time(text, &value) != MW_OK) {
        return 0;
    }
    return value;
}

/* ["a","b"]: names have no escapes, so the quotes part them. */
static void read_machines(struct mw_bridge_device *device, struct mw_span list)
{
    const char *end = list.data + list.size;
    for (const char *at = list.data; at < end;) {
        const char *from = memchr(at, '"', (size_t)(end - at));
        const char *to = from == NULL ? NULL : memchr(from + 1, '"', (size_t)(end - from - 1));
        if (to == NULL) {
            return;
        }
        mw_bridge_note_machine(device, (struct mw_span){from + 1, (size_t)(to - from - 1)});
        at = to + 1;
    }
}

mw_err mw_bridge_read_position(struct mw_wire_parser *parser, struct mw_span json,
                               struct mw_bridge_device *device)
{
    mw_err err = mw_wire_open(parser, json, NULL);
    if (err != MW_OK) {
        return err;
    }
    if (!mw_wire_has(parser, 0, "boot") || !mw_wire_has(parser, 0, "next")) {
        return MW_ERR_CORRUPT;
    }
    device->known = true;
    device->boot = (uint32_t)read_u64(parser, "boot");
    device->next = read_u64(parser, "next");
    device->stored = read_u64(parser, "stored");
    device->sketches = read_u64(parser, "sketches");
    device->dead = read_u64(parser, "dead");
    device->skipped = read_u64(parser, "skipped");
    device->dropped = read_u64(parser, "dropped");
    device->merged = read_u64(parser, "merged");
    device->time = read_time(parser, "time");
    device->received = read_time(parser, "received");
    struct mw_span machines;
    if (mw_wire_get(parser, 0, "machines", &machines) == MW_OK) {
        read_machines(device, machines);
    }
    return MW_OK;
}

struct visit {
    size_t share, shares;
    mw_stream_visit_fn *fn;
    void *context;
    bool stopped;
};

static bool visit_own(void *context, struct mw_span key, struct mw_span value)
{
    struct visit *visit = context;
    if (mw_share_of(key, visit->shares) == visit->share) {
        visit->stopped = !visit->fn(visit->context, key, value);
    }
    return !visit->stopped;
}

mw_err mw_bridge_visit_positions(struct mw_stream *stream, size_t shares, mw_stream_visit_fn *fn,
                                 void *context, struct mw_error *error)
{
    struct visit visit = {0, shares, fn, context, false};
    mw_err err = MW_OK;
    for (; visit.share < shares && err == MW_OK && !visit.stopped; visit.share++) {
        char writer[MW_SHARE_NAME];
        mw_share_name(visit.share, writer);
        err = mw_stream_visit(stream, writer, "position", visit_own, &visit, error);
    }
    return err;
}
