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
static mw_err copy_text(const char **text, size_t size, struct mw_error *error)
{
    const char *from = *text;
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
    const char **const texts[] = {&own->client_id,
                                  &own->username,
                                  &own->password,
                                  &own->will_topic,
                                  &own->will_payload,
                                  &own->tls.ca_file,
                                  &own->tls.certificate_file,
                                  &own->tls.key_file};
    if (own->will_topic == NULL) {
        own->will_payload = NULL;
    } else if (own->will_payload == NULL) {
        own->will_payload = "";
        own->will_size = 0;
    }
    /* Each is a copy or NULL from here on, so that free may follow an error. */
    mw_err err = MW_OK;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        size_t size = texts[i] == &own->will_payload ? own->will_size : 0;
        mw_err failed = err == MW_OK ? copy_text(texts[i], size, error) : err;
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
        err = mw_loop_add_timer(client->loop, -1, 0, mw_mqtt_on_rested, client, &client->rested,
                                error);
    }
    if (err == MW_OK) {
        err = mw_loop_add_after(client->loop, mw_mqtt_on_after, client, &client->after, error);
    }
    return err == MW_OK ? mw_mqtt_look_init(client, error) : err;
}

static bool named(const char *file)
{
    return file != NULL && file[0] != '\0';
}

static mw_err check_address(const char *text, const struct mw_mqtt_tls_files *files,
                            struct mw_mqtt_urls *urls, struct mw_error *error)
{
    bool secure = false;
    mw_err err = mw_mqtt_urls_parse(urls, text == NULL ? "" : text, error);
    for (size_t i = 0; err == MW_OK && i < urls->n; i++) {
        if (urls->url[i].secure) {
            struct mw_mqtt_tls *tls = NULL;
            err = mw_mqtt_tls_new(&tls, files, urls->url[i].host, error);
            mw_mqtt_tls_free(tls);
            secure = true;
        }
    }
    if (err != MW_OK || secure) {
        return err;
    }
    if (named(files->ca_file) || named(files->certificate_file) || named(files->key_file)) {
        return mw_error_set(error, MW_ERR_ARGUMENT,
                            "certificates are of use only when the broker's address begins with "
                            "mqtts://");
    }
    return MW_OK;
}

mw_err mw_mqtt_check_address(const char *url, const struct mw_mqtt_tls_files *tls,
                             struct mw_error *error)
{
    struct mw_mqtt_urls parsed;
    return check_address(url, tls, &parsed, error);
}

mw_err mw_mqtt_new(struct mw_mqtt **made, struct mw_loop *loop,
                   const struct mw_mqtt_options *options, struct mw_error *error)
{
    *made = NULL;
    if (options->client_id == NULL || (options->client_id[0] == '\0' && !options->clean_session)) {
        return mw_error_set(error, MW_ERR_ARGUMENT, "mqtt: no client identifier");
    }
    struct mw_mqtt *client = calloc(1, sizeof(*client));
    if (client == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "mqtt: out of memory");
    }
    client->fd = client->look_fd = -1;
    client->url = client->urls.url;
    client->loop = loop;
    client->backoff = MW_SECOND / 10;
    if (getrandom(client->random, sizeof(client->random), 0) != (ssize_t)sizeof(client->random)) {
        client->random[0] = (unsigned short)mw_clock_monotonic();
    }
    client->version = options->speak == MW_MQTT_3_1_1 ? MW_MQTT_VERSION_3_1_1 : MW_MQTT_VERSION_5;
    mw_err err = check_address(options->url, &options->tls, &client->urls, error);
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
        mw_mqtt_encode_disconnect(&client->control, client->version, MW_MQTT_SUCCESS) != MW_OK) {
        return;
    }
    mw_mqtt_write(client);
    if (!mw_mqtt_has_output(client) && !client->lost) {
        mw_mqtt_tls_free(client->tls); /* its farewell comes before the end of the stream */
        client->tls = NULL;
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
    mw_loop_remove(client->loop, client->rested);
    mw_loop_remove(client->loop, client->after);
    mw_mqtt_look_fini(client);
    const struct mw_mqtt_options *own = &client->options;
    const char *const texts[] = {own->client_id,
                                 own->username,
                                 own->password,
                                 own->will_topic,
                                 own->will_payload,
                                 own->tls.ca_file,
                                 own->tls.certificate_file,
                                 own->tls.key_file};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        free((void *)(uintptr_t)texts[i]);
    }
    for (size_t i = 0; i < client->subscriptions_n; i++) {
        free(client->subscriptions[i].filter);
    }
    free(client->subscriptions);
    free(client->index);
    mw_buffer_free(&client->control);
    mw_mqtt_outbox_free(&client->outbox);
    mw_mqtt_forget_aliases(client);
    free(client->assigned_id);
    free(client->in);
    free(client);
}

/* Where the filter is in the index, or the free place where it belongs. */
static uint32_t *find_place(const struct mw_mqtt *client, const char *filter)
{
    for (size_t i = mw_mqtt_text_hash(mw_span_of(filter));; i++) {
        uint32_t *place = &client->index[i & (client->index_n - 1)];
        if (*place == 0 || strcmp(client->subscriptions[*place - 1].filter, filter) == 0) {
            return place;
        }
    }
}

/* Makes room for one subscription more, in the array and in the index. */
static bool grow_subscriptions(struct mw_mqtt *client)
{
    size_t n = client->subscriptions_n;
    if (2 * (n + 1) <= client->index_n) {
        return true;
    }
    size_t index_n = client->index_n == 0 ? 16 : 2 * client->index_n;
    void *grown = realloc(client->subscriptions, index_n / 2 * sizeof(client->subscriptions[0]));
    if (grown == NULL) {
        return false;
    }
    client->subscriptions = grown;
    uint32_t *index = calloc(index_n, sizeof(*index));
    if (index == NULL) {
        return false;
    }
    free(client->index);
    client->index = index;
    client->index_n = index_n;
    for (size_t i = 0; i < n; i++) {
        *find_place(client, client->subscriptions[i].filter) = (uint32_t)(i + 1);
    }
    return true;
}

/* The subscription to that filter, a new one if there was none; NULL: no memory. */
static struct mw_mqtt_subscription *find_subscription(struct mw_mqtt *client, const char *filter)
{
    if (!grow_subscriptions(client)) {
        return NULL;
    }
    uint32_t *place = find_place(client, filter);
    if (*place != 0) {
        return &client->subscriptions[*place - 1];
    }
    char *copy = strdup(filter);
    if (copy == NULL) {
        return NULL;
    }
    struct mw_mqtt_subscription *subscription = &client->subscriptions[client->subscriptions_n++];
    *subscription = (struct mw_mqtt_subscription){.filter = copy};
    *place = (uint32_t)client->subscriptions_n;
    return subscription;
}

mw_err mw_mqtt_subscribe_with(struct mw_mqtt *client, const char *filter, uint8_t options,
                              struct mw_error *error)
{
    struct mw_span text = mw_span_of(filter);
    if ((options & 3) > 1 || options >= 0x30 || !mw_mqtt_filter_ok(text) ||
        ((options & MW_MQTT_NO_LOCAL) != 0 && mw_mqtt_filter_shared(text))) {
        return mw_error_set(error, MW_ERR_ARGUMENT,
                            "mqtt: \"%.100s\" with options 0x%02x cannot be subscribed to", filter,
                            options);
    }
    struct mw_mqtt_subscription *subscription = find_subscription(client, filter);
    if (subscription == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "mqtt: out of memory");
    }
    bool known = subscription->options == options && subscription->id != 0;
    subscription->options = options;
    if (client->state == MW_MQTT_UP && !client->lost && !known) {
        mw_mqtt_send_subscribe(client, subscription);
        mw_mqtt_send_later(client);
    }
    return MW_OK;
}

mw_err mw_mqtt_subscribe(struct mw_mqtt *client, const char *filter, uint8_t qos,
                         struct mw_error *error)
{
    return mw_mqtt_subscribe_with(client, filter, qos > 1 ? 3 : qos, error);
}

/* OK when a message with texts of so many bytes may be queued now. */
static mw_err check_room(struct mw_mqtt *client, size_t texts)
{
    size_t limit = client->options.queue_limit;
    size_t largest = client->state == MW_MQTT_UP ? client->outbox.terms.largest : SIZE_MAX;
    size_t size = mw_mqtt_outbox_cost(texts);
    if (size > limit || size > largest) {
        return MW_ERR_TOO_LARGE;
    }
    size_t queued = mw_mqtt_queued(client);
    if (queued > limit || size > limit - queued) {
        client->refused = true;
        return MW_ERR_AGAIN;
    }
    return MW_OK;
}

mw_err mw_mqtt_publish_with(struct mw_mqtt *client, const char *topic, struct mw_span payload,
                            uint8_t qos, bool retain, const struct mw_mqtt_about *about)
{
    struct mw_span name = mw_span_of(topic);
    if (qos > 1 || !mw_mqtt_topic_ok(name)) {
        return MW_ERR_ARGUMENT;
    }
    if (qos == 0 && !mw_mqtt_connected(client)) {
        return MW_ERR_NET;
    }
    if (payload.size > MW_MQTT_BODY_MAX) {
        return MW_ERR_TOO_LARGE;
    }
    struct mw_buffer properties = {0};
    mw_err err = about == NULL ? MW_OK : mw_mqtt_properties_encode(&properties, about);
    if (err == MW_OK) {
        err = check_room(client, name.size + properties.size + payload.size);
    }
    if (err == MW_OK) {
        struct mw_span encoded = {properties.data, properties.size};
        err = mw_mqtt_outbox_add(&client->outbox, name, encoded, payload, qos, retain);
    }
    mw_buffer_free(&properties);
    if (err == MW_OK && client->state == MW_MQTT_UP) {
        mw_mqtt_send_later(client);
    }
    return err;
}

mw_err mw_mqtt_publish(struct mw_mqtt *client, const char *topic, struct mw_span payload,
                       uint8_t qos, bool retain)
{
    return mw_mqtt_publish_with(client, topic, payload, qos, retain, NULL);
}

void mw_mqtt_acknowledge(struct mw_mqtt *client, uint32_t connection, uint16_t id)
{
    if (connection != client->connection || id == 0 || !mw_mqtt_connected(client)) {
        return;
    }
    client->unacknowledged -= client->unacknowledged > 0 ? 1 : 0;
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

bool mw_mqtt_starting(const struct mw_mqtt *client)
{
    return client->connection == 0 && !client->in_vain;
}

int mw_mqtt_version(const struct mw_mqtt *client)
{
    return (int)client->version;
}

const char *mw_mqtt_client_id(const struct mw_mqtt *client)
{
    return client->assigned_id != NULL ? client->assigned_id : client->options.client_id;
}

size_t mw_mqtt_queued(const struct mw_mqtt *client)
{
    size_t sealed = client->tls == NULL ? 0 : mw_mqtt_tls_pending(client->tls);
    return client->outbox.bytes + client->control.size - client->control_written + sealed;
}

void mw_mqtt_flush(struct mw_mqtt *client)
{
    mw_mqtt_write(client);
}

void mw_mqtt_rest(struct mw_mqtt *client, int64_t time)
{
    if (mw_mqtt_connected(client) && !client->more) {
        client->resting = true;
        mw_mqtt_watch(client);
        mw_loop_set_timer(client->loop, client->rested, time, 0);
    }
}
