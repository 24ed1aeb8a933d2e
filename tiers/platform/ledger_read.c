/* ledger_read.c - the whole account at once, in memory that does not depend on the plant's size:
 * all events are sorted by device, then one device after the other is accounted for. */
#include "tiers/platform/ledger.h"

#include "lib/base/sorter.h"
#include "tiers/platform/ledger_device.h"

#include <string.h>

#define SORTER_MEMORY ((size_t)4 << 20)

static mw_err add_event(void *context, struct mw_span device, const struct mw_ledger_event *event,
                        struct mw_error *error)
{
    const struct mw_span value = {(const char *)event, mw_ledger_event_size(event)};
    return mw_sorter_add(context, device, value, error);
}

/* Where the account of the devices in their order has come to. */
struct account {
    struct mw_ledger_removed removed;
    struct mw_ledger_device device;
    char name[MW_NAME_MAX + 1]; /* of the device that events come for; empty before the first */
    mw_ledger_row_fn *fn;
    void *context;
    struct mw_ledger_row *total;
};

/* All events of a device are in. */
static mw_err end_device(struct account *account, struct mw_error *error)
{
    struct mw_ledger_row row;
    bool shown = mw_ledger_device_account(&account->device, &account->removed, &row);
    mw_ledger_device_clear(&account->device);
    if (!shown) {
        return MW_OK;
    }
    mw_ledger_add_row(account->total, &row);
    strcpy(row.device, account->name);
    return account->fn == NULL ? MW_OK : account->fn(account->context, &row, error);
}

static mw_err take(struct account *account, struct mw_span name, struct mw_span value,
                   struct mw_error *error)
{
    struct mw_ledger_event event = {0};
    mw_err err = MW_OK;
    if (!mw_span_is(name, account->name)) {
        err = end_device(account, error);
        memcpy(account->name, name.data, name.size);
        account->name[name.size] = '\0';
    }
    memcpy(&event, value.data, value.size);
    if (err == MW_OK && mw_ledger_device_take(&account->device, &event) != MW_OK) {
        err = mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    return err;
}

static mw_err account_for(struct mw_sorter *sorter, struct account *account, struct mw_error *error)
{
    struct mw_span name, value;
    bool there = true;
    mw_err err = mw_sorter_next(sorter, &name, &value, &there, error);
    while (err == MW_OK && there) {
        err = take(account, name, value, error);
        if (err == MW_OK) {
            err = mw_sorter_next(sorter, &name, &value, &there, error);
        }
    }
    return err == MW_OK ? end_device(account, error) : err;
}

mw_err mw_ledger_read(const struct mw_plant *plant, mw_ledger_row_fn *fn, void *context,
                      struct mw_ledger_row *total, struct mw_error *error)
{
    struct mw_ledger_source source = {0};
    struct mw_sorter *sorter = NULL;
    struct account account = {.fn = fn, .context = context, .total = total};
    *total = (struct mw_ledger_row){0};
    mw_err err = mw_sorter_new(&sorter, SORTER_MEMORY, error);
    if (err == MW_OK) {
        err = mw_ledger_source_init(&source, plant, error);
    }
    for (bool more = true; err == MW_OK && more;) {
        err = mw_ledger_source_read(&source, SIZE_MAX, add_event, sorter, &more, error);
    }
    account.removed = (struct mw_ledger_removed){source.removed, source.removed_dead};
    mw_ledger_source_fini(&source);
    if (err == MW_OK) {
        err = account_for(sorter, &account, error);
    }
    mw_ledger_device_clear(&account.device);
    mw_sorter_free(sorter);
    return err;
}
