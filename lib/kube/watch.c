#include "lib/kube/watch.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/kube/backoff.h"
#include "lib/kube/lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IDLE (150 * MW_SECOND)
#define PAGE 200u
#define SERVER_SECONDS 300 /* after which the server ends a watch; we then take it up again */
#define TOLD_AFTER 3u      /* failures in a row before a person hears of it */

struct mw_kube_watch {
    struct mw_kube *kube;
    char *path, *query;
    unsigned page;
    int64_t idle;
    mw_kube_change_fn *fn;
    void *context;
    struct mw_kube_request *request;
    struct mw_loop_watch *timer;
    char *version; /* to go on from; NULL: list first */
    char *next;    /* token of the list's next page; NULL: none */
    bool listing;  /* RELIST was said, SYNCED not yet */
    bool synced;
    bool heard;              /* an event since the request was sent */
    bool stale;              /* the server has forgotten the version, or a line made no sense */
    char why[MW_ERROR_TEXT]; /* what this watch itself complained of */
    unsigned failures; /* in a row, without an event between them: a list alone proves little */
    char text[MW_ERROR_TEXT]; /* the last one */
};

static void proceed(void *context);

static void set_text(char **out, const char *text)
{
    free(*out);
    *out = text == NULL || text[0] == '\0' ? NULL : strdup(text);
}

static void again(struct mw_kube_watch *watch, int64_t delay)
{
    mw_loop_set_timer(mw_kube_loop(watch->kube), watch->timer, delay, 0);
}

static void fail(struct mw_kube_watch *watch, int64_t asked, const char *text)
{
    int64_t wait = mw_kube_backoff(watch->failures, mw_kube_random(), asked);
    watch->failures++;
    snprintf(watch->text, sizeof watch->text, "%s", text);
    mw_log(watch->failures == TOLD_AFTER ? MW_LOG_WARN : MW_LOG_DEBUG, NULL,
           "the API server does not answer as expected, trying again", MW_KS("path", watch->path),
           MW_KS("reason", text), MW_KI("failures", watch->failures),
           MW_KI("wait_ms", wait / 1000));
    again(watch, wait);
}

static void well(struct mw_kube_watch *watch)
{
    if (watch->failures >= TOLD_AFTER) {
        mw_log(MW_LOG_INFO, NULL, "the API server answers again", MW_KS("path", watch->path));
    }
    watch->failures = 0;
    watch->text[0] = '\0';
}

/* ---- the list ---- */

static void take_page(struct mw_kube_watch *watch, const json_t *body)
{
    size_t index;
    json_t *item;
    if (!watch->listing) {
        watch->listing = true;
        watch->fn(watch->context, MW_KUBE_RELIST, NULL);
    }
    json_array_foreach(json_object_get(body, "items"), index, item)
    {
        watch->fn(watch->context, MW_KUBE_PUT, item);
    }
    set_text(&watch->next, mw_kube_meta(body, "continue"));
    if (watch->next == NULL) {
        set_text(&watch->version, mw_kube_meta(body, "resourceVersion"));
        watch->listing = false;
        watch->synced = true;
        watch->fn(watch->context, MW_KUBE_SYNCED, NULL);
    }
    again(watch, 0);
}

static void on_list(void *context, const struct mw_kube_answer *answer)
{
    struct mw_kube_watch *watch = context;
    watch->request = NULL;
    if (answer->status == 200 && json_is_array(json_object_get(answer->body, "items")) &&
        mw_kube_meta(answer->body, "resourceVersion") != NULL) {
        take_page(watch, answer->body);
        return;
    }
    /* A list whose token has expired in the middle begins anew, and so does any other. */
    watch->listing = false;
    set_text(&watch->next, NULL);
    fail(watch, answer->retry_after,
         answer->status == 200 ? "a list of objects was expected" : answer->text);
}

static mw_err send_list(struct mw_kube_watch *watch, struct mw_error *error)
{
    char *path = NULL;
    if (asprintf(&path, "%s?limit=%u%s%s%s%s", watch->path, watch->page,
                 watch->query == NULL ? "" : "&", watch->query == NULL ? "" : watch->query,
                 watch->next == NULL ? "" : "&continue=", watch->next == NULL ? "" : watch->next) <
        0) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    struct mw_kube_call call = {.method = "GET", .path = path, .done = on_list, .context = watch};
    mw_err err = mw_kube_send(watch->kube, &call, &watch->request, error);
    free(path);
    return err;
}

/* ---- the watch ---- */

static bool on_line(void *context, struct mw_span line)
{
    struct mw_kube_watch *watch = context;
    struct mw_kube_event event;
    struct mw_error error = {0};
    if (mw_kube_event_parse(line, &event, &error) != MW_OK) {
        watch->stale = true;
        snprintf(watch->why, sizeof watch->why, "%s", error.text);
        return false;
    }
    if (event.type == MW_KUBE_ERROR) {
        const char *message = json_string_value(json_object_get(event.object, "message"));
        watch->stale = event.code == 410 || event.code == 0;
        snprintf(watch->why, sizeof watch->why, "%s", message == NULL ? "error" : message);
        json_decref(event.object);
        return false;
    }
    watch->heard = true;
    set_text(&watch->version, event.version);
    if (event.type != MW_KUBE_BOOKMARK) {
        watch->fn(watch->context, event.type == MW_KUBE_ADDED ? MW_KUBE_PUT : MW_KUBE_GONE,
                  event.object);
    }
    json_decref(event.object);
    return true;
}

static void on_end(void *context, const struct mw_kube_answer *answer)
{
    struct mw_kube_watch *watch = context;
    watch->request = NULL;
    if (watch->heard) {
        well(watch);
    }
    if (watch->stale || answer->status == 410) {
        set_text(&watch->version, NULL);
    }
    /* A watch that the server has ended in good order after some event is simply taken up again;
     * one that brings nothing waits longer each time. */
    if (answer->status == 200 && watch->heard && watch->why[0] == '\0') {
        again(watch, (int64_t)(mw_kube_random() % 50000));
    } else {
        fail(watch, answer->retry_after,
             watch->why[0] != '\0'     ? watch->why
             : answer->text[0] != '\0' ? answer->text
                                       : "the watch ended without an event");
    }
}

static mw_err send_watch(struct mw_kube_watch *watch, struct mw_error *error)
{
    char *path = NULL;
    if (asprintf(&path,
                 "%s?watch=1&allowWatchBookmarks=true&timeoutSeconds=%d&resourceVersion=%s%s%s",
                 watch->path, SERVER_SECONDS, watch->version, watch->query == NULL ? "" : "&",
                 watch->query == NULL ? "" : watch->query) < 0) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    struct mw_kube_call call = {.method = "GET",
                                .path = path,
                                .idle = watch->idle,
                                .on_line = on_line,
                                .done = on_end,
                                .context = watch};
    watch->heard = watch->stale = false;
    watch->why[0] = '\0';
    mw_err err = mw_kube_send(watch->kube, &call, &watch->request, error);
    free(path);
    return err;
}

static void proceed(void *context)
{
    struct mw_kube_watch *watch = context;
    struct mw_error error = {0};
    mw_err err = watch->version == NULL ? send_list(watch, &error) : send_watch(watch, &error);
    if (err != MW_OK) {
        fail(watch, -1, error.text);
    }
}

/* ---- making and ending ---- */

mw_err mw_kube_watch_new(struct mw_kube_watch **watch, struct mw_kube *kube,
                         const struct mw_kube_watch_options *options, struct mw_error *error)
{
    struct mw_kube_watch *made = calloc(1, sizeof *made);
    *watch = NULL;
    if (made == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    *made = (struct mw_kube_watch){.kube = kube,
                                   .path = strdup(options->path),
                                   .page = options->page == 0 ? PAGE : options->page,
                                   .idle = options->idle == 0 ? IDLE : options->idle,
                                   .fn = options->fn,
                                   .context = options->context};
    set_text(&made->query, options->query);
    mw_err err =
        made->path == NULL || (made->query == NULL && options->query != NULL)
            ? mw_error_set(error, MW_ERR_MEMORY, "out of memory")
            : mw_loop_add_timer(mw_kube_loop(kube), 0, 0, proceed, made, &made->timer, error);
    if (err != MW_OK) {
        mw_kube_watch_free(made);
        return err;
    }
    *watch = made;
    return MW_OK;
}

void mw_kube_watch_free(struct mw_kube_watch *watch)
{
    if (watch == NULL) {
        return;
    }
    mw_kube_cancel(watch->kube, watch->request);
    mw_loop_remove(mw_kube_loop(watch->kube), watch->timer);
    free(watch->path);
    free(watch->query);
    free(watch->version);
    free(watch->next);
    free(watch);
}

bool mw_kube_watch_is_synced(const struct mw_kube_watch *watch)
{
    return watch->synced;
}

unsigned mw_kube_watch_failures(const struct mw_kube_watch *watch, const char **text)
{
    if (text != NULL) {
        *text = watch->text;
    }
    return watch->failures;
}
