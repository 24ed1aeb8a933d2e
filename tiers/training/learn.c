/* learn.c - the role: when to look, when to train, what to keep. */
#include "tiers/training/learn.h"

#include "lib/artifact/trust.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "tiers/training/extract.h"
#include "tiers/training/in_use.h"
#include "tiers/training/learn_internal.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define POLL 512
#define TOKENS 2048
#define NICE 10
#define LOOK (MW_SECOND / 10)
#define READ_FOR (20 * 1000) /* microseconds at a time: in between the loop sees its signals */

/* --- deciding --- */

/* What is labelled from a time on, of one machine or, with NULL, of all. False when that cannot be
 * told. */
static bool count(struct mw_learn *learn, const char *machine, int64_t since)
{
    struct mw_error error = {0};
    struct mw_extract_options options = {.since = since,
                                         .fresh = INT64_MIN,
                                         .machine = machine,
                                         .healthy =
                                             learn->plant->model.kind == MW_MODEL_AUTOENCODER};
    struct mw_extract_result result;
    int64_t before = mw_clock_monotonic();
    mw_err err = mw_extract(learn->plant, &options, &result, &error);
    int64_t now = mw_clock_monotonic();
    /* Counting reads the stream again, so it may take a twentieth of the time at most. */
    learn->count_again = now + MW_SECOND / 10 + 20 * (now - before);
    if (err == MW_OK) {
        learn->counts = (struct mw_policy_counts){result.labelled, result.positives};
    } else if (err != MW_ERR_NOT_FOUND) {
        mw_log(MW_LOG_ERROR, machine, "cannot count what is labelled", MW_KS("reason", error.text));
    }
    mw_extract_clear(&result);
    return err == MW_OK;
}

static void decide_by_count(struct mw_learn *learn, const char *machine,
                            const struct mw_policy *policy, int64_t since)
{
    if (!count(learn, machine, since)) {
        return;
    }
    enum mw_policy_cause cause = mw_policy_decide(policy, learn->plant, learn->counts);
    if (cause != MW_POLICY_NOTHING) {
        mw_learn_start(learn, machine, policy, cause);
    }
}

static void decide_for_machine(struct mw_learn *learn)
{
    int64_t since;
    const char *machine = mw_own_models_next(learn->own);
    if (machine != NULL) {
        learn->counts = (struct mw_policy_counts){0};
        mw_learn_start(learn, machine, mw_own_models_policy(learn->own, mw_span_of(machine)),
                       MW_POLICY_FIRST);
    } else if (mw_clock_monotonic() >= learn->count_again &&
               (machine = mw_own_models_to_count(learn->own, &since)) != NULL) {
        decide_by_count(learn, machine, mw_own_models_policy(learn->own, mw_span_of(machine)),
                        since);
    }
}

static void decide(struct mw_learn *learn)
{
    if (mw_learn_trains(learn) || learn->plant->file == NULL) {
        return;
    }
    if (learn->plant->model.scope == MW_SCOPE_MACHINE) {
        decide_for_machine(learn);
    } else if (learn->news && mw_clock_monotonic() >= learn->count_again &&
               mw_policy_wants(&learn->policy, learn->plant)) {
        learn->news = false;
        decide_by_count(learn, NULL, &learn->policy, mw_policy_since(&learn->policy));
    }
}

/* --- the loop --- */

/* Nothing is decided before all that there is has been read: a model may have been published. */
static void on_look(void *context)
{
    struct mw_learn *learn = context;
    struct mw_error error = {0};
    int64_t end = mw_clock_monotonic() + READ_FOR;
    size_t n = 0;
    mw_stream_reader_drain(learn->reader);
    do {
        mw_err err = mw_stream_poll(learn->reader, learn->records, POLL, &n, &error);
        for (size_t i = 0; err == MW_OK && i < n; i++) {
            err = mw_learn_take(learn, &learn->records[i], &error);
        }
        if (err != MW_OK) {
            mw_log(MW_LOG_ERROR, NULL, "cannot follow the stream", MW_KS("reason", error.text));
            mw_loop_stop(learn->role.loop); /* a new process derives its state anew */
            return;
        }
    } while (n > 0 && mw_clock_monotonic() < end);
    if (n > 0) {
        mw_loop_set_timer(learn->role.loop, learn->look, 0, LOOK);
    } else {
        decide(learn);
    }
}

static void on_sigchld(void *context, int signal)
{
    (void)signal;
    struct mw_learn *learn = context;
    int status;
    if (learn->child != 0 && waitpid(learn->child, &status, WNOHANG) == learn->child) {
        mw_learn_ended(learn, status);
        on_look(learn); /* the next machine need not wait for news */
    }
}

/* With model.scope plant it is the plant that drifts and waits, as if it were one machine. */
static struct mw_own_models_summary sum_up(const struct mw_learn *learn)
{
    if (learn->plant->model.scope == MW_SCOPE_MACHINE) {
        return mw_own_models_sum_up(learn->own);
    }
    return (struct mw_own_models_summary){.models = learn->policy.have_model,
                                          .drifted = learn->policy.drifted,
                                          .waiting = mw_policy_waits(&learn->policy, learn->plant)};
}

static void on_second(void *context)
{
    struct mw_learn *learn = context;
    struct mw_error error = {0};
    struct mw_own_models_summary sum = sum_up(learn);
    char path[PATH_MAX], json[640];
    int n = snprintf(
        json, sizeof json,
        "{\"v\":1,\"role\":\"learn\",\"pid\":%d,\"time\":%.6f,\"labelled\":%llu,"
        "\"positives\":%llu,\"commissioning\":%zu,\"training\":%s,\"scope\":\"%s\",\"models\":%zu,"
        "\"drifted\":%zu,\"waiting\":%zu,\"waits_for\":\"%s\",\"have_model\":%s,"
        "\"asked\":%s,\"asked_needs\":%lld}\n",
        (int)getpid(), (double)mw_clock_utc() / 1e6, (unsigned long long)learn->counts.labelled,
        (unsigned long long)learn->counts.positives, mw_commission_pending(learn->commission),
        mw_learn_trains(learn) ? "true" : "false",
        learn->plant->model.scope == MW_SCOPE_MACHINE ? "machine" : "plant", sum.models,
        sum.drifted, sum.waiting, sum.waiting > 0 ? MW_LEARN_WAITS_FOR : "",
        sum.models > 0 ? "true" : "false", mw_policy_is_asked(&learn->policy) ? "true" : "false",
        (long long)learn->plant->retrain.attempts_gap);
    mw_role_tell(&learn->role, (struct mw_span){json, (size_t)n});
    if (mw_plant_path(learn->plant, "run", "learn.json", path, sizeof path, &error) != MW_OK ||
        mw_file_replace(path, json, (size_t)n, 0644, &error) != MW_OK) {
        mw_log(MW_LOG_WARN, NULL, "cannot write run/learn.json", MW_KS("reason", error.text));
    }
}

/* --- making and ending --- */

static bool note_commissioned(void *context, struct mw_span key, struct mw_span value)
{
    struct mw_learn *learn = context;
    json_error_t why;
    json_t *root = json_loadb(value.data, value.size, 0, &why);
    const json_t *time = json_object_get(root, "since");
    int64_t since = json_is_number(time) ? llround(json_number_value(time) * 1e6) : INT64_MIN;
    json_decref(root);
    return mw_commission_done(learn->commission, key, since, NULL) == MW_OK &&
           (learn->plant->model.scope != MW_SCOPE_MACHINE ||
            mw_own_models_commissioned(learn->own, key, NULL) == MW_OK);
}

static mw_err open_stream(struct mw_learn *learn, struct mw_error *error)
{
    static const char *const topics[] = {"model", "rollout",   "drift",
                                         "event", "telemetry", "request"};
    size_t n = sizeof topics / sizeof *topics - (learn->plant->reference.enabled ? 0 : 1);
    char uri[PATH_MAX];
    struct mw_stream_options options = {
        .uri = uri, .plant = learn->plant->plant, .writer = "learn"};
    mw_err err = mw_plant_stream_uri(learn->plant, uri, sizeof uri);
    if (err == MW_OK) {
        err = mw_stream_open(&learn->out, &options, error);
    }
    options.writer = NULL;
    if (err == MW_OK) {
        err = mw_stream_open(&learn->in, &options, error);
    }
    if (err == MW_OK) {
        err =
            mw_stream_reader_open(&learn->reader, learn->in, topics, n, MW_STREAM_EARLIEST, error);
    }
    if (err == MW_OK) {
        err = mw_stream_visit(learn->out, "learn", "baseline", note_commissioned, learn, error);
    }
    return err == MW_ERR_NOT_FOUND ? MW_OK : err;
}

/* Beside a registry nobody else would sign the first metadata, and things wait for a root. */
static mw_err open_keys(const struct mw_plant *plant, struct mw_error *error)
{
    struct mw_store *store = NULL;
    char keys[PATH_MAX];
    if (plant->artifacts.registry == NULL || plant->artifacts.registry[0] == '\0') {
        return MW_OK;
    }
    mw_err err = mw_plant_path(plant, "keys", NULL, keys, sizeof keys, error);
    err = err == MW_OK ? mw_in_use_store(&store, plant, true, error) : err;
    err = err == MW_OK ? mw_trust_init(store, keys, error) : err;
    mw_store_close(store);
    return err;
}

static mw_err open_all(struct mw_learn *learn, struct mw_error *error)
{
    size_t size = mw_wire_parser_size(TOKENS);
    int signals[] = {SIGCHLD};
    learn->records = calloc(POLL, sizeof *learn->records);
    learn->parser_memory = malloc(size);
    if (learn->records == NULL || learn->parser_memory == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    mw_err err = mw_wire_parser_init(learn->parser_memory, size, &learn->parser);
    if (err == MW_OK) {
        err = mw_commission_new(&learn->commission, learn->plant, error);
    }
    if (err == MW_OK) {
        err = mw_facts_new(&learn->facts, error);
    }
    if (err == MW_OK) {
        err = mw_own_models_new(&learn->own, learn->plant, learn->facts, error);
    }
    if (err == MW_OK) {
        err = open_keys(learn->plant, error);
    }
    if (err == MW_OK) {
        err = open_stream(learn, error);
    }
    if (err == MW_OK) {
        err = mw_loop_add_signals(learn->role.loop, signals, 1, on_sigchld, learn, error);
    }
    if (err == MW_OK) {
        /* Nobody waits for the learner to the millisecond: it does not wake with every record. */
        err = mw_loop_add_timer(learn->role.loop, LOOK, LOOK, on_look, learn, &learn->look, error);
    }
    return err == MW_OK ? mw_loop_add_timer(learn->role.loop, 0, MW_SECOND, on_second, learn,
                                            &learn->second, error)
                        : err;
}

static void close_all(struct mw_learn *learn)
{
    if (learn->child != 0) {
        kill(learn->child, SIGTERM);
        waitpid(learn->child, NULL, 0);
    }
    mw_own_models_free(learn->own);
    mw_facts_free(learn->facts);
    mw_stream_reader_close(learn->reader);
    mw_stream_close(learn->in);
    mw_stream_close(learn->out);
    mw_commission_free(learn->commission);
    mw_buffer_free(&learn->json);
    mw_role_clear(&learn->role);
    free(learn->parser_memory);
    free(learn->request);
    free(learn->records);
    free(learn);
}

mw_err mw_learn_run(const struct mw_plant *plant, struct mw_error *error)
{
    struct mw_learn *learn = calloc(1, sizeof *learn);
    if (learn == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    learn->plant = plant;
    learn->newest = INT64_MIN;
    if (nice(NICE) < 0 && errno == EPERM) {
        mw_log(MW_LOG_WARN, NULL, "cannot lower the priority", MW_KI("nice", NICE));
    }
    mw_err err = mw_role_init(&learn->role, "learn", error);
    if (err == MW_OK) {
        err = open_all(learn, error);
    }
    if (err == MW_OK) {
        err = mw_role_run(&learn->role, error);
    }
    close_all(learn);
    return err;
}
