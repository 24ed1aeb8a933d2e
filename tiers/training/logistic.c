#include "tiers/training/logistic.h"

#include "tiers/training/elementary.h"
#include "tiers/training/gemm.h"
#include "tiers/training/logistic_loss.h"

#include <lbfgs.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define TOLERANCE 1e-6
#define SAMPLE 4096     /* rows that the Hessian at the start is taken from */
#define WHITEN_MOST 192 /* variables; more cost more than they save */

/* What the solver's callback needs. Variables u belong to weights w by w = L^-T u, where L L^T is
 * the Hessian at the start; without whitening L is the unit matrix and factor NULL. */
struct problem {
    struct mw_logistic_data data;
    size_t n; /* variables: columns + 1 */
    double l2;
    double *factor;       /* n * n, lower triangle of L, row by row */
    double *w, *gradient; /* n each */
    int evaluations, iterations;
    double slope; /* length of the gradient against that of u, at the last iteration */
};

mw_err mw_logistic_loss(const float *z, const uint8_t *label, const double *weight, size_t rows,
                        size_t columns, double l2, const double *w, double *loss, double *gradient)
{
    struct mw_logistic_data data;
    double *slope = calloc(columns + 1, sizeof *slope);
    mw_err err = slope == NULL ? MW_ERR_MEMORY
                               : mw_logistic_data_init(&data, z, label, weight, rows, columns);
    if (err == MW_OK) {
        double scale = l2 / data.total;
        *loss = mw_logistic_data_loss(&data, w, slope);
        for (size_t j = 0; j < columns; j++) {
            *loss += 0.5 * scale * w[j] * w[j];
            slope[j] += scale * w[j];
        }
        if (gradient != NULL) {
            memcpy(gradient, slope, (columns + 1) * sizeof *gradient);
        }
        mw_logistic_data_fini(&data);
    }
    free(slope);
    return err;
}

/* In place: a symmetric positive definite matrix (lower triangle) becomes its Cholesky factor.
 * False when it is not positive definite. */
static bool cholesky(double *a, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        for (size_t i = j; i < n; i++) {
            double sum = a[i * n + j];
            for (size_t k = 0; k < j; k++) {
                sum -= a[i * n + k] * a[j * n + k];
            }
            if (i == j) {
                if (!(sum > 0.0)) {
                    return false;
                }
                a[j * n + j] = sqrt(sum);
            } else {
                a[i * n + j] = sum / a[j * n + j];
            }
        }
    }
    return true;
}

/* x = L^-1 x */
static void solve_lower(const double *factor, size_t n, double *x)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++) {
            x[i] -= factor[i * n + k] * x[k];
        }
        x[i] /= factor[i * n + i];
    }
}

/* x = L^-T x */
static void solve_upper(const double *factor, size_t n, double *x)
{
    for (size_t i = n; i-- > 0;) {
        x[i] /= factor[i * n + i];
        for (size_t k = 0; k < i; k++) {
            x[k] -= factor[i * n + k] * x[i];
        }
    }
}

/* sum over a sample of rows of weight * z z^T, with a column of ones behind z. */
static float *sample_products(const float *z, const double *weight, size_t rows, size_t columns,
                              size_t *padded)
{
    size_t n = columns + 1, width = mw_gemm_pad(n);
    size_t stride = rows > SAMPLE ? rows / SAMPLE : 1, taken = rows / stride;
    float *sample = calloc(taken * width, sizeof *sample);
    float *product = calloc(width * width, sizeof *product);
    if (sample != NULL && product != NULL) {
        double mean = 0.0;
        for (size_t i = 0; i < taken; i++) {
            mean += weight != NULL ? weight[i * stride] : 1.0;
        }
        for (size_t i = 0; i < taken; i++) {
            double share = (weight != NULL ? weight[i * stride] : 1.0) / mean;
            float root = (float)sqrt(share);
            for (size_t j = 0; j < columns; j++) {
                sample[i * width + j] = root * z[i * stride * columns + j];
            }
            sample[i * width + columns] = root;
        }
        mw_gemm(product, sample, 1, width, sample, NULL, n, width, taken);
    }
    free(sample);
    *padded = width;
    return product;
}

/* The Hessian where all weights are 0 and the bias is the log odds: p (1 - p) sum weight z z^T +
 * l2. */
static mw_err whiten(struct problem *problem, const float *z, const double *weight, double rate)
{
    size_t n = problem->n, width;
    float *product = sample_products(z, weight, problem->data.rows, n - 1, &width);
    double *factor = calloc(n * n, sizeof *factor);
    if (product == NULL || factor == NULL) {
        free(product);
        free(factor);
        return MW_ERR_MEMORY;
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= i; j++) {
            factor[i * n + j] = rate * (1.0 - rate) * (double)product[i * width + j];
        }
        /* A little more on the diagonal: columns may be constant or repeat one another. */
        factor[i * n + i] += (i + 1 < n ? problem->l2 : 0.0) + 1e-4 * rate * (1.0 - rate);
    }
    free(product);
    if (cholesky(factor, n)) {
        problem->factor = factor;
    } else {
        free(factor);
    }
    return MW_OK;
}

static lbfgsfloatval_t evaluate(void *context, const lbfgsfloatval_t *x, lbfgsfloatval_t *g,
                                const int count, const lbfgsfloatval_t step)
{
    struct problem *problem = context;
    size_t n = problem->n;
    (void)step;
    memcpy(problem->w, x, n * sizeof *x);
    if (problem->factor != NULL) {
        solve_upper(problem->factor, n, problem->w);
    }
    double loss = mw_logistic_data_loss(&problem->data, problem->w, problem->gradient);
    for (size_t j = 0; j + 1 < n; j++) {
        loss += 0.5 * problem->l2 * problem->w[j] * problem->w[j];
        problem->gradient[j] += problem->l2 * problem->w[j];
    }
    if (problem->factor != NULL) {
        solve_lower(problem->factor, n, problem->gradient);
    }
    memset(g, 0, (size_t)count * sizeof *g); /* the solver may have rounded the count up */
    memcpy(g, problem->gradient, n * sizeof *g);
    problem->evaluations++;
    return loss;
}

static int note_progress(void *context, const lbfgsfloatval_t *x, const lbfgsfloatval_t *g,
                         const lbfgsfloatval_t loss, const lbfgsfloatval_t x_length,
                         const lbfgsfloatval_t g_length, const lbfgsfloatval_t step, int n, int k,
                         int tries)
{
    struct problem *problem = context;
    (void)x, (void)g, (void)loss, (void)step, (void)n, (void)tries;
    problem->iterations = k;
    problem->slope = g_length / (x_length > 1.0 ? x_length : 1.0);
    return 0;
}

/* The start: weights 0 and the bias that gives every record the base rate. u = L^T w. */
static void start_at_base_rate(const struct problem *problem, double rate, lbfgsfloatval_t *x)
{
    size_t n = problem->n;
    double bias = mw_math_logit(rate);
    memset(x, 0, n * sizeof *x);
    x[n - 1] = bias;
    for (size_t i = 0; problem->factor != NULL && i < n; i++) {
        x[i] = problem->factor[(n - 1) * n + i] * bias;
    }
}

static mw_err solve(struct problem *problem, double rate, struct mw_logistic_options options,
                    double *w, struct mw_logistic_report *report, struct mw_error *error)
{
    size_t n = problem->n;
    lbfgs_parameter_t parameter;
    lbfgs_parameter_init(&parameter);
    parameter.m = 10;
    parameter.epsilon = options.tolerance > 0.0 ? options.tolerance : TOLERANCE;
    parameter.max_iterations = options.iterations > 0 ? options.iterations : 500;
    lbfgsfloatval_t *x = lbfgs_malloc((int)n), loss = 0.0;
    if (x == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "logistic regression: out of memory");
    }
    start_at_base_rate(problem, rate, x);
    problem->slope = 1.0;
    int status = lbfgs((int)n, x, &loss, evaluate, note_progress, problem, &parameter);
    memcpy(w, x, n * sizeof *w);
    lbfgs_free(x);
    if (problem->factor != NULL) {
        solve_upper(problem->factor, n, w);
    }
    if (report != NULL) {
        *report = (struct mw_logistic_report){loss, problem->iterations, problem->evaluations};
    }
    /* A line search that ends in rounding is at the minimum; one that ends elsewhere is not. */
    if (status < 0 && status != LBFGSERR_MAXIMUMITERATION && problem->slope > 1e-3) {
        return mw_error_set(error, MW_ERR_RANGE,
                            "logistic regression: no minimum found (L-BFGS status %d)", status);
    }
    return MW_OK;
}

mw_err mw_logistic_fit(const float *z, const uint8_t *label, const double *weight, size_t rows,
                       size_t columns, struct mw_logistic_options options, double *w,
                       struct mw_logistic_report *report, struct mw_error *error)
{
    struct problem problem = {.n = columns + 1};
    problem.w = calloc(columns + 1, sizeof *problem.w);
    problem.gradient = calloc(columns + 1, sizeof *problem.gradient);
    mw_err err = MW_ERR_MEMORY;
    double rate = 0.0;
    if (problem.w != NULL && problem.gradient != NULL) {
        err = mw_logistic_data_init(&problem.data, z, label, weight, rows, columns);
    }
    if (err == MW_OK) {
        for (size_t i = 0; i < rows; i++) {
            rate += label[i] ? problem.data.weight[i] : 0.0;
        }
        rate = rate < 1e-6 ? 1e-6 : rate > 1.0 - 1e-6 ? 1.0 - 1e-6 : rate;
        problem.l2 = options.l2 / problem.data.total;
        if (columns < WHITEN_MOST) {
            err = whiten(&problem, z, weight, rate);
        }
    }
    err = err == MW_OK ? solve(&problem, rate, options, w, report, error)
                       : mw_error_set(error, err, "logistic regression of %zu records", rows);
    mw_logistic_data_fini(&problem.data);
    free(problem.factor);
    free(problem.w);
    free(problem.gradient);
    return err;
}
