/* split.h - which records validate: whole machines, or whole stretches of time, never random rows.
 *
 * Neighbouring records of one machine are nearly equal; a random row in the validation set would
 * have its twins in the training set and make any model look good. */
#ifndef MW_TRAINING_SPLIT_H
#define MW_TRAINING_SPLIT_H

#include "tiers/training/dataset.h"

#define MW_SPLIT_MACHINES 8 /* from so many machines on, whole machines are held out */
#define MW_SPLIT_BLOCKS 10  /* stretches of time that each machine's records are cut into, else */

/* Marks rows in held_out (rows bytes): 1 validation, 0 training, 2 left out because the record lies
 * at the border of a held-out stretch of time and resembles its neighbour across it.
 *
 * `share` of the rows in (0,0.9). The first of these that applies:
 *   the file has a split column      as it says
 *   at least MW_SPLIT_MACHINES       whole machines, drawn by seed, with failing and healthy ones
 * in the same proportion on both sides machines or times are known      each machine's records in
 * order of time are cut into MW_SPLIT_BLOCKS stretches; whole stretches, drawn the same way
 *   otherwise                        the last share of the rows
 * With labels, both sides must have both classes, or the error is RANGE and says which side lacks
 * which. Errors: RANGE, MEMORY. */
mw_err mw_split(const struct mw_dataset *dataset, double share, uint64_t seed, uint8_t *held_out,
                struct mw_error *error);

#endif
