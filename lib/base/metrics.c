#include "lib/base/metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    VALUE_MOST = 128, /* bytes of a label's value; the rest is cut off */
    LABEL_MOST =
        2 * VALUE_MOST + 256 /* a row's own labels, two names, `share` and these, escaped */
};

/* ---- one family ---- */

struct family {
    struct mw_buffer *out;
    const char *role;
    const struct mw_metrics_row *row;
    bool begun; /* its HELP and TYPE stand there */
};

static bool is_counter(const char *name)
{
    size_t size = strlen(name);
    return size > 6 && strcmp(name + size - 6, "_total") == 0;
}

static mw_err begin(struct family *family)
{
    const struct mw_metrics_row *row = family->row;
    if (family->begun) {
        return MW_OK;
    }
    family->begun = true;
    return mw_buffer_printf(family->out, "# HELP millwright_%s_%s %s\n# TYPE millwright_%s_%s %s\n",
                            family->role, row->name, row->help, family->role, row->name,
                            is_counter(row->name) ? "counter" : "gauge");
}

/* name="value" with the escapes of the format, behind what `labels` has. */
static void add_label(char labels[LABEL_MOST], const char *name, const char *value)
{
    size_t size = strlen(labels);
    int head = snprintf(labels + size, LABEL_MOST - size, "%s%s=\"", size > 0 ? "," : "", name);
    size += head > 0 ? (size_t)head : 0;
    for (size_t i = 0; i < VALUE_MOST && value[i] != '\0' && size + 4 < LABEL_MOST; i++) {
        if (value[i] == '"' || value[i] == '\\' || value[i] == '\n') {
            labels[size++] = '\\';
        }
        labels[size++] = value[i] == '\n' ? 'n' : value[i];
    }
    (void)snprintf(labels + size, LABEL_MOST - size, "\"");
}

static mw_err add_sample(struct family *family, const struct mw_metrics_source *source,
                         const char *label, const char *value_of_label, double value)
{
    char labels[LABEL_MOST] = "";
    const struct mw_metrics_row *row = family->row;
    if (row->labels != NULL) {
        (void)snprintf(labels, sizeof labels, "%s", row->labels);
    }
    if (label != NULL) {
        add_label(labels, label, value_of_label);
    }
    if (source->share != NULL) {
        add_label(labels, "share", source->share);
    }
    value *= row->scale == 0 ? 1 : row->scale;
    mw_err err = begin(family);
    if (err == MW_OK) {
        err = mw_buffer_printf(family->out, "millwright_%s_%s%s%s%s %.15g\n", family->role,
                               row->name, labels[0] == '\0' ? "" : "{", labels,
                               labels[0] == '\0' ? "" : "}", value);
    }
    return err;
}

/* ---- figures in the JSON ---- */

static bool read_figure(const json_t *value, double *figure)
{
    if (json_is_boolean(value)) {
        *figure = json_is_true(value) ? 1 : 0;
        return true;
    }
    *figure = json_is_array(value) ? (double)json_array_size(value) : json_number_value(value);
    return json_is_number(value) || json_is_array(value);
}

/* Adds up what is at `path` below `at`, "*" being every member; false: nothing is. */
static bool sum(const json_t *at, const char *path, double *total)
{
    char name[64];
    size_t size = strcspn(path, ".");
    const char *rest = path[size] == '.' ? path + size + 1 : NULL;
    double figure = 0;
    bool found = false;
    if (size >= sizeof name) {
        return false;
    }
    (void)snprintf(name, sizeof name, "%.*s", (int)size, path);
    if (strcmp(name, "*") != 0) {
        at = json_object_get(at, name);
        if (rest != NULL) {
            return at != NULL && sum(at, rest, total);
        }
        found = read_figure(at, &figure);
        *total += found ? figure : 0;
        return found;
    }
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)(uintptr_t)at, key, member)
    {
        if (rest != NULL) {
            found |= sum(member, rest, total);
        } else if (read_figure(member, &figure)) {
            *total += figure;
            found = true;
        }
    }
    return found;
}

/* "devices.{class}": every member of `devices` is a sample of its own. */
static mw_err add_members(struct family *family, const struct mw_metrics_source *source,
                          const char *brace)
{
    char name[64], label[64];
    const char *key = family->row->key, *member;
    json_t *value;
    double figure;
    mw_err err = MW_OK;
    (void)snprintf(name, sizeof name, "%.*s", (int)(brace - key - 1), key);
    (void)snprintf(label, sizeof label, "%.*s", (int)strcspn(brace + 1, "}"), brace + 1);
    json_t *at = json_object_get(source->said, name);
    json_object_foreach(at, member, value)
    {
        if (err == MW_OK && read_figure(value, &figure)) {
            err = add_sample(family, source, label, member, figure);
        }
    }
    return err;
}

static mw_err add_source(struct family *family, const struct mw_metrics_source *source)
{
    const char *brace = strchr(family->row->key, '{');
    double total = 0;
    if (brace != NULL) {
        return add_members(family, source, brace);
    }
    return sum(source->said, family->row->key, &total)
               ? add_sample(family, source, NULL, NULL, total)
               : MW_OK;
}

mw_err mw_metrics_print_rows(struct mw_buffer *out, const char *role,
                             const struct mw_metrics_row *rows, size_t n_rows,
                             const struct mw_metrics_source *sources, size_t n)
{
    struct family family = {.out = out, .role = role};
    mw_err err = MW_OK;
    for (size_t i = 0; i < n_rows; i++) {
        family.begun = family.begun && i > 0 && strcmp(rows[i - 1].name, rows[i].name) == 0;
        family.row = &rows[i];
        for (size_t j = 0; err == MW_OK && j < n; j++) {
            err = add_source(&family, &sources[j]);
        }
    }
    return err;
}

mw_err mw_metrics_print_role(struct mw_buffer *out, const char *role,
                             const struct mw_metrics_source *sources, size_t n)
{
    size_t n_rows;
    const struct mw_metrics_row *rows = mw_metrics_rows(role, &n_rows);
    return mw_metrics_print_rows(out, role, rows, n_rows, sources, n);
}

/* ---- the process ---- */

struct usage {
    double cpu, start;     /* seconds; start: since the epoch */
    double memory, mapped; /* bytes */
};

/* When the machine was started, seconds since the epoch; 0: unknown. */
static double boot_time(void)
{
    char line[256];
    double time = 0;
    FILE *file = fopen("/proc/stat", "re");
    while (file != NULL && time == 0 && fgets(line, sizeof line, file) != NULL) {
        time = strncmp(line, "btime ", 6) == 0 ? strtod(line + 6, NULL) : 0;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return time;
}

/* proc(5): behind the name in brackets come the fields from 3 on; 14 and 15 are the processor time,
 * 22 the start, in ticks; 23 what is mapped, in bytes, 24 what is resident, in pages. */
static bool read_usage(struct usage *usage)
{
    char text[1024];
    double field[25] = {0};
    FILE *file = fopen("/proc/self/stat", "re");
    size_t size = file == NULL ? 0 : fread(text, 1, sizeof text - 1, file);
    if (file != NULL) {
        (void)fclose(file);
    }
    text[size] = '\0';
    char *at = strrchr(text, ')');
    if (at == NULL || at[1] == '\0' || at[2] == '\0') {
        return false;
    }
    at += 3; /* the state, field 3, is a letter */
    for (size_t i = 4; i < sizeof field / sizeof *field; i++) {
        field[i] = strtod(at, &at);
    }
    double ticks = (double)sysconf(_SC_CLK_TCK), boot = boot_time();
    *usage = (struct usage){.cpu = (field[14] + field[15]) / ticks,
                            .start = boot == 0 ? 0 : boot + field[22] / ticks,
                            .mapped = field[23],
                            .memory = field[24] * (double)sysconf(_SC_PAGESIZE)};
    return true;
}

static double open_files(void)
{
    DIR *folder = opendir("/proc/self/fd");
    double n = -3; /* ".", ".." and the folder itself */
    while (folder != NULL && readdir(folder) != NULL) {
        n++;
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
    return n < 0 ? 0 : n;
}

static mw_err add_process(struct mw_buffer *out, const char *name, const char *help, double value)
{
    return mw_buffer_printf(out, "# HELP process_%s %s\n# TYPE process_%s %s\nprocess_%s %.15g\n",
                            name, help, name, is_counter(name) ? "counter" : "gauge", name, value);
}

mw_err mw_metrics_print_process(struct mw_buffer *out, const char *role)
{
    struct usage usage = {0};
    struct rlimit files = {0};
    mw_err err =
        mw_buffer_printf(out,
                         "# HELP millwright_role_info Which role this process has\n"
                         "# TYPE millwright_role_info gauge\nmillwright_role_info{role=\"%s\"} 1\n",
                         role);
    if (err != MW_OK || !read_usage(&usage)) {
        return err;
    }
    (void)getrlimit(RLIMIT_NOFILE, &files);
    const struct {
        const char *name, *help;
        double value;
    } figures[] = {
        {"cpu_seconds_total", "Processor time used, in user and kernel", usage.cpu},
        {"resident_memory_bytes", "Memory that is resident", usage.memory},
        {"virtual_memory_bytes", "Memory that is mapped", usage.mapped},
        {"start_time_seconds", "When the process began, since the epoch", usage.start},
        {"open_fds", "Files that are open", open_files()},
        {"max_fds", "Files that may be open", (double)files.rlim_cur},
    };
    for (size_t i = 0; err == MW_OK && i < sizeof figures / sizeof *figures; i++) {
        err = add_process(out, figures[i].name, figures[i].help, figures[i].value);
    }
    return err;
}
