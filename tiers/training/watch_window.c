#include "tiers/training/watch_window.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_SHIFT 0.5

struct block {
    uint64_t records;
    int64_t from, to;
    struct mw_sketch *sketch; /* n_features, then the score */
};

struct machine {
    char *name;
    struct block block[MW_WATCH_BLOCKS];
    size_t newest;
    uint64_t records;     /* in all blocks */
    uint64_t since_alarm; /* records */
    bool alarmed;
    bool fresh;            /* a block is full and has not been compared */
    unsigned findings;     /* comparisons in a row that found it moved */
    struct mw_sketch *own; /* its first records under this bundle: n_features, then the score */
    uint64_t own_records;
    struct mw_comparison *comparison; /* n_features + 1, of the last one */
};

struct mw_watch {
    const struct mw_plant *plant;
    const struct mw_bundle *bundle;
    size_t n_features; /* without the score */
    struct machine *machine;
    size_t n, capacity, last;
    bool alarmed;
    uint64_t since_alarm;             /* records of all machines */
    unsigned findings;                /* comparisons of the plant in a row that found it moved */
    struct mw_comparison *comparison; /* n_features + 1, of the last one */
};

mw_err mw_watch_new(struct mw_watch **out, const struct mw_plant *plant,
                    const struct mw_bundle *bundle, struct mw_error *error)
{
    struct mw_watch *watch = calloc(1, sizeof *watch);
    *out = watch;
    if (watch == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    watch->plant = plant;
    watch->bundle = bundle;
    watch->n_features = bundle->n_features;
    watch->comparison = calloc(bundle->n_features + 1, sizeof *watch->comparison);
    if (watch->comparison == NULL) {
        mw_watch_free(watch);
        *out = NULL;
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    return MW_OK;
}

static void free_machine(struct machine *machine)
{
    for (size_t i = 0; i < MW_WATCH_BLOCKS; i++) {
        free(machine->block[i].sketch);
    }
    free(machine->own);
    free(machine->comparison);
    free(machine->name);
}

void mw_watch_free(struct mw_watch *watch)
{
    if (watch == NULL) {
        return;
    }
    for (size_t i = 0; i < watch->n; i++) {
        free_machine(&watch->machine[i]);
    }
    free(watch->machine);
    free(watch->comparison);
    free(watch);
}

static struct machine *find(struct mw_watch *watch, struct mw_span name)
{
    for (size_t i = 0; i < watch->n; i++) {
        size_t at = (watch->last + i) % watch->n;
        if (mw_span_is(name, watch->machine[at].name)) {
            watch->last = at;
            return &watch->machine[at];
        }
    }
    return NULL;
}

static struct machine *add_machine(struct mw_watch *watch, struct mw_span name)
{
    struct machine machine = {.name = strndup(name.data, name.size),
                              .comparison =
                                  calloc(watch->n_features + 1, sizeof(struct mw_comparison)),
                              .own = calloc(watch->n_features + 1, sizeof(struct mw_sketch))};
    bool made = machine.name != NULL && machine.comparison != NULL && machine.own != NULL;
    for (size_t i = 0; made && i < MW_WATCH_BLOCKS; i++) {
        machine.block[i].sketch = calloc(watch->n_features + 1, sizeof(struct mw_sketch));
        made = machine.block[i].sketch != NULL;
    }
    if (made && watch->n == watch->capacity) {
        size_t capacity = watch->capacity == 0 ? 8 : watch->capacity * 2;
        struct machine *grown = realloc(watch->machine, capacity * sizeof *grown);
        made = grown != NULL;
        if (made) {
            watch->machine = grown;
            watch->capacity = capacity;
        }
    }
    if (!made) {
        free_machine(&machine);
        return NULL;
    }
    watch->machine[watch->n] = machine;
    return &watch->machine[watch->n++];
}

static struct machine *find_or_add(struct mw_watch *watch, struct mw_span name,
                                   struct mw_error *error)
{
    struct machine *machine = find(watch, name);
    if (machine == NULL) {
        machine = add_machine(watch, name);
    }
    if (machine == NULL) {
        mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    return machine;
}

static void clear_block(struct mw_watch *watch, struct block *block)
{
    block->records = 0;
    memset(block->sketch, 0, (watch->n_features + 1) * sizeof *block->sketch);
}

/* Counts `count` records into the newest block and moves on when it is full. */
static void count_records(struct mw_watch *watch, struct machine *machine, uint64_t count,
                          int64_t from, int64_t to)
{
    struct block *block = &machine->block[machine->newest];
    block->from = block->records == 0 || from < block->from ? from : block->from;
    block->to = block->records == 0 || to > block->to ? to : block->to;
    block->records += count;
    machine->records += count;
    machine->since_alarm += count;
    watch->since_alarm += count;
    if (block->records >= (uint64_t)watch->plant->watch.window / MW_WATCH_BLOCKS) {
        machine->fresh = true;
    }
}

static bool knows_itself(const struct mw_watch *watch, const struct machine *machine)
{
    return machine->own_records >= (uint64_t)watch->plant->watch.window;
}

/* The newest block is full and has been compared: it tells what this machine is like, if that is
 * not known yet, and the oldest makes room. */
static void move_on(struct mw_watch *watch, struct machine *machine)
{
    if (!knows_itself(watch, machine)) {
        for (size_t i = 0; i <= watch->n_features; i++) {
            mw_sketch_merge(&machine->own[i], &machine->block[machine->newest].sketch[i]);
        }
        machine->own_records += machine->block[machine->newest].records;
    }
    machine->fresh = false;
    machine->newest = (machine->newest + 1) % MW_WATCH_BLOCKS;
    struct block *block = &machine->block[machine->newest];
    machine->records -= block->records;
    clear_block(watch, block);
}

mw_err mw_watch_add(struct mw_watch *watch, struct mw_span name, int64_t time, const float *mapped,
                    struct mw_error *error)
{
    struct machine *machine = find_or_add(watch, name, error);
    if (machine == NULL) {
        return MW_ERR_MEMORY;
    }
    struct block *block = &machine->block[machine->newest];
    for (size_t i = 0; i < watch->n_features; i++) {
        mw_sketch_add(&block->sketch[i], &watch->bundle->edges[i], mapped[i]);
    }
    count_records(watch, machine, 1, time, time);
    return MW_OK;
}

mw_err mw_watch_add_score(struct mw_watch *watch, struct mw_span name, float score,
                          struct mw_error *error)
{
    struct machine *machine = find_or_add(watch, name, error);
    if (machine == NULL) {
        return MW_ERR_MEMORY;
    }
    mw_sketch_add(&machine->block[machine->newest].sketch[watch->n_features],
                  &watch->bundle->score_edges, score);
    return MW_OK;
}

mw_err mw_watch_add_sketch(struct mw_watch *watch, struct mw_span name, int64_t from, int64_t to,
                           uint64_t count, const struct mw_sketch *features,
                           const struct mw_sketch *score, struct mw_error *error)
{
    struct machine *machine = find_or_add(watch, name, error);
    if (machine == NULL) {
        return MW_ERR_MEMORY;
    }
    struct block *block = &machine->block[machine->newest];
    for (size_t i = 0; i < watch->n_features; i++) {
        mw_sketch_merge(&block->sketch[i], &features[i]);
    }
    mw_sketch_merge(&block->sketch[watch->n_features], score);
    count_records(watch, machine, count, from, to);
    return MW_OK;
}

void mw_watch_fault(struct mw_watch *watch, struct mw_span name)
{
    struct machine *machine = find(watch, name);
    if (machine == NULL) {
        return;
    }
    struct block *block = &machine->block[machine->newest];
    machine->records -= block->records;
    clear_block(watch, block);
    machine->findings = 0;
    machine->fresh = false;
}

/* --- what the windows say --- */

static const struct mw_sketch *reference(const struct mw_watch *watch, size_t i)
{
    return i < watch->n_features ? &watch->bundle->sketch[i] : &watch->bundle->score_sketch;
}

/* The sum of a machine's blocks for one feature. */
static void sum_blocks(const struct machine *machine, size_t i, struct mw_sketch *sum)
{
    memset(sum, 0, sizeof *sum);
    for (size_t k = 0; k < MW_WATCH_BLOCKS; k++) {
        mw_sketch_merge(sum, &machine->block[k].sketch[i]);
    }
}

/* The reference deviations that the median moved by: the bins' middles stand for its values. */
static double moved_by(const struct mw_watch *watch, size_t i, double bins)
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
        comparison[i].moved =
            comparison[i].moved && fabs(moved_by(watch, i, comparison[i].shift)) >= LEAST_SHIFT;
    }
}

/* What the index must reach for these counts. */
static double psi_limit(const struct mw_watch *watch, uint64_t n, uint64_t m)
{
    double chance = (MW_SKETCH_BINS - 1) * (1 / (double)(n + 1) + 1 / (double)(m + 1));
    return watch->plant->watch.psi + 4 * chance;
}

static void compare_machine(struct mw_watch *watch, struct machine *machine)
{
    size_t n = watch->n_features + 1;
    if (!knows_itself(watch, machine) || machine->records < (uint64_t)watch->plant->watch.minimum) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct mw_sketch sum;
        sum_blocks(machine, i, &sum);
        machine->comparison[i] = mw_compare(&machine->own[i], &sum);
    }
    size_t moved = mw_compare_correct(machine->comparison, n,
                                      psi_limit(watch, machine->own_records, machine->records),
                                      watch->plant->watch.alpha);
    machine->findings = moved > 0 ? machine->findings + 1 : 0;
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

static uint64_t plant_records(const struct mw_watch *watch)
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
        if (mw_compare(reference(watch, i), &rest).psi < limit) {
            return false;
        }
    }
    return true;
}

static void compare_plant(struct mw_watch *watch)
{
    size_t n = watch->n_features + 1;
    uint64_t records = plant_records(watch);
    uint64_t half = watch->n < 2 ? 1 : watch->n / 2;
    bool any = false;
    if (records < (uint64_t)watch->plant->watch.minimum * half) {
        return;
    }
    double limit = psi_limit(watch, mw_sketch_total(&watch->bundle->score_sketch), records);
    for (size_t i = 0; i < n; i++) {
        struct mw_sketch sum;
        sum_machines(watch, i, &sum);
        watch->comparison[i] = mw_compare(reference(watch, i), &sum);
    }
    mw_compare_correct(watch->comparison, n, limit, watch->plant->watch.alpha);
    drop_small(watch, watch->comparison);
    for (size_t i = 0; i < n; i++) {
        if (watch->comparison[i].moved) {
            struct mw_sketch sum;
            sum_machines(watch, i, &sum);
            watch->comparison[i].moved = without_any(watch, i, &sum, limit);
        }
        any = any || watch->comparison[i].moved;
    }
    watch->findings = any ? watch->findings + 1 : 0;
}

static void name_features(const struct mw_watch *watch, const struct mw_comparison *comparison,
                          struct mw_watch_alarm *alarm)
{
    alarm->n = 0;
    for (size_t i = 0; i <= watch->n_features; i++) {
        if (!comparison[i].moved) {
            continue;
        }
        struct mw_watch_feature feature = {
            .name = i < watch->n_features ? watch->bundle->features[i] : "score",
            .psi = comparison[i].psi,
            .p = comparison[i].adjusted,
            .moved = moved_by(watch, i, comparison[i].shift)};
        size_t at = alarm->n++;
        while (at > 0 && alarm->feature[at - 1].psi < feature.psi) {
            alarm->feature[at] = alarm->feature[at - 1];
            at--;
        }
        alarm->feature[at] = feature;
    }
}

/* When the oldest block of the machine began that alone lies beyond the limit in feature i. */
static int64_t find_onset(const struct mw_watch *watch, const struct machine *machine, size_t i,
                          const struct mw_sketch *against)
{
    for (size_t k = 1; k <= MW_WATCH_BLOCKS; k++) {
        const struct block *block = &machine->block[(machine->newest + k) % MW_WATCH_BLOCKS];
        double limit = psi_limit(watch, mw_sketch_total(against), block->records);
        if (block->records > 0 && mw_compare(against, &block->sketch[i]).psi >= limit) {
            return block->from;
        }
    }
    return INT64_MAX;
}

/* The feature that moved most. */
static size_t worst(const struct mw_comparison *comparison, size_t n)
{
    size_t at = 0;
    for (size_t i = 1; i < n; i++) {
        bool better = comparison[i].moved && !comparison[at].moved;
        bool same = comparison[i].moved == comparison[at].moved;
        at = better || (same && comparison[i].psi > comparison[at].psi) ? i : at;
    }
    return at;
}

static int64_t newest_time(const struct machine *machine)
{
    const struct block *block = &machine->block[machine->newest];
    return block->records > 0 ? block->to : INT64_MIN;
}

static void fill_plant_alarm(struct mw_watch *watch, struct mw_watch_alarm *alarm)
{
    size_t feature = worst(watch->comparison, watch->n_features + 1);
    *alarm = (struct mw_watch_alarm){
        .plant = true, .onset = INT64_MAX, .time = INT64_MIN, .records = plant_records(watch)};
    name_features(watch, watch->comparison, alarm);
    for (size_t k = 0; k < watch->n; k++) {
        struct machine *machine = &watch->machine[k];
        int64_t onset = find_onset(watch, machine, feature, reference(watch, feature));
        int64_t time = newest_time(machine);
        alarm->onset = onset < alarm->onset ? onset : alarm->onset;
        alarm->time = time > alarm->time ? time : alarm->time;
        machine->alarmed = true; /* what moved with the plant is not accused alone afterwards */
        machine->since_alarm = 0;
    }
    alarm->onset = alarm->onset == INT64_MAX ? alarm->time : alarm->onset;
    watch->alarmed = true;
    watch->since_alarm = 0;
}

static void fill_machine_alarm(struct mw_watch *watch, struct machine *machine,
                               struct mw_watch_alarm *alarm)
{
    size_t feature = worst(machine->comparison, watch->n_features + 1);
    *alarm = (struct mw_watch_alarm){
        .machine = machine->name,
        .records = machine->records,
        .onset = find_onset(watch, machine, feature, &machine->own[feature]),
        .time = newest_time(machine)};
    alarm->onset = alarm->onset == INT64_MAX ? alarm->time : alarm->onset;
    name_features(watch, machine->comparison, alarm);
    machine->alarmed = true;
    machine->since_alarm = 0;
}

static bool cooled_down(const struct mw_watch *watch, bool alarmed, uint64_t since, size_t machines)
{
    return !alarmed || since >= (uint64_t)watch->plant->watch.cooldown * machines;
}

bool mw_watch_alarm(struct mw_watch *watch, struct mw_watch_alarm *alarm)
{
    unsigned round = watch->n < 2 ? 2 : (unsigned)watch->n;
    bool found = false;
    for (size_t i = 0; i < watch->n && !found; i++) {
        struct machine *machine = &watch->machine[i];
        if (!machine->fresh) {
            continue;
        }
        compare_machine(watch, machine);
        compare_plant(watch);
        if (watch->findings >= round &&
            cooled_down(watch, watch->alarmed, watch->since_alarm, watch->n)) {
            fill_plant_alarm(watch, alarm);
            found = true;
        } else if (watch->findings == 0 && machine->findings >= 2 && watch->n > 1 &&
                   cooled_down(watch, machine->alarmed, machine->since_alarm, 1)) {
            fill_machine_alarm(watch, machine, alarm);
            found = true;
        }
        move_on(watch, machine);
    }
    return found;
}

size_t mw_watch_machines(const struct mw_watch *watch)
{
    return watch->n;
}
