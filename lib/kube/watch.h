/* watch.h - a collection of objects, listed once and then followed.
 *
 * A list is read in pages, then a watch goes on from its resourceVersion, with bookmarks. A watch
 * that ends is taken up again where it stood. When the server has forgotten that version (410), or
 * a line cannot be read, the list is read anew. Failures are tried again after backoff.h's time,
 * counted from the last event that came. A connection on which nothing has come for `idle` is
 * given up: bookmarks come every minute. */
#ifndef MW_KUBE_WATCH_H
#define MW_KUBE_WATCH_H

#include "lib/kube/client.h"

enum mw_kube_change {
    MW_KUBE_RELIST, /* all objects come (again); object is NULL */
    MW_KUBE_PUT,    /* is there, as this */
    MW_KUBE_GONE,   /* was deleted; its last state */
    MW_KUBE_SYNCED  /* the list is whole: what did not come since RELIST is gone; object is NULL */
};

/* The object is borrowed. Must not send, cancel, or free the watch: it may come from inside of
 * libcurl. */
typedef void mw_kube_change_fn(void *context, enum mw_kube_change change, json_t *object);

struct mw_kube_watch_options {
    const char *path;  /* "/api/v1/nodes"; copied */
    const char *query; /* further parameters, escaped: "labelSelector=a%3Db"; copied; may be NULL */
    unsigned page;     /* objects a page of the list; 0: 200 */
    int64_t idle;      /* microseconds; 0: 150 s */
    mw_kube_change_fn *fn;
    void *context;
};

struct mw_kube_watch;

/* Starts at once. Borrows kube. Errors: MEMORY. */
mw_err mw_kube_watch_new(struct mw_kube_watch **watch, struct mw_kube *kube,
                         const struct mw_kube_watch_options *options, struct mw_error *error);
void mw_kube_watch_free(struct mw_kube_watch *watch); /* NULL allowed */

bool mw_kube_watch_is_synced(const struct mw_kube_watch *watch); /* has been, once */
/* Failures in a row, 0 when all is well; what the last one was through *text (may be NULL). */
unsigned mw_kube_watch_failures(const struct mw_kube_watch *watch, const char **text);

#endif
