/* rollout_alarms.c - do the first things raise more alarms under the new bundle than they should?
 */
#include "tiers/platform/rollout_internal.h"

#include "lib/artifact/bundle.h"

#include <math.h>
#include <stdio.h>

#define BAND_IMPENDING 0.5F
#define CHANCE 0.001 /* of taking back a good bundle */

enum {
    EVIDENCE_BEFORE = 20, /* scores under the old bundle without which no rate is compared */
    EVIDENCE_ALARMS = 3,  /* alarms under the new one below which it is not blamed */
    EVIDENCE_ENOUGH = 500 /* scores from which a rate needs no allowance for chance */
};

double mw_rollout_expected_alarms(const struct mw_bundle *bundle)
{
    uint64_t total = mw_sketch_total(&bundle->score_sketch), high = 0;
    for (size_t i = 0; i < MW_SKETCH_BINS; i++) {
        bool reaches = i == MW_SKETCH_EDGES || bundle->score_edges.edge[i] > BAND_IMPENDING;
        high += reaches ? bundle->score_sketch.count[i] : 0;
    }
    if (total == 0) {
        return (double)NAN;
    }
    /* Having seen no alarm among n scores does not show a rate below one in n. */
    double share = (double)(high == 0 ? 1 : high) / (double)total + bundle->base_rate;
    return share < 1 ? share : 1;
}

/* NaN without evidence enough. */
static double rate_before(const struct mw_rollout *rollout)
{
    const struct mw_rollout_evidence *old = &rollout->before;
    if (old->scores < EVIDENCE_BEFORE || old->weight <= 0) {
        return (double)NAN;
    }
    double least = 1 / old->weight, rate = old->alarm_weight / old->weight;
    return rate > least ? rate : least;
}

/* The rate that the bundle itself foresees, alarm_ratio times; one that raises no more alarms than
 * the bundle before does is not held to it. 1 when nothing is foreseen. */
static double ceiling_of(const struct mw_rollout_engine *engine, const struct mw_rollout *rollout,
                         double before)
{
    double ceiling = engine->config.alarm_ratio * rollout->expected;
    if (before > ceiling) {
        ceiling = before;
    }
    return ceiling < 1 ? ceiling : 1; /* NaN too */
}

/* Would a bundle whose rate is the ceiling hardly ever do this? Chernoff's bound on the binomial
 * tail, P(rate or more among n) <= exp(-n KL(rate || ceiling)); n is how many records the alarms
 * that came stand among, since weights are no evidence of their own. */
static bool is_no_chance(const struct mw_rollout_evidence *new, double rate, double ceiling)
{
    double alarms = (double)new->alarms, calm = alarms / rate - alarms;
    double surprise = alarms * log(rate / ceiling);
    if (calm > 0) {
        surprise += calm * log((1 - rate) / (1 - ceiling));
    }
    return new->scores >= EVIDENCE_ENOUGH || surprise >= -log(CHANCE);
}

enum mw_rollout_alarms mw_rollout_judge_alarms(const struct mw_rollout_engine *engine,
                                               const struct mw_rollout *rollout,
                                               char reason[MW_ROLLOUT_REASON])
{
    const struct mw_rollout_evidence *new = &rollout->after;
    if (new->alarms == 0 || new->weight <= 0) {
        return MW_ROLLOUT_ALARMS_FEW;
    }
    double rate = new->alarm_weight / new->weight, before = rate_before(rollout);
    double ceiling = ceiling_of(engine, rollout, before);
    bool blamed = new->alarms >= EVIDENCE_ALARMS;
    if (blamed && rate > engine->config.alarm_ratio * before) {
        snprintf(reason, MW_ROLLOUT_REASON, "alarm rate of the first things %.3g, before %.3g",
                 rate, before);
        return MW_ROLLOUT_ALARMS_MANY;
    }
    if (rate <= ceiling) {
        return MW_ROLLOUT_ALARMS_FEW;
    }
    snprintf(reason, MW_ROLLOUT_REASON,
             "alarm rate of the first things %.3g, its own reference foresees %.3g", rate,
             rollout->expected);
    return blamed && is_no_chance(new, rate, ceiling) ? MW_ROLLOUT_ALARMS_MANY
                                                      : MW_ROLLOUT_ALARMS_UNSURE;
}
