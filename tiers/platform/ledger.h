/* ledger.h - accounts for every record of every device, from the stream alone.
 *
 *   published = stored + pending + dead + dropped + missing
 *
 * holds for each device and in total. It reads the topics telemetry, sketch, dead, status and score
 * and the bridge's positions; it writes nothing and may run beside everything else. */
#ifndef MW_PLATFORM_LEDGER_H
#define MW_PLATFORM_LEDGER_H

#include "lib/base/error.h"
#include "lib/plant/plant.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mw_ledger_row {
    char device[64];    /* empty in a total */
    uint64_t published; /* numbered records that the thing made, sketches included */
    uint64_t stored;    /* of them in the stream (or removed from it by age or size: expired) */
    uint64_t pending;   /* still in the thing's outbox, or on the way */
    uint64_t dead;      /* could not be read: dead letters with a number */
    uint64_t dropped;   /* given up for want of space, by the thing or by the bridge's spool */
    uint64_t missing;   /* acknowledged or passed over, and nowhere */
    uint64_t doubled;   /* stored or scored a second time */

    uint64_t sketches;   /* of stored */
    uint64_t expired;    /* of stored */
    uint64_t merged;     /* of stored: sketches that the spool has added to older ones */
    uint64_t suppressed; /* records that level 2 held back, counted in the sketches */
    uint64_t scored;     /* stored telemetry with exactly one score at level 3 */
    uint64_t unscored;   /* stored before a model served the device */
    uint64_t awaiting;   /* stored since, and behind the newest score: the scorer will come to it */
    uint64_t unscorable; /* stored, and refused by the scorer: a dead letter of its own */
    uint64_t passed;     /* stored between scores, without one of its own */
    uint64_t unnumbered; /* records without a number: delivered at least once, in no other column */
    uint64_t dead_unnumbered; /* dead letters without a number */
};

/* The whole account: a row a device to fn (NULL: none are wanted), in the order of their names, and
 * at the end their sum. Memory is the same for any number of devices and records: what does not
 * fit into some megabytes is sorted in temporary files (lib/base/sorter.h). Ends with fn's error.
 */
typedef mw_err mw_ledger_row_fn(void *context, const struct mw_ledger_row *row,
                                struct mw_error *error);
mw_err mw_ledger_read(const struct mw_plant *plant, mw_ledger_row_fn *fn, void *context,
                      struct mw_ledger_row *total, struct mw_error *error);

/* An account that goes on with what comes; it keeps what it has read of each device. */
struct mw_ledger;

/* Opens the plant's stream for reading. */
mw_err mw_ledger_open(struct mw_ledger **ledger, const struct mw_plant *plant,
                      struct mw_error *error);
void mw_ledger_close(struct mw_ledger *ledger);

/* Reads up to `records` more records. *more false: what there was has been read, and rows make
 * sense; later calls go on with what has come since. After an error only close is left. */
mw_err mw_ledger_advance(struct mw_ledger *ledger, size_t records, bool *more,
                         struct mw_error *error);

/* What has been read so far, as mw_ledger_read gives it. MEMORY, or fn's error. */
mw_err mw_ledger_rows(struct mw_ledger *ledger, mw_ledger_row_fn *fn, void *context,
                      struct mw_ledger_row *total, struct mw_error *error);

/* True when the row's equation holds. */
bool mw_ledger_balances(const struct mw_ledger_row *row);

void mw_ledger_add_row(struct mw_ledger_row *total, const struct mw_ledger_row *row);

/* Appends the row as JSON, the device's name first unless it is a total. */
struct mw_buffer;
mw_err mw_ledger_print_row(const struct mw_ledger_row *row, struct mw_buffer *out);

#endif
