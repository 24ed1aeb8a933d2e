#include "lib/base/supervise.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKOFF_FIRST (MW_SECOND / 10)
#define BACKOFF_LAST (10 * MW_SECOND)
#define GOOD_RUN (30 * MW_SECOND)
#define PROBE_INTERVAL (MW_SECOND / 50)
#define KILL_AFTER (5 * MW_SECOND)

enum child_state { CHILD_WAITING, CHILD_STARTING, CHILD_READY, CHILD_STOPPED };

struct child {
    struct child *next; /* in the order of starting */
    struct mw_supervisor *supervisor;
    struct mw_child_spec spec;
    enum child_state state;
    bool was_ready;
    bool ending;  /* was asked to end */
    bool leaving; /* and is not started again */
    pid_t pid;    /* 0 while down */
    int ready_fd;
    int64_t started, backoff;
    struct mw_loop_watch *ready_watch;
    struct mw_loop_watch *timer; /* probe, restart or kill, by state */
};

struct mw_supervisor {
    struct mw_loop *loop;
    struct mw_supervisor_options options;
    struct child *first;
    bool stopping, announced;
};

static void start_next(struct mw_supervisor *supervisor);
static void stop_next(struct mw_supervisor *supervisor);

static void close_ready(struct child *child)
{
    mw_loop_remove(child->supervisor->loop, child->ready_watch);
    child->ready_watch = NULL;
    if (child->ready_fd >= 0) {
        close(child->ready_fd);
        child->ready_fd = -1;
    }
}

static void child_is_ready(struct child *child)
{
    child->state = CHILD_READY;
    if (!child->was_ready) {
        child->was_ready = true;
        start_next(child->supervisor);
    }
}

static void on_ready_fd(void *context, uint32_t events)
{
    (void)events;
    struct child *child = context;
    char text[16];
    ssize_t n = read(child->ready_fd, text, sizeof text);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    close_ready(child); /* at end of file without READY the exit that follows tells the rest */
    if (n >= 5 && memcmp(text, "READY", 5) == 0) {
        child_is_ready(child);
    }
}

static void schedule_restart(struct child *child)
{
    int64_t ran = mw_clock_monotonic() - child->started;
    child->backoff = child->backoff == 0 || ran > GOOD_RUN ? BACKOFF_FIRST : child->backoff * 2;
    if (child->backoff > BACKOFF_LAST) {
        child->backoff = BACKOFF_LAST;
    }
    child->state = CHILD_WAITING;
    mw_loop_set_timer(child->supervisor->loop, child->timer, child->backoff, 0);
}

static void start_child(struct child *child)
{
    struct mw_error error = {0};
    bool ready = child->spec.probe == NULL;
    struct mw_process_spec spec = {.argv = child->spec.argv,
                                   .ready = ready,
                                   .nice = child->spec.nice,
                                   .output = child->spec.output};
    child->started = mw_clock_monotonic();
    child->state = CHILD_STARTING;
    mw_err err = mw_process_start(&spec, &child->pid, ready ? &child->ready_fd : NULL, &error);
    if (err != MW_OK) {
        child->pid = 0; /* it was -1, and kill(-1) goes to every process there is */
        mw_log(MW_LOG_ERROR, child->spec.name, "could not start", MW_KS("reason", error.text));
        schedule_restart(child);
        return;
    }
    if (ready) {
        err = mw_loop_add_fd(child->supervisor->loop, child->ready_fd, EPOLLIN, on_ready_fd, child,
                             &child->ready_watch, &error);
    }
    if (err != MW_OK) { /* its READY would never be heard: its end starts it again */
        mw_log(MW_LOG_ERROR, child->spec.name, "could not watch", MW_KS("reason", error.text));
        kill(child->pid, SIGKILL);
        return;
    }
    if (!ready) {
        mw_loop_set_timer(child->supervisor->loop, child->timer, PROBE_INTERVAL, PROBE_INTERVAL);
    }
}

static void on_timer(void *context)
{
    struct child *child = context;
    if (child->supervisor->stopping || child->ending) {
        if (child->pid != 0) {
            mw_log(MW_LOG_WARN, child->spec.name, "did not stop in time, killed",
                   MW_KI("pid", child->pid));
            kill(child->pid, SIGKILL);
        }
    } else if (child->state == CHILD_WAITING) {
        start_child(child);
    } else if (child->state == CHILD_STARTING && child->spec.probe != NULL &&
               child->spec.probe(child->spec.context)) {
        mw_loop_set_timer(child->supervisor->loop, child->timer, -1, 0);
        child_is_ready(child);
    }
}

/* Starts the children that never ran, up to one that is to be ready before those behind it. */
static void start_next(struct mw_supervisor *supervisor)
{
    if (supervisor->stopping) {
        return;
    }
    bool all = true;
    for (struct child *child = supervisor->first; child != NULL; child = child->next) {
        if (child->was_ready) {
            continue;
        }
        all = false;
        if (child->state == CHILD_WAITING && child->started == 0) {
            start_child(child);
        }
        if (!child->spec.apart) {
            return;
        }
    }
    if (all && !supervisor->announced) {
        supervisor->announced = true;
        if (supervisor->options.on_ready != NULL) {
            supervisor->options.on_ready(supervisor->options.context);
        }
    }
}

static void free_child(struct child *child)
{
    close_ready(child);
    mw_loop_remove(child->supervisor->loop, child->timer);
    free(child);
}

/* Those behind it may have waited for it to become ready. */
static void drop_child(struct child *child)
{
    struct mw_supervisor *supervisor = child->supervisor;
    struct child **link = &supervisor->first;
    while (*link != child) {
        link = &(*link)->next;
    }
    *link = child->next;
    free_child(child);
    start_next(supervisor);
}

static void child_ended(struct child *child, int status)
{
    struct mw_supervisor *supervisor = child->supervisor;
    child->pid = 0;
    child->ending = false;
    close_ready(child);
    if (child->leaving && !supervisor->stopping) {
        drop_child(child);
        return;
    }
    if (supervisor->stopping) {
        child->state = CHILD_STOPPED;
        mw_loop_set_timer(supervisor->loop, child->timer, -1, 0);
        return;
    }
    if (WIFSIGNALED(status)) {
        mw_log(MW_LOG_WARN, child->spec.name, "ended, starting it again",
               MW_KI("signal", WTERMSIG(status)));
    } else {
        mw_log(MW_LOG_WARN, child->spec.name, "ended, starting it again",
               MW_KI("status", WEXITSTATUS(status)));
    }
    schedule_restart(child);
}

static void on_sigchld(void *context, int signal)
{
    (void)signal;
    struct mw_supervisor *supervisor = context;
    struct child *next;
    for (struct child *child = supervisor->first; child != NULL; child = next) {
        int status;
        next = child->next;
        if (child->pid != 0 && waitpid(child->pid, &status, WNOHANG) == child->pid) {
            child_ended(child, status);
        }
    }
    if (supervisor->stopping) {
        stop_next(supervisor);
    }
}

/* Stops the last child that still runs; when none does, it is over. */
static void stop_next(struct mw_supervisor *supervisor)
{
    struct child *last = NULL;
    for (struct child *child = supervisor->first; child != NULL; child = child->next) {
        if (child->pid != 0) {
            last = child;
        }
    }
    if (last == NULL) {
        if (supervisor->options.on_stopped != NULL) {
            supervisor->options.on_stopped(supervisor->options.context);
        }
        return;
    }
    if (last->state != CHILD_STOPPED) {
        last->state = CHILD_STOPPED; /* asked to, once */
        kill(last->pid, SIGTERM);
        mw_loop_set_timer(supervisor->loop, last->timer, KILL_AFTER, 0);
    }
}

mw_err mw_supervisor_new(struct mw_supervisor **out, struct mw_loop *loop,
                         const struct mw_supervisor_options *options, struct mw_error *error)
{
    struct mw_supervisor *supervisor = calloc(1, sizeof *supervisor);
    if (supervisor == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    supervisor->loop = loop;
    supervisor->options = *options;
    int signals[] = {SIGCHLD};
    mw_err err = mw_loop_add_signals(loop, signals, 1, on_sigchld, supervisor, error);
    if (err != MW_OK) {
        free(supervisor);
        return err;
    }
    *out = supervisor;
    return MW_OK;
}

void mw_supervisor_free(struct mw_supervisor *supervisor)
{
    if (supervisor == NULL) {
        return;
    }
    struct child *child = supervisor->first;
    while (child != NULL) {
        struct child *next = child->next;
        if (child->pid != 0) {
            kill(child->pid, SIGKILL);
            waitpid(child->pid, NULL, 0);
        }
        free_child(child);
        child = next;
    }
    free(supervisor);
}

mw_err mw_supervisor_add(struct mw_supervisor *supervisor, const struct mw_child_spec *spec,
                         struct mw_error *error)
{
    struct child *child = calloc(1, sizeof *child);
    if (child == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    child->supervisor = supervisor;
    child->spec = *spec;
    child->ready_fd = -1;
    mw_err err = mw_loop_add_timer(supervisor->loop, -1, 0, on_timer, child, &child->timer, error);
    if (err != MW_OK) {
        free(child);
        return err;
    }
    struct child **end = &supervisor->first;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = child;
    start_next(supervisor);
    return MW_OK;
}

static struct child *find(const struct mw_supervisor *supervisor, const char *name)
{
    for (struct child *child = supervisor->first; child != NULL; child = child->next) {
        if (!child->leaving && strcmp(child->spec.name, name) == 0) {
            return child;
        }
    }
    return NULL;
}

static void end_child(struct child *child)
{
    child->ending = true;
    kill(child->pid, SIGTERM);
    mw_loop_set_timer(child->supervisor->loop, child->timer, KILL_AFTER, 0);
}

mw_err mw_supervisor_restart(struct mw_supervisor *supervisor, const char *name)
{
    struct child *child = find(supervisor, name);
    if (child == NULL) {
        return MW_ERR_NOT_FOUND;
    }
    if (child->pid != 0 && !supervisor->stopping) {
        child->backoff = 0;
        end_child(child);
    }
    return MW_OK;
}

mw_err mw_supervisor_remove(struct mw_supervisor *supervisor, const char *name)
{
    struct child *child = find(supervisor, name);
    if (child == NULL) {
        return MW_ERR_NOT_FOUND;
    }
    if (child->pid == 0) {
        drop_child(child);
    } else if (!supervisor->stopping) {
        child->leaving = true;
        end_child(child);
    }
    return MW_OK;
}

void mw_supervisor_stop(struct mw_supervisor *supervisor)
{
    if (supervisor->stopping) {
        for (struct child *child = supervisor->first; child != NULL; child = child->next) {
            if (child->pid != 0) {
                kill(child->pid, SIGKILL);
            }
        }
        return;
    }
    supervisor->stopping = true;
    stop_next(supervisor);
}

pid_t mw_supervisor_pid(const struct mw_supervisor *supervisor, const char *name)
{
    const struct child *child = find(supervisor, name);
    return child == NULL ? 0 : child->pid;
}
