#include "tiers/training/own_models.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct machine {
    char *name;
    bool commissioned;
    bool news;     /* something came since its records were counted */
    uint64_t wait; /* records before the next attempt at a first model that needs no counting */
    int64_t newest;
    struct mw_policy policy;
    struct mw_policy_counts begun; /* that the last training started with */
};

struct mw_own_models {
    const struct mw_plant *plant;
    const struct mw_facts *facts;
    struct machine *machine;
    size_t n, capacity;
    size_t last; /* found */
    size_t turn; /* to be counted next */
};

mw_err mw_own_models_new(struct mw_own_models **out, const struct mw_plant *plant,
                         const struct mw_facts *facts, struct mw_error *error)
{
    *out = calloc(1, sizeof **out);
    if (*out == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    (*out)->plant = plant;
    (*out)->facts = facts;
    return MW_OK;
}

void mw_own_models_free(struct mw_own_models *models)
{
    if (models == NULL) {
        return;
    }
    for (size_t i = 0; i < models->n; i++) {
        free(models->machine[i].name);
    }
    free(models->machine);
    free(models);
}

static struct machine *find(const struct mw_own_models *models, struct mw_span name)
{
    for (size_t i = 0; i < models->n; i++) {
        struct machine *machine = &models->machine[(models->last + i) % models->n];
        if (mw_span_is(name, machine->name)) {
            return machine;
        }
    }
    return NULL;
}

static mw_err find_or_add(struct mw_own_models *models, struct mw_span name,
                          struct machine **machine, struct mw_error *error)
{
    *machine = find(models, name);
    if (*machine != NULL) {
        return MW_OK;
    }
    if (models->n == models->capacity) {
        size_t capacity = models->capacity == 0 ? 16 : models->capacity * 2;
        struct machine *grown = realloc(models->machine, capacity * sizeof *grown);
        if (grown == NULL) {
            return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
        }
        models->machine = grown;
        models->capacity = capacity;
    }
    char *copy = strndup(name.data, name.size);
    if (copy == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    models->machine[models->n] = (struct machine){.name = copy, .newest = INT64_MIN};
    *machine = &models->machine[models->n++];
    return MW_OK;
}

/* --- happenings --- */

/* What maintenance said is asked anew whenever the time from which it counts may have moved. */
static void judge(const struct mw_own_models *models, struct machine *machine)
{
    int64_t since;
    bool well = mw_facts_well(models->facts, mw_span_of(machine->name),
                              mw_policy_origin(&machine->policy), &since);
    mw_policy_known(&machine->policy, models->plant, well, since);
    machine->news = true;
}

mw_err mw_own_models_commissioned(struct mw_own_models *models, struct mw_span name,
                                  struct mw_error *error)
{
    struct machine *machine;
    mw_err err = find_or_add(models, name, &machine, error);
    if (err == MW_OK) {
        machine->commissioned = true;
        machine->news = true;
    }
    return err;
}

mw_err mw_own_models_started(struct mw_own_models *models, struct mw_span name,
                             struct mw_policy_counts counts, struct mw_error *error)
{
    struct machine *machine;
    mw_err err = find_or_add(models, name, &machine, error);
    if (err == MW_OK) {
        machine->begun = counts;
    }
    return err;
}

mw_err mw_own_models_published(struct mw_own_models *models, struct mw_span name,
                               struct mw_error *error)
{
    struct machine *machine;
    mw_err err = find_or_add(models, name, &machine, error);
    if (err == MW_OK) {
        mw_policy_published(&machine->policy, machine->newest);
        machine->wait = 0;
        judge(models, machine);
    }
    return err;
}

mw_err mw_own_models_refused(struct mw_own_models *models, struct mw_span name,
                             struct mw_policy_counts counts, struct mw_error *error)
{
    struct machine *machine;
    mw_err err = find_or_add(models, name, &machine, error);
    if (err == MW_OK) {
        mw_policy_refused(&machine->policy, models->plant, counts);
        machine->wait = (uint64_t)models->plant->retrain.attempts_gap;
        machine->news = true;
    }
    return err;
}

mw_err mw_own_models_taken_back(struct mw_own_models *models, struct mw_span name,
                                struct mw_error *error)
{
    struct machine *machine;
    mw_err err = find_or_add(models, name, &machine, error);
    if (err == MW_OK) {
        mw_policy_taken_back(&machine->policy, models->plant, machine->begun);
        machine->wait = (uint64_t)models->plant->retrain.attempts_gap;
        machine->news = true;
    }
    return err;
}

mw_err mw_own_models_drift(struct mw_own_models *models, struct mw_span name, int64_t onset,
                           struct mw_error *error)
{
    struct machine *machine;
    mw_err err = find_or_add(models, name, &machine, error);
    if (err == MW_OK) {
        mw_policy_drift(&machine->policy, onset);
        judge(models, machine);
    }
    return err;
}

/* Records of a machine come in runs, so the one that was found is looked at first the next time. */
void mw_own_models_record(struct mw_own_models *models, struct mw_span name, int64_t time)
{
    struct machine *machine = find(models, name);
    if (machine != NULL) {
        models->last = (size_t)(machine - models->machine);
        machine->wait -= machine->wait > 0;
        machine->newest = time > machine->newest ? time : machine->newest;
        machine->news = true;
    }
}

void mw_own_models_event(struct mw_own_models *models, struct mw_span name)
{
    struct machine *machine = find(models, name);
    if (machine != NULL) {
        judge(models, machine);
    }
}

/* --- whose turn it is --- */

static bool counted(const struct mw_own_models *models, const struct machine *machine)
{
    return machine->policy.have_model || models->plant->model.kind != MW_MODEL_AUTOENCODER;
}

const char *mw_own_models_next(const struct mw_own_models *models)
{
    for (size_t i = 0; i < models->n; i++) {
        const struct machine *machine = &models->machine[i];
        if (machine->commissioned && machine->wait == 0 && !counted(models, machine)) {
            return machine->name;
        }
    }
    return NULL;
}

const char *mw_own_models_to_count(struct mw_own_models *models, int64_t *since)
{
    for (size_t i = 0; i < models->n; i++) {
        size_t at = (models->turn + i) % models->n;
        struct machine *machine = &models->machine[at];
        bool known = machine->commissioned || machine->policy.have_model;
        if (known && machine->news && counted(models, machine) &&
            mw_policy_wants(&machine->policy, models->plant)) {
            machine->news = false;
            models->turn = at + 1;
            *since = mw_policy_since(&machine->policy);
            return machine->name;
        }
    }
    return NULL;
}

const struct mw_policy *mw_own_models_policy(const struct mw_own_models *models,
                                             struct mw_span name)
{
    const struct machine *machine = find(models, name);
    return machine == NULL ? NULL : &machine->policy;
}

struct mw_own_models_summary mw_own_models_sum_up(const struct mw_own_models *models)
{
    struct mw_own_models_summary sum = {0};
    for (size_t i = 0; i < models->n; i++) {
        const struct mw_policy *policy = &models->machine[i].policy;
        sum.models += policy->have_model;
        sum.drifted += policy->drifted;
        sum.waiting += mw_policy_waits(policy, models->plant);
    }
    return sum;
}
