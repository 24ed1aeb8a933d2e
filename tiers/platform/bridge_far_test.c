/* Rounds into a stream that does not answer for a while. SQLite stands in for Kafka: a lock that
 * somebody else holds on its file keeps a transaction waiting. */
#include "lib/base/test.h"
#include "lib/stream/stream_internal.h"
#include "tiers/platform/bridge_condense.h"
#include "tiers/platform/bridge_far.h"

#include <sqlite3.h>

#define LIMIT (60 * MW_SECOND)

static struct mw_error why;

struct place {
    char folder[64], artifacts[128], file[128];
    struct mw_plant plant;
    struct mw_loop *loop;
    struct mw_bridge_intake intake;
    struct mw_bridge_outgoing outgoing;
    struct mw_bridge_far far;
    struct mw_bridge_round round;
    sqlite3 *other;
    int64_t end;
    uint64_t enough; /* the loop ends when no more waits */
    int puts;        /* compacted values that were left by the run before */
};

static mw_err publish(void *context, const char *topic, struct mw_span payload, uint8_t qos,
                      bool retain)
{
    (void)context, (void)topic, (void)payload, (void)qos, (void)retain;
    return MW_OK;
}

static bool room(void *context)
{
    (void)context;
    return true;
}

static mw_err put(void *context, const char *topic, struct mw_span key, struct mw_span value)
{
    struct place *place = context;
    (void)key, (void)value;
    assert_string_equal(topic, "position");
    place->puts++;
    return MW_OK;
}

/* The stream is locked once so many have been seen. */
static struct place *locks;
static int puts_until_lock;

static void lock(struct place *place);

static mw_err put_and_lock(void *context, const char *topic, struct mw_span key,
                           struct mw_span value)
{
    if (locks != NULL && puts_until_lock-- == 0) {
        lock(locks);
        locks = NULL;
    }
    return put(context, topic, key, value);
}

static void on_stream(void *context, uint32_t events)
{
    (void)events;
    (void)mw_bridge_far_fetch(&((struct place *)context)->far);
}

/* The test's devices have no positions of the intake's. */
static mw_err remember(void *context, struct mw_bridge_round *round)
{
    (void)context, (void)round;
    return MW_OK;
}

/* As bridge.c does; ends the loop when nothing waits any more. */
static void on_after(void *context)
{
    struct place *place = context;
    mw_bridge_far_tend(&place->far);
    assert_true(mw_clock_monotonic() < place->end);
    uint64_t waiting = mw_bridge_spool_waiting(&place->far.spool);
    if (place->far.near && !place->far.open && waiting <= place->enough) {
        mw_loop_stop(place->loop);
    }
}

/* away: without opening the stream. */
static void begin(struct place *place, bool away)
{
    struct mw_stream *stream = NULL;
    char uri[128];
    snprintf(uri, sizeof uri, "sqlite:%s/stream", place->folder);
    struct mw_stream_options options = {uri, "p", "bridge"};
    struct mw_bridge_sender sender = {publish, room, NULL};
    assert_ok(mw_loop_new(&place->loop, error));
    assert_ok(mw_bridge_intake_init(&place->intake, "p", -1, mw_clock_system));
    if (away) {
        assert_ok(mw_bridge_far_open_away(&place->far, &place->plant, error));
    } else {
        assert_ok(mw_stream_open(&stream, &options, error));
        assert_ok(mw_bridge_far_open(&place->far, &place->plant, stream, put, place, error));
    }
    assert_ok(mw_bridge_outgoing_init(&place->outgoing, &place->intake, stream,
                                      away ? place->far.spool.stream : stream, sender,
                                      place->artifacts, error));
    assert_ok(mw_bridge_far_start(&place->far, &place->outgoing, place->loop, on_stream, remember,
                                  place, error));
    assert_ok(mw_loop_add_after(place->loop, on_after, place, NULL, error));
}

static void end(struct place *place)
{
    mw_bridge_far_close(&place->far);
    mw_bridge_outgoing_clear(&place->outgoing);
    mw_stream_close(place->far.stream);
    mw_bridge_intake_clear(&place->intake);
    mw_loop_free(place->loop);
}

static void settle(struct place *place)
{
    place->end = mw_clock_monotonic() + LIMIT;
    mw_loop_wake(place->loop);
    assert_ok(mw_loop_run(place->loop, error));
}

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    assert_non_null(place);
    snprintf(place->folder, sizeof place->folder, "/tmp/mw-far-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    snprintf(place->artifacts, sizeof place->artifacts, "%s/artifacts", place->folder);
    snprintf(place->file, sizeof place->file, "%s/stream/bridge.db", place->folder);
    place->plant = (struct mw_plant){.plant = (char *)"p", .data = place->folder};
    place->plant.stream.spool = 1 << 20;
    begin(place, false);
    assert_int_equal(sqlite3_open(place->file, &place->other), SQLITE_OK);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    char command[128];
    sqlite3_close(place->other);
    end(place);
    mw_bridge_round_free(&place->round);
    snprintf(command, sizeof command, "rm -r %s", place->folder);
    assert_int_equal(system(command), 0);
    free(place);
    return 0;
}

static void lock(struct place *place)
{
    assert_int_equal(sqlite3_exec(place->other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
}

static void unlock(struct place *place)
{
    assert_int_equal(sqlite3_exec(place->other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
}

static void add(struct place *place, const char *device, int seq)
{
    char text[32];
    snprintf(text, sizeof text, "%d", seq);
    assert_ok(mw_bridge_round_add(&place->round, "telemetry", false, mw_span_of(device),
                                  mw_span_of(text)));
    assert_ok(
        mw_bridge_round_add(&place->round, "position", true, mw_span_of(device), mw_span_of(text)));
}

static void store(struct place *place, const char *device, int seq)
{
    mw_bridge_round_clear(&place->round);
    add(place, device, seq);
    assert_ok(mw_bridge_far_store(&place->far, &place->round, error));
}

/* A device's records in the stream are 0, 1, ... n - 1, in order. */
static void expect(struct place *place, const char *device, int n)
{
    static const char *const topics[] = {"telemetry"};
    struct mw_stream_reader *reader;
    struct mw_stream *stream;
    struct mw_stream_record records[64];
    size_t got = 0;
    int next = 0;
    char uri[128], text[32];
    snprintf(uri, sizeof uri, "sqlite:%s/stream", place->folder);
    struct mw_stream_options options = {uri, "p", NULL};
    assert_ok(mw_stream_open(&stream, &options, error));
    assert_ok(mw_stream_reader_open(&reader, stream, topics, 1, MW_STREAM_EARLIEST, error));
    do {
        assert_ok(mw_stream_poll(reader, records, 64, &got, error));
        for (size_t i = 0; i < got; i++) {
            if (mw_span_is(records[i].key, device)) {
                snprintf(text, sizeof text, "%d", next++);
                assert_true(mw_span_is(records[i].value, text));
            }
        }
    } while (got > 0);
    assert_int_equal(next, n);
    mw_stream_reader_close(reader);
    mw_stream_close(stream);
}

static void test_directly(void **state)
{
    struct place *place = *state;
    for (int i = 0; i < 20; i++) {
        store(place, "a", i);
    }
    assert_true(mw_bridge_far_free(&place->far));
    assert_int_equal(place->far.spool.spooled, 0);
    expect(place, "a", 20);
}

static void test_spools_and_drains(void **state)
{
    struct place *place = *state;
    store(place, "a", 0);
    lock(place);
    store(place, "a", 1); /* tried, and kept */
    assert_false(mw_bridge_far_free(&place->far));
    assert_true(place->far.kept);
    for (int i = 2; i < 500; i++) {
        store(place, "a", i);
    }
    expect(place, "a", 1);
    assert_int_equal(mw_bridge_spool_waiting(&place->far.spool), 996);
    unlock(place);
    settle(place);
    expect(place, "a", 500);
    store(place, "a", 500);
    assert_int_equal(mw_bridge_spool_waiting(&place->far.spool), 0);
    expect(place, "a", 501);
}

/* Who has a backlog waits behind it; who has none does not. */
static void test_others_go_directly(void **state)
{
    struct place *place = *state;
    lock(place);
    store(place, "b", 0);
    mw_bridge_round_clear(&place->round);
    for (int i = 0; i < 6000; i++) {
        add(place, "a", i);
    }
    assert_ok(mw_bridge_far_store(&place->far, &place->round, error));
    unlock(place);
    place->enough = 11000;
    settle(place); /* until Kafka is back and the draining has begun */
    mw_bridge_round_clear(&place->round);
    add(place, "c", 0);
    add(place, "a", 6000);
    assert_ok(mw_bridge_far_store(&place->far, &place->round, error));
    assert_true(mw_bridge_spool_waiting(&place->far.spool) > 0);
    expect(place, "b", 1);
    expect(place, "c", 1);
    place->enough = 0;
    settle(place);
    expect(place, "a", 6001);
    expect(place, "c", 1);
}

/* The bridge ends with a full spool; the next one begins with writing it. */
static void test_next_run_writes_what_is_left(void **state)
{
    struct place *place = *state;
    lock(place);
    for (int i = 0; i < 100; i++) {
        store(place, "a", i);
    }
    unlock(place);
    end(place); /* after the transaction that is under way, the tried one */
    begin(place, false);
    assert_in_range(place->puts, 99, 100);
    expect(place, "a", 100);
    assert_int_equal(mw_bridge_spool_waiting(&place->far.spool), 0);
}

/* A bridge that starts without Kafka goes on with what is in the spool. Of the transaction that
 * hung when the one before was killed nobody knows what became. */
static void start_without(struct place *place, bool arrives)
{
    store(place, "a", 0);
    lock(place);
    for (int i = 1; i < 50; i++) {
        store(place, "a", i);
    }
    mw_bridge_far_remember(&place->far);
    assert_true(place->far.spool.known);
    store(place, "a", 50);
    if (arrives) {
        unlock(place);
    }
    end(place);
    begin(place, true);
    store(place, "a", 51); /* and the stream has not been looked at */
    assert_null(place->far.stream);
    assert_true(place->far.spool.known);
    if (!arrives) {
        unlock(place);
    }
    settle(place);
    assert_false(place->far.spool.known);
    expect(place, "a", 52);
    store(place, "a", 52);
    expect(place, "a", 53);
    assert_int_equal(mw_bridge_spool_waiting(&place->far.spool), 0);
}

static void test_starts_without_and_it_had_arrived(void **state)
{
    start_without(*state, true);
}

static void test_starts_without_and_it_had_not(void **state)
{
    start_without(*state, false);
}

/* What Kafka has is not what this bridge has left there: it ends, and writes nothing more on the
 * way. */
static void test_ends_when_another_has_written(void **state)
{
    struct place *place = *state;
    struct mw_stream *stream = NULL;
    char uri[128];
    store(place, "a", 0);
    lock(place);
    for (int i = 1; i < 10; i++) {
        store(place, "a", i);
    }
    mw_bridge_far_remember(&place->far);
    end(place);
    unlock(place);
    snprintf(uri, sizeof uri, "sqlite:%s/stream", place->folder);
    struct mw_stream_options options = {uri, "p", "bridge"};
    assert_ok(mw_stream_open(&stream, &options, error));
    assert_ok(mw_bridge_claim_release(stream, error));
    mw_stream_close(stream);
    begin(place, true);
    settle(place);
    mw_bridge_round_clear(&place->round);
    add(place, "a", 10);
    struct mw_error refusal = {0};
    assert_int_equal(mw_bridge_far_store(&place->far, &place->round, &refusal), MW_ERR_STATE);
    mw_bridge_far_tend(&place->far);
    assert_int_equal(place->far.flight, MW_BRIDGE_IDLE);
    expect(place, "a", 1);
}

/* A handle that can write no more, though all went well, is replaced before the next round. */
static void test_opens_again_what_has_ended(void **state)
{
    struct place *place = *state;
    store(place, "a", 0);
    place->far.stream->ended = true;
    assert_false(mw_bridge_far_free(&place->far));
    store(place, "a", 1); /* into the spool */
    assert_true(mw_bridge_spool_waiting(&place->far.spool) > 0);
    expect(place, "a", 1);
    settle(place);
    assert_false(mw_stream_ended(place->far.stream));
    expect(place, "a", 2);
    store(place, "a", 2);
    assert_true(mw_bridge_far_free(&place->far));
    assert_int_equal(mw_bridge_spool_waiting(&place->far.spool), 0);
    expect(place, "a", 3);
    place->far.stream->ended = true; /* and when nothing waits */
    mw_bridge_far_tend(&place->far);
    assert_int_equal(place->far.flight, MW_BRIDGE_OPEN);
    assert_true(mw_bridge_far_collect(&place->far, LIMIT));
    assert_true(mw_bridge_far_free(&place->far));
}

/* Known is only what nobody has moved since. */
static void test_does_not_start_from_less_than_all(void **state)
{
    struct place *place = *state;
    struct mw_bridge_far other;
    store(place, "a", 0);
    mw_bridge_far_remember(&place->far); /* as at an ordered end */
    assert_true(place->far.spool.known);
    store(place, "a", 1);
    assert_false(place->far.spool.known);
    end(place);
    assert_int_equal(mw_bridge_far_open_away(&other, &place->plant, &why), MW_ERR_NET);
    begin(place, false);
    expect(place, "a", 2);
}

/* At the limit statuses are dropped; events are not, so in the end nothing is taken any more. */
static void test_bound(void **state)
{
    struct place *place = *state;
    char text[1000];
    memset(text, 'x', sizeof text);
    struct mw_span value = {text, sizeof text};
    mw_err err = MW_OK;
    lock(place);
    for (int i = 0; i < 4000 && err == MW_OK; i++) {
        const char *topic = i < 2000 ? "status" : "event";
        mw_bridge_round_clear(&place->round);
        assert_ok(mw_bridge_round_add(&place->round, topic, false, mw_span_of("a"), value));
        err = mw_bridge_far_store(&place->far, &place->round, &why);
        assert_true(err == MW_OK || i > 2000);
        assert_in_range(place->far.spool.bytes, 0, (1 << 20) + 1100);
    }
    assert_int_equal(err, MW_ERR_FULL);
    assert_true(mw_bridge_spool_condensed(&place->far.spool).dropped > 1900);
    unlock(place);
    settle(place);
    assert_ok(mw_bridge_far_store(&place->far, &place->round, error)); /* the same again */
}

/* Kafka lets a bridge open its writer, and takes the first of what waits or nothing of it. What was
 * known before is known after, so that the next run can go on without. */
static void test_what_is_known_outlives_a_beginning_that_fails(void **state)
{
    struct place *place = *state;
    struct mw_stream *stream = NULL;
    struct mw_bridge_far far;
    char uri[128];
    lock(place);
    for (int i = 0; i < 3000; i++) {
        if (i % 500 == 0) {
            mw_bridge_round_clear(&place->round);
        }
        add(place, "a", i);
        if (i % 500 == 499) {
            assert_ok(mw_bridge_far_store(&place->far, &place->round, error));
        }
    }
    mw_bridge_far_remember(&place->far);
    assert_true(place->far.spool.known);
    end(place);
    unlock(place);
    snprintf(uri, sizeof uri, "sqlite:%s/stream", place->folder);
    struct mw_stream_options options = {uri, "p", "bridge"};
    for (int fails_at = 0; fails_at < 2; fails_at++) {
        assert_ok(mw_stream_open(&stream, &options, error));
        puts_until_lock = fails_at * 1500; /* in the first transaction, or the second */
        locks = place;
        assert_int_not_equal(
            mw_bridge_far_open(&far, &place->plant, stream, put_and_lock, place, NULL), MW_OK);
        mw_bridge_far_close(&far);
        mw_stream_close(stream);
        unlock(place);
    }
    begin(place, true);
    settle(place);
    expect(place, "a", 3000);
}

/* ---- whose spool it is ---- */

static void move(struct place *place, const char *from, const char *to)
{
    char a[128], b[128];
    snprintf(a, sizeof a, "%s/%s", place->folder, from);
    snprintf(b, sizeof b, "%s/%s", place->folder, to);
    assert_int_equal(rename(a, b), 0);
}

/* Opens and closes as a bridge would that has the spool in the data folder, or a new one. */
static mw_err try_open(struct place *place, struct mw_error *refusal)
{
    struct mw_bridge_far far;
    struct mw_stream *stream = NULL;
    char uri[128];
    snprintf(uri, sizeof uri, "sqlite:%s/stream", place->folder);
    struct mw_stream_options options = {uri, "p", "bridge"};
    assert_ok(mw_stream_open(&stream, &options, error));
    mw_err err = mw_bridge_far_open(&far, &place->plant, stream, put, place, refusal);
    mw_bridge_far_close(&far);
    mw_stream_close(stream);
    return err;
}

/* Which has the claim, and one that is given up never writes again. */
static void test_no_spool_passes_over_another(void **state)
{
    struct place *place = *state;
    char identity[MW_BRIDGE_IDENTITY];
    lock(place);
    for (int i = 0; i < 10; i++) {
        store(place, "a", i);
    }
    end(place); /* with a lock that nobody gives up: the transaction fails */
    unlock(place);
    assert_ok(mw_bridge_claim_identify(&place->plant, identity, error));
    assert_int_equal(strlen(identity), MW_BRIDGE_IDENTITY - 1);

    move(place, "spool", "theirs");
    assert_refused(try_open(place, error), MW_ERR_BUSY, identity);
    assert_refused(try_open(place, error), MW_ERR_BUSY, "takes its place"); /* and again */
    move(place, "spool", "new");
    move(place, "theirs", "spool");
    begin(place, false); /* its own goes on */
    expect(place, "a", 10);
    end(place);

    move(place, "spool", "theirs");
    place->plant.stream.spool_lost = identity;
    move(place, "new", "spool");
    begin(place, false);
    store(place, "a", 10);
    expect(place, "a", 11);
    end(place);
    place->plant.stream.spool_lost = NULL;
    move(place, "spool", "new");
    move(place, "theirs", "spool");
    assert_refused(try_open(place, error), MW_ERR_STATE, "given up as lost");
    move(place, "spool", "theirs");
    move(place, "new", "spool");
    begin(place, false);
    expect(place, "a", 11);
}

/* Started with stream.spool: off it writes what waits and makes way. */
static void test_a_spool_is_given_back(void **state)
{
    struct place *place = *state;
    lock(place);
    store(place, "a", 0);
    unlock(place);
    end(place); /* after the transaction that is under way: it stays in the spool as tried */
    place->plant.stream.spool = -1;
    assert_ok(try_open(place, error));
    expect(place, "a", 1);
    move(place, "spool", "theirs");
    place->plant.stream.spool = 1 << 20;
    begin(place, false); /* another one's */
    store(place, "a", 1);
    end(place);
    move(place, "spool", "new");
    move(place, "theirs", "spool");
    assert_refused(try_open(place, error), MW_ERR_BUSY, "takes its place");
    move(place, "spool", "theirs");
    move(place, "new", "spool");
    place->plant.stream.spool = -1;
    assert_ok(try_open(place, error));
    move(place, "spool", "new");
    move(place, "theirs", "spool");
    place->plant.stream.spool = 1 << 20;
    begin(place, false); /* the first one again, with nothing of before */
    expect(place, "a", 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_directly),
        TEST(test_spools_and_drains),
        TEST(test_others_go_directly),
        TEST(test_next_run_writes_what_is_left),
        TEST(test_starts_without_and_it_had_arrived),
        TEST(test_starts_without_and_it_had_not),
        TEST(test_ends_when_another_has_written),
        TEST(test_opens_again_what_has_ended),
        TEST(test_does_not_start_from_less_than_all),
        TEST(test_bound),
        TEST(test_what_is_known_outlives_a_beginning_that_fails),
        TEST(test_no_spool_passes_over_another),
        TEST(test_a_spool_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
