#include "tiers/training/watch_window.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
    bool fresh;                       /* a block was filled since the last comparison */
    unsigned findings;                /* comparisons in a row that found it moved */
    struct mw_comparison *comparison; /* n_features + 1, of the last one */
};

struct mw_watch {
    const struct mw_plant *plant;
    const struct mw_bundle *bundle;
    size_t n_features; /* without the score */
    struct machine *machine;
    size_t n, capacity, last;
    bool plant_alarmed;
    uint64_t since_plant_alarm; /* records of all machines */
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
    return MW_OK;
}

static void free_machine(struct machine *machine)
{
    for (size_t i = 0; i < MW_WATCH_BLOCKS; i++) {
        free(machine->block[i].sketch);
    }
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
                                  calloc(watch->n_features + 1, sizeof(struct mw_comparison))};
    bool made = machine.name != NULL && machine.comparison != NULL;
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
    watch->since_plant_alarm += count;
    if (block->records >= (uint64_t)watch->plant->watch.window / MW_WATCH_BLOCKS) {
        machine->fresh = true;
    }
}

/* The newest block is full and has been compared: the oldest makes room. */
static void move_on(struct mw_watch *watch, struct machine *machine)
{
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

void mw_watch_reset(struct mw_watch *watch, struct mw_span name)
{
    struct machine *machine = find(watch, name);
    if (machine == NULL) {
        return;
    }
    for (size_t i = 0; i < MW_WATCH_BLOCKS; i++) {
        clear_block(watch, &machine->block[i]);
    }
    machine->records = 0;
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

static bool has_evidence(const struct mw_watch *watch, const struct machine *machine)
{
    return machine->records >= (uint64_t)watch->plant->watch.minimum;
}

static void compare_machine(struct mw_watch *watch, struct machine *machine)
{
    size_t n = watch->n_features + 1;
    machine->fresh = false;
    if (!has_evidence(watch, machine)) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct mw_sketch sum;
        sum_blocks(machine, i, &sum);
        machine->comparison[i] = mw_compare(reference(watch, i), &sum);
    }
    size_t moved = mw_compare_correct(machine->comparison, n, watch->plant->watch.psi,
                                      watch->plant->watch.alpha);
    machine->findings = moved > 0 ? machine->findings + 1 : 0;
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

/* When the oldest block began that alone lies beyond the limit in the feature that moved most. */
static int64_t find_onset(const struct mw_watch *watch, const struct machine *machine)
{
    size_t worst = 0;
    int64_t onset = machine->block[machine->newest].from;
    for (size_t i = 1; i <= watch->n_features; i++) {
        if (machine->comparison[i].psi > machine->comparison[worst].psi) {
            worst = i;
        }
    }
    for (size_t k = 1; k <= MW_WATCH_BLOCKS; k++) {
        const struct block *block = &machine->block[(machine->newest + k) % MW_WATCH_BLOCKS];
        if (block->records > 0 && mw_compare(reference(watch, worst), &block->sketch[worst]).psi >=
                                      watch->plant->watch.psi) {
            return block->from;
        }
    }
    return onset;
}

static int64_t newest_time(const struct machine *machine)
{
    return machine->block[machine->newest].to;
}

/* Machines that have evidence, and those of them that moved in feature i. */
static size_t count_moved(const struct mw_watch *watch, size_t i, size_t *judged)
{
    size_t moved = 0;
    *judged = 0;
    for (size_t k = 0; k < watch->n; k++) {
        const struct machine *machine = &watch->machine[k];
        if (has_evidence(watch, machine)) {
            (*judged)++;
            moved += machine->findings > 0 && machine->comparison[i].moved;
        }
    }
    return moved;
}

static bool plant_moved(const struct mw_watch *watch)
{
    for (size_t i = 0; i <= watch->n_features; i++) {
        size_t judged, moved = count_moved(watch, i, &judged);
        if (moved >= 2 && 2 * moved >= judged) {
            return true;
        }
    }
    return false;
}

/* The plant's comparison: all machines' windows together. */
static void fill_plant_alarm(struct mw_watch *watch, struct mw_watch_alarm *alarm)
{
    struct mw_comparison comparison[MW_BUNDLE_FEATURES_MAX + 1];
    alarm->plant = true;
    alarm->machine = NULL;
    alarm->records = 0;
    alarm->onset = INT64_MAX;
    alarm->time = INT64_MIN;
    for (size_t i = 0; i <= watch->n_features; i++) {
        struct mw_sketch all = {0}, sum;
        for (size_t k = 0; k < watch->n; k++) {
            sum_blocks(&watch->machine[k], i, &sum);
            mw_sketch_merge(&all, &sum);
        }
        comparison[i] = mw_compare(reference(watch, i), &all);
    }
    mw_compare_correct(comparison, watch->n_features + 1, watch->plant->watch.psi,
                       watch->plant->watch.alpha);
    name_features(watch, comparison, alarm);
    for (size_t k = 0; k < watch->n; k++) {
        struct machine *machine = &watch->machine[k];
        int64_t onset = find_onset(watch, machine);
        alarm->records += machine->records;
        alarm->onset = machine->findings > 0 && onset < alarm->onset ? onset : alarm->onset;
        alarm->time = newest_time(machine) > alarm->time ? newest_time(machine) : alarm->time;
        machine->alarmed = true; /* what moved with the plant is not accused alone afterwards */
        machine->since_alarm = 0;
    }
    watch->plant_alarmed = true;
    watch->since_plant_alarm = 0;
}

static bool cooled_down(const struct mw_watch *watch, bool alarmed, uint64_t since, size_t machines)
{
    return !alarmed || since >= (uint64_t)watch->plant->watch.cooldown * machines;
}

bool mw_watch_alarm(struct mw_watch *watch, struct mw_watch_alarm *alarm)
{
    bool found = false;
    for (size_t i = 0; i < watch->n; i++) {
        struct machine *machine = &watch->machine[i];
        if (!machine->fresh) {
            continue;
        }
        compare_machine(watch, machine);
        bool ripe = machine->findings >= 2; /* one block later the others have been heard */
        if (ripe && plant_moved(watch)) {
            if (cooled_down(watch, watch->plant_alarmed, watch->since_plant_alarm, watch->n)) {
                fill_plant_alarm(watch, alarm);
                found = alarm->n > 0;
            }
        } else if (ripe && cooled_down(watch, machine->alarmed, machine->since_alarm, 1)) {
            alarm->plant = false;
            alarm->machine = machine->name;
            alarm->records = machine->records;
            alarm->onset = find_onset(watch, machine);
            alarm->time = newest_time(machine);
            name_features(watch, machine->comparison, alarm);
            machine->alarmed = true;
            machine->since_alarm = 0;
            found = alarm->n > 0;
        }
        move_on(watch, machine);
        if (found) {
            return true;
        }
    }
    return false;
}

size_t mw_watch_machines(const struct mw_watch *watch)
{
    return watch->n;
}
