#include "tiers/iot/motor_features.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#define HOUR 3600.0
#define WINDOWS 40

static struct mw_motor_noise noise;
static struct mw_signal *plan;

static int set_up(void **state)
{
    (void)state;
    size_t bytes = 0;
    assert_int_equal(mw_signal_size(MW_MOTOR_WINDOW, &bytes), MW_OK);
    void *memory = aligned_alloc(MW_SIGNAL_ALIGN, bytes); /* begins with the plan */
    assert_int_equal(mw_signal_init(memory, bytes, MW_MOTOR_WINDOW, (float)MW_MOTOR_RATE, &plan),
                     MW_OK);
    mw_motor_noise_init(&noise);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(plan);
    return 0;
}

/* Features averaged over many windows of one moment. */
static void average(struct mw_motor *motor, double out[MW_MOTOR_FEATURES])
{
    struct mw_gate gate = {.minimum = 2.0F};
    memset(out, 0, MW_MOTOR_FEATURES * sizeof *out);
    for (int i = 0; i < WINDOWS; i++) {
        float features[MW_MOTOR_FEATURES];
        assert_int_equal(mw_motor_measure(motor, &noise, plan, &gate, features), MW_OK);
        for (int k = 0; k < MW_MOTOR_FEATURES; k++) {
            out[k] += (double)features[k] / WINDOWS;
        }
    }
}

/* Lets a fault grow to at least `damage`, with the load and the air held at what they are normally.
 */
static void grow(struct mw_motor *motor, enum mw_motor_fault kind, double damage)
{
    mw_motor_start_fault(motor, kind, 3.0);
    while (motor->fault[kind].damage < damage) {
        mw_motor_advance(motor, 60.0);
        assert_true(mw_motor_running(motor));
    }
}

static void noise_is_gaussian(void **state)
{
    (void)state;
    struct mw_motor_random random;
    mw_motor_random_init(&random, 5, 0);
    double m1 = 0.0, m2 = 0.0, m4 = 0.0, neighbours = 0.0;
    const int windows = 300;
    float last = 0.0F;
    for (int w = 0; w < windows; w++) {
        float x[1000];
        mw_motor_noise_fill(&noise, &random, x, 1000);
        for (int i = 0; i < 1000; i++) {
            m1 += (double)x[i];
            m2 += (double)(x[i] * x[i]);
            m4 += (double)(x[i] * x[i] * x[i] * x[i]);
            neighbours += (double)(x[i] * last);
            last = x[i];
        }
    }
    const double n = windows * 1000.0;
    assert_true(fabs(m1 / n) < 0.01);
    assert_true(fabs(m2 / n - 1.0) < 0.02);
    assert_true(fabs(m4 / n / (m2 / n * m2 / n) - 3.0) < 0.1);
    assert_true(fabs(neighbours / n) < 0.01);
}

/* The first numbers of xoshiro256++ from its state {1, 2, 3, 4}, as its authors' program gives
 * them. */
static void random_numbers_are_xoshiros(void **state)
{
    (void)state;
    struct mw_motor_random random = {{1, 2, 3, 4}};
    const uint64_t expected[] = {41943041U, 58720359U, 3588806011781223U, 3591011842654386U};
    for (size_t i = 0; i < 4; i++) {
        assert_true(mw_motor_random_next(&random) == expected[i]);
    }
}

static void one_seed_one_life(void **state)
{
    (void)state;
    struct mw_motor a, b, other;
    mw_motor_init(&a, 42, 3);
    mw_motor_init(&b, 42, 3);
    mw_motor_init(&other, 42, 4);
    assert_true(a.plate.load != other.plate.load);
    for (int i = 0; i < 200; i++) {
        float x[MW_MOTOR_WINDOW], y[MW_MOTOR_WINDOW];
        mw_motor_advance(&a, 60.0);
        mw_motor_advance(&b, 60.0);
        for (int s = 0; s < MW_MOTOR_SIGNALS; s++) {
            mw_motor_waveform(&a, &noise, (enum mw_motor_signal)s, x, MW_MOTOR_WINDOW);
            mw_motor_waveform(&b, &noise, (enum mw_motor_signal)s, y, MW_MOTOR_WINDOW);
            assert_memory_equal(x, y, sizeof x);
        }
    }
    assert_memory_equal(&a, &b, sizeof a);
}

static void a_twin_lives_the_same_days(void **state)
{
    (void)state;
    struct mw_motor motor, twin;
    float x[MW_MOTOR_WINDOW];
    mw_motor_init(&motor, 1, 0);
    mw_motor_start_fault(&motor, MW_MOTOR_BEARING, 4.0);
    mw_motor_advance(&motor, HOUR);
    twin = motor;
    while (!mw_motor_broken(&motor)) {
        mw_motor_waveform(&motor, &noise, MW_MOTOR_VIBRATION, x, MW_MOTOR_WINDOW);
        mw_motor_advance(&motor, 60.0);
    }
    while (!mw_motor_broken(&twin)) {
        mw_motor_advance(&twin, 60.0);
    }
    assert_true(motor.broken_at == twin.broken_at);
    assert_true(motor.winding == twin.winding);
}

static void a_healthy_day(void **state)
{
    (void)state;
    struct mw_motor motor;
    mw_motor_init(&motor, 9, 0);
    double least = 1e9, most = 0.0;
    for (int minute = 0; minute < 24 * 60; minute++) {
        mw_motor_advance(&motor, 60.0);
        assert_true(mw_motor_running(&motor));
        assert_true(motor.slip > 0.005 && motor.slip < 0.05);
        assert_true(motor.winding > 35.0 && motor.winding < 115.0);
        least = motor.current < least ? motor.current : least;
        most = motor.current > most ? motor.current : most;
    }
    assert_true(least > 9.0 && most < 24.0 && most > 1.25 * least); /* shifts and products */

    struct mw_signal_features f;
    float x[MW_MOTOR_WINDOW];
    mw_motor_waveform(&motor, &noise, MW_MOTOR_CURRENT, x, MW_MOTOR_WINDOW);
    assert_int_equal(mw_signal_features(plan, x, &f), MW_OK);
    assert_true(fabs((double)f.peak_hz[0] - 50.0) < 0.2);
    assert_true(fabs((double)f.rms / motor.current - 1.0) < 0.06);
    mw_motor_waveform(&motor, &noise, MW_MOTOR_VIBRATION, x, MW_MOTOR_WINDOW);
    assert_int_equal(mw_signal_features(plan, x, &f), MW_OK);
    assert_true(fabs((double)f.peak_hz[0] - 25.0 * (1.0 - motor.slip)) < 0.5);
}

static void world_changes_show(void **state)
{
    (void)state;
    struct mw_motor normal, changed;
    mw_motor_init(&normal, 2, 0);
    changed = normal;
    struct mw_motor_world world = mw_motor_normal_world;
    world.season = 15.0;
    mw_motor_set_world(&changed, &world);
    mw_motor_advance(&normal, 8.0 * HOUR);
    mw_motor_advance(&changed, 8.0 * HOUR);
    assert_true(fabs(changed.winding - normal.winding - 15.0) < 0.1);
    assert_true(changed.current == normal.current);

    world.load = 1.25;
    mw_motor_set_world(&changed, &world);
    mw_motor_advance(&normal, 8.0 * HOUR);
    mw_motor_advance(&changed, 8.0 * HOUR);
    assert_true(changed.current > 1.15 * normal.current);
    assert_true(changed.slip > 1.2 * normal.slip);
    assert_true(changed.winding > normal.winding + 25.0);

    double before[MW_MOTOR_FEATURES], after[MW_MOTOR_FEATURES];
    changed = normal;
    world = mw_motor_normal_world;
    world.gain[MW_MOTOR_VIBRATION] = 1.6;
    world.offset[MW_MOTOR_TEMPERATURE] = -4.0;
    mw_motor_set_world(&changed, &world);
    average(&normal, before);
    average(&changed, after);
    assert_true(fabs(after[MW_MOTOR_VIBRATION_RMS] / before[MW_MOTOR_VIBRATION_RMS] - 1.6) < 1e-3);
    assert_true(fabs(after[MW_MOTOR_VIBRATION_CREST] / before[MW_MOTOR_VIBRATION_CREST] - 1.0) <
                1e-3);
    assert_true(fabs(after[MW_MOTOR_TEMPERATURE_MEAN] - before[MW_MOTOR_TEMPERATURE_MEAN] + 4.0) <
                0.01);
    assert_true(after[MW_MOTOR_SOUND_RMS] == before[MW_MOTOR_SOUND_RMS]);
    world.bearing = 1.8;
    mw_motor_set_world(&changed, &world);
    average(&changed, after);
    assert_true(after[MW_MOTOR_VIBRATION_BAND_4] / before[MW_MOTOR_VIBRATION_BAND_4] > 1.6 * 1.5);
}

/* Each fault shows where a mechanic would look for it, beside the same motor without the fault at
 * the same time of its life. */
static void faults_show_where_they_should(void **state)
{
    (void)state;
    struct mw_motor healthy[MW_MOTOR_FAULTS], ill[MW_MOTOR_FAULTS];
    double well[MW_MOTOR_FAULTS][MW_MOTOR_FEATURES], bad[MW_MOTOR_FAULTS][MW_MOTOR_FEATURES];
    for (int kind = 0; kind < MW_MOTOR_FAULTS; kind++) {
        mw_motor_init(&ill[kind], 8, 1);
        mw_motor_init(&healthy[kind], 8, 1);
        grow(&ill[kind], (enum mw_motor_fault)kind, 0.85);
        while (healthy[kind].time < ill[kind].time) {
            mw_motor_advance(&healthy[kind], 60.0);
        }
        average(&healthy[kind], well[kind]);
        average(&ill[kind], bad[kind]);
    }
    const int b = MW_MOTOR_BEARING, i = MW_MOTOR_IMBALANCE, c = MW_MOTOR_COOLING,
              p = MW_MOTOR_PHASE;
    assert_true(bad[b][MW_MOTOR_VIBRATION_BAND_4] > 1.4 * well[b][MW_MOTOR_VIBRATION_BAND_4]);
    assert_true(bad[b][MW_MOTOR_VIBRATION_KURTOSIS] > well[b][MW_MOTOR_VIBRATION_KURTOSIS] + 0.3);
    assert_true(bad[b][MW_MOTOR_SOUND_BAND_3] > 1.1 * well[b][MW_MOTOR_SOUND_BAND_3]);
    assert_true(bad[i][MW_MOTOR_VIBRATION_PEAK] > 2.0 * well[i][MW_MOTOR_VIBRATION_PEAK]);
    assert_true(bad[i][MW_MOTOR_VIBRATION_BAND_1] > 2.0 * well[i][MW_MOTOR_VIBRATION_BAND_1]);
    assert_true(fabs(bad[i][MW_MOTOR_VIBRATION_PEAK_HZ] - 24.5) < 0.6);
    assert_true(bad[c][MW_MOTOR_TEMPERATURE_MEAN] > well[c][MW_MOTOR_TEMPERATURE_MEAN] + 25.0);
    assert_true(bad[c][MW_MOTOR_SOUND_BAND_2] < 0.9 * well[c][MW_MOTOR_SOUND_BAND_2]);
    assert_true(bad[p][MW_MOTOR_CURRENT_3X] > 2.0 * well[p][MW_MOTOR_CURRENT_3X]);
    assert_true(bad[p][MW_MOTOR_CURRENT_RMS] > 1.15 * well[p][MW_MOTOR_CURRENT_RMS]);
    assert_true(bad[p][MW_MOTOR_VIBRATION_BAND_1] > 1.2 * well[p][MW_MOTOR_VIBRATION_BAND_1]);
    /* And not where they should not. */
    assert_true(bad[c][MW_MOTOR_VIBRATION_KURTOSIS] < well[c][MW_MOTOR_VIBRATION_KURTOSIS] + 0.2);
    assert_true(bad[i][MW_MOTOR_CURRENT_3X] < 1.3 * well[i][MW_MOTOR_CURRENT_3X]);
}

static void damage_grows_ever_faster_until_it_breaks(void **state)
{
    (void)state;
    for (int kind = 0; kind < MW_MOTOR_FAULTS; kind++) {
        struct mw_motor motor;
        mw_motor_init(&motor, 11, (unsigned)kind);
        mw_motor_advance(&motor, 9.0 * HOUR);
        mw_motor_start_fault(&motor, (enum mw_motor_fault)kind, 4.0);
        const double start = motor.time;
        double last = 0.0, half = 0.0;
        while (!mw_motor_broken(&motor)) {
            const double before = mw_motor_worst(&motor, NULL);
            assert_true(before >= last);
            last = before;
            half = before < 0.5 ? motor.time : half;
            mw_motor_advance(&motor, 60.0);
        }
        const double hours = (motor.broken_at - start) / HOUR;
        assert_true(hours > 2.0 && hours < 8.0); /* stress is limited to half and double */
        assert_true(half - start > 0.7 * (motor.broken_at - start));
        assert_int_equal(motor.broken_by, kind);
        enum mw_motor_fault worst = MW_MOTOR_FAULTS;
        assert_true(mw_motor_worst(&motor, &worst) == 1.0);
        assert_int_equal(worst, kind);
    }
}

static void load_wears(void **state)
{
    (void)state;
    struct mw_motor light, heavy;
    mw_motor_init(&light, 12, 0);
    struct mw_motor_world world = mw_motor_normal_world;
    world.load = 0.8;
    mw_motor_set_world(&light, &world);
    mw_motor_start_fault(&light, MW_MOTOR_BEARING, 5.0);
    heavy = light;
    world.load = 1.25;
    mw_motor_set_world(&heavy, &world);
    while (!mw_motor_broken(&light)) {
        mw_motor_advance(&light, 60.0);
    }
    while (!mw_motor_broken(&heavy)) {
        mw_motor_advance(&heavy, 60.0);
    }
    assert_true(heavy.broken_at < 0.6 * light.broken_at);
}

static void a_stop_saves_and_a_repair_heals(void **state)
{
    (void)state;
    struct mw_motor motor;
    struct mw_gate gate = {.minimum = 2.0F};
    float features[MW_MOTOR_FEATURES];
    mw_motor_init(&motor, 13, 0);
    grow(&motor, MW_MOTOR_COOLING, 0.5);
    const double damage = motor.fault[MW_MOTOR_COOLING].damage, hot = motor.winding;
    assert_true(mw_motor_stop(&motor));
    assert_false(mw_motor_stop(&motor));
    assert_true(motor.current == 0.0);
    mw_motor_advance(&motor, 20.0 * HOUR);
    assert_true(motor.fault[MW_MOTOR_COOLING].damage == damage);
    assert_true(motor.winding < hot - 30.0);
    assert_int_equal(mw_motor_measure(&motor, &noise, plan, &gate, features), MW_ERR_AGAIN);
    mw_motor_restart(&motor);
    mw_motor_advance(&motor, HOUR);
    assert_true(motor.fault[MW_MOTOR_COOLING].damage > damage);
    mw_motor_advance(&motor, 20.0 * HOUR);
    assert_true(mw_motor_broken(&motor));
    assert_int_equal(mw_motor_measure(&motor, &noise, plan, &gate, features), MW_ERR_AGAIN);
    mw_motor_restart(&motor);
    assert_true(mw_motor_broken(&motor)); /* a restart is not a repair */
    assert_false(mw_motor_stop(&motor));
    mw_motor_repair(&motor);
    assert_true(mw_motor_running(&motor));
    assert_true(mw_motor_worst(&motor, NULL) == 0.0);
    assert_int_equal(mw_motor_measure(&motor, &noise, plan, &gate, features), MW_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noise_is_gaussian),
        cmocka_unit_test(random_numbers_are_xoshiros),
        cmocka_unit_test(one_seed_one_life),
        cmocka_unit_test(a_twin_lives_the_same_days),
        cmocka_unit_test(a_healthy_day),
        cmocka_unit_test(world_changes_show),
        cmocka_unit_test(faults_show_where_they_should),
        cmocka_unit_test(damage_grows_ever_faster_until_it_breaks),
        cmocka_unit_test(load_wears),
        cmocka_unit_test(a_stop_saves_and_a_repair_heals),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
