#include "tiers/iot/world_script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static struct mw_world_config config;
static struct mw_world_change changes[8];
static size_t n;
static struct mw_error error;

static mw_err parse(const char *text)
{
    memset(&error, 0, sizeof error);
    mw_world_config_default(&config);
    return mw_world_script_parse(text, strlen(text), "s.txt", &config, changes, 8, &n, &error);
}

static void every_verb(void **state)
{
    (void)state;
    assert_int_equal(parse("# what happens\n"
                           "\n"
                           "at 30h season 15\r\n"
                           "  at 1.5d load 1.25 # more work\n"
                           "at 90m gain vibration 1.6 motor-3\n"
                           "at 40s offset temperature -5 motor-8\n"
                           "at 50h\tbearings 1.8 motor-1 motor-2\n"
                           "at 20h fault cooling 4h motor-2\n"
                           "at 0s faults off"),
                     MW_OK);
    assert_int_equal(n, 8);
    assert_int_equal(changes[0].kind, MW_WORLD_SEASON);
    assert_int_equal(changes[0].at, INT64_C(30) * 3600 * 1000000);
    assert_int_equal(changes[0].machine, -1);
    assert_true(changes[0].value == 15.0);
    assert_int_equal(changes[1].kind, MW_WORLD_LOAD);
    assert_int_equal(changes[1].at, INT64_C(36) * 3600 * 1000000);
    assert_int_equal(changes[2].kind, MW_WORLD_GAIN);
    assert_int_equal(changes[2].signal, MW_MOTOR_VIBRATION);
    assert_int_equal(changes[2].machine, 2);
    assert_int_equal(changes[2].at, INT64_C(5400) * 1000000);
    assert_int_equal(changes[3].kind, MW_WORLD_OFFSET);
    assert_int_equal(changes[3].signal, MW_MOTOR_TEMPERATURE);
    assert_true(changes[3].value == -5.0);
    assert_int_equal(changes[3].machine, 7);
    assert_int_equal(changes[4].kind, MW_WORLD_BEARINGS);
    assert_int_equal(changes[4].machine, 0);
    assert_int_equal(changes[5].machine, 1);
    assert_int_equal(changes[6].kind, MW_WORLD_FAULT);
    assert_int_equal(changes[6].fault, MW_MOTOR_COOLING);
    assert_true(changes[6].value == 4.0);
    assert_int_equal(changes[7].kind, MW_WORLD_FAULTS);
    assert_true(changes[7].value == 0.0);
}

static void an_empty_script(void **state)
{
    (void)state;
    assert_int_equal(parse(""), MW_OK);
    assert_int_equal(n, 0);
    assert_int_equal(parse("\n\n # nothing"), MW_OK);
    assert_int_equal(n, 0);
}

static void each_mistake_is_named_with_its_line(void **state)
{
    (void)state;
    const struct {
        const char *text, *message;
        mw_err err;
    } bad[] = {
        {"season 5", "s.txt:1: 'season' is not at", MW_ERR_PARSE},
        {"\nat 5 season 5", "s.txt:2: '5' is not a time like 90m or 24h", MW_ERR_PARSE},
        {"at h season 5", "s.txt:1: 'h' is not a time like 90m or 24h", MW_ERR_PARSE},
        {"at -1h season 5", "s.txt:1: '-1h' is not a time after the start", MW_ERR_RANGE},
        {"at 5h seson 5",
         "s.txt:1: 'seson' is not season, load, gain, offset, bearings, fault or faults",
         MW_ERR_PARSE},
        {"at 5h season", "s.txt:1: '' is not a number", MW_ERR_PARSE},
        {"at 5h season nan", "s.txt:1: 'nan' is not a number", MW_ERR_PARSE},
        {"at 5h load 0", "s.txt:1: '0' is not 0.1 to 2", MW_ERR_RANGE},
        {"at 5h gain light 2", "s.txt:1: 'light' is not current, temperature, vibration or sound",
         MW_ERR_PARSE},
        {"at 5h fault rust 2h", "s.txt:1: 'rust' is not bearing, imbalance, cooling or phase",
         MW_ERR_PARSE},
        {"at 5h fault phase 2", "s.txt:1: '2' is not a time like 90m or 24h", MW_ERR_PARSE},
        {"at 5h load 1 motor-9", "s.txt:1: 'motor-9' is not a machine of the plant",
         MW_ERR_NOT_FOUND},
        {"at 5h load 1 motor-0", "s.txt:1: 'motor-0' is not a machine of the plant",
         MW_ERR_NOT_FOUND},
        {"at 5h load 1 motor-01", "s.txt:1: 'motor-01' is not a machine of the plant",
         MW_ERR_NOT_FOUND},
        {"at 5h faults 5h motor-1", "s.txt:1: 'motor-1' is not expected: faults are the plant's",
         MW_ERR_PARSE},
        {"at 5h load 1 a b c d e f g h i j k l m n o p q r s t u v", "s.txt:1: too many words",
         MW_ERR_TOO_LARGE},
        {"at 1h load 1 motor-1 motor-2 motor-3 motor-4 motor-5\nat 1h load 1 motor-1 motor-2 "
         "motor-3 motor-4",
         "s.txt:2: more than 8 changes", MW_ERR_TOO_LARGE},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(parse(bad[i].text), bad[i].err);
        assert_string_equal(error.text, bad[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_verb),
        cmocka_unit_test(an_empty_script),
        cmocka_unit_test(each_mistake_is_named_with_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
