/* model_slot_saved.h - the two slots of a device's model as they are kept in its outbox: table
 * slot, the bytes of core/update/slots.h. */
#ifndef MW_IOT_MODEL_SLOT_SAVED_H
#define MW_IOT_MODEL_SLOT_SAVED_H

#include "core/update/slots.h"
#include "lib/artifact/store.h"
#include "tiers/iot/outbox.h"

#define MW_MODEL_STARTS 2 /* of the process during a bundle's trial, after its first */

/* Notes the slots in the outbox's transaction, beginning one when none is open. Errors: those of
 * the outbox. */
mw_err mw_model_slots_note(struct mw_outbox *outbox, const char *device, struct mw_slots *slots,
                           struct mw_error *error);
/* The same, made durable at once; after an error nothing of the transaction is left. */
mw_err mw_model_slots_save(struct mw_outbox *outbox, const char *device, struct mw_slots *slots,
                           struct mw_error *error);

/* What was noted last, nothing when that was never; what cannot be read is said to be so and counts
 * as nothing. An outbox of an older program has it as JSON,
 * {"active","previous","trial","tries","crashed","version"}. */
void mw_model_slots_read(struct mw_outbox *outbox, const char *device, struct mw_slots *slots);

/* The digest of what a slot holds as text; "" for MW_SLOT_NONE. And back: from a valid one. */
void mw_model_slots_digest(const struct mw_slots *slots, uint8_t slot, char digest[MW_DIGEST_TEXT]);
void mw_model_slots_bytes(const char *digest, uint8_t bytes[MW_SLOTS_DIGEST]);

#endif
