/* gemm.h - the one hot loop of the perceptron: a small dense matrix product.
 *
 * Every element is summed in the order of k, whatever the blocking, with separate multiply and add:
 * the same bits on any CPU. */
#ifndef MW_TRAINING_GEMM_H
#define MW_TRAINING_GEMM_H

#include <stddef.h>

#define MW_GEMM_PAD 8 /* n is a multiple of this */

/* Round a width up to the padding. */
static inline size_t mw_gemm_pad(size_t n)
{
    return (n + MW_GEMM_PAD - 1) / MW_GEMM_PAD * MW_GEMM_PAD;
}

/* c[i][j] = start + sum over l of a(i,l) * b[l][j], for i < m, j < n, l < k.
 * a(i,l) is a[i * row_step + l * step]: a matrix or its transpose. b has rows of n, c rows of n,
 * both with n a multiple of MW_GEMM_PAD. `start` is a row of n added to each row of c, or NULL for
 * 0. c must not overlap the others. */
void mw_gemm(float *c, const float *a, size_t row_step, size_t step, const float *b,
             const float *start, size_t m, size_t n, size_t k);

#endif
