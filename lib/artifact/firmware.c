#include "lib/artifact/firmware.h"

#include "lib/artifact/bundle_parts.h"
#include "lib/artifact/fold.h"

#include <stdlib.h>

static const char *const names[MW_FIRMWARE_FEATURES] = {"current", "temperature", "vibration",
                                                        "sound"};

/* order[i]: which of the bundle's features the firmware's input i is. */
static mw_err find_order(const struct mw_bundle *bundle, size_t order[MW_FIRMWARE_FEATURES],
                         struct mw_error *error)
{
    size_t found = 0;
    for (size_t i = 0; i < MW_FIRMWARE_FEATURES; i++) {
        for (size_t j = 0; j < bundle->n_features; j++) {
            if (strcmp(bundle->features[j], names[i]) == 0) {
                order[i] = j;
                found++;
            }
        }
    }
    return found == MW_FIRMWARE_FEATURES && bundle->n_features == MW_FIRMWARE_FEATURES
               ? MW_OK
               : mw_error_set(error, MW_ERR_UNSUPPORTED,
                              "the model reads %zu features: just current, temperature, vibration "
                              "and sound were expected (model.features)",
                              bundle->n_features);
}

static mw_err fold(const struct mw_bundle *bundle, const struct mw_baseline *baseline,
                   const size_t *order, struct mw_buffer *file, struct mw_error *error)
{
    static const char zeros[MW_FIRMWARE_BYTES];
    struct mw_fold fold = {.n = bundle->n_features,
                           .features = bundle->features,
                           .order = order,
                           .baseline = baseline,
                           .reference_mean = bundle->reference_mean,
                           .reference_std = bundle->reference_std};
    struct mw_span model = {bundle->int8_model.data, bundle->int8_model.size};
    mw_err err = mw_fold_model(model, &fold, file, error);
    if (err != MW_OK) {
        return err;
    }
    if (file->size > MW_FIRMWARE_BYTES) {
        return mw_error_set(error, MW_ERR_TOO_LARGE,
                            "the model has %zu bytes, the firmware reads %d: fewer model.hidden "
                            "would fit",
                            file->size, MW_FIRMWARE_BYTES);
    }
    err = mw_buffer_add(file, zeros, MW_FIRMWARE_BYTES - file->size);
    return err == MW_OK ? MW_OK : mw_error_set(error, err, "out of memory");
}

/* ---- proving ---- */

/* About what a machine of that baseline measures where the reference machine would measure x. */
static void unmap(const struct mw_bundle *bundle, const struct mw_baseline *baseline, float *x)
{
    for (size_t i = 0; baseline != NULL && i < MW_FIRMWARE_FEATURES; i++) {
        bool scaled = baseline->std[i] > 0.0F && bundle->reference_std[i] > 0.0F;
        float distance = x[i] - bundle->reference_mean[i];
        distance = scaled ? distance * baseline->std[i] / bundle->reference_std[i] : distance;
        x[i] = baseline->mean[i] + distance;
    }
}

static mw_err compare(struct mw_runner *runner, const struct mw_baseline *baseline,
                      const size_t *order, struct mw_model *model, struct mw_error *error)
{
    const struct mw_bundle *bundle = &runner->bundle;
    const struct mw_tensor *input = mw_model_input(model, 0), *output = mw_model_output(model, 0);
    struct mw_golden golden;
    float x[MW_FIRMWARE_FEATURES], mapped[MW_FIRMWARE_FEATURES], score;
    mw_err err = mw_golden_open((struct mw_span){bundle->golden.data, bundle->golden.size},
                                MW_FIRMWARE_FEATURES, &golden, error);
    for (uint32_t i = 0; err == MW_OK && i < golden.count; i++) {
        (void)mw_golden_vector(&golden, i, x);
        unmap(bundle, baseline, x);
        mw_runner_map(runner, baseline, x, mapped);
        float expected = mw_runner_score(runner, mapped);
        for (size_t k = 0; k < MW_FIRMWARE_FEATURES; k++) {
            ((float *)input->data)[k] = x[order[k]];
        }
        (void)mw_model_run(model);
        memcpy(&score, output->data, sizeof score);
        if (memcmp(&score, &expected, sizeof score) != 0) {
            err = mw_error_set(error, MW_ERR_DENIED,
                               "the model for the firmware scores %.9g, not %.9g, for golden "
                               "vector %u",
                               (double)score, (double)expected, i);
        }
    }
    return err;
}

static mw_err prove(struct mw_runner *runner, const struct mw_baseline *baseline,
                    const size_t *order, const struct mw_buffer *file, struct mw_error *error)
{
    struct mw_model *model = NULL;
    struct mw_why why = {"", 0};
    void *memory = NULL;
    size_t bytes = 0;
    mw_err err = mw_model_size(file->data, file->size, &bytes, &why);
    if (err == MW_OK) {
        size_t rounded = (bytes + MW_MODEL_ALIGN - 1) / MW_MODEL_ALIGN * MW_MODEL_ALIGN;
        memory = aligned_alloc(MW_MODEL_ALIGN, rounded);
        err = memory == NULL ? MW_ERR_MEMORY
                             : mw_model_init(memory, bytes, file->data, file->size, &model, &why);
    }
    err = err == MW_OK ? compare(runner, baseline, order, model, error)
                       : mw_error_set(error, err, "the model for the firmware: %s", why.text);
    free(memory);
    return err;
}

mw_err mw_firmware_model(struct mw_runner *runner, const struct mw_baseline *baseline,
                         struct mw_buffer *file, struct mw_error *error)
{
    size_t order[MW_FIRMWARE_FEATURES] = {0};
    mw_err err = find_order(&runner->bundle, order, error);
    err = err == MW_OK ? fold(&runner->bundle, baseline, order, file, error) : err;
    return err == MW_OK ? prove(runner, baseline, order, file, error) : err;
}

void mw_firmware_name(const struct mw_buffer *file, char name[MW_FIRMWARE_NAME])
{
    char digest[MW_DIGEST_TEXT];
    mw_digest(file->data, file->size, digest);
    (void)snprintf(name, MW_FIRMWARE_NAME, "%.16s-model.tflite", digest + sizeof "sha256:" - 1);
}
