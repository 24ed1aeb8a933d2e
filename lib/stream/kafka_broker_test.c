/* What only Kafka has, on a real one: MILLWRIGHT_STREAM_URI=kafka://host:port, or `make
 * check-kafka`, which starts one. */
#include "lib/stream/kafka_library.h"
#include "lib/stream/members.h"
#include "lib/stream/stream_test_place.h"

#include <dlfcn.h>
#include <time.h>

static void test_a_broker_that_is_away_is_an_error(void **state)
{
    (void)state;
    struct mw_stream *stream = NULL;
    struct mw_error error = {0};
    struct mw_stream_options options = {.uri = "kafka://127.0.0.1:1", .plant = "p", .writer = "w"};
    assert_int_equal(mw_stream_open(&stream, &options, &error), MW_ERR_NET);
    assert_null(stream);
    assert_non_null(strstr(error.text, "127.0.0.1:1"));
    assert_non_null(strstr(error.text, "refused")); /* the reason, and not only that it took long */
}

static void test_who_comes_later_fences_the_writer(void **state)
{
    struct mw_stream *zombie = NULL;
    struct mw_stream *heir = NULL;
    struct mw_error error = {0};
    place_append(place_must_open(*state, "score", &zombie), "score", 0, 5);
    assert_ok(mw_stream_begin(zombie, &why));
    assert_ok(mw_stream_append(zombie, "score", mw_span_of("key"), mw_span_of("666"), &why));
    assert_ok(mw_stream_put(zombie, "count", mw_span_of("k"), mw_span_of("666"), &why));

    assert_ok(place_open(*state, "score", &heir, &why));
    assert_false(mw_stream_ended(zombie));
    assert_int_equal(mw_stream_commit(zombie, NULL, &error), MW_ERR_BUSY);
    assert_non_null(strstr(error.text, "\"score\""));
    assert_true(mw_stream_ended(zombie));
    assert_int_equal(mw_stream_begin(zombie, NULL), MW_ERR_STATE);

    place_append(heir, "score", 5, 5);
    assert_false(mw_stream_ended(heir));
    struct mw_stream_reader *reader = place_read(heir, "score", MW_STREAM_EARLIEST);
    struct mw_span value;
    (void)place_expect(reader, 0, 10);
    place_expect_nothing(reader);
    assert_int_equal(mw_stream_get(heir, NULL, "count", mw_span_of("k"), &value, NULL),
                     MW_ERR_NOT_FOUND);
    mw_stream_reader_close(reader);
    mw_stream_close(heir);
    mw_stream_close(zombie);
}

static void test_topics_are_not_made_when_that_is_not_wanted(void **state)
{
    struct place *place = *state;
    struct mw_stream *stream = NULL;
    struct mw_stream_reader *reader = NULL;
    struct mw_error error = {0};
    const char *topic = "telemetry";
    place_add_option(place, "create=false");
    assert_ok(place_open(place, "bridge", &stream, &why));
    assert_ok(mw_stream_begin(stream, &why));
    assert_int_equal(mw_stream_append(stream, topic, mw_span_of("k"), mw_span_of("1"), &error),
                     MW_ERR_NOT_FOUND);
    assert_non_null(strstr(error.text, "telemetry"));
    assert_non_null(strstr(error.text, "stream.create"));
    assert_int_equal(mw_stream_reader_open(&reader, stream, &topic, 1, MW_STREAM_EARLIEST, NULL),
                     MW_ERR_NOT_FOUND);
    assert_false(mw_stream_ended(stream));
    mw_stream_close(stream);
}

#define KEYS 16

static void append_keys(struct mw_stream *stream, int first, int n)
{
    assert_ok(mw_stream_begin(stream, &why));
    for (int i = first; i < first + n; i++) {
        char key[16];
        char text[16];
        (void)snprintf(key, sizeof(key), "motor-%d", i % KEYS);
        (void)snprintf(text, sizeof(text), "%d", i);
        assert_ok(mw_stream_append(stream, "telemetry", mw_span_of(key), mw_span_of(text), &why));
    }
    assert_ok(mw_stream_commit(stream, NULL, &why));
}

static void test_a_key_keeps_its_partition_and_its_order(void **state)
{
    struct mw_stream *bridge = NULL;
    struct mw_stream *score = NULL;
    place_add_option(*state, "partitions=5");
    assert_ok(place_open(*state, "bridge", &bridge, &why));
    append_keys(bridge, 0, 500);
    append_keys(bridge, 500, 500);
    uint32_t partition[KEYS];
    uint32_t used = 0;
    int next = 0;
    while (next < 1000) { /* in four lives, each goes on where the last one's commit was */
        assert_ok(place_open(*state, "score", &score, &why));
        struct mw_stream_reader *reader = place_read(score, "telemetry", MW_STREAM_EARLIEST);
        for (int end = next + 250; next < end;) {
            struct mw_stream_record records[50];
            size_t n = place_poll(reader, records, 50);
            for (size_t i = 0; i < n; i++, next++) { /* all known: merged by time */
                assert_int_equal(number_of(records[i].value), next);
                partition[next % KEYS] =
                    next < KEYS ? records[i].partition : partition[next % KEYS];
                assert_int_equal(records[i].partition, partition[next % KEYS]);
                used |= 1U << records[i].partition;
            }
            assert_true(next <= end);
        }
        assert_ok(mw_stream_begin(score, &why));
        assert_ok(mw_stream_commit(score, reader, &why));
        struct mw_stream_record record;
        size_t n = 0;
        assert_ok(mw_stream_poll(reader, &record, 1, &n, &why)); /* and never committed */
        mw_stream_reader_close(reader);
        mw_stream_close(score);
    }
    assert_true((used & (used - 1)) != 0);
    mw_stream_close(bridge);
}

static bool count_key(void *context, struct mw_span key, struct mw_span value)
{
    int *n = context;
    char expected[16];
    (void)snprintf(expected, sizeof(expected), "device-%05d", *n);
    assert_true(mw_span_is(key, expected));
    assert_int_equal(number_of(value), *n + (*n % 7 == 0 ? 1000000 : 0));
    ++*n;
    return true;
}

static void test_many_compacted_keys(void **state)
{
    struct mw_stream *bridge = NULL;
    struct mw_stream *other = NULL;
    struct mw_span value;
    assert_ok(place_open(*state, "bridge", &bridge, &why));
    for (int round = 0; round < 2; round++) {
        assert_ok(mw_stream_begin(bridge, &why));
        for (int i = 0; i < 5000; i++) {
            char key[16];
            char text[16];
            (void)snprintf(key, sizeof(key), "device-%05d", i);
            (void)snprintf(text, sizeof(text), "%d", round == 0 ? i : 1000000 + i);
            if (round == 0 || i % 7 == 0) {
                assert_ok(
                    mw_stream_put(bridge, "position", mw_span_of(key), mw_span_of(text), &why));
            }
        }
        assert_ok(mw_stream_commit(bridge, NULL, &why));
        if (round == 0) { /* from here on in memory, and kept up with */
            assert_ok(
                mw_stream_get(bridge, NULL, "position", mw_span_of("device-00007"), &value, &why));
            assert_true(mw_span_is(value, "7"));
        }
    }
    assert_ok(mw_stream_get(bridge, NULL, "position", mw_span_of("device-00007"), &value, &why));
    assert_true(mw_span_is(value, "1000007"));
    assert_ok(place_open(*state, NULL, &other, &why));
    struct mw_stream *const readers[] = {bridge, other, other};
    for (size_t i = 0; i < 3; i++) {
        int n = 0;
        assert_ok(mw_stream_visit(readers[i], "bridge", "position", count_key, &n, &why));
        assert_int_equal(n, 5000);
    }
    mw_stream_close(other);
    mw_stream_close(bridge);
}

/* More than librdkafka's queue takes at once. */
static void test_a_transaction_of_any_length(void **state)
{
    struct mw_stream *bridge = NULL;
    assert_ok(place_open(*state, "bridge", &bridge, &why));
    place_append(bridge, "telemetry", 0, 250000);
    struct mw_stream_reader *reader = place_read(bridge, "telemetry", MW_STREAM_EARLIEST);
    (void)place_expect(reader, 0, 250000);
    place_expect_nothing(reader);
    mw_stream_reader_close(reader);
    mw_stream_close(bridge);
}

/* A handle of the test's own, for what the stream does not do. */
struct admin {
    void *library;
    rd_kafka_t *handle;
    rd_kafka_queue_t *queue; /* of answers */
};

static struct admin admin_open(void)
{
    char text[256];
    char hosts[256];
    (void)snprintf(hosts, sizeof(hosts), "%s",
                   getenv("MILLWRIGHT_STREAM_URI") + strlen("kafka://"));
    hosts[strcspn(hosts, "/?")] = '\0';
    rd_kafka_conf_t *conf = mw_kafka.conf_new();
    assert_int_equal(mw_kafka.conf_set(conf, "bootstrap.servers", hosts, text, sizeof(text)),
                     RD_KAFKA_CONF_OK);
    struct admin admin = {.library = dlopen("librdkafka.so.1", RTLD_NOW),
                          .handle = mw_kafka.new(RD_KAFKA_PRODUCER, conf, text, sizeof(text))};
    assert_non_null(admin.library);
    assert_non_null(admin.handle);
    admin.queue = mw_kafka.queue_new(admin.handle);
    return admin;
}

/* `function` points to a pointer to a function. */
static void admin_find(const struct admin *admin, const char *name, void *function)
{
    void *found = dlsym(admin->library, name);
    assert_non_null(found);
    memcpy(function, &found, sizeof(found));
}

static void admin_await(const struct admin *admin)
{
    rd_kafka_event_t *event = mw_kafka.queue_poll(admin->queue, 20000);
    assert_non_null(event);
    assert_int_equal(mw_kafka.event_error(event), RD_KAFKA_RESP_ERR_NO_ERROR);
    mw_kafka.event_destroy(event);
}

static void admin_close(const struct admin *admin)
{
    mw_kafka.queue_destroy(admin->queue);
    mw_kafka.destroy_flags(admin->handle, 0);
    (void)dlclose(admin->library);
}

/* What retention does, at once: removes all before an offset. */
static void remove_before(const char *topic, int64_t offset)
{
    struct admin admin = admin_open();
    __typeof__(rd_kafka_DeleteRecords_new) *make = NULL;
    __typeof__(rd_kafka_DeleteRecords) *submit = NULL;
    __typeof__(rd_kafka_DeleteRecords_destroy) *end = NULL;
    admin_find(&admin, "rd_kafka_DeleteRecords_new", &make);
    admin_find(&admin, "rd_kafka_DeleteRecords", &submit);
    admin_find(&admin, "rd_kafka_DeleteRecords_destroy", &end);
    rd_kafka_topic_partition_list_t *list = mw_kafka.topic_partition_list_new(1);
    mw_kafka.topic_partition_list_add(list, topic, 0)->offset = offset;
    rd_kafka_DeleteRecords_t *request = make(list);
    submit(admin.handle, &request, 1, NULL, admin.queue);
    admin_await(&admin);
    end(request);
    mw_kafka.topic_partition_list_destroy(list);
    admin_close(&admin);
}

static void delete_topic(const char *name)
{
    struct admin admin = admin_open();
    __typeof__(rd_kafka_DeleteTopic_new) *make = NULL;
    __typeof__(rd_kafka_DeleteTopics) *submit = NULL;
    __typeof__(rd_kafka_DeleteTopic_destroy) *end = NULL;
    admin_find(&admin, "rd_kafka_DeleteTopic_new", &make);
    admin_find(&admin, "rd_kafka_DeleteTopics", &submit);
    admin_find(&admin, "rd_kafka_DeleteTopic_destroy", &end);
    rd_kafka_DeleteTopic_t *request = make(name);
    submit(admin.handle, &request, 1, NULL, admin.queue);
    admin_await(&admin);
    end(request);
    admin_close(&admin);
}

/* A topic that is gone, or that a broker which has just started does not know of yet: an error, and
 * nothing that librdkafka frees twice. */
static void test_a_topic_that_is_gone_is_an_error(void **state)
{
    static const char *const topic = "telemetry";
    struct place *place = *state;
    struct mw_stream *bridge = NULL;
    struct mw_error error = {0};
    char name[128];
    unsigned refused = 0;
    int64_t end = mw_clock_monotonic() + 60 * MW_SECOND;
    place_append(place_must_open(place, "bridge", &bridge), topic, 0, 5);
    mw_stream_close(bridge);
    place_add_option(place, "create=false");
    place_append(place_must_open(place, "bridge", &bridge), topic, 5, 5);
    (void)snprintf(name, sizeof(name), "mw.%s.telemetry", place->plant);
    delete_topic(name);
    while (refused < 50) {
        assert_true(mw_clock_monotonic() < end);
        if (refused == 0) { /* so that librdkafka hears of it */
            struct mw_stream_reader *reader = NULL;
            (void)mw_stream_reader_open(&reader, bridge, &topic, 1, MW_STREAM_EARLIEST, NULL);
            mw_stream_reader_close(reader);
        }
        if (mw_stream_ended(bridge)) { /* a record was on its way when the topic went */
            assert_int_equal(refused, 0);
            mw_stream_close(bridge);
            place_must_open(place, "bridge", &bridge);
        }
        assert_ok(mw_stream_begin(bridge, &why));
        refused += mw_stream_append(bridge, topic, mw_span_of("k"), mw_span_of("1"), &error) != 0;
        mw_stream_rollback(bridge);
    }
    assert_false(mw_stream_ended(bridge));
    mw_stream_close(bridge);
}

static bool take_removal(void *context, struct mw_span key, struct mw_span value)
{
    char *text = context;
    size_t used = strlen(text);
    (void)snprintf(text + used, 64 - used, "%.*s=%.*s ", (int)key.size, key.data, (int)value.size,
                   value.data);
    return true;
}

static void test_what_brokers_removed_is_known(void **state)
{
    const struct place *place = *state;
    struct mw_stream *bridge = NULL;
    char name[128];
    char text[64] = "";
    place_add_option(*state, "partitions=1");
    assert_ok(place_open(place, "bridge", &bridge, &why));
    place_append(bridge, "telemetry", 0, 100);
    place_append(bridge, "dead", 0, 10);
    struct mw_stream_reader *old = place_read(bridge, "telemetry", MW_STREAM_EARLIEST);
    (void)place_expect(old, 0, 10);
    assert_ok(mw_stream_visit(bridge, NULL, MW_STREAM_REMOVED, take_removal, text, &why));
    assert_string_equal(text, "");
    assert_ok(mw_stream_begin(bridge, &why));
    assert_ok(mw_stream_commit(bridge, old, &why));
    mw_stream_reader_close(old);

    (void)snprintf(name, sizeof(name), "mw.%s.telemetry", place->plant);
    remove_before(name, 40);
    assert_ok(mw_stream_visit(bridge, NULL, MW_STREAM_REMOVED, take_removal, text, &why));
    assert_string_equal(text, "telemetry=40 ");
    /* A group whose position is gone goes on with what is left. */
    struct mw_stream_reader *reader = place_read(bridge, "telemetry", MW_STREAM_EARLIEST);
    (void)place_expect(reader, 40, 60);
    place_expect_nothing(reader);
    mw_stream_reader_close(reader);
    mw_stream_close(bridge);
}

/* A partition that has no leader yet refuses a first batch; the one behind it must not overtake. */
static void test_new_topics_take_all_of_their_first_transaction(void **state)
{
    struct mw_stream *bridge = NULL;
    char *large = calloc(1, 300000);
    assert_non_null(large);
    assert_ok(place_open(*state, "bridge", &bridge, &why));
    for (int i = 0; i < 40; i++) {
        char topic[16];
        (void)snprintf(topic, sizeof(topic), "topic-%d", i);
        assert_ok(mw_stream_begin(bridge, &why));
        for (int j = 0; j < 12; j++) {
            (void)snprintf(large, 16, "%d", j);
            assert_ok(mw_stream_append(bridge, topic, mw_span_of("key"),
                                       (struct mw_span){large, 300000}, &why));
        }
        assert_ok(mw_stream_commit(bridge, NULL, &why));
        struct mw_stream_reader *reader = place_read(bridge, topic, MW_STREAM_EARLIEST);
        for (int j = 0; j < 12; j++) {
            struct mw_stream_record record;
            assert_int_equal(place_poll(reader, &record, 1), 1);
            assert_int_equal(atoi(record.value.data), j);
        }
        mw_stream_reader_close(reader);
    }
    free(large);
    mw_stream_close(bridge);
}

static struct mw_stream_reader *open_share(struct mw_stream *stream,
                                           const struct mw_stream_share *share)
{
    static const char *const topics[] = {"telemetry", "update"};
    struct mw_stream_reader *reader = NULL;
    assert_ok(
        mw_stream_reader_open_share(&reader, stream, topics, 2, MW_STREAM_EARLIEST, share, &why));
    return reader;
}

/* Reads all that a share has; adds the partitions to *seen and returns how many records. */
static int read_rest(struct mw_stream_reader *reader, const struct mw_stream_share *share,
                     uint64_t *seen)
{
    struct mw_stream_record records[64];
    int n = 0;
    size_t count = 1;
    while (count > 0) {
        assert_ok(mw_stream_poll(reader, records, 64, &count, &why));
        for (size_t i = 0; i < count; i++) {
            bool divided = strcmp(records[i].topic, "telemetry") == 0;
            assert_true(!divided || records[i].partition % share->shares == share->share);
            *seen |= divided ? UINT64_C(1) << records[i].partition : 0;
            n += divided ? 1 : 1000;
        }
    }
    return n;
}

static int read_share(struct mw_stream *stream, const struct mw_stream_share *share, uint64_t *seen,
                      struct mw_stream_reader **reader)
{
    *reader = open_share(stream, share);
    return read_rest(*reader, share, seen);
}

static void append_machines(struct mw_stream *stream, int from, int n)
{
    assert_ok(mw_stream_begin(stream, &why));
    for (int i = from; i < from + n; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "motor-%d", i);
        assert_ok(mw_stream_append(stream, "telemetry", mw_span_of(key), mw_span_of("1"), &why));
    }
    assert_ok(mw_stream_append(stream, "update", mw_span_of("*"), mw_span_of("1"), &why));
    assert_ok(mw_stream_commit(stream, NULL, &why));
}

static void test_shares_read_each_record_once(void **state)
{
    struct place *place = *state;
    struct mw_stream *bridge = NULL, *share[3] = {NULL};
    struct mw_stream_reader *reader = NULL;
    uint64_t seen = 0;
    int n = 0;
    place_add_option(place, "partitions=5");
    append_machines(place_must_open(place, "bridge", &bridge), 0, 60);
    for (uint32_t i = 0; i < 3; i++) {
        char writer[16];
        uint64_t own = 0;
        (void)snprintf(writer, sizeof(writer), "score-%u", i);
        n += read_share(place_must_open(place, writer, &share[i]),
                        &(struct mw_stream_share){.topic = "telemetry", .share = i, .shares = 3},
                        &own, &reader);
        assert_int_equal(seen & own, 0);
        seen |= own;
        mw_stream_reader_close(reader);
        mw_stream_close(share[i]);
    }
    assert_int_equal(n, 60 + 3 * 1000); /* and what is not divided each of them */
    assert_int_equal(seen, 31);
    mw_stream_close(bridge);
}

static void test_an_heir_begins_where_the_other_stood(void **state)
{
    struct place *place = *state;
    struct mw_stream *bridge = NULL, *single = NULL, *heir = NULL, *late = NULL;
    struct mw_stream_reader *reader = NULL;
    struct mw_stream_share whole = {.topic = "telemetry", .share = 0, .shares = 1};
    struct mw_stream_share second = {
        .topic = "telemetry", .share = 1, .shares = 2, .heir_of = "single"};
    uint64_t seen = 0;
    append_machines(place_must_open(place, "bridge", &bridge), 0, 40);
    assert_int_equal(read_share(place_must_open(place, "single", &single), &whole, &seen, &reader),
                     1040);
    assert_ok(mw_stream_begin(single, &why));
    assert_ok(mw_stream_commit(single, reader, &why));
    mw_stream_reader_close(reader);
    append_machines(bridge, 40, 40);
    seen = 0;
    int n = read_share(place_must_open(place, "heir", &heir), &second, &seen, &reader);
    assert_in_range(n, 1001, 1039); /* of the second forty its half, and one update */
    assert_ok(mw_stream_reader_rewind(reader, &why));
    assert_int_equal(read_rest(reader, &second, &seen), n);
    assert_ok(mw_stream_begin(heir, &why));
    assert_ok(mw_stream_commit(heir, reader, &why));
    mw_stream_reader_close(reader);
    reader = open_share(place_must_open(place, "late", &late), &second);
    assert_ok(mw_stream_begin(late, &why));
    assert_ok(mw_stream_commit(late, reader, &why)); /* before it has read anything */
    mw_stream_reader_close(reader);
    second.heir_of = NULL; /* the positions are their own now */
    assert_int_equal(read_share(heir, &second, &seen, &reader), 0);
    mw_stream_reader_close(reader);
    assert_int_equal(read_share(late, &second, &seen, &reader), n);
    mw_stream_reader_close(reader);
    mw_stream_close(late);
    mw_stream_close(heir);
    mw_stream_close(single);
    mw_stream_close(bridge);
}

static uint64_t shares_of(struct mw_stream_members *members)
{
    uint64_t mine = 0;
    assert_ok(mw_stream_members_poll(members, &mine, &why));
    return mine;
}

static void test_members_host_each_share_once(void **state)
{
    struct place *place = *state;
    struct mw_stream_members *one = NULL, *two = NULL;
    struct mw_error error = {0};
    struct mw_stream_members_options options = {
        .uri = place->uri, .plant = place->plant, .role = "score", .shares = 3};
    int64_t limit = mw_clock_monotonic() + 60 * MW_SECOND;
    const struct timespec pause = {.tv_nsec = 20000000};
    assert_ok(mw_stream_members_join(&one, &options, &why));
    while (shares_of(one) != 7) {
        assert_true(mw_clock_monotonic() < limit);
        (void)nanosleep(&pause, NULL);
    }
    assert_ok(mw_stream_members_join(&two, &options, &why));
    uint64_t first, second;
    do {
        assert_true(mw_clock_monotonic() < limit);
        (void)nanosleep(&pause, NULL);
        first = shares_of(one);
        second = shares_of(two);
    } while ((first | second) != 7 || second == 0 || (first & second) != 0);
    mw_stream_members_leave(one);
    while (shares_of(two) != 7) {
        assert_true(mw_clock_monotonic() < limit);
        (void)nanosleep(&pause, NULL);
    }
    mw_stream_members_leave(two);
    options.shares = 4;
    assert_int_equal(mw_stream_members_join(&one, &options, &error), MW_ERR_STATE);
    assert_non_null(strstr(error.text, "3 partitions"));
}

/* What exists keeps its limits, and that they are not the ones asked for is said, once. */
static void test_other_limits_than_asked_for_are_told(void **state)
{
    struct place *place = *state;
    struct mw_stream *bridge = NULL;
    struct mw_error error = {0};
    bool more = true;
    place_add_option(place, "retention_age=60000&retention_size=4000&partitions=4");
    place_append(place_must_open(place, "bridge", &bridge), "telemetry", 0, 1);
    assert_ok(mw_stream_retain(bridge, 60 * MW_SECOND, 4000, 0, &more, &why));
    assert_false(more);
    mw_stream_close(bridge);
    (void)place_must_open(place, "bridge", &bridge);
    assert_int_equal(mw_stream_retain(bridge, 90 * MW_SECOND, 4000, 0, &more, &error),
                     MW_ERR_EXISTS);
    assert_non_null(strstr(error.text, "telemetry"));
    assert_non_null(strstr(error.text, "retention.ms=60000"));
    assert_non_null(strstr(error.text, "retention.bytes=1001"));
    assert_non_null(strstr(error.text, "90000"));
    assert_ok(mw_stream_retain(bridge, 90 * MW_SECOND, 4000, 0, &more, &why));
    mw_stream_close(bridge);
}

int main(void)
{
    const char *uri = getenv("MILLWRIGHT_STREAM_URI");
    if (uri == NULL || strncmp(uri, "kafka:", 6) != 0) {
        print_message("skipped: MILLWRIGHT_STREAM_URI is not kafka://host:port\n");
        return 77;
    }
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_set_up, place_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_broker_that_is_away_is_an_error),
        TEST(test_who_comes_later_fences_the_writer),
        TEST(test_topics_are_not_made_when_that_is_not_wanted),
        TEST(test_a_key_keeps_its_partition_and_its_order),
        TEST(test_many_compacted_keys),
        TEST(test_a_transaction_of_any_length),
        TEST(test_what_brokers_removed_is_known),
        TEST(test_new_topics_take_all_of_their_first_transaction),
        TEST(test_shares_read_each_record_once),
        TEST(test_an_heir_begins_where_the_other_stood),
        TEST(test_members_host_each_share_once),
        TEST(test_a_topic_that_is_gone_is_an_error),
        TEST(test_other_limits_than_asked_for_are_told),
    };
    return cmocka_run_group_tests_name("kafka_broker", tests, NULL, NULL);
}
