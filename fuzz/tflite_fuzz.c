/* The door of a model: any bytes are refused, or become a model that runs. */
#include "core/model/model.h"

#include <stdlib.h>

#define MEMORY_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
        free(memory);
    }
    return 0;
}
