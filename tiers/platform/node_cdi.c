#include "tiers/platform/node_cdi.h"

#include "lib/base/file.h"
#include "tiers/platform/node_edit.h"

#include <errno.h>
#include <glob.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- one device: what mw_node_edit says, as JSON ---- */

static void add_environment(void *context, const char *name, const char *value)
{
    json_t *edits = context;
    json_array_append_new(json_object_get(edits, "env"), json_sprintf("%s=%s", name, value));
}

static void add_mount(void *context, const char *container, const char *host)
{
    json_t *edits = context;
    json_array_append_new(json_object_get(edits, "mounts"),
                          json_pack("{s:s, s:s, s:[s, s, s]}", "hostPath", host, "containerPath",
                                    container, "options", "ro", "rbind", "nosuid"));
}

static void add_node(void *context, const char *container, const char *host)
{
    json_t *edits = context;
    json_array_append_new(
        json_object_get(edits, "deviceNodes"),
        json_pack("{s:s, s:s, s:s}", "path", container, "hostPath", host, "permissions", "rw"));
}

static json_t *describe(const struct mw_accelerator *device, const char *host_root)
{
    const struct mw_node_edits edits = {add_environment, add_mount, add_node, NULL};
    struct mw_node_edits to = edits;
    json_t *out = json_pack("{s:[], s:[], s:[]}", "deviceNodes", "mounts", "env");
    to.context = out;
    mw_node_edit(&device, 1, host_root, &to);
    /* The format allows no empty list. */
    static const char *const lists[] = {"deviceNodes", "mounts", "env"};
    for (size_t i = 0; i < 3; i++) {
        if (json_array_size(json_object_get(out, lists[i])) == 0) {
            json_object_del(out, lists[i]);
        }
    }
    return json_pack("{s:s, s:o}", "name", device->id, "containerEdits", out);
}

/* ---- the file ---- */

static mw_err path_of(char path[PATH_MAX], const char *folder, const char *class,
                      struct mw_error *error)
{
    int n = snprintf(path, PATH_MAX, "%s/millwright-%s.json", folder, class);
    return n > 0 && n < PATH_MAX
               ? MW_OK
               : mw_error_set(error, MW_ERR_TOO_LARGE, "%s: path too long", folder);
}

static mw_err write_text(const char *path, json_t *spec, struct mw_error *error)
{
    char *text = json_dumps(spec, JSON_INDENT(2));
    if (text == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "%s: out of memory", path);
    }
    mw_err err = mw_file_replace(path, text, strlen(text), 0644, error);
    free(text);
    return err;
}

mw_err mw_node_cdi_write(const char *folder, const char *class,
                         const struct mw_accelerator *devices, size_t n, const char *host_root,
                         struct mw_error *error)
{
    char path[PATH_MAX];
    json_t *all = json_array();
    mw_err err = path_of(path, folder, class, error);
    for (size_t i = 0; i < n; i++) {
        if (devices[i].nodes > 0) {
            json_array_append_new(all, describe(&devices[i], host_root));
        }
    }
    bool none = json_array_size(all) == 0;
    json_t *spec = json_pack("{s:s, s:o, s:o}", "cdiVersion", MW_NODE_CDI_VERSION, "kind",
                             json_sprintf(MW_ACCELERATOR_DOMAIN "/%s", class), "devices", all);
    if (err == MW_OK && none) {
        if (unlink(path) != 0 && errno != ENOENT) {
            err = mw_error_errno(error, MW_ERR_IO, "%s", path);
        }
    } else if (err == MW_OK) {
        err = mw_file_make_folder(folder, error);
        err = err == MW_OK ? write_text(path, spec, error) : err;
    }
    json_decref(spec);
    return err;
}

void mw_node_cdi_sweep(const char *folder, bool (*is_kept)(void *context, const char *class),
                       void *context)
{
    char pattern[PATH_MAX];
    glob_t all = {0};
    if (path_of(pattern, folder, "*", NULL) != MW_OK || glob(pattern, 0, NULL, &all) != 0) {
        return;
    }
    for (size_t i = 0; i < all.gl_pathc; i++) {
        char class[MW_ACCELERATOR_CLASS + 1];
        const char *name = all.gl_pathv[i] + strlen(pattern) - strlen("*.json");
        size_t length = strlen(name) - strlen(".json");
        if (length < sizeof class) {
            memcpy(class, name, length);
            class[length] = '\0';
            if (!is_kept(context, class)) {
                (void)unlink(all.gl_pathv[i]);
            }
        }
    }
    globfree(&all);
}
