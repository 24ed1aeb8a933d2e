/* commission.h - a new machine's first healthy records set its own baseline.
 *
 * Per machine and feature the mean and the deviation of the first `commission.records` records from
 * number `commission.from` on (Welford, "Note on a method for calculating corrected sums of squares
 * and products", 1962). A fault that shows while they are being taken starts the count anew, after
 * the repair. A machine that has moved alone, and was then found well, is commissioned anew. With
 * `commission.stable` a baseline that has settled is done earlier: at 50, 100, 200 ... records,
 * when for every feature the mean of the second half lies within so many deviations of that of the
 * first. Pure. */
#ifndef MW_TRAINING_COMMISSION_H
#define MW_TRAINING_COMMISSION_H

#include "core/wire/message.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/plant/plant.h"

struct mw_commission;

mw_err mw_commission_new(struct mw_commission **commission, const struct mw_plant *plant,
                         struct mw_error *error);
void mw_commission_free(struct mw_commission *commission);

/* A machine that has its baseline already, from records since a time (microseconds; INT64_MIN: not
 * known). */
mw_err mw_commission_done(struct mw_commission *commission, struct mw_span machine, int64_t since,
                          struct mw_error *error);

/* The machine has moved away from what it was, alone, since `onset`. MEMORY. */
mw_err mw_commission_moved(struct mw_commission *commission, struct mw_span machine, int64_t onset,
                           struct mw_error *error);
/* Since when it has, while it waits to be commissioned anew; INT64_MAX: it does not. */
int64_t mw_commission_moved_since(const struct mw_commission *commission, struct mw_span machine);
/* It is known to be well since then: its next records from that time on make a new baseline, unless
 * it has one from later records already. */
void mw_commission_again(struct mw_commission *commission, struct mw_span machine, int64_t since);

/* Takes a record. *json gets the baseline record when this one completed it, and stays empty
 * otherwise. */
mw_err mw_commission_record(struct mw_commission *commission, const struct mw_telemetry *record,
                            struct mw_buffer *json, struct mw_error *error);
/* An event: a failure or a finding of a fault starts an unfinished baseline anew. */
void mw_commission_event(struct mw_commission *commission, const struct mw_event *event);

size_t
mw_commission_pending(const struct mw_commission *commission); /* machines without baseline */

#endif
