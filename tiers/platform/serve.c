#include "tiers/platform/serve.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "tiers/platform/json_text.h"
#include "tiers/platform/serve_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define READ_FOR (20 * 1000) /* microseconds at a time */
#define REST_FOR \
    (60 * 1000) /* afterwards, when nothing is urgent: others need the processor more */
#define LOOKED_AT                                                                   \
    (60 * MW_SECOND) /* the account is kept up for this long after it was asked for \
                      */

enum { TOKENS = 8192, INNER_TOKENS = 256, BATCH = 256 };

/* ---- effects of the rollout engine ---- */

static void on_update(void *context, const char *device, const char *bundle, const char *rollout,
                      const char *stage)
{
    struct mw_serve *serve = context;
    struct mw_buffer json = {0};
    struct mw_span key = mw_span_of(device);
    mw_err err = mw_buffer_printf(&json,
                                  "{\"v\":1,\"device\":\"%s\",\"desired\":{\"bundle\":\"%s\","
                                  "\"rollout\":\"%s\",\"stage\":\"%s\"}}",
                                  device, bundle, rollout, stage);
    struct mw_span value = {json.data, json.size};
    if (err == MW_OK) {
        err = mw_bridge_round_add(&serve->round, "update", false, key, value);
    }
    if (err == MW_OK) {
        err = mw_bridge_round_add(&serve->round, "update", true, key, value);
    }
    if (strcmp(device, "*") == 0) {
        mw_serve_reference_order(serve, bundle);
    }
    if (err != MW_OK) {
        mw_log(MW_LOG_ERROR, device, "update lost", MW_KS("reason", mw_err_text(err)));
    }
    mw_buffer_free(&json);
}

static void on_changed(void *context, const struct mw_rollout *rollout)
{
    struct mw_serve *serve = context;
    struct mw_buffer json = {0};
    mw_err err = mw_rollout_print(rollout, &json);
    struct mw_span key = mw_span_of(rollout->id), value = {json.data, json.size};
    if (err == MW_OK) {
        err = mw_bridge_round_add(&serve->round, "rollout", false, key, value);
    }
    if (err == MW_OK) {
        err = mw_bridge_round_add(&serve->round, "rollout", true, key, value);
    }
    bool bad = rollout->stage == MW_ROLLOUT_ROLLED_BACK || rollout->stage == MW_ROLLOUT_STALLED;
    mw_log(bad ? MW_LOG_WARN : MW_LOG_INFO, rollout->machine[0] == '\0' ? NULL : rollout->machine,
           "rollout", MW_KS("id", rollout->id),
           MW_KS("state", mw_rollout_stage_name(rollout->stage)), MW_KS("bundle", rollout->bundle),
           MW_KS("reason", rollout->reason));
    mw_buffer_free(&json);
}

/* ---- the stream ---- */

mw_err mw_serve_commit(struct mw_serve *serve, struct mw_error *error)
{
    const struct mw_bridge_round *round = &serve->round;
    mw_err err = mw_stream_begin(serve->stream, error);
    for (size_t i = 0; i < round->n_items && err == MW_OK; i++) {
        struct mw_span key = mw_bridge_item_key(round, i);
        struct mw_span value = mw_bridge_item_value(round, i);
        const char *topic = round->item[i].topic;
        err = round->item[i].put ? mw_stream_put(serve->stream, topic, key, value, error)
                                 : mw_stream_append(serve->stream, topic, key, value, error);
    }
    if (err == MW_OK) {
        err = mw_stream_commit(serve->stream, serve->reader, error);
    }
    if (err == MW_OK) {
        mw_bridge_round_clear(&serve->round);
        serve->moved = false;
        if (serve->stuck) {
            mw_log(MW_LOG_INFO, NULL, "stream can be written again", MW_KS("by", "serve"));
        }
    } else {
        mw_stream_rollback(serve->stream);
        if (!serve->stuck) {
            mw_log(MW_LOG_ERROR, NULL, "stream cannot be written",
                   MW_KS("reason", error == NULL ? mw_err_text(err) : error->text));
        }
    }
    serve->stuck = err != MW_OK;
    if (mw_stream_ended(serve->stream)) { /* only a new process finds out what is stored */
        mw_loop_stop(serve->role.loop);
    }
    return err;
}

static bool urgent(const struct mw_serve *serve)
{
    const struct mw_rollout_engine *engine = &serve->engine;
    for (size_t i = 0; i < engine->n_rollouts; i++) {
        if (engine->rollout[i].stage == MW_ROLLOUT_CANARY ||
            engine->rollout[i].stage == MW_ROLLOUT_ALL) {
            return true;
        }
    }
    return false;
}

/* Reads for a moment; true when there is more. */
static bool read_some(struct mw_serve *serve)
{
    struct mw_stream_record record[BATCH];
    struct mw_error error = {0};
    int64_t end = mw_clock_monotonic() + READ_FOR;
    size_t n = 0;
    do {
        if (mw_stream_poll(serve->reader, record, BATCH, &n, &error) != MW_OK) {
            if (serve->readable) {
                mw_log(MW_LOG_ERROR, NULL, "stream cannot be read", MW_KS("reason", error.text));
            }
            serve->readable = false;
            return false;
        }
        for (size_t i = 0; i < n; i++) {
            mw_serve_take(serve, &record[i]);
        }
        serve->moved |= n > 0;
        serve->readable = true;
    } while (n > 0 && mw_clock_monotonic() < end);
    return n > 0;
}

static void read_stream(struct mw_serve *serve)
{
    mw_stream_reader_drain(serve->reader);
    if (serve->waits || serve->stuck) {
        return;
    }
    if (read_some(serve)) {
        serve->waits = true;
        mw_loop_set_timer(serve->role.loop, serve->again, urgent(serve) ? 0 : REST_FOR, 0);
    }
    if (serve->round.n_items > 0) {
        (void)mw_serve_commit(serve, NULL);
    }
}

static void on_stream(void *context, uint32_t events)
{
    (void)events;
    struct mw_serve *serve = context;
    if (urgent(serve) || serve->waits) {
        read_stream(serve);
        return;
    }
    /* A page can wait a moment; the scorer, which woke by the same record, should have the
     * processor first. */
    mw_stream_reader_drain(serve->reader);
    serve->waits = true;
    mw_loop_set_timer(serve->role.loop, serve->again, MW_SECOND / 20, 0);
}

static void on_again(void *context)
{
    struct mw_serve *serve = context;
    serve->waits = false;
    read_stream(serve);
}

/* ---- each second ---- */

static void write_stats(struct mw_serve *serve)
{
    char path[4096], text[512];
    if (mw_plant_path(serve->plant, "run", "serve.json", path, sizeof path, NULL) != MW_OK) {
        return;
    }
    int n = snprintf(text, sizeof text,
                     "{\"v\":1,\"role\":\"serve\",\"pid\":%ld,\"time\":%.3f,\"records\":%llu,"
                     "\"scores\":%llu,\"events\":%llu,\"things\":%zu,\"rollouts\":%zu}\n",
                     (long)getpid(), (double)mw_clock_utc() / (double)MW_SECOND,
                     (unsigned long long)serve->n_records, (unsigned long long)serve->n_scores,
                     (unsigned long long)serve->n_events, serve->things.count,
                     serve->engine.n_rollouts);
    if (n > 0 && (size_t)n < sizeof text) {
        mw_run_file_replace(path, (struct mw_span){text, (size_t)n});
        mw_role_tell(&serve->role, (struct mw_span){text, (size_t)n});
    }
}

static void on_second(void *context)
{
    struct mw_serve *serve = context;
    if (serve->stuck) {
        (void)mw_serve_commit(serve, NULL);
    }
    read_stream(serve);
    mw_rollout_tick(&serve->engine, mw_clock_utc());
    mw_serve_reference_second(serve);
    if (!serve->stuck && (serve->round.n_items > 0 || serve->moved)) {
        (void)mw_serve_commit(serve, NULL);
    }
    if (serve->asked > 0 && mw_clock_monotonic() - serve->asked < LOOKED_AT) {
        mw_serve_account(serve, READ_FOR * 5);
    }
    write_stats(serve);
}

static void on_retain(void *context)
{
    struct mw_serve *serve = context;
    struct mw_error error = {0};
    bool more = false;
    if (mw_stream_retain(serve->stream, serve->plant->stream.retention_age,
                         serve->plant->stream.retention_size, mw_clock_utc(), &more,
                         &error) == MW_ERR_EXISTS) {
        mw_log(MW_LOG_WARN, NULL, "Kafka keeps records otherwise than plant.yaml says",
               MW_KS("reason", error.text));
    }
}

/* ---- beginning and end ---- */

static mw_err open_stream(struct mw_serve *serve, struct mw_error *error)
{
    static const char *const topics[] = {"telemetry", "score", "status", "drift", "model"};
    char uri[4096 + 16];
    mw_err err = mw_plant_stream_uri(serve->plant, uri, sizeof uri);
    if (err != MW_OK) {
        return mw_error_set(error, err, "stream.url is too long");
    }
    struct mw_stream_options options = {uri, serve->plant->plant, "serve"};
    err = mw_stream_open(&serve->stream, &options, error);
    if (err == MW_OK) {
        err = mw_stream_reader_open(&serve->reader, serve->stream, topics, 5, MW_STREAM_EARLIEST,
                                    error);
    }
    return err == MW_OK ? mw_serve_load(serve, error) : err;
}

static mw_err make_parsers(struct mw_serve *serve, struct mw_error *error)
{
    size_t first = (mw_wire_parser_size(TOKENS) + 15) & ~(size_t)15;
    size_t second = mw_wire_parser_size(INNER_TOKENS);
    serve->memory = malloc(first + second);
    mw_err err = serve->memory == NULL ? MW_ERR_MEMORY
                                       : mw_wire_parser_init(serve->memory, first, &serve->parser);
    if (err == MW_OK) {
        err = mw_wire_parser_init((char *)serve->memory + first, second, &serve->inner);
    }
    return err == MW_OK ? MW_OK : mw_error_set(error, err, "serve: %s", mw_err_text(err));
}

static mw_err open_http(struct mw_serve *serve, struct mw_error *error)
{
    char path[4096], text[16];
    struct mw_http_options options = {.address = serve->plant->http.listen,
                                      .port = (uint16_t)serve->plant->http.port,
                                      .handler = mw_serve_handle,
                                      .context = serve,
                                      .takes_form = mw_serve_takes_form};
    mw_err err = mw_http_server_new(&serve->http, serve->role.loop, &options, error);
    if (err != MW_OK) {
        return mw_error_wrap(error, "http.listen, http.port");
    }
    err = mw_plant_path(serve->plant, "run", "http", path, sizeof path, error);
    if (err == MW_OK) {
        snprintf(text, sizeof text, "%u\n", (unsigned)mw_http_server_port(serve->http));
        mw_run_file_replace(path, mw_span_of(text));
        mw_log(MW_LOG_INFO, NULL, "serving", MW_KS("address", serve->plant->http.listen),
               MW_KI("port", mw_http_server_port(serve->http)));
    }
    return err;
}

static mw_err add_watches(struct mw_serve *serve, struct mw_error *error)
{
    struct mw_loop *loop = serve->role.loop;
    int fd = mw_stream_reader_fd(serve->reader);
    mw_err err = fd < 0 ? MW_OK : mw_loop_add_fd(loop, fd, EPOLLIN, on_stream, serve, NULL, error);
    if (err == MW_OK) {
        err = mw_loop_add_timer(loop, -1, 0, on_again, serve, &serve->again, error);
    }
    if (err == MW_OK) {
        err = mw_loop_add_timer(loop, 0, MW_SECOND, on_second, serve, NULL, error);
    }
    return err == MW_OK ? mw_loop_add_timer(loop, 10 * MW_SECOND, 10 * MW_SECOND, on_retain, serve,
                                            NULL, error)
                        : err;
}

static mw_err begin(struct mw_serve *serve, struct mw_error *error)
{
    const struct mw_plant *plant = serve->plant;
    struct mw_rollout_config config = {plant->rollout.canary, plant->rollout.records,
                                       plant->rollout.alarm_ratio, plant->rollout.timeout};
    struct mw_rollout_effects effects = {on_update, on_changed, serve};
    mw_rollout_engine_init(&serve->engine, &config, &effects, mw_clock_utc());
    mw_err err = make_parsers(serve, error);
    if (err == MW_OK) {
        err = open_stream(serve, error);
    }
    if (err == MW_OK) {
        err = add_watches(serve, error);
    }
    if (err == MW_OK) {
        err = mw_serve_reference_begin(serve, error);
    }
    return err == MW_OK && plant->http.enabled ? open_http(serve, error) : err;
}

static void clear(struct mw_serve *serve)
{
    char path[4096];
    if (serve->http != NULL &&
        mw_plant_path(serve->plant, "run", "http", path, sizeof path, NULL) == MW_OK) {
        (void)unlink(path);
    }
    mw_http_server_free(serve->http);
    mw_serve_reference_end(serve);
    mw_stream_reader_close(serve->reader);
    mw_stream_close(serve->stream);
    mw_rollout_engine_clear(&serve->engine);
    mw_bridge_round_free(&serve->round);
    mw_table_clear(&serve->things, mw_serve_thing_free);
    mw_table_clear(&serve->machines, free);
    mw_ledger_close(serve->ledger);
    json_decref(serve->drift);
    json_decref(serve->model);
    json_decref(serve->learn);
    free(serve->memory);
    mw_role_clear(&serve->role);
}

mw_err mw_serve_run(const struct mw_plant *plant, struct mw_error *error)
{
    struct mw_serve serve = {.plant = plant};
    mw_err err = mw_role_init(&serve.role, "serve", error);
    if (err != MW_OK) {
        return err;
    }
    err = begin(&serve, error);
    if (err == MW_OK) {
        err = mw_role_run(&serve.role, error);
        (void)mw_serve_commit(&serve, NULL);
    }
    clear(&serve);
    return err;
}
