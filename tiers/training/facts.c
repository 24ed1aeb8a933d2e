#include "tiers/training/facts.h"

#include <stdlib.h>
#include <string.h>

enum kind { FAULT, REPAIR, NO_FAULT };

struct fact {
    int64_t time;
    enum kind kind;
};

struct machine {
    char name[MW_NAME_MAX + 1];
    size_t n;
    struct fact fact[MW_FACTS_KEPT]; /* by time */
};

struct mw_facts {
    struct machine *machine;
    size_t n, capacity;
};

mw_err mw_facts_new(struct mw_facts **out, struct mw_error *error)
{
    *out = calloc(1, sizeof **out);
    return *out == NULL ? mw_error_set(error, MW_ERR_MEMORY, "out of memory") : MW_OK;
}

void mw_facts_free(struct mw_facts *facts)
{
    if (facts != NULL) {
        free(facts->machine);
        free(facts);
    }
}

static struct machine *find_or_add(struct mw_facts *facts, struct mw_span name)
{
    for (size_t i = 0; i < facts->n; i++) {
        if (mw_span_is(name, facts->machine[i].name)) {
            return &facts->machine[i];
        }
    }
    if (facts->n == facts->capacity) {
        size_t capacity = facts->capacity == 0 ? 8 : facts->capacity * 2;
        struct machine *grown = realloc(facts->machine, capacity * sizeof *grown);
        if (grown == NULL) {
            return NULL;
        }
        facts->machine = grown;
        facts->capacity = capacity;
    }
    struct machine *machine = &facts->machine[facts->n++];
    *machine = (struct machine){.n = 0};
    memcpy(machine->name, name.data, name.size);
    return machine;
}

static void insert(struct machine *machine, struct fact fact)
{
    if (machine->n == MW_FACTS_KEPT) {
        if (fact.time < machine->fact[0].time) {
            return;
        }
        memmove(machine->fact, machine->fact + 1, --machine->n * sizeof fact);
    }
    size_t at = machine->n++;
    for (; at > 0 && machine->fact[at - 1].time > fact.time; at--) {
        machine->fact[at] = machine->fact[at - 1];
    }
    machine->fact[at] = fact;
}

mw_err mw_facts_add(struct mw_facts *facts, const struct mw_event *event, struct mw_error *error)
{
    struct fact fact = {.time = event->time};
    if (event->type == MW_EVENT_REPAIR) {
        fact.kind = REPAIR; /* whatever it found is mended */
    } else if (event->type == MW_EVENT_FAILURE || event->finding == MW_FINDING_FAULT) {
        fact.kind = FAULT;
    } else if (event->finding == MW_FINDING_NO_FAULT) {
        fact.kind = NO_FAULT;
    } else {
        return MW_OK;
    }
    struct machine *machine = find_or_add(facts, event->machine);
    if (machine == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    insert(machine, fact);
    return MW_OK;
}

static bool well(const struct machine *machine, int64_t from, int64_t *since)
{
    bool known = false, faulty = false;
    *since = from;
    for (size_t i = 0; i < machine->n; i++) {
        const struct fact *fact = &machine->fact[i];
        if (fact->time < from) {
            continue;
        }
        if (fact->kind == REPAIR || (fact->kind == NO_FAULT && faulty)) {
            *since = fact->time;
        }
        faulty = fact->kind == FAULT;
        known = !faulty;
    }
    return known;
}

bool mw_facts_well(const struct mw_facts *facts, struct mw_span name, int64_t from, int64_t *since)
{
    bool known = false;
    *since = INT64_MAX;
    for (size_t i = 0; i < facts->n; i++) {
        int64_t one;
        bool asked = name.size == 0 || mw_span_is(name, facts->machine[i].name);
        if (asked && well(&facts->machine[i], from, &one)) {
            *since = one < *since ? one : *since;
            known = true;
        }
    }
    return known;
}
