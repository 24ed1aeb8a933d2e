/* The three definitions around the schema of the options. */
#include "tiers/platform/operate_schema.h"

#include "lib/plant/plant.h"
#include "tiers/platform/operate_cluster.h"

#include <string.h>

#define DIGEST "^sha256:[0-9a-f]{64}$"

/* ---- the spec of a Plant ---- */

/* The object schema of a section, made when it is not there yet. */
static json_t *section(json_t *properties, const char *name, size_t size)
{
    char key[64];
    snprintf(key, sizeof key, "%.*s", (int)size, name);
    json_t *made = json_object_get(properties, key);
    if (made == NULL) {
        made = json_pack("{s:s,s:{}}", "type", "object", "properties");
        json_object_set_new(properties, key, made);
    }
    return made;
}

static void add_table(json_t *properties, const struct mw_option *table)
{
    for (const struct mw_option *option = table; option->key != NULL; option++) {
        const char *dot = strchr(option->key, '.');
        json_t *into = properties;
        if (mw_operate_schema_omits(option->key)) {
            continue;
        }
        if (dot != NULL) {
            into = json_object_get(section(properties, option->key, (size_t)(dot - option->key)),
                                   "properties");
        }
        json_object_set_new(into, dot == NULL ? option->key : dot + 1,
                            mw_operate_schema_option(option));
    }
}

static json_t *map_of_texts(const char *description, int most, int longest)
{
    return json_pack("{s:s,s:s,s:i,s:{s:s,s:i}}", "type", "object", "description", description,
                     "maxProperties", most, "additionalProperties", "type", "string", "maxLength",
                     longest);
}

/* What only several keys together say; the sections are objects of the spec. */
static const struct {
    const char *rule, *message, *path;
} rules[] = {
    {"has(self.broker) && has(self.broker.url) && self.broker.url != ''",
     "broker.url: in a cluster the broker runs by itself, so mqtt[s]://host[:port] was expected",
     ".broker"},
    {"!has(self.stream) || !has(self.stream.url) || self.stream.url == '' || "
     "self.stream.url.startsWith('kafka://')",
     "kafka://host:port[,host:port] was expected, or nothing for SQLite on one volume",
     ".stream.url"},
    {"!has(self.score) || !has(self.score.shares) || self.score.shares == 1 || "
     "(has(self.stream) && has(self.stream.url) && self.stream.url.startsWith('kafka://'))",
     "score.shares is more than 1, so a stream.url of kafka://host:port was expected: SQLite has "
     "one scorer",
     ".score.shares"},
    {"!has(self.cluster) || !has(self.cluster.scorers) || self.cluster.scorers <= "
     "(has(self.score) && has(self.score.shares) ? self.score.shares : 1)",
     "cluster.scorers is more than score.shares, so some would have nothing to score",
     ".cluster.scorers"},
    {"!has(self.watch) || (has(self.watch.minimum) ? self.watch.minimum : 100) <= "
     "(has(self.watch.window) ? self.watch.window : 200)",
     "watch.minimum is more than watch.window, so no comparison could ever be made",
     ".watch.minimum"},
    {"!has(self.columns) || !has(self.columns.names) || size(self.columns.names) == 0 || "
     "(has(self.columns.features) && size(self.columns.features) == size(self.columns.names))",
     "one name a feature was expected", ".columns.names"},
    {"!has(self.simulate) || !has(self.simulate.machines) || self.simulate.machines == 0 || "
     "!has(self.gateway) || !has(self.gateway.devices) || size(self.gateway.devices) == 0",
     "gateway.devices and simulate.machines are both set: a simulated plant has a clock of its own",
     ".gateway.devices"},
};

static json_t *plant_spec(void)
{
    json_t *properties = json_object(), *validations = json_array();
    add_table(properties, mw_plant_options);
    add_table(properties, mw_operate_cluster_options);
    json_object_set_new(properties, "topics",
                        map_of_texts("other layouts that the bridge takes in: a pattern of topics "
                                     "by a name of your own",
                                     256, 255));
    json_object_set_new(
        properties, "commands",
        json_pack("{s:s,s:s,s:i,s:o}", "type", "object", "description",
                  "how devices of other layouts are told what to do", "maxProperties", 256,
                  "additionalProperties",
                  map_of_texts("of a map of topics, or sparkplug: the topic, and a text an action",
                               64, 1024)));
    json_object_set_new(
        json_object_get(section(properties, "cluster", strlen("cluster")), "properties"),
        "node_selector", map_of_texts("labels that the node of a role has to have", 32, 63));
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        json_array_append_new(validations,
                              json_pack("{s:s,s:s,s:s}", "rule", rules[i].rule, "message",
                                        rules[i].message, "fieldPath", rules[i].path));
    }
    return json_pack("{s:s,s:s,s:o,s:o}", "type", "object", "description",
                     "what plant.yaml says, and how it runs in a cluster", "properties", properties,
                     "x-kubernetes-validations", validations);
}

/* ---- status ---- */

static json_t *text(void)
{
    return json_pack("{s:s}", "type", "string");
}

static json_t *conditions(void)
{
    return json_pack(
        "{s:s,s:s,s:[s],s:{s:s,s:[sssss],s:{s:o,s:o,s:o,s:o,s:{s:s,s:s},s:{s:s,s:s}}}}", "type",
        "array", "x-kubernetes-list-type", "map", "x-kubernetes-list-map-keys", "type", "items",
        "type", "object", "required", "type", "status", "reason", "message", "lastTransitionTime",
        "properties", "type", text(), "status", text(), "reason", text(), "message", text(),
        "lastTransitionTime", "type", "string", "format", "date-time", "observedGeneration", "type",
        "integer", "format", "int64");
}

static json_t *status(const char *const *texts)
{
    json_t *properties = json_pack("{s:{s:s,s:s},s:o}", "observedGeneration", "type", "integer",
                                   "format", "int64", "conditions", conditions());
    for (; *texts != NULL; texts++) {
        json_object_set_new(properties, *texts, text());
    }
    return json_pack("{s:s,s:o}", "type", "object", "properties", properties);
}

static json_t *column(const char *name, const char *type, const char *path)
{
    return json_pack("{s:s,s:s,s:s}", "name", name, "type", type, "jsonPath", path);
}

#define CONDITION(type) ".status.conditions[?(@.type==\"" type "\")].status"
#define REASON(type) ".status.conditions[?(@.type==\"" type "\")].reason"
#define AGE column("Age", "date", ".metadata.creationTimestamp")

/* ---- the definitions ---- */

struct definition {
    const char *kind, *plural, *singular, *brief, *text;
    json_t *spec, *status, *columns, *rules; /* taken */
};

static json_t *define(struct definition d)
{
    json_t *schema =
        json_pack("{s:s,s:s,s:[s],s:o*,s:{s:{s:s},s:{s:s},s:{s:s},s:o,s:o}}", "type", "object",
                  "description", d.text, "required", "spec", "x-kubernetes-validations", d.rules,
                  "properties", "apiVersion", "type", "string", "kind", "type", "string",
                  "metadata", "type", "object", "spec", d.spec, "status", d.status);
    return json_pack(
        "{s:s,s:s,s:{s:s+},s:{s:s,s:s,s:{s:s,s:s,s:s,s:s+,s:[s],s:[s]},s:[{s:s,s:b,s:b,s:o,s:{s:{}}"
        ",s:{s:o}}]}}",
        "apiVersion", "apiextensions.k8s.io/v1", "kind", "CustomResourceDefinition", "metadata",
        "name", d.plural, "." MW_OPERATE_GROUP, "spec", "group", MW_OPERATE_GROUP, "scope",
        "Namespaced", "names", "kind", d.kind, "plural", d.plural, "singular", d.singular,
        "listKind", d.kind, "List", "shortNames", d.brief, "categories", "millwright", "versions",
        "name", MW_OPERATE_VERSION, "served", 1, "storage", 1, "additionalPrinterColumns",
        d.columns, "subresources", "status", "schema", "openAPIV3Schema", schema);
}

static json_t *plant(void)
{
    static const char *const texts[] = {"accelerator", "roles", "run", NULL};
    json_t *rules_of_name = json_pack(
        "[{s:s,s:s}]", "rule", "self.metadata.name.matches('^[a-z0-9-]{1,40}$')", "message",
        "metadata.name: 1 to 40 of the characters a-z, 0-9 and - were expected");
    return define(
        (struct definition){"Plant", "plants", "plant", "mwp", "one site: what runs, and how",
                            plant_spec(), status(texts),
                            json_pack("[o,o,o,o,o]", column("Ready", "string", CONDITION("Ready")),
                                      column("Reason", "string", REASON("Ready")),
                                      column("Roles", "string", ".status.roles"),
                                      column("Accelerator", "string", ".status.accelerator"), AGE),
                            rules_of_name});
}

static json_t *name_of_plant(void)
{
    return json_pack("{s:s,s:s,s:i,s:s}", "type", "string", "description",
                     "the Plant, in the same namespace", "maxLength", 40, "pattern",
                     "^[a-z0-9-]{1,40}$");
}

static json_t *digest(const char *description)
{
    return json_pack("{s:s,s:s,s:s}", "type", "string", "description", description, "pattern",
                     DIGEST);
}

static json_t *bundle(void)
{
    static const char *const texts[] = {"metrics", "rollout", NULL};
    return define((struct definition){
        "Bundle", "bundles", "bundle", "mwb",
        "a model that a plant has trained, proved and signed; the operator writes it down",
        json_pack("{s:s,s:[ss],s:{s:o,s:o,s:{s:s,s:s},s:o,s:o}}", "type", "object", "required",
                  "plant", "digest", "properties", "plant", name_of_plant(), "digest",
                  digest("of its OCI manifest"), "version", "type", "integer", "format", "int64",
                  "machine", text(), "cause", text()),
        status(texts),
        json_pack("[o,o,o,o,o]", column("Plant", "string", ".spec.plant"),
                  column("Version", "integer", ".spec.version"),
                  column("Cause", "string", ".spec.cause"),
                  column("Serving", "string", CONDITION("Serving")), AGE),
        NULL});
}

static json_t *rollout(void)
{
    static const char *const texts[] = {"id", "state", "stage", NULL};
    return define((struct definition){
        "Rollout", "rollouts", "rollout", "mwr",
        "the staged move of a plant's things and scorers to a bundle",
        json_pack("{s:s,s:[ss],s:{s:o,s:o,s:{s:s,s:i,s:s},s:{s:s,s:[sss],s:s}},s:[{s:s,s:s}]}",
                  "type", "object", "required", "plant", "bundle", "properties", "plant",
                  name_of_plant(), "bundle", digest("the bundle to move to"), "machine", "type",
                  "string", "maxLength", 63, "description",
                  "with model.scope machine: whose bundle it is", "action", "type", "string",
                  "enum", "start", "halt", "rollback", "description",
                  "start (default); halt and rollback end one that is under way",
                  "x-kubernetes-validations", "rule",
                  "self.plant == oldSelf.plant && self.bundle == oldSelf.bundle", "message",
                  "plant and bundle stay what they are: make another Rollout"),
        status(texts),
        json_pack("[o,o,o,o,o]", column("Plant", "string", ".spec.plant"),
                  column("State", "string", ".status.state"),
                  column("Complete", "string", CONDITION("Complete")),
                  column("Reason", "string", REASON("Complete")), AGE),
        NULL});
}

json_t *mw_operate_schema_crds(void)
{
    return json_pack("[o,o,o]", plant(), bundle(), rollout());
}
