/* sketch_test.c - bins, their edges, and merging. */
#include "core/drift/sketch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void edges_hold_equal_shares(void **state)
{
    (void)state;
    enum { N = 1600 };
    static float sorted[N];
    for (int i = 0; i < N; i++) {
        sorted[i] = (float)i * 0.5F - 100;
    }
    struct mw_sketch_edges edges;
    assert_int_equal(mw_sketch_edges_from_sorted(&edges, sorted, N), MW_OK);
    struct mw_sketch sketch = {0};
    for (int i = 0; i < N; i++) {
        mw_sketch_add(&sketch, &edges, sorted[i]);
    }
    for (int bin = 0; bin < MW_SKETCH_BINS; bin++) {
        assert_int_equal(sketch.count[bin], N / MW_SKETCH_BINS);
    }
    assert_int_equal(mw_sketch_total(&sketch), N);

    /* A size that 16 does not divide: no bin is off by more than one. */
    memset(&sketch, 0, sizeof sketch);
    assert_int_equal(mw_sketch_edges_from_sorted(&edges, sorted, 1009), MW_OK);
    for (int i = 0; i < 1009; i++) {
        mw_sketch_add(&sketch, &edges, sorted[i]);
    }
    for (int bin = 0; bin < MW_SKETCH_BINS; bin++) {
        assert_in_range(sketch.count[bin], 63, 64);
    }
}

static void bins_are_closed_below_and_open_above(void **state)
{
    (void)state;
    struct mw_sketch_edges edges;
    for (int j = 0; j < MW_SKETCH_EDGES; j++) {
        edges.edge[j] = (float)(j + 1);
    }
    static const struct {
        float value;
        int bin;
    } cases[] = {
        {-1e30F, 0}, {0.999F, 0}, {1, 1}, {1.999F, 1}, {2, 2}, {14.5F, 14}, {15, 15}, {1e30F, 15},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mw_sketch sketch = {0};
        mw_sketch_add(&sketch, &edges, cases[i].value);
        assert_int_equal(sketch.count[cases[i].bin], 1);
        assert_int_equal(mw_sketch_total(&sketch), 1);
    }
    struct mw_sketch sketch = {0};
    mw_sketch_add(&sketch, &edges, NAN);
    mw_sketch_add(&sketch, &edges, INFINITY);
    mw_sketch_add(&sketch, &edges, -INFINITY);
    assert_int_equal(sketch.not_finite, 3);
    assert_int_equal(mw_sketch_total(&sketch), 0);
}

/* Where a value falls among bins. */
static int bin_of(const struct mw_sketch_edges *edges, float value)
{
    struct mw_sketch sketch = {0};
    mw_sketch_add(&sketch, edges, value);
    for (int bin = 0; bin < MW_SKETCH_BINS; bin++) {
        if (sketch.count[bin] == 1) {
            return bin;
        }
    }
    return -1;
}

static void a_frequent_value_has_a_bin_of_its_own(void **state)
{
    (void)state;
    static const float constants[] = {0, -0.0F, 3, -3, 1e-40F, -1e-45F, 1e30F};
    struct mw_sketch_edges edges;
    for (size_t i = 0; i < sizeof constants / sizeof constants[0]; i++) {
        float same[5];
        for (int j = 0; j < 5; j++) {
            same[j] = constants[i];
        }
        assert_int_equal(mw_sketch_edges_from_sorted(&edges, same, 5), MW_OK);
        int bin = bin_of(&edges, constants[i]);
        assert_true(bin_of(&edges, nextafterf(constants[i], INFINITY)) > bin);
        assert_true(bin_of(&edges, nextafterf(constants[i], -INFINITY)) < bin);
    }
    float largest = 3.4028235e38F;
    assert_int_equal(mw_sketch_edges_from_sorted(&edges, &largest, 1), MW_OK);
    for (int j = 0; j < MW_SKETCH_EDGES; j++) {
        assert_true(edges.edge[j] == largest);
    }

    /* On and off, half and half, and in the middle of others. */
    static float sorted[160];
    for (int i = 0; i < 160; i++) {
        sorted[i] = i < 80 ? 0 : 1;
    }
    assert_int_equal(mw_sketch_edges_from_sorted(&edges, sorted, 160), MW_OK);
    assert_true(bin_of(&edges, 0) < bin_of(&edges, 0.5F));
    assert_true(bin_of(&edges, 0.5F) < bin_of(&edges, 1));
    assert_true(bin_of(&edges, 1) < bin_of(&edges, 1.5F));
    for (int i = 0; i < 160; i++) {
        sorted[i] = i >= 50 && i < 110 ? 50 : (float)i;
    }
    assert_int_equal(mw_sketch_edges_from_sorted(&edges, sorted, 160), MW_OK);
    assert_true(bin_of(&edges, 49) < bin_of(&edges, 50));
    assert_true(bin_of(&edges, 50) < bin_of(&edges, 51));
    for (int j = 1; j < MW_SKETCH_EDGES; j++) {
        assert_true(edges.edge[j - 1] <= edges.edge[j]);
    }
}

static void what_is_not_sorted_and_finite_is_refused(void **state)
{
    (void)state;
    struct mw_sketch_edges edges;
    float none[1] = {0};
    float unsorted[] = {1, 2, 1.5F};
    float with_nan[] = {1, NAN, 2};
    float with_infinity[] = {1, 2, INFINITY};
    assert_int_equal(mw_sketch_edges_from_sorted(&edges, none, 0), MW_ERR_ARGUMENT);
    assert_int_equal(mw_sketch_edges_from_sorted(&edges, unsorted, 3), MW_ERR_RANGE);
    assert_int_equal(mw_sketch_edges_from_sorted(&edges, with_nan, 3), MW_ERR_RANGE);
    assert_int_equal(mw_sketch_edges_from_sorted(&edges, with_infinity, 3), MW_ERR_RANGE);
}

static void merging_adds_and_saturates(void **state)
{
    (void)state;
    struct mw_sketch a = {.count = {1, 2}, .not_finite = 3};
    struct mw_sketch b = {.count = {10, UINT64_MAX - 1, 7}, .not_finite = UINT64_MAX};
    mw_sketch_merge(&a, &b);
    assert_int_equal(a.count[0], 11);
    assert_true(a.count[1] == UINT64_MAX);
    assert_int_equal(a.count[2], 7);
    assert_true(a.not_finite == UINT64_MAX);
    assert_true(mw_sketch_total(&a) == UINT64_MAX);

    struct mw_sketch_edges edges = {{0}};
    struct mw_sketch full = {.not_finite = UINT64_MAX};
    full.count[MW_SKETCH_BINS - 1] = UINT64_MAX;
    mw_sketch_add(&full, &edges, 1);
    mw_sketch_add(&full, &edges, NAN);
    assert_true(full.count[MW_SKETCH_BINS - 1] == UINT64_MAX);
    assert_true(full.not_finite == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges_hold_equal_shares),
        cmocka_unit_test(bins_are_closed_below_and_open_above),
        cmocka_unit_test(a_frequent_value_has_a_bin_of_its_own),
        cmocka_unit_test(what_is_not_sorted_and_finite_is_refused),
        cmocka_unit_test(merging_adds_and_saturates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
