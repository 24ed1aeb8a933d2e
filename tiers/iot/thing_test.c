/* The simulated plant as a process that is killed again and again, against a real broker. */
#include "tiers/iot/thing.h"

#include "tiers/iot/test_bridge.h"

#include "lib/artifact/trust.h"

struct scene {
    struct place *place;
    struct mw_loop *loop;
    struct test_bridge *bridge;
    struct mw_loop_watch *timer;
    pid_t thing;
    uint64_t wanted; /* records or answers */
};

static void on_timer(void *context)
{
    (void)context; /* rounds of the loop, so that what other processes did is looked at */
}

static void begin(struct scene *scene, struct place *place)
{
    char uri[128], keys[128];
    struct mw_store *store = NULL;
    *scene = (struct scene){.place = place};
    place_start_broker(place);
    place->plant.simulate.machines = 2;
    place->plant.simulate.speed = 0;
    (void)snprintf(uri, sizeof uri, "oci:%s/artifacts", place->folder);
    (void)snprintf(keys, sizeof keys, "%s/keys", place->folder);
    assert_ok(mw_store_open(&store, uri, true, error));
    assert_ok(mw_trust_init(store, keys, error));
    mw_store_close(store);
    assert_ok(mw_loop_new(&scene->loop, error));
    assert_ok(
        mw_loop_add_timer(scene->loop, 0, MW_SECOND / 100, on_timer, scene, &scene->timer, error));
    scene->bridge = test_bridge_map();
    test_bridge_open(scene->bridge, place, scene->loop);
    run_until(scene->loop, test_bridge_up, scene->bridge);
}

static void end(struct scene *scene)
{
    test_bridge_close(scene->bridge);
    test_bridge_unmap(scene->bridge);
    mw_loop_free(scene->loop);
    place_stop_broker(scene->place);
}

static void start_thing(struct scene *scene)
{
    scene->thing = fork();
    if (scene->thing == 0) {
        struct mw_error error = {0};
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        mw_err err = mw_thing_run(&scene->place->plant, &error);
        if (err != MW_OK) {
            (void)fprintf(stderr, "thing: %s\n", error.text);
        }
        _exit(err == MW_OK ? 0 : 1);
    }
    assert_true(scene->thing > 0);
}

static void stop_thing(struct scene *scene, int with)
{
    int status = 0;
    assert_int_equal(kill(scene->thing, with), 0);
    assert_int_equal(waitpid(scene->thing, &status, 0), scene->thing);
    /* One that has only just started does not take signals itself yet. */
    assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == with : WEXITSTATUS(status) == 0);
}

static bool enough_records(void *context)
{
    const struct scene *scene = context;
    return scene->bridge->records >= scene->wanted;
}

enum { EACH = 400 };

/* What the same seed tells over EACH records of each machine, with the thing killed so often. */
static void run_plant(struct place *place, unsigned kills, uint64_t hash[2])
{
    struct scene scene;
    begin(&scene, place);
    scene.bridge->stop_each = EACH;
    start_thing(&scene);
    for (unsigned i = 1; i <= kills; i++) {
        scene.wanted = 2 * EACH * i / (kills + 1);
        run_until(scene.loop, enough_records, &scene);
        stop_thing(&scene, i % 3 == 0 ? SIGTERM : SIGKILL);
        start_thing(&scene);
    }
    scene.wanted = (uint64_t)2 * EACH;
    run_until(scene.loop, enough_records, &scene);
    stop_thing(&scene, SIGTERM);
    hash[0] = test_position(scene.bridge, mw_span_of("motor-1"))->hash;
    hash[1] = test_position(scene.bridge, mw_span_of("motor-2"))->hash;
    assert_int_equal(scene.bridge->records, 2 * EACH);
    assert_int_equal(test_position(scene.bridge, mw_span_of("motor-1"))->boot, 1);
    assert_int_equal(test_position(scene.bridge, mw_span_of("motor-1"))->next, EACH);
    end(&scene);
}

static void a_killed_plant_tells_the_same_story(void **state)
{
    struct place *place = *state;
    uint64_t whole[2], killed[2];
    run_plant(place, 0, whole);
    char away[512];
    (void)snprintf(away, sizeof away, "%s", place_path(place, "before"));
    assert_int_equal(rename(place_path(place, "things"), away), 0);
    run_plant(place, 8, killed);
    assert_int_equal(killed[0], whole[0]);
    assert_int_equal(killed[1], whole[1]);
    assert_true(whole[0] != whole[1]);
}

static bool enough_answers(void *context)
{
    const struct scene *scene = context;
    return scene->bridge->answers >= scene->wanted;
}

static void command(struct scene *scene, const char *id, const char *action, double expires)
{
    char json[512];
    (void)snprintf(json, sizeof json,
                   "{\"v\":1,\"id\":\"%s\",\"device\":\"motor-1\",\"machine\":\"motor-1\","
                   "\"action\":\"%s\",\"time\":1,\"expires\":%.0f,\"cause\":\"score\"}",
                   id, action, expires);
    scene->wanted = scene->bridge->answers + 1;
    test_send(scene->bridge, "command", "motor-1", json);
    run_until(scene->loop, enough_answers, scene);
}

static void assert_answer(const struct scene *scene, const char *id, const char *result)
{
    char expected[160];
    (void)snprintf(expected, sizeof expected, "{\"id\":\"%s\",\"result\":\"%s\"}", id, result);
    assert_string_equal(scene->bridge->answer, expected);
}

static bool one_event(void *context)
{
    const struct scene *scene = context;
    return scene->bridge->events > 0;
}

static void commands_are_done_once(void **state)
{
    struct scene scene;
    begin(&scene, *state);
    scene.place->plant.simulate.fault_every = -1; /* no faults: no events of their own */
    start_thing(&scene);
    scene.wanted = 50;
    run_until(scene.loop, enough_records, &scene);
    command(&scene, "motor-1-1-7", "dance", 4e9);
    assert_answer(&scene, "motor-1-1-7", "unknown");
    command(&scene, "motor-1-1-8", "stop", 1);
    assert_answer(&scene, "motor-1-1-8", "expired");
    command(&scene, "motor-1-1-9", "stop", 4e9);
    assert_answer(&scene, "motor-1-1-9", "done");
    run_until(scene.loop, one_event, &scene); /* what the inspection found */
    char event[160];
    memcpy(event, scene.bridge->last_event, sizeof event);
    stop_thing(&scene, SIGKILL);
    start_thing(&scene);
    scene.wanted = scene.bridge->records + 500;
    run_until(scene.loop, enough_records, &scene);
    command(&scene, "motor-1-1-9", "stop", 4e9); /* its answer was lost, say */
    assert_answer(&scene, "motor-1-1-9", "done");
    scene.wanted = scene.bridge->records + 500;
    run_until(scene.loop, enough_records, &scene);
    stop_thing(&scene, SIGTERM);
    assert_string_equal(scene.bridge->last_event, event); /* it was not inspected again */
    end(&scene);
}

/* More than one transaction takes, and some of them twice. */
static void commands_that_come_together_are_all_answered(void **state)
{
    enum { DIFFERENT = 40, ALL = 60 };
    struct scene scene;
    begin(&scene, *state);
    start_thing(&scene);
    scene.wanted = 50;
    run_until(scene.loop, enough_records, &scene);
    for (int i = 0; i < ALL; i++) {
        char json[256];
        (void)snprintf(json, sizeof json,
                       "{\"v\":1,\"id\":\"together-%d\",\"device\":\"motor-%d\",\"machine\":"
                       "\"motor-%d\",\"action\":\"dance\",\"time\":1,\"expires\":4e9,"
                       "\"cause\":\"score\"}",
                       i % DIFFERENT, 1 + i % 2, 1 + i % 2);
        test_send(scene.bridge, "command", i % 2 == 0 ? "motor-1" : "motor-2", json);
    }
    scene.wanted = ALL;
    run_until(scene.loop, enough_answers, &scene);
    assert_answer(&scene, "together-19", "unknown");
    stop_thing(&scene, SIGTERM);
    end(&scene);
}

/* More waits than the outbox may hold: the newest go on, and the loss is counted. */
static void a_full_outbox_drops_and_counts(void **state)
{
    struct scene scene;
    begin(&scene, *state);
    struct mw_plant *plant = &scene.place->plant;
    plant->simulate.speed = 1e6; /* at speed the plant does not wait for the bridge */
    plant->simulate.outbox = 200000;
    start_thing(&scene);
    scene.wanted = 20;
    run_until(scene.loop, enough_records, &scene);
    place_stop_broker(scene.place);
    struct mw_buffer text = {0};
    bool dropped = false;
    int64_t limit = mw_clock_monotonic() + TEST_LIMIT;
    while (!dropped) {
        assert_true(mw_clock_monotonic() < limit);
        (void)usleep(50000);
        mw_buffer_clear(&text);
        if (mw_file_read(place_path(scene.place, "run/thing.json"), 65536, &text, NULL) == MW_OK) {
            dropped = strstr(text.data, "\"dropped\":0,") == NULL;
        }
    }
    mw_buffer_free(&text);
    place_start_broker(scene.place);
    uint64_t records = scene.bridge->records;
    scene.wanted = records + 300;
    run_until(scene.loop, enough_records, &scene);
    stop_thing(&scene, SIGTERM);
    const struct test_position *position = test_position(scene.bridge, mw_span_of("motor-1"));
    assert_int_equal(position->boot, 1);
    assert_int_equal(position->next, position->stored); /* no gap in the numbers */
    end(&scene);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_set_up, place_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_killed_plant_tells_the_same_story),
        TEST(commands_are_done_once),
        TEST(commands_that_come_together_are_all_answered),
        TEST(a_full_outbox_drops_and_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
