/* watch.c - the role: reads on, and gives the alarms that the windows find. */
#include "tiers/training/watch.h"

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "tiers/training/watch_internal.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POLL 256
#define TOKENS 4096
#define LOOK (MW_SECOND / 10)
#define READ_FOR (20 * 1000) /* microseconds at a time: in between the loop sees its signals */

/* One batch. Its alarms and its position are one transaction. */
static mw_err take_batch(struct mw_watch_role *role, size_t *n, struct mw_error *error)
{
    static struct mw_watch_alarm alarm; /* large; one thread */
    mw_err err = mw_stream_poll(role->reader, role->records, POLL, n, error);
    role->alarmed = false;
    for (size_t i = 0; err == MW_OK && i < *n; i++) {
        struct mw_watched *watched;
        role->seen++;
        err = mw_watch_take(role, &role->records[i], &watched, error);
        while (err == MW_OK && watched != NULL && mw_watch_alarm(watched->watch, &alarm)) {
            err = mw_watch_tell(role, watched, &alarm, error);
        }
    }
    /* A position alone can wait: what is read twice after a restart only fills windows that are
     * empty then. */
    bool due = mw_clock_monotonic() - role->committed > MW_SECOND;
    if (err == MW_OK && (role->alarmed || (*n > 0 && due))) {
        err = role->alarmed ? MW_OK : mw_stream_begin(role->stream, error);
        if (err == MW_OK) {
            err = mw_stream_commit(role->stream, role->reader, error);
        }
        role->committed = mw_clock_monotonic();
    }
    return err;
}

static void on_look(void *context)
{
    struct mw_watch_role *role = context;
    int64_t end = mw_clock_monotonic() + READ_FOR;
    size_t n = 0;
    mw_stream_reader_drain(role->reader);
    do {
        struct mw_error error = {0};
        if (take_batch(role, &n, &error) != MW_OK) {
            mw_log(MW_LOG_ERROR, NULL, "cannot follow the stream", MW_KS("reason", error.text));
            mw_stream_rollback(role->stream);
            mw_stream_reader_rewind(role->reader, NULL);
            if (mw_stream_ended(role->stream)) { /* only a new process finds out what is stored */
                mw_loop_stop(role->role.loop);
            }
            return;
        }
    } while (n > 0 && mw_clock_monotonic() < end);
    if (n > 0) {
        mw_loop_set_timer(role->role.loop, role->look, 0, LOOK);
    }
}

static void on_second(void *context)
{
    struct mw_watch_role *role = context;
    struct mw_error error = {0};
    char path[PATH_MAX], json[512];
    size_t machines = 0, drifted = 0;
    for (size_t i = 0; i < role->n_watched; i++) {
        machines += mw_watch_machines(role->watched[i]->watch);
        drifted += mw_watch_drifted(role->watched[i]->watch);
    }
    bool plant = role->n_watched > 0 && role->watched[0]->bundle.machine == NULL;
    int n = snprintf(json, sizeof json,
                     "{\"v\":1,\"role\":\"watch\",\"pid\":%d,\"time\":%.6f,\"records\":%llu,"
                     "\"alarms\":%llu,\"machines\":%zu,\"drifted\":%zu,\"bundles\":%zu,"
                     "\"bundle\":\"%s\"}\n",
                     (int)getpid(), (double)mw_clock_utc() / 1e6, (unsigned long long)role->seen,
                     (unsigned long long)role->alarms, machines, drifted, role->n_watched,
                     plant ? role->watched[0]->bundle.digest : "");
    mw_role_tell(&role->role, (struct mw_span){json, (size_t)n});
    if (mw_plant_path(role->plant, "run", "watch.json", path, sizeof path, &error) != MW_OK ||
        mw_file_replace(path, json, (size_t)n, 0644, &error) != MW_OK) {
        mw_log(MW_LOG_WARN, NULL, "cannot write run/watch.json", MW_KS("reason", error.text));
    }
}

static mw_err open_stream(struct mw_watch_role *role, struct mw_error *error)
{
    static const char *const topics[] = {"update", "baseline", "telemetry",
                                         "sketch", "score",    "event"};
    char uri[PATH_MAX];
    struct mw_stream_options options = {.uri = uri, .plant = role->plant->plant, .writer = "watch"};
    mw_err err = mw_plant_stream_uri(role->plant, uri, sizeof uri);
    if (err == MW_OK) {
        err = mw_stream_open(&role->stream, &options, error);
    }
    if (err == MW_OK) {
        err = mw_stream_reader_open(&role->reader, role->stream, topics,
                                    sizeof topics / sizeof *topics, MW_STREAM_EARLIEST, error);
    }
    return err;
}

static mw_err open_all(struct mw_watch_role *role, struct mw_error *error)
{
    char path[PATH_MAX], uri[PATH_MAX + 8];
    size_t size = mw_wire_parser_size(TOKENS);
    role->records = calloc(POLL, sizeof *role->records);
    role->parser_memory = malloc(size);
    if (role->records == NULL || role->parser_memory == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    mw_err err = mw_wire_parser_init(role->parser_memory, size, &role->parser);
    if (err == MW_OK) {
        err = mw_plant_path(role->plant, "artifacts", NULL, path, sizeof path, error);
    }
    if (err == MW_OK) {
        snprintf(uri, sizeof uri, "oci:%s", path);
        err = mw_store_open(&role->store, uri, true, error);
    }
    if (err == MW_OK) {
        err = mw_baselines_new(&role->baselines, error);
    }
    if (err == MW_OK) {
        err = open_stream(role, error);
    }
    return err == MW_OK ? mw_watch_restore(role, error) : err;
}

mw_err mw_watch_run(const struct mw_plant *plant, struct mw_error *error)
{
    struct mw_watch_role *role = calloc(1, sizeof *role);
    if (role == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    role->plant = plant;
    mw_err err = mw_role_init(&role->role, "watch", error);
    if (err == MW_OK) {
        err = open_all(role, error);
    }
    if (err == MW_OK) {
        /* Nobody waits for the watch, so it does not wake with every record beside those that are
         * waited for. */
        err = mw_loop_add_timer(role->role.loop, LOOK, LOOK, on_look, role, &role->look, error);
    }
    if (err == MW_OK) {
        err =
            mw_loop_add_timer(role->role.loop, 0, MW_SECOND, on_second, role, &role->second, error);
    }
    if (err == MW_OK) {
        err = mw_role_run(&role->role, error);
    }
    mw_watch_forget_all(role);
    mw_baselines_free(role->baselines);
    mw_stream_reader_close(role->reader);
    mw_stream_close(role->stream);
    mw_store_close(role->store);
    mw_role_clear(&role->role);
    free(role->parser_memory);
    free(role->records);
    free(role);
    return err;
}
