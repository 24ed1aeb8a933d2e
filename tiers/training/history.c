#include "tiers/training/history.h"

#include <stdlib.h>
#include <string.h>

/* Something that happened to a machine. An action has no id. */
struct entry {
    int64_t time;
    bool action, failure, repair, fault;
    bool judged;  /* a repair, or a finding whatever it is */
    bool cleared; /* found to be without fault */
    uint64_t hash;
    char *id;
};

struct machine {
    char *name;
    struct entry *entry;
    size_t n, capacity;
    bool sorted;
    int64_t now;
};

struct mw_history {
    struct machine *machine;
    size_t n, capacity, last;
};

mw_err mw_history_new(struct mw_history **out, struct mw_error *error)
{
    *out = calloc(1, sizeof **out);
    return *out == NULL ? mw_error_set(error, MW_ERR_MEMORY, "out of memory") : MW_OK;
}

void mw_history_free(struct mw_history *history)
{
    if (history == NULL) {
        return;
    }
    for (size_t i = 0; i < history->n; i++) {
        for (size_t k = 0; k < history->machine[i].n; k++) {
            free(history->machine[i].entry[k].id);
        }
        free(history->machine[i].entry);
        free(history->machine[i].name);
    }
    free(history->machine);
    free(history);
}

/* Records of one machine mostly follow one another, so the search starts where the last one ended.
 */
static struct machine *find(struct mw_history *history, struct mw_span name)
{
    for (size_t i = 0; i < history->n; i++) {
        size_t at = (history->last + i) % history->n;
        if (mw_span_is(name, history->machine[at].name)) {
            history->last = at;
            return &history->machine[at];
        }
    }
    return NULL;
}

static struct machine *find_or_add(struct mw_history *history, struct mw_span name,
                                   struct mw_error *error)
{
    struct machine *machine = find(history, name);
    if (machine != NULL) {
        return machine;
    }
    if (history->n == history->capacity) {
        size_t capacity = history->capacity == 0 ? 16 : history->capacity * 2;
        struct machine *grown = realloc(history->machine, capacity * sizeof *grown);
        if (grown == NULL) {
            mw_error_set(error, MW_ERR_MEMORY, "out of memory");
            return NULL;
        }
        history->machine = grown;
        history->capacity = capacity;
    }
    char *copy = strndup(name.data, name.size);
    if (copy == NULL) {
        mw_error_set(error, MW_ERR_MEMORY, "out of memory");
        return NULL;
    }
    history->machine[history->n] = (struct machine){.name = copy, .now = INT64_MIN};
    return &history->machine[history->n++];
}

static mw_err add(struct machine *machine, struct entry entry, struct mw_error *error)
{
    if (machine->n == machine->capacity) {
        size_t capacity = machine->capacity == 0 ? 16 : machine->capacity * 2;
        struct entry *grown = realloc(machine->entry, capacity * sizeof *grown);
        if (grown == NULL) {
            return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
        }
        machine->entry = grown;
        machine->capacity = capacity;
    }
    /* Mostly they come in order; then no sorting is needed. */
    machine->sorted =
        machine->n == 0 || (machine->sorted && machine->entry[machine->n - 1].time <= entry.time);
    machine->entry[machine->n++] = entry;
    return MW_OK;
}

/* FNV-1a: with it the search for a repetition compares texts only where they are the same. */
static uint64_t hash_of(struct mw_span id)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < id.size; i++) {
        hash = (hash ^ (unsigned char)id.data[i]) * UINT64_C(1099511628211);
    }
    return hash;
}

static bool known(const struct machine *machine, struct mw_span id, uint64_t hash)
{
    for (size_t i = machine->n; i > 0; i--) {
        const struct entry *entry = &machine->entry[i - 1];
        if (entry->id != NULL && entry->hash == hash && mw_span_is(id, entry->id)) {
            return true;
        }
    }
    return false;
}

mw_err mw_history_add_event(struct mw_history *history, const struct mw_event *event,
                            struct mw_error *error)
{
    struct machine *machine = find_or_add(history, event->machine, error);
    if (machine == NULL) {
        return MW_ERR_MEMORY;
    }
    uint64_t hash = hash_of(event->id);
    if (known(machine, event->id, hash)) {
        return MW_OK;
    }
    struct entry entry = {
        .time = event->time,
        .failure = event->type == MW_EVENT_FAILURE,
        .repair = event->type == MW_EVENT_REPAIR,
        .fault = event->type == MW_EVENT_FAILURE || event->finding == MW_FINDING_FAULT,
        .judged = event->type == MW_EVENT_REPAIR || event->finding != MW_FINDING_NONE,
        .cleared = event->finding == MW_FINDING_NO_FAULT,
        .hash = hash,
        .id = strndup(event->id.data, event->id.size)};
    if (entry.id == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    mw_err err = add(machine, entry, error);
    if (err != MW_OK) {
        free(entry.id);
    }
    return err;
}

mw_err mw_history_add_action(struct mw_history *history, struct mw_span machine, int64_t time,
                             struct mw_error *error)
{
    struct machine *m = find_or_add(history, machine, error);
    return m == NULL ? MW_ERR_MEMORY : add(m, (struct entry){.time = time, .action = true}, error);
}

mw_err mw_history_add_record(struct mw_history *history, struct mw_span machine, int64_t time,
                             struct mw_error *error)
{
    struct machine *m = find_or_add(history, machine, error);
    if (m == NULL) {
        return MW_ERR_MEMORY;
    }
    if (time > m->now) {
        m->now = time;
    }
    return MW_OK;
}

static int compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return (x->time > y->time) - (x->time < y->time);
}

/* The first entry at or after a time. */
static size_t lower_bound(struct machine *machine, int64_t time)
{
    if (!machine->sorted && machine->n > 0) {
        qsort(machine->entry, machine->n, sizeof *machine->entry, compare);
        machine->sorted = true;
    }
    size_t low = 0, high = machine->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (machine->entry[middle].time < time) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

enum state { SOUND, FAULTY, INTERRUPTED };

/* What is known of the machine just before entry `at`: broken, or acted upon and not judged; found
 * faulty and not repaired yet; or nothing of the kind. */
static enum state state_before(const struct machine *machine, size_t at)
{
    bool judged = false, faulty = false;
    for (size_t i = at; i > 0; i--) {
        const struct entry *before = &machine->entry[i - 1];
        if (before->failure || (before->action && !judged)) {
            return INTERRUPTED;
        }
        if (before->repair || before->cleared) {
            break;
        }
        judged = judged || before->judged;
        faulty = faulty || before->fault;
    }
    return faulty ? FAULTY : SOUND;
}

/* What judged the action at entry i: a finding, a repair or a failure. NULL: nothing yet. */
static const struct entry *judgement(const struct machine *machine, size_t i)
{
    for (size_t k = i + 1; k < machine->n; k++) {
        if (machine->entry[k].judged || machine->entry[k].failure) {
            return &machine->entry[k];
        }
    }
    return NULL;
}

enum mw_label mw_history_label(struct mw_history *history, struct mw_span name, int64_t time,
                               int64_t horizon)
{
    struct machine *machine = find(history, name);
    if (machine == NULL) {
        return MW_LABEL_UNKNOWN;
    }
    size_t at = lower_bound(machine, time);
    enum state state = state_before(machine, at);
    if (state == INTERRUPTED) {
        return MW_LABEL_EXCLUDED;
    }
    int64_t now = machine->now;
    bool pending = false;
    for (size_t i = at; i < machine->n && machine->entry[i].time - horizon <= time; i++) {
        const struct entry *entry = &machine->entry[i];
        const struct entry *by = entry->action ? judgement(machine, i) : NULL;
        if (entry->fault || (by != NULL && by->fault)) {
            return MW_LABEL_POSITIVE; /* what an action prevented was there when it was taken */
        }
        pending = pending || (entry->action && (by == NULL || !by->cleared));
        state = entry->cleared ? SOUND : state;
    }
    if (state == FAULTY) {
        return MW_LABEL_EXCLUDED;
    }
    if (machine->n > 0 && machine->entry[machine->n - 1].time > now) {
        now = machine->entry[machine->n - 1].time;
    }
    return pending || now == INT64_MIN || now - horizon < time ? MW_LABEL_UNKNOWN
                                                               : MW_LABEL_NEGATIVE;
}

int64_t mw_history_next_fault(struct mw_history *history, struct mw_span name, int64_t from)
{
    struct machine *machine = find(history, name);
    for (size_t i = machine == NULL ? 0 : lower_bound(machine, from);
         machine != NULL && i < machine->n; i++) {
        if (machine->entry[i].fault) {
            return machine->entry[i].time;
        }
    }
    return INT64_MAX;
}

size_t mw_history_machines(const struct mw_history *history)
{
    return history->n;
}

const char *mw_history_machine(const struct mw_history *history, size_t i)
{
    return history->machine[i].name;
}
