/* history.h - what happened to the plant's machines, and what that says about a record.
 *
 * Labels come from events, not from people who look at rows. A record is positive when a failure,
 * or a repair or inspection that found a fault, follows on its machine within the horizon (its end
 * included); an action that was then found right counts like the fault that it forestalled. Left
 * out are records of which the truth is not known or not fair to learn from:
 *   - from a failure to its repair: the machine is broken, not about to break;
 *   - from a found fault to its repair, unless a new finding says more;
 *   - from an action (a stop that the model itself asked for) to the finding that judged it;
 *   - before an action whose finding is not in, and too close to now: it has not been seen what
 * follows. So a failure that was prevented still teaches, through its finding, and prevention is
 * not unlearned. */
#ifndef MW_TRAINING_HISTORY_H
#define MW_TRAINING_HISTORY_H

#include "core/wire/message.h"
#include "lib/base/error.h"

#include <stdint.h>

struct mw_history;

enum mw_label {
    MW_LABEL_NEGATIVE,
    MW_LABEL_POSITIVE,
    MW_LABEL_UNKNOWN, /* may be known later */
    MW_LABEL_EXCLUDED /* never will be */
};

mw_err mw_history_new(struct mw_history **history, struct mw_error *error);
void mw_history_free(struct mw_history *history);

/* Notes an event; one with an id that is there already is ignored. Any order. */
mw_err mw_history_add_event(struct mw_history *history, const struct mw_event *event,
                            struct mw_error *error);
/* Notes that a machine was acted upon. */
mw_err mw_history_add_action(struct mw_history *history, struct mw_span machine, int64_t time,
                             struct mw_error *error);
/* Notes that a machine was alive at this time: the newest one is its "now". */
mw_err mw_history_add_record(struct mw_history *history, struct mw_span machine, int64_t time,
                             struct mw_error *error);

/* Judges a record. Times in microseconds; horizon >= 0. A machine that nothing is known of:
 * UNKNOWN. */
enum mw_label mw_history_label(struct mw_history *history, struct mw_span machine, int64_t time,
                               int64_t horizon);

/* Machines known, and the name and the time of the first fault (failure or finding) of one at or
 * after `from`; INT64_MAX when there is none. */
size_t mw_history_machines(const struct mw_history *history);
const char *mw_history_machine(const struct mw_history *history, size_t i);
int64_t mw_history_next_fault(struct mw_history *history, struct mw_span machine, int64_t from);

#endif
