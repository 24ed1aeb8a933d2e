/* in_use.h - which bundle serves the plant, or one of its machines, right now. */
#ifndef MW_TRAINING_IN_USE_H
#define MW_TRAINING_IN_USE_H

#include "lib/artifact/store.h"
#include "lib/plant/plant.h"

/* Opens the plant's artifact store, oci:<data>/artifacts. */
mw_err mw_in_use_store(struct mw_store **store, const struct mw_plant *plant, bool create,
                       struct mw_error *error);

/* The digest that the bridge keeps as desired: with model.scope machine that of the device that
 * speaks for the machine, else that of all ("*"). Empty when there is none. machine may be NULL.
 * Errors: those of the stream. */
mw_err mw_in_use_find(const struct mw_plant *plant, const char *machine,
                      char digest[MW_DIGEST_TEXT], struct mw_error *error);

/* Writes the bundle of that digest as a folder (assemble.h) after checking every part of it. */
mw_err mw_in_use_export(const struct mw_plant *plant, const char *digest, const char *folder,
                        struct mw_error *error);

/* True when anything in the plant is desired to run this digest. */
mw_err mw_in_use_by_any(const struct mw_plant *plant, const char *digest, bool *used,
                        struct mw_error *error);

/* All digests that something in the plant is desired to run, some of them maybe more than once.
 * *digests is the caller's to free. */
mw_err mw_in_use_all(const struct mw_plant *plant, char (**digests)[MW_DIGEST_TEXT], size_t *n,
                     struct mw_error *error);

#endif
