/* extract.h - from stream to data set: labelled records in the units that a model sees.
 *
 * Reads events, commands and telemetry of a plant's stream, labels each record from what followed
 * (history.h), maps it by its machine's baseline, and writes a CSV file:
 *
 *   machine,time,split,label,weight,<feature>,...
 *
 * split is "train" or "validation". What was stored last validates: the newest share of the
 * labelled records by order of arrival, so a candidate is judged on the newest data. The share
 * grows, to half as a rule, until it has its part of each class too; beyond that only for want of
 * one. Records of a machine that was split in two lie at least a horizon apart across the border.
 * weight is 1/p. time is in seconds.
 *
 * With `fresh` the plant has moved: machines with enough healthy records since then get new
 * baselines, which the candidate's bundle carries, and records from then on are mapped by those.
 */
#ifndef MW_TRAINING_EXTRACT_H
#define MW_TRAINING_EXTRACT_H

#include "lib/artifact/baseline.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/plant/plant.h"

#include <stdint.h>

#define MW_EXTRACT_FEATURES 128 /* as many as a record may have */
#define MW_EXTRACT_NAME 128     /* bytes of a feature's name with its NUL */

struct mw_extract_options {
    const char *out;       /* the CSV file; NULL: only count */
    int64_t since;         /* only records from this time on; INT64_MIN: all */
    int64_t fresh;         /* validate on the newest share of the records from then on, and train on
                            * all older ones too; INT64_MIN: of all records */
    const char *machine;   /* only this one; NULL: all */
    bool healthy;          /* instead of labels: the commissioning records, all labelled 0; with
                            * commission.records 0, or with `since` or `fresh`, all of which nothing
                            * bad is known */
    const char *reference; /* bundle.json whose reference machine to map onto; NULL: the mean of the
                            * machines' baselines, or without any the training records themselves */
    const char *in_use; /* a second CSV file: the same records, those since `fresh` only, mapped as
                         * the bundle of `reference` maps them; NULL: none */
};

struct mw_extract_result {
    uint64_t records; /* seen */
    uint64_t labelled, positives;
    uint64_t unknown, excluded, suspect, incomplete; /* left out, by reason */
    uint64_t border;                                 /* labelled, but too close to the split */
    uint64_t validation, validation_positives;
    size_t machines, features;
    int64_t fresh;  /* as asked for */
    int64_t newest; /* time of the newest labelled record */
    bool mapped;    /* the machines' baselines were used */
    size_t retaken; /* machines whose baseline was taken anew */
    /* Those of the reference bundle and those taken anew, for the features below; owned. */
    struct mw_baseline_list baselines;
    /* The reference machine, one a feature; only when a file was written. std > 0. */
    char feature[MW_EXTRACT_FEATURES][MW_EXTRACT_NAME];
    float reference_mean[MW_EXTRACT_FEATURES], reference_std[MW_EXTRACT_FEATURES];
};

/* Overwrites *result; free it with mw_extract_clear, after an error too.
 * Blocks; reads the stream without a writer. Memory: a number a record and the events. Errors:
 * NOT_FOUND when there is no record, PARSE, IO, FULL. */
mw_err mw_extract(const struct mw_plant *plant, const struct mw_extract_options *options,
                  struct mw_extract_result *result, struct mw_error *error);

void mw_extract_clear(struct mw_extract_result *result);

/* Appends the counts and the reference as one JSON object. Errors: MEMORY. */
mw_err mw_extract_print_json(const struct mw_extract_result *result, struct mw_buffer *json);

#endif
