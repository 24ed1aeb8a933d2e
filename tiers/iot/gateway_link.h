/* gateway_link.h - a thread that reads devices which share one connection, each at its interval.
 *
 * Libraries such as libmodbus block; here they block this thread alone. What it finds goes into a
 * queue, of which the loop hears through a descriptor. A device that does not answer is told once
 * (AWAY) and tried again after 1 s, 2 s, 4 s ... up to 30 s, or its interval where that is longer,
 * until it does (BACK). Orders go before readings, and to a device that is away as well. */
#ifndef MW_IOT_GATEWAY_LINK_H
#define MW_IOT_GATEWAY_LINK_H

#include "tiers/iot/gateway_driver.h"

#define MW_GATEWAY_QUEUE_MAX 1024 /* readings not taken; then devices are not read */

enum mw_gateway_news_kind {
    MW_GATEWAY_RECORD, /* value[], of `time` */
    MW_GATEWAY_AWAY,   /* text says why */
    MW_GATEWAY_BACK,
    MW_GATEWAY_WRITTEN, /* the order `id` */
    MW_GATEWAY_REFUSED  /* the order `id` was not acknowledged; text says why */
};

struct mw_gateway_news {
    struct mw_gateway_news *next;
    enum mw_gateway_news_kind kind;
    unsigned device; /* its number, as it was given */
    int64_t time;    /* microseconds UTC */
    char id[MW_ID_MAX + 1];
    char *text;
    float value[]; /* the device's features */
};

/* --- a queue for all links; any thread puts, one takes --- */

struct mw_gateway_queue;

mw_err mw_gateway_queue_new(struct mw_gateway_queue **queue, struct mw_error *error);
void mw_gateway_queue_free(struct mw_gateway_queue *queue);    /* once no link is left */
int mw_gateway_queue_fd(const struct mw_gateway_queue *queue); /* readable: there is news */
/* All that is there, oldest first; NULL when nothing is. The caller frees each with
 * mw_gateway_news_free. */
struct mw_gateway_news *mw_gateway_queue_take(struct mw_gateway_queue *queue);
void mw_gateway_news_free(struct mw_gateway_news *news);

/* --- a link --- */

struct mw_gateway_link;

/* Opens the driver; the thread waits for mw_gateway_link_start. Queue and driver are borrowed. */
mw_err mw_gateway_link_new(struct mw_gateway_link **link, const struct mw_gateway_driver *driver,
                           const struct mw_gateway_file *first, struct mw_gateway_queue *queue,
                           struct mw_error *error);
/* Tells the thread to end behind the call that it is in. */
void mw_gateway_link_stop(struct mw_gateway_link *link);
/* Ends it. false when that call takes longer than a second: then thread and link stay, and what
 * they borrow has to; for a process that is about to end. */
bool mw_gateway_link_free(struct mw_gateway_link *link);

/* Before the start: adds a device (borrowed) that news calls `number`. Errors: MEMORY. */
mw_err mw_gateway_link_add(struct mw_gateway_link *link, const struct mw_gateway_file *file,
                           unsigned number, struct mw_error *error);
mw_err mw_gateway_link_start(struct mw_gateway_link *link, struct mw_error *error);

/* Has the device do an action; WRITTEN or REFUSED with this id follows. See the driver for `again`.
 * Errors: MEMORY. */
mw_err mw_gateway_link_order(struct mw_gateway_link *link, unsigned number, size_t action,
                             const char *id, bool again);

#endif
