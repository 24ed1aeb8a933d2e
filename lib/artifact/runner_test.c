#include "lib/artifact/test_place.h"

#include "lib/artifact/test_bundle.h"

static void test_runs_and_scores(void **state)
{
    struct mw_bundle bundle;
    struct mw_runner runner;
    (void)state;
    test_bundle_build(&bundle, 0.5F);
    assert_ok(mw_runner_init(&runner, &bundle, error));
    assert_null(bundle.features); /* taken */
    assert_true(mw_runner_score(&runner, (const float[]){0.5F, 1.0F}) == 0.375F);
    assert_true(mw_runner_score(&runner, (const float[]){0.0F, 0.0F}) == 0.0F);
    mw_runner_clear(&runner);
}

static void test_refuses_another_answer_by_one_bit(void **state)
{
    struct mw_bundle bundle;
    struct mw_runner runner;
    (void)state;
    test_bundle_build(&bundle, 0.5F);
    bundle.golden.data[12 + 8] ^= 1; /* the last bit of the first vector's score */
    assert_refused(mw_runner_init(&runner, &bundle, error), MW_ERR_DENIED, "vector 0");
    test_bundle_build(&bundle, 4.0F); /* scores beyond 1 */
    assert_refused(mw_runner_init(&runner, &bundle, error), MW_ERR_DENIED, "vector");
    assert_null(runner.memory);
}

static void test_refuses_a_model_that_does_not_fit(void **state)
{
    struct mw_bundle bundle;
    struct mw_runner runner;
    (void)state;
    test_bundle_build(&bundle, 0.5F);
    free(bundle.features[1]);
    bundle.n_features = 1;
    assert_refused(mw_runner_init(&runner, &bundle, error), MW_ERR_UNSUPPORTED, "1 features");
    test_bundle_build(&bundle, 0.5F);
    bundle.int8_model.size /= 2;
    assert_int_not_equal(mw_runner_init(&runner, &bundle, NULL), MW_OK);
}

static void test_baseline_maps_onto_the_reference(void **state)
{
    struct mw_bundle bundle;
    struct mw_runner runner;
    struct mw_baseline baseline;
    float mapped[TEST_FEATURES];
    const float x[TEST_FEATURES] = {3.0F, 0.625F};
    (void)state;
    test_bundle_build(&bundle, 0.5F);
    assert_ok(mw_runner_init(&runner, &bundle, error));
    mw_runner_map(&runner, NULL, x, mapped);
    assert_memory_equal(mapped, x, sizeof x);
    assert_ok(mw_baseline_parse(&baseline, &runner.bundle,
                                mw_span_of("{\"v\":1,\"machine\":\"m\",\"count\":200,"
                                           "\"features\":{\"a\":[2,0.5],\"other\":[1,1]}}"),
                                error));
    assert_int_equal(baseline.count, 200);
    mw_runner_map(&runner, &baseline, x, mapped);
    /* (3 - 2) * 0.25 / 0.5 + 0.5; and b, which the baseline lacks, stays. */
    assert_true(mapped[0] == 1.0F);
    assert_true(mapped[1] > 0.6249F && mapped[1] < 0.6251F);
    baseline.std[0] = 0.0F;
    mw_runner_map(&runner, &baseline, x, mapped);
    assert_true(mapped[0] == 1.5F);
    mw_baseline_clear(&baseline);
    mw_runner_clear(&runner);
}

static void test_hostile_baselines_are_refused(void **state)
{
    static const struct {
        const char *text, *reason;
        mw_err code;
    } cases[] = {
        {"", "baseline", MW_ERR_PARSE},
        {"[]", "not a JSON object", MW_ERR_PARSE},
        {"{\"v\":2,\"count\":1,\"features\":{}}", "version", MW_ERR_VERSION},
        {"{\"v\":1,\"count\":-1,\"features\":{}}", "count", MW_ERR_PARSE},
        {"{\"v\":1,\"count\":1,\"features\":[]}", "features", MW_ERR_PARSE},
        {"{\"v\":1,\"count\":1,\"features\":{\"a\":[1]}}", "a: not", MW_ERR_PARSE},
        {"{\"v\":1,\"count\":1,\"features\":{\"a\":[1,-1]}}", "a: not", MW_ERR_PARSE},
        {"{\"v\":1,\"count\":1,\"features\":{\"a\":[1e300,1]}}", "a: not", MW_ERR_PARSE},
        {"{\"v\":1,\"count\":1,\"features\":{\"b\":[\"1\",1]}}", "b: not", MW_ERR_PARSE},
    };
    struct mw_bundle bundle;
    struct mw_baseline baseline;
    (void)state;
    test_bundle_build(&bundle, 0.5F);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_refused(mw_baseline_parse(&baseline, &bundle, mw_span_of(cases[i].text), error),
                       cases[i].code, cases[i].reason);
        assert_null(baseline.mean);
    }
    mw_bundle_clear(&bundle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_and_scores),
        cmocka_unit_test(test_refuses_another_answer_by_one_bit),
        cmocka_unit_test(test_refuses_a_model_that_does_not_fit),
        cmocka_unit_test(test_baseline_maps_onto_the_reference),
        cmocka_unit_test(test_hostile_baselines_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
