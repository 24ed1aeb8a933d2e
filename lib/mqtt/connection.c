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
#define TAKEN_MIN (2 * MW_SECOND)
#define TAKEN 12   /* times the back-off, from TAKEN_MIN on, when another client has our session */
#define UNSTEADY 3 /* short connections in a row that are told of */
#define STEADY (5 * MW_SECOND) /* a connection that lasted so long starts the back-off anew */

void mw_mqtt_send_later(struct mw_mqtt *client)
{
    if (!client->handling && !client->soon_set) {
        client->soon_set = true;
        mw_loop_set_timer(client->loop, client->soon, 0, 0);
    }
}

void mw_mqtt_close(struct mw_mqtt *client)
{
    mw_mqtt_tls_free(client->tls);
    client->tls = NULL;
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

void mw_mqtt_forget_aliases(struct mw_mqtt *client)
{
    for (size_t i = 0; i < MW_MQTT_ALIASES_IN; i++) {
        free(client->alias[i].topic);
        client->alias[i] = (struct mw_mqtt_alias){0};
    }
}

/* Says a reason once, and again only after it has changed. */
static void log_reason(struct mw_mqtt *client, const char *message)
{
    size_t *logged = &client->logged[client->url - client->urls.url];
    size_t hash = mw_mqtt_text_hash(mw_span_of(client->reason)) | 1;
    if (hash != *logged) {
        *logged = hash;
        mw_log(MW_LOG_WARN, NULL, message, MW_KS("broker", client->url->host),
               MW_KS("port", client->url->port), MW_KS("reason", client->reason));
    }
}

static void wait_before_retry(struct mw_mqtt *client)
{
    mw_mqtt_forget_addresses(client);
    client->state = MW_MQTT_WAITING;
    double jitter = 0.5 + 0.5 * erand48(client->random);
    if (!client->at_once && !client->stay && !client->taken) {
        client->at_once = mw_mqtt_next_broker(client);
    }
    int64_t wait = client->taken ? client->backoff * TAKEN : client->backoff;
    int64_t delay = client->at_once ? 0 : (int64_t)((double)wait * jitter);
    if (!client->at_once) {
        client->in_vain = true;
        client->backoff = 2 * client->backoff < BACKOFF_MAX ? 2 * client->backoff : BACKOFF_MAX;
    }
    client->at_once = client->stay = client->taken = false;
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
    int result = getaddrinfo(client->url->host, client->url->port, &hints, &client->addresses);
    if (result != 0) {
        client->addresses = NULL;
        (void)snprintf(client->reason, sizeof(client->reason), "%s", gai_strerror(result));
    }
    client->address = client->addresses;
    try_addresses(client);
}

/* Which version the next connection begins with. */
static void choose_version(struct mw_mqtt *client)
{
    if (client->options.speak != MW_MQTT_AUTO) {
        return;
    }
    bool unanswered = client->state == MW_MQTT_GREETING && !client->answered;
    bool old = client->only_3_1_1 || (unanswered && client->version == MW_MQTT_VERSION_5);
    client->stay |= unanswered && client->version == MW_MQTT_VERSION_5;
    client->version = old ? MW_MQTT_VERSION_3_1_1 : MW_MQTT_VERSION_5;
}

/* Everything that belongs to one connection. */
static void forget_connection(struct mw_mqtt *client)
{
    mw_mqtt_close(client);
    client->lost = client->blocked = client->more = client->resting = false;
    mw_loop_set_timer(client->loop, client->rested, -1, 0);
    client->in_size = client->skip = 0;
    mw_buffer_clear(&client->control);
    client->control_written = 0;
    client->unacknowledged = 0;
    mw_mqtt_outbox_restart(&client->outbox);
    mw_mqtt_forget_aliases(client);
    for (size_t i = 0; i < client->subscriptions_n; i++) {
        struct mw_mqtt_subscription *subscription = &client->subscriptions[i];
        if (subscription->id != 0) {
            mw_mqtt_outbox_give_id(&client->outbox, subscription->id);
            subscription->id = 0;
        }
    }
    client->unanswered = 0;
}

/* A broker that does not accept our certificate says so, but a reset may overtake its words. */
static const char *lost_text(const struct mw_mqtt *client)
{
    switch (client->state) {
    case MW_MQTT_UP:
        return "broker lost";
    case MW_MQTT_SECURING:
        return "no secure connection to the broker";
    default:
        return client->tls == NULL || client->answered
                   ? "broker refused the connection"
                   : "broker ended the connection, perhaps because of our certificate";
    }
}

/* Two clients of one name push each other out. Not all brokers say so (mosquitto 2.0.11 does not).
 */
static void note_unsteady(struct mw_mqtt *client)
{
    bool soon = mw_clock_monotonic() - client->up_since <= STEADY;
    client->unsteady = soon ? client->unsteady + 1 : 0;
    if (client->unsteady == UNSTEADY) {
        mw_log(
            MW_LOG_WARN, NULL,
            "the broker keeps closing our connection: is another client connected under our name?",
            MW_KS("name", mw_mqtt_client_id(client)), MW_KS("broker", client->url->host));
    }
}

/* The connection is lost: takes it down and goes on with the next address, or later. */
static void take_down(struct mw_mqtt *client)
{
    enum mw_mqtt_state state = client->state;
    bool was_up = state == MW_MQTT_UP;
    const char *what = lost_text(client);
    choose_version(client);
    forget_connection(client);
    mw_mqtt_stop_looking(client);
    client->state = MW_MQTT_WAITING;
    if (state == MW_MQTT_CONNECTING) {
        client->address = client->address->ai_next;
        try_addresses(client);
        return;
    }
    log_reason(client, what);
    if (was_up) {
        note_unsteady(client);
    }
    if (client->taken) {
        client->backoff = client->backoff < TAKEN_MIN ? TAKEN_MIN : client->backoff;
    } else if (was_up && mw_clock_monotonic() - client->up_since > STEADY) {
        client->backoff = BACKOFF_MIN;
        mw_mqtt_first_broker(client);
        client->stay = true;
    }
    wait_before_retry(client);
    if (was_up && client->options.on_disconnect != NULL) {
        client->options.on_disconnect(client->options.context, client->reason);
    }
}

static const char *or_of_url(const char *own, const char *of_url)
{
    return own != NULL || of_url[0] == '\0' ? own : of_url;
}

static void greet(struct mw_mqtt *client)
{
    const struct mw_mqtt_options *options = &client->options;
    const struct mw_mqtt_url *url = client->url;
    bool kept = !options->clean_session;
    const struct mw_mqtt_connect connect_packet = {
        .version = client->version,
        .client_id = options->client_id,
        .username = or_of_url(options->username, url->username),
        .password = or_of_url(options->password, url->password),
        .will_topic = options->will_topic,
        .will_payload = options->will_payload,
        .will_size = options->will_size,
        .will_retain = options->will_retain,
        .keepalive = options->keepalive,
        .clean_session = options->clean_session,
        .session_expiry = !kept                          ? 0
                          : options->session_expiry != 0 ? options->session_expiry
                                                         : UINT32_MAX,
        .receive_maximum = options->receive_maximum,
        .topic_alias_maximum = MW_MQTT_ALIASES_IN,
    };
    client->state = MW_MQTT_GREETING;
    client->answered = false;
    if (mw_loop_set_events(client->loop, client->io, EPOLLIN) != MW_OK ||
        mw_mqtt_encode_connect(&client->control, &connect_packet) != MW_OK) {
        mw_mqtt_lose(client, "out of memory");
    }
}

/* Goes on with the handshake of TLS; greets the broker when that is done. */
static void secure(struct mw_mqtt *client)
{
    struct mw_error error = {0};
    mw_err err = mw_mqtt_tls_handshake(client->tls, &error);
    if (err == MW_OK) {
        greet(client);
        return;
    }
    uint32_t events = mw_mqtt_tls_wants_write(client->tls) ? EPOLLIN | EPOLLOUT : EPOLLIN;
    if (err != MW_ERR_AGAIN) {
        mw_mqtt_lose(client, "%s", error.text);
    } else if (mw_loop_set_events(client->loop, client->io, events) != MW_OK) {
        mw_mqtt_lose(client, "epoll: %s", strerror(errno));
    }
}

/* The socket is connected, or failed to. */
static void begin(struct mw_mqtt *client)
{
    int failed = 0;
    socklen_t size = sizeof(failed);
    if (getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &failed, &size) != 0 || failed != 0) {
        mw_mqtt_lose(client, "%s", strerror(failed != 0 ? failed : errno));
        return;
    }
    if (!client->url->secure) {
        greet(client);
        return;
    }
    struct mw_error error = {0};
    client->state = MW_MQTT_SECURING;
    mw_err err = mw_mqtt_tls_new(&client->tls, &client->options.tls, client->url->host, &error);
    if (err == MW_OK) {
        err = mw_mqtt_tls_attach(client->tls, client->fd, &error);
    }
    if (err == MW_OK) {
        secure(client);
    } else {
        mw_mqtt_lose(client, "%s", error.text);
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
        begin(client);
    } else if (client->state == MW_MQTT_SECURING) {
        secure(client);
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
        if (mw_mqtt_encode_ping(&client->control) != MW_OK) {
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
    struct mw_mqtt *client = context; /* it makes a round, at whose end comes mw_mqtt_on_after */
    client->soon_set = false;
    if (client->more && !client->resting) {
        mw_mqtt_on_io(client, EPOLLIN);
    }
}

void mw_mqtt_on_rested(void *context)
{
    struct mw_mqtt *client = context;
    client->resting = false;
    mw_mqtt_watch(client);
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
