#include "lib/artifact/test_place.h"

#include "lib/artifact/bundle.h"
#include "lib/artifact/parts.h"

#include <math.h>

#define SECONDS INT64_C(1000000)

static void add(struct mw_baseline_list *list, const char *machine, int64_t seconds, float mean)
{
    const float means[2] = {mean, -mean}, stds[2] = {1, 2};
    assert_int_equal(mw_baseline_list_add(list, machine, seconds * SECONDS, 100, means, stds, 2),
                     MW_OK);
}

static float mean_at(const struct mw_baseline_list *list, const char *machine, int64_t seconds)
{
    const struct mw_baseline *found = mw_baseline_list_find(list, machine, seconds * SECONDS);
    return found == NULL ? NAN : found->mean[0];
}

static void test_the_newest_before_a_time_holds(void **state)
{
    struct mw_baseline_list list = {0};
    (void)state;
    assert_null(mw_baseline_list_find(&list, "m-1", INT64_MAX));
    add(&list, "m-2", 50, 2);
    add(&list, "m-10", 10, 7);
    add(&list, "m-2", 10, 1);
    add(&list, "m-2", 90, 3);
    assert_int_equal(list.n, 4);
    assert_true(isnan(mean_at(&list, "m-2", 9)));
    assert_true(mean_at(&list, "m-2", 10) == 1);
    assert_true(mean_at(&list, "m-2", 49) == 1);
    assert_true(mean_at(&list, "m-2", 89) == 2);
    assert_true(mean_at(&list, "m-2", 1000) == 3);
    assert_true(mean_at(&list, "m-10", 1000) == 7);
    assert_true(isnan(mean_at(&list, "m-1", 1000)) && isnan(mean_at(&list, "m-3", 1000)));
    add(&list, "m-2", 50, 4); /* takes the place of the one from then */
    assert_int_equal(list.n, 4);
    assert_true(mean_at(&list, "m-2", 60) == 4);
    mw_baseline_list_clear(&list);
}

/* A bundle's own baseline holds unless the machine was commissioned again since. */
static void test_the_newer_of_bundle_and_plant_holds(void **state)
{
    struct mw_baseline_list list = {0};
    float mean[2] = {9, 9}, std[2] = {1, 1};
    struct mw_baseline plant = {.since = 20 * SECONDS, .count = 5, .mean = mean, .std = std};
    (void)state;
    add(&list, "m-1", 50, 2);
    assert_ptr_equal(mw_baseline_list_choose(&list, "m-2", INT64_MAX, &plant), &plant);
    assert_null(mw_baseline_list_choose(&list, "m-2", INT64_MAX, NULL));
    assert_true(mw_baseline_list_choose(&list, "m-1", INT64_MAX, &plant)->mean[0] == 2);
    assert_true(mw_baseline_list_choose(&list, "m-1", INT64_MAX, NULL)->mean[0] == 2);
    assert_ptr_equal(mw_baseline_list_choose(&list, "m-1", 49 * SECONDS, &plant), &plant);
    plant.since = 60 * SECONDS;
    assert_ptr_equal(mw_baseline_list_choose(&list, "m-1", INT64_MAX, &plant), &plant);
    assert_true(mw_baseline_list_choose(&list, "m-1", 55 * SECONDS, &plant)->mean[0] == 2);
    plant.since = INT64_MIN; /* from before baselines had a time */
    assert_true(mw_baseline_list_choose(&list, "m-1", INT64_MAX, &plant)->mean[0] == 2);
    mw_baseline_list_clear(&list);
}

static void test_what_is_printed_reads_back(void **state)
{
    struct mw_baseline_list list = {0}, back = {0};
    struct mw_buffer text = {0}, again = {0};
    (void)state;
    add(&list, "m-1", 50, 0.1F);
    add(&list, "m-1", 70, 1e-30F);
    add(&list, "m-0", -5, -3);
    assert_int_equal(mw_baseline_list_print(&list, 2, &text), MW_OK);
    json_t *json = json_loads(text.data, 0, NULL);
    assert_non_null(json);
    assert_ok(mw_baseline_list_parse(&back, 2, json, error));
    json_decref(json);
    assert_int_equal(back.n, 3);
    assert_true(mean_at(&back, "m-1", 60) == 0.1F && mean_at(&back, "m-1", 70) == 1e-30F);
    assert_int_equal(back.entry[0].baseline.since, -5 * SECONDS);
    assert_int_equal(mw_baseline_list_print(&back, 2, &again), MW_OK);
    assert_string_equal(text.data, again.data);
    list.entry[0].baseline.mean[1] = INFINITY;
    assert_int_equal(mw_baseline_list_print(&list, 2, &text), MW_ERR_ARGUMENT);
    mw_buffer_free(&text);
    mw_buffer_free(&again);
    mw_baseline_list_clear(&list);
    mw_baseline_list_clear(&back);
}

static void test_hostile_lists_are_refused(void **state)
{
    static const char *const text[] = {
        "{}",
        "[1]",
        "[{\"since\":1,\"count\":1,\"mean\":[1,2],\"std\":[1,2]}]",
        "[{\"machine\":\"A b\",\"since\":1,\"count\":1,\"mean\":[1,2],\"std\":[1,2]}]",
        "[{\"machine\":\"m\",\"count\":1,\"mean\":[1,2],\"std\":[1,2]}]",
        "[{\"machine\":\"m\",\"since\":\"1\",\"count\":1,\"mean\":[1,2],\"std\":[1,2]}]",
        "[{\"machine\":\"m\",\"since\":1e300,\"count\":1,\"mean\":[1,2],\"std\":[1,2]}]",
        "[{\"machine\":\"m\",\"since\":1,\"count\":0,\"mean\":[1,2],\"std\":[1,2]}]",
        "[{\"machine\":\"m\",\"since\":1,\"count\":1,\"mean\":[1],\"std\":[1,2]}]",
        "[{\"machine\":\"m\",\"since\":1,\"count\":1,\"mean\":[1,2],\"std\":[1,-2]}]",
        "[{\"machine\":\"m\",\"since\":1,\"count\":1,\"mean\":[1,1e300],\"std\":[1,2]}]",
        "[{\"machine\":\"m\",\"since\":1,\"count\":1,\"mean\":[1,2],\"std\":[1,2]},7]",
    };
    (void)state;
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        struct mw_baseline_list list;
        json_t *json = json_loads(text[i], 0, NULL);
        assert_non_null(json);
        assert_refused(mw_baseline_list_parse(&list, 2, json, error), MW_ERR_PARSE, "baselines");
        assert_int_equal(list.n, 0);
        json_decref(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_newest_before_a_time_holds),
        cmocka_unit_test(test_the_newer_of_bundle_and_plant_holds),
        cmocka_unit_test(test_what_is_printed_reads_back),
        cmocka_unit_test(test_hostile_lists_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
