#include "tiers/training/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct mw_plant plant_of(void)
{
    struct mw_plant plant;
    memset(&plant, 0, sizeof plant);
    plant.retrain.on_drift = true;
    plant.retrain.minimum_records = 100;
    plant.retrain.minimum_positives = 10;
    plant.retrain.fresh_records = 50;
    plant.retrain.fresh_positives = 5;
    plant.retrain.attempts_gap = 20;
    return plant;
}

static enum mw_policy_cause decide(const struct mw_policy *policy, const struct mw_plant *plant,
                                   uint64_t labelled, uint64_t positives)
{
    return mw_policy_decide(policy, plant, (struct mw_policy_counts){labelled, positives});
}

static void test_a_first_model_needs_both(void **state)
{
    (void)state;
    struct mw_plant plant = plant_of();
    struct mw_policy policy = {0};
    assert_int_equal(decide(&policy, &plant, 99, 10), MW_POLICY_NOTHING);
    assert_int_equal(decide(&policy, &plant, 100, 9), MW_POLICY_NOTHING);
    assert_int_equal(decide(&policy, &plant, 100, 10), MW_POLICY_FIRST);
    plant.model.kind = MW_MODEL_AUTOENCODER; /* needs no labels */
    assert_int_equal(decide(&policy, &plant, 100, 0), MW_POLICY_FIRST);
}

static void test_a_drift_asks_for_fresh_labels(void **state)
{
    (void)state;
    struct mw_plant plant = plant_of();
    struct mw_policy policy = {0};
    mw_policy_drift(&policy, 7); /* without a model there is nothing to drift from */
    assert_false(policy.drifted);
    mw_policy_published(&policy, 5);
    assert_false(mw_policy_wants(&policy, &plant));
    mw_policy_drift(&policy, 7);
    mw_policy_drift(&policy, 9); /* the first onset holds */
    assert_int_equal(mw_policy_since(&policy), 7);
    assert_int_equal(decide(&policy, &plant, 49, 5), MW_POLICY_NOTHING);
    assert_int_equal(decide(&policy, &plant, 50, 5), MW_POLICY_DRIFT);
    plant.retrain.on_drift = false;
    assert_int_equal(decide(&policy, &plant, 50, 5), MW_POLICY_NOTHING);
}

static void test_asked_for(void **state)
{
    (void)state;
    struct mw_plant plant = plant_of();
    struct mw_policy policy = {0};
    mw_policy_ask(&policy, 1000);
    assert_int_equal(decide(&policy, &plant, 99, 10), MW_POLICY_NOTHING); /* as any first one */
    mw_policy_published(&policy, 5);
    assert_true(mw_policy_wants(&policy, &plant));
    assert_int_equal(decide(&policy, &plant, 19, 5), MW_POLICY_NOTHING);
    assert_int_equal(decide(&policy, &plant, 20, 5), MW_POLICY_ASKED);
    mw_policy_answered(&policy, 999); /* it began before */
    assert_int_equal(decide(&policy, &plant, 20, 5), MW_POLICY_ASKED);
    mw_policy_answered(&policy, 1001);
    mw_policy_ask(&policy, 1000); /* heard again */
    assert_false(mw_policy_wants(&policy, &plant));
    assert_int_equal(decide(&policy, &plant, 1000, 5), MW_POLICY_NOTHING);
    /* However often: a model, then only after so many records. */
    mw_policy_published(&policy, 6);
    for (int64_t i = 0; i < 100; i++) {
        mw_policy_ask(&policy, 2000 + i);
        assert_int_equal(decide(&policy, &plant, 19, 5), MW_POLICY_NOTHING);
    }
    mw_policy_refused(&policy, &plant, (struct mw_policy_counts){20, 5});
    mw_policy_answered(&policy, 2050);
    assert_int_equal(decide(&policy, &plant, 39, 5), MW_POLICY_NOTHING);
    assert_int_equal(decide(&policy, &plant, 40, 5), MW_POLICY_ASKED);
    mw_policy_drift(&policy, 7);
    assert_int_equal(decide(&policy, &plant, 49, 5), MW_POLICY_NOTHING); /* as after any drift */
    assert_int_equal(decide(&policy, &plant, 50, 5), MW_POLICY_DRIFT);
    plant.model.kind = MW_MODEL_AUTOENCODER; /* takes all for healthy */
    mw_policy_published(&policy, 8);
    mw_policy_ask(&policy, 3000);
    assert_int_equal(decide(&policy, &plant, 500, 0), MW_POLICY_NOTHING);
    mw_policy_known(&policy, &plant, true, 9);
    assert_int_equal(decide(&policy, &plant, 500, 0), MW_POLICY_ASKED);
}

static void test_a_refusal_waits(void **state)
{
    (void)state;
    struct mw_plant plant = plant_of();
    struct mw_policy policy = {0};
    mw_policy_published(&policy, 5);
    mw_policy_drift(&policy, 7);
    mw_policy_refused(&policy, &plant, (struct mw_policy_counts){60, 8});
    assert_int_equal(decide(&policy, &plant, 79, 8), MW_POLICY_NOTHING);
    assert_int_equal(decide(&policy, &plant, 80, 8), MW_POLICY_DRIFT);
    mw_policy_published(&policy, 5);
    assert_int_equal(decide(&policy, &plant, 1000, 800), MW_POLICY_NOTHING);
}

static void test_a_schedule_counts_from_the_last_model(void **state)
{
    (void)state;
    struct mw_plant plant = plant_of();
    struct mw_policy policy = {0};
    plant.retrain.every = 30;
    mw_policy_published(&policy, 77);
    /* However many there were before, and however many of those retention has removed since. */
    assert_int_equal(mw_policy_since(&policy), 77);
    assert_int_equal(decide(&policy, &plant, 29, 10), MW_POLICY_NOTHING);
    assert_int_equal(decide(&policy, &plant, 30, 10), MW_POLICY_SCHEDULE);
    mw_policy_refused(&policy, &plant, (struct mw_policy_counts){30, 10});
    assert_int_equal(decide(&policy, &plant, 49, 10), MW_POLICY_NOTHING);
    assert_int_equal(decide(&policy, &plant, 50, 10), MW_POLICY_SCHEDULE);
}

static void test_a_first_model_that_was_taken_back_is_no_model(void **state)
{
    (void)state;
    struct mw_plant plant = plant_of();
    struct mw_policy policy = {0};
    mw_policy_published(&policy, 5);
    assert_false(mw_policy_wants(&policy, &plant));
    mw_policy_taken_back(&policy, &plant, (struct mw_policy_counts){110, 12});
    assert_true(mw_policy_wants(&policy, &plant));
    assert_int_equal(mw_policy_since(&policy), INT64_MIN);
    assert_int_equal(decide(&policy, &plant, 129, 12), MW_POLICY_NOTHING);
    assert_int_equal(decide(&policy, &plant, 130, 12), MW_POLICY_FIRST);
}

static void test_a_second_alarm_keeps_the_first_onset_until_a_model_answers(void **state)
{
    (void)state;
    struct mw_plant plant = plant_of();
    struct mw_policy policy = {0};
    mw_policy_published(&policy, 5);
    mw_policy_drift(&policy, 7);
    mw_policy_refused(&policy, &plant, (struct mw_policy_counts){60, 8});
    mw_policy_drift(&policy, 9); /* while training: neither starts anew nor forgets the refusal */
    assert_int_equal(mw_policy_since(&policy), 7);
    assert_int_equal(decide(&policy, &plant, 79, 8), MW_POLICY_NOTHING);
    mw_policy_published(&policy, 10);
    mw_policy_drift(&policy, 11); /* the new model has drifted too */
    assert_int_equal(mw_policy_since(&policy), 11);
    assert_int_equal(decide(&policy, &plant, 50, 5), MW_POLICY_DRIFT);
}

static void test_an_autoencoder_waits_until_it_is_known_to_be_well(void **state)
{
    (void)state;
    struct mw_plant plant = plant_of();
    struct mw_policy policy = {0};
    plant.model.kind = MW_MODEL_AUTOENCODER;
    mw_policy_published(&policy, 5);
    assert_false(mw_policy_waits(&policy, &plant)); /* nothing has drifted */
    mw_policy_drift(&policy, 7);
    assert_true(mw_policy_waits(&policy, &plant));
    assert_false(mw_policy_wants(&policy, &plant));
    assert_int_equal(mw_policy_origin(&policy), 7);
    assert_int_equal(decide(&policy, &plant, 1000, 0), MW_POLICY_NOTHING);
    mw_policy_known(&policy, &plant, true, 9); /* a repair */
    assert_false(mw_policy_waits(&policy, &plant));
    assert_int_equal(mw_policy_origin(&policy), 7);
    assert_int_equal(mw_policy_since(&policy), 9);
    assert_int_equal(decide(&policy, &plant, 49, 0), MW_POLICY_NOTHING);
    assert_int_equal(decide(&policy, &plant, 50, 0), MW_POLICY_DRIFT);
    mw_policy_known(&policy, &plant, false, 0); /* and it broke */
    assert_int_equal(decide(&policy, &plant, 50, 0), MW_POLICY_NOTHING);
    mw_policy_known(&policy, &plant, true, 11);
    assert_int_equal(decide(&policy, &plant, 50, 0), MW_POLICY_DRIFT);
    mw_policy_published(&policy, 12);
    mw_policy_drift(&policy, 13); /* what was said before says nothing of this */
    assert_true(mw_policy_waits(&policy, &plant));
    plant.retrain.on_drift = false; /* then nothing is waited for */
    assert_false(mw_policy_waits(&policy, &plant));
}

static void test_an_autoencoders_refusal_holds_for_what_it_was_trained_on(void **state)
{
    (void)state;
    struct mw_plant plant = plant_of();
    struct mw_policy policy = {0};
    plant.model.kind = MW_MODEL_AUTOENCODER;
    mw_policy_published(&policy, 5);
    mw_policy_drift(&policy, 7);
    mw_policy_known(&policy, &plant, true, 7);
    mw_policy_refused(&policy, &plant, (struct mw_policy_counts){60, 0});
    mw_policy_known(&policy, &plant, true, 7); /* found well once more */
    assert_int_equal(decide(&policy, &plant, 79, 0), MW_POLICY_NOTHING);
    assert_int_equal(decide(&policy, &plant, 80, 0), MW_POLICY_DRIFT);
    mw_policy_known(&policy, &plant, false, 0); /* a fault, and what was refused stays so */
    mw_policy_known(&policy, &plant, true, 7);
    assert_int_equal(decide(&policy, &plant, 79, 0), MW_POLICY_NOTHING);
    mw_policy_known(&policy, &plant, true, 20); /* a repair: other records */
    assert_int_equal(decide(&policy, &plant, 50, 0), MW_POLICY_DRIFT);
}

static void test_nor_does_a_schedule_teach_an_autoencoder_what_nobody_looked_at(void **state)
{
    (void)state;
    struct mw_plant plant = plant_of();
    struct mw_policy policy = {0};
    plant.model.kind = MW_MODEL_AUTOENCODER;
    plant.retrain.every = 30;
    mw_policy_published(&policy, 5);
    assert_int_equal(decide(&policy, &plant, 30, 0), MW_POLICY_NOTHING);
    assert_int_equal(mw_policy_origin(&policy), 5);
    mw_policy_known(&policy, &plant, true, 5);
    assert_int_equal(decide(&policy, &plant, 30, 0), MW_POLICY_SCHEDULE);
}

static void test_labels_speak_for_themselves(void **state)
{
    (void)state;
    struct mw_plant plant = plant_of();
    struct mw_policy policy = {0};
    mw_policy_published(&policy, 5);
    mw_policy_drift(&policy, 7);
    mw_policy_known(&policy, &plant, true, 9);
    assert_int_equal(mw_policy_since(&policy), 7);
    mw_policy_known(&policy, &plant, false, 0);
    assert_false(mw_policy_waits(&policy, &plant));
    assert_int_equal(decide(&policy, &plant, 50, 5), MW_POLICY_DRIFT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_first_model_needs_both),
        cmocka_unit_test(test_a_drift_asks_for_fresh_labels),
        cmocka_unit_test(test_asked_for),
        cmocka_unit_test(test_a_refusal_waits),
        cmocka_unit_test(test_a_schedule_counts_from_the_last_model),
        cmocka_unit_test(test_a_first_model_that_was_taken_back_is_no_model),
        cmocka_unit_test(test_a_second_alarm_keeps_the_first_onset_until_a_model_answers),
        cmocka_unit_test(test_an_autoencoder_waits_until_it_is_known_to_be_well),
        cmocka_unit_test(test_an_autoencoders_refusal_holds_for_what_it_was_trained_on),
        cmocka_unit_test(test_nor_does_a_schedule_teach_an_autoencoder_what_nobody_looked_at),
        cmocka_unit_test(test_labels_speak_for_themselves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
