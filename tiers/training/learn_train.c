/* learn_train.c - starts the pipeline, and tells the stream what came of it. */
#include "tiers/training/learn_internal.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/process.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define NICE 10
#define EXIT_REFUSED 3

/* --- writing --- */

mw_err mw_learn_append(struct mw_learn *learn, const char *topic, struct mw_span key,
                       struct mw_span json, bool keep, struct mw_error *error)
{
    mw_err err = mw_stream_begin(learn->out, error);
    if (err == MW_OK) {
        err = mw_stream_append(learn->out, topic, key, json, error);
    }
    if (err == MW_OK && keep) {
        err = mw_stream_put(learn->out, topic, key, json, error);
    }
    if (err == MW_OK) {
        err = mw_stream_commit(learn->out, NULL, error);
    }
    if (err != MW_OK) { /* else no later one could begin */
        mw_stream_rollback(learn->out);
    }
    if (mw_stream_ended(learn->out)) { /* only a new process finds out what is stored */
        mw_loop_stop(learn->role.loop);
    }
    return err;
}

/* Tells the topic `model` what is being done about models; `root` is taken. False: it could not. */
static bool tell(struct mw_learn *learn, json_t *root)
{
    struct mw_error error = {0};
    char *json = root == NULL ? NULL : json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_decref(root);
    bool told = json != NULL && mw_learn_append(learn, "model", mw_span_of("learn"),
                                                mw_span_of(json), false, &error) == MW_OK;
    if (!told) {
        mw_log(MW_LOG_ERROR, NULL, "cannot tell about a model", MW_KS("reason", error.text));
    }
    free(json);
    return told;
}

/* What a record says of a training, so that a process that starts anew knows of it. `value` is
 * taken. */
static json_t *about_training(const struct mw_learn *learn, const char *key, json_t *value)
{
    json_t *root = json_pack(
        "{s:i,s:f,s:o,s:s,s:I,s:I}", "v", 1, "time", (double)mw_clock_utc() / 1e6, key, value,
        "cause", mw_policy_cause_name(learn->cause), "records", (json_int_t)learn->begun.labelled,
        "positives", (json_int_t)learn->begun.positives);
    if (root != NULL && learn->since != INT64_MIN) {
        json_object_set_new(root, "since", json_real((double)learn->since / 1e6));
    }
    if (root != NULL && learn->cause == MW_POLICY_ASKED && learn->request != NULL) {
        json_object_set_new(root, "asked", json_loads(learn->request, 0, NULL));
    }
    if (root != NULL && learn->machine[0] != '\0') {
        json_object_set_new(root, "machine", json_string(learn->machine));
    }
    return root;
}

/* --- the pipeline as a child --- */

/* The folder's name must be new: cause and wall clock. */
static mw_err make_work(struct mw_learn *learn, struct mw_error *error)
{
    char name[128];
    snprintf(name, sizeof name, "%s%s%s-%lld", mw_policy_cause_name(learn->cause),
             learn->machine[0] == '\0' ? "" : "-", learn->machine,
             (long long)(mw_clock_utc() / 1000));
    mw_err err = mw_plant_path(learn->plant, "learn", name, learn->work, sizeof learn->work, error);
    return err == MW_OK ? mw_file_make_folder(learn->work, error) : err;
}

static mw_err start_child(struct mw_learn *learn, struct mw_error *error)
{
    char since[32], machine[MW_NAME_MAX + 16], output[PATH_MAX];
    char *argv[20] = {(char *)(uintptr_t)mw_process_self(),
                      "pipeline",
                      "run",
                      "--config",
                      learn->plant->file,
                      "--work",
                      learn->work,
                      "--cause",
                      (char *)(uintptr_t)mw_policy_cause_name(learn->cause),
                      "--json"};
    int n = 10;
    if (learn->since != INT64_MIN) {
        snprintf(since, sizeof since, "%.6f", (double)learn->since / 1e6);
        argv[n++] = "--since";
        argv[n++] = since;
    }
    if (learn->machine[0] != '\0') {
        /* A name may begin with a hyphen: as a word of its own it would be taken for an option. */
        snprintf(machine, sizeof machine, "--machine=%s", learn->machine);
        argv[n++] = machine;
    }
    argv[n] = NULL;
    mw_err err = mw_file_join(output, sizeof output, learn->work, "pipeline.log");
    struct mw_process_spec spec = {.argv = argv, .nice = NICE, .output = output};
    return err == MW_OK ? mw_process_start(&spec, &learn->child, NULL, error) : err;
}

/* The next attempt waits, unless it has been read already that a model was published. Else that is
 * read before anything else is decided. */
static void wait_for_more(struct mw_learn *learn)
{
    if (learn->machine[0] == '\0') {
        mw_policy_refused(&learn->policy, learn->plant, learn->begun);
    } else {
        (void)mw_own_models_refused(learn->own, mw_span_of(learn->machine), learn->begun, NULL);
    }
}

/* After a drift the newest records judge. What an autoencoder learns anew is only what it is known
 * to be healthy by. */
static int64_t since_of(const struct mw_learn *learn, const struct mw_policy *policy,
                        enum mw_policy_cause cause)
{
    bool unlabelled = learn->plant->model.kind == MW_MODEL_AUTOENCODER;
    bool some = cause == MW_POLICY_DRIFT ||
                ((cause == MW_POLICY_SCHEDULE || cause == MW_POLICY_ASKED) && unlabelled);
    return some ? mw_policy_since(policy) : INT64_MIN;
}

/* --- the pipeline in a cluster --- */

bool mw_learn_trains(const struct mw_learn *learn)
{
    return learn->child != 0 ||
           (learn->plant->retrain.where == MW_RETRAIN_PIPELINE && learn->run[0] != '\0');
}

/* FNV-1a, of which 48 bits are kept. What was counted tells one attempt from the next. */
void mw_learn_name_run(const struct mw_learn *learn, char run[MW_LEARN_RUN])
{
    char text[256];
    uint64_t hash = UINT64_C(14695981039346656037);
    snprintf(text, sizeof text, "%s %s %lld %llu %llu", mw_policy_cause_name(learn->cause),
             learn->machine, (long long)learn->since, (unsigned long long)learn->begun.labelled,
             (unsigned long long)learn->begun.positives);
    for (const char *at = text; *at != '\0'; at++) {
        hash = (hash ^ (unsigned char)*at) * UINT64_C(1099511628211);
    }
    snprintf(run, MW_LEARN_RUN, "%012llx", (unsigned long long)(hash >> 16));
}

/* The operator reads what is asked for on the page, and tells there what has come of it. A run
 * that could not be written down has not been asked for: the next look does. */
static void ask_for_run(struct mw_learn *learn)
{
    char run[MW_LEARN_RUN];
    mw_learn_name_run(learn, run);
    json_t *about = about_training(learn, "started", json_true());
    if (about != NULL) {
        json_object_set_new(about, "run", json_string(run));
    }
    if (tell(learn, about)) {
        memcpy(learn->run, run, sizeof run);
        memcpy(learn->run_machine, learn->machine, sizeof learn->machine);
        mw_log(MW_LOG_INFO, learn->machine[0] == '\0' ? NULL : learn->machine,
               "a run of the pipeline is asked for",
               MW_KS("cause", mw_policy_cause_name(learn->cause)), MW_KS("run", run),
               MW_KI("records", learn->begun.labelled), MW_KI("positives", learn->begun.positives));
    } else {
        learn->news = true;
    }
}

void mw_learn_start(struct mw_learn *learn, const char *machine, const struct mw_policy *policy,
                    enum mw_policy_cause cause)
{
    struct mw_error error = {0};
    snprintf(learn->machine, sizeof learn->machine, "%s", machine == NULL ? "" : machine);
    learn->cause = cause;
    learn->since = since_of(learn, policy, cause);
    learn->begun = learn->counts;
    learn->told = false;
    if (learn->plant->retrain.where == MW_RETRAIN_PIPELINE) {
        ask_for_run(learn);
        return;
    }
    mw_err err = make_work(learn, &error);
    if (err == MW_OK) {
        err = start_child(learn, &error);
    }
    if (err != MW_OK) {
        mw_log(MW_LOG_ERROR, NULL, "cannot start the pipeline", MW_KS("reason", error.text));
        learn->child = 0;
        wait_for_more(learn);
        return;
    }
    mw_log(MW_LOG_INFO, learn->machine[0] == '\0' ? NULL : learn->machine, "training",
           MW_KS("cause", mw_policy_cause_name(cause)), MW_KI("records", learn->counts.labelled),
           MW_KI("positives", learn->counts.positives), MW_KS("folder", learn->work));
    (void)tell(learn, about_training(learn, "started", json_true()));
}

/* The last line of the pipeline's output says why it refused or failed. */
static void read_reason(struct mw_learn *learn, char *reason, size_t size)
{
    struct mw_buffer text = {0};
    struct mw_error error = {0};
    char path[PATH_MAX];
    snprintf(reason, size, "see pipeline.log in %.400s", learn->work);
    if (mw_file_join(path, sizeof path, learn->work, "pipeline.log") == MW_OK &&
        mw_file_read(path, 1U << 20, &text, &error) == MW_OK && text.size > 0) {
        while (text.size > 0 && text.data[text.size - 1] == '\n') {
            text.data[--text.size] = '\0';
        }
        const char *line = strrchr(text.data, '\n');
        line = line == NULL ? text.data : line + 1;
        json_error_t why;
        json_t *root = json_loads(line, 0, &why);
        const char *told = json_string_value(json_object_get(root, "reason"));
        snprintf(reason, size, "%s", told != NULL ? told : line);
        json_decref(root);
    }
    mw_buffer_free(&text);
}

void mw_learn_ended(struct mw_learn *learn, int status)
{
    char reason[512];
    const char *machine = learn->machine[0] == '\0' ? NULL : learn->machine;
    learn->child = 0;
    learn->news = true;
    if (!learn->told) {
        wait_for_more(learn);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        mw_log(MW_LOG_INFO, machine, "a model was published",
               MW_KS("cause", mw_policy_cause_name(learn->cause)));
        return;
    }
    read_reason(learn, reason, sizeof reason);
    bool refused = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_REFUSED;
    mw_log(refused ? MW_LOG_WARN : MW_LOG_ERROR, machine,
           refused ? "the candidate was refused, the model in use stays" : "training failed",
           MW_KS("reason", reason));
    (void)tell(learn, about_training(learn, "refused", json_string(reason)));
}
