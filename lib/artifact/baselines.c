#include "lib/artifact/baselines.h"

#include "lib/artifact/parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_FIRST 16 /* a power of two; doubles with the machines */

/* One machine: what came, and the same arranged for the bundle in use. */
struct entry {
    struct entry *next;           /* of all */
    struct entry *next_in_bucket; /* of those whose names have one hash */
    struct entry *older;          /* what held before; that one is in no list of its own */
    uint32_t hash;
    char *machine;
    json_t *features;
    struct mw_baseline baseline; /* mean is NULL until arranged */
};

struct mw_baselines {
    struct entry *first;
    struct entry **bucket;
    size_t n, n_buckets;
};

mw_err mw_baselines_new(struct mw_baselines **out, struct mw_error *error)
{
    *out = calloc(1, sizeof **out);
    if (*out != NULL) {
        (*out)->bucket = calloc(BUCKETS_FIRST, sizeof(struct entry *));
        (*out)->n_buckets = BUCKETS_FIRST;
    }
    if (*out == NULL || (*out)->bucket == NULL) {
        free(*out);
        *out = NULL;
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    return MW_OK;
}

static void clear_arranged(struct entry *entry)
{
    free(entry->baseline.mean);
    free(entry->baseline.std);
    entry->baseline.mean = NULL;
    entry->baseline.std = NULL;
}

void mw_baselines_free(struct mw_baselines *baselines)
{
    if (baselines == NULL) {
        return;
    }
    struct entry *entry = baselines->first;
    while (entry != NULL) {
        struct entry *next = entry->next;
        free(entry->machine);
        while (entry != NULL) {
            struct entry *older = entry->older;
            clear_arranged(entry);
            json_decref(entry->features);
            free(entry);
            entry = older;
        }
        entry = next;
    }
    free(baselines->bucket);
    free(baselines);
}

/* FNV-1a (Fowler, Noll and Vo, 1991). */
static uint32_t hash_of(const char *machine)
{
    uint32_t hash = 0x811c9dc5U;
    for (const char *c = machine; *c != '\0'; c++) {
        hash = (hash ^ (unsigned char)*c) * 0x01000193U;
    }
    return hash;
}

static struct entry **bucket_of(const struct mw_baselines *baselines, uint32_t hash)
{
    return &baselines->bucket[hash & (baselines->n_buckets - 1)];
}

static struct entry *find(const struct mw_baselines *baselines, const char *machine)
{
    uint32_t hash = hash_of(machine);
    struct entry *entry = *bucket_of(baselines, hash);
    while (entry != NULL && (entry->hash != hash || strcmp(entry->machine, machine) != 0)) {
        entry = entry->next_in_bucket;
    }
    return entry;
}

static void put_in_bucket(struct mw_baselines *baselines, struct entry *entry)
{
    struct entry **bucket = bucket_of(baselines, entry->hash);
    entry->next_in_bucket = *bucket;
    *bucket = entry;
}

/* Without memory for more buckets the ones there are only get longer. */
static void grow(struct mw_baselines *baselines)
{
    struct entry **bucket = calloc(baselines->n_buckets * 2, sizeof(struct entry *));
    if (bucket == NULL) {
        return;
    }
    free(baselines->bucket);
    baselines->bucket = bucket;
    baselines->n_buckets *= 2;
    for (struct entry *entry = baselines->first; entry != NULL; entry = entry->next) {
        put_in_bucket(baselines, entry);
    }
}

static struct entry *add(struct mw_baselines *baselines, const char *machine)
{
    struct entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL || (entry->machine = strdup(machine)) == NULL) {
        free(entry);
        return NULL;
    }
    if (baselines->n >= baselines->n_buckets) {
        grow(baselines);
    }
    entry->hash = hash_of(machine);
    put_in_bucket(baselines, entry);
    entry->next = baselines->first;
    baselines->first = entry;
    baselines->n++;
    return entry;
}

void mw_baselines_set(struct mw_baselines *baselines, const char *machine, const json_t *record)
{
    json_t *features = json_object_get(record, "features");
    int64_t since;
    if (!json_is_object(features) || !mw_baseline_since(json_object_get(record, "since"), &since)) {
        return;
    }
    struct entry *entry = find(baselines, machine);
    if (entry == NULL) {
        entry = add(baselines, machine);
    }
    if (entry != NULL) {
        clear_arranged(entry);
        json_decref(entry->features);
        entry->features = json_incref(features);
        entry->baseline.since = since;
        entry->baseline.count = (uint64_t)json_integer_value(json_object_get(record, "count"));
    }
}

void mw_baselines_add(struct mw_baselines *baselines, const char *machine, const json_t *record)
{
    struct entry *entry = find(baselines, machine);
    int64_t since;
    if (!mw_baseline_since(json_object_get(record, "since"), &since) ||
        !json_is_object(json_object_get(record, "features")) ||
        (entry != NULL && since <= entry->baseline.since)) {
        return;
    }
    struct entry *older = entry == NULL ? NULL : calloc(1, sizeof *older);
    if (older != NULL) {
        older->features = json_incref(entry->features);
        older->baseline =
            (struct mw_baseline){.since = entry->baseline.since, .count = entry->baseline.count};
        older->older = entry->older;
        entry->older = older;
    }
    mw_baselines_set(baselines, machine, record);
}

void mw_baselines_update(struct mw_baselines *baselines, const json_t *by_machine)
{
    const char *machine;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)by_machine, machine, value)
    {
        mw_baselines_set(baselines, machine, value);
    }
}

/* A feature's mean and deviation at a machine; false when it has none that float32 can hold. */
static bool read_feature(const struct entry *entry, const char *feature, double *mean, double *std)
{
    const json_t *pair = json_object_get(entry->features, feature);
    const json_t *first = json_array_get(pair, 0), *second = json_array_get(pair, 1);
    *mean = json_number_value(first);
    *std = json_number_value(second);
    return json_array_size(pair) == 2 && json_is_number(first) && json_is_number(second) &&
           isfinite((float)*mean) && isfinite((float)*std) && *std >= 0;
}

static void arrange(struct entry *entry, char *const *features, size_t n,
                    const float *reference_mean, const float *reference_std)
{
    clear_arranged(entry);
    entry->baseline.mean = calloc(n, sizeof(float));
    entry->baseline.std = calloc(n, sizeof(float));
    if (entry->baseline.mean == NULL || entry->baseline.std == NULL) {
        clear_arranged(entry);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        double mean, std;
        bool usable = read_feature(entry, features[i], &mean, &std);
        entry->baseline.mean[i] = usable ? (float)mean : reference_mean[i];
        entry->baseline.std[i] = usable ? (float)std : reference_std[i];
    }
}

void mw_baselines_arrange(struct mw_baselines *baselines, char *const *features, size_t n,
                          const float *reference_mean, const float *reference_std)
{
    for (struct entry *entry = baselines->first; entry != NULL; entry = entry->next) {
        for (struct entry *one = entry; one != NULL; one = one->older) {
            arrange(one, features, n, reference_mean, reference_std);
        }
    }
}

bool mw_baselines_reference(const struct mw_baselines *baselines, char *const *features, size_t n,
                            float *mean, float *std)
{
    if (baselines->first == NULL) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        double sum_mean = 0, sum_std = 0, machines = 0;
        for (const struct entry *entry = baselines->first; entry != NULL; entry = entry->next) {
            double m, s;
            if (read_feature(entry, features[i], &m, &s) && s > 0) {
                sum_mean += m;
                sum_std += s;
                machines++;
            }
        }
        mean[i] = machines > 0 ? (float)(sum_mean / machines) : 0;
        std[i] = machines > 0 ? (float)(sum_std / machines) : 1;
    }
    return true;
}

const struct mw_baseline *mw_baselines_find(const struct mw_baselines *baselines,
                                            const char *machine)
{
    const struct entry *entry = find(baselines, machine);
    return entry == NULL || entry->baseline.mean == NULL ? NULL : &entry->baseline;
}

const struct mw_baseline *mw_baselines_find_at(const struct mw_baselines *baselines,
                                               const char *machine, int64_t time)
{
    const struct entry *entry = find(baselines, machine);
    while (entry != NULL && entry->baseline.since > time && entry->older != NULL) {
        entry = entry->older;
    }
    return entry == NULL || entry->baseline.mean == NULL ? NULL : &entry->baseline;
}
