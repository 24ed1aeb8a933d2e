/* store.c - the folder of blobs. index.json and manifests are in manifest.c. */
#include "lib/artifact/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char index_text[] =
    "{\"schemaVersion\":2,\"mediaType\":\"" MW_INDEX_TYPE "\",\"manifests\":[]}";

static const struct mw_store_source *the_source;

void mw_store_set_source(const struct mw_store_source *source)
{
    the_source = source;
}

const struct mw_store_source *mw_store_source(void)
{
    return the_source;
}

static mw_err join(char *path, size_t capacity, const char *folder, const char *name,
                   struct mw_error *error)
{
    if (mw_file_join(path, capacity, folder, name) != MW_OK) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "%s: path too long", folder);
    }
    return MW_OK;
}

static mw_err blob_path(const struct mw_store *store, const char *digest, char *path,
                        size_t capacity, struct mw_error *error)
{
    char name[sizeof "blobs/sha256/" + 64] = "blobs/sha256/";
    if (!mw_digest_valid(mw_span_of(digest))) {
        return mw_error_set(error, MW_ERR_ARGUMENT, "%.80s is not a digest", digest);
    }
    memcpy(name + 13, digest + 7, 65);
    return join(path, capacity, store->folder, name, error);
}

mw_err mw_store_metadata_path(const struct mw_store *store, const char *name, char *path,
                              size_t capacity, struct mw_error *error)
{
    char folder[MW_PATH_TEXT];
    mw_err err = join(folder, sizeof folder, store->folder, "metadata", error);
    return err == MW_OK ? join(path, capacity, folder, name, error) : err;
}

mw_err mw_store_lock(const struct mw_store *store, int *fd, struct mw_error *error)
{
    char path[MW_PATH_TEXT];
    mw_err err = join(path, sizeof path, store->folder, ".lock", error);
    if (err != MW_OK) {
        return err;
    }
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) {
        return mw_error_errno(error, MW_ERR_IO, "%s", path);
    }
    int result;
    do {
        result = flock(file, LOCK_EX);
    } while (result != 0 && errno == EINTR);
    if (result != 0) {
        err = mw_error_errno(error, MW_ERR_IO, "%s: lock", path);
        (void)close(file);
        return err;
    }
    *fd = file;
    return MW_OK;
}

void mw_store_unlock(int fd)
{
    (void)close(fd);
}

static mw_err make_file(const struct mw_store *store, const char *name, const char *text,
                        struct mw_error *error)
{
    char path[MW_PATH_TEXT];
    mw_err err = join(path, sizeof path, store->folder, name, error);
    if (err != MW_OK || mw_file_exists(path)) {
        return err;
    }
    return mw_file_write(path, text, strlen(text), 0644, error);
}

static mw_err make_layout(const struct mw_store *store, struct mw_error *error)
{
    static const char *const folders[] = {"blobs/sha256", "metadata"};
    char path[MW_PATH_TEXT];
    mw_err err = MW_OK;
    for (size_t i = 0; err == MW_OK && i < 2; i++) {
        err = join(path, sizeof path, store->folder, folders[i], error);
        if (err == MW_OK) {
            err = mw_file_make_folder(path, error);
        }
    }
    int lock;
    if (err == MW_OK) {
        err = mw_store_lock(store, &lock, error);
    }
    if (err != MW_OK) {
        return err;
    }
    err = make_file(store, "index.json", index_text, error);
    if (err == MW_OK) { /* last, since it is what says that the layout is whole */
        err = make_file(store, "oci-layout", MW_LAYOUT_TEXT, error);
    }
    mw_store_unlock(lock);
    return err;
}

static mw_err check_layout(const struct mw_store *store, struct mw_error *error)
{
    char path[MW_PATH_TEXT];
    struct mw_buffer text = {0};
    json_auto_t *layout = NULL;
    mw_err err = join(path, sizeof path, store->folder, "oci-layout", error);
    if (err != MW_OK) {
        return err;
    }
    if (!mw_file_exists(path)) {
        return mw_error_set(error, MW_ERR_NOT_FOUND, "%s: no artifact store there", store->folder);
    }
    err = mw_file_read(path, 4096, &text, error);
    if (err == MW_OK) {
        err = mw_json_load((struct mw_span){text.data, text.size}, path, &layout, error);
    }
    mw_buffer_free(&text);
    if (err != MW_OK) {
        return err;
    }
    const char *version = mw_json_string(layout, "imageLayoutVersion");
    if (version == NULL || strncmp(version, "1.", 2) != 0) {
        return mw_error_set(error, MW_ERR_VERSION, "%s: not image layout version 1", path);
    }
    return MW_OK;
}

mw_err mw_store_open(struct mw_store **store, const char *uri, bool create, struct mw_error *error)
{
    *store = NULL;
    if (strncmp(uri, "oci:", 4) != 0 || uri[4] == '\0' || strncmp(uri, "oci://", 6) == 0) {
        return mw_error_set(error, MW_ERR_UNSUPPORTED, "%s: expected oci:FOLDER", uri);
    }
    struct mw_store *made = calloc(1, sizeof *made);
    if (made == NULL || (made->folder = strdup(uri + 4)) == NULL) {
        free(made);
        return mw_error_set(error, MW_ERR_MEMORY, "%s: out of memory", uri);
    }
    bool cache = the_source != NULL; /* what is not there yet can be brought */
    mw_err err = create || cache ? make_layout(made, error) : MW_OK;
    if (err == MW_OK) {
        err = check_layout(made, error);
    }
    if (err != MW_OK) {
        mw_store_close(made);
        return err;
    }
    *store = made;
    return MW_OK;
}

void mw_store_close(struct mw_store *store)
{
    if (store != NULL) {
        free(store->folder);
        free(store);
    }
}

/* True when the blob is there with these very bytes; a damaged one is written again. */
static bool blob_is(const char *path, const void *data, size_t size)
{
    struct stat status;
    struct mw_buffer bytes = {0};
    if (stat(path, &status) != 0 || status.st_size < 0 || (size_t)status.st_size != size) {
        return false;
    }
    bool same = mw_file_read(path, size, &bytes, NULL) == MW_OK && bytes.size == size &&
                (size == 0 || memcmp(bytes.data, data, size) == 0);
    mw_buffer_free(&bytes);
    return same;
}

mw_err mw_store_put(struct mw_store *store, const void *data, size_t size,
                    char digest[MW_DIGEST_TEXT], struct mw_error *error)
{
    char path[MW_PATH_TEXT];
    if (size > MW_BLOB_MAX) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "a blob of %zu bytes", size);
    }
    mw_digest(data, size, digest);
    if (digest[0] == '\0') {
        return mw_error_set(error, MW_ERR_MEMORY, "SHA-256: out of memory");
    }
    int lock;
    mw_err err = blob_path(store, digest, path, sizeof path, error);
    if (err == MW_OK) {
        err = mw_store_lock(store, &lock, error);
    }
    if (err != MW_OK) {
        return err;
    }
    /* One that is there is as good as new, for mw_store_sweep too. */
    if (!blob_is(path, data, size) || utimensat(AT_FDCWD, path, NULL, 0) != 0) {
        err = mw_file_write(path, data, size, 0644, error);
    }
    mw_store_unlock(lock);
    return err;
}

mw_err mw_store_get_own(struct mw_store *store, const char *digest, struct mw_buffer *out,
                        struct mw_error *error)
{
    char path[MW_PATH_TEXT], found[MW_DIGEST_TEXT];
    size_t before = out->size;
    mw_err err = blob_path(store, digest, path, sizeof path, error);
    if (err != MW_OK) {
        return err;
    }
    if (!mw_file_exists(path)) {
        return mw_error_set(error, MW_ERR_NOT_FOUND, "%s: not in %s", digest, store->folder);
    }
    err = mw_file_read(path, MW_BLOB_MAX, out, error);
    if (err != MW_OK) {
        return err;
    }
    mw_digest(out->data + before, out->size - before, found);
    if (strcmp(found, digest) != 0) {
        out->size = before;
        if (out->data != NULL) {
            out->data[before] = '\0';
        }
        return mw_error_set(error, MW_ERR_CORRUPT, "%s: the bytes have another hash", path);
    }
    return MW_OK;
}

/* Keeps what the source has under that digest, and appends it to `out`. */
static mw_err bring(struct mw_store *store, const char *digest, struct mw_buffer *out,
                    struct mw_error *error)
{
    struct mw_buffer bytes = {0};
    char found[MW_DIGEST_TEXT];
    mw_err err = the_source->bring(the_source->context, digest, &bytes, error);
    if (err == MW_OK) {
        mw_digest(bytes.data == NULL ? "" : bytes.data, bytes.size, found);
        if (strcmp(found, digest) != 0) {
            err = mw_error_set(error, MW_ERR_CORRUPT, "%s: other bytes came", digest);
        }
    }
    if (err == MW_OK) {
        err = mw_store_put(store, bytes.data == NULL ? "" : bytes.data, bytes.size, found, error);
    }
    if (err == MW_OK && bytes.size > 0 &&
        (err = mw_buffer_add(out, bytes.data, bytes.size)) != MW_OK) {
        err = mw_error_set(error, err, "%s: out of memory", digest);
    }
    mw_buffer_free(&bytes);
    return err;
}

mw_err mw_store_get(struct mw_store *store, const char *digest, struct mw_buffer *out,
                    struct mw_error *error)
{
    struct mw_error why = {0};
    mw_err err = mw_store_get_own(store, digest, out, &why);
    if (err == MW_ERR_NOT_FOUND && the_source != NULL) {
        return bring(store, digest, out, error);
    }
    return err == MW_OK ? MW_OK : mw_error_set(error, err, "%s", why.text);
}

static mw_err read_at(int fd, uint64_t offset, size_t size, struct mw_buffer *out)
{
    mw_err err = mw_buffer_reserve(out, size + 1);
    while (err == MW_OK && size > 0) {
        ssize_t n = pread(fd, out->data + out->size, size, (off_t)offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return MW_ERR_IO;
        }
        out->size += (size_t)n;
        out->data[out->size] = '\0';
        offset += (uint64_t)n;
        size -= (size_t)n;
    }
    return err;
}

static mw_err read_own(struct mw_store *store, const char *digest, uint64_t offset, size_t size,
                       struct mw_buffer *out, uint64_t *total, struct mw_error *error)
{
    char path[MW_PATH_TEXT];
    struct stat status;
    mw_err err = blob_path(store, digest, path, sizeof path, error);
    if (err != MW_OK) {
        return err;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT
                   ? mw_error_set(error, MW_ERR_NOT_FOUND, "%s: not in %s", digest, store->folder)
                   : mw_error_errno(error, MW_ERR_IO, "%s", path);
    }
    if (fstat(fd, &status) != 0) {
        err = mw_error_errno(error, MW_ERR_IO, "%s", path);
    } else {
        *total = (uint64_t)status.st_size;
        uint64_t left = offset < *total ? *total - offset : 0;
        err = read_at(fd, offset, left < size ? (size_t)left : size, out);
        if (err == MW_ERR_IO) {
            err = mw_error_errno(error, MW_ERR_IO, "%s", path);
        } else if (err != MW_OK) {
            err = mw_error_set(error, err, "%s: out of memory", path);
        }
    }
    (void)close(fd);
    return err;
}

mw_err mw_store_read(struct mw_store *store, const char *digest, uint64_t offset, size_t size,
                     struct mw_buffer *out, uint64_t *total, struct mw_error *error)
{
    struct mw_error why = {0};
    mw_err err = read_own(store, digest, offset, size, out, total, &why);
    if (err == MW_ERR_NOT_FOUND && the_source != NULL) {
        struct mw_buffer whole = {0};
        err = bring(store, digest, &whole, error);
        mw_buffer_free(&whole);
        return err == MW_OK ? read_own(store, digest, offset, size, out, total, error) : err;
    }
    return err == MW_OK ? MW_OK : mw_error_set(error, err, "%s", why.text);
}
