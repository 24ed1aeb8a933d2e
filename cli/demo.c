/* demo.c - a whole plant in a temporary folder: history, a first model, saves, a change of the
 * world, drift, a new model, and better predictions again; told as it happens. */
#include "cli/command.h"
#include "cli/demo_run.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/process.h"
#include "lib/http/server.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT (86 * MW_SECOND) /* --once gives up then */
#define PROOF (17 * MW_SECOND) /* how long the new model is watched */

static const struct mw_option options[] = {
    {"once", MW_OPTION_BOOL, NULL, 0, 0, "false", NULL,
     "end when the loop has closed, with status 0 only if it did",
     offsetof(struct mw_demo_values, once)},
    {"seed", MW_OPTION_INT, NULL, 0, 9e15, "1", NULL, "of the simulated plant",
     offsetof(struct mw_demo_values, seed)},
    {"report", MW_OPTION_STRING, NULL, 0, 0, "", "file", "write the figures there as JSON",
     offsetof(struct mw_demo_values, report)},
    {"port", MW_OPTION_INT, NULL, 0, 65535, "8080", NULL, "of the page; a free one if it is taken",
     offsetof(struct mw_demo_values, port)},
    {"keep", MW_OPTION_BOOL, NULL, 0, 0, "false", NULL, "leave the data folder behind",
     offsetof(struct mw_demo_values, keep)},
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0},
};

/* Two weeks of history, then 3 days of live running until the world changes. A record stands for
 * ten minutes and takes 50 ms, so a day of the plant passes in 7.2 s. */
static const char plant_text[] =
    "plant: demo\n"
    "data: data\n"
    "http: {port: %lld}\n"
    "time: {tolerance: off}\n"
    "model: {kind: mlp, hidden: [16], horizon: 4h, seed: %lld}\n"
    "commission: {records: 144}\n"
    "level2: {share: 0.2, sketch_records: 36}\n"
    "action: {immediate: stop, expires: 1h, confirm: 2, quiet: 10h}\n"
    "watch: {window: 144, minimum: 144, psi: 0.3, cooldown: 576}\n"
    "retrain: {minimum_records: 12000, minimum_positives: 400, fresh_records: 1000,\n"
    "          fresh_positives: 150, attempts_gap: 100}\n"
    "rollout: {canary: 1, records: 4}\n"
    "simulate: {machines: 8, seed: %lld, interval: 10m, speed: 12000, until: 14d,\n"
    "           fault_every: 16h, growth: 24h, script: world.txt, twins: true}\n";

static const char world_text[] =
    "# a sensor change on half of the plant, and a heavier load for all\n"
    "at 408h load 1.25\n"
    "at 408h gain vibration 1.8 motor-1 motor-2 motor-3 motor-4\n";

/* --- the folder and the child --- */

/* Whether this demo is the one that may have the port: another that begins at the same moment would
 * find it free too. A name in the abstract space of sockets, which is gone with the process and, as
 * the port, is the network namespace's. */
static bool reserve(struct mw_demo *demo, int64_t port)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int n = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "millwright-demo-%lld",
                     (long long)port);
    demo->reservation = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return demo->reservation >= 0 &&
           bind(demo->reservation, (struct sockaddr *)&name,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) == 0;
}

/* The port asked for, or 0 when something else holds it. */
static int64_t free_port(struct mw_demo *demo)
{
    int64_t port = demo->values->port;
    bool free = port == 0 || (reserve(demo, port) &&
                              mw_http_server_probe("127.0.0.1", (uint16_t)port, NULL) == MW_OK);
    return free ? port : 0;
}

static mw_err make_folder(struct mw_demo *demo)
{
    const char *base = getenv("TMPDIR");
    char text[4096], script[PATH_MAX + 16];
    int n = snprintf(demo->folder, sizeof demo->folder, "%s/millwright-demo-XXXXXX",
                     base == NULL || base[0] == '\0' ? "/tmp" : base);
    if (n < 0 || (size_t)n >= sizeof demo->folder || mkdtemp(demo->folder) == NULL) {
        return mw_error_errno(demo->error, MW_ERR_IO, "%s", demo->folder);
    }
    snprintf(demo->config, sizeof demo->config, "%s/plant.yaml", demo->folder);
    snprintf(demo->log, sizeof demo->log, "%s/log", demo->folder);
    snprintf(script, sizeof script, "%s/world.txt", demo->folder);
    n = snprintf(text, sizeof text, plant_text, (long long)free_port(demo),
                 (long long)demo->values->seed, (long long)demo->values->seed);
    mw_err err = mw_file_write(demo->config, text, (size_t)n, 0600, demo->error);
    if (err == MW_OK) {
        err = mw_file_write(script, world_text, strlen(world_text), 0600, demo->error);
    }
    return err == MW_OK ? mw_plant_read(&demo->plant, demo->config, demo->error) : err;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void remove_folder(const struct mw_demo *demo)
{
    if (demo->folder[0] != '\0' && !demo->values->keep) {
        nftw(demo->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    }
}

static void on_ready(void *context, uint32_t events)
{
    (void)events;
    struct mw_demo *demo = context;
    char text[16], path[PATH_MAX];
    struct mw_buffer port = {0};
    ssize_t n = read(demo->ready_fd, text, sizeof text);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    mw_loop_remove(demo->loop, demo->ready);
    demo->ready = NULL;
    close(demo->ready_fd);
    demo->ready_fd = -1;
    demo->is_ready = n >= 5 && memcmp(text, "READY", 5) == 0;
    if (!demo->is_ready) {
        return; /* its end tells the rest */
    }
    struct mw_error error = {0};
    if (mw_plant_path(&demo->plant, "run", "http", path, sizeof path, &error) == MW_OK) {
        mw_file_read(path, 64, &port, &error);
    }
    demo->page = port.data == NULL ? 0 : atoi(port.data);
    char taken[48] = "";
    if (demo->values->port != 0 && demo->values->port != demo->page) {
        snprintf(taken, sizeof taken, " (port %lld is taken)", (long long)demo->values->port);
    }
    mw_demo_say(&demo->figures,
                "A plant is up: 8 motors, their broker, bridge, scorer, watch, learner and page,\n"
                "         each a process of its own. Look at http://localhost:%d/%s",
                demo->page, taken);
    mw_buffer_free(&port);
}

static mw_err start(struct mw_demo *demo)
{
    static char up[] = "up", option[] = "-c";
    char *argv[] = {(char *)(uintptr_t)mw_process_self(), up, option, demo->config, NULL};
    struct mw_process_spec spec = {.argv = argv, .ready = true, .output = demo->log};
    mw_err err = mw_process_start(&spec, &demo->up, &demo->ready_fd, demo->error);
    return err == MW_OK ? mw_loop_add_fd(demo->loop, demo->ready_fd, EPOLLIN, on_ready, demo,
                                         &demo->ready, demo->error)
                        : err;
}

/* --- the loop --- */

static void stop(struct mw_demo *demo)
{
    mw_demo_draw_end(demo);
    if (!demo->stopping && demo->up != 0) {
        demo->stopping = true;
        mw_demo_read_latency(demo);
        kill(demo->up, SIGTERM);
    }
}

static void on_signal(void *context, int signal)
{
    struct mw_demo *demo = context;
    int status;
    if (signal != SIGCHLD) {
        demo->interrupted = true;
        stop(demo);
        return;
    }
    if (demo->up != 0 && waitpid(demo->up, &status, WNOHANG) == demo->up) {
        mw_demo_draw_end(demo);
        if (!demo->stopping) {
            struct mw_buffer log = {0};
            mw_file_read(demo->log, 1U << 24, &log, NULL);
            fprintf(stderr, "%s", log.data == NULL ? "" : log.data);
            mw_buffer_free(&log);
            demo->err = mw_error_set(demo->error, MW_ERR_STATE, "the plant ended by itself");
        }
        demo->up = 0;
        mw_loop_stop(demo->loop);
    }
}

static void on_tick(void *context)
{
    struct mw_demo *demo = context;
    int64_t now = mw_clock_utc();
    bool late = now - demo->figures.started > LIMIT;
    if (demo->stopping) {
        return;
    }
    if (late && (demo->values->once || !demo->is_ready)) {
        stop(demo);
        return;
    }
    mw_demo_draw(demo);
    if (!demo->is_ready) {
        return;
    }
    if (!demo->watching) {
        demo->err = mw_demo_watch_open(&demo->watch, &demo->plant, demo->error);
        demo->watching = demo->err == MW_OK;
    }
    if (demo->err == MW_OK) {
        demo->err = mw_demo_watch_poll(&demo->watch, demo->error);
    }
    if (demo->err != MW_OK) {
        stop(demo);
        return;
    }
    mw_demo_tell(demo);
    if (demo->ticks++ % 10 == 0) {
        mw_demo_sample_memory(demo);
    }
    bool proved = demo->second_everywhere != 0 && now - demo->second_everywhere > PROOF;
    if (proved && demo->values->once) {
        stop(demo);
    } else if (proved && !demo->finished) {
        demo->finished = true;
        mw_demo_draw_end(demo);
        mw_demo_read_latency(demo);
        demo->err = mw_demo_finish(demo);
        printf("  The plant goes on; look at http://localhost:%d/ . Ctrl-C ends it.\n", demo->page);
        fflush(stdout);
    }
}

static mw_err run_loop(struct mw_demo *demo)
{
    int signals[] = {SIGCHLD, SIGTERM, SIGINT};
    mw_err err = mw_loop_new(&demo->loop, demo->error);
    if (err == MW_OK) {
        err = mw_loop_add_signals(demo->loop, signals, 3, on_signal, demo, demo->error);
    }
    if (err == MW_OK) {
        err = start(demo);
    }
    if (err == MW_OK) {
        err = mw_loop_add_timer(demo->loop, MW_SECOND / 10, MW_SECOND / 10, on_tick, demo,
                                &demo->tick, demo->error);
    }
    if (err == MW_OK) {
        err = mw_loop_run(demo->loop, demo->error);
    }
    if (demo->up != 0) {
        kill(demo->up, SIGTERM);
        waitpid(demo->up, NULL, 0);
    }
    return err == MW_OK ? demo->err : err;
}

/* A report that cannot be written is better told now than in a minute. */
static mw_err check_report(struct mw_demo *demo)
{
    const char *path = demo->values->report;
    FILE *file = path == NULL || path[0] == '\0' ? NULL : fopen(path, "a");
    if (file != NULL) {
        fclose(file);
        return MW_OK;
    }
    return path == NULL || path[0] == '\0' ? MW_OK
                                           : mw_error_errno(demo->error, MW_ERR_IO, "%s", path);
}

static int run(void *values, int n, char **argv, struct mw_error *error)
{
    (void)n;
    (void)argv;
    struct mw_demo *demo = calloc(1, sizeof *demo);
    if (demo == NULL) {
        mw_error_set(error, MW_ERR_MEMORY, "out of memory");
        return 1;
    }
    demo->values = values;
    demo->error = error;
    demo->ready_fd = -1;
    demo->reservation = -1;
    demo->figures.started = mw_clock_utc();
    mw_log_init("demo", MW_LOG_WARN, MW_LOG_TEXT);
    mw_demo_draw_begin(demo);
    mw_err err = check_report(demo);
    if (err == MW_OK) {
        err = make_folder(demo);
    }
    if (err == MW_OK) {
        err = run_loop(demo);
    }
    mw_demo_draw_end(demo);
    if (err == MW_OK && !demo->watching) {
        err = mw_error_set(error, MW_ERR_TIMEOUT, "the plant did not come up; see %s", demo->log);
        ((struct mw_demo_values *)values)->keep = true;
    }
    if (err == MW_OK && !demo->finished) {
        err = mw_demo_finish(demo);
    }
    if (demo->values->keep) {
        printf("  data and log are in %s\n", demo->folder);
    }
    bool closed = demo->figures.closed;
    mw_demo_watch_close(&demo->watch);
    mw_loop_free(demo->loop);
    mw_plant_clear(&demo->plant);
    remove_folder(demo);
    if (demo->reservation >= 0) {
        close(demo->reservation);
    }
    free(demo);
    return err == MW_OK && closed ? 0 : 1;
}

const struct mw_subcommand mw_command_demo = {
    .name = "demo",
    .synopsis = "[--once] [--seed N] [--report FILE.json]",
    .summary = "show the whole loop on a simulated plant",
    .shorts = NULL,
    .options = options,
    .values_size = sizeof(struct mw_demo_values),
    .run = run,
};
