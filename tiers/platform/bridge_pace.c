#include "tiers/platform/bridge_pace.h"

#include "lib/base/clock.h"

#define WINDOW (MW_SECOND / 10)
#define SLOPE 4.0 /* microseconds of rest for each message a second above MW_BRIDGE_BUSY */

int64_t mw_bridge_pace_rest(struct mw_bridge_pace *pace, size_t messages, int64_t began,
                            int64_t now)
{
    pace->messages += messages;
    if (now - pace->since >= WINDOW) {
        pace->rate = (double)pace->messages * (double)MW_SECOND / (double)(now - pace->since);
        pace->since = now;
        pace->messages = 0;
    }
    if (pace->rate <= MW_BRIDGE_BUSY) {
        return 0;
    }
    double most = (pace->rate - MW_BRIDGE_BUSY) * SLOPE;
    double enough = MW_BRIDGE_ENOUGH / pace->rate * (double)MW_SECOND - (double)(now - began);
    double rest = enough < most ? enough : most;
    return rest <= 0 ? 0 : rest >= MW_BRIDGE_REST_MAX ? MW_BRIDGE_REST_MAX : (int64_t)rest;
}
