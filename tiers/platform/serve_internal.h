/* serve_internal.h - what the files of role `serve` share. */
#ifndef MW_PLATFORM_SERVE_INTERNAL_H
#define MW_PLATFORM_SERVE_INTERNAL_H

#include "lib/artifact/store.h"
#include "lib/base/role.h"
#include "lib/http/server.h"
#include "lib/plant/plant.h"
#include "lib/stream/stream.h"
#include "tiers/platform/bridge_round.h"
#include "tiers/platform/ledger.h"
#include "tiers/platform/rollout.h"
#include "tiers/platform/serve_reference.h"

#include <jansson.h>

/* A record of a thing, until its score comes. */
struct mw_serve_weight {
    uint64_t seq;
    uint32_t boot;
    float p; /* 0: it has its score */
};

/* Newest records of a thing whose p is remembered for their scores, with a scorer that keeps up and
 * at most; powers of two. */
#define MW_SERVE_WEIGHTS_FIRST 4
#define MW_SERVE_WEIGHTS 128

/* A thing as the page shows it. */
struct mw_serve_thing {
    struct mw_table_key key;
    char name[MW_NAME_MAX + 1];
    char machine[MW_NAME_MAX + 1];
    int64_t time, received; /* of its newest record; 0: none yet */
    uint64_t records, scores;
    bool away; /* what it reads of does not answer it */
    bool scored;
    float score;
    char model[MW_DIGEST_TEXT];
    struct mw_serve_weight *weight; /* by seq modulo n_weights; none without level 2 */
    uint32_t n_weights;
};

/* A machine of which something was heard. A device may speak for many. */
struct mw_serve_machine {
    struct mw_table_key key;
    char name[MW_NAME_MAX + 1];
};

struct mw_serve {
    const struct mw_plant *plant;
    struct mw_role role;
    struct mw_stream *stream;
    struct mw_stream_reader *reader;
    struct mw_wire_parser *parser, *inner;
    void *memory;
    struct mw_rollout_engine engine;
    struct mw_bridge_round round; /* what has to be written */
    struct mw_table things;       /* struct mw_serve_thing */
    struct mw_table machines;     /* struct mw_serve_machine */

    /* Newest records as they came; NULL: none yet. Kept in the compacted topic `state`. */
    json_t *drift, *model, *learn;

    struct mw_serve_reference reference;
    struct mw_http_server *http;
    struct mw_loop_watch *again;
    bool waits;    /* the timer `again` will read on */
    bool readable; /* the newest poll of the stream succeeded */
    bool stuck;    /* the stream cannot be written */
    bool moved;    /* read since the newest commit */
    uint64_t n_records, n_scores, n_alarms, n_events;

    struct mw_ledger *ledger;
    struct mw_ledger_row total;
    bool accounted; /* total is there */
    bool current;   /* the ledger has been read to its end, which total is of */
    int64_t asked;  /* monotonic, when somebody last wanted the account */
};

/* serve_follow.c: one record of the stream. */
void mw_serve_take(struct mw_serve *serve, const struct mw_stream_record *record);
struct mw_serve_thing *mw_serve_thing(struct mw_serve *serve, struct mw_span name);
void mw_serve_thing_free(void *thing);
/* Loads what an earlier run kept: rollouts, newest drift and model; and the bridge's positions. */
mw_err mw_serve_load(struct mw_serve *serve, struct mw_error *error);

/* The plant's store, to read. */
mw_err mw_serve_open_store(const struct mw_serve *serve, struct mw_store **store,
                           struct mw_error *error);
/* mw_rollout_expected_alarms of a bundle in it; NaN when it cannot be read, which is for those who
 * are to run it to say. Blocks while it is read. */
double mw_serve_expected_alarms(const struct mw_serve *serve, const char *digest);

/* serve.c: writes what the round holds, with the reader's position. */
mw_err mw_serve_commit(struct mw_serve *serve, struct mw_error *error);

/* serve_offer.c: offers the model that should be. */
void mw_serve_offer(struct mw_serve *serve);

/* serve_run.c: does the learner wait for a run of the pipeline? */
bool mw_serve_run_waits(const struct mw_serve *serve);
/* A model was published; machine "": of the plant. */
void mw_serve_run_published(struct mw_serve *serve, const char *digest, const char *machine);
/* Nothing came of the run: {"run":its name,"refused":why}. Tells the learner. PARSE; NOT_FOUND: it
 * is not waited for; errors of the stream. */
mw_err mw_serve_run_ended(struct mw_serve *serve, const json_t *body, struct mw_error *error);

/* serve_account.c: the ledger, read on in small steps while somebody looks. */
void mw_serve_account(struct mw_serve *serve, int64_t microseconds);

/* serve_state.c: what is shown. NULL: out of memory. */
json_t *mw_serve_state(struct mw_serve *serve, size_t limit);
mw_err mw_serve_ledger(struct mw_serve *serve, struct mw_buffer *out);
mw_err mw_serve_metrics(struct mw_serve *serve, struct mw_buffer *out);

/* serve_api.c: the handler of the HTTP server; context is the serve. And where it takes forms. */
mw_http_handler mw_serve_handle;
bool mw_serve_takes_form(const char *path);

#endif
