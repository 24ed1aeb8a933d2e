#include "tiers/platform/bridge_node.h"

#include "core/wire/number.h"
#include "core/wire/sparkplug.h"
#include "lib/base/errand.h"
#include "lib/base/log.h"
#include "lib/mqtt/client.h"
#include "lib/stream/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum { TOKENS = 64, BATCH = 256, PAYLOAD = 1024 };

struct machine {
    struct mw_table_key key; /* its name */
    bool born;
    char name[MW_NAME_MAX + 1], model[MW_ID_MAX + 1];
    float score;
    enum mw_band band;
    uint32_t level;
    int64_t time;
};

struct mw_bridge_node {
    const struct mw_plant *plant;
    struct mw_loop *loop;
    const struct mw_broker_address *address;
    struct mw_bridge_intake *intake;
    void *memory;

    /* While `reading` these are the errand's. */
    struct mw_stream *stream; /* for reading: opened here */
    struct mw_stream_reader *reader;
    struct mw_stream_record records[BATCH];
    size_t n_records;

    struct mw_errand *errand;
    bool watched, reading, due; /* due: there may be more to read */
    struct mw_wire_parser *parser;

    char client_id[MW_NAME_MAX + 32];
    struct mw_span group, name;
    struct mw_mqtt *mqtt;
    bool online, renew; /* renew: a connection was lost, and the next one needs another will */
    uint64_t bd_seq;
    unsigned seq;             /* of the next message */
    struct mw_table machines; /* struct machine, owned */
    struct mw_sparkplug_writer writer;
    char payload[PAYLOAD];
};

static int64_t now_of(const struct mw_bridge_node *node)
{
    return node->intake->clock.now(node->intake->clock.context);
}

/* ---- messages ---- */

static void topic_of(const struct mw_bridge_node *node, const char *kind, const char *device,
                     char topic[1024])
{
    snprintf(topic, 1024, MW_SPARKPLUG "/%.*s/%s/%.*s%s%s", (int)node->group.size, node->group.data,
             kind, (int)node->name.size, node->name.data, device == NULL ? "" : "/",
             device == NULL ? "" : device);
}

static void begin(struct mw_bridge_node *node)
{
    mw_sparkplug_begin(&node->writer, node->payload, sizeof node->payload, now_of(node));
}

static void add_integer(struct mw_bridge_node *node, const char *name, uint32_t type,
                        uint64_t value)
{
    struct mw_sparkplug_metric metric = {
        .has_name = true,
        .name = mw_span_of(name),
        .has_time = true,
        .time = now_of(node),
        .type = type,
        .value = type == MW_SPARKPLUG_BOOLEAN ? MW_SPARKPLUG_AS_BOOLEAN : MW_SPARKPLUG_AS_INTEGER,
        .integer = value};
    mw_sparkplug_add(&node->writer, &metric);
}

static void add_machine(struct mw_bridge_node *node, const struct machine *machine)
{
    struct mw_sparkplug_metric metric = {.has_name = true,
                                         .name = mw_span_of("Score"),
                                         .has_time = true,
                                         .time = machine->time,
                                         .type = MW_SPARKPLUG_FLOAT,
                                         .value = MW_SPARKPLUG_AS_FLOAT,
                                         .single = machine->score};
    mw_sparkplug_add(&node->writer, &metric);
    metric.name = mw_span_of("Band");
    metric.type = MW_SPARKPLUG_STRING;
    metric.value = MW_SPARKPLUG_AS_TEXT;
    metric.text = mw_span_of(mw_band_name(machine->band));
    mw_sparkplug_add(&node->writer, &metric);
    metric.name = mw_span_of("Model");
    metric.text = mw_span_of(machine->model);
    mw_sparkplug_add(&node->writer, &metric);
    metric.name = mw_span_of("Level");
    metric.type = MW_SPARKPLUG_INT32;
    metric.value = MW_SPARKPLUG_AS_INTEGER;
    metric.integer = machine->level;
    mw_sparkplug_add(&node->writer, &metric);
}

static void send(struct mw_bridge_node *node, const char *kind, const char *device)
{
    char topic[1024];
    size_t length;
    uint64_t seq = node->seq;
    topic_of(node, kind, device, topic);
    if (mw_sparkplug_end(&node->writer, &seq, &length) == MW_OK &&
        mw_mqtt_publish(node->mqtt, topic, (struct mw_span){node->payload, length}, 0, false) ==
            MW_OK) {
        node->seq = (node->seq + 1) % MW_SPARKPLUG_SEQ_END;
    }
}

static void send_machine(struct mw_bridge_node *node, struct machine *machine)
{
    begin(node);
    add_machine(node, machine);
    send(node, machine->born ? "DDATA" : "DBIRTH", machine->name);
    machine->born = true;
}

static void send_births(struct mw_bridge_node *node)
{
    size_t at = 0;
    struct machine *machine;
    node->seq = 0;
    begin(node);
    add_integer(node, "bdSeq", MW_SPARKPLUG_INT64, node->bd_seq);
    add_integer(node, "Node Control/Rebirth", MW_SPARKPLUG_BOOLEAN, 0);
    send(node, "NBIRTH", NULL);
    while ((machine = mw_table_next(&node->machines, &at)) != NULL) {
        machine->born = false;
        send_machine(node, machine);
    }
}

/* A death has no seq, only the number of the connection that it ends. */
static mw_err write_death(struct mw_bridge_node *node, size_t *length)
{
    begin(node);
    add_integer(node, "bdSeq", MW_SPARKPLUG_INT64, node->bd_seq);
    return mw_sparkplug_end(&node->writer, NULL, length);
}

/* ---- the connection ---- */

static void on_connect(void *context, bool session_present)
{
    struct mw_bridge_node *node = context;
    (void)session_present;
    if (node->renew) {
        return; /* with the will of the connection before */
    }
    node->online = true;
    send_births(node);
}

static void on_disconnect(void *context, const char *reason)
{
    struct mw_bridge_node *node = context;
    (void)reason;
    node->renew |= node->online;
    node->online = false;
}

static void on_message(void *context, const struct mw_mqtt_message *message)
{
    struct mw_bridge_node *node = context;
    struct mw_sparkplug_payload body;
    struct mw_sparkplug_metric said;
    if (!node->online || mw_sparkplug_open(&body, message->payload, NULL) != MW_OK) {
        return;
    }
    while (mw_sparkplug_next(&body, &said)) {
        if (said.has_name && mw_span_is(said.name, "Node Control/Rebirth") &&
            said.value == MW_SPARKPLUG_AS_BOOLEAN && said.integer != 0) {
            send_births(node);
            return;
        }
    }
}

static mw_err connect_node(struct mw_bridge_node *node, struct mw_error *error)
{
    char topic[1024], number[MW_NUMBER_TEXT], will[128];
    size_t length;
    node->bd_seq = (node->bd_seq + 1) % MW_SPARKPLUG_SEQ_END;
    struct mw_span text = {number, mw_number_print_u64(number, node->bd_seq)};
    mw_err err =
        mw_bridge_round_add(&node->intake->round, "sparkplug", true, mw_span_of("bd_seq"), text);
    if (err != MW_OK || write_death(node, &length) != MW_OK || length > sizeof will) {
        return mw_error_set(error, MW_ERR_MEMORY, "sparkplug.publish: out of memory");
    }
    memcpy(will, node->payload, length);
    topic_of(node, "NDEATH", NULL, topic);
    const struct mw_broker_address *address = node->address;
    struct mw_mqtt_options options = {
        .url = address->url,
        .client_id = node->client_id,
        .username = address->username[0] == '\0' ? NULL : address->username,
        .password = address->password[0] == '\0' ? NULL : address->password,
        .will_topic = topic,
        .will_payload = will,
        .will_size = length,
        .clean_session = true,
        .on_message = on_message,
        .on_connect = on_connect,
        .on_disconnect = on_disconnect,
        .context = node,
    };
    node->renew = false;
    err = mw_mqtt_new(&node->mqtt, node->loop, &options, error);
    if (err == MW_OK) {
        topic_of(node, "NCMD", NULL, topic);
        err = mw_mqtt_subscribe(node->mqtt, topic, 1, error);
    }
    return err;
}

/* ---- scores ---- */

static struct machine *machine_of(struct mw_bridge_node *node, struct mw_span name)
{
    struct machine *machine = mw_table_find(&node->machines, name);
    if (machine != NULL || (machine = calloc(1, sizeof *machine)) == NULL) {
        return machine;
    }
    memcpy(machine->name, name.data, name.size);
    machine->key.name = (struct mw_span){machine->name, name.size};
    if (mw_table_add(&node->machines, machine) != MW_OK) {
        free(machine);
        return NULL;
    }
    return machine;
}

static void take_score(struct mw_bridge_node *node, struct mw_span value)
{
    struct mw_score score;
    if (mw_wire_open(node->parser, value, NULL) != MW_OK ||
        mw_wire_read_score(node->parser, 0, &score, NULL) != MW_OK) {
        return;
    }
    struct machine *machine = machine_of(node, score.machine);
    if (machine == NULL) {
        return; /* no memory: a host misses a score, the stream has it */
    }
    machine->score = score.score;
    machine->band = score.band;
    machine->level = score.level;
    machine->time = score.time;
    snprintf(machine->model, sizeof machine->model, "%.*s", (int)score.model.size,
             score.model.data);
    if (node->online) {
        send_machine(node, machine);
    }
}

static void open_scores(struct mw_bridge_node *node)
{
    static const char *const topics[] = {"score"};
    char uri[4096 + 16];
    /* A handle of its own, so that the bridge's position does not move with what is only shown. */
    struct mw_stream_options options = {uri, node->plant->plant, NULL};
    if (mw_plant_stream_uri(node->plant, uri, sizeof uri) == MW_OK &&
        mw_stream_open(&node->stream, &options, NULL) == MW_OK &&
        mw_stream_reader_open(&node->reader, node->stream, topics, 1, MW_STREAM_LATEST, NULL) !=
            MW_OK) {
        mw_stream_close(node->stream);
        node->stream = NULL;
    }
}

/* The errand. A stream that cannot be opened or read is tried again within a second; the bridge
 * itself speaks of it. */
static void read_scores(void *context)
{
    struct mw_bridge_node *node = context;
    node->n_records = 0;
    if (node->reader == NULL) {
        open_scores(node);
    }
    if (node->reader != NULL) {
        mw_stream_reader_drain(node->reader);
        if (mw_stream_poll(node->reader, node->records, BATCH, &node->n_records, NULL) != MW_OK) {
            node->n_records = 0;
        }
    }
}

static void begin_reading(struct mw_bridge_node *node)
{
    if (!node->reading) {
        node->reading = true;
        node->due = false;
        mw_errand_start(node->errand, read_scores, node);
    }
}

static void on_stream(void *context, uint32_t events)
{
    struct mw_bridge_node *node = context;
    (void)events;
    if (node->reading) {
        mw_stream_reader_drain(node->reader); /* else the loop would not rest */
        node->due = true;
    }
    begin_reading(node);
}

static void end_reading(struct mw_bridge_node *node)
{
    node->reading = false;
    for (size_t i = 0; i < node->n_records; i++) {
        take_score(node, node->records[i].value);
    }
    int fd = node->reader == NULL || node->watched ? -1 : mw_stream_reader_fd(node->reader);
    if (fd >= 0) {
        node->watched =
            mw_loop_add_fd(node->loop, fd, EPOLLIN, on_stream, node, NULL, NULL) == MW_OK;
    }
    if (node->due || node->n_records == BATCH) {
        begin_reading(node);
    }
}

static void on_errand(void *context, uint32_t events)
{
    struct mw_bridge_node *node = context;
    (void)events;
    if (node->reading && mw_errand_wait(node->errand, 0)) {
        end_reading(node);
    }
}

static void on_second(void *context)
{
    struct mw_bridge_node *node = context;
    struct mw_error error = {0};
    if (node->renew) {
        mw_mqtt_free(node->mqtt);
        node->mqtt = NULL;
        if (connect_node(node, &error) != MW_OK) {
            mw_log(MW_LOG_ERROR, NULL, "the Sparkplug edge node cannot connect",
                   MW_KS("reason", error.text));
            node->renew = true;
            return;
        }
    }
    begin_reading(node);
}

/* ---- beginning and end ---- */

static mw_err follow_scores(struct mw_bridge_node *node, struct mw_error *error)
{
    size_t bytes = mw_wire_parser_size(TOKENS);
    node->memory = malloc(bytes);
    if (node->memory == NULL || mw_wire_parser_init(node->memory, bytes, &node->parser) != MW_OK) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    mw_err err = mw_errand_new(&node->errand, error);
    if (err == MW_OK) {
        err = mw_loop_add_fd(node->loop, mw_errand_fd(node->errand), EPOLLIN, on_errand, node, NULL,
                             error);
    }
    if (err == MW_OK) {
        begin_reading(node);
        if (mw_errand_wait(node->errand, MW_SECOND)) { /* so that what comes now is seen */
            end_reading(node);
        }
    }
    return err;
}

static mw_err start(struct mw_bridge_node *node, struct mw_stream *stream, struct mw_error *error)
{
    const char *publish = node->plant->sparkplug.publish;
    const char *slash = strchr(publish, '/');
    struct mw_span old;
    node->group = (struct mw_span){publish, (size_t)(slash - publish)};
    node->name = mw_span_of(slash + 1);
    if (strlen(publish) > 512) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "sparkplug.publish: more than 512 bytes");
    }
    snprintf(node->client_id, sizeof node->client_id, "mw-%s-sparkplug", node->plant->plant);
    if (mw_stream_get(stream, NULL, "sparkplug", mw_span_of("bd_seq"), &old, NULL) != MW_OK ||
        mw_number_parse_u64(old, &node->bd_seq) != MW_OK) {
        node->bd_seq = MW_SPARKPLUG_SEQ_END - 1; /* so that the first is 0 */
    }
    mw_err err = follow_scores(node, error);
    if (err == MW_OK) {
        err = mw_loop_add_timer(node->loop, MW_SECOND, MW_SECOND, on_second, node, NULL, error);
    }
    return err == MW_OK ? connect_node(node, error) : err;
}

mw_err mw_bridge_node_remember(const struct mw_bridge_node *node, struct mw_bridge_round *round)
{
    char number[MW_NUMBER_TEXT];
    struct mw_span text = {number, mw_number_print_u64(number, node->bd_seq)};
    return mw_bridge_round_add(round, "sparkplug", true, mw_span_of("bd_seq"), text);
}

mw_err mw_bridge_node_new(struct mw_bridge_node **node, const struct mw_plant *plant,
                          struct mw_loop *loop, const struct mw_broker_address *address,
                          struct mw_bridge_intake *intake, struct mw_stream *stream,
                          struct mw_error *error)
{
    struct mw_bridge_node *made = calloc(1, sizeof *made);
    *node = NULL;
    if (made == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    made->plant = plant;
    made->loop = loop;
    made->address = address;
    made->intake = intake;
    mw_err err = start(made, stream, error);
    if (err != MW_OK) {
        mw_bridge_node_free(made);
        return err;
    }
    *node = made;
    return MW_OK;
}

void mw_bridge_node_free(struct mw_bridge_node *node)
{
    char topic[1024];
    size_t length;
    if (node == NULL) {
        return;
    }
    if (node->online && write_death(node, &length) == MW_OK) {
        topic_of(node, "NDEATH", NULL, topic);
        (void)mw_mqtt_publish(node->mqtt, topic, (struct mw_span){node->payload, length}, 1, false);
    }
    mw_mqtt_free(node->mqtt);
    mw_errand_free(node->errand);
    mw_stream_reader_close(node->reader);
    mw_stream_close(node->stream);
    mw_table_clear(&node->machines, free);
    free(node->memory);
    free(node);
}
