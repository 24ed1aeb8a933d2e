#include "tiers/iot/motor.h"

#include "tiers/iot/motor_internal.h"

#include <math.h>
#include <string.h>

#define STEP 60.0 /* s */

/* Kloss's curve: torque = 2 * PULL_OUT / (slip / PULL_OUT_SLIP + PULL_OUT_SLIP / slip). */
#define PULL_OUT 2.6 /* of the rated torque */
#define PULL_OUT_SLIP 0.14
#define MAGNETIZING 0.40 /* of the rated current */
#define ACTIVE 0.917     /* of the rated current, at rated torque */

#define RATED_RISE 70.0     /* K, of the winding at rated losses and full cooling */
#define THERMAL_TIME 1500.0 /* s, at full cooling */
#define STILL_COOLING 0.35  /* of full cooling, when the fan stands */

#define ORDINARY_LOAD 0.68
#define ORDINARY_WINDING 68.0 /* degrees Celsius */
#define FIRST_DAMAGE 0.05     /* sets how much faster damage grows at its end than at its start */

const struct mw_motor_world mw_motor_normal_world = {
    .load = 1.0, .gain = {1.0, 1.0, 1.0, 1.0}, .bearing = 1.0};

const char *mw_motor_fault_name(enum mw_motor_fault kind)
{
    static const char *const name[] = {"bearing", "imbalance", "cooling", "phase"};
    return (unsigned)kind < MW_MOTOR_FAULTS ? name[kind] : "none";
}

const char *mw_motor_signal_name(enum mw_motor_signal signal)
{
    static const char *const name[] = {"current", "temperature", "vibration", "sound"};
    return (unsigned)signal < MW_MOTOR_SIGNALS ? name[signal] : "none";
}

static double limit(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

double mw_motor_effect(const struct mw_motor *motor, enum mw_motor_fault kind)
{
    const struct mw_motor_damage *f = &motor->fault[kind];
    return f->active ? f->damage * f->strength : 0.0;
}

/* Three shifts: the day's full, the evening's nearly so, the night's light. */
static double shift_load(double time)
{
    const double hour = fmod(time / 3600.0, 24.0);
    return 1.0 + 0.17 * cos(2.0 * M_PI * (hour - 13.0) / 24.0) +
           0.05 * cos(4.0 * M_PI * (hour - 9.0) / 24.0);
}

/* An AR(1) process of deviation 1 and the given correlation time, exactly for any step. */
static double wander(struct mw_motor_random *random, double value, double seconds, double time)
{
    const double keep = exp(-seconds / time);
    return value * keep + sqrt(1.0 - keep * keep) * mw_motor_random_gaussian(random);
}

/* The day around the machine passes, whether it runs or not. */
static void pass_time(struct mw_motor *m, double seconds)
{
    m->time += seconds;
    m->wander = wander(&m->slow, m->wander, seconds, 600.0);
    m->weather = wander(&m->slow, m->weather, seconds, 6.0 * 3600.0);
    if (m->time >= m->product_until) {
        m->product = mw_motor_random_range(&m->slow, 0.88, 1.12);
        m->product_until = m->time + mw_motor_random_exponential(&m->slow, 2.0 * 3600.0);
    }
}

/* The load's torque at rated speed, and the slip at which the motor gives what the load takes. */
static void balance(struct mw_motor *m)
{
    const double phase = limit(mw_motor_effect(m, MW_MOTOR_PHASE), 0.0, 1.0);
    const double pull_out = PULL_OUT * (1.0 - 0.45 * phase);
    const double rated =
        m->plate.load * m->world.load * shift_load(m->time) * m->product * (1.0 + 0.05 * m->wander);
    double torque = rated;
    for (int i = 0; i < 4; i++) {
        const double ratio = limit(pull_out / torque, 1.0, 1e6);
        m->slip = PULL_OUT_SLIP * (ratio - sqrt(ratio * ratio - 1.0));
        const double speed = (1.0 - m->slip) / 0.972;
        torque = limit(rated * (0.3 + 0.7 * speed * speed), 0.05, 2.0);
    }
    m->load = torque;
    const double active = ACTIVE * torque;
    m->current = MW_MOTOR_RATED_CURRENT * sqrt(MAGNETIZING * MAGNETIZING + active * active) *
                 (1.0 + 0.45 * phase);
}

double mw_motor_ambient(const struct mw_motor *motor)
{
    const double hour = fmod(motor->time / 3600.0, 24.0);
    return motor->plate.ambient + motor->world.season +
           3.5 * cos(2.0 * M_PI * (hour - 15.0) / 24.0) + 2.0 * motor->weather;
}

static void heat(struct mw_motor *m, double seconds)
{
    const bool running = m->status == MW_MOTOR_RUNNING;
    double losses = 0.0, cooling = STILL_COOLING;
    if (running) {
        const double phase = mw_motor_effect(m, MW_MOTOR_PHASE);
        const double current = m->current / MW_MOTOR_RATED_CURRENT;
        losses = 0.35 + 0.65 * current * current * (1.0 + 0.2 * phase);
        cooling =
            m->plate.fan * (1.0 - 0.8 * limit(mw_motor_effect(m, MW_MOTOR_COOLING), 0.0, 1.1));
    }
    const double final = mw_motor_ambient(m) + RATED_RISE * losses / cooling;
    m->winding = final + (m->winding - final) * exp(-seconds * cooling / THERMAL_TIME);
}

/* How much faster than ordinary a fault grows now. */
static double stress(const struct mw_motor *m, enum mw_motor_fault kind)
{
    const double load = m->load / ORDINARY_LOAD;
    const double hot = exp2((m->winding - ORDINARY_WINDING) / 30.0);
    double factor = 1.0;
    switch (kind) {
    case MW_MOTOR_BEARING: /* the cube law of rolling bearings' life (Lundberg and Palmgren, 1947)
                            */
        factor = load * load * load * hot;
        break;
    case MW_MOTOR_IMBALANCE:
        factor = load * sqrt(load);
        break;
    case MW_MOTOR_COOLING: /* dust is drawn in with the air; load only heats it */
        factor = load;
        break;
    case MW_MOTOR_PHASE: /* a contact burns with the square of its current */
        factor = load * load;
        break;
    case MW_MOTOR_FAULTS:
        break;
    }
    return limit(factor, 0.5, 2.0);
}

/* D' = k (D + d0) / hours: exponential growth from 0 that reaches 1 after `hours`. */
static void wear(struct mw_motor *m, double seconds)
{
    const double rate = log((1.0 + FIRST_DAMAGE) / FIRST_DAMAGE);
    for (int kind = 0; kind < MW_MOTOR_FAULTS; kind++) {
        struct mw_motor_damage *f = &m->fault[kind];
        if (!f->active) {
            continue;
        }
        const double growth =
            rate * seconds / 3600.0 / f->hours * stress(m, (enum mw_motor_fault)kind);
        f->damage = (f->damage + FIRST_DAMAGE) * exp(growth) - FIRST_DAMAGE;
        if (f->damage >= 1.0) {
            f->damage = 1.0;
            m->status = MW_MOTOR_BROKEN;
            m->broken_by = kind;
            m->broken_at = m->time;
        }
    }
}

void mw_motor_advance(struct mw_motor *motor, double seconds)
{
    while (seconds > 0.0) {
        const double step = seconds < STEP ? seconds : STEP;
        pass_time(motor, step);
        if (motor->status == MW_MOTOR_RUNNING) {
            balance(motor);
            heat(motor, step);
            wear(motor, step);
        } else {
            motor->load = motor->current = 0.0;
            motor->slip = 1.0;
            heat(motor, step);
        }
        seconds -= step;
    }
}

void mw_motor_init(struct mw_motor *motor, uint64_t seed, unsigned number)
{
    memset(motor, 0, sizeof *motor);
    struct mw_motor_random plate;
    mw_motor_random_init(&plate, seed, 3U * number);
    mw_motor_random_init(&motor->slow, seed, 3U * number + 1U);
    mw_motor_random_init(&motor->fast, seed, 3U * number + 2U);
    motor->plate = (struct mw_motor_plate){
        .load = mw_motor_random_range(&plate, 0.62, 0.74),
        .imbalance = mw_motor_random_range(&plate, 0.8, 1.2),
        .bearing_noise = mw_motor_random_range(&plate, 0.50, 0.65),
        .resonance = mw_motor_random_range(&plate, 660.0, 740.0),
        .sound = mw_motor_random_range(&plate, 0.045, 0.055),
        .ambient = mw_motor_random_range(&plate, 19.0, 23.0),
        .fan = mw_motor_random_range(&plate, 0.96, 1.04),
    };
    motor->world = mw_motor_normal_world;
    motor->wander = mw_motor_random_gaussian(&motor->slow);
    motor->weather = mw_motor_random_gaussian(&motor->slow);
    motor->product = 1.0;
    motor->product_until = mw_motor_random_exponential(&motor->slow, 2.0 * 3600.0);
    motor->winding = motor->plate.ambient;
    motor->broken_by = -1;
    balance(motor);
    heat(motor, 100.0 * THERMAL_TIME);
}

void mw_motor_start_fault(struct mw_motor *motor, enum mw_motor_fault kind, double hours)
{
    struct mw_motor_damage *f = &motor->fault[kind];
    f->hours = hours;
    if (!f->active) {
        f->active = true;
        f->damage = 0.0;
        f->strength = mw_motor_random_range(&motor->slow, 0.8, 1.2);
    }
}

double mw_motor_worst(const struct mw_motor *motor, enum mw_motor_fault *kind)
{
    double worst = 0.0;
    for (int i = 0; i < MW_MOTOR_FAULTS; i++) {
        if (motor->fault[i].active && motor->fault[i].damage >= worst) {
            worst = motor->fault[i].damage;
            if (kind != NULL) {
                *kind = (enum mw_motor_fault)i;
            }
        }
    }
    return worst;
}

bool mw_motor_running(const struct mw_motor *motor)
{
    return motor->status == MW_MOTOR_RUNNING;
}

bool mw_motor_broken(const struct mw_motor *motor)
{
    return motor->status == MW_MOTOR_BROKEN;
}

bool mw_motor_stop(struct mw_motor *motor)
{
    if (motor->status != MW_MOTOR_RUNNING) {
        return false;
    }
    motor->status = MW_MOTOR_STOPPED;
    motor->load = motor->current = 0.0;
    motor->slip = 1.0;
    return true;
}

void mw_motor_restart(struct mw_motor *motor)
{
    if (motor->status == MW_MOTOR_STOPPED) {
        motor->status = MW_MOTOR_RUNNING;
        balance(motor);
    }
}

void mw_motor_repair(struct mw_motor *motor)
{
    memset(motor->fault, 0, sizeof motor->fault);
    motor->status = MW_MOTOR_RUNNING;
    motor->broken_by = -1;
    balance(motor);
}

void mw_motor_set_world(struct mw_motor *motor, const struct mw_motor_world *world)
{
    motor->world = *world;
}
