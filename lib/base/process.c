#include "lib/base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_VARIABLE "MILLWRIGHT_READY_FD"

extern char **environ;

/* All that the child needs is made before the fork: behind it, with threads in the parent, only
 * async-signal-safe calls are allowed. */
struct birth {
    const struct mw_process_spec *spec;
    char **environment;
    pid_t parent;
    int ready;  /* -1: none */
    int report; /* takes errno when the child cannot start */
};

static void set_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    for (int i = 1; i < NSIG; i++) {
        (void)sigaction(i, &action, NULL); /* KILL and STOP refuse */
    }
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool set_files(const struct birth *birth)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0) {
        return false;
    }
    if (birth->spec->output != NULL) {
        int output = open(birth->spec->output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (output < 0 || dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0) {
            return false;
        }
    }
    /* A library may have opened something without O_CLOEXEC; a lock must not live on in a child. An
     * old kernel does not know the call, and then nothing is lost that we opened ourselves. */
    (void)close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    return birth->ready < 0 || fcntl(birth->ready, F_SETFD, 0) == 0;
}

static _Noreturn void be_child(const struct birth *birth)
{
    /* The parent may have died before the first of these two lines. */
    bool ok = prctl(PR_SET_PDEATHSIG, SIGTERM) == 0;
    if (getppid() != birth->parent) {
        _exit(127);
    }
    set_signals();
    /* Ctrl-C goes to the parent alone, which stops its children in their order. */
    ok = ok && setpgid(0, 0) == 0 && set_files(birth);
    if (birth->spec->nice != 0) {
        (void)!nice(birth->spec->nice); /* refused: it runs all the same */
    }
    if (ok) {
        execvpe(birth->spec->argv[0], birth->spec->argv, birth->environment);
    }
    int number = errno;
    (void)!write(birth->report, &number, sizeof number);
    _exit(127);
}

/* A copy of the environment's pointers, with our variable set or left out. `variable` is borrowed.
 */
static char **make_environment(char *variable)
{
    size_t n = 0;
    while (environ != NULL && environ[n] != NULL) {
        n++;
    }
    char **made = calloc(n + 2, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (strncmp(environ[i], READY_VARIABLE "=", sizeof READY_VARIABLE) != 0) {
            made[kept++] = environ[i];
        }
    }
    made[kept] = variable;
    return made;
}

static void close_both(int pipe[2])
{
    for (int i = 0; i < 2; i++) {
        if (pipe[i] >= 0) {
            close(pipe[i]);
            pipe[i] = -1;
        }
    }
}

/* Forks and waits until the child has become the program, or has said why not. */
static mw_err give_birth(struct birth *birth, int report[2], pid_t *pid, struct mw_error *error)
{
    const char *program = birth->spec->argv[0];
    birth->parent = getpid();
    birth->report = report[1];
    pid_t child = fork();
    if (child < 0) {
        return mw_error_errno(error, MW_ERR_IO, "cannot start %s", program);
    }
    if (child == 0) {
        be_child(birth);
    }
    close(report[1]);
    report[1] = -1;
    int number = 0;
    ssize_t n;
    do {
        n = read(report[0], &number, sizeof number);
    } while (n < 0 && errno == EINTR);
    if (n == (ssize_t)sizeof number) {
        /* It has ended already; taking its status here keeps it from being anybody's child. */
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
        }
        errno = number;
        return mw_error_errno(error, number == ENOENT ? MW_ERR_NOT_FOUND : MW_ERR_IO,
                              "cannot start %s", program);
    }
    *pid = child;
    return MW_OK;
}

mw_err mw_process_start(const struct mw_process_spec *spec, pid_t *pid, int *ready_fd,
                        struct mw_error *error)
{
    int ready[2] = {-1, -1}, report[2] = {-1, -1};
    char variable[sizeof READY_VARIABLE + 16];
    *pid = -1;
    if (ready_fd != NULL) {
        *ready_fd = -1;
    }
    if (pipe2(report, O_CLOEXEC) != 0 || (spec->ready && pipe2(ready, O_CLOEXEC) != 0)) {
        mw_err err = mw_error_errno(error, MW_ERR_IO, "cannot start %s", spec->argv[0]);
        close_both(report);
        return err;
    }
    snprintf(variable, sizeof variable, READY_VARIABLE "=%d", ready[1]);
    struct birth birth = {.spec = spec,
                          .environment = make_environment(spec->ready ? variable : NULL),
                          .ready = ready[1]};
    mw_err err;
    if (birth.environment == NULL) {
        err = mw_error_set(error, MW_ERR_MEMORY, "cannot start %s: out of memory", spec->argv[0]);
    } else {
        err = give_birth(&birth, report, pid, error);
    }
    free(birth.environment);
    close_both(report);
    if (err == MW_OK && spec->ready && ready_fd != NULL) {
        *ready_fd = ready[0];
        ready[0] = -1;
    }
    close_both(ready);
    return err;
}

void mw_process_ready(void)
{
    const char *text = getenv(READY_VARIABLE);
    if (text == NULL) {
        return;
    }
    char *end;
    errno = 0;
    long fd = strtol(text, &end, 10);
    bool valid = errno == 0 && end != text && *end == 0 && fd > STDERR_FILENO && fd <= INT_MAX;
    unsetenv(READY_VARIABLE); /* said once, and not by our own children */
    if (valid) {
        (void)!write((int)fd, "READY", 5);
        close((int)fd);
    }
}

static long read_pid(int fd)
{
    char text[32];
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    if (n <= 0) {
        return 0;
    }
    text[n] = 0;
    return strtol(text, NULL, 10);
}

mw_err mw_process_lock(const char *path, int *fd, struct mw_error *error)
{
    *fd = -1;
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) {
        return mw_error_errno(error, MW_ERR_IO, "%s", path);
    }
    mw_err err = MW_OK;
    if (flock(file, LOCK_EX | LOCK_NB) != 0) {
        long holder = errno == EWOULDBLOCK ? read_pid(file) : -1;
        if (holder > 0) {
            err = mw_error_set(error, MW_ERR_BUSY, "%s: held by process %ld", path, holder);
        } else if (holder == 0) {
            err = mw_error_set(error, MW_ERR_BUSY, "%s: held by another process", path);
        } else {
            err = mw_error_errno(error, MW_ERR_IO, "%s", path);
        }
        close(file);
        return err;
    }
    char text[32];
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(file, 0) != 0 || pwrite(file, text, (size_t)n, 0) != (ssize_t)n) {
        err = mw_error_errno(error, MW_ERR_IO, "%s", path);
        close(file);
        return err;
    }
    *fd = file;
    return MW_OK;
}

static char self[PATH_MAX] = "/proc/self/exe";

static void find_self(void)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n > 0) {
        path[n] = 0;
        memcpy(self, path, (size_t)n + 1);
    }
}

const char *mw_process_self(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_self);
    return self;
}

/* The sum of a file's Pss lines in bytes, -1 when it has none. */
static int64_t sum_pss(pid_t pid, const char *name)
{
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return -1;
    }
    int64_t sum = -1;
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "Pss:", 4) == 0) {
            sum = (sum < 0 ? 0 : sum) + strtoll(line + 4, NULL, 10) * 1024;
        }
    }
    fclose(file);
    return sum;
}

int64_t mw_process_pss(pid_t pid)
{
    int64_t bytes = sum_pss(pid, "smaps_rollup");
    return bytes >= 0 ? bytes : sum_pss(pid, "smaps"); /* rollup came with Linux 4.14 */
}
