/* demo_twin.h - what a model would have said of the machines that its commands stopped.
 *
 * A model that stops machines in time removes from the record just those hours in which it was most
 * right, so that scores of live machines alone would call a good model bad. The simulated plant
 * writes the records that the unstopped twins make (data/things/twins.jsonl), and here the bundle
 * that had each machine stopped scores them, for the report only. */
#ifndef MW_CLI_DEMO_TWIN_H
#define MW_CLI_DEMO_TWIN_H

#include "cli/demo_watch.h"

/* Reads the twins' records and adds their scores to watch->score, marked as a twin's. A plant that
 * wrote none adds none. Errors: IO, PARSE (FILE:LINE), MEMORY, those of the store. */
mw_err mw_demo_twin_score(struct mw_demo_watch *watch, struct mw_error *error);

#endif
