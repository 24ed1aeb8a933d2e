#include "tiers/iot/gateway_file.h"

#include "lib/base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX ((size_t)1 << 20)
#define AT(member) offsetof(struct mw_gateway_file, member)

const struct mw_option mw_gateway_options[] = {
    {"device", MW_OPTION_NAME, NULL, 0, 0, NULL, NULL, "name of the device", AT(device)},
    {"url", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "where it is: tcp://HOST[:PORT], rtu:///dev/ttyUSB0?baud=19200 or iio:local", AT(url_text)},
    {"unit", MW_OPTION_INT, NULL, 0, 255, "1", NULL, "Modbus unit number", AT(unit)},
    {"interval", MW_OPTION_DURATION, NULL, 1e4, 86400e6, "1s", NULL, "from record to record",
     AT(interval)},
    {"timeout", MW_OPTION_DURATION, NULL, 1e3, 60e6, "500ms", NULL,
     "an answer that takes longer does not come", AT(timeout)},
    {"order", MW_OPTION_ENUM, "abcd|cdab|badc|dcba", 0, 0, "abcd", NULL,
     "of words and bytes in numbers of more than one register", AT(order)},
    {"window", MW_OPTION_INT, NULL, 16, MW_GATEWAY_WINDOW_MAX, "1024", NULL,
     "samples of a window of an IIO channel", AT(window)},
    {"rate", MW_OPTION_FLOAT, NULL, 0, 1e7, "0", NULL,
     "samples a second of an IIO device; 0: as it is set", AT(rate)},
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0},
};

/* --- registers, channels, actions --- */

/* A feature called NAME, or NAME_PART. */
static mw_err add_feature(struct mw_gateway_file *file, const char *name, const char *part,
                          unsigned line, struct mw_error *error)
{
    struct mw_gateway_name *feature = &file->feature[file->n_features];
    if (file->n_features == MW_FEATURES_MAX) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "%.80s: %d features at most were expected",
                            name, MW_FEATURES_MAX);
    }
    int n = snprintf(feature->text, sizeof feature->text, "%s%s%s", name, part == NULL ? "" : "_",
                     part == NULL ? "" : part);
    if (n < 0 || (size_t)n >= sizeof feature->text ||
        !mw_feature_name_valid(mw_span_of(feature->text))) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "%.80s: a name of 1 to %d bytes without quotes was expected", name,
                            MW_FEATURE_NAME_MAX - (int)sizeof "kurtosis");
    }
    for (size_t i = 0; i < file->n_features; i++) {
        if (strcmp(file->feature[i].text, feature->text) == 0) {
            return mw_error_set(error, MW_ERR_PARSE, "%.80s: line %u makes a feature %s too", name,
                                file->feature[i].line, feature->text);
        }
    }
    feature->line = line;
    file->n_features++;
    return MW_OK;
}

static mw_err add_channel(struct mw_gateway_file *file, const char *name, const char *text,
                          unsigned line, struct mw_error *error)
{
    struct mw_gateway_channel channel = {.first = file->n_features};
    mw_err err = mw_iio_channel_parse(&channel.at, text, error);
    if (err != MW_OK) {
        return mw_error_wrap(error, "channels.%s", name);
    }
    if (file->n_features > 0 && file->n_channels == 0) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "channels.%s: the device has registers: one kind was expected", name);
    }
    size_t n = channel.at.window ? MW_IIO_WINDOW_FEATURES : 1;
    for (size_t i = 0; err == MW_OK && i < n; i++) {
        err =
            add_feature(file, name, channel.at.window ? mw_iio_window_names[i] : NULL, line, error);
    }
    if (err == MW_OK) {
        file->channel[file->n_channels++] = channel;
    }
    return err;
}

static mw_err add_register(struct mw_gateway_file *file, const char *name, const char *text,
                           unsigned line, struct mw_error *error)
{
    struct mw_modbus_register reg;
    mw_err err = mw_modbus_register_parse(&reg, text, error);
    if (err != MW_OK) {
        return mw_error_wrap(error, "registers.%s", name);
    }
    if (file->n_channels > 0) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "registers.%s: the device has channels: one kind was expected", name);
    }
    for (size_t i = 0; i < file->n_features; i++) {
        if (mw_modbus_registers_overlap(&reg, &file->reg[i])) {
            return mw_error_set(error, MW_ERR_PARSE,
                                "registers.%s: overlaps %s of line %u: registers of their own "
                                "were expected",
                                name, file->feature[i].text, file->feature[i].line);
        }
    }
    err = add_feature(file, name, NULL, line, error);
    if (err == MW_OK) {
        file->reg[file->n_features - 1] = reg;
    }
    return err;
}

static mw_err add_action(struct mw_gateway_file *file, const char *name, const char *text,
                         unsigned line, struct mw_error *error)
{
    if (file->n_actions == MW_GATEWAY_ACTIONS_MAX) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "more than %d actions",
                            MW_GATEWAY_ACTIONS_MAX);
    }
    if (!mw_name_valid(mw_span_of(name))) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "%.80s: a name of 1 to %d of a-z, 0-9 and - was expected", name,
                            MW_NAME_MAX);
    }
    mw_err err = mw_modbus_write_parse(&file->write[file->n_actions], text, error);
    if (err != MW_OK) {
        return mw_error_wrap(error, "actions.%s", name);
    }
    struct mw_gateway_name *action = &file->action[file->n_actions++];
    snprintf(action->text, sizeof action->text, "%s", name);
    action->line = line;
    return MW_OK;
}

/* What follows the prefix; NULL without it. */
static const char *below(const char *key, const char *prefix)
{
    size_t size = strlen(prefix);
    return strncmp(key, prefix, size) == 0 ? key + size : NULL;
}

static mw_err on_free(void *context, const char *key, const char *text, unsigned line,
                      struct mw_error *error)
{
    struct mw_gateway_file *file = context;
    const char *reg = below(key, "registers."), *channel = below(key, "channels.");
    if (reg != NULL) {
        return add_register(file, reg, text, line, error);
    }
    if (channel != NULL) {
        return add_channel(file, channel, text, line, error);
    }
    return add_action(file, below(key, "actions."), text, line, error);
}

/* --- what no single line can say --- */

/* The line of a key of the outermost mapping; 0 when it does not begin one. */
static unsigned line_of(const char *text, size_t size, const char *key)
{
    size_t length = strlen(key);
    const char *end = text + size;
    for (unsigned line = 1; text < end; line++) {
        const char *next = memchr(text, '\n', (size_t)(end - text));
        next = next == NULL ? end : next + 1;
        if ((size_t)(next - text) > length && memcmp(text, key, length) == 0 &&
            text[length] == ':') {
            return line;
        }
        text = next;
    }
    return 0;
}

static mw_err located(const struct mw_gateway_file *file, unsigned line, struct mw_error *error)
{
    return line == 0 ? mw_error_wrap(error, "%s", file->path)
                     : mw_error_wrap(error, "%s:%u", file->path, line);
}

static mw_err check_modbus(const struct mw_gateway_file *file, struct mw_error *error)
{
    if (file->n_channels > 0 || file->n_features == 0) {
        mw_error_set(error, MW_ERR_PARSE,
                     "registers: at least one, and no channels, was expected with Modbus, e.g. "
                     "temperature: input 0 int16 scale=0.1");
        return located(file, file->n_features == 0 ? 0 : file->feature[0].line, error);
    }
    return MW_OK;
}

static mw_err check_iio(const struct mw_gateway_file *file, const char *text, size_t size,
                        struct mw_error *error)
{
    size_t bytes;
    if (file->n_channels == 0) {
        mw_error_set(error, MW_ERR_PARSE,
                     "channels: at least one, and no registers, was expected with iio:, e.g. "
                     "vibration: adxl345 accel_x window");
        return located(file, file->n_features == 0 ? 0 : file->feature[0].line, error);
    }
    if (file->n_actions > 0) {
        mw_error_set(error, MW_ERR_PARSE,
                     "actions.%s: none was expected with iio:", file->action[0].text);
        return located(file, file->action[0].line, error);
    }
    if (mw_signal_size((size_t)file->window, &bytes) != MW_OK) {
        mw_error_set(error, MW_ERR_PARSE,
                     "window: %lld: an even number with the factors 2, 3 and 5 only was expected",
                     (long long)file->window);
        return located(file, line_of(text, size, "window"), error);
    }
    return MW_OK;
}

static mw_err check(struct mw_gateway_file *file, const char *text, size_t size,
                    struct mw_error *error)
{
    if (file->device == NULL || file->device[0] == '\0') {
        return mw_error_set(error, MW_ERR_PARSE, "%s: device: a name was expected", file->path);
    }
    if (mw_gateway_url_parse(&file->url, file->url_text, error) != MW_OK) {
        mw_error_wrap(error, "url");
        return located(file, line_of(text, size, "url"), error);
    }
    if (file->url.scheme == MW_GATEWAY_RTU && (file->unit < 1 || file->unit > 247)) {
        mw_error_set(error, MW_ERR_RANGE, "unit: %lld: 1 to 247 was expected on a serial line",
                     (long long)file->unit);
        return located(file, line_of(text, size, "unit"), error);
    }
    mw_err err = file->url.scheme == MW_GATEWAY_IIO ? check_iio(file, text, size, error)
                                                    : check_modbus(file, error);
    if (err != MW_OK) {
        return err;
    }
    for (size_t i = 0; i < file->n_features && file->n_channels == 0; i++) {
        if (file->reg[i].order == MW_MODBUS_DEVICE) {
            file->reg[i].order = (enum mw_modbus_order)file->order;
        }
    }
    return MW_OK;
}

mw_err mw_gateway_file_parse(struct mw_gateway_file *file, const char *text, size_t size,
                             const char *path, struct mw_error *error)
{
    static const char *const prefixes[] = {"registers", "channels", "actions", NULL};
    *file = (struct mw_gateway_file){0};
    file->path = strdup(path);
    file->hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < size; i++) {
        file->hash = (file->hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    }
    if (file->path == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    mw_err err = mw_options_parse_yaml(mw_gateway_options, file, text, size, path, prefixes,
                                       on_free, file, error);
    return err == MW_OK ? check(file, text, size, error) : err;
}

mw_err mw_gateway_file_read(struct mw_gateway_file *file, const char *path, struct mw_error *error)
{
    struct mw_buffer text = {0};
    *file = (struct mw_gateway_file){0};
    mw_err err = mw_file_read(path, FILE_MAX, &text, error);
    if (err == MW_OK) {
        err =
            mw_gateway_file_parse(file, text.data == NULL ? "" : text.data, text.size, path, error);
    }
    mw_buffer_free(&text);
    return err;
}

void mw_gateway_file_clear(struct mw_gateway_file *file)
{
    free(file->path);
    file->path = NULL;
    mw_options_clear(mw_gateway_options, file);
}

/* --- all of them --- */

static mw_err check_pair(const struct mw_gateway_file *a, const struct mw_gateway_file *b,
                         struct mw_error *error)
{
    if (strcmp(a->device, b->device) == 0) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "%s: device: %s is described in %s too: a name of its own was expected",
                            b->path, b->device, a->path);
    }
    if (a->url.scheme == MW_GATEWAY_RTU && b->url.scheme == MW_GATEWAY_RTU &&
        strcmp(a->url.target, b->url.target) == 0 && strcmp(a->url_text, b->url_text) != 0) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "%s: url: %s sets the same serial line as %s in %s: one text for one "
                            "line was expected",
                            b->path, b->url_text, a->url_text, a->path);
    }
    return MW_OK;
}

mw_err mw_gateway_files_read(struct mw_gateway_files *files, const struct mw_list *paths,
                             struct mw_error *error)
{
    *files = (struct mw_gateway_files){.item = calloc(paths->n, sizeof *files->item)};
    if (files->item == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    mw_err err = MW_OK;
    for (size_t i = 0; err == MW_OK && i < paths->n; i++) {
        err = mw_gateway_file_read(&files->item[files->n++], paths->item[i], error);
        for (size_t k = 0; err == MW_OK && k < i; k++) {
            err = check_pair(&files->item[k], &files->item[i], error);
        }
    }
    return err;
}

void mw_gateway_files_clear(struct mw_gateway_files *files)
{
    for (size_t i = 0; i < files->n; i++) {
        mw_gateway_file_clear(&files->item[i]);
    }
    free(files->item);
    *files = (struct mw_gateway_files){0};
}
