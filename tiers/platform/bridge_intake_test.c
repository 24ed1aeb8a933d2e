#include "tiers/platform/bridge_intake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int64_t now_us = 1000 * MW_SECOND;

static int64_t now(void *context)
{
    (void)context;
    return now_us;
}

static const struct mw_clock test_clock = {now, NULL};

static int set_up(void **state)
{
    struct mw_bridge_intake *intake = malloc(sizeof *intake);
    assert_non_null(intake);
    assert_int_equal(mw_bridge_intake_init(intake, "p", 3600 * MW_SECOND, test_clock), MW_OK);
    now_us = 1000 * MW_SECOND;
    *state = intake;
    return 0;
}

static int tear_down(void **state)
{
    mw_bridge_intake_clear(*state);
    free(*state);
    return 0;
}

static void give(struct mw_bridge_intake *intake, const char *topic, const char *payload)
{
    assert_int_equal(mw_bridge_intake_take(intake, mw_span_of(topic), mw_span_of(payload), 1, 7),
                     MW_OK);
}

static void give_record(struct mw_bridge_intake *intake, unsigned boot, unsigned seq)
{
    char text[256];
    snprintf(text, sizeof text,
             "{\"v\":1,\"device\":\"m\",\"boot\":%u,\"seq\":%u,\"time\":999.5,"
             "\"features\":{\"a\":1}}",
             boot, seq);
    give(intake, "mw/p/telemetry/m", text);
}

static struct mw_bridge_device *device_of(struct mw_bridge_intake *intake, const char *name)
{
    return mw_table_find(&intake->devices, mw_span_of(name));
}

static size_t count(const struct mw_bridge_intake *intake, const char *topic)
{
    size_t n = 0;
    for (size_t i = 0; i < intake->round.n_items; i++) {
        n += strcmp(intake->round.item[i].topic, topic) == 0 ? 1 : 0;
    }
    return n;
}

static void assert_value(const struct mw_bridge_intake *intake, size_t i, const char *expected)
{
    char text[2048];
    struct mw_span value = mw_bridge_item_value(&intake->round, i);
    snprintf(text, sizeof text, "%.*s", (int)value.size, value.data);
    assert_string_equal(text, expected);
}

struct acks {
    size_t n, events;
    struct mw_ack last;
    struct mw_bridge_intake *intake;
};

static void on_ack(void *context, const char *device, struct mw_span json)
{
    struct acks *acks = context;
    struct mw_wire_parser *parser = acks->intake->inner;
    assert_int_equal(mw_wire_open(parser, json, NULL), MW_OK);
    assert_non_null(device);
    if (mw_wire_has(parser, 0, "event")) {
        acks->events++;
        return;
    }
    acks->n++;
    assert_int_equal(mw_wire_read_ack(parser, 0, &acks->last, NULL), MW_OK);
}

/* Ends the round as the bridge does behind a commit. */
static struct acks store(struct mw_bridge_intake *intake)
{
    struct acks acks = {.intake = intake};
    assert_int_equal(mw_bridge_intake_seal(intake), MW_OK);
    mw_bridge_intake_stored(intake, on_ack, &acks);
    return acks;
}

static void assert_ack(struct acks acks, size_t n, uint32_t boot, uint64_t next)
{
    assert_int_equal(acks.n, n);
    assert_int_equal(acks.last.boot, boot);
    assert_int_equal(acks.last.next, next);
}

static void record_stays_as_it_came(void **state)
{
    struct mw_bridge_intake *intake = *state;
    give(intake, "mw/p/telemetry/m",
         "{ \"v\":1,\"device\":\"m\",\"boot\":1, \"seq\":0,\"time\":999.5,"
         "\"features\":{\"a\":1.50},\"more\":[1,{}] }");
    assert_int_equal(intake->round.n_items, 1);
    assert_string_equal(intake->round.item[0].topic, "telemetry");
    assert_true(mw_span_is(mw_bridge_item_key(&intake->round, 0), "m"));
    assert_value(intake, 0,
                 "{ \"v\":1,\"device\":\"m\",\"boot\":1, \"seq\":0,\"time\":999.5,"
                 "\"features\":{\"a\":1.50},\"more\":[1,{}] ,\"received\":1000}");
    assert_int_equal(intake->round.n_pubacks, 1);
    assert_int_equal(intake->round.puback[0].id, 7);
}

static void far_time_is_suspect(void **state)
{
    struct mw_bridge_intake *intake = *state;
    now_us = 10000 * MW_SECOND;
    give_record(intake, 1, 0);
    assert_value(intake, 0,
                 "{\"v\":1,\"device\":\"m\",\"boot\":1,\"seq\":0,\"time\":999.5,"
                 "\"features\":{\"a\":1},\"received\":10000,\"time_suspect\":true}");
    intake->tolerance = -1;
    give_record(intake, 1, 1);
    struct mw_span value = mw_bridge_item_value(&intake->round, 1);
    assert_null(memmem(value.data, value.size, "suspect", 7));
}

static void only_the_next_number_is_taken(void **state)
{
    struct mw_bridge_intake *intake = *state;
    give_record(intake, 1, 1); /* 0 is still to come */
    assert_int_equal(count(intake, "telemetry"), 0);
    assert_int_equal(intake->counts.ahead, 1);
    give_record(intake, 1, 0);
    give_record(intake, 1, 1);
    give_record(intake, 1, 1);
    give_record(intake, 1, 0);
    give_record(intake, 1, 3);
    assert_int_equal(count(intake, "telemetry"), 2);
    assert_int_equal(intake->counts.again, 2);
    assert_ack(store(intake), 1, 1, 2);
    /* An old one alone is acknowledged again, and so is one that comes too early. */
    give_record(intake, 1, 0);
    assert_ack(store(intake), 1, 1, 2);
    give_record(intake, 1, 9);
    assert_ack(store(intake), 1, 1, 2);
}

static void new_boot_begins_at_zero(void **state)
{
    struct mw_bridge_intake *intake = *state;
    give_record(intake, 3, 0);
    give_record(intake, 3, 1);
    give_record(intake, 4, 1);
    assert_int_equal(count(intake, "telemetry"), 2);
    give_record(intake, 4, 0);
    give_record(intake, 4, 1);
    assert_int_equal(count(intake, "telemetry"), 4);
    give_record(intake, 3, 2); /* of an epoch that is over */
    assert_int_equal(count(intake, "telemetry"), 4);
    assert_ack(store(intake), 1, 4, 2);
    assert_int_equal(device_of(intake, "m")->stored, 4);
}

static void broken_record_does_not_stop_the_sequence(void **state)
{
    struct mw_bridge_intake *intake = *state;
    give(intake, "mw/p/telemetry/m",
         "[{\"v\":1,\"device\":\"m\",\"boot\":1,\"seq\":0,\"time\":1,\"features\":{\"a\":1}},"
         "{\"v\":1,\"device\":\"m\",\"boot\":1,\"seq\":1,\"time\":1,\"features\":{\"a\":\"x\"}},"
         "{\"v\":1,\"device\":\"m\",\"boot\":1,\"seq\":2,\"time\":1,\"features\":{\"a\":1}}]");
    assert_int_equal(count(intake, "telemetry"), 2);
    assert_int_equal(count(intake, "dead"), 1);
    assert_int_equal(device_of(intake, "m")->dead, 1);
    struct mw_span value = mw_bridge_item_value(&intake->round, 1);
    assert_non_null(memmem(value.data, value.size, "\"boot\":1,\"seq\":1,", 17));
    assert_non_null(memmem(value.data, value.size, "\\\"a\\\":\\\"x\\\"", 11));
    assert_ack(store(intake), 1, 1, 3);
    /* Sent again, it is not buried again. */
    give(intake, "mw/p/telemetry/m",
         "{\"v\":1,\"device\":\"m\",\"boot\":1,\"seq\":1,\"time\":1,\"features\":{\"a\":\"x\"}}");
    assert_int_equal(count(intake, "dead"), 0);
}

static void broken_message_is_one_dead_letter(void **state)
{
    static const char *const broken[] = {
        "{\"v\":1",
        "",
        "[]",
        "7",
        "{\"v\":2,\"device\":\"m\",\"time\":1,\"features\":{\"a\":1}}",
        "{\"v\":1,\"device\":\"other\",\"boot\":1,\"seq\":0,\"time\":1,\"features\":{\"a\":1}}",
        "{\"v\":1,\"device\":\"m\",\"time\":\"soon\",\"features\":{\"a\":1}}",
        "{\"v\":1,\"device\":\"m\",\"time\":1,\"features\":{\"a\":1},\"received\":5}",
        "\xff\xfe{}",
    };
    struct mw_bridge_intake *intake = *state;
    size_t n = sizeof broken / sizeof *broken;
    for (size_t i = 0; i < n; i++) {
        give(intake, "mw/p/telemetry/m", broken[i]);
        assert_int_equal(count(intake, "dead"), i + 1);
        assert_int_equal(count(intake, "telemetry"), 0);
        /* A dead letter is itself good JSON, whatever was in the message. */
        struct mw_why why;
        assert_int_equal(mw_wire_open(intake->inner, mw_bridge_item_value(&intake->round, i), &why),
                         MW_OK);
    }
    give(intake, "mw/p/telemetry/Not A Name", "{}");
    assert_int_equal(count(intake, "dead"), n + 1);
    assert_int_equal(intake->round.n_pubacks, n + 1);
}

static void unnumbered_record_is_kept_each_time(void **state)
{
    struct mw_bridge_intake *intake = *state;
    const char *reference = "{\"deviceID\":\"m\",\"current\":4.5,\"temperature\":60,"
                            "\"vibration\":1,\"sound\":2}";
    give(intake, "mw/p/telemetry/m", reference);
    give(intake, "mw/p/telemetry/m", reference);
    assert_int_equal(count(intake, "telemetry"), 2);
    assert_int_equal(intake->counts.unnumbered, 2);
    struct mw_span value = mw_bridge_item_value(&intake->round, 0);
    assert_non_null(memmem(value.data, value.size, "\"time\":1000", 11));
    assert_non_null(memmem(value.data, value.size, "\"received\":1000", 15));
    /* What is stored can be read as telemetry. */
    assert_int_equal(mw_wire_open(intake->inner, value, NULL), MW_OK);
    assert_int_equal(mw_wire_read_telemetry(intake->inner, 0, &intake->telemetry, NULL), MW_OK);
    assert_false(intake->telemetry.numbered);
    assert_int_equal(intake->telemetry.n_features, 4);
    assert_false(device_of(intake, "m")->known);
    assert_int_equal(store(intake).n, 0);
}

static void sketch_is_a_numbered_record(void **state)
{
    struct mw_bridge_intake *intake = *state;
    static const char sketch[] =
        "{\"v\":1,\"device\":\"m\",\"boot\":1,\"seq\":1,\"bundle\":\"sha256:"
        "0000000000000000000000000000000000000000000000000000000000000000\",\"from\":1,\"to\":2,"
        "\"count\":3,\"features\":{\"a\":[3,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]},"
        "\"score\":[3,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}";
    give_record(intake, 1, 0);
    give(intake, "mw/p/telemetry/m", sketch);
    assert_int_equal(count(intake, "sketch"), 1);
    assert_int_equal(device_of(intake, "m")->stored, 2);
    assert_int_equal(device_of(intake, "m")->sketches, 1);
    assert_ack(store(intake), 1, 1, 2);
}

static void events_go_by_machine(void **state)
{
    struct mw_bridge_intake *intake = *state;
    give(intake, "mw/p/event/person",
         "{\"v\":1,\"id\":\"e1\",\"machine\":\"m\",\"type\":\"failure\",\"time\":5,\"by\":\"me\"}");
    assert_int_equal(count(intake, "event"), 1);
    assert_true(mw_span_is(mw_bridge_item_key(&intake->round, 0), "m"));
    give(intake, "mw/p/event/person", "{\"v\":1,\"id\":\"e1\",\"machine\":\"m\"}");
    assert_int_equal(count(intake, "dead"), 1);
    /* Both may be forgotten by their sender; only events with an id can be named. */
    assert_int_equal(store(intake).events, 2);
}

static void status_is_answered_with_the_position(void **state)
{
    struct mw_bridge_intake *intake = *state;
    give(intake, "mw/p/status/m",
         "{\"v\":1,\"device\":\"m\",\"boot\":5,\"last_seq\":-1,\"published\":0}");
    assert_int_equal(count(intake, "status"), 1);
    assert_ack(store(intake), 1, 0, 0); /* never heard of */
    give_record(intake, 5, 0);
    give_record(intake, 5, 1);
    (void)store(intake);
    /* Flash was lost: the thing is told what is known and goes on at boot 6. */
    give(intake, "mw/p/status/m",
         "{\"v\":1,\"device\":\"m\",\"boot\":1,\"last_seq\":9,\"published\":10}");
    assert_ack(store(intake), 1, 5, 2);
    assert_int_equal(intake->pending, 0);
    give(intake, "mw/p/status/m",
         "{\"v\":1,\"device\":\"m\",\"boot\":6,\"last_seq\":9,\"published\":10}");
    (void)store(intake);
    assert_int_equal(intake->pending, 10);
    give_record(intake, 6, 0);
    (void)store(intake);
    assert_int_equal(intake->pending, 9);
    give(intake, "mw/p/status/m", "{\"v\":1,\"device\":\"x\",\"boot\":1,\"last_seq\":0}");
    assert_int_equal(count(intake, "dead"), 1);
    assert_int_equal(store(intake).n, 0);
}

static void numbers_given_up_are_passed_over(void **state)
{
    struct mw_bridge_intake *intake = *state;
    give_record(intake, 1, 0);
    give(intake, "mw/p/status/m",
         "{\"v\":1,\"device\":\"m\",\"boot\":1,\"last_seq\":9,\"dropped\":4,"
         "\"oldest\":{\"boot\":1,\"seq\":5}}");
    assert_int_equal(device_of(intake, "m")->skipped, 4);
    assert_ack(store(intake), 1, 1, 5);
    give_record(intake, 1, 5);
    assert_int_equal(count(intake, "telemetry"), 1);
    /* What it still has is not ahead of the position: nothing moves. */
    give(intake, "mw/p/status/m",
         "{\"v\":1,\"device\":\"m\",\"boot\":1,\"last_seq\":9,\"oldest\":{\"boot\":1,\"seq\":2}}");
    assert_ack(store(intake), 1, 1, 6);
}

static void position_survives_as_json(void **state)
{
    struct mw_bridge_intake *intake = *state;
    give(intake, "mw/p/telemetry/m",
         "{\"v\":1,\"device\":\"m\",\"machine\":\"pump-2\",\"boot\":4000000000,\"seq\":0,"
         "\"time\":12.25,\"features\":{\"a\":1}}");
    assert_int_equal(mw_bridge_intake_seal(intake), MW_OK);
    assert_string_equal(intake->round.item[1].topic, "position");
    assert_true(intake->round.item[1].put);
    struct mw_bridge_device *back = calloc(1, sizeof *back);
    assert_non_null(back);
    back->key.name = mw_span_of("m");
    assert_int_equal(
        mw_bridge_read_position(intake->inner, mw_bridge_item_value(&intake->round, 1), back),
        MW_OK);
    assert_true(back->known);
    assert_int_equal(back->boot, 4000000000);
    assert_int_equal(back->next, 1);
    assert_int_equal(back->stored, 1);
    assert_int_equal(back->time, 12250000);
    assert_int_equal(back->received, 1000 * MW_SECOND);
    assert_int_equal(back->n_machines, 1);
    assert_string_equal(back->machines[0], "pump-2");
    mw_bridge_device_free(back);
}

/* A round whose storing fails stays whole, with its positions, and nothing is acknowledged. */
static void failed_round_stays(void **state)
{
    struct mw_bridge_intake *intake = *state;
    give_record(intake, 1, 0);
    assert_int_equal(mw_bridge_intake_seal(intake), MW_OK);
    assert_int_equal(mw_bridge_intake_seal(intake), MW_OK);
    assert_int_equal(intake->round.n_items, 2);
    assert_int_equal(intake->round.n_pubacks, 1);
    assert_ack(store(intake), 1, 1, 1);
    assert_true(mw_bridge_round_empty(&intake->round));
}

/* A thing on a line that loses, repeats and reorders: in the end each number is there once. */
static void line_that_loses_and_repeats(void **state)
{
    struct mw_bridge_intake *intake = *state;
    unsigned random = 12345, acked = 0, stored = 0;
    for (unsigned round = 0; round < 4000 && acked < 500; round++) {
        for (unsigned i = 0; i < 6; i++) {
            random = random * 1103515245 + 12345;
            if (random >> 16 & 1) {
                give_record(intake, 1, acked + (random >> 20) % 5);
            }
        }
        for (size_t i = 0; i < intake->round.n_items; i++) {
            char expected[32];
            snprintf(expected, sizeof expected, "\"seq\":%u,", stored);
            struct mw_span value = mw_bridge_item_value(&intake->round, i);
            assert_non_null(memmem(value.data, value.size, expected, strlen(expected)));
            stored++;
        }
        struct acks acks = store(intake);
        random = random * 1103515245 + 12345;
        if (acks.n > 0 && (random >> 16) % 3 != 0) { /* acks get lost too */
            acked = (unsigned)acks.last.next;
        }
    }
    assert_true(acked >= 500);
    assert_int_equal(device_of(intake, "m")->stored, stored);
}

static void many_devices(void **state)
{
    struct mw_bridge_intake *intake = *state;
    for (unsigned i = 0; i < 20000; i++) {
        char name[32];
        snprintf(name, sizeof name, "motor-%u", i);
        struct mw_bridge_device *device = mw_bridge_device(&intake->devices, mw_span_of(name));
        assert_non_null(device);
        device->stored = i;
    }
    assert_int_equal(intake->devices.count, 20000);
    for (unsigned i = 0; i < 20000; i += 2) {
        char name[32];
        snprintf(name, sizeof name, "motor-%u", i);
        struct mw_bridge_device *device = device_of(intake, name);
        mw_table_remove(&intake->devices, device);
        mw_bridge_device_free(device);
    }
    for (unsigned i = 0; i < 20000; i++) {
        char name[32];
        snprintf(name, sizeof name, "motor-%u", i);
        struct mw_bridge_device *device = device_of(intake, name);
        assert_int_equal(device != NULL, i % 2);
        assert_true(device == NULL || device->stored == i);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(record_stays_as_it_came),
        TEST(far_time_is_suspect),
        TEST(only_the_next_number_is_taken),
        TEST(new_boot_begins_at_zero),
        TEST(broken_record_does_not_stop_the_sequence),
        TEST(broken_message_is_one_dead_letter),
        TEST(unnumbered_record_is_kept_each_time),
        TEST(sketch_is_a_numbered_record),
        TEST(events_go_by_machine),
        TEST(status_is_answered_with_the_position),
        TEST(numbers_given_up_are_passed_over),
        TEST(position_survives_as_json),
        TEST(failed_round_stays),
        TEST(line_that_loses_and_repeats),
        TEST(many_devices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
