/* What one of several bridges takes, hands on or lets go, and how it takes over what another had.
 */
#include "tiers/platform/bridge_share.h"

#include "lib/base/test.h"
#include "lib/plant/share.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of two shares: see share_test.c. */
#define OURS "motor-0"
#define THEIRS "motor-2"

struct sent {
    size_t n;
    char topic[128], payload[512];
};

static void send(void *context, const char *topic, struct mw_span payload)
{
    struct sent *sent = context;
    sent->n++;
    snprintf(sent->topic, sizeof sent->topic, "%s", topic);
    snprintf(sent->payload, sizeof sent->payload, "%.*s", (int)payload.size, payload.data);
}

struct place {
    struct mw_bridge_intake intake;
    struct sent sent;
    char folder[64], uri[128];
    struct mw_plant plant;
    struct mw_error error;
};

static int set_up(void **state)
{
    static struct place place;
    place = (struct place){.plant = {.plant = (char *)"p", .bridge = {2, 0}}};
    snprintf(place.folder, sizeof place.folder, "/tmp/mw-share-XXXXXX");
    assert_non_null(mkdtemp(place.folder));
    snprintf(place.uri, sizeof place.uri, "sqlite:%s", place.folder);
    assert_int_equal(mw_bridge_intake_init(&place.intake, "p", -1, mw_clock_system), MW_OK);
    place.intake.shares = 2;
    place.intake.pass.send = send;
    place.intake.pass.context = &place.sent;
    *state = &place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    char command[128];
    mw_bridge_intake_clear(&place->intake);
    snprintf(command, sizeof command, "rm -r %s", place->folder);
    return system(command);
}

/* ---- messages ---- */

static void give(struct place *place, const char *topic, const char *payload)
{
    assert_int_equal(
        mw_bridge_intake_take(&place->intake, mw_span_of(topic), mw_span_of(payload), 1, 7), MW_OK);
}

#define RECORD(device) \
    "{\"v\":1,\"device\":\"" device "\",\"boot\":1,\"seq\":0,\"time\":1,\"features\":{\"a\":1}}"
#define PLAIN(device) "{\"v\":1,\"device\":\"" device "\",\"time\":1,\"features\":{\"a\":1}}"
#define STATUS(device) "{\"v\":1,\"device\":\"" device "\",\"boot\":1,\"last_seq\":-1,\"time\":1}"

static void numbered_records_go_to_the_one_that_counts_them(void **state)
{
    struct place *place = *state;
    give(place, "mw/p/telemetry/" OURS, RECORD(OURS));
    assert_int_equal(place->sent.n, 0);
    assert_int_equal(place->intake.round.n_items, 1);
    give(place, "mw/p/telemetry/" THEIRS, RECORD(THEIRS));
    assert_int_equal(place->intake.round.n_items, 1);
    assert_string_equal(place->sent.topic, "mw/p/telemetry/" THEIRS "/1");
    assert_string_equal(place->sent.payload, RECORD(THEIRS));
    give(place, "mw/p/status/" THEIRS, STATUS(THEIRS));
    assert_string_equal(place->sent.topic, "mw/p/status/" THEIRS "/1");
    assert_int_equal(place->sent.n, 2);
    assert_int_equal(place->intake.round.n_pubacks, 3); /* the broker has what was handed on */
}

static void what_was_handed_wrongly_goes_nowhere(void **state)
{
    struct place *place = *state;
    give(place, "mw/p/telemetry/" THEIRS "/0", RECORD(THEIRS));
    assert_int_equal(place->sent.n, 0);
    assert_int_equal(place->intake.round.n_items, 0);
    assert_int_equal(place->intake.counts.astray, 1);
    give(place, "mw/p/telemetry/" OURS "/0", RECORD(OURS));
    assert_int_equal(place->intake.round.n_items, 1);
}

static void what_has_no_number_is_stored_by_anyone(void **state)
{
    struct place *place = *state;
    give(place, "mw/p/telemetry/" THEIRS, PLAIN(THEIRS));
    give(place, "mw/p/event/" THEIRS,
         "{\"v\":1,\"id\":\"e\",\"machine\":\"" THEIRS
         "\",\"type\":\"failure\",\"time\":1,\"by\":\"b\"}");
    give(place, "mw/p/telemetry/" THEIRS, "[" PLAIN(THEIRS) "," RECORD(THEIRS) "]");
    assert_int_equal(place->intake.round.n_items, 2);
    assert_int_equal(place->sent.n, 1); /* the two that came in one message */
}

static void records_of_other_topics_are_handed_on_one_by_one(void **state)
{
    struct place *place = *state;
    assert_int_equal(mw_bridge_take_records(&place->intake, mw_span_of("hall/1"),
                                            mw_span_of("[" RECORD(OURS) "," RECORD(THEIRS) "]")),
                     MW_OK);
    assert_int_equal(place->intake.round.n_items, 1);
    assert_string_equal(place->sent.topic, "mw/p/telemetry/" THEIRS "/1");
    assert_string_equal(place->sent.payload, RECORD(THEIRS));
}

static void keep_ack(void *context, const char *device, struct mw_span json)
{
    send(context, device, json);
}

static void an_ack_says_whose_the_device_is(void **state)
{
    struct place *place = *state;
    give(place, "mw/p/telemetry/" OURS "/0", RECORD(OURS));
    assert_int_equal(mw_bridge_intake_seal(&place->intake), MW_OK);
    mw_bridge_intake_stored(&place->intake, keep_ack, &place->sent);
    assert_string_equal(place->sent.payload, "{\"v\":1,\"boot\":1,\"next\":1,\"share\":0}");
}

/* ---- changing hands ---- */

static struct mw_stream *open_share(struct place *place, size_t share)
{
    char writer[MW_SHARE_NAME];
    struct mw_stream *stream;
    mw_share_name(share, writer);
    const struct mw_stream_options options = {place->uri, "p", writer};
    if (mw_stream_open(&stream, &options, &place->error) != MW_OK) {
        fail_msg("%s", place->error.text);
    }
    return stream;
}

static void put(struct place *place, struct mw_stream *stream, const char *topic, const char *key,
                const char *value)
{
    assert_int_equal(mw_stream_begin(stream, &place->error), MW_OK);
    assert_int_equal(
        mw_stream_put(stream, topic, mw_span_of(key), mw_span_of(value), &place->error), MW_OK);
    assert_int_equal(mw_stream_commit(stream, NULL, &place->error), MW_OK);
}

static mw_err join(struct place *place, struct mw_stream *stream, size_t share, size_t shares)
{
    place->plant.bridge.share = (int64_t)share;
    place->plant.bridge.shares = (int64_t)shares;
    return mw_bridge_share_join(stream, place->uri, &place->plant, &place->intake, &place->error);
}

static void assert_has(struct place *place, struct mw_stream *stream, const char *topic,
                       const char *key, const char *expected)
{
    struct mw_span value;
    mw_err err = mw_stream_get(stream, NULL, topic, mw_span_of(key), &value, &place->error);
    if (expected == NULL) {
        assert_int_equal(err, MW_ERR_NOT_FOUND);
        return;
    }
    assert_int_equal(err, MW_OK);
    assert_true(mw_span_is(value, expected));
}

static void positions_change_hands_once(void **state)
{
    struct place *place = *state;
    struct mw_stream *first = open_share(place, 0);
    assert_int_equal(join(place, first, 0, 1), MW_OK);
    put(place, first, "position", OURS, "{\"boot\":1,\"next\":5}");
    put(place, first, "position", THEIRS, "{\"boot\":2,\"next\":9}");
    put(place, first, "pending", "c", "{\"v\":1,\"device\":\"" THEIRS "\"}");
    put(place, first, "pending", "d", "{\"v\":1,\"device\":\"" OURS "\"}");
    mw_stream_close(first);

    struct mw_stream *second = open_share(place, 1);
    assert_int_equal(join(place, second, 1, 2), MW_OK);
    assert_has(place, second, "position", THEIRS, "{\"boot\":2,\"next\":9}");
    assert_has(place, second, "position", OURS, NULL);
    assert_has(place, second, "pending", "c", "{\"v\":1,\"device\":\"" THEIRS "\"}");
    assert_has(place, second, "pending", "d", NULL);
    put(place, second, "position", THEIRS, "{\"boot\":2,\"next\":12}");
    assert_int_equal(join(place, second, 1, 2), MW_OK); /* a new start: nothing comes back */
    assert_has(place, second, "position", THEIRS, "{\"boot\":2,\"next\":12}");
    mw_stream_close(second);

    first = open_share(place, 0);
    assert_int_equal(join(place, first, 0, 2), MW_OK);
    assert_int_equal(join(place, first, 0, 1), MW_OK); /* and alone again */
    assert_has(place, first, "position", THEIRS, "{\"boot\":2,\"next\":12}");
    mw_stream_close(first);
}

static void nothing_changes_hands_while_it_is_held(void **state)
{
    struct place *place = *state;
    int up[2], down[2];
    char byte = 0;
    assert_int_equal(pipe(up), 0);
    assert_int_equal(pipe(down), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) { /* the bridge that runs alone */
        struct mw_stream *stream = NULL;
        const struct mw_stream_options options = {place->uri, "p", "bridge"};
        bool ok = mw_stream_open(&stream, &options, &place->error) == MW_OK;
        ok = ok && write(up[1], "r", 1) == 1 && read(down[0], &byte, 1) == 1;
        _exit(ok ? 0 : 1);
    }
    assert_int_equal(read(up[0], &byte, 1), 1);
    struct mw_stream *second = open_share(place, 1);
    assert_int_equal(join(place, second, 1, 2), MW_ERR_BUSY);
    assert_non_null(strstr(place->error.text, "bridge still runs as one of 1 bridges"));
    assert_has(place, second, "shares", "joined", NULL);
    assert_int_equal(write(down[1], "e", 1), 1);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(join(place, second, 1, 2), MW_OK);
    mw_stream_close(second);
    close(up[0]), close(up[1]), close(down[0]), close(down[1]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(numbered_records_go_to_the_one_that_counts_them),
        TEST(what_was_handed_wrongly_goes_nowhere),
        TEST(what_has_no_number_is_stored_by_anyone),
        TEST(records_of_other_topics_are_handed_on_one_by_one),
        TEST(an_ack_says_whose_the_device_is),
        TEST(positions_change_hands_once),
        TEST(nothing_changes_hands_while_it_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
