#include "tiers/platform/bridge_held.h"

#include "core/wire/number.h"
#include "core/wire/sparkplug.h"
#include "tiers/platform/json_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

mw_err mw_bridge_make_name(const struct mw_span *parts, size_t n, char name[MW_NAME_MAX + 1])
{
    size_t size = 0;
    for (size_t i = 0; i < n; i++) {
        if (size + parts[i].size + (i > 0) > MW_NAME_MAX) {
            return MW_ERR_TOO_LARGE;
        }
        if (i > 0) {
            name[size++] = '-';
        }
        for (size_t k = 0; k < parts[i].size; k++) {
            char c = parts[i].data[k];
            c = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
            bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
            name[size++] = plain ? c : '-';
        }
    }
    name[size] = '\0';
    return size == 0 ? MW_ERR_ARGUMENT : MW_OK;
}

/* ---- entries ---- */

void mw_bridge_metrics_free(struct mw_bridge_metric *metric, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(metric[i].name);
    }
    free(metric);
}

static void held_free(void *entry)
{
    struct mw_bridge_held *held = entry;
    mw_bridge_metrics_free(held->metric, held->n_metrics);
    free(held);
}

static mw_err held_new(struct mw_bridge_holder *holder, struct mw_span origin,
                       struct mw_bridge_device *device, struct mw_bridge_held **made)
{
    struct mw_bridge_held *held = calloc(1, sizeof *held + origin.size + 1);
    if (held == NULL) {
        return MW_ERR_MEMORY;
    }
    memcpy(held->origin, origin.data, origin.size);
    held->key.name = (struct mw_span){held->origin, origin.size};
    held->device = device;
    mw_err err = mw_table_add(&holder->table, held);
    if (err != MW_OK) {
        free(held);
        return err;
    }
    device->held = held;
    *made = held;
    return MW_OK;
}

mw_err mw_bridge_held_get(struct mw_bridge_holder *holder, struct mw_span origin,
                          const char *device, const char *machine, struct mw_bridge_held **held)
{
    *held = mw_table_find(&holder->table, origin);
    if (*held != NULL) {
        return MW_OK;
    }
    struct mw_bridge_device *entry = mw_bridge_device(&holder->intake->devices, mw_span_of(device));
    if (entry == NULL) {
        return MW_ERR_MEMORY;
    }
    if (entry->held != NULL || entry->known || entry->heard) {
        return MW_ERR_EXISTS; /* also a thing of our own */
    }
    mw_err err = held_new(holder, origin, entry, held);
    if (err == MW_OK) {
        strcpy((*held)->machine, machine == NULL ? entry->name : machine);
    }
    return err;
}

/* ---- metrics ---- */

struct mw_bridge_metric *mw_bridge_held_find(struct mw_bridge_held *held, struct mw_span name)
{
    for (size_t i = 0; i < held->n_metrics; i++) {
        size_t at = (held->hint + i) % held->n_metrics;
        if (mw_span_is(name, held->metric[at].name)) {
            held->hint = at + 1;
            return &held->metric[at];
        }
    }
    return NULL;
}

struct mw_bridge_metric *mw_bridge_held_find_alias(struct mw_bridge_held *held, uint64_t alias)
{
    for (size_t i = 0; i < held->n_metrics; i++) {
        size_t at = (held->hint + i) % held->n_metrics;
        if (held->metric[at].has_alias && held->metric[at].alias == alias) {
            held->hint = at + 1;
            return &held->metric[at];
        }
    }
    return NULL;
}

/* A metric as JSON, at most. */
static size_t bytes_of(struct mw_span name)
{
    size_t bytes = 100;
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        bytes += c >= ' ' && c <= '~' && c != '"' && c != '\\' ? 1 : 6;
    }
    return bytes;
}

mw_err mw_bridge_held_add(struct mw_bridge_held *held, struct mw_span name,
                          struct mw_bridge_metric **metric)
{
    size_t n = held->n_metrics, bytes = bytes_of(name);
    if (n == MW_BRIDGE_METRICS_MAX || held->bytes + bytes > MW_BRIDGE_HELD_BYTES) {
        return MW_ERR_TOO_LARGE;
    }
    if ((n & (n - 1)) == 0) { /* the array doubles */
        struct mw_bridge_metric *more =
            realloc(held->metric, (n == 0 ? 1 : 2 * n) * sizeof *held->metric);
        if (more == NULL) {
            return MW_ERR_MEMORY;
        }
        held->metric = more;
    }
    char *copy = strndup(name.data == NULL ? "" : name.data, name.size);
    if (copy == NULL) {
        return MW_ERR_MEMORY;
    }
    held->metric[n] = (struct mw_bridge_metric){.name = copy};
    *metric = &held->metric[n];
    held->n_metrics++;
    held->bytes += bytes;
    return MW_OK;
}

void mw_bridge_metric_type(struct mw_bridge_metric *metric, uint32_t type)
{
    static const char *const controls[] = {"Node Control/", "Device Control/", "bdSeq"};
    metric->type = type;
    metric->feature =
        mw_sparkplug_is_number(type) && mw_feature_name_valid(mw_span_of(metric->name));
    for (size_t i = 0; i < sizeof controls / sizeof *controls; i++) {
        metric->feature &= strncmp(metric->name, controls[i], strlen(controls[i])) != 0;
    }
}

/* ---- records ---- */

void mw_bridge_held_begin(struct mw_bridge_held *held)
{
    for (size_t i = 0; i < held->n_metrics; i++) {
        struct mw_bridge_metric *metric = &held->metric[i];
        metric->has_shown = metric->has_value;
        metric->shown = metric->value;
        metric->set = false;
    }
}

mw_err mw_bridge_held_record(struct mw_bridge_holder *holder, struct mw_bridge_held *held,
                             int64_t time)
{
    struct mw_bridge_intake *intake = holder->intake;
    struct mw_telemetry *telemetry = &intake->telemetry;
    *telemetry = (struct mw_telemetry){.device = held->device->key.name,
                                       .machine = mw_span_of(held->machine),
                                       .time = time,
                                       .p = 1};
    for (size_t i = 0; i < held->n_metrics; i++) {
        const struct mw_bridge_metric *metric = &held->metric[i];
        if (metric->feature && metric->has_shown && telemetry->n_features < MW_FEATURES_MAX) {
            telemetry->features[telemetry->n_features++] =
                (struct mw_feature){mw_span_of(metric->name), metric->shown};
        }
    }
    if (time == 0) {
        telemetry->time = intake->clock.now(intake->clock.context);
    }
    return telemetry->n_features == 0 ? MW_OK : mw_bridge_keep_telemetry(intake, held->device);
}

/* ---- what goes into the stream ---- */

void mw_bridge_held_touch(struct mw_bridge_holder *holder, struct mw_bridge_held *held)
{
    if (!held->changed) {
        held->changed = true;
        held->next_changed = holder->changed;
        holder->changed = held;
    }
}

static mw_err print_metric(struct mw_buffer *out, const struct mw_bridge_metric *metric)
{
    char number[MW_NUMBER_TEXT];
    mw_err err = mw_buffer_printf(out, "{\"name\":");
    err = err == MW_OK ? mw_json_add_string(out, mw_span_of(metric->name)) : err;
    if (err == MW_OK && metric->has_alias) {
        err = mw_buffer_printf(out, ",\"alias\":\"%" PRIu64 "\"", metric->alias);
    }
    if (err == MW_OK && metric->has_value) {
        mw_number_print_f32(number, metric->value);
        err = mw_buffer_printf(out, ",\"value\":%s", number);
    }
    return err == MW_OK ? mw_buffer_printf(out, ",\"type\":%" PRIu32 "}", metric->type) : err;
}

static mw_err print_held(struct mw_buffer *out, const struct mw_bridge_held *held)
{
    mw_err err = mw_buffer_printf(out,
                                  "{\"v\":1,\"device\":\"%s\",\"machine\":\"%s\",\"whole\":%s,"
                                  "\"born\":%s,\"stale\":%s,\"seq\":%u,"
                                  "\"bd_seq\":\"%" PRIu64 "\",\"time\":",
                                  held->device->name, held->machine, held->whole ? "true" : "false",
                                  held->born ? "true" : "false", held->stale ? "true" : "false",
                                  held->seq, held->bd_seq);
    err = err == MW_OK ? mw_json_add_time(out, held->time) : err;
    err = err == MW_OK ? mw_buffer_printf(out, ",\"metrics\":[") : err;
    for (size_t i = 0; i < held->n_metrics && err == MW_OK; i++) {
        err = i == 0 ? MW_OK : mw_buffer_add(out, ",", 1);
        err = err == MW_OK ? print_metric(out, &held->metric[i]) : err;
    }
    return err == MW_OK ? mw_buffer_add(out, "]}", 2) : err;
}

static mw_err put_held(struct mw_bridge_round *round, const struct mw_bridge_held *held)
{
    mw_err err = mw_bridge_round_open(round, "held", true, held->key.name);
    if (err != MW_OK) {
        return err;
    }
    err = print_held(&round->text, held);
    if (err != MW_OK) {
        mw_bridge_round_drop(round);
        return err;
    }
    mw_bridge_round_close(round);
    return MW_OK;
}

mw_err mw_bridge_holder_remember(const struct mw_bridge_holder *holder,
                                 struct mw_bridge_round *round)
{
    const struct mw_bridge_held *held;
    size_t at = 0;
    mw_err err = MW_OK;
    while (err == MW_OK && (held = mw_table_next(&holder->table, &at)) != NULL) {
        err = put_held(round, held);
    }
    return err;
}

mw_err mw_bridge_holder_seal(struct mw_bridge_holder *holder)
{
    while (holder->changed != NULL) {
        struct mw_bridge_held *held = holder->changed;
        mw_err err = put_held(&holder->intake->round, held);
        if (err != MW_OK) {
            return err;
        }
        holder->changed = held->next_changed;
        held->changed = false;
    }
    return MW_OK;
}

mw_err mw_bridge_held_status(struct mw_bridge_holder *holder, const struct mw_bridge_held *held,
                             const char *said, int64_t time)
{
    struct mw_bridge_intake *intake = holder->intake;
    struct mw_bridge_round *round = &intake->round;
    mw_err err = mw_bridge_round_open(round, "status", false, held->device->key.name);
    if (err != MW_OK) {
        return err;
    }
    int64_t now = intake->clock.now(intake->clock.context);
    err = mw_buffer_printf(&round->text,
                           "{\"v\":1,\"device\":\"%s\",\"origin\":", held->device->name);
    err = err == MW_OK ? mw_json_add_string(&round->text, held->key.name) : err;
    err = err == MW_OK ? mw_buffer_printf(&round->text, ",%s,\"time\":", said) : err;
    err = err == MW_OK ? mw_json_add_time(&round->text, time == 0 ? now : time) : err;
    err = err == MW_OK ? mw_buffer_printf(&round->text, ",\"received\":") : err;
    err = err == MW_OK ? mw_json_add_time(&round->text, now) : err;
    err = err == MW_OK ? mw_buffer_add(&round->text, "}", 1) : err;
    if (err != MW_OK) {
        mw_bridge_round_drop(round);
        return err;
    }
    mw_bridge_round_close(round);
    return MW_OK;
}

void mw_bridge_holder_clear(struct mw_bridge_holder *holder)
{
    mw_table_clear(&holder->table, held_free);
    *holder = (struct mw_bridge_holder){0};
}
