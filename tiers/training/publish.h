/* publish.h - the last two steps: a validated bundle is signed, and then the plant is told.
 *
 * Targets metadata travels to every thing, so it must not grow with each training, and a bundle
 * whose name moves is trusted no more, so it must not be one that still runs. Hence names are
 * slots, bundle/<tag>/0 to 7: a free one is taken, else that of the oldest bundle that nothing is
 * told to run. What no name holds any more, and nothing is told to run, is removed from the store
 * with the next publication, at the earliest a day after it was put there. */
#ifndef MW_TRAINING_PUBLISH_H
#define MW_TRAINING_PUBLISH_H

#include "lib/artifact/store.h"
#include "lib/plant/plant.h"

#define MW_PUBLISH_SLOTS 8

struct mw_signed {
    char digest[MW_DIGEST_TEXT];
    char name[160];   /* in targets */
    uint64_t version; /* of targets */
};

/* Proves a bundle folder's golden vectors, stores its parts and signs its manifest with data/keys,
 * which are made when missing. `name` NULL: a slot as above. The tag is "plant" or the bundle's
 * machine. Errors: those of the files; DENIED when a golden vector differs. */
mw_err mw_publish_sign(const struct mw_plant *plant, const char *folder, const char *name,
                       struct mw_signed *out, struct mw_error *error);

struct mw_publish_options {
    const char *digest;
    const char *cause;   /* "first", "drift", "schedule", "asked", "manual" */
    const char *machine; /* tag and key; NULL: the bundle's own, or the plant */
    const char *metrics; /* a report.json to take the metrics from; NULL: the bundle's */
    int64_t patience;    /* microseconds to wait for another publisher to end */
};

/* Verifies the signature, moves the tag and appends the record of topic `model` (docs/protocol.md)
 * as stream writer "publish". Blocks while another process publishes, for `patience` at most (then
 * BUSY). Errors: SIGNATURE, NOT_FOUND, those of the stream. */
mw_err mw_publish(const struct mw_plant *plant, const struct mw_publish_options *options,
                  uint64_t *version, struct mw_error *error);

#endif
