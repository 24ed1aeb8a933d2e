#include "tiers/iot/modbus_map.h"

#include "lib/base/test.h"

#include <math.h>

static struct mw_modbus_register parse(const char *text)
{
    struct mw_modbus_register reg;
    struct mw_error error = {0};
    if (mw_modbus_register_parse(&reg, text, &error) != MW_OK) {
        fail_msg("%s: %s", text, error.text);
    }
    return reg;
}

static void texts_are_read(void **state)
{
    (void)state;
    struct mw_modbus_register reg = parse("  input\t7 int16 scale=0.1 offset=-40 order=badc ");
    assert_int_equal(reg.table, MW_MODBUS_INPUT);
    assert_int_equal(reg.type, MW_MODBUS_INT16);
    assert_int_equal(reg.order, MW_MODBUS_BADC);
    assert_int_equal(reg.address, 7);
    assert_true(reg.scale == 0.1 && reg.offset == -40);
    reg = parse("holding 65532 float64");
    assert_int_equal(mw_modbus_register_size(&reg), 4);
    assert_int_equal(reg.order, MW_MODBUS_DEVICE);
    reg = parse("coil 65535");
    assert_int_equal(reg.type, MW_MODBUS_BIT);
    assert_true(reg.scale == 1 && reg.offset == 0);
}

static void mistakes_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "coil, discrete, holding or input"},
        {"register 1 int16", "\"register\" is no kind"},
        {"holding", "0 to 65535"},
        {"holding -1 int16", "0 to 65535"},
        {"holding 65536 int16", "0 to 65535"},
        {"holding 99999999999999999999 int16", "0 to 65535"},
        {"holding 1", "int16, uint16"},
        {"holding 1 int17", "\"int17\""},
        {"holding 65535 float32", "reach beyond 65535"},
        {"holding 1 int16 scale=0", "other than 0"},
        {"holding 1 int16 scale=x", "other than 0"},
        {"holding 1 int16 offset=", "a number was expected"},
        {"holding 1 int16 order=bcda", "abcd, cdab, badc or dcba"},
        {"holding 1 int16 twice", "\"twice\" is not known"},
        {"coil 1 int16", "\"int16\" is not known"},
        {"coil 1 order=abcd", "scale=S, offset=O was expected"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mw_modbus_register reg;
        struct mw_error error = {0};
        assert_int_not_equal(mw_modbus_register_parse(&reg, cases[i].text, &error), MW_OK);
        if (strstr(error.text, cases[i].words) == NULL) {
            fail_msg("%s: no '%s' in: %s", cases[i].text, cases[i].words, error.text);
        }
    }
}

static void writes_are_read(void **state)
{
    (void)state;
    struct mw_modbus_write write;
    struct mw_error error = {0};
    assert_int_equal(mw_modbus_write_parse(&write, "coil 3 = 1", &error), MW_OK);
    assert_true(write.table == MW_MODBUS_COIL && write.address == 3 && write.value == 1);
    assert_int_equal(mw_modbus_write_parse(&write, "holding 65535 = 65535", &error), MW_OK);
    assert_true(write.table == MW_MODBUS_HOLDING && write.value == 65535);
    static const char *const bad[] = {"coil 3 = 2",     "coil 3 1",   "holding 3 = 65536",
                                      "input 3 = 1",    "discrete 3", "coil 3 = 1 2",
                                      "holding 3 = -1", "coil = 1",   ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        error = (struct mw_error){0};
        if (mw_modbus_write_parse(&write, bad[i], &error) == MW_OK || error.text[0] == '\0') {
            fail_msg("%s was taken", bad[i]);
        }
    }
}

static void overlaps_are_seen(void **state)
{
    (void)state;
    struct mw_modbus_register a = parse("holding 10 float32"), b = parse("holding 11 int16");
    struct mw_modbus_register c = parse("holding 12 int16"), d = parse("input 10 float32");
    assert_true(mw_modbus_registers_overlap(&a, &b) && mw_modbus_registers_overlap(&b, &a));
    assert_false(mw_modbus_registers_overlap(&a, &c));
    assert_false(mw_modbus_registers_overlap(&c, &a));
    assert_false(mw_modbus_registers_overlap(&a, &d));
}

static void neighbours_share_a_request(void **state)
{
    (void)state;
    enum { N = 6 };
    const struct mw_modbus_register reg[N] = {
        parse("input 4 int16"),   parse("holding 2 float32"),
        parse("input 0 float64"), parse("holding 5 int16"),
        parse("coil 9"),          parse("holding 4 int16"),
    };
    uint16_t place[N];
    struct mw_modbus_batch batch[N];
    assert_int_equal(mw_modbus_batches(reg, N, place, batch), 3);
    assert_int_equal(batch[0].table, MW_MODBUS_COIL);
    assert_true(batch[0].address == 9 && batch[0].count == 1 && batch[0].n == 1);
    assert_int_equal(batch[1].table, MW_MODBUS_HOLDING);
    assert_true(batch[1].address == 2 && batch[1].count == 4 && batch[1].n == 3);
    assert_true(place[batch[1].first] == 1 && place[batch[1].first + 2] == 3);
    assert_int_equal(batch[2].table, MW_MODBUS_INPUT);
    assert_true(batch[2].address == 0 && batch[2].count == 5 && batch[2].n == 2);
    assert_int_equal(mw_modbus_batches(reg, 0, place, batch), 0);
}

/* A number is never split between two requests. */
static void a_request_holds_125_registers(void **state)
{
    (void)state;
    enum { N = 100 };
    struct mw_modbus_register reg[N];
    uint16_t place[N];
    struct mw_modbus_batch batch[N];
    for (unsigned i = 0; i < N; i++) {
        reg[i] = parse("holding 0 float32");
        reg[i].address = (uint16_t)(2 * i);
    }
    assert_int_equal(mw_modbus_batches(reg, N, place, batch), 2);
    assert_int_equal(batch[0].count, 124);
    assert_int_equal(batch[1].address, 124);
    assert_int_equal(batch[1].count, 76);
    assert_int_equal(batch[1].first, 62);
}

static void assert_decodes(const char *text, const uint16_t *word, double expected)
{
    struct mw_modbus_register reg = parse(text);
    double value = mw_modbus_decode(&reg, word);
    if (value != expected) {
        fail_msg("%s: %.17g, expected %.17g", text, value, expected);
    }
}

static void numbers_have_their_orders(void **state)
{
    (void)state;
    /* 0x01020304 = 16909060; 12.5 = 0x41480000 */
    assert_decodes("input 0 uint32", (uint16_t[]){0x0102, 0x0304}, 16909060);
    assert_decodes("input 0 uint32 order=cdab", (uint16_t[]){0x0304, 0x0102}, 16909060);
    assert_decodes("input 0 uint32 order=badc", (uint16_t[]){0x0201, 0x0403}, 16909060);
    assert_decodes("input 0 uint32 order=dcba", (uint16_t[]){0x0403, 0x0201}, 16909060);
    assert_decodes("input 0 float32", (uint16_t[]){0x4148, 0}, 12.5);
    assert_decodes("input 0 float32 order=dcba", (uint16_t[]){0, 0x4841}, 12.5);
    assert_decodes("input 0 float64 order=cdab", (uint16_t[]){0, 0, 0, 0x4029}, 12.5);
    assert_decodes("input 0 int64", (uint16_t[]){0xffff, 0xffff, 0xffff, 0xfffe}, -2);
    assert_decodes("input 0 uint64", (uint16_t[]){0, 1, 0, 0}, 4294967296.0);
    assert_decodes("input 0 int16 order=badc", (uint16_t[]){0xfeff}, -2);
}

static void numbers_have_signs_and_scales(void **state)
{
    (void)state;
    assert_decodes("input 0 int16", (uint16_t[]){0x8000}, -32768);
    assert_decodes("input 0 uint16", (uint16_t[]){0x8000}, 32768);
    assert_decodes("input 0 int32", (uint16_t[]){0x8000, 0}, -2147483648.0);
    assert_decodes("input 0 int16 scale=0.5 offset=-40", (uint16_t[]){100}, 10);
    assert_decodes("coil 0", (uint16_t[]){1}, 1);
    assert_decodes("discrete 0 scale=-1 offset=1", (uint16_t[]){1}, 0);
    struct mw_modbus_register reg = parse("input 0 float32");
    assert_true(isnan(mw_modbus_decode(&reg, (uint16_t[]){0x7fc0, 0})));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_read),
        cmocka_unit_test(mistakes_are_refused),
        cmocka_unit_test(writes_are_read),
        cmocka_unit_test(overlaps_are_seen),
        cmocka_unit_test(neighbours_share_a_request),
        cmocka_unit_test(a_request_holds_125_registers),
        cmocka_unit_test(numbers_have_their_orders),
        cmocka_unit_test(numbers_have_signs_and_scales),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
