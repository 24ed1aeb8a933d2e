/* scorer.c - the batch: polled, handled record by record, committed as one. */
#include "tiers/inference/scorer.h"

#include "tiers/inference/score_share.h"

#include <stdio.h>
#include <stdlib.h>

#define PARSER_TOKENS 4096

static mw_err open_store(struct mw_scorer *scorer, struct mw_error *error)
{
    char uri[4096];
    int n = snprintf(uri, sizeof uri, "oci:%s/artifacts", scorer->plant->data);
    if (n < 0 || (size_t)n >= sizeof uri) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "%s: path too long", scorer->plant->data);
    }
    return mw_store_open(&scorer->store, uri, true, error);
}

static mw_err open_stream(struct mw_scorer *scorer, size_t share, struct mw_error *error)
{
    char uri[4096], writer[MW_SHARE_NAME];
    if (mw_plant_stream_uri(scorer->plant, uri, sizeof uri) != MW_OK) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "stream.url: too long");
    }
    mw_score_share_name(share, writer);
    struct mw_stream_options options = {
        .uri = uri, .plant = scorer->plant->plant, .writer = writer};
    mw_err err = mw_stream_open(&scorer->stream, &options, error);
    err = err == MW_OK ? mw_score_share_check(scorer->plant, scorer->stream, error) : err;
    return err == MW_OK ? mw_score_share_read(&scorer->reader, scorer->stream, share,
                                              mw_score_shares(scorer->plant), NULL, error)
                        : err;
}

mw_err mw_scorer_open(struct mw_scorer **scorer, const struct mw_plant *plant, size_t share,
                      struct mw_error *error)
{
    *scorer = NULL;
    struct mw_scorer *made = calloc(1, sizeof *made);
    size_t bytes = mw_wire_parser_size(PARSER_TOKENS);
    void *memory = malloc(bytes);
    if (made == NULL || memory == NULL) {
        free(made);
        free(memory);
        return mw_error_set(error, MW_ERR_MEMORY, "score: out of memory");
    }
    made->plant = plant;
    made->batch = MW_SCORE_BATCH;
    made->parser_memory = memory;
    (void)snprintf(made->fallback.name, sizeof made->fallback.name, "*");
    mw_err err = mw_wire_parser_init(memory, bytes, &made->parser);
    err = err == MW_OK ? open_stream(made, share, error) : err;
    err = err == MW_OK ? open_store(made, error) : err;
    err = err == MW_OK ? mw_score_state_load(made, error) : err;
    if (err != MW_OK) {
        mw_scorer_close(made);
        return err;
    }
    made->committed = made->counts;
    *scorer = made;
    return MW_OK;
}

void mw_scorer_close(struct mw_scorer *scorer)
{
    if (scorer == NULL) {
        return;
    }
    mw_score_state_clear(scorer);
    mw_score_models_clear(scorer);
    mw_stream_reader_close(scorer->reader);
    mw_stream_close(scorer->stream);
    mw_store_close(scorer->store);
    mw_buffer_free(&scorer->text);
    free(scorer->touched);
    free(scorer->parser_memory);
    free(scorer);
}

static mw_err take(struct mw_scorer *scorer, const struct mw_stream_record *record,
                   struct mw_error *error)
{
    if (strcmp(record->topic, "telemetry") == 0) {
        return mw_score_take_telemetry(scorer, record, error);
    }
    if (strcmp(record->topic, "update") == 0) {
        return mw_score_take_update(scorer, record, error);
    }
    if (strcmp(record->topic, "baseline") == 0) {
        return mw_score_take_baseline(scorer, record, error);
    }
    return mw_score_take_event(scorer, record, error);
}

/* After this memory and the reader stand where the last commit left them. */
static mw_err go_back(struct mw_scorer *scorer, struct mw_error *error)
{
    mw_err err = mw_stream_reader_rewind(scorer->reader, error);
    scorer->counts = scorer->committed;
    err = err == MW_OK ? mw_score_state_load(scorer, error) : err;
    scorer->stale = err != MW_OK;
    scorer->reassigned = true; /* a model of the batch that failed may be left over */
    return err;
}

mw_err mw_scorer_step(struct mw_scorer *scorer, size_t *count, struct mw_error *error)
{
    size_t n = 0;
    *count = 0;
    if (scorer->stale) {
        mw_err err = go_back(scorer, error);
        if (err != MW_OK) {
            return err;
        }
    }
    mw_err err = mw_stream_poll(scorer->reader, scorer->records, scorer->batch, &n, error);
    if (err != MW_OK || n == 0) {
        scorer->stale = err != MW_OK;
        return err;
    }
    err = mw_stream_begin(scorer->stream, error);
    for (size_t i = 0; err == MW_OK && i < n; i++) {
        err = take(scorer, &scorer->records[i], error);
    }
    err = err == MW_OK ? mw_score_state_save(scorer, error) : err;
    /* Nobody is told that a score is stored; who reads it sees to it before relying on it. */
    err = err == MW_OK ? mw_stream_commit_visible(scorer->stream, scorer->reader, error) : err;
    if (err != MW_OK) {
        mw_stream_rollback(scorer->stream);
        scorer->stale = true;
        return err;
    }
    scorer->committed = scorer->counts;
    if (scorer->reassigned) {
        mw_score_models_drop_unused(scorer);
    }
    *count = n;
    return MW_OK;
}
