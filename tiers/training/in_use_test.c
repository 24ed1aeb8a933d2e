#include "tiers/training/in_use.h"

#include "tiers/training/training_test_plant.h"

#define A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

static int set_up(void **state)
{
    struct test_plant *test = calloc(1, sizeof *test);
    *state = test;
    test_plant_open(test, "model: {scope: machine}\n");
    return 0;
}

static int tear_down(void **state)
{
    test_plant_close(*state);
    free(*state);
    return 0;
}

static void keep(struct test_plant *test, const char *topic, const char *key, const char *value)
{
    assert_ok(mw_stream_put(test->bridge, topic, mw_span_of(key), mw_span_of(value), error));
}

static void in_use(const struct test_plant *test, const char *machine, const char *expected)
{
    char digest[MW_DIGEST_TEXT];
    assert_ok(mw_in_use_find(&test->plant, machine, digest, error));
    assert_string_equal(digest, expected);
}

static void test_nothing_is_in_use_before_the_bridge_has_run(void **state)
{
    in_use(*state, NULL, "");
    in_use(*state, "motor-1", "");
}

static void test_a_machines_own_is_that_of_its_device(void **state)
{
    struct test_plant *test = *state;
    test_plant_record(test, "motor-1", 1, 1, 1, 1, "");
    keep(test, "desired", "*", "{\"bundle\":\"" A "\"}");
    keep(test, "desired", "motor-1", "{\"bundle\":\"" B "\"}");
    keep(test, "desired", "gateway", "{\"bundle\":\"" C "\"}");
    keep(test, "position", "motor-1", "{\"boot\":1,\"next\":1}");
    keep(test, "position", "gateway", "{\"boot\":1,\"next\":1,\"machines\":[\"pump-7\"]}");
    test_plant_commit(test);
    in_use(test, NULL, A);
    in_use(test, "motor-1", B);
    in_use(test, "pump-7", C);
    in_use(test, "pump-8", "");
    test->plant.model.scope = MW_SCOPE_PLANT;
    in_use(test, "pump-7", A);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ROW(test_nothing_is_in_use_before_the_bridge_has_run),
        ROW(test_a_machines_own_is_that_of_its_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
