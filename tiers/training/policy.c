#include "tiers/training/policy.h"

static bool unlabelled(const struct mw_plant *plant)
{
    return plant->model.kind == MW_MODEL_AUTOENCODER;
}

static bool has_cause(const struct mw_policy *policy, const struct mw_plant *plant)
{
    return !policy->have_model || (policy->drifted && plant->retrain.on_drift) ||
           plant->retrain.every > 0 || mw_policy_is_asked(policy);
}

bool mw_policy_is_asked(const struct mw_policy *policy)
{
    return policy->asked > policy->answered;
}

bool mw_policy_wants(const struct mw_policy *policy, const struct mw_plant *plant)
{
    return has_cause(policy, plant) && (!policy->have_model || !unlabelled(plant) || policy->well);
}

bool mw_policy_waits(const struct mw_policy *policy, const struct mw_plant *plant)
{
    return policy->drifted && has_cause(policy, plant) && !mw_policy_wants(policy, plant);
}

int64_t mw_policy_origin(const struct mw_policy *policy)
{
    if (!policy->have_model) {
        return INT64_MIN;
    }
    return policy->drifted ? policy->onset : policy->published;
}

int64_t mw_policy_since(const struct mw_policy *policy)
{
    return policy->have_model && policy->well ? policy->well_since : mw_policy_origin(policy);
}

enum mw_policy_cause mw_policy_decide(const struct mw_policy *policy, const struct mw_plant *plant,
                                      struct mw_policy_counts counts)
{
    if (!mw_policy_wants(policy, plant) || counts.labelled < policy->next_attempt) {
        return MW_POLICY_NOTHING;
    }
    if (!policy->have_model) {
        bool enough =
            counts.labelled >= (uint64_t)plant->retrain.minimum_records &&
            (unlabelled(plant) || counts.positives >= (uint64_t)plant->retrain.minimum_positives);
        return enough ? MW_POLICY_FIRST : MW_POLICY_NOTHING;
    }
    if (policy->drifted && plant->retrain.on_drift) {
        bool enough =
            counts.labelled >= (uint64_t)plant->retrain.fresh_records &&
            (unlabelled(plant) || counts.positives >= (uint64_t)plant->retrain.fresh_positives);
        return enough ? MW_POLICY_DRIFT : MW_POLICY_NOTHING;
    }
    bool due = plant->retrain.every > 0 && counts.labelled >= (uint64_t)plant->retrain.every;
    if (due) {
        return MW_POLICY_SCHEDULE;
    }
    bool asked =
        mw_policy_is_asked(policy) && counts.labelled >= (uint64_t)plant->retrain.attempts_gap;
    return asked ? MW_POLICY_ASKED : MW_POLICY_NOTHING;
}

void mw_policy_ask(struct mw_policy *policy, int64_t time)
{
    policy->asked = time > policy->asked ? time : policy->asked;
}

void mw_policy_answered(struct mw_policy *policy, int64_t began)
{
    policy->answered = began > policy->answered ? began : policy->answered;
}

void mw_policy_known(struct mw_policy *policy, const struct mw_plant *plant, bool well,
                     int64_t since)
{
    well = well && unlabelled(plant) && policy->have_model;
    if (well && since != policy->well_since) {
        policy->well_since = since;
        policy->next_attempt = 0; /* counts start anew there */
    }
    policy->well = well;
}

void mw_policy_drift(struct mw_policy *policy, int64_t onset)
{
    if (policy->have_model && !policy->drifted) {
        policy->drifted = true;
        policy->onset = onset;
        policy->next_attempt = 0; /* counts start anew at the onset */
        policy->well = false;
    }
}

void mw_policy_published(struct mw_policy *policy, int64_t newest)
{
    policy->have_model = true;
    policy->drifted = false;
    policy->well = false;
    policy->next_attempt = 0;
    policy->published = newest;
}

void mw_policy_taken_back(struct mw_policy *policy, const struct mw_plant *plant,
                          struct mw_policy_counts counts)
{
    policy->have_model = false;
    policy->drifted = false;
    policy->well = false;
    mw_policy_refused(policy, plant, counts);
}

void mw_policy_refused(struct mw_policy *policy, const struct mw_plant *plant,
                       struct mw_policy_counts counts)
{
    policy->next_attempt = counts.labelled + (uint64_t)plant->retrain.attempts_gap;
}

const char *mw_policy_cause_name(enum mw_policy_cause cause)
{
    static const char *const name[] = {"nothing", "first", "drift", "schedule", "asked"};
    return name[cause];
}
