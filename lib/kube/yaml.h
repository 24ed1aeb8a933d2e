/* yaml.h - YAML documents as JSON values: a kubeconfig is read, manifests and a plant.yaml are
 * printed.
 *
 * Read is one document of mappings with scalar keys, sequences and scalars, nested up to 32 deep;
 * anchors, aliases and tags are refused, and so is a key that is given twice. A plain scalar that
 * is true, false, null or a whole number is one; any other is a string. */
#ifndef MW_KUBE_YAML_H
#define MW_KUBE_YAML_H

#include "core/span.h"
#include "lib/base/error.h"
#include "lib/base/file.h"

#include <jansson.h>

/* *value is the caller's (json_decref). `path` is only for messages. Errors: PARSE, MEMORY. */
mw_err mw_kube_yaml_parse(struct mw_span text, const char *path, json_t **value,
                          struct mw_error *error);

/* Appends the value as a YAML document in block style, keys in the order that they were added.
 * Strings that YAML could take for something else are in double quotes. Errors: MEMORY. */
mw_err mw_kube_yaml_print(const json_t *value, struct mw_buffer *out);

#endif
