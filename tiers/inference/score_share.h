/* score_share.h - how several scorers divide a plant whose records are in Kafka.
 *
 * The stream is divided into score.shares shares: share k reads the partitions p of `telemetry`
 * with p % shares == k, and all of update, baseline and event. A share is a scorer of its own, with
 * a writer of the stream: its scores, its position and what it knows of its machines (policies,
 * baselines, bundles) are one transaction of that writer, and whoever opens the writer goes on from
 * there. Any number of processes host the shares (lib/stream/members.h); a process that is killed
 * leaves its shares to the others, and can commit nothing of them any more.
 *
 * The records of a device are in one partition, and so in one share. A machine with several devices
 * may be in several shares; each of these counts the scores in a row of its own devices.
 *
 * A plant is divided once: the key `count` of each share's compacted topic `shares` says by how
 * many. Shares 1 and up then begin where the single scorer stood, with what it knew. */
#ifndef MW_INFERENCE_SCORE_SHARE_H
#define MW_INFERENCE_SCORE_SHARE_H

#include "lib/base/error.h"
#include "lib/plant/plant.h"
#include "lib/plant/share.h"
#include "lib/stream/stream.h"

size_t mw_score_shares(const struct mw_plant *plant); /* from 1 */
/* The share's writer: "score" for share 0, else "score-<share>". */
void mw_score_share_name(size_t share, char name[MW_SHARE_NAME]);

/* Divides the plant's stream unless it is. STATE: it is divided otherwise, and that stays so. BUSY:
 * another process does the same just now, and it has to be tried again. Blocks. */
mw_err mw_score_divide(const struct mw_plant *plant, struct mw_error *error);

/* Whether the share's own stream is divided as the plant says; STATE when not. */
mw_err mw_score_share_check(const struct mw_plant *plant, struct mw_stream *stream,
                            struct mw_error *error);
/* Opens the reader of a share. */
mw_err mw_score_share_read(struct mw_stream_reader **reader, struct mw_stream *stream, size_t share,
                           size_t shares, const char *heir_of, struct mw_error *error);

#endif
