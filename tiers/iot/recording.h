/* recording.h - CSV files read as what devices would have sent, by the plant's column map.
 *
 * Row by row: which device, which machine, when, the features, and the event that the row means (a
 * failure, or an inspection with a finding). Files are read once, in constant memory.
 *
 * Without a column for the device a file is a device, called as the file is without its extension;
 * where two files are called the same, FOLDER-FILE. Without a column for the time a row's number
 * is its time: within its file, or, where a column names the device, within all files. Names are
 * made valid: lower case, a dash for everything that is neither letter nor digit.
 *
 * With `failure: end` the rows of a device have to follow one another; a device that comes again
 * behind another one is refused, since its end would be no failure. */
#ifndef MW_IOT_RECORDING_H
#define MW_IOT_RECORDING_H

#include "core/wire/message.h"
#include "lib/base/error.h"
#include "lib/plant/plant.h"

#include <stdbool.h>

struct mw_recording;

/* Opens the first of n files; the others follow. Paths and plant are borrowed. */
mw_err mw_recording_open(struct mw_recording **recording, const struct mw_plant *plant,
                         char *const *paths, size_t n, struct mw_error *error);
void mw_recording_close(struct mw_recording *recording);

struct mw_recorded {
    char device[MW_NAME_MAX + 1], machine[MW_NAME_MAX + 1];
    struct mw_telemetry telemetry; /* names borrow the recording; device and machine this struct */
    bool failure;                  /* the machine fails with this row */
    bool inspected;                /* and `fault` is the finding */
    bool fault;
};

/* The next row. AGAIN at the end. Any other error names file, line and column. */
mw_err mw_recording_next(struct mw_recording *recording, struct mw_recorded *row,
                         struct mw_error *error);

/* Rows given out so far. */
uint64_t mw_recording_rows(const struct mw_recording *recording);

#endif
