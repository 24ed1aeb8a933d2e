/* test_place.h - a fresh store and keys for each test, and the steps that tests share. */
#ifndef MW_ARTIFACT_TEST_PLACE_H
#define MW_ARTIFACT_TEST_PLACE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/artifact/store.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
    char folder[256], keys[300], artifacts[300];
    struct mw_store *store;
};

#define assert_ok(call)                                                             \
    do {                                                                            \
        struct mw_error test_error = {0};                                           \
        struct mw_error *error = &test_error;                                       \
        mw_err test_err = (call);                                                   \
        if (test_err != MW_OK) {                                                    \
            fail_msg("%s: %s (%s)", #call, test_error.text, mw_err_text(test_err)); \
        }                                                                           \
        (void)error;                                                                \
    } while (0)

/* The call fails with this code, and the message holds this text. */
#define assert_refused(call, expected, part)                                                     \
    do {                                                                                         \
        struct mw_error test_error = {0};                                                        \
        struct mw_error *error = &test_error;                                                    \
        mw_err test_err = (call);                                                                \
        if (test_err != (expected) || strstr(test_error.text, part) == NULL) {                   \
            fail_msg("%s: %d \"%s\", expected %d \"%s\"", #call, (int)test_err, test_error.text, \
                     (int)(expected), part);                                                     \
        }                                                                                        \
        assert_int_equal(test_error.code, (expected));                                           \
        (void)error;                                                                             \
    } while (0)

static inline int place_set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    const char *parent = getenv("TMPDIR");
    char uri[320];
    if (place == NULL) {
        return -1;
    }
    (void)snprintf(place->folder, sizeof place->folder, "%s/mw-artifact-XXXXXX",
                   parent == NULL ? "/tmp" : parent);
    if (mkdtemp(place->folder) == NULL) {
        free(place);
        return -1;
    }
    (void)snprintf(place->keys, sizeof place->keys, "%s/keys", place->folder);
    (void)snprintf(place->artifacts, sizeof place->artifacts, "%s/artifacts", place->folder);
    (void)snprintf(uri, sizeof uri, "oci:%s", place->artifacts);
    *state = place;
    return mw_store_open(&place->store, uri, true, NULL) == MW_OK ? 0 : -1;
}

static inline int place_remove_one(const char *path, const struct stat *status, int type,
                                   struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static inline int place_tear_down(void **state)
{
    struct place *place = *state;
    mw_store_close(place->store);
    (void)nftw(place->folder, place_remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(place);
    return 0;
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
    char uri[320];
    struct mw_store *store = NULL;
    (void)snprintf(uri, sizeof uri, "oci:%s", place->artifacts);
    assert_ok(mw_store_open(&store, uri, false, error));
    return store;
}

#endif
