#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "tiers/inference/score_policy.h"

#include <stdlib.h>

static char stop[] = "stop", slow[] = "slow", none[] = "";

static struct mw_plant plant_of(char *immediate, char *impending, int64_t confirm)
{
    struct mw_plant plant = {0};
    plant.action.immediate = immediate;
    plant.action.impending = impending;
    plant.action.expires = 100 * MW_SECOND;
    plant.action.confirm = confirm;
    return plant;
}

/* Feeds bands, one a second, as digits 0 to 2; writes what came out, '.' for nothing. */
static void run(struct mw_score_policy *policy, const struct mw_plant *plant, int64_t from,
                const char *bands, const char *expected)
{
    for (size_t i = 0; bands[i] != '\0'; i++) {
        const char *action = mw_score_policy_take(policy, plant, (enum mw_band)(bands[i] - '0'),
                                                  from + (int64_t)i * MW_SECOND);
        char got = action == NULL ? '.' : action == stop ? 'S' : 's';
        if (got != expected[i]) {
            fail_msg("%s: score %zu gave %c, expected %s", bands, i, got, expected);
        }
    }
}

static void test_confirms_and_holds(void **state)
{
    struct mw_plant plant = plant_of(stop, none, 3);
    struct mw_score_policy policy = {0};
    (void)state;
    run(&policy, &plant, 0, "0220222222", "......S...");
    assert_int_equal(policy.expires, 106 * MW_SECOND);
    /* Two normal scores are not "normal again"; three are. */
    run(&policy, &plant, 10 * MW_SECOND, "002220002222", "..........S.");
}

static void test_impending_and_escalation(void **state)
{
    struct mw_plant plant = plant_of(stop, slow, 2);
    struct mw_score_policy policy = {0};
    (void)state;
    run(&policy, &plant, 0, "1111221", ".s...S.");
    policy = (struct mw_score_policy){0};
    run(&policy, &plant, 0, "2211110011", ".S.......s");
    plant = plant_of(none, slow, 2);
    policy = (struct mw_score_policy){0};
    run(&policy, &plant, 0, "222", ".s.");
    plant = plant_of(none, none, 1);
    policy = (struct mw_score_policy){0};
    run(&policy, &plant, 0, "222", "...");
    assert_int_equal(policy.immediate, 0);
}

static void test_expiry_and_release(void **state)
{
    struct mw_plant plant = plant_of(stop, none, 2);
    struct mw_score_policy policy = {0};
    (void)state;
    run(&policy, &plant, 0, "22222", ".S...");
    run(&policy, &plant, 100 * MW_SECOND, "222", ".S."); /* it expired at 101 s */
    policy = (struct mw_score_policy){0};                /* what an event does */
    run(&policy, &plant, 103 * MW_SECOND, "222", ".S.");
}

static void test_survives_as_text(void **state)
{
    _Alignas(16) char memory[4096];
    struct mw_wire_parser *parser = NULL;
    struct mw_score_policy policy = {0}, back;
    char text[192];
    (void)state;
    assert_int_equal(mw_wire_parser_init(memory, sizeof memory, &parser), MW_OK);
    assert_int_equal(mw_score_policy_print(&policy, text, sizeof text), 0);
    policy = (struct mw_score_policy){
        3, 2, 1, MW_BAND_IMPENDING, INT64_C(1767225600123456), INT64_C(1767225700000000)};
    size_t size = mw_score_policy_print(&policy, text, sizeof text);
    assert_true(size > 0);
    assert_int_equal(mw_score_policy_parse(&back, parser, (struct mw_span){text, size}), MW_OK);
    assert_int_equal(back.impending, 3);
    assert_int_equal(back.immediate, 2);
    assert_int_equal(back.normal, 1);
    assert_int_equal(back.held, MW_BAND_IMPENDING);
    assert_int_equal(back.expires, INT64_C(1767225600123456));
    assert_int_equal(back.quiet, INT64_C(1767225700000000));
    assert_int_not_equal(mw_score_policy_parse(&back, parser, mw_span_of("{\"v\":1}")), MW_OK);
}

/* After a finding of no fault the machine is left alone for a while; after one of a fault it is
 * not. */
static void test_a_finding_is_believed(void **state)
{
    struct mw_plant plant = {0};
    struct mw_score_policy policy = {0};
    char action[] = "stop";
    (void)state;
    plant.action.immediate = action;
    plant.action.confirm = 1;
    plant.action.expires = 10;
    plant.action.quiet = 100;
    mw_score_policy_judge(&policy, &plant, MW_FINDING_NO_FAULT, 1000);
    assert_null(mw_score_policy_take(&policy, &plant, MW_BAND_IMMEDIATE, 1099));
    assert_string_equal(mw_score_policy_take(&policy, &plant, MW_BAND_IMMEDIATE, 1100), "stop");
    mw_score_policy_judge(&policy, &plant, MW_FINDING_FAULT, 2000);
    assert_string_equal(mw_score_policy_take(&policy, &plant, MW_BAND_IMMEDIATE, 2001), "stop");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_confirms_and_holds),
        cmocka_unit_test(test_impending_and_escalation),
        cmocka_unit_test(test_expiry_and_release),
        cmocka_unit_test(test_survives_as_text),
        cmocka_unit_test(test_a_finding_is_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
