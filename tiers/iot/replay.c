#include "tiers/iot/replay.h"

#include "lib/base/clock.h"
#include "lib/base/progress.h"
#include "lib/base/role.h"
#include "tiers/iot/name_map.h"
#include "tiers/iot/recording.h"
#include "tiers/iot/replay_device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAITING_MAX 16384       /* rows and events in memory at most */
#define BURST 2048              /* rows a round of the loop */
#define POLL (MW_SECOND / 1000) /* while nothing can be taken */

struct replay {
    const struct mw_plant *plant;
    const struct mw_replay_options *options;
    struct mw_role role;
    struct mw_host *host;
    struct mw_recording *recording;
    struct mw_replay_device **device;
    size_t n, capacity;
    struct mw_name_map names;
    struct mw_replay_device *last; /* of the row before: rows of one device mostly follow it */
    struct mw_replay_counts counts;
    struct mw_recorded row;
    bool have_row, ended, failed, done;
    bool pacing;               /* the two below are set */
    int64_t start, start_time; /* monotonic, and of the row that went out then */
    int64_t row_time;          /* of the row before */
    struct mw_progress progress;
    struct mw_error error;
    struct mw_loop_watch *fill, *second;
};

/* --- devices --- */

static mw_err reserve(struct replay *replay)
{
    if (replay->n < replay->capacity) {
        return MW_OK;
    }
    size_t capacity = replay->capacity == 0 ? 16 : replay->capacity * 2;
    struct mw_replay_device **grown = realloc(replay->device, capacity * sizeof *grown);
    if (grown == NULL) {
        return MW_ERR_MEMORY;
    }
    replay->device = grown;
    replay->capacity = capacity;
    return MW_OK;
}

static struct mw_replay_device *add_device(struct replay *replay, const char *name)
{
    struct mw_replay_device *device = NULL;
    if (reserve(replay) != MW_OK) {
        mw_error_set(&replay->error, MW_ERR_MEMORY, "out of memory");
        return NULL;
    }
    if (mw_replay_device_new(&device, replay->host, &replay->counts, name, &replay->error) !=
        MW_OK) {
        return NULL;
    }
    replay->device[replay->n++] = device;
    if (mw_name_map_add(&replay->names, mw_span_of(mw_replay_device_name(device)), device) !=
        MW_OK) {
        mw_error_set(&replay->error, MW_ERR_MEMORY, "out of memory");
        return NULL;
    }
    return device;
}

static struct mw_replay_device *find_device(struct replay *replay, const char *name)
{
    if (replay->last != NULL && strcmp(mw_replay_device_name(replay->last), name) == 0) {
        return replay->last;
    }
    struct mw_replay_device *device = mw_name_map_find(&replay->names, mw_span_of(name));
    replay->last = device != NULL ? device : add_device(replay, name);
    return replay->last;
}

/* --- rows --- */

/* Is it time for this row? Always, as fast as acknowledged. Else *wait says in how long. */
static bool due(struct replay *replay, const struct mw_replay_device *device, int64_t *wait)
{
    int64_t time = replay->row.telemetry.time, now = mw_clock_monotonic();
    if (replay->options->speed <= 0) {
        return true;
    }
    if (!mw_replay_device_synced(device)) {
        *wait = POLL; /* it may be there already */
        return false;
    }
    if (mw_replay_device_next_is_present(device)) {
        replay->pacing = false;
        return true;
    }
    if (!replay->pacing || time < replay->row_time) {
        replay->pacing = true;
        replay->start = now;
        replay->start_time = time;
    }
    double later = ((double)time - (double)replay->start_time) / replay->options->speed;
    double left = later - (double)(now - replay->start);
    *wait = left < (double)MW_SECOND ? (int64_t)left : MW_SECOND;
    return *wait <= 0;
}

static bool fail(struct replay *replay)
{
    replay->failed = true;
    return false;
}

/* Has the next row in replay->row; false at the end and on an error. */
static bool read_row(struct replay *replay)
{
    if (replay->have_row) {
        return true;
    }
    mw_err err = replay->ended ? MW_ERR_AGAIN
                               : mw_recording_next(replay->recording, &replay->row, &replay->error);
    if (err == MW_ERR_AGAIN) {
        replay->ended = true;
        return false;
    }
    replay->have_row = err == MW_OK;
    return err == MW_OK ? true : fail(replay);
}

/* Moves one row from the file to its device. False when there is none to move now. */
static bool take_row(struct replay *replay, int64_t *wait)
{
    if (!read_row(replay)) {
        return false;
    }
    struct mw_replay_device *device = find_device(replay, replay->row.device);
    if (device == NULL) {
        return fail(replay);
    }
    if (!due(replay, device, wait)) {
        return false;
    }
    if (mw_replay_device_row(device, &replay->row, &replay->error) != MW_OK) {
        return fail(replay);
    }
    replay->row_time = replay->row.telemetry.time;
    replay->have_row = false;
    return true;
}

static size_t room_of(const struct replay *replay)
{
    uint64_t waiting = replay->counts.waiting + replay->counts.waiting_events;
    size_t room = waiting < WAITING_MAX ? WAITING_MAX - (size_t)waiting : 0;
    return room < BURST ? room : BURST;
}

static void on_fill(void *context)
{
    struct replay *replay = context;
    const struct mw_replay_counts *counts = &replay->counts;
    size_t room = room_of(replay), n = 0;
    int64_t wait = 0;
    while (n < room && take_row(replay, &wait)) {
        n++;
    }
    /* Rows go out by themselves once they may; events that could not be sent are tried again. */
    bool unsent = n > 0 || (counts->waiting_events > 0 && mw_host_connected(replay->host));
    for (size_t i = 0; unsent && i < replay->n; i++) {
        mw_replay_device_send(replay->device[i]);
    }
    if (!replay->options->quiet) {
        mw_progress_update(&replay->progress, counts->acknowledged + counts->present);
    }
    if (counts->lost != NULL && !replay->failed) {
        mw_error_set(&replay->error, MW_ERR_STATE,
                     "%s: the bridge has lost its position in the middle of the replay; the same "
                     "command starts from where it stands",
                     counts->lost);
        replay->failed = true;
    }
    replay->done = replay->ended && counts->waiting == 0 && counts->waiting_events == 0;
    if (replay->done || replay->failed) {
        mw_loop_stop(replay->role.loop);
        return;
    }
    wait = room == 0 || replay->ended ? POLL : wait;
    mw_loop_set_timer(replay->role.loop, replay->fill, wait, 0);
}

static void on_second(void *context)
{
    struct replay *replay = context;
    int64_t now = mw_clock_monotonic();
    for (size_t i = 0; i < replay->n; i++) {
        mw_replay_device_tick(replay->device[i], now);
    }
}

/* --- running --- */

static mw_err begin(struct replay *replay, struct mw_error *error)
{
    char client[MW_NAME_MAX + 32];
    snprintf(client, sizeof client, "replay-%s-%d", replay->plant->plant, (int)getpid());
    struct mw_host_options options = {.client_id = client};
    mw_err err = mw_recording_open(&replay->recording, replay->plant, replay->options->path,
                                   replay->options->n, error);
    if (err == MW_OK) {
        err = mw_role_init(&replay->role, "replay", error);
    }
    if (err == MW_OK) {
        err = mw_host_new(&replay->host, replay->role.loop, replay->plant, &options, error);
    }
    if (err == MW_OK) {
        err = mw_loop_add_timer(replay->role.loop, 0, 0, on_fill, replay, &replay->fill, error);
    }
    if (err == MW_OK) {
        err = mw_loop_add_timer(replay->role.loop, MW_SECOND, MW_SECOND, on_second, replay,
                                &replay->second, error);
    }
    return err;
}

static mw_err run(struct replay *replay, struct mw_error *error)
{
    mw_err err = mw_role_run(&replay->role, error);
    if (err == MW_OK && replay->failed) {
        *error = replay->error;
        return error->code;
    }
    if (err == MW_OK && !replay->done) {
        return mw_error_set(error, MW_ERR_STATE,
                            "interrupted with %llu records not acknowledged; the same command goes "
                            "on from there",
                            (unsigned long long)replay->counts.waiting);
    }
    for (size_t i = 0; i < replay->n; i++) {
        mw_replay_device_report(replay->device[i]);
    }
    return err;
}

static void end(struct replay *replay)
{
    if (replay->role.loop != NULL) {
        mw_loop_remove(replay->role.loop, replay->fill);
        mw_loop_remove(replay->role.loop, replay->second);
    }
    mw_host_free(replay->host);
    mw_name_map_free(&replay->names);
    for (size_t i = 0; i < replay->n; i++) {
        mw_replay_device_free(replay->device[i]);
    }
    free(replay->device);
    mw_recording_close(replay->recording);
    mw_role_clear(&replay->role);
}

mw_err mw_replay_run(const struct mw_plant *plant, const struct mw_replay_options *options,
                     struct mw_replay_result *result, struct mw_error *error)
{
    int64_t started = mw_clock_monotonic();
    struct mw_error own = {0};
    error = error == NULL ? &own : error;
    *result = (struct mw_replay_result){0};
    struct replay *replay = calloc(1, sizeof *replay);
    if (replay == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    replay->plant = plant;
    replay->options = options;
    mw_err err = begin(replay, error);
    if (err == MW_OK) {
        if (!options->quiet) {
            mw_progress_start(&replay->progress, "replay", 0);
        }
        err = run(replay, error);
        *result = (struct mw_replay_result){.rows = mw_recording_rows(replay->recording),
                                            .sent = replay->counts.acknowledged,
                                            .present = replay->counts.present,
                                            .events = replay->counts.events,
                                            .devices = (unsigned)replay->n,
                                            .duration = mw_clock_monotonic() - started};
        if (!options->quiet) {
            mw_progress_end(&replay->progress, result->sent + result->present);
        }
    }
    end(replay);
    free(replay);
    return err;
}
