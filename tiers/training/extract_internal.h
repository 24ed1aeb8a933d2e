/* extract_internal.h - what the two passes of an extraction share. */
#ifndef MW_TRAINING_EXTRACT_INTERNAL_H
#define MW_TRAINING_EXTRACT_INTERNAL_H

#include "core/wire/message.h"
#include "tiers/training/archive.h"
#include "tiers/training/extract.h"

_Static_assert(MW_EXTRACT_FEATURES == MW_FEATURES_MAX && MW_EXTRACT_NAME == MW_FEATURE_NAME_MAX + 1,
               "a record's features fit the result");

/* What a labelled record has to be remembered by between the pass that labels and the one that
 * writes. */
struct mw_extract_row {
    uint32_t machine; /* of the history; UINT32_MAX: not known */
    int64_t time;
    int8_t label; /* 0, 1; -1: not in the set */
    int8_t side;  /* 0 train, 1 validation, -1: left out at the border */
};

struct mw_extract_job {
    const struct mw_plant *plant;
    const struct mw_extract_options *options;
    struct mw_extract_result *result;
    struct mw_archive *archive;
    struct mw_history *history;
    struct mw_extract_row *row; /* one a record of the stream, in order of arrival */
    size_t n, capacity;
    struct mw_baseline_list in_use; /* those of the model in use, for the features below */
    uint64_t *seen, *kept; /* per machine of the history: records so far, and healthy ones taken */
    char *feature[MW_FEATURES_MAX];
    size_t n_features;
};

/* The number of a machine in the history, UINT32_MAX when it is not there. */
uint32_t mw_extract_machine(const struct mw_extract_job *job, struct mw_span name);

/* The row that the first pass made of this record, or NULL for one that came later; *at is where to
 * look from and goes on. Retention may have removed the oldest records in between: their rows are
 * passed over. */
const struct mw_extract_row *mw_extract_find_row(const struct mw_extract_job *job, size_t *at,
                                                 const struct mw_telemetry *record);

/* Adds to the result's baselines one since `fresh` for each machine with healthy records enough. */
mw_err mw_extract_retake_baselines(struct mw_extract_job *job, struct mw_error *error);

/* The second pass: settles the reference machine and writes the file. */
mw_err mw_extract_write(struct mw_extract_job *job, struct mw_error *error);

#endif
