/* golden_files.h - what the tests of this folder share: reading files, golden vectors and the
 * public models. For tests only; include after cmocka's headers. */
#ifndef MW_CORE_MODEL_GOLDEN_FILES_H
#define MW_CORE_MODEL_GOLDEN_FILES_H

#include "core/model/model.h"

#include <stdio.h>
#include <stdlib.h>

#define GOLDEN_FOLDER MW_SOURCE_DIR "/tests/golden/"

struct bytes {
    uint8_t *data; /* NULL when the file is not there; free() */
    size_t size;
};

static inline struct bytes read_bytes(const char *path)
{
    struct bytes bytes = {NULL, 0};
    FILE *file = fopen(path, "rb");
    long size;

    if (file == NULL) {
        return bytes;
    }
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size = ftell(file);
    assert_true(size >= 0);
    rewind(file);
    bytes.size = (size_t)size;
    bytes.data = malloc(bytes.size + 1);
    assert_non_null(bytes.data);
    assert_int_equal(fread(bytes.data, 1, bytes.size, file), bytes.size);
    fclose(file);
    return bytes;
}

/* folder + name + ending. */
static inline struct bytes read_named(const char *folder, const char *name, const char *ending)
{
    char path[4096];
    snprintf(path, sizeof path, "%s%s%s", folder, name, ending);
    return read_bytes(path);
}

/* The folder of public models with a slash at its end. */
static inline const char *public_models(void)
{
    static char path[4096];
    const char *data = getenv("MILLWRIGHT_DATA");
    snprintf(path, sizeof path, "%s/models/",
             data == NULL ? MW_SOURCE_DIR "/../shared/data" : data);
    return path;
}

/* Builds a model that must be good; *memory is the caller's to free. */
static inline struct mw_model *build_model(const struct bytes *file, void **memory)
{
    struct mw_model *model = NULL;
    struct mw_why why = {"", 0};
    size_t bytes = 0;
    mw_err err = mw_model_size(file->data, file->size, &bytes, &why);

    *memory = NULL;
    if (err == MW_OK) {
        *memory = aligned_alloc(MW_MODEL_ALIGN, bytes);
        assert_non_null(*memory);
        err = mw_model_init(*memory, bytes, file->data, file->size, &model, &why);
    }
    if (err != MW_OK) {
        fail_msg("%s at %u", why.text, (unsigned)why.where);
    }
    return model;
}

#endif
