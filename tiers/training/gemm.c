#include "tiers/training/gemm.h"

#include <string.h>

/* Four floats side by side, which gcc and clang turn into whatever vector registers the target has.
 */
typedef float vec4 __attribute__((vector_size(16)));

static inline vec4 load(const float *p)
{
    vec4 v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void store(float *p, vec4 v)
{
    memcpy(p, &v, sizeof v);
}

static inline vec4 spread(float x)
{
    return (vec4){x, x, x, x};
}

/* Four rows by eight columns: their eight sums stay in registers. */
static void tile4(float *c, const float *a, size_t row_step, size_t step, const float *b,
                  const float *start, size_t n, size_t k)
{
    vec4 s0 = spread(0.0f), s1 = s0;
    if (start != NULL) {
        s0 = load(start);
        s1 = load(start + 4);
    }
    vec4 c00 = s0, c01 = s1, c10 = s0, c11 = s1, c20 = s0, c21 = s1, c30 = s0, c31 = s1;
    for (size_t l = 0; l < k; l++) {
        vec4 b0 = load(b + l * n), b1 = load(b + l * n + 4);
        const float *p = a + l * step;
        vec4 x = spread(p[0]);
        c00 += x * b0;
        c01 += x * b1;
        x = spread(p[row_step]);
        c10 += x * b0;
        c11 += x * b1;
        x = spread(p[2 * row_step]);
        c20 += x * b0;
        c21 += x * b1;
        x = spread(p[3 * row_step]);
        c30 += x * b0;
        c31 += x * b1;
    }
    store(c, c00);
    store(c + 4, c01);
    store(c + n, c10);
    store(c + n + 4, c11);
    store(c + 2 * n, c20);
    store(c + 2 * n + 4, c21);
    store(c + 3 * n, c30);
    store(c + 3 * n + 4, c31);
}

static void tile1(float *c, const float *a, size_t step, const float *b, const float *start,
                  size_t n, size_t k)
{
    vec4 c0 = spread(0.0f), c1 = c0;
    if (start != NULL) {
        c0 = load(start);
        c1 = load(start + 4);
    }
    for (size_t l = 0; l < k; l++) {
        vec4 x = spread(a[l * step]);
        c0 += x * load(b + l * n);
        c1 += x * load(b + l * n + 4);
    }
    store(c, c0);
    store(c + 4, c1);
}

void mw_gemm(float *c, const float *a, size_t row_step, size_t step, const float *b,
             const float *start, size_t m, size_t n, size_t k)
{
    for (size_t j = 0; j < n; j += MW_GEMM_PAD) {
        const float *from = start != NULL ? start + j : NULL;
        size_t i = 0;
        for (; i + 4 <= m; i += 4) {
            tile4(c + i * n + j, a + i * row_step, row_step, step, b + j, from, n, k);
        }
        for (; i < m; i++) {
            tile1(c + i * n + j, a + i * row_step, step, b + j, from, n, k);
        }
    }
}
