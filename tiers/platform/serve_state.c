/* serve_state.c - the live state as JSON, and the figures for Prometheus. */
#include "tiers/platform/serve_internal.h"

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/metrics.h"
#include "lib/plant/share.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROLLOUTS_SHOWN = 10, STATS_MOST = 1 << 20 };

static double seconds(int64_t microseconds)
{
    return (double)microseconds / 1e6;
}

static json_t *time_json(int64_t microseconds)
{
    return microseconds == 0 ? json_null() : json_real(seconds(microseconds));
}

/* ---- things ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct mw_serve_thing *const *)a)->name,
                  (*(const struct mw_serve_thing *const *)b)->name);
}

/* Puts a thing in its place among the n first ones, of which there may be `limit`. */
static void insert(const struct mw_serve_thing **list, size_t *n, size_t limit,
                   const struct mw_serve_thing *thing)
{
    size_t low = 0, high = *n;
    if (*n == limit && by_name(&list[*n - 1], &thing) < 0) {
        return;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (by_name(&list[middle], &thing) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *n += *n < limit ? 1 : 0;
    memmove(&list[low + 1], &list[low], (*n - 1 - low) * sizeof(const struct mw_serve_thing *));
    list[low] = thing;
}

/* The first things by name, `*limit` of them or all; the caller frees the list. A few out of many
 * are picked, and not all of them sorted. */
static const struct mw_serve_thing **first_things(const struct mw_serve *serve, size_t *limit)
{
    enum { FEW = 8 };
    size_t n = 0, at = 0, count = serve->things.count;
    bool few = *limit > 0 && *limit <= count / FEW;
    const struct mw_serve_thing *thing;
    const struct mw_serve_thing **list =
        calloc((few ? *limit : count) + 1, sizeof(const struct mw_serve_thing *));
    while (list != NULL && (thing = mw_table_next(&serve->things, &at)) != NULL) {
        if (few) {
            insert(list, &n, *limit, thing);
        } else {
            list[n++] = thing;
        }
    }
    if (list != NULL && !few) {
        qsort(list, n, sizeof *list, by_name);
    }
    *limit = n < *limit ? n : *limit;
    return list;
}

static json_t *thing_json(const struct mw_serve *serve, const struct mw_serve_thing *thing,
                          int64_t now)
{
    const struct mw_rollout_thing *known = mw_table_find(&serve->engine.things, thing->key.name);
    bool alive = known != NULL && mw_rollout_alive(&serve->engine, known, now);
    json_t *out = json_pack(
        "{s:s,s:s,s:o,s:o,s:b,s:b,s:b,s:I,s:I}", "device", thing->name, "machine", thing->machine,
        "time", time_json(thing->time), "received", time_json(thing->received), "alive", (int)alive,
        "gone", (int)(known != NULL && known->gone), "away", (int)thing->away, "records",
        (json_int_t)thing->records, "scores", (json_int_t)thing->scores);
    if (thing->scored) {
        json_object_set_new(out, "score", json_real((double)thing->score));
        json_object_set_new(out, "band", json_string(mw_band_name(mw_band_of(thing->score))));
        json_object_set_new(out, "model", json_string(thing->model));
    }
    if (known != NULL && known->carrier) {
        json_object_set_new(out, "bundle", json_string(known->reported));
        if (known->refused[0] != '\0') {
            json_object_set_new(out, "refused", json_string(known->refused));
            json_object_set_new(out, "reason", json_string(known->reason));
        }
    }
    return out;
}

static json_t *things_json(const struct mw_serve *serve, size_t limit, int64_t now)
{
    json_t *out = json_array();
    const struct mw_serve_thing **list = first_things(serve, &limit);
    for (size_t i = 0; list != NULL && i < limit; i++) {
        json_array_append_new(out, thing_json(serve, list[i], now));
    }
    free(list);
    return out;
}

/* How many things are in each band, alive, gone: all of them, however many are listed. */
static json_t *summary_json(const struct mw_serve *serve, int64_t now)
{
    json_int_t bands[3] = {0}, alive = 0;
    size_t at = 0;
    const struct mw_serve_thing *thing;
    while ((thing = mw_table_next(&serve->things, &at)) != NULL) {
        const struct mw_rollout_thing *known =
            mw_table_find(&serve->engine.things, thing->key.name);
        alive += known != NULL && mw_rollout_alive(&serve->engine, known, now) ? 1 : 0;
        if (thing->scored) {
            bands[mw_band_of(thing->score)]++;
        }
    }
    return json_pack("{s:I,s:I,s:I,s:I,s:I}", "things", (json_int_t)serve->things.count, "alive",
                     alive, "normal", bands[0], "impending", bands[1], "immediate", bands[2]);
}

/* ---- rollouts, roles ---- */

static json_t *rollout_json(const struct mw_rollout_engine *engine,
                            const struct mw_rollout *rollout, int64_t now)
{
    struct mw_buffer text = {0};
    char waits[MW_ROLLOUT_REASON];
    json_t *out = NULL;
    if (mw_rollout_print(rollout, &text) == MW_OK) {
        out = json_loadb(text.data, text.size, 0, NULL);
    }
    mw_buffer_free(&text);
    mw_rollout_waits(engine, rollout, now, waits);
    if (out != NULL && waits[0] != '\0') {
        json_object_set_new(out, "waits", json_string(waits));
    }
    return out;
}

static json_t *rollouts_json(const struct mw_rollout_engine *engine, int64_t now)
{
    json_t *out = json_array();
    for (size_t i = engine->n_rollouts; i-- > 0 && json_array_size(out) < ROLLOUTS_SHOWN;) {
        json_array_append_new(out, rollout_json(engine, &engine->rollout[i], now));
    }
    return out;
}

static void add_role(const struct mw_serve *serve, const char *role, json_t *out)
{
    char name[32], path[4096];
    struct mw_buffer text = {0};
    snprintf(name, sizeof name, "%s.json", role);
    if (mw_plant_path(serve->plant, "run", name, path, sizeof path, NULL) == MW_OK &&
        mw_file_exists(path) && mw_file_read(path, STATS_MOST, &text, NULL) == MW_OK) {
        json_t *stats = json_loadb(text.data, text.size, 0, NULL);
        if (stats != NULL) {
            json_object_set_new(out, role, stats);
        }
    }
    mw_buffer_free(&text);
}

/* Those behind the first. */
static void add_shares(const struct mw_serve *serve, const char *role, int64_t shares, json_t *out)
{
    for (size_t i = 1; i < (size_t)shares; i++) {
        char name[MW_SHARE_NAME];
        mw_share_writer(role, i, name);
        add_role(serve, name, out);
    }
}

static const char *const roles[] = {"bridge", "score", "watch", "learn", "thing", "serve"};

/* What the roles say of themselves. */
static json_t *roles_json(const struct mw_serve *serve)
{
    json_t *out = json_object();
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        add_role(serve, roles[i], out);
    }
    add_shares(serve, "bridge", serve->plant->bridge.shares, out);
    add_shares(serve, "score", serve->plant->score.shares, out);
    return out;
}

static json_t *row_json(const struct mw_ledger_row *row)
{
    struct mw_buffer text = {0};
    json_t *out = NULL;
    if (mw_ledger_print_row(row, &text) == MW_OK) {
        out = json_loadb(text.data, text.size, 0, NULL);
    }
    mw_buffer_free(&text);
    return out;
}

static json_t *or_null(json_t *object)
{
    return object == NULL ? json_null() : json_incref(object);
}

json_t *mw_serve_state(struct mw_serve *serve, size_t limit)
{
    int64_t now = mw_clock_utc();
    const struct mw_rollout_engine *engine = &serve->engine;
    json_t *rollouts = rollouts_json(engine, now);
    json_t *newest = json_array_get(rollouts, 0);
    json_t *out = json_pack(
        "{s:i,s:s,s:f,s:o,s:o,s:s,s:o,s:o,s:o,s:o,s:o,s:o}", "v", 1, "plant", serve->plant->plant,
        "time", seconds(now), "summary", summary_json(serve, now), "things",
        things_json(serve, limit, now), "in_use", mw_rollout_in_use(engine, ""), "model",
        or_null(serve->model), "learn", or_null(serve->learn), "drift", or_null(serve->drift),
        "rollout", or_null(newest), "rollouts", rollouts, "roles", roles_json(serve));
    json_t *reference = mw_serve_reference_json(serve);
    if (out != NULL && reference != NULL) {
        json_object_set(out, "reference", reference);
    }
    json_decref(reference);
    if (out != NULL) {
        json_object_set_new(out, "ledger",
                            serve->accounted ? row_json(&serve->total) : json_null());
    }
    return out;
}

static mw_err add_row(void *context, const struct mw_ledger_row *row, struct mw_error *error)
{
    struct mw_buffer *out = context;
    (void)error;
    mw_err err = out->data[out->size - 1] == '[' ? MW_OK : mw_buffer_add(out, ",", 1);
    return err == MW_OK ? mw_ledger_print_row(row, out) : err;
}

/* Row by row into the text: there may be as many as there are devices. */
mw_err mw_serve_ledger(struct mw_serve *serve, struct mw_buffer *out)
{
    struct mw_ledger_row total;
    mw_err err = mw_buffer_printf(
        out,
        "{\"v\":1,\"complete\":%s,\"balanced\":%s,\"total\":", serve->current ? "true" : "false",
        serve->accounted && mw_ledger_balances(&serve->total) ? "true" : "false");
    if (err == MW_OK) {
        err = serve->accounted ? mw_ledger_print_row(&serve->total, out)
                               : mw_buffer_add(out, "null", 4);
    }
    if (err == MW_OK) {
        err = mw_buffer_printf(out, ",\"devices\":[");
    }
    if (err == MW_OK && serve->current) {
        err = mw_ledger_rows(serve->ledger, add_row, out, &total, NULL);
    }
    return err == MW_OK ? mw_buffer_add(out, "]}", 2) : err;
}

/* ---- metrics ---- */

struct metric {
    const char *name, *type, *help;
    double value;
};

static mw_err print_metrics(const struct metric *metric, size_t n, struct mw_buffer *out)
{
    mw_err err = MW_OK;
    for (size_t i = 0; i < n && err == MW_OK; i++) {
        err = mw_buffer_printf(out,
                               "# HELP millwright_%s %s\n# TYPE millwright_%s %s\n"
                               "millwright_%s %.17g\n",
                               metric[i].name, metric[i].help, metric[i].name, metric[i].type,
                               metric[i].name, metric[i].value);
    }
    return err;
}

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static mw_err print_ledger(const struct mw_serve *serve, struct mw_buffer *out)
{
    const struct mw_ledger_row *total = &serve->total;
    const struct metric metrics[] = {
        {"ledger_published", "gauge", "Numbered records that things made",
         (double)total->published},
        {"ledger_stored", "gauge", "Of these in the stream", (double)total->stored},
        {"ledger_pending", "gauge", "Of these still with the things", (double)total->pending},
        {"ledger_dead", "gauge", "Of these unreadable", (double)total->dead},
        {"ledger_dropped", "gauge", "Of these given up by things", (double)total->dropped},
        {"ledger_missing", "gauge", "Of these nowhere", (double)total->missing},
        {"ledger_doubled", "gauge", "Stored or scored twice", (double)total->doubled},
        {"ledger_suppressed", "gauge", "Held back by level 2", (double)total->suppressed},
        {"ledger_scored", "gauge", "Stored with exactly one score", (double)total->scored},
    };
    return serve->accounted ? print_metrics(metrics, sizeof metrics / sizeof *metrics, out) : MW_OK;
}

/* Those of a role with shares are side by side. */
static mw_err print_roles(const struct mw_serve *serve, struct mw_buffer *out)
{
    struct mw_metrics_source source[MW_SHARES_MAX];
    char share[MW_SHARES_MAX][8];
    json_t *said = roles_json(serve);
    mw_err err = MW_OK;
    for (size_t i = 0; err == MW_OK && i < sizeof roles / sizeof *roles; i++) {
        size_t n = 0, size = strlen(roles[i]);
        const char *name;
        json_t *stats;
        json_object_foreach(said, name, stats)
        {
            if (strncmp(name, roles[i], size) == 0 && n < MW_SHARES_MAX &&
                (name[size] == '\0' || name[size] == '-')) {
                bool divided = json_object_get(stats, "share") != NULL;
                (void)snprintf(share[n], sizeof share[n], "%d",
                               (int)json_integer_value(json_object_get(stats, "share")));
                source[n] = (struct mw_metrics_source){stats, divided ? share[n] : NULL};
                n++;
            }
        }
        err = mw_metrics_print_role(out, roles[i], source, n);
    }
    json_decref(said);
    return err;
}

mw_err mw_serve_metrics(struct mw_serve *serve, struct mw_buffer *out)
{
    json_t *summary = summary_json(serve, mw_clock_utc());
    const struct mw_rollout_engine *engine = &serve->engine;
    bool canary = false, all = false, stalled = false;
    for (size_t i = 0; i < engine->n_rollouts; i++) {
        canary |= engine->rollout[i].stage == MW_ROLLOUT_CANARY;
        all |= engine->rollout[i].stage == MW_ROLLOUT_ALL;
        stalled |= engine->rollout[i].stage == MW_ROLLOUT_STALLED;
    }
    const struct metric metrics[] = {
        {"things", "gauge", "Things known", number(summary, "things")},
        {"things_alive", "gauge", "Things heard of lately", number(summary, "alive")},
        {"things_impending", "gauge", "Things whose newest score is 0.5 to 0.8",
         number(summary, "impending")},
        {"things_immediate", "gauge", "Things whose newest score is 0.8 or more",
         number(summary, "immediate")},
        {"records_total", "counter", "Records followed since the start", (double)serve->n_records},
        {"scores_total", "counter", "Scores followed since the start", (double)serve->n_scores},
        {"alarms_total", "counter", "Scores of 0.8 or more among them", (double)serve->n_alarms},
        {"rollout_canary", "gauge", "1 while a bundle is with the first things", canary ? 1 : 0},
        {"rollout_all", "gauge", "1 while a bundle spreads to all things", all ? 1 : 0},
        {"rollout_stalled", "gauge", "1 while a bundle has not reached all things in time",
         stalled ? 1 : 0},
    };
    json_decref(summary);
    mw_err err = print_metrics(metrics, sizeof metrics / sizeof *metrics, out);
    err = err == MW_OK ? print_ledger(serve, out) : err;
    /* In a pod each role is asked itself. */
    return err == MW_OK && serve->role.health == NULL ? print_roles(serve, out) : err;
}
