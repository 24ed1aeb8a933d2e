/* slots.h - two places for something that a device runs (a model, a firmware image), and which one
 * to run.
 *
 * New bytes go to the spare slot, run on probation, and become the device's own only when
 * confirmed; else the device goes back to what ran before. Versions are those of the signed targets
 * that named the bytes, and never go back: an attacker who replays old signed metadata gets
 * nowhere, while a fleet goes back to older bytes by targets of the same version, or a newer one,
 * that name them.
 *
 *     EMPTY --stage--> STAGED --begin_trial--> TRIAL --confirm--> GOOD --roll_back, rest--> EMPTY
 *                                               | \--roll_back--> EMPTY
 *                                               \--out of starts--> BAD
 *
 * Saved as MW_SLOTS_BYTES, little-endian:
 *   0 "MWSL"   4 layout (1)   5 active   6 previous (a slot, or 255)   7 starts left
 *   8 uint32 generation   12 uint64 floor
 *   20 + 44 i, slot i:  uint8 state, 3 bytes 0, uint64 version, 32 bytes digest
 *   108 uint32 CRC-32 (IEEE 802.3) of all before
 * Two copies written in turn survive a power cut in either; where a file can be replaced atomically
 * one is enough. The caller saves after every call that changes the slots, before acting on it. */
#ifndef MW_CORE_UPDATE_SLOTS_H
#define MW_CORE_UPDATE_SLOTS_H

#include "core/err.h"

#include <stdbool.h>
#include <stdint.h>

#define MW_SLOTS 2
#define MW_SLOT_NONE 255
#define MW_SLOTS_BYTES 112
#define MW_SLOTS_DIGEST 32 /* bytes of a SHA-256 */

enum mw_slot_state {
    MW_SLOT_EMPTY,
    MW_SLOT_STAGED,
    MW_SLOT_TRIAL,
    MW_SLOT_GOOD,
    MW_SLOT_BAD /* the device went down each time: not to be staged again */
};

struct mw_slot {
    enum mw_slot_state state;
    uint64_t version;                /* of the signed targets, from 1; 0 when empty */
    uint8_t digest[MW_SLOTS_DIGEST]; /* of the bytes; zeros when empty */
};

struct mw_slots {
    struct mw_slot slot[MW_SLOTS];
    uint8_t active;      /* the slot to run, TRIAL or GOOD; MW_SLOT_NONE: nothing to run */
    uint8_t previous;    /* the GOOD slot to go back to; MW_SLOT_NONE */
    uint8_t starts_left; /* of a trial: starts without a confirmation before it is given up */
    uint32_t generation; /* of the saved copies; the higher one is the newer */
    uint64_t floor;      /* the highest version that was ever tried: no lower one is staged */
};

/* Nothing to run, no version seen. */
void mw_slots_init(struct mw_slots *slots);

/* Something runs on probation. */
bool mw_slots_in_trial(const struct mw_slots *slots);

/* Empties the slot that is not active and tells which, so that bytes can be written to it. What it
 * held is lost, that it was BAD as well: ask mw_slots_find before. While a trial runs the spare is
 * the way back, so then STATE. */
mw_err mw_slots_clear_spare(struct mw_slots *slots, uint8_t *slot);

/* Says that the spare slot now holds verified bytes (see package.h).
 * version: of the signed targets that name them; digest: MW_SLOTS_DIGEST bytes.
 * Errors: STATE (a trial runs, or the spare was not cleared), DENIED (version below the floor, or
 * 0).
 */
mw_err mw_slots_stage(struct mw_slots *slots, uint64_t version, const uint8_t *digest);

/* Makes the staged slot the active one, on probation. It must be confirmed within `starts` (1 to
 * 255) calls of mw_slots_start, this run not counted. The floor rises to its version. Errors: STATE
 * (nothing staged), ARGUMENT. */
mw_err mw_slots_begin_trial(struct mw_slots *slots, uint8_t starts);

/* The trial went well. What ran before stays, until the spare is cleared. Errors: STATE. */
mw_err mw_slots_confirm(struct mw_slots *slots);

/* The trial went badly, or what runs turned out to be damaged: empties its slot and goes back. What
 * was staged beside it is to be staged anew. Errors: STATE (nothing is active). */
mw_err mw_slots_roll_back(struct mw_slots *slots);

/* Nothing is to run any more, and nothing to be gone back to; the floor stays. Errors: STATE (a
 * trial runs). */
mw_err mw_slots_rest(struct mw_slots *slots);

/* To be called once at each start of the device: which slot to run. Counts the starts of a trial
 * and goes back when it has used them up, its slot then BAD, so that bytes that hang or crash the
 * device do so only so often. Errors: NOT_FOUND (nothing to run); *slot is then MW_SLOT_NONE. */
mw_err mw_slots_start(struct mw_slots *slots, uint8_t *slot);

/* The slot that holds these bytes in any state but EMPTY, or MW_SLOT_NONE. */
uint8_t mw_slots_find(const struct mw_slots *slots, const uint8_t *digest);

/* Raises the generation and writes MW_SLOTS_BYTES to `bytes`. */
void mw_slots_save(struct mw_slots *slots, uint8_t *bytes);

/* Reads the newer of two saved copies that is whole; either may be NULL (no such copy).
 * Errors: CORRUPT (none is whole; *slots is then as after mw_slots_init). */
mw_err mw_slots_load(struct mw_slots *slots, const uint8_t *copy_a, const uint8_t *copy_b);

#endif
