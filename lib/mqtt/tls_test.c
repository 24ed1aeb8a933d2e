/* TLS: the client with a real mosquitto on the loopback, and with peers that do it no favour. */
#include "lib/mqtt/client_test_broker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>

struct place {
    struct fixture *fixture;
    bool bare; /* there are no certificates */
    char ca[320], other_ca[320], certificate[320], key[320];
};

static void path_of(const struct place *place, char path[static 320], const char *name)
{
    (void)snprintf(path, 320, "%s/%s", place->fixture->folder, name);
}

/* The script's exit status; -1 when it did not run. */
static int run_certificates(const char *folder)
{
    char script[] = MW_SOURCE_DIR "/tests/tools/certificates.sh";
    char shell[] = "/bin/sh";
    char *argv[] = {shell, script, (char *)(uintptr_t)folder, NULL};
    struct mw_process_spec spec = {.argv = argv};
    struct mw_error error = {0};
    pid_t pid = 0;
    int status = 0;
    if (mw_process_start(&spec, &pid, NULL, &error) != MW_OK || waitpid(pid, &status, 0) != pid ||
        !WIFEXITED(status)) {
        return -1;
    }
    return WEXITSTATUS(status);
}

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof(*place));
    void *fixture = NULL;
    if (place == NULL || broker_set_up(&fixture) != 0) {
        return -1;
    }
    place->fixture = fixture;
    path_of(place, place->ca, "ca.pem");
    path_of(place, place->other_ca, "other-ca.pem");
    path_of(place, place->certificate, "client.pem");
    path_of(place, place->key, "client.key");
    *state = place;
    int status = run_certificates(place->fixture->folder);
    if (status == 77) {
        print_message("skipped: openssl is not installed\n");
        place->bare = true;
        return 0;
    }
    return status;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    void *fixture = place->fixture;
    free(place);
    return broker_tear_down(&fixture);
}

static struct place *place_of(void **state)
{
    struct place *place = *state;
    if (place->bare || place->fixture->broker == 0) {
        skip();
    }
    return place;
}

/* The broker with that certificate; `strict`: it wants one of the client. */
static void serve(struct place *place, const char *certificate, bool strict)
{
    char lines[2048];
    const char *folder = place->fixture->folder;
    (void)snprintf(lines, sizeof(lines), "cafile %s\ncertfile %s/%s.pem\nkeyfile %s/%s.key\n%s",
                   place->ca, folder, certificate, folder, certificate,
                   strict ? "require_certificate true\n" : "");
    broker_start_with(place->fixture, lines);
    (void)snprintf(place->fixture->url, sizeof(place->fixture->url), "mqtts://localhost:%u",
                   place->fixture->mosquitto.port);
}

static struct mw_mqtt_options secure_options(const struct place *place, const char *client_id)
{
    struct mw_mqtt_options options = options_of(place->fixture, client_id);
    options.tls = (struct mw_mqtt_tls_files){place->ca, place->certificate, place->key};
    return options;
}

static bool has_20001_messages(void *context)
{
    return ((const struct seen *)context)->messages >= 20001;
}

/* In order, in both versions, through many records. */
static void test_carries_everything(void **state)
{
    struct place *place = place_of(state);
    const enum mw_mqtt_speak versions[] = {MW_MQTT_AUTO, MW_MQTT_3_1_1};
    serve(place, "server", true);
    char *mass = malloc(1000000);
    assert_non_null(mass);
    memset(mass, '7', 1000000);
    for (size_t v = 0; v < 2; v++) {
        struct mw_mqtt_options options = secure_options(place, "bridge");
        options.clean_session = false;
        options.speak = versions[v];
        struct seen bridge;
        struct seen thing;
        seen_new(&bridge, place->fixture->loop, options);
        subscribe(&bridge, "t");
        run_until(place->fixture->loop, is_up, &bridge);
        mw_mqtt_free(bridge.client);
        options = secure_options(place, "thing");
        options.speak = versions[v];
        seen_new(&thing, place->fixture->loop, options);
        for (int i = 0; i < 20000; i++) {
            assert_int_equal(seen_publish(&thing, "t", i, 1), MW_OK);
        }
        struct mw_span span = {mass, 1000000};
        assert_int_equal(mw_mqtt_publish(thing.client, "t", span, 1, false), MW_OK);
        run_until(place->fixture->loop, is_sent, &thing);
        options = secure_options(place, "bridge");
        options.clean_session = false;
        options.speak = versions[v];
        seen_new(&bridge, place->fixture->loop, options);
        run_until(place->fixture->loop, has_20001_messages, &bridge);
        assert_int_equal(bridge.next, 20000);
        assert_int_equal(bridge.payload, 1000000);
        assert_true(bridge.session_present);
        assert_int_equal(mw_mqtt_version(bridge.client), v == 0 ? 5 : 4);
        assert_string_equal(mw_mqtt_tls_version(bridge.client->tls), "TLSv1.3");
        mw_mqtt_free(bridge.client);
        mw_mqtt_free(thing.client);
    }
    free(mass);
}

struct wanted {
    struct seen *seen;
    const char *words;
};

static bool has_reason(void *context)
{
    const struct wanted *wanted = context;
    return strstr(wanted->seen->client->reason, wanted->words) != NULL;
}

/* Of a broker that refuses our certificate the words may be lost: it resets the connection when it
 * has not read our CONNECT yet. */
static bool has_refusal(void *context)
{
    const struct wanted *wanted = context;
    const char *reason = wanted->seen->client->reason;
    return has_reason(context) || strstr(reason, strerror(ECONNRESET)) != NULL ||
           strstr(reason, strerror(EPIPE)) != NULL;
}

static void expect(struct place *place, const struct mw_mqtt_options *options,
                   bool (*holds)(void *context), const char *words)
{
    struct seen seen;
    seen_new(&seen, place->fixture->loop, *options);
    struct wanted wanted = {&seen, words};
    run_until(place->fixture->loop, holds, &wanted);
    assert_int_equal(seen.connects, 0);
    mw_mqtt_free(seen.client);
}

static void test_trusts_nobody_without_reason(void **state)
{
    struct place *place = place_of(state);
    struct mw_mqtt_options options = secure_options(place, "c");
    serve(place, "stranger", false);
    expect(place, &options, has_reason,
           "cannot be trusted: no trusted authority (ca_file) issued its "
           "certificate, /CN=other-ca did");
    options.tls.ca_file = NULL; /* the system's do not know it either */
    expect(place, &options, has_reason, "no trusted authority");
    options.tls.ca_file = place->ca;
    serve(place, "elsewhere", false);
    expect(place, &options, has_reason,
           "its certificate is for broker.example, mqtt.example, and not for localhost");
    serve(place, "expired", false);
    expect(place, &options, has_reason, "a certificate expired on ");
    serve(place, "server", false);
    char url[64]; /* the certificate is for the address, too */
    (void)snprintf(url, sizeof(url), "mqtts://127.0.0.1:%u", place->fixture->mosquitto.port);
    options.url = url;
    char trusted[320]; /* and the system may trust who signed it */
    path_of(place, trusted, "trusted");
    assert_int_equal(setenv("SSL_CERT_DIR", trusted, 1), 0);
    for (int round = 0; round < 2; round++) {
        struct seen seen;
        seen_new(&seen, place->fixture->loop, options);
        run_until(place->fixture->loop, is_up, &seen);
        mw_mqtt_free(seen.client);
        options.tls.ca_file = NULL;
    }
    assert_int_equal(unsetenv("SSL_CERT_DIR"), 0);
}

static void test_says_what_the_broker_wants(void **state)
{
    struct place *place = place_of(state);
    char certificate[320];
    char key[320];
    path_of(place, certificate, "intruder.pem");
    path_of(place, key, "intruder.key");
    struct mw_mqtt_options options = secure_options(place, "c");
    serve(place, "server", true);
    options.tls.certificate_file = options.tls.key_file = NULL;
    expect(place, &options, has_refusal,
           "the broker wants a client certificate (certificate_file)");
    options.tls.certificate_file = certificate;
    options.tls.key_file = key;
    expect(place, &options, has_refusal, "the broker refuses our side of TLS");
    struct seen seen;
    seen_new(&seen, place->fixture->loop, secure_options(place, "c"));
    run_until(place->fixture->loop, is_up, &seen);
    mw_mqtt_free(seen.client);
}

/* A certificate that is renewed while the client runs is used for the next connection. */
static void test_files_are_read_anew(void **state)
{
    struct place *place = place_of(state);
    struct mw_mqtt_options options = secure_options(place, "c");
    char mine[320];
    char fresh[320];
    path_of(place, mine, "mine.pem");
    path_of(place, fresh, "fresh.pem");
    assert_int_equal(link(place->other_ca, mine), 0);
    assert_int_equal(link(place->ca, fresh), 0);
    options.tls.ca_file = mine;
    serve(place, "server", true);
    struct seen seen;
    seen_new(&seen, place->fixture->loop, options);
    struct wanted wanted = {&seen, "no trusted authority"};
    run_until(place->fixture->loop, has_reason, &wanted);
    assert_int_equal(rename(fresh, mine), 0);
    run_until(place->fixture->loop, is_up, &seen);
    mw_mqtt_free(seen.client);
}

static void test_wrong_files_are_told_at_once(void **state)
{
    struct place *place = place_of(state);
    char missing[320];
    char locked[320];
    char server_key[320];
    path_of(place, missing, "missing.pem");
    path_of(place, locked, "locked.key");
    path_of(place, server_key, "server.key");
    const struct {
        struct mw_mqtt_tls_files files;
        mw_err err;
        const char *words[2];
    } cases[] = {
        {{missing, NULL, NULL}, MW_ERR_NOT_FOUND, {"ca_file", "missing.pem"}},
        {{place->key, NULL, NULL}, MW_ERR_PARSE, {"ca_file", "client.key"}},
        {{NULL, missing, place->key}, MW_ERR_NOT_FOUND, {"certificate_file", "missing.pem"}},
        {{NULL, place->key, place->key}, MW_ERR_PARSE, {"certificate_file", "client.key"}},
        {{NULL, place->certificate, missing}, MW_ERR_NOT_FOUND, {"key_file", "missing.pem"}},
        {{NULL, place->certificate, NULL}, MW_ERR_PARSE, {"key_file", "no private key"}},
        {{NULL, place->certificate, locked}, MW_ERR_PARSE, {"locked.key", "needs no password"}},
        {{NULL, place->certificate, server_key}, MW_ERR_ARGUMENT, {"is not the key of", "server"}},
        {{NULL, NULL, place->key}, MW_ERR_ARGUMENT, {"without certificate_file", "client.key"}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mw_error error = {0};
        assert_int_equal(mw_mqtt_check_address("mqtts://h", &cases[i].files, &error), cases[i].err);
        for (size_t k = 0; k < 2; k++) {
            if (strstr(error.text, cases[i].words[k]) == NULL) {
                fail_msg("no \"%s\" in: %s", cases[i].words[k], error.text);
            }
        }
    }
}

/* --- a peer that ends the handshake --- */

enum manner { CLOSES, RESETS, TALKS };

struct rude {
    int listener, accepted, fd;
    enum manner manner;
    struct mw_loop *loop;
    struct mw_loop_watch *accepting, *reading;
};

static void rude_end(struct rude *rude)
{
    mw_loop_remove(rude->loop, rude->reading);
    rude->reading = NULL;
    if (rude->fd >= 0) {
        (void)close(rude->fd);
    }
    rude->fd = -1;
}

/* The client's first words have come. */
static void rude_read(void *context, uint32_t events)
{
    struct rude *rude = context;
    char bytes[4096];
    (void)events;
    (void)recv(rude->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (rude->manner == RESETS) {
        const struct linger none = {.l_onoff = 1};
        assert_int_equal(setsockopt(rude->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none)), 0);
    } else if (rude->manner == TALKS) {
        (void)send(rude->fd, "220 mail.example ESMTP\r\n", 24, MSG_NOSIGNAL);
    }
    rude_end(rude);
}

static void rude_accept(void *context, uint32_t events)
{
    struct rude *rude = context;
    (void)events;
    rude_end(rude);
    rude->fd = accept(rude->listener, NULL, NULL);
    assert_true(rude->fd >= 0);
    rude->accepted++;
    assert_int_equal(
        mw_loop_add_fd(rude->loop, rude->fd, EPOLLIN, rude_read, rude, &rude->reading, NULL),
        MW_OK);
}

static bool came_thrice(void *context)
{
    return ((const struct rude *)context)->accepted >= 3;
}

static void test_ended_handshakes_are_tried_again(void **state)
{
    struct place *place = place_of(state);
    static const struct {
        enum manner manner;
        const char *reason;
    } cases[] = {{CLOSES, "in the TLS handshake: closed by the broker"},
                 {RESETS, "in the TLS handshake: Connection reset by peer"},
                 {TALKS, "the broker does not speak TLS at this port"}};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    struct rude rude = {.fd = -1, .loop = place->fixture->loop};
    rude.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(rude.listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(rude.listener, 4), 0);
    assert_int_equal(getsockname(rude.listener, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(mw_loop_add_fd(rude.loop, rude.listener, EPOLLIN, rude_accept, &rude,
                                    &rude.accepting, NULL),
                     MW_OK);
    char url[64];
    (void)snprintf(url, sizeof(url), "mqtts://localhost:%u", ntohs(address.sin_port));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mw_mqtt_options options = secure_options(place, "c");
        options.url = url;
        rude.manner = cases[i].manner;
        rude.accepted = 0;
        struct seen seen;
        seen_new(&seen, rude.loop, options);
        run_until(rude.loop, came_thrice, &rude);
        assert_string_equal(seen.client->reason, cases[i].reason);
        assert_true(seen.client->backoff > MW_SECOND / 10);
        mw_mqtt_free(seen.client);
        rude_end(&rude);
    }
    mw_loop_remove(rude.loop, rude.accepting);
    (void)close(rude.listener);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_carries_everything),           TEST(test_trusts_nobody_without_reason),
        TEST(test_says_what_the_broker_wants),   TEST(test_files_are_read_anew),
        TEST(test_wrong_files_are_told_at_once), TEST(test_ended_handshakes_are_tried_again),
    };
    return cmocka_run_group_tests_name("tls", tests, NULL, NULL);
}
