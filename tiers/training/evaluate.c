#include "tiers/training/evaluate.h"

#include "core/model/model.h"

#include <stdlib.h>
#include <string.h>

static mw_err run(struct mw_model *model, const float *x, size_t n, size_t columns, double *score,
                  struct mw_error *error)
{
    const struct mw_tensor *in = mw_model_input(model, 0), *out = mw_model_output(model, 0);
    if (mw_model_inputs(model) != 1 || mw_model_outputs(model) != 1 ||
        in->type != MW_TYPE_FLOAT32 || in->count != columns || out->type != MW_TYPE_FLOAT32 ||
        out->count != 1) {
        return mw_error_set(error, MW_ERR_UNSUPPORTED,
                            "a model that does not turn %zu float32 features into a score",
                            columns);
    }
    for (size_t i = 0; i < n; i++) {
        float value;
        memcpy(in->data, x + i * columns, columns * sizeof *x);
        mw_err err = mw_model_run(model);
        if (err != MW_OK) {
            return mw_error_set(error, err, "run of the model");
        }
        memcpy(&value, out->data, sizeof value);
        score[i] = (double)value;
    }
    return MW_OK;
}

mw_err mw_evaluate(const struct mw_buffer *file, const float *x, size_t n, size_t columns,
                   double *score, struct mw_error *error)
{
    struct mw_why why = {0};
    struct mw_model *model;
    size_t bytes;
    mw_err err = mw_model_size(file->data, file->size, &bytes, &why);
    if (err != MW_OK) {
        return mw_error_why(error, err, &why, NULL);
    }
    bytes = (bytes + MW_MODEL_ALIGN - 1) / MW_MODEL_ALIGN * MW_MODEL_ALIGN;
    void *memory = aligned_alloc(MW_MODEL_ALIGN, bytes);
    if (memory == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "memory of a model");
    }
    err = mw_model_init(memory, bytes, file->data, file->size, &model, &why);
    err = err == MW_OK ? run(model, x, n, columns, score, error)
                       : mw_error_why(error, err, &why, NULL);
    free(memory);
    return err;
}
