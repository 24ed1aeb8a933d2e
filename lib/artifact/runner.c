/* runner.c - a bundle's int8 model, proved against its golden vectors, ready to score. */
#include "lib/artifact/bundle_parts.h"

#include <stdlib.h>

static mw_err model_error(struct mw_error *error, mw_err err, const struct mw_why *why)
{
    (void)mw_error_why(error, err, why, "byte");
    (void)mw_error_wrap(error, "model.int8.tflite");
    return err;
}

static mw_err build(struct mw_runner *runner, struct mw_error *error)
{
    const struct mw_buffer *file = &runner->bundle.int8_model;
    struct mw_why why = {0};
    size_t bytes = 0;
    mw_err err = mw_model_size(file->data, file->size, &bytes, &why);
    if (err != MW_OK) {
        return model_error(error, err, &why);
    }
    size_t rounded = (bytes + MW_MODEL_ALIGN - 1) / MW_MODEL_ALIGN * MW_MODEL_ALIGN;
    runner->memory = aligned_alloc(MW_MODEL_ALIGN, rounded);
    if (runner->memory == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "model.int8.tflite: no %zu bytes for it", bytes);
    }
    err = mw_model_init(runner->memory, bytes, file->data, file->size, &runner->model, &why);
    return err == MW_OK ? MW_OK : model_error(error, err, &why);
}

static mw_err check_shape(const struct mw_runner *runner, struct mw_error *error)
{
    const struct mw_tensor *input = mw_model_input(runner->model, 0);
    const struct mw_tensor *output = mw_model_output(runner->model, 0);
    if (mw_model_inputs(runner->model) != 1 || input->type != MW_TYPE_FLOAT32 ||
        input->count != runner->bundle.n_features) {
        return mw_error_set(error, MW_ERR_UNSUPPORTED,
                            "model.int8.tflite: its input is not the bundle's %zu features as "
                            "float32",
                            runner->bundle.n_features);
    }
    if (mw_model_outputs(runner->model) != 1 || output->type != MW_TYPE_FLOAT32 ||
        output->count != 1) {
        return mw_error_set(error, MW_ERR_UNSUPPORTED,
                            "model.int8.tflite: its output is not one float32");
    }
    return MW_OK;
}

static mw_err check_golden(struct mw_runner *runner, struct mw_error *error)
{
    struct mw_golden golden;
    float inputs[MW_BUNDLE_FEATURES_MAX];
    const struct mw_buffer *file = &runner->bundle.golden;
    mw_err err = mw_golden_open((struct mw_span){file->data, file->size}, runner->bundle.n_features,
                                &golden, error);
    if (err != MW_OK) {
        return err;
    }
    for (uint32_t i = 0; i < golden.count; i++) {
        float expected = mw_golden_vector(&golden, i, inputs);
        float score = mw_runner_score(runner, inputs);
        /* Compared as bits: 0 and -0 differ, and a NaN never passes for an answer. */
        if (memcmp(&score, &expected, sizeof score) != 0 || !(score >= 0.0F && score <= 1.0F)) {
            return mw_error_set(error, MW_ERR_DENIED, "golden.bin: vector %u scores %.9g, not %.9g",
                                i, (double)score, (double)expected);
        }
    }
    return MW_OK;
}

mw_err mw_runner_init(struct mw_runner *runner, struct mw_bundle *bundle, struct mw_error *error)
{
    *runner = (struct mw_runner){.bundle = *bundle};
    *bundle = (struct mw_bundle){0};
    mw_err err = MW_OK;
    if (runner->bundle.n_features == 0 || runner->bundle.n_features > MW_BUNDLE_FEATURES_MAX) {
        err = mw_error_set(error, MW_ERR_ARGUMENT, "a bundle of %zu features",
                           runner->bundle.n_features);
    }
    err = err == MW_OK ? build(runner, error) : err;
    err = err == MW_OK ? check_shape(runner, error) : err;
    err = err == MW_OK ? check_golden(runner, error) : err;
    if (err != MW_OK) {
        mw_runner_clear(runner);
    }
    return err;
}

void mw_runner_clear(struct mw_runner *runner)
{
    free(runner->memory);
    mw_bundle_clear(&runner->bundle);
    *runner = (struct mw_runner){0};
}

float mw_runner_score(struct mw_runner *runner, const float *mapped)
{
    const struct mw_tensor *input = mw_model_input(runner->model, 0);
    const struct mw_tensor *output = mw_model_output(runner->model, 0);
    float score;
    memcpy(input->data, mapped, runner->bundle.n_features * sizeof *mapped);
    (void)mw_model_run(runner->model);
    memcpy(&score, output->data, sizeof score);
    return score;
}
