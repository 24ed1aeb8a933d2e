/* Which bundle a record is held against, from the orders in the stream. */
#include "tiers/training/watch_internal.h"

#include "lib/artifact/test_bundle.h"
#include "tiers/training/in_use.h"
#include "tiers/training/training_test_plant.h"

#define TOKENS 256

struct scene {
    struct test_plant test;
    struct mw_watch_role role;
};

static void open_role(struct scene *s)
{
    char uri[256];
    size_t size = mw_wire_parser_size(TOKENS);
    s->role = (struct mw_watch_role){.plant = &s->test.plant, .parser_memory = malloc(size)};
    assert_non_null(s->role.parser_memory);
    assert_ok(mw_wire_parser_init(s->role.parser_memory, size, &s->role.parser));
    assert_ok(mw_baselines_new(&s->role.baselines, error));
    assert_ok(mw_in_use_store(&s->role.store, &s->test.plant, true, error));
    assert_ok(mw_plant_stream_uri(&s->test.plant, uri, sizeof uri));
    struct mw_stream_options options = {.uri = uri, .plant = "test", .writer = "watch"};
    assert_ok(mw_stream_open(&s->role.stream, &options, error));
}

static void close_role(struct scene *s)
{
    mw_watch_forget_all(&s->role);
    mw_baselines_free(s->role.baselines);
    mw_store_close(s->role.store);
    mw_stream_close(s->role.stream);
    free(s->role.parser_memory);
}

static int set_up(void **state)
{
    struct scene *s = calloc(1, sizeof *s);
    *state = s;
    test_plant_open(&s->test, "model: {scope: machine}\n");
    open_role(s);
    return 0;
}

static int tear_down(void **state)
{
    struct scene *s = *state;
    close_role(s);
    test_plant_close(&s->test);
    free(s);
    return 0;
}

/* Stores a bundle of a machine, or with NULL of the plant. */
static void store(struct scene *s, const char *machine, float weight, char digest[MW_DIGEST_TEXT])
{
    struct mw_bundle bundle;
    uint64_t length;
    test_bundle_build(&bundle, weight);
    bundle.machine = machine == NULL ? NULL : strdup(machine);
    assert_ok(mw_bundle_put(s->role.store, &bundle, &length, error));
    memcpy(digest, bundle.digest, MW_DIGEST_TEXT);
    mw_bundle_clear(&bundle);
}

static struct mw_watched *take(struct scene *s, const char *topic, const char *key,
                               const char *value)
{
    struct mw_watched *watched;
    struct mw_stream_record record = {
        .topic = topic, .key = mw_span_of(key), .value = mw_span_of(value)};
    assert_ok(mw_watch_take(&s->role, &record, &watched, error));
    return watched;
}

static void order(struct scene *s, const char *device, const char *digest)
{
    char text[200];
    snprintf(text, sizeof text, "{\"v\":1,\"device\":\"%s\",\"desired\":{\"bundle\":\"%s\"}}",
             device, digest);
    assert_null(take(s, "update", device, text));
}

static struct mw_watched *record(struct scene *s, const char *device, const char *machine)
{
    char text[200];
    snprintf(text, sizeof text,
             "{\"v\":1,\"device\":\"%s\",\"machine\":\"%s\",\"boot\":1,\"seq\":0,\"time\":5,"
             "\"features\":{\"a\":0.5,\"b\":0.5}}",
             device, machine);
    return take(s, "telemetry", device, text);
}

/* The bundle that the machine's records are held against, or NULL. */
static const char *against(struct scene *s, const char *machine)
{
    const struct mw_watched *watched = mw_watch_find(&s->role, mw_span_of(machine));
    return watched == NULL ? NULL : watched->bundle.digest;
}

static void test_each_machine_is_held_against_its_own(void **state)
{
    struct scene *s = *state;
    char one[MW_DIGEST_TEXT], two[MW_DIGEST_TEXT], other[MW_DIGEST_TEXT], text[300];
    store(s, "motor-1", 1, one);
    store(s, "pump-7", 2, two);
    store(s, "motor-1", 3, other);
    assert_null(record(s, "motor-1", "motor-1"));
    order(s, "motor-1", one);
    order(s, "gateway", two); /* which speaks for the pump */
    order(s, "*", other);     /* no machine's own */
    assert_string_equal(against(s, "motor-1"), one);
    assert_string_equal(against(s, "pump-7"), two);
    assert_null(against(s, "motor-2"));
    assert_ptr_equal(record(s, "gateway", "pump-7"), mw_watch_find(&s->role, mw_span_of("pump-7")));
    assert_null(record(s, "motor-2", "motor-2"));
    snprintf(text, sizeof text,
             "{\"v\":1,\"device\":\"motor-1\",\"machine\":\"motor-1\",\"boot\":1,\"seq\":0,"
             "\"time\":5,\"score\":0.5,\"band\":\"impending\",\"model\":\"%s\",\"level\":3}",
             one);
    assert_non_null(take(s, "score", "motor-1", text));
    order(s, "motor-1", other);
    assert_string_equal(against(s, "motor-1"), other);
    assert_null(take(s, "score", "motor-1", text)); /* of the model before */
    assert_int_equal(s->role.n_watched, 2);
}

static void test_what_serves_no_more_is_not_watched(void **state)
{
    struct scene *s = *state;
    char one[MW_DIGEST_TEXT], plants[MW_DIGEST_TEXT], missing[MW_DIGEST_TEXT];
    store(s, "motor-1", 1, one);
    store(s, NULL, 2, plants);
    mw_digest("x", 1, missing);
    order(s, "motor-1", one);
    order(s, "motor-1", "");
    assert_null(against(s, "motor-1"));
    order(s, "motor-1", one);
    order(s, "motor-1", plants); /* not this machine's own */
    assert_null(against(s, "motor-1"));
    order(s, "motor-1", one);
    order(s, "motor-1", missing);
    assert_null(against(s, "motor-1"));
    order(s, "motor-1", one);
    order(s, "gateway", one); /* another device speaks for it from now on */
    assert_int_equal(s->role.n_watched, 1);
    assert_string_equal(s->role.watched[0]->device, "gateway");
}

static void test_a_plant_follows_the_order_for_all(void **state)
{
    struct scene *s = *state;
    char one[MW_DIGEST_TEXT], canary[MW_DIGEST_TEXT];
    s->test.plant.model.scope = MW_SCOPE_PLANT;
    store(s, NULL, 1, one);
    store(s, NULL, 2, canary);
    order(s, "motor-1", canary);
    assert_null(against(s, "motor-1"));
    order(s, "*", one);
    order(s, "motor-1", canary);
    assert_string_equal(against(s, "motor-1"), one);
    assert_string_equal(against(s, "never-seen"), one);
    assert_non_null(record(s, "motor-9", "motor-9"));
}

static void keep(struct mw_stream *stream, const char *topic, const char *key, const char *value)
{
    assert_ok(mw_stream_put(stream, topic, mw_span_of(key), mw_span_of(value), error));
}

/* What an earlier process knew: orders, baselines, and that it has given an alarm. */
static void test_a_new_process_knows_what_was_in_force(void **state)
{
    struct scene *s = *state;
    char one[MW_DIGEST_TEXT], two[MW_DIGEST_TEXT], text[200];
    static const char *const machines[] = {"motor-1", "motor-2"};
    store(s, "motor-1", 1, one);
    store(s, "motor-2", 2, two);
    test_plant_record(&s->test, "motor-1", 1, 1, 1, 1, "");
    test_plant_append(&s->test, &s->test.learn, "learn", "baseline", "motor-1", "{}");
    for (int i = 0; i < 2; i++) {
        snprintf(text, sizeof text, "{\"bundle\":\"%s\"}", i == 0 ? one : two);
        keep(s->test.bridge, "desired", machines[i], text);
        /* Of a machine whose bundle is another one by now the alarm is answered. */
        snprintf(text, sizeof text, "{\"v\":1,\"machine\":\"%s\",\"bundle\":\"%s\"}", machines[i],
                 one);
        assert_ok(mw_stream_begin(s->role.stream, error));
        keep(s->role.stream, "drift", machines[i], text);
        assert_ok(mw_stream_commit(s->role.stream, NULL, error));
    }
    keep(s->test.learn, "baseline", "motor-2",
         "{\"v\":1,\"machine\":\"motor-2\",\"count\":9,\"features\":{\"a\":[3,1],\"b\":[4,2]}}");
    test_plant_commit(&s->test);
    close_role(s);
    open_role(s);
    assert_ok(mw_watch_restore(&s->role, error));
    assert_string_equal(against(s, "motor-1"), one);
    assert_int_equal(mw_watch_drifted(mw_watch_find(&s->role, mw_span_of("motor-1"))->watch), 1);
    assert_string_equal(against(s, "motor-2"), two);
    const struct mw_watched *second = mw_watch_find(&s->role, mw_span_of("motor-2"));
    assert_int_equal(mw_watch_drifted(second->watch), 0);
    assert_int_equal(second->baseline.count, 9);
    assert_float_equal(second->baseline.mean[1], 4, 0);
}

static void test_what_is_no_order_changes_nothing(void **state)
{
    struct scene *s = *state;
    static const char *const values[] = {
        "", "{", "[]", "7", "{\"desired\":7}", "{\"desired\":{\"bundle\":7}}"};
    char one[MW_DIGEST_TEXT];
    store(s, "motor-1", 1, one);
    order(s, "motor-1", one);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        assert_null(take(s, "update", "motor-1", values[i]));
        assert_null(take(s, "baseline", "motor-1", values[i]));
        assert_null(take(s, "telemetry", "motor-1", values[i]));
        assert_null(take(s, "event", "motor-1", values[i]));
    }
    assert_string_equal(against(s, "motor-1"), one);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ROW(test_each_machine_is_held_against_its_own),
        ROW(test_what_serves_no_more_is_not_watched),
        ROW(test_a_plant_follows_the_order_for_all),
        ROW(test_a_new_process_knows_what_was_in_force),
        ROW(test_what_is_no_order_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
