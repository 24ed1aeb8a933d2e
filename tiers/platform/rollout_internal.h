/* rollout_internal.h - what the files of the rollout engine share. */
#ifndef MW_PLATFORM_ROLLOUT_INTERNAL_H
#define MW_PLATFORM_ROLLOUT_INTERNAL_H

#include "tiers/platform/rollout.h"

bool mw_rollout_is_active(const struct mw_rollout *rollout);

/* Sets stage and reason, and tells it. */
void mw_rollout_enter(struct mw_rollout_engine *engine, struct mw_rollout *rollout,
                      enum mw_rollout_stage stage, int64_t now, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Desired state of one device. */
void mw_rollout_tell(struct mw_rollout_engine *engine, const struct mw_rollout *rollout,
                     const char *device, const char *bundle, const char *stage);

/* To all, and back to the bundle before. */
void mw_rollout_promote(struct mw_rollout_engine *engine, struct mw_rollout *rollout, int64_t now,
                        const char *reason);
void mw_rollout_take_back(struct mw_rollout_engine *engine, struct mw_rollout *rollout, int64_t now,
                          const char *reason);

/* Notes that a thing goes first, with its scores under the bundle before. */
void mw_rollout_goes_first(struct mw_rollout *rollout, struct mw_rollout_thing *thing);

/* What the canaries' alarms say of the bundle, and, unless they are few, the reason. */
enum mw_rollout_alarms {
    MW_ROLLOUT_ALARMS_FEW,
    MW_ROLLOUT_ALARMS_UNSURE, /* more than there should be, which may be chance */
    MW_ROLLOUT_ALARMS_MANY
};
enum mw_rollout_alarms mw_rollout_judge_alarms(const struct mw_rollout_engine *engine,
                                               const struct mw_rollout *rollout,
                                               char reason[MW_ROLLOUT_REASON]);

/* Looks at every rollout that is on its way (rollout_gates.c). */
void mw_rollout_judge(struct mw_rollout_engine *engine, int64_t now);

#endif
