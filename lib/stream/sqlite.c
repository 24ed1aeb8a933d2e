/* sqlite.c - opens and closes a folder of writers' files. */
#include "lib/stream/sqlite_internal.h"

#include "lib/base/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void sqlite_close(struct mw_stream *base)
{
    struct mw_sqlite *stream = (struct mw_sqlite *)base;
    mw_sqlite_writer_fini(stream);
    mw_sqlite_file_close(&stream->own);
    for (size_t i = 0; i < stream->others_n; i++) {
        mw_sqlite_file_close(&stream->others[i]);
    }
    free(stream->others);
    mw_buffer_free(&stream->value);
    mw_waker_fini(&stream->waker);
    if (stream->lock >= 0) {
        (void)close(
            stream->lock); /* last: the file is closed before the next process may open it */
    }
    free(stream);
}

static mw_err open_writer(struct mw_sqlite *stream, const char *writer, struct mw_error *error)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof(path), "%s/%s.lock", stream->folder, writer);
    if (length < 0 || (size_t)length >= sizeof(path)) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "%.100s...: path is too long", stream->folder);
    }
    mw_err err = mw_process_lock(path, &stream->lock, error);
    if (err != MW_OK) {
        stream->lock = -1;
        return err;
    }
    err = mw_sqlite_file_open(&stream->own, stream->folder, writer, true, error);
    return err == MW_OK ? mw_sqlite_writer_init(stream, error) : err;
}

static mw_err sqlite_open(struct mw_stream **opened, const char *location,
                          const struct mw_stream_options *options, struct mw_error *error)
{
    struct mw_sqlite *stream = calloc(1, sizeof(*stream));
    if (stream == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "%s: out of memory", location);
    }
    stream->lock = -1;
    mw_waker_init(&stream->waker);
    size_t length = strlen(location);
    while (length > 1 && location[length - 1] == '/') {
        length--;
    }
    mw_err err = MW_OK;
    if (length >= sizeof(stream->folder)) {
        err = mw_error_set(error, MW_ERR_TOO_LARGE, "%.100s...: path is too long", location);
    } else {
        memcpy(stream->folder, location, length);
        err = mw_file_make_folder(stream->folder, error);
    }
    if (err == MW_OK && options->writer != NULL) {
        err = open_writer(stream, options->writer, error);
    }
    if (err != MW_OK) {
        sqlite_close(&stream->base);
        return err;
    }
    *opened = &stream->base;
    return MW_OK;
}

const struct mw_stream_backend mw_stream_sqlite = {
    .scheme = "sqlite",
    .open = sqlite_open,
    .close = sqlite_close,
    .begin = mw_sqlite_begin,
    .append = mw_sqlite_append,
    .put = mw_sqlite_put,
    .commit = mw_sqlite_commit,
    .rollback = mw_sqlite_rollback,
    .sync = mw_sqlite_sync,
    .get = mw_sqlite_get,
    .visit = mw_sqlite_visit,
    .reader_open = mw_sqlite_reader_open,
    .reader_close = mw_sqlite_reader_close,
    .poll = mw_sqlite_poll,
    .rewind = mw_sqlite_rewind,
    .fd = mw_sqlite_reader_fd,
    .drain = mw_sqlite_reader_drain,
    .retain = mw_sqlite_retain,
    .trim = mw_sqlite_trim,
    .replace = mw_sqlite_replace,
    .seek = mw_sqlite_seek,
    .tidy = mw_sqlite_tidy,
};
