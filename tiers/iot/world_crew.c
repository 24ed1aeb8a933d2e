/* The maintenance crew, and the twins that show what it was spared. */
#include "tiers/iot/world_internal.h"

#include <inttypes.h>
#include <stdio.h>

#define SECOND INT64_C(1000000)
#define DAY (86400 * SECOND)

/* Microseconds UTC of a motor's own time: all motors started with the world. */
static int64_t time_of(const struct mw_world *w, double seconds)
{
    return w->config.start + (int64_t)(seconds * (double)SECOND);
}

static void tell_event(struct mw_world *w, unsigned i, enum mw_event_type type,
                       enum mw_finding finding, const char *by, int64_t time)
{
    char id[MW_WORLD_NAME + 24];
    const uint64_t number = ++w->machine[i].events;
    snprintf(id, sizeof id, "%s-e%" PRIu64, w->name[i], number);
    const struct mw_event event = {
        .id = mw_span_of(id),
        .machine = mw_span_of(w->name[i]),
        .by = mw_span_of(by),
        .type = type,
        .finding = finding,
        .time = time,
    };
    if (w->call.on_event != NULL) {
        w->call.on_event(w->call.context, &event);
    }
}

static void tell_truth(struct mw_world *w, unsigned i, enum mw_motor_fault fault, int64_t started,
                       int64_t breakdown, bool saved)
{
    struct mw_world_machine *m = &w->machine[i];
    const struct mw_world_truth truth = {
        .machine = i,
        .name = w->name[i],
        .fault = fault,
        .started = started,
        .breakdown = breakdown,
        .saved = saved,
        .stopped = saved ? m->stopped : 0,
    };
    if (w->call.on_truth != NULL) {
        w->call.on_truth(w->call.context, &truth);
    }
}

static void bury_twin(struct mw_world *w, unsigned i)
{
    struct mw_world_machine *m = &w->machine[i];
    m->twin_alive = 0;
    if (mw_motor_broken(&m->twin)) {
        m->told_fault = m->twin_fault;
        tell_truth(w, i, (enum mw_motor_fault)m->twin.broken_by, m->twin_started,
                   time_of(w, m->twin.broken_at), true);
    }
}

/* Measuring draws from the motor's noise alone, so the twin's life is the same whether told or not.
 */
static void tell_twin(struct mw_world *w, unsigned i, int64_t now)
{
    float features[MW_MOTOR_FEATURES];
    struct mw_gate gate = {.minimum = w->config.gate.minimum};
    if (w->call.on_twin != NULL &&
        mw_motor_measure(&w->machine[i].twin, &w->noise, w->signal, &gate, features) == MW_OK) {
        const struct mw_world_record record = {i, w->name[i], now, features};
        w->call.on_twin(w->call.context, &record);
    }
}

void mw_world_twin(struct mw_world *world, unsigned i, double seconds)
{
    struct mw_world_machine *m = &world->machine[i];
    if (!m->twin_alive) {
        return;
    }
    mw_motor_advance(&m->twin, seconds);
    if (mw_motor_broken(&m->twin)) {
        bury_twin(world, i);
    } else {
        tell_twin(world, i, world->now);
    }
}

void mw_world_settle_twin(struct mw_world *world, unsigned i)
{
    struct mw_world_machine *m = &world->machine[i];
    if (!m->twin_alive) {
        return;
    }
    size_t next = world->next_change;
    const double step = (double)world->config.interval / (double)SECOND;
    /* Damage grows at least at half its ordinary pace; a year is far beyond any breakdown that
     * was configured in earnest. */
    const int64_t end = world->now + 366 * DAY;
    for (int64_t now = world->now; !mw_motor_broken(&m->twin) && now < end;) {
        now += world->config.interval; /* in the order of mw_world_tick */
        for (; next < world->n_changes && world->change[next].at <= now - world->config.start;
             next++) {
            const int machine = world->change[next].machine;
            if (machine < 0 || (unsigned)machine == i) {
                mw_world_change_motor(&m->twin, &world->change[next]);
            }
        }
        mw_motor_advance(&m->twin, step);
        if (!mw_motor_broken(&m->twin)) {
            tell_twin(world, i, now);
        }
    }
    bury_twin(world, i);
}

mw_err mw_world_stop(struct mw_world *world, unsigned machine)
{
    if (machine >= world->config.machines) {
        return MW_ERR_ARGUMENT;
    }
    struct mw_world_machine *m = &world->machine[machine];
    if (!mw_motor_running(&m->motor)) {
        return MW_ERR_STATE;
    }
    /* A fault that an earlier inspection missed has its twin already. */
    const bool has_twin = m->twin_alive && m->twin_fault == m->faults;
    if (mw_motor_worst(&m->motor, NULL) > 0.0 && !has_twin && m->told_fault != m->faults) {
        mw_world_settle_twin(world, machine);
        m->twin = m->motor;
        m->twin_alive = 1;
        m->twin_fault = m->faults;
        m->twin_started = m->fault_started;
        m->stopped = world->now;
    }
    mw_motor_stop(&m->motor);
    m->job = MW_WORLD_INSPECT;
    m->due = world->now + mw_world_draw_hours(&m->random, world->config.inspect_hours);
    return MW_OK;
}

static void take_up_failure(struct mw_world *w, unsigned i)
{
    struct mw_world_machine *m = &w->machine[i];
    tell_event(w, i, MW_EVENT_FAILURE, MW_FINDING_NONE, "plc", time_of(w, m->motor.broken_at));
    if (m->told_fault != m->faults && !(m->twin_alive && m->twin_fault == m->faults)) {
        m->told_fault = m->faults;
        tell_truth(w, i, (enum mw_motor_fault)m->motor.broken_by, m->fault_started,
                   time_of(w, m->motor.broken_at), false);
    }
    m->job = MW_WORLD_REPAIR;
    m->due = w->now + mw_world_draw_hours(&m->random, w->config.repair_hours);
}

static void finish_repair(struct mw_world *w, unsigned i)
{
    struct mw_world_machine *m = &w->machine[i];
    tell_event(w, i, MW_EVENT_REPAIR, MW_FINDING_FAULT, "crew", w->now);
    mw_motor_repair(&m->motor);
    m->job = MW_WORLD_IDLE;
    m->next_fault = mw_world_draw_fault(w, m, w->now);
}

void mw_world_crew(struct mw_world *world, unsigned i)
{
    struct mw_world_machine *m = &world->machine[i];
    if (m->job == MW_WORLD_IDLE) {
        if (mw_motor_broken(&m->motor)) {
            take_up_failure(world, i);
        }
        return;
    }
    if (world->now < m->due) {
        return;
    }
    if (m->job == MW_WORLD_REPAIR || m->job == MW_WORLD_SERVICE) {
        finish_repair(world, i);
        return;
    }
    const bool fault = mw_motor_worst(&m->motor, NULL) >= MW_WORLD_FINDABLE;
    tell_event(world, i, MW_EVENT_INSPECTION, fault ? MW_FINDING_FAULT : MW_FINDING_NO_FAULT,
               "crew", world->now);
    if (fault) {
        m->job = MW_WORLD_SERVICE;
        m->due = world->now + mw_world_draw_hours(&m->random, world->config.service_hours);
    } else {
        m->job = MW_WORLD_IDLE;
        mw_motor_restart(&m->motor);
    }
}
