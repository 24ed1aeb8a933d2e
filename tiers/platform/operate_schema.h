/* operate_schema.h - the custom resources of Millwright, their OpenAPI schema made from the option
 * tables that read plant.yaml.
 *
 * What a type and a range can say is in the schema; what a text means (durations and sizes, whose
 * range is in microseconds and bytes) and what only several keys together say is in CEL rules. Keys
 * that the operator sets itself are left out, so that they are unknown. */
#ifndef MW_PLATFORM_OPERATE_SCHEMA_H
#define MW_PLATFORM_OPERATE_SCHEMA_H

#include "lib/base/options.h"

#include <jansson.h>

#define MW_OPERATE_GROUP "millwright.dev"
#define MW_OPERATE_VERSION "v1alpha1"
#define MW_OPERATE_API MW_OPERATE_GROUP "/" MW_OPERATE_VERSION

/* The schema of one option; "x-kubernetes-validations" with its range where that needs a rule. The
 * caller's; NULL: out of memory. */
json_t *mw_operate_schema_option(const struct mw_option *option);

/* Is this key of plant.yaml the operator's to set? */
bool mw_operate_schema_omits(const char *key);

/* The CustomResourceDefinitions, an array. The caller's; NULL: out of memory. */
json_t *mw_operate_schema_crds(void);

#endif
