/* catalog.h - the bundles that a plant's store holds under a tag or a signed name. */
#ifndef MW_TRAINING_CATALOG_H
#define MW_TRAINING_CATALOG_H

#include "lib/artifact/bundle.h"
#include "lib/plant/plant.h"

struct mw_catalog_row {
    char digest[MW_DIGEST_TEXT];
    char *tags; /* with commas between; empty when it has none */
    char *name; /* in targets; empty when it is not signed (any more) */
    bool in_use;
    mw_err err; /* why the bundle cannot be read, with `reason`; else MW_OK and: */
    struct mw_error reason;
    struct mw_bundle bundle; /* without its layers' bytes */
    double roc_auc;          /* NAN: unlabelled */
};

struct mw_catalog {
    struct mw_catalog_row *row; /* newest first */
    size_t n;
};

/* Reads them all. Errors: NOT_FOUND (no store yet), IO, PARSE, MEMORY. Free with mw_catalog_clear.
 */
mw_err mw_catalog_read(struct mw_catalog *catalog, const struct mw_plant *plant,
                       struct mw_error *error);
void mw_catalog_clear(struct mw_catalog *catalog);

/* The row of a tag, a digest, or the beginning of one (with or without "sha256:", 6 digits or
 * more). NULL with an error: NOT_FOUND, or ARGUMENT when several begin so. */
const struct mw_catalog_row *mw_catalog_find(const struct mw_catalog *catalog, const char *what,
                                             struct mw_error *error);

#endif
