#include "lib/base/errand.h"

#include "lib/base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct mw_errand {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    mw_errand_fn *fn; /* NULL: nothing is under way */
    void *context;
    bool over;
    int fd;
};

static void *work(void *argument)
{
    static const uint64_t one = 1;
    struct mw_errand *errand = argument;
    (void)pthread_mutex_lock(&errand->mutex);
    while (!errand->over || errand->fn != NULL) {
        if (errand->fn == NULL) {
            (void)pthread_cond_wait(&errand->changed, &errand->mutex);
            continue;
        }
        mw_errand_fn *fn = errand->fn;
        (void)pthread_mutex_unlock(&errand->mutex);
        fn(errand->context);
        (void)pthread_mutex_lock(&errand->mutex);
        errand->fn = NULL;
        (void)pthread_cond_broadcast(&errand->changed);
        (void)!write(errand->fd, &one, sizeof one);
    }
    (void)pthread_mutex_unlock(&errand->mutex);
    return NULL;
}

mw_err mw_errand_new(struct mw_errand **made, struct mw_error *error)
{
    struct mw_errand *errand = calloc(1, sizeof *errand);
    pthread_condattr_t attributes;
    *made = NULL;
    if (errand == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    errand->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (errand->fd < 0) {
        free(errand);
        return mw_error_errno(error, MW_ERR_IO, "eventfd");
    }
    (void)pthread_mutex_init(&errand->mutex, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&errand->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    errno = pthread_create(&errand->thread, NULL, work, errand);
    if (errno != 0) {
        mw_err err = mw_error_errno(error, MW_ERR_IO, "thread");
        (void)close(errand->fd);
        free(errand);
        return err;
    }
    *made = errand;
    return MW_OK;
}

void mw_errand_free(struct mw_errand *errand)
{
    if (errand == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&errand->mutex);
    errand->over = true;
    (void)pthread_cond_broadcast(&errand->changed);
    (void)pthread_mutex_unlock(&errand->mutex);
    (void)pthread_join(errand->thread, NULL);
    (void)pthread_cond_destroy(&errand->changed);
    (void)pthread_mutex_destroy(&errand->mutex);
    (void)close(errand->fd);
    free(errand);
}

void mw_errand_start(struct mw_errand *errand, mw_errand_fn *fn, void *context)
{
    (void)pthread_mutex_lock(&errand->mutex);
    errand->fn = fn;
    errand->context = context;
    (void)pthread_cond_broadcast(&errand->changed);
    (void)pthread_mutex_unlock(&errand->mutex);
}

bool mw_errand_wait(struct mw_errand *errand, int64_t microseconds)
{
    int64_t end = mw_clock_monotonic() + microseconds;
    struct timespec until = {.tv_sec = end / MW_SECOND, .tv_nsec = end % MW_SECOND * 1000};
    uint64_t times;
    int late = 0;
    (void)pthread_mutex_lock(&errand->mutex);
    while (errand->fn != NULL && microseconds > 0 && late == 0) {
        late = pthread_cond_timedwait(&errand->changed, &errand->mutex, &until);
    }
    bool over = errand->fn == NULL;
    if (over) {
        (void)!read(errand->fd, &times, sizeof times);
    }
    (void)pthread_mutex_unlock(&errand->mutex);
    return over;
}

int mw_errand_fd(const struct mw_errand *errand)
{
    return errand->fd;
}
