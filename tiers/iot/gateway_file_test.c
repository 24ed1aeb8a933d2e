#include "tiers/iot/gateway_file.h"

#include "lib/base/file.h"
#include "lib/base/test.h"

static struct mw_gateway_file file;

static mw_err parse(const char *text, struct mw_error *error)
{
    return mw_gateway_file_parse(&file, text, strlen(text), "press.yaml", error);
}

static void give(const char *text)
{
    struct mw_error error = {0};
    if (parse(text, &error) != MW_OK) {
        fail_msg("%s", error.text);
    }
}

static void modbus_devices_are_read(void **state)
{
    (void)state;
    give("device: press\nurl: tcp://plc\nunit: 7\norder: cdab\ninterval: 250ms\n"
         "registers:\n  a: input 0 float32\n  b: input 2 float32 order=abcd\n  c: coil 1\n"
         "actions:\n  stop: coil 3 = 1\n");
    assert_string_equal(file.device, "press");
    assert_int_equal(file.unit, 7);
    assert_int_equal(file.interval, 250000);
    assert_int_equal(file.timeout, 500000);
    assert_int_equal(file.n_features, 3);
    assert_string_equal(file.feature[2].text, "c");
    assert_int_equal(file.feature[2].line, 9);
    assert_int_equal(file.reg[0].order, MW_MODBUS_CDAB);
    assert_int_equal(file.reg[1].order, MW_MODBUS_ABCD);
    assert_int_equal(file.n_actions, 1);
    assert_string_equal(file.action[0].text, "stop");
    mw_gateway_file_clear(&file);
}

static void iio_devices_are_read(void **state)
{
    (void)state;
    give("device: spindle\nurl: iio:local\nwindow: 512\nchannels:\n"
         "  temperature: tmp102 temp\n  vibration: adxl345 accel_x window\n");
    assert_int_equal(file.n_channels, 2);
    assert_int_equal(file.n_features, 1 + MW_IIO_WINDOW_FEATURES);
    assert_int_equal(file.channel[1].first, 1);
    assert_string_equal(file.feature[0].text, "temperature");
    assert_string_equal(file.feature[2].text, "vibration_rms");
    assert_string_equal(file.feature[10].text, "vibration_band_4");
    mw_gateway_file_clear(&file);
}

static void mistakes_are_named_with_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"url: tcp://h\nregisters: {a: coil 1}\n", "press.yaml: device: a name was expected"},
        {"device: A\n", "press.yaml:1: device: A"},
        {"device: a\nurl: tcp:h\nregisters: {a: coil 1}\n", "press.yaml:2: url: "},
        {"device: a\nurl: tcp://h\n", "press.yaml: registers: at least one"},
        {"device: a\nurl: tcp://h\nregister: {a: coil 1}\n", "press.yaml:3: register"},
        {"device: a\nregisters:\n  a: input 0 float32\n  b: input 1 int16\n",
         "press.yaml:4: registers.b: overlaps a of line 3"},
        {"device: a\nregisters:\n  a: input 0 float33\n", "press.yaml:3: registers.a: type"},
        {"device: a\nunit: 256\n", "press.yaml:2: unit: 256"},
        {"device: a\nurl: rtu:///dev/t\nunit: 0\nregisters: {a: coil 1}\n",
         "press.yaml:3: unit: 0"},
        {"device: a\nactions: {Stop: coil 3 = 1}\n", "press.yaml:2: Stop: a name"},
        {"device: a\nactions: {stop: coil 3 = 2}\n", "press.yaml:2: actions.stop: \"= VALUE\""},
        {"device: a\nurl: iio:local\nregisters:\n  a: coil 1\n",
         "press.yaml:4: channels: at least one"},
        {"device: a\nurl: tcp://h\nchannels:\n  a: d c\n", "press.yaml:4: registers: at least one"},
        {"device: a\nregisters:\n  a: coil 1\nchannels:\n  b: d c\n",
         "press.yaml:5: channels.b: the device has registers"},
        {"device: a\nchannels:\n  b: d c\nregisters:\n  a: coil 1\n",
         "press.yaml:5: registers.a: the device has channels"},
        {"device: a\nurl: iio:local\nwindow: 1022\nchannels: {a: d c}\n",
         "press.yaml:3: window: 1022"},
        {"device: a\nchannels:\n  a: d c window\n  a_rms: d e\n", "press.yaml:4: a_rms: line 3"},
        {"device: a\nurl: iio:local\nchannels: {a: d c}\nactions:\n  stop: coil 1 = 1\n",
         "press.yaml:5: actions.stop: none was expected"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mw_error error = {0};
        assert_int_not_equal(parse(cases[i].text, &error), MW_OK);
        if (strncmp(error.text, cases[i].words, strlen(cases[i].words)) != 0) {
            fail_msg("%s\nno '%s' in: %s", cases[i].text, cases[i].words, error.text);
        }
        mw_gateway_file_clear(&file);
    }
}

static void there_are_so_many_features(void **state)
{
    (void)state;
    char text[16384] = "device: a\nurl: tcp://h\nregisters:\n";
    struct mw_error error = {0};
    for (int i = 0; i < MW_FEATURES_MAX; i++) {
        snprintf(text + strlen(text), 64, "  r%d: holding %d int16\n", i, i);
    }
    give(text);
    mw_gateway_file_clear(&file);
    strcat(text, "  more: holding 999 int16\n");
    assert_int_equal(parse(text, &error), MW_ERR_TOO_LARGE);
    assert_non_null(strstr(error.text, "press.yaml:132: more: 128 features"));
    mw_gateway_file_clear(&file);
}

static void devices_are_told_apart(void **state)
{
    (void)state;
    char folder[64], path[2][128];
    char *items[2] = {path[0], path[1]};
    const struct mw_list paths = {items, 2};
    static const char *const text[][2] = {
        {"device: a\nurl: tcp://h\nregisters: {a: coil 1}\n", "is described in"},
        {"device: b\nurl: rtu:///dev/t?baud=9600\nregisters: {a: coil 1}\n", "same serial line"},
    };
    test_folder_make(folder);
    for (int i = 0; i < 2; i++) {
        snprintf(path[i], sizeof path[i], "%s/%d.yaml", folder, i);
    }
    for (int i = 0; i < 2; i++) {
        static const char *const first[] = {
            "device: a\nurl: tcp://h\nregisters: {a: coil 1}\n",
            "device: a\nurl: rtu:///dev/t\nregisters: {a: coil 1}\n",
        };
        struct mw_gateway_files files;
        struct mw_error error = {0};
        mw_file_write(path[0], first[i], strlen(first[i]), 0600, NULL);
        mw_file_write(path[1], text[i][0], strlen(text[i][0]), 0600, NULL);
        assert_int_equal(mw_gateway_files_read(&files, &paths, &error), MW_ERR_PARSE);
        if (strstr(error.text, text[i][1]) == NULL) {
            fail_msg("%s", error.text);
        }
        mw_gateway_files_clear(&files);
    }
    test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modbus_devices_are_read),
        cmocka_unit_test(iio_devices_are_read),
        cmocka_unit_test(mistakes_are_named_with_their_line),
        cmocka_unit_test(there_are_so_many_features),
        cmocka_unit_test(devices_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
