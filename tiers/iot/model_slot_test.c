/* Updates of a slot: signed, fetched in parts, tried, swapped, refused. */
#include "tiers/iot/model_slot_test_scene.h"

static void a_bundle_is_fetched_tried_and_run(void **state)
{
    struct scene scene;
    begin(&scene, state);
    assert_runs(&scene, "", 0);
    assert_status(&scene, ",\"reported\":{\"bundle\":\"\",\"version\":0}");
    fetch(&scene, 0);
    assert_runs(&scene, scene.digest[0], 1);
    assert_true(scene.wants > 4); /* in parts */
    assert_int_equal(scene.commits, 1);
    assert_int_equal(scene.changes, 1);
    assert_string_equal(scene.left, "");
    assert_status(&scene, scene.digest[0]);
    /* The same again changes nothing. */
    fetch(&scene, 0);
    assert_int_equal(scene.commits, 1);
    publish(&scene, 1, 0.5F);
    fetch(&scene, 1);
    assert_runs(&scene, scene.digest[1], 0.5F);
    assert_string_equal(scene.left, scene.digest[0]);
    /* Back to the first under the same targets, as a rollback is; its parts are here. */
    unsigned wants = scene.wants;
    fetch(&scene, 0);
    assert_runs(&scene, scene.digest[0], 1);
    assert_int_equal(scene.wants, wants);
    restart(&scene);
    assert_runs(&scene, scene.digest[0], 1);
    end(&scene);
}

static void a_broken_transfer_goes_on(void **state)
{
    struct scene scene;
    begin(&scene, state);
    desire(&scene, scene.digest[0]);
    assert_true(answer(&scene) && answer(&scene) && answer(&scene));
    /* What was asked for does not come: it is asked for again from where it stopped. */
    char wanted[MW_DIGEST_TEXT];
    uint64_t offset = scene.offset;
    memcpy(wanted, scene.wanted, sizeof wanted);
    scene.wanted[0] = '\0';
    mw_model_slot_tick(scene.slot, mw_clock_monotonic() + MW_SECOND);
    assert_string_equal(scene.wanted, "");
    mw_model_slot_tick(scene.slot, mw_clock_monotonic() + 3 * MW_SECOND);
    assert_string_equal(scene.wanted, wanted);
    assert_int_equal(scene.offset, offset);
    /* Late, doubled and foreign pieces are passed over. */
    unsigned wants = scene.wants;
    update(&scene,
           "{\"v\":1,\"blob\":{\"digest\":\"%s\",\"offset\":%llu,\"size\":9,\"data\":\"AAAA\"}}",
           wanted, (unsigned long long)offset + 1);
    update(&scene,
           "{\"v\":1,\"blob\":{\"digest\":\"%s\",\"offset\":0,\"size\":9,\"data\":\"AAAA\"}}",
           scene.digest[0]);
    update(&scene, "{\"v\":1,\"blob\":7}");
    assert_int_equal(scene.wants, wants);
    /* Another process: the parts that were whole are not asked for again. */
    restart(&scene);
    scene.wants = 0;
    desire(&scene, scene.digest[0]);
    assert_string_not_equal(scene.wanted, scene.digest[0]); /* the manifest is here */
    while (answer(&scene)) {
    }
    assert_runs(&scene, scene.digest[0], 1);
    end(&scene);
}

static void bad_parts_are_refused(void **state)
{
    static const char *const bad[] = {
        "\"size\":3,\"data\":\"AAAA\"",         "\"size\":4,\"data\":\"AAA\"",
        "\"size\":2,\"data\":\"AAAA\"",         "\"size\":9,\"data\":\"\"",
        "\"size\":-1,\"data\":\"AAAA\"",        "\"size\":3,\"data\":\"A=AA\"",
        "\"size\":3000000000,\"data\":\"AAAA\""};
    struct scene scene;
    begin(&scene, state);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        desire(&scene, scene.digest[0]);
        update(&scene, "{\"v\":1,\"blob\":{\"digest\":\"%s\",\"offset\":0,%s}}", scene.digest[0],
               bad[i]);
        assert_runs(&scene, "", 0);
        assert_status(&scene, i == 0 ? "does not have the hash" : "wrong size or broken base64");
        assert_status(&scene, scene.digest[0]);
        assert_int_equal(scene.changes, i + 1);
    }
    fetch(&scene, 0); /* it may still come whole */
    assert_runs(&scene, scene.digest[0], 1);
    end(&scene);
}

/* Changes one hex digit of the signature in the base64 text. */
static void spoil_signature(struct scene *scene)
{
    struct mw_buffer bytes = {0};
    assert_int_equal(mw_buffer_reserve(&bytes, scene->targets.size), MW_OK);
    bytes.size = (size_t)EVP_DecodeBlock((unsigned char *)bytes.data,
                                         (const unsigned char *)scene->targets.data,
                                         (int)scene->targets.size);
    char *at = strstr(bytes.data, "\"sig\":\"");
    assert_non_null(at);
    at[20] = at[20] == '0' ? '1' : '0';
    while (bytes.data[bytes.size - 1] == '\0') {
        bytes.size--;
    }
    encode((struct mw_span){bytes.data, bytes.size}, &scene->targets);
    mw_buffer_free(&bytes);
}

static void what_is_not_signed_is_refused(void **state)
{
    struct scene scene;
    struct mw_buffer old = {0};
    begin(&scene, state);
    fetch(&scene, 0);
    assert_int_equal(mw_buffer_add(&old, scene.targets.data, scene.targets.size), MW_OK);
    publish(&scene, 1, 0.5F);
    spoil_signature(&scene);
    desire(&scene, scene.digest[1]);
    assert_runs(&scene, scene.digest[0], 1);
    assert_status(&scene, "\"refused\":\"sha256:");
    assert_string_equal(scene.wanted, ""); /* nothing of it was fetched */
    update(&scene, "{\"v\":1,\"desired\":{\"bundle\":\"%s\"}}", scene.digest[1]);
    assert_status(&scene, "no signed targets");
    update(&scene, "{\"v\":1,\"desired\":{\"bundle\":\"%s\",\"targets\":\"!!!\"}}",
           scene.digest[1]);
    assert_status(&scene, "no signed targets");
    read_targets(&scene);
    update(&scene, "{\"v\":1,\"desired\":{\"bundle\":\"sha256:%064d\",\"targets\":\"%.*s\"}}", 7,
           (int)scene.targets.size, scene.targets.data);
    assert_status(&scene, "is not among the signed targets");
    fetch(&scene, 1);
    assert_runs(&scene, scene.digest[1], 0.5F);
    /* The older targets are no way back, before or after a restart. */
    for (int i = 0; i < 2; i++) {
        struct mw_buffer newer = scene.targets;
        scene.targets = old;
        desire(&scene, scene.digest[0]);
        scene.targets = newer;
        assert_runs(&scene, scene.digest[1], 0.5F);
        assert_status(&scene, "older than");
        restart(&scene);
    }
    mw_buffer_free(&old);
    end(&scene);
}

/* Signed, whole, and does not give the answers that it was published with. */
static void publish_wrong_golden(struct scene *scene, int i)
{
    struct mw_bundle bundle;
    char keys[128];
    uint64_t length = 0;
    test_bundle_build(&bundle, 0.25F);
    mw_buffer_clear(&bundle.golden);
    test_golden_build(&bundle.golden, 0.125F);
    (void)snprintf(keys, sizeof keys, "%s/keys", scene->place->folder);
    assert_ok(mw_bundle_put(scene->registry, &bundle, &length, error));
    memcpy(scene->digest[i], bundle.digest, MW_DIGEST_TEXT);
    assert_ok(
        mw_trust_sign(scene->registry, keys, "bundle/wrong", bundle.digest, length, NULL, error));
    mw_bundle_clear(&bundle);
    read_targets(scene);
}

static void a_bundle_that_fails_its_trial_is_refused(void **state)
{
    struct scene scene;
    begin(&scene, state);
    fetch(&scene, 0);
    publish_wrong_golden(&scene, 2);
    fetch(&scene, 2);
    assert_runs(&scene, scene.digest[0], 1);
    assert_status(&scene, "golden.bin: vector 0 scores");
    assert_status(&scene, scene.digest[2]);
    restart(&scene);
    assert_runs(&scene, scene.digest[0], 1);
    /* Telling it again of what it runs ends the complaint. */
    desire(&scene, scene.digest[0]);
    assert_status(&scene, "\",\"version\":3}");
    end(&scene);
}

static void what_cannot_be_noted_is_not_run(void **state)
{
    struct scene scene;
    begin(&scene, state);
    fetch(&scene, 0);
    publish(&scene, 1, 0.5F);
    scene.disk_full = true;
    fetch(&scene, 1);
    assert_runs(&scene, scene.digest[0], 1);
    assert_status(&scene, "disk full");
    scene.disk_full = false;
    restart(&scene);
    assert_runs(&scene, scene.digest[0], 1);
    fetch(&scene, 1);
    assert_runs(&scene, scene.digest[1], 0.5F);
    end(&scene);
}

static void none_may_be_desired(void **state)
{
    struct scene scene;
    begin(&scene, state);
    fetch(&scene, 0);
    update(&scene, "{\"v\":1,\"desired\":{\"bundle\":null,\"stage\":\"rollback\"}}");
    assert_runs(&scene, "", 0);
    assert_string_equal(scene.left, scene.digest[0]);
    assert_status(&scene, "{\"bundle\":\"\",");
    restart(&scene);
    assert_runs(&scene, "", 0);
    fetch(&scene, 0);
    assert_runs(&scene, scene.digest[0], 1);
    update(&scene, "{\"v\":1,\"desired\":{\"rollout\":\"r\"}}"); /* names none: no wish */
    update(&scene, "{\"v\":1,\"desired\":{\"bundle\":\"latest\"}}");
    update(&scene, "{\"v\":2,\"desired\":{\"bundle\":\"\"}}");
    update(&scene, "{\"v\":1,");
    update(&scene, "[]");
    assert_runs(&scene, scene.digest[0], 1);
    end(&scene);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_set_up, place_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_bundle_is_fetched_tried_and_run),
        TEST(a_broken_transfer_goes_on),
        TEST(bad_parts_are_refused),
        TEST(what_is_not_signed_is_refused),
        TEST(a_bundle_that_fails_its_trial_is_refused),
        TEST(what_cannot_be_noted_is_not_run),
        TEST(none_may_be_desired),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
