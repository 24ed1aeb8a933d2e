/* bridge_spool_open.c - the spool is opened, with what an earlier run has left, and closed. */
#include "tiers/platform/bridge_condense.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static mw_err read_tried(struct mw_bridge_spool *spool, struct mw_bridge_round *tried,
                         struct mw_error *error)
{
    static const char *const topic = MW_BRIDGE_TRIED;
    struct mw_stream_reader *reader;
    struct mw_stream_record records[MW_BRIDGE_SPOOL_BATCH];
    size_t n = 0;
    mw_err err =
        mw_stream_reader_open(&reader, spool->stream, &topic, 1, MW_STREAM_EARLIEST, error);
    if (err != MW_OK) {
        return err;
    }
    do {
        err = mw_stream_poll(reader, records, MW_BRIDGE_SPOOL_BATCH, &n, error);
        for (size_t i = 0; i < n && err == MW_OK; i++) {
            err = mw_bridge_spool_read(tried, &records[i], error);
        }
    } while (err == MW_OK && n > 0);
    mw_stream_reader_close(reader);
    return err;
}

static mw_err find_known(struct mw_bridge_spool *spool, struct mw_error *error)
{
    struct mw_buffer text = {0};
    struct mw_bridge_mark mark;
    if (!mw_file_exists(spool->known_path)) {
        return MW_OK;
    }
    mw_err err = mw_file_read(spool->known_path, 96, &text, error);
    if (err == MW_OK &&
        mw_bridge_mark_read(&mark, (struct mw_span){text.data, text.size}) != MW_OK) {
        err = mw_error_set(error, MW_ERR_CORRUPT, "%s cannot be read", spool->known_path);
    }
    if (err == MW_OK && strcmp(mark.spool, spool->mark.spool) == 0) {
        spool->known = true;
        spool->mark = mark;
    }
    mw_buffer_free(&text);
    return err;
}

static mw_err find_identity(struct mw_bridge_spool *spool, struct mw_error *error)
{
    struct mw_span value;
    uint64_t drawn;
    mw_err err = mw_stream_get(spool->stream, NULL, "spool", mw_span_of("identity"), &value, NULL);
    if (err == MW_OK && value.size == MW_BRIDGE_IDENTITY - 1) {
        memcpy(spool->mark.spool, value.data, value.size);
        return MW_OK;
    }
    if (getrandom(&drawn, sizeof drawn, 0) != sizeof drawn) {
        return mw_error_errno(error, MW_ERR_IO, "getrandom");
    }
    snprintf(spool->mark.spool, sizeof spool->mark.spool, "%016" PRIx64, drawn);
    err = mw_stream_begin(spool->stream, error);
    if (err == MW_OK) {
        err = mw_stream_put(spool->stream, "spool", mw_span_of("identity"),
                            mw_span_of(spool->mark.spool), error);
    }
    return err == MW_OK ? mw_stream_commit(spool->stream, NULL, error) : err;
}

mw_err mw_bridge_spool_open(struct mw_bridge_spool *spool, const char *folder, const char *plant,
                            const char *writer, int64_t limit, struct mw_bridge_round *tried,
                            uint64_t *number, struct mw_error *error)
{
    static const char *const topic = MW_BRIDGE_ITEM;
    char uri[4096 + 16];
    struct mw_span value;
    *spool = (struct mw_bridge_spool){.limit = limit};
    *number = 0;
    snprintf(uri, sizeof uri, "sqlite:%s", folder);
    snprintf(spool->known_path, sizeof spool->known_path, "%s/%s.known", folder, writer);
    struct mw_stream_options options = {uri, plant, writer};
    mw_err err = mw_stream_open(&spool->stream, &options, error);
    err = err == MW_OK ? find_identity(spool, error) : err;
    err = err == MW_OK ? find_known(spool, error) : err;
    if (err == MW_OK) {
        err = mw_stream_reader_open(&spool->reader, spool->stream, &topic, 1, MW_STREAM_EARLIEST,
                                    error);
    }
    err = err == MW_OK ? read_tried(spool, tried, error) : err;
    if (err == MW_OK && tried->n_items > 0 &&
        mw_stream_get(spool->stream, NULL, "spool", mw_span_of("tried"), &value, error) == MW_OK) {
        *number = strtoull(value.data, NULL, 10);
    }
    if (err == MW_OK && tried->n_items > 0 && *number == 0) {
        err = mw_error_set(error, MW_ERR_CORRUPT, "%s: the number of what was tried is missing",
                           folder);
    }
    return err;
}

void mw_bridge_spool_close(struct mw_bridge_spool *spool)
{
    mw_bridge_condense_free(spool->condense);
    mw_stream_reader_close(spool->reader);
    mw_stream_close(spool->stream);
    mw_table_clear(&spool->keys, free);
    *spool = (struct mw_bridge_spool){0};
}

void mw_bridge_mark_print(const struct mw_bridge_mark *mark, char text[96])
{
    snprintf(text, 96, "{\"spool\":\"%s\",\"round\":%" PRIu64 ",\"drained\":%" PRId64 "}",
             mark->spool, mark->round, mark->drained);
}

mw_err mw_bridge_mark_read(struct mw_bridge_mark *mark, struct mw_span text)
{
    char copy[96], brace = '\0';
    *mark = (struct mw_bridge_mark){0};
    if (text.size >= sizeof copy) {
        return MW_ERR_CORRUPT;
    }
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    int n =
        sscanf(copy, "{\"spool\":\"%16[0-9a-f]\",\"round\":%" SCNu64 ",\"drained\":%" SCNd64 "%c",
               mark->spool, &mark->round, &mark->drained, &brace);
    return n == 4 && brace == '}' ? MW_OK : MW_ERR_CORRUPT;
}

mw_err mw_bridge_spool_recover(struct mw_bridge_spool *spool, const struct mw_bridge_mark *mark,
                               struct mw_error *error)
{
    struct mw_stream_record records[MW_BRIDGE_SPOOL_BATCH];
    struct mw_bridge_round one = {0};
    size_t n = 0;
    mw_err err;
    if (strcmp(mark->spool, spool->mark.spool) == 0) {
        spool->mark = *mark;
        spool->trim = mark->drained;
        (void)mw_bridge_spool_renew(spool, NULL); /* Kafka may have more than was known */
    }
    err = mw_bridge_spool_trim(spool, error);
    do {
        err = err == MW_OK
                  ? mw_stream_poll(spool->reader, records, MW_BRIDGE_SPOOL_BATCH, &n, error)
                  : err;
        for (size_t i = 0; i < n && err == MW_OK; i++) {
            mw_bridge_round_clear(&one);
            err = mw_bridge_spool_read(&one, &records[i], error);
            if (err == MW_OK && (err = mw_bridge_spool_expect(spool, &one, 0)) != MW_OK) {
                (void)mw_error_set(error, err, "the spool's keys: %s", mw_err_text(err));
            }
            if (err != MW_OK) {
                break;
            }
            mw_bridge_spool_note(spool, &one, 0);
            spool->bytes += (int64_t)(records[i].key.size + records[i].value.size);
        }
    } while (err == MW_OK && n > 0);
    mw_bridge_round_free(&one);
    return err == MW_OK ? mw_stream_reader_seek(spool->reader, spool->mark.drained, error) : err;
}
