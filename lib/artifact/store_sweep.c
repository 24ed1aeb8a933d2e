/* store_sweep.c - removes the blobs that nothing leads to any more. */
#include "lib/artifact/parts.h"

#include "lib/base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Digests that stay. */
struct kept {
    char (*digest)[MW_DIGEST_TEXT];
    size_t n, capacity;
    mw_err err;
};

static void keep(struct kept *kept, const char *digest)
{
    if (kept->n == kept->capacity) {
        size_t capacity = kept->capacity == 0 ? 64 : 2 * kept->capacity;
        void *grown = realloc(kept->digest, capacity * sizeof *kept->digest);
        if (grown == NULL) {
            kept->err = MW_ERR_MEMORY;
            return;
        }
        kept->digest = grown;
        kept->capacity = capacity;
    }
    (void)snprintf(kept->digest[kept->n++], MW_DIGEST_TEXT, "%s", digest);
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void sort_once(struct kept *kept)
{
    size_t n = 0;
    if (kept->n > 0) {
        qsort(kept->digest, kept->n, sizeof *kept->digest, compare);
    }
    for (size_t i = 0; i < kept->n; i++) {
        if (n == 0 || strcmp(kept->digest[n - 1], kept->digest[i]) != 0) {
            memmove(kept->digest[n++], kept->digest[i], MW_DIGEST_TEXT);
        }
    }
    kept->n = n;
}

static bool keep_tagged(void *context, const char *tag, const char *digest)
{
    (void)tag;
    keep(context, digest);
    return true;
}

/* All that is signed, under whatever name. */
static mw_err keep_targets(struct mw_store *store, struct kept *kept, struct mw_error *error)
{
    struct mw_trust_chain chain = {0};
    const char *name;
    json_t *target;
    mw_err err = mw_trust_chain_load(store, -1, &chain, error);
    if (err != MW_OK) {
        return err;
    }
    json_t *targets = json_object_get(mw_trust_signed(chain.targets), "targets");
    json_object_foreach(targets, name, target)
    {
        const char *hex = mw_json_string(json_object_get(target, "hashes"), "sha256");
        char digest[MW_DIGEST_TEXT];
        if (hex != NULL && strlen(hex) == 64) {
            (void)snprintf(digest, sizeof digest, "sha256:%s", hex);
            keep(kept, digest);
        }
    }
    mw_trust_chain_clear(&chain);
    return MW_OK;
}

/* The parts of a manifest. One that is not there has none; one that cannot be read ends the
 * sweep. */
static mw_err keep_parts(struct mw_store *store, const char *digest, struct kept *kept,
                         struct mw_error *error)
{
    struct mw_buffer text = {0};
    json_auto_t *manifest = NULL;
    size_t i;
    const json_t *layer;
    mw_err err = mw_store_get_own(store, digest, &text, error);
    if (err == MW_OK) {
        err = mw_json_load((struct mw_span){text.data, text.size}, digest, &manifest, error);
    }
    mw_buffer_free(&text);
    if (err != MW_OK) {
        return err == MW_ERR_NOT_FOUND ? MW_OK : err;
    }
    const char *config = mw_json_string(json_object_get(manifest, "config"), "digest");
    if (config != NULL) {
        keep(kept, config);
    }
    json_array_foreach(json_object_get(manifest, "layers"), i, layer)
    {
        const char *part = mw_json_string(layer, "digest");
        if (part != NULL) {
            keep(kept, part);
        }
    }
    return MW_OK;
}

/* Removes what is in no list and was put before `before`. */
static mw_err remove_rest(const struct mw_store *store, const struct kept *kept, int64_t before,
                          struct mw_swept *swept, struct mw_error *error)
{
    char path[MW_PATH_TEXT], digest[MW_DIGEST_TEXT];
    const struct dirent *entry;
    struct stat status;
    if (mw_file_join(path, sizeof path, store->folder, "blobs/sha256") != MW_OK) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "%s: path too long", store->folder);
    }
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return mw_error_errno(error, MW_ERR_IO, "%s", path);
    }
    while ((entry = readdir(folder)) != NULL) {
        int n = snprintf(digest, sizeof digest, "sha256:%.*s", 65, entry->d_name);
        if (n < 0 || (size_t)n >= sizeof digest || !mw_digest_valid(mw_span_of(digest)) ||
            bsearch(digest, kept->digest, kept->n, sizeof *kept->digest, compare) != NULL ||
            fstatat(dirfd(folder), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
            (int64_t)status.st_mtim.tv_sec * MW_SECOND >= before) {
            continue;
        }
        if (unlinkat(dirfd(folder), entry->d_name, 0) == 0) {
            swept->blobs++;
            swept->bytes += (uint64_t)status.st_size;
        }
    }
    (void)closedir(folder);
    return MW_OK;
}

static mw_err sweep(struct mw_store *store, const char (*roots)[MW_DIGEST_TEXT], size_t n,
                    bool targets, int64_t before, struct mw_swept *swept, struct mw_error *error)
{
    struct kept kept = {0};
    int lock;
    *swept = (struct mw_swept){0};
    mw_err err = mw_store_lock(store, &lock, error);
    if (err != MW_OK) {
        return err;
    }
    for (size_t i = 0; i < n; i++) {
        keep(&kept, roots[i]);
    }
    err = mw_store_visit(store, keep_tagged, &kept, error);
    if (err == MW_OK && targets) {
        err = keep_targets(store, &kept, error);
    }
    sort_once(&kept);
    size_t manifests = kept.n;
    for (size_t i = 0; err == MW_OK && i < manifests; i++) {
        char digest[MW_DIGEST_TEXT]; /* the list may move */
        memcpy(digest, kept.digest[i], sizeof digest);
        err = keep_parts(store, digest, &kept, error);
    }
    if (err == MW_OK && kept.err != MW_OK) {
        err = mw_error_set(error, kept.err, "%s: out of memory", store->folder);
    }
    sort_once(&kept);
    if (err == MW_OK && kept.n > 0) {
        err = remove_rest(store, &kept, before, swept, error);
    }
    mw_store_unlock(lock);
    free(kept.digest);
    if (err == MW_OK && error != NULL) {
        *error = (struct mw_error){0}; /* what a manifest said that is not there */
    }
    return err;
}

mw_err mw_store_sweep(struct mw_store *store, const char (*roots)[MW_DIGEST_TEXT], size_t n,
                      int64_t before, struct mw_swept *swept, struct mw_error *error)
{
    return sweep(store, roots, n, false, before, swept, error);
}

mw_err mw_trust_sweep(struct mw_store *store, const char (*roots)[MW_DIGEST_TEXT], size_t n,
                      int64_t before, struct mw_swept *swept, struct mw_error *error)
{
    return sweep(store, roots, n, true, before, swept, error);
}
