#include "tiers/inference/score_host.h"

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "tiers/inference/score_share.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#define POLL_EVERY MW_SECOND /* wake-ups are hints; this guarantees progress */
#define TIDY_EVERY MW_SECOND
#define RETAIN_EVERY (60 * MW_SECOND)
#define SOON 1

static void step(struct mw_score_host *host)
{
    struct mw_error error = {0};
    size_t count = 0;
    mw_err err = mw_scorer_step(host->scorer, &count, &error);
    if (err != MW_OK && !host->failing) {
        mw_log(MW_LOG_ERROR, NULL, "batch not scored, trying again every second",
               MW_KI("share", host->share), MW_KS("reason", error.text));
    } else if (err == MW_OK && host->failing) {
        mw_log(MW_LOG_INFO, NULL, "scoring goes on", MW_KI("records", count));
    }
    host->failing = err != MW_OK;
    if (mw_stream_ended(host->scorer->stream)) {
        host->ended(host);
        return;
    }
    /* Between two batches the loop sees its signals. */
    mw_loop_set_timer(host->loop, host->poll, count > 0 ? SOON : POLL_EVERY, 0);
}

static void on_poll(void *context)
{
    step(context);
}

static void on_wake(void *context, uint32_t events)
{
    struct mw_score_host *host = context;
    (void)events;
    mw_stream_reader_drain(host->scorer->reader);
    if (!host->failing) {
        step(host);
    }
}

static void on_retain(void *context)
{
    struct mw_score_host *host = context;
    const struct mw_plant *plant = host->plant;
    struct mw_error error = {0};
    bool more = false;
    if (mw_stream_retain(host->scorer->stream, plant->stream.retention_age,
                         plant->stream.retention_size, mw_clock_utc(), &more, &error) != MW_OK) {
        mw_log(MW_LOG_WARN, NULL, "retention", MW_KS("reason", error.text));
    }
    mw_loop_set_timer(host->loop, host->retain, more ? MW_SECOND / 10 : RETAIN_EVERY, 0);
}

static void on_tidy(void *context)
{
    struct mw_score_host *host = context;
    mw_stream_tidy(host->scorer->stream);
}

/* ---- what it tells ---- */

mw_err mw_score_print_counts(struct mw_buffer *json, const struct mw_scorer *scorer,
                             const struct mw_score_counts *counts, const char *shares)
{
    mw_err err = mw_buffer_printf(
        json,
        "{\"v\":1,\"pid\":%ld,\"time\":%" PRId64 "%s,\"records\":%" PRIu64 ",\"scored\":%" PRIu64
        ",\"unserved\":%" PRIu64 ",\"dead\":%" PRIu64 ",\"commands\":%" PRIu64 ",\"loads\":%" PRIu64
        ",\"refused\":%" PRIu64 ",\"bundles\":[",
        (long)getpid(), mw_clock_utc() / MW_SECOND, shares, counts->records, counts->scored,
        counts->unserved, counts->dead, counts->commands, counts->loads, counts->refused);
    for (size_t i = 0; err == MW_OK && scorer != NULL && i < scorer->n_models; i++) {
        err = mw_buffer_printf(json, "%s\"%s\"", i > 0 ? "," : "",
                               scorer->models[i]->runner.bundle.digest);
    }
    return err == MW_OK ? mw_buffer_printf(json, "]}\n") : err;
}

void mw_score_host_tell(struct mw_score_host *host)
{
    char path[4096], writer[MW_SHARE_NAME], name[MW_SHARE_NAME + 8], shares[128] = "";
    struct mw_buffer json = {0};
    if (host->scorer == NULL ||
        (host->has_told && memcmp(&host->told, &host->scorer->committed, sizeof host->told) == 0)) {
        return;
    }
    size_t n = mw_score_shares(host->plant);
    mw_score_share_name(host->share, writer);
    (void)snprintf(name, sizeof name, "%s.json", writer);
    if (n > 1) {
        char node[64] = "";
        (void)gethostname(node, sizeof node - 1);
        (void)snprintf(shares, sizeof shares, ",\"host\":\"%s\",\"share\":%zu,\"shares\":%zu", node,
                       host->share, n);
    }
    if (mw_plant_path(host->plant, "run", name, path, sizeof path, NULL) == MW_OK &&
        mw_score_print_counts(&json, host->scorer, &host->scorer->committed, shares) == MW_OK &&
        mw_file_replace(path, json.data, json.size, 0644, NULL) == MW_OK) {
        host->told = host->scorer->committed;
        host->has_told = true;
    }
    mw_buffer_free(&json);
}

/* ---- beginning and end ---- */

static mw_err watch(struct mw_score_host *host, struct mw_error *error)
{
    struct mw_loop *loop = host->loop;
    mw_err err = mw_loop_add_timer(loop, SOON, 0, on_poll, host, &host->poll, error);
    if (err == MW_OK) {
        err = mw_loop_add_timer(loop, RETAIN_EVERY, 0, on_retain, host, &host->retain, error);
    }
    if (err == MW_OK) {
        err = mw_loop_add_timer(loop, TIDY_EVERY, TIDY_EVERY, on_tidy, host, &host->tidy, error);
    }
    if (err == MW_OK) {
        err = mw_loop_add_fd(loop, mw_stream_reader_fd(host->scorer->reader), EPOLLIN, on_wake,
                             host, &host->wake, error);
    }
    return err;
}

mw_err mw_score_host_open(struct mw_score_host *host, struct mw_error *error)
{
    mw_err err = mw_scorer_open(&host->scorer, host->plant, host->share, error);
    err = err == MW_OK ? watch(host, error) : err;
    host->failing = false;
    host->has_told = false;
    if (err != MW_OK) {
        mw_score_host_close(host);
        return err;
    }
    mw_score_host_tell(host); /* whose the share is now */
    return MW_OK;
}

void mw_score_host_close(struct mw_score_host *host)
{
    if (host->scorer == NULL) {
        return;
    }
    mw_score_host_tell(host);
    mw_loop_remove(host->loop, host->poll);
    mw_loop_remove(host->loop, host->retain);
    mw_loop_remove(host->loop, host->tidy);
    mw_loop_remove(host->loop, host->wake); /* before the reader, whose descriptor it is */
    host->poll = host->retain = host->tidy = host->wake = NULL;
    mw_scorer_close(host->scorer);
    host->scorer = NULL;
}
