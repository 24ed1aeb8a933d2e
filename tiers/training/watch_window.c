/* watch_window.c - the windows: who is watched, and what is counted. */
#include "tiers/training/watch_window_internal.h"

#include <stdlib.h>
#include <string.h>

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
    watch->alone = bundle->machine != NULL;
    watch->n_features = bundle->n_features;
    watch->comparison = calloc(bundle->n_features + 1, sizeof *watch->comparison);
    if (watch->comparison == NULL) {
        mw_watch_free(watch);
        *out = NULL;
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    return MW_OK;
}

static void free_machine(struct mw_watch_machine *machine)
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

static struct mw_watch_machine *find(struct mw_watch *watch, struct mw_span name)
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

static struct mw_watch_machine *add_machine(struct mw_watch *watch, struct mw_span name)
{
    struct mw_watch_machine machine = {
        .name = strndup(name.data, name.size),
        .fault = INT64_MAX,
        .comparison = calloc(watch->n_features + 1, sizeof(struct mw_comparison)),
        .own = watch->alone ? NULL : calloc(watch->n_features + 1, sizeof(struct mw_sketch))};
    bool made =
        machine.name != NULL && machine.comparison != NULL && (machine.own != NULL || watch->alone);
    for (size_t i = 0; made && i < MW_WATCH_BLOCKS; i++) {
        machine.block[i].sketch = calloc(watch->n_features + 1, sizeof(struct mw_sketch));
        made = machine.block[i].sketch != NULL;
    }
    if (made && watch->n == watch->capacity) {
        size_t capacity = watch->capacity == 0 ? 8 : watch->capacity * 2;
        struct mw_watch_machine *grown = realloc(watch->machine, capacity * sizeof *grown);
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

static struct mw_watch_machine *find_or_add(struct mw_watch *watch, struct mw_span name,
                                            struct mw_error *error)
{
    struct mw_watch_machine *machine = find(watch, name);
    if (machine == NULL) {
        machine = add_machine(watch, name);
    }
    if (machine == NULL) {
        mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    return machine;
}

static void clear_block(struct mw_watch *watch, struct mw_watch_block *block)
{
    block->records = 0;
    memset(block->sketch, 0, (watch->n_features + 1) * sizeof *block->sketch);
}

/* Counts `count` records into the newest block and moves on when it is full. */
static void count_records(struct mw_watch *watch, struct mw_watch_machine *machine, uint64_t count,
                          int64_t from, int64_t to)
{
    struct mw_watch_block *block = &machine->block[machine->newest];
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

bool mw_watch_knows(const struct mw_watch *watch, const struct mw_watch_machine *machine)
{
    return watch->alone || machine->own_records >= (uint64_t)watch->plant->watch.window;
}

void mw_watch_move_on(struct mw_watch *watch, struct mw_watch_machine *machine)
{
    if (!mw_watch_knows(watch, machine)) { /* then the block tells what this machine is like */
        for (size_t i = 0; i <= watch->n_features; i++) {
            mw_sketch_merge(&machine->own[i], &machine->block[machine->newest].sketch[i]);
        }
        machine->own_records += machine->block[machine->newest].records;
    }
    machine->fresh = false;
    machine->newest = (machine->newest + 1) % MW_WATCH_BLOCKS;
    struct mw_watch_block *block = &machine->block[machine->newest];
    machine->records -= block->records;
    clear_block(watch, block);
}

mw_err mw_watch_add(struct mw_watch *watch, struct mw_span name, int64_t time, const float *mapped,
                    struct mw_error *error)
{
    struct mw_watch_machine *machine = find_or_add(watch, name, error);
    if (machine == NULL) {
        return MW_ERR_MEMORY;
    }
    struct mw_watch_block *block = &machine->block[machine->newest];
    for (size_t i = 0; i < watch->n_features; i++) {
        mw_sketch_add(&block->sketch[i], &watch->bundle->edges[i], mapped[i]);
    }
    count_records(watch, machine, 1, time, time);
    return MW_OK;
}

mw_err mw_watch_add_score(struct mw_watch *watch, struct mw_span name, float score,
                          struct mw_error *error)
{
    struct mw_watch_machine *machine = find_or_add(watch, name, error);
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
    struct mw_watch_machine *machine = find_or_add(watch, name, error);
    if (machine == NULL) {
        return MW_ERR_MEMORY;
    }
    struct mw_watch_block *block = &machine->block[machine->newest];
    for (size_t i = 0; i < watch->n_features; i++) {
        mw_sketch_merge(&block->sketch[i], &features[i]);
    }
    mw_sketch_merge(&block->sketch[watch->n_features], score);
    count_records(watch, machine, count, from, to);
    return MW_OK;
}

/* What came less than a horizon before is dropped, and the newest block in any case. */
static void drop_since(struct mw_watch *watch, struct mw_watch_machine *machine, int64_t time)
{
    for (size_t i = 0; i < MW_WATCH_BLOCKS; i++) {
        struct mw_watch_block *block = &machine->block[i];
        bool near = watch->alone && block->to >= time - watch->plant->model.horizon;
        if (i == machine->newest || (block->records > 0 && near)) {
            machine->records -= block->records;
            clear_block(watch, block);
        }
    }
    machine->findings = 0;
    machine->fresh = false;
}

void mw_watch_fault(struct mw_watch *watch, struct mw_span name, int64_t time)
{
    struct mw_watch_machine *machine = find(watch, name);
    if (machine != NULL) {
        machine->fault = time < machine->fault ? time : machine->fault;
        drop_since(watch, machine, time);
    }
}

void mw_watch_repair(struct mw_watch *watch, struct mw_span name, int64_t time)
{
    struct mw_watch_machine *machine = find(watch, name);
    if (machine != NULL && watch->alone) {
        drop_since(watch, machine, machine->fault < time ? machine->fault : time);
        machine->fault = INT64_MAX;
    }
}

mw_err mw_watch_cool(struct mw_watch *watch, struct mw_span name, struct mw_error *error)
{
    struct mw_watch_machine *machine = name.size == 0 ? NULL : find_or_add(watch, name, error);
    if (name.size == 0) {
        watch->alarmed = true;
        watch->since_alarm = 0;
    } else if (machine != NULL) {
        machine->alarmed = true;
        machine->since_alarm = 0;
    }
    return name.size == 0 || machine != NULL ? MW_OK : MW_ERR_MEMORY;
}

size_t mw_watch_machines(const struct mw_watch *watch)
{
    return watch->n;
}

size_t mw_watch_drifted(const struct mw_watch *watch)
{
    size_t n = 0;
    for (size_t i = 0; i < watch->n; i++) {
        n += watch->machine[i].alarmed;
    }
    return n;
}
