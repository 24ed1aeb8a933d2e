#include "tiers/training/watch_window.h"

#include "lib/base/test.h"

#include <math.h>

#define FEATURES 3

/* One watched plant: a bundle with edges at even quantiles of a standard normal value. */
struct scene {
    struct mw_plant plant;
    struct mw_bundle bundle;
    struct mw_watch *watch;
    uint64_t seed;
    struct mw_watch_alarm alarm;
};

static double uniform(struct scene *scene)
{
    scene->seed = scene->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return ((double)(scene->seed >> 11) + 0.5) / 9007199254740992.0;
}

static float normal(struct scene *scene)
{
    return (float)(sqrt(-2 * log(uniform(scene))) * cos(6.283185307179586 * uniform(scene)));
}

static int by_value(const void *left, const void *right)
{
    const float *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

static int set_up(void **state)
{
    static char *names[FEATURES] = {"current", "vibration", "sound"};
    static float mean[FEATURES], std[FEATURES] = {1, 1, 1}, values[1600];
    struct scene *s = calloc(1, sizeof *s);
    if (s == NULL || mw_plant_read(&s->plant, NULL, NULL) != MW_OK) {
        return -1;
    }
    s->seed = 1;
    s->plant.watch.window = 200;
    s->plant.watch.minimum = 100;
    s->plant.watch.cooldown = 600;
    s->bundle = (struct mw_bundle){
        .n_features = FEATURES, .features = names, .reference_mean = mean, .reference_std = std};
    s->bundle.edges = calloc(FEATURES, sizeof *s->bundle.edges);
    s->bundle.sketch = calloc(FEATURES, sizeof *s->bundle.sketch);
    for (int i = 0; i < FEATURES; i++) {
        for (int k = 0; k < 1600; k++) {
            values[k] = normal(s);
        }
        qsort(values, 1600, sizeof *values, by_value);
        assert_int_equal(mw_sketch_edges_from_sorted(&s->bundle.edges[i], values, 1600), MW_OK);
        for (int k = 0; k < 1600; k++) {
            mw_sketch_add(&s->bundle.sketch[i], &s->bundle.edges[i], values[k]);
        }
    }
    for (int k = 0; k < MW_SKETCH_EDGES; k++) {
        s->bundle.score_edges.edge[k] = (float)(k + 1) / 16;
    }
    for (int k = 0; k < 1600; k++) {
        mw_sketch_add(&s->bundle.score_sketch, &s->bundle.score_edges, (float)uniform(s));
    }
    *state = s;
    return mw_watch_new(&s->watch, &s->plant, &s->bundle, NULL) == MW_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    struct scene *s = *state;
    mw_watch_free(s->watch);
    free(s->bundle.edges);
    free(s->bundle.sketch);
    mw_plant_clear(&s->plant);
    free(s);
    return 0;
}

static const char *const machines[4] = {"m-1", "m-2", "m-3", "m-4"};

/* Feeds rounds of one record a machine; `shift` is added to vibration on machines of the mask.
 * Returns the alarms; the last one stays in s->alarm. */
static int feed(struct scene *s, int from, int rounds, unsigned mask, float shift)
{
    int alarms = 0;
    for (int i = from; i < from + rounds; i++) {
        for (unsigned m = 0; m < 4; m++) {
            float x[FEATURES] = {normal(s), normal(s), normal(s)};
            x[1] += (mask >> m & 1) != 0 ? shift : 0;
            struct mw_span name = mw_span_of(machines[m]);
            assert_int_equal(mw_watch_add(s->watch, name, i, x, NULL), MW_OK);
            assert_int_equal(mw_watch_add_score(s->watch, name, (float)uniform(s), NULL), MW_OK);
            while (mw_watch_alarm(s->watch, &s->alarm)) {
                alarms++;
            }
        }
    }
    return alarms;
}

static void test_a_world_that_stays_gives_no_alarm(void **state)
{
    struct scene *s = *state;
    assert_int_equal(feed(s, 0, 2000, 0, 0), 0);
    assert_int_equal(mw_watch_machines(s->watch), 4);
}

static void test_one_sensor_is_one_machines_matter(void **state)
{
    struct scene *s = *state;
    assert_int_equal(feed(s, 0, 400, 0, 0), 0);
    assert_int_equal(feed(s, 400, 300, 1U << 2, 4), 1);
    assert_false(s->alarm.plant);
    assert_string_equal(s->alarm.machine, "m-3");
    assert_int_equal(s->alarm.n, 1);
    assert_string_equal(s->alarm.feature[0].name, "vibration");
    assert_true(s->alarm.feature[0].moved > 0.5 && s->alarm.feature[0].psi > 0.25);
    /* A block of 50 holds records from before the change too. */
    assert_in_range(s->alarm.onset, 350, 450);
    assert_true(s->alarm.time > s->alarm.onset);
}

static void test_a_change_everywhere_is_the_plants(void **state)
{
    struct scene *s = *state;
    assert_int_equal(feed(s, 0, 400, 0, 0), 0);
    assert_int_equal(feed(s, 400, 300, 0xF, 3), 1);
    assert_true(s->alarm.plant);
    assert_null(s->alarm.machine);
    assert_string_equal(s->alarm.feature[0].name, "vibration");
    assert_in_range(s->alarm.onset, 350, 450);
    assert_true(s->alarm.records >= 4 * 100);
}

static void test_an_alarm_comes_again_only_after_the_cooldown(void **state)
{
    struct scene *s = *state;
    assert_int_equal(feed(s, 0, 300, 0xF, 3), 1);
    assert_int_equal(feed(s, 300, 350, 0xF, 3), 0); /* fewer than 600 a machine since */
    assert_int_equal(feed(s, 650, 300, 0xF, 3), 1);
}

static void test_a_fault_is_no_drift(void **state)
{
    struct scene *s = *state;
    assert_int_equal(feed(s, 0, 400, 0, 0), 0);
    assert_int_equal(feed(s, 400, 45, 1, 4), 0);      /* the fault grows */
    mw_watch_fault(s->watch, mw_span_of("m-1"), 445); /* and is found */
    assert_int_equal(feed(s, 445, 1000, 0, 0), 0);
    mw_watch_fault(s->watch, mw_span_of("never-seen"), 445);
    mw_watch_repair(s->watch, mw_span_of("never-seen"), 445);
}

static void test_little_is_no_evidence(void **state)
{
    struct scene *s = *state;
    assert_int_equal(feed(s, 0, 49, 0xF, 5), 0);
}

/* Things hold back what is normal: the sketches alone have to show a change. */
static void test_suppressed_records_count_too(void **state)
{
    struct scene *s = *state;
    int alarms = 0;
    for (int i = 0; i < 14; i++) {
        for (unsigned m = 0; m < 4; m++) {
            struct mw_sketch sketch[FEATURES] = {{{0}, 0}}, score = {0};
            for (int k = 0; k < 20; k++) {
                for (int f = 0; f < FEATURES; f++) {
                    mw_sketch_add(&sketch[f], &s->bundle.edges[f],
                                  normal(s) + (f == 2 ? 3.F : 0.F));
                }
                mw_sketch_add(&score, &s->bundle.score_edges, (float)uniform(s));
            }
            assert_int_equal(mw_watch_add_sketch(s->watch, mw_span_of(machines[m]), i * 20,
                                                 i * 20 + 19, 20, sketch, &score, NULL),
                             MW_OK);
            while (mw_watch_alarm(s->watch, &s->alarm)) {
                alarms++;
            }
        }
    }
    assert_int_equal(alarms, 1);
    assert_true(s->alarm.plant);
    assert_string_equal(s->alarm.feature[0].name, "sound");
    assert_int_equal(s->alarm.onset, 0);
}

/* --- a plant as plants are: loads that go up and down, and noise --- */

#define PLANT 8

/* Eight machines, each in its own rhythm: the load moves all three features together, over some
 * dozens of records. The gain multiplies what the vibration sensor of the machines of the mask
 * gives. */
static int run_plant(struct scene *s, int from, int rounds, unsigned mask, float gain)
{
    int alarms = 0;
    char name[8];
    for (int i = from; i < from + rounds; i++) {
        for (int m = 0; m < PLANT; m++) {
            double rhythm = 6.283185307179586 / (17 + 3 * m);
            float load = (float)sin(rhythm * i + m) + 0.3F * (float)sin(rhythm * 0.31 * i);
            float x[FEATURES];
            for (int f = 0; f < FEATURES; f++) {
                x[f] = 5 + load + 0.5F * normal(s);
            }
            x[1] *= (mask >> m & 1) != 0 ? gain : 1;
            float score = (float)uniform(s);
            snprintf(name, sizeof name, "m-%d", m);
            assert_int_equal(mw_watch_add(s->watch, mw_span_of(name), i, x, NULL), MW_OK);
            assert_int_equal(mw_watch_add_score(s->watch, mw_span_of(name), score, NULL), MW_OK);
            while (mw_watch_alarm(s->watch, &s->alarm)) {
                alarms++;
            }
        }
    }
    return alarms;
}

/* The bundle's reference becomes what this plant gave in its first 300 rounds. */
static void learn_plant(struct scene *s)
{
    enum { N = PLANT * 300 };
    static float values[FEATURES][N], sorted[N];
    for (int i = 0; i < N; i++) {
        int m = i % PLANT, round = i / PLANT;
        double rhythm = 6.283185307179586 / (17 + 3 * m);
        float load = (float)sin(rhythm * round + m) + 0.3F * (float)sin(rhythm * 0.31 * round);
        for (int f = 0; f < FEATURES; f++) {
            values[f][i] = 5 + load + 0.5F * normal(s);
        }
    }
    for (int f = 0; f < FEATURES; f++) {
        memcpy(sorted, values[f], sizeof sorted);
        qsort(sorted, N, sizeof *sorted, by_value);
        assert_int_equal(mw_sketch_edges_from_sorted(&s->bundle.edges[f], sorted, N), MW_OK);
        memset(&s->bundle.sketch[f], 0, sizeof s->bundle.sketch[f]);
        for (int i = 0; i < N; i++) {
            mw_sketch_add(&s->bundle.sketch[f], &s->bundle.edges[f], values[f][i]);
        }
    }
}

static void test_a_plant_that_only_works_gives_no_alarm(void **state)
{
    struct scene *s = *state;
    learn_plant(s);
    assert_int_equal(run_plant(s, 0, 50 * 200, 0, 1), 0); /* fifty windows of each machine */
}

static void test_another_gain_of_one_sensor_names_that_machine_alone(void **state)
{
    struct scene *s = *state;
    learn_plant(s);
    assert_int_equal(run_plant(s, 0, 600, 0, 1), 0);
    assert_int_equal(run_plant(s, 600, 400, 1U << 5, 1.6F), 1);
    assert_false(s->alarm.plant);
    assert_string_equal(s->alarm.machine, "m-5");
    assert_string_equal(s->alarm.feature[0].name, "vibration");
    assert_in_range(s->alarm.onset, 550, 650);
}

static void test_another_gain_everywhere_is_the_plants(void **state)
{
    struct scene *s = *state;
    learn_plant(s);
    assert_int_equal(run_plant(s, 0, 600, 0, 1), 0);
    assert_int_equal(run_plant(s, 600, 400, 0xFF, 1.6F), 1);
    assert_true(s->alarm.plant);
    assert_string_equal(s->alarm.feature[0].name, "vibration");
    assert_in_range(s->alarm.onset, 550, 650);
}

/* A fault that grows on one machine and is found, repaired, and comes again elsewhere. */
static void test_faults_are_no_drift(void **state)
{
    struct scene *s = *state;
    learn_plant(s);
    assert_int_equal(run_plant(s, 0, 600, 0, 1), 0);
    for (int m = 0; m < PLANT; m++) {
        char name[8];
        int from = 600 + 200 * m;
        snprintf(name, sizeof name, "m-%d", m);
        assert_int_equal(run_plant(s, from, 40, 1U << m, 1.6F), 0);
        mw_watch_fault(s->watch, mw_span_of(name), from + 40);
        assert_int_equal(run_plant(s, from + 40, 160, 0, 1), 0);
    }
}

/* --- a bundle of one machine --- */

static void watch_alone(struct scene *s)
{
    mw_watch_free(s->watch);
    s->bundle.machine = "m-1";
    assert_int_equal(mw_watch_new(&s->watch, &s->plant, &s->bundle, NULL), MW_OK);
}

/* Records of m-1 alone; returns the alarms. */
static int feed_alone(struct scene *s, int from, int records, float shift)
{
    int alarms = 0;
    for (int i = from; i < from + records; i++) {
        float x[FEATURES] = {normal(s), normal(s) + shift, normal(s)};
        struct mw_span name = mw_span_of("m-1");
        assert_int_equal(mw_watch_add(s->watch, name, i, x, NULL), MW_OK);
        assert_int_equal(mw_watch_add_score(s->watch, name, (float)uniform(s), NULL), MW_OK);
        while (mw_watch_alarm(s->watch, &s->alarm)) {
            alarms++;
        }
    }
    return alarms;
}

static void test_a_machine_of_its_own_is_held_against_its_bundle(void **state)
{
    struct scene *s = *state;
    watch_alone(s);
    assert_int_equal(feed_alone(s, 0, 5000, 0), 0);
    assert_int_equal(mw_watch_drifted(s->watch), 0);
    watch_alone(s);
    assert_int_equal(feed_alone(s, 0, 200, 2), 1); /* from its first record on */
    assert_false(s->alarm.plant);
    assert_string_equal(s->alarm.machine, "m-1");
    assert_int_equal(s->alarm.n, 1);
    assert_string_equal(s->alarm.feature[0].name, "vibration");
    assert_true(s->alarm.feature[0].moved > 0.5);
    assert_int_equal(s->alarm.onset, 0);
    assert_int_equal(mw_watch_drifted(s->watch), 1);
}

static void test_a_fault_of_a_machine_of_its_own_takes_its_growth_along(void **state)
{
    struct scene *s = *state;
    watch_alone(s);
    s->plant.model.horizon = 80;
    assert_int_equal(feed_alone(s, 0, 400, 0), 0);
    for (int i = 0; i < 10; i++) { /* a block and a half of growth, found each time */
        int from = 400 + 275 * i;
        assert_int_equal(feed_alone(s, from, 75, 4), 0);
        mw_watch_fault(s->watch, mw_span_of("m-1"), from + 75);
        assert_int_equal(feed_alone(s, from + 75, 200, 0), 0);
    }
    /* But not what lies further back: that is there to be compared. */
    assert_int_equal(feed_alone(s, 3150, 20, 0), 0);
    mw_watch_fault(s->watch, mw_span_of("m-1"), 3170);
    assert_int_equal(feed_alone(s, 3170, 170, 4), 1);
}

/* Found at 400, repaired at 540: in between it runs as badly as before. */
static void test_a_repair_takes_along_what_came_since_the_fault(void **state)
{
    struct scene *s = *state;
    watch_alone(s);
    s->plant.model.horizon = 10;
    assert_int_equal(feed_alone(s, 0, 400, 0), 0);
    mw_watch_fault(s->watch, mw_span_of("m-1"), 400);
    assert_int_equal(feed_alone(s, 400, 90, 4), 0);
    mw_watch_repair(s->watch, mw_span_of("m-1"), 490);
    assert_int_equal(feed_alone(s, 490, 1000, 0), 0);
}

static void test_an_alarm_of_an_earlier_process_cools_down_anew(void **state)
{
    struct scene *s = *state;
    watch_alone(s);
    assert_int_equal(mw_watch_cool(s->watch, mw_span_of("m-1"), NULL), MW_OK);
    assert_int_equal(mw_watch_drifted(s->watch), 1);
    assert_int_equal(feed_alone(s, 0, 590, 2), 0);
    assert_int_equal(feed_alone(s, 590, 200, 2), 1);
}

static void test_so_does_the_plants(void **state)
{
    struct scene *s = *state;
    assert_int_equal(mw_watch_cool(s->watch, mw_span_of(""), NULL), MW_OK);
    assert_int_equal(feed(s, 0, 590, 0xF, 3), 0);
    assert_int_equal(feed(s, 590, 200, 0xF, 3), 1);
    assert_true(s->alarm.plant);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ROW(test_a_world_that_stays_gives_no_alarm),
        ROW(test_one_sensor_is_one_machines_matter),
        ROW(test_a_change_everywhere_is_the_plants),
        ROW(test_an_alarm_comes_again_only_after_the_cooldown),
        ROW(test_a_fault_is_no_drift),
        ROW(test_little_is_no_evidence),
        ROW(test_suppressed_records_count_too),
        ROW(test_a_plant_that_only_works_gives_no_alarm),
        ROW(test_another_gain_of_one_sensor_names_that_machine_alone),
        ROW(test_another_gain_everywhere_is_the_plants),
        ROW(test_faults_are_no_drift),
        ROW(test_a_machine_of_its_own_is_held_against_its_bundle),
        ROW(test_a_fault_of_a_machine_of_its_own_takes_its_growth_along),
        ROW(test_a_repair_takes_along_what_came_since_the_fault),
        ROW(test_an_alarm_of_an_earlier_process_cools_down_anew),
        ROW(test_so_does_the_plants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
