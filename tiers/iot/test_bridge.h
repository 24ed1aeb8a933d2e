/* test_bridge.h - a bridge that keeps what it takes in memory, and can be told to misbehave: to
 * lose, repeat and reorder its acks, or to forget all. Its memory is shared with child processes,
 * so that it can run in one of them and be looked at from the other. */
#ifndef MW_IOT_TEST_BRIDGE_H
#define MW_IOT_TEST_BRIDGE_H

#include "core/wire/message.h"
#include "lib/mqtt/client.h"
#include "tiers/iot/test_place.h"

#include <sys/mman.h>

#define TEST_IDS 200000
#define TEST_DEVICES 128
#define TEST_TOKENS 32768 /* as the real one's */

struct test_position {
    char device[64];
    bool known;
    uint32_t boot;
    uint64_t next;
    uint64_t stored; /* over all its lives */
    uint64_t hash;   /* of the records stored, from their times on */
    bool answer;
};

struct test_bridge {
    struct mw_mqtt *mqtt;
    struct mw_wire_parser *parser;
    void *memory;
    struct test_position position[TEST_DEVICES];
    size_t n;
    unsigned char stored[TEST_IDS]; /* how often a record of that id (feature "id") was taken */
    uint64_t records, dead, events, statuses, messages;
    size_t longest;     /* message, in bytes */
    uint64_t published; /* of the newest status */
    char last_event[160];
    uint64_t stop_at;   /* it takes no more records than this; 0: any number */
    uint64_t stop_each; /* the same for each device */
    char answer[160];   /* the newest to a command */
    unsigned answers;
    bool mute;      /* takes nothing and says nothing, as if it were down */
    int lose, hold; /* percent of acks */
    char held[128], held_topic[128];
    uint64_t random;
};

static inline uint64_t test_random(struct test_bridge *bridge)
{
    bridge->random = bridge->random * UINT64_C(6364136223846793005) + 1442695040888963407U;
    return bridge->random >> 33;
}

static inline struct test_position *test_position(struct test_bridge *bridge, struct mw_span name)
{
    for (size_t i = 0; i < bridge->n; i++) {
        if (mw_span_is(name, bridge->position[i].device)) {
            return &bridge->position[i];
        }
    }
    assert_true(bridge->n < TEST_DEVICES);
    struct test_position *made = &bridge->position[bridge->n++];
    (void)snprintf(made->device, sizeof made->device, "%.*s", (int)name.size, name.data);
    return made;
}

static inline void test_send(struct test_bridge *bridge, const char *kind, const char *device,
                             const char *json)
{
    char topic[192];
    (void)snprintf(topic, sizeof topic, "mw/p/%s/%s", kind, device);
    (void)mw_mqtt_publish(bridge->mqtt, topic, mw_span_of(json), 0, false);
}

static inline void test_ack(struct test_bridge *bridge, const struct test_position *position)
{
    char json[128];
    (void)snprintf(json, sizeof json, "{\"v\":1,\"boot\":%u,\"next\":%llu}",
                   position->known ? position->boot : 0,
                   position->known ? (unsigned long long)position->next : 0ULL);
    int draw = (int)(test_random(bridge) % 100);
    if (draw < bridge->lose) {
        return;
    }
    if (draw < bridge->lose + bridge->hold) { /* comes behind a later one */
        (void)snprintf(bridge->held, sizeof bridge->held, "%s", json);
        (void)snprintf(bridge->held_topic, sizeof bridge->held_topic, "%s", position->device);
        return;
    }
    test_send(bridge, "ack", position->device, json);
    if (bridge->held[0] != '\0') {
        test_send(bridge, "ack", bridge->held_topic, bridge->held);
        test_send(bridge, "ack", bridge->held_topic, bridge->held);
        bridge->held[0] = '\0';
    }
}

static inline void test_take_record(struct test_bridge *bridge, struct test_position *position,
                                    size_t i)
{
    static struct mw_telemetry record;
    struct mw_why why = {0};
    if (mw_wire_read_telemetry(bridge->parser, i, &record, &why) != MW_OK) {
        bridge->dead++;
        return;
    }
    bool fresh = !position->known || record.boot > position->boot;
    if (fresh ? record.seq != 0 : record.boot != position->boot || record.seq != position->next) {
        return;
    }
    if ((bridge->stop_at != 0 && bridge->records >= bridge->stop_at) ||
        (bridge->stop_each != 0 && position->stored >= bridge->stop_each)) {
        return;
    }
    struct mw_span text = mw_wire_item(bridge->parser, i);
    const char *at = memmem(text.data, text.size, "\"time\":", 7);
    for (const char *c = at; c < text.data + text.size; c++) {
        position->hash = (position->hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    }
    position->known = true;
    position->boot = record.boot;
    position->next = record.seq + 1;
    position->stored++;
    bridge->records++;
    if (mw_span_is(record.features[0].name, "id")) {
        uint64_t id = (uint64_t)record.features[0].value;
        assert_true(id < TEST_IDS);
        bridge->stored[id]++;
    }
}

static inline void test_take_records(struct test_bridge *bridge, struct mw_span device)
{
    struct test_position *position = test_position(bridge, device);
    for (size_t i = 0; i < mw_wire_count(bridge->parser); i++) {
        test_take_record(bridge, position, i);
    }
    position->answer = true;
}

static inline void test_take_events(struct test_bridge *bridge, struct mw_span device)
{
    char json[256], name[64];
    (void)snprintf(name, sizeof name, "%.*s", (int)device.size, device.data);
    for (size_t i = 0; i < mw_wire_count(bridge->parser); i++) {
        struct mw_event event;
        struct mw_why why = {0};
        assert_int_equal(mw_wire_read_event(bridge->parser, i, &event, &why), MW_OK);
        bridge->events++;
        (void)snprintf(bridge->last_event, sizeof bridge->last_event, "%.*s", (int)event.id.size,
                       event.id.data);
        (void)snprintf(json, sizeof json, "{\"v\":1,\"event\":\"%.*s\"}", (int)event.id.size,
                       event.id.data);
        test_send(bridge, "ack", name, json);
    }
}

static inline void test_on_message(void *context, const struct mw_mqtt_message *message)
{
    struct test_bridge *bridge = context;
    struct mw_why why = {0};
    struct mw_span number;
    if (bridge->mute) {
        return;
    }
    const char *slash = memrchr(message->topic.data, '/', message->topic.size);
    struct mw_span device = {slash + 1,
                             message->topic.size - (size_t)(slash + 1 - message->topic.data)};
    bridge->messages++;
    bridge->longest =
        message->payload.size > bridge->longest ? message->payload.size : bridge->longest;
    if (mw_wire_open(bridge->parser, message->payload, &why) != MW_OK) {
        bridge->dead++;
    } else if (memmem(message->topic.data, message->topic.size, "/telemetry/", 11) != NULL) {
        test_take_records(bridge, device);
    } else if (memmem(message->topic.data, message->topic.size, "/event/", 7) != NULL) {
        test_take_events(bridge, device);
    } else {
        bridge->statuses++;
        if (mw_wire_get(bridge->parser, 0, "answer", &number) == MW_OK) {
            (void)snprintf(bridge->answer, sizeof bridge->answer, "%.*s", (int)number.size,
                           number.data);
            bridge->answers++;
        }
        if (mw_wire_get(bridge->parser, 0, "published", &number) == MW_OK) {
            bridge->published = strtoull(number.data, NULL, 10);
        }
        test_position(bridge, device)->answer = true;
    }
}

/* One ack a device a batch, as the real one after a commit. */
static inline void test_on_idle(void *context)
{
    struct test_bridge *bridge = context;
    for (size_t i = 0; i < bridge->n; i++) {
        if (bridge->position[i].answer) {
            bridge->position[i].answer = false;
            test_ack(bridge, &bridge->position[i]);
        }
    }
}

static inline struct test_bridge *test_bridge_map(void)
{
    struct test_bridge *bridge =
        mmap(NULL, sizeof *bridge, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(bridge, MAP_FAILED);
    bridge->random = 7;
    return bridge;
}

static inline void test_bridge_open(struct test_bridge *bridge, struct place *place,
                                    struct mw_loop *loop)
{
    size_t size = mw_wire_parser_size(TEST_TOKENS);
    bridge->memory = malloc(size);
    assert_non_null(bridge->memory);
    assert_int_equal(mw_wire_parser_init(bridge->memory, size, &bridge->parser), MW_OK);
    struct mw_mqtt_options options = {.url = place->plant.broker.url,
                                      .client_id = "bridge",
                                      .username = place->mosquitto.username,
                                      .password = place->mosquitto.password,
                                      .on_message = test_on_message,
                                      .on_idle = test_on_idle,
                                      .context = bridge};
    assert_ok(mw_mqtt_new(&bridge->mqtt, loop, &options, error));
    assert_ok(mw_mqtt_subscribe(bridge->mqtt, "mw/p/telemetry/+", 1, error));
    assert_ok(mw_mqtt_subscribe(bridge->mqtt, "mw/p/status/+", 1, error));
    assert_ok(mw_mqtt_subscribe(bridge->mqtt, "mw/p/event/+", 1, error));
}

static inline void test_bridge_close(struct test_bridge *bridge)
{
    mw_mqtt_free(bridge->mqtt);
    free(bridge->memory);
    bridge->mqtt = NULL;
}

static inline void test_bridge_unmap(struct test_bridge *bridge)
{
    assert_int_equal(munmap(bridge, sizeof *bridge), 0);
}

static inline bool test_bridge_up(void *context)
{
    struct test_bridge *bridge = context;
    return mw_mqtt_connected(bridge->mqtt);
}

#endif
