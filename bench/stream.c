/* bench_stream FOLDER RECORDS BATCH: the stream's append and poll beside plain SQLite.
 *
 * Both write the same records in transactions of BATCH to a file of their own in FOLDER, in WAL
 * mode with full sync, and read them back in order. The plain table has what SQLite itself needs
 * and nothing else. Prints JSON: records a second of wall time. */
#include "lib/stream/stream.h"
#include "bench/clock.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#define POLL 1024
#define VALUE                                                                           \
    "{\"v\":1,\"device\":\"motor-7\",\"boot\":3,\"seq\":123456,\"time\":1795431600.25," \
    "\"features\":{\"current_rms\":4.1234,\"current_crest_factor\":1.4142,"             \
    "\"temperature_mean\":61.53,\"vibration_rms\":0.8125,\"vibration_kurtosis\":3.25,"  \
    "\"vibration_band_1\":0.11,\"vibration_band_2\":0.23,\"sound_rms\":0.0625}}"

struct plan {
    char path[4096];
    size_t records, batch;
};

struct rates {
    double append, read;
};

static void check(int good, const char *what, const char *why)
{
    if (!good) {
        fprintf(stderr, "bench_stream: %s: %s\n", what, why);
        exit(1);
    }
}

static struct rates run_stream(const struct plan *plan)
{
    char uri[4200];
    struct mw_stream *stream = NULL;
    struct mw_stream_reader *reader = NULL;
    struct mw_error error = {0};
    struct rates rates;
    const char *topic = "telemetry";
    static struct mw_stream_record records[POLL];
    snprintf(uri, sizeof uri, "sqlite:%s/stream", plan->path);
    const struct mw_stream_options options = {.uri = uri, .plant = "bench", .writer = "bench"};
    check(mw_stream_open(&stream, &options, &error) == MW_OK, "open", error.text);
    const struct mw_span key = mw_span_of("motor-7"), value = mw_span_of(VALUE);

    double start = bench_now();
    for (size_t i = 0; i < plan->records; i += plan->batch) {
        check(mw_stream_begin(stream, &error) == MW_OK, "begin", error.text);
        for (size_t k = i; k < i + plan->batch && k < plan->records; k++) {
            check(mw_stream_append(stream, topic, key, value, &error) == MW_OK, "append",
                  error.text);
        }
        check(mw_stream_commit(stream, NULL, &error) == MW_OK, "commit", error.text);
    }
    rates.append = (double)plan->records / (bench_now() - start);

    check(mw_stream_reader_open(&reader, stream, &topic, 1, MW_STREAM_EARLIEST, &error) == MW_OK,
          "reader", error.text);
    start = bench_now();
    size_t seen = 0, count = 1, bytes = 0;
    while (count > 0) {
        check(mw_stream_poll(reader, records, POLL, &count, &error) == MW_OK, "poll", error.text);
        for (size_t i = 0; i < count; i++) {
            bytes += records[i].value.size;
        }
        seen += count;
    }
    rates.read = (double)plan->records / (bench_now() - start);
    check(seen == plan->records && bytes == seen * value.size, "poll", "records are missing");
    mw_stream_reader_close(reader);
    mw_stream_close(stream);
    return rates;
}

static void execute(sqlite3 *db, const char *sql)
{
    check(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, sql, sqlite3_errmsg(db));
}

static double append_plain(sqlite3 *db, const struct plan *plan)
{
    sqlite3_stmt *insert = NULL;
    check(sqlite3_prepare_v2(db, "INSERT INTO log (key, value) VALUES (?, ?)", -1, &insert, NULL) ==
              SQLITE_OK,
          "prepare", sqlite3_errmsg(db));
    double start = bench_now();
    for (size_t i = 0; i < plan->records; i += plan->batch) {
        execute(db, "BEGIN IMMEDIATE");
        for (size_t k = i; k < i + plan->batch && k < plan->records; k++) {
            (void)sqlite3_bind_text(insert, 1, "motor-7", -1, SQLITE_STATIC);
            (void)sqlite3_bind_text(insert, 2, VALUE, (int)strlen(VALUE), SQLITE_STATIC);
            check(sqlite3_step(insert) == SQLITE_DONE, "insert", sqlite3_errmsg(db));
            (void)sqlite3_reset(insert);
        }
        execute(db, "COMMIT");
    }
    double seconds = bench_now() - start;
    (void)sqlite3_finalize(insert);
    return (double)plan->records / seconds;
}

static double read_plain(sqlite3 *db, const struct plan *plan)
{
    sqlite3_stmt *select = NULL;
    size_t seen = 0, bytes = 0;
    check(sqlite3_prepare_v2(db, "SELECT id, key, value FROM log ORDER BY id", -1, &select, NULL) ==
              SQLITE_OK,
          "prepare", sqlite3_errmsg(db));
    double start = bench_now();
    while (sqlite3_step(select) == SQLITE_ROW) {
        check(sqlite3_column_text(select, 2) != NULL, "select", "no value");
        bytes += (size_t)sqlite3_column_bytes(select, 2);
        seen++;
    }
    double seconds = bench_now() - start;
    (void)sqlite3_finalize(select);
    check(seen == plan->records && bytes == seen * strlen(VALUE), "select", "rows are missing");
    return (double)plan->records / seconds;
}

static struct rates run_plain(const struct plan *plan)
{
    char path[4200];
    sqlite3 *db = NULL;
    struct rates rates;
    snprintf(path, sizeof path, "%s/plain.db", plan->path);
    check(sqlite3_open(path, &db) == SQLITE_OK, "open", sqlite3_errmsg(db));
    execute(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                "CREATE TABLE log (id INTEGER PRIMARY KEY, key TEXT, value TEXT)");
    rates.append = append_plain(db, plan);
    rates.read = read_plain(db, plan);
    (void)sqlite3_close(db);
    return rates;
}

int main(int argc, char **argv)
{
    struct plan plan = {0};
    if (argc == 4) {
        snprintf(plan.path, sizeof plan.path, "%s", argv[1]);
        plan.records = strtoul(argv[2], NULL, 10);
        plan.batch = strtoul(argv[3], NULL, 10);
    }
    if (plan.records == 0 || plan.batch == 0) {
        fprintf(stderr, "usage: bench_stream FOLDER RECORDS BATCH\n");
        return 2;
    }
    const struct rates plain = run_plain(&plan), stream = run_stream(&plan);
    printf("{\"append\":%.0f,\"append_plain\":%.0f,\"read\":%.0f,\"read_plain\":%.0f,"
           "\"bytes\":%zu,\"sqlite\":\"%s\"}\n",
           stream.append, plain.append, stream.read, plain.read, strlen(VALUE),
           sqlite3_libversion());
    return 0;
}
