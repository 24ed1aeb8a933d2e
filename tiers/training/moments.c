#include "tiers/training/moments.h"

#include <math.h>

void mw_moments_add(struct mw_moments *moments, const float *values, size_t n, double weight)
{
    moments->count++;
    moments->weight += weight;
    for (size_t i = 0; i < n; i++) {
        double delta = (double)values[i] - moments->mean[i];
        moments->mean[i] += delta * weight / moments->weight;
        moments->squares[i] += weight * delta * ((double)values[i] - moments->mean[i]);
    }
}

void mw_moments_read(const struct mw_moments *moments, size_t n, float *mean, float *std)
{
    for (size_t i = 0; i < n; i++) {
        double variance = moments->weight > 0 ? moments->squares[i] / moments->weight : 0;
        mean[i] = (float)moments->mean[i];
        std[i] = (float)sqrt(variance);
    }
}
