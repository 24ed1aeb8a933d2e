#include "tiers/iot/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#define HOURS INT64_C(3600000000)
#define EVENTS_MAX 256
#define TRUTHS_MAX 64

/* What a world told. */
struct log {
    uint64_t hash; /* of all that was told, in order */
    size_t records, events, truths, changes, twins;
    int64_t twin_time; /* of the last twin's record */
    float twin_features[MW_MOTOR_FEATURES];
    int64_t record_time[8]; /* of each machine's last record */
    float features[8][MW_MOTOR_FEATURES];
    struct {
        char id[80];
        unsigned machine;
        enum mw_event_type type;
        enum mw_finding finding;
        int64_t time;
    } event[EVENTS_MAX];
    struct mw_world_truth truth[TRUTHS_MAX];
};

static void add_hash(struct log *log, const void *data, size_t size)
{
    const unsigned char *byte = data;
    for (size_t i = 0; i < size; i++) {
        log->hash = (log->hash ^ byte[i]) * 0x100000001b3U;
    }
}

static void on_record(void *context, const struct mw_world_record *record)
{
    struct log *log = context;
    log->records++;
    add_hash(log, &record->machine, sizeof record->machine);
    add_hash(log, &record->time, sizeof record->time);
    add_hash(log, record->features, MW_MOTOR_FEATURES * sizeof(float));
    assert_true(record->time > log->record_time[record->machine]);
    log->record_time[record->machine] = record->time;
    memcpy(log->features[record->machine], record->features, MW_MOTOR_FEATURES * sizeof(float));
    for (int i = 0; i < MW_MOTOR_FEATURES; i++) {
        assert_true(isfinite(record->features[i]));
    }
}

static void on_event(void *context, const struct mw_event *event)
{
    struct log *log = context;
    assert_true(log->events < EVENTS_MAX);
    assert_true(event->id.size < sizeof log->event[0].id);
    memcpy(log->event[log->events].id, event->id.data, event->id.size);
    log->event[log->events].id[event->id.size] = '\0';
    log->event[log->events].machine =
        (unsigned)(event->machine.data[event->machine.size - 1] - '1');
    log->event[log->events].type = event->type;
    log->event[log->events].finding = event->finding;
    log->event[log->events].time = event->time;
    log->events++;
    add_hash(log, event->id.data, event->id.size);
    add_hash(log, &event->time, sizeof event->time);
}

static void on_truth(void *context, const struct mw_world_truth *truth)
{
    struct log *log = context;
    assert_true(log->truths < TRUTHS_MAX);
    log->truth[log->truths++] = *truth;
    add_hash(log, &truth->breakdown, sizeof truth->breakdown);
}

static void on_change(void *context, int64_t time, const struct mw_world_change *change)
{
    struct log *log = context;
    log->changes++;
    add_hash(log, &time, sizeof time);
    add_hash(log, &change->value, sizeof change->value);
}

/* Not hashed: who listens to twins must not change what is told of the plant. */
static void on_twin(void *context, const struct mw_world_record *record)
{
    struct log *log = context;
    log->twins++;
    log->twin_time = record->time;
    memcpy(log->twin_features, record->features, sizeof log->twin_features);
}

static struct mw_world *new_world(const struct mw_world_config *config, struct log *log)
{
    memset(log, 0, sizeof *log);
    const struct mw_world_callbacks callbacks = {log,      on_record, on_event,
                                                 on_truth, on_change, on_twin};
    struct mw_world *world;
    struct mw_error error = {0};
    assert_int_equal(mw_world_new(config, &callbacks, &world, &error), MW_OK);
    return world;
}

static struct mw_world_config small_config(void)
{
    struct mw_world_config config;
    mw_world_config_default(&config);
    config.seed = 7;
    config.machines = 3;
    config.interval = HOURS / 6; /* ten minutes: long lives in few windows */
    return config;
}

static void run(struct mw_world *world, int ticks)
{
    for (int i = 0; i < ticks; i++) {
        assert_int_equal(mw_world_tick(world), MW_OK);
    }
}

static void one_seed_one_plant(void **state)
{
    (void)state;
    struct log a, b;
    struct mw_world_config config = small_config();
    struct mw_world *world = new_world(&config, &a);
    assert_string_equal(mw_world_machine_name(world, 2), "motor-3");
    assert_null(mw_world_machine_name(world, 3));
    unsigned found = 9;
    assert_int_equal(mw_world_find(world, mw_span_of("motor-2"), &found), MW_OK);
    assert_int_equal(found, 1);
    assert_int_equal(mw_world_find(world, mw_span_of("motor-4"), &found), MW_ERR_NOT_FOUND);
    run(world, 600);
    assert_int_equal(mw_world_time(world), config.start + 100 * HOURS);
    mw_world_free(world);
    world = new_world(&config, &b);
    run(world, 600);
    mw_world_free(world);
    assert_true(a.records > 1000 && a.events > 4);
    assert_true(a.hash == b.hash);
    config.seed = 8;
    world = new_world(&config, &b);
    run(world, 600);
    mw_world_free(world);
    assert_true(a.hash != b.hash);
}

/* Without commands every fault ends in a failure, told once and followed by its repair, with no
 * record between, and the truth is the failure. */
static void failures_and_repairs(void **state)
{
    (void)state;
    struct log log;
    struct mw_world_config config = small_config();
    struct mw_world *world = new_world(&config, &log);
    bool broken[3] = {false};
    size_t seen = 0;
    unsigned kinds = 0;
    for (int tick = 0; tick < 3000; tick++) {
        run(world, 1);
        for (; seen < log.events; seen++) {
            const unsigned m = log.event[seen].machine;
            const bool failure = log.event[seen].type == MW_EVENT_FAILURE;
            assert_int_equal(log.event[seen].type, broken[m] ? MW_EVENT_REPAIR : MW_EVENT_FAILURE);
            assert_int_equal(log.event[seen].finding, failure ? MW_FINDING_NONE : MW_FINDING_FAULT);
            broken[m] = failure;
            for (size_t i = 0; i < seen; i++) {
                assert_string_not_equal(log.event[i].id, log.event[seen].id);
            }
        }
        for (unsigned m = 0; m < 3; m++) {
            assert_int_equal(log.record_time[m] == mw_world_time(world), !broken[m]);
        }
    }
    size_t failures = 0;
    for (size_t i = 0; i < log.events; i++) {
        if (log.event[i].type == MW_EVENT_FAILURE) {
            const struct mw_world_truth *truth = &log.truth[failures++];
            assert_int_equal(truth->machine, log.event[i].machine);
            assert_int_equal(truth->breakdown, log.event[i].time);
            assert_true(truth->started < truth->breakdown);
            assert_false(truth->saved);
            kinds |= 1U << truth->fault;
        }
    }
    assert_int_equal(failures, log.truths);
    assert_in_range(failures, 30, 75); /* 3 machines, 500 h, one in about 24 + 5 + 2 h */
    assert_int_equal(kinds, 15);       /* of all four kinds */
    mw_world_free(world);
}

/* Stops the first machine whose worst damage has reached `damage`; says which. */
static unsigned stop_at(struct mw_world *world, double damage)
{
    for (;;) {
        run(world, 1);
        for (unsigned i = 0; i < mw_world_machines(world); i++) {
            if (mw_motor_worst(mw_world_motor(world, i), NULL) >= damage &&
                mw_motor_running(mw_world_motor(world, i))) {
                assert_int_equal(mw_world_stop(world, i), MW_OK);
                assert_int_equal(mw_world_stop(world, i), MW_ERR_STATE);
                return i;
            }
        }
    }
}

/* The twin breaks when the same plant without the command has its failure. */
static void the_twin_tells_what_was_spared(void **state)
{
    (void)state;
    struct log free_log, log;
    const struct mw_world_config config = small_config();
    struct mw_world *world = new_world(&config, &log);
    const unsigned m = stop_at(world, 0.5);
    const int64_t stopped = mw_world_time(world);
    while (log.truths == 0) {
        run(world, 1);
    }
    run(world, 24); /* the crew */
    mw_world_free(world);
    world = new_world(&config, &free_log);
    while (free_log.truths == 0) {
        run(world, 1);
    }
    mw_world_free(world);

    /* The twin makes the records that the machine makes when nobody stops it. */
    assert_int_equal(free_log.twins, 0);
    assert_true(log.twins > 0 && log.twin_time > stopped);
    assert_int_equal(log.twin_time, free_log.record_time[m]);
    assert_memory_equal(log.twin_features, free_log.features[m], sizeof log.twin_features);
    assert_true(log.truth[0].saved);
    assert_int_equal(log.truth[0].machine, m);
    assert_int_equal(log.truth[0].stopped, stopped);
    assert_int_equal(free_log.truth[0].machine, m);
    assert_false(free_log.truth[0].saved);
    assert_int_equal(log.truth[0].breakdown, free_log.truth[0].breakdown);
    assert_int_equal(log.truth[0].started, free_log.truth[0].started);
    assert_int_equal(log.truth[0].fault, free_log.truth[0].fault);
    assert_true(log.truth[0].breakdown > stopped);

    assert_int_equal(log.event[0].type, MW_EVENT_INSPECTION);
    assert_int_equal(log.event[0].finding, MW_FINDING_FAULT);
    assert_int_equal(log.event[0].machine, m);
    assert_int_equal(log.event[1].type, MW_EVENT_REPAIR);
    assert_int_equal(log.event[1].machine, m);
    assert_true(log.event[0].time > stopped && log.event[1].time > log.event[0].time);
    assert_true(log.record_time[m] > log.event[1].time); /* runs again */
}

/* A report that ends early hears the same from mw_world_settle. */
static void settling_tells_the_same(void **state)
{
    (void)state;
    struct log lived, settled;
    struct mw_world_config config = small_config();
    const struct mw_world_change change = {
        .at = 1, .kind = MW_WORLD_LOAD, .machine = -1, .value = 1.2};
    config.changes = &change;
    config.n_changes = 1;
    struct mw_world *world = new_world(&config, &lived);
    stop_at(world, 0.2);
    const int64_t stopped = mw_world_time(world);
    mw_world_free(world);

    struct mw_world_change changes[2] = {change, change};
    changes[1].at = stopped - config.start + HOURS / 2; /* while only the twin runs */
    changes[1].value = 0.7;
    config.changes = changes;
    config.n_changes = 2;
    world = new_world(&config, &lived);
    stop_at(world, 0.2);
    while (lived.truths == 0) {
        run(world, 1);
    }
    mw_world_free(world);
    world = new_world(&config, &settled);
    stop_at(world, 0.2);
    assert_int_equal(settled.truths, 0);
    mw_world_settle(world);
    mw_world_settle(world);
    assert_int_equal(settled.truths, 1);
    assert_int_equal(settled.truth[0].breakdown, lived.truth[0].breakdown);
    mw_world_free(world);
}

static void a_false_alarm_finds_no_fault(void **state)
{
    (void)state;
    struct log log;
    struct mw_world_config config = small_config();
    config.fault_hours = 0.0;
    struct mw_world *world = new_world(&config, &log);
    run(world, 10);
    assert_int_equal(mw_world_stop(world, 3), MW_ERR_ARGUMENT);
    assert_int_equal(mw_world_stop(world, 1), MW_OK);
    run(world, 1);
    assert_true(log.record_time[1] < mw_world_time(world));
    run(world, 11);
    assert_int_equal(log.events, 1);
    assert_int_equal(log.event[0].type, MW_EVENT_INSPECTION);
    assert_int_equal(log.event[0].finding, MW_FINDING_NO_FAULT);
    assert_true(log.record_time[1] == mw_world_time(world));
    run(world, 1000);
    mw_world_settle(world);
    assert_int_equal(log.events, 1); /* no faults were configured */
    assert_int_equal(log.truths, 0);
    mw_world_free(world);
}

static void ten_saves_in_a_row(void **state)
{
    (void)state;
    struct log log;
    const struct mw_world_config config = small_config();
    struct mw_world *world = new_world(&config, &log);
    for (int i = 0; i < 10; i++) {
        stop_at(world, 0.6);
    }
    run(world, 200);
    for (size_t i = 0; i < log.truths; i++) {
        assert_true(log.truth[i].saved || log.truth[i].breakdown > log.truth[9].stopped);
    }
    assert_true(log.truths >= 10);
    mw_world_free(world);
}

static void the_script_happens(void **state)
{
    (void)state;
    struct log log;
    struct mw_world_config config = small_config();
    config.fault_hours = 0.0;
    const struct mw_world_change changes[] = {
        {.at = 20 * HOURS,
         .kind = MW_WORLD_FAULT,
         .machine = 1,
         .fault = MW_MOTOR_PHASE,
         .value = 3},
        {.at = 10 * HOURS,
         .kind = MW_WORLD_OFFSET,
         .machine = 2,
         .signal = MW_MOTOR_TEMPERATURE,
         .value = 300.0},
    };
    config.changes = changes;
    config.n_changes = 2;
    struct mw_world *world = new_world(&config, &log);
    run(world, 59);
    assert_int_equal(log.changes, 0);
    run(world, 1);
    assert_int_equal(log.changes, 1);
    assert_true(log.features[2][MW_MOTOR_TEMPERATURE_MEAN] > 300.0F);
    assert_true(log.features[0][MW_MOTOR_TEMPERATURE_MEAN] < 150.0F);
    run(world, 180);
    assert_int_equal(log.changes, 2);
    assert_int_equal(log.truths, 1);
    assert_int_equal(log.truth[0].machine, 1);
    assert_int_equal(log.truth[0].fault, MW_MOTOR_PHASE);
    assert_int_equal(log.truth[0].started, config.start + 20 * HOURS);

    /* By hand: faults for all from now on; and what is refused. */
    struct mw_world_change change = {.kind = MW_WORLD_FAULTS, .machine = -1, .value = 5.0};
    assert_int_equal(mw_world_apply(world, &change), MW_OK);
    run(world, 200);
    assert_true(log.truths > 3);
    change.machine = 3;
    assert_int_equal(mw_world_apply(world, &change), MW_ERR_ARGUMENT);
    change.machine = 0;
    change.value = NAN;
    assert_int_equal(mw_world_apply(world, &change), MW_ERR_ARGUMENT);
    mw_world_free(world);
}

/* A process killed at any tick and started again from its save tells the same story: saves fall
 * among failures, stops and living twins. */
static void a_saved_world_goes_on(void **state)
{
    (void)state;
    struct log whole, parts;
    struct mw_world_config config = small_config();
    const struct mw_world_change changes[] = {
        {.at = 15 * HOURS, .kind = MW_WORLD_SEASON, .machine = -1, .value = 15.0},
        {.at = 40 * HOURS, .kind = MW_WORLD_FAULTS, .machine = -1, .value = 10.0},
    };
    config.changes = changes;
    config.n_changes = 2;
    struct mw_world *world = new_world(&config, &whole);
    for (int i = 0; i < 6; i++) {
        stop_at(world, 0.4);
        run(world, 37);
    }
    const int64_t end = mw_world_time(world);
    mw_world_free(world);

    world = new_world(&config, &parts);
    const size_t size = mw_world_save_size(world);
    char *bytes = calloc(1, size);
    for (int i = 0; i < 6; i++) {
        stop_at(world, 0.4);
        for (int tick = 0; tick < 37; tick++) {
            if (tick % 5 == 0) {
                assert_int_equal(mw_world_save(world, bytes, size - 1), MW_ERR_TOO_SMALL);
                assert_int_equal(mw_world_save(world, bytes, size), MW_OK);
                mw_world_free(world);
                const struct log kept = parts;
                world = new_world(&config, &parts);
                parts = kept;
                assert_int_equal(mw_world_load(world, bytes, size, NULL), MW_OK);
            }
            run(world, 1);
        }
    }
    assert_int_equal(mw_world_time(world), end);
    assert_int_equal(parts.records, whole.records);
    assert_int_equal(parts.events, whole.events);
    assert_int_equal(parts.truths, whole.truths);
    assert_int_equal(parts.changes, whole.changes);
    assert_true(parts.hash == whole.hash);
    mw_world_free(world);
    free(bytes);
}

static void a_save_that_is_not_ours_is_refused(void **state)
{
    (void)state;
    struct log log;
    struct mw_world_config config = small_config();
    struct mw_world *world = new_world(&config, &log);
    run(world, 5);
    const size_t size = mw_world_save_size(world);
    unsigned char *bytes = malloc(size), *again = malloc(size);
    assert_int_equal(mw_world_save(world, bytes, size), MW_OK);
    struct mw_error error = {0};
    assert_int_equal(mw_world_load(world, bytes, size - 1, &error), MW_ERR_CORRUPT);
    assert_int_equal(mw_world_load(world, bytes, 3, &error), MW_ERR_CORRUPT);
    for (size_t at = 0; at < size; at += 41) {
        bytes[at] ^= 0x10;
        assert_true(mw_world_load(world, bytes, size, &error) != MW_OK);
        bytes[at] ^= 0x10;
    }
    assert_int_equal(mw_world_save(world, again, size), MW_OK); /* none of them changed it */
    assert_memory_equal(bytes, again, size);
    mw_world_free(world);
    config.seed++;
    world = new_world(&config, &log);
    assert_int_equal(mw_world_load(world, bytes, size, &error), MW_ERR_VERSION);
    assert_string_equal(error.text,
                        "saved world: made with other machines, seed, start or interval");
    mw_world_free(world);
    free(bytes);
    free(again);
}

static void a_wrong_configuration_is_refused(void **state)
{
    (void)state;
    struct mw_world_config config[8];
    for (size_t i = 0; i < 8; i++) {
        config[i] = small_config();
    }
    const struct mw_world_change change = {.kind = MW_WORLD_LOAD, .machine = 3, .value = 1.0};
    config[0].machines = 0;
    config[1].machines = 257;
    config[2].prefix = "Motor 1";
    config[3].interval = 0;
    config[4].growth_hours[0] = 0.0;
    config[5].repair_hours[1] = 0.5;
    config[6].fault_hours = NAN;
    config[7].changes = &change;
    config[7].n_changes = 1;
    for (size_t i = 0; i < 8; i++) {
        struct mw_world *world;
        struct mw_error error = {0};
        const struct mw_world_callbacks callbacks = {0};
        assert_int_equal(mw_world_new(&config[i], &callbacks, &world, &error), MW_ERR_ARGUMENT);
        assert_null(world);
        assert_non_null(strstr(error.text, "simulate: "));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_seed_one_plant),
        cmocka_unit_test(failures_and_repairs),
        cmocka_unit_test(the_twin_tells_what_was_spared),
        cmocka_unit_test(settling_tells_the_same),
        cmocka_unit_test(a_false_alarm_finds_no_fault),
        cmocka_unit_test(ten_saves_in_a_row),
        cmocka_unit_test(the_script_happens),
        cmocka_unit_test(a_saved_world_goes_on),
        cmocka_unit_test(a_save_that_is_not_ours_is_refused),
        cmocka_unit_test(a_wrong_configuration_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
