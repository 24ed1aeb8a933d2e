#include "core/signal/decimate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#define N 8192

static struct mw_decimate *new_decimate(unsigned factor)
{
    size_t bytes = 0;
    struct mw_decimate *d;
    assert_int_equal(mw_decimate_size(factor, &bytes), MW_OK);
    void *memory = malloc(bytes);
    assert_int_equal(mw_decimate_init(memory, bytes - 1, factor, &d), MW_ERR_TOO_SMALL);
    assert_int_equal(mw_decimate_init(memory, bytes, factor, &d), MW_OK);
    return d; /* the memory begins with it */
}

static void fill(float *x, double cycles_per_sample)
{
    for (size_t i = 0; i < N; i++) {
        x[i] = (float)sin(2.0 * M_PI * cycles_per_sample * (double)i);
    }
}

/* Largest difference of the outputs from the sine that should come out, scaled by `gain`. */
static double largest_error(const struct mw_decimate *d, unsigned factor, const float *out,
                            size_t n, double cycles_per_sample, double gain)
{
    const size_t delay = (mw_decimate_taps(d) - 1) / 2;
    double worst = 0.0;
    for (size_t i = 0; i < n; i++) {
        const double at = (double)(i * factor + delay);
        const double error = fabs((double)out[i] - gain * sin(2.0 * M_PI * cycles_per_sample * at));
        worst = error > worst ? error : worst;
    }
    return worst;
}

static void passes_below_and_stops_above(void **state)
{
    (void)state;
    static float x[N], out[N];
    const unsigned factors[] = {2, 3, 4, 10};
    for (size_t f = 0; f < 4; f++) {
        const unsigned factor = factors[f];
        struct mw_decimate *d = new_decimate(factor);
        size_t n = 0;
        const double pass[] = {0.01, 0.2, 0.40}, stop[] = {0.5, 0.7, 0.9};
        for (size_t i = 0; i < 3; i++) {
            /* Frequencies are relative to the new rate. */
            fill(x, pass[i] / factor);
            free(d);
            d = new_decimate(factor);
            assert_int_equal(mw_decimate_run(d, x, N, out, N, &n), MW_OK);
            assert_int_equal(n, (N - mw_decimate_taps(d)) / factor + 1);
            assert_true(largest_error(d, factor, out, n, pass[i] / factor, 1.0) < 1e-3);
            fill(x, stop[i] / factor);
            free(d);
            d = new_decimate(factor);
            assert_int_equal(mw_decimate_run(d, x, N, out, N, &n), MW_OK);
            assert_true(largest_error(d, factor, out, n, stop[i] / factor, 0.0) < 3.2e-4);
        }
        free(d);
    }
}

static void a_constant_stays(void **state)
{
    (void)state;
    struct mw_decimate *d = new_decimate(4);
    float x[1024], out[256];
    size_t n = 0;
    for (size_t i = 0; i < 1024; i++) {
        x[i] = 3.0F;
    }
    assert_int_equal(mw_decimate_run(d, x, 1024, out, 256, &n), MW_OK);
    assert_true(n > 0);
    for (size_t i = 0; i < n; i++) {
        assert_true(fabsf(out[i] - 3.0F) < 1e-5F);
    }
    free(d);
}

static void cuts_do_not_matter(void **state)
{
    (void)state;
    static float x[N], whole[N], part[N];
    fill(x, 0.0123);
    struct mw_decimate *a = new_decimate(4), *b = new_decimate(4);
    size_t n = 0, total = 0;
    assert_int_equal(mw_decimate_run(a, x, N, whole, N, &n), MW_OK);
    for (size_t at = 0, step = 1; at < N; at += step, step = step * 2 + 1) {
        step = at + step > N ? N - at : step;
        size_t more = 0;
        assert_int_equal(mw_decimate_run(b, x + at, step, part + total, N - total, &more), MW_OK);
        total += more;
    }
    assert_int_equal(total, n);
    assert_memory_equal(whole, part, n * sizeof *whole);
    free(a);
    free(b);
}

static void limits(void **state)
{
    (void)state;
    size_t bytes = 0, n = 1;
    assert_int_equal(mw_decimate_size(1, &bytes), MW_ERR_ARGUMENT);
    assert_int_equal(mw_decimate_size(65, &bytes), MW_ERR_ARGUMENT);
    struct mw_decimate *d = new_decimate(2);
    float x[200] = {0}, out[100];
    assert_int_equal(mw_decimate_run(d, x, 200, out, 10, &n), MW_ERR_TOO_SMALL);
    assert_int_equal(n, 0);
    assert_int_equal(mw_decimate_run(d, x, 200, out, 100, &n),
                     MW_OK); /* nothing was taken before */
    assert_int_equal(n, (200 - 129) / 2 + 1);
    free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_below_and_stops_above),
        cmocka_unit_test(a_constant_stays),
        cmocka_unit_test(cuts_do_not_matter),
        cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
