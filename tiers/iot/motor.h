/* motor.h - an induction motor with a load, simulated by its physics.
 *
 * An 11 kW motor with four poles on a 50 Hz mains drives a machine whose torque rises with the
 * square of the speed. Two time scales:
 *
 *   slow (mw_motor_advance): the load follows the shifts of the day, changes of product and chance.
 *     Slip comes from the balance of Kloss's torque curve (M. Kloss, 1901) with the load, current
 * from the torque, and the winding's temperature from losses against cooling (first order). Damage
 * grows with running time, faster the more there is, and faster at high load and temperature. fast
 * (mw_motor_waveform): half a second of each signal as its sensor would sample it. Bearing damage
 * strikes at the outer race's ball-pass frequency and rings a resonance (McFadden and Smith, "Model
 * for the vibration produced by a single point defect", 1984); imbalance is a line at the shaft's
 * speed; an unbalanced mains a line at twice its frequency and a third harmonic in the current.
 *
 * A fault's damage goes from 0 to 1; at 1 the machine breaks, unless it was stopped. Everything is
 * deterministic for a seed. The slow side has random numbers of its own, so a plain copy of the
 * struct is the machine's twin: advanced side by side it lives the same days, whatever waveforms
 * were taken, and shows when the machine would have broken. */
#ifndef MW_IOT_MOTOR_H
#define MW_IOT_MOTOR_H

#include "tiers/iot/motor_random.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MW_MOTOR_RATE 2048.0 /* samples a second, of every signal */
#define MW_MOTOR_WINDOW 1024 /* samples a window: half a second */

enum mw_motor_signal {
    MW_MOTOR_CURRENT,     /* A, one phase */
    MW_MOTOR_TEMPERATURE, /* degrees Celsius, winding */
    MW_MOTOR_VIBRATION,   /* mm/s, bearing housing */
    MW_MOTOR_SOUND,       /* Pa, at one metre */
    MW_MOTOR_SIGNALS
};

enum mw_motor_fault {
    MW_MOTOR_BEARING,   /* a race that flakes */
    MW_MOTOR_IMBALANCE, /* a rotor or load that loses its balance */
    MW_MOTOR_COOLING,   /* a fan that clogs */
    MW_MOTOR_PHASE,     /* a contact whose resistance grows until the phase is lost */
    MW_MOTOR_FAULTS
};

enum mw_motor_status { MW_MOTOR_RUNNING, MW_MOTOR_STOPPED, MW_MOTOR_BROKEN };

/* What changes around a machine and is no fault. */
struct mw_motor_world {
    double season;                   /* K added to the ambient temperature */
    double load;                     /* factor on the load's torque; 1 is normal */
    double gain[MW_MOTOR_SIGNALS];   /* of each sensor; 1 is normal */
    double offset[MW_MOTOR_SIGNALS]; /* of each sensor, in its unit */
    double bearing;                  /* factor on a healthy bearing's noise; 1 is normal */
};
extern const struct mw_motor_world mw_motor_normal_world;

struct mw_motor_damage {
    bool active;
    double damage;   /* 0 to 1 */
    double hours;    /* from the start to breakdown at ordinary load and temperature */
    double strength; /* how plainly this one shows: 0.8 to 1.2 */
};

/* What two motors of one type differ in. */
struct mw_motor_plate {
    double load;          /* mean torque, of the rated one */
    double imbalance;     /* residual, mm/s */
    double bearing_noise; /* mm/s */
    double resonance;     /* Hz, of the housing */
    double sound;         /* background, Pa */
    double ambient;       /* degrees Celsius at its place */
    double fan;           /* of the type's cooling */
};

/* Holds no pointers: may be copied, and saved as bytes. Read freely, write through the functions.
 */
struct mw_motor {
    struct mw_motor_plate plate;
    struct mw_motor_world world;
    struct mw_motor_damage fault[MW_MOTOR_FAULTS];
    struct mw_motor_random slow, fast;
    double time;    /* s, of simulated life; 0 is a midnight */
    double wander;  /* of the load, AR(1) */
    double weather; /* of the ambient temperature, K, AR(1) */
    double product; /* factor on the load until `product_until` */
    double product_until;
    double load;       /* torque now, of the rated one */
    double slip;       /* of the synchronous speed */
    double current;    /* A, effective, phase without fault */
    double winding;    /* degrees Celsius */
    double broken_at;  /* s; valid when broken */
    int32_t status;    /* enum mw_motor_status */
    int32_t broken_by; /* enum mw_motor_fault; valid when broken */
};

/* A healthy running motor, warm, at midnight. Motors of one seed and different numbers differ as
 * two of a type do. */
void mw_motor_init(struct mw_motor *motor, uint64_t seed, unsigned number);

/* Lets simulated time pass, in steps of at most a minute. seconds >= 0. */
void mw_motor_advance(struct mw_motor *motor, double seconds);

/* The first n <= MW_MOTOR_WINDOW samples of a new window. A motor that does not run gives its
 * sensors' noise. `noise` is borrowed. */
void mw_motor_waveform(struct mw_motor *motor, const struct mw_motor_noise *noise,
                       enum mw_motor_signal signal, float *samples, size_t n);

/* Starts a fault that at ordinary load and temperature breaks the machine in `hours` > 0 of
 * running. One that is already there goes on with the new pace. */
void mw_motor_start_fault(struct mw_motor *motor, enum mw_motor_fault kind, double hours);

/* Damage of the worst fault, 0 when there is none; *kind may be NULL. */
double mw_motor_worst(const struct mw_motor *motor, enum mw_motor_fault *kind);

bool mw_motor_running(const struct mw_motor *motor);
bool mw_motor_broken(const struct mw_motor *motor);

/* Obeys "stop": damage stops growing. False when the motor was not running. */
bool mw_motor_stop(struct mw_motor *motor);

/* Runs again after a stop; what damage there is remains. Nothing happens to a broken motor. */
void mw_motor_restart(struct mw_motor *motor);

/* All faults are gone and the motor runs. */
void mw_motor_repair(struct mw_motor *motor);

void mw_motor_set_world(struct mw_motor *motor, const struct mw_motor_world *world);

/* "bearing", "imbalance", "cooling", "phase"; "current", ... */
const char *mw_motor_fault_name(enum mw_motor_fault kind);
const char *mw_motor_signal_name(enum mw_motor_signal signal);

#endif
