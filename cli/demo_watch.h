/* demo_watch.h - follows a running plant from outside, by its stream, and keeps what the story and
 * the report need. */
#ifndef MW_CLI_DEMO_WATCH_H
#define MW_CLI_DEMO_WATCH_H

#include "cli/demo_truth.h"
#include "core/wire/message.h"
#include "lib/artifact/store.h"
#include "lib/plant/plant.h"
#include "lib/stream/stream.h"

#define MW_DEMO_MACHINES 64
#define MW_DEMO_MODELS 16

struct mw_demo_score {
    uint32_t machine; /* index */
    uint32_t model;   /* index, in order of publication */
    int64_t time;
    float score, weight;
    bool twin; /* of what a stopped machine's twin did, not of a live one */
};

struct mw_demo_command {
    char id[128], machine[64];
    int64_t time, wall; /* of the record that caused it; when the demo saw it */
    bool done;
};

struct mw_demo_model {
    char digest[MW_DIGEST_TEXT];
    int64_t started, published, everywhere; /* wall; 0: not yet */
    bool drift;                             /* trained after a drift alarm */
    double auc;                             /* on its validation records, int8 */
    uint64_t records, positives;
};

struct mw_demo_watch {
    const struct mw_plant *plant;
    struct mw_stream *stream;
    struct mw_stream_reader *reader;
    struct mw_stream_record *records;
    struct mw_wire_parser *parser;
    void *parser_memory;
    struct mw_telemetry telemetry;

    struct mw_demo_truth truth;
    char machine[MW_DEMO_MACHINES][64];
    char running[MW_DEMO_MACHINES][MW_DIGEST_TEXT]; /* bundle that each thing reports */
    bool scored[MW_DEMO_MACHINES];
    enum mw_band band[MW_DEMO_MACHINES]; /* of its newest score */
    float *weight[MW_DEMO_MACHINES];     /* 1/p by seq */
    size_t weights[MW_DEMO_MACHINES];
    size_t machines;

    struct mw_demo_score *score;
    size_t scores, score_capacity;
    struct mw_demo_command *command;
    size_t commands, command_capacity;
    struct mw_demo_model model[MW_DEMO_MODELS];
    size_t models;
    int64_t training_started, training_records, training_positives; /* the newest attempt */
    int64_t drift_wall, drift_time, drift_onset; /* first plant-wide alarm after the change */
    char drift_text[512], drift_features[512];
    unsigned drift_alarms, refused;
    char refusal[512];
    uint64_t telemetry_seen, events, failures, dead;
    int64_t newest; /* plant time */
};

mw_err mw_demo_watch_open(struct mw_demo_watch *watch, const struct mw_plant *plant,
                          struct mw_error *error);
void mw_demo_watch_close(struct mw_demo_watch *watch);

/* Takes in all that is new. */
mw_err mw_demo_watch_poll(struct mw_demo_watch *watch, struct mw_error *error);

/* Keeps one more score. Errors: MEMORY. */
mw_err mw_demo_watch_add_score(struct mw_demo_watch *watch, const struct mw_demo_score *score);

/* ROC AUC, weighted by 1/p, of the scores of model number `model` with plant time in [from, to),
 * of live machines and of twins, against the twins' truth; NaN when a class is missing. *n gets the
 * records judged. */
mw_err mw_demo_watch_auc(const struct mw_demo_watch *watch, size_t model, int64_t from, int64_t to,
                         double *auc, size_t *n, struct mw_error *error);

/* All things report this bundle. */
bool mw_demo_watch_everywhere(const struct mw_demo_watch *watch, const char *digest);

#endif
