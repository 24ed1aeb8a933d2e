#include "tiers/platform/ledger.h"

#include "lib/base/file.h"
#include "lib/stream/stream.h"
#include "tiers/platform/ledger_book.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
    char folder[64];
    struct mw_plant plant;
    struct mw_stream *bridge, *score;
};

static struct mw_stream *open_writer(const struct place *place, const char *writer)
{
    char uri[128];
    struct mw_stream *stream = NULL;
    struct mw_error error = {0};
    snprintf(uri, sizeof uri, "sqlite:%s/stream", place->folder);
    struct mw_stream_options options = {uri, "p", writer};
    assert_int_equal(mw_stream_open(&stream, &options, &error), MW_OK);
    return stream;
}

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    assert_non_null(place);
    strcpy(place->folder, "/tmp/mw-ledger-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    place->plant.plant = "p";
    place->plant.bridge.shares = 1;
    place->plant.data = place->folder;
    place->bridge = open_writer(place, "bridge");
    place->score = open_writer(place, "score");
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    char command[128];
    mw_stream_close(place->bridge);
    mw_stream_close(place->score);
    snprintf(command, sizeof command, "rm -rf %s", place->folder);
    assert_int_equal(system(command), 0);
    free(place);
    return 0;
}

static void add(struct mw_stream *stream, const char *topic, const char *key, const char *value)
{
    assert_int_equal(mw_stream_begin(stream, NULL), MW_OK);
    assert_int_equal(mw_stream_append(stream, topic, mw_span_of(key), mw_span_of(value), NULL),
                     MW_OK);
    assert_int_equal(mw_stream_commit(stream, NULL, NULL), MW_OK);
}

static void add_record(struct place *place, const char *device, unsigned boot, unsigned seq)
{
    char text[256];
    snprintf(text, sizeof text,
             "{\"v\":1,\"device\":\"%s\",\"boot\":%u,\"seq\":%u,\"time\":1,"
             "\"features\":{\"a\":1},\"received\":1}",
             device, boot, seq);
    add(place->bridge, "telemetry", device, text);
}

static void add_score(struct place *place, const char *device, unsigned boot, unsigned seq)
{
    char text[256];
    snprintf(text, sizeof text,
             "{\"v\":1,\"device\":\"%s\",\"machine\":\"%s\",\"boot\":%u,\"seq\":%u,\"time\":1,"
             "\"score\":0.5,\"band\":\"impending\",\"model\":\"sha256:x\",\"level\":3}",
             device, device, boot, seq);
    add(place->score, "score", device, text);
}

static void add_status(struct place *place, const char *device, unsigned boot, int last,
                       unsigned published, unsigned dropped)
{
    char text[256];
    snprintf(text, sizeof text,
             "{\"v\":1,\"device\":\"%s\",\"boot\":%u,\"last_seq\":%d,\"published\":%u,"
             "\"dropped\":%u,\"received\":1}",
             device, boot, last, published, dropped);
    add(place->bridge, "status", device, text);
}

static void put_position(struct place *place, const char *device, unsigned boot, unsigned next,
                         unsigned stored, unsigned dead)
{
    char text[256];
    snprintf(text, sizeof text,
             "{\"boot\":%u,\"next\":%u,\"stored\":%u,\"sketches\":0,\"dead\":%u,\"skipped\":0}",
             boot, next, stored, dead);
    assert_int_equal(mw_stream_begin(place->bridge, NULL), MW_OK);
    assert_int_equal(
        mw_stream_put(place->bridge, "position", mw_span_of(device), mw_span_of(text), NULL),
        MW_OK);
    assert_int_equal(mw_stream_commit(place->bridge, NULL, NULL), MW_OK);
}

struct rows {
    struct mw_ledger_row *row;
    size_t n, at;
};

static mw_err keep_row(void *context, const struct mw_ledger_row *row, struct mw_error *error)
{
    struct rows *rows = context;
    (void)error;
    assert_true(mw_ledger_balances(row));
    assert_true(rows->n == 0 || strcmp(rows->row[rows->n - 1].device, row->device) < 0);
    if ((rows->n & (rows->n - 1)) == 0) { /* room for twice as many, or for the first */
        rows->row = realloc(rows->row, (2 * rows->n + 1) * sizeof *row);
        assert_non_null(rows->row);
    }
    rows->row[rows->n++] = *row;
    return MW_OK;
}

static mw_err compare_row(void *context, const struct mw_ledger_row *row, struct mw_error *error)
{
    struct rows *rows = context;
    (void)error;
    assert_true(rows->at < rows->n);
    assert_memory_equal(row, &rows->row[rows->at++], sizeof *row);
    return MW_OK;
}

/* Accounts in both ways, which have to agree. */
static struct mw_ledger_row total_of(struct place *place, size_t devices)
{
    struct mw_ledger *ledger = NULL;
    struct mw_ledger_row total, whole;
    struct mw_error error = {0};
    struct rows rows = {0};
    assert_int_equal(mw_ledger_open(&ledger, &place->plant, &error), MW_OK);
    for (bool more = true; more;) {
        assert_int_equal(mw_ledger_advance(ledger, 7, &more, &error), MW_OK);
    }
    assert_int_equal(mw_ledger_rows(ledger, keep_row, &rows, &total, NULL), MW_OK);
    mw_ledger_close(ledger);
    assert_int_equal(rows.n, devices);
    assert_int_equal(mw_ledger_read(&place->plant, compare_row, &rows, &whole, &error), MW_OK);
    assert_int_equal(rows.at, rows.n);
    assert_memory_equal(&whole, &total, sizeof total);
    free(rows.row);
    assert_true(mw_ledger_balances(&total));
    return total;
}

static void empty_stream(void **state)
{
    struct mw_ledger_row total = total_of(*state, 0);
    assert_int_equal(total.published, 0);
}

static void whole_account(void **state)
{
    struct place *place = *state;
    for (unsigned i = 0; i < 10; i++) {
        if (i != 4) {
            add_record(place, "m", 1, i);
        }
    }
    add(place->bridge, "dead", "m", "{\"v\":1,\"device\":\"m\",\"boot\":1,\"seq\":4}");
    add(place->bridge, "dead", "", "{\"v\":1,\"topic\":\"x\"}");
    add(place->bridge, "sketch", "m",
        "{\"v\":1,\"device\":\"m\",\"boot\":1,\"seq\":10,\"count\":250}");
    put_position(place, "m", 1, 11, 10, 1);
    add_status(place, "m", 1, 14, 15, 0);
    /* Records 0 and 1 came before the model; the scorer has not come to 9; it refused 5. */
    for (unsigned i = 2; i < 9; i++) {
        if (i != 4 && i != 5) {
            add_score(place, "m", 1, i);
        }
    }
    add(place->score, "dead", "m",
        "{\"v\":1,\"device\":\"m\",\"boot\":1,\"seq\":5,\"by\":\"score\"}");
    add(place->score, "dead", "m", "{\"v\":1,\"boot\":0,\"seq\":77,\"by\":\"score\"}");
    add(place->bridge, "telemetry", "n", "{\"device\":\"n\",\"time\":1,\"features\":{\"a\":1}}");

    struct mw_ledger_row total = total_of(place, 2);
    assert_int_equal(total.published, 15);
    assert_int_equal(total.stored, 10);
    assert_int_equal(total.sketches, 1);
    assert_int_equal(total.dead, 1);
    assert_int_equal(total.pending, 4);
    assert_int_equal(total.missing, 0);
    assert_int_equal(total.doubled, 0);
    assert_int_equal(total.suppressed, 250);
    assert_int_equal(total.scored, 5);
    assert_int_equal(total.unscored, 2);
    assert_int_equal(total.awaiting, 1);
    assert_int_equal(total.unscorable, 1);
    assert_int_equal(total.passed, 0);
    assert_int_equal(total.unnumbered, 1);
}

static void add_serving(struct place *place, const char *serves, const char *bundle)
{
    char text[256];
    snprintf(text, sizeof text,
             "{\"v\":1,\"device\":\"score\",\"time\":1,\"reported\":{\"serves\":\"%s\","
             "\"bundle\":\"%s\"}}",
             serves, bundle);
    add(place->score, "status", "score", text);
}

/* What comes once a model serves a device is owed a score, be it the first one. */
static void what_is_served_is_waited_for(void **state)
{
    struct place *place = *state;
    add_record(place, "m", 1, 0);
    add_record(place, "n", 1, 0);
    add_serving(place, "m", "sha256:x");
    add_record(place, "m", 1, 1);
    add_record(place, "n", 1, 1);
    struct mw_ledger_row total = total_of(place, 2);
    assert_int_equal(total.unscored, 3);
    assert_int_equal(total.awaiting, 1);
    add_serving(place, "*", "sha256:x");
    add_record(place, "m", 1, 2);
    add_record(place, "n", 1, 2);
    total = total_of(place, 2);
    assert_int_equal(total.unscored, 3);
    assert_int_equal(total.awaiting, 3);
    add_score(place, "m", 1, 2);
    total = total_of(place, 2);
    assert_int_equal(total.unscored, 3);
    assert_int_equal(total.passed, 1);
    assert_int_equal(total.awaiting, 1);
    add_serving(place, "*", "");
    add_record(place, "n", 1, 3);
    assert_int_equal(total_of(place, 2).unscored, 4);
}

static void hole_is_missing_and_second_is_doubled(void **state)
{
    struct place *place = *state;
    for (unsigned i = 0; i < 5; i++) {
        if (i != 2) {
            add_record(place, "m", 1, i);
            add_score(place, "m", 1, i);
        }
    }
    assert_int_equal(total_of(place, 1).missing, 1);
    put_position(place, "m", 1, 7, 7, 0); /* acknowledged up to 6: 5 and 6 are nowhere */
    assert_int_equal(total_of(place, 1).missing, 3);
    add_record(place, "m", 1, 4);
    assert_int_equal(total_of(place, 1).doubled, 1);
    add_score(place, "m", 1, 3);
    assert_int_equal(total_of(place, 1).doubled, 2);
}

static void put_dropped(struct place *place, unsigned next, unsigned stored, unsigned dropped)
{
    char text[256];
    snprintf(text, sizeof text,
             "{\"boot\":1,\"next\":%u,\"stored\":%u,\"sketches\":0,\"dead\":0,\"skipped\":0,"
             "\"dropped\":%u}",
             next, stored, dropped);
    assert_int_equal(mw_stream_begin(place->bridge, NULL), MW_OK);
    assert_int_equal(
        mw_stream_put(place->bridge, "position", mw_span_of("m"), mw_span_of(text), NULL), MW_OK);
    assert_int_equal(mw_stream_commit(place->bridge, NULL, NULL), MW_OK);
}

/* The position is read first, so records that were stored meanwhile are ahead of it, and it does
 * not know yet why there is a hole among them. */
static void hole_ahead_of_the_position_is_pending(void **state)
{
    struct place *place = *state;
    for (unsigned i = 0; i < 700; i++) {
        if (i != 2 && (i < 300 || i >= 600)) {
            add_record(place, "m", 1, i);
            if (i < 256 || i == 650) {
                add_score(place, "m", 1, i);
            }
        }
    }
    put_dropped(place, 290, 289, 0);
    struct mw_ledger_row total = total_of(place, 1);
    assert_int_equal(total.published, 700);
    assert_int_equal(total.stored, 399);
    assert_int_equal(total.missing, 1);
    assert_int_equal(total.pending, 300);
    assert_int_equal(total.dropped, 0);
    put_dropped(place, 100, 99, 0); /* in a page that is open because of 2 */
    total = total_of(place, 1);
    assert_int_equal(total.missing, 1);
    assert_int_equal(total.pending, 300);
    put_dropped(place, 700, 399, 300);
    total = total_of(place, 1);
    assert_int_equal(total.dropped, 300);
    assert_int_equal(total.missing, 1);
    assert_int_equal(total.pending, 0);
    add_record(place, "m", 1, 2); /* so that the first page is settled */
    add_score(place, "m", 1, 2);
    put_dropped(place, 100, 100, 0);
    total = total_of(place, 1);
    assert_int_equal(total.missing, 0);
    assert_int_equal(total.pending, 300);
    assert_int_equal(total.stored, 400);
}

static void boots_and_what_was_given_up(void **state)
{
    struct place *place = *state;
    for (unsigned i = 0; i < 3; i++) {
        add_record(place, "m", 1, i);
    }
    add_status(place, "m", 1, 4, 5, 0);
    put_position(place, "m", 1, 3, 3, 0);
    struct mw_ledger_row total = total_of(place, 1);
    assert_int_equal(total.pending, 2);

    /* The thing starts again: two more of boot 1 that no status told of wait in its outbox. */
    add_status(place, "m", 2, -1, 7, 0);
    total = total_of(place, 1);
    assert_int_equal(total.published, 7);
    assert_int_equal(total.pending, 4);
    assert_int_equal(total.missing, 0);

    /* The bridge is in boot 2, so what boot 1 still owed will not come. */
    add_record(place, "m", 2, 0);
    put_position(place, "m", 2, 1, 4, 0);
    add_status(place, "m", 2, 0, 8, 0);
    total = total_of(place, 1);
    assert_int_equal(total.published, 8);
    assert_int_equal(total.missing, 4);
    add_status(place, "m", 2, 0, 8, 3);
    total = total_of(place, 1);
    assert_int_equal(total.dropped, 3);
    assert_int_equal(total.missing, 1);
}

/* Other topics come first in the bridge's file, so that no telemetry has the first offset. */
static void lost_is_missing_wherever_the_log_begins(void **state)
{
    struct place *place = *state;
    add_status(place, "m", 1, -1, 0, 0);
    for (unsigned i = 0; i < 10; i++) {
        if (i != 0 && i != 4) {
            add_record(place, "m", 1, i);
        }
    }
    put_position(place, "m", 1, 10, 10, 0); /* the bridge believes that it has stored all */
    struct mw_ledger_row total = total_of(place, 1);
    assert_int_equal(total.missing, 2);
    assert_int_equal(total.expired, 0);
    assert_int_equal(total.stored, 8);

    bool more = true;
    while (more) {
        assert_int_equal(mw_stream_retain(place->bridge, -1, 500, 0, &more, NULL), MW_OK);
    }
    total = total_of(place, 1);
    assert_int_equal(total.missing, 2);
    assert_true(total.expired > 0 && total.expired < 8);
    assert_int_equal(total.stored, 8);
}

static void what_age_removed_is_not_missing(void **state)
{
    struct place *place = *state;
    bool more = true;
    for (unsigned i = 0; i < 20; i++) {
        add_record(place, "m", 1, i);
    }
    put_position(place, "m", 1, 20, 20, 0);
    while (more) {
        assert_int_equal(mw_stream_retain(place->bridge, -1, 500, 0, &more, NULL), MW_OK);
    }
    struct mw_ledger_row total = total_of(place, 1);
    assert_true(total.expired > 0 && total.expired < 20);
    assert_int_equal(total.stored, 20);
    assert_int_equal(total.missing, 0);
    assert_int_equal(total.published, 20);
}

/* Device i of many: record i % 3 is nowhere, and the last one came twice. */
static void write_many(struct place *place, unsigned devices, unsigned records)
{
    assert_int_equal(mw_stream_begin(place->bridge, NULL), MW_OK);
    for (unsigned n = 0; n <= records; n++) {
        for (unsigned i = 0; i < devices; i++) {
            char name[32], text[160];
            if (n == i % 3) {
                continue;
            }
            snprintf(name, sizeof name, "device-%u", i);
            snprintf(text, sizeof text, "{\"v\":1,\"device\":\"%s\",\"boot\":1,\"seq\":%u}", name,
                     n < records ? n : records - 1);
            assert_int_equal(mw_stream_append(place->bridge, "telemetry", mw_span_of(name),
                                              mw_span_of(text), NULL),
                             MW_OK);
        }
    }
    assert_int_equal(mw_stream_commit(place->bridge, NULL, NULL), MW_OK);
}

/* Past what the account by sorting keeps in memory. */
static void many_devices(void **state)
{
    struct place *place = *state;
    write_many(place, 20000, 6);
    struct mw_ledger_row total = total_of(place, 20000);
    assert_int_equal(total.published, 6 * 20000);
    assert_int_equal(total.stored, 5 * 20000);
    assert_int_equal(total.missing, 20000);
    assert_int_equal(total.doubled, 20000);
}

static void goes_on_with_what_comes(void **state)
{
    struct place *place = *state;
    struct mw_ledger *ledger = NULL;
    struct mw_ledger_row total;
    struct rows rows = {0};
    bool more = true;
    add_record(place, "m", 1, 0);
    assert_int_equal(mw_ledger_open(&ledger, &place->plant, NULL), MW_OK);
    while (more) {
        assert_int_equal(mw_ledger_advance(ledger, 1, &more, NULL), MW_OK);
    }
    add_record(place, "m", 1, 1);
    put_position(place, "m", 1, 2, 2, 0);
    for (more = true; more;) {
        assert_int_equal(mw_ledger_advance(ledger, 1, &more, NULL), MW_OK);
    }
    assert_int_equal(mw_ledger_rows(ledger, keep_row, &rows, &total, NULL), MW_OK);
    assert_int_equal(total.stored, 2);
    assert_int_equal(total.missing, 0);
    struct mw_buffer json = {0};
    assert_int_equal(mw_ledger_print_row(&rows.row[0], &json), MW_OK);
    assert_non_null(strstr(json.data, "{\"device\":\"m\",\"published\":2,\"stored\":2,"));
    mw_buffer_free(&json);
    free(rows.row);
    mw_ledger_close(ledger);
}

/* The book against a plain array, over so many random marks a number in random order. */
static void book_against_array(unsigned marks, bool settles)
{
    enum { N = 5000 };
    bool stored[N] = {0}, scored[N] = {0}, served[N] = {0};
    struct mw_ledger_book book = {0};
    struct mw_ledger_count count;
    unsigned random = 7, twice = 0;
    uint64_t n_stored = 0, n_scored = 0, end = 0;
    for (unsigned i = 0; i < marks * N; i++) {
        random = random * 1103515245 + 12345;
        unsigned at = (random >> 8) % N;
        bool again, which = (random >> 5) & 1;
        bool *flag = which ? &stored[at] : &scored[at];
        assert_int_equal(
            mw_ledger_book_mark(&book, 3, at, which ? MW_LEDGER_STORED : MW_LEDGER_SCORED, &again),
            MW_OK);
        assert_int_equal(again, *flag);
        twice += again ? 1 : 0;
        *flag = true;
        if (which) {
            assert_int_equal(mw_ledger_book_mark(&book, 3, at, MW_LEDGER_TELEMETRY, &again), MW_OK);
            served[at] = at % 3 == 0;
            if (served[at]) {
                assert_int_equal(mw_ledger_book_mark(&book, 3, at, MW_LEDGER_SERVED, &again),
                                 MW_OK);
            }
            end = at >= end ? at + 1 : end;
        }
    }
    assert_true(twice > 0);
    unsigned first = N, last = 0;
    for (unsigned i = 0; i < N; i++) {
        n_stored += stored[i] ? 1 : 0;
        if (stored[i] && scored[i]) {
            n_scored++;
            first = i < first ? i : first;
            last = i;
        }
    }
    uint64_t before = 0, between = 0, behind = 0;
    for (unsigned i = 0; i < N; i++) {
        if (stored[i] && !scored[i]) {
            *(i > last ? &behind : i > first || served[i] ? &between : &before) += 1;
        }
    }
    mw_ledger_book_count(&book, false, 0, 0, &count);
    assert_int_equal(count.stored, n_stored);
    assert_int_equal(count.scored, n_scored);
    assert_int_equal(count.lost, end - n_stored);
    assert_int_equal(count.unscored, before);
    assert_int_equal(count.unscored_between, between);
    assert_int_equal(count.awaiting, behind);
    assert_int_equal(book.boot[0].n_settled > 0, settles);
    uint64_t lost = 0, ahead = 0;
    for (unsigned i = 0; i < end; i++) {
        *(i < 2500 ? &lost : &ahead) += stored[i] ? 0 : 1;
    }
    mw_ledger_book_count(&book, true, 3, 2500, &count);
    assert_int_equal(count.lost, lost);
    assert_int_equal(count.pending, ahead);
    mw_ledger_book_clear(&book);
}

static void book_counts_like_an_array(void **state)
{
    (void)state;
    book_against_array(3, false);
    book_against_array(14, true);
}

static void mark(struct mw_ledger_book *book, uint64_t seq, enum mw_ledger_mark which, bool twice)
{
    bool again;
    assert_int_equal(mw_ledger_book_mark(book, 1, seq, which, &again), MW_OK);
    assert_int_equal(again, twice);
}

/* Every eighth number is a sketch; what lies behind the newest score waits. */
static void book_stays_small_while_all_is_well(void **state)
{
    enum { N = 1000 * MW_LEDGER_PAGE, LAG = 100 };
    struct mw_ledger_book book = {0};
    struct mw_ledger_count count;
    (void)state;
    for (uint64_t i = 0; i < N + LAG; i++) {
        if (i < N) {
            mark(&book, i, MW_LEDGER_STORED, false);
        }
        if (i < N && i % 8 != 0) {
            mark(&book, i, MW_LEDGER_TELEMETRY, false);
        }
        if (i >= LAG && (i - LAG) % 8 != 0) {
            mark(&book, i - LAG, MW_LEDGER_SCORED, false);
        }
        assert_true(i == 0 || book.boot[0].n_pages <= 2);
    }
    assert_int_equal(book.boot[0].n_settled, 1);
    mw_ledger_book_count(&book, true, 1, N, &count);
    assert_int_equal(count.stored, N);
    assert_int_equal(count.scored, N / 8 * 7);
    assert_int_equal(count.lost + count.unscored + count.awaiting + count.unscored_between, 0);
    mark(&book, 5, MW_LEDGER_STORED, true);
    mark(&book, 5, MW_LEDGER_SCORED, true);
    mw_ledger_book_clear(&book);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(empty_stream),
        TEST(whole_account),
        TEST(what_is_served_is_waited_for),
        TEST(hole_is_missing_and_second_is_doubled),
        TEST(hole_ahead_of_the_position_is_pending),
        TEST(boots_and_what_was_given_up),
        TEST(lost_is_missing_wherever_the_log_begins),
        TEST(what_age_removed_is_not_missing),
        TEST(goes_on_with_what_comes),
        TEST(many_devices),
        cmocka_unit_test(book_counts_like_an_array),
        cmocka_unit_test(book_stays_small_while_all_is_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
