/* random.h - a small seeded generator: the same seed gives the same numbers everywhere.
 *
 * Source: SplitMix64, G. Steele, D. Lea, C. Flood, "Fast Splittable Pseudorandom Number
 * Generators", 2014. */
#ifndef MW_TRAINING_RANDOM_H
#define MW_TRAINING_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct mw_random {
    uint64_t state; /* any value is a good seed */
};

static inline uint64_t mw_random_next(struct mw_random *random)
{
    uint64_t z = (random->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Uniform in [0,1), 53 bits. */
static inline double mw_random_unit(struct mw_random *random)
{
    return (double)(mw_random_next(random) >> 11) * 0x1p-53;
}

/* Shuffles n indexes in place (Fisher and Yates; the bias of the modulo is below n / 2^64). */
static inline void mw_random_shuffle(struct mw_random *random, uint32_t *index, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)(mw_random_next(random) % i);
        uint32_t swap = index[i - 1];
        index[i - 1] = index[j];
        index[j] = swap;
    }
}

#endif
