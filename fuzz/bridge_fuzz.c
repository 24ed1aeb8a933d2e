/* The bridge's door for MQTT messages: the first byte chooses the topic, the rest is the payload.
 * Each message is given twice, so that positions are met in more than one state; a birth comes
 * before what Sparkplug's devices say. */
#include "lib/base/log.h"
#include "tiers/platform/bridge_foreign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_ack(void *context, const char *device, struct mw_span json)
{
    (void)context;
    if (device == NULL || json.size == 0) {
        abort();
    }
}

static mw_err publish(void *context, const char *topic, struct mw_span payload, uint8_t qos,
                      bool retain)
{
    struct mw_sparkplug_topic to;
    (void)context;
    (void)payload;
    if (mw_sparkplug_read_topic(mw_span_of(topic), &to) != MW_OK || qos > 1 || retain) {
        abort();
    }
    return MW_OK;
}

static struct mw_bridge_intake intake;
static struct mw_bridge_foreign foreign;
static struct mw_plant plant;

static bool prepare(void)
{
    struct mw_bridge_sender sender = {publish, NULL, NULL};
    mw_log_init("fuzz", MW_LOG_ERROR, MW_LOG_TEXT);
    return mw_bridge_intake_init(&intake, "p", 1000000, mw_clock_system) == MW_OK &&
           mw_plant_read(&plant, NULL, NULL) == MW_OK &&
           mw_options_set(mw_plant_options, &plant, "sparkplug.groups", "+", NULL, NULL) == MW_OK &&
           mw_topic_maps_add(&plant.topics, "a", "uns/{device}/{feature...}", NULL) == MW_OK &&
           mw_topic_maps_add(&plant.topics, "b", "flat", NULL) == MW_OK &&
           mw_topic_maps_add(&plant.topics, MW_PLANT_REFERENCE, "motor", NULL) == MW_OK &&
           mw_options_set(mw_plant_options, &plant, "reference.enabled", "true", NULL, NULL) ==
               MW_OK &&
           mw_bridge_foreign_init(&foreign, &plant, &intake, sender, NULL) == MW_OK;
}

static void pass_on(void *context, const char *topic, struct mw_span payload)
{
    (void)context;
    if (strncmp(topic, "mw/p/", 5) != 0 || strstr(topic, "/0") == NULL || payload.size == 0) {
        abort();
    }
}

/* The same message at the second of two bridges, which has none of the devices: from the shared
 * subscription, and as if another one had handed it on. */
static void give_to_other(struct mw_span topic, struct mw_span payload)
{
    char handed[64];
    snprintf(handed, sizeof handed, "%.*s/1", (int)topic.size, topic.data);
    intake.shares = 2;
    intake.share = 1;
    intake.pass.send = pass_on;
    if (mw_bridge_intake_take(&intake, topic, payload, 1, 1) != MW_OK ||
        mw_bridge_intake_take(&intake, mw_span_of(handed), payload, 1, 1) != MW_OK ||
        mw_bridge_intake_seal(&intake) != MW_OK) {
        abort();
    }
    mw_bridge_intake_stored(&intake, on_ack, NULL);
    intake.shares = 1;
    intake.share = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const topics[] = {"mw/p/telemetry/m",
                                         "mw/p/status/m",
                                         "mw/p/event/m",
                                         "mw/p/telemetry/",
                                         "mw/p",
                                         "mw/p/other/m",
                                         "uns/m/a/b",
                                         "uns/m",
                                         "flat",
                                         "spBv1.0/g/NBIRTH/n",
                                         "spBv1.0/g/DBIRTH/n/d",
                                         "spBv1.0/g/NDATA/n",
                                         "spBv1.0/g/NDEATH/n",
                                         "spBv1.0/g/DDATA/n/d",
                                         "spBv1.0/g/DDEATH/n/d",
                                         "spBv1.0/STATE/h",
                                         "control-message",
                                         "motor"};
    enum { FIRST_BIRTH = 9, LAST_BIRTH = 10 };
    static bool ready;
    ready = ready || prepare();
    if (size == 0 || !ready) {
        return 0;
    }
    struct mw_span topic = mw_span_of(topics[data[0] % (sizeof topics / sizeof *topics)]);
    struct mw_span payload = {(const char *)data + 1, size - 1};
    intake.duplicate = false;
    for (size_t i = FIRST_BIRTH; mw_span_is(topic, "spBv1.0/g/DDATA/n/d") && i <= LAST_BIRTH; i++) {
        if (mw_bridge_intake_take(&intake, mw_span_of(topics[i]), payload, 1, 1) != MW_OK) {
            abort();
        }
    }
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
        intake.duplicate = true;
    }
    if (strncmp(topic.data, "mw/", 3) == 0) {
        give_to_other(topic, payload);
    }
    mw_bridge_holder_clear(&foreign.holder);
    foreign.holder.intake = &intake;
    mw_table_clear(&intake.devices, mw_bridge_device_free);
    return 0;
}
