/* rollout.h - the staged move of a fleet from one bundle to another, as a state machine.
 *
 *   canary ──> all ──> done          canary:  some things get the bundle first, chosen by name
 *     │         │ └─> stalled ┘               among those alive, ones in alarm last
 *     ├─────────┴──> rolled-back     all:     everyone gets it
 *     └────> halted (by a person)    done:    all things alive and the scorer report it
 *                                    stalled: some have not in time; done when they have
 *
 * Gates that roll back by themselves: a thing or the scorer refuses the bundle; a canary does not
 * report it in time, or its records come and after that time are not scored; the canaries' alarm
 * rate (scores >= 0.8, each weighted with 1/p, p being the record's probability of being forwarded)
 * under the new bundle is more than alarm_ratio times that under the one before, or than the bundle
 * itself foresees by more than chance explains. While it may be chance, the rollout waits for more
 * scores. A bundle of one machine has that machine's device as its canary; with config.canary 0 it
 * goes there without a trial.
 *
 * Pure: time comes in as an argument (microseconds UTC), effects go out through callbacks. Not
 * thread-safe. */
#ifndef MW_PLATFORM_ROLLOUT_H
#define MW_PLATFORM_ROLLOUT_H

#include "core/wire/message.h"
#include "lib/artifact/store.h"
#include "lib/base/error.h"
#include "tiers/platform/table.h"

#define MW_ROLLOUT_ID 24
#define MW_ROLLOUT_REASON 200
#define MW_ROLLOUT_ALARM 0.8F /* a score from here on is an alarm: band immediate */

enum mw_rollout_stage {
    MW_ROLLOUT_CANARY,
    MW_ROLLOUT_ALL,
    MW_ROLLOUT_STALLED,
    MW_ROLLOUT_DONE,
    MW_ROLLOUT_ROLLED_BACK,
    MW_ROLLOUT_HALTED
};
const char *mw_rollout_stage_name(enum mw_rollout_stage stage);

/* Scores under one bundle. */
struct mw_rollout_evidence {
    uint64_t scores, alarms;     /* as they came */
    double weight, alarm_weight; /* sums of 1/p */
};

struct mw_rollout {
    char id[MW_ROLLOUT_ID];
    int64_t time, since; /* begun; in this stage since */
    char bundle[MW_DIGEST_TEXT];
    char previous[MW_DIGEST_TEXT]; /* what served before; empty: nothing */
    char machine[MW_NAME_MAX + 1]; /* empty: the whole plant */
    enum mw_rollout_stage stage;
    char reason[MW_ROLLOUT_REASON]; /* why it is where it is */
    char (*canary)[MW_NAME_MAX + 1];
    size_t n_canaries;
    double expected; /* share of alarms that the bundle foresees (below); NaN: unknown */
    struct mw_rollout_evidence before, after; /* of the canaries */
    bool scorer;                              /* the scorer was seen to run it */
};

/* A thing as the engine sees it. */
struct mw_rollout_thing {
    struct mw_table_key key;
    char name[MW_NAME_MAX + 1], machine[MW_NAME_MAX + 1];
    int64_t seen; /* last sign of life */
    bool gone;    /* its will was published */
    bool carrier; /* it reports bundles, so it runs models itself */
    char reported[MW_DIGEST_TEXT], refused[MW_DIGEST_TEXT], reason[MW_ROLLOUT_REASON];
    char refused_in[MW_ROLLOUT_ID];      /* the roll-out whose order it refused; empty: not told */
    char model[MW_DIGEST_TEXT];          /* of its newest score */
    struct mw_rollout_evidence evidence; /* under that model */
    uint64_t unscored;                   /* records since its newest score */
    float score;
};

struct mw_rollout_config {
    int64_t canary, records;
    double alarm_ratio;
    int64_t timeout; /* microseconds */
};

struct mw_rollout_effects {
    /* Desired state of a device, or of all ("*"). An empty bundle: none. */
    void (*update)(void *context, const char *device, const char *bundle, const char *rollout,
                   const char *stage);
    /* The rollout is new or has changed: keep it, tell it. */
    void (*changed)(void *context, const struct mw_rollout *rollout);
    void *context;
};

struct mw_rollout_engine {
    struct mw_rollout_config config;
    struct mw_rollout_effects effects;
    int64_t started;
    struct mw_table things;     /* struct mw_rollout_thing, owned */
    struct mw_rollout *rollout; /* by number, the newest last */
    size_t n_rollouts;
    uint64_t last_number;
};

void mw_rollout_engine_init(struct mw_rollout_engine *engine,
                            const struct mw_rollout_config *config,
                            const struct mw_rollout_effects *effects, int64_t now);
void mw_rollout_engine_clear(struct mw_rollout_engine *engine);

/* Takes back a rollout as it was kept (moved from, its canary list with it). In any order. */
mw_err mw_rollout_load(struct mw_rollout_engine *engine, struct mw_rollout *rollout);

/* What is heard of things. machine, p: of a record; p 0 when it is not known, which makes the score
 * no evidence. */
struct mw_rollout_thing *mw_rollout_seen(struct mw_rollout_engine *engine, struct mw_span device,
                                         struct mw_span machine, int64_t now);
void mw_rollout_record(struct mw_rollout_engine *engine, struct mw_span device,
                       struct mw_span machine, int64_t now);
void mw_rollout_gone(struct mw_rollout_engine *engine, struct mw_span device);
void mw_rollout_score(struct mw_rollout_engine *engine, struct mw_span device, struct mw_span model,
                      float score, double p, int64_t now);
/* bundle and refused may be empty; all are cut to what they can be. `rollout` is the roll-out whose
 * order was refused, empty when the thing does not tell: a status goes on telling of an old refusal
 * until the thing has heard of the next order, and then says nothing about that one. */
void mw_rollout_reported(struct mw_rollout_engine *engine, struct mw_span device,
                         struct mw_span bundle, struct mw_span refused, struct mw_span reason,
                         struct mw_span rollout, int64_t now);
/* serves: the device that the scorer speaks of, "*" for all that have no entry of their own. */
void mw_rollout_scorer_reported(struct mw_rollout_engine *engine, struct mw_span serves,
                                struct mw_span bundle, struct mw_span refused,
                                struct mw_span reason, int64_t now);

/* Time goes by: call about every second. */
void mw_rollout_tick(struct mw_rollout_engine *engine, int64_t now);

/* Begins a rollout of a bundle, to the plant or, when machine is not empty, to that machine's
 * device. expected: as in struct mw_rollout. One that is on its way in the same scope is
 * superseded. EXISTS when just this bundle is on its way or in use there already; ARGUMENT when it
 * is no digest. */
mw_err mw_rollout_start(struct mw_rollout_engine *engine, const char *bundle, const char *machine,
                        double expected, int64_t now, struct mw_error *error);
/* Stops, or takes back, a rollout; id NULL: the newest one of the plant. A done one can be taken
 * back, too. NOT_FOUND, STATE. */
mw_err mw_rollout_halt(struct mw_rollout_engine *engine, const char *id, const char *by,
                       int64_t now, struct mw_error *error);
mw_err mw_rollout_back(struct mw_rollout_engine *engine, const char *id, const char *by,
                       int64_t now, struct mw_error *error);

/* The bundle in use in a scope (machine "": the plant); "" when there is none. */
const char *mw_rollout_in_use(const struct mw_rollout_engine *engine, const char *machine);

/* What a rollout that is on its way waits for, for people; "" for any other. */
void mw_rollout_waits(const struct mw_rollout_engine *engine, const struct mw_rollout *rollout,
                      int64_t now, char text[MW_ROLLOUT_REASON]);

/* Heard of lately and not known to be gone. */
bool mw_rollout_alive(const struct mw_rollout_engine *engine, const struct mw_rollout_thing *thing,
                      int64_t now);

/* At most what share of records the bundle foresees an alarm for, in [0,1]: the share of its
 * reference scores in bins that reach above 0.5, which are of healthy records, plus its base rate
 * of the others. NaN when it has no reference scores. */
struct mw_bundle;
double mw_rollout_expected_alarms(const struct mw_bundle *bundle);

/* JSON, both ways (protocol.md, topic `rollout`). */
struct mw_buffer;
mw_err mw_rollout_print(const struct mw_rollout *rollout, struct mw_buffer *out);
mw_err mw_rollout_parse(struct mw_span json, struct mw_rollout *rollout);

#endif
