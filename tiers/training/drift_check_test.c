#include "tiers/training/drift_check.h"

#include "lib/base/test.h"

#include <jansson.h>
#include <math.h>

#define ROWS 800

static float values[2][ROWS * 3];
static double weight[ROWS];
static char *names[3] = {"a", "clock", "b"};

static double uniform(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(*seed >> 11) / 9007199254740992.0;
}

/* a is moved by `shift` in the second set; clock counts up; b never moves. */
static void make(struct mw_dataset set[2], double shift)
{
    uint64_t seed = 11;
    for (size_t s = 0; s < 2; s++) {
        for (size_t i = 0; i < ROWS; i++) {
            values[s][3 * i] = (float)(uniform(&seed) + (s == 1 ? shift : 0));
            values[s][3 * i + 1] = (float)(i + s * ROWS);
            values[s][3 * i + 2] = 5;
            weight[i] = i % 2 == 0 ? 1 : 3;
        }
        set[s] = (struct mw_dataset){.rows = ROWS, .columns = 3, .names = names, .x = values[s]};
    }
}

static void test_equal_data_has_not_drifted(void **state)
{
    (void)state;
    struct mw_dataset set[2];
    struct mw_drift_check check;
    make(set, 0);
    assert_int_equal(mw_drift_check_data(&check, &set[0], &set[1], 0.1, 0.001, NULL), MW_OK);
    assert_int_equal(check.moved, 0);
    assert_int_equal(check.n, 2);
    assert_int_equal(check.n_left_out, 1);
    assert_string_equal(check.left_out[0], "clock");
    assert_int_equal(check.current_records, ROWS);
    mw_drift_check_clear(&check);
}

static void test_what_moved_comes_first_with_its_size(void **state)
{
    (void)state;
    struct mw_dataset set[2];
    struct mw_drift_check check;
    struct mw_buffer json = {0};
    make(set, 0.5);
    assert_int_equal(mw_drift_check_data(&check, &set[0], &set[1], 0.1, 0.001, NULL), MW_OK);
    assert_int_equal(check.moved, 1);
    assert_string_equal(check.feature[0].name, "a");
    assert_true(check.feature[0].compared.moved);
    /* The deviation of a uniform value is 1/sqrt(12). */
    assert_true(fabs(check.feature[0].moved - 0.5 * sqrt(12)) < 0.2);
    assert_int_equal(mw_drift_check_print_json(&check, &json), MW_OK);
    json_t *root = json_loadb(json.data, json.size, JSON_REJECT_DUPLICATES, NULL);
    assert_true(json_is_true(json_object_get(root, "drifted")));
    json_decref(root);
    mw_buffer_free(&json);
    mw_drift_check_clear(&check);
}

static void test_a_bundle_is_a_reference_too(void **state)
{
    (void)state;
    static float mean[3], std[3] = {0.29F, 1, 1};
    struct mw_dataset set[2];
    struct mw_drift_check check;
    struct mw_sketch_edges edges[3];
    struct mw_sketch sketch[3] = {{{0}, 0}};
    make(set, 0.5);
    set[0].weight = weight;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(mw_drift_edges(&edges[i], set[0].x + i, ROWS, 3), MW_OK);
        mw_drift_count(&sketch[i], &edges[i], &set[0], i);
    }
    assert_int_equal(mw_sketch_total(&sketch[0]), 2 * ROWS); /* half of them count three times */
    struct mw_bundle bundle = {.n_features = 3,
                               .features = names,
                               .reference_mean = mean,
                               .reference_std = std,
                               .edges = edges,
                               .sketch = sketch};
    assert_int_equal(mw_drift_check_bundle(&check, &bundle, &set[0], 0.1, 0.001, NULL), MW_OK);
    assert_int_equal(check.moved, 0);
    mw_drift_check_clear(&check);
    assert_int_equal(mw_drift_check_bundle(&check, &bundle, &set[1], 0.1, 0.001, NULL), MW_OK);
    assert_int_equal(check.moved, 2); /* a, and the clock: a bundle's features are what it says */
    mw_drift_check_clear(&check);
    bundle.n_features = 2;
    assert_int_equal(mw_drift_check_bundle(&check, &bundle, &set[1], 0.1, 0.001, NULL),
                     MW_ERR_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_data_has_not_drifted),
        cmocka_unit_test(test_what_moved_comes_first_with_its_size),
        cmocka_unit_test(test_a_bundle_is_a_reference_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
