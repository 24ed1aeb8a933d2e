/* baseline_list.c - baselines by machine and time. */
#include "lib/artifact/baseline.h"

#include "core/wire/number.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where the first entry stands that comes after this machine and time. */
static size_t place_of(const struct mw_baseline_list *list, const char *machine, int64_t time)
{
    size_t low = 0, high = list->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(list->entry[middle].machine, machine);
        if (order < 0 || (order == 0 && list->entry[middle].baseline.since <= time)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void clear_entry(struct mw_baseline_entry *entry)
{
    free(entry->machine);
    mw_baseline_clear(&entry->baseline);
}

mw_err mw_baseline_list_add(struct mw_baseline_list *list, const char *machine, int64_t since,
                            uint64_t count, const float *mean, const float *std, size_t n)
{
    size_t at = place_of(list, machine, since);
    struct mw_baseline_entry entry = {
        .machine = strdup(machine),
        .baseline = {since, count, malloc(n * sizeof *mean), malloc(n * sizeof *std)}};
    struct mw_baseline_entry *grown = realloc(list->entry, (list->n + 1) * sizeof *grown);
    if (grown != NULL) {
        list->entry = grown;
    }
    if (grown == NULL || entry.machine == NULL || entry.baseline.mean == NULL ||
        entry.baseline.std == NULL) {
        clear_entry(&entry);
        return MW_ERR_MEMORY;
    }
    memcpy(entry.baseline.mean, mean, n * sizeof *mean);
    memcpy(entry.baseline.std, std, n * sizeof *std);
    if (at > 0 && strcmp(grown[at - 1].machine, machine) == 0 &&
        grown[at - 1].baseline.since == since) {
        clear_entry(&grown[at - 1]);
        grown[at - 1] = entry;
        return MW_OK;
    }
    memmove(grown + at + 1, grown + at, (list->n - at) * sizeof *grown);
    grown[at] = entry;
    list->n++;
    return MW_OK;
}

const struct mw_baseline *mw_baseline_list_find(const struct mw_baseline_list *list,
                                                const char *machine, int64_t time)
{
    size_t at = place_of(list, machine, time);
    return at > 0 && strcmp(list->entry[at - 1].machine, machine) == 0
               ? &list->entry[at - 1].baseline
               : NULL;
}

const struct mw_baseline *mw_baseline_list_choose(const struct mw_baseline_list *list,
                                                  const char *machine, int64_t time,
                                                  const struct mw_baseline *plant)
{
    const struct mw_baseline *own = mw_baseline_list_find(list, machine, time);
    bool newer = own != NULL && plant != NULL && plant->since > own->since && plant->since <= time;
    return own == NULL || newer ? plant : own;
}

void mw_baseline_list_clear(struct mw_baseline_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        clear_entry(&list->entry[i]);
    }
    free(list->entry);
    *list = (struct mw_baseline_list){0};
}

static mw_err print_numbers(struct mw_buffer *json, const char *key, const float *values, size_t n)
{
    char number[MW_NUMBER_TEXT];
    mw_err err = mw_buffer_printf(json, ",\"%s\":[", key);
    for (size_t i = 0; err == MW_OK && i < n; i++) {
        if (!isfinite(values[i])) {
            return MW_ERR_ARGUMENT;
        }
        (void)mw_number_print_f32(number, values[i]);
        err = mw_buffer_printf(json, "%s%s", i == 0 ? "" : ",", number);
    }
    return err == MW_OK ? mw_buffer_add(json, "]", 1) : err;
}

mw_err mw_baseline_list_print(const struct mw_baseline_list *list, size_t n, struct mw_buffer *json)
{
    char since[MW_NUMBER_TEXT];
    mw_err err = mw_buffer_add(json, "[", 1);
    for (size_t i = 0; err == MW_OK && i < list->n; i++) {
        const struct mw_baseline *baseline = &list->entry[i].baseline;
        (void)mw_number_print_time(since, baseline->since);
        /* A machine's name needs no escape in JSON. */
        err = mw_buffer_printf(json, "%s{\"machine\":\"%s\",\"since\":%s,\"count\":%" PRIu64,
                               i == 0 ? "" : ",", list->entry[i].machine, since, baseline->count);
        err = err == MW_OK ? print_numbers(json, "mean", baseline->mean, n) : err;
        err = err == MW_OK ? print_numbers(json, "std", baseline->std, n) : err;
        err = err == MW_OK ? mw_buffer_add(json, "}", 1) : err;
    }
    return err == MW_OK ? mw_buffer_add(json, "]", 1) : err;
}
