/* up.h - one machine's whole Millwright: broker and roles as child processes. */
#ifndef MW_CLI_UP_H
#define MW_CLI_UP_H

#include "lib/base/error.h"
#include "lib/plant/plant.h"

#include <stdbool.h>

struct mw_up_options {
    const char *config; /* plant.yaml */
    const char *output; /* file for the children's output; NULL: inherit stderr */
    bool quiet;         /* print nothing on stdout */
};

/* Locks the data folder, makes keys and signed metadata on the first run, starts mosquitto when no
 * broker is named, then the roles, and keeps them running until SIGTERM or SIGINT. Says READY when
 * all are. SIGHUP reads plant.yaml again. Errors: BUSY when the data folder is in use. */
mw_err mw_up_run(const struct mw_up_options *options, struct mw_error *error);

/* Makes the store, its keys and its first signed metadata in the data folder; what is there already
 * stays. Not two at a time. */
mw_err mw_up_prepare(const struct mw_plant *plant, struct mw_error *error);

#endif
