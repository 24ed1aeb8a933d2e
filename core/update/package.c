/* package.c - receiving a blob piece by piece. */
#include "core/update/package.h"

#include <string.h>

enum { READ_BACK = 256 }; /* bytes of stack for hashing again what is stored */

static mw_err hash_stored(struct mw_package *package, uint64_t until)
{
    uint8_t piece[READ_BACK];
    if (until > 0 && package->ops->read == NULL) {
        return MW_ERR_UNSUPPORTED;
    }
    while (package->received < until) {
        uint64_t left = until - package->received;
        size_t n = left < sizeof piece ? (size_t)left : sizeof piece;
        mw_err err = package->ops->read(package->context, package->received, piece, n);
        if (err == MW_OK) {
            err = package->ops->hash_update(package->context, piece, n);
        }
        if (err != MW_OK) {
            return err;
        }
        package->received += n;
    }
    return MW_OK;
}

mw_err mw_package_begin(struct mw_package *package, const struct mw_package_ops *ops, void *context,
                        const struct mw_package_statement *statement, uint64_t received)
{
    *package = (struct mw_package){
        .ops = ops, .context = context, .state = MW_PACKAGE_NONE, .size = statement->size};
    memcpy(package->digest, statement->digest, sizeof package->digest);
    if (statement->size == 0 || received > statement->size) {
        return MW_ERR_ARGUMENT;
    }
    mw_err err = ops->verify(context, statement->message, statement->message_size,
                             statement->signature, statement->signature_size);
    if (err == MW_OK) {
        err = ops->hash_init(context);
    }
    if (err == MW_OK) {
        err = hash_stored(package, received);
    }
    if (err == MW_OK) {
        package->state = MW_PACKAGE_RECEIVING;
    }
    return err;
}

mw_err mw_package_receive(struct mw_package *package, uint64_t offset, const void *data,
                          size_t size)
{
    if (package->state != MW_PACKAGE_RECEIVING) {
        return MW_ERR_STATE;
    }
    if (offset > package->size || size > package->size - offset) {
        return MW_ERR_TOO_LARGE;
    }
    if (offset > package->received) {
        return MW_ERR_AGAIN;
    }
    uint64_t known = package->received - offset;
    if (known >= size) {
        return MW_OK;
    }
    const uint8_t *fresh = (const uint8_t *)data + known;
    size_t n = size - (size_t)known;
    mw_err err = package->ops->write(package->context, package->received, fresh, n);
    if (err != MW_OK) {
        return err;
    }
    err = package->ops->hash_update(package->context, fresh, n);
    if (err != MW_OK) {
        package->state = MW_PACKAGE_NONE; /* nobody knows what the hash has seen */
        return err;
    }
    package->received += n;
    return MW_OK;
}

mw_err mw_package_finish(struct mw_package *package)
{
    if (package->state != MW_PACKAGE_RECEIVING) {
        return MW_ERR_STATE;
    }
    if (package->received < package->size) {
        return MW_ERR_AGAIN;
    }
    uint8_t digest[MW_PACKAGE_DIGEST];
    package->state = MW_PACKAGE_NONE;
    mw_err err = package->ops->hash_final(package->context, digest);
    if (err != MW_OK) {
        return err;
    }
    if (memcmp(digest, package->digest, sizeof digest) != 0) {
        return MW_ERR_CORRUPT;
    }
    package->state = MW_PACKAGE_COMPLETE;
    return MW_OK;
}
