#include "tiers/iot/gateway_link.h"

#include "lib/base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define BACKOFF_FIRST MW_SECOND
#define BACKOFF_LAST (30 * MW_SECOND)

struct mw_gateway_queue {
    pthread_mutex_t mutex;
    int event;
    struct mw_gateway_news *first, **last;
    size_t n;
};

struct device {
    const struct mw_gateway_file *file;
    unsigned number;
    int64_t due;     /* monotonic */
    int64_t backoff; /* 0: it answers */
    bool told;       /* AWAY is in the queue */
};

struct order {
    struct order *next;
    size_t device, action;
    bool again;
    char id[MW_ID_MAX + 1];
};

struct mw_gateway_link {
    const struct mw_gateway_driver *driver;
    void *state;
    struct mw_gateway_queue *queue;
    struct device *device;
    size_t n;
    pthread_t thread;
    bool started;
    pthread_mutex_t mutex; /* for what follows */
    pthread_cond_t wake;
    struct order *order, **last;
    bool stop;
};

/* --- queue --- */

mw_err mw_gateway_queue_new(struct mw_gateway_queue **out, struct mw_error *error)
{
    struct mw_gateway_queue *queue = calloc(1, sizeof *queue);
    *out = NULL;
    if (queue == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    queue->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (queue->event < 0) {
        free(queue);
        return mw_error_errno(error, MW_ERR_IO, "eventfd");
    }
    pthread_mutex_init(&queue->mutex, NULL);
    queue->last = &queue->first;
    *out = queue;
    return MW_OK;
}

void mw_gateway_news_free(struct mw_gateway_news *news)
{
    free(news->text);
    free(news);
}

void mw_gateway_queue_free(struct mw_gateway_queue *queue)
{
    if (queue == NULL) {
        return;
    }
    while (queue->first != NULL) {
        struct mw_gateway_news *news = queue->first;
        queue->first = news->next;
        mw_gateway_news_free(news);
    }
    close(queue->event);
    pthread_mutex_destroy(&queue->mutex);
    free(queue);
}

int mw_gateway_queue_fd(const struct mw_gateway_queue *queue)
{
    return queue->event;
}

struct mw_gateway_news *mw_gateway_queue_take(struct mw_gateway_queue *queue)
{
    uint64_t count;
    while (read(queue->event, &count, sizeof count) < 0 && errno == EINTR) {
    }
    pthread_mutex_lock(&queue->mutex);
    struct mw_gateway_news *first = queue->first;
    queue->first = NULL;
    queue->last = &queue->first;
    queue->n = 0;
    pthread_mutex_unlock(&queue->mutex);
    return first;
}

static bool is_full(struct mw_gateway_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    bool full = queue->n >= MW_GATEWAY_QUEUE_MAX;
    pthread_mutex_unlock(&queue->mutex);
    return full;
}

static void put(struct mw_gateway_queue *queue, struct mw_gateway_news *news)
{
    const uint64_t one = 1;
    pthread_mutex_lock(&queue->mutex);
    *queue->last = news;
    queue->last = &news->next;
    queue->n++;
    pthread_mutex_unlock(&queue->mutex);
    while (write(queue->event, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

/* false when memory is short: the same is found and told again. */
static bool tell(struct mw_gateway_link *link, const struct device *device,
                 enum mw_gateway_news_kind kind, const char *id, const char *text)
{
    struct mw_gateway_news *news = calloc(1, sizeof *news);
    char *copy = text == NULL ? NULL : strdup(text);
    if (news == NULL || (text != NULL && copy == NULL)) {
        free(news);
        free(copy);
        return false;
    }
    news->kind = kind;
    news->device = device->number;
    news->time = mw_clock_utc();
    news->text = copy;
    snprintf(news->id, sizeof news->id, "%s", id == NULL ? "" : id);
    put(link->queue, news);
    return true;
}

/* --- the thread --- */

static void answers(struct mw_gateway_link *link, struct device *device)
{
    if (device->told && tell(link, device, MW_GATEWAY_BACK, NULL, NULL)) {
        device->told = false;
    }
    device->backoff = 0;
}

static void is_away(struct mw_gateway_link *link, struct device *device, const char *why)
{
    if (!device->told) {
        device->told = tell(link, device, MW_GATEWAY_AWAY, NULL, why);
    }
    device->backoff = device->backoff == 0 ? BACKOFF_FIRST : device->backoff * 2;
    if (device->backoff > BACKOFF_LAST) {
        device->backoff = BACKOFF_LAST;
    }
}

/* The next reading at its place in the row; places that were missed are left out. */
static void schedule(struct device *device)
{
    int64_t now = mw_clock_monotonic(), interval = device->file->interval;
    if (device->backoff > interval) {
        device->due = now + device->backoff;
    } else {
        device->due += interval * (1 + (now - device->due) / interval);
    }
}

static void read_one(struct mw_gateway_link *link, struct device *device)
{
    size_t size = device->file->n_features * sizeof(float);
    struct mw_gateway_news *news = calloc(1, sizeof *news + size);
    struct mw_error error = {0};
    if (news == NULL || is_full(link->queue)) {
        free(news); /* the loop is busy: no reading rather than an old one */
        schedule(device);
        return;
    }
    news->kind = MW_GATEWAY_RECORD;
    news->device = device->number;
    if (link->driver->read(link->state, device->file, news->value, &error) == MW_OK) {
        answers(link, device);
        news->time = mw_clock_utc();
        put(link->queue, news);
    } else {
        mw_gateway_news_free(news);
        is_away(link, device, error.text);
    }
    schedule(device);
}

static void obey(struct mw_gateway_link *link, const struct order *order)
{
    struct device *device = &link->device[order->device];
    struct mw_error error = {0};
    mw_err err =
        link->driver->write(link->state, device->file, order->action, order->again, &error);
    enum mw_gateway_news_kind kind = err == MW_OK ? MW_GATEWAY_WRITTEN : MW_GATEWAY_REFUSED;
    if (err == MW_OK && device->backoff > 0) {
        device->due = mw_clock_monotonic(); /* it answers again */
    }
    /* An order whose end cannot be told would never be given again. */
    while (!tell(link, device, kind, order->id, err == MW_OK ? NULL : error.text)) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
}

static struct device *next_due(const struct mw_gateway_link *link)
{
    struct device *first = NULL;
    for (size_t i = 0; i < link->n; i++) {
        if (first == NULL || link->device[i].due < first->due) {
            first = &link->device[i];
        }
    }
    return first;
}

static void *run(void *context)
{
    struct mw_gateway_link *link = context;
    pthread_mutex_lock(&link->mutex);
    while (!link->stop) {
        struct device *device = next_due(link);
        struct order *order = link->order;
        if (order != NULL) {
            link->order = order->next;
            link->last = link->order == NULL ? &link->order : link->last;
            pthread_mutex_unlock(&link->mutex);
            obey(link, order);
            free(order);
            pthread_mutex_lock(&link->mutex);
        } else if (device->due <= mw_clock_monotonic()) {
            pthread_mutex_unlock(&link->mutex);
            read_one(link, device);
            pthread_mutex_lock(&link->mutex);
        } else {
            struct timespec until = {device->due / MW_SECOND, device->due % MW_SECOND * 1000};
            pthread_cond_timedwait(&link->wake, &link->mutex, &until);
        }
    }
    pthread_mutex_unlock(&link->mutex);
    return NULL;
}

/* --- a link --- */

mw_err mw_gateway_link_new(struct mw_gateway_link **out, const struct mw_gateway_driver *driver,
                           const struct mw_gateway_file *first, struct mw_gateway_queue *queue,
                           struct mw_error *error)
{
    struct mw_gateway_link *link = calloc(1, sizeof *link);
    *out = NULL;
    if (link == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    mw_err err = driver->open(&link->state, first, error);
    if (err != MW_OK) {
        free(link);
        return mw_error_wrap(error, "%s", first->path);
    }
    link->driver = driver;
    link->queue = queue;
    link->last = &link->order;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&link->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&link->mutex, NULL);
    *out = link;
    return MW_OK;
}

void mw_gateway_link_stop(struct mw_gateway_link *link)
{
    pthread_mutex_lock(&link->mutex);
    link->stop = true;
    pthread_cond_signal(&link->wake);
    pthread_mutex_unlock(&link->mutex);
}

bool mw_gateway_link_free(struct mw_gateway_link *link)
{
    struct timespec limit;
    mw_gateway_link_stop(link);
    clock_gettime(CLOCK_MONOTONIC, &limit);
    limit.tv_sec++;
    if (link->started && pthread_clockjoin_np(link->thread, NULL, CLOCK_MONOTONIC, &limit) != 0) {
        return false;
    }
    while (link->order != NULL) {
        struct order *order = link->order;
        link->order = order->next;
        free(order);
    }
    link->driver->close(link->state);
    pthread_cond_destroy(&link->wake);
    pthread_mutex_destroy(&link->mutex);
    free(link->device);
    free(link);
    return true;
}

mw_err mw_gateway_link_add(struct mw_gateway_link *link, const struct mw_gateway_file *file,
                           unsigned number, struct mw_error *error)
{
    struct device *device = realloc(link->device, (link->n + 1) * sizeof *device);
    if (device == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    link->device = device;
    device[link->n++] =
        (struct device){.file = file, .number = number, .due = mw_clock_monotonic()};
    return MW_OK;
}

mw_err mw_gateway_link_start(struct mw_gateway_link *link, struct mw_error *error)
{
    sigset_t all, before;
    sigfillset(&all); /* signals are the loop's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int number = pthread_create(&link->thread, NULL, run, link);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (number != 0) {
        errno = number;
        return mw_error_errno(error, MW_ERR_IO, "a thread for %s", link->device[0].file->url_text);
    }
    link->started = true;
    return MW_OK;
}

mw_err mw_gateway_link_order(struct mw_gateway_link *link, unsigned number, size_t action,
                             const char *id, bool again)
{
    struct order *order = calloc(1, sizeof *order);
    if (order == NULL) {
        return MW_ERR_MEMORY;
    }
    while (link->device[order->device].number != number) {
        order->device++;
    }
    order->action = action;
    order->again = again;
    snprintf(order->id, sizeof order->id, "%s", id);
    pthread_mutex_lock(&link->mutex);
    *link->last = order;
    link->last = &order->next;
    pthread_cond_signal(&link->wake);
    pthread_mutex_unlock(&link->mutex);
    return MW_OK;
}
