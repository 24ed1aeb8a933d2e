/* What level 2 forwards and what it counts, with a model whose score is mean(weight * x). */
#include "tiers/iot/level2.h"

#include "tiers/iot/test_place.h"

#include "lib/artifact/baselines.h"
#include "lib/artifact/test_bundle.h"

static void make_runner(struct mw_runner *runner, float weight, char name)
{
    struct mw_bundle bundle;
    test_bundle_build(&bundle, weight);
    memset(bundle.digest, name, 71);
    memcpy(bundle.digest, "sha256:", 7);
    bundle.digest[71] = '\0';
    assert_ok(mw_runner_init(runner, &bundle, error));
}

static struct mw_telemetry *record_of(float a, float b, int64_t time)
{
    static struct mw_telemetry record;
    record = (struct mw_telemetry){.device = mw_span_of("m"),
                                   .machine = mw_span_of("m"),
                                   .numbered = true,
                                   .time = time,
                                   .p = 1,
                                   .n_features = 2};
    record.features[0] = (struct mw_feature){mw_span_of("a"), a};
    record.features[1] = (struct mw_feature){mw_span_of("b"), b};
    return &record;
}

struct outcome {
    enum mw_level2_decision decision;
    float score, p;
};

static struct outcome decide(struct mw_level2 *level2, struct mw_runner *runner, double draw,
                             struct mw_telemetry *record)
{
    struct outcome outcome;
    assert_int_equal(mw_level2_decide(level2, runner, NULL, 0.05, draw, record, &outcome.decision,
                                      &outcome.score),
                     MW_OK);
    outcome.p = record->p;
    return outcome;
}

static void what_matters_is_forwarded(void **state)
{
    static struct mw_level2 level2;
    struct mw_runner runner;
    (void)state;
    make_runner(&runner, 1, 'a');
    /* No model; impending; a record without one of the model's features. */
    struct outcome outcome = decide(&level2, NULL, 0.9, record_of(0.1F, 0.1F, 1));
    assert_int_equal(outcome.decision, MW_LEVEL2_FORWARD);
    assert_true(outcome.p == 1 && outcome.score == -1);
    outcome = decide(&level2, &runner, 0.9, record_of(0.5F, 0.5F, 1));
    assert_int_equal(outcome.decision, MW_LEVEL2_FORWARD);
    assert_true(outcome.p == 1 && outcome.score == 0.5F);
    struct mw_telemetry *record = record_of(0.1F, 0.1F, 1);
    record->n_features = 1;
    outcome = decide(&level2, &runner, 0.9, record);
    assert_int_equal(outcome.decision, MW_LEVEL2_FORWARD);
    assert_true(outcome.p == 1 && outcome.score == -1);
    /* Normal: a share goes along and says how likely that was. */
    outcome = decide(&level2, &runner, 0.049, record_of(0.1F, 0.1F, 1));
    assert_int_equal(outcome.decision, MW_LEVEL2_FORWARD);
    assert_true(outcome.p == 0.05F && outcome.score == 0.1F);
    assert_int_equal(level2.count, 0);
    outcome = decide(&level2, &runner, 0.05, record_of(0.1F, 0.1F, 1));
    assert_int_equal(outcome.decision, MW_LEVEL2_SUPPRESS);
    assert_int_equal(level2.count, 1);
    mw_runner_clear(&runner);
}

static uint64_t total(const struct mw_sketch *sketch)
{
    return mw_sketch_total(sketch) + sketch->not_finite;
}

static void the_rest_is_counted(void **state)
{
    static struct mw_level2 level2;
    static struct mw_sketch_record sketch;
    struct mw_runner runner;
    uint64_t forwarded = 0, with_p = 0;
    (void)state;
    memset(&level2, 0, sizeof level2);
    make_runner(&runner, 1, 'a');
    for (uint64_t i = 0; i < 10000; i++) {
        double draw = mw_level2_draw(1, "m", i);
        float x = (float)(i % 50) / 100.0F; /* all normal */
        struct outcome outcome = decide(&level2, &runner, draw, record_of(x, x, 1000 + (int64_t)i));
        forwarded += outcome.decision == MW_LEVEL2_FORWARD;
        with_p += outcome.p == 0.05F;
    }
    assert_in_range(forwarded, 400, 600);
    assert_int_equal(with_p, forwarded);
    assert_int_equal(level2.count, 10000 - forwarded);
    assert_int_equal(mw_level2_sketch(&level2, &runner.bundle, "dev", "mach", &sketch), MW_OK);
    assert_int_equal(sketch.count, level2.count);
    assert_true(mw_span_is(sketch.device, "dev") && mw_span_is(sketch.machine, "mach"));
    assert_true(mw_span_is(sketch.bundle, runner.bundle.digest));
    assert_int_equal(sketch.n_features, 2);
    for (int i = 0; i < 2; i++) {
        assert_true(mw_span_is(sketch.names[i], i == 0 ? "a" : "b"));
        assert_int_equal(total(&sketch.features[i]), level2.count);
    }
    assert_int_equal(total(&sketch.score), level2.count);
    assert_in_range(sketch.from, 1000, 1010);
    assert_in_range(sketch.to, 10980, 10999);
    mw_level2_clear(&level2);
    assert_int_equal(level2.count, 0);
    assert_int_equal(mw_level2_sketch(&level2, &runner.bundle, "dev", "mach", &sketch),
                     MW_ERR_ARGUMENT);
    mw_runner_clear(&runner);
}

static void a_swap_closes_the_window(void **state)
{
    static struct mw_level2 level2;
    static struct mw_sketch_record sketch;
    struct mw_runner old, new;
    enum mw_level2_decision decision;
    float score;
    (void)state;
    memset(&level2, 0, sizeof level2);
    make_runner(&old, 1, 'a');
    make_runner(&new, 0.5F, 'b');
    assert_int_equal(decide(&level2, &old, 0.9, record_of(0, 0, 1)).decision, MW_LEVEL2_SUPPRESS);
    assert_int_equal(
        mw_level2_decide(&level2, &new, NULL, 0.05, 0.9, record_of(0, 0, 2), &decision, &score),
        MW_ERR_STATE);
    assert_int_equal(
        mw_level2_decide(&level2, NULL, NULL, 0.05, 0.9, record_of(0, 0, 2), &decision, &score),
        MW_ERR_STATE);
    assert_int_equal(level2.count, 1);
    assert_int_equal(mw_level2_sketch(&level2, &new.bundle, "m", "m", &sketch), MW_ERR_ARGUMENT);
    assert_int_equal(mw_level2_sketch(&level2, &old.bundle, "m", "m", &sketch), MW_OK);
    mw_level2_clear(&level2);
    assert_int_equal(decide(&level2, &new, 0.9, record_of(0, 0, 2)).decision, MW_LEVEL2_SUPPRESS);
    mw_runner_clear(&old);
    mw_runner_clear(&new);
}

/* Score and sketch see the mapped features, the record keeps its own. */
static void baselines_map_what_the_model_sees(void **state)
{
    static struct mw_level2 level2;
    struct mw_runner runner;
    struct mw_baselines *baselines = NULL;
    enum mw_level2_decision decision;
    float score;
    (void)state;
    memset(&level2, 0, sizeof level2);
    make_runner(&runner, 1, 'a');
    const struct mw_bundle *bundle = &runner.bundle;
    json_t *json = json_loads("{\"m\":{\"count\":9,\"features\":{\"a\":[10,1],\"b\":[20,0]}},"
                              "\"n\":{\"count\":9,\"features\":{\"a\":[10,1e300]}},\"o\":5}",
                              0, NULL);
    assert_ok(mw_baselines_new(&baselines, error));
    mw_baselines_update(baselines, json);
    json_decref(json);
    assert_null(mw_baselines_find(baselines, "m")); /* not arranged yet */
    mw_baselines_arrange(baselines, bundle->features, bundle->n_features, bundle->reference_mean,
                         bundle->reference_std);
    /* a: 0.5 + (9 - 10) * 0.25 / 1; b never moved at this machine: 0.8333 + (20 - 20). */
    struct mw_telemetry *record = record_of(9, 20, 1);
    assert_int_equal(mw_level2_decide(&level2, &runner, mw_baselines_find(baselines, "m"), 0.05,
                                      0.9, record, &decision, &score),
                     MW_OK);
    assert_float_equal(score, (0.25F + 0.5F + 1.0F / 3.0F) / 2, 1e-6);
    assert_true(record->features[0].value == 9);
    /* What cannot be held, or is not there, leaves the feature as it is. */
    assert_int_equal(mw_level2_decide(&level2, &runner, mw_baselines_find(baselines, "n"), 0.05, 0,
                                      record_of(0.25F, 0.5F, 1), &decision, &score),
                     MW_OK);
    assert_float_equal(score, 0.375, 1e-6);
    assert_null(mw_baselines_find(baselines, "o"));
    assert_null(mw_baselines_find(baselines, "p"));
    mw_baselines_free(baselines);
    mw_runner_clear(&runner);
}

static void many_baselines_are_found(void **state)
{
    struct mw_baselines *baselines = NULL;
    char feature[] = "a", *features[] = {feature};
    float mean = 0, std = 1;
    char name[32];
    (void)state;
    assert_ok(mw_baselines_new(&baselines, error));
    for (int i = 0; i < 5000; i++) {
        json_t *json = json_pack("{s:i,s:{s:[i,i]}}", "count", 10, "features", "a", i, 2);
        (void)snprintf(name, sizeof name, "machine-%d", i);
        mw_baselines_set(baselines, name, json);
        json_decref(json);
    }
    mw_baselines_arrange(baselines, features, 1, &mean, &std);
    for (int i = 0; i < 5000; i++) {
        (void)snprintf(name, sizeof name, "machine-%d", i);
        const struct mw_baseline *found = mw_baselines_find(baselines, name);
        assert_non_null(found);
        assert_true(found->mean[0] == (float)i && found->std[0] == 2);
    }
    assert_true(mw_baselines_reference(baselines, features, 1, &mean, &std));
    assert_float_equal(mean, 2499.5, 1e-3);
    mw_baselines_free(baselines);
}

static void draws_are_a_devices_own(void **state)
{
    double sum = 0, other = 0;
    (void)state;
    for (uint64_t i = 0; i < 10000; i++) {
        double draw = mw_level2_draw(3, "m", i);
        assert_true(draw >= 0 && draw < 1);
        sum += draw;
        other += (draw - 0.5) * (mw_level2_draw(3, "n", i) - 0.5);
    }
    assert_float_equal(sum / 10000, 0.5, 0.02);
    assert_float_equal(other / 10000, 0, 0.005);
    assert_true(mw_level2_draw(3, "m", 5) == mw_level2_draw(3, "m", 5));
    assert_true(mw_level2_draw(4, "m", 5) != mw_level2_draw(3, "m", 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_matters_is_forwarded),
        cmocka_unit_test(the_rest_is_counted),
        cmocka_unit_test(a_swap_closes_the_window),
        cmocka_unit_test(baselines_map_what_the_model_sees),
        cmocka_unit_test(many_baselines_are_found),
        cmocka_unit_test(draws_are_a_devices_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
