/* watch_compare.c - what the windows say beside what they should be like. */
#include "tiers/training/watch_window_internal.h"

#include <math.h>
#include <string.h>

#define LEAST_SHIFT 0.5

const struct mw_sketch *mw_watch_reference(const struct mw_watch *watch, size_t i)
{
    return i < watch->n_features ? &watch->bundle->sketch[i] : &watch->bundle->score_sketch;
}

const struct mw_sketch *mw_watch_reference_of(const struct mw_watch *watch,
                                              const struct mw_watch_machine *machine, size_t i)
{
    return watch->alone ? mw_watch_reference(watch, i) : &machine->own[i];
}

/* The sum of a machine's blocks for one feature. */
static void sum_blocks(const struct mw_watch_machine *machine, size_t i, struct mw_sketch *sum)
{
    memset(sum, 0, sizeof *sum);
    for (size_t k = 0; k < MW_WATCH_BLOCKS; k++) {
        mw_sketch_merge(sum, &machine->block[k].sketch[i]);
    }
}

/* The bins' middles stand for the values in them. */
double mw_watch_moved_by(const struct mw_watch *watch, size_t i, double bins)
{
    if (i == watch->n_features) {
        return bins;
    }
    const float *edge = watch->bundle->edges[i].edge;
    double spread = watch->bundle->reference_std == NULL ? 0 : watch->bundle->reference_std[i];
    double at = MW_SKETCH_BINS / 2.0 + bins;
    double low = edge[MW_SKETCH_BINS / 2 - 1];
    int k = (int)at - 1;
    k = k < 0 ? 0 : k > MW_SKETCH_EDGES - 1 ? MW_SKETCH_EDGES - 1 : k;
    return spread > 0 ? (edge[k] - low) / spread : bins;
}

/* A shift that nobody would act on is no drift, however sure it is: half a reference deviation is
 * asked for. The score's bins have no unit, so there the index alone decides. */
static void drop_small(const struct mw_watch *watch, struct mw_comparison *comparison)
{
    for (size_t i = 0; i < watch->n_features; i++) {
        comparison[i].moved = comparison[i].moved &&
                              fabs(mw_watch_moved_by(watch, i, comparison[i].shift)) >= LEAST_SHIFT;
    }
}

static bool any_moved(const struct mw_comparison *comparison, size_t n)
{
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        any = any || comparison[i].moved;
    }
    return any;
}

/* What the index must reach for these counts. */
static double psi_limit(const struct mw_watch *watch, uint64_t n, uint64_t m)
{
    double chance = (MW_SKETCH_BINS - 1) * (1 / (double)(n + 1) + 1 / (double)(m + 1));
    return watch->plant->watch.psi + 4 * chance;
}

void mw_watch_compare_machine(struct mw_watch *watch, struct mw_watch_machine *machine)
{
    size_t n = watch->n_features + 1;
    const struct mw_sketch *score = mw_watch_reference_of(watch, machine, watch->n_features);
    uint64_t known = watch->alone ? mw_sketch_total(score) : machine->own_records;
    if (!mw_watch_knows(watch, machine) ||
        machine->records < (uint64_t)watch->plant->watch.minimum) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct mw_sketch sum;
        sum_blocks(machine, i, &sum);
        machine->comparison[i] = mw_compare(mw_watch_reference_of(watch, machine, i), &sum);
    }
    mw_compare_correct(machine->comparison, n, psi_limit(watch, known, machine->records),
                       watch->plant->watch.alpha);
    drop_small(watch, machine->comparison);
    machine->findings = any_moved(machine->comparison, n) ? machine->findings + 1 : 0;
}

/* The sum of all machines' windows for one feature. */
static void sum_machines(const struct mw_watch *watch, size_t i, struct mw_sketch *sum)
{
    memset(sum, 0, sizeof *sum);
    for (size_t k = 0; k < watch->n; k++) {
        for (size_t b = 0; b < MW_WATCH_BLOCKS; b++) {
            mw_sketch_merge(sum, &watch->machine[k].block[b].sketch[i]);
        }
    }
}

uint64_t mw_watch_records(const struct mw_watch *watch)
{
    uint64_t records = 0;
    for (size_t k = 0; k < watch->n; k++) {
        records += watch->machine[k].records;
    }
    return records;
}

static void take_away(struct mw_sketch *from, const struct mw_sketch *part)
{
    for (size_t i = 0; i < MW_SKETCH_BINS; i++) {
        from->count[i] -= part->count[i];
    }
    from->not_finite -= part->not_finite;
}

/* Does feature i still lie beyond the limit whichever machine is left out of the sum of all? */
static bool without_any(const struct mw_watch *watch, size_t i, const struct mw_sketch *all,
                        double limit)
{
    for (size_t k = 0; watch->n > 1 && k < watch->n; k++) {
        struct mw_sketch own, rest = *all;
        sum_blocks(&watch->machine[k], i, &own);
        take_away(&rest, &own);
        if (mw_compare(mw_watch_reference(watch, i), &rest).psi < limit) {
            return false;
        }
    }
    return true;
}

void mw_watch_compare_plant(struct mw_watch *watch)
{
    size_t n = watch->n_features + 1;
    uint64_t records = mw_watch_records(watch);
    uint64_t half = watch->n < 2 ? 1 : watch->n / 2;
    if (records < (uint64_t)watch->plant->watch.minimum * half) {
        return;
    }
    double limit = psi_limit(watch, mw_sketch_total(&watch->bundle->score_sketch), records);
    for (size_t i = 0; i < n; i++) {
        struct mw_sketch sum;
        sum_machines(watch, i, &sum);
        watch->comparison[i] = mw_compare(mw_watch_reference(watch, i), &sum);
    }
    mw_compare_correct(watch->comparison, n, limit, watch->plant->watch.alpha);
    drop_small(watch, watch->comparison);
    for (size_t i = 0; i < n; i++) {
        if (watch->comparison[i].moved) {
            struct mw_sketch sum;
            sum_machines(watch, i, &sum);
            watch->comparison[i].moved = without_any(watch, i, &sum, limit);
        }
    }
    watch->findings = any_moved(watch->comparison, n) ? watch->findings + 1 : 0;
}

int64_t mw_watch_find_onset(const struct mw_watch *watch, const struct mw_watch_machine *machine,
                            size_t i, const struct mw_sketch *against)
{
    for (size_t k = 1; k <= MW_WATCH_BLOCKS; k++) {
        const struct mw_watch_block *block =
            &machine->block[(machine->newest + k) % MW_WATCH_BLOCKS];
        double limit = psi_limit(watch, mw_sketch_total(against), block->records);
        if (block->records > 0 && mw_compare(against, &block->sketch[i]).psi >= limit) {
            return block->from;
        }
    }
    return INT64_MAX;
}
