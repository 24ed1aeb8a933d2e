/* bridge_foreign_test_place.h - what a bridge takes in of other layouts, with a clock that a test
 * sets and a broker that keeps what was sent last. */
#ifndef MW_PLATFORM_BRIDGE_FOREIGN_TEST_PLACE_H
#define MW_PLATFORM_BRIDGE_FOREIGN_TEST_PLACE_H

#include "lib/base/test.h"
#include "tiers/platform/bridge_foreign.h"

#define NOW 1000 /* seconds, when a test begins */

struct place {
    struct mw_plant plant; /* read by the test, before place_begin */
    struct mw_bridge_intake intake;
    struct mw_bridge_foreign foreign;
    struct mw_clock clock;
    int64_t now;                    /* of either clock, microseconds */
    bool away;                      /* nothing can be sent */
    char topic[256], payload[1024]; /* what was sent last, with a NUL behind its `size` bytes */
    size_t size;
    uint8_t qos;
    unsigned sent;
};

static inline int64_t place_now(void *context)
{
    return ((const struct place *)context)->now;
}

static inline mw_err place_publish(void *context, const char *topic, struct mw_span payload,
                                   uint8_t qos, bool retain)
{
    struct place *place = context;
    assert_false(retain);
    assert_true(payload.size < sizeof place->payload);
    snprintf(place->topic, sizeof place->topic, "%s", topic);
    memcpy(place->payload, payload.data, payload.size);
    place->payload[payload.size] = '\0';
    place->size = payload.size;
    place->qos = qos;
    place->sent++;
    return MW_OK;
}

static inline bool place_has_room(void *context)
{
    return !((const struct place *)context)->away;
}

static inline struct place *place_new(void)
{
    struct place *place = calloc(1, sizeof *place);
    assert_non_null(place);
    place->clock = (struct mw_clock){place_now, place};
    place->now = NOW * MW_SECOND;
    return place;
}

static inline void place_begin(struct place *place)
{
    struct mw_bridge_sender sender = {place_publish, place_has_room, place};
    assert_int_equal(mw_bridge_intake_init(&place->intake, "p", -1, place->clock), MW_OK);
    assert_ok(
        mw_bridge_foreign_init(&place->foreign, &place->plant, &place->intake, sender, error));
    place->foreign.sparkplug.monotonic = place->foreign.control.monotonic = place->clock;
}

static inline int tear_down(void **state)
{
    struct place *place = *state;
    mw_bridge_foreign_clear(&place->foreign);
    mw_bridge_intake_clear(&place->intake);
    mw_plant_clear(&place->plant);
    free(place);
    return 0;
}

#endif
