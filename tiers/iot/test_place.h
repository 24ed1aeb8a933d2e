/* test_place.h - what the tests of this folder share: a folder of their own, a plant in it, a
 * private mosquitto, and a loop that runs until something holds. */
#ifndef MW_IOT_TEST_PLACE_H
#define MW_IOT_TEST_PLACE_H

#include "lib/base/file.h"
#include "lib/base/test_loop.h"
#include "lib/mqtt/mosquitto.h"
#include "lib/plant/plant.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

struct place {
    char folder[64];
    struct mw_plant plant;
    struct mw_mosquitto mosquitto;
    pid_t broker; /* 0: not running */
};

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
    assert_non_null(place);
    test_folder_make(place->folder);
    assert_ok(mw_plant_read(&place->plant, NULL, error));
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

static inline int place_tear_down(void **state)
{
    struct place *place = *state;
    place_stop_broker(place);
    mw_plant_clear(&place->plant);
    test_folder_remove(place->folder);
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

#endif
