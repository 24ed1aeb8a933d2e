#include "tiers/platform/bridge_order.h"

#include "lib/plant/share.h"
#include "tiers/platform/bridge_foreign_test_place.h"

static int set_up(void **state)
{
    static const char *const commands[][2] = {
        {"hall.topic", "acme/{machine}/cmd/{area}"},
        {"flat.topic", "control/{device}"},
        {"flat.stop", "{\"command\":\"{action}\",\"ref\":\"{id}\",\"{x}\":1}"},
        {"sparkplug.stop", "Outputs/Run=false"},
        {"sparkplug.slow", "Speed=-2"},
        {"sparkplug.fast", "Speed=300"},
        {"sparkplug.say", "Mode=idle"},
    };
    struct place *place = place_new();
    struct mw_topic_maps *maps = &place->plant.topics;
    assert_ok(mw_plant_read(&place->plant, NULL, error));
    assert_ok(
        mw_options_set(mw_plant_options, &place->plant, "sparkplug.groups", "+", "test", error));
    assert_ok(mw_topic_maps_add(maps, "hall", "acme/{area}/{machine}/{feature...}", error));
    assert_ok(mw_topic_maps_add(maps, "flat", "sensors/data", error));
    assert_ok(mw_topic_maps_add(maps, "mute", "mute/{device}", error));
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        assert_ok(
            mw_command_maps_add(&place->plant.commands, commands[i][0], commands[i][1], error));
    }
    assert_ok(mw_command_maps_check(&place->plant.commands, maps, error));
    place_begin(place);
    *state = place;
    return 0;
}

static void hear(struct place *place, const char *topic, struct mw_span payload)
{
    assert_int_equal(mw_bridge_intake_take(&place->intake, mw_span_of(topic), payload, 1, 7),
                     MW_OK);
}

static mw_err tell(struct place *place, const char *device, const char *action, const char **fault)
{
    struct mw_command command = {.id = mw_span_of("press-1-7"), .action = mw_span_of(action)};
    return mw_bridge_order_send(&place->foreign,
                                mw_bridge_device(&place->intake.devices, mw_span_of(device)),
                                &command, mw_span_of("{\"v\":1}"), fault);
}

static void test_mapped_devices_hear_their_own_words(void **state)
{
    struct place *place = *state;
    const char *fault = "";
    hear(place, "acme/North/Press 1/current", mw_span_of("4.5"));
    hear(place, "sensors/data", mw_span_of("{\"deviceID\":\"ESP_1\",\"current\":1,\"sound\":2}"));
    assert_int_equal(tell(place, "press-1", "stop", &fault), MW_OK);
    assert_string_equal(place->topic, "acme/Press 1/cmd/North");
    assert_string_equal(place->payload, "{\"v\":1}");
    assert_int_equal(place->qos, 1);
    assert_int_equal(tell(place, "esp-1", "stop", &fault), MW_OK);
    assert_string_equal(place->topic, "control/ESP_1");
    assert_string_equal(place->payload, "{\"command\":\"stop\",\"ref\":\"press-1-7\",\"{x}\":1}");
}

static void test_others_are_not_told(void **state)
{
    struct place *place = *state;
    const char *fault = "";
    assert_int_equal(tell(place, "motor-1", "stop", &fault), MW_ERR_NOT_FOUND); /* ours */
    hear(place, "mute/a", mw_span_of("{\"x\":1,\"y\":2}"));
    assert_int_equal(tell(place, "a", "stop", &fault), MW_ERR_NOT_FOUND);
    hear(place, "sensors/data", mw_span_of("{\"deviceID\":\"a/#\",\"x\":1,\"y\":2}"));
    assert_int_equal(tell(place, "a--", "stop", &fault), MW_ERR_ARGUMENT);
    assert_string_equal(fault, "no topic can be made of its name");
    assert_int_equal(place->sent, 0);
}

static void be_born(struct place *place, const char *kind, const char *device)
{
    char topic[128], text[512];
    struct mw_sparkplug_writer writer;
    const uint64_t seq = device[0] == '\0' ? 0 : 1;
    size_t length;
    const struct mw_sparkplug_metric metrics[] = {
        {.has_name = true,
         .name = mw_span_of("bdSeq"),
         .type = MW_SPARKPLUG_INT64,
         .value = MW_SPARKPLUG_AS_INTEGER},
        {.has_name = true,
         .name = mw_span_of("Outputs/Run"),
         .type = MW_SPARKPLUG_BOOLEAN,
         .value = MW_SPARKPLUG_AS_BOOLEAN,
         .integer = 1},
        {.has_name = true,
         .name = mw_span_of("Speed"),
         .type = MW_SPARKPLUG_INT8,
         .value = MW_SPARKPLUG_AS_INTEGER,
         .integer = 5},
    };
    mw_sparkplug_begin(&writer, text, sizeof text, NOW * MW_SECOND);
    for (size_t i = seq; i < 3; i++) {
        mw_sparkplug_add(&writer, &metrics[i]);
    }
    assert_int_equal(mw_sparkplug_end(&writer, &seq, &length), MW_OK);
    snprintf(topic, sizeof topic, "spBv1.0/Hall/%s/Line%s", kind, device);
    hear(place, topic, (struct mw_span){text, length});
}

/* The one metric of what was sent. */
static struct mw_sparkplug_metric metric_of(const struct place *place)
{
    struct mw_sparkplug_payload payload;
    struct mw_sparkplug_metric metric = {0};
    struct mw_why why;
    assert_int_equal(
        mw_sparkplug_open(&payload, (struct mw_span){place->payload, place->size}, &why), MW_OK);
    assert_int_equal(payload.n_metrics, 1);
    assert_false(payload.has_seq);
    assert_int_equal(payload.time, NOW * MW_SECOND);
    assert_true(mw_sparkplug_next(&payload, &metric));
    return metric;
}

static void test_sparkplug_devices_get_a_metric(void **state)
{
    struct place *place = *state;
    const char *fault = "";
    be_born(place, "NBIRTH", "");
    be_born(place, "DBIRTH", "/Pump");
    assert_int_equal(tell(place, "line-pump", "stop", &fault), MW_OK);
    assert_string_equal(place->topic, "spBv1.0/Hall/DCMD/Line/Pump");
    assert_int_equal(place->qos, 0);
    struct mw_sparkplug_metric metric = metric_of(place);
    assert_true(mw_span_is(metric.name, "Outputs/Run"));
    assert_int_equal(metric.type, MW_SPARKPLUG_BOOLEAN);
    assert_int_equal(metric.value, MW_SPARKPLUG_AS_BOOLEAN);
    assert_int_equal(metric.integer, 0);
    assert_int_equal(tell(place, "line", "slow", &fault), MW_OK);
    assert_string_equal(place->topic, "spBv1.0/Hall/NCMD/Line");
    metric = metric_of(place);
    assert_int_equal(metric.type, MW_SPARKPLUG_INT8);
    assert_int_equal(metric.integer, 0xfe);
    assert_int_equal(tell(place, "line", "say", &fault), MW_OK); /* a metric nobody has told of */
    metric = metric_of(place);
    assert_int_equal(metric.type, MW_SPARKPLUG_STRING);
    assert_true(mw_span_is(metric.text, "idle"));
    assert_int_equal(tell(place, "line", "fast", &fault), MW_ERR_RANGE);
    assert_string_equal(fault, "the value is none of the metric's datatype");
    assert_int_equal(tell(place, "line", "jump", &fault), MW_ERR_NOT_FOUND);
}

static void test_who_is_gone_is_told_later(void **state)
{
    struct place *place = *state;
    const char *fault = "";
    be_born(place, "NBIRTH", "");
    be_born(place, "DBIRTH", "/Pump");
    struct mw_bridge_device *pump =
        mw_bridge_device(&place->intake.devices, mw_span_of("line-pump"));
    pump->held->born = false;
    assert_int_equal(tell(place, "line-pump", "stop", &fault), MW_ERR_AGAIN);
    be_born(place, "DBIRTH", "/Pump");
    assert_int_equal(tell(place, "line-pump", "stop", &fault), MW_OK);
}

/* Of three shares this is the first; the command came from the device's own. */
static void test_the_own_share_is_told_to_let_it_be(void **state)
{
    static const char command[] = "{\"v\":1,\"id\":\"c-7\",\"device\":\"%s\",\"time\":1000,"
                                  "\"action\":\"stop\",\"expires\":2000,\"cause\":\"c\"}";
    struct place *place = *state;
    char filter[MW_BRIDGE_OVERHEARD], topic[64], text[256], expected[256];
    unsigned others = 0;
    place->intake.shares = 3;
    for (int i = 0; i < 9; i++) {
        char device[] = "esp-x";
        device[4] = (char)('0' + i);
        snprintf(text, sizeof text, "{\"deviceID\":\"%s\",\"current\":1,\"sound\":2}", device);
        hear(place, "sensors/data", mw_span_of(text));
        snprintf(text, sizeof text, command, device);
        mw_bridge_order_overhear(&place->foreign, mw_span_of(device), mw_span_of(text));
        size_t share = mw_share_of(mw_span_of(device), 3);
        others += share != 0;
        assert_int_equal(place->sent, others);
        if (share != 0) {
            snprintf(topic, sizeof topic, "mw/p/status/%s/%zu", device, share);
            snprintf(
                expected, sizeof expected,
                "{\"v\":1,\"device\":\"%s\",\"answer\":{\"id\":\"c-7\",\"result\":\"share 0\"}}",
                device);
            assert_string_equal(place->topic, topic);
            assert_string_equal(place->payload, expected);
        }
    }
    assert_in_range(others, 1, 8);
    mw_bridge_order_overhear(&place->foreign, mw_span_of("motor-1"), mw_span_of(text));
    mw_bridge_order_overhear(&place->foreign, mw_span_of("esp-1"), mw_span_of("{}"));
    assert_int_equal(place->sent, others);

    mw_bridge_order_overheard(&place->plant, filter);
    assert_string_equal(filter, ""); /* alone */
    place->plant.bridge.shares = 3;
    mw_bridge_order_overheard(&place->plant, filter);
    assert_true(strncmp(filter, "mw/", 3) == 0 && strstr(filter, "/command/+") != NULL);
    place->plant.bridge.share = 1;
    mw_bridge_order_overheard(&place->plant, filter);
    assert_string_equal(filter, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_mapped_devices_hear_their_own_words, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_others_are_not_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sparkplug_devices_get_a_metric, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_own_share_is_told_to_let_it_be, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_is_gone_is_told_later, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
