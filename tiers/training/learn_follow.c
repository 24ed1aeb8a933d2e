/* learn_follow.c - what the stream says: records, events, alarms, models and roll-outs. */
#include "tiers/training/learn_internal.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static mw_err take_telemetry(struct mw_learn *learn, struct mw_error *error)
{
    struct mw_why why = {0};
    struct mw_telemetry *record = &learn->telemetry;
    if (mw_wire_read_telemetry(learn->parser, 0, record, &why) != MW_OK ||
        mw_wire_has(learn->parser, 0, "time_suspect")) {
        return MW_OK;
    }
    learn->newest = record->time > learn->newest ? record->time : learn->newest;
    mw_own_models_record(learn->own, record->machine, record->time);
    mw_buffer_clear(&learn->json);
    mw_err err = mw_commission_record(learn->commission, record, &learn->json, error);
    if (err == MW_OK && learn->json.size > 0) {
        err = mw_learn_append(learn, "baseline", record->machine,
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

/* What maintenance said is asked anew whenever the time from which it counts may have moved. */
static void judge_plant(struct mw_learn *learn)
{
    int64_t since = 0;
    bool well =
        learn->plant->model.kind == MW_MODEL_AUTOENCODER &&
        mw_facts_well(learn->facts, mw_span_of(""), mw_policy_origin(&learn->policy), &since);
    mw_policy_known(&learn->policy, learn->plant, well, since);
    learn->news = true;
}

/* The policy that speaks for the machine, or NULL. */
static const struct mw_policy *policy_of(const struct mw_learn *learn, struct mw_span machine)
{
    return learn->plant->model.scope == MW_SCOPE_MACHINE ? mw_own_models_policy(learn->own, machine)
                                                         : &learn->policy;
}

/* One that moved alone is commissioned anew once somebody has found it well: another sensor, say.
 */
static void judge_machine(struct mw_learn *learn, struct mw_span machine)
{
    int64_t onset = mw_commission_moved_since(learn->commission, machine), since = 0;
    if (onset == INT64_MAX || !mw_facts_well(learn->facts, machine, onset, &since)) {
        return;
    }
    char name[MW_NAME_MAX + 1];
    snprintf(name, sizeof name, "%.*s", (int)machine.size, machine.data);
    mw_log(MW_LOG_INFO, name, "moved, and known to be well: it is commissioned anew",
           MW_KI("since", since / MW_SECOND), MW_KI("records", learn->plant->commission.records));
    mw_commission_again(learn->commission, machine, since);
}

static mw_err take_event(struct mw_learn *learn, struct mw_error *error)
{
    struct mw_event event;
    struct mw_why why = {0};
    if (mw_wire_read_event(learn->parser, 0, &event, &why) != MW_OK) {
        return MW_OK;
    }
    const struct mw_policy *policy = policy_of(learn, event.machine);
    bool waited = policy != NULL && mw_policy_waits(policy, learn->plant);
    mw_commission_event(learn->commission, &event);
    mw_err err = mw_facts_add(learn->facts, &event, error);
    judge_machine(learn, event.machine);
    mw_own_models_event(learn->own, event.machine);
    judge_plant(learn);
    if (waited && !mw_policy_waits(policy, learn->plant)) {
        char machine[MW_NAME_MAX + 1];
        snprintf(machine, sizeof machine, "%.*s", (int)event.machine.size, event.machine.data);
        mw_log(MW_LOG_INFO, machine, "known to be well: what it gives now is to be learnt",
               MW_KI("since", mw_policy_since(policy) / MW_SECOND),
               MW_KI("records", learn->plant->retrain.fresh_records));
    }
    return err;
}

/* What an alarm leads to, in words. */
static void tell_of_drift(const struct mw_learn *learn, const char *machine,
                          const struct mw_policy *policy)
{
    bool unlabelled = learn->plant->model.kind == MW_MODEL_AUTOENCODER;
    int64_t onset = policy->onset / MW_SECOND;
    if (!policy->drifted) {
        return; /* there was no model to drift from */
    }
    if (!learn->plant->retrain.on_drift) {
        mw_log(MW_LOG_WARN, machine, "drifted; retrain.on_drift is off", MW_KI("onset", onset));
    } else if (mw_policy_waits(policy, learn->plant)) {
        mw_log(MW_LOG_WARN, machine, "drifted, and without labels that may be a fault: no training",
               MW_KS("before", MW_LEARN_WAITS_FOR), MW_KI("onset", onset));
    } else {
        mw_log(MW_LOG_WARN, machine, "drifted: a new model, once there are enough records since",
               MW_KI("onset", onset), MW_KI("records", learn->plant->retrain.fresh_records),
               MW_KI("positives", unlabelled ? 0 : learn->plant->retrain.fresh_positives));
    }
}

static mw_err drift_of_machine(struct mw_learn *learn, const char *machine, int64_t onset,
                               struct mw_error *error)
{
    if (learn->plant->model.scope != MW_SCOPE_MACHINE) {
        mw_log(MW_LOG_WARN, machine,
               "this machine alone has moved: look at its sensors; found well, it gets a new "
               "baseline",
               MW_KS("before", MW_LEARN_WAITS_FOR), MW_KI("onset", onset / MW_SECOND));
        mw_err err = mw_commission_moved(learn->commission, mw_span_of(machine), onset, error);
        judge_machine(learn, mw_span_of(machine));
        return err;
    }
    mw_err err = mw_own_models_drift(learn->own, mw_span_of(machine), onset, error);
    if (err == MW_OK) {
        tell_of_drift(learn, machine, mw_own_models_policy(learn->own, mw_span_of(machine)));
    }
    return err;
}

static mw_err take_drift(struct mw_learn *learn, struct mw_span value, struct mw_error *error)
{
    json_error_t why;
    mw_err err = MW_OK;
    json_t *root = json_loadb(value.data, value.size, 0, &why);
    const char *scope = json_string_value(json_object_get(root, "scope"));
    const char *machine = json_string_value(json_object_get(root, "machine"));
    int64_t onset = (int64_t)(json_number_value(json_object_get(root, "onset")) * 1e6);
    if (scope != NULL && strcmp(scope, "plant") == 0) {
        mw_policy_drift(&learn->policy, onset);
        judge_plant(learn);
        tell_of_drift(learn, NULL, &learn->policy);
    } else if (scope != NULL && machine != NULL && mw_name_valid(mw_span_of(machine))) {
        err = drift_of_machine(learn, machine, onset, error);
    }
    json_decref(root);
    return err;
}

static struct mw_policy_counts counts_of(const json_t *root)
{
    return (struct mw_policy_counts){
        (uint64_t)json_integer_value(json_object_get(root, "records")),
        (uint64_t)json_integer_value(json_object_get(root, "positives"))};
}

static int64_t time_of(const json_t *root)
{
    return llround(json_number_value(json_object_get(root, "time")) * 1e6);
}

/* Whose word it was goes into what is told of the training. */
static mw_err take_request(struct mw_learn *learn, struct mw_span value)
{
    json_error_t why;
    json_t *root = json_loadb(value.data, value.size, 0, &why);
    char *text =
        json_is_object(root) ? json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    if (text != NULL) {
        free(learn->request);
        learn->request = text;
        mw_policy_ask(&learn->policy, time_of(root));
        learn->news = true;
    }
    json_decref(root);
    return MW_OK;
}

static mw_err take_model_of_machine(struct mw_learn *learn, const json_t *root,
                                    struct mw_span machine, struct mw_error *error)
{
    if (json_object_get(root, "bundle") != NULL) {
        return mw_own_models_published(learn->own, machine, error);
    }
    if (json_object_get(root, "started") != NULL) {
        return mw_own_models_started(learn->own, machine, counts_of(root), error);
    }
    return json_object_get(root, "refused") == NULL
               ? MW_OK
               : mw_own_models_refused(learn->own, machine, counts_of(root), error);
}

/* A run that was asked for is over when it was refused, or when a model of its machine has come,
 * which Kafka's partitions may tell before the asking. */
static void follow_run(struct mw_learn *learn, const json_t *root, const char *machine)
{
    const char *run = json_string_value(json_object_get(root, "run"));
    bool begins = json_object_get(root, "started") != NULL;
    double time = json_number_value(json_object_get(root, "time"));
    learn->news = true;
    if (!begins && time > learn->run_over) {
        learn->run_over = time;
    }
    if (json_object_get(root, "bundle") != NULL) {
        bool its = strcmp(machine == NULL ? "" : machine, learn->run_machine) == 0;
        learn->run[0] = its ? '\0' : learn->run[0];
    } else if (run != NULL && begins && time >= learn->run_over) {
        snprintf(learn->run, sizeof learn->run, "%s", run);
        snprintf(learn->run_machine, sizeof learn->run_machine, "%s",
                 machine == NULL ? "" : machine);
    } else if (run != NULL && strcmp(run, learn->run) == 0) {
        learn->run[0] = '\0';
    }
}

static mw_err take_model(struct mw_learn *learn, struct mw_span value, struct mw_error *error)
{
    json_error_t why;
    mw_err err = MW_OK;
    json_t *root = json_loadb(value.data, value.size, 0, &why);
    const char *bundle = json_string_value(json_object_get(root, "bundle"));
    const char *machine = json_string_value(json_object_get(root, "machine"));
    learn->told |= bundle != NULL;
    follow_run(learn, root, machine);
    if (machine != NULL) {
        err = take_model_of_machine(learn, root, mw_span_of(machine), error);
    } else if (bundle != NULL) {
        snprintf(learn->published, sizeof learn->published, "%s", bundle);
        mw_policy_published(&learn->policy, learn->newest);
        mw_policy_answered(&learn->policy, learn->begun_at);
        judge_plant(learn);
    } else if (json_object_get(root, "started") != NULL) {
        learn->begun = counts_of(root);
        learn->begun_at = time_of(root);
    } else if (json_object_get(root, "refused") != NULL) {
        mw_policy_refused(&learn->policy, learn->plant, counts_of(root));
        mw_policy_answered(&learn->policy, learn->begun_at);
    }
    json_decref(root);
    return err;
}

/* A model that was taken back with none before it leaves nothing that drifts, and so nothing that
 * would ask for another. */
static mw_err take_rollout(struct mw_learn *learn, struct mw_span value, struct mw_error *error)
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
        err = mw_own_models_taken_back(learn->own, mw_span_of(machine), error);
    } else if (to_nothing && strcmp(bundle, learn->published) == 0) {
        mw_policy_taken_back(&learn->policy, learn->plant, learn->begun);
        learn->news = true;
    }
    json_decref(root);
    return err;
}

mw_err mw_learn_take(struct mw_learn *learn, const struct mw_stream_record *record,
                     struct mw_error *error)
{
    struct mw_why why = {0};
    if (strcmp(record->topic, "drift") == 0) {
        return take_drift(learn, record->value, error);
    } else if (strcmp(record->topic, "model") == 0) {
        return take_model(learn, record->value, error);
    } else if (strcmp(record->topic, "rollout") == 0) {
        return take_rollout(learn, record->value, error);
    } else if (strcmp(record->topic, "request") == 0) {
        return take_request(learn, record->value);
    } else if (mw_wire_open(learn->parser, record->value, &why) == MW_OK) {
        return strcmp(record->topic, "telemetry") == 0 ? take_telemetry(learn, error)
                                                       : take_event(learn, error);
    }
    return MW_OK;
}
