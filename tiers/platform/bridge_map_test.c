#include "tiers/platform/bridge_foreign_test_place.h"

static int set_up(void **state)
{
    struct place *place = place_new();
    struct mw_topic_maps *maps = &place->plant.topics;
    assert_int_equal(mw_plant_read(&place->plant, NULL, NULL), MW_OK);
    assert_int_equal(mw_topic_maps_add(maps, "uns", "acme/{area}/{machine}/{feature...}", NULL),
                     MW_OK);
    assert_int_equal(mw_topic_maps_add(maps, "flat", "sensors/data", NULL), MW_OK);
    assert_int_equal(mw_topic_maps_add(maps, "both", "x/{device}/{machine}", NULL), MW_OK);
    place_begin(place);
    *state = place;
    return 0;
}

/* Gives a message that is no record yet. */
static void hold(struct place *place, const char *topic, const char *payload)
{
    mw_bridge_round_clear(&place->intake.round);
    assert_int_equal(
        mw_bridge_intake_take(&place->intake, mw_span_of(topic), mw_span_of(payload), 1, 7), MW_OK);
    assert_int_equal(place->intake.round.n_items, 0);
    assert_int_equal(mw_bridge_intake_seal(&place->intake), MW_OK);
    assert_int_equal(place->intake.round.n_items, 1);
    assert_string_equal(place->intake.round.item[0].topic, "held");
    assert_int_equal(place->intake.round.n_pubacks, 1);
}

/* Gives a message; what came of it must be one item of this topic with these words in it. */
static void check(struct place *place, const char *topic, const char *payload, const char *in,
                  const char *words)
{
    struct mw_bridge_round *round = &place->intake.round;
    mw_bridge_round_clear(round);
    assert_int_equal(
        mw_bridge_intake_take(&place->intake, mw_span_of(topic), mw_span_of(payload), 1, 7), MW_OK);
    assert_int_equal(round->n_items, 1);
    assert_int_equal(round->n_pubacks, 1);
    struct mw_span value = mw_bridge_item_value(round, 0);
    if (strcmp(round->item[0].topic, in) != 0 ||
        memmem(value.data, value.size, words, strlen(words)) == NULL) {
        fail_msg("%s %s: no %s in %s: %.*s", topic, payload, words, round->item[0].topic,
                 (int)value.size, value.data);
    }
}

static void each_message_is_a_record_of_all_values(void **state)
{
    struct place *place = *state;
    hold(place, "acme/hall/Press 1/current", "4.25");
    hold(place, "acme/hall/Press 1/motor/on", " true ");
    check(place, "acme/hall/Press 1/current", "4.5", "telemetry",
          "{\"v\":1,\"device\":\"press-1\",\"time\":1000,\"features\":{\"current\":4.5,\"motor/"
          "on\":1}");
    check(place, "acme/hall/Press 1/current",
          "{\"value\":5,\"timestamp\":1700000000123,\"unit\":\"A\"}", "telemetry",
          "\"time\":1700000000.123,\"features\":{\"current\":5,\"motor/on\":1}");
    check(place, "acme/hall/Press 1", "{\"bearing\":{\"rms\":0.5,\"peak\":{\"z\":2}},\"time\":1.5}",
          "telemetry",
          "\"time\":1.5,\"features\":{\"current\":5,\"motor/on\":1,\"bearing/rms\":0.5,"
          "\"bearing/peak/z\":2}");
    check(place, "acme/hall/Press 1/x", "{\"y\":1,\"time\":\"1970-01-01T00:00:02Z\"}", "telemetry",
          "\"time\":2,");
    assert_int_equal(place->intake.counts.unnumbered, 4);
    assert_int_equal(place->intake.counts.dead, 0);
}

static void the_reference_firmware_is_read(void **state)
{
    struct place *place = *state;
    check(place, "sensors/data",
          "{\"deviceID\":\"ESP32_01\",\"current\":4.5,\"temperature\":40,\"vibration\":0.25,"
          "\"sound\":55}",
          "telemetry",
          "{\"v\":1,\"device\":\"esp32-01\",\"time\":1000,\"features\":{\"current\":4.5,"
          "\"temperature\":40,\"vibration\":0.25,\"sound\":55}");
}

static void records_of_our_own_keep_their_numbers(void **state)
{
    struct place *place = *state;
    check(place, "sensors/data",
          "{\"v\":1,\"device\":\"m\",\"boot\":1,\"seq\":0,\"time\":1,\"features\":{\"a\":1}}",
          "telemetry", "\"boot\":1,\"seq\":0");
    assert_int_equal(place->intake.counts.unnumbered, 0);
    check(place, "sensors/data", "{\"v\":1,\"device\":\"M\",\"features\":{\"a\":1}}", "dead",
          "not a name");
    /* Its name is then no other's. */
    check(place, "acme/hall/m/a", "1", "dead", "another device has that name");
}

static void device_and_machine_may_differ(void **state)
{
    struct place *place = *state;
    check(place, "x/gateway/Motor", "{\"a\":1,\"b\":2}", "telemetry",
          "\"device\":\"gateway\",\"machine\":\"motor\"");
}

static void what_cannot_be_read_is_a_dead_letter(void **state)
{
    static const struct {
        const char *topic, *payload, *words;
    } bad[] = {
        {"acme/hall/p/a", "", "neither a number nor JSON"},
        {"acme/hall/p/a", "4,5", "neither a number nor JSON"},
        {"acme/hall/p/a", "ON", "neither a number nor JSON"},
        {"acme/hall/p/a", "NaN", "neither a number nor JSON"},
        {"acme/hall/p/a", "\"4\"", "neither an object nor a number"},
        {"acme/hall/p/a", "[1]", "neither an object nor a number"},
        {"acme/hall/p/a", "1e300", "range of float32"},
        {"acme/hall/p/a", "{}", "no number in it"},
        {"acme/hall/p/a", "{\"text\":\"x\"}", "no number in it"},
        {"acme/hall/p/a", "{\"a\":1,\"a\":2}", "neither a number nor JSON"},
        {"acme/hall/p", "4.5", "a number by itself needs a {feature}"},
        {"acme/hall//a", "4.5", "neither the topic nor the message says who speaks"},
        {"acme/other/p/a", "4.5", "another device has that name"},
        {"sensors/data", "{\"current\":4.5}", "neither the topic nor the message says who speaks"},
    };
    struct place *place = *state;
    hold(place, "acme/hall/p/a", "1");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        check(place, bad[i].topic, bad[i].payload, "dead", bad[i].words);
    }
    hold(place, "acme/hall/p/b", "1");
    check(place, "acme/hall/p/b", "2", "telemetry", "\"features\":{\"a\":1,\"b\":2}");
}

/* Of a subscription that the broker remembers and plant.yaml does not. */
static void topics_that_are_not_named_are_let_pass(void **state)
{
    struct place *place = *state;
    static const char *const topics[] = {"sensors/other", "spBv1.0/Hall/NBIRTH/Edge"};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(mw_bridge_intake_take(&place->intake, mw_span_of(topics[i]),
                                               mw_span_of("{\"deviceID\":\"a\",\"b\":1}"), 1, 7),
                         MW_OK);
    }
    assert_int_equal(place->intake.round.n_items, 0);
    assert_int_equal(place->intake.round.n_pubacks, 2);
    /* Not so what is wrong among our own. */
    check(place, "mw/p/telemetry/Press_1", "{}", "dead", "the topic is not");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_message_is_a_record_of_all_values), TEST(the_reference_firmware_is_read),
        TEST(records_of_our_own_keep_their_numbers),  TEST(device_and_machine_may_differ),
        TEST(what_cannot_be_read_is_a_dead_letter),   TEST(topics_that_are_not_named_are_let_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
