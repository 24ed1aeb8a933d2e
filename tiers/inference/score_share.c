#include "tiers/inference/score_share.h"

#include "core/wire/number.h"
#include "lib/base/log.h"

#include <stdio.h>

#define FIRST "score"
#define TOPIC "shares"
#define COUNT "count"

/* What a scorer keeps, score_state.c. */
static const char *const kept[] = {"desired", "baseline-in-use", "policy", "trust"};

size_t mw_score_shares(const struct mw_plant *plant)
{
    return plant->score.shares > 1 ? (size_t)plant->score.shares : 1;
}

void mw_score_share_name(size_t share, char name[MW_SHARE_NAME])
{
    mw_share_writer(FIRST, share, name);
}

mw_err mw_score_share_read(struct mw_stream_reader **reader, struct mw_stream *stream, size_t share,
                           size_t shares, const char *heir_of, struct mw_error *error)
{
    static const char *const topics[] = {"telemetry", "update", "baseline", "event"};
    struct mw_stream_share part = {.topic = topics[0],
                                   .share = (uint32_t)share,
                                   .shares = (uint32_t)shares,
                                   .heir_of = heir_of};
    return mw_stream_reader_open_share(reader, stream, topics, sizeof topics / sizeof topics[0],
                                       MW_STREAM_EARLIEST, &part, error);
}

/* By how many a writer divides; 0: it never has. */
static mw_err read_count(struct mw_stream *stream, const char *writer, uint64_t *count,
                         struct mw_error *error)
{
    struct mw_span value = {0};
    struct mw_error none = {0};
    *count = 0;
    mw_err err = mw_stream_get(stream, writer, TOPIC, mw_span_of(COUNT), &value, &none);
    if (err == MW_ERR_NOT_FOUND) {
        return MW_OK;
    }
    if (err != MW_OK) {
        return mw_error_set(error, err, "%s", none.text);
    }
    err = mw_number_parse_u64(value, count);
    return err == MW_OK
               ? MW_OK
               : mw_error_set(error, MW_ERR_CORRUPT, "%s of %s is no number", COUNT, TOPIC);
}

static mw_err judge(uint64_t count, size_t shares, struct mw_error *error)
{
    return count == shares
               ? MW_OK
               : mw_error_set(error, MW_ERR_STATE,
                              "score.shares: %zu: this plant's stream is divided into "
                              "%llu for good, and %llu was expected",
                              shares, (unsigned long long)count, (unsigned long long)count);
}

mw_err mw_score_share_check(const struct mw_plant *plant, struct mw_stream *stream,
                            struct mw_error *error)
{
    size_t shares = mw_score_shares(plant);
    uint64_t count = 0;
    mw_err err = read_count(stream, NULL, &count, error);
    /* One scorer alone has nothing to say. */
    return err == MW_OK ? judge(count == 0 && shares == 1 ? 1 : count, shares, error) : err;
}

/* ---- dividing ---- */

struct copying {
    struct mw_stream *to;
    const char *topic;
    struct mw_error *error;
    mw_err err;
};

static bool copy(void *context, struct mw_span key, struct mw_span value)
{
    struct copying *copying = context;
    copying->err = mw_stream_put(copying->to, copying->topic, key, value, copying->error);
    return copying->err == MW_OK;
}

static mw_err put_count(struct mw_stream *stream, size_t shares, struct mw_error *error)
{
    char number[MW_NUMBER_TEXT];
    (void)snprintf(number, sizeof number, "%zu", shares);
    return mw_stream_put(stream, TOPIC, mw_span_of(COUNT), mw_span_of(number), error);
}

/* What the single scorer knew and where it stood, in one transaction. */
static mw_err inherit(struct mw_stream *single, struct mw_stream *stream, size_t share,
                      size_t shares, struct mw_error *error)
{
    struct mw_stream_reader *reader = NULL;
    mw_err err = mw_score_share_read(&reader, stream, share, shares, FIRST, error);
    err = err == MW_OK ? mw_stream_begin(stream, error) : err;
    for (size_t i = 0; err == MW_OK && i < sizeof kept / sizeof kept[0]; i++) {
        struct copying copying = {.to = stream, .topic = kept[i], .error = error};
        err = mw_stream_visit(single, NULL, kept[i], copy, &copying, error);
        err = err == MW_OK ? copying.err : err;
    }
    err = err == MW_OK ? put_count(stream, shares, error) : err;
    err = err == MW_OK ? mw_stream_commit(stream, reader, error) : err;
    mw_stream_reader_close(reader);
    return err;
}

static mw_err found(struct mw_stream *single, const struct mw_stream_options *options, size_t share,
                    size_t shares, struct mw_error *error)
{
    char name[MW_SHARE_NAME];
    struct mw_stream *stream = NULL;
    struct mw_stream_options own = *options;
    uint64_t count = 0;
    mw_score_share_name(share, name);
    own.writer = name;
    mw_err err = mw_stream_open(&stream, &own, error);
    err = err == MW_OK ? read_count(stream, NULL, &count, error) : err;
    if (err == MW_OK) { /* a process that was killed here may have done it already */
        err = count == 0 ? inherit(single, stream, share, shares, error)
                         : judge(count, shares, error);
    }
    mw_stream_close(stream);
    return err;
}

/* Who opens the writer of the single scorer holds it: neither that nor another process that divides
 * gets anything in between, and the last commit says so. */
static mw_err divide(const struct mw_stream_options *options, size_t shares, struct mw_error *error)
{
    struct mw_stream *single = NULL;
    mw_err err = mw_stream_open(&single, options, error);
    for (size_t share = 1; err == MW_OK && share < shares; share++) {
        err = found(single, options, share, shares, error);
    }
    err = err == MW_OK ? mw_stream_begin(single, error) : err;
    err = err == MW_OK ? put_count(single, shares, error) : err;
    err = err == MW_OK ? mw_stream_commit(single, NULL, error) : err;
    mw_stream_close(single);
    if (err == MW_OK) {
        mw_log(MW_LOG_INFO, NULL, "the stream is divided among the scorers",
               MW_KI("shares", shares));
    }
    return err;
}

mw_err mw_score_divide(const struct mw_plant *plant, struct mw_error *error)
{
    char uri[4096];
    size_t shares = mw_score_shares(plant);
    struct mw_stream *view = NULL;
    uint64_t count = 0;
    if (mw_plant_stream_uri(plant, uri, sizeof uri) != MW_OK) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "stream.url: too long");
    }
    struct mw_stream_options options = {.uri = uri, .plant = plant->plant};
    mw_err err = mw_stream_open(&view, &options, error);
    err = err == MW_OK ? read_count(view, FIRST, &count, error) : err;
    mw_stream_close(view);
    if (err == MW_OK && count > 0) {
        return judge(count, shares, error);
    }
    options.writer = FIRST;
    return err == MW_OK ? divide(&options, shares, error) : err;
}
