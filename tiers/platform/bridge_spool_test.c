/* The spool, with a stream of SQLite in place of Kafka: what waits, what is behind what, and what a
 * kill leaves. */
#include "lib/base/test.h"
#include "tiers/platform/bridge_spool.h"

#include "lib/base/file.h"

struct place {
    char folder[64];
    struct mw_bridge_spool spool;
    struct mw_bridge_round round, piece, tried;
    uint64_t number;
};

static void open_spool(struct place *place, int64_t limit, const struct mw_bridge_mark *mark)
{
    struct mw_bridge_mark none = {0};
    mw_bridge_round_clear(&place->tried);
    assert_ok(mw_bridge_spool_open(&place->spool, place->folder, "p", "bridge", limit,
                                   &place->tried, &place->number, error));
    assert_ok(mw_bridge_spool_recover(&place->spool, mark == NULL ? &none : mark, error));
}

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    assert_non_null(place);
    snprintf(place->folder, sizeof place->folder, "/tmp/mw-spool-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    open_spool(place, -1, NULL);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    char command[128];
    mw_bridge_spool_close(&place->spool);
    mw_bridge_round_free(&place->round);
    mw_bridge_round_free(&place->piece);
    mw_bridge_round_free(&place->tried);
    snprintf(command, sizeof command, "rm -r %s", place->folder);
    assert_int_equal(system(command), 0);
    free(place);
    return 0;
}

/* A record of a device and its position, as rounds have them. */
static void add(struct place *place, const char *device, int seq, bool direct)
{
    char text[32];
    snprintf(text, sizeof text, "%d", seq);
    assert_ok(mw_bridge_round_add(&place->round, "telemetry", false, mw_span_of(device),
                                  mw_span_of(text)));
    assert_ok(
        mw_bridge_round_add(&place->round, "position", true, mw_span_of(device), mw_span_of(text)));
    for (size_t i = place->round.n_items - 2; i < place->round.n_items; i++) {
        place->round.item[i].direct = direct;
    }
}

static void keep(struct place *place, uint64_t tried)
{
    assert_ok(mw_bridge_spool_keep(&place->spool, &place->round, tried, error));
    mw_bridge_round_clear(&place->round);
}

/* Fetches a piece of `n` items and checks that it begins with that record. */
static void fetch(struct place *place, size_t max, size_t n, const char *first)
{
    mw_bridge_round_clear(&place->piece);
    assert_ok(mw_bridge_spool_fetch(&place->spool, &place->piece, max, error));
    assert_int_equal(place->piece.n_items, n);
    assert_string_equal(place->piece.item[0].topic, "telemetry");
    assert_false(place->piece.item[0].put);
    assert_true(mw_span_is(mw_bridge_item_value(&place->piece, 0), first));
    assert_string_equal(place->piece.item[1].topic, "position");
    assert_true(place->piece.item[1].put);
    assert_true(mw_span_is(mw_bridge_item_key(&place->piece, 0), "a"));
}

static bool behind(struct place *place, const char *topic, const char *key)
{
    struct mw_bridge_round one = {0};
    assert_ok(mw_bridge_round_add(&one, topic, false, mw_span_of(key), mw_span_of("1")));
    bool found = mw_bridge_spool_behind(&place->spool, &one, 0);
    mw_bridge_round_free(&one);
    return found;
}

static void test_drains_in_order(void **state)
{
    struct place *place = *state;
    for (int i = 0; i < 1000; i++) {
        add(place, "a", i, false);
    }
    keep(place, 0);
    assert_int_equal(mw_bridge_spool_waiting(&place->spool), 2000);
    fetch(place, 600, 600, "0");
    assert_ok(mw_bridge_spool_settle(&place->spool, false, error));
    fetch(place, 600, 600, "0"); /* Kafka did not have it */
    assert_ok(mw_bridge_spool_settle(&place->spool, true, error));
    assert_ok(mw_bridge_spool_trim(&place->spool, error));
    add(place, "a", 1000, false); /* behind the others */
    keep(place, 0);
    fetch(place, 5000, 1402, "300");
    assert_ok(mw_bridge_spool_settle(&place->spool, true, error));
    assert_int_equal(mw_bridge_spool_waiting(&place->spool), 0);
    assert_int_equal(place->spool.bytes, 0);
}

/* What Kafka has is removed later: until then it must not come a second time. */
static void test_what_kafka_has_does_not_come_again(void **state)
{
    struct place *place = *state;
    for (int i = 0; i < 10; i++) {
        add(place, "a", i, false);
    }
    keep(place, 0);
    assert_ok(mw_bridge_spool_pass(&place->spool, 6, &place->piece, error));
    assert_int_equal(place->spool.mark.drained, 6);
    assert_int_equal(mw_bridge_spool_waiting(&place->spool), 14);
    fetch(place, 4, 4, "3");
    assert_ok(mw_bridge_spool_settle(&place->spool, false, error));
    fetch(place, 14, 14, "3");
    assert_ok(mw_bridge_spool_settle(&place->spool, true, error));
    assert_int_equal(mw_bridge_spool_waiting(&place->spool), 0);
    assert_int_equal(place->spool.bytes, 0);
}

static void test_only_keys_that_wait_are_waited_for(void **state)
{
    struct place *place = *state;
    assert_false(behind(place, "telemetry", "a"));
    add(place, "a", 0, false);
    keep(place, 0);
    add(place, "b", 0, false);
    keep(place, 0);
    assert_true(behind(place, "telemetry", "a"));
    assert_true(behind(place, "status", "b"));
    assert_false(behind(place, "telemetry", "c"));
    assert_false(behind(place, "desired", "a")); /* is not the device's own */
    fetch(place, 2, 2, "0");
    assert_true(behind(place, "telemetry", "a")); /* on its way */
    assert_ok(mw_bridge_spool_settle(&place->spool, true, error));
    assert_false(behind(place, "telemetry", "a"));
    assert_true(behind(place, "telemetry", "b"));
}

/* Killed before Kafka's answer was seen: the mark says what it has. */
static void test_mark_tells_what_kafka_has(void **state)
{
    struct place *place = *state;
    struct mw_bridge_mark mark;
    char text[96];
    add(place, "a", 0, false);
    add(place, "a", 1, false);
    add(place, "a", 2, false);
    keep(place, 0);
    fetch(place, 2, 2, "0");
    mark = place->spool.mark;
    mark.round = 1;
    mark.drained = place->spool.piece_end;
    mw_bridge_mark_print(&mark, text);
    mw_bridge_spool_close(&place->spool);
    assert_ok(mw_bridge_mark_read(&mark, mw_span_of(text)));
    open_spool(place, -1, &mark);
    assert_int_equal(mw_bridge_spool_waiting(&place->spool), 4);
    fetch(place, 100, 4, "1");
    mw_bridge_spool_close(&place->spool);
    open_spool(place, -1, &mark);
    assert_true(behind(place, "telemetry", "a"));
    fetch(place, 100, 4, "1");
    mw_bridge_spool_close(&place->spool);
    mark.spool[0] = mark.spool[0] == 'a' ? 'b' : 'a'; /* another spool's */
    mark.drained = 1000;
    open_spool(place, -1, &mark);
    fetch(place, 100, 4, "1");
}

static void test_tried_comes_back(void **state)
{
    struct place *place = *state;
    add(place, "a", 0, true);
    add(place, "b", 0, false);
    keep(place, 7);
    assert_int_equal(mw_bridge_spool_waiting(&place->spool), 2); /* a's are not among them */
    assert_false(behind(place, "telemetry", "a"));
    mw_bridge_spool_close(&place->spool);
    open_spool(place, -1, NULL);
    assert_int_equal(place->number, 7);
    assert_int_equal(place->tried.n_items, 2);
    assert_true(mw_span_is(mw_bridge_item_key(&place->tried, 1), "a"));
    place->spool.tried_over = true;
    add(place, "a", 1, true);
    keep(place, 8); /* in the place of the one before */
    mw_bridge_spool_close(&place->spool);
    open_spool(place, -1, NULL);
    assert_int_equal(place->number, 8);
    assert_int_equal(place->tried.n_items, 2);
    assert_true(mw_span_is(mw_bridge_item_value(&place->tried, 0), "1"));
    place->spool.tried_over = true;
    assert_ok(mw_bridge_spool_trim(&place->spool, error));
    mw_bridge_spool_close(&place->spool);
    open_spool(place, -1, NULL);
    assert_int_equal(place->number, 0);
    add(place, "a", 2, true); /* Kafka has it: nothing to keep */
    keep(place, 0);
    assert_int_equal(mw_bridge_spool_waiting(&place->spool), 2);
}

/* What waits is counted alike when it is opened again. The limit itself: bridge_condense_test.c */
static void test_what_waits_is_counted(void **state)
{
    struct place *place = *state;
    for (int seq = 0; seq < 20; seq++) {
        add(place, "a", seq, false);
        keep(place, 0);
    }
    int64_t bytes = place->spool.bytes;
    mw_bridge_spool_close(&place->spool);
    open_spool(place, -1, NULL);
    assert_int_equal(place->spool.bytes, bytes);
    assert_int_equal(mw_bridge_spool_waiting(&place->spool), 40);
    place->spool.limit = bytes;
    place->spool.full = true; /* nothing of it may go */
    add(place, "a", 20, false);
    assert_int_equal(mw_bridge_spool_keep(&place->spool, &place->round, 0, NULL), MW_ERR_FULL);
    mw_bridge_round_clear(&place->round);
    fetch(place, 10, 10, "0");
    assert_ok(mw_bridge_spool_settle(&place->spool, true, error));
    add(place, "a", 20, false);
    keep(place, 0); /* there is room again */
}

static void test_marks_that_are_none(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", "{}", "{\"spool\":\"0\",\"round\":1}", "{\"spool\":\"xyz\",\"round\":1,\"drained\":2}",
        "{\"spool\":\"0123456789abcdef0\",\"round\":1,\"drained\":2}"};
    struct mw_bridge_mark mark;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(mw_bridge_mark_read(&mark, mw_span_of(texts[i])), MW_ERR_CORRUPT);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_kafka_has_does_not_come_again),
        TEST(test_drains_in_order),
        TEST(test_only_keys_that_wait_are_waited_for),
        TEST(test_mark_tells_what_kafka_has),
        TEST(test_tried_comes_back),
        TEST(test_what_waits_is_counted),
        cmocka_unit_test(test_marks_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
