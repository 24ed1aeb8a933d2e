#include "tiers/training/split.h"

#include "tiers/training/random.h"

#include <stdlib.h>
#include <string.h>

#define GAP_MOST 10 /* records left out at a border of a held-out stretch */

struct place {
    uint32_t machine, row;
    int64_t time;
};

/* A run of places that is held out as one. */
struct group {
    size_t start, end; /* in the sorted places */
    size_t positives;
    uint8_t held_out;
};

static int by_machine_and_time(const void *left, const void *right)
{
    const struct place *a = left, *b = right;
    if (a->machine != b->machine) {
        return a->machine < b->machine ? -1 : 1;
    }
    if (a->time != b->time) {
        return a->time < b->time ? -1 : 1;
    }
    return a->row < b->row ? -1 : 1;
}

static struct place *sort_places(const struct mw_dataset *set)
{
    struct place *places = calloc(set->rows, sizeof *places);
    for (size_t i = 0; places != NULL && i < set->rows; i++) {
        places[i].row = (uint32_t)i;
        places[i].machine = set->machine != NULL ? set->machine[i] : 0;
        places[i].time = set->time != NULL ? set->time[i] : (int64_t)i;
    }
    if (places != NULL) {
        qsort(places, set->rows, sizeof *places, by_machine_and_time);
    }
    return places;
}

static size_t make_groups(const struct mw_dataset *set, const struct place *places, size_t blocks,
                          struct group *groups)
{
    size_t n = 0;
    for (size_t start = 0, end; start < set->rows; start = end) {
        for (end = start + 1; end < set->rows && places[end].machine == places[start].machine;) {
            end++;
        }
        size_t rows = end - start;
        for (size_t b = 0; b < blocks; b++) {
            struct group g = {.start = start + rows * b / blocks,
                              .end = start + rows * (b + 1) / blocks};
            for (size_t i = g.start; i < g.end; i++) {
                g.positives += set->label != NULL && set->label[places[i].row];
            }
            if (g.end > g.start) {
                groups[n++] = g;
            }
        }
    }
    return n;
}

/* Holds out whole groups, in drawn order, until `share` of the amount is reached; one is always
 * left. */
static mw_err draw(struct group *groups, size_t n, bool positive, double share,
                   struct mw_random *random)
{
    uint32_t *order = calloc(n, sizeof *order);
    if (order == NULL) {
        return MW_ERR_MEMORY;
    }
    size_t members = 0;
    double total = 0.0, held = 0.0;
    for (size_t i = 0; i < n; i++) {
        if ((groups[i].positives > 0) == positive) {
            order[members++] = (uint32_t)i;
            total += (double)(positive ? groups[i].positives : groups[i].end - groups[i].start);
        }
    }
    mw_random_shuffle(random, order, members);
    for (size_t i = 0; i + 1 < members && held < share * total; i++) {
        struct group *g = &groups[order[i]];
        g->held_out = 1;
        held += (double)(positive ? g->positives : g->end - g->start);
    }
    free(order);
    return MW_OK;
}

/* Training records next to a held-out stretch of the same machine are left out. */
static void leave_gaps(const struct group *groups, size_t n, const struct place *places,
                       uint8_t *held_out)
{
    for (size_t i = 0; i + 1 < n; i++) {
        const struct group *a = &groups[i], *b = &groups[i + 1];
        if (places[a->start].machine != places[b->start].machine || a->held_out == b->held_out) {
            continue;
        }
        const struct group *train = a->held_out ? b : a;
        size_t gap = (train->end - train->start) / 10;
        gap = gap < GAP_MOST ? gap : GAP_MOST;
        for (size_t j = 0; j < gap; j++) {
            held_out[places[train == a ? a->end - 1 - j : b->start + j].row] = 2;
        }
    }
}

static mw_err split_groups(const struct mw_dataset *set, double share, uint64_t seed,
                           uint8_t *held_out)
{
    bool whole = set->n_machines >= MW_SPLIT_MACHINES;
    size_t blocks = whole ? 1 : MW_SPLIT_BLOCKS;
    size_t machines = set->n_machines > 0 ? set->n_machines : 1;
    struct place *places = sort_places(set);
    struct group *groups = calloc(machines * blocks, sizeof *groups);
    mw_err err = MW_ERR_MEMORY;
    if (places != NULL && groups != NULL) {
        struct mw_random random = {seed};
        size_t n = make_groups(set, places, blocks, groups);
        err = draw(groups, n, true, share, &random);
        if (err == MW_OK) {
            err = draw(groups, n, false, share, &random);
        }
        for (size_t i = 0; i < n; i++) {
            for (size_t j = groups[i].start; j < groups[i].end; j++) {
                held_out[places[j].row] = groups[i].held_out;
            }
        }
        if (!whole) {
            leave_gaps(groups, n, places, held_out);
        }
    }
    free(places);
    free(groups);
    return err;
}

static mw_err check(const struct mw_dataset *set, const uint8_t *held_out, struct mw_error *error)
{
    static const char *const side[2] = {"training", "validation"};
    size_t count[2][2] = {{0}};
    for (size_t i = 0; i < set->rows; i++) {
        if (held_out[i] < 2) {
            count[held_out[i]][set->label != NULL && set->label[i]]++;
        }
    }
    for (size_t s = 0; s < 2; s++) {
        if (count[s][0] + count[s][1] == 0) {
            return mw_error_set(error, MW_ERR_RANGE, "too few records: none for %s", side[s]);
        }
        if (set->label != NULL && (count[s][0] == 0 || count[s][1] == 0)) {
            return mw_error_set(error, MW_ERR_RANGE,
                                "the %s records are all %s: a model needs both, on both sides of "
                                "the split",
                                side[s], count[s][0] == 0 ? "positive" : "negative");
        }
    }
    return MW_OK;
}

mw_err mw_split(const struct mw_dataset *dataset, double share, uint64_t seed, uint8_t *held_out,
                struct mw_error *error)
{
    if (!(share > 0.0 && share < 0.9)) {
        return mw_error_set(error, MW_ERR_RANGE, "a validation share must lie between 0 and 0.9");
    }
    if (dataset->held_out != NULL) {
        memcpy(held_out, dataset->held_out, dataset->rows);
    } else if (dataset->machine != NULL || dataset->time != NULL) {
        mw_err err = split_groups(dataset, share, seed, held_out);
        if (err != MW_OK) {
            return mw_error_set(error, err, "split of %zu records", dataset->rows);
        }
    } else {
        size_t held = (size_t)((double)dataset->rows * share + 0.5);
        memset(held_out, 0, dataset->rows - held);
        memset(held_out + dataset->rows - held, 1, held);
    }
    return check(dataset, held_out, error);
}
