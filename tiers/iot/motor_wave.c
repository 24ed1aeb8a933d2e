/* The fast side: half a second of a signal.
 *
 * Tones come from rotating phasors (a complex multiplication a sample), so that no sine is computed
 * a sample. Rough noise and impacts go through a two-pole resonance, the housing.
 */
#include "tiers/iot/motor.h"
#include "tiers/iot/motor_internal.h"

#include <math.h>
#include <string.h>

#define TONES 4
#define STRIDE 4
#define SETTLE \
    64 /* samples that a resonance runs before the window, to forget that it was at rest */

/* Outer race of a 6206 bearing: ball-pass frequency as a multiple of the shaft's. */
#define BALL_PASS 3.57
#define FAN_BLADES 9.0
#define HOUSING_SOUND 480.0 /* Hz, where the housing radiates */

struct tones {
    float re[TONES][STRIDE], im[TONES][STRIDE]; /* of STRIDE samples that follow one another */
    float cosine[TONES], sine[TONES];           /* of STRIDE samples' turn */
    unsigned count;
};

struct resonance {
    double hz, quality;
    double roughness; /* deviation of the output that the noise alone gives */
    double impact;    /* height of the ring after an ordinary impact; 0: none */
    double impact_hz;
};

static void add_tone(struct tones *t, struct mw_motor_random *random, double hz, double amplitude)
{
    const double phase = 2.0 * M_PI * mw_motor_random_uniform(random);
    const double step = 2.0 * M_PI * hz / MW_MOTOR_RATE;
    const unsigned i = t->count++;
    for (int j = 0; j < STRIDE; j++) {
        t->re[i][j] = (float)(amplitude * cos(phase + step * j));
        t->im[i][j] = (float)(amplitude * sin(phase + step * j));
    }
    t->cosine[i] = (float)cos(STRIDE * step);
    t->sine[i] = (float)sin(STRIDE * step);
}

/* Each tone turns STRIDE neighbouring samples at a time: independent lanes for vector registers. */
static void sum_tones(const struct tones *tones, float *x, size_t n)
{
    struct tones t = *tones;
    for (size_t i = 0; i < n; i += STRIDE) {
        float sum[STRIDE] = {0};
        for (size_t k = 0; k < TONES; k++) {
            for (size_t j = 0; j < STRIDE; j++) {
                const float re = t.re[k][j], im = t.im[k][j];
                sum[j] += re;
                t.re[k][j] = re * t.cosine[k] - im * t.sine[k];
                t.im[k][j] = re * t.sine[k] + im * t.cosine[k];
            }
        }
        for (size_t j = 0; j < STRIDE && i + j < n; j++) {
            x[i + j] += sum[j];
        }
    }
}

/* Adds what a resonance makes of noise and impacts. drive[SETTLE + n] holds noise of deviation 1
 * and is used up. */
static void add_resonance(const struct resonance *r, struct mw_motor_random *random, float *drive,
                          float *x, size_t n)
{
    const double radius = exp(-M_PI * r->hz / r->quality / MW_MOTOR_RATE);
    const double a1 = 2.0 * radius * cos(2.0 * M_PI * r->hz / MW_MOTOR_RATE);
    const double a2 = radius * radius;
    /* Variance of an AR(2) process that is driven by white noise of variance 1. */
    const double variance = (1.0 + a2) / ((1.0 - a2) * ((1.0 + a2) * (1.0 + a2) - a1 * a1));
    const float gain = (float)(r->roughness / sqrt(variance));
    for (size_t i = 0; i < SETTLE + n; i++) {
        drive[i] *= gain;
    }
    if (r->impact > 0.0) {
        const double period = MW_MOTOR_RATE / r->impact_hz;
        /* Balls slip a little, and no two strike alike. */
        double at = period * mw_motor_random_uniform(random);
        while (at < (double)(SETTLE + n)) {
            drive[(size_t)at] += (float)(r->impact * mw_motor_random_range(random, 0.5, 1.5));
            at += period * mw_motor_random_range(random, 0.97, 1.03);
        }
    }
    const float b1 = (float)a1, b2 = (float)a2;
    float y1 = 0.0F, y2 = 0.0F;
    for (size_t i = 0; i < SETTLE; i++) {
        const float y = b1 * y1 - b2 * y2 + drive[i];
        y2 = y1;
        y1 = y;
    }
    for (size_t i = 0; i < n; i++) {
        const float y = b1 * y1 - b2 * y2 + drive[SETTLE + i];
        y2 = y1;
        y1 = y;
        x[i] += y;
    }
}

/* A window in thirty has a knock from outside: a fork-lift, a dropped tool. */
static void add_knocks(struct mw_motor_random *random, float *drive, size_t n, double height)
{
    if (mw_motor_random_uniform(random) > 1.0 / 30.0) {
        return;
    }
    for (int i = 0; i < 3; i++) {
        const double place = mw_motor_random_uniform(random) * (double)n;
        drive[(size_t)place] += (float)(height * mw_motor_random_range(random, 0.3, 1.0));
    }
}

static double spread(struct mw_motor_random *random, double share)
{
    return exp(share * mw_motor_random_gaussian(random));
}

static double shaft_hz(const struct mw_motor *m)
{
    return MW_MOTOR_MAINS / MW_MOTOR_POLE_PAIRS * (1.0 - m->slip);
}

static void current_wave(struct mw_motor *m, float *x, const float *noise, size_t n)
{
    const double phase = mw_motor_effect(m, MW_MOTOR_PHASE);
    const double mains = MW_MOTOR_MAINS + 0.02 * mw_motor_random_gaussian(&m->fast);
    const double peak = m->current * sqrt(2.0) * (1.0 + 0.01 * mw_motor_random_gaussian(&m->fast));
    struct tones tones = {0};
    add_tone(&tones, &m->fast, mains, peak);
    add_tone(&tones, &m->fast, 3.0 * mains,
             peak * (0.012 * spread(&m->fast, 0.35) + 0.045 * phase));
    add_tone(&tones, &m->fast, 5.0 * mains, peak * 0.03 * spread(&m->fast, 0.2));
    add_tone(&tones, &m->fast, 7.0 * mains, peak * 0.02 * spread(&m->fast, 0.2));
    for (size_t i = 0; i < n; i++) {
        x[i] = 0.15F * noise[i];
    }
    if (m->status == MW_MOTOR_RUNNING) {
        sum_tones(&tones, x, n);
    }
}

static void vibration_wave(struct mw_motor *m, float *x, float *noise, size_t n)
{
    const double shaft = shaft_hz(m), bearing = mw_motor_effect(m, MW_MOTOR_BEARING);
    const double balance = m->plate.imbalance * spread(&m->fast, 0.15) * (0.6 + 0.6 * m->load);
    const double floor = m->plate.bearing_noise * m->world.bearing * (0.55 + 0.65 * m->load) *
                         spread(&m->fast, 0.12);
    struct tones tones = {0};
    add_tone(&tones, &m->fast, shaft, balance + 2.2 * mw_motor_effect(m, MW_MOTOR_IMBALANCE));
    add_tone(&tones, &m->fast, 2.0 * shaft, 0.35 * spread(&m->fast, 0.3));
    add_tone(&tones, &m->fast, 2.0 * MW_MOTOR_MAINS,
             0.3 * spread(&m->fast, 0.3) + 1.2 * mw_motor_effect(m, MW_MOTOR_PHASE));
    add_tone(&tones, &m->fast, 6.0 * shaft, 0.5 * m->load * spread(&m->fast, 0.25));
    const struct resonance housing = {
        .hz = m->plate.resonance,
        .quality = 8.0,
        .roughness = floor * (1.0 + 0.5 * bearing * bearing),
        .impact = m->plate.bearing_noise * 3.6 * bearing * (0.5 + 0.7 * m->load),
        .impact_hz = BALL_PASS * shaft,
    };
    for (size_t i = 0; i < n; i++) {
        x[i] = 0.1F * noise[SETTLE + n - 1 - i];
    }
    if (m->status == MW_MOTOR_RUNNING) {
        add_knocks(&m->fast, noise, SETTLE + n, 12.0);
        add_resonance(&housing, &m->fast, noise, x, n);
        sum_tones(&tones, x, n);
    }
}

static void sound_wave(struct mw_motor *m, float *x, float *noise, size_t n)
{
    const double shaft = shaft_hz(m), bearing = mw_motor_effect(m, MW_MOTOR_BEARING);
    const double day = 1.0 + 0.2 * cos(2.0 * M_PI * (m->time / 3600.0 - 13.0) / 24.0);
    const float hall = (float)(m->plate.sound * day * spread(&m->fast, 0.2));
    const double cooling = 1.0 - 0.5 * mw_motor_effect(m, MW_MOTOR_COOLING);
    struct tones tones = {0};
    add_tone(&tones, &m->fast, FAN_BLADES * shaft,
             0.05 * (cooling > 0.2 ? cooling : 0.2) * spread(&m->fast, 0.25));
    add_tone(&tones, &m->fast, 2.0 * MW_MOTOR_MAINS,
             (0.03 + 0.05 * mw_motor_effect(m, MW_MOTOR_PHASE)) * spread(&m->fast, 0.25));
    add_tone(&tones, &m->fast, 6.0 * shaft, 0.04 * m->load * spread(&m->fast, 0.25));
    const struct resonance housing = {
        .hz = HOUSING_SOUND,
        .quality = 6.0,
        .roughness = 0.03 * m->world.bearing * (0.55 + 0.65 * m->load) * spread(&m->fast, 0.15),
        .impact = 0.12 * bearing,
        .impact_hz = BALL_PASS * shaft,
    };
    /* The hall's noise falls off with frequency: a one-pole low-pass of deviation 1. */
    float low = 0.0F;
    for (size_t i = 0; i < SETTLE; i++) {
        low = 0.7F * low + 0.714F * noise[SETTLE + n - 1 - i];
    }
    for (size_t i = 0; i < n; i++) {
        low = 0.7F * low + 0.714F * noise[n - 1 - i];
        x[i] = hall * low;
    }
    if (m->status == MW_MOTOR_RUNNING) {
        add_knocks(&m->fast, noise, SETTLE + n, 12.0);
        add_resonance(&housing, &m->fast, noise, x, n);
        sum_tones(&tones, x, n);
    }
}

void mw_motor_waveform(struct mw_motor *motor, const struct mw_motor_noise *noise,
                       enum mw_motor_signal signal, float *samples, size_t n)
{
    float drive[SETTLE + MW_MOTOR_WINDOW];
    n = n < MW_MOTOR_WINDOW ? n : MW_MOTOR_WINDOW;
    mw_motor_noise_fill(noise, &motor->fast, drive, SETTLE + n);
    switch (signal) {
    case MW_MOTOR_CURRENT:
        current_wave(motor, samples, drive, n);
        break;
    case MW_MOTOR_TEMPERATURE:
        for (size_t i = 0; i < n; i++) {
            samples[i] = (float)motor->winding + 0.3F * drive[i];
        }
        break;
    case MW_MOTOR_VIBRATION:
        vibration_wave(motor, samples, drive, n);
        break;
    case MW_MOTOR_SOUND:
        sound_wave(motor, samples, drive, n);
        break;
    case MW_MOTOR_SIGNALS:
        return;
    }
    const float gain = (float)motor->world.gain[signal],
                offset = (float)motor->world.offset[signal];
    if (gain != 1.0F || offset != 0.0F) {
        for (size_t i = 0; i < n; i++) {
            samples[i] = gain * samples[i] + offset;
        }
    }
}
