#include "core/signal/features.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#define RATE 2048.0F
#define N 1024

struct fixture {
    void *memory;
    struct mw_signal *signal;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    size_t bytes = 0;
    assert_int_equal(mw_signal_size(N, &bytes), MW_OK);
    f->memory = aligned_alloc(MW_SIGNAL_ALIGN, bytes);
    assert_int_equal(mw_signal_init(f->memory, bytes, N, RATE, &f->signal), MW_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    free(f->memory);
    free(f);
    return 0;
}

static void add_sine(float *x, double hz, double amplitude, double phase)
{
    for (size_t i = 0; i < N; i++) {
        x[i] += (float)(amplitude * sin(2.0 * M_PI * hz * (double)i / (double)RATE + phase));
    }
}

/* A uniform number in (0,1) from a linear congruential generator (Knuth's MMIX constants). */
static double uniform(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return ((double)(*seed >> 11) + 0.5) / 9007199254740992.0;
}

static double gaussian(uint64_t *seed)
{
    const double radius = sqrt(-2.0 * log(uniform(seed)));
    return radius * cos(2.0 * M_PI * uniform(seed));
}

static void assert_near(double actual, double expected, double tolerance)
{
    if (!(fabs(actual - expected) <= tolerance)) {
        print_error("%.9g is not within %.3g of %.9g\n", actual, tolerance, expected);
        fail();
    }
}

static void a_sine_on_an_offset(void **state)
{
    struct fixture *f = *state;
    float x[N];
    for (size_t i = 0; i < N; i++) {
        x[i] = 70.0F;
    }
    add_sine(x, 64.0, 3.0, 0.0); /* a whole number of periods */
    struct mw_signal_features out;
    assert_int_equal(mw_signal_features(f->signal, x, &out), MW_OK);
    assert_near(out.mean, 70.0, 1e-4);
    assert_near(out.rms, 3.0 / sqrt(2.0), 1e-4);
    assert_near(out.peak, 3.0, 0.01);
    assert_near(out.crest_factor, sqrt(2.0), 0.01);
    assert_near(out.kurtosis, 1.5, 1e-4);
    assert_near(out.skewness, 0.0, 1e-4);
    assert_near(out.peak_hz[0], 64.0, 1e-3);
    assert_near(out.peak_amplitude[0], 3.0, 1e-3);
    /* 64 Hz is in the lowest of 0-128-256-512-1024. */
    assert_near(out.band_rms[0], 3.0 / sqrt(2.0), 1e-3);
    assert_near(out.band_rms[1] + out.band_rms[2] + out.band_rms[3], 0.0, 1e-3);
    assert_near(mw_signal_line(f->signal, 64.0F, 0.0F), 3.0, 1e-3);
    assert_near(mw_signal_line(f->signal, 300.0F, 10.0F), 0.0, 1e-3);
    assert_near(mw_signal_line(f->signal, 1e9F, 10.0F), 0.0, 0.0);
}

/* Wherever a tone lies between two bins (2 Hz apart), its frequency and amplitude come out. */
static void tones_between_bins(void **state)
{
    struct fixture *f = *state;
    for (int step = 0; step <= 20; step++) {
        const double hz = 400.0 + 0.1 * step;
        float x[N] = {0};
        add_sine(x, hz, 0.5, 0.1 * step);
        struct mw_signal_features out;
        assert_int_equal(mw_signal_features(f->signal, x, &out), MW_OK);
        assert_near(out.peak_hz[0], hz, 0.01);
        assert_near(out.peak_amplitude[0], 0.5, 0.002);
        assert_near(out.band_rms[2], 0.5 / sqrt(2.0), 0.002);
    }
}

static void four_tones_strongest_first(void **state)
{
    struct fixture *f = *state;
    const double hz[] = {48.9, 151.3, 333.3, 801.7}, amplitude[] = {0.2, 1.0, 0.05, 0.6};
    const size_t order[] = {1, 3, 0, 2};
    float x[N] = {0};
    for (size_t i = 0; i < 4; i++) {
        add_sine(x, hz[i], amplitude[i], (double)i);
    }
    struct mw_signal_features out;
    assert_int_equal(mw_signal_features(f->signal, x, &out), MW_OK);
    for (size_t i = 0; i < 4; i++) {
        assert_near(out.peak_hz[i], hz[order[i]], 0.05);
        assert_near(out.peak_amplitude[i], amplitude[order[i]], 0.01 * amplitude[order[i]] + 1e-3);
        assert_near(out.band_rms[i], amplitude[i] / sqrt(2.0), 0.02 * amplitude[i]);
    }
}

static void gaussian_noise(void **state)
{
    struct fixture *f = *state;
    uint64_t seed = 7;
    double kurtosis = 0.0, skewness = 0.0, energy = 0.0, rms2 = 0.0, band2[MW_SIGNAL_BANDS] = {0};
    for (int window = 0; window < 100; window++) {
        float x[N];
        for (size_t i = 0; i < N; i++) {
            x[i] = (float)(2.0 * gaussian(&seed));
        }
        struct mw_signal_features out;
        assert_int_equal(mw_signal_features(f->signal, x, &out), MW_OK);
        kurtosis += (double)out.kurtosis / 100.0;
        skewness += (double)out.skewness / 100.0;
        rms2 += (double)(out.rms * out.rms) / 100.0;
        for (size_t b = 0; b < MW_SIGNAL_BANDS; b++) {
            band2[b] += (double)(out.band_rms[b] * out.band_rms[b]) / 100.0;
        }
    }
    assert_near(rms2, 4.0, 0.1);
    assert_near(kurtosis, 3.0, 0.06);
    assert_near(skewness, 0.0, 0.03);
    const double share[] = {0.125, 0.125, 0.25, 0.5}; /* of white noise, by the bands' widths */
    for (size_t b = 0; b < MW_SIGNAL_BANDS; b++) {
        assert_near(band2[b] / 4.0, share[b], 0.02);
        energy += band2[b];
    }
    assert_near(energy, rms2, 0.1);
}

/* k impulses of height h in n samples: mean p h with p = k/n, so kurtosis is 1/(p (1-p)) - 3 and
 * the crest factor (1-p)/sqrt(p (1-p)). */
static void impulses(void **state)
{
    struct fixture *f = *state;
    float x[N] = {0};
    for (size_t i = 0; i < N; i += 64) {
        x[i] = 5.0F;
    }
    struct mw_signal_features out;
    assert_int_equal(mw_signal_features(f->signal, x, &out), MW_OK);
    const double p = 1.0 / 64.0;
    assert_near(out.mean, 5.0 * p, 1e-5);
    assert_near(out.kurtosis, 1.0 / (p * (1.0 - p)) - 3.0, 0.01);
    assert_near(out.crest_factor, (1.0 - p) / sqrt(p * (1.0 - p)), 1e-3);
    assert_near(out.skewness, (1.0 - 2.0 * p) / sqrt(p * (1.0 - p)), 1e-3);
    /* A comb of lines 32 Hz apart; the first is the impulses' rate. */
    assert_near(mw_signal_line(f->signal, 32.0F, 1.0F), 2.0 * 5.0 * p, 1e-3);
}

static void a_constant_has_no_shape(void **state)
{
    struct fixture *f = *state;
    float x[N];
    for (size_t i = 0; i < N; i++) {
        x[i] = 0.1F;
    }
    struct mw_signal_features out;
    assert_int_equal(mw_signal_features(f->signal, x, &out), MW_OK);
    assert_true(out.mean == 0.1F);
    assert_true(out.rms == 0.0F && out.peak == 0.0F && out.crest_factor == 0.0F);
    assert_true(out.kurtosis == 0.0F && out.skewness == 0.0F);
    assert_true(out.peak_hz[0] == 0.0F && out.band_rms[0] == 0.0F);
    assert_true(mw_signal_line(f->signal, 50.0F, 2.0F) == 0.0F);
}

/* Features do not depend on the unit that the signal is in, however large or small. */
static void scale_and_statistics_alone(void **state)
{
    struct fixture *f = *state;
    uint64_t seed = 3;
    float x[N], y[N];
    for (size_t i = 0; i < N; i++) {
        x[i] = (float)gaussian(&seed);
    }
    struct mw_signal_features one, other;
    assert_int_equal(mw_signal_features(f->signal, x, &one), MW_OK);
    const float scales[] = {1e-30F, 1e30F};
    for (size_t s = 0; s < 2; s++) {
        for (size_t i = 0; i < N; i++) {
            y[i] = x[i] * scales[s];
        }
        assert_int_equal(mw_signal_features(f->signal, y, &other), MW_OK);
        assert_near(other.kurtosis, one.kurtosis, 1e-4);
        assert_near(other.rms / scales[s], one.rms, 1e-4);
        assert_near(other.band_rms[3] / scales[s], one.band_rms[3], 1e-4);
        assert_near(other.peak_hz[0], one.peak_hz[0], 1e-2);
    }
    assert_int_equal(mw_signal_statistics(f->signal, x, &other), MW_OK);
    assert_true(other.kurtosis == one.kurtosis && other.rms == one.rms && other.mean == one.mean);
    assert_true(other.peak_hz[0] == 0.0F && other.band_rms[3] == 0.0F);
    assert_true(mw_signal_line(f->signal, 50.0F, 500.0F) == 0.0F);
}

static void samples_that_are_not_finite(void **state)
{
    struct fixture *f = *state;
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t place = 0; place < N; place += 341) {
        for (size_t b = 0; b < 3; b++) {
            float x[N] = {0};
            x[5] = 1.0F;
            x[place] = bad[b];
            struct mw_signal_features out;
            assert_int_equal(mw_signal_features(f->signal, x, &out), MW_ERR_RANGE);
        }
    }
}

/* Every length that is allowed finds a tone at a tenth of the rate; the others are refused. */
static void lengths(void **state)
{
    (void)state;
    const size_t bad[] = {0, 8, 15, 17, 14 * 16, 22, 65538, 131072};
    size_t bytes = 0;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(mw_signal_size(bad[i], &bytes), MW_ERR_ARGUMENT);
    }
    const size_t good[] = {16, 18, 30, 250, 1000, 1536, 4096, 65536};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        const size_t n = good[i];
        assert_int_equal(mw_signal_size(n, &bytes), MW_OK);
        char *memory = aligned_alloc(MW_SIGNAL_ALIGN, bytes);
        float *x = calloc(n, sizeof *x);
        for (size_t k = 0; k < n; k++) {
            x[k] = (float)sin(0.2 * M_PI * (double)k);
        }
        struct mw_signal *signal;
        struct mw_signal_features out;
        assert_int_equal(mw_signal_init(memory, bytes - 1, n, 10.0F, &signal), MW_ERR_TOO_SMALL);
        assert_null(signal);
        assert_int_equal(mw_signal_init(memory, bytes, n, 0.0F, &signal), MW_ERR_ARGUMENT);
        assert_int_equal(mw_signal_init(memory + 4, bytes, n, 10.0F, &signal), MW_ERR_ARGUMENT);
        assert_int_equal(mw_signal_init(memory, bytes, n, 10.0F, &signal), MW_OK);
        assert_int_equal(mw_signal_features(signal, x, &out), MW_OK);
        assert_near(out.peak_hz[0], 1.0, n < 100 ? 0.15 : 0.01);
        free(x);
        free(memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_sine_on_an_offset, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tones_between_bins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(four_tones_strongest_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(gaussian_noise, set_up, tear_down),
        cmocka_unit_test_setup_teardown(impulses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_constant_has_no_shape, set_up, tear_down),
        cmocka_unit_test_setup_teardown(scale_and_statistics_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(samples_that_are_not_finite, set_up, tear_down),
        cmocka_unit_test(lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
