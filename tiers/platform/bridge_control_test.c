#include "tiers/platform/bridge_foreign_test_place.h"

#define DATA "shaded-pole-motor-sensor_data"
#define CONTROL "control-message"
#define NAME "0123456789abcdef-model.tflite"

static int set_up(void **state)
{
    static const char text[] = "plant: p\nreference: {enabled: true}\n";
    struct place *place = place_new();
    assert_ok(mw_plant_parse(&place->plant, text, strlen(text), "plant.yaml", error));
    place_begin(place);
    *state = place;
    return 0;
}

/* Gives a message; the one item that came of it, or NULL. */
static const struct mw_bridge_item *give(struct place *place, const char *topic,
                                         const char *payload)
{
    struct mw_bridge_round *round = &place->intake.round;
    mw_bridge_round_clear(round);
    assert_int_equal(
        mw_bridge_intake_take(&place->intake, mw_span_of(topic), mw_span_of(payload), 1, 7), MW_OK);
    assert_in_range(round->n_items, 0, 1);
    assert_int_equal(round->n_pubacks, 1);
    return round->n_items == 0 ? NULL : &round->item[0];
}

static void check(struct place *place, const char *payload, const char *in, const char *words)
{
    const struct mw_bridge_item *item = give(place, CONTROL, payload);
    assert_non_null(item);
    struct mw_span value = mw_bridge_item_value(&place->intake.round, 0);
    if (strcmp(item->topic, in) != 0 ||
        memmem(value.data, value.size, words, strlen(words)) == NULL) {
        fail_msg("%s: no %s in %s: %.*s", payload, words, item->topic, (int)value.size, value.data);
    }
}

static void speak(struct place *place, const char *device)
{
    char text[256];
    snprintf(text, sizeof text,
             "{\"deviceID\": \"%s\", \"current\": 4.69, \"temperature\": 39.06, "
             "\"vibration\": 39.06, \"sound\": 12.50, \"fft_data\": \"true\"}",
             device);
    const struct mw_bridge_item *item = give(place, DATA, text);
    assert_non_null(item);
    assert_string_equal(item->topic, "telemetry");
    struct mw_span value = mw_bridge_item_value(&place->intake.round, 0);
    assert_non_null(memmem(value.data, value.size, "\"sound\":12.5", 12));
    assert_null(memmem(value.data, value.size, "fft", 3));
}

static void told(struct place *place, const char *json)
{
    mw_bridge_round_clear(&place->intake.round);
    place->intake.others.told(place->intake.others.context, mw_span_of(json));
    mw_bridge_control_pump(&place->foreign.control);
}

static void test_requests_are_for_the_learner(void **state)
{
    struct place *place = *state;
    check(place, "{\"command\":\"extract-data\",\"payload\":\"raw_sensor_training_data_1.csv\"}",
          "request",
          "{\"v\":1,\"command\":\"extract-data\",\"payload\":\"raw_sensor_training_data_1.csv\","
          "\"time\":1000");
    check(place, "{\"payload\":\"a \\\"b\\\"\",\"command\":\"train-model\",\"more\":1}", "request",
          "\"command\":\"train-model\",\"payload\":\"a \\\"b\\\"\"");
    assert_null(give(place, CONTROL,
                     "{\"command\": \"download-model\", \"payload\": \"2022-model.tflite\"}"));
}

static void test_anything_else_is_a_dead_letter(void **state)
{
    static const struct {
        const char *payload, *reason;
    } cases[] = {
        {"", "a control message is"},
        {"train-model", "a control message is"},
        {"[]", "a control message is"},
        {"{\"command\":\"train-model\"}", "two texts were expected"},
        {"{\"payload\":\"x\"}", "two texts were expected"},
        {"{\"command\":\"train-model\",\"payload\":1}", "two texts were expected"},
        {"{\"command\":1,\"payload\":\"x\"}", "two texts were expected"},
        {"{\"command\":\"stop\",\"payload\":\"x\"}", "extract-data, train-model or"},
    };
    struct place *place = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check(place, cases[i].payload, "dead", cases[i].reason);
    }
    char text[1200];
    snprintf(text, sizeof text, "{\"command\":\"train-model\",\"payload\":\"%01100d\"}", 0);
    check(place, text, "dead", "at most 1024");
    assert_int_equal(place->intake.counts.dead, 9);
}

static void test_a_new_model_is_named_once(void **state)
{
    struct place *place = *state;
    told(place, "{\"v\":1,\"name\":\"" NAME "\",\"bundle\":\"sha256:0\"}");
    assert_int_equal(place->sent, 1);
    assert_string_equal(place->topic, CONTROL);
    assert_int_equal(place->qos, 1);
    assert_string_equal(place->payload,
                        "{\"command\": \"download-model\", \"payload\": \"" NAME "\"}");
    assert_int_equal(place->intake.round.n_items, 1);
    assert_true(place->intake.round.item[0].put);
    assert_string_equal(place->intake.round.item[0].topic, "download");
    place->now += 3600 * MW_SECOND;
    mw_bridge_control_pump(&place->foreign.control);
    assert_int_equal(place->sent, 1);
    told(place, "{\"v\":1,\"name\":\"other\"}"); /* at once, however short the time */
    told(place, "{\"v\":1,\"name\":\"third\"}");
    assert_int_equal(place->sent, 3);
    told(place, "{\"v\":1,\"name\":\"../x\"}");
    told(place, "{\"v\":1,\"name\":\"a\\\"b\"}");
    told(place, "{\"v\":1}");
    assert_int_equal(place->sent, 3);
    assert_string_equal(place->foreign.control.name, "third");
    told(place, "{\"v\":1,\"name\":\"\"}"); /* the plant has none any more */
    speak(place, "1");
    mw_bridge_control_pump(&place->foreign.control);
    assert_int_equal(place->sent, 3);
}

static void test_only_the_newest_of_a_backlog(void **state)
{
    struct place *place = *state;
    const struct mw_bridge_others *others = &place->intake.others;
    others->told(others->context, mw_span_of("{\"v\":1,\"name\":\"old\"}"));
    others->told(others->context, mw_span_of("{\"v\":1,\"name\":\"" NAME "\"}"));
    mw_bridge_control_pump(&place->foreign.control);
    assert_int_equal(place->sent, 1);
    assert_non_null(strstr(place->payload, NAME));
}

static void test_waits_for_the_broker(void **state)
{
    struct place *place = *state;
    place->away = true;
    told(place, "{\"v\":1,\"name\":\"" NAME "\"}");
    assert_int_equal(place->sent, 0);
    place->away = false;
    mw_bridge_control_pump(&place->foreign.control);
    mw_bridge_control_pump(&place->foreign.control);
    assert_int_equal(place->sent, 1);
}

static void test_who_may_have_none_hears_of_it(void **state)
{
    struct place *place = *state;
    struct mw_bridge_control *control = &place->foreign.control;
    told(place, "{\"v\":1,\"name\":\"" NAME "\"}");
    assert_int_equal(place->sent, 1);
    speak(place, "-14333616"); /* new */
    mw_bridge_control_pump(control);
    assert_int_equal(place->sent, 1); /* it was named a moment ago */
    place->now += 6 * MW_SECOND;
    mw_bridge_control_pump(control);
    assert_int_equal(place->sent, 2);
    speak(place, "-14333616");
    place->now += 30 * MW_SECOND;
    speak(place, "-14333616");
    mw_bridge_control_pump(control);
    assert_int_equal(place->sent, 2);
    place->now += 61 * MW_SECOND;
    speak(place, "-14333616"); /* was silent */
    mw_bridge_control_pump(control);
    assert_int_equal(place->sent, 3);
    place->now += 10 * MW_SECOND;
    told(place, "{\"v\":1,\"name\":\"" NAME "\",\"device\":\"-14333616\"}"); /* was activated */
    assert_int_equal(place->sent, 3); /* it may not have subscribed yet */
    speak(place, "-14333616");
    mw_bridge_control_pump(control);
    assert_int_equal(place->sent, 4);
    told(place, "{\"v\":1,\"name\":\"" NAME "\",\"device\":\"unheard\"}");
    place->now += 10 * MW_SECOND;
    mw_bridge_control_pump(control);
    assert_int_equal(place->sent, 4);
}

static void test_nothing_without_the_section(void **state)
{
    struct place *place = *state;
    struct mw_bridge_control control;
    struct mw_bridge_sender nobody = {NULL, NULL, NULL};
    place->plant.bridge.share = 1; /* another one's */
    mw_bridge_control_init(&control, &place->plant, &place->intake, nobody, place->clock);
    assert_null(control.topic);
    place->plant.bridge.share = 0;
    place->plant.reference.enabled = false;
    assert_ok(
        mw_bridge_foreign_init(&place->foreign, &place->plant, &place->intake, nobody, error));
    assert_null(place->intake.others.told);
    assert_null(give(place, CONTROL, "{\"command\":\"train-model\",\"payload\":\"x\"}"));
    mw_bridge_control_pump(&place->foreign.control);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_requests_are_for_the_learner), TEST(test_anything_else_is_a_dead_letter),
        TEST(test_a_new_model_is_named_once),    TEST(test_waits_for_the_broker),
        TEST(test_only_the_newest_of_a_backlog), TEST(test_who_may_have_none_hears_of_it),
        TEST(test_nothing_without_the_section),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
