/* motor_internal.h - between motor.c (slow) and motor_wave.c (fast). */
#ifndef MW_IOT_MOTOR_INTERNAL_H
#define MW_IOT_MOTOR_INTERNAL_H

#include "tiers/iot/motor.h"

#define MW_MOTOR_RATED_CURRENT 21.0 /* A */
#define MW_MOTOR_MAINS 50.0         /* Hz */
#define MW_MOTOR_POLE_PAIRS 2.0

/* A fault's damage times how plainly it shows; 0 without the fault. */
double mw_motor_effect(const struct mw_motor *motor, enum mw_motor_fault kind);

/* Air around the machine, degrees Celsius. */
double mw_motor_ambient(const struct mw_motor *motor);

#endif
