/* take.h - models that came with the machine: taken over from a folder that an image was mounted
 * on (lib/artifact/image.h), and published as if they had been trained here. */
#ifndef MW_TRAINING_TAKE_H
#define MW_TRAINING_TAKE_H

#include "lib/plant/plant.h"

/* Puts the folder's signed metadata in force, brings its bundles into the plant's store, and
 * publishes those that were not published from such a folder before. What was is remembered in
 * data/taken/<tag>, so that a model that has since been replaced does not come back. Blocks for as
 * long as another publisher does, 10 s at most. Not two at a time.
 *
 * *changed: something was published. SIGNATURE with the reason when the metadata are of other keys
 * or older than what this store has seen, or do not list a bundle; nothing in force has changed
 * then. When there is nothing to publish, older metadata are no error. NOT_FOUND: no store in
 * that folder; and the errors of files and stream. */
mw_err mw_take_models(const struct mw_plant *plant, const char *folder, bool *changed,
                      struct mw_error *error);

#endif
