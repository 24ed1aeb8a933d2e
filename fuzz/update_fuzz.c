/* What comes to a thing on its topic `update`: desired states and parts of bundles. A line is a
 * message, in which $0, $1 stand for the digests of two signed bundles, $2 for one that nobody
 * signed and $T for the signed targets in base64; or one of
 *
 *   .  the bridge answers what was asked for        !  the disk is full from here on, or no more
 *   ~  the process starts again
 *
 * Whatever comes, the thing runs none but the two signed bundles, and can say what it runs. */
#include "fuzz/folder.h"
#include "lib/artifact/test_bundle.h"
#include "lib/base/log.h"
#include "tiers/iot/model_slot.h"

#include <openssl/evp.h>

#define LINES_MAX 64
#define PIECE 3000 /* bytes of a part in one answer: the whole of some, a piece of others */

static struct {
    struct mw_store *registry, *store; /* the plant's; the thing's, which each input finds empty */
    struct mw_buffer root, targets;
    char digest[3][MW_DIGEST_TEXT];
    struct mw_outbox *outbox;
    struct mw_model_slot *slot;
    char wanted[MW_DIGEST_TEXT];
    uint64_t offset;
    bool full;
} scene;

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void on_want(void *context, const char *digest, uint64_t offset)
{
    (void)context;
    (void)snprintf(scene.wanted, sizeof scene.wanted, "%s", digest);
    scene.offset = offset;
}

static mw_err on_commit(void *context, const struct mw_bundle *leaving, struct mw_error *error)
{
    (void)context;
    (void)leaving;
    return scene.full ? mw_error_set(error, MW_ERR_FULL, "disk full")
                      : mw_outbox_commit(scene.outbox, error);
}

static void on_changed(void *context)
{
    (void)context;
}

static void open_slot(void)
{
    const struct mw_model_slot_options options = {.device = "m",
                                                  .store = scene.store,
                                                  .outbox = scene.outbox,
                                                  .root = {scene.root.data, scene.root.size},
                                                  .want = on_want,
                                                  .commit = on_commit,
                                                  .changed = on_changed};
    scene.wanted[0] = '\0';
    require(mw_model_slot_new(&scene.slot, &options, NULL) == MW_OK);
    mw_model_slot_resume(scene.slot);
}

/* --- the plant, made once --- */

static void empty_folder(const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
    fuzz_folder_empty(path);
}

static struct mw_store *open_store(const char *name)
{
    char uri[128];
    struct mw_store *store = NULL;
    (void)snprintf(uri, sizeof uri, "oci:%s/%s", fuzz_folder(), name);
    require(mw_store_open(&store, uri, true, NULL) == MW_OK);
    return store;
}

static void to_base64(const struct mw_buffer *bytes, struct mw_buffer *text)
{
    mw_buffer_clear(text);
    require(mw_buffer_reserve(text, bytes->size / 3 * 4 + 8) == MW_OK);
    text->size = (size_t)EVP_EncodeBlock((unsigned char *)text->data,
                                         (const unsigned char *)bytes->data, (int)bytes->size);
}

static void make_plant(void)
{
    char keys[128];
    struct mw_buffer bytes = {0};
    struct mw_bundle bundle;
    uint64_t length = 0;
    mw_log_init("fuzz", MW_LOG_ERROR + 1, MW_LOG_TEXT);
    (void)snprintf(keys, sizeof keys, "%s/keys", fuzz_folder());
    scene.registry = open_store("registry");
    require(mw_trust_init(scene.registry, keys, NULL) == MW_OK);
    require(mw_trust_root(scene.registry, &scene.root, NULL) == MW_OK);
    for (int i = 0; i < 2; i++) {
        require(test_bundle_publish(scene.registry, keys, i == 0 ? 1.0F : 0.5F, scene.digest[i],
                                    NULL) == MW_OK);
    }
    test_bundle_build(&bundle, 0.25F);
    require(mw_bundle_put(scene.registry, &bundle, &length, NULL) == MW_OK);
    memcpy(scene.digest[2], bundle.digest, sizeof bundle.digest);
    mw_bundle_clear(&bundle);
    require(mw_trust_targets(scene.registry, &bytes, NULL) == MW_OK);
    to_base64(&bytes, &scene.targets);
    mw_buffer_free(&bytes);
}

/* --- one input --- */

static void check(void)
{
    struct mw_buffer json = {0};
    struct mw_runner *runner = mw_model_slot_runner(scene.slot);
    require(runner == NULL || strcmp(runner->bundle.digest, scene.digest[0]) == 0 ||
            strcmp(runner->bundle.digest, scene.digest[1]) == 0);
    require(mw_buffer_add(&json, "{\"v\":1", 6) == MW_OK);
    mw_model_slot_status(scene.slot, &json);
    require(mw_buffer_add(&json, "}", 1) == MW_OK);
    json_t *status = json_loadb(json.data, json.size, JSON_REJECT_DUPLICATES, NULL);
    require(json_is_object(json_object_get(status, "reported")));
    json_decref(status);
    mw_buffer_free(&json);
}

static void answer(void)
{
    struct mw_buffer bytes = {0}, data = {0}, text = {0};
    uint64_t total = 0;
    char digest[MW_DIGEST_TEXT];
    memcpy(digest, scene.wanted, sizeof digest);
    scene.wanted[0] = '\0';
    if (digest[0] == '\0' ||
        mw_store_read(scene.registry, digest, scene.offset, PIECE, &bytes, &total, NULL) != MW_OK) {
        return;
    }
    to_base64(&bytes, &data);
    require(mw_buffer_printf(&text,
                             "{\"v\":1,\"blob\":{\"digest\":\"%s\",\"offset\":%llu,\"size\":%llu,"
                             "\"data\":\"%.*s\"}}",
                             digest, (unsigned long long)scene.offset, (unsigned long long)total,
                             (int)data.size, data.data) == MW_OK);
    mw_model_slot_update(scene.slot, (struct mw_span){text.data, text.size});
    mw_buffer_free(&bytes);
    mw_buffer_free(&data);
    mw_buffer_free(&text);
}

/* The message with what its placeholders stand for. */
static void send_message(struct mw_span line)
{
    struct mw_buffer text = {0};
    for (size_t i = 0; i < line.size; i++) {
        char next = line.data[i] == '$' && i + 1 < line.size ? line.data[i + 1] : '\0';
        if (next == 'T') {
            require(mw_buffer_add(&text, scene.targets.data, scene.targets.size) == MW_OK);
        } else if (next >= '0' && next <= '2') {
            const char *digest = scene.digest[next - '0'];
            require(mw_buffer_add(&text, digest, strlen(digest)) == MW_OK);
        } else {
            require(mw_buffer_add(&text, &line.data[i], 1) == MW_OK);
            continue;
        }
        i++;
    }
    mw_model_slot_update(scene.slot, (struct mw_span){text.data, text.size});
    mw_buffer_free(&text);
}

static void take_line(struct mw_span line)
{
    if (mw_span_is(line, ".")) {
        answer();
    } else if (mw_span_is(line, "!")) {
        scene.full = !scene.full;
    } else if (mw_span_is(line, "~")) {
        mw_model_slot_free(scene.slot);
        open_slot();
    } else {
        send_message(line);
    }
    check();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mw_span rest = {(const char *)data, size};
    if (scene.registry == NULL) {
        make_plant();
    }
    scene.full = false;
    scene.store = open_store("store");
    require(mw_outbox_open(&scene.outbox, ":memory:", NULL) == MW_OK);
    open_slot();
    for (int i = 0; i < LINES_MAX && rest.size > 0; i++) {
        const char *end = memchr(rest.data, '\n', rest.size);
        size_t n = end == NULL ? rest.size : (size_t)(end - rest.data);
        take_line((struct mw_span){rest.data, n});
        n += end != NULL;
        rest = (struct mw_span){rest.data + n, rest.size - n};
    }
    mw_model_slot_free(scene.slot);
    mw_outbox_close(scene.outbox);
    mw_store_close(scene.store);
    empty_folder("store");
    return 0;
}
