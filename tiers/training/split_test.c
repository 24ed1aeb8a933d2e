#include "tiers/training/split.h"

#include "lib/base/test.h"

#define ROWS 1000

static float x[ROWS];
static uint8_t label[ROWS], held_out[ROWS], again[ROWS];
static uint32_t machine[ROWS];
static int64_t when[ROWS];
static struct mw_error error;

/* `machines` machines in turn, each positive in the last fifth of its records. */
static struct mw_dataset make(size_t machines)
{
    for (size_t i = 0; i < ROWS; i++) {
        machine[i] = (uint32_t)(i % machines);
        when[i] = (int64_t)(i / machines);
        label[i] = when[i] * 5 >= (int64_t)(ROWS / machines) * 4;
    }
    error = (struct mw_error){0};
    return (struct mw_dataset){.rows = ROWS,
                               .columns = 1,
                               .x = x,
                               .label = label,
                               .machine = machine,
                               .n_machines = machines,
                               .time = when};
}

static size_t count(uint8_t which)
{
    size_t n = 0;
    for (size_t i = 0; i < ROWS; i++) {
        n += held_out[i] == which;
    }
    return n;
}

static void test_whole_machines(void **state)
{
    (void)state;
    struct mw_dataset set = make(20);
    int side[20];
    memset(side, -1, sizeof side);
    assert_int_equal(mw_split(&set, 0.25, 1, held_out, &error), MW_OK);
    for (size_t i = 0; i < ROWS; i++) {
        assert_true(side[machine[i]] == -1 || side[machine[i]] == held_out[i]);
        side[machine[i]] = held_out[i];
    }
    assert_int_equal(count(1), ROWS / 4);
    assert_int_equal(count(2), 0);
    assert_int_equal(mw_split(&set, 0.25, 1, again, &error), MW_OK);
    assert_memory_equal(held_out, again, ROWS);
    assert_int_equal(mw_split(&set, 0.25, 2, again, &error), MW_OK);
    assert_memory_not_equal(held_out, again, ROWS);
}

/* Machines that failed and machines that did not are held out in the same proportion. */
static void test_failing_machines_on_both_sides(void **state)
{
    (void)state;
    struct mw_dataset set = make(20);
    size_t failing = 0;
    for (size_t i = 0; i < ROWS; i++) {
        label[i] = label[i] && machine[i] < 4;
    }
    for (uint64_t seed = 0; seed < 20; seed++) {
        assert_int_equal(mw_split(&set, 0.25, seed, held_out, &error), MW_OK);
        failing = 0;
        for (size_t m = 0; m < 4; m++) {
            failing += held_out[m];
        }
        assert_int_equal(failing, 1);
    }
}

static void test_stretches_of_time(void **state)
{
    (void)state;
    struct mw_dataset set = make(2);
    assert_int_equal(mw_split(&set, 0.2, 3, held_out, &error), MW_OK);
    assert_true(count(1) >= ROWS / 5 && count(1) <= ROWS * 3 / 10);
    assert_true(count(2) > 0);
    /* On one machine, a validation record and a training record are never neighbours in time. */
    for (size_t i = 2; i < ROWS; i++) {
        assert_true(held_out[i] + held_out[i - 2] != 1);
    }
}

static void test_last_share(void **state)
{
    (void)state;
    struct mw_dataset set = make(1);
    set.machine = NULL;
    set.n_machines = 0;
    set.time = NULL;
    for (size_t i = 0; i < ROWS; i++) {
        label[i] = i % 7 == 0;
    }
    assert_int_equal(mw_split(&set, 0.3, 1, held_out, &error), MW_OK);
    for (size_t i = 0; i < ROWS; i++) {
        assert_int_equal(held_out[i], i >= 700);
    }
}

static void test_column_decides(void **state)
{
    (void)state;
    struct mw_dataset set = make(20);
    uint8_t column[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        column[i] = i % 2;
    }
    set.held_out = column;
    assert_int_equal(mw_split(&set, 0.2, 1, held_out, &error), MW_OK);
    assert_memory_equal(held_out, column, ROWS);
}

static void test_refusals(void **state)
{
    (void)state;
    struct mw_dataset set = make(20);
    assert_int_equal(mw_split(&set, 0.0, 1, held_out, &error), MW_ERR_RANGE);
    assert_int_equal(mw_split(&set, 0.95, 1, held_out, &error), MW_ERR_RANGE);
    for (size_t i = 0; i < ROWS; i++) {
        label[i] = machine[i] == 3; /* the only failing machine cannot be on both sides */
    }
    assert_int_equal(mw_split(&set, 0.2, 1, held_out, &error), MW_ERR_RANGE);
    assert_non_null(strstr(error.text, "validation records are all negative"));
    memset(label, 1, ROWS);
    assert_int_equal(mw_split(&set, 0.2, 1, held_out, &error), MW_ERR_RANGE);
    assert_non_null(strstr(error.text, "all positive"));
    set.label = NULL; /* without labels there is nothing to miss */
    assert_int_equal(mw_split(&set, 0.2, 1, held_out, &error), MW_OK);
    set.rows = 1;
    assert_int_equal(mw_split(&set, 0.2, 1, held_out, &error), MW_ERR_RANGE);
    assert_non_null(strstr(error.text, "too few records"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_machines),
        cmocka_unit_test(test_failing_machines_on_both_sides),
        cmocka_unit_test(test_stretches_of_time),
        cmocka_unit_test(test_last_share),
        cmocka_unit_test(test_column_decides),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
