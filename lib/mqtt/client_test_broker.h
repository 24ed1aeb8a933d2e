/* client_test_broker.h - a real mosquitto, which the test starts on a free port. */
#ifndef MW_MQTT_CLIENT_TEST_BROKER_H
#define MW_MQTT_CLIENT_TEST_BROKER_H

#include "lib/mqtt/client_test_run.h"

#include "lib/base/file.h"
#include "lib/base/process.h"
#include "lib/mqtt/mosquitto.h"

#include <ftw.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct fixture {
    char folder[256], url[64];
    struct mw_mosquitto mosquitto;
    pid_t broker;
    struct mw_loop *loop;
};

static inline void start_broker(struct fixture *fixture)
{
    struct mw_error error = {0};
    struct mw_process_spec spec = {.argv = fixture->mosquitto.argv, .output = "/dev/null"};
    if (mw_process_start(&spec, &fixture->broker, NULL, &error) != MW_OK) {
        fail_msg("%s", error.text);
    }
}

static inline void kill_broker(struct fixture *fixture)
{
    (void)kill(fixture->broker, SIGKILL);
    (void)waitpid(fixture->broker, NULL, 0);
    fixture->broker = 0;
}

static inline int broker_set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct mw_error error = {0};
    if (fixture == NULL || mw_loop_new(&fixture->loop, &error) != MW_OK) {
        return -1;
    }
    *state = fixture;
    const char *parent = getenv("TMPDIR");
    (void)snprintf(fixture->folder, sizeof(fixture->folder), "%s/mw-mqtt-XXXXXX",
                   parent == NULL ? "/tmp" : parent);
    if (mkdtemp(fixture->folder) == NULL) {
        return -1;
    }
    mw_err err = mw_mosquitto_prepare(&fixture->mosquitto, fixture->folder, &error);
    if (err == MW_ERR_NOT_FOUND) {
        print_message("skipped: %s\n", error.text);
        return 0;
    }
    if (err != MW_OK) {
        print_error("%s\n", error.text);
        return -1;
    }
    (void)snprintf(fixture->url, sizeof(fixture->url), "mqtt://localhost:%u",
                   fixture->mosquitto.port);
    start_broker(fixture);
    return 0;
}

/* Starts it again with these lines behind its configuration, which hold for its listener. */
static inline void broker_start_with(struct fixture *fixture, const char *lines)
{
    struct mw_buffer text = {0};
    assert_int_equal(mw_file_read(fixture->mosquitto.config, 65536, &text, NULL), MW_OK);
    char *added = strstr(text.data, "# added\n");
    if (added != NULL) {
        text.size = (size_t)(added - text.data);
    }
    assert_int_equal(mw_buffer_printf(&text, "# added\n%s", lines), MW_OK);
    assert_int_equal(mw_file_write(fixture->mosquitto.config, text.data, text.size, 0600, NULL),
                     MW_OK);
    mw_buffer_free(&text);
    kill_broker(fixture);
    start_broker(fixture);
}

static inline int remove_one(const char *path, const struct stat *status, int type,
                             struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static inline int broker_tear_down(void **state)
{
    struct fixture *fixture = *state;
    if (fixture->broker > 0) {
        kill_broker(fixture);
    }
    mw_loop_free(fixture->loop);
    (void)nftw(fixture->folder, remove_one, 4, FTW_DEPTH | FTW_PHYS);
    free(fixture);
    return 0;
}

static inline struct fixture *fixture_of(void **state)
{
    struct fixture *fixture = *state;
    if (fixture->broker == 0) {
        skip();
    }
    return fixture;
}

static inline struct mw_mqtt_options options_of(const struct fixture *fixture,
                                                const char *client_id)
{
    return (struct mw_mqtt_options){.url = fixture->url,
                                    .client_id = client_id,
                                    .username = fixture->mosquitto.username,
                                    .password = fixture->mosquitto.password,
                                    .clean_session = true};
}

static inline void subscribe(struct seen *seen, const char *filter)
{
    struct mw_error error = {0};
    assert_int_equal(mw_mqtt_subscribe(seen->client, filter, 1, &error), MW_OK);
}

#endif
