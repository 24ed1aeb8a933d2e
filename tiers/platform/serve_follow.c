/* serve_follow.c - what the stream tells, into the live state and the rollout engine. */
#include "tiers/platform/serve_internal.h"

#include "core/wire/number.h"
#include "lib/artifact/bundle.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "tiers/platform/bridge_position.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCORE_LEVEL = 3 };

static void know_machine(struct mw_serve *serve, struct mw_span name)
{
    struct mw_serve_machine *machine =
        mw_table_find(&serve->machines, name) != NULL ? NULL : calloc(1, sizeof *machine);
    if (machine == NULL) {
        return;
    }
    memcpy(machine->name, name.data, name.size);
    machine->key.name = (struct mw_span){machine->name, name.size};
    if (mw_table_add(&serve->machines, machine) != MW_OK) {
        free(machine);
    }
}

struct mw_serve_thing *mw_serve_thing(struct mw_serve *serve, struct mw_span name)
{
    struct mw_serve_thing *thing = mw_table_find(&serve->things, name);
    if (thing != NULL || !mw_name_valid(name)) {
        return thing;
    }
    thing = calloc(1, sizeof *thing);
    if (thing == NULL) {
        return NULL;
    }
    memcpy(thing->name, name.data, name.size);
    memcpy(thing->machine, name.data, name.size);
    thing->key.name = (struct mw_span){thing->name, name.size};
    if (mw_table_add(&serve->things, thing) != MW_OK) {
        free(thing);
        return NULL;
    }
    know_machine(serve, name);
    return thing;
}

static struct mw_span get(const struct mw_wire_parser *parser, const char *key)
{
    struct mw_span value = {NULL, 0};
    (void)mw_wire_get(parser, 0, key, &value);
    return value;
}

static uint64_t get_u64(const struct mw_wire_parser *parser, const char *key)
{
    uint64_t value = 0;
    (void)mw_number_parse_u64(get(parser, key), &value);
    return value;
}

static int64_t get_time(const struct mw_wire_parser *parser, const char *key)
{
    int64_t value = 0;
    (void)mw_number_parse_time(get(parser, key), &value);
    return value;
}

/* ---- records and scores ---- */

void mw_serve_thing_free(void *thing)
{
    free(((struct mw_serve_thing *)thing)->weight);
    free(thing);
}

/* The place for a record's weight; NULL when memory is out. A thing has more places once a record
 * has lost its own to a newer one before its score came, as when the scorer has a backlog. */
static struct mw_serve_weight *weight_place(struct mw_serve_thing *thing, uint64_t seq)
{
    struct mw_serve_weight *place =
        thing->n_weights == 0 ? NULL : &thing->weight[seq % thing->n_weights];
    bool waits = place != NULL && place->p > 0 && thing->scored;
    if (place != NULL && (!waits || thing->n_weights == MW_SERVE_WEIGHTS)) {
        return place;
    }
    uint32_t n = thing->n_weights == 0 ? MW_SERVE_WEIGHTS_FIRST : 2 * thing->n_weights;
    struct mw_serve_weight *more = calloc(n, sizeof *more);
    if (more == NULL) {
        return place;
    }
    for (uint32_t i = 0; i < thing->n_weights; i++) {
        more[thing->weight[i].seq % n] = thing->weight[i];
    }
    free(thing->weight);
    thing->weight = more;
    thing->n_weights = n;
    return &more[seq % n];
}

static void remember_weight(struct mw_serve_thing *thing, uint64_t seq, uint32_t boot,
                            struct mw_span p)
{
    struct mw_serve_weight *place = weight_place(thing, seq);
    float weight = 1;
    if (place != NULL) {
        (void)mw_number_parse_f32(p, &weight);
        *place = (struct mw_serve_weight){seq, boot, p.size == 0 ? 1 : weight};
    }
}

/* By the number under which the scorer will score it: without one of its own, its offset. */
static void expect_score(struct mw_serve_thing *thing, const struct mw_wire_parser *parser,
                         const struct mw_stream_record *record)
{
    bool numbered = mw_wire_has(parser, 0, "boot") && mw_wire_has(parser, 0, "seq");
    remember_weight(thing, numbered ? get_u64(parser, "seq") : (uint64_t)record->offset,
                    numbered ? (uint32_t)get_u64(parser, "boot") : 0, get(parser, "p"));
}

static void take_telemetry(struct mw_serve *serve, const struct mw_stream_record *record)
{
    const struct mw_wire_parser *parser = serve->parser;
    struct mw_span device = record->key;
    struct mw_serve_thing *thing = mw_serve_thing(serve, device);
    if (thing == NULL) {
        return;
    }
    struct mw_span machine = get(parser, "machine");
    if (mw_name_valid(machine) && !mw_span_is(machine, thing->machine)) {
        know_machine(serve, machine);
        memcpy(thing->machine, machine.data, machine.size);
        thing->machine[machine.size] = '\0';
    }
    if (serve->plant->level2.enabled) {
        expect_score(thing, parser, record);
    }
    thing->time = get_time(parser, "time");
    thing->received = get_time(parser, "received");
    thing->records++;
    serve->n_records++;
    mw_rollout_record(&serve->engine, device, mw_span_of(thing->machine), thing->received);
}

/* The record's probability of being forwarded, once; 0: the record is not at hand any more. */
static double take_weight(struct mw_serve_thing *thing, uint32_t boot, uint64_t seq)
{
    struct mw_serve_weight *place =
        thing->n_weights == 0 ? NULL : &thing->weight[seq % thing->n_weights];
    if (place == NULL || place->seq != seq || place->boot != boot) {
        return 0;
    }
    double p = (double)place->p;
    place->p = 0;
    return p;
}

static void take_score(struct mw_serve *serve, const struct mw_stream_record *record)
{
    struct mw_score score;
    if (mw_wire_read_score(serve->parser, 0, &score, NULL) != MW_OK || score.level != SCORE_LEVEL) {
        return;
    }
    struct mw_serve_thing *thing = mw_serve_thing(serve, score.device);
    if (thing == NULL) {
        return;
    }
    thing->scored = true;
    thing->score = score.score;
    thing->scores++;
    snprintf(thing->model, sizeof thing->model, "%.*s", (int)score.model.size, score.model.data);
    serve->n_scores++;
    serve->n_alarms += score.score >= MW_ROLLOUT_ALARM ? 1 : 0;
    double p = serve->plant->level2.enabled ? take_weight(thing, score.boot, score.seq) : 1;
    /* Of a record long ago the weight is not known any more, and without it a score of a sample is
     * no evidence for the whole. */
    mw_rollout_score(&serve->engine, score.device, score.model, score.score, p, record->appended);
}

/* ---- statuses ---- */

/* Answers to commands and requests are statuses too, and do not speak of it. */
static void note_away(struct mw_serve *serve, struct mw_span device)
{
    struct mw_span last;
    if (mw_wire_get(serve->parser, 0, "last_seq", &last) != MW_OK) {
        return;
    }
    struct mw_serve_thing *thing = mw_serve_thing(serve, device);
    if (thing != NULL) {
        struct mw_span away;
        thing->away = mw_wire_get(serve->parser, 0, "away", &away) == MW_OK;
    }
}

static void take_status(struct mw_serve *serve, const struct mw_stream_record *record)
{
    struct mw_span device = record->key, reported = {NULL, 0};
    if (mw_span_is(get(serve->parser, "gone"), "true")) {
        mw_rollout_gone(&serve->engine, device);
        return;
    }
    note_away(serve, device);
    if (mw_wire_get(serve->parser, 0, "reported", &reported) != MW_OK ||
        mw_wire_open(serve->inner, reported, NULL) != MW_OK) {
        if (!mw_span_is(device, "score")) {
            (void)mw_serve_thing(serve, device);
            (void)mw_rollout_seen(&serve->engine, device, (struct mw_span){NULL, 0},
                                  record->appended);
        }
        return;
    }
    struct mw_span bundle = get(serve->inner, "bundle"), refused = get(serve->inner, "refused");
    struct mw_span reason = get(serve->inner, "reason"), serves = get(serve->inner, "serves");
    if (mw_span_is(device, "score")) {
        mw_rollout_scorer_reported(&serve->engine, serves, bundle, refused, reason,
                                   record->appended);
    } else if (mw_serve_thing(serve, device) != NULL) {
        mw_rollout_reported(&serve->engine, device, bundle, refused, reason,
                            get(serve->inner, "rollout"), record->appended);
    }
}

/* ---- drift and models ---- */

static void keep(struct mw_serve *serve, json_t **slot, const char *key, struct mw_span value)
{
    json_t *parsed = json_loadb(value.data, value.size, 0, NULL);
    if (!json_is_object(parsed)) {
        json_decref(parsed);
        return;
    }
    json_decref(*slot);
    *slot = parsed;
    (void)mw_bridge_round_add(&serve->round, "state", true, mw_span_of(key), value);
}

mw_err mw_serve_open_store(const struct mw_serve *serve, struct mw_store **store,
                           struct mw_error *error)
{
    char folder[4096], uri[4096 + 8];
    mw_err err = mw_plant_path(serve->plant, "artifacts", NULL, folder, sizeof folder, error);
    if (err != MW_OK) {
        return err;
    }
    snprintf(uri, sizeof uri, "oci:%s", folder);
    return mw_store_open(store, uri, false, error);
}

double mw_serve_expected_alarms(const struct mw_serve *serve, const char *digest)
{
    struct mw_store *store = NULL;
    struct mw_bundle bundle = {0};
    double expected = (double)NAN;
    mw_err err = mw_serve_open_store(serve, &store, NULL);
    if (err == MW_OK && mw_bundle_get(store, digest, &bundle, NULL) == MW_OK) {
        expected = mw_rollout_expected_alarms(&bundle);
        mw_bundle_clear(&bundle);
    }
    mw_store_close(store);
    return expected;
}

static void take_model(struct mw_serve *serve, const struct mw_stream_record *record)
{
    struct mw_span bundle = get(serve->parser, "bundle"), machine = get(serve->parser, "machine");
    if (!mw_digest_valid(bundle)) {
        keep(serve, &serve->learn, "learn", record->value);
        return;
    }
    char digest[MW_DIGEST_TEXT], name[MW_NAME_MAX + 1];
    struct mw_error error = {0};
    snprintf(digest, sizeof digest, "%.*s", (int)bundle.size, bundle.data);
    snprintf(name, sizeof name, "%.*s", (int)machine.size, machine.size > 0 ? machine.data : "");
    keep(serve, &serve->model, "model", record->value);
    mw_serve_run_published(serve, digest, name);
    mw_err err = mw_rollout_start(&serve->engine, digest, name,
                                  mw_serve_expected_alarms(serve, digest), mw_clock_utc(), &error);
    if (err != MW_OK && err != MW_ERR_EXISTS) {
        mw_log(MW_LOG_ERROR, name[0] == '\0' ? NULL : name, "rollout cannot begin",
               MW_KS("reason", error.text));
    }
}

void mw_serve_take(struct mw_serve *serve, const struct mw_stream_record *record)
{
    if (mw_wire_open(serve->parser, record->value, NULL) != MW_OK) {
        return;
    }
    if (strcmp(record->topic, "telemetry") == 0) {
        take_telemetry(serve, record);
    } else if (strcmp(record->topic, "score") == 0) {
        take_score(serve, record);
    } else if (strcmp(record->topic, "status") == 0) {
        take_status(serve, record);
    } else if (strcmp(record->topic, "drift") == 0) {
        keep(serve, &serve->drift, "drift", record->value);
    } else {
        take_model(serve, record);
    }
}

/* ---- what an earlier run kept ---- */

static bool load_rollout(void *context, struct mw_span key, struct mw_span value)
{
    struct mw_serve *serve = context;
    struct mw_rollout rollout;
    (void)key;
    if (mw_rollout_parse(value, &rollout) == MW_OK) {
        (void)mw_rollout_load(&serve->engine, &rollout);
    }
    free(rollout.canary);
    return true;
}

static bool load_state(void *context, struct mw_span key, struct mw_span value)
{
    struct mw_serve *serve = context;
    json_t **slot = mw_span_is(key, "drift")   ? &serve->drift
                    : mw_span_is(key, "model") ? &serve->model
                                               : &serve->learn;
    json_decref(*slot);
    *slot = json_loadb(value.data, value.size, 0, NULL);
    return true;
}

static bool load_position(void *context, struct mw_span key, struct mw_span value)
{
    struct mw_serve *serve = context;
    struct mw_serve_thing *thing = mw_serve_thing(serve, key);
    struct mw_bridge_device position = {.key.name = key};
    if (thing != NULL && mw_bridge_read_position(serve->parser, value, &position) == MW_OK) {
        thing->time = position.time;
        thing->received = position.received;
        for (size_t i = 0; i < position.n_machines; i++) {
            know_machine(serve, mw_span_of(position.machines[i]));
        }
        if (position.n_machines > 0) {
            memcpy(thing->machine, position.machines[0], sizeof thing->machine);
        }
        (void)mw_rollout_seen(&serve->engine, key, mw_span_of(thing->machine), position.received);
    }
    free(position.machines);
    return true;
}

mw_err mw_serve_load(struct mw_serve *serve, struct mw_error *error)
{
    mw_err err = mw_stream_visit(serve->stream, NULL, "rollout", load_rollout, serve, error);
    if (err == MW_OK) {
        err = mw_stream_visit(serve->stream, NULL, "state", load_state, serve, error);
    }
    return err == MW_OK
               ? mw_bridge_visit_positions(serve->stream, (size_t)serve->plant->bridge.shares,
                                           load_position, serve, error)
               : err;
}
