/* pipeline_tidy.c - keeps data/learn from growing: a run's folder holds a copy of all labelled
 * records. */
#include "tiers/training/pipeline.h"

#include "lib/base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct old {
    char name[NAME_MAX + 1];
    struct timespec changed;
};

static int newest_first(const void *left, const void *right)
{
    const struct timespec *a = &((const struct old *)left)->changed;
    const struct timespec *b = &((const struct old *)right)->changed;
    if (a->tv_sec != b->tv_sec) {
        return (a->tv_sec < b->tv_sec) - (a->tv_sec > b->tv_sec);
    }
    return (a->tv_nsec < b->tv_nsec) - (a->tv_nsec > b->tv_nsec);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

/* Only what a run has left, not what a person has put there. */
static bool is_run(DIR *folder, const char *name, struct timespec *changed)
{
    char mark[NAME_MAX + 32];
    struct stat status;
    snprintf(mark, sizeof mark, "%s/extract.json", name);
    if (name[0] == '.' || fstatat(dirfd(folder), mark, &status, AT_SYMLINK_NOFOLLOW) != 0) {
        return false;
    }
    *changed = status.st_mtim;
    return true;
}

void mw_pipeline_tidy(const struct mw_plant *plant, size_t keep)
{
    char path[PATH_MAX], whole[PATH_MAX];
    struct old *runs = NULL;
    size_t n = 0;
    DIR *folder = mw_plant_path(plant, "learn", NULL, path, sizeof path, NULL) == MW_OK
                      ? opendir(path)
                      : NULL;
    const struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        struct timespec changed;
        if (!is_run(folder, entry->d_name, &changed)) {
            continue;
        }
        struct old *grown = realloc(runs, (n + 1) * sizeof *runs);
        if (grown == NULL) {
            break; /* the next run tidies */
        }
        runs = grown;
        runs[n].changed = changed;
        snprintf(runs[n++].name, sizeof runs->name, "%s", entry->d_name);
    }
    if (folder != NULL) {
        closedir(folder);
    }
    if (n > 1) {
        qsort(runs, n, sizeof *runs, newest_first);
    }
    for (size_t i = keep; i < n; i++) {
        if (mw_file_join(whole, sizeof whole, path, runs[i].name) == MW_OK) {
            (void)nftw(whole, remove_one, 8, FTW_DEPTH | FTW_PHYS);
        }
    }
    free(runs);
}
