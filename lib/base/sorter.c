#include "lib/base/sorter.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    FAN = 16,             /* runs of one level that become one of the next */
    RUNS_MOST = FAN * 16, /* 15 levels of 15 runs are more than a disk holds */
    HEAD = 2,             /* an entry: size of the key, size of the value, key, value */
    ENTRY_MOST = HEAD + 2 * MW_SORTER_MOST
};

/* Entries in order: a file, or (file NULL) the block's. */
struct run {
    FILE *file;
    unsigned level;
    size_t at;                  /* of the block's index, from its end */
    const unsigned char *entry; /* the next one; NULL: none is left */
    unsigned char read[ENTRY_MOST];
};

struct mw_sorter {
    unsigned char *block; /* entries from its front, their offsets from its end */
    size_t capacity, used, n;
    struct run *run[RUNS_MOST]; /* in the order in which their entries were added */
    size_t n_runs;
    size_t heap[RUNS_MOST], n_heap; /* runs with entries left, the next one first */
    bool merging, given;            /* given: the first run's entry was handed out */
};

/* ---- the block ---- */

static uint32_t *index_of(const struct mw_sorter *sorter)
{
    return (uint32_t *)(void *)(sorter->block + sorter->capacity) - sorter->n;
}

static int compare_keys(const unsigned char *a, const unsigned char *b)
{
    size_t least = a[0] < b[0] ? a[0] : b[0];
    int order = memcmp(a + HEAD, b + HEAD, least);
    return order != 0 ? order : (int)a[0] - (int)b[0];
}

static int compare_offsets(const void *a, const void *b, void *context)
{
    const unsigned char *block = context;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    int order = compare_keys(block + x, block + y);
    return order != 0 ? order : x < y ? -1 : 1;
}

static void sort_block(struct mw_sorter *sorter)
{
    qsort_r(index_of(sorter), sorter->n, sizeof(uint32_t), compare_offsets, sorter->block);
}

/* ---- runs ---- */

static size_t size_of(const unsigned char *entry)
{
    return HEAD + (size_t)entry[0] + entry[1];
}

static const char *folder(void)
{
    const char *named = getenv("TMPDIR");
    return named != NULL && named[0] != '\0' ? named : "/var/tmp";
}

static int open_nameless(void)
{
    int fd = open(folder(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) { /* not every file system knows how */
        char path[PATH_MAX];
        int length = snprintf(path, sizeof path, "%s/millwright-XXXXXX", folder());
        fd = length > 0 && (size_t)length < sizeof path ? mkostemp(path, O_CLOEXEC) : -1;
        if (fd >= 0) {
            (void)unlink(path);
        }
    }
    return fd;
}

static mw_err fail(struct mw_error *error, const char *what)
{
    return mw_error_errno(error, MW_ERR_IO, "%s: %s (TMPDIR names another folder)", folder(), what);
}

/* Adds a run to the end; the block's when `file` is false. */
static mw_err add_run(struct mw_sorter *sorter, bool file, unsigned level, struct mw_error *error)
{
    assert(sorter->n_runs < RUNS_MOST);
    struct run *run = calloc(1, sizeof *run);
    if (run == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    run->level = level;
    if (file) {
        int fd = open_nameless();
        run->file = fd < 0 ? NULL : fdopen(fd, "w+");
        if (run->file == NULL) {
            mw_err err = fail(error, "cannot make a temporary file");
            if (fd >= 0) {
                (void)close(fd);
            }
            free(run);
            return err;
        }
    }
    sorter->run[sorter->n_runs++] = run;
    return MW_OK;
}

static void free_run(struct run *run)
{
    if (run->file != NULL) {
        (void)fclose(run->file);
    }
    free(run);
}

static mw_err write_entry(struct run *run, const unsigned char *entry, struct mw_error *error)
{
    size_t size = size_of(entry);
    return fwrite(entry, 1, size, run->file) == size ? MW_OK
                                                     : fail(error, "cannot write a temporary file");
}

static mw_err begin_reading(struct run *run, struct mw_error *error)
{
    return fseek(run->file, 0, SEEK_SET) == 0 ? MW_OK
                                              : fail(error, "cannot write a temporary file");
}

/* Moves on to the run's next entry. */
static mw_err advance(const struct mw_sorter *sorter, struct run *run, struct mw_error *error)
{
    if (run->file == NULL) {
        run->entry = run->at < sorter->n ? sorter->block + index_of(sorter)[run->at++] : NULL;
        return MW_OK;
    }
    run->entry = NULL;
    if (fread(run->read, 1, HEAD, run->file) == HEAD) {
        size_t rest = size_of(run->read) - HEAD;
        if (fread(run->read + HEAD, 1, rest, run->file) == rest) {
            run->entry = run->read;
            return MW_OK;
        }
    }
    return ferror(run->file) ? fail(error, "cannot read a temporary file") : MW_OK;
}

/* ---- merging ---- */

static bool comes_before(const struct mw_sorter *sorter, size_t a, size_t b)
{
    int order = compare_keys(sorter->run[a]->entry, sorter->run[b]->entry);
    return order != 0 ? order < 0 : a < b;
}

static void sink(struct mw_sorter *sorter, size_t i)
{
    size_t *heap = sorter->heap, moved = heap[i];
    for (size_t child; (child = 2 * i + 1) < sorter->n_heap; i = child) {
        if (child + 1 < sorter->n_heap && comes_before(sorter, heap[child + 1], heap[child])) {
            child++;
        }
        if (!comes_before(sorter, heap[child], moved)) {
            break;
        }
        heap[i] = heap[child];
    }
    heap[i] = moved;
}

/* Begins to merge the runs from `first` on. */
static mw_err merge_begin(struct mw_sorter *sorter, size_t first, struct mw_error *error)
{
    sorter->n_heap = 0;
    for (size_t i = first; i < sorter->n_runs; i++) {
        mw_err err = advance(sorter, sorter->run[i], error);
        if (err != MW_OK) {
            return err;
        }
        if (sorter->run[i]->entry != NULL) {
            sorter->heap[sorter->n_heap++] = i;
        }
    }
    for (size_t i = sorter->n_heap / 2; i-- > 0;) {
        sink(sorter, i);
    }
    return MW_OK;
}

/* Takes the first entry off. */
static mw_err merge_advance(struct mw_sorter *sorter, struct mw_error *error)
{
    struct run *run = sorter->run[sorter->heap[0]];
    mw_err err = advance(sorter, run, error);
    if (run->entry == NULL) {
        sorter->heap[0] = sorter->heap[--sorter->n_heap];
    }
    if (sorter->n_heap > 0) {
        sink(sorter, 0);
    }
    return err;
}

/* Makes one run of the last FAN. */
static mw_err merge_last(struct mw_sorter *sorter, struct mw_error *error)
{
    size_t first = sorter->n_runs - FAN;
    mw_err err = merge_begin(sorter, first, error);
    if (err == MW_OK) {
        err = add_run(sorter, true, sorter->run[first]->level + 1, error);
    }
    if (err != MW_OK) {
        return err;
    }
    struct run *merged = sorter->run[sorter->n_runs - 1];
    while (err == MW_OK && sorter->n_heap > 0) {
        err = write_entry(merged, sorter->run[sorter->heap[0]]->entry, error);
        if (err == MW_OK) {
            err = merge_advance(sorter, error);
        }
    }
    if (err == MW_OK) {
        err = begin_reading(merged, error);
    }
    for (size_t i = first; i < first + FAN; i++) {
        free_run(sorter->run[i]);
    }
    sorter->run[first] = merged;
    sorter->n_runs = first + 1;
    return err;
}

static mw_err spill(struct mw_sorter *sorter, struct mw_error *error)
{
    mw_err err = add_run(sorter, true, 0, error);
    if (err != MW_OK) {
        return err;
    }
    struct run *run = sorter->run[sorter->n_runs - 1];
    sort_block(sorter);
    const uint32_t *index = index_of(sorter);
    for (size_t i = 0; err == MW_OK && i < sorter->n; i++) {
        err = write_entry(run, sorter->block + index[i], error);
    }
    if (err == MW_OK) {
        err = begin_reading(run, error);
    }
    sorter->used = sorter->n = 0;
    while (err == MW_OK && sorter->n_runs >= FAN &&
           sorter->run[sorter->n_runs - FAN]->level == sorter->run[sorter->n_runs - 1]->level) {
        err = merge_last(sorter, error);
    }
    return err;
}

/* ---- for all ---- */

mw_err mw_sorter_new(struct mw_sorter **sorter, size_t memory, struct mw_error *error)
{
    *sorter = NULL;
    if (memory < MW_SORTER_LEAST || memory > (size_t)1 << 30) {
        return mw_error_set(error, MW_ERR_ARGUMENT, "a sorter cannot have %zu bytes", memory);
    }
    struct mw_sorter *made = calloc(1, sizeof *made);
    if (made != NULL) {
        made->capacity = memory / sizeof(uint32_t) * sizeof(uint32_t);
        made->block = malloc(made->capacity);
    }
    if (made == NULL || made->block == NULL) {
        free(made);
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    *sorter = made;
    return MW_OK;
}

void mw_sorter_free(struct mw_sorter *sorter)
{
    if (sorter != NULL) {
        for (size_t i = 0; i < sorter->n_runs; i++) {
            free_run(sorter->run[i]);
        }
        free(sorter->block);
        free(sorter);
    }
}

mw_err mw_sorter_add(struct mw_sorter *sorter, struct mw_span key, struct mw_span value,
                     struct mw_error *error)
{
    assert(!sorter->merging);
    if (key.size > MW_SORTER_MOST || value.size > MW_SORTER_MOST) {
        return mw_error_set(error, MW_ERR_ARGUMENT, "an entry of %zu and %zu bytes is too long",
                            key.size, value.size);
    }
    size_t size = HEAD + key.size + value.size;
    if (sorter->used + size + (sorter->n + 1) * sizeof(uint32_t) > sorter->capacity) {
        mw_err err = spill(sorter, error);
        if (err != MW_OK) {
            return err;
        }
    }
    unsigned char *entry = sorter->block + sorter->used;
    entry[0] = (unsigned char)key.size;
    entry[1] = (unsigned char)value.size;
    if (key.size > 0) {
        memcpy(entry + HEAD, key.data, key.size);
    }
    if (value.size > 0) {
        memcpy(entry + HEAD + key.size, value.data, value.size);
    }
    sorter->n++;
    index_of(sorter)[0] = (uint32_t)sorter->used;
    sorter->used += size;
    return MW_OK;
}

mw_err mw_sorter_next(struct mw_sorter *sorter, struct mw_span *key, struct mw_span *value,
                      bool *there, struct mw_error *error)
{
    mw_err err = MW_OK;
    *there = false;
    if (!sorter->merging) {
        sorter->merging = true;
        sort_block(sorter);
        err = add_run(sorter, false, 0, error);
        if (err == MW_OK) {
            err = merge_begin(sorter, 0, error);
        }
    } else if (sorter->given) {
        err = merge_advance(sorter, error);
    }
    sorter->given = err == MW_OK && sorter->n_heap > 0;
    if (sorter->given) {
        const unsigned char *entry = sorter->run[sorter->heap[0]]->entry;
        const char *bytes = (const char *)entry + HEAD;
        *key = (struct mw_span){bytes, entry[0]};
        *value = (struct mw_span){bytes + entry[0], entry[1]};
        *there = true;
    }
    return err;
}
