/* test_place.h - what the tests of this folder share: a folder of their own, a plant in it, a
 * private mosquitto, and a loop that runs until something holds. */
#ifndef MW_IOT_TEST_PLACE_H
#define MW_IOT_TEST_PLACE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/loop.h"
#include "lib/mqtt/mosquitto.h"
#include "lib/plant/plant.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEST_LIMIT (30 * MW_SECOND) /* a test that waits longer has failed */

struct place {
    char folder[64];
    struct mw_plant plant;
    struct mw_mosquitto mosquitto;
    pid_t broker; /* 0: not running */
};

#define assert_ok(call)                                                             \
    do {                                                                            \
        struct mw_error test_error = {0};                                           \
        struct mw_error *error = &test_error;                                       \
        mw_err test_err = (call);                                                   \
        if (test_err != MW_OK) {                                                    \
            fail_msg("%s: %s (%s)", #call, test_error.text, mw_err_text(test_err)); \
        }                                                                           \
        (void)error;                                                                \
    } while (0)

/* The call fails with this code, and the message holds this text. */
#define assert_refused(call, expected, part)                                                     \
    do {                                                                                         \
        struct mw_error test_error = {0};                                                        \
        struct mw_error *error = &test_error;                                                    \
        mw_err test_err = (call);                                                                \
        if (test_err != (expected) || strstr(test_error.text, part) == NULL) {                   \
            fail_msg("%s: %d \"%s\", expected %d \"%s\"", #call, (int)test_err, test_error.text, \
                     (int)(expected), part);                                                     \
        }                                                                                        \
        (void)error;                                                                             \
    } while (0)

static inline void set_text(char **text, const char *value)
{
    free(*text);
    *text = strdup(value);
    assert_non_null(*text);
}

static inline const char *place_path(const struct place *place, const char *name)
{
    static char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", place->folder, name);
    return path;
}

static inline void place_write(const struct place *place, const char *name, const char *text)
{
    assert_ok(mw_file_write(place_path(place, name), text, strlen(text), 0600, error));
}

static inline int place_set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    if (place == NULL) {
        return -1;
    }
    (void)snprintf(place->folder, sizeof place->folder, "/tmp/mw-iot-XXXXXX");
    if (mkdtemp(place->folder) == NULL || mw_plant_read(&place->plant, NULL, NULL) != MW_OK) {
        free(place);
        return -1;
    }
    set_text(&place->plant.plant, "p");
    set_text(&place->plant.data, place->folder);
    *state = place;
    return 0;
}

static inline void place_stop_broker(struct place *place)
{
    if (place->broker > 0) {
        (void)kill(place->broker, SIGKILL);
        (void)waitpid(place->broker, NULL, 0);
        place->broker = 0;
    }
}

static inline int place_remove_one(const char *path, const struct stat *status, int type,
                                   struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static inline int place_tear_down(void **state)
{
    struct place *place = *state;
    place_stop_broker(place);
    mw_plant_clear(&place->plant);
    (void)nftw(place->folder, place_remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(place);
    return 0;
}

/* Starts the broker, at the same port each time. */
static inline void place_start_broker(struct place *place)
{
    if (place->mosquitto.port == 0) {
        char url[64];
        struct mw_error error = {0};
        if (mw_mosquitto_prepare(&place->mosquitto, place->folder, &error) != MW_OK) {
            print_message("skipped: %s\n", error.text);
            skip();
        }
        (void)snprintf(url, sizeof url, "mqtt://127.0.0.1:%u", place->mosquitto.port);
        place_write(place, "password", place->mosquitto.password);
        set_text(&place->plant.broker.url, url);
        set_text(&place->plant.broker.username, place->mosquitto.username);
        set_text(&place->plant.broker.password_file, place_path(place, "password"));
    }
    place->broker = fork();
    if (place->broker == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when an assertion ends the test */
        int null = open("/dev/null", O_WRONLY);
        (void)dup2(null, 1);
        (void)dup2(null, 2);
        (void)execv(place->mosquitto.argv[0], place->mosquitto.argv);
        _exit(127);
    }
    assert_true(place->broker > 0);
    int64_t end = mw_clock_monotonic() + TEST_LIMIT;
    while (!mw_mosquitto_accepts(&place->mosquitto)) {
        assert_true(mw_clock_monotonic() < end);
        (void)usleep(2000);
    }
}

struct running {
    struct mw_loop *loop;
    bool (*done)(void *context);
    void *context;
    bool late;
};

static inline void run_check(void *context)
{
    struct running *running = context;
    if (running->done(running->context)) {
        mw_loop_stop(running->loop);
    }
}

static inline void run_late(void *context)
{
    struct running *running = context;
    running->late = true;
    mw_loop_stop(running->loop);
}

/* Runs until done(context) holds; fails the test after TEST_LIMIT. */
static inline void run_until(struct mw_loop *loop, bool (*done)(void *context), void *context)
{
    struct running running = {.loop = loop, .done = done, .context = context};
    struct mw_loop_watch *check = NULL, *limit = NULL;
    assert_ok(mw_loop_add_after(loop, run_check, &running, &check, error));
    assert_ok(mw_loop_add_timer(loop, TEST_LIMIT, 0, run_late, &running, &limit, error));
    mw_loop_wake(loop);
    assert_ok(mw_loop_run(loop, error));
    mw_loop_remove(loop, check);
    mw_loop_remove(loop, limit);
    assert_false(running.late);
}

#endif
