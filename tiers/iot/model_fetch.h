/* model_fetch.h - brings the parts of one bundle into a store, piece by piece.
 *
 * First the OCI manifest, then what it lists and a thing needs. A piece is asked for by digest and
 * offset; one that comes twice, late or out of turn is passed over. A part is stored only with the
 * hash that it was asked for by, so after a break, or another process, only parts that are not
 * whole are asked for again. */
#ifndef MW_IOT_MODEL_FETCH_H
#define MW_IOT_MODEL_FETCH_H

#include "lib/artifact/store.h"

#include <jansson.h>

struct mw_model_fetch {
    struct mw_store *store; /* borrowed */
    void *context;
    void (*want)(void *context, const char *digest, uint64_t offset);
    bool running;
    char bundle[MW_DIGEST_TEXT]; /* the manifest's digest */
    uint64_t version;            /* of the targets that list it; the caller's */
    char blob[MW_DIGEST_TEXT];   /* the part being received */
    struct mw_buffer bytes;      /* what has come of it */
    int64_t asked;               /* monotonic */
};

/* Set store, context and want first. MW_OK: all is here already; AGAIN: a piece was asked for; any
 * other error ends the fetch, with the reason. */
mw_err mw_model_fetch_start(struct mw_model_fetch *fetch, const char *bundle,
                            struct mw_error *error);
/* Takes {"digest","offset","size","data"}. Returns as start does; AGAIN also for what is not the
 * piece that was asked for. */
mw_err mw_model_fetch_piece(struct mw_model_fetch *fetch, const json_t *blob,
                            struct mw_error *error);
/* Asks again when nothing has come for two seconds. */
void mw_model_fetch_tick(struct mw_model_fetch *fetch, int64_t now_monotonic);
void mw_model_fetch_stop(struct mw_model_fetch *fetch);

/* Appends what base64 text stands for. False, and nothing appended, when it is none. */
bool mw_base64_decode(const char *text, struct mw_buffer *bytes);

#endif
