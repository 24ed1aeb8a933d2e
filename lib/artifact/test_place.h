/* test_place.h - a fresh store and keys for each test, and the steps that tests share. */
#ifndef MW_ARTIFACT_TEST_PLACE_H
#define MW_ARTIFACT_TEST_PLACE_H

#include "lib/artifact/store.h"
#include "lib/base/test.h"

struct place {
    char folder[64], keys[128], artifacts[128];
    struct mw_store *store;
};

static inline int place_set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    char uri[160];
    assert_non_null(place);
    test_folder_make(place->folder);
    (void)snprintf(place->keys, sizeof place->keys, "%s/keys", place->folder);
    (void)snprintf(place->artifacts, sizeof place->artifacts, "%s/artifacts", place->folder);
    (void)snprintf(uri, sizeof uri, "oci:%s", place->artifacts);
    *state = place;
    return mw_store_open(&place->store, uri, true, NULL) == MW_OK ? 0 : -1;
}

static inline int place_tear_down(void **state)
{
    struct place *place = *state;
    mw_store_close(place->store);
    test_folder_remove(place->folder);
    free(place);
    return 0;
}

/* One more place beside the test's own. */
static inline struct place *place_new(void)
{
    void *place = NULL;
    assert_int_equal(place_set_up(&place), 0);
    return place;
}

static inline void place_free(struct place *place)
{
    void *state = place;
    (void)place_tear_down(&state);
}

/* Folder/name of the place's store. */
static inline const char *place_path(const struct place *place, const char *name)
{
    static char path[600];
    (void)snprintf(path, sizeof path, "%s/%s", place->artifacts, name);
    return path;
}

static inline void place_write(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static inline void place_copy(const struct place *place, const char *from, const char *to)
{
    struct mw_buffer text = {0};
    assert_ok(mw_file_read(place_path(place, from), 1U << 20, &text, error));
    place_write(place_path(place, to), text.data, text.size);
    mw_buffer_free(&text);
}

/* Opens the place's store once more, as another process would. */
static inline struct mw_store *place_reopen(const struct place *place)
{
    char uri[160];
    struct mw_store *store = NULL;
    (void)snprintf(uri, sizeof uri, "oci:%s", place->artifacts);
    assert_ok(mw_store_open(&store, uri, false, error));
    return store;
}

#endif
