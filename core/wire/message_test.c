/* message_test.c - scores, events, commands and acknowledgements in and out; names. */
#include "core/wire/message.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct mw_wire_parser *parser;

static int set_up(void **state)
{
    (void)state;
    size_t bytes = mw_wire_parser_size(256);
    return (int)mw_wire_parser_init(malloc(bytes), bytes, &parser);
}

static int tear_down(void **state)
{
    (void)state;
    free(parser);
    return 0;
}

static void open_text(const char *text)
{
    assert_int_equal(mw_wire_open(parser, mw_span_of(text), NULL), MW_OK);
}

/* What is written must be `want`, and a buffer one byte short must be refused. */
#define ASSERT_WRITES(write, in, want)                                                    \
    do {                                                                                  \
        char text_[512];                                                                  \
        size_t length_ = 0;                                                               \
        assert_int_equal(write(text_, sizeof text_, &length_, in), MW_OK);                \
        assert_int_equal(length_, strlen(want));                                          \
        assert_memory_equal(text_, want, length_);                                        \
        assert_int_equal(write(text_, strlen(want), &length_, in), MW_OK);                \
        assert_int_equal(write(text_, strlen(want) - 1, &length_, in), MW_ERR_TOO_SMALL); \
    } while (0)

static const char score_text[] =
    "{\"v\":1,\"device\":\"edge-1\",\"machine\":\"motor-7\",\"boot\":3,\"seq\":9,\"time\":1.5,"
    "\"score\":0.75,\"band\":\"impending\",\"model\":\"" DIGEST "\",\"level\":3}";

static void a_score_is_read_and_written(void **state)
{
    (void)state;
    struct mw_score score;
    open_text(score_text);
    assert_int_equal(mw_wire_read_score(parser, 0, &score, NULL), MW_OK);
    assert_true(mw_span_is(score.device, "edge-1"));
    assert_true(mw_span_is(score.machine, "motor-7"));
    assert_int_equal(score.boot, 3);
    assert_int_equal(score.seq, 9);
    assert_int_equal(score.time, 1500000);
    assert_true(score.score == 0.75F);
    assert_int_equal(score.band, MW_BAND_IMPENDING);
    assert_true(mw_span_is(score.model, DIGEST));
    assert_int_equal(score.level, 3);
    ASSERT_WRITES(mw_wire_write_score, &score, score_text);

    char text[512];
    size_t length;
    score.score = NAN;
    assert_int_equal(mw_wire_write_score(text, sizeof text, &length, &score), MW_ERR_ARGUMENT);
    score.score = 1.0000001F;
    assert_int_equal(mw_wire_write_score(text, sizeof text, &length, &score), MW_ERR_ARGUMENT);
    score.score = 1;
    score.band = (enum mw_band)3;
    assert_int_equal(mw_wire_write_score(text, sizeof text, &length, &score), MW_ERR_ARGUMENT);
}

static const char event_text[] =
    "{\"v\":1,\"id\":\"e-1\",\"machine\":\"motor-7\",\"type\":"
    "\"repair\",\"finding\":\"no_fault\",\"time\":2,\"by\":\"A \\\"B\\\"\"}";

static void an_event_is_read_and_written(void **state)
{
    (void)state;
    struct mw_event event;
    open_text(event_text);
    assert_int_equal(mw_wire_read_event(parser, 0, &event, NULL), MW_OK);
    assert_true(mw_span_is(event.id, "e-1"));
    assert_true(mw_span_is(event.machine, "motor-7"));
    assert_int_equal(event.type, MW_EVENT_REPAIR);
    assert_int_equal(event.finding, MW_FINDING_NO_FAULT);
    assert_int_equal(event.time, 2000000);
    assert_true(mw_span_is(event.by, "A \\\"B\\\""));
    ASSERT_WRITES(mw_wire_write_event, &event, event_text);

    char text[512];
    size_t length;
    event.by = mw_span_of("A \"B\"");
    assert_int_equal(mw_wire_write_event(text, sizeof text, &length, &event), MW_ERR_ARGUMENT);
    event.by = mw_span_of("");
    event.type = MW_EVENT_FAILURE; /* which contradicts the finding */
    assert_int_equal(mw_wire_write_event(text, sizeof text, &length, &event), MW_ERR_ARGUMENT);
}

static void findings_fit_their_type(void **state)
{
    (void)state;
    static const struct {
        const char *type, *finding;
        mw_err err;
        enum mw_finding want;
    } cases[] = {
        {"failure", "", MW_OK, MW_FINDING_NONE},
        {"failure", ",\"finding\":\"none\"", MW_OK, MW_FINDING_NONE},
        {"failure", ",\"finding\":\"fault\"", MW_OK, MW_FINDING_NONE},
        {"failure", ",\"finding\":\"no_fault\"", MW_ERR_PARSE, MW_FINDING_NONE},
        {"repair", "", MW_OK, MW_FINDING_NONE},
        {"repair", ",\"finding\":\"fault\"", MW_OK, MW_FINDING_FAULT},
        {"inspection", ",\"finding\":\"no_fault\"", MW_OK, MW_FINDING_NO_FAULT},
        {"inspection", ",\"finding\":\"perhaps\"", MW_ERR_PARSE, MW_FINDING_NONE},
        {"inspection", ",\"finding\":true", MW_ERR_PARSE, MW_FINDING_NONE},
        {"Failure", "", MW_ERR_PARSE, MW_FINDING_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256] = "{\"v\":1,\"id\":\"x\",\"machine\":\"m\",\"time\":1,\"type\":\"";
        (void)strcat(strcat(strcat(text, cases[i].type), "\""), cases[i].finding);
        open_text(strcat(text, "}"));
        struct mw_event event;
        assert_int_equal(mw_wire_read_event(parser, 0, &event, NULL), cases[i].err);
        if (cases[i].err == MW_OK) {
            assert_int_equal(event.finding, cases[i].want);
            assert_int_equal(event.by.size, 0);
        }
    }
}

static const char command_text[] =
    "{\"v\":1,\"device\":\"edge-1\",\"id\":\"c-1\",\"action\":\"stop\",\"time\":9.5,"
    "\"expires\":10.5,"
    "\"cause\":\"score 0.9 \\u2265 0.8\"}";

static void a_command_is_read_and_written(void **state)
{
    (void)state;
    struct mw_command command;
    open_text(command_text);
    assert_int_equal(mw_wire_read_command(parser, 0, &command, NULL), MW_OK);
    assert_true(mw_span_is(command.id, "c-1"));
    assert_true(mw_span_is(command.device, "edge-1"));
    assert_true(mw_span_is(command.machine, "edge-1"));
    assert_true(mw_span_is(command.action, "stop"));
    assert_int_equal(command.time, 9500000);
    assert_int_equal(command.expires, 10500000);
    assert_true(mw_span_is(command.cause, "score 0.9 \\u2265 0.8"));
    ASSERT_WRITES(mw_wire_write_command, &command, command_text);

    char text[512];
    size_t length;
    command.id = mw_span_of("");
    assert_int_equal(mw_wire_write_command(text, sizeof text, &length, &command), MW_ERR_ARGUMENT);
    command.id = mw_span_of("c-1");
    command.cause = mw_span_of("line\nbreak");
    assert_int_equal(mw_wire_write_command(text, sizeof text, &length, &command), MW_ERR_ARGUMENT);
}

static void an_ack_is_read_and_written(void **state)
{
    (void)state;
    static const char ack_text[] = "{\"v\":1,\"boot\":4294967295,\"next\":18446744073709551615}";
    struct mw_ack ack;
    open_text(ack_text);
    assert_int_equal(mw_wire_read_ack(parser, 0, &ack, NULL), MW_OK);
    assert_true(ack.boot == UINT32_MAX);
    assert_true(ack.next == UINT64_MAX);
    ASSERT_WRITES(mw_wire_write_ack, &ack, ack_text);
}

enum kind { SCORE, EVENT, COMMAND, ACK };

static mw_err read_kind(enum kind kind, const char *text, struct mw_why *why)
{
    struct mw_score score;
    struct mw_event event;
    struct mw_command command;
    struct mw_ack ack;
    open_text(text);
    switch (kind) {
    case SCORE:
        return mw_wire_read_score(parser, 0, &score, why);
    case EVENT:
        return mw_wire_read_event(parser, 0, &event, why);
    case COMMAND:
        return mw_wire_read_command(parser, 0, &command, why);
    case ACK:
        return mw_wire_read_ack(parser, 0, &ack, why);
    }
    return MW_ERR_ARGUMENT;
}

static void what_does_not_fit_is_refused_with_the_key(void **state)
{
    (void)state;
#define SCORE_OF(score, band)                                                                \
    "{\"v\":1,\"device\":\"d\",\"boot\":1,\"seq\":1,\"time\":1,\"model\":\"m\",\"level\":3," \
    "\"score\":" score ",\"band\":" band "}"
    static const struct {
        enum kind kind;
        const char *text;
        mw_err err;
        const char *why;
    } cases[] = {
        {SCORE, "{}", MW_ERR_PARSE, "v is missing"},
        {SCORE, "{\"v\":1}", MW_ERR_PARSE, "device is missing"},
        {SCORE, SCORE_OF("1.1", "\"normal\""), MW_ERR_RANGE, "score is not"},
        {SCORE, SCORE_OF("-0.1", "\"normal\""), MW_ERR_RANGE, "score is not"},
        {SCORE, SCORE_OF("\"1\"", "\"normal\""), MW_ERR_PARSE, "score is not"},
        {SCORE, SCORE_OF("1", "\"high\""), MW_ERR_PARSE, "band is not"},
        {SCORE, SCORE_OF("1", "2"), MW_ERR_PARSE, "band is not"},
        {EVENT, "{\"v\":3}", MW_ERR_VERSION, "v is not 1"},
        {EVENT, "{\"v\":1}", MW_ERR_PARSE, "id is missing"},
        {EVENT, "{\"v\":1,\"id\":\"\"}", MW_ERR_PARSE, "id is not"},
        {EVENT, "{\"v\":1,\"id\":\"a\\nb\"}", MW_ERR_PARSE, "id is not"},
        {EVENT, "{\"v\":1,\"id\":\"a\",\"machine\":\"m\",\"type\":\"repair\"}", MW_ERR_PARSE,
         "time is missing"},
        {COMMAND, "{\"v\":1,\"id\":\"a\",\"device\":\"d\"}", MW_ERR_PARSE, "action is missing"},
        {COMMAND, "{\"v\":1,\"id\":\"a\",\"device\":\"d\",\"action\":\"stop\"}", MW_ERR_PARSE,
         "time is missing"},
        {COMMAND, "{\"v\":1,\"id\":\"a\",\"device\":\"d\",\"action\":\"stop\",\"time\":1}",
         MW_ERR_PARSE, "expires is missing"},
        {COMMAND, "{\"v\":1,\"id\":\"a\",\"id\":\"b\"}", MW_ERR_PARSE, "id is given twice"},
        {ACK, "{\"v\":1,\"boot\":1}", MW_ERR_PARSE, "next is missing"},
        {ACK, "{\"v\":1,\"boot\":1,\"next\":-1}", MW_ERR_PARSE, "next is not"},
        {ACK, "{\"v\":1,\"boot\":4294967296,\"next\":1}", MW_ERR_RANGE, "boot is not"},
    };
#undef SCORE_OF
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mw_why why = {"-", 0};
        mw_err err = read_kind(cases[i].kind, cases[i].text, &why);
        if (err != cases[i].err || strstr(why.text, cases[i].why) == NULL) {
            fail_msg("%s: %s: %s", cases[i].text, mw_err_text(err), why.text);
        }
    }
    struct mw_ack ack;
    assert_int_equal(mw_wire_read_ack(parser, 1, &ack, NULL), MW_ERR_ARGUMENT);
}

static void names_and_bands(void **state)
{
    (void)state;
    char longest[MW_NAME_MAX + 2];
    memset(longest, 'a', sizeof longest);
    longest[MW_NAME_MAX] = '\0';
    assert_true(mw_name_valid(mw_span_of(longest)));
    assert_false(mw_name_valid((struct mw_span){longest, MW_NAME_MAX + 1}));
    assert_true(mw_name_valid(mw_span_of("a-0-z9")));
    static const char *const bad[] = {"", "A", "a_b", "a b", "a/b", "a+", "#", "\xc3\xa9", "a.b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(mw_name_valid(mw_span_of(bad[i])));
    }
    assert_false(mw_name_valid((struct mw_span){NULL, 0}));

    assert_int_equal(mw_band_of(0), MW_BAND_NORMAL);
    assert_int_equal(mw_band_of(nextafterf(0.5F, 0)), MW_BAND_NORMAL);
    assert_int_equal(mw_band_of(0.5F), MW_BAND_IMPENDING);
    assert_int_equal(mw_band_of(nextafterf(0.8F, 0)), MW_BAND_IMPENDING);
    assert_int_equal(mw_band_of(0.8F), MW_BAND_IMMEDIATE);
    assert_int_equal(mw_band_of(1), MW_BAND_IMMEDIATE);
    assert_string_equal(mw_band_name(MW_BAND_IMMEDIATE), "immediate");
    assert_string_equal(mw_event_type_name(MW_EVENT_INSPECTION), "inspection");
    assert_string_equal(mw_finding_name(MW_FINDING_NO_FAULT), "no_fault");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_score_is_read_and_written),
        cmocka_unit_test(an_event_is_read_and_written),
        cmocka_unit_test(findings_fit_their_type),
        cmocka_unit_test(a_command_is_read_and_written),
        cmocka_unit_test(an_ack_is_read_and_written),
        cmocka_unit_test(what_does_not_fit_is_refused_with_the_key),
        cmocka_unit_test(names_and_bands),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
