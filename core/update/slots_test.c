/* slots_test.c - the ways of an update, and what a power cut leaves behind. */
#include "core/update/slots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t digest_a[MW_SLOTS_DIGEST] = {0xA};
static const uint8_t digest_b[MW_SLOTS_DIGEST] = {0xB};
static const uint8_t digest_c[MW_SLOTS_DIGEST] = {0xC};

/* Stages and tries one version; returns its slot. */
static uint8_t try_version(struct mw_slots *slots, uint64_t version, const uint8_t *digest)
{
    uint8_t slot;
    assert_int_equal(mw_slots_clear_spare(slots, &slot), MW_OK);
    assert_int_equal(mw_slots_stage(slots, version, digest), MW_OK);
    assert_int_equal(mw_slots_begin_trial(slots, 2), MW_OK);
    assert_int_equal(slots->active, slot);
    return slot;
}

static void a_good_update_takes_over(void **state)
{
    (void)state;
    struct mw_slots slots;
    uint8_t slot;
    mw_slots_init(&slots);
    assert_int_equal(mw_slots_start(&slots, &slot), MW_ERR_NOT_FOUND);
    assert_int_equal(slot, MW_SLOT_NONE);

    uint8_t first = try_version(&slots, 5, digest_a);
    assert_int_equal(mw_slots_confirm(&slots), MW_OK);
    assert_int_equal(mw_slots_start(&slots, &slot), MW_OK);
    assert_int_equal(slot, first);

    uint8_t second = try_version(&slots, 6, digest_b);
    assert_int_not_equal(second, first);
    assert_int_equal(slots.previous, first);
    assert_int_equal(slots.slot[first].state, MW_SLOT_GOOD);
    assert_int_equal(mw_slots_confirm(&slots), MW_OK);
    assert_int_equal(slots.slot[second].state, MW_SLOT_GOOD);
    assert_int_equal(mw_slots_find(&slots, digest_a), first);
    assert_int_equal(mw_slots_find(&slots, digest_b), second);
    assert_int_equal(mw_slots_find(&slots, digest_c), MW_SLOT_NONE);

    assert_int_equal(mw_slots_clear_spare(&slots, &slot), MW_OK);
    assert_int_equal(slot, first);
    assert_int_equal(mw_slots_find(&slots, digest_a), MW_SLOT_NONE);
    assert_int_equal(mw_slots_start(&slots, &slot), MW_OK);
    assert_int_equal(slot, second);
}

static void a_bad_update_goes_back(void **state)
{
    (void)state;
    struct mw_slots slots;
    uint8_t slot;
    mw_slots_init(&slots);
    uint8_t first = try_version(&slots, 5, digest_a);
    assert_int_equal(mw_slots_confirm(&slots), MW_OK);
    uint8_t second = try_version(&slots, 6, digest_b);
    assert_int_equal(mw_slots_roll_back(&slots), MW_OK);
    assert_int_equal(slots.active, first);
    assert_int_equal(slots.slot[second].state, MW_SLOT_EMPTY);
    assert_int_equal(mw_slots_find(&slots, digest_b), MW_SLOT_NONE);
    assert_int_equal(mw_slots_stage(&slots, 5, digest_b), MW_ERR_DENIED);
    assert_int_equal(mw_slots_stage(&slots, 6, digest_c), MW_OK); /* of the same targets */
    assert_int_equal(mw_slots_start(&slots, &slot), MW_OK);
    assert_int_equal(slot, first); /* staged is not yet tried */

    /* A first update that fails leaves nothing to run. */
    mw_slots_init(&slots);
    (void)try_version(&slots, 1, digest_a);
    assert_int_equal(mw_slots_roll_back(&slots), MW_OK);
    assert_int_equal(mw_slots_start(&slots, &slot), MW_ERR_NOT_FOUND);
}

static void a_trial_that_never_confirms_runs_out_of_starts(void **state)
{
    (void)state;
    struct mw_slots slots;
    uint8_t slot;
    mw_slots_init(&slots);
    uint8_t first = try_version(&slots, 5, digest_a);
    assert_int_equal(mw_slots_confirm(&slots), MW_OK);
    uint8_t second = try_version(&slots, 6, digest_b);
    for (int start = 0; start < 2; start++) {
        assert_int_equal(mw_slots_start(&slots, &slot), MW_OK);
        assert_int_equal(slot, second);
    }
    assert_int_equal(mw_slots_start(&slots, &slot), MW_OK);
    assert_int_equal(slot, first);
    assert_int_equal(slots.slot[second].state, MW_SLOT_BAD);
    assert_int_equal(mw_slots_find(&slots, digest_b), second);
    assert_int_equal(mw_slots_stage(&slots, 6, digest_b), MW_ERR_STATE);
    for (int start = 0; start < 300; start++) { /* what is good has no such limit */
        assert_int_equal(mw_slots_start(&slots, &slot), MW_OK);
        assert_int_equal(slot, first);
    }
    assert_int_equal(mw_slots_clear_spare(&slots, &slot), MW_OK);
    assert_int_equal(mw_slots_find(&slots, digest_b), MW_SLOT_NONE);
}

/* Back under the same targets: what was before is named again. */
static void a_rollback_names_older_bytes(void **state)
{
    (void)state;
    struct mw_slots slots;
    mw_slots_init(&slots);
    (void)try_version(&slots, 5, digest_a);
    assert_int_equal(mw_slots_confirm(&slots), MW_OK);
    uint8_t second = try_version(&slots, 6, digest_b);
    assert_int_equal(mw_slots_confirm(&slots), MW_OK);
    (void)try_version(&slots, 6, digest_a);
    assert_int_equal(mw_slots_confirm(&slots), MW_OK);
    assert_int_equal(slots.previous, second);
    /* Found damaged: the one before has to do. */
    assert_int_equal(mw_slots_roll_back(&slots), MW_OK);
    assert_int_equal(slots.active, second);
    assert_int_equal(slots.previous, MW_SLOT_NONE);
    assert_int_equal(mw_slots_roll_back(&slots), MW_OK);
    assert_int_equal(mw_slots_roll_back(&slots), MW_ERR_STATE);
    assert_true(slots.floor == 6);
}

static void none_may_run(void **state)
{
    (void)state;
    struct mw_slots slots;
    uint8_t slot;
    mw_slots_init(&slots);
    assert_int_equal(mw_slots_rest(&slots), MW_OK);
    (void)try_version(&slots, 5, digest_a);
    assert_int_equal(mw_slots_rest(&slots), MW_ERR_STATE);
    assert_int_equal(mw_slots_confirm(&slots), MW_OK);
    (void)try_version(&slots, 6, digest_b);
    for (int start = 0; start < 3; start++) {
        (void)mw_slots_start(&slots, &slot);
    }
    assert_int_equal(mw_slots_rest(&slots), MW_OK);
    assert_int_equal(mw_slots_start(&slots, &slot), MW_ERR_NOT_FOUND);
    assert_int_equal(mw_slots_find(&slots, digest_a), MW_SLOT_NONE);
    assert_int_equal(slots.slot[mw_slots_find(&slots, digest_b)].state, MW_SLOT_BAD);
    assert_true(slots.floor == 6);
    (void)try_version(&slots, 6, digest_c);
    assert_int_equal(mw_slots_roll_back(&slots), MW_OK); /* to none */
    assert_int_equal(mw_slots_start(&slots, &slot), MW_ERR_NOT_FOUND);
}

static void calls_out_of_turn_are_refused(void **state)
{
    (void)state;
    struct mw_slots slots;
    uint8_t slot;
    mw_slots_init(&slots);
    assert_int_equal(mw_slots_confirm(&slots), MW_ERR_STATE);
    assert_int_equal(mw_slots_roll_back(&slots), MW_ERR_STATE);
    assert_int_equal(mw_slots_begin_trial(&slots, 1), MW_ERR_STATE);
    assert_int_equal(mw_slots_stage(&slots, 0, digest_a), MW_ERR_DENIED);
    assert_int_equal(mw_slots_stage(&slots, 1, digest_a), MW_OK);
    assert_int_equal(mw_slots_stage(&slots, 2, digest_b), MW_ERR_STATE);
    assert_int_equal(mw_slots_begin_trial(&slots, 0), MW_ERR_ARGUMENT);
    assert_int_equal(mw_slots_begin_trial(&slots, 1), MW_OK);
    assert_int_equal(mw_slots_begin_trial(&slots, 1), MW_ERR_STATE);
    assert_int_equal(mw_slots_clear_spare(&slots, &slot), MW_ERR_STATE);
    assert_int_equal(mw_slots_stage(&slots, 2, digest_b), MW_ERR_STATE);
    assert_int_equal(mw_slots_confirm(&slots), MW_OK);
    assert_int_equal(mw_slots_confirm(&slots), MW_ERR_STATE);
}

static void assert_same(const struct mw_slots *a, const struct mw_slots *b)
{
    for (int i = 0; i < MW_SLOTS; i++) {
        assert_int_equal(a->slot[i].state, b->slot[i].state);
        assert_true(a->slot[i].version == b->slot[i].version);
        assert_memory_equal(a->slot[i].digest, b->slot[i].digest, MW_SLOTS_DIGEST);
    }
    assert_int_equal(a->active, b->active);
    assert_int_equal(a->previous, b->previous);
    assert_int_equal(a->starts_left, b->starts_left);
    assert_int_equal(a->generation, b->generation);
    assert_true(a->floor == b->floor);
}

/* Any order of calls: the state that results must load, a trial never costs the good slot that it
 * may have to go back to, and the floor never sinks. */
static void every_reachable_state_is_saved_whole(void **state)
{
    (void)state;
    struct mw_slots slots;
    uint8_t bytes[MW_SLOTS_BYTES];
    uint8_t slot;
    uint32_t random = 1;
    bool ever_good = false; /* and not put away since */
    unsigned confirmed = 0;
    mw_slots_init(&slots);
    for (int step = 0; step < 20000; step++) {
        random = random * 1664525U + 1013904223U;
        uint64_t floor = slots.floor;
        switch ((random >> 24) % 8) {
        case 0:
            (void)mw_slots_clear_spare(&slots, &slot);
            break;
        case 1:
        case 2:
            (void)mw_slots_stage(&slots, floor + (random >> 16) % 3, digest_c);
            break;
        case 3:
            (void)mw_slots_begin_trial(&slots, (uint8_t)((random >> 16) % 3));
            break;
        case 4:
            ever_good = mw_slots_confirm(&slots) == MW_OK || ever_good;
            confirmed += ever_good;
            break;
        case 5: {
            bool trial = mw_slots_in_trial(&slots);
            bool back = mw_slots_roll_back(&slots) == MW_OK;
            ever_good = ever_good && (trial || !back || slots.active != MW_SLOT_NONE);
            break;
        }
        case 6:
            if ((random >> 16) % 8 == 0) {
                ever_good = mw_slots_rest(&slots) != MW_OK && ever_good;
            }
            break;
        default:
            (void)mw_slots_start(&slots, &slot);
            break;
        }
        assert_true(slots.floor >= floor);
        if (ever_good) {
            assert_true(slots.slot[0].state == MW_SLOT_GOOD || slots.slot[1].state == MW_SLOT_GOOD);
            assert_int_not_equal(slots.active, MW_SLOT_NONE);
        }
        mw_slots_save(&slots, bytes);
        struct mw_slots loaded;
        assert_int_equal(mw_slots_load(&loaded, bytes, NULL), MW_OK);
        assert_same(&loaded, &slots);
    }
    assert_true(confirmed > 100);
}

static void the_newer_whole_copy_counts(void **state)
{
    (void)state;
    struct mw_slots slots, loaded;
    uint8_t older[MW_SLOTS_BYTES], newer[MW_SLOTS_BYTES];
    mw_slots_init(&slots);
    slots.generation = UINT32_MAX - 1; /* the newer copy's number has wrapped around */
    mw_slots_save(&slots, older);
    (void)try_version(&slots, 5, digest_a);
    mw_slots_save(&slots, newer);
    assert_int_equal(slots.generation, 0);
    assert_int_equal(mw_slots_load(&loaded, older, newer), MW_OK);
    assert_same(&loaded, &slots);
    assert_int_equal(mw_slots_load(&loaded, newer, older), MW_OK);
    assert_same(&loaded, &slots);

    /* Whatever byte of the newer one is damaged, the older one is taken, and never a mixture. */
    for (size_t i = 0; i < MW_SLOTS_BYTES; i++) {
        for (int bit = 0; bit < 8; bit++) {
            newer[i] ^= (uint8_t)(1 << bit);
            assert_int_equal(mw_slots_load(&loaded, newer, older), MW_OK);
            assert_int_equal(loaded.generation, UINT32_MAX);
            assert_int_equal(mw_slots_load(&loaded, newer, NULL), MW_ERR_CORRUPT);
            assert_int_equal(loaded.active, MW_SLOT_NONE);
            newer[i] ^= (uint8_t)(1 << bit);
        }
    }
    assert_int_equal(mw_slots_load(&loaded, NULL, NULL), MW_ERR_CORRUPT);
}

/* A right checksum over what the state machine cannot reach. */
static void impossible_states_are_refused(void **state)
{
    (void)state;
    struct mw_slots slots, loaded;
    uint8_t bytes[MW_SLOTS_BYTES];
#define REFUSED(change)           \
    mw_slots_init(&slots);        \
    change;                       \
    mw_slots_save(&slots, bytes); \
    assert_int_equal(mw_slots_load(&loaded, bytes, NULL), MW_ERR_CORRUPT)
    REFUSED(slots.active = 0);
    REFUSED(slots.active = 2);
    REFUSED(slots.previous = 0);
    REFUSED(slots.slot[0].state = MW_SLOT_TRIAL);
    REFUSED(slots.slot[0].state = MW_SLOT_GOOD);
    REFUSED(slots.slot[0].state = (enum mw_slot_state)5);
    REFUSED(slots.slot[0].state = MW_SLOT_STAGED); /* of version 0 */
    REFUSED(slots.slot[1].state = MW_SLOT_STAGED; slots.slot[1].version = 1);
    REFUSED(slots.slot[0].state = MW_SLOT_STAGED; slots.slot[0].version = 1; slots.floor = 2);
    REFUSED(slots.slot[0].state = MW_SLOT_BAD; slots.slot[0].version = 1);
    REFUSED(slots.slot[0].state = MW_SLOT_BAD; slots.active = 0);
    REFUSED(slots.slot[0].state = MW_SLOT_GOOD; slots.slot[0].version = 1; slots.active = 0);
    REFUSED(slots.slot[0].state = MW_SLOT_GOOD; slots.active = 0; slots.previous = 0);
#undef REFUSED
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_update_takes_over),
        cmocka_unit_test(a_bad_update_goes_back),
        cmocka_unit_test(a_trial_that_never_confirms_runs_out_of_starts),
        cmocka_unit_test(a_rollback_names_older_bytes),
        cmocka_unit_test(none_may_run),
        cmocka_unit_test(calls_out_of_turn_are_refused),
        cmocka_unit_test(every_reachable_state_is_saved_whole),
        cmocka_unit_test(the_newer_whole_copy_counts),
        cmocka_unit_test(impossible_states_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
