/* Updates of a slot: signed, fetched in parts, tried, swapped, refused; and what a restart finds.
 */
#include "tiers/iot/model_slot.h"
#include "tiers/iot/model_slot_saved.h"

#include "tiers/iot/test_place.h"

#include "lib/artifact/baselines.h"
#include "lib/artifact/test_bundle.h"

#include <openssl/evp.h>

struct scene {
    struct place *place;
    struct mw_store *registry, *store;
    struct mw_outbox *outbox;
    struct mw_buffer root, targets; /* targets: in base64 */
    struct mw_model_slot *slot;
    char digest[3][MW_DIGEST_TEXT]; /* bundles of weight 1, 0.5, 0.25 */
    size_t part;                    /* bytes of a blob in a message */
    char wanted[MW_DIGEST_TEXT];    /* asked for; empty: nothing */
    uint64_t offset;
    unsigned wants, changes, commits;
    char left[MW_DIGEST_TEXT]; /* the bundle that left last */
    bool disk_full;
};

static void on_want(void *context, const char *digest, uint64_t offset)
{
    struct scene *scene = context;
    (void)snprintf(scene->wanted, sizeof scene->wanted, "%s", digest);
    scene->offset = offset;
    scene->wants++;
}

static mw_err on_commit(void *context, const struct mw_bundle *leaving, struct mw_error *error)
{
    struct scene *scene = context;
    if (scene->disk_full) {
        return mw_error_set(error, MW_ERR_FULL, "disk full");
    }
    (void)snprintf(scene->left, sizeof scene->left, "%s", leaving == NULL ? "" : leaving->digest);
    scene->commits++;
    return mw_outbox_commit(scene->outbox, error);
}

static void on_changed(void *context)
{
    struct scene *scene = context;
    scene->changes++;
}

static void open_slot(struct scene *scene)
{
    struct mw_model_slot_options options = {.device = "m",
                                            .store = scene->store,
                                            .outbox = scene->outbox,
                                            .root = {scene->root.data, scene->root.size},
                                            .context = scene,
                                            .want = on_want,
                                            .commit = on_commit,
                                            .changed = on_changed};
    scene->wanted[0] = '\0';
    assert_ok(mw_model_slot_new(&scene->slot, &options, error));
    mw_model_slot_resume(scene->slot);
}

/* As a process that starts again. */
static void restart(struct scene *scene)
{
    char path[512];
    mw_model_slot_free(scene->slot);
    mw_outbox_close(scene->outbox);
    (void)snprintf(path, sizeof path, "%s", place_path(scene->place, "outbox.db"));
    assert_ok(mw_outbox_open(&scene->outbox, path, error));
    open_slot(scene);
}

static void encode(struct mw_span bytes, struct mw_buffer *out)
{
    mw_buffer_clear(out);
    assert_int_equal(mw_buffer_reserve(out, bytes.size * 4 / 3 + 8), MW_OK);
    out->size = (size_t)EVP_EncodeBlock((unsigned char *)out->data,
                                        (const unsigned char *)bytes.data, (int)bytes.size);
}

static void read_targets(struct scene *scene)
{
    struct mw_buffer bytes = {0};
    assert_ok(mw_trust_targets(scene->registry, &bytes, error));
    encode((struct mw_span){bytes.data, bytes.size}, &scene->targets);
    mw_buffer_free(&bytes);
}

static struct mw_store *open_store(const struct scene *scene, const char *name)
{
    char uri[256];
    struct mw_store *store = NULL;
    (void)snprintf(uri, sizeof uri, "oci:%s/%s", scene->place->folder, name);
    assert_ok(mw_store_open(&store, uri, true, error));
    return store;
}

static void publish(struct scene *scene, int i, float weight)
{
    char keys[128];
    (void)snprintf(keys, sizeof keys, "%s/keys", scene->place->folder);
    assert_ok(test_bundle_publish(scene->registry, keys, weight, scene->digest[i], error));
    read_targets(scene);
}

static void begin(struct scene *scene, void **state)
{
    char keys[128];
    *scene = (struct scene){.place = *state, .part = 700};
    (void)snprintf(keys, sizeof keys, "%s/keys", scene->place->folder);
    scene->registry = open_store(scene, "registry");
    scene->store = open_store(scene, "store");
    assert_ok(mw_trust_init(scene->registry, keys, error));
    assert_ok(mw_trust_root(scene->registry, &scene->root, error));
    assert_ok(mw_outbox_open(&scene->outbox, place_path(scene->place, "outbox.db"), error));
    publish(scene, 0, 1);
    open_slot(scene);
}

static void end(struct scene *scene)
{
    mw_model_slot_free(scene->slot);
    mw_outbox_close(scene->outbox);
    mw_store_close(scene->registry);
    mw_store_close(scene->store);
    mw_buffer_free(&scene->root);
    mw_buffer_free(&scene->targets);
}

static void update(struct scene *scene, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void update(struct scene *scene, const char *format, ...)
{
    static char text[200000];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    assert_in_range(n, 1, sizeof text - 1);
    mw_model_slot_update(scene->slot, (struct mw_span){text, (size_t)n});
}

static void desire(struct scene *scene, const char *digest)
{
    update(scene, "{\"v\":1,\"desired\":{\"bundle\":\"%s\",\"targets\":\"%.*s\"}}", digest,
           (int)scene->targets.size, scene->targets.data);
}

/* Answers one request; false when there is none. */
static bool answer(struct scene *scene)
{
    struct mw_buffer bytes = {0}, text = {0};
    uint64_t total = 0;
    char digest[MW_DIGEST_TEXT];
    if (scene->wanted[0] == '\0') {
        return false;
    }
    memcpy(digest, scene->wanted, sizeof digest);
    scene->wanted[0] = '\0';
    assert_ok(
        mw_store_read(scene->registry, digest, scene->offset, scene->part, &bytes, &total, error));
    encode((struct mw_span){bytes.data, bytes.size}, &text);
    update(scene,
           "{\"v\":1,\"blob\":{\"digest\":\"%s\",\"offset\":%llu,\"size\":%llu,\"data\":\"%.*s\"}}",
           digest, (unsigned long long)scene->offset, (unsigned long long)total, (int)text.size,
           text.data);
    mw_buffer_free(&bytes);
    mw_buffer_free(&text);
    return true;
}

static void fetch(struct scene *scene, int i)
{
    desire(scene, scene->digest[i]);
    while (answer(scene)) {
    }
}

static void assert_runs(struct scene *scene, const char *digest, float weight)
{
    const float x[] = {0.25F, 0.5F};
    struct mw_runner *runner = mw_model_slot_runner(scene->slot);
    if (digest[0] == '\0') {
        assert_null(runner);
        return;
    }
    assert_non_null(runner);
    assert_string_equal(runner->bundle.digest, digest);
    assert_true(mw_runner_score(runner, x) == test_model_score(weight, x[0], x[1]));
}

static void assert_status(const struct scene *scene, const char *part)
{
    struct mw_buffer json = {0};
    mw_model_slot_status(scene->slot, &json);
    if (strstr(json.data, part) == NULL) {
        fail_msg("%s is not in %s", part, json.data);
    }
    mw_buffer_free(&json);
}

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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_set_up, place_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_bundle_is_fetched_tried_and_run),
        TEST(a_broken_transfer_goes_on),
        TEST(bad_parts_are_refused),
        TEST(what_is_not_signed_is_refused),
        TEST(a_bundle_that_fails_its_trial_is_refused),
        TEST(what_cannot_be_noted_is_not_run),
        TEST(what_kills_the_process_is_not_tried_for_ever),
        TEST(a_trial_that_was_broken_off_goes_on),
        TEST(an_older_programs_outbox_is_read),
        TEST(a_damaged_bundle_falls_back),
        TEST(none_may_be_desired),
        TEST(the_store_keeps_what_the_slot_may_want),
        TEST(baselines_survive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
