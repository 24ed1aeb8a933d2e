#include "tiers/iot/wave.h"

#include "lib/base/csv.h"
#include "lib/base/test.h"

#include <math.h>

#define TWO_PI 6.283185307179586

static struct mw_error error;
static char folder[64], path[80];

static int set_up(void **state)
{
    (void)state;
    test_folder_make(folder);
    (void)snprintf(path, sizeof path, "%s/samples.csv", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_folder_remove(folder);
    return 0;
}

static void assert_near(double value, double expected, double distance)
{
    if (!(fabs(value - expected) <= distance)) {
        fail_msg("%.9g is not within %g of %.9g", value, distance, expected);
    }
}

/* n samples of a tone in the column "tone", and of one with three times its amplitude in "loud". */
static void write_tone(size_t n, double rate, double hz)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("tone,loud\n", file);
    for (size_t i = 0; i < n; i++) {
        double value = sin(TWO_PI * hz * (double)i / rate);
        fprintf(file, "%.9g,%.9g\n", value, 3 * value);
    }
    assert_int_equal(fclose(file), 0);
}

/* Runs and gives the CSV text, owned by the caller. */
static mw_err run(const struct mw_wave_options *options, struct mw_wave_result *result, char **text)
{
    size_t size = 0;
    *text = NULL;
    FILE *out = open_memstream(text, &size);
    assert_non_null(out);
    mw_err err = mw_wave_features(path, options, out, result, &error);
    assert_int_equal(fclose(out), 0);
    return err;
}

/* The value of a column in a row of the text. */
static double value_at(const char *text, size_t row, const char *name)
{
    struct mw_csv *csv = NULL;
    size_t column;
    double value;
    assert_int_equal(
        mw_csv_open_memory(&csv, "features", text, strlen(text), mw_csv_default, &error), MW_OK);
    assert_int_equal(mw_csv_column(csv, name, &column, &error), MW_OK);
    for (size_t i = 0; i <= row; i++) {
        assert_int_equal(mw_csv_next(csv, &error), MW_OK);
    }
    assert_int_equal(mw_csv_number(csv, column, &value, &error), MW_OK);
    mw_csv_close(csv);
    return value;
}

static void a_tone_is_found_in_each_window(void **state)
{
    (void)state;
    char *text;
    struct mw_wave_result result;
    struct mw_wave_options options = {.rate = 2000, .window = 500};
    write_tone(1700, 2000, 120);
    assert_int_equal(run(&options, &result, &text), MW_OK);
    assert_int_equal(result.samples, 1700);
    assert_int_equal(result.windows, 3);
    assert_int_equal(result.features, 2 * 17);
    for (size_t row = 0; row < 3; row++) {
        assert_near(value_at(text, row, "tone_peak_1_hz"), 120, 0.01);
        assert_near(value_at(text, row, "tone_peak_1"), 1, 0.001);
        assert_near(value_at(text, row, "loud_rms"), 3 / sqrt(2), 0.001);
        assert_near(value_at(text, row, "tone_crest"), sqrt(2), 0.01);
        assert_near(value_at(text, row, "time"), 0.25 * (double)(row + 1), 1e-6);
    }
    free(text);
}

static void windows_overlap_or_leave_gaps(void **state)
{
    (void)state;
    char *text;
    struct mw_wave_result result;
    struct mw_wave_options options = {.rate = 2000, .window = 500, .hop = 250};
    write_tone(2000, 2000, 120);
    assert_int_equal(run(&options, &result, &text), MW_OK);
    assert_int_equal(result.windows, 7); /* starts 0, 250, .. 1500 */
    assert_near(value_at(text, 6, "time"), 1.0, 1e-6);
    free(text);
    options.hop = 700;
    assert_int_equal(run(&options, &result, &text), MW_OK);
    assert_int_equal(result.windows, 3); /* starts 0, 700, 1400 */
    assert_near(value_at(text, 2, "time"), 0.95, 1e-6);
    assert_near(value_at(text, 2, "tone_peak_1_hz"), 120, 0.01);
    free(text);
}

/* A tone that would fold back onto 400 Hz is gone after decimation, one that fits is kept. */
static void decimation_filters_first(void **state)
{
    (void)state;
    char *text;
    struct mw_wave_result result;
    struct mw_wave_options options = {.rate = 8000, .window = 500, .decimate = 4};
    write_tone(6000, 8000, 1600);
    assert_int_equal(run(&options, &result, &text), MW_OK);
    assert_int_equal(result.windows, 2);
    assert_true(value_at(text, 0, "tone_rms") < 0.001);
    free(text);
    write_tone(6000, 8000, 300);
    assert_int_equal(run(&options, &result, &text), MW_OK);
    assert_near(value_at(text, 1, "tone_peak_1_hz"), 300, 0.01);
    assert_near(value_at(text, 1, "tone_rms"), 1 / sqrt(2), 0.001);
    /* 1000 outputs of 4 samples, moved by half the filter's 257 taps. */
    assert_near(value_at(text, 1, "time"), (4000 + 128) / 8000.0, 1e-6);
    free(text);
}

static void a_standstill_makes_no_record(void **state)
{
    (void)state;
    char *text;
    struct mw_wave_result result;
    struct mw_list signals = {(char *[]){"tone"}, 1};
    struct mw_wave_options options = {
        .rate = 2000, .window = 500, .signals = signals, .minimum_rms = 0.8};
    write_tone(1000, 2000, 120);
    assert_int_equal(run(&options, &result, &text), MW_OK);
    assert_int_equal(result.windows, 0);
    assert_int_equal(result.held, 2);
    assert_int_equal(result.features, 17);
    assert_int_equal(strchr(text, '\n')[1], '\0'); /* names only */
    free(text);
}

static void what_cannot_be_is_said(void **state)
{
    (void)state;
    char *text;
    struct mw_wave_result result;
    struct mw_wave_options options = {.rate = 2000, .window = 499};
    write_tone(400, 2000, 120);
    assert_int_equal(run(&options, &result, &text), MW_ERR_ARGUMENT);
    assert_non_null(strstr(error.text, "499"));
    free(text);
    options.window = 500;
    assert_int_equal(run(&options, &result, &text), MW_ERR_RANGE);
    assert_non_null(strstr(error.text, "400 samples do not fill one window of 500"));
    free(text);
    options.signals = (struct mw_list){(char *[]){"tune"}, 1};
    assert_int_equal(run(&options, &result, &text), MW_ERR_NOT_FOUND);
    assert_non_null(strstr(error.text, "tone"));
    free(text);
    FILE *file = fopen(path, "w");
    fputs("tone\n1\nnan\n", file);
    assert_int_equal(fclose(file), 0);
    options = (struct mw_wave_options){.rate = 2000, .window = 500};
    assert_int_equal(run(&options, &result, &text), MW_ERR_PARSE);
    assert_non_null(strstr(error.text, "samples.csv:3: column tone"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tone_is_found_in_each_window),
        cmocka_unit_test(windows_overlap_or_leave_gaps),
        cmocka_unit_test(decimation_filters_first),
        cmocka_unit_test(a_standstill_makes_no_record),
        cmocka_unit_test(what_cannot_be_is_said),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
