#include "tiers/training/gemm.h"

#include "lib/base/test.h"
#include "tiers/training/random.h"

#include <stdbool.h>

#define M 7
#define N 16
#define K 11

static float a[M * K], a_turned[K * M], b[K * N], c[M * N], start[N];

static int fill(void **state)
{
    (void)state;
    struct mw_random random = {1};
    for (size_t i = 0; i < M; i++) {
        for (size_t l = 0; l < K; l++) {
            a[i * K + l] = a_turned[l * M + i] = (float)mw_random_unit(&random) - 0.5f;
        }
    }
    for (size_t i = 0; i < K * N; i++) {
        b[i] = (float)mw_random_unit(&random) - 0.5f;
    }
    for (size_t i = 0; i < N; i++) {
        start[i] = (float)mw_random_unit(&random);
    }
    return 0;
}

/* The sum in the order of l that the header promises: equal to the bit. */
static void assert_product(bool with_start)
{
    for (size_t i = 0; i < M; i++) {
        for (size_t j = 0; j < N; j++) {
            float sum = with_start ? start[j] : 0.0f;
            for (size_t l = 0; l < K; l++) {
                float product = a[i * K + l] * b[l * N + j];
                sum += product;
            }
            assert_memory_equal(&sum, &c[i * N + j], sizeof sum);
        }
    }
}

static void test_product(void **state)
{
    (void)state;
    mw_gemm(c, a, K, 1, b, NULL, M, N, K);
    assert_product(false);
    mw_gemm(c, a, K, 1, b, start, M, N, K);
    assert_product(true);
}

static void test_transposed(void **state)
{
    (void)state;
    mw_gemm(c, a_turned, 1, M, b, start, M, N, K);
    assert_product(true);
}

static void test_padding(void **state)
{
    (void)state;
    assert_int_equal(mw_gemm_pad(1), 8);
    assert_int_equal(mw_gemm_pad(8), 8);
    assert_int_equal(mw_gemm_pad(9), 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_product),
        cmocka_unit_test(test_transposed),
        cmocka_unit_test(test_padding),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
