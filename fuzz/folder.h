/* folder.h - a folder of a fuzz target's own. It goes when the program ends, with all that is in
 * it. */
#ifndef MW_FUZZ_FOLDER_H
#define MW_FUZZ_FOLDER_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char fuzz_folder_path[64];

static inline int fuzz_folder_remove_one(const char *path, const struct stat *status, int type,
                                         struct FTW *walk)
{
    (void)status;
    (void)type;
    return walk->level == 0 ? 0 : remove(path);
}

/* Removes what is in a folder. */
static inline void fuzz_folder_empty(const char *path)
{
    (void)nftw(path, fuzz_folder_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void fuzz_folder_leave(void)
{
    fuzz_folder_empty(fuzz_folder_path);
    (void)rmdir(fuzz_folder_path);
}

/* Its path; the first call makes it, where nothing waits for a disk if there is such a place. What
 * is registered with atexit later comes before its end. */
static inline const char *fuzz_folder(void)
{
    if (fuzz_folder_path[0] == '\0') {
        (void)snprintf(fuzz_folder_path, sizeof fuzz_folder_path, "%s/mw-fuzz-XXXXXX",
                       access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        if (mkdtemp(fuzz_folder_path) == NULL || atexit(fuzz_folder_leave) != 0) {
            abort();
        }
    }
    return fuzz_folder_path;
}

#endif
