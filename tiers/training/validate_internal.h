/* validate_internal.h - what the files of validate share. */
#ifndef MW_TRAINING_VALIDATE_INTERNAL_H
#define MW_TRAINING_VALIDATE_INTERNAL_H

#include "tiers/training/assemble.h"
#include "tiers/training/validate.h"

#include <jansson.h>

struct mw_validate_job {
    const struct mw_plant *plant;
    const struct mw_validate_options *options;
    struct mw_validate_result *result;
    json_t *train, *extract;  /* what those steps said */
    struct mw_dataset set;    /* columns in the order of the extraction's reference */
    struct mw_dataset in_use; /* the newest rows as the parent maps them; no rows: as in `set` */
    struct mw_baseline_list baselines; /* that the bundle is to carry */
    char digest[72];                   /* of the data set's file */
    float *reference_mean, *reference_std;
    struct mw_buffer int8_model, float_model;
    double *int8_score, *float_score; /* one a row */
    struct mw_bundle parent;          /* kind NULL: none */
    double parent_auc, int8_loss;     /* NAN: not measured */
    struct mw_bundle bundle;          /* the candidate; kind NULL until assembled */
    json_t *gates;
};

/* Reads all that the options name and scores the rows. */
mw_err mw_validate_load(struct mw_validate_job *job, struct mw_error *error);
void mw_validate_unload(struct mw_validate_job *job);

/* True when the records carry both classes where it counts. */
bool mw_validate_labelled(const struct mw_validate_job *job);

#endif
