#include "lib/grpc/message.h"

#include "lib/base/test.h"

/* The length is big-endian behind a zero byte, and pieces of any size make the same messages. */
static void test_messages_come_in_pieces(void **state)
{
    struct mw_buffer bytes = {0};
    (void)state;
    assert_int_equal(mw_grpc_frame(&bytes, mw_span_of("one")), MW_OK);
    assert_int_equal(mw_grpc_frame(&bytes, (struct mw_span){NULL, 0}), MW_OK);
    assert_int_equal(mw_grpc_frame(&bytes, mw_span_of("three")), MW_OK);
    assert_memory_equal(bytes.data, "\0\0\0\0\3one\0\0\0\0\0\0\0\0\0\5three", bytes.size);
    for (size_t piece = 1; piece <= bytes.size; piece++) {
        static const char *const expected[] = {"one", "", "three"};
        struct mw_grpc_reader reader = {.limit = 5};
        struct mw_span message;
        size_t n = 0;
        for (size_t at = 0; at < bytes.size; at += piece) {
            size_t size = bytes.size - at < piece ? bytes.size - at : piece;
            assert_int_equal(mw_grpc_reader_add(&reader, bytes.data + at, size), MW_OK);
            while (mw_grpc_reader_next(&reader, &message) == MW_OK) {
                assert_true(mw_span_is(message, expected[n++]));
            }
        }
        assert_int_equal(n, 3);
        assert_false(mw_grpc_reader_rest(&reader));
        mw_grpc_reader_fini(&reader);
    }
    mw_buffer_free(&bytes);
}

static void test_wrong_messages_are_refused_at_their_first_bytes(void **state)
{
    (void)state;
    struct mw_grpc_reader reader = {.limit = 5};
    assert_int_equal(mw_grpc_reader_add(&reader, "\1", 1), MW_ERR_UNSUPPORTED);
    mw_grpc_reader_fini(&reader);
    assert_int_equal(mw_grpc_reader_add(&reader, "\2", 1), MW_ERR_PARSE);
    mw_grpc_reader_fini(&reader);
    assert_int_equal(mw_grpc_reader_add(&reader, "\0\0\0\0\6", 5), MW_ERR_TOO_LARGE);
    mw_grpc_reader_fini(&reader);
    assert_int_equal(mw_grpc_reader_add(&reader, "\0\xff\xff\xff\xff", 5), MW_ERR_TOO_LARGE);
    mw_grpc_reader_fini(&reader);
}

static void test_timeouts(void **state)
{
    static const struct {
        const char *text;
        int64_t microseconds;
    } good[] = {{"1H", 3600000000},
                {"2M", 120000000},
                {"3S", 3000000},
                {"4m", 4000},
                {"5u", 5},
                {"1n", 1},
                {"1001n", 2},
                {"99999999H", INT64_C(359999996400000000)},
                {"00000007S", 7000000}};
    static const char *const bad[] = {"", "S", "1", "1s", "-1S", "1.5S", "123456789S", " 1S"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t value = 0;
        assert_int_equal(mw_grpc_parse_timeout(mw_span_of(good[i].text), &value), MW_OK);
        assert_int_equal(value, good[i].microseconds);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t value = 0;
        assert_int_equal(mw_grpc_parse_timeout(mw_span_of(bad[i]), &value), MW_ERR_PARSE);
    }
    char text[24];
    mw_grpc_print_timeout(text, 10000000);
    assert_string_equal(text, "10000000u");
    mw_grpc_print_timeout(text, INT64_C(100000000001));
    assert_string_equal(text, "100001S");
    mw_grpc_print_timeout(text, INT64_MAX);
    assert_string_equal(text, "99999999H");
}

static void test_texts_are_escaped(void **state)
{
    char out[32], back[32];
    (void)state;
    mw_grpc_escape(out, sizeof out, "50% \xc3\xa9\n");
    assert_string_equal(out, "50%25 %C3%A9%0A");
    mw_grpc_unescape(back, sizeof back, mw_span_of(out));
    assert_string_equal(back, "50% \xc3\xa9\n");
    mw_grpc_escape(out, 6, "ab%c"); /* what is cut is cut whole */
    assert_string_equal(out, "ab%25");
    mw_grpc_escape(out, 5, "ab%c");
    assert_string_equal(out, "ab");
    mw_grpc_unescape(back, sizeof back, mw_span_of("%4%zz%00%"));
    assert_string_equal(back, "%4%zz%00%");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_come_in_pieces),
        cmocka_unit_test(test_wrong_messages_are_refused_at_their_first_bytes),
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_texts_are_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
