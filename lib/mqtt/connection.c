/* connection.c - from the first connection attempt to the next: what the loop calls. */
#include "lib/mqtt/client_internal.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKOFF_MIN (MW_SECOND / 10)
#define BACKOFF_MAX (5 * MW_SECOND)
#define ANSWER (10 * MW_SECOND) /* a broker answers a connection within this time */
#define STEADY (5 * MW_SECOND)  /* a connection that lasted so long starts the back-off anew */

void mw_mqtt_send_later(struct mw_mqtt *client)
{
    if (!client->handling) {
        mw_loop_set_timer(client->loop, client->soon, 0, 0);
    }
}

void mw_mqtt_close(struct mw_mqtt *client)
{
    mw_loop_remove(client->loop, client->io);
    client->io = NULL;
    if (client->fd >= 0) {
        (void)close(client->fd);
        client->fd = -1;
    }
}

void mw_mqtt_forget_addresses(struct mw_mqtt *client)
{
    if (client->addresses != NULL) {
        freeaddrinfo(client->addresses);
    }
    client->addresses = client->address = NULL;
}

/* Says a reason once, and again only after it has changed. */
static void log_reason(struct mw_mqtt *client, const char *message)
{
    if (strcmp(client->reason, client->logged) != 0) {
        memcpy(client->logged, client->reason, sizeof(client->logged));
        mw_log(MW_LOG_WARN, NULL, message, MW_KS("broker", client->url.host),
               MW_KS("port", client->url.port), MW_KS("reason", client->reason));
    }
}

static void wait_before_retry(struct mw_mqtt *client)
{
    mw_mqtt_forget_addresses(client);
    client->state = MW_MQTT_WAITING;
    double jitter = 0.5 + 0.5 * erand48(client->random);
    int64_t delay = (int64_t)((double)client->backoff * jitter);
    client->backoff = 2 * client->backoff < BACKOFF_MAX ? 2 * client->backoff : BACKOFF_MAX;
    mw_loop_set_timer(client->loop, client->timer, delay, 0);
}

/* Begins to connect to client->address; false when that fails at once. */
static bool try_address(struct mw_mqtt *client)
{
    const struct addrinfo *address = client->address;
    client->fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->fd < 0) {
        (void)snprintf(client->reason, sizeof(client->reason), "%s", strerror(errno));
        return false;
    }
    int on = 1;
    (void)setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    struct mw_error error = {0};
    if (connect(client->fd, address->ai_addr, address->ai_addrlen) != 0 && errno != EINPROGRESS) {
        (void)snprintf(client->reason, sizeof(client->reason), "%s", strerror(errno));
    } else if (mw_loop_add_fd(client->loop, client->fd, EPOLLOUT, mw_mqtt_on_io, client,
                              &client->io, &error) != MW_OK) {
        (void)snprintf(client->reason, sizeof(client->reason), "%.150s", error.text);
    } else {
        client->state = MW_MQTT_CONNECTING;
        mw_loop_set_timer(client->loop, client->timer, ANSWER, 0);
        return true;
    }
    mw_mqtt_close(client);
    return false;
}

/* Tries the addresses that are left; when there are none, waits. */
static void try_addresses(struct mw_mqtt *client)
{
    for (; client->address != NULL; client->address = client->address->ai_next) {
        if (try_address(client)) {
            return;
        }
    }
    log_reason(client, "broker cannot be reached");
    wait_before_retry(client);
}

static void start_connecting(struct mw_mqtt *client)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    int result = getaddrinfo(client->url.host, client->url.port, &hints, &client->addresses);
    if (result != 0) {
        client->addresses = NULL;
        (void)snprintf(client->reason, sizeof(client->reason), "%s", gai_strerror(result));
    }
    client->address = client->addresses;
    try_addresses(client);
}

/* The connection is lost: takes it down and goes on with the next address, or later. */
static void take_down(struct mw_mqtt *client)
{
    bool was_up = client->state == MW_MQTT_UP;
    bool next_address = client->state == MW_MQTT_CONNECTING;
    mw_mqtt_close(client);
    client->lost = client->blocked = false;
    client->in_size = client->skip = 0;
    mw_buffer_clear(&client->control);
    client->control_written = 0;
    mw_mqtt_outbox_restart(&client->outbox);
    for (size_t i = 0; i < client->subscriptions_n; i++) {
        struct mw_mqtt_subscription *subscription = &client->subscriptions[i];
        if (subscription->id != 0) {
            mw_mqtt_outbox_give_id(&client->outbox, subscription->id);
            subscription->id = 0;
        }
    }
    client->state = MW_MQTT_WAITING;
    if (next_address) {
        client->address = client->address->ai_next;
        try_addresses(client);
        return;
    }
    log_reason(client, was_up ? "broker lost" : "broker refused the connection");
    if (was_up && mw_clock_monotonic() - client->up_since > STEADY) {
        client->backoff = BACKOFF_MIN;
    }
    wait_before_retry(client);
    if (was_up && client->options.on_disconnect != NULL) {
        client->options.on_disconnect(client->options.context, client->reason);
    }
}

/* The socket is connected, or failed to: greets the broker. */
static void greet(struct mw_mqtt *client)
{
    int failed = 0;
    socklen_t size = sizeof(failed);
    if (getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &failed, &size) != 0 || failed != 0) {
        mw_mqtt_lose(client, "%s", strerror(failed != 0 ? failed : errno));
        return;
    }
    const struct mw_mqtt_options *options = &client->options;
    const struct mw_mqtt_connect connect_packet = {
        .client_id = options->client_id,
        .username = options->username,
        .password = options->password,
        .will_topic = options->will_topic,
        .will_payload = options->will_payload,
        .will_size = options->will_size,
        .will_retain = options->will_retain,
        .keepalive = options->keepalive,
        .clean_session = options->clean_session,
    };
    client->state = MW_MQTT_GREETING;
    if (mw_mqtt_encode_connect(&client->control, &connect_packet) != MW_OK) {
        mw_mqtt_lose(client, "out of memory");
    }
}

void mw_mqtt_send_subscribe(struct mw_mqtt *client, struct mw_mqtt_subscription *subscription)
{
    subscription->id = mw_mqtt_outbox_take_id(&client->outbox);
    if (subscription->id == 0 ||
        mw_mqtt_encode_subscribe(&client->control, subscription->id,
                                 mw_span_of(subscription->filter), subscription->qos) != MW_OK) {
        mw_mqtt_lose(client, "no room for a subscription");
    }
}

/* Says that the connection is there. */
static void announce(struct mw_mqtt *client)
{
    if (!client->greeted && !client->lost) {
        client->greeted = true;
        if (client->options.on_connect != NULL) {
            client->options.on_connect(client->options.context, client->session_present);
        }
    }
}

static void announce_when_subscribed(struct mw_mqtt *client)
{
    for (size_t i = 0; i < client->subscriptions_n; i++) {
        if (client->subscriptions[i].id != 0) {
            return;
        }
    }
    announce(client);
}

static void receive_connack(struct mw_mqtt *client, const struct mw_mqtt_packet *packet)
{
    if (packet->code != 0) {
        mw_mqtt_lose(client, "%s", mw_mqtt_connack_text(packet->code));
        return;
    }
    mw_mqtt_forget_addresses(client);
    client->state = MW_MQTT_UP;
    client->up_since = mw_clock_monotonic();
    client->connection++;
    client->session_present = packet->session_present;
    client->greeted = client->said = client->pinged = false;
    client->logged[0] = '\0';
    mw_log(MW_LOG_INFO, NULL, "broker connected", MW_KS("broker", client->url.host),
           MW_KS("port", client->url.port));
    int64_t half = client->options.keepalive * MW_SECOND / 2;
    mw_loop_set_timer(client->loop, client->timer, half, half);
    for (size_t i = 0; i < client->subscriptions_n; i++) {
        mw_mqtt_send_subscribe(client, &client->subscriptions[i]);
    }
    announce_when_subscribed(client);
}

static void receive_suback(struct mw_mqtt *client, const struct mw_mqtt_packet *packet)
{
    for (size_t i = 0; i < client->subscriptions_n; i++) {
        struct mw_mqtt_subscription *subscription = &client->subscriptions[i];
        if (subscription->id != packet->id) {
            continue;
        }
        mw_mqtt_outbox_give_id(&client->outbox, subscription->id);
        subscription->id = 0;
        if (packet->code == 0x80) {
            mw_log(MW_LOG_ERROR, NULL, "broker refused a subscription",
                   MW_KS("filter", subscription->filter));
        }
        announce_when_subscribed(client);
        return;
    }
}

static void receive_publish(struct mw_mqtt *client, const struct mw_mqtt_packet *packet)
{
    struct mw_mqtt_message message = {
        .topic = packet->topic,
        .payload = packet->payload,
        .qos = packet->qos,
        .retained = packet->retained,
        .duplicate = packet->duplicate,
        .id = packet->id,
        .cut = packet->cut,
    };
    announce(client); /* what the broker had kept comes before its answers */
    client->received = true;
    if (client->options.on_message != NULL) {
        client->options.on_message(client->options.context, &message);
    }
    if (packet->qos > 0 && !client->options.manual_ack) {
        mw_mqtt_acknowledge(client, client->connection, packet->id);
    }
}

void mw_mqtt_receive(struct mw_mqtt *client, const struct mw_mqtt_packet *packet)
{
    bool greeting = client->state == MW_MQTT_GREETING;
    if (greeting != (packet->type == MW_MQTT_CONNACK)) {
        mw_mqtt_lose(client, greeting ? "malformed: no CONNACK came first"
                                      : "malformed: a second CONNACK came");
    } else if (greeting) {
        receive_connack(client, packet);
    } else if (packet->type == MW_MQTT_PUBLISH) {
        receive_publish(client, packet);
    } else if (packet->type == MW_MQTT_PUBACK) {
        mw_mqtt_outbox_acknowledge(&client->outbox, packet->id);
    } else if (packet->type == MW_MQTT_SUBACK) {
        receive_suback(client, packet);
    } else {
        client->pinged = false; /* PINGRESP */
    }
}

void mw_mqtt_on_io(void *context, uint32_t events)
{
    struct mw_mqtt *client = context;
    if (client->lost) {
        return;
    }
    client->handling = true;
    client->blocked = client->blocked && (events & EPOLLOUT) == 0;
    if (client->state == MW_MQTT_CONNECTING) {
        greet(client);
    } else if ((events & EPOLLIN) != 0) {
        mw_mqtt_read(client);
    }
    if (client->received) {
        client->received = false;
        if (client->options.on_idle != NULL) {
            client->options.on_idle(client->options.context);
        }
    }
    client->handling = false;
}

static void keep_alive(struct mw_mqtt *client)
{
    if (client->pinged && !client->heard) {
        mw_mqtt_lose(client, "broker is silent");
    } else if (!client->heard || !client->said) {
        client->pinged = true;
        if (mw_mqtt_encode_empty(&client->control, MW_MQTT_PINGREQ) != MW_OK) {
            mw_mqtt_lose(client, "out of memory");
        }
    } else {
        client->pinged = false;
    }
    client->heard = client->said = false;
}

void mw_mqtt_on_timer(void *context)
{
    struct mw_mqtt *client = context;
    client->handling = true;
    if (client->state == MW_MQTT_WAITING) {
        start_connecting(client);
    } else if (client->state == MW_MQTT_UP) {
        keep_alive(client);
    } else {
        mw_mqtt_lose(client, "no answer in time");
    }
    client->handling = false;
}

void mw_mqtt_on_soon(void *context)
{
    (void)context; /* it made a round, at whose end comes mw_mqtt_on_after */
}

static bool has_room(const struct mw_mqtt *client)
{
    return client->refused && mw_mqtt_queued(client) < client->options.queue_limit / 2;
}

void mw_mqtt_on_after(void *context)
{
    struct mw_mqtt *client = context;
    client->handling = true;
    mw_mqtt_write(client);
    if (has_room(client)) {
        client->refused = false;
        if (client->options.on_writable != NULL) {
            client->options.on_writable(client->options.context);
        }
        mw_mqtt_write(client);
    }
    if (client->lost) {
        take_down(client);
    }
    client->handling = false;
    if (has_room(client)) { /* filled and emptied at once: no event would come of itself */
        mw_mqtt_send_later(client);
    }
}
