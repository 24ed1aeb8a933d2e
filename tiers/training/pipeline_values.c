/* pipeline_values.c - what the variables of a run stand for, the model in use among them. */
#include "tiers/training/pipeline_internal.h"

#include "lib/base/file.h"
#include "tiers/training/in_use.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

__attribute__((format(printf, 4, 5))) static mw_err set(struct mw_pipeline_context *run,
                                                        enum mw_pipeline_variable variable,
                                                        struct mw_error *error, const char *format,
                                                        ...)
{
    struct mw_buffer text = {0};
    va_list arguments;
    char value[PATH_MAX + 64];
    va_start(arguments, format);
    int n = vsnprintf(value, sizeof value, format, arguments);
    va_end(arguments);
    if (n < 0 || (size_t)n >= sizeof value) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "${%s} is too long",
                            mw_pipeline_variable_name(variable));
    }
    if (mw_buffer_add(&text, value, (size_t)n) != MW_OK) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    free(run->value[variable]);
    run->value[variable] = text.data;
    return MW_OK;
}

/* The widths for train --hidden; empty leaves the choice to the kind. plant.yaml's default is a
 * perceptron's: an autoencoder of that shape would be wider than its input and copy it. */
static mw_err set_hidden(struct mw_pipeline_context *run, struct mw_error *error)
{
    const struct mw_plant *plant = run->options->plant;
    const struct mw_ints *hidden = &plant->model.hidden;
    char text[512] = "";
    size_t used = 0;
    bool fallback = hidden->n == 2 && hidden->item[0] == 50 && hidden->item[1] == 40;
    if (plant->model.kind == MW_MODEL_LOGISTIC ||
        (plant->model.kind == MW_MODEL_AUTOENCODER && fallback)) {
        return MW_OK;
    }
    for (size_t i = 0; i < hidden->n && used < sizeof text; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%" PRId64, i == 0 ? "" : ",",
                                 hidden->item[i]);
    }
    return set(run, MW_PIPELINE_HIDDEN, error, "%s", text);
}

mw_err mw_pipeline_set_values(struct mw_pipeline_context *run, struct mw_error *error)
{
    static const char *const kinds[] = {"logistic", "mlp", "autoencoder"};
    const struct mw_pipeline_run_options *options = run->options;
    const struct mw_plant *plant = options->plant;
    const char *since = options->since == NULL ? "" : options->since;
    const char *machine = options->machine == NULL ? "" : options->machine;
    bool encoder = plant->model.kind == MW_MODEL_AUTOENCODER;
    mw_err err = set(run, MW_PIPELINE_PLANT, error, "%s", plant->file);
    err = err == MW_OK ? set(run, MW_PIPELINE_WORK, error, "%s", options->work) : err;
    err = err == MW_OK ? set(run, MW_PIPELINE_SINCE, error, "%s", since) : err;
    err = err == MW_OK && encoder ? set(run, MW_PIPELINE_HEALTHY_SINCE, error, "%s", since) : err;
    err = err == MW_OK ? set(run, MW_PIPELINE_MACHINE, error, "%s", machine) : err;
    err = err == MW_OK ? set(run, MW_PIPELINE_CAUSE, error, "%s", options->cause) : err;
    err =
        err == MW_OK ? set(run, MW_PIPELINE_HEALTHY, error, "%s", encoder ? "--healthy" : "") : err;
    err = err == MW_OK ? set(run, MW_PIPELINE_KIND, error, "%s", kinds[plant->model.kind]) : err;
    err = err == MW_OK ? set(run, MW_PIPELINE_SEED, error, "%" PRId64, plant->model.seed) : err;
    err = err == MW_OK ? set(run, MW_PIPELINE_QUANTILE, error, "%.9g", plant->model.quantile) : err;
    err = err == MW_OK
              ? set(run, MW_PIPELINE_INT8_AUC_LOSS, error, "%.9g", plant->model.int8_auc_loss)
              : err;
    return err == MW_OK ? set_hidden(run, error) : err;
}

static mw_err set_parent(struct mw_pipeline_context *run, const char *digest,
                         struct mw_error *error)
{
    mw_err err = set(run, MW_PIPELINE_PARENT, error, "%s/parent", run->options->work);
    return err == MW_OK ? set(run, MW_PIPELINE_PARENT_DIGEST, error, "%s", digest) : err;
}

/* The model in use becomes files like those of any step. */
mw_err mw_pipeline_export_parent(struct mw_pipeline_context *run, struct mw_error *error)
{
    const struct mw_pipeline_run_options *options = run->options;
    char digest[MW_DIGEST_TEXT];
    mw_err err = mw_in_use_find(options->plant, options->machine, digest, error);
    if (err != MW_OK || digest[0] == '\0') {
        return err;
    }
    err = set_parent(run, digest, error);
    if (err == MW_OK) {
        err = mw_in_use_export(options->plant, digest, run->value[MW_PIPELINE_PARENT], error);
        err = err == MW_OK ? MW_OK : mw_error_wrap(error, "the model in use, %s", digest);
    }
    return err;
}

/* The digest that the file holds; the empty text when there was no model in use. */
static mw_err read_parent(struct mw_pipeline_context *run, const char *path, struct mw_error *error)
{
    struct mw_buffer text = {0};
    mw_err err = mw_file_read(path, MW_DIGEST_TEXT, &text, error);
    if (err == MW_OK && text.size > 0) {
        err = mw_digest_valid((struct mw_span){text.data, text.size})
                  ? set_parent(run, text.data, error)
                  : mw_error_set(error, MW_ERR_PARSE, "%s: no digest", path);
    }
    mw_buffer_free(&text);
    return err;
}

mw_err mw_pipeline_share_parent(struct mw_pipeline_context *run, struct mw_error *error)
{
    char path[PATH_MAX];
    mw_err err = mw_file_join(path, sizeof path, run->options->work, "in_use.digest");
    if (err != MW_OK) {
        return mw_error_set(error, err, "%s: path too long", run->options->work);
    }
    int folder = open(run->options->work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || flock(folder, LOCK_EX) != 0) {
        err = mw_error_errno(error, MW_ERR_IO, "%s", run->options->work);
    } else if (mw_file_exists(path)) {
        err = read_parent(run, path, error);
    } else {
        err = mw_pipeline_export_parent(run, error);
        const char *digest = run->value[MW_PIPELINE_PARENT_DIGEST];
        digest = digest == NULL ? "" : digest;
        err = err == MW_OK ? mw_file_replace(path, digest, strlen(digest), 0600, error) : err;
    }
    if (folder >= 0) {
        close(folder);
    }
    return err;
}

bool mw_pipeline_is_wanted(const struct mw_pipeline_context *run,
                           const struct mw_pipeline_step *step)
{
    int variable = step->when == NULL ? -1 : mw_pipeline_find_variable(mw_span_of(step->when));
    return variable < 0 || (run->value[variable] != NULL && run->value[variable][0] != '\0');
}

void mw_pipeline_free_values(struct mw_pipeline_context *run)
{
    for (size_t i = 0; i < MW_PIPELINE_VARIABLES; i++) {
        free(run->value[i]);
        run->value[i] = NULL;
    }
}
