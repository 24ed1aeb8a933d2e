#include "tiers/platform/node_label.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/kube/backoff.h"
#include "lib/kube/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mw_node_label {
    struct mw_loop *loop;
    struct mw_kube_config config;
    struct mw_kube *kube;
    char path[320];
    json_t *labels;        /* as they should be; null: to be taken away */
    bool changed;          /* since the patch that is under way, or was taken, was made */
    bool sending, waiting; /* for the API server; to try again */
    unsigned failures;
    struct mw_loop_watch *retry;
};

static void set(json_t *labels, const char *class, size_t count)
{
    char key[MW_ACCELERATOR_CLASS + 32];
    snprintf(key, sizeof key, MW_ACCELERATOR_DOMAIN "/%s", class);
    json_object_set_new(labels, key, count == 0 ? json_null() : json_string("true"));
    snprintf(key, sizeof key, MW_ACCELERATOR_DOMAIN "/%s.count", class);
    json_object_set_new(labels, key, count == 0 ? json_null() : json_sprintf("%zu", count));
}

void mw_node_label_set(struct mw_node_label *label, const char *class, size_t count)
{
    json_t *before = json_copy(label->labels);
    set(label->labels, class, count);
    label->changed |= json_equal(before, label->labels) == 0;
    json_decref(before);
}

/* ---- sending ---- */

static void fail(struct mw_node_label *label, const char *reason, int64_t asked)
{
    int64_t delay = mw_kube_backoff(label->failures, mw_kube_random(), asked);
    mw_log(label->failures == 0 ? MW_LOG_WARN : MW_LOG_DEBUG, NULL,
           "this node could not be labelled", MW_KS("reason", reason),
           MW_KN("again_in", (double)delay / MW_SECOND));
    label->failures++;
    label->changed = true;
    label->waiting = true;
    mw_loop_set_timer(label->loop, label->retry, delay, 0);
}

static void on_done(void *context, const struct mw_kube_answer *answer)
{
    struct mw_node_label *label = context;
    label->sending = false;
    if (answer->status < 200 || answer->status > 299) {
        fail(label, answer->text, answer->retry_after);
        return;
    }
    label->failures = 0;
    mw_log(MW_LOG_INFO, NULL, "this node is labelled", MW_KS("node", label->path));
    mw_node_label_send(label); /* what has changed meanwhile */
}

void mw_node_label_send(struct mw_node_label *label)
{
    struct mw_error error = {0};
    if (!label->changed || label->sending || label->waiting) {
        return;
    }
    json_t *patch = json_pack("{s:{s:O}}", "metadata", "labels", label->labels);
    const struct mw_kube_call call = {.method = "PATCH",
                                      .path = label->path,
                                      .type = "application/merge-patch+json",
                                      .body = patch,
                                      .done = on_done,
                                      .context = label};
    label->changed = false;
    label->sending = true;
    if (mw_kube_send(label->kube, &call, NULL, &error) != MW_OK) {
        label->sending = false;
        fail(label, error.text, -1);
    }
    json_decref(patch);
}

static void on_retry(void *context)
{
    struct mw_node_label *label = context;
    label->waiting = false;
    mw_node_label_send(label);
}

/* ---- life ---- */

mw_err mw_node_label_new(struct mw_node_label **made, struct mw_loop *loop, const char *account,
                         const char *name, const struct mw_accelerator_table *table,
                         struct mw_error *error)
{
    *made = NULL;
    struct mw_node_label *label = calloc(1, sizeof *label);
    if (label == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    label->loop = loop;
    label->labels = json_object();
    label->changed = true;
    /* Names of nodes are DNS names: nothing to escape. */
    snprintf(label->path, sizeof label->path, "/api/v1/nodes/%s", name);
    for (size_t i = 0; i < table->n; i++) {
        set(label->labels, table->row[i].class, 0);
    }
    mw_err err = mw_kube_config_in_cluster(&label->config, account, error);
    if (err == MW_OK) {
        err = mw_kube_new(&label->kube, loop, &label->config, error);
    }
    if (err == MW_OK) {
        err = mw_loop_add_timer(loop, -1, 0, on_retry, label, &label->retry, error);
    }
    if (err != MW_OK) {
        mw_node_label_free(label);
        return err;
    }
    *made = label;
    return MW_OK;
}

void mw_node_label_free(struct mw_node_label *label)
{
    if (label == NULL) {
        return;
    }
    mw_kube_free(label->kube);
    mw_kube_config_clear(&label->config);
    mw_loop_remove(label->loop, label->retry);
    json_decref(label->labels);
    free(label);
}
