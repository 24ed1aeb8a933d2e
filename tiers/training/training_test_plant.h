/* training_test_plant.h - a plant in a fresh folder whose stream a test writes as the bridge would.
 */
#ifndef MW_TRAINING_TRAINING_TEST_PLANT_H
#define MW_TRAINING_TRAINING_TEST_PLANT_H

#include "lib/base/test.h"

#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/plant/plant.h"
#include "lib/stream/stream.h"

#include <math.h>

struct test_plant {
    char folder[64];
    struct mw_plant plant;
    struct mw_stream *bridge, *score, *learn; /* writers; opened when first needed */
    uint64_t seed;
    unsigned seq, events;
};

/* `yaml` is the text of plant.yaml below plant: and data:. */
static inline void test_plant_open(struct test_plant *test, const char *yaml)
{
    char path[128], text[2048];
    *test = (struct test_plant){.seed = 1};
    mw_log_init("test", MW_LOG_ERROR + 1, MW_LOG_TEXT);
    test_folder_make(test->folder);
    snprintf(path, sizeof path, "%s/plant.yaml", test->folder);
    int n = snprintf(text, sizeof text, "plant: test\ndata: data\n%s", yaml);
    assert_ok(mw_file_write(path, text, (size_t)n, 0600, error));
    assert_ok(mw_plant_read(&test->plant, path, error));
}

static inline void test_plant_close(struct test_plant *test)
{
    mw_stream_close(test->bridge);
    mw_stream_close(test->score);
    mw_stream_close(test->learn);
    mw_plant_clear(&test->plant);
    test_folder_remove(test->folder);
}

/* FOLDER/name; in one of 32 static buffers, taken in turn. */
static inline const char *test_plant_path(const struct test_plant *test, const char *name)
{
    static char path[32][160];
    static unsigned next;
    next = (next + 1) % 32;
    snprintf(path[next], sizeof path[next], "%s/%s", test->folder, name);
    return path[next];
}

static inline void test_plant_append(struct test_plant *test, struct mw_stream **writer,
                                     const char *name, const char *topic, const char *key,
                                     const char *text)
{
    if (*writer == NULL) {
        char uri[256];
        assert_ok(mw_plant_stream_uri(&test->plant, uri, sizeof uri));
        struct mw_stream_options options = {.uri = uri, .plant = "test", .writer = name};
        assert_ok(mw_stream_open(writer, &options, error));
        assert_ok(mw_stream_begin(*writer, error));
    }
    assert_ok(mw_stream_append(*writer, topic, mw_span_of(key), mw_span_of(text), error));
}

/* Makes what was appended visible to readers. */
static inline void test_plant_commit(struct test_plant *test)
{
    struct mw_stream *writers[] = {test->bridge, test->score, test->learn};
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++) {
        if (writers[i] != NULL) {
            assert_ok(mw_stream_commit(writers[i], NULL, error));
            assert_ok(mw_stream_begin(writers[i], error));
        }
    }
}

/* A record of features "a" and "b". `more` is text behind it, like ",\"time_suspect\":true". */
static inline void test_plant_record(struct test_plant *test, const char *machine, double time,
                                     double p, double a, double b, const char *more)
{
    char text[512];
    snprintf(text, sizeof text,
             "{\"v\":1,\"device\":\"%s\",\"boot\":1,\"seq\":%u,\"time\":%.3f,\"p\":%g,"
             "\"features\":{\"a\":%.7g,\"b\":%.7g},\"received\":%.3f%s}",
             machine, test->seq++, time, p, a, b, time, more);
    test_plant_append(test, &test->bridge, "bridge", "telemetry", machine, text);
}

/* type "failure", "repair" or "inspection"; finding NULL, "fault" or "no_fault". */
static inline void test_plant_event(struct test_plant *test, const char *machine, const char *type,
                                    const char *finding, double time)
{
    char text[512], found[64] = "";
    if (finding != NULL) {
        snprintf(found, sizeof found, "\"finding\":\"%s\",", finding);
    }
    snprintf(text, sizeof text,
             "{\"v\":1,\"id\":\"e-%u\",\"machine\":\"%s\",\"type\":\"%s\",%s\"time\":%.3f,"
             "\"by\":\"test\"}",
             test->events++, machine, type, found, time);
    test_plant_append(test, &test->bridge, "bridge", "event", machine, text);
}

static inline void test_plant_stop(struct test_plant *test, const char *machine, double time)
{
    char text[512];
    snprintf(text, sizeof text,
             "{\"v\":1,\"id\":\"c-%u\",\"device\":\"%s\",\"machine\":\"%s\",\"action\":\"stop\","
             "\"time\":%.3f,\"expires\":%.3f,\"cause\":\"score\"}",
             test->events++, machine, machine, time, time + 600);
    test_plant_append(test, &test->score, "score", "command", machine, text);
}

static inline double test_plant_uniform(struct test_plant *test)
{
    test->seed = test->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return ((double)(test->seed >> 11) + 0.5) / 9007199254740992.0;
}

static inline double test_plant_normal(struct test_plant *test)
{
    double radius = sqrt(-2 * log(test_plant_uniform(test)));
    return radius * cos(6.283185307179586 * test_plant_uniform(test));
}

#endif
