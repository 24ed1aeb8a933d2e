/* model_slot_test_scene.h - a slot with an outbox, a registry of three bundles and who answers it.
 */
#ifndef MW_IOT_MODEL_SLOT_TEST_SCENE_H
#define MW_IOT_MODEL_SLOT_TEST_SCENE_H

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

static inline void on_want(void *context, const char *digest, uint64_t offset)
{
    struct scene *scene = context;
    (void)snprintf(scene->wanted, sizeof scene->wanted, "%s", digest);
    scene->offset = offset;
    scene->wants++;
}

static inline mw_err on_commit(void *context, const struct mw_bundle *leaving,
                               struct mw_error *error)
{
    struct scene *scene = context;
    if (scene->disk_full) {
        return mw_error_set(error, MW_ERR_FULL, "disk full");
    }
    (void)snprintf(scene->left, sizeof scene->left, "%s", leaving == NULL ? "" : leaving->digest);
    scene->commits++;
    return mw_outbox_commit(scene->outbox, error);
}

static inline void on_changed(void *context)
{
    struct scene *scene = context;
    scene->changes++;
}

static inline void open_slot(struct scene *scene)
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
static inline void restart(struct scene *scene)
{
    char path[512];
    mw_model_slot_free(scene->slot);
    mw_outbox_close(scene->outbox);
    (void)snprintf(path, sizeof path, "%s", place_path(scene->place, "outbox.db"));
    assert_ok(mw_outbox_open(&scene->outbox, path, error));
    open_slot(scene);
}

static inline void encode(struct mw_span bytes, struct mw_buffer *out)
{
    mw_buffer_clear(out);
    assert_int_equal(mw_buffer_reserve(out, bytes.size * 4 / 3 + 8), MW_OK);
    out->size = (size_t)EVP_EncodeBlock((unsigned char *)out->data,
                                        (const unsigned char *)bytes.data, (int)bytes.size);
}

static inline void read_targets(struct scene *scene)
{
    struct mw_buffer bytes = {0};
    assert_ok(mw_trust_targets(scene->registry, &bytes, error));
    encode((struct mw_span){bytes.data, bytes.size}, &scene->targets);
    mw_buffer_free(&bytes);
}

static inline struct mw_store *open_store(const struct scene *scene, const char *name)
{
    char uri[256];
    struct mw_store *store = NULL;
    (void)snprintf(uri, sizeof uri, "oci:%s/%s", scene->place->folder, name);
    assert_ok(mw_store_open(&store, uri, true, error));
    return store;
}

static inline void publish(struct scene *scene, int i, float weight)
{
    char keys[128];
    (void)snprintf(keys, sizeof keys, "%s/keys", scene->place->folder);
    assert_ok(test_bundle_publish(scene->registry, keys, weight, scene->digest[i], error));
    read_targets(scene);
}

static inline void begin(struct scene *scene, void **state)
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

static inline void end(struct scene *scene)
{
    mw_model_slot_free(scene->slot);
    mw_outbox_close(scene->outbox);
    mw_store_close(scene->registry);
    mw_store_close(scene->store);
    mw_buffer_free(&scene->root);
    mw_buffer_free(&scene->targets);
}

static inline void update(struct scene *scene, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static inline void update(struct scene *scene, const char *format, ...)
{
    static char text[200000];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    assert_in_range(n, 1, sizeof text - 1);
    mw_model_slot_update(scene->slot, (struct mw_span){text, (size_t)n});
}

static inline void desire(struct scene *scene, const char *digest)
{
    update(scene, "{\"v\":1,\"desired\":{\"bundle\":\"%s\",\"targets\":\"%.*s\"}}", digest,
           (int)scene->targets.size, scene->targets.data);
}

/* Answers one request; false when there is none. */
static inline bool answer(struct scene *scene)
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

static inline void fetch(struct scene *scene, int i)
{
    desire(scene, scene->digest[i]);
    while (answer(scene)) {
    }
}

static inline void assert_runs(struct scene *scene, const char *digest, float weight)
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

static inline void assert_status(const struct scene *scene, const char *part)
{
    struct mw_buffer json = {0};
    mw_model_slot_status(scene->slot, &json);
    if (strstr(json.data, part) == NULL) {
        fail_msg("%s is not in %s", part, json.data);
    }
    mw_buffer_free(&json);
}

#endif
