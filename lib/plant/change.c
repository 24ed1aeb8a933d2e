#include "lib/plant/change.h"

#include <string.h>

static bool same_text(const char *a, const char *b)
{
    return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

static bool same_list(const struct mw_list *a, const struct mw_list *b)
{
    if (a->n != b->n) {
        return false;
    }
    for (size_t i = 0; i < a->n; i++) {
        if (!same_text(a->item[i], b->item[i])) {
            return false;
        }
    }
    return true;
}

static bool same_value(const struct mw_option *option, const void *a, const void *b)
{
    const char *x = (const char *)a + option->offset;
    const char *y = (const char *)b + option->offset;
    switch (option->type) {
    case MW_OPTION_BOOL:
        return *(const bool *)x == *(const bool *)y;
    case MW_OPTION_ENUM:
        return *(const int *)x == *(const int *)y;
    case MW_OPTION_INT:
    case MW_OPTION_DURATION:
    case MW_OPTION_SIZE:
        return *(const int64_t *)x == *(const int64_t *)y;
    case MW_OPTION_FLOAT:
        return memcmp(x, y, sizeof(double)) == 0;
    case MW_OPTION_STRING:
    case MW_OPTION_NAME:
        return same_text(*(char *const *)x, *(char *const *)y);
    case MW_OPTION_LIST:
        return same_list((const struct mw_list *)x, (const struct mw_list *)y);
    case MW_OPTION_INTS: {
        const struct mw_ints *m = (const struct mw_ints *)x;
        const struct mw_ints *n = (const struct mw_ints *)y;
        return m->n == n->n && (m->n == 0 || memcmp(m->item, n->item, m->n * sizeof *m->item) == 0);
    }
    }
    return true;
}

bool mw_plant_differs(const struct mw_plant *a, const struct mw_plant *b, const char *section)
{
    size_t length = strlen(section);
    if (strcmp(section, "topics") == 0) {
        return !mw_topic_maps_equal(&a->topics, &b->topics);
    }
    if (strcmp(section, "commands") == 0) {
        return !mw_command_maps_equal(&a->commands, &b->commands);
    }
    for (const struct mw_option *option = mw_plant_options; option->key != NULL; option++) {
        bool inside = strncmp(option->key, section, length) == 0 &&
                      (option->key[length] == '.' || option->key[length] == '\0');
        if (inside && !same_value(option, a, b)) {
            return true;
        }
    }
    return false;
}
