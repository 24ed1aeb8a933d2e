/* trust_carry.c - signed metadata as an artifact, to go where the bundles go. */
#include "lib/artifact/parts.h"

#include "lib/base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define CARRIED_TYPE "application/vnd.millwright.metadata.v1"
#define DOCUMENT_TYPE "application/vnd.millwright.metadata.document.v1+json"
#define DOCUMENTS_MAX 64
#define NAME_TEXT 48

/* The documents of a chain, by their file names. */
struct documents {
    char name[DOCUMENTS_MAX][NAME_TEXT];
    struct mw_buffer text[DOCUMENTS_MAX];
    size_t n;
};

static void clear(struct documents *all)
{
    for (size_t i = 0; i < all->n; i++) {
        mw_buffer_free(&all->text[i]);
    }
    all->n = 0;
}

/* The next free place; NULL when there is none. */
static struct mw_buffer *add(struct documents *all, const char *name, struct mw_error *error)
{
    if (all->n == DOCUMENTS_MAX) {
        (void)mw_error_set(error, MW_ERR_TOO_LARGE, "metadata: more than %d documents",
                           DOCUMENTS_MAX);
        return NULL;
    }
    (void)snprintf(all->name[all->n], NAME_TEXT, "%s", name);
    return &all->text[all->n++];
}

/* ---- out ---- */

static mw_err read_one(const struct mw_store *store, struct documents *all, const char *name,
                       struct mw_error *error)
{
    char path[MW_PATH_TEXT];
    struct mw_buffer *text = add(all, name, error);
    if (text == NULL) {
        return MW_ERR_TOO_LARGE;
    }
    mw_err err = mw_store_metadata_path(store, name, path, sizeof path, error);
    return err == MW_OK ? mw_file_read(path, MW_JSON_MAX, text, error) : err;
}

static mw_err read_numbered(const struct mw_store *store, struct documents *all, uint64_t version,
                            const char *role, struct mw_error *error)
{
    char name[NAME_TEXT];
    (void)snprintf(name, sizeof name, "%" PRIu64 ".%s.json", version, role);
    return read_one(store, all, name, error);
}

/* What is in force, after checking it. Under the lock, so that nobody signs in between. */
static mw_err read_all(struct mw_store *store, struct documents *all, struct mw_error *error)
{
    struct mw_trust_chain chain;
    mw_err err = mw_trust_chain_load(store, mw_clock_utc(), &chain, error);
    if (err != MW_OK) {
        return err;
    }
    uint64_t roots = mw_trust_version(chain.root);
    for (uint64_t i = 1; err == MW_OK && i <= roots; i++) {
        err = read_numbered(store, all, i, "root", error);
    }
    if (err == MW_OK) {
        err = read_numbered(store, all, mw_trust_version(chain.targets), "targets", error);
    }
    if (err == MW_OK) {
        err = read_numbered(store, all, mw_trust_version(chain.snapshot), "snapshot", error);
    }
    err = err == MW_OK ? read_one(store, all, "timestamp.json", error) : err;
    mw_trust_chain_clear(&chain);
    return err;
}

mw_err mw_trust_export(struct mw_store *store, char digest[MW_DIGEST_TEXT], struct mw_error *error)
{
    struct documents all = {.n = 0};
    struct mw_descriptor layers[DOCUMENTS_MAX];
    int lock;
    mw_err err = mw_store_lock(store, &lock, error);
    if (err == MW_OK) {
        err = read_all(store, &all, error);
        mw_store_unlock(lock);
    }
    for (size_t i = 0; err == MW_OK && i < all.n; i++) {
        layers[i] = (struct mw_descriptor){
            .media_type = DOCUMENT_TYPE, .title = all.name[i], .size = all.text[i].size};
        err = mw_store_put(store, all.text[i].data, all.text[i].size, layers[i].digest, error);
    }
    if (err == MW_OK) {
        err = mw_store_put_manifest(store, CARRIED_TYPE, NULL, layers, all.n, digest, error);
    }
    clear(&all);
    return err;
}

/* ---- in ---- */

/* timestamp.json, or N.root.json, N.snapshot.json, N.targets.json. */
static bool name_valid(const char *name)
{
    static const char *const roles[] = {".root.json", ".snapshot.json", ".targets.json"};
    if (name == NULL || strlen(name) >= NAME_TEXT) {
        return false;
    }
    size_t digits = strspn(name, "0123456789");
    bool known = false;
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        known = known || strcmp(name + digits, roles[i]) == 0;
    }
    return strcmp(name, "timestamp.json") == 0 || (digits > 0 && digits < 20 && known);
}

static mw_err unpack_one(struct mw_store *store, const json_t *layer, struct documents *all,
                         struct mw_error *error)
{
    const char *name = mw_json_string(json_object_get(layer, "annotations"), MW_TITLE_KEY);
    const char *digest = mw_json_string(layer, "digest");
    if (!name_valid(name) || digest == NULL) {
        return mw_error_set(error, MW_ERR_SIGNATURE,
                            "metadata: a document without a digest, or without a name of theirs");
    }
    struct mw_buffer *text = add(all, name, error);
    return text == NULL ? MW_ERR_TOO_LARGE : mw_store_get(store, digest, text, error);
}

static mw_err unpack(struct mw_store *store, const char *digest, struct documents *all,
                     struct mw_error *error)
{
    struct mw_buffer text = {0};
    json_auto_t *manifest = NULL;
    size_t i;
    const json_t *layer;
    mw_err err = mw_store_get(store, digest, &text, error);
    if (err == MW_OK) {
        err = mw_json_load((struct mw_span){text.data, text.size}, digest, &manifest, error);
    }
    mw_buffer_free(&text);
    const char *type = mw_json_string(manifest, "artifactType");
    if (err == MW_OK && (type == NULL || strcmp(type, CARRIED_TYPE) != 0)) {
        err =
            mw_error_set(error, MW_ERR_SIGNATURE, "%s: not an artifact of signed metadata", digest);
    }
    json_array_foreach(json_object_get(manifest, "layers"), i, layer)
    {
        err = err == MW_OK ? unpack_one(store, layer, all, error) : err;
    }
    return err;
}

/* Writes the documents, or removes them; timestamp.json last, since it says which of the others
 * are in force. */
static mw_err place(const struct mw_store *store, const struct documents *all, bool timestamp,
                    struct mw_error *error)
{
    char path[MW_PATH_TEXT];
    mw_err err = MW_OK;
    for (size_t i = 0; err == MW_OK && i < all->n; i++) {
        if ((strcmp(all->name[i], "timestamp.json") == 0) != timestamp) {
            continue;
        }
        err = mw_store_metadata_path(store, all->name[i], path, sizeof path, error);
        if (err == MW_OK) {
            err = mw_file_write(path, all->text[i].data, all->text[i].size, 0644, error);
        }
    }
    return err;
}

static void unplace(const struct mw_store *store, const struct documents *all)
{
    char path[MW_PATH_TEXT];
    for (size_t i = 0; i < all->n; i++) {
        if (mw_store_metadata_path(store, all->name[i], path, sizeof path, NULL) == MW_OK) {
            (void)unlink(path);
        }
    }
    if (mw_file_join(path, sizeof path, store->folder, "metadata") == MW_OK) {
        (void)rmdir(path);
    }
    (void)rmdir(store->folder);
}

/* What the store has in force is what it has seen, whether this process has looked or not; *roots
 * is how many of them it has. */
static mw_err look(struct mw_store *store, uint64_t *roots, struct mw_error *error)
{
    struct mw_trust_chain chain;
    struct mw_buffer root = {0};
    char path[MW_PATH_TEXT];
    mw_err err = mw_store_metadata_path(store, "1.root.json", path, sizeof path, error);
    if (err != MW_OK || !mw_file_exists(path)) {
        return err;
    }
    if (mw_trust_chain_load(store, -1, &chain, NULL) == MW_OK) {
        *roots = mw_trust_version(chain.root);
        mw_trust_chain_clear(&chain);
        return MW_OK;
    }
    err = mw_file_read(path, MW_JSON_MAX, &root, error);
    if (err == MW_OK && store->seen.root[0] == '\0') {
        mw_digest(root.data, root.size, store->seen.root);
    }
    mw_buffer_free(&root);
    return err;
}

/* No root that the store has may be missing, nor may there be one that the chain does not need. */
static mw_err check_roots(const struct mw_trust_chain *chain, const struct documents *all,
                          uint64_t known, struct mw_error *error)
{
    uint64_t version = mw_trust_version(chain->root), n = 0;
    for (size_t i = 0; i < all->n; i++) {
        n += strstr(all->name[i], ".root.") != NULL;
    }
    if (version < known || n != version) {
        return mw_error_set(error, MW_ERR_SIGNATURE,
                            "metadata: %" PRIu64 " roots up to version %" PRIu64 ", and version "
                            "%" PRIu64 " is known",
                            n, version, known);
    }
    return MW_OK;
}

/* Checks the documents in a folder of their own before they replace any. */
static mw_err prove(struct mw_store *store, const struct documents *all, struct mw_error *error)
{
    char folder[MW_PATH_TEXT], metadata[MW_PATH_TEXT];
    struct mw_trust_chain chain;
    uint64_t roots = 0;
    mw_err err = look(store, &roots, error);
    if (err == MW_OK && (mw_file_join(folder, sizeof folder, store->folder, "incoming") != MW_OK ||
                         mw_file_join(metadata, sizeof metadata, folder, "metadata") != MW_OK)) {
        err = mw_error_set(error, MW_ERR_TOO_LARGE, "%s: path too long", store->folder);
    }
    if (err != MW_OK) {
        return err;
    }
    struct mw_store staged = {.folder = folder, .seen = store->seen};
    err = mw_file_make_folder(metadata, error);
    err = err == MW_OK ? place(&staged, all, false, error) : err;
    err = err == MW_OK ? place(&staged, all, true, error) : err;
    if (err == MW_OK) {
        err = mw_trust_chain_load(&staged, mw_clock_utc(), &chain, error);
    }
    if (err == MW_OK) {
        err = check_roots(&chain, all, roots, error);
        mw_trust_chain_clear(&chain);
    }
    if (err == MW_OK) {
        store->seen = staged.seen;
    }
    unplace(&staged, all);
    return err;
}

mw_err mw_trust_import(struct mw_store *store, const char *digest, struct mw_error *error)
{
    struct documents all = {.n = 0};
    int lock;
    mw_err err = unpack(store, digest, &all, error);
    if (err == MW_OK && (err = mw_store_lock(store, &lock, error)) == MW_OK) {
        err = prove(store, &all, error);
        err = err == MW_OK ? place(store, &all, false, error) : err;
        err = err == MW_OK ? place(store, &all, true, error) : err;
        mw_store_unlock(lock);
    }
    clear(&all);
    return err;
}
