/* bridge_stats.c - run/bridge.json: what the bridge says of itself. */
#include "lib/mqtt/client.h"
#include "tiers/platform/bridge_condense.h"
#include "tiers/platform/bridge_far.h"

#include <stdio.h>
#include <unistd.h>

void mw_bridge_print_stats(struct mw_buffer *text, const struct mw_bridge_intake *intake,
                           const struct mw_bridge_outgoing *outgoing, double rate,
                           const struct mw_mqtt *mqtt, bool paused, const struct mw_bridge_far *far)
{
    const struct mw_bridge_counts *counts = &intake->counts;
    const struct {
        const char *name;
        uint64_t value;
    } figures[] = {
        {"records", counts->records},
        {"sketches", counts->sketches},
        {"unnumbered", counts->unnumbered},
        {"messages", counts->messages},
        {"events", counts->events},
        {"statuses", counts->statuses},
        {"dead", counts->dead},
        {"again", counts->again},
        {"ahead", counts->ahead},
        {"gaps", counts->gaps},
        {"rebirths", counts->rebirths},
        {"passed", counts->passed},
        {"astray", counts->astray},
        {"pending", intake->pending},
        {"positions", intake->devices.count},
        {"updates", outgoing->updates},
        {"parts", outgoing->parts},
        {"commands", outgoing->commands},
        {"commands_answered", outgoing->answered},
        {"commands_expired", outgoing->expired},
        {"commands_waiting", outgoing->pending.count},
    };
    mw_err err = mw_buffer_printf(
        text,
        "{\"v\":1,\"role\":\"bridge\",\"share\":%zu,\"shares\":%zu,\"pid\":%ld,\"time\":%.3f,"
        "\"connected\":%s,\"starting\":%s,\"paused\":%s,\"rate\":%.1f",
        intake->share, intake->shares, (long)getpid(), (double)mw_clock_utc() / (double)MW_SECOND,
        mqtt != NULL && mw_mqtt_connected(mqtt) ? "true" : "false",
        mqtt != NULL && mw_mqtt_starting(mqtt) ? "true" : "false", paused ? "true" : "false", rate);
    for (size_t i = 0; i < sizeof figures / sizeof *figures && err == MW_OK; i++) {
        err = mw_buffer_printf(text, ",\"%s\":%llu", figures[i].name,
                               (unsigned long long)figures[i].value);
    }
    if (err == MW_OK && far != NULL) {
        struct mw_bridge_condensed done = mw_bridge_spool_condensed(&far->spool);
        err = mw_buffer_printf(text,
                               ",\"spool\":\"%s\",\"away\":%s,\"spooled\":%llu,"
                               "\"spool_bytes\":%lld,"
                               "\"spool_merged\":%llu,\"spool_dropped\":%llu",
                               far->spool.mark.spool, far->near ? "false" : "true",
                               (unsigned long long)mw_bridge_spool_waiting(&far->spool),
                               (long long)far->spool.bytes, (unsigned long long)done.merged,
                               (unsigned long long)done.dropped);
    }
    err = err == MW_OK ? mw_buffer_add(text, "}\n", 2) : err;
    if (err != MW_OK) {
        mw_buffer_clear(text);
    }
}
