/* metrics_table.c - which figures of run/<role>.json are metrics, and what they mean. */
#include "lib/base/metrics.h"

#include <string.h>

static const struct mw_metrics_row bridge[] = {
    {.key = "connected", .name = "connected", .help = "1 while the broker is reached"},
    {.key = "paused", .name = "paused", .help = "1 while the stream cannot be written"},
    {.key = "records", .name = "records_total", .help = "Telemetry records stored"},
    {.key = "sketches", .name = "sketches_total", .help = "Sketches stored"},
    {.key = "unnumbered", .name = "unnumbered_total", .help = "Records stored that had no number"},
    {.key = "messages", .name = "messages_total", .help = "Messages taken from the broker"},
    {.key = "events", .name = "events_total", .help = "Maintenance events stored"},
    {.key = "statuses", .name = "statuses_total", .help = "Statuses stored"},
    {.key = "dead", .name = "dead_total", .help = "Dead letters"},
    {.key = "again", .name = "again_total", .help = "Records that had been taken before"},
    {.key = "ahead", .name = "ahead_total", .help = "Records that came too early"},
    {.key = "gaps", .name = "gaps_total", .help = "Gaps in the numbers of Sparkplug edge nodes"},
    {.key = "rebirths", .name = "rebirths_total", .help = "Births asked of Sparkplug devices"},
    {.key = "passed",
     .name = "passed_total",
     .help = "Messages handed on to the bridges whose they are"},
    {.key = "astray",
     .name = "astray_total",
     .help = "Messages that were another bridge's, dropped"},
    {.key = "positions", .name = "devices", .help = "Devices with a position"},
    {.key = "updates", .name = "updates_total", .help = "Desired states sent"},
    {.key = "parts", .name = "parts_total", .help = "Parts of bundles sent"},
    {.key = "commands", .name = "commands_total", .help = "Commands sent for the first time"},
    {.key = "commands_answered", .name = "commands_answered_total", .help = "Commands answered"},
    {.key = "commands_expired",
     .name = "commands_expired_total",
     .help = "Commands that expired without an answer"},
    {.key = "commands_waiting",
     .name = "commands_waiting",
     .help = "Commands without an answer yet"},
    {.key = "away", .name = "kafka_away", .help = "1 while Kafka does not answer"},
    {.key = "spooled",
     .name = "spooled",
     .help = "Records and values that wait for Kafka on the disk"},
    {.key = "spool_bytes", .name = "spool_bytes", .help = "Room that these take"},
    {.key = "spool_merged",
     .name = "spool_merged_total",
     .help = "Sketches that a full spool has added up"},
    {.key = "spool_dropped",
     .name = "spool_dropped_total",
     .help = "Records that a full spool has dropped"},
};

static const struct mw_metrics_row score[] = {
    {.key = "records", .name = "records_total", .help = "Telemetry records read"},
    {.key = "scored", .name = "scored_total", .help = "Of these with a score"},
    {.key = "unserved",
     .name = "unserved_total",
     .help = "Of these without a bundle for their device"},
    {.key = "dead", .name = "dead_total", .help = "Records refused with a reason"},
    {.key = "commands", .name = "commands_total", .help = "Commands given"},
    {.key = "loads", .name = "bundle_loads_total", .help = "Bundles loaded"},
    {.key = "refused", .name = "bundles_refused_total", .help = "Bundles refused"},
    {.key = "bundles", .name = "bundles", .help = "Bundles in use"},
    {.key = "hosted", .name = "shares", .help = "Shares of the stream that this process scores"},
};

static const struct mw_metrics_row watch[] = {
    {.key = "records", .name = "records_total", .help = "Records and sketches read"},
    {.key = "alarms", .name = "drift_alarms_total", .help = "Drift alarms"},
    {.key = "machines", .name = "machines", .help = "Machines watched"},
    {.key = "drifted",
     .name = "drifted_machines",
     .help = "Machines that an alarm under the bundle in use was about"},
    {.key = "bundles", .name = "bundles", .help = "Bundles watched"},
};

static const struct mw_metrics_row learn[] = {
    {.key = "labelled", .name = "labelled_records", .help = "Records with a label"},
    {.key = "positives", .name = "positive_records", .help = "Of these before a failure"},
    {.key = "commissioning",
     .name = "commissioning_machines",
     .help = "Machines without a baseline yet"},
    {.key = "training", .name = "training", .help = "1 while the pipeline runs"},
    {.key = "models", .name = "models", .help = "Models published"},
    {.key = "drifted", .name = "drifted_models", .help = "Of these that have drifted"},
    {.key = "waiting", .name = "waiting_models", .help = "Of these that wait for labels"},
};

static const struct mw_metrics_row thing[] = {
    {.key = "latency_ms.n",
     .name = "commands_measured",
     .help = "Commands whose latency was measured"},
#define LATENCY                        \
    .name = "command_latency_seconds", \
    .help = "From a record sent to the command that came of it", .scale = 1e-3
    {.key = "latency_ms.p50", LATENCY, .labels = "quantile=\"0.5\""},
    {.key = "latency_ms.p99", LATENCY, .labels = "quantile=\"0.99\""},
    {.key = "latency_ms.max", LATENCY, .labels = "quantile=\"1\""},
#undef LATENCY
    {.key = "devices.*.published",
     .name = "published_records",
     .help = "Numbered records that the devices have made"},
    {.key = "devices.*.waiting",
     .name = "waiting_records",
     .help = "Records in the outboxes, not acknowledged yet"},
    {.key = "devices.*.dropped",
     .name = "dropped_records",
     .help = "Records given up for want of space"},
    {.key = "devices.*.suppressed",
     .name = "suppressed_records",
     .help = "Records that level 2 did not forward"},
};

static const struct mw_metrics_row serve[] = {
    {.key = "records", .name = "records_total", .help = "Telemetry records followed"},
    {.key = "scores", .name = "scores_total", .help = "Scores followed"},
    {.key = "events", .name = "events_total", .help = "Events taken from the page or the API"},
    {.key = "things", .name = "things", .help = "Things known"},
    {.key = "rollouts", .name = "rollouts", .help = "Rollouts known"},
};

static const struct mw_metrics_row node[] = {
    {.key = "devices.{class}", .name = "devices", .help = "Accelerators offered to the kubelet"},
    {.key = "doubted",
     .name = "look_stuck",
     .help = "1 while a look at the devices does not return"},
};

static const struct mw_metrics_row operate[] = {
    {.key = "leads", .name = "leader", .help = "1 while this operator acts"},
    {.key = "plants", .name = "plants", .help = "Plants known"},
    {.key = "busy", .name = "plants_busy", .help = "Plants being worked on"},
    {.key = "nodes", .name = "device_nodes", .help = "Nodes with accelerators"},
    {.key = "passes", .name = "passes_total", .help = "Plants looked at"},
    {.key = "failures", .name = "failures_total", .help = "Of these to be tried again"},
};

static const struct mw_metrics_row relay[] = {
    {.key = "connections", .name = "connections", .help = "Handles of the stream that it serves"},
};

const struct mw_metrics_row *mw_metrics_rows(const char *role, size_t *n)
{
#define ROLE(name)                                \
    {                                             \
#name, name, sizeof name / sizeof *(name) \
    }
    static const struct {
        const char *role;
        const struct mw_metrics_row *rows;
        size_t n;
    } tables[] = {ROLE(bridge), ROLE(score), ROLE(watch),   ROLE(learn), ROLE(thing),
                  ROLE(serve),  ROLE(node),  ROLE(operate), ROLE(relay)};
#undef ROLE
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        if (strcmp(tables[i].role, role) == 0) {
            *n = tables[i].n;
            return tables[i].rows;
        }
    }
    *n = 0;
    return NULL;
}
