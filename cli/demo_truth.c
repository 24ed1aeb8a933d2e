#include "cli/demo_truth.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 1024

static int64_t microseconds(const json_t *object, const char *key)
{
    return (int64_t)(json_number_value(json_object_get(object, key)) * 1e6);
}

static mw_err add_fault(struct mw_demo_truth *truth, const json_t *object, struct mw_error *error)
{
    const char *machine = json_string_value(json_object_get(object, "machine"));
    const char *kind = json_string_value(json_object_get(object, "fault"));
    if (truth->n == truth->capacity) {
        size_t capacity = truth->capacity == 0 ? 64 : truth->capacity * 2;
        struct mw_demo_fault *grown = realloc(truth->fault, capacity * sizeof *grown);
        if (grown == NULL) {
            return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
        }
        truth->fault = grown;
        truth->capacity = capacity;
    }
    struct mw_demo_fault *fault = &truth->fault[truth->n++];
    *fault = (struct mw_demo_fault){.started = microseconds(object, "started"),
                                    .breakdown = microseconds(object, "breakdown"),
                                    .stopped = microseconds(object, "stopped"),
                                    .saved = json_is_true(json_object_get(object, "saved"))};
    snprintf(fault->machine, sizeof fault->machine, "%s", machine == NULL ? "" : machine);
    snprintf(fault->kind, sizeof fault->kind, "%s", kind == NULL ? "" : kind);
    return MW_OK;
}

static mw_err take_line(struct mw_demo_truth *truth, const char *line, struct mw_error *error)
{
    json_error_t why;
    json_t *root = json_loads(line, 0, &why);
    const json_t *fault = json_object_get(root, "truth");
    const json_t *change = json_object_get(root, "change");
    const json_t *paced = json_object_get(root, "paced");
    mw_err err = MW_OK;
    if (fault != NULL) {
        err = add_fault(truth, fault, error);
    } else if (change != NULL) {
        if (truth->changes++ == 0) {
            truth->change_time = microseconds(change, "time");
            truth->change_wall = microseconds(change, "wall");
        }
    } else if (paced != NULL && truth->paced_wall == 0) {
        truth->paced_wall = microseconds(paced, "wall");
    }
    json_decref(root);
    return err;
}

mw_err mw_demo_truth_read(struct mw_demo_truth *truth, const char *path, struct mw_error *error)
{
    char line[LINE_MAX_BYTES];
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return errno == ENOENT ? MW_OK : mw_error_errno(error, MW_ERR_IO, "%s", path);
    }
    mw_err err = MW_OK;
    fseek(file, (long)truth->read, SEEK_SET);
    while (err == MW_OK && fgets(line, sizeof line, file) != NULL) {
        size_t n = strlen(line);
        if (line[n - 1] != '\n') {
            break; /* being written */
        }
        err = take_line(truth, line, error);
        truth->read += (int64_t)n;
    }
    fclose(file);
    return err;
}

void mw_demo_truth_clear(struct mw_demo_truth *truth)
{
    free(truth->fault);
    *truth = (struct mw_demo_truth){0};
}

bool mw_demo_truth_label(const struct mw_demo_truth *truth, const char *machine, int64_t time,
                         int64_t horizon, bool twin)
{
    bool label = false;
    for (size_t i = truth->n; i > 0; i--) {
        const struct mw_demo_fault *fault = &truth->fault[i - 1];
        if (strcmp(fault->machine, machine) != 0 || fault->breakdown < time) {
            continue;
        }
        bool ran =
            twin ? fault->saved && time > fault->stopped : !fault->saved || time <= fault->stopped;
        label = label || (ran && fault->breakdown - time <= horizon);
    }
    return label;
}
