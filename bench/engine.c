/* bench_engine MODEL.tflite ROWS SECONDS: microseconds an inference takes in the built-in engine.
 *
 * ROWS holds float32 inputs, one row after the other; they are run through again and again. Prints
 * JSON: us (CPU), runs and memory (bytes, all that the engine asks for). */
#include "bench/clock.h"
#include "core/model/model.h"
#include "lib/base/file.h"

#include <stdio.h>
#include <string.h>

static struct mw_model *open_model(const struct mw_buffer *file, size_t *bytes)
{
    struct mw_why why = {0};
    struct mw_model *model = NULL;
    if (mw_model_size(file->data, file->size, bytes, &why) != MW_OK) {
        return NULL;
    }
    size_t whole = (*bytes + MW_MODEL_ALIGN - 1) / MW_MODEL_ALIGN * MW_MODEL_ALIGN;
    void *memory = aligned_alloc(MW_MODEL_ALIGN, whole);
    if (memory == NULL ||
        mw_model_init(memory, whole, file->data, file->size, &model, &why) != MW_OK) {
        return NULL;
    }
    return model;
}

int main(int argc, char **argv)
{
    struct mw_buffer file = {0}, rows = {0};
    struct mw_error error = {0};
    size_t bytes = 0, runs = 0;
    if (argc != 4 || mw_file_read(argv[1], 64U << 20, &file, &error) != MW_OK ||
        mw_file_read(argv[2], 64U << 20, &rows, &error) != MW_OK) {
        fprintf(stderr, "usage: bench_engine MODEL.tflite ROWS SECONDS\n%s\n", error.text);
        return 2;
    }
    struct mw_model *model = open_model(&file, &bytes);
    if (model == NULL) {
        fprintf(stderr, "%s: refused\n", argv[1]);
        return 1;
    }
    const struct mw_tensor *in = mw_model_input(model, 0);
    const size_t row = in->count * sizeof(float), n = rows.size / row;
    const double limit = strtod(argv[3], NULL), start = bench_cpu();
    double seconds = 0, sum = 0;
    while (n > 0 && seconds < limit) {
        for (size_t i = 0; i < n; i++) {
            memcpy(in->data, (const char *)rows.data + i * row, row);
            if (mw_model_run(model) != MW_OK) {
                return 1;
            }
            sum += (double)((const float *)mw_model_output(model, 0)->data)[0];
        }
        runs += n;
        seconds = bench_cpu() - start;
    }
    printf("{\"us\":%.4f,\"runs\":%zu,\"memory\":%zu,\"mean\":%.9g}\n",
           seconds / (double)runs * 1e6, runs, bytes, sum / (double)runs);
    return 0;
}
