/* client.c - what a client's user calls. */
#include "lib/mqtt/client_internal.h"

#include "lib/base/clock.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

static const size_t queue_default = 8U << 20;

/* size: bytes of the text, which may then hold NULs; 0: up to its NUL. */
static mw_err copy_text(const char **text, size_t size, const char *fallback,
                        struct mw_error *error)
{
    const char *from = *text != NULL || fallback == NULL || fallback[0] == '\0' ? *text : fallback;
    *text = NULL;
    if (from == NULL) {
        return MW_OK;
    }
    size = size == 0 ? strlen(from) : size;
    if (size > MW_MQTT_TEXT_MAX) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "mqtt: a text is longer than %d bytes",
                            MW_MQTT_TEXT_MAX);
    }
    char *copy = calloc(1, size + 1);
    if (copy != NULL) {
        memcpy(copy, from, size);
    }
    *text = copy;
    return copy != NULL ? MW_OK : mw_error_set(error, MW_ERR_MEMORY, "mqtt: out of memory");
}

static mw_err copy_options(struct mw_mqtt *client, const struct mw_mqtt_options *options,
                           struct mw_error *error)
{
    client->options = *options;
    struct mw_mqtt_options *own = &client->options;
    const char **const texts[] = {&own->client_id, &own->username, &own->password, &own->will_topic,
                                  &own->will_payload};
    const char *const fallbacks[] = {NULL, client->url.username, client->url.password, NULL, NULL};
    if (own->will_topic == NULL) {
        own->will_payload = NULL;
    } else if (own->will_payload == NULL) {
        own->will_payload = "";
        own->will_size = 0;
    }
    const size_t sizes[] = {0, 0, 0, 0, own->will_size};
    /* Each is a copy or NULL from here on, so that free may follow an error. */
    mw_err err = MW_OK;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        mw_err failed = err == MW_OK ? copy_text(texts[i], sizes[i], fallbacks[i], error) : err;
        if (err != MW_OK) {
            *texts[i] = NULL;
        }
        err = failed;
    }
    own->url = NULL;
    own->keepalive = own->keepalive == 0 ? 30 : own->keepalive;
    own->queue_limit = own->queue_limit == 0 ? queue_default : own->queue_limit;
    return err;
}

static mw_err add_watches(struct mw_mqtt *client, struct mw_error *error)
{
    mw_err err =
        mw_loop_add_timer(client->loop, 0, 0, mw_mqtt_on_timer, client, &client->timer, error);
    if (err == MW_OK) {
        err = mw_loop_add_timer(client->loop, -1, 0, mw_mqtt_on_soon, client, &client->soon, error);
    }
    if (err == MW_OK) {
        err = mw_loop_add_after(client->loop, mw_mqtt_on_after, client, &client->after, error);
    }
    return err;
}

mw_err mw_mqtt_new(struct mw_mqtt **made, struct mw_loop *loop,
                   const struct mw_mqtt_options *options, struct mw_error *error)
{
    *made = NULL;
    if (options->client_id == NULL || options->client_id[0] == '\0') {
        return mw_error_set(error, MW_ERR_ARGUMENT, "mqtt: no client identifier");
    }
    struct mw_mqtt *client = calloc(1, sizeof(*client));
    if (client == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "mqtt: out of memory");
    }
    client->fd = -1;
    client->loop = loop;
    client->backoff = MW_SECOND / 10;
    if (getrandom(client->random, sizeof(client->random), 0) != (ssize_t)sizeof(client->random)) {
        client->random[0] = (unsigned short)mw_clock_monotonic();
    }
    mw_err err = mw_mqtt_url_parse(&client->url, options->url == NULL ? "" : options->url, error);
    if (err == MW_OK) {
        err = copy_options(client, options, error);
    }
    if (err == MW_OK) {
        err = add_watches(client, error);
    }
    if (err != MW_OK) {
        mw_mqtt_free(client);
        return err;
    }
    *made = client;
    return MW_OK;
}

/* Waits for the end of the stream: a close with bytes unread would reset the connection. */
static void wait_for_end(int fd)
{
    int64_t limit = mw_clock_monotonic() + MW_SECOND / 5;
    (void)shutdown(fd, SHUT_WR);
    for (;;) {
        char bytes[4096];
        int64_t left = limit - mw_clock_monotonic();
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (left <= 0 || poll(&wait, 1, (int)(left / 1000) + 1) <= 0 ||
            recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) <= 0) {
            return;
        }
    }
}

static void say_farewell(struct mw_mqtt *client)
{
    if (client->state != MW_MQTT_UP || client->lost) {
        return;
    }
    mw_mqtt_write(client);
    if (mw_mqtt_has_output(client) || client->lost ||
        mw_mqtt_encode_empty(&client->control, MW_MQTT_DISCONNECT) != MW_OK) {
        return;
    }
    mw_mqtt_write(client);
    if (!mw_mqtt_has_output(client) && !client->lost) {
        wait_for_end(client->fd);
    }
}

void mw_mqtt_free(struct mw_mqtt *client)
{
    if (client == NULL) {
        return;
    }
    say_farewell(client);
    mw_mqtt_close(client);
    mw_mqtt_forget_addresses(client);
    mw_loop_remove(client->loop, client->timer);
    mw_loop_remove(client->loop, client->soon);
    mw_loop_remove(client->loop, client->after);
    const char *const texts[] = {client->options.client_id, client->options.username,
                                 client->options.password, client->options.will_topic,
                                 client->options.will_payload};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        free((void *)(uintptr_t)texts[i]);
    }
    for (size_t i = 0; i < client->subscriptions_n; i++) {
        free(client->subscriptions[i].filter);
    }
    free(client->subscriptions);
    mw_buffer_free(&client->control);
    mw_mqtt_outbox_free(&client->outbox);
    free(client->in);
    free(client);
}

static struct mw_mqtt_subscription *find_subscription(struct mw_mqtt *client, const char *filter)
{
    for (size_t i = 0; i < client->subscriptions_n; i++) {
        if (strcmp(client->subscriptions[i].filter, filter) == 0) {
            return &client->subscriptions[i];
        }
    }
    void *grown = realloc(client->subscriptions,
                          (client->subscriptions_n + 1) * sizeof(client->subscriptions[0]));
    if (grown == NULL) {
        return NULL;
    }
    client->subscriptions = grown;
    char *copy = strdup(filter);
    if (copy == NULL) {
        return NULL;
    }
    struct mw_mqtt_subscription *subscription = &client->subscriptions[client->subscriptions_n++];
    *subscription = (struct mw_mqtt_subscription){.filter = copy};
    return subscription;
}

mw_err mw_mqtt_subscribe(struct mw_mqtt *client, const char *filter, uint8_t qos,
                         struct mw_error *error)
{
    if (qos > 1 || !mw_mqtt_filter_ok(mw_span_of(filter))) {
        return mw_error_set(error, MW_ERR_ARGUMENT,
                            "mqtt: \"%.100s\" at QoS %u cannot be subscribed to", filter, qos);
    }
    struct mw_mqtt_subscription *subscription = find_subscription(client, filter);
    if (subscription == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "mqtt: out of memory");
    }
    bool known = subscription->qos == qos && subscription->id != 0;
    subscription->qos = qos;
    if (client->state == MW_MQTT_UP && !client->lost && !known) {
        if (subscription->id != 0) {
            mw_mqtt_outbox_give_id(&client->outbox, subscription->id);
        }
        mw_mqtt_send_subscribe(client, subscription);
        mw_mqtt_send_later(client);
    }
    return MW_OK;
}

mw_err mw_mqtt_publish(struct mw_mqtt *client, const char *topic, struct mw_span payload,
                       uint8_t qos, bool retain)
{
    struct mw_span name = mw_span_of(topic);
    if (qos > 1 || !mw_mqtt_topic_ok(name)) {
        return MW_ERR_ARGUMENT;
    }
    if (qos == 0 && !mw_mqtt_connected(client)) {
        return MW_ERR_NET;
    }
    size_t limit = client->options.queue_limit;
    size_t size = 9 + name.size; /* head, length of the topic, identifier: at most 9 */
    if (size > limit || payload.size > limit - size) {
        return MW_ERR_TOO_LARGE;
    }
    size += payload.size;
    size_t queued = mw_mqtt_queued(client);
    if (queued > limit || size > limit - queued) {
        client->refused = true;
        return MW_ERR_AGAIN;
    }
    mw_err err = mw_mqtt_outbox_add(&client->outbox, name, payload, qos, retain);
    if (err == MW_OK && client->state == MW_MQTT_UP) {
        mw_mqtt_send_later(client);
    }
    return err;
}

void mw_mqtt_acknowledge(struct mw_mqtt *client, uint32_t connection, uint16_t id)
{
    if (connection != client->connection || id == 0 || !mw_mqtt_connected(client)) {
        return;
    }
    if (mw_mqtt_encode_puback(&client->control, id) != MW_OK) {
        mw_mqtt_lose(client, "out of memory");
    }
    mw_mqtt_send_later(client);
}

uint32_t mw_mqtt_connection(const struct mw_mqtt *client)
{
    return client->connection;
}

bool mw_mqtt_connected(const struct mw_mqtt *client)
{
    return client->state == MW_MQTT_UP && !client->lost;
}

size_t mw_mqtt_queued(const struct mw_mqtt *client)
{
    return client->outbox.bytes + client->control.size - client->control_written;
}

void mw_mqtt_flush(struct mw_mqtt *client)
{
    mw_mqtt_write(client);
}
