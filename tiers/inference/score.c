/* score.c - the role around the scorers: which shares this process hosts, and what it tells. */
#include "tiers/inference/score.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/role.h"
#include "lib/stream/members.h"
#include "tiers/inference/score_host.h"
#include "tiers/inference/score_share.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#define TELL_EVERY (2 * MW_SECOND) /* score.json */
#define ATTEND_EVERY MW_SECOND
#define TAKEN_AWAY (3 * MW_SECOND) /* a share is not opened again at once: somebody else has it */

struct score_role {
    struct mw_role role;
    const struct mw_plant *plant;
    size_t shares;
    struct mw_score_host *host;  /* one a share */
    struct mw_score_counts gone; /* of shares that this process has no more */
    /* with several shares */
    bool divided;
    struct mw_stream_members *members;
    struct mw_loop_watch *news; /* of the members' descriptor */
    bool failing;               /* said so once */
    struct mw_error fatal;
};

/* ---- telling ---- */

static void add_counts(struct mw_score_counts *sum, const struct mw_score_counts *counts)
{
    sum->records += counts->records;
    sum->scored += counts->scored;
    sum->unserved += counts->unserved;
    sum->dead += counts->dead;
    sum->commands += counts->commands;
    sum->loads += counts->loads;
    sum->refused += counts->refused;
}

/* The process as a whole, whatever shares have come and gone: a counter never goes back. */
static void tell_role(struct score_role *role)
{
    struct mw_score_counts sum = role->gone;
    const struct mw_scorer *any = NULL;
    struct mw_buffer json = {0};
    char hosted[32];
    size_t n = 0;
    for (size_t i = 0; i < role->shares; i++) {
        const struct mw_scorer *scorer = role->host[i].scorer;
        if (scorer != NULL) {
            add_counts(&sum, &scorer->committed);
            any = scorer;
            n++;
        }
    }
    (void)snprintf(hosted, sizeof hosted, ",\"hosted\":%zu", n);
    if (mw_score_print_counts(&json, any, &sum, hosted) == MW_OK) {
        mw_role_tell(&role->role, (struct mw_span){json.data, json.size});
    }
    mw_buffer_free(&json);
}

static void on_tell(void *context)
{
    struct score_role *role = context;
    for (size_t i = 0; i < role->shares; i++) {
        mw_score_host_tell(&role->host[i]);
    }
    tell_role(role);
}

/* ---- shares come and go ---- */

static void let_go(struct mw_score_host *host, const char *why)
{
    struct score_role *role = host->context;
    if (host->scorer != NULL) {
        add_counts(&role->gone, &host->scorer->committed);
        mw_log(MW_LOG_INFO, NULL, why, MW_KI("share", host->share));
    }
    mw_score_host_close(host);
}

static void on_ended(struct mw_score_host *host)
{
    struct score_role *role = host->context;
    if (role->shares == 1) { /* only a new process finds out what is stored */
        mw_loop_stop(role->role.loop);
        return;
    }
    let_go(host, "another process has taken the share, or it cannot be written");
    host->due = mw_clock_monotonic() + TAKEN_AWAY;
}

static void take_up(struct score_role *role, struct mw_score_host *host)
{
    struct mw_error error = {0};
    int64_t began = mw_clock_monotonic();
    if (began < host->due) {
        return;
    }
    mw_err err = mw_score_host_open(host, &error);
    if (err == MW_OK) {
        mw_log(MW_LOG_INFO, NULL, "scores a share", MW_KI("share", host->share),
               MW_KI("of", role->shares),
               MW_KN("opened_seconds", (double)(mw_clock_monotonic() - began) / MW_SECOND));
        return;
    }
    mw_log(MW_LOG_ERROR, NULL, "a share cannot be scored yet", MW_KI("share", host->share),
           MW_KS("reason", error.text));
    host->due = mw_clock_monotonic() + TAKEN_AWAY;
}

static void attend(struct score_role *role);

static void on_news(void *context, uint32_t events)
{
    (void)events;
    attend(context);
}

static void on_attend(void *context)
{
    attend(context);
}

/* Divides the stream unless it is, and joins those who share it. */
static mw_err join(struct score_role *role, struct mw_error *error)
{
    char uri[4096];
    mw_err err = role->divided ? MW_OK : mw_score_divide(role->plant, error);
    role->divided = err == MW_OK;
    if (err == MW_OK && mw_plant_stream_uri(role->plant, uri, sizeof uri) != MW_OK) {
        err = mw_error_set(error, MW_ERR_TOO_LARGE, "stream.url: too long");
    }
    if (err == MW_OK) {
        struct mw_stream_members_options options = {
            .uri = uri, .plant = role->plant->plant, .role = "score", .shares = role->shares};
        err = mw_stream_members_join(&role->members, &options, error);
    }
    return err == MW_OK ? mw_loop_add_fd(role->role.loop, mw_stream_members_fd(role->members),
                                         EPOLLIN, on_news, role, &role->news, error)
                        : err;
}

static mw_err look(struct score_role *role, struct mw_error *error)
{
    uint64_t mine = 0;
    mw_err err = role->members == NULL ? join(role, error) : MW_OK;
    err = err == MW_OK ? mw_stream_members_poll(role->members, &mine, error) : err;
    for (size_t i = 0; err == MW_OK && i < role->shares; i++) {
        bool wanted = (mine >> i & 1) != 0;
        if (!wanted) {
            let_go(&role->host[i], "another process scores the share");
        } else if (role->host[i].scorer == NULL) {
            take_up(role, &role->host[i]);
        }
    }
    return err;
}

static void attend(struct score_role *role)
{
    struct mw_error error = {0};
    mw_err err = look(role, &error);
    if (err == MW_ERR_STATE) { /* divided otherwise: no trying helps */
        role->fatal = error;
        mw_loop_stop(role->role.loop);
    } else if (err != MW_OK && !role->failing) {
        mw_log(MW_LOG_ERROR, NULL, "cannot share the stream, trying again every second",
               MW_KS("reason", error.text));
    }
    role->failing = err != MW_OK;
}

/* ---- beginning and end ---- */

static mw_err begin(struct score_role *role, struct mw_error *error)
{
    struct mw_loop *loop = role->role.loop;
    role->host = calloc(role->shares, sizeof *role->host);
    if (role->host == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "score: out of memory");
    }
    for (size_t i = 0; i < role->shares; i++) {
        role->host[i] = (struct mw_score_host){
            .loop = loop, .plant = role->plant, .share = i, .ended = on_ended, .context = role};
    }
    mw_err err = mw_loop_add_timer(loop, TELL_EVERY, TELL_EVERY, on_tell, role, NULL, error);
    if (err != MW_OK || role->shares == 1) {
        return err == MW_OK ? mw_score_host_open(&role->host[0], error) : err;
    }
    attend(role);
    if (role->fatal.text[0] != '\0') {
        return mw_error_set(error, MW_ERR_STATE, "%s", role->fatal.text);
    }
    return mw_loop_add_timer(loop, ATTEND_EVERY, ATTEND_EVERY, on_attend, role, NULL, error);
}

mw_err mw_score_run(const struct mw_plant *plant, struct mw_error *error)
{
    struct score_role role = {.plant = plant, .shares = mw_score_shares(plant)};
    mw_err err = mw_role_init(&role.role, "score", error);
    if (err != MW_OK) {
        return err;
    }
    err = begin(&role, error);
    err = err == MW_OK ? mw_role_run(&role.role, error) : err;
    if (err == MW_OK && role.fatal.text[0] != '\0') {
        err = mw_error_set(error, MW_ERR_STATE, "%s", role.fatal.text);
    }
    for (size_t i = 0; role.host != NULL && i < role.shares; i++) {
        mw_score_host_close(&role.host[i]);
    }
    mw_loop_remove(role.role.loop, role.news);
    mw_stream_members_leave(role.members);
    mw_role_clear(&role.role);
    free(role.host);
    return err;
}
