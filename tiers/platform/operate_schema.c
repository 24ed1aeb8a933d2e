#include "tiers/platform/operate_schema.h"

#include "lib/base/file.h"
#include "lib/plant/plant.h"
#include "tiers/platform/operate_cluster.h"
#include "tiers/platform/operate_place.h"

#include <string.h>

enum { TEXT_MOST = 4096, QUANTITY_MOST = 24, ITEMS_MOST = 1024, NAME_MOST = 63 };

/* Where the data is, and where the page and the firmware's port listen, is the pod's business. */
static const char *const omitted[] = {"data",      "http.enabled",     "http.listen",
                                      "http.port", "reference.listen", "reference.port"};

bool mw_operate_schema_omits(const char *key)
{
    for (size_t i = 0; i < sizeof omitted / sizeof *omitted; i++) {
        if (strcmp(omitted[i], key) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- rules for texts that stand for quantities ---- */

/* The units, longest name first, so that "min" is not taken for its last letters. */
static mw_err add_units(const struct mw_option_unit *units, struct mw_buffer *rule)
{
    mw_err err = MW_OK;
    for (size_t length = 8; length > 0; length--) {
        for (const struct mw_option_unit *unit = units; unit->name != NULL; unit++) {
            if (strlen(unit->name) == length && err == MW_OK) {
                err =
                    mw_buffer_printf(rule, "self.endsWith('%s') ? %.1f : ", unit->name, unit->size);
            }
        }
    }
    return err == MW_OK ? mw_buffer_add(rule, "1.0", 3) : err;
}

static mw_err add_pattern(const struct mw_option *option, struct mw_buffer *pattern)
{
    const struct mw_option_unit *units = mw_options_units(option->type);
    mw_err err = mw_buffer_printf(pattern, "^(off|0|[0-9]+([.][0-9]+)? ?(");
    for (size_t i = 0; units[i].name != NULL && err == MW_OK; i++) {
        err = mw_buffer_printf(pattern, "%s%s", i == 0 ? "" : "|", units[i].name);
    }
    return err == MW_OK
               ? mw_buffer_printf(pattern, ")%s)$", option->type == MW_OPTION_SIZE ? "?" : "")
               : err;
}

static mw_err add_rule(const struct mw_option *option, struct mw_buffer *rule)
{
    bool bare = option->type == MW_OPTION_SIZE;
    mw_err err = MW_OK;
    if (bare) {
        err = mw_buffer_printf(rule,
                               "type(self) == int ? double(self) >= %.1f && "
                               "double(self) <= %.1f : ",
                               option->min, option->max);
    }
    const char *self = bare ? "string(self)" : "self";
    err = err == MW_OK ? mw_buffer_printf(rule, "%s == 'off' || [double(%s.find('^[0-9.]+')) * (",
                                          self, self)
                       : err;
    struct mw_buffer units = {0};
    err = err == MW_OK ? add_units(mw_options_units(option->type), &units) : err;
    for (const char *at = units.data; at != NULL && *at != '\0' && err == MW_OK;) {
        const char *next = strstr(at, "self");
        size_t size = next == NULL ? strlen(at) : (size_t)(next - at);
        err = mw_buffer_add(rule, at, size);
        err = err == MW_OK && next != NULL ? mw_buffer_add(rule, self, strlen(self)) : err;
        at += size + (next == NULL ? 0 : 4);
    }
    mw_buffer_free(&units);
    return err == MW_OK ? mw_buffer_printf(rule, ")].all(n, n >= %.1f && n <= %.1f)", option->min,
                                           option->max)
                        : err;
}

static json_t *quantity(const struct mw_option *option)
{
    struct mw_buffer pattern = {0}, rule = {0};
    char expected[256];
    json_t *schema = option->type == MW_OPTION_SIZE
                         ? json_pack("{s:b}", "x-kubernetes-int-or-string", 1)
                         : json_pack("{s:s}", "type", "string");
    mw_err err = add_pattern(option, &pattern);
    if (err == MW_OK) {
        json_object_set_new(schema, "maxLength", json_integer(QUANTITY_MOST));
        json_object_set_new(schema, "pattern", json_string(pattern.data));
    }
    if (err == MW_OK && (option->min != 0 || option->max != 0)) {
        mw_options_expected(option, expected, sizeof expected);
        err = add_rule(option, &rule);
        json_object_set_new(
            schema, "x-kubernetes-validations",
            json_pack("[{s:s?,s:s+}]", "rule", rule.data, "message", expected, " was expected"));
    }
    mw_buffer_free(&pattern);
    mw_buffer_free(&rule);
    return schema;
}

/* ---- one option ---- */

static json_t *number(const struct mw_option *option, const char *type)
{
    json_t *schema = json_pack("{s:s}", "type", type);
    bool whole = strcmp(type, "integer") == 0;
    if (whole) {
        json_object_set_new(schema, "format", json_string("int64"));
    }
    if (option->min != 0 || option->max != 0) {
        json_object_set_new(schema, "minimum",
                            whole ? json_integer((json_int_t)option->min) : json_real(option->min));
        json_object_set_new(schema, "maximum",
                            whole ? json_integer((json_int_t)option->max) : json_real(option->max));
    }
    return schema;
}

/* A choice that looks like a number may be written as one. */
static json_t *choice(const struct mw_option *option)
{
    json_t *values = json_array();
    bool numbers = false;
    for (const char *at = option->choices; *at != '\0';) {
        size_t size = strcspn(at, "|");
        json_array_append_new(values, json_stringn(at, size));
        if (strspn(at, "0123456789") == size) {
            json_array_append_new(values, json_integer(atoi(at)));
            numbers = true;
        }
        at += size + (at[size] == '|');
    }
    return numbers ? json_pack("{s:b,s:o}", "x-kubernetes-int-or-string", 1, "enum", values)
                   : json_pack("{s:s,s:o}", "type", "string", "enum", values);
}

static json_t *accelerators(void)
{
    json_t *values = json_array();
    for (int i = 0; i < MW_OPERATE_CLASSES; i++) {
        json_array_append_new(values, json_string(mw_operate_classes[i].name));
    }
    return json_pack("{s:s,s:i,s:i,s:s,s:{s:s,s:o}}", "type", "array", "minItems", 1, "maxItems",
                     MW_OPERATE_CLASSES, "x-kubernetes-list-type", "set", "items", "type", "string",
                     "enum", values);
}

static json_t *by_type(const struct mw_option *option)
{
    switch (option->type) {
    case MW_OPTION_BOOL:
        return json_pack("{s:s}", "type", "boolean");
    case MW_OPTION_INT:
        return number(option, "integer");
    case MW_OPTION_FLOAT:
        return number(option, "number");
    case MW_OPTION_STRING:
        return json_pack("{s:s,s:i}", "type", "string", "maxLength", TEXT_MOST);
    case MW_OPTION_NAME:
        return json_pack("{s:s,s:s,s:i}", "type", "string", "pattern", "^[a-z0-9-]{1,63}$",
                         "maxLength", NAME_MOST);
    case MW_OPTION_DURATION:
    case MW_OPTION_SIZE:
        return quantity(option);
    case MW_OPTION_ENUM:
        return choice(option);
    case MW_OPTION_LIST:
        if (strcmp(option->key, "cluster.accelerators") == 0) {
            return accelerators();
        }
        return json_pack("{s:s,s:i,s:{s:s,s:i}}", "type", "array", "maxItems", ITEMS_MOST, "items",
                         "type", "string", "maxLength", TEXT_MOST);
    case MW_OPTION_INTS:
        return json_pack("{s:s,s:i,s:o}", "type", "array", "maxItems", ITEMS_MOST, "items",
                         number(option, "integer"));
    }
    return NULL;
}

json_t *mw_operate_schema_option(const struct mw_option *option)
{
    json_t *schema = by_type(option);
    bool tells = option->fallback != NULL && option->fallback[0] != '\0';
    json_object_set_new(schema, "description",
                        tells ? json_sprintf("%s (default %s)", option->help, option->fallback)
                              : json_string(option->help));
    return schema;
}
