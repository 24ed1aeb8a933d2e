/* The door of a model: any bytes are refused, or become a model that runs. And a baseline is folded
 * into what has an input for it, whatever else is in the file. */
#include "core/model/model.h"
#include "lib/artifact/fold.h"

#include <stdlib.h>

#define MEMORY_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fold(struct mw_span file, size_t n)
{
    float ones[4] = {1.0F, 1.0F, 1.0F, 1.0F};
    char *names[4] = {"a", "b", "c", "d"};
    static const size_t order[4] = {3, 2, 1, 0};
    struct mw_baseline baseline = {.mean = ones, .std = ones};
    struct mw_fold fold = {n, names, order + 4 - n, &baseline, ones, ones};
    struct mw_buffer out = {0};
    if (mw_fold_model(file, &fold, &out, NULL) == MW_OK && out.size <= file.size) {
        abort();
    }
    mw_buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mw_model *model = NULL;
    struct mw_why why = {NULL, 0};
    struct mw_span span;
    size_t bytes;

    mw_model_metadata(data, size, "millwright.features", &span);
    mw_model_custom_operator(data, size, &span);
    if (mw_model_size(data, size, &bytes, &why) != MW_OK) {
        if (why.text == NULL) {
            abort();
        }
        return 0;
    }
    if (bytes <= MEMORY_MAX) {
        void *memory = aligned_alloc(MW_MODEL_ALIGN, bytes);
        if (memory == NULL) {
            return 0;
        }
        if (mw_model_init(memory, bytes, data, size, &model, &why) != MW_OK ||
            mw_model_run(model) != MW_OK) {
            abort(); /* what mw_model_size measured must build and run */
        }
        size_t n = mw_model_inputs(model) == 1 ? mw_model_input(model, 0)->count : 0;
        if (n > 0 && n <= 4) {
            fold((struct mw_span){(const char *)data, size}, n);
        }
        free(memory);
    }
    return 0;
}
