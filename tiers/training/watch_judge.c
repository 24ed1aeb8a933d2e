/* watch_judge.c - which comparisons make an alarm, and what it says. */
#include "tiers/training/watch_window_internal.h"

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
            .moved = mw_watch_moved_by(watch, i, comparison[i].shift)};
        size_t at = alarm->n++;
        while (at > 0 && alarm->feature[at - 1].psi < feature.psi) {
            alarm->feature[at] = alarm->feature[at - 1];
            at--;
        }
        alarm->feature[at] = feature;
    }
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

static int64_t newest_time(const struct mw_watch_machine *machine)
{
    const struct mw_watch_block *block = &machine->block[machine->newest];
    return block->records > 0 ? block->to : INT64_MIN;
}

static void fill_plant_alarm(struct mw_watch *watch, struct mw_watch_alarm *alarm)
{
    size_t feature = worst(watch->comparison, watch->n_features + 1);
    *alarm = (struct mw_watch_alarm){
        .plant = true, .onset = INT64_MAX, .time = INT64_MIN, .records = mw_watch_records(watch)};
    name_features(watch, watch->comparison, alarm);
    for (size_t k = 0; k < watch->n; k++) {
        struct mw_watch_machine *machine = &watch->machine[k];
        int64_t onset =
            mw_watch_find_onset(watch, machine, feature, mw_watch_reference(watch, feature));
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

static void fill_machine_alarm(struct mw_watch *watch, struct mw_watch_machine *machine,
                               struct mw_watch_alarm *alarm)
{
    size_t feature = worst(machine->comparison, watch->n_features + 1);
    *alarm = (struct mw_watch_alarm){
        .machine = machine->name,
        .records = machine->records,
        .onset = mw_watch_find_onset(watch, machine, feature,
                                     mw_watch_reference_of(watch, machine, feature)),
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

/* One block of a machine is full. True when that makes an alarm. */
static bool judge(struct mw_watch *watch, struct mw_watch_machine *machine,
                  struct mw_watch_alarm *alarm)
{
    unsigned round = watch->n < 2 ? 2 : (unsigned)watch->n;
    bool cool = cooled_down(watch, machine->alarmed, machine->since_alarm, 1);
    mw_watch_compare_machine(watch, machine);
    if (!watch->alone) {
        mw_watch_compare_plant(watch);
    }
    if (watch->findings >= round &&
        cooled_down(watch, watch->alarmed, watch->since_alarm, watch->n)) {
        fill_plant_alarm(watch, alarm);
        return true;
    }
    if (watch->findings == 0 && machine->findings >= 2 && (watch->n > 1 || watch->alone) && cool) {
        fill_machine_alarm(watch, machine, alarm);
        return true;
    }
    return false;
}

bool mw_watch_alarm(struct mw_watch *watch, struct mw_watch_alarm *alarm)
{
    bool found = false;
    for (size_t i = 0; i < watch->n && !found; i++) {
        if (watch->machine[i].fresh) {
            found = judge(watch, &watch->machine[i], alarm);
            mw_watch_move_on(watch, &watch->machine[i]);
        }
    }
    return found;
}
