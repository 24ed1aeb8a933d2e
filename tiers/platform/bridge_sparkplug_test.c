#include "tiers/platform/bridge_foreign_test_place.h"

#define T (NOW * MW_SECOND)

/* What a node says, while it is put together. */
static struct mw_sparkplug_writer writer;
static char said[4096];

static int set_up(void **state)
{
    struct place *place = place_new();
    assert_int_equal(mw_plant_read(&place->plant, NULL, NULL), MW_OK);
    assert_int_equal(mw_options_set(mw_plant_options, &place->plant, "sparkplug.groups",
                                    "Hall, Other", NULL, NULL),
                     MW_OK);
    place_begin(place);
    *state = place;
    return 0;
}

/* So many times a rebirth was asked for, and nothing else. */
static void expect_asked(const struct place *place, unsigned times)
{
    struct mw_sparkplug_payload body;
    struct mw_sparkplug_metric metric;
    assert_int_equal(place->sent, times);
    if (times > 0) {
        const struct mw_span payload = {place->payload, place->size};
        assert_int_equal(mw_sparkplug_open(&body, payload, NULL), MW_OK);
        assert_true(mw_sparkplug_next(&body, &metric) && place->qos == 0 && !body.has_seq);
        assert_true(mw_span_is(metric.name, "Node Control/Rebirth") && metric.integer == 1);
    }
}

/* ---- payloads ---- */

static void begin(int64_t time)
{
    mw_sparkplug_begin(&writer, said, sizeof said, time);
}

/* name NULL: by alias alone; alias 0: by name alone; type 0: not said. */
static void add(const char *name, uint64_t alias, uint32_t type, float value)
{
    struct mw_sparkplug_metric metric = {.has_name = name != NULL,
                                         .name = mw_span_of(name == NULL ? "" : name),
                                         .has_alias = alias != 0,
                                         .alias = alias,
                                         .type = type,
                                         .value = MW_SPARKPLUG_AS_FLOAT,
                                         .single = value};
    mw_sparkplug_add(&writer, &metric);
}

static void add_time(uint64_t alias, float value, int64_t time, bool past)
{
    struct mw_sparkplug_metric metric = {.has_alias = true,
                                         .alias = alias,
                                         .has_time = true,
                                         .time = time,
                                         .historical = past,
                                         .value = MW_SPARKPLUG_AS_FLOAT,
                                         .single = value};
    mw_sparkplug_add(&writer, &metric);
}

/* seq -1: none. */
static void give(struct place *place, const char *topic, int seq)
{
    size_t length;
    uint64_t number = (uint64_t)seq;
    assert_int_equal(mw_sparkplug_end(&writer, seq < 0 ? NULL : &number, &length), MW_OK);
    assert_int_equal(mw_bridge_intake_take(&place->intake, mw_span_of(topic),
                                           (struct mw_span){said, length}, 1, 0),
                     MW_OK);
}

static void give_node_birth(struct place *place, unsigned bd_seq)
{
    begin(T);
    struct mw_sparkplug_metric metric = {.has_name = true,
                                         .name = mw_span_of("bdSeq"),
                                         .type = MW_SPARKPLUG_INT64,
                                         .value = MW_SPARKPLUG_AS_INTEGER,
                                         .integer = bd_seq};
    mw_sparkplug_add(&writer, &metric);
    give(place, "spBv1.0/Hall/NBIRTH/Edge", 0);
}

static void give_device_birth(struct place *place, int seq, float a, float b)
{
    begin(T);
    add("a", 1, MW_SPARKPLUG_FLOAT, a);
    add("b/c", 2, MW_SPARKPLUG_FLOAT, b);
    add("Device Control/Rebirth", 3, MW_SPARKPLUG_BOOLEAN, 0);
    give(place, "spBv1.0/Hall/DBIRTH/Edge/M_1", seq);
}

static void give_data(struct place *place, int seq, uint64_t alias, float value)
{
    begin(T + MW_SECOND);
    add(NULL, alias, 0, value);
    give(place, "spBv1.0/Hall/DDATA/Edge/M_1", seq);
}

static void give_death(struct place *place, unsigned bd_seq)
{
    begin(T);
    struct mw_sparkplug_metric metric = {.has_name = true,
                                         .name = mw_span_of("bdSeq"),
                                         .type = MW_SPARKPLUG_INT64,
                                         .value = MW_SPARKPLUG_AS_INTEGER,
                                         .integer = bd_seq};
    mw_sparkplug_add(&writer, &metric);
    give(place, "spBv1.0/Hall/NDEATH/Edge", -1);
}

/* ---- what came of them ---- */

static size_t count(const struct place *place, const char *topic)
{
    size_t n = 0;
    for (size_t i = 0; i < place->intake.round.n_items; i++) {
        n += strcmp(place->intake.round.item[i].topic, topic) == 0;
    }
    return n;
}

/* The newest item of a topic has these words in it. */
static void assert_last(const struct place *place, const char *topic, const char *words)
{
    const struct mw_bridge_round *round = &place->intake.round;
    for (size_t i = round->n_items; i-- > 0;) {
        if (strcmp(round->item[i].topic, topic) == 0) {
            struct mw_span value = mw_bridge_item_value(round, i);
            if (memmem(value.data, value.size, words, strlen(words)) == NULL) {
                fail_msg("no %s in: %.*s", words, (int)value.size, value.data);
            }
            return;
        }
    }
    fail_msg("nothing in %s", topic);
}

static void data_is_a_record_of_all_that_is_held(void **state)
{
    struct place *place = *state;
    give_node_birth(place, 7);
    give_device_birth(place, 1, 1.5F, 2);
    assert_int_equal(count(place, "telemetry"), 1); /* the birth says what nobody knew */
    assert_last(
        place, "telemetry",
        "{\"v\":1,\"device\":\"edge-m-1\",\"time\":1000,\"features\":{\"a\":1.5,\"b/c\":2}");
    give_data(place, 2, 2, 9);
    assert_last(place, "telemetry", "\"time\":1001,\"features\":{\"a\":1.5,\"b/c\":9}");
    assert_int_equal(count(place, "status"), 2);
    assert_int_equal(place->intake.counts.unnumbered, 2);
    expect_asked(place, 0);
    assert_int_equal(count(place, "dead"), 0);
}

static void a_birth_that_says_nothing_new_is_no_record(void **state)
{
    struct place *place = *state;
    give_node_birth(place, 7);
    give_device_birth(place, 1, 1, 2);
    give_node_birth(place, 7);
    give_device_birth(place, 1, 1, 2);
    assert_int_equal(count(place, "telemetry"), 1);
    give_node_birth(place, 7);
    give_device_birth(place, 1, 1, 3);
    assert_int_equal(count(place, "telemetry"), 2);
}

static void samples_in_one_payload_are_records_each(void **state)
{
    struct place *place = *state;
    give_node_birth(place, 0);
    give_device_birth(place, 1, 1, 2);
    begin(T + 9 * MW_SECOND);
    add_time(1, 10, T + 1 * MW_SECOND, false);
    add_time(2, 20, T + 2 * MW_SECOND, false);
    add_time(1, 11, T + 3 * MW_SECOND, false);
    add_time(1, 5, T - 5 * MW_SECOND, true);
    give(place, "spBv1.0/Hall/DDATA/Edge/M_1", 2);
    assert_int_equal(count(place, "telemetry"), 4);
    assert_last(place, "telemetry", "\"time\":995,\"features\":{\"a\":5,\"b/c\":20}");
    /* What is about the past left the newest value as it was. */
    give_data(place, 3, 2, 21);
    assert_last(place, "telemetry", "\"features\":{\"a\":11,\"b/c\":21}");
}

static void a_gap_asks_for_a_rebirth_and_trusts_no_alias(void **state)
{
    struct place *place = *state;
    give_node_birth(place, 7);
    give_device_birth(place, 1, 1, 2);
    give_data(place, 3, 1, 5); /* 2 is missing */
    expect_asked(place, 1);
    assert_string_equal(place->topic, "spBv1.0/Hall/NCMD/Edge");
    assert_int_equal(place->intake.counts.gaps, 1);
    assert_int_equal(count(place, "telemetry"), 1);
    assert_last(place, "dead", "an alias behind a gap");
    assert_last(place, "status",
                "\"device\":\"edge\",\"origin\":\"spBv1.0/Hall/Edge\","
                "\"gap\":{\"expected\":2,\"got\":3}");
    begin(T); /* by name it is what it says */
    add("a", 0, 0, 6);
    give(place, "spBv1.0/Hall/DDATA/Edge/M_1", 4);
    assert_last(place, "telemetry", "\"a\":6");
    assert_int_equal(place->intake.counts.gaps, 1);
    expect_asked(place, 1); /* not twice at once */
    place->now += 6 * MW_SECOND;
    give_data(place, 5, 1, 7);
    expect_asked(place, 2);
    give_node_birth(place, 7);
    give_device_birth(place, 1, 8, 2);
    assert_last(place, "telemetry", "\"a\":8");
    give_data(place, 2, 1, 9);
    assert_last(place, "telemetry", "\"a\":9");
    expect_asked(place, 2);
}

static void the_numbers_come_round(void **state)
{
    struct place *place = *state;
    give_node_birth(place, 7);
    give_device_birth(place, 1, 1, 2);
    for (int i = 2; i < 600; i++) {
        give_data(place, i % 256, 1, (float)i);
    }
    assert_int_equal(place->intake.counts.gaps, 0);
    assert_int_equal(count(place, "telemetry"), 599);
    begin(T);
    give(place, "spBv1.0/Hall/DDATA/Edge/M_1", 256);
    assert_last(place, "dead", "seq is not");
    begin(T);
    give(place, "spBv1.0/Hall/DDATA/Edge/M_1", -1);
    assert_int_equal(count(place, "dead"), 2);
}

/* After a kill between commit and PUBACK the broker delivers again, and marks it. */
static void what_comes_again_is_not_taken_again(void **state)
{
    struct place *place = *state;
    give_node_birth(place, 7);
    give_device_birth(place, 1, 1, 2);
    give_data(place, 2, 1, 3);
    give_data(place, 3, 1, 4);
    place->intake.duplicate = true;
    give_node_birth(place, 7);
    give_device_birth(place, 1, 1, 2);
    give_data(place, 2, 1, 3);
    give_data(place, 3, 1, 4);
    assert_int_equal(count(place, "telemetry"), 3);
    assert_int_equal(place->intake.counts.again, 4);
    give_data(place, 4, 1, 5); /* and this one had not been taken */
    assert_int_equal(count(place, "telemetry"), 4);
    assert_int_equal(place->intake.counts.gaps, 0);
}

/* By the time that it comes again, seq may have come round more than once. */
static void what_comes_again_is_known_by_its_time(void **state)
{
    struct place *place = *state;
    give_node_birth(place, 7);
    give_device_birth(place, 1, 1, 2);
    for (int again = 0; again < 2; again++) {
        for (int i = again == 0 ? 2 : 10; i < 700; i++) {
            begin(T + i / 50 * (MW_SECOND / 1000)); /* 50 in a millisecond */
            add(NULL, 1, 0, (float)i);
            give(place, "spBv1.0/Hall/DDATA/Edge/M_1", i % 256);
        }
        place->intake.duplicate = true;
        assert_int_equal(count(place, "telemetry"), 699);
    }
    assert_int_equal(place->intake.counts.again, 690);
    assert_int_equal(place->intake.counts.gaps, 0);
    begin(T + MW_SECOND); /* new, though marked: what was before it is missing */
    add("a", 1, 0, 1);
    give(place, "spBv1.0/Hall/DDATA/Edge/M_1", 9);
    assert_int_equal(place->intake.counts.gaps, 1);
}

static void data_without_a_birth_asks_for_one(void **state)
{
    struct place *place = *state;
    give_data(place, 9, 1, 1);
    expect_asked(place, 1);
    assert_last(place, "dead", "no birth of the device was seen");
    give_node_birth(place, 1);
    give_data(place, 1, 1, 1); /* of a device that has not been born yet */
    expect_asked(place, 2);
    give_device_birth(place, 2, 1, 2);
    give_data(place, 3, 8, 1); /* an alias that nobody gave */
    assert_last(place, "dead", "not in the birth");
    assert_int_equal(count(place, "telemetry"), 1);
}

static void deaths_are_noted(void **state)
{
    struct place *place = *state;
    struct mw_bridge_device *device;
    give_node_birth(place, 7);
    give_device_birth(place, 1, 1, 2);
    device = mw_table_find(&place->intake.devices, mw_span_of("edge-m-1"));
    assert_non_null(device);
    give_death(place, 6); /* of the connection before */
    assert_false(device->gone);
    give_death(place, 7);
    assert_true(device->gone);
    assert_int_equal(count(place, "status"), 4);
    assert_last(place, "status", "\"gone\":true");
    give_node_birth(place, 8);
    give_device_birth(place, 1, 1, 2);
    assert_false(device->gone);
    begin(T);
    give(place, "spBv1.0/Hall/DDEATH/Edge/M_1", 2);
    assert_true(device->gone);
    assert_last(place, "status", "\"device\":\"edge-m-1\"");
    give_data(place, 3, 1, 1);
    assert_last(place, "dead", "no birth of the device was seen");
}

static void names_must_not_meet(void **state)
{
    struct place *place = *state;
    give_node_birth(place, 7);
    give_device_birth(place, 1, 1, 2);
    begin(T);
    give(place, "spBv1.0/Other/NBIRTH/eDGE", 0);
    assert_last(place, "dead", "another device has that name");
    char topic[128];
    snprintf(topic, sizeof topic, "spBv1.0/Hall/NBIRTH/%070d", 1);
    begin(T);
    give(place, topic, 0);
    assert_last(place, "dead", "too long");
}

static void commands_and_states_of_others_are_let_pass(void **state)
{
    struct place *place = *state;
    static const char *const topics[] = {"spBv1.0/Hall/NCMD/Edge", "spBv1.0/Hall/DCMD/Edge/M",
                                         "spBv1.0/STATE/scada"};
    for (size_t i = 0; i < 3; i++) {
        begin(T);
        give(place, topics[i], -1);
    }
    assert_int_equal(place->intake.round.n_items, 0);
    begin(T);
    give(place, "spBv1.0/Hall/XDATA/Edge", -1);
    assert_last(place, "dead", "none of Sparkplug B's");
}

static void broken_payloads_are_dead_letters(void **state)
{
    struct place *place = *state;
    give_node_birth(place, 7);
    assert_int_equal(mw_bridge_intake_take(&place->intake, mw_span_of("spBv1.0/Hall/NDATA/Edge"),
                                           mw_span_of("{\"no\":1}"), 1, 5),
                     MW_OK);
    assert_last(place, "dead", "not a Sparkplug B payload");
    assert_int_equal(place->intake.round.n_pubacks, 1);
}

static void a_name_with_a_nul_is_none(void **state)
{
    struct place *place = *state;
    give_node_birth(place, 7);
    begin(T);
    struct mw_sparkplug_metric metric = {.has_name = true,
                                         .name = {"a\0b", 3},
                                         .type = MW_SPARKPLUG_FLOAT,
                                         .value = MW_SPARKPLUG_AS_FLOAT};
    mw_sparkplug_add(&writer, &metric);
    metric.name = (struct mw_span){"a", 1};
    mw_sparkplug_add(&writer, &metric);
    give(place, "spBv1.0/Hall/DBIRTH/Edge/M_1", 1);
    assert_last(place, "dead", "a NUL");
    assert_int_equal(count(place, "telemetry"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(data_is_a_record_of_all_that_is_held),
        TEST(a_birth_that_says_nothing_new_is_no_record),
        TEST(samples_in_one_payload_are_records_each),
        TEST(a_gap_asks_for_a_rebirth_and_trusts_no_alias),
        TEST(the_numbers_come_round),
        TEST(what_comes_again_is_not_taken_again),
        TEST(what_comes_again_is_known_by_its_time),
        TEST(data_without_a_birth_asks_for_one),
        TEST(deaths_are_noted),
        TEST(names_must_not_meet),
        TEST(commands_and_states_of_others_are_let_pass),
        TEST(broken_payloads_are_dead_letters),
        TEST(a_name_with_a_nul_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
