/* relay_test_place.h - a place whose stream is behind a relay, in this process. */
#ifndef MW_STREAM_RELAY_TEST_PLACE_H
#define MW_STREAM_RELAY_TEST_PLACE_H

#include "lib/stream/relay.h"
#include "lib/stream/stream_test_place.h"

#include <pthread.h>

struct relay_place {
    struct place place; /* its URI is the relay's */
    char behind[512];   /* URI of the stream that the relay holds */
    char path[256];
    struct mw_relay *relay; /* NULL: stopped */
    pthread_t thread;
    int stop[2];
};

static inline void *relay_place_accept(void *context)
{
    const struct relay_place *held = context;
    for (;;) {
        struct pollfd wait[] = {{.fd = mw_relay_fd(held->relay), .events = POLLIN},
                                {.fd = held->stop[0], .events = POLLIN}};
        (void)poll(wait, 2, -1);
        char byte;
        if (wait[1].revents != 0 && read(held->stop[0], &byte, 1) == 1) {
            return NULL;
        }
        mw_relay_accept(held->relay);
    }
}

static inline int relay_place_start(struct relay_place *held, const char *plant)
{
    return mw_relay_new(&held->relay, held->path, held->behind, plant, &why) == MW_OK &&
                   pthread_create(&held->thread, NULL, relay_place_accept, held) == 0
               ? 0
               : -1;
}

static inline void relay_place_stop(struct relay_place *held)
{
    if (held->relay != NULL) {
        assert_int_equal(write(held->stop[1], "", 1), 1);
        assert_int_equal(pthread_join(held->thread, NULL), 0);
        mw_relay_free(held->relay);
        held->relay = NULL;
    }
}

static inline int relay_place_set_up(void **state)
{
    void *made = NULL;
    if (place_set_up(&made) != 0) {
        return -1;
    }
    struct relay_place *held = calloc(1, sizeof *held);
    if (held == NULL || pipe(held->stop) != 0) {
        return -1;
    }
    held->place = *(struct place *)made;
    free(made);
    const char *parent = getenv("TMPDIR");
    memcpy(held->behind, held->place.uri, sizeof held->behind);
    (void)snprintf(held->path, sizeof held->path, "%s/mw-%s.sock", parent == NULL ? "/tmp" : parent,
                   held->place.plant);
    (void)snprintf(held->place.uri, sizeof held->place.uri, "relay:%s", held->path);
    *state = held;
    return relay_place_start(held, NULL);
}

static inline int relay_place_tear_down(void **state)
{
    struct relay_place *held = *state;
    relay_place_stop(held);
    (void)close(held->stop[0]);
    (void)close(held->stop[1]);
    return place_tear_down(state);
}

#endif
