#include "cli/demo_memory.h"
#include "cli/demo_run.h"
#include "cli/demo_twin.h"
#include "lib/artifact/bundle.h"
#include "lib/artifact/trust.h"
#include "lib/base/file.h"
#include "tiers/platform/ledger.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of the ROC AUC that the change of the world cost, what the new model has to win back. */
#define RECOVERED (1.0 / 3.0)

static double member(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

void mw_demo_read_latency(struct mw_demo *demo)
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

void mw_demo_sample_memory(struct mw_demo *demo)
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
        if (strcmp(memory.role[i].role, "mosquitto") == 0) {
            continue; /* another program, told apart */
        }
        at += (size_t)snprintf(f->memory_by_role + at, sizeof f->memory_by_role - at,
                               "%s\"%s\":%.2f", at == 1 ? "" : ",", memory.role[i].role,
                               (double)memory.role[i].bytes / 1e6);
    }
    snprintf(f->memory_by_role + at, sizeof f->memory_by_role - at, "}");
}

static mw_err read_bundle(struct mw_demo *demo)
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
static void judge_faults(struct mw_demo *demo)
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

static mw_err judge_models(struct mw_demo *demo)
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

static mw_err read_ledger(struct mw_demo *demo)
{
    struct mw_ledger_row total = {0};
    mw_err err = mw_ledger_read(&demo->plant, NULL, NULL, &total, demo->error);
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

static void judge_loop(struct mw_demo *demo)
{
    struct mw_demo_figures *f = &demo->figures;
    const char *why = f->missing > 0 || f->doubled > 0 ? "records are missing or doubled"
                      : demo->watch.models == 0        ? "no model was published"
                      : f->fault == NULL   ? "no fault was predicted and acted upon in time"
                      : f->fault_lead <= 0 ? "the command came after the breakdown"
                      : demo->watch.drift_wall == 0 ? "the drift was not noticed"
                      : isnan(f->loop_seconds)      ? "no new model reached every thing"
                      : isnan(f->auc_before) || isnan(f->auc_new) || isnan(f->auc_old)
                          ? "too little was seen to judge the models"
                      : f->auc_new - f->auc_old < RECOVERED * (f->auc_before - f->auc_old)
                          ? "the new model has not made up for a third of what the change cost"
                      : f->auc_new <= f->auc_old ? "the new model predicts no better than the old"
                                                 : "";
    if (why[0] != '\0' && demo->interrupted) {
        why = "it was interrupted before its end";
    }
    snprintf(f->why, sizeof f->why, "%s", why);
    f->closed = why[0] == '\0';
}

mw_err mw_demo_finish(struct mw_demo *demo)
{
    mw_err err = mw_demo_watch_poll(&demo->watch, demo->error);
    if (err == MW_OK) {
        err = read_ledger(demo);
    }
    if (err == MW_OK) {
        judge_faults(demo);
        err = mw_demo_twin_score(&demo->watch, demo->error);
    }
    if (err == MW_OK) {
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
