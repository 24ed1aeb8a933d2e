/* Replays against a real broker; the bridge is a child process. */
#include "tiers/iot/replay.h"

#include "tiers/iot/test_bridge.h"

struct scene {
    struct place *place;
    struct test_bridge *bridge;
    pid_t child;
};

static void run_bridge(struct scene *scene, uint64_t stop_at)
{
    struct mw_loop *loop = NULL;
    (void)mw_loop_new(&loop, NULL);
    test_bridge_open(scene->bridge, scene->place, loop);
    scene->bridge->stop_at = stop_at;
    (void)mw_loop_run(loop, NULL); /* until killed */
}

/* The bridge takes no more than stop_at records. */
static void start_bridge(struct scene *scene, uint64_t stop_at)
{
    scene->child = fork();
    if (scene->child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when an assertion ends the test */
        run_bridge(scene, stop_at);
        _exit(0);
    }
    assert_true(scene->child > 0);
}

static void stop_bridge(struct scene *scene)
{
    assert_int_equal(kill(scene->child, SIGKILL), 0);
    assert_int_equal(waitpid(scene->child, NULL, 0), scene->child);
}

static void begin(struct scene *scene, void **state)
{
    *scene = (struct scene){.place = *state, .bridge = test_bridge_map()};
    place_start_broker(scene->place);
    set_text(&scene->place->plant.columns.device, "unit");
    set_text(&scene->place->plant.columns.time, "t");
}

static void end(struct scene *scene)
{
    test_bridge_unmap(scene->bridge);
}

/* `rows` rows of `devices` devices, one after another or interleaved; feature id counts from 0. */
static void write_rows(const struct scene *scene, const char *name, unsigned devices, unsigned rows,
                       bool interleaved)
{
    FILE *file = fopen(place_path(scene->place, name), "w");
    assert_non_null(file);
    fprintf(file, "unit,t,id,b,fault\n");
    for (unsigned i = 0; i < devices * rows; i++) {
        unsigned device = interleaved ? i % devices : i / rows;
        unsigned row = interleaved ? i / devices : i % rows;
        fprintf(file, "D%u,%u,%u,%u.5,%d\n", device, row, i, i, row + 1 == rows);
    }
    assert_int_equal(fclose(file), 0);
}

static mw_err replay(const struct scene *scene, const char *name, double speed,
                     struct mw_replay_result *result, struct mw_error *error)
{
    char path[512];
    char *paths[] = {path};
    struct mw_replay_options options = {.path = paths, .n = 1, .speed = speed, .quiet = true};
    (void)snprintf(path, sizeof path, "%s", place_path(scene->place, name));
    return mw_replay_run(&scene->place->plant, &options, result, error);
}

static void assert_each_once(const struct scene *scene, uint64_t n)
{
    assert_int_equal(scene->bridge->records, n);
    assert_int_equal(scene->bridge->dead, 0);
    for (uint64_t id = 0; id < n; id++) {
        assert_int_equal(scene->bridge->stored[id], 1);
    }
}

static void all_rows_and_events_are_stored(void **state)
{
    struct scene scene;
    struct mw_replay_result result;
    begin(&scene, state);
    write_rows(&scene, "rows.csv", 3, 4000, false);
    set_text(&scene.place->plant.columns.failure, "fault");
    start_bridge(&scene, UINT64_MAX);
    assert_ok(replay(&scene, "rows.csv", 0, &result, error));
    assert_each_once(&scene, 12000);
    assert_int_equal(scene.bridge->events, 3);
    assert_non_null(strstr(scene.bridge->last_event, "-row-3999-failure")); /* whosever came last */
    assert_int_equal(result.rows, 12000);
    assert_int_equal(result.sent, 12000);
    assert_int_equal(result.present, 0);
    assert_int_equal(result.events, 3);
    assert_int_equal(result.devices, 3);
    /* A second time nothing is sent. */
    assert_ok(replay(&scene, "rows.csv", 0, &result, error));
    assert_each_once(&scene, 12000);
    assert_int_equal(result.sent, 0);
    assert_int_equal(result.present, 12000);
    stop_bridge(&scene);
    end(&scene);
}

static void interleaved_devices_keep_their_order(void **state)
{
    struct scene scene;
    struct mw_replay_result result;
    begin(&scene, state);
    write_rows(&scene, "rows.csv", 100, 300, true);
    scene.bridge->lose = 30;
    scene.bridge->hold = 20;
    start_bridge(&scene, UINT64_MAX);
    assert_ok(replay(&scene, "rows.csv", 0, &result, error));
    stop_bridge(&scene);
    assert_each_once(&scene, 30000);
    assert_int_equal(result.devices, 100);
    assert_int_equal(result.sent, 30000);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(scene.bridge->position[i].boot, 1);
        assert_int_equal(scene.bridge->position[i].next, 300);
    }
    end(&scene);
}

static pid_t start_replay(const struct scene *scene, double speed)
{
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        struct mw_replay_result result;
        struct mw_error error = {0};
        mw_err err = replay(scene, "rows.csv", speed, &result, &error);
        _exit(err == MW_OK ? 0 : err == MW_ERR_STATE ? 9 : 1);
    }
    assert_true(pid > 0);
    return pid;
}

static void wait_for_records(const struct scene *scene, uint64_t n)
{
    const volatile struct test_bridge *bridge = scene->bridge;
    int64_t limit = mw_clock_monotonic() + TEST_LIMIT;
    while (bridge->records < n) {
        assert_true(mw_clock_monotonic() < limit);
        (void)usleep(500);
    }
}

/* It asks again and again what has been stored: with the second question it has had an answer. */
static void wait_until_heard(const struct scene *scene)
{
    const volatile struct test_bridge *bridge = scene->bridge;
    int64_t limit = mw_clock_monotonic() + TEST_LIMIT;
    uint64_t asked = bridge->statuses;
    while (bridge->statuses < asked + 2) {
        assert_true(mw_clock_monotonic() < limit);
        (void)usleep(500);
    }
}

static void a_killed_replay_goes_on(void **state)
{
    static const int signals[] = {SIGKILL, SIGTERM, SIGKILL};
    struct scene scene;
    struct mw_replay_result result;
    begin(&scene, state);
    write_rows(&scene, "rows.csv", 2, 30000, false);
    uint64_t stop_at = 0;
    for (int i = 0; i < 3; i++) {
        int status = 0;
        stop_at += 11000;
        start_bridge(&scene, stop_at);
        pid_t pid = start_replay(&scene, 0);
        wait_for_records(&scene, stop_at);
        assert_int_equal(kill(pid, signals[i]), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(signals[i] == SIGKILL ? WIFSIGNALED(status)
                                          : WIFEXITED(status) && WEXITSTATUS(status) == 9);
        stop_bridge(&scene);
    }
    start_bridge(&scene, UINT64_MAX);
    assert_ok(replay(&scene, "rows.csv", 0, &result, error));
    stop_bridge(&scene);
    assert_each_once(&scene, 60000);
    /* What the killed one had handed to its socket may still arrive. */
    assert_true(result.present >= 33000);
    assert_int_equal(result.present + result.sent, 60000);
    end(&scene);
}

static void a_broker_killed_meanwhile_is_no_matter(void **state)
{
    struct scene scene;
    int status = 0;
    begin(&scene, state);
    write_rows(&scene, "rows.csv", 2, 30000, true);
    start_bridge(&scene, 20000);
    pid_t pid = start_replay(&scene, 0);
    wait_for_records(&scene, 20000);
    place_stop_broker(scene.place);
    stop_bridge(&scene);
    place_start_broker(scene.place);
    start_bridge(&scene, UINT64_MAX);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    stop_bridge(&scene);
    assert_each_once(&scene, 60000);
    end(&scene);
}

/* Rows are numbers: with the position gone only a new run can tell where to begin. */
static void a_lost_position_ends_the_replay(void **state)
{
    struct scene scene;
    struct mw_replay_result result;
    int status = 0;
    begin(&scene, state);
    write_rows(&scene, "rows.csv", 1, 3000, false);
    start_bridge(&scene, 1000);
    pid_t pid = start_replay(&scene, 0);
    wait_for_records(&scene, 1000);
    wait_until_heard(&scene);
    stop_bridge(&scene);
    memset(scene.bridge->position, 0, sizeof scene.bridge->position);
    scene.bridge->n = 0;
    start_bridge(&scene, UINT64_MAX);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 9);
    assert_int_equal(scene.bridge->records, 1000);
    assert_ok(replay(&scene, "rows.csv", 0, &result, error));
    stop_bridge(&scene);
    assert_int_equal(scene.bridge->records, 4000);
    assert_int_equal(test_position(scene.bridge, mw_span_of("d0"))->next, 3000);
    end(&scene);
}

/* 200 rows a second apart at 100 times: two seconds, but what is stored already takes none: in real
 * time it would take longer than a test may. */
static void speed_holds_for_what_is_not_stored(void **state)
{
    struct scene scene;
    struct mw_replay_result result;
    begin(&scene, state);
    write_rows(&scene, "rows.csv", 1, 201, false);
    start_bridge(&scene, UINT64_MAX);
    assert_ok(replay(&scene, "rows.csv", 100, &result, error));
    assert_each_once(&scene, 201);
    assert_true(result.duration >= 2 * MW_SECOND);
    write_rows(&scene, "rows.csv", 1, 202, false);
    assert_ok(replay(&scene, "rows.csv", 1, &result, error));
    stop_bridge(&scene);
    assert_each_once(&scene, 202);
    assert_int_equal(result.present, 201);
    end(&scene);
}

static void a_bad_row_is_named(void **state)
{
    struct scene scene;
    struct mw_replay_result result;
    begin(&scene, state);
    place_write(scene.place, "rows.csv", "unit,t,id\n1,0,0\n1,1,one\n");
    start_bridge(&scene, UINT64_MAX);
    assert_refused(replay(&scene, "rows.csv", 0, &result, error), MW_ERR_PARSE,
                   "rows.csv:3: column id");
    assert_refused(replay(&scene, "none.csv", 0, &result, error), MW_ERR_NOT_FOUND, "none.csv");
    stop_bridge(&scene);
    end(&scene);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_set_up, place_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(all_rows_and_events_are_stored),
        TEST(interleaved_devices_keep_their_order),
        TEST(a_killed_replay_goes_on),
        TEST(a_broker_killed_meanwhile_is_no_matter),
        TEST(a_lost_position_ends_the_replay),
        TEST(speed_holds_for_what_is_not_stored),
        TEST(a_bad_row_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
