#include "tiers/iot/motor_random.h"

#include <math.h>

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return (x << bits) | (x >> (64 - bits));
}

void mw_motor_random_init(struct mw_motor_random *random, uint64_t seed, uint64_t stream)
{
    uint64_t mixed = splitmix(&seed) ^ (stream * 0xda942042e4dd58b5U);
    for (size_t i = 0; i < 4; i++) {
        random->state[i] = splitmix(&mixed);
    }
}

uint64_t mw_motor_random_next(struct mw_motor_random *random)
{
    uint64_t *s = random->state;
    const uint64_t result = rotate(s[0] + s[3], 23) + s[0];
    const uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

double mw_motor_random_uniform(struct mw_motor_random *random)
{
    return ((double)(mw_motor_random_next(random) >> 12) + 0.5) * 0x1p-52;
}

double mw_motor_random_range(struct mw_motor_random *random, double low, double high)
{
    return low + (high - low) * mw_motor_random_uniform(random);
}

/* Box and Muller (1958). */
double mw_motor_random_gaussian(struct mw_motor_random *random)
{
    const double radius = sqrt(-2.0 * log(mw_motor_random_uniform(random)));
    return radius * cos(2.0 * M_PI * mw_motor_random_uniform(random));
}

double mw_motor_random_exponential(struct mw_motor_random *random, double mean)
{
    return -mean * log(mw_motor_random_uniform(random));
}

/* The table holds the normal quantiles of (i + 1/2) / size, found by Newton's method, and is then
 * scaled to a variance of exactly 1/2, which the cut-off tails would miss. */
void mw_motor_noise_init(struct mw_motor_noise *noise)
{
    const size_t half = MW_MOTOR_NOISE_SIZE / 2;
    double quantile[MW_MOTOR_NOISE_SIZE / 2];
    double z = 0.0, squares = 0.0;
    for (size_t i = 0; i < half; i++) {
        const double p = (double)(half + i) / MW_MOTOR_NOISE_SIZE + 0.5 / MW_MOTOR_NOISE_SIZE;
        for (int step = 0; step < 20; step++) {
            const double density = exp(-0.5 * z * z) / sqrt(2.0 * M_PI);
            z += (p - 0.5 * erfc(-z / sqrt(2.0))) / density;
        }
        quantile[i] = z;
        squares += z * z;
    }
    const double scale = sqrt(0.5 * (double)half / squares);
    for (size_t i = 0; i < half; i++) {
        noise->table[half + i] = (float)(quantile[i] * scale);
        noise->table[half - 1 - i] = (float)(-quantile[i] * scale);
    }
}

void mw_motor_noise_fill(const struct mw_motor_noise *noise, struct mw_motor_random *random,
                         float *samples, size_t n)
{
    const float *table = noise->table;
    const uint64_t mask = MW_MOTOR_NOISE_SIZE - 1;
    size_t i = 0;
    for (; i + 3 <= n; i += 3) {
        const uint64_t bits = mw_motor_random_next(random);
        samples[i] = table[bits & mask] + table[(bits >> 10) & mask];
        samples[i + 1] = table[(bits >> 20) & mask] + table[(bits >> 30) & mask];
        samples[i + 2] = table[(bits >> 40) & mask] + table[(bits >> 50) & mask];
    }
    for (; i < n; i++) {
        const uint64_t bits = mw_motor_random_next(random);
        samples[i] = table[bits & mask] + table[(bits >> 10) & mask];
    }
}
