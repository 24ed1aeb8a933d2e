/* The outbox: numbers, transactions, and a process killed in the middle of them. */
#include "tiers/iot/outbox.h"

#include "tiers/iot/test_place.h"

#include <sqlite3.h>
#include <sys/resource.h>

static struct mw_outbox *open_outbox(const struct place *place)
{
    struct mw_outbox *outbox = NULL;
    assert_ok(mw_outbox_open(&outbox, place_path(place, "outbox.db"), error));
    return outbox;
}

static void add(struct mw_outbox *outbox, struct mw_outbox_device *device, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        char text[32];
        int size = snprintf(text, sizeof text, "r%llu", (unsigned long long)device->published);
        assert_ok(mw_outbox_add(outbox, device, (struct mw_span){text, (size_t)size}, error));
    }
}

/* What is read, as "0:r0 1:r1 ". */
struct seen {
    char text[4096];
    size_t size, n;
};

static void see(void *context, uint64_t seq, struct mw_span text)
{
    struct seen *seen = context;
    seen->size +=
        (size_t)snprintf(seen->text + seen->size, sizeof seen->text - seen->size, "%llu:%.*s ",
                         (unsigned long long)seq, (int)text.size, text.data);
    seen->n++;
}

static void assert_waits(struct mw_outbox *outbox, const struct mw_outbox_device *device,
                         const char *expected)
{
    struct seen seen = {.size = 0};
    assert_ok(mw_outbox_read(outbox, device, device->first, 1000, see, &seen, error));
    assert_string_equal(seen.text, expected);
}

static void a_new_device_has_no_boot(void **state)
{
    struct mw_outbox *outbox = open_outbox(*state);
    struct mw_outbox_device a, b, again;
    assert_ok(mw_outbox_device(outbox, "a", &a, error));
    assert_ok(mw_outbox_device(outbox, "b", &b, error));
    assert_int_equal(a.boot, 0);
    assert_int_equal(a.next, 0);
    assert_true(a.id != b.id);
    add(outbox, &a, 3);
    add(outbox, &b, 1);
    a.boot = 7;
    a.suppressed = 11;
    a.draws = UINT64_C(1) << 40;
    assert_ok(mw_outbox_device_put(outbox, &a, error));
    mw_outbox_close(outbox);
    outbox = open_outbox(*state);
    assert_ok(mw_outbox_device(outbox, "a", &again, error));
    assert_memory_equal(&again, &a, sizeof a);
    assert_waits(outbox, &again, "0:r0 1:r1 2:r2 ");
    assert_int_equal(mw_outbox_bytes(outbox), 8);
    mw_outbox_close(outbox);
}

static void acknowledged_records_go(void **state)
{
    struct mw_outbox *outbox = open_outbox(*state);
    struct mw_outbox_device device;
    assert_ok(mw_outbox_device(outbox, "a", &device, error));
    add(outbox, &device, 5);
    assert_ok(mw_outbox_acknowledge(outbox, &device, 3, error));
    assert_waits(outbox, &device, "3:r3 4:r4 ");
    assert_int_equal(device.first, 3);
    assert_int_equal(mw_outbox_bytes(outbox), 4);
    /* What a rolled back acknowledgement left behind goes with the next one. */
    assert_ok(mw_outbox_begin(outbox, error));
    assert_ok(mw_outbox_acknowledge(outbox, &device, 4, error));
    mw_outbox_rollback(outbox);
    assert_int_equal(mw_outbox_bytes(outbox), 4);
    assert_int_equal(device.first, 4);
    assert_ok(mw_outbox_acknowledge(outbox, &device, 5, error));
    assert_int_equal(mw_outbox_bytes(outbox), 0);
    assert_waits(outbox, &device, "");
    mw_outbox_close(outbox);
}

static void renumbering_keeps_the_order(void **state)
{
    struct mw_outbox *outbox = open_outbox(*state);
    struct mw_outbox_device device, other;
    assert_ok(mw_outbox_device(outbox, "a", &device, error));
    assert_ok(mw_outbox_device(outbox, "b", &other, error));
    add(outbox, &device, 6);
    add(outbox, &other, 2);
    assert_ok(mw_outbox_acknowledge(outbox, &device, 2, error));
    assert_ok(mw_outbox_renumber(outbox, &device, 4, error));
    assert_int_equal(device.boot, 4);
    assert_int_equal(device.first, 0);
    assert_int_equal(device.next, 4);
    assert_int_equal(device.published, 6);
    assert_waits(outbox, &device, "0:r2 1:r3 2:r4 3:r5 ");
    add(outbox, &device, 1);
    assert_waits(outbox, &device, "0:r2 1:r3 2:r4 3:r5 4:r6 ");
    assert_waits(outbox, &other, "0:r0 1:r1 ");
    assert_ok(mw_outbox_renumber(outbox, &device, 5, error)); /* by nothing */
    assert_waits(outbox, &device, "0:r2 1:r3 2:r4 3:r5 4:r6 ");
    mw_outbox_close(outbox);
}

static void dropping_closes_the_gap(void **state)
{
    struct mw_outbox *outbox = open_outbox(*state);
    struct mw_outbox_device device;
    assert_ok(mw_outbox_device(outbox, "a", &device, error));
    add(outbox, &device, 10);
    assert_ok(mw_outbox_acknowledge(outbox, &device, 1, error));
    assert_ok(mw_outbox_drop(outbox, &device, 4, 3, error));
    assert_waits(outbox, &device, "1:r1 2:r2 3:r3 4:r7 5:r8 6:r9 ");
    assert_int_equal(device.next, 7);
    assert_int_equal(device.dropped, 3);
    assert_int_equal(device.published, 10);
    assert_int_equal(mw_outbox_bytes(outbox), 12);
    /* No more than there are; nothing of what was acknowledged. */
    assert_ok(mw_outbox_drop(outbox, &device, 6, UINT64_MAX, error));
    assert_int_equal(device.next, 6);
    assert_int_equal(device.dropped, 4);
    assert_refused(mw_outbox_drop(outbox, &device, 7, 1, error), MW_ERR_ARGUMENT, "number 7");
    assert_refused(mw_outbox_drop(outbox, &device, 0, 1, error), MW_ERR_ARGUMENT, "number 0");
    add(outbox, &device, 1);
    assert_waits(outbox, &device, "1:r1 2:r2 3:r3 4:r7 5:r8 6:r10 ");
    mw_outbox_close(outbox);
}

static bool collect(void *context, const char *key, struct mw_span value)
{
    struct seen *seen = context;
    seen->size += (size_t)snprintf(seen->text + seen->size, sizeof seen->text - seen->size,
                                   "%s=%.*s ", key, (int)value.size, value.data);
    return ++seen->n < 2;
}

static void values_are_kept_by_table_and_key(void **state)
{
    struct mw_outbox *outbox = open_outbox(*state);
    struct mw_span value;
    struct seen seen = {.size = 0};
    assert_ok(mw_outbox_put(outbox, "done", "b", mw_span_of("2"), error));
    assert_ok(mw_outbox_put(outbox, "done", "a", mw_span_of("1"), error));
    assert_ok(mw_outbox_put(outbox, "done", "c", mw_span_of("3"), error));
    assert_ok(mw_outbox_put(outbox, "event", "a", mw_span_of("other"), error));
    assert_ok(mw_outbox_put(outbox, "done", "a", mw_span_of("new"), error));
    assert_ok(mw_outbox_get(outbox, "done", "a", &value, error));
    assert_true(mw_span_is(value, "new"));
    assert_ok(mw_outbox_visit(outbox, "done", collect, &seen, error));
    assert_string_equal(seen.text, "a=new b=2 ");
    assert_ok(mw_outbox_put(outbox, "done", "a", (struct mw_span){NULL, 0}, error));
    assert_int_equal(mw_outbox_get(outbox, "done", "a", &value, NULL), MW_ERR_NOT_FOUND);
    assert_ok(mw_outbox_get(outbox, "event", "a", &value, error));
    mw_outbox_close(outbox);
}

/* --- a crash --- */

enum { ROUND = 7, DEVICES = 3 };

/* Each transaction adds ROUND records a device, acknowledges up to a few behind, and counts itself.
 * Says so on the pipe after each commit. */
static void work(const char *path, int told)
{
    struct mw_outbox *outbox = NULL;
    struct mw_outbox_device device[DEVICES];
    static const char *const names[DEVICES] = {"a", "b", "c"};
    char count[32] = "";
    struct mw_span known;
    if (mw_outbox_open(&outbox, path, NULL) != MW_OK) {
        _exit(1);
    }
    unsigned round = mw_outbox_get(outbox, "world", "state", &known, NULL) == MW_OK
                         ? (unsigned)strtoul(memcpy(count, known.data, known.size), NULL, 10)
                         : 0;
    for (int i = 0; i < DEVICES; i++) {
        if (mw_outbox_device(outbox, names[i], &device[i], NULL) != MW_OK) {
            _exit(1);
        }
    }
    for (;;) {
        mw_err err = mw_outbox_begin(outbox, NULL);
        round++;
        for (int i = 0; i < DEVICES; i++) {
            for (int j = 0; err == MW_OK && j < ROUND; j++) {
                char text[32];
                int n =
                    snprintf(text, sizeof text, "r%llu", (unsigned long long)device[i].published);
                err = mw_outbox_add(outbox, &device[i], (struct mw_span){text, (size_t)n}, NULL);
            }
            if (err == MW_OK && device[i].next > 20) {
                err = mw_outbox_acknowledge(outbox, &device[i], device[i].next - 20, NULL);
            }
            if (err == MW_OK) {
                err = mw_outbox_device_put(outbox, &device[i], NULL);
            }
        }
        int n = snprintf(count, sizeof count, "%u", round);
        if (err != MW_OK ||
            mw_outbox_put(outbox, "world", "state", (struct mw_span){count, (size_t)n}, NULL) !=
                MW_OK ||
            mw_outbox_commit(outbox, NULL) != MW_OK ||
            write(told, &round, sizeof round) != (ssize_t)sizeof round) {
            _exit(1);
        }
    }
}

/* Starts the work, kills it after some commits; returns the last round it told of. */
static unsigned crash(const char *path, int commits, unsigned delay)
{
    int ends[2];
    unsigned told = 0, round;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(ends[0]);
        work(path, ends[1]);
    }
    assert_true(pid > 0);
    (void)close(ends[1]);
    for (int i = 0; i < commits; i++) {
        assert_int_equal(read(ends[0], &round, sizeof round), sizeof round);
        told = round;
    }
    (void)usleep(delay); /* somewhere in the next ones */
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    while (read(ends[0], &round, sizeof round) == (ssize_t)sizeof round) {
        told = round;
    }
    (void)close(ends[0]);
    return told;
}

static void assert_whole(struct mw_outbox *outbox, const char *name, unsigned rounds)
{
    struct mw_outbox_device device;
    struct seen seen = {.size = 0};
    assert_ok(mw_outbox_device(outbox, name, &device, error));
    assert_int_equal(device.published, (uint64_t)rounds * ROUND);
    assert_int_equal(device.next, device.published);
    assert_int_equal(device.first, device.next > 20 ? device.next - 20 : 0);
    assert_ok(mw_outbox_read(outbox, &device, 0, 1000, see, &seen, error));
    assert_int_equal(seen.n, device.next - device.first);
    const char *at = seen.text;
    for (uint64_t seq = device.first; seq < device.next; seq++) {
        char expected[48];
        int n = snprintf(expected, sizeof expected, "%llu:r%llu ", (unsigned long long)seq,
                         (unsigned long long)seq);
        assert_memory_equal(at, expected, (size_t)n);
        at += n;
    }
}

static void a_kill_leaves_whole_transactions(void **state)
{
    struct place *place = *state;
    char path[512];
    (void)snprintf(path, sizeof path, "%s", place_path(place, "outbox.db"));
    for (unsigned i = 0; i < 12; i++) {
        unsigned told = crash(path, 2, 137 * i);
        struct mw_outbox *outbox = open_outbox(place);
        struct mw_span state_text;
        char count[32] = "";
        assert_ok(mw_outbox_get(outbox, "world", "state", &state_text, error));
        memcpy(count, state_text.data, state_text.size);
        unsigned rounds = (unsigned)strtoul(count, NULL, 10);
        assert_in_range(rounds, told, told + 1); /* what it told of is there */
        assert_whole(outbox, "a", rounds);
        assert_whole(outbox, "b", rounds);
        assert_whole(outbox, "c", rounds);
        mw_outbox_close(outbox);
    }
}

/* --- files that are none of ours --- */

static void edit(const struct place *place, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(place_path(place, "outbox.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void other_files_are_refused(void **state)
{
    struct place *place = *state;
    struct mw_outbox *outbox = open_outbox(place), *second = NULL;
    assert_refused(mw_outbox_open(&second, place_path(place, "outbox.db"), error), MW_ERR_BUSY,
                   "outbox.db");
    mw_outbox_close(outbox);
    edit(place, "PRAGMA user_version=2");
    assert_refused(mw_outbox_open(&outbox, place_path(place, "outbox.db"), error), MW_ERR_VERSION,
                   "version 2; an outbox of version up to 1 was expected");
    edit(place, "PRAGMA user_version=1;PRAGMA application_id=77");
    assert_refused(mw_outbox_open(&outbox, place_path(place, "outbox.db"), error), MW_ERR_VERSION,
                   "application id 77");
    place_write(place, "text.db", "this is no database, however long one looks at it ..........");
    assert_refused(mw_outbox_open(&outbox, place_path(place, "text.db"), error), MW_ERR_CORRUPT,
                   "text.db");
    assert_refused(mw_outbox_open(&outbox, place_path(place, "none/outbox.db"), error), MW_ERR_IO,
                   "none/outbox.db");
    assert_null(outbox);
}

static void let_files_grow(bool may)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = may ? limit.rlim_max : 0;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* Nothing of a transaction stays that the disk does not take, whether it fails at its commit or,
 * being large, before; and work goes on when there is space. */
static void a_full_disk_leaves_nothing_behind(void **state)
{
    struct place *place = *state;
    struct mw_outbox *outbox = open_outbox(place);
    struct mw_outbox_device device, lost;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_ok(mw_outbox_device(outbox, "a", &device, error));
    add(outbox, &device, 3);
    assert_ok(mw_outbox_device_put(outbox, &device, error));
    for (unsigned records = 1; records <= 40000; records *= 40000) {
        mw_err err = MW_OK;
        let_files_grow(false);
        lost = device;
        assert_ok(mw_outbox_begin(outbox, error));
        for (unsigned i = 0; err == MW_OK && i < records; i++) {
            err = mw_outbox_add(outbox, &lost, mw_span_of("a record of some length"), NULL);
        }
        err = err == MW_OK ? mw_outbox_commit(outbox, NULL) : err;
        let_files_grow(true);
        assert_int_not_equal(err, MW_OK);
        mw_outbox_rollback(outbox);
        assert_int_equal(mw_outbox_bytes(outbox), 6);
        assert_waits(outbox, &device, "0:r0 1:r1 2:r2 ");
    }
    assert_ok(mw_outbox_begin(outbox, error));
    add(outbox, &device, 1);
    assert_ok(mw_outbox_commit(outbox, error));
    assert_waits(outbox, &device, "0:r0 1:r1 2:r2 3:r3 ");
    mw_outbox_close(outbox);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_set_up, place_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_new_device_has_no_boot),         TEST(acknowledged_records_go),
        TEST(renumbering_keeps_the_order),      TEST(dropping_closes_the_gap),
        TEST(values_are_kept_by_table_and_key), TEST(a_kill_leaves_whole_transactions),
        TEST(other_files_are_refused),          TEST(a_full_disk_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
