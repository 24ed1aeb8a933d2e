#include "lib/kube/elect.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/kube/backoff.h"
#include "lib/kube/lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DURATION (15 * MW_SECOND)

/* ---- judging ---- */

static const char *spec_text(const json_t *lease, const char *key)
{
    const char *text = json_string_value(json_object_get(json_object_get(lease, "spec"), key));
    return text == NULL ? "" : text;
}

static int64_t lease_duration(const json_t *lease, int64_t fallback)
{
    json_int_t seconds =
        json_integer_value(json_object_get(json_object_get(lease, "spec"), "leaseDurationSeconds"));
    return seconds > 0 && seconds <= 86400 ? seconds * MW_SECOND : fallback;
}

enum mw_kube_claim mw_kube_lease_judge(struct mw_kube_lease_view *view, const json_t *lease,
                                       const char *identity, int64_t duration, int64_t now)
{
    if (lease == NULL) {
        return MW_KUBE_CREATE;
    }
    const char *holder = spec_text(lease, "holderIdentity");
    const char *renewed = spec_text(lease, "renewTime");
    if (!view->seen || strcmp(view->holder, holder) != 0 || strcmp(view->renewed, renewed) != 0) {
        view->seen = true;
        view->changed = now;
        snprintf(view->holder, sizeof view->holder, "%s", holder);
        snprintf(view->renewed, sizeof view->renewed, "%s", renewed);
    }
    if (strcmp(holder, identity) == 0) {
        return MW_KUBE_RENEW;
    }
    bool over = now - view->changed >= lease_duration(lease, duration);
    return holder[0] == '\0' || over ? MW_KUBE_TAKE : MW_KUBE_WAIT;
}

/* ---- electing ---- */

struct mw_kube_elect {
    struct mw_kube *kube;
    char *space, *name, *identity;
    int64_t duration;
    void (*on_change)(void *context, bool leads);
    void *context;
    struct mw_loop_watch *timer;
    struct mw_kube_request *request;
    struct mw_kube_lease_view view;
    json_t *lease; /* newest known; NULL: none, or look first */
    bool leads, resigned;
    int64_t renewed; /* monotonic time at which the last good renewal was sent */
    int64_t sent;
    unsigned failures;
    void (*done)(void *context);
    void *done_context;
};

static void look(struct mw_kube_elect *elect);

static void set_leads(struct mw_kube_elect *elect, bool leads)
{
    if (elect->leads != leads) {
        elect->leads = leads;
        mw_log(MW_LOG_INFO, NULL, leads ? "leads now" : "does not lead any more",
               MW_KS("identity", elect->identity));
        elect->on_change(elect->context, leads);
    }
}

static void again(struct mw_kube_elect *elect, int64_t wait)
{
    mw_loop_set_timer(mw_kube_loop(elect->kube), elect->timer, wait, 0);
}

static int64_t beat(const struct mw_kube_elect *elect)
{
    return elect->duration / 10 + (int64_t)(mw_kube_random() % (uint32_t)(elect->duration / 40));
}

/* Whoever cannot say that the Lease is his, stops in time. */
static void check_deadline(struct mw_kube_elect *elect)
{
    if (elect->leads && mw_clock_monotonic() - elect->renewed > elect->duration / 3 * 2) {
        set_leads(elect, false);
    }
}

static void fail(struct mw_kube_elect *elect, const struct mw_kube_answer *answer)
{
    mw_log(elect->failures == 2 ? MW_LOG_WARN : MW_LOG_DEBUG, NULL, "election: no answer",
           MW_KS("reason", answer->text), MW_KI("status", answer->status));
    check_deadline(elect);
    /* Longer waits than a beat would lose the Lease over a short failure. */
    int64_t wait = mw_kube_backoff(elect->failures++, mw_kube_random(), answer->retry_after);
    again(elect,
          wait < elect->duration / 5 || answer->retry_after > 0 ? wait : elect->duration / 5);
}

static void on_written(void *context, const struct mw_kube_answer *answer)
{
    struct mw_kube_elect *elect = context;
    elect->request = NULL;
    if (elect->resigned) {
        if (elect->done != NULL) {
            elect->done(elect->done_context);
        }
        return;
    }
    json_decref(elect->lease);
    elect->lease = NULL;
    if (answer->status == 200 || answer->status == 201) {
        elect->lease = json_incref(answer->body);
        elect->renewed = elect->sent;
        elect->failures = 0;
        set_leads(elect, true);
        again(elect, beat(elect));
    } else if (answer->status == 409) { /* somebody else was faster: look who */
        again(elect, beat(elect) / 4);
    } else {
        fail(elect, answer);
    }
}

static void print_time(char text[64])
{
    int64_t now = mw_clock_utc();
    time_t seconds = (time_t)(now / MW_SECOND);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t n = strftime(text, 64, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + n, 64 - n, ".%06dZ", (int)(now % MW_SECOND));
}

static json_t *make_lease(const struct mw_kube_elect *elect, const char *holder)
{
    char now[64];
    print_time(now);
    bool ours = strcmp(spec_text(elect->lease, "holderIdentity"), holder) == 0;
    const char *acquired = ours ? spec_text(elect->lease, "acquireTime") : now;
    json_int_t changes = json_integer_value(
        json_object_get(json_object_get(elect->lease, "spec"), "leaseTransitions"));
    json_t *lease = json_pack(
        "{s:s,s:s,s:{s:s,s:s},s:{s:s,s:I,s:s,s:s,s:I}}", "apiVersion", "coordination.k8s.io/v1",
        "kind", "Lease", "metadata", "name", elect->name, "namespace", elect->space, "spec",
        "holderIdentity", holder, "leaseDurationSeconds",
        (json_int_t)((elect->duration + MW_SECOND - 1) / MW_SECOND), "acquireTime",
        acquired[0] == '\0' ? now : acquired, "renewTime", now, "leaseTransitions",
        ours || elect->lease == NULL ? changes : changes + 1);
    const char *version =
        elect->lease == NULL ? NULL : mw_kube_meta(elect->lease, "resourceVersion");
    if (version != NULL) {
        json_object_set_new(json_object_get(lease, "metadata"), "resourceVersion",
                            json_string(version));
    }
    return lease;
}

static mw_err send(struct mw_kube_elect *elect, const char *method, json_t *body,
                   mw_kube_done_fn *done)
{
    char *path = NULL;
    bool all = strcmp(method, "POST") == 0;
    if (asprintf(&path, "/apis/coordination.k8s.io/v1/namespaces/%s/leases%s%s", elect->space,
                 all ? "" : "/", all ? "" : elect->name) < 0) {
        json_decref(body);
        return MW_ERR_MEMORY;
    }
    struct mw_kube_call call = {.method = method,
                                .path = path,
                                .body = body,
                                .idle = elect->duration / 3,
                                .done = done,
                                .context = elect};
    elect->sent = mw_clock_monotonic();
    struct mw_error error = {0};
    mw_err err = mw_kube_send(elect->kube, &call, &elect->request, &error);
    free(path);
    json_decref(body);
    if (err != MW_OK) {
        fail(elect, &(struct mw_kube_answer){.retry_after = -1, .text = error.text});
    }
    return err;
}

static void act(struct mw_kube_elect *elect)
{
    enum mw_kube_claim claim = mw_kube_lease_judge(&elect->view, elect->lease, elect->identity,
                                                   elect->duration, mw_clock_monotonic());
    if (claim == MW_KUBE_WAIT) {
        set_leads(elect, false);
        json_decref(elect->lease);
        elect->lease = NULL;
        again(elect, beat(elect));
        return;
    }
    (void)send(elect, claim == MW_KUBE_CREATE ? "POST" : "PUT", make_lease(elect, elect->identity),
               on_written);
}

static void on_looked(void *context, const struct mw_kube_answer *answer)
{
    struct mw_kube_elect *elect = context;
    elect->request = NULL;
    if (answer->status != 200 && answer->status != 404) {
        fail(elect, answer);
        return;
    }
    elect->failures = 0;
    elect->lease = answer->status == 200 ? json_incref(answer->body) : NULL;
    act(elect);
}

static void look(struct mw_kube_elect *elect)
{
    (void)send(elect, "GET", NULL, on_looked);
}

static void on_timer(void *context)
{
    struct mw_kube_elect *elect = context;
    check_deadline(elect);
    if (elect->resigned || elect->request != NULL) {
        return;
    }
    if (elect->lease != NULL && elect->leads) {
        act(elect);
    } else {
        look(elect);
    }
}

mw_err mw_kube_elect_new(struct mw_kube_elect **elect, struct mw_kube *kube,
                         const struct mw_kube_elect_options *options, struct mw_error *error)
{
    struct mw_kube_elect *made = calloc(1, sizeof *made);
    *elect = NULL;
    if (made == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    *made =
        (struct mw_kube_elect){.kube = kube,
                               .space = strdup(options->space),
                               .name = strdup(options->name),
                               .identity = strdup(options->identity),
                               .duration = options->duration == 0 ? DURATION : options->duration,
                               .on_change = options->on_change,
                               .context = options->context};
    mw_err err =
        made->space == NULL || made->name == NULL || made->identity == NULL
            ? mw_error_set(error, MW_ERR_MEMORY, "out of memory")
            : mw_loop_add_timer(mw_kube_loop(kube), 0, 0, on_timer, made, &made->timer, error);
    if (err != MW_OK) {
        mw_kube_elect_free(made);
        return err;
    }
    *elect = made;
    return MW_OK;
}

bool mw_kube_elect_leads(const struct mw_kube_elect *elect)
{
    return elect->leads;
}

void mw_kube_elect_resign(struct mw_kube_elect *elect, void (*done)(void *context), void *context)
{
    bool led = elect->leads && elect->lease != NULL;
    mw_kube_cancel(elect->kube, elect->request);
    elect->request = NULL;
    elect->resigned = true;
    elect->done = done;
    elect->done_context = context;
    set_leads(elect, false);
    mw_err err = led ? send(elect, "PUT", make_lease(elect, ""), on_written) : MW_ERR_STATE;
    if (err != MW_OK && done != NULL) {
        done(context);
    }
}

void mw_kube_elect_free(struct mw_kube_elect *elect)
{
    if (elect == NULL) {
        return;
    }
    mw_kube_cancel(elect->kube, elect->request);
    mw_loop_remove(mw_kube_loop(elect->kube), elect->timer);
    json_decref(elect->lease);
    free(elect->space);
    free(elect->name);
    free(elect->identity);
    free(elect);
}
