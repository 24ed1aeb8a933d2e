/* motor_random.h - the simulation's own random numbers: the same for a seed on every run.
 *
 * xoshiro256++ (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021),
 * seeded through splitmix64 (Steele, Lea and Flood, 2014). Not for secrets. */
#ifndef MW_IOT_MOTOR_RANDOM_H
#define MW_IOT_MOTOR_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct mw_motor_random {
    uint64_t state[4];
};

/* Different streams of one seed are independent. */
void mw_motor_random_init(struct mw_motor_random *random, uint64_t seed, uint64_t stream);
uint64_t mw_motor_random_next(struct mw_motor_random *random);

double mw_motor_random_uniform(struct mw_motor_random *random); /* in (0,1) */
double mw_motor_random_range(struct mw_motor_random *random, double low, double high);
double mw_motor_random_gaussian(struct mw_motor_random *random); /* mean 0, deviation 1 */
double mw_motor_random_exponential(struct mw_motor_random *random, double mean);

/* Fast Gaussian noise for waveforms: the sum of two entries of a table of normal quantiles. Excess
 * kurtosis is within 0.03 of 0, the largest value about 4.6 deviations. */
#define MW_MOTOR_NOISE_SIZE 1024
struct mw_motor_noise {
    float table[MW_MOTOR_NOISE_SIZE]; /* scaled by 1/sqrt(2) */
};

void mw_motor_noise_init(struct mw_motor_noise *noise);

/* Fills n samples with deviation 1. */
void mw_motor_noise_fill(const struct mw_motor_noise *noise, struct mw_motor_random *random,
                         float *samples, size_t n);

#endif
