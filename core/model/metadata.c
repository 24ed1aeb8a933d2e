/* metadata.c - what can be read of a .tflite file without building it: named byte strings that
 * travel in it, and the name of a custom operator. */
#include "core/model/op.h"

mw_err mw_model_metadata(const void *file, size_t size, const char *name, struct mw_span *value)
{
    struct mw_table model;
    struct mw_table buffer;
    struct mw_vector entries;
    struct mw_vector buffers;
    struct mw_vector data;

    *value = (struct mw_span){NULL, 0};
    if (!mw_table_root((struct mw_span){file, size}, "TFL3", &model) ||
        !mw_table_vector(&model, 6, 4, &entries) || !mw_table_vector(&model, 4, 4, &buffers)) {
        return MW_ERR_PARSE;
    }
    for (size_t i = 0; i < entries.count; i++) {
        struct mw_table entry;
        struct mw_span entry_name;
        uint32_t index;

        if (!mw_vector_table(&entries, i, &entry) || !mw_table_string(&entry, 0, &entry_name) ||
            !mw_table_u32(&entry, 1, 0, &index)) {
            return MW_ERR_PARSE;
        }
        if (!mw_span_is(entry_name, name)) {
            continue;
        }
        if (!mw_vector_table(&buffers, index, &buffer) || !mw_table_vector(&buffer, 0, 1, &data)) {
            return MW_ERR_PARSE;
        }
        if (data.at != 0) {
            *value = (struct mw_span){(const char *)file + data.at, data.count};
        }
        return MW_OK;
    }
    return MW_ERR_NOT_FOUND;
}

mw_err mw_model_custom_operator(const void *file, size_t size, struct mw_span *name)
{
    struct mw_reader reader;
    struct mw_call call;
    mw_err err = mw_reader_open(file, size, &reader, NULL);

    *name = (struct mw_span){NULL, 0};
    for (size_t i = 0; err == MW_OK && i < reader.operators.count; i++) {
        err = mw_reader_call(&reader, i, &call, NULL);
        if (err == MW_OK && call.code == MW_OP_CUSTOM) {
            *name = call.custom;
            return MW_OK;
        }
    }
    return err == MW_OK ? MW_ERR_NOT_FOUND : err;
}
