#include "tiers/training/learn.h"

#include "core/wire/message.h"
#include "lib/artifact/store.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "lib/base/role.h"
#include "lib/stream/stream.h"
#include "tiers/training/commission.h"
#include "tiers/training/extract.h"
#include "tiers/training/own_models.h"
#include "tiers/training/policy.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
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
#define EXIT_REFUSED 3

struct learn {
    const struct mw_plant *plant;
    struct mw_role role;
    struct mw_stream *in;  /* reads from the start: all state is derived from the stream */
    struct mw_stream *out; /* writer "learn" */
    struct mw_stream_reader *reader;
    struct mw_stream_record *records;
    struct mw_wire_parser *parser;
    void *parser_memory;
    struct mw_telemetry telemetry; /* scratch */
    struct mw_buffer json;
    struct mw_commission *commission;
    struct mw_policy policy;
    struct mw_policy_counts counts, begun; /* begun: that the last training started with */
    int64_t newest;                        /* time of a record so far */
    char published[MW_DIGEST_TEXT];        /* the last model of the whole plant */
    bool news;                             /* something came that can change the counts */
    int64_t count_again;                   /* monotonic: not before */
    pid_t child;
    enum mw_policy_cause cause;
    char machine[MW_NAME_MAX + 1]; /* the child's, with model.scope machine; else empty */
    char work[PATH_MAX];
    struct mw_own_models *own;
    struct mw_loop_watch *look, *second;
};

/* --- writing --- */

static mw_err append(struct learn *learn, const char *topic, struct mw_span key,
                     struct mw_span json, bool keep, struct mw_error *error)
{
    mw_err err = mw_stream_begin(learn->out, error);
    if (err == MW_OK) {
        err = mw_stream_append(learn->out, topic, key, json, error);
    }
    if (err == MW_OK && keep) {
        err = mw_stream_put(learn->out, topic, key, json, error);
    }
    return err == MW_OK ? mw_stream_commit(learn->out, NULL, error) : err;
}

/* Tells the topic `model` what is being done about models; `root` is taken. */
static void tell(struct learn *learn, json_t *root)
{
    struct mw_error error = {0};
    char *json = root == NULL ? NULL : json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_decref(root);
    if (json == NULL ||
        append(learn, "model", mw_span_of("learn"), mw_span_of(json), false, &error) != MW_OK) {
        mw_log(MW_LOG_ERROR, NULL, "cannot tell about a model", MW_KS("reason", error.text));
    }
    free(json);
}

/* What a record says of a training, so that a process that starts anew knows of it. `value` is
 * taken. */
static json_t *about_training(const struct learn *learn, const char *key, json_t *value)
{
    json_t *root = json_pack(
        "{s:i,s:f,s:o,s:s,s:I,s:I}", "v", 1, "time", (double)mw_clock_utc() / 1e6, key, value,
        "cause", mw_policy_cause_name(learn->cause), "records", (json_int_t)learn->begun.labelled,
        "positives", (json_int_t)learn->begun.positives);
    if (root != NULL && learn->machine[0] != '\0') {
        json_object_set_new(root, "machine", json_string(learn->machine));
    }
    return root;
}

/* --- the pipeline as a child --- */

/* The folder's name must be new: cause and wall clock. */
static mw_err make_work(struct learn *learn, struct mw_error *error)
{
    char name[128];
    snprintf(name, sizeof name, "%s%s%s-%lld", mw_policy_cause_name(learn->cause),
             learn->machine[0] == '\0' ? "" : "-", learn->machine,
             (long long)(mw_clock_utc() / 1000));
    mw_err err = mw_plant_path(learn->plant, "learn", name, learn->work, sizeof learn->work, error);
    return err == MW_OK ? mw_file_make_folder(learn->work, error) : err;
}

static mw_err start_child(struct learn *learn, struct mw_error *error)
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
    if (learn->cause == MW_POLICY_DRIFT) {
        snprintf(since, sizeof since, "%.6f", (double)learn->policy.onset / 1e6);
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

/* Whatever came of it, the next attempt waits. A model that was published says so in the stream,
 * which is read before anything else is decided. */
static void wait_for_more(struct learn *learn)
{
    if (learn->machine[0] == '\0') {
        mw_policy_refused(&learn->policy, learn->plant, learn->begun);
    } else {
        (void)mw_own_models_refused(learn->own, mw_span_of(learn->machine),
                                    (uint64_t)learn->plant->retrain.attempts_gap, NULL);
    }
}

static void start_pipeline(struct learn *learn, enum mw_policy_cause cause)
{
    struct mw_error error = {0};
    learn->cause = cause;
    learn->begun = learn->counts;
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
    tell(learn, about_training(learn, "started", json_true()));
}

/* The last line of the pipeline's output says why it refused or failed. */
static void read_reason(struct learn *learn, char *reason, size_t size)
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

static void child_ended(struct learn *learn, int status)
{
    char reason[512];
    const char *machine = learn->machine[0] == '\0' ? NULL : learn->machine;
    learn->child = 0;
    learn->news = true;
    wait_for_more(learn);
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
    tell(learn, about_training(learn, "refused", json_string(reason)));
}

/* --- deciding --- */

static mw_err count(struct learn *learn, struct mw_error *error)
{
    struct mw_extract_options options = {.since = mw_policy_since(&learn->policy),
                                         .fresh = INT64_MIN,
                                         .healthy =
                                             learn->plant->model.kind == MW_MODEL_AUTOENCODER};
    struct mw_extract_result result;
    int64_t before = mw_clock_monotonic();
    mw_err err = mw_extract(learn->plant, &options, &result, error);
    int64_t now = mw_clock_monotonic();
    /* Counting reads the stream again, so it may take a twentieth of the time at most. */
    learn->count_again = now + MW_SECOND / 10 + 20 * (now - before);
    if (err == MW_OK) {
        learn->counts = (struct mw_policy_counts){result.labelled, result.positives};
    }
    return err;
}

static void decide(struct learn *learn)
{
    struct mw_error error = {0};
    if (learn->child != 0 || learn->plant->file == NULL) {
        return;
    }
    if (learn->plant->model.scope == MW_SCOPE_MACHINE) {
        const char *machine = mw_own_models_next(learn->own);
        if (machine != NULL) {
            snprintf(learn->machine, sizeof learn->machine, "%s", machine);
            start_pipeline(learn, MW_POLICY_FIRST);
        }
        return;
    }
    if (!learn->news || mw_clock_monotonic() < learn->count_again ||
        !mw_policy_wants(&learn->policy, learn->plant)) {
        return;
    }
    learn->news = false;
    mw_err err = count(learn, &error);
    if (err != MW_OK && err != MW_ERR_NOT_FOUND) {
        mw_log(MW_LOG_ERROR, NULL, "cannot count what is labelled", MW_KS("reason", error.text));
    } else if (err == MW_OK) {
        enum mw_policy_cause cause = mw_policy_decide(&learn->policy, learn->plant, learn->counts);
        if (cause != MW_POLICY_NOTHING) {
            start_pipeline(learn, cause);
        }
    }
}

/* --- following the stream --- */

static mw_err take_telemetry(struct learn *learn, struct mw_error *error)
{
    struct mw_why why = {0};
    struct mw_telemetry *record = &learn->telemetry;
    if (mw_wire_read_telemetry(learn->parser, 0, record, &why) != MW_OK ||
        mw_wire_has(learn->parser, 0, "time_suspect")) {
        return MW_OK;
    }
    learn->newest = record->time > learn->newest ? record->time : learn->newest;
    mw_own_models_record(learn->own, record->machine);
    mw_buffer_clear(&learn->json);
    mw_err err = mw_commission_record(learn->commission, record, &learn->json, error);
    if (err == MW_OK && learn->json.size > 0) {
        err = append(learn, "baseline", record->machine,
                     (struct mw_span){learn->json.data, learn->json.size}, true, error);
        char machine[MW_NAME_MAX + 1];
        snprintf(machine, sizeof machine, "%.*s", (int)record->machine.size, record->machine.data);
        mw_log(MW_LOG_INFO, machine, "commissioned: its own baseline is set",
               MW_KI("records", learn->plant->commission.records));
        if (err == MW_OK && learn->plant->model.scope == MW_SCOPE_MACHINE) {
            err = mw_own_models_commissioned(learn->own, record->machine, error);
        }
    }
    learn->news = true;
    return err;
}

static mw_err take_event(struct learn *learn)
{
    struct mw_event event;
    struct mw_why why = {0};
    if (mw_wire_read_event(learn->parser, 0, &event, &why) == MW_OK) {
        mw_commission_event(learn->commission, &event);
        learn->news = true;
    }
    return MW_OK;
}

static void take_drift(struct learn *learn, struct mw_span value)
{
    json_error_t why;
    json_t *root = json_loadb(value.data, value.size, 0, &why);
    const char *scope = json_string_value(json_object_get(root, "scope"));
    double onset = json_number_value(json_object_get(root, "onset"));
    if (scope != NULL && strcmp(scope, "plant") == 0) {
        mw_policy_drift(&learn->policy, (int64_t)(onset * 1e6));
        learn->news = true;
    } else if (scope != NULL) {
        const char *machine = json_string_value(json_object_get(root, "machine"));
        mw_log(MW_LOG_WARN, machine,
               "this machine alone has moved: look at its sensors; no training",
               MW_KI("onset", (int64_t)onset));
    }
    json_decref(root);
}

static struct mw_policy_counts counts_of(const json_t *root)
{
    return (struct mw_policy_counts){
        (uint64_t)json_integer_value(json_object_get(root, "records")),
        (uint64_t)json_integer_value(json_object_get(root, "positives"))};
}

static mw_err take_model_of_machine(struct learn *learn, const json_t *root, struct mw_span machine,
                                    struct mw_error *error)
{
    if (json_object_get(root, "bundle") != NULL) {
        return mw_own_models_published(learn->own, machine, error);
    }
    return json_object_get(root, "refused") == NULL
               ? MW_OK
               : mw_own_models_refused(learn->own, machine,
                                       (uint64_t)learn->plant->retrain.attempts_gap, error);
}

static mw_err take_model(struct learn *learn, struct mw_span value, struct mw_error *error)
{
    json_error_t why;
    mw_err err = MW_OK;
    json_t *root = json_loadb(value.data, value.size, 0, &why);
    const char *bundle = json_string_value(json_object_get(root, "bundle"));
    const char *machine = json_string_value(json_object_get(root, "machine"));
    if (machine != NULL) {
        err = take_model_of_machine(learn, root, mw_span_of(machine), error);
    } else if (bundle != NULL) {
        snprintf(learn->published, sizeof learn->published, "%s", bundle);
        mw_policy_published(&learn->policy, learn->newest);
    } else if (json_object_get(root, "started") != NULL) {
        learn->begun = counts_of(root);
    } else if (json_object_get(root, "refused") != NULL) {
        mw_policy_refused(&learn->policy, learn->plant, counts_of(root));
    }
    json_decref(root);
    return err;
}

/* A model that was taken back with none before it leaves nothing that drifts, and so nothing that
 * would ask for another. */
static mw_err take_rollout(struct learn *learn, struct mw_span value, struct mw_error *error)
{
    json_error_t why;
    mw_err err = MW_OK;
    json_t *root = json_loadb(value.data, value.size, 0, &why);
    const char *state = json_string_value(json_object_get(root, "state"));
    const char *bundle = json_string_value(json_object_get(root, "bundle"));
    const char *before = json_string_value(json_object_get(root, "previous"));
    const char *machine = json_string_value(json_object_get(root, "machine"));
    bool to_nothing = state != NULL && strcmp(state, "rolled-back") == 0 && before != NULL &&
                      before[0] == '\0' && bundle != NULL;
    if (to_nothing && machine != NULL) {
        err = mw_own_models_refused(learn->own, mw_span_of(machine),
                                    (uint64_t)learn->plant->retrain.attempts_gap, error);
    } else if (to_nothing && strcmp(bundle, learn->published) == 0) {
        mw_policy_taken_back(&learn->policy, learn->plant, learn->begun);
        learn->news = true;
    }
    json_decref(root);
    return err;
}

static mw_err take(struct learn *learn, const struct mw_stream_record *record,
                   struct mw_error *error)
{
    struct mw_why why = {0};
    if (strcmp(record->topic, "drift") == 0) {
        take_drift(learn, record->value);
    } else if (strcmp(record->topic, "model") == 0) {
        return take_model(learn, record->value, error);
    } else if (strcmp(record->topic, "rollout") == 0) {
        return take_rollout(learn, record->value, error);
    } else if (mw_wire_open(learn->parser, record->value, &why) == MW_OK) {
        return strcmp(record->topic, "telemetry") == 0 ? take_telemetry(learn, error)
                                                       : take_event(learn);
    }
    return MW_OK;
}

/* Nothing is decided before all that there is has been read: a model may have been published. */
static void on_look(void *context)
{
    struct learn *learn = context;
    struct mw_error error = {0};
    int64_t end = mw_clock_monotonic() + READ_FOR;
    size_t n = 0;
    mw_stream_reader_drain(learn->reader);
    do {
        mw_err err = mw_stream_poll(learn->reader, learn->records, POLL, &n, &error);
        for (size_t i = 0; err == MW_OK && i < n; i++) {
            err = take(learn, &learn->records[i], &error);
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
    struct learn *learn = context;
    int status;
    if (learn->child != 0 && waitpid(learn->child, &status, WNOHANG) == learn->child) {
        child_ended(learn, status);
        on_look(learn); /* the next machine need not wait for news */
    }
}

static void on_second(void *context)
{
    struct learn *learn = context;
    struct mw_error error = {0};
    char path[PATH_MAX], json[512];
    int n = snprintf(
        json, sizeof json,
        "{\"v\":1,\"role\":\"learn\",\"pid\":%d,\"time\":%.6f,\"labelled\":%llu,"
        "\"positives\":%llu,\"commissioning\":%zu,\"training\":%s,\"drifted\":%s,"
        "\"have_model\":%s}\n",
        (int)getpid(), (double)mw_clock_utc() / 1e6, (unsigned long long)learn->counts.labelled,
        (unsigned long long)learn->counts.positives, mw_commission_pending(learn->commission),
        learn->child != 0 ? "true" : "false", learn->policy.drifted ? "true" : "false",
        learn->policy.have_model ? "true" : "false");
    if (mw_plant_path(learn->plant, "run", "learn.json", path, sizeof path, &error) != MW_OK ||
        mw_file_replace(path, json, (size_t)n, 0644, &error) != MW_OK) {
        mw_log(MW_LOG_WARN, NULL, "cannot write run/learn.json", MW_KS("reason", error.text));
    }
}

/* --- making and ending --- */

static bool note_commissioned(void *context, struct mw_span key, struct mw_span value)
{
    (void)value;
    struct learn *learn = context;
    return mw_commission_done(learn->commission, key, NULL) == MW_OK &&
           (learn->plant->model.scope != MW_SCOPE_MACHINE ||
            mw_own_models_commissioned(learn->own, key, NULL) == MW_OK);
}

static mw_err open_stream(struct learn *learn, struct mw_error *error)
{
    static const char *const topics[] = {"model", "rollout", "drift", "event", "telemetry"};
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
        err = mw_stream_reader_open(&learn->reader, learn->in, topics,
                                    sizeof topics / sizeof *topics, MW_STREAM_EARLIEST, error);
    }
    if (err == MW_OK) {
        err = mw_stream_visit(learn->out, "learn", "baseline", note_commissioned, learn, error);
    }
    return err == MW_ERR_NOT_FOUND ? MW_OK : err;
}

static mw_err open_all(struct learn *learn, struct mw_error *error)
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
        err = mw_own_models_new(&learn->own, error);
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

static void close_all(struct learn *learn)
{
    if (learn->child != 0) {
        kill(learn->child, SIGTERM);
        waitpid(learn->child, NULL, 0);
    }
    mw_own_models_free(learn->own);
    mw_stream_reader_close(learn->reader);
    mw_stream_close(learn->in);
    mw_stream_close(learn->out);
    mw_commission_free(learn->commission);
    mw_buffer_free(&learn->json);
    mw_role_clear(&learn->role);
    free(learn->parser_memory);
    free(learn->records);
    free(learn);
}

mw_err mw_learn_run(const struct mw_plant *plant, struct mw_error *error)
{
    struct learn *learn = calloc(1, sizeof *learn);
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
