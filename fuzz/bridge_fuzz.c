/* The bridge's door for MQTT messages: the first byte chooses the topic, the rest is the payload.
 * Each message is given twice, so that positions are met in more than one state. */
#include "tiers/platform/bridge_intake.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_ack(void *context, const char *device, struct mw_span json)
{
    (void)context;
    if (device == NULL || json.size == 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const topics[] = {"mw/p/telemetry/m", "mw/p/status/m", "mw/p/event/m",
                                         "mw/p/telemetry/",  "mw/p",          "mw/p/other/m"};
    static struct mw_bridge_intake intake;
    static bool ready;
    if (!ready) {
        ready = mw_bridge_intake_init(&intake, "p", 1000000, mw_clock_system) == MW_OK;
    }
    if (size == 0 || !ready) {
        return 0;
    }
    struct mw_span topic = mw_span_of(topics[data[0] % (sizeof topics / sizeof *topics)]);
    struct mw_span payload = {(const char *)data + 1, size - 1};
    for (int i = 0; i < 2; i++) {
        if (mw_bridge_intake_take(&intake, topic, payload, 1, 1) != MW_OK ||
            mw_bridge_intake_seal(&intake) != MW_OK) {
            abort();
        }
        /* Whatever came, what goes into the stream is JSON. */
        for (size_t k = 0; k < intake.round.n_items; k++) {
            if (mw_wire_open(intake.parser, mw_bridge_item_value(&intake.round, k), NULL) !=
                MW_OK) {
                abort();
            }
        }
        mw_bridge_intake_stored(&intake, on_ack, NULL);
    }
    mw_table_clear(&intake.devices, mw_bridge_device_free);
    return 0;
}
