/* What only the stream on SQLite promises: locks, versions, full disks, its files. */
#include "lib/stream/members.h"
#include "lib/stream/stream_test_place.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

static void test_second_writer_is_refused(void **state)
{
    struct mw_stream *stream = NULL;
    struct mw_stream *second = NULL;
    struct mw_error error = {0};
    assert_ok(place_open(*state, "bridge", &stream, &why));
    char pid[32];
    (void)snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        mw_err err = place_open(*state, "bridge", &second, &error);
        _exit(err == MW_ERR_BUSY && strstr(error.text, pid) != NULL ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    place_append(stream, "t", 0, 1); /* the attempt did no harm */
    mw_stream_close(stream);
    assert_ok(place_open(*state, "bridge", &second, &why));
    mw_stream_close(second);
}

static void test_it_is_not_divided(void **state)
{
    struct mw_stream *stream = NULL;
    struct mw_stream_reader *reader = NULL;
    struct mw_stream_members *members = NULL;
    struct mw_error error = {0};
    const struct place *place = *state;
    const char *topic = "telemetry";
    struct mw_stream_share share = {.topic = topic, .share = 1, .shares = 2};
    assert_ok(place_open(place, "score", &stream, &why));
    assert_int_equal(
        mw_stream_reader_open_share(&reader, stream, &topic, 1, MW_STREAM_EARLIEST, &share, &error),
        MW_ERR_UNSUPPORTED);
    share.share = 2;
    assert_int_equal(
        mw_stream_reader_open_share(&reader, stream, &topic, 1, MW_STREAM_EARLIEST, &share, &error),
        MW_ERR_ARGUMENT);
    share = (struct mw_stream_share){.topic = topic, .share = 0, .shares = 1};
    assert_ok(
        mw_stream_reader_open_share(&reader, stream, &topic, 1, MW_STREAM_EARLIEST, &share, &why));
    mw_stream_reader_close(reader);
    mw_stream_close(stream);
    struct mw_stream_members_options options = {
        .uri = place->uri, .plant = place->plant, .role = "score", .shares = 2};
    assert_int_equal(mw_stream_members_join(&members, &options, &error), MW_ERR_UNSUPPORTED);
}

static void test_newer_and_foreign_files_are_refused(void **state)
{
    const struct place *place = *state;
    struct mw_stream *stream = NULL;
    struct mw_error error = {0};
    assert_ok(place_open(place, "bridge", &stream, &why));
    mw_stream_close(stream);
    place_run_sql(place, "bridge", "PRAGMA user_version = 1000");
    assert_int_equal(place_open(place, "bridge", &stream, &error), MW_ERR_VERSION);
    assert_non_null(strstr(error.text, "bridge.db"));
    assert_non_null(strstr(error.text, "1000"));
    assert_ok(place_open(place, NULL, &stream, &why));
    struct mw_stream_reader *reader = NULL;
    const char *topic = "t";
    assert_int_equal(mw_stream_reader_open(&reader, stream, &topic, 1, MW_STREAM_EARLIEST, &error),
                     MW_ERR_VERSION);
    mw_stream_close(stream);
    place_run_sql(place, "score", "CREATE TABLE contacts(name TEXT)");
    assert_int_equal(place_open(place, "score", &stream, &error), MW_ERR_CORRUPT);

    char path[300];
    (void)snprintf(path, sizeof(path), "%s/garbage.db", place->folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 5000; i++) {
        (void)fputs("no database ", file);
    }
    assert_int_equal(fclose(file), 0);
    assert_int_equal(place_open(place, "garbage", &stream, &error), MW_ERR_CORRUPT);
}

static void test_unfinished_file_is_waited_for(void **state)
{
    const struct place *place = *state;
    char path[300];
    (void)snprintf(path, sizeof(path), "%s/bridge.db", place->folder);
    FILE *file = fopen(path, "w"); /* as a writer leaves it that was killed at its first start */
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    struct mw_stream *view = NULL;
    struct mw_stream *bridge = NULL;
    assert_ok(place_open(place, NULL, &view, &why));
    struct mw_stream_reader *reader = place_read(view, "t", MW_STREAM_LATEST);
    place_expect_nothing(reader);
    assert_ok(place_open(place, "bridge", &bridge, &why));
    place_append(bridge, "t", 0, 3);
    (void)place_expect(reader, 0, 3);
    mw_stream_reader_close(reader);
    mw_stream_close(view);
    mw_stream_close(bridge);
}

static void test_replaced_file_starts_anew(void **state)
{
    const struct place *place = *state;
    struct mw_stream *bridge = NULL;
    struct mw_stream *score = NULL;
    assert_ok(place_open(place, "bridge", &bridge, &why));
    place_append(bridge, "t", 0, 50);
    assert_ok(place_open(place, "score", &score, &why));
    struct mw_stream_reader *reader = place_read(score, "t", MW_STREAM_EARLIEST);
    (void)place_expect(reader, 0, 50);
    assert_ok(mw_stream_begin(score, &why));
    assert_ok(mw_stream_commit(score, reader, &why));
    mw_stream_close(bridge);
    static const char *const names[] = {"bridge.db", "bridge.db-wal", "bridge.db-shm"};
    for (size_t i = 0; i < 3; i++) {
        char path[300];
        (void)snprintf(path, sizeof(path), "%s/%s", place->folder, names[i]);
        (void)unlink(path);
    }
    assert_ok(place_open(place, "bridge", &bridge, &why));
    place_append(bridge, "t", 100, 3); /* offsets below the committed position of 50 */
    (void)place_expect(reader, 100, 3);
    mw_stream_reader_close(reader);
    reader = place_read(score, "t", MW_STREAM_EARLIEST);
    (void)place_expect(reader, 100, 3);
    mw_stream_reader_close(reader);
    mw_stream_close(score);
    mw_stream_close(bridge);
}

static mw_err append_large(struct mw_stream *stream, int records, struct mw_error *error)
{
    char value[1000];
    memset(value, 'x', sizeof(value));
    mw_err err = mw_stream_begin(stream, error);
    for (int i = 0; err == MW_OK && i < records; i++) {
        err = mw_stream_append(stream, "big", mw_span_of("k"),
                               (struct mw_span){value, sizeof(value)}, error);
    }
    return err == MW_OK ? mw_stream_commit(stream, NULL, error) : err;
}

static void set_file_limit(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_full_disk_is_survived(void **state)
{
    struct mw_stream *stream = NULL;
    struct mw_error full = {0};
    assert_ok(place_open(*state, "bridge", &stream, &why));
    (void)signal(SIGXFSZ, SIG_IGN);
    place_append(stream, "t", 0, 10);
    set_file_limit(400000);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(append_large(stream, 2000, &full), MW_ERR_FULL);
        assert_non_null(strstr(full.text, "bridge.db"));
    }
    place_append(stream, "t", 10, 10); /* a small one still fits */
    set_file_limit(RLIM_INFINITY);
    assert_ok(append_large(stream, 2000, &why));
    place_append(stream, "t", 20, 10);
    mw_stream_close(stream);
    assert_ok(place_open(*state, "bridge", &stream, &why));
    struct mw_stream_reader *small = place_read(stream, "t", MW_STREAM_EARLIEST);
    (void)place_expect(small, 0, 30);
    place_expect_nothing(small);
    struct mw_stream_reader *big = place_read(stream, "big", MW_STREAM_EARLIEST);
    static struct mw_stream_record records[MW_STREAM_POLL_MAX];
    size_t sum = 0;
    for (size_t n = 1; n > 0; sum += n) {
        assert_ok(mw_stream_poll(big, records, MW_STREAM_POLL_MAX, &n, &why));
    }
    assert_int_equal(sum, 2000);
    mw_stream_reader_close(small);
    mw_stream_reader_close(big);
    mw_stream_close(stream);
}

/* In a child with its own mounts: 0 passed, 77 not permitted, else the line that failed. */
static int on_a_small_disk(const struct place *place)
{
#define CHECK(condition)                                                                  \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            (void)fprintf(stderr, "line %d: %s: %s\n", __LINE__, #condition, error.text); \
            return 1;                                                                     \
        }                                                                                 \
    } while (0)
    struct mw_error error = {0};
    char ballast[300];
    (void)snprintf(ballast, sizeof(ballast), "%s/ballast", place->folder);
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", place->folder, "tmpfs", 0, "size=4m") != 0) {
        return 77;
    }
    int fd = open(ballast, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && posix_fallocate(fd, 0, 2000000) == 0 && close(fd) == 0);
    struct mw_stream *stream = NULL;
    CHECK(place_open(place, "bridge", &stream, &error) == MW_OK);
    int stored = 0;
    mw_err err = MW_OK;
    for (; (err = append_large(stream, 50, &error)) == MW_OK; stored += 50) {
        CHECK(stored < 5000);
    }
    CHECK(err == MW_ERR_FULL && stored > 0);
    CHECK(append_large(stream, 50, &error) == MW_ERR_FULL);
    CHECK(unlink(ballast) == 0); /* space returns */
    CHECK(append_large(stream, 50, &error) == MW_OK);
    mw_stream_close(stream);
    CHECK(place_open(place, "bridge", &stream, &error) == MW_OK);
    struct mw_stream_reader *reader = NULL;
    const char *topic = "big";
    CHECK(mw_stream_reader_open(&reader, stream, &topic, 1, MW_STREAM_EARLIEST, &error) == MW_OK);
    static struct mw_stream_record records[MW_STREAM_POLL_MAX];
    int64_t sum = 0;
    for (size_t n = 1; n > 0; sum += (int64_t)n) {
        CHECK(mw_stream_poll(reader, records, MW_STREAM_POLL_MAX, &n, &error) == MW_OK);
        CHECK(n == 0 || records[n - 1].offset == sum + (int64_t)n - 1);
    }
    CHECK(sum == stored + 50);
    mw_stream_reader_close(reader);
    mw_stream_close(stream);
    return 0;
}

static void test_small_disk_fills_and_goes_on(void **state)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(on_a_small_disk(*state));
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        print_message("mounting a small disk is not permitted here\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

static size_t count_sockets(const struct place *place)
{
    char command[400];
    size_t n = 0;
    (void)snprintf(command, sizeof(command), "ls %s/wake | wc -l", place->folder);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_int_equal(fscanf(pipe, "%zu", &n), 1);
    (void)pclose(pipe);
    return n;
}

static void test_dead_readers_sockets_are_removed(void **state)
{
    struct mw_stream *bridge = NULL;
    assert_ok(place_open(*state, "bridge", &bridge, &why));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct mw_stream *view = NULL;
        struct mw_stream_reader *reader = NULL;
        const char *topic = "t";
        _exit(place_open(*state, NULL, &view, NULL) == MW_OK &&
                      mw_stream_reader_open(&reader, view, &topic, 1, MW_STREAM_LATEST, NULL) ==
                          MW_OK
                  ? 0
                  : 1); /* without closing, like a process that was killed */
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    struct mw_stream_reader *reader = place_read(bridge, "t", MW_STREAM_LATEST);
    assert_int_equal(count_sockets(*state), 2);
    place_append(bridge, "other-topic", 0, 1);
    struct pollfd wait = {.fd = mw_stream_reader_fd(reader), .events = POLLIN};
    assert_int_equal(poll(&wait, 1, 0), 0); /* not one of its topics */
    place_append(bridge, "t", 0, 1);
    assert_int_equal(poll(&wait, 1, 0), 1);
    assert_int_equal(count_sockets(*state), 1);
    mw_stream_reader_close(reader);
    assert_int_equal(count_sockets(*state), 0);
    mw_stream_close(bridge);
}

static off_t size_of(const struct place *place, const char *name)
{
    char path[300];
    struct stat status;
    (void)snprintf(path, sizeof(path), "%s/%s", place->folder, name);
    assert_int_equal(stat(path, &status), 0);
    return status.st_size;
}

/* The log starts anew behind a tidy, and what a killed writer left is whole. */
static void test_log_is_tidied(void **state)
{
    const struct place *place = *state;
    enum { COMMITS = 600, MORE = 10 };
    struct mw_stream *stream = NULL;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        assert_ok(place_open(place, "bridge", &stream, &why));
        for (int i = 0; i < COMMITS; i++) {
            place_append(stream, "t", i, 1);
        }
        off_t log = size_of(place, "bridge.db-wal"), before = size_of(place, "bridge.db");
        mw_stream_tidy(stream);
        off_t after = size_of(place, "bridge.db");
        for (int i = 0; i < MORE; i++) {
            place_append(stream, "t", COMMITS + i, 1);
        }
        bool anew = size_of(place, "bridge.db-wal") == log;
        _exit(before < after && anew ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_ok(place_open(place, "bridge", &stream, &why));
    struct mw_stream_reader *reader = place_read(stream, "t", MW_STREAM_EARLIEST);
    (void)place_expect(reader, 0, COMMITS + MORE);
    place_expect_nothing(reader);
    mw_stream_reader_close(reader);
    mw_stream_close(stream);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_set_up_sqlite, place_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_second_writer_is_refused),
        TEST(test_it_is_not_divided),
        TEST(test_newer_and_foreign_files_are_refused),
        TEST(test_unfinished_file_is_waited_for),
        TEST(test_replaced_file_starts_anew),
        TEST(test_full_disk_is_survived),
        TEST(test_small_disk_fills_and_goes_on),
        TEST(test_dead_readers_sockets_are_removed),
        TEST(test_log_is_tidied),
    };
    return cmocka_run_group_tests_name("sqlite", tests, NULL, NULL);
}
