/* demo.c - a whole plant in a temporary folder: history, a first model, saves, a change of the
 * world, drift, a new model, and better predictions again; told as it happens. */
#include "cli/command.h"
#include "cli/demo_memory.h"
#include "cli/demo_story.h"
#include "cli/demo_watch.h"
#include "lib/artifact/bundle.h"
#include "lib/artifact/trust.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/process.h"
#include "tiers/platform/ledger.h"

#include <errno.h>
#include <ftw.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT (86 * MW_SECOND) /* --once gives up then */
#define PROOF (17 * MW_SECOND) /* how long the new model is watched */
#define TOLD_SAVES 3           /* saves that are told one by one */

struct values {
    bool once, keep;
    int64_t seed, port;
    char *report;
};

static const struct mw_option options[] = {
    {"once", MW_OPTION_BOOL, NULL, 0, 0, "false", NULL,
     "end when the loop has closed, with status 0 only if it did", offsetof(struct values, once)},
    {"seed", MW_OPTION_INT, NULL, 0, 9e15, "1", NULL, "of the simulated plant",
     offsetof(struct values, seed)},
    {"report", MW_OPTION_STRING, NULL, 0, 0, "", "file", "write the figures there as JSON",
     offsetof(struct values, report)},
    {"port", MW_OPTION_INT, NULL, 0, 65535, "8080", NULL, "of the page; a free one if it is taken",
     offsetof(struct values, port)},
    {"keep", MW_OPTION_BOOL, NULL, 0, 0, "false", NULL, "leave the data folder behind",
     offsetof(struct values, keep)},
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
    "retrain: {minimum_records: 12000, minimum_positives: 400, fresh_records: 800,\n"
    "          fresh_positives: 100, attempts_gap: 100}\n"
    "rollout: {canary: 1, records: 4}\n"
    "simulate: {machines: 8, seed: %lld, interval: 10m, speed: 12000, until: 14d,\n"
    "           fault_every: 16h, growth: 24h, script: world.txt}\n";

static const char world_text[] =
    "# a sensor change on half of the plant, and a heavier load for all\n"
    "at 408h load 1.25\n"
    "at 408h gain vibration 1.8 motor-1 motor-2 motor-3 motor-4\n";

struct demo {
    const struct values *values;
    char folder[PATH_MAX], config[PATH_MAX + 16], log[PATH_MAX + 16];
    struct mw_plant plant;
    struct mw_loop *loop;
    struct mw_loop_watch *tick, *ready;
    struct mw_demo_watch watch;
    struct mw_demo_figures figures;
    pid_t up;
    int ready_fd, page; /* page: its port */
    bool is_ready, stopping, watching, finished;
    size_t told_models, told_everywhere;
    unsigned told_saves, ticks;
    bool told_history, told_change, told_drift, told_training;
    int64_t second_everywhere;
    mw_err err;
    struct mw_error *error;
};

/* --- the folder and the child --- */

/* The port asked for, or 0 when something else holds it. */
static int64_t free_port(int64_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bool free = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return free ? port : 0;
}

static mw_err make_folder(struct demo *demo)
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
    n = snprintf(text, sizeof text, plant_text, (long long)free_port(demo->values->port),
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

static void remove_folder(const struct demo *demo)
{
    if (demo->folder[0] != '\0' && !demo->values->keep) {
        nftw(demo->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    }
}

static void on_ready(void *context, uint32_t events)
{
    (void)events;
    struct demo *demo = context;
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
    mw_demo_say(&demo->figures,
                "A plant is up: 8 motors, their broker, bridge, scorer, watch, learner and page,\n"
                "         each a process of its own. Look at http://localhost:%d/",
                demo->page);
    mw_buffer_free(&port);
}

static mw_err start(struct demo *demo)
{
    static char up[] = "up", option[] = "-c";
    char *argv[] = {(char *)(uintptr_t)mw_process_self(), up, option, demo->config, NULL};
    struct mw_process_spec spec = {.argv = argv, .ready = true, .output = demo->log};
    mw_err err = mw_process_start(&spec, &demo->up, &demo->ready_fd, demo->error);
    return err == MW_OK ? mw_loop_add_fd(demo->loop, demo->ready_fd, EPOLLIN, on_ready, demo,
                                         &demo->ready, demo->error)
                        : err;
}

/* --- the story --- */

static double hours(int64_t microseconds)
{
    return (double)microseconds / (3600.0 * 1e6);
}

static void tell_saves(struct demo *demo)
{
    const struct mw_demo_truth *truth = &demo->watch.truth;
    while (demo->told_saves < TOLD_SAVES) {
        unsigned seen = 0;
        const struct mw_demo_fault *save = NULL;
        for (size_t i = 0; i < truth->n && save == NULL; i++) {
            if (truth->fault[i].saved && seen++ == demo->told_saves) {
                save = &truth->fault[i];
            }
        }
        if (save == NULL) {
            return;
        }
        mw_demo_say(&demo->figures,
                    "%s was stopped with a failing %s; its twin, which nobody stopped, broke\n"
                    "         %.1f hours later. Inspected, repaired, running again.",
                    save->machine, save->kind, hours(save->breakdown - save->stopped));
        demo->told_saves++;
    }
}

static void tell_models(struct demo *demo)
{
    struct mw_demo_watch *watch = &demo->watch;
    while (demo->told_models < watch->models) {
        const struct mw_demo_model *model = &watch->model[demo->told_models++];
        mw_demo_say(&demo->figures,
                    "A %s model is trained on %llu labelled records (%llu before a failure),\n"
                    "         quantized to int8, proved and signed: %.19s...",
                    model->drift ? "new" : "first", (unsigned long long)model->records,
                    (unsigned long long)model->positives, model->digest);
    }
    while (demo->told_everywhere < watch->models &&
           watch->model[demo->told_everywhere].everywhere != 0) {
        const struct mw_demo_model *model = &watch->model[demo->told_everywhere++];
        mw_demo_say(&demo->figures,
                    "It runs everywhere: first on one thing as a trial, then on all, %.1f s after\n"
                    "         its publication.",
                    (double)(model->everywhere - model->published) / 1e6);
        if (model->drift && demo->second_everywhere == 0) {
            demo->second_everywhere = mw_clock_utc();
        }
    }
}

static void tell(struct demo *demo)
{
    struct mw_demo_watch *watch = &demo->watch;
    if (!demo->told_history && watch->truth.paced_wall != 0) {
        demo->told_history = true;
        mw_demo_say(&demo->figures,
                    "Two weeks of history have passed: %llu records, %llu breakdowns that nobody\n"
                    "         foresaw. From here a day passes in 7 seconds.",
                    (unsigned long long)watch->telemetry_seen, (unsigned long long)watch->failures);
    }
    tell_models(demo);
    tell_saves(demo);
    if (!demo->told_change && watch->truth.change_wall != 0) {
        demo->told_change = true;
        mw_demo_say(
            &demo->figures,
            "The world changes, and it is no fault: half of the motors get other vibration\n"
            "         sensors, and the load on all of them rises by a quarter.");
    }
    if (!demo->told_drift && watch->drift_wall != 0) {
        demo->told_drift = true;
        mw_demo_say(&demo->figures, "Drift: %s.", watch->drift_text);
    }
    if (!demo->told_training && watch->drift_wall != 0 &&
        watch->training_started > watch->drift_wall) {
        demo->told_training = true;
        mw_demo_say(
            &demo->figures,
            "Enough of what came after the change is labelled: %lld records, %lld of them\n"
            "         before a failure. Training again, at low priority, beside the scoring.",
            (long long)watch->training_records, (long long)watch->training_positives);
    }
}

/* --- the end --- */

static double member(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static void read_latency(struct demo *demo)
{
    char path[PATH_MAX];
    struct mw_buffer text = {0};
    struct mw_error error = {0};
    json_error_t why;
    if (mw_plant_path(&demo->plant, "run", "thing.json", path, sizeof path, &error) == MW_OK &&
        mw_file_read(path, 1U << 20, &text, &error) == MW_OK) {
        json_t *root = json_loadb(text.data, text.size, 0, &why);
        const json_t *latency = json_object_get(root, "latency_ms");
        demo->figures.latency_p50 = member(latency, "p50");
        demo->figures.latency_p99 = member(latency, "p99");
        demo->figures.latency_max = member(latency, "max");
        demo->figures.latency_n = (uint64_t)member(latency, "n");
        json_decref(root);
    }
    mw_buffer_free(&text);
}

static void sample_memory(struct demo *demo)
{
    struct mw_demo_memory memory;
    struct mw_demo_figures *f = &demo->figures;
    mw_demo_memory_read(&memory, demo->up);
    double total = (double)memory.total / 1e6;
    if (total <= f->memory_total) {
        return;
    }
    f->memory_total = total;
    size_t at = (size_t)snprintf(f->memory_by_role, sizeof f->memory_by_role, "{");
    for (size_t i = 0; i < memory.n && at < sizeof f->memory_by_role - 64; i++) {
        at += (size_t)snprintf(f->memory_by_role + at, sizeof f->memory_by_role - at,
                               "%s\"%s\":%.2f", i == 0 ? "" : ",", memory.role[i].role,
                               (double)memory.role[i].bytes / 1e6);
    }
    snprintf(f->memory_by_role + at, sizeof f->memory_by_role - at, "}");
}

static mw_err read_bundle(struct demo *demo)
{
    char path[PATH_MAX], uri[PATH_MAX + 8];
    struct mw_store *store = NULL;
    struct mw_bundle bundle = {0};
    if (demo->watch.models == 0) {
        return MW_OK;
    }
    mw_err err = mw_plant_path(&demo->plant, "artifacts", NULL, path, sizeof path, demo->error);
    snprintf(uri, sizeof uri, "oci:%s", path);
    if (err == MW_OK) {
        err = mw_store_open(&store, uri, false, demo->error);
    }
    if (err == MW_OK) {
        err = mw_trust_signer(store, demo->figures.signature, demo->error);
    }
    if (err == MW_OK) {
        err = mw_bundle_get(store, demo->watch.model[demo->watch.models - 1].digest, &bundle,
                            demo->error);
    }
    if (err == MW_OK) {
        demo->figures.int8_auc_loss = bundle.int8_auc_loss;
        snprintf(demo->figures.dataset, sizeof demo->figures.dataset, "%s",
                 bundle.dataset == NULL ? "" : bundle.dataset);
        mw_bundle_clear(&bundle);
    }
    mw_store_close(store);
    return err;
}

/* Each fault since the first model ran: stopped in time, or not. The first one that a command
 * stopped, and that was answered, is the one reported. */
static void judge_faults(struct demo *demo)
{
    struct mw_demo_watch *watch = &demo->watch;
    struct mw_demo_figures *f = &demo->figures;
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < watch->scores; i++) {
        first = watch->score[i].time < first ? watch->score[i].time : first;
    }
    for (size_t i = 0; i < watch->truth.n; i++) {
        const struct mw_demo_fault *fault = &watch->truth.fault[i];
        f->saved += fault->saved;
        f->broken += !fault->saved && fault->started > first;
        for (size_t k = 0; fault->saved && f->fault == NULL && k < watch->commands; k++) {
            const struct mw_demo_command *command = &watch->command[k];
            bool this_one = strcmp(command->machine, fault->machine) == 0 && command->done &&
                            command->time >= fault->started && command->time <= fault->stopped;
            if (this_one) {
                f->fault = fault;
                f->fault_lead = fault->breakdown - command->time;
            }
        }
    }
}

static mw_err judge_models(struct demo *demo)
{
    struct mw_demo_watch *watch = &demo->watch;
    struct mw_demo_figures *f = &demo->figures;
    int64_t change = watch->truth.change_time == 0 ? INT64_MAX : watch->truth.change_time;
    f->auc_before = f->auc_old = f->auc_new = f->loop_seconds = NAN;
    mw_err err = MW_OK;
    for (size_t i = 0; err == MW_OK && i < watch->models; i++) {
        const struct mw_demo_model *model = &watch->model[i];
        if (!model->drift && i == 0) {
            err = mw_demo_watch_auc(watch, i, INT64_MIN, change, &f->auc_before, &f->n_before,
                                    demo->error);
            if (err == MW_OK) {
                err = mw_demo_watch_auc(watch, i, change, INT64_MAX, &f->auc_old, &f->n_old,
                                        demo->error);
            }
        } else if (model->drift && isnan(f->loop_seconds) && model->everywhere != 0) {
            int64_t from = model->started > watch->drift_wall ? model->started : watch->drift_wall;
            f->loop_seconds = (double)(model->everywhere - from) / 1e6;
            err = mw_demo_watch_auc(watch, i, INT64_MIN, INT64_MAX, &f->auc_new, &f->n_new,
                                    demo->error);
        }
    }
    return err;
}

static mw_err read_ledger(struct demo *demo)
{
    struct mw_ledger_row *rows = NULL, total = {0};
    size_t n = 0;
    mw_err err = mw_ledger_read(&demo->plant, &rows, &n, &total, demo->error);
    free(rows);
    demo->figures.published = total.published;
    demo->figures.stored = total.stored;
    demo->figures.pending = total.pending;
    demo->figures.dead = total.dead;
    demo->figures.dropped = total.dropped;
    demo->figures.suppressed = total.suppressed;
    demo->figures.scored = total.scored;
    demo->figures.missing = total.missing;
    demo->figures.doubled = total.doubled;
    return err;
}

static void judge_loop(struct demo *demo)
{
    struct mw_demo_figures *f = &demo->figures;
    const char *why = f->missing > 0 || f->doubled > 0 ? "records are missing or doubled"
                      : demo->watch.models == 0        ? "no model was published"
                      : f->fault == NULL   ? "no fault was predicted and acted upon in time"
                      : f->fault_lead <= 0 ? "the command came after the breakdown"
                      : demo->watch.drift_wall == 0 ? "the drift was not noticed"
                      : isnan(f->loop_seconds)      ? "no new model reached every thing"
                      : isnan(f->auc_new) || isnan(f->auc_old)
                          ? "too little was seen to judge the models"
                      : f->auc_new <= f->auc_old ? "the new model predicts no better than the old"
                                                 : "";
    snprintf(f->why, sizeof f->why, "%s", why);
    f->closed = why[0] == '\0';
}

static mw_err finish(struct demo *demo)
{
    mw_err err = mw_demo_watch_poll(&demo->watch, demo->error);
    if (err == MW_OK) {
        err = read_ledger(demo);
    }
    if (err == MW_OK) {
        judge_faults(demo);
        err = judge_models(demo);
    }
    if (err == MW_OK) {
        err = read_bundle(demo);
    }
    if (err != MW_OK) {
        return err;
    }
    judge_loop(demo);
    mw_demo_print_summary(&demo->watch, &demo->figures);
    if (demo->values->report != NULL && demo->values->report[0] != '\0') {
        struct mw_buffer json = {0};
        err = mw_demo_print_report(&demo->watch, &demo->figures, &json);
        if (err == MW_OK) {
            err = mw_file_write(demo->values->report, json.data, json.size, 0644, demo->error);
        }
        mw_buffer_free(&json);
    }
    return err;
}

/* --- the loop --- */

static void stop(struct demo *demo)
{
    if (!demo->stopping && demo->up != 0) {
        demo->stopping = true;
        read_latency(demo);
        kill(demo->up, SIGTERM);
    }
}

static void on_signal(void *context, int signal)
{
    struct demo *demo = context;
    int status;
    if (signal != SIGCHLD) {
        stop(demo);
        return;
    }
    if (demo->up != 0 && waitpid(demo->up, &status, WNOHANG) == demo->up) {
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
    struct demo *demo = context;
    int64_t now = mw_clock_utc();
    bool late = now - demo->figures.started > LIMIT;
    if (demo->stopping) {
        return;
    }
    if (late && (demo->values->once || !demo->is_ready)) {
        stop(demo);
        return;
    }
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
    tell(demo);
    if (demo->ticks++ % 10 == 0) {
        sample_memory(demo);
    }
    bool proved = demo->second_everywhere != 0 && now - demo->second_everywhere > PROOF;
    if (proved && demo->values->once) {
        stop(demo);
    } else if (proved && !demo->finished) {
        demo->finished = true;
        read_latency(demo);
        demo->err = finish(demo);
        printf("  The plant goes on; look at http://localhost:%d/ . Ctrl-C ends it.\n", demo->page);
        fflush(stdout);
    }
}

static mw_err run_loop(struct demo *demo)
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

static int run(void *values, int n, char **argv, struct mw_error *error)
{
    (void)n;
    (void)argv;
    struct demo *demo = calloc(1, sizeof *demo);
    if (demo == NULL) {
        mw_error_set(error, MW_ERR_MEMORY, "out of memory");
        return 1;
    }
    demo->values = values;
    demo->error = error;
    demo->ready_fd = -1;
    demo->figures.started = mw_clock_utc();
    mw_log_init("demo", MW_LOG_WARN, MW_LOG_TEXT);
    mw_err err = make_folder(demo);
    if (err == MW_OK) {
        err = run_loop(demo);
    }
    if (err == MW_OK && !demo->watching) {
        err = mw_error_set(error, MW_ERR_TIMEOUT, "the plant did not come up; see %s", demo->log);
        ((struct values *)values)->keep = true;
    }
    if (err == MW_OK && !demo->finished) {
        err = finish(demo);
    }
    if (demo->values->keep) {
        printf("  data and log are in %s\n", demo->folder);
    }
    bool closed = demo->figures.closed;
    mw_demo_watch_close(&demo->watch);
    mw_loop_free(demo->loop);
    mw_plant_clear(&demo->plant);
    remove_folder(demo);
    free(demo);
    return err == MW_OK && closed ? 0 : 1;
}

const struct mw_subcommand mw_command_demo = {"demo",
                                              "[--once] [--seed N] [--report FILE.json]",
                                              "show the whole loop on a simulated plant",
                                              NULL,
                                              options,
                                              sizeof(struct values),
                                              run};
