#include "tiers/platform/ledger.h"

#include "tiers/platform/ledger_device.h"
#include "tiers/platform/table.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    struct mw_table_key key;
    struct mw_ledger_device device;
    char name[MW_NAME_MAX + 1];
};

struct mw_ledger {
    struct mw_ledger_source source;
    struct mw_table devices; /* struct entry */
};

static void entry_free(void *entry)
{
    mw_ledger_device_clear(&((struct entry *)entry)->device);
    free(entry);
}

static struct entry *entry_of(struct mw_ledger *ledger, struct mw_span name)
{
    struct entry *entry = mw_table_find(&ledger->devices, name);
    if (entry != NULL) {
        return entry;
    }
    entry = calloc(1, sizeof *entry);
    if (entry == NULL) {
        return NULL;
    }
    memcpy(entry->name, name.data, name.size);
    entry->key.name = (struct mw_span){entry->name, name.size};
    if (mw_table_add(&ledger->devices, entry) != MW_OK) {
        free(entry);
        return NULL;
    }
    return entry;
}

static mw_err take(void *context, struct mw_span device, const struct mw_ledger_event *event,
                   struct mw_error *error)
{
    struct entry *entry = entry_of(context, device);
    return entry != NULL && mw_ledger_device_take(&entry->device, event) == MW_OK
               ? MW_OK
               : mw_error_set(error, MW_ERR_MEMORY, "out of memory");
}

mw_err mw_ledger_advance(struct mw_ledger *ledger, size_t records, bool *more,
                         struct mw_error *error)
{
    return mw_ledger_source_read(&ledger->source, records, take, ledger, more, error);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct entry *const *)a)->name, (*(const struct entry *const *)b)->name);
}

mw_err mw_ledger_rows(struct mw_ledger *ledger, struct mw_ledger_row **rows, size_t *n,
                      struct mw_ledger_row *total)
{
    *total = (struct mw_ledger_row){0};
    *n = 0;
    *rows = calloc(ledger->devices.count + 1, sizeof **rows);
    const struct entry **list = calloc(ledger->devices.count + 1, sizeof(const struct entry *));
    if (*rows == NULL || list == NULL) {
        free(*rows);
        free(list);
        *rows = NULL;
        return MW_ERR_MEMORY;
    }
    size_t at = 0, devices = 0;
    while ((list[devices] = mw_table_next(&ledger->devices, &at)) != NULL) {
        devices++;
    }
    qsort(list, devices, sizeof *list, by_name);
    struct mw_ledger_removed removed = {ledger->source.removed, ledger->source.removed_dead};
    for (size_t i = 0; i < devices; i++) {
        struct mw_ledger_row *row = &(*rows)[*n];
        if (mw_ledger_device_account(&list[i]->device, &removed, row)) {
            mw_ledger_add_row(total, row);
            strcpy(row->device, list[i]->name);
            (*n)++;
        }
    }
    free(list);
    return MW_OK;
}

mw_err mw_ledger_open(struct mw_ledger **ledger, const struct mw_plant *plant,
                      struct mw_error *error)
{
    *ledger = NULL;
    struct mw_ledger *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    mw_err err = mw_ledger_source_init(&made->source, plant, error);
    if (err != MW_OK) {
        mw_ledger_close(made);
        return err;
    }
    *ledger = made;
    return MW_OK;
}

void mw_ledger_close(struct mw_ledger *ledger)
{
    if (ledger != NULL) {
        mw_ledger_source_fini(&ledger->source);
        mw_table_clear(&ledger->devices, entry_free);
        free(ledger);
    }
}
