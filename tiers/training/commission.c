#include "tiers/training/commission.h"

#include "core/wire/number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_LOOK 50 /* records */

struct feature {
    char *name;
    double mean, squares;
    double half; /* the mean at half of the records of the next look */
};

struct machine {
    char *name;
    bool done, broken;
    uint64_t seen;  /* records of this machine */
    uint64_t count; /* records in the baseline */
    int64_t since;  /* time of the first of them; when done, of those of the baseline that holds */
    int64_t from;   /* only records from then on count */
    int64_t moved;  /* since when it is unlike itself, alone; INT64_MAX: it is not */
    size_t n;
    struct feature *feature;
};

struct mw_commission {
    const struct mw_plant *plant;
    struct machine *machine;
    size_t n, capacity, last;
};

mw_err mw_commission_new(struct mw_commission **out, const struct mw_plant *plant,
                         struct mw_error *error)
{
    *out = calloc(1, sizeof **out);
    if (*out == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    (*out)->plant = plant;
    return MW_OK;
}

static void clear_features(struct machine *machine)
{
    for (size_t i = 0; i < machine->n; i++) {
        free(machine->feature[i].name);
    }
    free(machine->feature);
    machine->feature = NULL;
    machine->n = 0;
    machine->count = 0;
}

void mw_commission_free(struct mw_commission *commission)
{
    if (commission == NULL) {
        return;
    }
    for (size_t i = 0; i < commission->n; i++) {
        clear_features(&commission->machine[i]);
        free(commission->machine[i].name);
    }
    free(commission->machine);
    free(commission);
}

static struct machine *find_or_add(struct mw_commission *commission, struct mw_span name)
{
    for (size_t i = 0; i < commission->n; i++) {
        size_t at = (commission->last + i) % commission->n;
        if (mw_span_is(name, commission->machine[at].name)) {
            commission->last = at;
            return &commission->machine[at];
        }
    }
    if (commission->n == commission->capacity) {
        size_t capacity = commission->capacity == 0 ? 16 : commission->capacity * 2;
        struct machine *grown = realloc(commission->machine, capacity * sizeof *grown);
        if (grown == NULL) {
            return NULL;
        }
        commission->machine = grown;
        commission->capacity = capacity;
    }
    char *copy = strndup(name.data, name.size);
    if (copy == NULL) {
        return NULL;
    }
    commission->machine[commission->n] =
        (struct machine){.name = copy, .since = INT64_MIN, .from = INT64_MIN, .moved = INT64_MAX};
    return &commission->machine[commission->n++];
}

mw_err mw_commission_done(struct mw_commission *commission, struct mw_span name, int64_t since,
                          struct mw_error *error)
{
    struct machine *machine = find_or_add(commission, name);
    if (machine == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    machine->done = true;
    machine->since = since;
    return MW_OK;
}

mw_err mw_commission_moved(struct mw_commission *commission, struct mw_span name, int64_t onset,
                           struct mw_error *error)
{
    struct machine *machine = find_or_add(commission, name);
    if (machine == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    if (machine->done && machine->since < onset && machine->moved == INT64_MAX) {
        machine->moved = onset;
    }
    return MW_OK;
}

static struct machine *find(const struct mw_commission *commission, struct mw_span name)
{
    for (size_t i = 0; i < commission->n; i++) {
        if (mw_span_is(name, commission->machine[i].name)) {
            return &commission->machine[i];
        }
    }
    return NULL;
}

int64_t mw_commission_moved_since(const struct mw_commission *commission, struct mw_span name)
{
    const struct machine *machine = find(commission, name);
    return machine == NULL ? INT64_MAX : machine->moved;
}

void mw_commission_again(struct mw_commission *commission, struct mw_span name, int64_t since)
{
    struct machine *machine = find(commission, name);
    if (machine == NULL || machine->moved == INT64_MAX) {
        return;
    }
    machine->moved = INT64_MAX;
    if (machine->since < since) {
        machine->done = machine->broken = false;
        machine->from = since;
        clear_features(machine);
    }
}

/* The first record says which features the machine has. */
static mw_err take_names(struct machine *machine, const struct mw_telemetry *record)
{
    machine->feature = calloc(record->n_features, sizeof *machine->feature);
    if (machine->feature == NULL) {
        return MW_ERR_MEMORY;
    }
    for (size_t i = 0; i < record->n_features; i++) {
        machine->feature[i].name =
            strndup(record->features[i].name.data, record->features[i].name.size);
        if (machine->feature[i].name == NULL) {
            return MW_ERR_MEMORY;
        }
        machine->n++;
    }
    return MW_OK;
}

static bool same_names(const struct machine *machine, const struct mw_telemetry *record)
{
    bool same = record->n_features == machine->n;
    for (size_t i = 0; same && i < machine->n; i++) {
        same = mw_span_is(record->features[i].name, machine->feature[i].name);
    }
    return same;
}

/* At 50, 100, 200 ... records: has the second half the mean of the first, by every feature? */
static bool settled(struct machine *machine, double within)
{
    uint64_t n = machine->count;
    bool look = n >= FIRST_LOOK / 2 && n % (FIRST_LOOK / 2) == 0 &&
                ((n / (FIRST_LOOK / 2)) & (n / (FIRST_LOOK / 2) - 1)) == 0;
    bool same = look && n >= FIRST_LOOK && within > 0;
    for (size_t i = 0; look && i < machine->n; i++) {
        struct feature *feature = &machine->feature[i];
        double second = 2 * feature->mean - feature->half;
        double deviation = sqrt(feature->squares / (double)(n - 1));
        same = same && fabs(second - feature->half) <= within * deviation;
        feature->half = feature->mean;
    }
    return same;
}

static mw_err print(const struct machine *machine, struct mw_buffer *json)
{
    char mean[MW_NUMBER_TEXT], std[MW_NUMBER_TEXT], since[MW_NUMBER_TEXT];
    mw_number_print_time(since, machine->since);
    mw_err err = mw_buffer_printf(
        json, "{\"v\":1,\"machine\":\"%s\",\"count\":%llu,\"since\":%s,\"features\":{",
        machine->name, (unsigned long long)machine->count, since);
    for (size_t i = 0; err == MW_OK && i < machine->n; i++) {
        double variance =
            machine->count < 2 ? 0 : machine->feature[i].squares / (double)(machine->count - 1);
        mw_number_print_f32(mean, (float)machine->feature[i].mean);
        mw_number_print_f32(std, (float)sqrt(variance));
        err = mw_buffer_printf(json, "%s\"%s\":[%s,%s]", i == 0 ? "" : ",",
                               machine->feature[i].name, mean, std);
    }
    return err == MW_OK ? mw_buffer_printf(json, "}}") : err;
}

mw_err mw_commission_record(struct mw_commission *commission, const struct mw_telemetry *record,
                            struct mw_buffer *json, struct mw_error *error)
{
    const struct mw_plant *plant = commission->plant;
    if (plant->commission.records <= 0) {
        return MW_OK;
    }
    struct machine *machine = find_or_add(commission, record->machine);
    if (machine == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    uint64_t number = machine->seen++;
    if (machine->done || machine->broken || (int64_t)number < plant->commission.from ||
        record->time < machine->from) {
        return MW_OK;
    }
    mw_err err = MW_OK;
    if (machine->feature == NULL || !same_names(machine, record)) {
        clear_features(machine); /* sensors were added or taken away: what was counted is void */
        err = take_names(machine, record);
    }
    if (err == MW_OK) {
        machine->since = machine->count == 0 ? record->time : machine->since;
        machine->count++;
        for (size_t i = 0; i < machine->n; i++) {
            struct feature *feature = &machine->feature[i];
            double delta = (double)record->features[i].value - feature->mean;
            feature->mean += delta / (double)machine->count;
            feature->squares += delta * ((double)record->features[i].value - feature->mean);
        }
        bool stable = settled(machine, plant->commission.stable);
        if (stable || machine->count >= (uint64_t)plant->commission.records) {
            machine->done = true;
            err = print(machine, json);
            clear_features(machine);
        }
    }
    return err == MW_OK ? MW_OK : mw_error_set(error, err, "out of memory");
}

void mw_commission_event(struct mw_commission *commission, const struct mw_event *event)
{
    struct machine *machine = find_or_add(commission, event->machine);
    if (machine == NULL || machine->done) {
        return;
    }
    if (event->type == MW_EVENT_REPAIR ||
        (event->type == MW_EVENT_INSPECTION && event->finding == MW_FINDING_NO_FAULT)) {
        machine->broken = false;
    } else if (event->type == MW_EVENT_FAILURE || event->finding == MW_FINDING_FAULT) {
        machine->broken = true;
        clear_features(machine);
    }
}

size_t mw_commission_pending(const struct mw_commission *commission)
{
    size_t pending = 0;
    for (size_t i = 0; i < commission->n; i++) {
        pending += !commission->machine[i].done;
    }
    return pending;
}
