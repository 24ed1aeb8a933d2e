/* package.h - receiving a blob piece by piece, and what must hold before it may run.
 *
 * Who sends is not trusted, and the link breaks. So: a signature over the statement that names the
 * blob is checked first, before a byte is stored; pieces are taken in order, repeated ones are no
 * harm, and a restart goes on where it stopped; at the end length and SHA-256 must be those of the
 * statement. Only then may the blob be staged (slots.h). Hash, signature and storage are the
 * caller's: OpenSSL and a file on Linux, mbedTLS and flash on a microcontroller. */
#ifndef MW_CORE_UPDATE_PACKAGE_H
#define MW_CORE_UPDATE_PACKAGE_H

#include "core/err.h"

#include <stddef.h>
#include <stdint.h>

#define MW_PACKAGE_DIGEST 32 /* bytes of a SHA-256 */

/* What the caller provides. Each returns MW_OK or an error that the call then returns as it is.
 * They are called from within the functions below, on the same thread; they may block. */
struct mw_package_ops {
    mw_err (*hash_init)(void *context); /* forgets what was hashed before */
    mw_err (*hash_update)(void *context, const void *data, size_t size);
    mw_err (*hash_final)(void *context, uint8_t digest[MW_PACKAGE_DIGEST]);
    /* SIGNATURE unless `signature` over `message` is by a key that this device trusts. */
    mw_err (*verify)(void *context, const void *message, size_t message_size, const void *signature,
                     size_t signature_size);
    mw_err (*write)(void *context, uint64_t offset, const void *data, size_t size);
    mw_err (*read)(void *context, uint64_t offset, void *data, size_t size);
};

/* A signed statement (TUF's targets) and what the caller read in it about this blob. */
struct mw_package_statement {
    const void *message;
    size_t message_size;
    const void *signature;
    size_t signature_size;
    uint64_t size; /* of the blob, bytes, at least 1 */
    uint8_t digest[MW_PACKAGE_DIGEST];
};

enum mw_package_state { MW_PACKAGE_NONE, MW_PACKAGE_RECEIVING, MW_PACKAGE_COMPLETE };

struct mw_package {
    const struct mw_package_ops *ops; /* borrowed, as is context */
    void *context;
    enum mw_package_state state;
    uint64_t size;
    uint64_t received; /* bytes stored and hashed: the offset that is wanted next */
    uint8_t digest[MW_PACKAGE_DIGEST];
};

/* Checks the statement and waits for the byte at offset `received`: 0 for a new blob, or, after a
 * restart, the number of bytes that are known to be stored; those are read back and hashed.
 * package: overwritten; ops, context: borrowed until the package is done with; ops->read may be
 * NULL when received is 0; statement: only used within the call.
 * Errors: SIGNATURE and others of the callbacks, ARGUMENT (size 0, received above size),
 * UNSUPPORTED (bytes received before, but no read). The state is then NONE. */
mw_err mw_package_begin(struct mw_package *package, const struct mw_package_ops *ops, void *context,
                        const struct mw_package_statement *statement, uint64_t received);

/* Takes one piece. What of it was there already is passed over; what is new is stored, then hashed.
 * Errors: AGAIN (a gap: offset is above package->received, ask from there), TOO_LARGE (reaches
 * beyond the blob), STATE (not receiving), and those of the callbacks. After an error of write the
 * same piece may come again; after one of the hash the state is NONE. */
mw_err mw_package_receive(struct mw_package *package, uint64_t offset, const void *data,
                          size_t size);

/* Checks the whole: the blob may run after MW_OK and never else. Errors: AGAIN (not all received),
 * CORRUPT (another digest; state NONE: begin anew from 0), STATE, and those of the callbacks. */
mw_err mw_package_finish(struct mw_package *package);

#endif
