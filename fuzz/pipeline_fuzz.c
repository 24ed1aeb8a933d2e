/* The door of pipeline.yaml: any bytes. A refusal names the file and leaves nothing behind; what
 * was accepted is in an order in which it can run, and every argument can be expanded. */
#include "tiers/training/pipeline.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check_step(const struct mw_pipeline *pipeline, size_t at)
{
    static char value[] = "value";
    char *values[MW_PIPELINE_VARIABLES];
    const struct mw_pipeline_step *step = &pipeline->step[at];
    for (size_t i = 0; i < MW_PIPELINE_VARIABLES; i++) {
        values[i] = i % 2 == 0 ? value : NULL;
    }
    require(step->name != NULL && strlen(step->name) <= 63 && step->line > 0);
    require(step->run.n > 0 && step->run.n <= MW_PIPELINE_ARGUMENTS_MAX);
    for (size_t i = 0; i < step->run.n; i++) {
        char *text = NULL;
        require(mw_pipeline_expand(step->run.item[i], values, &text, NULL) == MW_OK);
        free(text);
    }
    for (size_t i = 0; i < step->needs.n; i++) {
        size_t before = 0;
        while (before < at && strcmp(pipeline->step[before].name, step->needs.item[i]) != 0) {
            before++;
        }
        require(before < at);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mw_pipeline pipeline;
    struct mw_error error = {0};
    mw_err err = mw_pipeline_parse(&pipeline, (const char *)data, size, "f.yaml", &error);
    if (err != MW_OK) {
        require(error.code == err && strncmp(error.text, "f.yaml:", 7) == 0);
        require(pipeline.n == 0 && pipeline.step == NULL);
    } else {
        require(pipeline.n > 0 && pipeline.n <= MW_PIPELINE_STEPS_MAX);
        for (size_t i = 0; i < pipeline.n; i++) {
            check_step(&pipeline, i);
        }
    }
    mw_pipeline_clear(&pipeline);
    return 0;
}
