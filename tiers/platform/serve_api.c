/* serve_api.c - what each path answers. */
#include "tiers/platform/serve_internal.h"

#include "lib/artifact/trust.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/nearest.h"
#include "tiers/platform/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { THINGS_SHOWN = 500 };

#define ACCOUNT_FOR (200 * 1000) /* microseconds that a question for the ledger may take */

static void send_json(struct mw_http_response *response, json_t *json)
{
    char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(16));
    json_decref(json);
    if (text == NULL || mw_buffer_add(&response->body, text, strlen(text)) != MW_OK) {
        mw_http_fail(response, MW_ERR_MEMORY, "out of memory");
    }
    free(text);
}

/* ---- reading ---- */

static void get_state(struct mw_serve *serve, const struct mw_http_request *request,
                      struct mw_http_response *response)
{
    const char *text = mw_http_query(request, "limit");
    size_t limit = text == NULL ? THINGS_SHOWN : strtoul(text, NULL, 10);
    if (!serve->accounted) {
        mw_serve_account(serve, ACCOUNT_FOR);
    }
    serve->asked = mw_clock_monotonic();
    send_json(response, mw_serve_state(serve, limit));
}

static void get_ledger(struct mw_serve *serve, struct mw_http_response *response)
{
    serve->asked = mw_clock_monotonic();
    mw_serve_account(serve, ACCOUNT_FOR);
    if (mw_serve_ledger(serve, &response->body) != MW_OK) {
        mw_http_fail(response, MW_ERR_MEMORY, "out of memory");
    }
}

static void get_metrics(struct mw_serve *serve, struct mw_http_response *response)
{
    serve->asked = mw_clock_monotonic();
    response->content_type = "text/plain; version=0.0.4";
    if (mw_serve_metrics(serve, &response->body) != MW_OK) {
        mw_http_fail(response, MW_ERR_MEMORY, "out of memory");
    }
}

static void get_ready(const struct mw_serve *serve, struct mw_http_response *response)
{
    if (serve->readable && !serve->stuck) {
        send_json(response, json_pack("{s:b}", "ready", 1));
    } else {
        mw_http_fail(response, MW_ERR_AGAIN,
                     serve->stuck ? "the stream cannot be written" : "the stream cannot be read");
    }
}

static void get_page(struct mw_http_response *response)
{
    response->content_type = "text/html; charset=utf-8";
    if (mw_buffer_add(&response->body, mw_page_html, mw_page_html_size) != MW_OK) {
        mw_http_fail(response, MW_ERR_MEMORY, "out of memory");
    }
}

/* ---- events ---- */

/* What a person need not say: an id, who, and when. In a plant whose time is not ours the newest
 * record of the machine tells what time it is there. */
static void complete_event(struct mw_serve *serve, json_t *event)
{
    if (json_object_get(event, "v") == NULL) {
        json_object_set_new(event, "v", json_integer(1));
    }
    if (json_object_get(event, "id") == NULL) {
        unsigned char random[8] = {0};
        char id[32] = "api-";
        (void)!getrandom(random, sizeof random, 0);
        for (size_t i = 0; i < sizeof random; i++) {
            snprintf(id + 4 + 2 * i, 3, "%02x", random[i]);
        }
        json_object_set_new(event, "id", json_string(id));
    }
    if (json_object_get(event, "by") == NULL) {
        json_object_set_new(event, "by", json_string("api"));
    }
    if (json_object_get(event, "time") != NULL) {
        return;
    }
    const char *machine = json_string_value(json_object_get(event, "machine"));
    int64_t time = mw_clock_utc();
    size_t at = 0;
    const struct mw_serve_thing *thing;
    while (serve->plant->time.tolerance < 0 && machine != NULL &&
           (thing = mw_table_next(&serve->things, &at)) != NULL) {
        if (strcmp(thing->machine, machine) == 0 && thing->time != 0) {
            time = thing->time;
        }
    }
    json_object_set_new(event, "time", json_real((double)time / 1e6));
}

/* The known machine that a person may have meant; NULL: none comes close. */
static const char *nearest_machine(const struct mw_serve *serve, struct mw_span typed)
{
    const char *nearest = NULL;
    size_t at = 0, least = mw_nearest_limit(typed) + 1;
    const struct mw_serve_machine *machine;
    while ((machine = mw_table_next(&serve->machines, &at)) != NULL) {
        size_t distance = mw_nearest_distance(typed, machine->key.name);
        if (distance < least) {
            least = distance;
            nearest = machine->name;
        }
    }
    return nearest;
}

/* An event that labels nothing as it stands is kept all the same - its machine's first record may
 * yet come - but whoever sent it hears of it. */
static void add_warning(const struct mw_serve *serve, json_t *event)
{
    const char *machine = json_string_value(json_object_get(event, "machine"));
    double ahead = json_number_value(json_object_get(event, "time")) * 1e6 - (double)mw_clock_utc();
    char text[256] = "";
    if (mw_table_find(&serve->machines, mw_span_of(machine)) == NULL) {
        const char *nearest = nearest_machine(serve, mw_span_of(machine));
        snprintf(text, sizeof text, "nothing was heard of a machine %s so far%s%s%s", machine,
                 nearest == NULL ? "" : ", did you mean ", nearest == NULL ? "" : nearest,
                 nearest == NULL ? "" : "?");
    } else if (serve->plant->time.tolerance >= 0 && ahead > (double)serve->plant->time.tolerance) {
        snprintf(text, sizeof text, "its time lies %.0f days ahead", ahead / 86400e6);
    }
    if (text[0] != '\0') {
        json_object_set_new(event, "warning", json_string(text));
    }
}

static mw_err store_event(struct mw_serve *serve, const char *text, struct mw_error *error)
{
    struct mw_event event;
    struct mw_why why = {"the event cannot be read", 0};
    struct mw_span json = mw_span_of(text);
    mw_err err = mw_wire_open(serve->parser, json, &why);
    if (err == MW_OK) {
        err = mw_wire_read_event(serve->parser, 0, &event, &why);
    }
    if (err != MW_OK) {
        return mw_error_set(error, err, "%s", why.text);
    }
    err = mw_bridge_round_add(&serve->round, "event", false, event.machine, json);
    if (err != MW_OK) {
        return mw_error_set(error, err, "out of memory");
    }
    err = mw_serve_commit(serve, error);
    if (err != MW_OK) {
        /* It is refused, so it must not go in with a later commit. */
        mw_bridge_round_drop(&serve->round);
    }
    serve->n_events += err == MW_OK ? 1 : 0;
    return err;
}

static void post_event(struct mw_serve *serve, const struct mw_http_request *request,
                       struct mw_http_response *response)
{
    json_error_t why;
    struct mw_error error = {0};
    json_t *event = json_loadb(request->body.data == NULL ? "" : request->body.data,
                               request->body.size, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(event)) {
        json_decref(event);
        mw_http_fail(response, MW_ERR_PARSE, "an event as a JSON object was expected");
        return;
    }
    complete_event(serve, event);
    char *text = json_dumps(event, JSON_COMPACT | JSON_REAL_PRECISION(16));
    mw_err err = text == NULL ? mw_error_set(&error, MW_ERR_MEMORY, "out of memory")
                              : store_event(serve, text, &error);
    if (err == MW_OK) {
        mw_log(MW_LOG_INFO, json_string_value(json_object_get(event, "machine")), "event",
               MW_KS("type", json_string_value(json_object_get(event, "type"))));
        add_warning(serve, event);
        send_json(response, json_incref(event));
    } else {
        mw_http_fail(response, err, error.text);
    }
    free(text);
    json_decref(event);
}

/* ---- rollouts ---- */

/* A digest, or a tag of the store; signed, or it is refused here already. */
static mw_err find_bundle(struct mw_serve *serve, const char *name, char digest[MW_DIGEST_TEXT],
                          struct mw_error *error)
{
    struct mw_store *store = NULL;
    mw_err err = mw_serve_open_store(serve, &store, error);
    if (err == MW_OK) {
        err = mw_store_resolve(store, name, digest, error);
    }
    if (err == MW_OK) {
        err = mw_trust_verify(store, digest, error);
    }
    mw_store_close(store);
    return err;
}

static mw_err act(struct mw_serve *serve, const json_t *body, struct mw_error *error)
{
    const char *action = json_string_value(json_object_get(body, "action"));
    const char *id = json_string_value(json_object_get(body, "id"));
    const char *bundle = json_string_value(json_object_get(body, "bundle"));
    const char *machine = json_string_value(json_object_get(body, "machine"));
    int64_t now = mw_clock_utc();
    if (action != NULL && strcmp(action, "halt") == 0) {
        return mw_rollout_halt(&serve->engine, id, "a person", now, error);
    }
    if (action != NULL && strcmp(action, "rollback") == 0) {
        return mw_rollout_back(&serve->engine, id, "a person", now, error);
    }
    if (action == NULL || strcmp(action, "start") != 0) {
        return mw_error_set(error, MW_ERR_PARSE, "action: start, halt or rollback was expected");
    }
    if (bundle == NULL) {
        return mw_error_set(error, MW_ERR_PARSE, "bundle: a digest or a tag was expected");
    }
    char digest[MW_DIGEST_TEXT];
    mw_err err = find_bundle(serve, bundle, digest, error);
    return err == MW_OK ? mw_rollout_start(&serve->engine, digest, machine == NULL ? "" : machine,
                                           mw_serve_expected_alarms(serve, digest), now, error)
                        : err;
}

/* What a body orders, an object. */
typedef mw_err order_fn(struct mw_serve *serve, const json_t *body, struct mw_error *error);

/* False: it was not done, which has been answered. */
static bool obey(struct mw_serve *serve, const struct mw_http_request *request,
                 struct mw_http_response *response, order_fn *order)
{
    struct mw_error error = {0};
    json_t *body = json_loadb(request->body.data == NULL ? "" : request->body.data,
                              request->body.size, JSON_REJECT_DUPLICATES, NULL);
    mw_err err = json_is_object(body)
                     ? order(serve, body, &error)
                     : mw_error_set(&error, MW_ERR_PARSE, "a JSON object was expected");
    json_decref(body);
    if (err != MW_OK) {
        mw_http_fail(response, err == MW_ERR_SIGNATURE ? MW_ERR_DENIED : err, error.text);
    }
    return err == MW_OK;
}

static void post_run(struct mw_serve *serve, const struct mw_http_request *request,
                     struct mw_http_response *response)
{
    if (obey(serve, request, response, mw_serve_run_ended)) {
        send_json(response, json_incref(serve->learn));
    }
}

static void post_rollout(struct mw_serve *serve, const struct mw_http_request *request,
                         struct mw_http_response *response)
{
    if (obey(serve, request, response, act)) {
        /* When the disk is full the engine has moved all the same, and it is written later. */
        (void)mw_serve_commit(serve, NULL);
        json_t *state = mw_serve_state(serve, 0);
        json_t *rollout = json_incref(json_object_get(state, "rollout"));
        json_decref(state);
        send_json(response, rollout);
    }
}

/* ---- paths ---- */

static bool handle_get(struct mw_serve *serve, const struct mw_http_request *request,
                       struct mw_http_response *response)
{
    const char *path = request->path;
    if (strcmp(path, "/") == 0 || strcmp(path, "/index.html") == 0) {
        get_page(response);
    } else if (strcmp(path, "/api/state") == 0) {
        get_state(serve, request, response);
    } else if (strcmp(path, "/api/ledger") == 0) {
        get_ledger(serve, response);
    } else if (strcmp(path, "/metrics") == 0) {
        get_metrics(serve, response);
    } else if (strcmp(path, "/healthz") == 0) {
        send_json(response, json_pack("{s:b}", "alive", 1));
    } else if (strcmp(path, "/readyz") == 0) {
        get_ready(serve, response);
    } else {
        return false;
    }
    return true;
}

bool mw_serve_takes_form(const char *path)
{
    return strcmp(path, "/provisionDevice") == 0;
}

bool mw_serve_handle(void *context, const struct mw_http_request *request,
                     struct mw_http_response *response)
{
    struct mw_serve *serve = context;
    if (strcmp(request->method, "GET") == 0) {
        return handle_get(serve, request, response);
    }
    if (strcmp(request->path, "/api/events") == 0) {
        post_event(serve, request, response);
    } else if (strcmp(request->path, "/api/rollout") == 0) {
        post_rollout(serve, request, response);
    } else if (serve->plant->reference.enabled && strcmp(request->path, "/provisionDevice") == 0) {
        mw_serve_provision(serve, request, response);
    } else if (strcmp(request->path, "/api/run") == 0) {
        post_run(serve, request, response);
    } else {
        return false;
    }
    return true;
}
