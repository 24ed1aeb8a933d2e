/* model_slot.h - the model that a thing runs, and how it comes to run another one.
 *
 * A desired state (update message) names a bundle and carries the signed targets. The slot checks
 * the signature against the root that the thing was enrolled with and that the version does not go
 * back, fetches the parts that it lacks from the bridge in pieces (resumable by offset), checks
 * every hash, loads the bundle beside the running one, reproduces its golden vectors, and only then
 * swaps, between two records. The bundle before stays on disk. A bundle that fails any check is
 * refused with the reason and the old one runs on; one during whose trial the process died three
 * times is refused until another has been tried. A desired bundle of null or "" is a wish to run
 * none.
 *
 * What ran, what runs, what is on trial and the highest version of the targets that was ever tried
 * are the two slots of core/update/slots.h: a bundle is staged when all of it is here and confirmed
 * when its golden vectors have come out right. A process that died in between goes on with the
 * trial; what ran before runs until that has come to an end.
 *
 * One slot a device; parts are kept in a store that the devices of one host share. What survives a
 * restart is in the outbox: table slot (model_slot_saved.h), and table baseline with the newest
 * baselines. */
#ifndef MW_IOT_MODEL_SLOT_H
#define MW_IOT_MODEL_SLOT_H

#include "core/span.h"
#include "lib/artifact/bundle.h"
#include "lib/artifact/store.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "tiers/iot/outbox.h"

#include <stdbool.h>
#include <stdint.h>

struct mw_model_slot;

struct mw_model_slot_options {
    const char *device;       /* borrowed */
    struct mw_store *store;   /* parts; borrowed */
    struct mw_outbox *outbox; /* remembers what is active; borrowed */
    struct mw_span root;      /* root metadata of enrolment; borrowed */
    void *context;
    /* Asks the bridge for bytes of a blob from an offset on. */
    void (*want)(void *context, const char *digest, uint64_t offset);
    /* Commits the outbox's transaction, in which the slot has noted the next bundle, together with
     * what there is still to say about the one that leaves (NULL: none ran): the last moment to use
     * it. After an error the slot rolls back and the bundle runs on. */
    mw_err (*commit)(void *context, const struct mw_bundle *leaving, struct mw_error *error);
    /* The running bundle changed or a bundle was refused: report it. */
    void (*changed)(void *context);
};

/* Makes the slot and loads what was active before, if it still passes its checks. */
mw_err mw_model_slot_new(struct mw_model_slot **slot, const struct mw_model_slot_options *options,
                         struct mw_error *error);
/* Goes on with a trial during which the process before died; to be called once, when the callbacks
 * can be. */
void mw_model_slot_resume(struct mw_model_slot *slot);
void mw_model_slot_free(struct mw_model_slot *slot);

/* An update message for this device: a desired state or a part of a blob. Logs what is wrong with
 * it. */
void mw_model_slot_update(struct mw_model_slot *slot, struct mw_span json);

/* Asks again for what has not come for two seconds; call about once a second. */
void mw_model_slot_tick(struct mw_model_slot *slot, int64_t now_monotonic);

/* The model in use, or NULL. Valid until the next call of mw_model_slot_update. */
struct mw_runner *mw_model_slot_runner(struct mw_model_slot *slot);

/* The machine's baseline in the order of the runner's features, or NULL. Valid as the runner. */
const struct mw_baseline *mw_model_slot_baseline(const struct mw_model_slot *slot,
                                                 const char *machine);

/* The manifests of the bundles that the slot may still want from the store: in use, what its two
 * slots hold (in use, before it or on trial), fetched last; one may be there twice. Gives how many,
 * at most MW_MODEL_SLOT_BUNDLES. */
#define MW_MODEL_SLOT_BUNDLES 4
size_t mw_model_slot_bundles(const struct mw_model_slot *slot,
                             char digest[MW_MODEL_SLOT_BUNDLES][MW_DIGEST_TEXT]);

/* Adds ,"reported":{...} to a status. */
void mw_model_slot_status(const struct mw_model_slot *slot, struct mw_buffer *json);

#endif
