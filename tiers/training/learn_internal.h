/* learn_internal.h - what the files of the learner's role share. */
#ifndef MW_TRAINING_LEARN_INTERNAL_H
#define MW_TRAINING_LEARN_INTERNAL_H

#include "core/wire/message.h"
#include "lib/artifact/store.h"
#include "lib/base/file.h"
#include "lib/base/role.h"
#include "lib/plant/plant.h"
#include "lib/stream/stream.h"
#include "tiers/training/commission.h"
#include "tiers/training/facts.h"
#include "tiers/training/own_models.h"
#include "tiers/training/policy.h"

#include <limits.h>
#include <sys/types.h>

/* Of a run that was asked for: hex digits. With the longest name of a Plant before it and the
 * longest step behind, it still makes a name of Kubernetes. */
#define MW_LEARN_RUN 13

struct mw_learn {
    const struct mw_plant *plant;
    struct mw_role role;
    struct mw_stream *in;  /* reads from the start: all state is derived from the stream */
    struct mw_stream *out; /* writer "learn" */
    struct mw_stream_reader *reader;
    struct mw_stream_record *records;
    struct mw_wire_parser *parser;
    void *parser_memory;
    struct mw_telemetry telemetry; /* scratch */
    struct mw_buffer json;
    struct mw_commission *commission;
    struct mw_facts *facts;
    struct mw_policy policy;               /* with model.scope plant */
    struct mw_own_models *own;             /* with model.scope machine */
    struct mw_policy_counts counts, begun; /* begun: that the last training started with */
    int64_t begun_at;                      /* when that was; 0: none was started */
    char *request;                         /* JSON of who last asked for one; NULL: nobody did */
    int64_t newest;                        /* time of a record so far */
    char published[MW_DIGEST_TEXT];        /* the last model of the whole plant */
    bool news;                             /* something came that can change the counts */
    int64_t count_again;                   /* monotonic: not before */
    pid_t child;
    bool told; /* a model was published since the child was started, and that has been read */
    enum mw_policy_cause cause;    /* the child's, as is the rest */
    int64_t since;                 /* judged, or trained, by the records from then on */
    char machine[MW_NAME_MAX + 1]; /* with model.scope machine; else empty */
    char work[PATH_MAX];
    /* What was asked for of a cluster, and nothing has come of it yet; "": nothing. */
    char run[MW_LEARN_RUN], run_machine[MW_NAME_MAX + 1];
    double run_over; /* seconds UTC, when the newest training came to an end */
    struct mw_loop_watch *look, *second;
};

/* learn_train.c: one record in a transaction of its own, and, with `keep`, as the key's newest
 * value; the pipeline as a child, and what is told of it. */
mw_err mw_learn_append(struct mw_learn *learn, const char *topic, struct mw_span key,
                       struct mw_span json, bool keep, struct mw_error *error);
/* machine: NULL with model.scope plant. policy: that asked for it. */
void mw_learn_start(struct mw_learn *learn, const char *machine, const struct mw_policy *policy,
                    enum mw_policy_cause cause);
void mw_learn_ended(struct mw_learn *learn, int status);
/* Is a training under way, by ourselves or by whoever runs the pipeline of a cluster? */
bool mw_learn_trains(const struct mw_learn *learn);
/* The name of a run: of what it is asked for, so that the same alarm asks for the same run. */
void mw_learn_name_run(const struct mw_learn *learn, char run[MW_LEARN_RUN]);

/* What is waited for where an autoencoder has drifted. */
#define MW_LEARN_WAITS_FOR "an inspection that finds no fault, or a repair"

/* learn_follow.c: takes in one record of the stream. MEMORY, and errors of the stream. */
mw_err mw_learn_take(struct mw_learn *learn, const struct mw_stream_record *record,
                     struct mw_error *error);

#endif
