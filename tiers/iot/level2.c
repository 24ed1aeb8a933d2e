#include "tiers/iot/level2.h"

#include "lib/artifact/gather.h"

#include <string.h>

static void count(struct mw_level2 *level2, const struct mw_bundle *bundle, const float *mapped,
                  float score, int64_t time)
{
    if (level2->count == 0) {
        memcpy(level2->bundle, bundle->digest, sizeof level2->bundle);
        level2->from = time;
    }
    for (size_t i = 0; i < bundle->n_features; i++) {
        mw_sketch_add(&level2->feature[i], &bundle->edges[i], mapped[i]);
    }
    mw_sketch_add(&level2->score, &bundle->score_edges, score);
    level2->to = time;
    level2->count++;
}

mw_err mw_level2_decide(struct mw_level2 *level2, struct mw_runner *runner,
                        const struct mw_baseline *baseline, double share, double draw,
                        struct mw_telemetry *record, enum mw_level2_decision *decision,
                        float *score)
{
    float x[MW_BUNDLE_FEATURES_MAX];
    if (level2->count > 0 &&
        (runner == NULL || strcmp(level2->bundle, runner->bundle.digest) != 0)) {
        return MW_ERR_STATE;
    }
    record->p = 1;
    *decision = MW_LEVEL2_FORWARD;
    *score = -1;
    if (runner == NULL ||
        !mw_gather(runner->bundle.features, runner->bundle.n_features, record, x)) {
        return MW_OK;
    }
    mw_runner_map(runner, baseline, x, x);
    *score = mw_runner_score(runner, x);
    bool sound =
        *score >= 0 && *score <= 1; /* what the model cannot answer is not ours to hold back */
    if (!sound || mw_band_of(*score) != MW_BAND_NORMAL) {
        return MW_OK;
    }
    if (draw < share) {
        record->p = (float)share;
        return MW_OK;
    }
    *decision = MW_LEVEL2_SUPPRESS;
    count(level2, &runner->bundle, x, *score, record->time);
    return MW_OK;
}

mw_err mw_level2_sketch(const struct mw_level2 *level2, const struct mw_bundle *bundle,
                        const char *device, const char *machine, struct mw_sketch_record *out)
{
    if (level2->count == 0 || strcmp(level2->bundle, bundle->digest) != 0) {
        return MW_ERR_ARGUMENT;
    }
    out->device = mw_span_of(device);
    out->machine = mw_span_of(machine);
    out->bundle = mw_span_of(level2->bundle);
    out->boot = 0;
    out->seq = 0;
    out->from = level2->from;
    out->to = level2->to;
    out->count = level2->count;
    out->n_features = bundle->n_features;
    for (size_t i = 0; i < bundle->n_features; i++) {
        out->names[i] = mw_span_of(bundle->features[i]);
        out->features[i] = level2->feature[i];
    }
    out->score = level2->score;
    return MW_OK;
}

void mw_level2_clear(struct mw_level2 *level2)
{
    memset(level2, 0, sizeof *level2);
}

double mw_level2_draw(uint64_t seed, const char *device, uint64_t n)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a of the name */
    for (const char *c = device; *c != '\0'; c++) {
        hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    }
    uint64_t z = (seed ^ hash) + (n + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return (double)(z >> 11) * 0x1.0p-53;
}
