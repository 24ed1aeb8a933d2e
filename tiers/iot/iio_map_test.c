#include "tiers/iot/iio_map.h"

#include "lib/base/test.h"

static void texts_are_read(void **state)
{
    (void)state;
    struct mw_iio_channel channel;
    struct mw_error error = {0};
    assert_int_equal(mw_iio_channel_parse(&channel, " adxl345\taccel_x window ", &error), MW_OK);
    assert_string_equal(channel.device, "adxl345");
    assert_string_equal(channel.channel, "accel_x");
    assert_true(channel.window && channel.scale == 1 && channel.offset == 0);
    assert_int_equal(
        mw_iio_channel_parse(&channel, "iio:device1 temp offset=-273.15 scale=0.001", &error),
        MW_OK);
    assert_string_equal(channel.device, "iio:device1");
    assert_true(!channel.window && channel.scale == 0.001 && channel.offset == -273.15);
}

static void mistakes_are_refused(void **state)
{
    (void)state;
    char large[200] = "d ";
    memset(large + 2, 'c', 100);
    const char *const bad[] = {"",          "adxl345",    "a b windows",  "a b scale=0",
                               "a b scale", "a b scale=", "a b offset=x", "a b 1",
                               large};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct mw_iio_channel channel;
        struct mw_error error = {0};
        if (mw_iio_channel_parse(&channel, bad[i], &error) == MW_OK) {
            fail_msg("%s was taken", bad[i]);
        }
        assert_non_null(strstr(error.text, "expected"));
    }
}

static void samples_have_widths_and_signs(void **state)
{
    (void)state;
    const uint8_t bytes[] = {1, 0xfe};
    const uint16_t halves[] = {1, 0xfffe};
    const uint32_t words[] = {1, 0xfffffffe};
    const uint64_t wide[] = {1, UINT64_MAX - 1};
    assert_true(mw_iio_sample(bytes, 1, 8, true) == -2 && mw_iio_sample(bytes, 1, 8, false) == 254);
    assert_true(mw_iio_sample(halves, 1, 16, true) == -2 &&
                mw_iio_sample(halves, 1, 16, false) == 65534);
    assert_true(mw_iio_sample(words, 1, 32, true) == -2 &&
                mw_iio_sample(words, 1, 32, false) == 4294967294.0);
    assert_true(mw_iio_sample(wide, 1, 64, true) == -2 && mw_iio_sample(wide, 0, 64, false) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_read),
        cmocka_unit_test(mistakes_are_refused),
        cmocka_unit_test(samples_have_widths_and_signs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
