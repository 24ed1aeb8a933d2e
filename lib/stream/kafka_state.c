/* kafka_state.c - reads compacted topics into tables.
 *
 * A table stays in memory once a key of it was asked for, or when it is another writer's; from then
 * on only what is new is read. The own ones that are only visited, at the start, are let go. */
#include "lib/stream/kafka_internal.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>

#define BATCH 500
#define ROUND 100 /* milliseconds a wait */

/* An entry of the tree; a lookup's entry borrows its key. */
struct pair {
    struct mw_span key, value; /* both in memory behind the entry */
};

struct mw_kafka_table {
    struct mw_kafka_table *next;
    char name[MW_KAFKA_NAME];
    void *tree;     /* of struct pair, by key */
    int64_t offset; /* behind what was read; -1: nothing yet */
    bool keep;
};

struct mw_kafka_put {
    struct mw_kafka_put *next;
    struct mw_kafka_table *table;
    struct pair *entry;
};

static int compare(const void *a, const void *b)
{
    const struct mw_span *left = &((const struct pair *)a)->key;
    const struct mw_span *right = &((const struct pair *)b)->key;
    size_t common = left->size < right->size ? left->size : right->size;
    int order = common == 0 ? 0 : memcmp(left->data, right->data, common);
    return order != 0 ? order : (left->size > right->size) - (left->size < right->size);
}

static struct pair *make_pair(struct mw_span key, struct mw_span value)
{
    struct pair *made = malloc(sizeof(*made) + key.size + value.size + 1);
    if (made != NULL) {
        char *text = (char *)(made + 1);
        memcpy(text, key.size == 0 ? "" : key.data, key.size);
        memcpy(text + key.size, value.size == 0 ? "" : value.data, value.size);
        made->key = (struct mw_span){text, key.size};
        made->value = (struct mw_span){text + key.size, value.size};
    }
    return made;
}

/* Takes the entry; one without a value deletes. */
static mw_err store(struct mw_kafka_table *table, struct pair *fresh)
{
    struct pair **node = tfind(fresh, &table->tree, compare);
    if (node == NULL && fresh->value.size > 0) {
        return tsearch(fresh, &table->tree, compare) == NULL ? MW_ERR_MEMORY : MW_OK;
    }
    struct pair *old = node == NULL ? NULL : *node;
    if (node != NULL && fresh->value.size > 0) {
        *node = fresh;
    } else {
        if (node != NULL) {
            (void)tdelete(fresh, &table->tree, compare);
        }
        free(fresh);
    }
    free(old);
    return MW_OK;
}

/* --- reading --- */

static mw_err take(struct mw_kafka_table *table, const rd_kafka_message_t *message)
{
    table->offset = message->offset + 1;
    struct mw_span key = {message->key, message->key_len};
    struct mw_span value = {message->payload, message->len};
    struct pair *entry = make_pair(key, value);
    return entry == NULL ? MW_ERR_MEMORY : store(table, entry);
}

/* Reads until `end`, which also counts transactions that are still open: these are waited for a
 * moment, because what a commit has promised becomes visible a little later. */
static mw_err read_to(struct mw_kafka *stream, struct mw_kafka_table *table,
                      rd_kafka_topic_t *topic, int64_t end, struct mw_error *error)
{
    rd_kafka_message_t *messages[BATCH];
    int64_t moved = mw_clock_monotonic();
    int64_t patience = MW_KAFKA_PATIENCE * (MW_SECOND / 1000);
    mw_err err = MW_OK;
    while (err == MW_OK && table->offset < end && mw_clock_monotonic() - moved < patience) {
        ssize_t n = mw_kafka.consume_batch(topic, 0, ROUND, messages, BATCH);
        moved = n > 0 ? mw_clock_monotonic() : moved;
        for (ssize_t i = 0; i < n; i++) {
            rd_kafka_message_t *message = messages[i];
            if (err == MW_OK && message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
                err = take(table, message);
            } else if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
                table->offset = message->offset;
                patience = MW_KAFKA_SETTLE;
            } else if (err == MW_OK) {
                err = mw_kafka_fail(stream, error, message->err, table->name);
            }
            mw_kafka.message_destroy(message);
        }
    }
    if (err == MW_ERR_MEMORY) {
        return mw_error_set(error, err, "out of memory for topic %s", table->name);
    }
    if (err == MW_OK && table->offset < end && patience != MW_KAFKA_SETTLE) {
        err = mw_kafka_fail(stream, error, RD_KAFKA_RESP_ERR__TIMED_OUT, table->name);
    }
    return err;
}

static mw_err read_new(struct mw_kafka *stream, struct mw_kafka_table *table,
                       struct mw_error *error)
{
    struct mw_kafka_topic *found = NULL;
    int64_t low = 0;
    int64_t end = 0;
    rd_kafka_topic_partition_list_t *list = NULL;
    mw_err err = mw_kafka_topic_find(stream, table->name, false, true, false, &found, error);
    if (err != MW_OK || found->partitions == 0) {
        return err;
    }
    list = mw_kafka.topic_partition_list_new(1);
    (void)mw_kafka.topic_partition_list_add(list, table->name, 0);
    err = mw_kafka_topic_ends(stream, list, RD_KAFKA_OFFSET_END, error);
    end = list->elems[0].offset;
    if (err == MW_OK && table->offset < 0) {
        err = mw_kafka_topic_ends(stream, list, RD_KAFKA_OFFSET_BEGINNING, error);
        low = list->elems[0].offset;
    }
    mw_kafka.topic_partition_list_destroy(list);
    if (err != MW_OK || table->offset >= end || low == end) {
        return err;
    }
    if (stream->states == NULL) {
        err = mw_kafka_handle_new(stream, MW_KAFKA_STATES, NULL, &stream->states, error);
    }
    if (err != MW_OK) {
        return err;
    }
    rd_kafka_topic_t *topic = mw_kafka.topic_new(stream->states, table->name, NULL);
    table->offset = table->offset < low ? low : table->offset;
    if (topic == NULL || mw_kafka.consume_start(topic, 0, table->offset) != 0) {
        err = mw_error_set(error, MW_ERR_IO, "kafka://%s: topic %s cannot be read",
                           stream->url.brokers, table->name);
    } else {
        err = read_to(stream, table, topic, end, error);
        (void)mw_kafka.consume_stop(topic, 0);
    }
    if (topic != NULL) {
        mw_kafka.topic_destroy(topic);
    }
    return err;
}

/* --- tables --- */

static void drop_table(struct mw_kafka *stream, struct mw_kafka_table *table)
{
    struct mw_kafka_table **at = &stream->tables;
    while (*at != table) {
        at = &(*at)->next;
    }
    *at = table->next;
    tdestroy(table->tree, free);
    free(table);
}

static struct mw_kafka_table *find_table(const struct mw_kafka *stream, const char *name)
{
    struct mw_kafka_table *table = stream->tables;
    while (table != NULL && strcmp(table->name, name) != 0) {
        table = table->next;
    }
    return table;
}

/* The table as the cluster has it now; on an error there is none. */
static mw_err load(struct mw_kafka *stream, const char *writer, const char *topic,
                   struct mw_kafka_table **loaded, struct mw_error *error)
{
    char name[MW_KAFKA_NAME];
    bool own = writer == NULL || strcmp(writer, stream->writer) == 0;
    mw_kafka_topic_name(stream, writer == NULL ? stream->writer : writer, topic, name);
    struct mw_kafka_table *table = find_table(stream, name);
    if (table != NULL && own && table->keep) {
        *loaded = table; /* nobody else writes it */
        return MW_OK;
    }
    if (table == NULL) {
        table = calloc(1, sizeof(*table));
        if (table == NULL) {
            return mw_error_set(error, MW_ERR_MEMORY, "out of memory for topic %s", name);
        }
        (void)snprintf(table->name, sizeof(table->name), "%s", name);
        table->offset = -1;
        table->keep = !own;
        table->next = stream->tables;
        stream->tables = table;
    }
    mw_err err = read_new(stream, table, error);
    stream->looks++;
    if (err != MW_OK) {
        drop_table(stream, table);
        return err;
    }
    *loaded = table;
    return MW_OK;
}

mw_err mw_kafka_get(struct mw_stream *base, const char *writer, const char *topic,
                    struct mw_span key, struct mw_span *value, struct mw_error *error)
{
    struct mw_kafka *stream = (struct mw_kafka *)base;
    struct mw_kafka_table *table = NULL;
    mw_err err = load(stream, writer, topic, &table, error);
    if (err != MW_OK) {
        return err;
    }
    table->keep = true;
    struct pair wanted = {.key = key};
    struct pair **node = tfind(&wanted, &table->tree, compare);
    if (node == NULL) {
        int size = key.size < 80 ? (int)key.size : 80;
        return mw_error_set(error, MW_ERR_NOT_FOUND, "%s has no key \"%.*s\"", topic, size,
                            size == 0 ? "" : key.data);
    }
    *value = (*node)->value;
    return MW_OK;
}

struct walk {
    mw_stream_visit_fn *fn;
    void *context;
    bool over;
};

static void visit_node(const void *node, VISIT visit, void *context)
{
    struct walk *walk = context;
    const struct pair *entry = *(struct pair *const *)node;
    if ((visit == postorder || visit == leaf) && !walk->over) {
        walk->over = !walk->fn(walk->context, entry->key, entry->value);
    }
}

mw_err mw_kafka_visit(struct mw_stream *base, const char *writer, const char *topic,
                      mw_stream_visit_fn *fn, void *context, struct mw_error *error)
{
    struct mw_kafka *stream = (struct mw_kafka *)base;
    struct mw_kafka_table *table = NULL;
    struct walk walk = {.fn = fn, .context = context};
    if (strcmp(topic, MW_STREAM_REMOVED) == 0) {
        return mw_kafka_topic_removed(stream, fn, context, error);
    }
    mw_err err = load(stream, writer, topic, &table, error);
    if (err == MW_OK) {
        bool kept = table->keep;
        table->keep = true; /* fn may ask for a key, and must not lose the tree below it */
        twalk_r(table->tree, visit_node, &walk);
        if (!kept) {
            drop_table(stream, table);
        }
    }
    return err;
}

/* --- puts --- */

mw_err mw_kafka_state_note(struct mw_kafka *stream, const char *topic, struct mw_span key,
                           struct mw_span value)
{
    char name[MW_KAFKA_NAME];
    mw_kafka_topic_name(stream, stream->writer, topic, name);
    struct mw_kafka_table *table = find_table(stream, name);
    if (table == NULL) {
        return MW_OK;
    }
    struct mw_kafka_put *put = malloc(sizeof(*put));
    struct pair *entry = make_pair(key, value);
    if (put == NULL || entry == NULL) {
        free(put);
        free(entry);
        return MW_ERR_MEMORY;
    }
    *put = (struct mw_kafka_put){stream->puts, table, entry};
    stream->puts = put;
    return MW_OK;
}

/* The list has the last put first. */
static void reverse(struct mw_kafka *stream)
{
    struct mw_kafka_put *turned = NULL;
    while (stream->puts != NULL) {
        struct mw_kafka_put *put = stream->puts;
        stream->puts = put->next;
        put->next = turned;
        turned = put;
    }
    stream->puts = turned;
}

void mw_kafka_state_apply(struct mw_kafka *stream)
{
    bool short_of_memory = false;
    reverse(stream);
    while (stream->puts != NULL) {
        struct mw_kafka_put *put = stream->puts;
        stream->puts = put->next;
        if (store(put->table, put->entry) != MW_OK) {
            free(put->entry);
            short_of_memory = true;
        }
        free(put);
    }
    while (short_of_memory && stream->tables != NULL) { /* read anew when asked for */
        drop_table(stream, stream->tables);
    }
}

void mw_kafka_state_drop(struct mw_kafka *stream)
{
    while (stream->puts != NULL) {
        struct mw_kafka_put *put = stream->puts;
        stream->puts = put->next;
        free(put->entry);
        free(put);
    }
}

void mw_kafka_state_clear(struct mw_kafka *stream)
{
    mw_kafka_state_drop(stream);
    while (stream->tables != NULL) {
        drop_table(stream, stream->tables);
    }
    if (stream->states != NULL) {
        mw_kafka.destroy_flags(stream->states, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
        stream->states = NULL;
    }
}
