#include "tiers/platform/operate_place.h"

#include "lib/base/test.h"

enum { TPU, GPU = 3 };

static struct mw_operate_node node(const char *text)
{
    struct mw_operate_node read;
    json_t *object = json_loads(text, 0, NULL);
    assert_non_null(object);
    mw_operate_node_read(object, &read);
    read.labels = NULL;
    json_decref(object);
    return read;
}

#define READY "\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]"

static void a_node_says_what_it_has(void **state)
{
    (void)state;
    assert_string_equal(mw_operate_classes[TPU].name, "edgetpu");
    assert_string_equal(mw_operate_classes[GPU].name, "gpu");
    struct mw_operate_node read =
        node("{\"status\":{\"allocatable\":{\"cpu\":\"4\",\"millwright.dev/edgetpu\":\"2\","
             "\"nvidia.com/gpu\":\"x\",\"millwright.dev/hailo\":\"-1\"}," READY "}}");
    assert_true(read.usable);
    assert_int_equal(read.devices[TPU], 2);
    assert_int_equal(read.devices[GPU], 0);
    assert_int_equal(read.devices[1], 0);
    assert_true(mw_operate_node_has_devices(&read));
    assert_false(node("{\"spec\":{\"unschedulable\":true},\"status\":{" READY "}}").usable);
    assert_false(node("{\"status\":{}}").usable);
    assert_false(node("{}").usable);
}

#define UNSCHEDULABLE(message)                                                                 \
    "{\"status\":{\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"False\",\"reason\":" \
    "\"Unschedulable\",\"message\":\"" message "\"}]}}"

static bool lacks(const char *text)
{
    json_t *pod = json_loads(text, 0, NULL);
    assert_non_null(pod);
    assert_null(mw_operate_pod_lacks(pod, MW_OPERATE_CPU));
    bool does = mw_operate_pod_lacks(pod, TPU) != NULL;
    json_decref(pod);
    return does;
}

static void only_a_want_of_devices_moves_a_scorer(void **state)
{
    (void)state;
    assert_true(lacks(UNSCHEDULABLE("0/2 nodes are available: 1 Insufficient "
                                    "millwright.dev/edgetpu, 1 node(s) had untolerated taint")));
    assert_false(lacks(UNSCHEDULABLE("0/2 nodes: 2 Insufficient cpu")));
    assert_false(lacks(UNSCHEDULABLE("pod has unbound immediate PersistentVolumeClaims")));
    assert_false(lacks("{\"status\":{\"phase\":\"Running\"}}"));
    assert_false(lacks("{}"));
}

static struct mw_operate_seat seat(void)
{
    return (struct mw_operate_seat){.preference = {TPU, GPU, MW_OPERATE_CPU}, .n = 3};
}

static void the_oldest_gets_the_best_and_the_rest_the_next(void **state)
{
    struct mw_operate_node nodes[2] = {{.usable = true}, {.usable = true}};
    struct mw_operate_seat seats[4] = {seat(), seat(), seat(), seat()};
    int64_t left[2][MW_OPERATE_CLASSES];
    (void)state;
    nodes[0].devices[TPU] = 1;
    nodes[1].devices[TPU] = 1;
    nodes[1].devices[GPU] = 1;
    mw_operate_place(seats, 4, nodes, 2, left);
    assert_int_equal(seats[0].chosen, TPU);
    assert_int_equal(seats[1].chosen, TPU);
    assert_int_equal(seats[2].chosen, GPU);
    assert_int_equal(seats[3].chosen, MW_OPERATE_CPU);
    nodes[1].devices[TPU] = 0; /* unplugged: the youngest of them moves */
    mw_operate_place(seats, 4, nodes, 2, left);
    assert_int_equal(seats[0].chosen, TPU);
    assert_int_equal(seats[1].chosen, GPU);
    assert_int_equal(seats[2].chosen, MW_OPERATE_CPU);
    nodes[0].usable = false;
    nodes[1].devices[TPU] = 4; /* plugged in again, elsewhere: all move back */
    mw_operate_place(seats, 4, nodes, 2, left);
    assert_int_equal(seats[0].chosen, TPU);
    assert_int_equal(seats[3].chosen, TPU);
}

static void selectors_and_refusals_count(void **state)
{
    json_t *north = json_pack("{s:s}", "site", "north"),
           *south = json_pack("{s:s}", "site", "south");
    struct mw_operate_node nodes[1] = {{.usable = true, .labels = north}};
    struct mw_operate_seat seats[3] = {seat(), seat(), seat()};
    int64_t left[1][MW_OPERATE_CLASSES];
    (void)state;
    nodes[0].devices[TPU] = 1;
    seats[0].selector = south;
    seats[1].avoid = 1u << TPU;
    seats[2].selector = north;
    mw_operate_place(seats, 3, nodes, 1, left);
    assert_int_equal(seats[0].chosen, MW_OPERATE_CPU);
    assert_int_equal(seats[1].chosen, MW_OPERATE_CPU);
    assert_int_equal(seats[2].chosen, TPU);
    seats[0].n = 1; /* the Edge TPU or nothing */
    mw_operate_place(seats, 1, nodes, 1, left);
    assert_int_equal(seats[0].chosen, -1);
    json_decref(north);
    json_decref(south);
}

static void several_scorers_need_a_device_each(void **state)
{
    struct mw_operate_node nodes[2] = {{.usable = true}, {.usable = true}};
    struct mw_operate_seat seats[3] = {seat(), seat(), seat()};
    int64_t left[2][MW_OPERATE_CLASSES];
    (void)state;
    nodes[0].devices[TPU] = 2;
    nodes[1].devices[TPU] = 2;
    nodes[1].devices[GPU] = 2;
    seats[0].count = seats[1].count = 3;
    mw_operate_place(seats, 3, nodes, 2, left);
    assert_int_equal(seats[0].chosen, TPU);            /* over two nodes */
    assert_int_equal(seats[1].chosen, MW_OPERATE_CPU); /* neither one left nor two are three */
    assert_int_equal(seats[2].chosen, TPU);
    assert_int_equal(left[0][TPU] + left[1][TPU], 0);
    assert_int_equal(left[1][GPU], 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_says_what_it_has),
        cmocka_unit_test(only_a_want_of_devices_moves_a_scorer),
        cmocka_unit_test(the_oldest_gets_the_best_and_the_rest_the_next),
        cmocka_unit_test(selectors_and_refusals_count),
        cmocka_unit_test(several_scorers_need_a_device_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
