/* assemble_folder.c - bundles as folders of files. */
#include "tiers/training/assemble.h"

#include "lib/base/file.h"

#include <limits.h>
#include <stdlib.h>

#define PART_MAX (64U << 20) /* bytes, as lib/artifact takes them */

static mw_err write_part(const char *folder, const char *name, const struct mw_buffer *bytes,
                         struct mw_error *error)
{
    char path[PATH_MAX];
    if (mw_file_join(path, sizeof path, folder, name) != MW_OK) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "%s/%s: path too long", folder, name);
    }
    return mw_file_write(path, bytes->data, bytes->size, 0644, error);
}

mw_err mw_assemble_write(const struct mw_bundle *bundle, const char *folder, struct mw_error *error)
{
    struct mw_buffer json = {0}, report = {0};
    mw_err err = mw_bundle_print_json(bundle, &json);
    if (err == MW_OK) {
        err = mw_buffer_printf(&report, "{\"v\":1,\"gates\":%s,\"metrics\":%s}",
                               bundle->gates_json == NULL ? "{}" : bundle->gates_json,
                               bundle->metrics_json == NULL ? "{}" : bundle->metrics_json);
    }
    if (err != MW_OK) {
        (void)mw_error_set(error, err, "bundle.json: a part is missing or not finite");
    } else {
        err = mw_file_make_folder(folder, error);
    }
    const struct {
        const char *name;
        const struct mw_buffer *bytes;
    } part[] = {{"bundle.json", &json},
                {"model.int8.tflite", &bundle->int8_model},
                {"model.float32.tflite", &bundle->float_model},
                {"golden.bin", &bundle->golden},
                {"report.json", &report}};
    for (size_t i = 0; err == MW_OK && i < sizeof part / sizeof *part; i++) {
        if (part[i].bytes->size > 0) {
            err = write_part(folder, part[i].name, part[i].bytes, error);
        }
    }
    mw_buffer_free(&json);
    mw_buffer_free(&report);
    return err;
}

static mw_err read_part(const char *folder, const char *name, bool optional,
                        struct mw_buffer *bytes, struct mw_error *error)
{
    char path[PATH_MAX];
    if (mw_file_join(path, sizeof path, folder, name) != MW_OK) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "%s/%s: path too long", folder, name);
    }
    if (optional && !mw_file_exists(path)) {
        return MW_OK;
    }
    return mw_file_read(path, PART_MAX, bytes, error);
}

mw_err mw_assemble_read(struct mw_bundle *bundle, const char *folder, struct mw_error *error)
{
    struct mw_buffer json = {0};
    *bundle = (struct mw_bundle){0};
    mw_err err = read_part(folder, "bundle.json", false, &json, error);
    if (err == MW_OK) {
        err = mw_bundle_parse_json((struct mw_span){json.data, json.size}, bundle, error);
        err = err == MW_OK ? MW_OK : mw_error_wrap(error, "%s", folder);
    }
    err = err == MW_OK ? read_part(folder, "model.int8.tflite", false, &bundle->int8_model, error)
                       : err;
    err = err == MW_OK
              ? read_part(folder, "model.float32.tflite", true, &bundle->float_model, error)
              : err;
    err = err == MW_OK ? read_part(folder, "golden.bin", false, &bundle->golden, error) : err;
    mw_buffer_free(&json);
    if (err != MW_OK) {
        mw_bundle_clear(bundle);
    }
    return err;
}
