/* What a slot finds after a restart. */
#include "tiers/iot/model_slot_test_scene.h"

/* As a process does that dies while it tries bundle 1, with so many starts left. */
static void die_in_trial(struct scene *scene, uint8_t starts_left)
{
    struct mw_slots slots;
    uint8_t bytes[MW_SLOTS_DIGEST], spare;
    mw_model_slots_read(scene->outbox, "m", &slots);
    mw_model_slots_bytes(scene->digest[1], bytes);
    assert_int_equal(mw_slots_clear_spare(&slots, &spare), MW_OK);
    assert_int_equal(mw_slots_stage(&slots, 3, bytes), MW_OK);
    assert_int_equal(mw_slots_begin_trial(&slots, MW_MODEL_STARTS), MW_OK);
    slots.starts_left = starts_left;
    assert_ok(mw_model_slots_save(scene->outbox, "m", &slots, error));
    restart(scene);
}

static void what_kills_the_process_is_not_tried_for_ever(void **state)
{
    struct scene scene;
    begin(&scene, state);
    fetch(&scene, 0);
    publish(&scene, 1, 0.5F);
    die_in_trial(&scene, 0);
    assert_runs(&scene, scene.digest[0], 1);
    assert_status(&scene, "went down");
    for (int i = 0; i < 2; i++) {
        restart(&scene);
        fetch(&scene, 1);
        assert_runs(&scene, scene.digest[0], 1);
        assert_status(&scene, "went down");
    }
    end(&scene);
}

/* Dying once may have had another cause. */
static void a_trial_that_was_broken_off_goes_on(void **state)
{
    struct scene scene;
    begin(&scene, state);
    fetch(&scene, 0);
    publish(&scene, 1, 0.5F);
    die_in_trial(&scene, 1); /* before all of it was on disk, say */
    assert_runs(&scene, scene.digest[0], 1);
    assert_status(&scene, scene.digest[1]);
    fetch(&scene, 1);
    assert_runs(&scene, scene.digest[1], 0.5F);
    fetch(&scene, 0);
    unsigned commits = scene.commits;
    die_in_trial(&scene, 1);
    assert_runs(&scene, scene.digest[1], 0.5F);
    assert_string_equal(scene.left, scene.digest[0]);
    assert_int_equal(scene.commits, commits + 1);
    end(&scene);
}

/* What a program of before the two slots had noted. */
static void put_json(struct scene *scene, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void put_json(struct scene *scene, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    assert_ok(mw_outbox_put(scene->outbox, "slot", "m", mw_span_of(text), error));
    restart(scene);
}

static void put_trial(struct scene *scene, int tries)
{
    put_json(scene,
             "{\"active\":\"%s\",\"previous\":\"\",\"trial\":\"%s\",\"tries\":%d,"
             "\"crashed\":\"\",\"version\":2}",
             scene->digest[0], scene->digest[1], tries);
}

static void an_older_programs_outbox_is_read(void **state)
{
    struct scene scene;
    begin(&scene, state);
    fetch(&scene, 0);
    publish(&scene, 1, 0.5F);
    fetch(&scene, 1);
    put_json(&scene,
             "{\"active\":\"%s\",\"previous\":\"%s\",\"trial\":\"\",\"tries\":0,"
             "\"crashed\":\"\",\"version\":9}",
             scene.digest[1], scene.digest[0]);
    assert_runs(&scene, scene.digest[1], 0.5F);
    desire(&scene, scene.digest[0]);
    assert_status(&scene, "older than 9");
    put_trial(&scene, 3);
    assert_runs(&scene, scene.digest[0], 1);
    assert_status(&scene, "went down");
    put_trial(&scene, 2);
    assert_runs(&scene, scene.digest[1], 0.5F);
    put_json(&scene,
             "{\"active\":\"%s\",\"previous\":\"\",\"trial\":\"\",\"tries\":0,"
             "\"crashed\":\"%s\",\"version\":2}",
             scene.digest[0], scene.digest[1]);
    fetch(&scene, 1);
    assert_status(&scene, "went down");
    end(&scene);
}

static void a_damaged_bundle_falls_back(void **state)
{
    struct scene scene;
    char path[128];
    begin(&scene, state);
    fetch(&scene, 0);
    publish(&scene, 1, 0.5F);
    fetch(&scene, 1);
    (void)snprintf(path, sizeof path, "store/blobs/sha256/%.64s", scene.digest[1] + 7);
    place_write(scene.place, path, "{}");
    restart(&scene);
    assert_runs(&scene, scene.digest[0], 1);
    assert_status(&scene, scene.digest[1]);
    fetch(&scene, 1); /* the damaged part is fetched again */
    assert_runs(&scene, scene.digest[1], 0.5F);
    end(&scene);
}

static void the_store_keeps_what_the_slot_may_want(void **state)
{
    struct scene scene;
    char needed[MW_MODEL_SLOT_BUNDLES][MW_DIGEST_TEXT], found[MW_DIGEST_TEXT];
    struct mw_swept swept;
    begin(&scene, state);
    publish(&scene, 1, 0.5F);
    publish(&scene, 2, 0.25F);
    for (int i = 0; i < 3; i++) {
        fetch(&scene, i);
    }
    size_t n = mw_model_slot_bundles(scene.slot, needed);
    bool before = false;
    for (size_t i = 0; i < n; i++) {
        before = before || strcmp(needed[i], scene.digest[1]) == 0;
        assert_string_not_equal(needed[i], scene.digest[0]);
    }
    assert_string_equal(needed[0], scene.digest[2]);
    assert_true(before);
    assert_ok(mw_store_sweep(scene.store, (const char(*)[MW_DIGEST_TEXT])needed, n,
                             mw_clock_utc() + 3600 * MW_SECOND, &swept, error));
    assert_true(swept.blobs > 0);
    assert_refused(mw_store_resolve(scene.store, scene.digest[0], found, error), MW_ERR_NOT_FOUND,
                   scene.digest[0]);
    restart(&scene);
    assert_runs(&scene, scene.digest[2], 0.25F);
    fetch(&scene, 1);
    assert_runs(&scene, scene.digest[1], 0.5F);
    end(&scene);
}

static void baselines_survive(void **state)
{
    struct scene scene;
    begin(&scene, state);
    fetch(&scene, 0);
    assert_null(mw_model_slot_baseline(scene.slot, "m"));
    update(&scene, "{\"v\":1,\"desired\":{\"baseline\":{\"m\":{\"count\":5,\"features\":"
                   "{\"a\":[1,2],\"b\":[3,4]}}}}}");
    for (int i = 0; i < 2; i++) {
        const struct mw_baseline *baseline = mw_model_slot_baseline(scene.slot, "m");
        assert_non_null(baseline);
        assert_int_equal(baseline->count, 5);
        assert_true(baseline->mean[0] == 1 && baseline->std[0] == 2);
        assert_true(baseline->mean[1] == 3 && baseline->std[1] == 4);
        restart(&scene);
    }
    end(&scene);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_set_up, place_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_kills_the_process_is_not_tried_for_ever),
        TEST(a_trial_that_was_broken_off_goes_on),
        TEST(an_older_programs_outbox_is_read),
        TEST(a_damaged_bundle_falls_back),
        TEST(the_store_keeps_what_the_slot_may_want),
        TEST(baselines_survive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
