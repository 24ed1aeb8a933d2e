#include "tiers/platform/operate_plan.h"

#include "lib/base/file.h"
#include "lib/base/test.h"
#include "lib/kube/lines.h"
#include "lib/kube/yaml.h"

#define GOLDEN MW_SOURCE_DIR "/tests/golden/operate/"

static const struct mw_operate_role roles[] = {
    {"bridge", "broker topics"}, {"score", "action"},  {"watch", "watch"},
    {"thing", "simulate"},       {"serve", "rollout"}, {NULL, NULL},
};

static json_t *read_yaml(const char *path)
{
    struct mw_buffer text = {0};
    json_t *value = NULL;
    assert_ok(mw_file_read(path, 1 << 20, &text, error));
    assert_ok(mw_kube_yaml_parse((struct mw_span){text.data, text.size}, path, &value, error));
    mw_buffer_free(&text);
    return value;
}

static json_t *plan_with(const json_t *plant, const struct mw_operate_role *with, int class)
{
    struct mw_operate_plan plan = {plant, with, "millwright:1", class};
    struct mw_error error = {0};
    json_t *objects = mw_operate_plan_objects(&plan, &error);
    assert_non_null(objects);
    return objects;
}

static json_t *plan_of(const json_t *plant, int class)
{
    return plan_with(plant, roles, class);
}

/* With MILLWRIGHT_WRITE_GOLDEN in the environment the expected file is made anew: read the diff. */
static void compare(const char *name, int class)
{
    char path[256];
    struct mw_buffer made = {0}, expected = {0};
    snprintf(path, sizeof path, GOLDEN "%s.plant.yaml", name);
    json_t *plant = read_yaml(path);
    json_t *objects = plan_of(plant, class);
    assert_int_equal(mw_kube_yaml_print(objects, &made), MW_OK);
    snprintf(path, sizeof path, GOLDEN "%s.objects.yaml", name);
    if (getenv("MILLWRIGHT_WRITE_GOLDEN") != NULL) {
        assert_ok(mw_file_write(path, made.data, made.size, 0644, error));
    }
    assert_ok(mw_file_read(path, 1 << 20, &expected, error));
    assert_string_equal(made.data, expected.data);
    mw_buffer_free(&made);
    mw_buffer_free(&expected);
    json_decref(objects);
    json_decref(plant);
}

static void a_plant_on_one_node_is_planned(void **state)
{
    (void)state;
    compare("one-node", mw_operate_class_find("edgetpu"));
}

static void a_plant_with_kafka_is_planned(void **state)
{
    (void)state;
    compare("kafka", -1);
}

static const json_t *find_kind(const json_t *objects, const char *kind, const char *name)
{
    size_t index;
    json_t *object;
    json_array_foreach(objects, index, object)
    {
        if (strcmp(mw_kube_meta(object, "name"), name) == 0 &&
            strcmp(json_string_value(json_object_get(object, "kind")), kind) == 0) {
            return object;
        }
    }
    return NULL;
}

static const json_t *find(const json_t *objects, const char *name)
{
    return find_kind(objects, "Deployment", name);
}

static const json_t *template_of(const json_t *objects, const char *name)
{
    const json_t *template =
        json_object_get(json_object_get(find(objects, name), "spec"), "template");
    assert_non_null(template);
    return template;
}

static void only_roles_that_read_a_section_restart_for_it(void **state)
{
    (void)state;
    json_t *plant = read_yaml(GOLDEN "one-node.plant.yaml");
    json_t *before = plan_of(plant, MW_OPERATE_CPU);
    json_object_set_new(json_object_get(plant, "spec"), "watch", json_pack("{s:i}", "window", 300));
    json_t *after = plan_of(plant, MW_OPERATE_CPU);
    assert_false(json_equal(template_of(before, "hall-watch"), template_of(after, "hall-watch")));
    assert_true(json_equal(template_of(before, "hall-bridge"), template_of(after, "hall-bridge")));
    assert_true(
        json_equal(template_of(before, "hall-score-cpu"), template_of(after, "hall-score-cpu")));
    json_decref(before);
    json_decref(after);
    json_decref(plant);
}

static void a_role_may_read_one_option_of_a_section(void **state)
{
    (void)state;
    static const struct mw_operate_role learn[] = {{"learn", "model reference.enabled"},
                                                   {NULL, NULL}};
    static const struct {
        const char *section;
        bool restarts;
    } rows[] = {{"{\"control\":\"c\"}", false}, {"{\"enabled\":true}", true}};
    json_t *plant = read_yaml(GOLDEN "one-node.plant.yaml");
    json_t *before = plan_with(plant, learn, MW_OPERATE_CPU);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_object_set_new(json_object_get(plant, "spec"), "reference",
                            json_loads(rows[i].section, 0, NULL));
        json_t *after = plan_with(plant, learn, MW_OPERATE_CPU);
        assert_int_equal(
            !json_equal(template_of(before, "hall-learn"), template_of(after, "hall-learn")),
            rows[i].restarts);
        json_decref(after);
    }
    json_decref(before);
    json_decref(plant);
}

static void one_scorer_has_a_replica(void **state)
{
    (void)state;
    json_t *plant = read_yaml(GOLDEN "one-node.plant.yaml");
    for (int class = -1; class < MW_OPERATE_CLASSES; class ++) {
        json_t *objects = plan_of(plant, class);
        const json_t *tpu = json_object_get(find(objects, "hall-score-edgetpu"), "spec");
        const json_t *cpu = json_object_get(find(objects, "hall-score-cpu"), "spec");
        assert_int_equal(json_integer_value(json_object_get(tpu, "replicas")),
                         class == mw_operate_class_find("edgetpu"));
        assert_int_equal(json_integer_value(json_object_get(cpu, "replicas")),
                         class == MW_OPERATE_CPU);
        json_decref(objects);
    }
    json_decref(plant);
}

static void several_scorers_share_the_stream(void **state)
{
    (void)state;
    json_t *plant = read_yaml(GOLDEN "kafka.plant.yaml");
    json_t *spec = json_object_get(plant, "spec");
    json_object_set_new(spec, "score", json_pack("{s:i}", "shares", 4));
    json_object_set_new(json_object_get(spec, "cluster"), "scorers", json_integer(3));
    json_t *objects = plan_of(plant, MW_OPERATE_CPU);
    const json_t *of = json_object_get(find(objects, "press-score-cpu"), "spec");
    assert_int_equal(json_integer_value(json_object_get(of, "replicas")), 3);
    const json_t *pod = json_object_get(json_object_get(of, "template"), "spec");
    assert_int_equal(json_array_size(json_object_get(pod, "topologySpreadConstraints")), 1);
    of = json_object_get(find(objects, "press-watch"), "spec");
    assert_int_equal(json_integer_value(json_object_get(of, "replicas")), 1);
    json_decref(objects);
    json_decref(plant);
}

/* The models are for `prepare`, in every pod: whichever is first makes the data folder. */
static void models_are_mounted_for_prepare(void **state)
{
    (void)state;
    json_t *plant = read_yaml(GOLDEN "one-node.plant.yaml");
    json_t *cluster = json_object_get(json_object_get(plant, "spec"), "cluster");
    json_object_set_new(cluster, "models", json_string("registry:5000/models:1"));
    json_t *objects = plan_of(plant, MW_OPERATE_CPU);
    const char *names[] = {"hall-bridge", "hall-watch", "hall-serve", "hall-score-cpu"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const json_t *pod = json_object_get(template_of(objects, names[i]), "spec");
        const json_t *volumes = json_object_get(pod, "volumes");
        const json_t *volume = json_array_get(volumes, json_array_size(volumes) - 1);
        const json_t *prepare = json_array_get(json_object_get(pod, "initContainers"), 0);
        const json_t *role = json_array_get(json_object_get(pod, "containers"), 0);
        const json_t *mounts = json_object_get(prepare, "volumeMounts");
        const json_t *mount = json_array_get(mounts, json_array_size(mounts) - 1);
        const json_t *args = json_object_get(prepare, "args");
        json_t *expected = json_pack("{s:s,s:{s:s,s:s}}", "name", "models", "image", "reference",
                                     "registry:5000/models:1", "pullPolicy", "IfNotPresent");
        assert_true(json_equal(volume, expected));
        json_decref(expected);
        expected =
            json_pack("{s:s,s:s,s:b}", "name", "models", "mountPath", "/models", "readOnly", 1);
        assert_true(json_equal(mount, expected));
        json_decref(expected);
        expected = json_pack("[s,s,s,s,s,s,s]", "prepare", "-c", "/etc/millwright/plant.yaml",
                             "--models", "/models", "--refused", "/dev/termination-log");
        assert_true(json_equal(args, expected));
        json_decref(expected);
        assert_int_equal(json_array_size(json_object_get(role, "volumeMounts")) + 1,
                         json_array_size(mounts));
    }
    json_decref(objects);
    json_decref(plant);
}

/* The firmware's port of a Service or a container; NULL: it has none. */
static const json_t *reference_port(const json_t *of)
{
    size_t index;
    json_t *port;
    json_array_foreach(json_object_get(of, "ports"), index, port)
    {
        if (strcmp(json_string_value(json_object_get(port, "name")), "reference") == 0) {
            return port;
        }
    }
    return NULL;
}

static void firmware_reaches_serve_where_it_is_answered(void **state)
{
    (void)state;
    static const struct {
        const char *section;
        bool answered;
    } rows[] = {
        {"{}", false},
        {"{\"enabled\":true}", false}, /* by MQTT alone */
        {"{\"enabled\":true,\"certificate_file\":\"\"}", false},
        {"{\"enabled\":false,\"certificate_file\":\"/secrets/d/tls.crt\"}", false},
        {"{\"enabled\":true,\"certificate_file\":\"/secrets/d/tls.crt\"}", true},
        {"{\"enabled\":true,\"certificate_file\":\"/c\",\"listen\":\"::1\",\"port\":9}", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *plant = read_yaml(GOLDEN "one-node.plant.yaml");
        json_object_set_new(json_object_get(plant, "spec"), "reference",
                            json_loads(rows[i].section, 0, NULL));
        json_t *objects = plan_of(plant, MW_OPERATE_CPU);
        const json_t *service = json_object_get(find_kind(objects, "Service", "hall"), "spec");
        const json_t *pod = json_object_get(template_of(objects, "hall-serve"), "spec");
        const json_t *container = json_array_get(json_object_get(pod, "containers"), 0);
        const json_t *outer = reference_port(service), *inner = reference_port(container);
        assert_int_equal(json_integer_value(json_object_get(outer, "port")),
                         rows[i].answered ? 8443 : 0);
        assert_int_equal(json_integer_value(json_object_get(inner, "containerPort")),
                         rows[i].answered ? 8443 : 0);
        if (rows[i].answered) {
            const json_t *data = json_object_get(find_kind(objects, "ConfigMap", "hall"), "data");
            const char *config = json_string_value(json_object_get(data, "plant.yaml"));
            assert_non_null(strstr(config, "\n  listen: \"0.0.0.0\"\n  port: 8443\n"));
        }
        pod = json_object_get(template_of(objects, "hall-bridge"), "spec");
        assert_null(reference_port(json_array_get(json_object_get(pod, "containers"), 0)));
        json_decref(objects);
        json_decref(plant);
    }
}

/* What the chart's policy for plants did not know, nobody would reach. */
static void the_chart_lets_in_what_is_asked(void **state)
{
    (void)state;
    static const char path[] =
        MW_SOURCE_DIR "/deploy/helm/millwright/templates/networkpolicies.yaml";
    static const int ports[] = {MW_OPERATE_PORT, MW_OPERATE_REFERENCE_PORT};
    struct mw_buffer chart = {0};
    assert_ok(mw_file_read(path, 1 << 20, &chart, error));
    const char *policy = strstr(chart.data, "\n  name: millwright-plants\n");
    assert_non_null(policy);
    const char *end = strstr(policy, "\nkind: NetworkPolicy\n");
    assert_non_null(end);
    for (size_t i = 0; i < sizeof ports / sizeof *ports; i++) {
        char port[32];
        snprintf(port, sizeof port, "{port: %d, protocol: TCP}", ports[i]);
        const char *found = strstr(policy, port);
        if (found == NULL || found > end) {
            fail_msg("%s: %s was expected in millwright-plants", path, port);
        }
    }
    mw_buffer_free(&chart);
}

static void what_no_role_could_read_is_refused(void **state)
{
    char *text = NULL;
    (void)state;
    json_t *plant = read_yaml(GOLDEN "one-node.plant.yaml");
    json_object_set_new(json_object_get(plant, "spec"), "topics",
                        json_pack("{s:s}", "x", "mw/{device}"));
    assert_refused(mw_operate_plan_config(plant, &text, error), MW_ERR_PARSE, "topics.x");
    assert_null(text);
    json_decref(plant);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plant_on_one_node_is_planned),
        cmocka_unit_test(a_plant_with_kafka_is_planned),
        cmocka_unit_test(only_roles_that_read_a_section_restart_for_it),
        cmocka_unit_test(a_role_may_read_one_option_of_a_section),
        cmocka_unit_test(one_scorer_has_a_replica),
        cmocka_unit_test(several_scorers_share_the_stream),
        cmocka_unit_test(models_are_mounted_for_prepare),
        cmocka_unit_test(firmware_reaches_serve_where_it_is_answered),
        cmocka_unit_test(the_chart_lets_in_what_is_asked),
        cmocka_unit_test(what_no_role_could_read_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
