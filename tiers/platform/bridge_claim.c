#include "tiers/platform/bridge_claim.h"

#include "lib/base/log.h"
#include "lib/plant/share.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

mw_err mw_bridge_claim_read(struct mw_stream *stream, struct mw_bridge_mark *mark,
                            struct mw_error *error)
{
    struct mw_span value;
    struct mw_error none = {0};
    *mark = (struct mw_bridge_mark){0};
    mw_err err = mw_stream_get(stream, NULL, "spool", mw_span_of("mark"), &value, &none);
    if (err == MW_ERR_NOT_FOUND) {
        return MW_OK;
    }
    if (err != MW_OK) {
        return mw_error_set(error, err, "%s", none.text);
    }
    err = mw_bridge_mark_read(mark, value);
    return err == MW_OK ? MW_OK
                        : mw_error_set(error, err, "the spool's mark in Kafka cannot be read: %.*s",
                                       (int)value.size, value.data);
}

static void lost_key(const char *identity, char key[static 32])
{
    snprintf(key, 32, "lost %s", identity);
}

static mw_err check_own(struct mw_stream *stream, const char *own, struct mw_error *error)
{
    char key[32];
    struct mw_span value;
    struct mw_error none = {0};
    lost_key(own, key);
    mw_err err = mw_stream_get(stream, NULL, "spool", mw_span_of(key), &value, &none);
    if (err == MW_ERR_NOT_FOUND) {
        return MW_OK;
    }
    return err != MW_OK ? mw_error_set(error, err, "%s", none.text)
                        : mw_error_set(error, MW_ERR_STATE,
                                       "this bridge's spool (%s) was given up as lost, and others "
                                       "have gone on without it: move its folder away to begin "
                                       "with a new one",
                                       own);
}

static mw_err forbid(struct mw_stream *stream, const struct mw_bridge_mark *mark,
                     struct mw_error *error)
{
    struct mw_span value;
    char owner[MW_BRIDGE_OWNER] = "another machine";
    if (mw_stream_get(stream, NULL, "spool", mw_span_of("owner"), &value, NULL) == MW_OK) {
        snprintf(owner, sizeof owner, "%.*s", (int)value.size, value.data);
    }
    return mw_error_set(error, MW_ERR_BUSY,
                        "the spool %s (%s) may hold what was acknowledged and is not in Kafka, so "
                        "no other bridge takes its place. Start the bridge there; once with "
                        "stream.spool: off, and it makes way; if it is gone for good, "
                        "stream.spool_lost: \"%s\" gives it up",
                        mark->spool, owner, mark->spool);
}

/* Removes the mark; with the identity of a spool that is lost. */
static mw_err remove_mark(struct mw_stream *stream, const char *lost, struct mw_error *error)
{
    char key[32];
    const struct mw_span nothing = {"", 0};
    mw_err err = mw_stream_begin(stream, error);
    if (err == MW_OK && lost != NULL) {
        lost_key(lost, key);
        err = mw_stream_put(stream, "spool", mw_span_of(key), mw_span_of("1"), error);
    }
    err = err == MW_OK ? mw_stream_put(stream, "spool", mw_span_of("mark"), nothing, error) : err;
    err = err == MW_OK ? mw_stream_put(stream, "spool", mw_span_of("owner"), nothing, error) : err;
    return err == MW_OK ? mw_stream_commit(stream, NULL, error) : err;
}

mw_err mw_bridge_claim_settle(struct mw_stream *stream, const struct mw_plant *plant,
                              const char *own, struct mw_bridge_mark *mark, struct mw_error *error)
{
    const char *lost = plant->stream.spool_lost;
    mw_err err = own == NULL ? MW_OK : check_own(stream, own, error);
    if (err != MW_OK || mark->spool[0] == '\0' || (own != NULL && strcmp(mark->spool, own) == 0)) {
        return err;
    }
    if (lost == NULL || strcmp(lost, mark->spool) != 0) {
        return forbid(stream, mark, error);
    }
    err = remove_mark(stream, lost, error);
    if (err == MW_OK) {
        mw_log(MW_LOG_WARN, NULL, "the other spool is given up, as stream.spool_lost says",
               MW_KS("spool", lost));
        *mark = (struct mw_bridge_mark){0};
    }
    return err;
}

mw_err mw_bridge_claim_release(struct mw_stream *stream, struct mw_error *error)
{
    return remove_mark(stream, NULL, error);
}

void mw_bridge_claim_owner(const struct mw_plant *plant, char owner[static MW_BRIDGE_OWNER])
{
    char host[64] = "";
    if (gethostname(host, sizeof host - 1) != 0) {
        host[0] = '\0';
    }
    snprintf(owner, MW_BRIDGE_OWNER, "%s:%.180s/spool", host, plant->data);
}

mw_err mw_bridge_claim_identify(const struct mw_plant *plant,
                                char identity[static MW_BRIDGE_IDENTITY], struct mw_error *error)
{
    char uri[4096 + 16], file[4096 + 16 + MW_SHARE_NAME], writer[MW_SHARE_NAME];
    struct mw_stream *stream = NULL;
    struct mw_span value;
    identity[0] = '\0';
    mw_share_name((size_t)plant->bridge.share, writer);
    snprintf(uri, sizeof uri, "sqlite:%.4000s/spool", plant->data);
    snprintf(file, sizeof file, "%.4000s/spool/%s.db", plant->data, writer);
    if (!mw_file_exists(file)) {
        return MW_OK;
    }
    struct mw_stream_options options = {uri, plant->plant, NULL};
    mw_err err = mw_stream_open(&stream, &options, error);
    if (err == MW_OK &&
        mw_stream_get(stream, writer, "spool", mw_span_of("identity"), &value, NULL) == MW_OK &&
        value.size == MW_BRIDGE_IDENTITY - 1) {
        memcpy(identity, value.data, value.size);
        identity[value.size] = '\0';
    }
    mw_stream_close(stream);
    return err;
}
