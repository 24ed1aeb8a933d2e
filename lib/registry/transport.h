/* transport.h - one request to a registry, tried again while that may help. */
#ifndef MW_REGISTRY_TRANSPORT_H
#define MW_REGISTRY_TRANSPORT_H

#include "lib/registry/address.h"
#include "lib/registry/registry.h"

struct mw_registry {
    struct mw_registry_address address;
    char *ca_file, *username, *password;
    int64_t patience;
    int64_t away;         /* monotonic time of the last failure to reach it; 0: none */
    struct mw_error last; /* why */
};

struct mw_registry_request {
    const char *method; /* GET, HEAD, POST, PUT */
    const char *url;    /* whole */
    const char *type;   /* Content-Type of body; NULL: none */
    const char *accept; /* NULL: anything */
    struct mw_span body;
    uint64_t limit; /* bytes of the answer at most */
};

struct mw_registry_answer {
    long status;
    struct mw_buffer body;
    char location[MW_REGISTRY_URL_TEXT]; /* of the last answer; empty: none */
};

/* OK for every status below 400; NOT_FOUND, DENIED and the others of registry.h with what the
 * registry said. The answer is the caller's to free, also after an error. */
mw_err mw_registry_request(struct mw_registry *registry, const struct mw_registry_request *request,
                           struct mw_registry_answer *answer, struct mw_error *error);

#endif
