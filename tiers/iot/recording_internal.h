/* recording_internal.h - an open recording: its files and columns (recording_open.c) and its rows
 * (recording.c). */
#ifndef MW_IOT_RECORDING_INTERNAL_H
#define MW_IOT_RECORDING_INTERNAL_H

#include "lib/base/csv.h"
#include "tiers/iot/name_map.h"
#include "tiers/iot/recording.h"

#define MW_RECORDING_NONE SIZE_MAX /* no such column */

struct mw_recording {
    const struct mw_plant *plant;
    char *const *path;
    size_t n_paths, at; /* the file being read */
    struct mw_csv *csv;
    size_t device, machine, time, failure, finding; /* columns; NONE */
    size_t n_features;
    size_t feature[MW_FEATURES_MAX];
    struct mw_span name[MW_FEATURES_MAX]; /* interned */
    char **interned; /* every name of every file: a row read ahead borrows the file before */
    size_t n_interned;
    char stem[2 * MW_NAME_MAX + 2]; /* the file's name as a device's, without prefix */
    bool folders;                   /* two files have one name */
    bool ends_fail;                 /* a device's last row is its failure */
    struct mw_name_map ended;       /* devices whose last row has come; names owned */
    int64_t start;                  /* numeric times count from here */
    uint64_t rows, read;            /* given out; read, with the one ahead */
    bool ahead;                     /* `next` holds the row that comes next */
    struct mw_recorded next;
};

/* Opens file number `at` and finds its columns. */
mw_err mw_recording_open_file(struct mw_recording *recording, struct mw_error *error);

#endif
