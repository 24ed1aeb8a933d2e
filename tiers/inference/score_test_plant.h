/* score_test_plant.h - a plant in a fresh folder with signed bundles, and one writer that feeds it.
 */
#ifndef MW_INFERENCE_SCORE_TEST_PLANT_H
#define MW_INFERENCE_SCORE_TEST_PLANT_H

#include "lib/artifact/test_place.h"

#include "lib/artifact/test_bundle.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "tiers/inference/scorer.h"

struct test_plant {
    struct place *place;
    struct mw_plant plant;
    struct mw_stream *feed; /* stands for the bridge and the roll-out */
};

static inline int test_plant_set_up(void **state)
{
    struct test_plant *test = calloc(1, sizeof *test);
    void *place = NULL;
    char uri[400];
    if (test == NULL || place_set_up(&place) != 0) {
        return -1;
    }
    mw_log_init("score", MW_LOG_ERROR + 1, MW_LOG_TEXT);
    test->place = place;
    assert_ok(mw_plant_read(&test->plant, NULL, error));
    free(test->plant.data);
    test->plant.data = strdup(test->place->folder);
    (void)snprintf(uri, sizeof uri, "sqlite:%s/stream", test->place->folder);
    struct mw_stream_options options = {.uri = uri, .plant = "test", .writer = "bridge"};
    assert_ok(mw_stream_open(&test->feed, &options, error));
    assert_ok(mw_trust_init(test->place->store, test->place->keys, error));
    *state = test;
    return 0;
}

static inline int test_plant_tear_down(void **state)
{
    struct test_plant *test = *state;
    void *place = test->place;
    mw_stream_close(test->feed);
    mw_plant_clear(&test->plant);
    free(test);
    return place_tear_down(&place);
}

static inline struct mw_scorer *test_plant_open(struct test_plant *test)
{
    struct mw_scorer *scorer = NULL;
    assert_ok(mw_scorer_open(&scorer, &test->plant, 0, error));
    return scorer;
}

/* Steps until there is nothing more. */
static inline void test_plant_run(struct mw_scorer *scorer)
{
    size_t count;
    do {
        assert_ok(mw_scorer_step(scorer, &count, error));
    } while (count > 0);
}

static inline void test_plant_append(struct test_plant *test, const char *topic, const char *key,
                                     const char *value)
{
    assert_ok(mw_stream_append(test->feed, topic, mw_span_of(key), mw_span_of(value), error));
}

/* One record, in a transaction that the caller has begun. */
static inline void test_plant_record(struct test_plant *test, const char *device, unsigned boot,
                                     unsigned seq, float a, float b)
{
    char text[256];
    (void)snprintf(text, sizeof text,
                   "{\"v\":1,\"device\":\"%s\",\"boot\":%u,\"seq\":%u,\"time\":%u,"
                   "\"features\":{\"a\":%.9g,\"more\":7,\"b\":%.9g}}",
                   device, boot, seq, 1000 + seq, (double)a, (double)b);
    test_plant_append(test, "telemetry", device, text);
}

static inline void test_plant_update(struct test_plant *test, const char *key, const char *digest)
{
    char text[256];
    (void)snprintf(text, sizeof text,
                   "{\"v\":1,\"device\":\"%s\",\"desired\":{\"bundle\":\"%s\",\"rollout\":\"r-1\","
                   "\"stage\":\"all\"}}",
                   key, digest);
    test_plant_append(test, "update", key, text);
}

static inline void test_plant_begin(struct test_plant *test)
{
    assert_ok(mw_stream_begin(test->feed, error));
}

static inline void test_plant_commit(struct test_plant *test)
{
    assert_ok(mw_stream_commit(test->feed, NULL, error));
}

/* Publishes a bundle of that weight; *digest is its. */
static inline void test_plant_publish(struct test_plant *test, float weight,
                                      char digest[MW_DIGEST_TEXT])
{
    assert_ok(test_bundle_publish(test->place->store, test->place->keys, weight, digest, error));
}

/* Everything in a topic, one value a line. Free with mw_buffer_free. */
static inline size_t test_plant_all(struct test_plant *test, const char *topic,
                                    struct mw_buffer *lines)
{
    struct mw_stream *stream = NULL;
    struct mw_stream_reader *reader = NULL;
    struct mw_stream_record records[256];
    char uri[400];
    size_t n, total = 0;
    (void)snprintf(uri, sizeof uri, "sqlite:%s/stream", test->place->folder);
    struct mw_stream_options options = {.uri = uri, .plant = "test"};
    mw_buffer_clear(lines);
    assert_ok(mw_buffer_add(lines, "", 0));
    assert_ok(mw_stream_open(&stream, &options, error));
    assert_ok(mw_stream_reader_open(&reader, stream, &topic, 1, MW_STREAM_EARLIEST, error));
    do {
        assert_ok(mw_stream_poll(reader, records, 256, &n, error));
        for (size_t i = 0; i < n; i++, total++) {
            assert_ok(mw_buffer_add(lines, records[i].value.data, records[i].value.size));
            assert_ok(mw_buffer_add(lines, "\n", 1));
        }
    } while (n > 0);
    mw_stream_reader_close(reader);
    mw_stream_close(stream);
    return total;
}

static inline size_t test_plant_count(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part)) {
        n++;
    }
    return n;
}

#endif
