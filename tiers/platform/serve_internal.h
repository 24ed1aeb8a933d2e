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

#include <jansson.h>

#define MW_SERVE_WEIGHTS                                                    \
    128 /* newest records of a thing whose p is remembered for their scores \
         */

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
    struct {
        uint64_t seq;
        uint32_t boot;
        float p;
    } weight[MW_SERVE_WEIGHTS]; /* by seq modulo the size */
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

    struct mw_http_server *http;
    struct mw_loop_watch *again;
    bool waits;    /* the timer `again` will read on */
    bool readable; /* the newest poll of the stream succeeded */
    bool stuck;    /* the stream cannot be written */
    bool moved;    /* read since the newest commit */
    uint64_t n_records, n_scores, n_alarms, n_events;

    struct mw_ledger *ledger;
    struct mw_ledger_row *rows, total;
    size_t n_rows;
    bool accounted; /* rows are there */
    int64_t asked;  /* monotonic, when somebody last wanted the account */
};

/* serve_follow.c: one record of the stream. */
void mw_serve_take(struct mw_serve *serve, const struct mw_stream_record *record);
struct mw_serve_thing *mw_serve_thing(struct mw_serve *serve, struct mw_span name);
/* Loads what an earlier run kept: rollouts, newest drift and model; and the bridge's positions. */
mw_err mw_serve_load(struct mw_serve *serve, struct mw_error *error);

/* serve.c: writes what the round holds, with the reader's position. */
mw_err mw_serve_commit(struct mw_serve *serve, struct mw_error *error);

/* serve_account.c: the ledger, read on in small steps while somebody looks. */
void mw_serve_account(struct mw_serve *serve, int64_t microseconds);

/* serve_state.c: what is shown. NULL: out of memory. */
json_t *mw_serve_state(struct mw_serve *serve, size_t limit);
json_t *mw_serve_ledger(struct mw_serve *serve);
mw_err mw_serve_metrics(struct mw_serve *serve, struct mw_buffer *out);

/* serve_api.c: the handler of the HTTP server; context is the serve. */
mw_http_handler mw_serve_handle;

#endif
