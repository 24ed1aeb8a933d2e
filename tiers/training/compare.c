#include "tiers/training/compare.h"

#include <math.h>

#define COMPARISONS_MAX 1025

/* Q(a, x) by its series below a + 1, by its continued fraction (Lentz) above. */
static double upper_gamma(double a, double x)
{
    double log_front = a * log(x) - x - lgamma(a);
    if (x < a + 1) {
        double term = 1 / a, sum = term;
        for (int n = 1; n < 1000 && term > sum * 1e-16; n++) {
            term *= x / (a + n);
            sum += term;
        }
        return 1 - sum * exp(log_front);
    }
    const double tiny = 1e-300;
    double b = x + 1 - a, c = 1 / tiny, d = 1 / b, h = d;
    for (int i = 1; i < 1000; i++) {
        double an = -i * (i - a);
        b += 2;
        d = an * d + b;
        d = fabs(d) < tiny ? tiny : d;
        c = b + an / c;
        c = fabs(c) < tiny ? tiny : c;
        d = 1 / d;
        h *= d * c;
        if (fabs(d * c - 1) < 1e-15) {
            break;
        }
    }
    return exp(log_front) * h;
}

double mw_chi_square_tail(double x, double k)
{
    if (x <= 0 || k <= 0) {
        return 1;
    }
    double q = upper_gamma(k / 2, x / 2);
    return q < 0 ? 0 : q > 1 ? 1 : q;
}

/* The bin, with a fraction, below which half of the counts lie. */
static double median_bin(const struct mw_sketch *sketch, double total)
{
    double below = 0;
    for (int i = 0; i < MW_SKETCH_BINS; i++) {
        double count = (double)sketch->count[i];
        if (count > 0 && below + count >= total / 2) {
            return i + (total / 2 - below) / count;
        }
        below += count;
    }
    return MW_SKETCH_BINS;
}

struct mw_comparison mw_compare(const struct mw_sketch *reference, const struct mw_sketch *current)
{
    struct mw_comparison result = {.p = 1, .adjusted = 1};
    double n = (double)mw_sketch_total(reference), m = (double)mw_sketch_total(current);
    double statistic = 0;
    int bins = 0;
    if (n < 1 || m < 1) {
        return result;
    }
    for (int i = 0; i < MW_SKETCH_BINS; i++) {
        double a = (double)reference->count[i], b = (double)current->count[i];
        double p = (a + 0.5) / (n + 0.5 * MW_SKETCH_BINS);
        double q = (b + 0.5) / (m + 0.5 * MW_SKETCH_BINS);
        result.psi += (q - p) * log(q / p);
        if (a + b > 0) {
            double difference = a * sqrt(m / n) - b * sqrt(n / m);
            statistic += difference * difference / (a + b);
            bins++;
        }
    }
    result.p = bins < 2 ? 1 : mw_chi_square_tail(statistic, bins - 1);
    result.shift = median_bin(current, m) - median_bin(reference, n);
    return result;
}

size_t mw_compare_correct(struct mw_comparison *comparison, size_t n, double psi_limit,
                          double alpha)
{
    bool done[COMPARISONS_MAX] = {false};
    double floor = 0;
    size_t moved = 0;
    n = n < COMPARISONS_MAX ? n : COMPARISONS_MAX;
    for (size_t rank = 0; rank < n; rank++) {
        size_t least = n;
        for (size_t i = 0; i < n; i++) {
            if (!done[i] && (least == n || comparison[i].p < comparison[least].p)) {
                least = i;
            }
        }
        double adjusted = comparison[least].p * (double)(n - rank);
        floor = adjusted > floor ? adjusted : floor;
        done[least] = true;
        comparison[least].adjusted = floor < 1 ? floor : 1;
        comparison[least].moved =
            comparison[least].psi >= psi_limit && comparison[least].adjusted < alpha;
        moved += comparison[least].moved;
    }
    return moved;
}
