/* validate.h - the gates that a candidate passes before it may be signed.
 *
 *   features   the model's own list is the data set's
 *   finite     float32 and int8 answer every record with a number in [0,1]
 *   int8       int8 loses at most model.int8_auc_loss of AUC against float32, on all records
 *   chance     with labels: ROC AUC on the validation records is above 0.5
 *   gain       with labels and a model in use: on the same validation records the candidate's ROC
 * AUC exceeds that model's by retrain.minimum_gain. The candidate's is that of its first network
 * (train.h), which has not seen those records size       of the int8 file golden     the built-in
 * engine reproduces the golden vectors
 */
#ifndef MW_TRAINING_VALIDATE_H
#define MW_TRAINING_VALIDATE_H

#include "lib/base/file.h"
#include "lib/plant/plant.h"

/* Paths, all borrowed. */
struct mw_validate_options {
    const char *data, *int8_model, *float_model;
    const char *train, *extract; /* what those steps printed with --json */
    const char *parent;          /* folder of the bundle in use (assemble.h), or NULL */
    const char *in_use;          /* CSV that extract wrote for it; NULL: it is judged by `data` */
    const char *parent_digest;   /* goes into the lineage; may be NULL */
    const char *machine;         /* with model.scope machine; may be NULL */
    const char *out;             /* folder of the new bundle */
    int64_t size_limit;          /* bytes of the int8 file */
};

struct mw_validate_result {
    bool passed;
    char reason[256];       /* of the first gate that refused */
    struct mw_buffer gates; /* JSON object, name: text */
    struct mw_buffer
        metrics; /* JSON object: figures of the int8 candidate on the validation records */
};

/* Runs all gates; writes the bundle when they passed, else only OUT/report.json. Errors: those of
 * the files. Free *result with mw_validate_clear in any case. */
mw_err mw_validate(const struct mw_plant *plant, const struct mw_validate_options *options,
                   struct mw_validate_result *result, struct mw_error *error);
void mw_validate_clear(struct mw_validate_result *result);

#endif
