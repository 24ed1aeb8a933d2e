/* serve_offer.c - which model the firmware of the reference implementation is offered. */
#include "tiers/platform/serve_internal.h"

#include "lib/artifact/trust.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "tiers/platform/bridge_map.h"
#include "tiers/platform/json_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_GAP (5 * MW_SECOND)   /* between looks for other baselines */
#define RETRY_GAP (60 * MW_SECOND) /* after a model that could not be made */

/* A machine that firmware of the reference implementation speaks for, and its baseline as JSON. */
struct machine {
    char name[MW_NAME_MAX + 1];
    struct mw_buffer baseline; /* empty: none */
};

/* What a model is made from. */
struct basis {
    const struct mw_serve *serve;
    struct machine *machine;
    size_t n, capacity;
    bool failed;
};

static bool add_machine(void *context, struct mw_span origin, struct mw_span value)
{
    struct basis *basis = context;
    char text[1100];
    snprintf(text, sizeof text, "%.*s", (int)origin.size, origin.data);
    const struct mw_topic_map *map = mw_bridge_map_of(&basis->serve->plant->topics, text);
    if (map == NULL || strcmp(map->name, MW_PLANT_REFERENCE) != 0) {
        return true;
    }
    json_t *held = json_loadb(value.data, value.size, 0, NULL);
    const char *name = json_string_value(json_object_get(held, "machine"));
    void *machines = basis->machine;
    if (name != NULL && mw_name_valid(mw_span_of(name))) {
        basis->failed |= mw_bridge_make_room(&machines, basis->n, &basis->capacity,
                                             sizeof *basis->machine) != MW_OK;
        basis->machine = machines;
        if (!basis->failed) {
            struct machine *made = &basis->machine[basis->n++];
            *made = (struct machine){.baseline = {0}};
            snprintf(made->name, sizeof made->name, "%s", name);
        }
    }
    json_decref(held);
    return !basis->failed;
}

static void basis_clear(struct basis *basis)
{
    for (size_t i = 0; i < basis->n; i++) {
        mw_buffer_free(&basis->machine[i].baseline);
    }
    free(basis->machine);
}

/* The machines, with the baselines that the learner has set for them. */
static mw_err gather(struct mw_serve *serve, struct basis *basis, struct mw_error *error)
{
    *basis = (struct basis){.serve = serve};
    mw_err err = mw_stream_visit(serve->stream, "bridge", "held", add_machine, basis, error);
    err = err == MW_ERR_NOT_FOUND ? MW_OK : err; /* nobody was heard yet */
    err = err == MW_OK && basis->failed ? mw_error_set(error, MW_ERR_MEMORY, "out of memory") : err;
    for (size_t i = 0; i < basis->n && err == MW_OK; i++) {
        struct machine *machine = &basis->machine[i];
        struct mw_span value = {NULL, 0};
        err = mw_stream_get(serve->stream, "learn", "baseline", mw_span_of(machine->name), &value,
                            error);
        if (err == MW_OK) {
            err = mw_buffer_add(&machine->baseline, value.data, value.size);
        }
        err = err == MW_ERR_NOT_FOUND ? MW_OK : err;
    }
    return err;
}

static mw_err digest_of(const struct mw_serve *serve, const struct basis *basis,
                        char digest[MW_DIGEST_TEXT])
{
    struct mw_buffer text = {0};
    mw_err err = mw_buffer_printf(&text, "%s", serve->reference.desired);
    for (size_t i = 0; i < basis->n && err == MW_OK; i++) {
        const struct machine *machine = &basis->machine[i];
        err = mw_buffer_printf(&text, "\n%s %s", machine->name,
                               machine->baseline.size == 0 ? "" : machine->baseline.data);
    }
    if (err == MW_OK) {
        mw_digest(text.data, text.size, digest);
    }
    mw_buffer_free(&text);
    return err;
}

/* ---- making it ---- */

/* The one machine's baseline that holds, with `own` for what the learner has set; NULL: none has
 * one. `own` is freed by the caller. */
static mw_err choose(const struct basis *basis, const struct mw_bundle *bundle,
                     struct mw_baseline *own, const struct mw_baseline **chosen,
                     struct mw_error *error)
{
    const char *of = NULL;
    mw_err err = MW_OK;
    *chosen = NULL;
    for (size_t i = 0; i < basis->n && err == MW_OK; i++) {
        const struct machine *machine = &basis->machine[i];
        struct mw_span text = {machine->baseline.data, machine->baseline.size};
        struct mw_baseline parsed = {0};
        err = text.size == 0 ? MW_OK : mw_baseline_parse(&parsed, bundle, text, error);
        const struct mw_baseline *holds =
            err != MW_OK ? NULL
                         : mw_baseline_list_choose(&bundle->baselines, machine->name, INT64_MAX,
                                                   text.size == 0 ? NULL : &parsed);
        if (holds != NULL && of != NULL) {
            err =
                mw_error_set(error, MW_ERR_STATE,
                             "%s and %s have baselines of their own, and one model is for all "
                             "who hear %s: a plant without baselines (commission.records: 0) could "
                             "offer it",
                             of, machine->name, basis->serve->plant->reference.control);
        } else if (holds != NULL) {
            of = machine->name;
            *chosen = holds == &parsed ? own : holds;
            *own = parsed;
            continue;
        }
        mw_baseline_clear(&parsed);
    }
    return err;
}

static mw_err load_runner(const struct mw_serve *serve, struct mw_runner *runner,
                          struct mw_error *error)
{
    struct mw_store *store = NULL;
    struct mw_bundle bundle = {0};
    const char *digest = serve->reference.desired;
    mw_err err = mw_serve_open_store(serve, &store, error);
    err = err == MW_OK ? mw_trust_verify(store, digest, error) : err;
    err = err == MW_OK ? mw_bundle_get(store, digest, &bundle, error) : err;
    mw_store_close(store);
    return err == MW_OK ? mw_runner_init(runner, &bundle, error) : err;
}

static mw_err make(const struct mw_serve *serve, const struct basis *basis, struct mw_buffer *file,
                   struct mw_error *error)
{
    struct mw_runner runner;
    struct mw_baseline own = {0};
    const struct mw_baseline *chosen = NULL;
    mw_err err = load_runner(serve, &runner, error);
    if (err != MW_OK) {
        return err;
    }
    err = choose(basis, &runner.bundle, &own, &chosen, error);
    err = err == MW_OK ? mw_firmware_model(&runner, chosen, file, error) : err;
    mw_baseline_clear(&own);
    mw_runner_clear(&runner);
    return err;
}

/* ---- telling ---- */

static mw_err print_offer(const struct mw_serve *serve, struct mw_buffer *json)
{
    const struct mw_serve_reference *reference = &serve->reference;
    mw_err err = mw_buffer_printf(json, "{\"v\":1,\"name\":\"%s\",\"bundle\":\"%s\",\"time\":",
                                  reference->offered, reference->desired);
    err = err == MW_OK ? mw_json_add_time(json, mw_clock_utc()) : err;
    if (err == MW_OK && reference->reason[0] != '\0') {
        err = mw_buffer_printf(json, ",\"reason\":");
        err = err == MW_OK ? mw_json_add_string(json, mw_span_of(reference->reason)) : err;
    }
    return err == MW_OK ? mw_buffer_add(json, "}", 1) : err;
}

/* name: "" when there is none. What the stream has already is not said again. */
static void offer(struct mw_serve *serve, const char *name)
{
    struct mw_buffer json = {0};
    const struct mw_span key = mw_span_of("model");
    if (strcmp(serve->reference.offered, name) == 0) {
        return;
    }
    snprintf(serve->reference.offered, sizeof serve->reference.offered, "%s", name);
    mw_err err = print_offer(serve, &json);
    struct mw_span value = {json.data, json.size};
    err = err == MW_OK ? mw_bridge_round_add(&serve->round, "download", false, key, value) : err;
    err = err == MW_OK ? mw_bridge_round_add(&serve->round, "download", true, key, value) : err;
    if (err != MW_OK) {
        mw_log(MW_LOG_ERROR, NULL, "a model for the firmware is not offered",
               MW_KS("reason", mw_err_text(err)));
    } else if (name[0] != '\0') {
        mw_log(MW_LOG_INFO, NULL, "a model for the firmware is offered", MW_KS("name", name),
               MW_KS("bundle", serve->reference.desired));
    }
    mw_buffer_free(&json);
}

/* Takes the file. */
static void keep(struct mw_serve_reference *reference, struct mw_buffer *file)
{
    struct mw_serve_model *model = &reference->model[reference->n_models++ % MW_SERVE_MODELS];
    mw_buffer_free(&model->file);
    model->file = *file;
    mw_firmware_name(file, model->name);
    *file = (struct mw_buffer){0};
}

/* Whether the model itself is at fault: any other error may pass. */
static bool is_lasting(mw_err err)
{
    return err == MW_ERR_UNSUPPORTED || err == MW_ERR_TOO_LARGE || err == MW_ERR_STATE ||
           err == MW_ERR_DENIED || err == MW_ERR_SIGNATURE;
}

static void make_offer(struct mw_serve *serve, const struct basis *basis)
{
    struct mw_serve_reference *reference = &serve->reference;
    struct mw_buffer file = {0};
    struct mw_error error = {0};
    mw_err err = make(serve, basis, &file, &error);
    if (err == MW_OK) {
        reference->reason[0] = '\0';
        keep(reference, &file);
        offer(serve, reference->model[(reference->n_models - 1) % MW_SERVE_MODELS].name);
        return;
    }
    mw_buffer_free(&file);
    if (strcmp(reference->reason, error.text) != 0) {
        snprintf(reference->reason, sizeof reference->reason, "%.*s",
                 (int)sizeof reference->reason - 1, error.text);
        mw_log(MW_LOG_WARN, NULL, "no model can be offered to the firmware, it keeps what it has",
               MW_KS("bundle", reference->desired), MW_KS("reason", reference->reason));
    }
    if (is_lasting(err)) {
        offer(serve, "");
    } else {
        reference->tried[0] = '\0';
        reference->look = mw_clock_monotonic() + RETRY_GAP;
    }
}

void mw_serve_offer(struct mw_serve *serve)
{
    struct mw_serve_reference *reference = &serve->reference;
    struct mw_error error = {0};
    struct basis basis = {0};
    char digest[MW_DIGEST_TEXT];
    int64_t now = mw_clock_monotonic();
    if (now < reference->look) {
        return;
    }
    reference->look = now + LOOK_GAP;
    if (reference->desired[0] == '\0') {
        reference->tried[0] = reference->reason[0] = '\0';
        offer(serve, "");
        return;
    }
    mw_err err = gather(serve, &basis, &error);
    err = err == MW_OK ? digest_of(serve, &basis, digest) : err;
    if (err == MW_OK && strcmp(digest, reference->tried) != 0) {
        memcpy(reference->tried, digest, sizeof digest);
        make_offer(serve, &basis);
    } else if (err != MW_OK) {
        mw_log(MW_LOG_WARN, NULL, "baselines cannot be looked up", MW_KS("reason", error.text));
    }
    basis_clear(&basis);
}
