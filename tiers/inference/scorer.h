/* scorer.h - the scorer without its loop: what the files of this folder and its tests share.
 *
 * A step polls a batch, handles each record in order and commits. Whatever the stream refuses rolls
 * the whole batch back; the state in memory is then read anew from what was committed. */
#ifndef MW_INFERENCE_SCORER_H
#define MW_INFERENCE_SCORER_H

#include "core/wire/message.h"
#include "lib/artifact/bundle.h"
#include "lib/artifact/trust.h"
#include "lib/plant/plant.h"
#include "lib/stream/stream.h"
#include "tiers/inference/score_index.h"
#include "tiers/inference/score_policy.h"

#define MW_SCORE_BATCH 1024

/* A bundle that is loaded and verified. */
struct mw_score_model {
    uint64_t serial; /* no two loads have the same */
    struct mw_runner runner;
    size_t place[MW_BUNDLE_FEATURES_MAX]; /* where each feature stood in the record before */
};

/* A device with a bundle of its own. */
struct mw_score_device {
    char name[MW_NAME_MAX + 1];
    struct mw_score_model *model; /* NULL: that of "*" serves it */
};

struct mw_score_machine {
    char name[MW_NAME_MAX + 1];
    struct mw_buffer baseline_text;              /* as it came; empty: identity */
    struct mw_baseline baseline;                 /* the same for one bundle's features */
    uint64_t baseline_serial;                    /* of the model that it was made for; 0: of none */
    struct mw_score_policy policy, saved_policy; /* now, and as last stored */
    bool touched;                                /* by this batch */
};

struct mw_score_counts {
    uint64_t records;  /* telemetry read */
    uint64_t scored;   /* with a score */
    uint64_t unserved; /* without any bundle for their device */
    uint64_t dead;     /* refused with a reason */
    uint64_t commands, loads, refused;
};

struct mw_scorer {
    const struct mw_plant *plant; /* borrowed */
    struct mw_stream *stream;
    struct mw_stream_reader *reader;
    struct mw_store *store;
    struct mw_wire_parser *parser;
    void *parser_memory;
    struct mw_score_model **models;
    size_t n_models;
    uint64_t serials;
    struct mw_score_index devices, machines;
    struct mw_score_device fallback; /* "*" */
    struct mw_score_machine **touched;
    size_t n_touched, touched_capacity;
    struct mw_score_counts counts; /* of what is committed and of the batch under way */
    struct mw_score_counts committed;
    bool stale;      /* memory is ahead of the stream: read it anew */
    bool reassigned; /* some model may have lost its last device */
    size_t batch;    /* records a step, at most MW_SCORE_BATCH */
    struct mw_buffer text;
    struct mw_telemetry telemetry;
    struct mw_stream_record records[MW_SCORE_BATCH];
};

/* `plant` must outlive the scorer. share: which of the plant's shares, score_share.h. Errors: of
 * the stream, the store, MEMORY, STATE (the stream is divided otherwise than the plant says). */
mw_err mw_scorer_open(struct mw_scorer **scorer, const struct mw_plant *plant, size_t share,
                      struct mw_error *error);
void mw_scorer_close(struct mw_scorer *scorer); /* NULL allowed */

/* One batch; *count records were handled and committed, 0 when there was nothing. After an error
 * nothing of the batch is stored, and the next step tries it again. */
mw_err mw_scorer_step(struct mw_scorer *scorer, size_t *count, struct mw_error *error);

/* score_models.c: finds or loads a bundle. Every reason not to is in the error. */
mw_err mw_score_model_load(struct mw_scorer *scorer, const char *digest,
                           struct mw_score_model **model, struct mw_error *error);
void mw_score_models_drop_unused(struct mw_scorer *scorer);
void mw_score_models_clear(struct mw_scorer *scorer);
/* The model for a device, or NULL. */
struct mw_score_model *mw_score_model_of(const struct mw_scorer *scorer, struct mw_span device);

/* score_state.c: what lies in memory and in the compacted topics. */
mw_err mw_score_state_load(struct mw_scorer *scorer, struct mw_error *error);
mw_err mw_score_state_save(struct mw_scorer *scorer, struct mw_error *error);
void mw_score_state_clear(struct mw_scorer *scorer);
/* The entry of a device ("*" is one) or machine, made when missing. MEMORY, ARGUMENT (no name). */
mw_err mw_score_device_entry(struct mw_scorer *scorer, struct mw_span name,
                             struct mw_score_device **device);
mw_err mw_score_machine_entry(struct mw_scorer *scorer, struct mw_span name,
                              struct mw_score_machine **machine);
/* Notes that the batch may have changed the machine's policy. */
mw_err mw_score_machine_touch(struct mw_scorer *scorer, struct mw_score_machine *machine);
void mw_score_machine_set_baseline(struct mw_score_machine *machine, struct mw_span text);

/* score_telemetry.c, score_control.c: one record each. Only errors of the stream and MEMORY come
 * back; a record that is no good becomes a dead letter or a refusal. */
mw_err mw_score_take_telemetry(struct mw_scorer *scorer, const struct mw_stream_record *record,
                               struct mw_error *error);
mw_err mw_score_take_update(struct mw_scorer *scorer, const struct mw_stream_record *record,
                            struct mw_error *error);
/* What an update asks: *digest, "" for no bundle. *name comes in as the record's key and, when that
 * is empty, goes out as the device that the text names. PARSE. */
mw_err mw_score_read_update(struct mw_wire_parser *parser, struct mw_span text,
                            struct mw_span *name, char digest[MW_DIGEST_TEXT]);
mw_err mw_score_take_baseline(struct mw_scorer *scorer, const struct mw_stream_record *record,
                              struct mw_error *error);
mw_err mw_score_take_event(struct mw_scorer *scorer, const struct mw_stream_record *record,
                           struct mw_error *error);

/* score_dead.c: appends a dead letter. telemetry NULL: the device is the record's key. */
mw_err mw_score_bury(struct mw_scorer *scorer, const struct mw_stream_record *record,
                     const struct mw_telemetry *telemetry, const char *reason,
                     struct mw_error *error);
/* Appends a JSON string with its quotes; what is not printable ASCII becomes '?'. */
mw_err mw_score_add_text(struct mw_buffer *json, const char *text);

#endif
