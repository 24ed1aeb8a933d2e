/* model_load.h - a bundle from a store, made ready to run. */
#ifndef MW_IOT_MODEL_LOAD_H
#define MW_IOT_MODEL_LOAD_H

#include "lib/artifact/bundle.h"

/* Reads the bundle and its parts (what a thing does not need may be missing), checks every hash,
 * builds the int8 model and reproduces its golden vectors. Errors: those of mw_bundle_read and
 * mw_runner_init. Free with mw_model_unload. */
mw_err mw_model_load(struct mw_store *store, const char *digest, struct mw_runner **runner,
                     struct mw_error *error);
void mw_model_unload(struct mw_runner *runner); /* NULL is allowed */

#endif
