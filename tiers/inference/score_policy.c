#include "tiers/inference/score_policy.h"

#include "core/wire/number.h"
#include "lib/base/clock.h"

#include <stdio.h>

#define FOR_EVER (INT64_C(36500) * 86400 * MW_SECOND)

static uint32_t counted(bool goes_on, uint32_t run, uint32_t most)
{
    return !goes_on ? 0 : run < most ? run + 1 : run;
}

static bool is_set(const char *action)
{
    return action != NULL && action[0] != '\0';
}

const char *mw_score_policy_take(struct mw_score_policy *policy, const struct mw_plant *plant,
                                 enum mw_band band, int64_t time)
{
    uint32_t confirm = plant->action.confirm > 1 ? (uint32_t)plant->action.confirm : 1;
    bool immediate = is_set(plant->action.immediate), impending = is_set(plant->action.impending);
    if (!immediate && !impending) {
        return NULL;
    }
    policy->immediate = counted(band == MW_BAND_IMMEDIATE, policy->immediate, confirm);
    policy->impending = counted(band >= MW_BAND_IMPENDING, policy->impending, confirm);
    if (policy->held != MW_BAND_NORMAL) {
        policy->normal = counted(band == MW_BAND_NORMAL, policy->normal, confirm);
        if (policy->normal >= confirm || time >= policy->expires) {
            policy->held = MW_BAND_NORMAL;
            policy->normal = 0;
            policy->expires = 0;
        }
    }
    enum mw_band wanted = MW_BAND_NORMAL;
    if (immediate && policy->immediate >= confirm) {
        wanted = MW_BAND_IMMEDIATE;
    } else if (impending && policy->impending >= confirm) {
        wanted = MW_BAND_IMPENDING;
    }
    if (wanted <= policy->held || time < policy->quiet) {
        return NULL;
    }
    policy->held = wanted;
    policy->normal = 0;
    policy->expires = time + (plant->action.expires > 0 ? plant->action.expires : FOR_EVER);
    return wanted == MW_BAND_IMMEDIATE ? plant->action.immediate : plant->action.impending;
}

void mw_score_policy_judge(struct mw_score_policy *policy, const struct mw_plant *plant,
                           enum mw_finding finding, int64_t time)
{
    *policy = (struct mw_score_policy){0};
    if (finding == MW_FINDING_NO_FAULT && plant->action.quiet > 0) {
        policy->quiet = time + plant->action.quiet;
    }
}

size_t mw_score_policy_print(const struct mw_score_policy *policy, char *text, size_t capacity)
{
    char expires[MW_NUMBER_TEXT], quiet[MW_NUMBER_TEXT];
    if (policy->impending == 0 && policy->immediate == 0 && policy->held == MW_BAND_NORMAL &&
        policy->quiet == 0) {
        return 0;
    }
    (void)mw_number_print_time(expires, policy->expires);
    (void)mw_number_print_time(quiet, policy->quiet);
    int n = snprintf(text, capacity,
                     "{\"v\":1,\"impending\":%u,\"immediate\":%u,\"normal\":%u,\"held\":\"%s\","
                     "\"expires\":%s,\"quiet\":%s}",
                     policy->impending, policy->immediate, policy->normal,
                     mw_band_name(policy->held), expires, quiet);
    return n > 0 && (size_t)n < capacity ? (size_t)n : 0;
}

static mw_err read_count(const struct mw_wire_parser *parser, const char *key, uint32_t *count)
{
    struct mw_span text;
    uint64_t value = 0;
    mw_err err = mw_wire_get(parser, 0, key, &text);
    err = err == MW_OK ? mw_number_parse_u64(text, &value) : err;
    if (err != MW_OK || value > UINT32_MAX) {
        return MW_ERR_PARSE;
    }
    *count = (uint32_t)value;
    return MW_OK;
}

mw_err mw_score_policy_parse(struct mw_score_policy *policy, struct mw_wire_parser *parser,
                             struct mw_span text)
{
    struct mw_span held = {0}, expires = {0}, quiet = {0};
    *policy = (struct mw_score_policy){0};
    mw_err err = mw_wire_open(parser, text, NULL);
    err = err == MW_OK ? read_count(parser, "impending", &policy->impending) : err;
    err = err == MW_OK ? read_count(parser, "immediate", &policy->immediate) : err;
    err = err == MW_OK ? read_count(parser, "normal", &policy->normal) : err;
    err = err == MW_OK ? mw_wire_get(parser, 0, "held", &held) : err;
    err = err == MW_OK ? mw_wire_get(parser, 0, "expires", &expires) : err;
    err = err == MW_OK ? mw_number_parse_time(expires, &policy->expires) : err;
    err = err == MW_OK ? mw_wire_get(parser, 0, "quiet", &quiet) : err;
    err = err == MW_OK ? mw_number_parse_time(quiet, &policy->quiet) : err;
    for (enum mw_band band = MW_BAND_NORMAL; err == MW_OK && band <= MW_BAND_IMMEDIATE; band++) {
        if (mw_span_is(held, mw_band_name(band))) {
            policy->held = band;
        }
    }
    return err;
}
