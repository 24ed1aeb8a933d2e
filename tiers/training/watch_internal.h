/* watch_internal.h - what the files of the watch's role share. */
#ifndef MW_TRAINING_WATCH_INTERNAL_H
#define MW_TRAINING_WATCH_INTERNAL_H

#include "core/wire/message.h"
#include "lib/artifact/baselines.h"
#include "lib/artifact/bundle.h"
#include "lib/base/role.h"
#include "lib/stream/stream.h"
#include "tiers/training/watch_window.h"

/* A bundle in use, and the windows of those that it serves. */
struct mw_watched {
    char device[MW_NAME_MAX + 1]; /* that was told to run it; "*": all */
    struct mw_bundle bundle; /* without its layers' bytes; `machine` with model.scope machine */
    struct mw_watch *watch;
    struct mw_baseline baseline; /* of bundle.machine; mean NULL: none yet */
};

struct mw_watch_role {
    const struct mw_plant *plant;
    struct mw_role role;
    struct mw_stream *stream;
    struct mw_stream_reader *reader;
    struct mw_stream_record *records;
    struct mw_wire_parser *parser;
    void *parser_memory;
    struct mw_telemetry telemetry; /* scratch, as is the next */
    struct mw_sketch_record sketch;
    struct mw_sketch mapped[MW_BUNDLE_FEATURES_MAX];
    struct mw_store *store;
    /* With model.scope plant the one that serves all, else one a machine that has its own. */
    struct mw_watched **watched;
    size_t n_watched, last;         /* last: that a record was for */
    struct mw_baselines *baselines; /* with model.scope plant */
    uint64_t seen, alarms;
    int64_t committed; /* the position, monotonic */
    bool alarmed;      /* something was appended in this round */
    struct mw_loop_watch *look, *second;
};

/* watch_bundles.c: which bundle serves whom. */

/* What was in force when the last process ended: orders and baselines before the position, and for
 * which alarms the cool-down still holds. */
mw_err mw_watch_restore(struct mw_watch_role *role, struct mw_error *error);
void mw_watch_take_update(struct mw_watch_role *role, const struct mw_stream_record *record);
void mw_watch_take_baseline(struct mw_watch_role *role, struct mw_span value);
/* The one that serves a machine; NULL: none yet. */
struct mw_watched *mw_watch_find(struct mw_watch_role *role, struct mw_span machine);
void mw_watch_forget_all(struct mw_watch_role *role);

/* watch_follow.c: takes in one record of any topic; *watched gets whose windows it went into, or
 * NULL. */
mw_err mw_watch_take(struct mw_watch_role *role, const struct mw_stream_record *record,
                     struct mw_watched **watched, struct mw_error *error);

/* watch_tell.c: appends the alarm, in the transaction of this round. */
mw_err mw_watch_tell(struct mw_watch_role *role, const struct mw_watched *watched,
                     const struct mw_watch_alarm *alarm, struct mw_error *error);

#endif
