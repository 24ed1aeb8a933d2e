#include "tiers/platform/node_edit.h"

#include "lib/base/file.h"

#include <stdio.h>
#include <string.h>

static void edit_own(const struct mw_accelerator *const *devices, size_t n,
                     const struct mw_node_edits *edits)
{
    char name[MW_ACCELERATOR_CLASS + 32], value[2048] = "";
    size_t length = 0;
    snprintf(name, sizeof name, "MILLWRIGHT_ACCELERATOR_%s", devices[0]->row->class);
    for (char *c = name; *c != '\0'; c++) {
        if (*c == '-') {
            *c = '_';
        } else if (*c >= 'a' && *c <= 'z') {
            *c = (char)(*c - 'a' + 'A');
        }
    }
    for (size_t i = 0; i < n && length < sizeof value; i++) {
        length += (size_t)snprintf(value + length, sizeof value - length, "%s%s", i == 0 ? "" : ",",
                                   devices[i]->node[0]);
    }
    edits->environment(edits->context, name, value);
}

static void edit_words(const struct mw_accelerator_row *row, const struct mw_node_edits *edits)
{
    struct mw_span word;
    char text[512];
    for (const char *rest = row->lists[MW_ACCELERATOR_ENVIRONMENT];
         mw_accelerator_next_word(&rest, &word);) {
        snprintf(text, sizeof text, "%.*s", (int)word.size, word.data);
        char *equals = strchr(text, '=');
        if (equals != NULL) {
            *equals = '\0';
            edits->environment(edits->context, text, equals + 1);
        }
    }
    for (const char *rest = row->lists[MW_ACCELERATOR_MOUNTS];
         mw_accelerator_next_word(&rest, &word);) {
        snprintf(text, sizeof text, "%.*s", (int)word.size, word.data);
        char *colon = strchr(text, ':');
        if (colon != NULL) {
            *colon = '\0';
        }
        edits->mount(edits->context, colon == NULL ? text : colon + 1, text);
    }
}

static bool is_new(const struct mw_accelerator *const *devices, size_t i, size_t k)
{
    for (size_t before = 0; before < i; before++) {
        for (size_t m = 0; m < devices[before]->nodes; m++) {
            if (strcmp(devices[before]->node[m], devices[i]->node[k]) == 0) {
                return false;
            }
        }
    }
    return true;
}

/* Devices of a class may be of several rows, each with words of its own. */
static bool is_new_row(const struct mw_accelerator *const *devices, size_t i)
{
    for (size_t before = 0; before < i; before++) {
        if (devices[before]->row == devices[i]->row) {
            return false;
        }
    }
    return true;
}

void mw_node_edit(const struct mw_accelerator *const *devices, size_t n, const char *host_root,
                  const struct mw_node_edits *edits)
{
    char host[PATH_MAX];
    if (n == 0) {
        return;
    }
    edit_own(devices, n, edits);
    for (size_t i = 0; i < n; i++) {
        if (is_new_row(devices, i)) {
            edit_words(devices[i]->row, edits);
        }
        for (size_t k = 0; k < devices[i]->nodes; k++) {
            if (is_new(devices, i, k) &&
                mw_file_join(host, sizeof host, host_root, devices[i]->node[k] + 1) == MW_OK) {
                edits->node(edits->context, devices[i]->node[k], host);
            }
        }
    }
}
