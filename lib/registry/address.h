/* address.h - what a registry is asked for, and where.
 *
 *   oci://HOST[:PORT]/NAME        over TLS
 *   oci+http://HOST[:PORT]/NAME   in the clear: only where that is said
 *
 * HOST is a name, an IPv4 address or an [IPv6] one. NAME is a repository of the OCI distribution
 * specification 1.1: [a-z0-9]+([._-]+[a-z0-9]+)* in parts joined by "/", at most 255 bytes. */
#ifndef MW_REGISTRY_ADDRESS_H
#define MW_REGISTRY_ADDRESS_H

#include "core/span.h"
#include "lib/artifact/store.h"
#include "lib/base/error.h"

#define MW_REGISTRY_URL_TEXT 2048 /* bytes of any URL here, with its NUL */

struct mw_registry_address {
    char base[320]; /* https://HOST[:PORT] */
    char name[256];
    bool plain; /* oci+http */
};

/* PARSE with the reason; UNSUPPORTED for another scheme. */
mw_err mw_registry_address_parse(struct mw_registry_address *address, const char *text,
                                 struct mw_error *error);

/* Where an upload goes on: a Location header, relative to the base or whole, with digest=DIGEST
 * added to its query. Only an address of the same scheme is taken, or https for http. PARSE,
 * TOO_LARGE. */
mw_err mw_registry_upload_url(const struct mw_registry_address *address, struct mw_span location,
                              const char *digest, char url[MW_REGISTRY_URL_TEXT],
                              struct mw_error *error);

#define MW_REGISTRY_PARTS_MAX 64

/* The blobs that an OCI image manifest lists: its config and layers. */
struct mw_registry_parts {
    struct mw_descriptor part[MW_REGISTRY_PARTS_MAX]; /* media_type and title are NULL */
    size_t n;
};
/* PARSE when it is no such manifest; TOO_LARGE with more parts than there is room for, or with one
 * past `limit` bytes. */
mw_err mw_registry_parts_read(struct mw_registry_parts *parts, struct mw_span manifest,
                              uint64_t limit, struct mw_error *error);

#endif
