/* Uplinks between a real broker and a bridge that loses, repeats and reorders its acks. */
#include "tiers/iot/test_bridge.h"
#include "tiers/iot/uplink.h"

/* A thing whose records are numbered by `id` for good, whatever their (boot, seq) is. */
struct thing {
    struct mw_uplink *uplink;
    struct mw_numbers numbers; /* as its disk has them */
    uint64_t base;             /* id of the record with number 0 */
    size_t padding;            /* bytes more in each record */
    unsigned boots;            /* new ones started */
    bool disk_full;
    unsigned commands, updates;
    char event[64];
};

struct world {
    struct place *place;
    struct mw_loop *loop;
    struct test_bridge *bridge;
    struct mw_host *host;
    struct thing thing;
    uint64_t wanted;
};

static mw_err on_read(void *context, uint64_t from, size_t max,
                      void (*fn)(void *, uint64_t, struct mw_span), void *fn_context,
                      struct mw_error *error)
{
    struct thing *thing = context;
    static char text[8192];
    (void)error;
    for (uint64_t i = from; i < from + max && i < thing->numbers.next; i++) {
        int n = snprintf(text, sizeof text, "\"time\":1,\"features\":{\"id\":%llu},\"x\":\"%*s\"}",
                         (unsigned long long)(thing->base + i), (int)thing->padding, "");
        fn(fn_context, i, (struct mw_span){text, (size_t)n});
    }
    return MW_OK;
}

static void on_acknowledged(void *context, uint64_t next)
{
    struct thing *thing = context;
    assert_true(next > thing->numbers.first && next <= thing->numbers.next);
    thing->numbers.first = next;
}

static mw_err on_new_boot(void *context, uint32_t boot, struct mw_error *error)
{
    struct thing *thing = context;
    if (thing->disk_full) {
        return mw_error_set(error, MW_ERR_FULL, "disk full");
    }
    thing->base += thing->numbers.first;
    thing->numbers.next -= thing->numbers.first;
    thing->numbers.first = 0;
    thing->numbers.boot = boot;
    thing->boots++;
    return MW_OK;
}

static void on_event(void *context, struct mw_span id)
{
    struct thing *thing = context;
    (void)snprintf(thing->event, sizeof thing->event, "%.*s", (int)id.size, id.data);
}

static void on_command(void *context, const struct mw_command *command)
{
    struct thing *thing = context;
    assert_true(mw_span_is(command->action, "stop"));
    thing->commands++;
}

static void on_update(void *context, struct mw_span json)
{
    struct thing *thing = context;
    assert_true(mw_span_is(json, "{\"v\":1,\"desired\":{}}"));
    thing->updates++;
}

static void add_thing(struct world *world, struct mw_numbers numbers)
{
    struct mw_uplink_source source = {.context = &world->thing,
                                      .read = on_read,
                                      .acknowledged = on_acknowledged,
                                      .new_boot = on_new_boot,
                                      .event_acknowledged = on_event,
                                      .command = on_command,
                                      .update = on_update};
    world->thing.numbers = numbers;
    assert_ok(mw_uplink_new(&world->thing.uplink, world->host, "m", &source, numbers, error));
}

static void connect_host(struct world *world)
{
    struct mw_host_options options = {.client_id = "thing"};
    assert_ok(mw_host_new(&world->host, world->loop, &world->place->plant, &options, error));
}

static void begin(struct world *world, void **state)
{
    *world = (struct world){.place = *state};
    place_start_broker(world->place);
    assert_ok(mw_loop_new(&world->loop, error));
    world->bridge = test_bridge_map();
    test_bridge_open(world->bridge, world->place, world->loop);
    run_until(world->loop, test_bridge_up, world->bridge);
    connect_host(world);
}

static void end(struct world *world)
{
    mw_host_free(world->host);
    test_bridge_close(world->bridge);
    test_bridge_unmap(world->bridge);
    mw_loop_free(world->loop);
}

static void offer(struct world *world, uint64_t n)
{
    world->thing.numbers.next += n;
    world->wanted += n;
    mw_uplink_offer(world->thing.uplink, world->thing.numbers.next);
}

static bool all_acknowledged(void *context)
{
    const struct world *world = context;
    struct mw_numbers numbers = mw_uplink_numbers(world->thing.uplink);
    return numbers.boot != 0 && numbers.first == numbers.next &&
           world->thing.base + numbers.next == world->wanted;
}

static bool half_stored(void *context)
{
    const struct world *world = context;
    return world->bridge->records >= world->wanted / 2;
}

static bool synced(void *context)
{
    const struct world *world = context;
    return mw_uplink_synced(world->thing.uplink);
}

/* Every record of every life of the bridge, once. */
static void assert_each_once(const struct world *world)
{
    assert_int_equal(world->bridge->records, world->wanted);
    assert_int_equal(world->bridge->dead, 0);
    for (uint64_t id = 0; id < world->wanted; id++) {
        assert_int_equal(world->bridge->stored[id], 1);
    }
}

static struct test_position *position_of(struct world *world)
{
    return test_position(world->bridge, mw_span_of("m"));
}

static void unknown_devices_start_boot_1(void **state)
{
    struct world world;
    begin(&world, state);
    add_thing(&world, (struct mw_numbers){0});
    offer(&world, 10000);
    run_until(world.loop, all_acknowledged, &world);
    assert_each_once(&world);
    assert_int_equal(world.thing.numbers.boot, 1);
    assert_int_equal(position_of(&world)->boot, 1);
    assert_int_equal(position_of(&world)->next, 10000);
    assert_true(world.bridge->messages < 10000 / MW_BATCH_MAX + 20); /* full messages */
    end(&world);
}

static void bad_acks_lose_and_double_nothing(void **state)
{
    struct world world;
    begin(&world, state);
    world.bridge->lose = 40;
    world.bridge->hold = 30;
    add_thing(&world, (struct mw_numbers){0});
    for (int i = 0; i < 40; i++) {
        offer(&world, 97);
        run_until(world.loop, half_stored, &world);
    }
    run_until(world.loop, all_acknowledged, &world);
    assert_each_once(&world);
    assert_int_equal(world.thing.boots, 1);
    end(&world);
}

/* What waits is more than what the bridge has of an earlier life: it must not be taken for it. */
static void a_thing_that_lost_its_flash_takes_a_new_boot(void **state)
{
    struct world world;
    begin(&world, state);
    *position_of(&world) =
        (struct test_position){.device = "m", .known = true, .boot = 3, .next = 500};
    add_thing(&world, (struct mw_numbers){0});
    offer(&world, 600);
    run_until(world.loop, all_acknowledged, &world);
    assert_each_once(&world);
    assert_int_equal(position_of(&world)->boot, 4);
    assert_int_equal(position_of(&world)->next, 600);
    end(&world);
}

/* Its memory is of an earlier day: the bridge has numbers that it has not given out. */
static void a_thing_with_an_old_memory_takes_a_new_boot(void **state)
{
    struct world world;
    begin(&world, state);
    *position_of(&world) =
        (struct test_position){.device = "m", .known = true, .boot = 2, .next = 90};
    add_thing(&world, (struct mw_numbers){.boot = 2, .first = 40, .next = 50});
    world.thing.base = (uint64_t)0 - 40; /* number 40 is record 0 */
    world.wanted = 10;
    mw_uplink_offer(world.thing.uplink, 50);
    run_until(world.loop, all_acknowledged, &world);
    assert_each_once(&world);
    assert_int_equal(position_of(&world)->boot, 3);
    end(&world);
}

static void a_bridge_that_lost_its_stream_gets_a_new_boot(void **state)
{
    struct world world;
    begin(&world, state);
    add_thing(&world, (struct mw_numbers){0});
    offer(&world, 300);
    run_until(world.loop, all_acknowledged, &world);
    memset(position_of(&world), 0, sizeof(struct test_position));
    (void)snprintf(position_of(&world)->device, 64, "m");
    world.bridge->n = 1;
    offer(&world, 200);
    run_until(world.loop, all_acknowledged, &world);
    assert_each_once(&world); /* 300 in its first life, 200 in the second */
    assert_int_equal(world.thing.boots, 2);
    assert_int_equal(position_of(&world)->boot, 2);
    assert_int_equal(position_of(&world)->next, 200);
    assert_int_equal(mw_uplink_unsent(world.thing.uplink), 200);
    end(&world);
}

/* An ack that was under way for long, and comes first on a new connection, is no reason to number
 * anew what may be stored. */
static void an_old_ack_is_not_believed(void **state)
{
    struct world world;
    begin(&world, state);
    add_thing(&world, (struct mw_numbers){0});
    offer(&world, 300);
    run_until(world.loop, all_acknowledged, &world);
    mw_host_free(world.host);
    connect_host(&world);
    struct test_position *position = position_of(&world);
    position->next = 100;
    add_thing(&world, (struct mw_numbers){.boot = 1, .first = 300, .next = 300});
    uint64_t statuses = world.bridge->statuses;
    while (world.bridge->statuses == statuses) { /* answered with 100 */
        run_until(world.loop, test_bridge_up, world.bridge);
    }
    position->next = 300;
    offer(&world, 50);
    run_until(world.loop, all_acknowledged, &world);
    assert_each_once(&world);
    assert_int_equal(world.thing.boots, 1);
    end(&world);
}

static void a_boot_that_is_not_on_disk_does_not_begin(void **state)
{
    struct world world;
    begin(&world, state);
    world.thing.disk_full = true;
    add_thing(&world, (struct mw_numbers){0});
    offer(&world, 5);
    uint64_t statuses = world.bridge->statuses + 2;
    while (world.bridge->statuses < statuses) {
        run_until(world.loop, test_bridge_up, world.bridge);
    }
    assert_int_equal(world.bridge->records, 0);
    assert_false(mw_uplink_synced(world.thing.uplink));
    world.thing.disk_full = false;
    run_until(world.loop, all_acknowledged, &world);
    assert_each_once(&world);
    end(&world);
}

static void a_killed_broker_loses_and_doubles_nothing(void **state)
{
    struct world world;
    begin(&world, state);
    add_thing(&world, (struct mw_numbers){0});
    for (int round = 0; round < 3; round++) {
        offer(&world, 20000);
        run_until(world.loop, half_stored, &world);
        place_stop_broker(world.place);
        offer(&world, 100);
        place_start_broker(world.place);
        run_until(world.loop, all_acknowledged, &world);
    }
    assert_each_once(&world);
    assert_int_equal(world.thing.boots, 1);
    end(&world);
}

/* It is away for longer than a stall, and what was sent meanwhile is gone. */
static void a_silent_bridge_is_asked_again(void **state)
{
    struct world world;
    begin(&world, state);
    add_thing(&world, (struct mw_numbers){0});
    run_until(world.loop, synced, &world);
    world.bridge->mute = true;
    offer(&world, 500);
    int64_t until = mw_clock_monotonic() + MW_SECOND / 5;
    while (mw_clock_monotonic() < until) {
        run_until(world.loop, test_bridge_up, world.bridge);
    }
    world.bridge->mute = false;
    run_until(world.loop, all_acknowledged, &world);
    assert_each_once(&world);
    end(&world);
}

static void messages_stay_short(void **state)
{
    struct world world;
    begin(&world, state);
    world.thing.padding = 6000;
    add_thing(&world, (struct mw_numbers){0});
    offer(&world, 300);
    run_until(world.loop, all_acknowledged, &world);
    assert_each_once(&world);
    assert_in_range(world.bridge->longest, 30000, 62000);
    end(&world);
}

static bool heard_all(void *context)
{
    const struct world *world = context;
    return world->thing.commands == 1 && world->thing.updates == 1 && world->thing.event[0] != '\0';
}

static void messages_reach_their_device(void **state)
{
    struct world world;
    begin(&world, state);
    add_thing(&world, (struct mw_numbers){0});
    run_until(world.loop, synced, &world);
    test_send(world.bridge, "ack", "other", "{\"v\":1,\"boot\":9,\"next\":1}");
    test_send(world.bridge, "ack", "m", "not JSON");
    test_send(world.bridge, "ack", "m", "{\"v\":1,\"boot\":-1,\"next\":1}");
    test_send(world.bridge, "command", "m", "{\"v\":1}");
    test_send(world.bridge, "command", "m",
              "{\"v\":1,\"id\":\"m-1-5\",\"device\":\"m\",\"machine\":\"m\",\"action\":\"stop\","
              "\"time\":1,\"expires\":2,\"cause\":\"c\"}");
    test_send(world.bridge, "update", "m", "{\"v\":1,\"desired\":{}}");
    test_send(world.bridge, "ack", "m", "{\"v\":1,\"event\":\"e-1\"}");
    run_until(world.loop, heard_all, &world);
    assert_string_equal(world.thing.event, "e-1");
    assert_int_equal(mw_uplink_numbers(world.thing.uplink).boot, 1);
    end(&world);
}

static void names_are_checked(void **state)
{
    struct world world;
    struct mw_uplink *uplink;
    struct mw_uplink_source source = {.read = on_read};
    begin(&world, state);
    add_thing(&world, (struct mw_numbers){0});
    assert_refused(
        mw_uplink_new(&uplink, world.host, "Motor 1", &source, (struct mw_numbers){0}, error),
        MW_ERR_PARSE, "Motor 1 is no name");
    assert_refused(mw_uplink_new(&uplink, world.host, "m", &source, (struct mw_numbers){0}, error),
                   MW_ERR_EXISTS, "two devices are called m");
    end(&world);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_set_up, place_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(unknown_devices_start_boot_1),
        TEST(bad_acks_lose_and_double_nothing),
        TEST(a_thing_that_lost_its_flash_takes_a_new_boot),
        TEST(a_thing_with_an_old_memory_takes_a_new_boot),
        TEST(a_bridge_that_lost_its_stream_gets_a_new_boot),
        TEST(an_old_ack_is_not_believed),
        TEST(a_boot_that_is_not_on_disk_does_not_begin),
        TEST(a_killed_broker_loses_and_doubles_nothing),
        TEST(a_silent_bridge_is_asked_again),
        TEST(messages_stay_short),
        TEST(messages_reach_their_device),
        TEST(names_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
