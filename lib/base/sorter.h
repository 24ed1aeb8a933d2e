/* sorter.h - sorts more than memory holds, by key.
 *
 * Entries gather in a block of memory; a full block is sorted and written to a temporary file, a
 * run, and runs that have become many are merged into one. Taking the entries out merges what there
 * is. (External merge sort: Knuth, The Art of Computer Programming 3, 1998, 5.4.) Memory is the
 * block and some kilobytes a run, of which there are at most 15 for each power of 16 blocks; what
 * fits into the block touches no disk. Entries of one key come out in the order in which they went
 * in.
 *
 * The files have no name and are gone with the process. They lie in the folder that TMPDIR names,
 * else in /var/tmp. Blocks for the disk. */
#ifndef MW_BASE_SORTER_H
#define MW_BASE_SORTER_H

#include "core/span.h"
#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define MW_SORTER_MOST 255   /* bytes of a key, and of a value */
#define MW_SORTER_LEAST 4096 /* bytes of memory */

struct mw_sorter;

/* `memory`: bytes of the block, MW_SORTER_LEAST to 1 GiB. ARGUMENT, MEMORY. */
mw_err mw_sorter_new(struct mw_sorter **sorter, size_t memory, struct mw_error *error);
void mw_sorter_free(struct mw_sorter *sorter); /* NULL allowed */

/* Copies key and value, each of at most MW_SORTER_MOST bytes. Not after the first
 * mw_sorter_next. FULL when the temporary folder is, IO, MEMORY; ARGUMENT for what is too long. */
mw_err mw_sorter_add(struct mw_sorter *sorter, struct mw_span key, struct mw_span value,
                     struct mw_error *error);

/* The next entry in the order of the keys' bytes; *there false: none is left. The spans are valid
 * until the next call and not aligned. IO, FULL, MEMORY. */
mw_err mw_sorter_next(struct mw_sorter *sorter, struct mw_span *key, struct mw_span *value,
                      bool *there, struct mw_error *error);

#endif
