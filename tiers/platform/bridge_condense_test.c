/* A spool at its limit: sketches are added up before a record goes, and an account made from what
 * arrives - at any time while it arrives - misses nothing. */
#include "lib/base/test.h"
#include "tiers/platform/bridge_condense.h"

#include "lib/stream/stream.h"
#include "tiers/platform/bridge_intake.h"
#include "tiers/platform/ledger.h"

static struct mw_error why;

struct place {
    char folder[64], spool_folder[96];
    struct mw_plant plant;
    struct mw_stream *stream; /* stands in for Kafka */
    struct mw_bridge_intake intake;
    struct mw_bridge_spool spool;
    struct mw_bridge_round tried, piece;
    uint64_t made, sketches, counted; /* numbers given out, those of sketches, what they counted */
    uint64_t next[3];
};

static const char *const devices[] = {"motor-1", "motor-2", "motor-3"};
static const char *const digests[] = {"sha256:aa", "sha256:bb"};

static void open_spool(struct place *place, int64_t limit)
{
    struct mw_bridge_mark none = {0};
    uint64_t number;
    assert_ok(mw_bridge_spool_open(&place->spool, place->spool_folder, "p", "bridge", limit,
                                   &place->tried, &number, error));
    assert_ok(mw_bridge_spool_recover(&place->spool, &none, error));
}

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    char uri[128];
    assert_non_null(place);
    strcpy(place->folder, "/tmp/mw-condense-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    snprintf(place->spool_folder, sizeof place->spool_folder, "%s/spool", place->folder);
    snprintf(uri, sizeof uri, "sqlite:%s/stream", place->folder);
    place->plant = (struct mw_plant){.plant = (char *)"p", .data = place->folder};
    place->plant.bridge.shares = 1;
    struct mw_stream_options options = {uri, "p", "bridge"};
    assert_ok(mw_stream_open(&place->stream, &options, error));
    assert_ok(mw_bridge_intake_init(&place->intake, "p", -1, mw_clock_system));
    open_spool(place, 64 << 10);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    char command[128];
    mw_bridge_spool_close(&place->spool);
    mw_bridge_intake_clear(&place->intake);
    mw_stream_close(place->stream);
    mw_bridge_round_free(&place->tried);
    mw_bridge_round_free(&place->piece);
    snprintf(command, sizeof command, "rm -r %s", place->folder);
    assert_int_equal(system(command), 0);
    free(place);
    return 0;
}

static void take(struct place *place, const char *kind, const char *device, const char *text)
{
    char topic[96];
    snprintf(topic, sizeof topic, "mw/p/%s/%s", kind, device);
    assert_ok(mw_bridge_intake_take(&place->intake, mw_span_of(topic), mw_span_of(text), 1, 0));
}

static void make_record(struct place *place, size_t d)
{
    char text[256];
    snprintf(text, sizeof text,
             "{\"v\":1,\"device\":\"%s\",\"boot\":1,\"seq\":%llu,\"time\":1.5,"
             "\"features\":{\"a\":1}}",
             devices[d], (unsigned long long)place->next[d]++);
    take(place, "telemetry", devices[d], text);
    place->made++;
}

static void make_sketch(struct place *place, size_t d, const char *bundle)
{
    char text[512];
    snprintf(text, sizeof text,
             "{\"v\":1,\"device\":\"%s\",\"boot\":1,\"seq\":%llu,\"bundle\":\"%s\","
             "\"from\":1,\"to\":2,\"count\":%u,"
             "\"features\":{\"a\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,0]},"
             "\"score\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,7,0]}",
             devices[d], (unsigned long long)place->next[d]++, bundle, (unsigned)(d + 1));
    take(place, "telemetry", devices[d], text);
    place->made++;
    place->sketches++;
    place->counted += d + 1;
}

static void no_ack(void *context, const char *device, struct mw_span json)
{
    (void)context, (void)device, (void)json;
}

/* Keeps the intake's round, as bridge_far.c does while Kafka is away. */
static mw_err keep(struct place *place)
{
    assert_ok(mw_bridge_intake_seal(&place->intake));
    mw_err err = mw_bridge_spool_keep(&place->spool, &place->intake.round, 0, &why);
    if (err == MW_OK) {
        mw_bridge_intake_stored(&place->intake, no_ack, NULL);
    }
    if (err == MW_OK && place->spool.limit >= 0 && place->spool.bytes > place->spool.limit) {
        assert_ok(mw_bridge_spool_condense(&place->spool, &place->intake.devices, error));
    }
    return err;
}

static void expect_whole(struct place *place, struct mw_ledger_row *total)
{
    assert_ok(mw_ledger_read(&place->plant, NULL, NULL, total, error));
    assert_int_equal(total->missing, 0);
    assert_int_equal(total->doubled, 0);
    assert_true(mw_ledger_balances(total));
}

/* Writes up to `max` items to the stream; false: nothing waits. */
static bool drain(struct place *place, size_t max)
{
    if (mw_bridge_spool_waiting(&place->spool) == 0) {
        return false;
    }
    mw_bridge_round_clear(&place->piece);
    assert_ok(mw_bridge_spool_fetch(&place->spool, &place->piece, max, error));
    assert_ok(mw_stream_begin(place->stream, error));
    for (size_t i = 0; i < place->piece.n_items; i++) {
        const struct mw_bridge_item *item = &place->piece.item[i];
        struct mw_span key = mw_bridge_item_key(&place->piece, i);
        struct mw_span value = mw_bridge_item_value(&place->piece, i);
        assert_ok(item->put ? mw_stream_put(place->stream, item->topic, key, value, error)
                            : mw_stream_append(place->stream, item->topic, key, value, error));
    }
    assert_ok(mw_stream_commit(place->stream, NULL, error));
    assert_ok(mw_bridge_spool_settle(&place->spool, true, error));
    assert_ok(mw_bridge_spool_trim(&place->spool, error));
    return true;
}

static void drain_all(struct place *place, size_t max, struct mw_ledger_row *total)
{
    while (drain(place, max)) {
        expect_whole(place, total);
    }
    assert_int_equal(place->spool.bytes, 0);
    assert_int_equal(place->spool.keys.count, 0);
    expect_whole(place, total);
    assert_int_equal(total->published, place->made);
    assert_int_equal(total->pending, 0);
}

/* More than the limit in sketches, but all of them fit into a few. */
static void test_sketches_go_first(void **state)
{
    struct place *place = *state;
    struct mw_ledger_row total;
    for (int i = 0; i < 200; i++) {
        for (size_t d = 0; d < 3; d++) {
            make_sketch(place, d, digests[0]);
            if (i % 10 == 0) {
                make_record(place, d);
            }
        }
        assert_ok(keep(place));
        assert_in_range(place->spool.bytes, 0, 64 << 10);
    }
    struct mw_bridge_condensed done = mw_bridge_spool_condensed(&place->spool);
    assert_int_equal(done.dropped, 0);
    assert_in_range(done.merged, 300, place->sketches - 3);
    drain_all(place, 7, &total);
    assert_int_equal(total.stored, place->made);
    assert_int_equal(total.merged, done.merged);
    assert_int_equal(total.sketches, place->sketches - done.merged);
    assert_int_equal(total.suppressed, place->counted); /* what they count is all there */
}

static void test_bundles_do_not_mix(void **state)
{
    struct place *place = *state;
    struct mw_ledger_row total;
    mw_err err = MW_OK;
    for (int i = 0; i < 1000 && err == MW_OK; i++) { /* each stands between two of another bundle */
        make_sketch(place, 0, digests[i % 2]);
        err = keep(place);
    }
    assert_int_equal(err, MW_ERR_FULL);
    assert_int_equal(mw_bridge_spool_condensed(&place->spool).merged, 0);
    assert_true(drain(place, 100)); /* then there is room again */
    assert_ok(keep(place));
    drain_all(place, 100, &total);
    assert_int_equal(total.stored, place->made);
}

static void test_oldest_records_go(void **state)
{
    struct place *place = *state;
    struct mw_ledger_row total;
    for (int i = 0; i < 1000; i++) {
        for (size_t d = 0; d < 3; d++) {
            make_record(place, d);
            if (i % 20 == 7) {
                make_sketch(place, d, digests[0]);
            }
        }
        if (i % 8 != 7) {
            continue; /* eight records of a device in a round */
        }
        if (i % 48 == 47) {
            take(place, "telemetry", devices[1], "{\"v\":1,\"device\":\"motor-2\"");
            take(place, "event", devices[0],
                 "{\"v\":1,\"id\":\"e\",\"machine\":\"motor-1\",\"type\":\"repair\","
                 "\"time\":1,\"by\":\"x\"}");
        }
        assert_ok(keep(place));
        assert_in_range(place->spool.bytes, 0, 64 << 10);
    }
    struct mw_bridge_condensed done = mw_bridge_spool_condensed(&place->spool);
    assert_in_range(done.dropped, 1000, place->made);
    make_record(place, 0); /* the newest of all came last */
    assert_ok(keep(place));
    drain_all(place, 11, &total);
    assert_int_equal(total.dropped + total.stored, place->made);
    assert_in_range(total.dropped, 1000, done.dropped);
    assert_int_equal(total.suppressed, place->counted);
}

/* The spool of a run that ended is condensed by the next one. */
static void test_goes_on_after_a_restart(void **state)
{
    struct place *place = *state;
    struct mw_ledger_row total;
    uint64_t dropped = 0;
    for (int turn = 0; turn < 5; turn++) {
        for (int i = 0; i < 300; i++) {
            for (size_t d = 0; d < 3; d++) {
                make_record(place, d);
                if (i % 9 == 0) {
                    make_sketch(place, d, digests[turn / 3]);
                }
            }
            if (i % 4 == 3) {
                assert_ok(keep(place));
            }
        }
        dropped += mw_bridge_spool_condensed(&place->spool).dropped;
        if (turn == 2) { /* some of it arrives in between */
            assert_true(drain(place, 50));
            expect_whole(place, &total);
        }
        int64_t bytes = place->spool.bytes;
        uint64_t waiting = mw_bridge_spool_waiting(&place->spool);
        struct mw_bridge_mark mark = place->spool.mark;
        mw_bridge_spool_close(&place->spool);
        uint64_t number;
        assert_ok(mw_bridge_spool_open(&place->spool, place->spool_folder, "p", "bridge", 64 << 10,
                                       &place->tried, &number, error));
        assert_ok(mw_bridge_spool_recover(&place->spool, &mark, error));
        assert_int_equal(place->spool.bytes, bytes);
        assert_int_equal(mw_bridge_spool_waiting(&place->spool), waiting);
    }
    drain_all(place, 13, &total);
    assert_int_equal(total.dropped, dropped);
    assert_int_equal(total.suppressed, place->counted);
}

/* What may be in Kafka already is not touched. */
static void test_piece_on_its_way_stays(void **state)
{
    struct place *place = *state;
    struct mw_ledger_row total;
    for (int i = 0; i < 100; i++) {
        make_record(place, 0);
        assert_ok(keep(place));
    }
    mw_bridge_round_clear(&place->piece);
    assert_ok(mw_bridge_spool_fetch(&place->spool, &place->piece, 150, error));
    for (int i = 0; i < 1000; i++) {
        make_record(place, 0);
        assert_ok(keep(place));
    }
    assert_true(mw_bridge_spool_condensed(&place->spool).dropped > 300);
    assert_ok(mw_bridge_spool_settle(&place->spool, false, error)); /* it was not */
    mw_bridge_round_clear(&place->piece);
    assert_ok(mw_bridge_spool_fetch(&place->spool, &place->piece, 150, error));
    for (size_t i = 0; i < 150; i++) {
        assert_string_equal(place->piece.item[i].topic, i % 2 == 0 ? "telemetry" : "position");
    }
    assert_ok(mw_bridge_spool_settle(&place->spool, false, error));
    drain_all(place, 17, &total);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_sketches_go_first),      TEST(test_bundles_do_not_mix),
        TEST(test_oldest_records_go),      TEST(test_goes_on_after_a_restart),
        TEST(test_piece_on_its_way_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
