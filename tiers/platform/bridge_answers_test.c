#include "lib/base/test_loop.h"
#include "tiers/platform/bridge_answers.h"

#include <stdio.h>
#include <unistd.h>

struct seen {
    char text[256]; /* "p<id> " a PUBACK, "<device>=<json> " an ack, "failed " */
    struct mw_bridge_answers answers;
    struct mw_loop *loop;
    struct mw_stream *stream;
    char folder[64];
    size_t wanted;
};

static void add(struct seen *seen, const char *text)
{
    size_t used = strlen(seen->text);
    (void)snprintf(seen->text + used, sizeof seen->text - used, "%s ", text);
}

static void on_puback(void *context, uint32_t connection, uint16_t id)
{
    char text[32];
    (void)snprintf(text, sizeof text, "p%u.%u", connection, id);
    add(context, text);
}

static void on_ack(void *context, const char *device, struct mw_span json)
{
    char text[64];
    (void)snprintf(text, sizeof text, "%s=%.*s", device, (int)json.size, json.data);
    add(context, text);
}

static void on_failed(void *context, const struct mw_error *why)
{
    assert_true(why->text[0] != '\0');
    add(context, "failed");
}

static int set_up(void **state)
{
    struct seen *seen = calloc(1, sizeof *seen);
    const struct mw_bridge_answer_calls calls = {on_puback, on_ack, on_failed, seen};
    char uri[64 + 16];
    assert_non_null(seen);
    test_folder_make(seen->folder);
    (void)snprintf(uri, sizeof uri, "sqlite:%s", seen->folder);
    const struct mw_stream_options options = {uri, "p", "bridge"};
    assert_ok(mw_stream_open(&seen->stream, &options, error));
    assert_ok(mw_loop_new(&seen->loop, error));
    assert_ok(mw_bridge_answers_init(&seen->answers, seen->stream, seen->loop, &calls, error));
    *state = seen;
    return 0;
}

static int tear_down(void **state)
{
    struct seen *seen = *state;
    mw_bridge_answers_clear(&seen->answers);
    mw_loop_free(seen->loop);
    mw_stream_close(seen->stream);
    test_folder_remove(seen->folder);
    free(seen);
    return 0;
}

static void store(struct seen *seen, const char *value)
{
    assert_ok(mw_stream_begin(seen->stream, error));
    assert_ok(
        mw_stream_append(seen->stream, "telemetry", mw_span_of("k"), mw_span_of(value), error));
    assert_ok(mw_stream_commit_visible(seen->stream, NULL, error));
}

static void answer(struct seen *seen, uint16_t id, const char *device)
{
    store(seen, device);
    assert_int_equal(mw_bridge_answers_puback(&seen->answers, (struct mw_bridge_puback){1, id}),
                     MW_OK);
    assert_int_equal(mw_bridge_answers_ack(&seen->answers, device, mw_span_of("{}")), MW_OK);
    mw_bridge_answers_round(&seen->answers);
}

static bool has_come(void *context)
{
    struct seen *seen = context;
    return strlen(seen->text) >= seen->wanted;
}

static void test_answers_come_from_the_loop_in_order(void **state)
{
    static const char expected[] = "p1.1 a={} p1.2 p1.3 b={} c={} ";
    struct seen *seen = *state;
    answer(seen, 1, "a");
    assert_int_equal(mw_bridge_answers_waiting(&seen->answers), 0); /* its sync is under way */
    answer(seen, 2, "b");
    answer(seen, 3, "c");
    assert_int_equal(mw_bridge_answers_waiting(&seen->answers), 2);
    assert_string_equal(seen->text, "");
    seen->wanted = sizeof expected - 1;
    run_until(seen->loop, has_come, seen);
    assert_string_equal(seen->text, expected);
    assert_int_equal(mw_bridge_answers_waiting(&seen->answers), 0);
}

static void test_the_end_waits_for_the_disk(void **state)
{
    struct seen *seen = *state;
    mw_bridge_answers_finish(&seen->answers); /* nothing is due */
    answer(seen, 1, "a");
    answer(seen, 2, "b");
    mw_bridge_answers_finish(&seen->answers);
    assert_string_equal(seen->text, "p1.1 a={} p1.2 b={} ");
}

static void test_nothing_is_answered_when_the_disk_fails(void **state)
{
    char log[96], aside[96];
    struct seen *seen = *state;
    store(seen, "x"); /* the log is there */
    (void)snprintf(log, sizeof log, "%s/bridge.db-wal", seen->folder);
    (void)snprintf(aside, sizeof aside, "%s/aside", seen->folder);
    assert_int_equal(rename(log, aside), 0);
    assert_int_equal(symlink("bridge.db-wal", log), 0); /* leads nowhere */
    answer(seen, 1, "a");
    answer(seen, 2, "b");
    mw_bridge_answers_finish(&seen->answers);
    assert_string_equal(seen->text, "failed ");
    /* An ack says that all before it is stored, so a disk that answers again helps nobody. */
    assert_int_equal(rename(aside, log), 0);
    answer(seen, 3, "c");
    mw_bridge_answers_finish(&seen->answers);
    assert_string_equal(seen->text, "failed ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answers_come_from_the_loop_in_order, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_the_end_waits_for_the_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_is_answered_when_the_disk_fails, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
