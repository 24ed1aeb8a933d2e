/* image_parts.h - what both ways of an image share, and its fuzz target calls. */
#ifndef MW_ARTIFACT_IMAGE_PARTS_H
#define MW_ARTIFACT_IMAGE_PARTS_H

#include "lib/artifact/image.h"

#define MW_IMAGE_PARTS_MAX 128 /* of one manifest */

/* Visits the digests that a manifest (JSON from outside) names: its config, then its layers, each
 * of them valid. fn's error ends the walk. `what` names the manifest in errors. PARSE, TOO_LARGE.
 */
typedef mw_err mw_image_part_fn(void *context, const char *digest, struct mw_error *error);
mw_err mw_image_parts(struct mw_span manifest, const char *what, mw_image_part_fn *fn,
                      void *context, struct mw_error *error);

#endif
