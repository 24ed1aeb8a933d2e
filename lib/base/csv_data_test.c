/* Public recordings, each with its own habits, against sums that Python's float() gave. */
#include "lib/base/csv.h"

#include "lib/base/test.h"

#include <sys/stat.h>

static const char *folder(void)
{
    const char *named = getenv("MILLWRIGHT_DATA");
    return named != NULL ? named : MW_SOURCE_DIR "/../shared/data";
}

/* Reads the file whole and sums one column; skips the test when the data is not on this machine. */
static void check(const char *name, struct mw_csv_format format, size_t columns, uint64_t rows,
                  size_t column, double expected)
{
    char path[512];
    struct stat status;
    struct mw_csv *csv;
    struct mw_error error = {0};
    snprintf(path, sizeof path, "%s/%s", folder(), name);
    if (stat(path, &status) != 0) {
        print_message("%s is not there: skipped\n", path);
        skip();
    }
    assert_int_equal(mw_csv_open(&csv, path, format, &error), MW_OK);
    assert_int_equal(mw_csv_columns(csv), columns);
    uint64_t n = 0;
    double sum = 0, value;
    mw_err err;
    while ((err = mw_csv_next(csv, &error)) == MW_OK) {
        assert_int_equal(mw_csv_row(csv), n++);
        assert_int_equal(mw_csv_number(csv, column, &value, &error), MW_OK);
        sum += value;
    }
    assert_int_equal(err, MW_ERR_AGAIN);
    assert_int_equal(n, rows);
    assert_true(sum - expected < 1e-5 && expected - sum < 1e-5);
    mw_csv_close(csv);
}

static const struct mw_csv_format bare = {.delimiter = 0, .decimal = '.', .header = false};

static void turbofan_blanks_without_a_header(void **state)
{
    (void)state;
    check("cmapss/train_FD001.txt", bare, 26, 20631, 25, 480489.9113);
}

static void one_column_with_a_blank_behind(void **state)
{
    (void)state;
    check("cmapss/RUL_FD001.txt", bare, 1, 100, 0, 7552.0);
}

static void hydraulic_rig_tabs_without_a_header(void **state)
{
    (void)state;
    check("hydraulic/TS1.txt", bare, 60, 2205, 59, 100388.037);
}

static void pump_semicolons_and_crlf(void **state)
{
    (void)state;
    check("skab/valve1/0.csv", mw_csv_default, 11, 1147, 8, 36730.0131);
}

static void mill_commas_and_blanks_in_names(void **state)
{
    (void)state;
    check("ai4i2020/ai4i2020.csv", mw_csv_default, 14, 10000, 6, 399869.1);
}

static void machine_temperature(void **state)
{
    (void)state;
    check("nab/machine_temperature_system_failure.csv", mw_csv_default, 2, 22695, 1,
          1950101.876891387);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turbofan_blanks_without_a_header),
        cmocka_unit_test(one_column_with_a_blank_behind),
        cmocka_unit_test(hydraulic_rig_tabs_without_a_header),
        cmocka_unit_test(pump_semicolons_and_crlf),
        cmocka_unit_test(mill_commas_and_blanks_in_names),
        cmocka_unit_test(machine_temperature),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
