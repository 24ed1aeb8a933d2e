/* The client against a peer that the test plays itself, byte by byte. */
#include "lib/mqtt/client_test_run.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* A broker's end of one connection. Everything received is kept. */
struct peer {
    struct mw_loop *loop;
    int listener, fd;
    char url[64];
    struct mw_loop_watch *accepting, *reading;
    int accepted, ended;
    bool deaf;          /* does not read */
    const char *answer; /* sent to each new connection */
    size_t answer_size;
    struct mw_buffer received;
    size_t first; /* bytes of the first read since it was set to 0 */
};

static void peer_hang_up(struct peer *peer)
{
    mw_loop_remove(peer->loop, peer->reading);
    peer->reading = NULL;
    if (peer->fd >= 0) {
        (void)close(peer->fd);
    }
    peer->fd = -1;
}

static void peer_read(void *context, uint32_t events)
{
    struct peer *peer = context;
    (void)events;
    char bytes[65536];
    ssize_t n = recv(peer->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (n <= 0) {
        peer->ended++;
        peer_hang_up(peer);
        return;
    }
    peer->first = peer->first == 0 ? (size_t)n : peer->first;
    assert_int_equal(mw_buffer_add(&peer->received, bytes, (size_t)n), MW_OK);
}

static void peer_send(struct peer *peer, const char *bytes, size_t size)
{
    assert_int_equal(send(peer->fd, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}

static void peer_listen_to(struct peer *peer)
{
    struct mw_error error = {0};
    assert_int_equal(
        mw_loop_add_fd(peer->loop, peer->fd, EPOLLIN, peer_read, peer, &peer->reading, &error),
        MW_OK);
}

static void peer_accept(void *context, uint32_t events)
{
    struct peer *peer = context;
    (void)events;
    peer_hang_up(peer);
    mw_buffer_clear(&peer->received);
    peer->fd = accept(peer->listener, NULL, NULL);
    assert_true(peer->fd >= 0);
    peer->accepted++;
    if (!peer->deaf) {
        peer_listen_to(peer);
    }
    peer_send(peer, peer->answer, peer->answer_size);
}

#define ACCEPTED "\x20\x02\x00\x00"

static int set_up(void **state)
{
    struct peer *peer = calloc(1, sizeof(*peer));
    struct mw_error error = {0};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    if (peer == NULL || mw_loop_new(&peer->loop, &error) != MW_OK) {
        return -1;
    }
    peer->fd = -1;
    peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(peer->listener, (struct sockaddr *)&address, size) != 0 ||
        listen(peer->listener, 4) != 0 ||
        getsockname(peer->listener, (struct sockaddr *)&address, &size) != 0 ||
        mw_loop_add_fd(peer->loop, peer->listener, EPOLLIN, peer_accept, peer, &peer->accepting,
                       &error) != MW_OK) {
        return -1;
    }
    (void)snprintf(peer->url, sizeof(peer->url), "mqtt://user:secret@127.0.0.1:%u",
                   ntohs(address.sin_port));
    peer->answer = ACCEPTED;
    peer->answer_size = 4;
    *state = peer;
    return 0;
}

static int tear_down(void **state)
{
    struct peer *peer = *state;
    peer_hang_up(peer);
    mw_loop_remove(peer->loop, peer->accepting);
    (void)close(peer->listener);
    mw_loop_free(peer->loop);
    mw_buffer_free(&peer->received);
    free(peer);
    return 0;
}

static struct mw_mqtt_options options_of(const struct peer *peer)
{
    return (struct mw_mqtt_options){.url = peer->url, .client_id = "c", .clean_session = true};
}

/* Waits until the peer has received so many bytes. */
struct bytes_wanted {
    struct peer *peer;
    size_t size;
};

static bool has_bytes(void *context)
{
    const struct bytes_wanted *wanted = context;
    return wanted->peer->received.size >= wanted->size;
}

static void run_until_received(struct peer *peer, size_t size)
{
    struct bytes_wanted wanted = {peer, size};
    run_until(peer->loop, has_bytes, &wanted);
    assert_int_equal(peer->received.size, size);
}

#define CONNECT_SIZE 29 /* of this client's CONNECT */

static void test_greets_and_resends_with_duplicate_flag(void **state)
{
    struct peer *peer = *state;
    struct seen seen;
    seen_new(&seen, peer->loop, options_of(peer));
    for (int i = 0; i < 3; i++) { /* said before there is a connection */
        assert_int_equal(seen_publish(&seen, "t", i, 1), MW_OK);
    }
    assert_int_equal(seen_publish(&seen, "t", 9, 0), MW_ERR_NET);
    run_until_received(peer, CONNECT_SIZE + 3 * 8);
    assert_memory_equal(peer->received.data,
                        "\x10\x1b\x00\x04MQTT\x04\xc2\x00\x1e\x00\x01"
                        "c\x00\x04user\x00\x06secret",
                        CONNECT_SIZE);
    assert_memory_equal(peer->received.data + CONNECT_SIZE,
                        "\x32\x06\x00\x01t\x00\x01"
                        "0\x32\x06\x00\x01t\x00\x02"
                        "1\x32\x06\x00\x01t\x00\x03"
                        "2",
                        24);
    size_t queued = mw_mqtt_queued(seen.client);
    assert_int_equal(queued, 24);
    peer_send(peer, "\x40\x02\x00\x02", 4); /* only the middle one is acknowledged */
    peer_hang_up(peer);
    run_until(peer->loop, is_down, &seen);
    assert_string_equal(seen.reason, "closed by the broker");
    assert_int_equal(mw_mqtt_queued(seen.client), 16);
    run_until(peer->loop, is_up, &seen);
    run_until_received(peer, CONNECT_SIZE + 16);
    assert_memory_equal(peer->received.data + CONNECT_SIZE,
                        "\x3a\x06\x00\x01t\x00\x01"
                        "0\x3a\x06\x00\x01t\x00\x03"
                        "2",
                        16);
    peer_send(peer, "\x40\x02\x00\x01\x40\x02\x00\x03", 8);
    run_until(peer->loop, is_sent, &seen);
    mw_mqtt_free(seen.client);
}

static void test_one_write_a_round(void **state)
{
    struct peer *peer = *state;
    struct seen seen;
    struct mw_mqtt_options options = options_of(peer);
    options.manual_ack = true;
    seen_new(&seen, peer->loop, options);
    run_until(peer->loop, is_up, &seen);
    run_until_received(peer, CONNECT_SIZE);
    peer->first = 0;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(seen_publish(&seen, "t", i % 10, i % 2 == 0 ? 1 : 0), MW_OK);
        mw_mqtt_acknowledge(seen.client, 1, (uint16_t)(i + 1));
    }
    run_until_received(peer, CONNECT_SIZE + 50 * 8 + 50 * 6 + 100 * 4);
    assert_int_equal(peer->first, 50 * 8 + 50 * 6 + 100 * 4);
    mw_mqtt_free(seen.client);
}

static bool has_come_twice(void *context)
{
    return ((const struct peer *)context)->accepted >= 2;
}

static void test_refused_or_malformed_connections_are_tried_again(void **state)
{
    struct peer *peer = *state;
    static const struct {
        const char *bytes;
        size_t size;
    } answers[] = {{"\x20\x02\x00\x05", 4}, /* not authorised */
                   {"HTTP/1.1 400 Bad Request\r\n\r\n", 28},
                   {"\x40\x02\x00\x01", 4}, /* PUBACK before CONNACK */
                   {ACCEPTED ACCEPTED, 8}};
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct seen seen;
        peer->accepted = 0;
        peer->answer = answers[i].bytes;
        peer->answer_size = answers[i].size;
        seen_new(&seen, peer->loop, options_of(peer));
        run_until(peer->loop, has_come_twice, peer);
        assert_false(mw_mqtt_connected(seen.client));
        mw_mqtt_free(seen.client);
    }
}

static bool is_lost(void *context)
{
    return ((const struct seen *)context)->disconnects > 0;
}

static void test_silent_broker_is_left(void **state)
{
    struct peer *peer = *state;
    struct seen seen;
    struct mw_mqtt_options options = options_of(peer);
    options.keepalive = 1;
    seen_new(&seen, peer->loop, options);
    run_until(peer->loop, is_lost, &seen);
    assert_string_equal(seen.reason, "broker is silent");
    size_t size = peer->received.size;
    assert_true(size >= CONNECT_SIZE + 2);
    assert_memory_equal(peer->received.data + size - 2, "\xc0\x00", 2); /* it had asked */
    mw_mqtt_free(seen.client);
}

static bool has_two_messages(void *context)
{
    return ((const struct seen *)context)->messages >= 2;
}

static void test_over_long_message_is_cut(void **state)
{
    struct peer *peer = *state;
    struct seen seen;
    seen_new(&seen, peer->loop, options_of(peer));
    run_until(peer->loop, is_up, &seen);
    struct mw_buffer out = {0};
    char *payload = calloc(1, 2000000);
    assert_non_null(payload);
    assert_int_equal(mw_mqtt_encode_publish(&out, mw_span_of("t"),
                                            (struct mw_span){payload, 2000000}, 1, false, 3),
                     MW_OK);
    size_t at = 0;
    while (at < out.size) { /* the client has to read in between */
        ssize_t n = send(peer->fd, out.data + at, out.size - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        at += n > 0 ? (size_t)n : 0;
        mw_loop_wake(peer->loop);
        struct bytes_wanted nothing = {peer, 0};
        run_until(peer->loop, has_bytes, &nothing);
    }
    peer_send(peer, "\x30\x04\x00\x01tA", 6);
    run_until(peer->loop, has_two_messages, &seen);
    assert_string_equal(seen.last, "t=A"); /* the next one is whole */
    assert_int_equal(seen.disconnects, 0);
    run_until_received(peer, CONNECT_SIZE + 4);
    assert_memory_equal(peer->received.data + CONNECT_SIZE, "\x40\x02\x00\x03", 4);
    mw_buffer_free(&out);
    free(payload);
    mw_mqtt_free(seen.client);
}

static bool is_writable(void *context)
{
    return ((const struct seen *)context)->writables > 0;
}

static void test_deaf_broker_fills_the_queue_only(void **state)
{
    struct peer *peer = *state;
    struct seen seen;
    struct mw_mqtt_options options = options_of(peer);
    options.queue_limit = 1000000;
    peer->deaf = true;
    seen_new(&seen, peer->loop, options);
    run_until(peer->loop, is_up, &seen);
    char payload[1000];
    memset(payload, 'x', sizeof(payload));
    struct mw_span span = {payload, sizeof(payload)};
    size_t sent = 0;
    mw_err err = MW_OK;
    while (err == MW_OK) { /* into the socket's buffers, then into the queue */
        err = mw_mqtt_publish(seen.client, "t", span, 0, false);
        sent += err == MW_OK ? 1 : 0;
        mw_mqtt_flush(seen.client);
        assert_true(sent < 100000);
    }
    assert_int_equal(err, MW_ERR_AGAIN);
    assert_true(mw_mqtt_queued(seen.client) <= 1000000);
    assert_int_equal(seen.writables, 0);
    assert_int_equal(
        mw_mqtt_publish(seen.client, "t", (struct mw_span){payload, 1000000}, 0, false),
        MW_ERR_TOO_LARGE);
    peer_listen_to(peer);
    run_until(peer->loop, is_writable, &seen);
    run_until(peer->loop, is_sent, &seen);
    run_until_received(peer, CONNECT_SIZE + sent * 1006);
    assert_int_equal(seen.disconnects, 0);
    mw_mqtt_free(seen.client);
}

static void test_refuses_wrong_arguments(void **state)
{
    struct peer *peer = *state;
    struct mw_error error = {0};
    struct mw_mqtt *client = NULL;
    struct mw_mqtt_options options = options_of(peer);
    options.url = "mqtts://127.0.0.1";
    assert_int_equal(mw_mqtt_new(&client, peer->loop, &options, &error), MW_ERR_UNSUPPORTED);
    options.url = "mqtt://127.0.0.1:none";
    assert_int_equal(mw_mqtt_new(&client, peer->loop, &options, &error), MW_ERR_PARSE);
    options = options_of(peer);
    options.client_id = "";
    assert_int_equal(mw_mqtt_new(&client, peer->loop, &options, &error), MW_ERR_ARGUMENT);
    assert_null(client);
    struct seen seen;
    seen_new(&seen, peer->loop, options_of(peer));
    struct mw_span span = {"x", 1};
    assert_int_equal(mw_mqtt_publish(seen.client, "a/#", span, 1, false), MW_ERR_ARGUMENT);
    assert_int_equal(mw_mqtt_publish(seen.client, "a", span, 2, false), MW_ERR_ARGUMENT);
    assert_int_equal(mw_mqtt_subscribe(seen.client, "a#", 1, &error), MW_ERR_ARGUMENT);
    mw_mqtt_free(seen.client);
    mw_mqtt_free(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_greets_and_resends_with_duplicate_flag),
        TEST(test_one_write_a_round),
        TEST(test_refused_or_malformed_connections_are_tried_again),
        TEST(test_silent_broker_is_left),
        TEST(test_over_long_message_is_cut),
        TEST(test_deaf_broker_fills_the_queue_only),
        TEST(test_refuses_wrong_arguments),
    };
    return cmocka_run_group_tests_name("connection", tests, NULL, NULL);
}
