/* score.c - the role around the scorer: when to step, when to retain, what to tell. */
#include "tiers/inference/score.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/role.h"
#include "tiers/inference/scorer.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#define POLL_EVERY MW_SECOND       /* wake-ups are hints; this guarantees progress */
#define TELL_EVERY (2 * MW_SECOND) /* score.json */
#define TIDY_EVERY MW_SECOND
#define RETAIN_EVERY (60 * MW_SECOND)
#define SOON 1

struct score_role {
    struct mw_role role;
    struct mw_scorer *scorer;
    struct mw_loop_watch *poll, *retain;
    struct mw_score_counts told;
    bool has_told;
    bool failing; /* said so once; only the poll tries again */
};

static void step(struct score_role *role)
{
    struct mw_error error = {0};
    size_t count = 0;
    mw_err err = mw_scorer_step(role->scorer, &count, &error);
    if (err != MW_OK && !role->failing) {
        mw_log(MW_LOG_ERROR, NULL, "batch not scored, trying again every second",
               MW_KS("reason", error.text));
    } else if (err == MW_OK && role->failing) {
        mw_log(MW_LOG_INFO, NULL, "scoring goes on", MW_KI("records", count));
    }
    role->failing = err != MW_OK;
    if (mw_stream_ended(role->scorer->stream)) { /* only a new process finds out what is stored */
        mw_loop_stop(role->role.loop);
    }
    /* Between two batches the loop sees its signals. */
    mw_loop_set_timer(role->role.loop, role->poll, count > 0 ? SOON : POLL_EVERY, 0);
}

static void on_poll(void *context)
{
    step(context);
}

static void on_wake(void *context, uint32_t events)
{
    struct score_role *role = context;
    (void)events;
    mw_stream_reader_drain(role->scorer->reader);
    if (!role->failing) {
        step(role);
    }
}

static void on_retain(void *context)
{
    struct score_role *role = context;
    const struct mw_plant *plant = role->scorer->plant;
    struct mw_error error = {0};
    bool more = false;
    if (mw_stream_retain(role->scorer->stream, plant->stream.retention_age,
                         plant->stream.retention_size, mw_clock_utc(), &more, &error) != MW_OK) {
        mw_log(MW_LOG_WARN, NULL, "retention", MW_KS("reason", error.text));
    }
    mw_loop_set_timer(role->role.loop, role->retain, more ? MW_SECOND / 10 : RETAIN_EVERY, 0);
}

static void on_tidy(void *context)
{
    struct score_role *role = context;
    mw_stream_tidy(role->scorer->stream);
}

static mw_err print_counts(const struct mw_scorer *scorer, struct mw_buffer *json)
{
    const struct mw_score_counts *counts = &scorer->committed;
    mw_err err = mw_buffer_printf(
        json,
        "{\"v\":1,\"pid\":%ld,\"time\":%" PRId64 ",\"records\":%" PRIu64 ",\"scored\":%" PRIu64
        ",\"unserved\":%" PRIu64 ",\"dead\":%" PRIu64 ",\"commands\":%" PRIu64 ",\"loads\":%" PRIu64
        ",\"refused\":%" PRIu64 ",\"bundles\":[",
        (long)getpid(), mw_clock_utc() / MW_SECOND, counts->records, counts->scored,
        counts->unserved, counts->dead, counts->commands, counts->loads, counts->refused);
    for (size_t i = 0; err == MW_OK && i < scorer->n_models; i++) {
        err = mw_buffer_printf(json, "%s\"%s\"", i > 0 ? "," : "",
                               scorer->models[i]->runner.bundle.digest);
    }
    return err == MW_OK ? mw_buffer_printf(json, "]}\n") : err;
}

/* Replaces data/run/score.json without a sync: it is worth nothing after a crash, and a sync here
 * would hold up the next commit. */
static void on_tell(void *context)
{
    struct score_role *role = context;
    char path[4096], fresh[4104];
    struct mw_buffer json = {0};
    if (role->has_told && memcmp(&role->told, &role->scorer->committed, sizeof role->told) == 0) {
        return;
    }
    if (mw_plant_path(role->scorer->plant, "run", "score.json", path, sizeof path, NULL) == MW_OK &&
        print_counts(role->scorer, &json) == MW_OK) {
        (void)snprintf(fresh, sizeof fresh, "%s.new", path);
        FILE *file = fopen(fresh, "we");
        mw_role_tell(&role->role, (struct mw_span){json.data, json.size});
        bool good = file != NULL && fwrite(json.data, 1, json.size, file) == json.size;
        good = file != NULL && fclose(file) == 0 && good;
        if (good && rename(fresh, path) == 0) {
            role->told = role->scorer->committed;
            role->has_told = true;
        }
    }
    mw_buffer_free(&json);
}

static mw_err watch(struct score_role *role, struct mw_error *error)
{
    struct mw_loop *loop = role->role.loop;
    mw_err err = mw_loop_add_timer(loop, SOON, 0, on_poll, role, &role->poll, error);
    if (err == MW_OK) {
        err = mw_loop_add_timer(loop, RETAIN_EVERY, 0, on_retain, role, &role->retain, error);
    }
    if (err == MW_OK) {
        err = mw_loop_add_timer(loop, TELL_EVERY, TELL_EVERY, on_tell, role, NULL, error);
    }
    if (err == MW_OK) {
        err = mw_loop_add_timer(loop, TIDY_EVERY, TIDY_EVERY, on_tidy, role, NULL, error);
    }
    if (err == MW_OK) {
        err = mw_loop_add_fd(loop, mw_stream_reader_fd(role->scorer->reader), EPOLLIN, on_wake,
                             role, NULL, error);
    }
    return err;
}

mw_err mw_score_run(const struct mw_plant *plant, struct mw_error *error)
{
    struct score_role role = {0};
    mw_err err = mw_role_init(&role.role, "score", error);
    if (err != MW_OK) {
        return err;
    }
    err = mw_scorer_open(&role.scorer, plant, error);
    err = err == MW_OK ? watch(&role, error) : err;
    err = err == MW_OK ? mw_role_run(&role.role, error) : err;
    if (role.scorer != NULL) {
        on_tell(&role);
    }
    mw_role_clear(&role.role);
    mw_scorer_close(role.scorer);
    return err;
}
