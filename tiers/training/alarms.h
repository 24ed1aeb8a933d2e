/* alarms.h - what an operator would count of a model's scores: alarms, and how early they came.
 *
 * Of breakdowns a data set knows what its labels say: a record is positive when a failure, or a
 * repair or inspection that found a fault, follows on its machine within the horizon. So a
 * machine's run of successive positive records ends at a breakdown, or at the action that prevented
 * one. It is counted at the run's last record, which is earlier than the true time by less than two
 * records are apart; a lead time is too short by as much, and no longer than the horizon. Two
 * breakdowns without a negative record between them are one run, which may be longer.
 *
 * Alarms are counted among the held-out records alone, in stretches that no other record of the
 * machine interrupts. A breakdown counts when its last record is held out; should its run begin on
 * the other side, its lead time is too short, never too long. Records are not weighted: what was
 * not forwarded is mostly below the threshold and begins no alarm. */
#ifndef MW_TRAINING_ALARMS_H
#define MW_TRAINING_ALARMS_H

#include "tiers/training/dataset.h"

#include <stdbool.h>

/* An alarm begins with a record at or above the threshold and ends with the first one below, or
 * with its stretch. It is false when none of its records is positive. A breakdown was predicted
 * when a record of its run was in alarm; the lead time runs from the first such record. */
struct mw_alarm_metrics {
    bool known; /* the records have machine, time and label; else nothing below means anything */
    size_t alarms, false_alarms, breakdowns, predicted;
    double machine_days; /* sum over stretches of last minus first time; a day has 86,400 s */
    double alarms_per_machine_day, false_alarms_per_machine_day; /* NaN when no time passes */
    double lead_median; /* seconds, of predicted breakdowns; NaN when there are none */
};

/* held_out (1: counts, else not) and score have set->rows elements. When the set's time counts
 * something else than seconds, a day is 86,400 of it. Errors: MEMORY. */
mw_err mw_alarms_count(struct mw_alarm_metrics *metrics, const struct mw_dataset *set,
                       const uint8_t *held_out, const double *score, double threshold);

#endif
