/* score.h - the role `score`: every record of topic telemetry gets its score at level 3.
 *
 *   reads   telemetry          one record each
 *           update             key device, or "*" for all without an entry of their own:
 *                              {"v":1,"device","desired":{"bundle":"sha256:..","rollout","stage"}};
 * a bundle of null or "" takes the entry away baseline           key machine: see mw_baseline_parse
 *           event              a repair or an inspection frees its machine for commands again
 *   writes  score, command     as core/wire/message.h has them
 *           status             key "score": {"v":1,"device":"score","time","reported":{"serves",
 *                              "bundle","refused"?,"reason"?}}: the answer to an update
 *           dead {"v":1,"topic","device","boot","seq","reason","received","by":"score"} keeps
 * desired, baseline-in-use, policy and trust, compacted, in its own file
 *
 * All that follows from a batch of records commits as one with the position behind them, so that a
 * kill at any moment neither loses nor doubles a score or a command. A record without boot and seq
 * is scored as boot 0 and its offset.
 */
#ifndef MW_INFERENCE_SCORE_H
#define MW_INFERENCE_SCORE_H

#include "lib/base/error.h"
#include "lib/plant/plant.h"

/* Runs the role until SIGTERM or SIGINT. Blocks. Errors: what opening the stream or the artifacts
 * gave (BUSY: another scorer runs). Later errors are logged and tried again every second. */
mw_err mw_score_run(const struct mw_plant *plant, struct mw_error *error);

#endif
