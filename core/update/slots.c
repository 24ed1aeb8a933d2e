/* slots.c - the state machine of two slots; saving it is in slots_saved.c. */
#include "core/update/slots.h"

#include <string.h>

void mw_slots_init(struct mw_slots *slots)
{
    memset(slots, 0, sizeof *slots);
    slots->active = MW_SLOT_NONE;
    slots->previous = MW_SLOT_NONE;
}

bool mw_slots_in_trial(const struct mw_slots *slots)
{
    return slots->active != MW_SLOT_NONE && slots->slot[slots->active].state == MW_SLOT_TRIAL;
}

static uint8_t spare(const struct mw_slots *slots)
{
    return slots->active == 0 ? 1 : 0;
}

mw_err mw_slots_clear_spare(struct mw_slots *slots, uint8_t *slot)
{
    if (mw_slots_in_trial(slots)) {
        return MW_ERR_STATE;
    }
    *slot = spare(slots);
    slots->slot[*slot] = (struct mw_slot){.state = MW_SLOT_EMPTY};
    slots->previous = MW_SLOT_NONE;
    return MW_OK;
}

mw_err mw_slots_stage(struct mw_slots *slots, uint64_t version, const uint8_t *digest)
{
    struct mw_slot *slot = &slots->slot[spare(slots)];
    if (mw_slots_in_trial(slots) || slot->state != MW_SLOT_EMPTY) {
        return MW_ERR_STATE;
    }
    if (version == 0 || version < slots->floor) {
        return MW_ERR_DENIED;
    }
    slot->state = MW_SLOT_STAGED;
    slot->version = version;
    memcpy(slot->digest, digest, sizeof slot->digest);
    return MW_OK;
}

mw_err mw_slots_begin_trial(struct mw_slots *slots, uint8_t starts)
{
    uint8_t staged = spare(slots);
    if (slots->slot[staged].state != MW_SLOT_STAGED) {
        return MW_ERR_STATE;
    }
    if (starts == 0) {
        return MW_ERR_ARGUMENT;
    }
    slots->slot[staged].state = MW_SLOT_TRIAL;
    slots->previous = slots->active;
    slots->active = staged;
    slots->starts_left = starts;
    slots->floor = slots->slot[staged].version;
    return MW_OK;
}

mw_err mw_slots_confirm(struct mw_slots *slots)
{
    if (!mw_slots_in_trial(slots)) {
        return MW_ERR_STATE;
    }
    slots->slot[slots->active].state = MW_SLOT_GOOD;
    slots->starts_left = 0;
    return MW_OK;
}

mw_err mw_slots_roll_back(struct mw_slots *slots)
{
    if (slots->active == MW_SLOT_NONE) {
        return MW_ERR_STATE;
    }
    struct mw_slot *other = &slots->slot[spare(slots)];
    if (other->state == MW_SLOT_STAGED) {
        *other = (struct mw_slot){.state = MW_SLOT_EMPTY};
    }
    slots->slot[slots->active] = (struct mw_slot){.state = MW_SLOT_EMPTY};
    slots->active = slots->previous;
    slots->previous = MW_SLOT_NONE;
    slots->starts_left = 0;
    return MW_OK;
}

mw_err mw_slots_rest(struct mw_slots *slots)
{
    if (mw_slots_in_trial(slots)) {
        return MW_ERR_STATE;
    }
    for (uint8_t i = 0; i < MW_SLOTS; i++) {
        if (slots->slot[i].state != MW_SLOT_BAD) {
            slots->slot[i] = (struct mw_slot){.state = MW_SLOT_EMPTY};
        }
    }
    slots->active = MW_SLOT_NONE;
    slots->previous = MW_SLOT_NONE;
    return MW_OK;
}

mw_err mw_slots_start(struct mw_slots *slots, uint8_t *slot)
{
    if (mw_slots_in_trial(slots)) {
        if (slots->starts_left == 0) {
            struct mw_slot *tried = &slots->slot[slots->active];
            struct mw_slot bad = *tried;
            (void)mw_slots_roll_back(slots);
            bad.state = MW_SLOT_BAD;
            *tried = bad;
        } else {
            slots->starts_left--;
        }
    }
    *slot = slots->active;
    return *slot == MW_SLOT_NONE ? MW_ERR_NOT_FOUND : MW_OK;
}

uint8_t mw_slots_find(const struct mw_slots *slots, const uint8_t *digest)
{
    for (uint8_t i = 0; i < MW_SLOTS; i++) {
        if (slots->slot[i].state != MW_SLOT_EMPTY &&
            memcmp(slots->slot[i].digest, digest, MW_SLOTS_DIGEST) == 0) {
            return i;
        }
    }
    return MW_SLOT_NONE;
}
