#include "lib/accelerator/table.h"

#include "lib/base/file.h"
#include "lib/base/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ids and names are those of the vendors' own drivers: gasket (apex), hailort-drivers, ivpu, rknpu,
 * rocket, ethosu, nvgpu. */
static const struct mw_accelerator_row built_in[] = {
    /* The chip starts as 1a6e:089a, is given its firmware by its first user, leaves the bus and
     * comes back as 18d1:9302 at another address. */
    {"edgetpu",
     "Coral Edge TPU, USB",
     {[MW_ACCELERATOR_MATCH] = "usb:1a6e:089a usb:18d1:9302",
      [MW_ACCELERATOR_HEALTH] =
          "authorized=1 "
          "power/runtime_status=active|suspended|suspending|resuming|unsupported"}},
    {"edgetpu",
     "Coral Edge TPU, PCIe",
     {[MW_ACCELERATOR_MATCH] = "pci:1ac1:089a:*",
      [MW_ACCELERATOR_NODES] = "/dev/apex_[0-9]*",
      [MW_ACCELERATOR_HEALTH] = "status=ALIVE|LAMED"}},
    {"nvidia",
     "NVIDIA GPU",
     {[MW_ACCELERATOR_MATCH] = "pci:10de:*:03*",
      [MW_ACCELERATOR_NODES] = "/dev/nvidia%minor",
      [MW_ACCELERATOR_SHARED] = "/dev/nvidiactl /dev/nvidia-uvm /dev/nvidia-uvm-tools "
                                "/dev/nvidia-modeset"}},
    {"nvidia",
     "NVIDIA Tegra GPU",
     {[MW_ACCELERATOR_MATCH] =
          "dt:nvidia,*gm20b dt:nvidia,*gp10b dt:nvidia,*gv11b dt:nvidia,*ga10b",
      [MW_ACCELERATOR_NODES] = "/dev/nvhost-gpu /dev/nvgpu/igpu0/channel",
      [MW_ACCELERATOR_SHARED] =
          "/dev/nvmap /dev/nvhost-ctrl /dev/nvhost-ctrl-gpu /dev/nvhost-as-gpu "
          "/dev/nvhost-dbg-gpu /dev/nvhost-prof-gpu /dev/nvhost-tsg-gpu /dev/nvgpu/igpu0/*"}},
    {"hailo",
     "Hailo",
     {[MW_ACCELERATOR_MATCH] = "pci:1e60:*:*", [MW_ACCELERATOR_NODES] = "/dev/hailo[0-9]*"}},
    {"intel-npu",
     "Intel NPU",
     {[MW_ACCELERATOR_MATCH] = "driver:intel_vpu",
      [MW_ACCELERATOR_NODES] = "/dev/accel/accel[0-9]*"}},
    {"rockchip-npu",
     "Rockchip NPU",
     {[MW_ACCELERATOR_MATCH] = "dt:rockchip,rknpu dt:rockchip,*-rknpu",
      [MW_ACCELERATOR_NODES] = "/dev/dri/renderD[0-9]* /dev/rknpu"}},
    /* The mainline driver gives its cores one device, which has no node in the devicetree. */
    {"rockchip-npu",
     "Rockchip NPU, rocket",
     {[MW_ACCELERATOR_MATCH] = "platform:rknn", [MW_ACCELERATOR_NODES] = "/dev/accel/accel[0-9]*"}},
    {"ethos-u",
     "Arm Ethos-U",
     {[MW_ACCELERATOR_MATCH] = "driver:ethosu dt:arm,ethos-u* dt:arm,ethosu",
      [MW_ACCELERATOR_NODES] = "/dev/accel/accel[0-9]* /dev/ethosu[0-9]*"}},
    /* Behind a remote processor's messages the device is on neither of the buses looked at. */
    {"ethos-u", "Arm Ethos-U", {[MW_ACCELERATOR_MATCH] = "dev:/dev/ethosu[0-9]*"}},
};

static const char *const list_names[MW_ACCELERATOR_LISTS] = {
    [MW_ACCELERATOR_MATCH] = "match",   [MW_ACCELERATOR_NODES] = "nodes",
    [MW_ACCELERATOR_SHARED] = "shared", [MW_ACCELERATOR_MOUNTS] = "mounts",
    [MW_ACCELERATOR_HEALTH] = "health", [MW_ACCELERATOR_ENVIRONMENT] = "environment"};

bool mw_accelerator_next_word(const char **rest, struct mw_span *word)
{
    if (*rest == NULL) {
        return false;
    }
    *rest += strspn(*rest, " ");
    *word = (struct mw_span){*rest, strcspn(*rest, " ")};
    *rest += word->size;
    return word->size > 0;
}

/* ---- a user's rows ---- */

static bool begins(struct mw_span word, const char *text)
{
    size_t length = strlen(text);
    return word.size > length && memcmp(word.data, text, length) == 0;
}

static const char *expected_of(enum mw_accelerator_list list)
{
    switch (list) {
    case MW_ACCELERATOR_MATCH:
        return "usb:, pci:, driver:, dt:, platform: or dev:/dev/ and a name behind it";
    case MW_ACCELERATOR_NODES:
    case MW_ACCELERATOR_SHARED:
        return "a path below /dev/";
    case MW_ACCELERATOR_MOUNTS:
        return "an absolute path";
    case MW_ACCELERATOR_HEALTH:
        return "FILE=VALUE, FILE below the device's folder";
    case MW_ACCELERATOR_ENVIRONMENT:
    case MW_ACCELERATOR_LISTS:
        break;
    }
    return "NAME=VALUE";
}

/* Nothing that is named may lead out of the place that it is looked for in. */
static bool has_dots(struct mw_span word)
{
    for (size_t i = 0; i + 1 < word.size; i++) {
        if (word.data[i] == '.' && word.data[i + 1] == '.') {
            return true;
        }
    }
    return false;
}

static bool is_word_of(enum mw_accelerator_list list, struct mw_span word)
{
    static const char *const names[] = {
        "usb:", "pci:", "driver:", "dt:", "platform:", "dev:/dev/", NULL};
    const char *equals = memchr(word.data, '=', word.size);
    switch (list) {
    case MW_ACCELERATOR_MATCH:
        for (size_t i = 0; names[i] != NULL; i++) {
            if (begins(word, names[i])) {
                return !has_dots(word);
            }
        }
        return false;
    case MW_ACCELERATOR_NODES:
    case MW_ACCELERATOR_SHARED:
        return begins(word, "/dev/") && !has_dots(word);
    case MW_ACCELERATOR_MOUNTS:
        return begins(word, "/") && !has_dots(word);
    case MW_ACCELERATOR_HEALTH:
        return equals != NULL && equals > word.data && word.data[0] != '/' && !has_dots(word);
    case MW_ACCELERATOR_ENVIRONMENT:
    case MW_ACCELERATOR_LISTS:
        break;
    }
    return equals != NULL && equals > word.data;
}

static mw_err check_words(enum mw_accelerator_list list, const char *text, struct mw_error *error)
{
    struct mw_span word;
    size_t n = 0;
    for (const char *rest = text; mw_accelerator_next_word(&rest, &word); n++) {
        if (!is_word_of(list, word)) {
            return mw_error_set(error, MW_ERR_PARSE, "%s: \"%.*s\" is not %s", list_names[list],
                                (int)word.size, word.data, expected_of(list));
        }
    }
    return n > 0 ? MW_OK : mw_error_set(error, MW_ERR_PARSE, "%s: is empty", list_names[list]);
}

static bool is_class(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        bool inner = i > 0 && i + 1 < size;
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (inner && c == '-'))) {
            return false;
        }
    }
    return size > 0 && size <= MW_ACCELERATOR_CLASS;
}

/* The row that is being read: a new one when the class is not that of the last. */
static mw_err row_of(struct mw_accelerator_table *table, const char *class, size_t size,
                     struct mw_accelerator_row **row)
{
    for (size_t i = 0; i < table->n; i++) {
        if (strlen(table->row[i].class) == size && memcmp(table->row[i].class, class, size) == 0) {
            *row = &table->row[i];
            return MW_OK;
        }
    }
    struct mw_accelerator_row *rows = realloc(table->row, (table->n + 1) * sizeof *rows);
    if (rows == NULL) {
        return MW_ERR_MEMORY;
    }
    table->row = rows;
    *row = &rows[table->n];
    **row = (struct mw_accelerator_row){.text = "", .class = strndup(class, size)};
    if ((*row)->class == NULL) {
        return MW_ERR_MEMORY;
    }
    table->n++;
    return MW_OK;
}

static mw_err add_words(struct mw_accelerator_row *row, enum mw_accelerator_list list,
                        const char *text)
{
    char *joined;
    const char *old = row->lists[list];
    if (asprintf(&joined, "%s%s%s", old == NULL ? "" : old, old == NULL ? "" : " ", text) < 0) {
        return MW_ERR_MEMORY;
    }
    free((void *)(uintptr_t)old);
    row->lists[list] = joined;
    return MW_OK;
}

static mw_err take(void *context, const char *key, const char *text, unsigned line,
                   struct mw_error *error)
{
    struct mw_accelerator_table *table = context;
    const char *class = strchr(key, '.');
    const char *list = strrchr(key, '.');
    (void)line;
    if (class == NULL || class == list || !is_class(class + 1, (size_t)(list - class) - 1)) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "%s: expected accelerators: CLASS: LIST:, CLASS of at most %d of a-z, "
                            "0-9 and -",
                            key, MW_ACCELERATOR_CLASS);
    }
    for (size_t i = 0; i < MW_ACCELERATOR_LISTS; i++) {
        struct mw_accelerator_row *row;
        if (strcmp(list + 1, list_names[i]) != 0) {
            continue;
        }
        mw_err err = check_words((enum mw_accelerator_list)i, text, error);
        if (err == MW_OK && (row_of(table, class + 1, (size_t)(list - class) - 1, &row) != MW_OK ||
                             add_words(row, (enum mw_accelerator_list)i, text) != MW_OK)) {
            err = mw_error_set(error, MW_ERR_MEMORY, "out of memory");
        }
        return err;
    }
    return mw_error_set(error, MW_ERR_NOT_FOUND,
                        "%s: no such list; they are match, nodes, shared, mounts, environment and "
                        "health",
                        key);
}

static mw_err check_rows(const struct mw_accelerator_table *table, const char *path,
                         struct mw_error *error)
{
    for (size_t i = 0; i < table->n; i++) {
        if (table->row[i].lists[MW_ACCELERATOR_MATCH] == NULL) {
            return mw_error_set(error, MW_ERR_PARSE, "%s: accelerators.%s: has no match", path,
                                table->row[i].class);
        }
    }
    return MW_OK;
}

mw_err mw_accelerator_table_parse(struct mw_accelerator_table *table, struct mw_span text,
                                  const char *path, struct mw_error *error)
{
    static const struct mw_option none[] = {
        {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0}};
    static const char *const prefixes[] = {"accelerators", NULL};
    char nothing = 0;
    *table = (struct mw_accelerator_table){0};
    mw_err err = mw_options_parse_yaml(none, &nothing, text.data, text.size, path, prefixes, take,
                                       table, error);
    if (err == MW_OK) {
        err = check_rows(table, path, error);
    }
    if (err != MW_OK) {
        mw_accelerator_table_clear(table);
    }
    return err;
}

/* ---- the whole ---- */

static mw_err add_built_in(struct mw_accelerator_table *table, struct mw_error *error)
{
    size_t n = sizeof built_in / sizeof *built_in;
    struct mw_accelerator_row *rows = realloc(table->row, (table->n + n) * sizeof *rows);
    if (rows == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    table->row = rows;
    memcpy(rows + table->n, built_in, sizeof built_in);
    table->n += n;
    return MW_OK;
}

mw_err mw_accelerator_table_make(struct mw_accelerator_table *table, const char *path,
                                 struct mw_error *error)
{
    struct mw_buffer text = {0};
    mw_err err = MW_OK;
    *table = (struct mw_accelerator_table){0};
    if (path != NULL && path[0] != '\0') {
        err = mw_file_read(path, (size_t)1 << 20, &text, error);
        if (err == MW_OK) {
            err = mw_accelerator_table_parse(table, (struct mw_span){text.data, text.size}, path,
                                             error);
        }
        mw_buffer_free(&text);
    }
    if (err == MW_OK) {
        err = add_built_in(table, error);
    }
    if (err != MW_OK) {
        mw_accelerator_table_clear(table);
    }
    return err;
}

static bool is_built_in(const struct mw_accelerator_row *row)
{
    for (size_t i = 0; i < sizeof built_in / sizeof *built_in; i++) {
        if (row->class == built_in[i].class) {
            return true;
        }
    }
    return false;
}

void mw_accelerator_table_clear(struct mw_accelerator_table *table)
{
    for (size_t i = 0; i < table->n; i++) {
        struct mw_accelerator_row *row = &table->row[i];
        if (is_built_in(row)) {
            continue;
        }
        free((void *)(uintptr_t)row->class);
        for (size_t k = 0; k < MW_ACCELERATOR_LISTS; k++) {
            free((void *)(uintptr_t)row->lists[k]);
        }
    }
    free(table->row);
    *table = (struct mw_accelerator_table){0};
}
