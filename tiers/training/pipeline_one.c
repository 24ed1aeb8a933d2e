/* pipeline_one.c - one step of a run whose order another program keeps. */
#include "tiers/training/pipeline_internal.h"

#include "lib/base/clock.h"

mw_err mw_pipeline_run_one(const struct mw_pipeline_step *step,
                           const struct mw_pipeline_run_options *options,
                           struct mw_pipeline_ran *ran, struct mw_error *error)
{
    struct mw_pipeline_context run = {.options = options};
    int64_t before = mw_clock_monotonic();
    *ran = (struct mw_pipeline_ran){.name = step->name};
    mw_err err = options->plant->file == NULL
                     ? mw_error_set(error, MW_ERR_ARGUMENT, "a plant that came from no file")
                     : mw_pipeline_set_values(&run, error);
    err = err == MW_OK ? mw_pipeline_share_parent(&run, error) : err;
    if (err == MW_OK && mw_pipeline_is_wanted(&run, step)) {
        err = mw_pipeline_run_step(&run, step, &ran->status, error);
        ran->ran = err == MW_OK;
    }
    ran->seconds = (double)(mw_clock_monotonic() - before) / (double)MW_SECOND;
    mw_pipeline_free_values(&run);
    return err;
}
