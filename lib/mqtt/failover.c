/* failover.c - which of several brokers a client speaks to: the first of the list that is there.
 *
 * All clients of a plant have the same list and have to meet at one broker, so who had to go to a
 * later one looks whether the first accepts connections again, and goes back. Should that fail, it
 * looks again after twice the time. */
#include "lib/mqtt/client_internal.h"

#include "lib/base/clock.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOOK_MIN (30 * MW_SECOND)
#define LOOK_MAX (600 * MW_SECOND)

static int64_t shortest(const struct mw_mqtt *client)
{
    return client->options.return_gap > 0 ? client->options.return_gap : LOOK_MIN;
}

static void turn_to(struct mw_mqtt *client, size_t at)
{
    if (client->url != &client->urls.url[at]) {
        client->url = &client->urls.url[at];
        client->only_3_1_1 = false; /* was said by another one */
        client->version =
            client->options.speak == MW_MQTT_3_1_1 ? MW_MQTT_VERSION_3_1_1 : MW_MQTT_VERSION_5;
    }
}

void mw_mqtt_first_broker(struct mw_mqtt *client)
{
    client->failed = 0;
    turn_to(client, 0);
}

bool mw_mqtt_next_broker(struct mw_mqtt *client)
{
    size_t at = (size_t)(client->url - client->urls.url);
    client->failed++;
    if (client->failed < client->urls.n) {
        turn_to(client, (at + 1) % client->urls.n);
        return true;
    }
    mw_mqtt_first_broker(client);
    return false;
}

/* ---- is the first one there again? ---- */

static void end_look(struct mw_mqtt *client)
{
    mw_loop_remove(client->loop, client->look_io);
    client->look_io = NULL;
    if (client->look_fd >= 0) {
        (void)close(client->look_fd);
        client->look_fd = -1;
    }
}

static void on_look(void *context, uint32_t events);

/* Tries the addresses that are left. */
static void look_at_address(struct mw_mqtt *client)
{
    for (; client->look_address != NULL; client->look_address = client->look_address->ai_next) {
        const struct addrinfo *address = client->look_address;
        client->look_fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (client->look_fd >= 0 &&
            (connect(client->look_fd, address->ai_addr, address->ai_addrlen) == 0 ||
             errno == EINPROGRESS) &&
            mw_loop_add_fd(client->loop, client->look_fd, EPOLLOUT, on_look, client,
                           &client->look_io, NULL) == MW_OK) {
            return;
        }
        end_look(client);
    }
}

static void on_look(void *context, uint32_t events)
{
    struct mw_mqtt *client = context;
    int failed = 0;
    socklen_t size = sizeof(failed);
    (void)events;
    bool there =
        getsockopt(client->look_fd, SOL_SOCKET, SO_ERROR, &failed, &size) == 0 && failed == 0;
    end_look(client);
    if (!there) {
        client->look_address = client->look_address->ai_next;
        look_at_address(client);
    } else if (client->state == MW_MQTT_UP && !client->lost) {
        client->look_gap = 2 * client->look_gap < LOOK_MAX ? 2 * client->look_gap : LOOK_MAX;
        mw_mqtt_first_broker(client);
        client->stay = true;
        mw_mqtt_lose_with(client, MW_MQTT_SUCCESS, "broker %s is there again", client->url->host);
    }
}

static void forget_look(struct mw_mqtt *client)
{
    end_look(client);
    if (client->look_addresses != NULL) {
        freeaddrinfo(client->look_addresses);
    }
    client->look_addresses = client->look_address = NULL;
}

static void on_look_timer(void *context)
{
    struct mw_mqtt *client = context;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    const struct mw_mqtt_url *first = &client->urls.url[0];
    forget_look(client);
    if (getaddrinfo(first->host, first->port, &hints, &client->look_addresses) != 0) {
        client->look_addresses = NULL;
    }
    client->look_address = client->look_addresses;
    look_at_address(client);
}

void mw_mqtt_look_back(struct mw_mqtt *client)
{
    int64_t shortest_gap = shortest(client);
    if (client->url != &client->urls.url[0]) {
        client->look_gap = client->look_gap < shortest_gap ? shortest_gap : client->look_gap;
        mw_loop_set_timer(client->loop, client->look_timer, client->look_gap, client->look_gap);
    }
}

void mw_mqtt_stop_looking(struct mw_mqtt *client)
{
    forget_look(client);
    if (client->look_timer != NULL) { /* else there is one broker only */
        mw_loop_set_timer(client->loop, client->look_timer, -1, 0);
    }
}

mw_err mw_mqtt_look_init(struct mw_mqtt *client, struct mw_error *error)
{
    return client->urls.n == 1 ? MW_OK
                               : mw_loop_add_timer(client->loop, -1, 0, on_look_timer, client,
                                                   &client->look_timer, error);
}

void mw_mqtt_look_fini(struct mw_mqtt *client)
{
    forget_look(client);
    mw_loop_remove(client->loop, client->look_timer);
}
