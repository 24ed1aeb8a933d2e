#include "tiers/iot/model_slot_saved.h"

#include "lib/base/log.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "sha256:"

mw_err mw_model_slots_note(struct mw_outbox *outbox, const char *device, struct mw_slots *slots,
                           struct mw_error *error)
{
    uint8_t bytes[MW_SLOTS_BYTES];
    mw_slots_save(slots, bytes);
    mw_err err = mw_outbox_begin(outbox, error);
    return err == MW_OK ? mw_outbox_put(outbox, "slot", device,
                                        (struct mw_span){(const char *)bytes, sizeof bytes}, error)
                        : err;
}

mw_err mw_model_slots_save(struct mw_outbox *outbox, const char *device, struct mw_slots *slots,
                           struct mw_error *error)
{
    mw_err err = mw_model_slots_note(outbox, device, slots, error);
    err = err == MW_OK ? mw_outbox_commit(outbox, error) : err;
    if (err != MW_OK) {
        mw_outbox_rollback(outbox);
    }
    return err;
}

/* --- digests --- */

void mw_model_slots_digest(const struct mw_slots *slots, uint8_t slot, char digest[MW_DIGEST_TEXT])
{
    if (slot == MW_SLOT_NONE) {
        digest[0] = '\0';
        return;
    }
    memcpy(digest, PREFIX, sizeof PREFIX);
    for (size_t i = 0; i < MW_SLOTS_DIGEST; i++) {
        (void)snprintf(digest + strlen(PREFIX) + 2 * i, 3, "%02x", slots->slot[slot].digest[i]);
    }
}

static uint8_t nibble(char digit)
{
    return (uint8_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

void mw_model_slots_bytes(const char *digest, uint8_t bytes[MW_SLOTS_DIGEST])
{
    const char *hex = digest + strlen(PREFIX);
    for (size_t i = 0; i < MW_SLOTS_DIGEST; i++) {
        bytes[i] = (uint8_t)(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
    }
}

/* --- from an older program's JSON --- */

static bool fill(struct mw_slots *slots, uint8_t slot, enum mw_slot_state state, const json_t *root,
                 const char *key)
{
    const char *text = json_string_value(json_object_get(root, key));
    if (text == NULL || !mw_digest_valid(mw_span_of(text))) {
        return false;
    }
    slots->slot[slot].state = state;
    slots->slot[slot].version = slots->floor;
    mw_model_slots_bytes(text, slots->slot[slot].digest);
    return true;
}

static void convert(struct mw_slots *slots, const json_t *root)
{
    json_int_t version = json_integer_value(json_object_get(root, "version"));
    json_int_t tries = json_integer_value(json_object_get(root, "tries"));
    slots->floor = version > 0 ? (uint64_t)version : 0;
    if (fill(slots, 0, MW_SLOT_GOOD, root, "active")) {
        slots->active = 0;
    }
    if (fill(slots, 1, MW_SLOT_TRIAL, root, "trial")) {
        slots->previous = slots->active;
        slots->active = 1;
        slots->starts_left =
            (uint8_t)(tries < 1 || tries > MW_MODEL_STARTS ? 0 : MW_MODEL_STARTS + 1 - tries);
    } else if (slots->active == 0 && fill(slots, 1, MW_SLOT_GOOD, root, "previous")) {
        slots->previous = 1;
    } else {
        (void)fill(slots, 1, MW_SLOT_BAD, root, "crashed");
    }
}

void mw_model_slots_read(struct mw_outbox *outbox, const char *device, struct mw_slots *slots)
{
    struct mw_span saved;
    mw_slots_init(slots);
    if (mw_outbox_get(outbox, "slot", device, &saved, NULL) != MW_OK) {
        return;
    }
    json_t *root =
        saved.size > 0 && saved.data[0] == '{' ? json_loadb(saved.data, saved.size, 0, NULL) : NULL;
    mw_err err = MW_OK;
    if (root != NULL) {
        convert(slots, root);
    } else {
        err = saved.size == MW_SLOTS_BYTES ? mw_slots_load(slots, (const uint8_t *)saved.data, NULL)
                                           : MW_ERR_CORRUPT;
    }
    json_decref(root);
    if (err != MW_OK) {
        mw_log(MW_LOG_ERROR, device, "which model ran cannot be read, and counts as none",
               MW_KS("reason", mw_err_text(err)));
    }
}
