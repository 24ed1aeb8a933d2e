/* plant.yaml as a Plant has it. */
#include "lib/kube/lines.h"
#include "lib/kube/yaml.h"
#include "lib/plant/plant.h"
#include "tiers/platform/operate_cluster.h"
#include "tiers/platform/operate_plan.h"
#include "tiers/platform/operate_schema.h"

#include <stdlib.h>
#include <string.h>

const json_t *mw_operate_plan_cluster(const json_t *plant, const char *key)
{
    return json_object_get(json_object_get(json_object_get(plant, "spec"), "cluster"), key);
}

size_t mw_operate_plan_preference(const json_t *plant, int classes[MW_OPERATE_CLASSES])
{
    static const char *const usual[] = {"edgetpu", "nvidia", "gpu", "cpu"};
    const json_t *given = mw_operate_plan_cluster(plant, "accelerators");
    size_t n = json_is_array(given) ? json_array_size(given) : sizeof usual / sizeof *usual;
    size_t kept = 0;
    for (size_t i = 0; i < n && kept < MW_OPERATE_CLASSES; i++) {
        const char *name =
            json_is_array(given) ? json_string_value(json_array_get(given, i)) : usual[i];
        int class = name == NULL ? -1 : mw_operate_class_find(name);
        if (class >= 0) {
            classes[kept++] = class;
        }
    }
    return kept;
}

int mw_operate_plan_scorers(const json_t *plant)
{
    json_int_t n = json_integer_value(mw_operate_plan_cluster(plant, "scorers"));
    return n > 1 ? (int)n : 1;
}

/* The spec without what is no key of plant.yaml, and with what the pods decide. */
static json_t *make_config(const json_t *plant)
{
    const char *name = mw_kube_meta(plant, "name");
    json_t *config = json_deep_copy(json_object_get(plant, "spec"));
    if (config == NULL) {
        config = json_object();
    }
    json_object_del(config, "cluster");
    if (json_object_get(config, "plant") == NULL) {
        json_object_set_new(config, "plant", json_string(name));
    }
    json_object_set_new(config, "data", json_string("/var/lib/millwright/data"));
    json_object_set_new(
        config, "http",
        json_pack("{s:b,s:s,s:i}", "enabled", 1, "listen", "0.0.0.0", "port", MW_OPERATE_PORT));
    json_t *reference = json_object_get(config, "reference");
    if (json_is_object(reference)) {
        json_object_set_new(reference, "listen", json_string("0.0.0.0"));
        json_object_set_new(reference, "port", json_integer(MW_OPERATE_REFERENCE_PORT));
    }
    return config;
}

mw_err mw_operate_plan_config(const json_t *plant, char **text, struct mw_error *error)
{
    struct mw_buffer yaml = {0};
    json_t *config = make_config(plant);
    *text = NULL;
    mw_err err = mw_kube_yaml_print(config, &yaml);
    json_decref(config);
    if (err != MW_OK) {
        mw_buffer_free(&yaml);
        return mw_error_set(error, err, "out of memory");
    }
    struct mw_plant read;
    err = mw_plant_parse(&read, yaml.data, yaml.size, "plant.yaml", error);
    if (err != MW_OK) {
        mw_buffer_free(&yaml);
        return err;
    }
    mw_plant_clear(&read);
    *text = yaml.data;
    return MW_OK;
}
