#include "tiers/iot/replay.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/progress.h"
#include "lib/base/role.h"
#include "tiers/iot/recording.h"
#include "tiers/iot/replay_device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAITING_MAX 16384 /* rows in memory at most */
#define BURST 2048        /* rows a round of the loop */
#define EVENTS_AGAIN 4    /* quarter seconds until events without ack are sent again */

struct replay {
    const struct mw_plant *plant;
    const struct mw_replay_options *options;
    struct mw_role role;
    struct mw_host *host;
    struct mw_recording *recording;
    struct mw_replay_device **device;
    size_t n, capacity;
    size_t last; /* the device of the row before: rows of one device mostly follow one another */
    struct mw_recorded row;
    bool have_row, ended, failed;
    int64_t started, first_time; /* monotonic; of the first row */
    unsigned quarters;
    struct mw_progress progress;
    struct mw_error error;
    struct mw_loop_watch *fill, *quarter;
};

static struct mw_replay_device *find_device(struct replay *replay, const char *name)
{
    for (size_t i = 0; i < replay->n; i++) {
        size_t at = (replay->last + i) % replay->n;
        if (strcmp(mw_replay_device_name(replay->device[at]), name) == 0) {
            replay->last = at;
            return replay->device[at];
        }
    }
    if (replay->n == replay->capacity) {
        size_t capacity = replay->capacity == 0 ? 16 : replay->capacity * 2;
        struct mw_replay_device **grown = realloc(replay->device, capacity * sizeof *grown);
        if (grown == NULL) {
            mw_error_set(&replay->error, MW_ERR_MEMORY, "out of memory");
            return NULL;
        }
        replay->device = grown;
        replay->capacity = capacity;
    }
    struct mw_replay_device *device = NULL;
    if (mw_replay_device_new(&device, replay->host, name, &replay->error) == MW_OK) {
        replay->last = replay->n;
        replay->device[replay->n++] = device;
    }
    return device;
}

static struct mw_replay_counts count_all(const struct replay *replay)
{
    struct mw_replay_counts sum = {0};
    for (size_t i = 0; i < replay->n; i++) {
        struct mw_replay_counts one = mw_replay_device_counts(replay->device[i]);
        sum.waiting += one.waiting;
        sum.waiting_events += one.waiting_events;
        sum.present += one.present;
        sum.acknowledged += one.acknowledged;
        sum.events += one.events;
    }
    return sum;
}

/* Is it time for this row? Always, as fast as acknowledged. Else *wait says in how long. */
static bool due(struct replay *replay, int64_t time, int64_t *wait)
{
    *wait = 0;
    if (replay->options->speed <= 0) {
        return true;
    }
    if (replay->first_time == INT64_MIN) {
        replay->first_time = time;
    }
    int64_t at =
        replay->started + (int64_t)((double)(time - replay->first_time) / replay->options->speed);
    *wait = at - mw_clock_monotonic();
    return *wait <= 0;
}

/* Moves one row from the file to its device. False when there is none to move now. */
static bool take_row(struct replay *replay, int64_t *wait)
{
    *wait = 0;
    if (!replay->have_row) {
        mw_err err = mw_recording_next(replay->recording, &replay->row, &replay->error);
        replay->ended = err == MW_ERR_AGAIN;
        replay->failed = err != MW_OK && err != MW_ERR_AGAIN;
        replay->have_row = err == MW_OK;
    }
    if (!replay->have_row || !due(replay, replay->row.telemetry.time, wait)) {
        return false;
    }
    replay->row.telemetry.device = mw_span_of(replay->row.device);
    replay->row.telemetry.machine = mw_span_of(replay->row.machine);
    struct mw_replay_device *device = find_device(replay, replay->row.device);
    if (device == NULL || mw_replay_device_row(device, &replay->row, &replay->error) != MW_OK) {
        replay->failed = true;
        return false;
    }
    replay->have_row = false;
    return true;
}

static void on_fill(void *context)
{
    struct replay *replay = context;
    struct mw_replay_counts counts = count_all(replay);
    size_t room = counts.waiting < WAITING_MAX ? WAITING_MAX - (size_t)counts.waiting : 0;
    int64_t wait = 0;
    size_t n = 0;
    room = room < BURST ? room : BURST;
    while (n < room && take_row(replay, &wait)) {
        n++;
    }
    for (size_t i = 0; i < replay->n; i++) {
        mw_replay_device_send(replay->device[i]);
        mw_replay_device_send_events(replay->device[i], false);
    }
    mw_progress_update(&replay->progress, counts.acknowledged + counts.present);
    counts = count_all(replay);
    bool done = replay->ended && counts.waiting == 0 && counts.waiting_events == 0;
    if (done || replay->failed) {
        mw_loop_stop(replay->role.loop);
        return;
    }
    if (room == 0 || replay->ended) {
        wait = MW_SECOND / 1000;
    }
    mw_loop_set_timer(replay->role.loop, replay->fill, wait > 0 ? wait : 0, 0);
}

static void on_quarter(void *context)
{
    struct replay *replay = context;
    if (++replay->quarters % EVENTS_AGAIN == 0) {
        for (size_t i = 0; i < replay->n; i++) {
            mw_replay_device_send_events(replay->device[i], true);
        }
    }
}

static mw_err run(struct replay *replay, struct mw_error *error)
{
    char client[MW_NAME_MAX + 32];
    snprintf(client, sizeof client, "replay-%s-%d", replay->plant->plant, (int)getpid());
    struct mw_host_options options = {.client_id = client};
    mw_err err = mw_role_init(&replay->role, "replay", error);
    if (err == MW_OK) {
        err = mw_host_new(&replay->host, replay->role.loop, replay->plant, &options, error);
    }
    if (err == MW_OK) {
        err = mw_loop_add_timer(replay->role.loop, 0, 0, on_fill, replay, &replay->fill, error);
    }
    if (err == MW_OK) {
        err = mw_loop_add_timer(replay->role.loop, MW_SECOND / 4, MW_SECOND / 4, on_quarter, replay,
                                &replay->quarter, error);
    }
    if (err == MW_OK) {
        err = mw_role_run(&replay->role, error);
    }
    if (err == MW_OK && replay->failed) {
        return mw_error_set(error, replay->error.code, "%s", replay->error.text);
    }
    struct mw_replay_counts counts = count_all(replay);
    if (err == MW_OK && (!replay->ended || counts.waiting > 0 || counts.waiting_events > 0)) {
        return mw_error_set(error, MW_ERR_STATE,
                            "interrupted with %llu records not acknowledged; the same command goes "
                            "on from there",
                            (unsigned long long)counts.waiting);
    }
    return err;
}

mw_err mw_replay_run(const struct mw_plant *plant, const struct mw_replay_options *options,
                     struct mw_replay_result *result, struct mw_error *error)
{
    struct replay replay = {.plant = plant,
                            .options = options,
                            .started = mw_clock_monotonic(),
                            .first_time = INT64_MIN};
    mw_err err = mw_recording_open(&replay.recording, plant, options->path, options->n, error);
    if (err != MW_OK) {
        return err;
    }
    if (!options->quiet) {
        mw_progress_start(&replay.progress, "replay", 0);
    }
    err = run(&replay, error);
    struct mw_replay_counts counts = count_all(&replay);
    *result = (struct mw_replay_result){.rows = mw_recording_rows(replay.recording),
                                        .sent = counts.acknowledged,
                                        .present = counts.present,
                                        .events = counts.events,
                                        .devices = (unsigned)replay.n,
                                        .duration = mw_clock_monotonic() - replay.started};
    if (!options->quiet) {
        mw_progress_end(&replay.progress, counts.acknowledged + counts.present);
    }
    if (replay.role.loop != NULL) {
        mw_loop_remove(replay.role.loop, replay.fill);
        mw_loop_remove(replay.role.loop, replay.quarter);
    }
    mw_host_free(replay.host);
    for (size_t i = 0; i < replay.n; i++) {
        mw_replay_device_free(replay.device[i]);
    }
    free(replay.device);
    mw_recording_close(replay.recording);
    mw_role_clear(&replay.role);
    return err;
}
