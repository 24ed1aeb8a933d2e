#include "lib/base/options.h"

#include "lib/base/nearest.h"
#include "lib/base/options_internal.h"

#include <string.h>

const struct mw_option *mw_option_find(const struct mw_option *table, const char *key)
{
    for (const struct mw_option *option = table; option->key != NULL; option++) {
        if (strcmp(option->key, key) == 0) {
            return option;
        }
    }
    return NULL;
}

bool mw_option_is_section(const struct mw_option *table, const char *key)
{
    size_t size = strlen(key);
    for (const struct mw_option *option = table; option->key != NULL; option++) {
        if (strncmp(option->key, key, size) == 0 && option->key[size] == '.') {
            return true;
        }
    }
    return false;
}

mw_err mw_options_defaults(const struct mw_option *table, void *values, struct mw_error *error)
{
    for (const struct mw_option *option = table; option->key != NULL; option++) {
        memset((char *)values + option->offset, 0, mw_option_size(option));
    }
    for (const struct mw_option *option = table; option->key != NULL; option++) {
        if (option->fallback == NULL) {
            continue;
        }
        mw_err err = mw_option_assign(option, values, option->fallback, MW_OPTION_REPLACE, error);
        if (err != MW_OK) {
            mw_error_wrap(error, "default of %s", option->key);
            mw_options_clear(table, values);
            return err;
        }
    }
    return MW_OK;
}

void mw_options_clear(const struct mw_option *table, void *values)
{
    for (const struct mw_option *option = table; option->key != NULL; option++) {
        mw_option_clear(option, values);
    }
}

/* ---- unknown keys ---- */

static struct mw_span last_part(struct mw_span key)
{
    for (size_t i = key.size; i > 0; i--) {
        if (key.data[i - 1] == '.') {
            return (struct mw_span){key.data + i, key.size - i};
        }
    }
    return key;
}

/* The same last part in another section is one slip: "port" may mean "http.port". */
static size_t distance(struct mw_span typed, struct mw_span known)
{
    size_t whole = mw_nearest_distance(typed, known);
    size_t part = mw_nearest_distance(last_part(typed), last_part(known));
    return part == 0 && whole > 1 ? 1 : whole;
}

/* Among the keys and the sections of the table; size 0 when none is near. */
static struct mw_span find_nearest(const struct mw_option *table, const char *key)
{
    struct mw_span typed = mw_span_of(key), nearest = {0};
    size_t best = mw_nearest_limit(last_part(typed)) + 1;
    for (const struct mw_option *option = table; option->key != NULL; option++) {
        for (size_t i = 1; i <= strlen(option->key); i++) {
            if (option->key[i] != '.' && option->key[i] != 0) {
                continue;
            }
            struct mw_span known = {option->key, i};
            size_t far = distance(typed, known);
            if (far < best) {
                best = far;
                nearest = known;
            }
        }
    }
    return nearest;
}

/* Lists what may stand where the key stands: the next parts of all keys of its section, once each.
 */
static void list_known(const struct mw_option *table, const char *key, char *text, size_t capacity)
{
    size_t section = mw_span_of(key).size - last_part(mw_span_of(key)).size; /* with its dot */
    struct mw_span before = {0};
    size_t used = 0;
    text[0] = 0;
    for (const struct mw_option *option = table; option->key != NULL; option++) {
        if (strncmp(option->key, key, section) != 0) {
            continue;
        }
        struct mw_span part = {option->key + section, strcspn(option->key + section, ".")};
        if (mw_span_equal(part, before)) {
            continue;
        }
        if (used + part.size + 8 > capacity) {
            snprintf(text + used, capacity - used, ", ...");
            return;
        }
        used += (size_t)snprintf(text + used, capacity - used, "%s%.*s", used == 0 ? "" : ", ",
                                 (int)part.size, part.data);
        before = part;
    }
}

mw_err mw_option_unknown(const struct mw_option *table, const char *key, struct mw_error *error)
{
    struct mw_span nearest = find_nearest(table, key);
    if (nearest.size > 0) {
        return mw_error_set(error, MW_ERR_NOT_FOUND, "%s: unknown key, did you mean %.*s?", key,
                            (int)nearest.size, nearest.data);
    }
    char known[240];
    list_known(table, key, known, sizeof known);
    if (known[0] == 0) {
        return mw_error_set(error, MW_ERR_NOT_FOUND, "%s: unknown key", key);
    }
    return mw_error_set(error, MW_ERR_NOT_FOUND, "%s: unknown key, known here: %s", key, known);
}

mw_err mw_options_set(const struct mw_option *table, void *values, const char *key,
                      const char *text, const char *where, struct mw_error *error)
{
    const struct mw_option *option = mw_option_find(table, key);
    mw_err err;
    if (option == NULL) {
        err = mw_option_unknown(table, key, error);
    } else {
        err = mw_option_assign(option, values, text, MW_OPTION_REPLACE, error);
        if (err != MW_OK) {
            mw_error_wrap(error, "%s", key);
        }
    }
    if (err != MW_OK && where != NULL) {
        mw_error_wrap(error, "%s", where);
    }
    return err;
}
