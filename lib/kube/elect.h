/* elect.h - which of several processes acts: leader election by a Lease (coordination.k8s.io/v1).
 *
 * The holder renews the Lease; who has seen it unchanged for its duration, by his own monotonic
 * clock, takes it. Clocks of different machines are never compared. A holder that could not renew
 * for two thirds of the duration stops leading before another one may begin. */
#ifndef MW_KUBE_ELECT_H
#define MW_KUBE_ELECT_H

#include "lib/kube/client.h"

/* ---- what a look at the Lease means; no input, no output ---- */

enum mw_kube_claim { MW_KUBE_WAIT, MW_KUBE_CREATE, MW_KUBE_TAKE, MW_KUBE_RENEW };

struct mw_kube_lease_view {
    char holder[256], renewed[64]; /* as last seen; "" */
    int64_t changed;               /* monotonic time at which they were first seen like this */
    bool seen;
};

/* lease: the Lease as the API gave it, NULL when there is none. identity: who we are. duration:
 * microseconds, when the Lease itself names none. Updates *view. */
enum mw_kube_claim mw_kube_lease_judge(struct mw_kube_lease_view *view, const json_t *lease,
                                       const char *identity, int64_t duration, int64_t now);

/* ---- the election ---- */

struct mw_kube_elect_options {
    const char *space, *name, *identity; /* of the Lease, and our own; copied */
    int64_t duration;                    /* microseconds; 0: 15 s; a try every tenth of it */
    void (*on_change)(void *context, bool leads);
    void *context;
};

struct mw_kube_elect;

mw_err mw_kube_elect_new(struct mw_kube_elect **elect, struct mw_kube *kube,
                         const struct mw_kube_elect_options *options, struct mw_error *error);
bool mw_kube_elect_leads(const struct mw_kube_elect *elect);
/* Gives the Lease up, so that another one need not wait; done (may be NULL) is called once the
 * server has answered, at once when we do not lead. */
void mw_kube_elect_resign(struct mw_kube_elect *elect, void (*done)(void *context), void *context);
void mw_kube_elect_free(struct mw_kube_elect *elect); /* NULL allowed */

#endif
