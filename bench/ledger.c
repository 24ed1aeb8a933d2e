/* bench_ledger FOLDER DEVICES RECORDS: writes the stream of a plant to account for, as a bridge and
 * a scorer would.
 *
 * Every device sends its n-th record before any sends the one after it, which is the worst order
 * for an account by device. Each has RECORDS records with a score each, a status and a position.
 * Prints JSON: records and bytes written. */
#include "lib/stream/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 2000 }; /* appends a commit */

struct writer {
    struct mw_stream *stream;
    size_t open; /* appends of the transaction */
    unsigned long long bytes;
};

static void check(mw_err err, const struct mw_error *error)
{
    if (err != MW_OK) {
        fprintf(stderr, "bench_ledger: %s\n", error->text);
        exit(1);
    }
}

static void open_writer(struct writer *writer, const char *folder, const char *name)
{
    char uri[4200];
    struct mw_error error = {0};
    snprintf(uri, sizeof uri, "sqlite:%s/stream", folder);
    const struct mw_stream_options options = {.uri = uri, .plant = "bench", .writer = name};
    check(mw_stream_open(&writer->stream, &options, &error), &error);
}

static void commit(struct writer *writer)
{
    struct mw_error error = {0};
    if (writer->open > 0) {
        check(mw_stream_commit(writer->stream, NULL, &error), &error);
    }
    writer->open = 0;
}

static void write_one(struct writer *writer, const char *topic, const char *key, const char *value,
                      bool compacted)
{
    struct mw_error error = {0};
    if (writer->open == 0) {
        check(mw_stream_begin(writer->stream, &error), &error);
    }
    const struct mw_span name = mw_span_of(key), text = mw_span_of(value);
    check(compacted ? mw_stream_put(writer->stream, topic, name, text, &error)
                    : mw_stream_append(writer->stream, topic, name, text, &error),
          &error);
    writer->bytes += text.size;
    if (++writer->open == BATCH) {
        commit(writer);
    }
}

static void write_record(struct writer *bridge, struct writer *score, const char *device,
                         unsigned long seq)
{
    char text[512];
    snprintf(text, sizeof text,
             "{\"v\":1,\"device\":\"%s\",\"boot\":1,\"seq\":%lu,\"time\":1795431600.25,"
             "\"features\":{\"current_rms\":4.1234,\"current_crest_factor\":1.4142,"
             "\"temperature_mean\":61.53,\"vibration_rms\":0.8125},\"received\":1795431600.5}",
             device, seq);
    write_one(bridge, "telemetry", device, text, false);
    snprintf(text, sizeof text,
             "{\"v\":1,\"device\":\"%s\",\"machine\":\"%s\",\"boot\":1,\"seq\":%lu,"
             "\"time\":1795431600.25,\"score\":0.25,\"band\":\"normal\",\"model\":\"sha256:0\","
             "\"level\":3}",
             device, device, seq);
    write_one(score, "score", device, text, false);
}

static void write_end(struct writer *bridge, const char *device, unsigned long records)
{
    char text[512];
    snprintf(text, sizeof text,
             "{\"v\":1,\"device\":\"%s\",\"boot\":1,\"last_seq\":%lu,\"published\":%lu,"
             "\"dropped\":0,\"time\":1795431600.25}",
             device, records - 1, records);
    write_one(bridge, "status", device, text, false);
    snprintf(text, sizeof text,
             "{\"boot\":1,\"next\":%lu,\"stored\":%lu,\"sketches\":0,\"dead\":0,\"skipped\":0,"
             "\"time\":1795431600.25,\"received\":1795431600.5}",
             records, records);
    write_one(bridge, "position", device, text, true);
}

int main(int argc, char **argv)
{
    const unsigned long devices = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
    const unsigned long records = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
    struct writer bridge = {0}, score = {0};
    char device[64];
    if (devices == 0 || records == 0) {
        fprintf(stderr, "usage: bench_ledger FOLDER DEVICES RECORDS\n");
        return 2;
    }
    open_writer(&bridge, argv[1], "bridge");
    open_writer(&score, argv[1], "score");
    for (unsigned long n = 0; n <= records; n++) {
        for (unsigned long i = 0; i < devices; i++) {
            snprintf(device, sizeof device, "motor-%lu", i);
            if (n < records) {
                write_record(&bridge, &score, device, n);
            } else {
                write_end(&bridge, device, records);
            }
        }
    }
    commit(&bridge);
    commit(&score);
    mw_stream_close(bridge.stream);
    mw_stream_close(score.stream);
    printf("{\"records\":%lu,\"scores\":%lu,\"bytes\":%llu}\n", devices * records,
           devices * records, bridge.bytes + score.bytes);
    return 0;
}
