#include "tiers/training/own_models.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct machine {
    char *name;
    bool commissioned, published;
    uint64_t wait; /* records before the next attempt */
};

struct mw_own_models {
    struct machine *machine;
    size_t n, capacity, last;
};

mw_err mw_own_models_new(struct mw_own_models **out, struct mw_error *error)
{
    *out = calloc(1, sizeof **out);
    return *out == NULL ? mw_error_set(error, MW_ERR_MEMORY, "out of memory") : MW_OK;
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

/* Records of a machine come in runs, so the last one found is looked at first. */
static struct machine *find(struct mw_own_models *models, struct mw_span name)
{
    for (size_t i = 0; i < models->n; i++) {
        size_t at = (models->last + i) % models->n;
        if (mw_span_is(name, models->machine[at].name)) {
            models->last = at;
            return &models->machine[at];
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
    models->machine[models->n] = (struct machine){.name = copy};
    *machine = &models->machine[models->n++];
    return MW_OK;
}

mw_err mw_own_models_commissioned(struct mw_own_models *models, struct mw_span name,
                                  struct mw_error *error)
{
    struct machine *machine;
    mw_err err = find_or_add(models, name, &machine, error);
    if (err == MW_OK) {
        machine->commissioned = true;
    }
    return err;
}

mw_err mw_own_models_published(struct mw_own_models *models, struct mw_span name,
                               struct mw_error *error)
{
    struct machine *machine;
    mw_err err = find_or_add(models, name, &machine, error);
    if (err == MW_OK) {
        machine->published = true;
        machine->wait = 0;
    }
    return err;
}

mw_err mw_own_models_refused(struct mw_own_models *models, struct mw_span name, uint64_t gap,
                             struct mw_error *error)
{
    struct machine *machine;
    mw_err err = find_or_add(models, name, &machine, error);
    if (err == MW_OK) {
        machine->published = false;
        machine->wait = gap;
    }
    return err;
}

void mw_own_models_record(struct mw_own_models *models, struct mw_span name)
{
    struct machine *machine = find(models, name);
    if (machine != NULL && machine->wait > 0) {
        machine->wait--;
    }
}

const char *mw_own_models_next(const struct mw_own_models *models)
{
    for (size_t i = 0; i < models->n; i++) {
        const struct machine *machine = &models->machine[i];
        if (machine->commissioned && !machine->published && machine->wait == 0) {
            return machine->name;
        }
    }
    return NULL;
}
