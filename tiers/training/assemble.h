/* assemble.h - a bundle from what the steps of the pipeline made, and bundles as folders.
 *
 *   FOLDER/bundle.json, model.int8.tflite, model.float32.tflite, golden.bin, report.json
 *
 * is what one step hands to the next; the layout of the parts is in lib/artifact/bundle.h. */
#ifndef MW_TRAINING_ASSEMBLE_H
#define MW_TRAINING_ASSEMBLE_H

#include "lib/artifact/bundle.h"
#include "lib/plant/plant.h"
#include "tiers/training/dataset.h"

#define MW_ASSEMBLE_GOLDEN 24 /* vectors */

/* All borrowed. */
struct mw_assemble {
    const struct mw_plant *plant;
    const struct mw_dataset *dataset; /* its columns are the model's features, in its order */
    const char *digest;               /* of the data set's file */
    const char *kind;
    const float *reference_mean, *reference_std; /* one a column */
    const struct mw_baseline_list *baselines;    /* of the columns; may be NULL */
    const struct mw_buffer *int8_model, *float_model;
    const double *score; /* of the int8 model, one a row */
    double base_rate, int8_auc_loss;
    const char *parent, *machine; /* may be NULL */
    int64_t fresh; /* the reference tells of the records from then on; INT64_MIN: of all */
};

/* Makes the bundle: edges from the values that occur, sketches of the healthy rows in them (each
 * counted weight times), golden vectors over the whole range of scores. gates_json and metrics_json
 * are left NULL. On an error *bundle is empty. Errors: RANGE (too many features), MEMORY. */
mw_err mw_assemble_bundle(struct mw_bundle *bundle, const struct mw_assemble *from,
                          struct mw_error *error);

/* Writes the parts; the folder is made. Reads them all back (float_model and report.json may be
 * missing). Errors: as mw_bundle_print_json and mw_bundle_parse_json; IO, FULL, NOT_FOUND. */
mw_err mw_assemble_write(const struct mw_bundle *bundle, const char *folder,
                         struct mw_error *error);
mw_err mw_assemble_read(struct mw_bundle *bundle, const char *folder, struct mw_error *error);

#endif
