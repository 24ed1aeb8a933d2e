#include "tiers/platform/ledger.h"

#include "tiers/platform/ledger_device.h"
#include "tiers/platform/table.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    struct mw_table_key key;
    struct mw_ledger_device device;
    char name[];
};

struct mw_ledger {
    struct mw_ledger_source source;
    struct mw_table devices; /* struct entry */
    struct entry **list;     /* n_listed of them, by name; made anew when there are more */
    size_t n_listed;
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
    entry = calloc(1, sizeof *entry + name.size + 1);
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

/* Devices do not go, so that the list is whole when it is as long as the table. */
static mw_err list_devices(struct mw_ledger *ledger)
{
    size_t at = 0;
    if (ledger->n_listed == ledger->devices.count) {
        return MW_OK;
    }
    void *list = realloc(ledger->list, ledger->devices.count * sizeof *ledger->list);
    if (list == NULL) {
        return MW_ERR_MEMORY;
    }
    ledger->list = list;
    for (size_t i = 0; i < ledger->devices.count; i++) {
        ledger->list[i] = mw_table_next(&ledger->devices, &at);
    }
    ledger->n_listed = ledger->devices.count;
    qsort(ledger->list, ledger->n_listed, sizeof *ledger->list, by_name);
    return MW_OK;
}

mw_err mw_ledger_rows(struct mw_ledger *ledger, mw_ledger_row_fn *fn, void *context,
                      struct mw_ledger_row *total, struct mw_error *error)
{
    struct mw_ledger_removed removed = {ledger->source.removed, ledger->source.removed_dead};
    struct mw_ledger_row row;
    *total = (struct mw_ledger_row){0};
    mw_err err = list_devices(ledger);
    if (err != MW_OK) {
        return mw_error_set(error, err, "out of memory");
    }
    for (size_t i = 0; i < ledger->n_listed && err == MW_OK; i++) {
        const struct entry *entry = ledger->list[i];
        if (mw_ledger_device_account(&entry->device, &removed, &row)) {
            mw_ledger_add_row(total, &row);
            strcpy(row.device, entry->name);
            err = fn == NULL ? MW_OK : fn(context, &row, error);
        }
    }
    return err;
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
        free(ledger->list);
        free(ledger);
    }
}
