#include "tiers/platform/operate.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/kube/backoff.h"
#include "tiers/platform/operate_internal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TICK (30 * MW_SECOND)
#define PAGES MW_SECOND
#define RESIGN_FOR (2 * MW_SECOND)

static void on_leads(void *context, bool leads)
{
    struct mw_operate *operate = context;
    operate->leads = leads;
    operate->place = true;
    if (leads) {
        mw_operate_touch(operate, NULL);
    }
}

static mw_err watch_kind(struct mw_operate *operate, int kind, struct mw_error *error)
{
    const struct mw_operate_kind *what = &mw_operate_kinds[kind];
    struct mw_operate_place_of_kind *place = &operate->kinds[kind];
    const char *space = operate->options->space;
    char path[512], query[256];
    *place = (struct mw_operate_place_of_kind){.operate = operate, .kind = kind};
    bool one = what->spaced && space != NULL && space[0] != '\0';
    snprintf(path, sizeof path, "%s%s%s/%s", what->group, one ? "/namespaces/" : "",
             one ? space : "", what->plural);
    snprintf(query, sizeof query, "labelSelector=%s", what->labels == NULL ? "" : what->labels);
    struct mw_kube_watch_options options = {.path = path,
                                            .query = what->labels == NULL ? NULL : query,
                                            .fn = mw_operate_on_change,
                                            .context = place};
    return mw_kube_watch_new(&place->watch, operate->kube, &options, error);
}

static mw_err stand_for_election(struct mw_operate *operate, struct mw_error *error)
{
    if (operate->options->lease == NULL || operate->options->lease[0] == '\0') {
        on_leads(operate, true);
        return MW_OK;
    }
    struct mw_kube_elect_options options = {.space = operate->config.space,
                                            .name = operate->options->lease,
                                            .identity = operate->identity,
                                            .duration = operate->options->lease_duration,
                                            .on_change = on_leads,
                                            .context = operate};
    return mw_kube_elect_new(&operate->elect, operate->kube, &options, error);
}

static mw_err begin(struct mw_operate *operate, struct mw_error *error)
{
    const char *path = operate->options->kubeconfig;
    char host[64] = "";
    (void)gethostname(host, sizeof host - 1);
    snprintf(operate->identity, sizeof operate->identity, "%s-%08x", host, mw_kube_random());
    mw_err err = path == NULL || path[0] == '\0'
                     ? mw_kube_config_in_cluster(&operate->config, NULL, error)
                     : mw_kube_config_read(&operate->config, path, error);
    if (err == MW_OK) {
        err = mw_kube_new(&operate->kube, operate->role.loop, &operate->config, error);
    }
    if (err == MW_OK) {
        err = mw_loop_add_timer(operate->role.loop, -1, 0, mw_operate_on_work, operate,
                                &operate->work, error);
    }
    if (err == MW_OK) {
        err = mw_loop_add_timer(operate->role.loop, TICK, TICK, mw_operate_on_tick, operate, NULL,
                                error);
    }
    if (err == MW_OK) {
        err = mw_loop_add_timer(operate->role.loop, 0, MW_SECOND, mw_operate_on_second, operate,
                                NULL, error);
    }
    if (err == MW_OK) {
        err = mw_loop_add_timer(operate->role.loop, PAGES, PAGES, mw_operate_on_pages, operate,
                                NULL, error);
    }
    for (int kind = 0; err == MW_OK && kind < MW_OPERATE_KINDS; kind++) {
        err = watch_kind(operate, kind, error);
    }
    return err == MW_OK ? stand_for_election(operate, error) : err;
}

static void stop_loop(void *context)
{
    struct mw_operate *operate = context;
    mw_loop_stop(operate->role.loop);
}

/* Hands the Lease over, so that another one need not wait until it has run out. */
static void resign(struct mw_operate *operate)
{
    struct mw_loop_watch *limit = NULL;
    if (operate->elect == NULL || !mw_kube_elect_leads(operate->elect) ||
        mw_loop_add_timer(operate->role.loop, RESIGN_FOR, 0, stop_loop, operate, &limit, NULL) !=
            MW_OK) {
        return;
    }
    mw_kube_elect_resign(operate->elect, stop_loop, operate);
    (void)mw_loop_run(operate->role.loop, NULL);
    mw_loop_remove(operate->role.loop, limit);
}

static void clear(struct mw_operate *operate)
{
    for (int i = 0; i < MW_OPERATE_KINDS; i++) {
        mw_kube_watch_free(operate->kinds[i].watch);
    }
    mw_kube_elect_free(operate->elect);
    mw_kube_free(operate->kube);
    mw_table_clear(&operate->plants, mw_operate_item_free);
    mw_table_clear(&operate->nodes, mw_operate_host_free);
    mw_kube_config_clear(&operate->config);
    mw_role_clear(&operate->role);
}

mw_err mw_operate_run(const struct mw_operate_options *options, struct mw_error *error)
{
    struct mw_operate operate = {.options = options};
    mw_err err = mw_role_init(&operate.role, "operate", error);
    if (err != MW_OK) {
        return err;
    }
    err = begin(&operate, error);
    if (err == MW_OK) {
        err = mw_role_run(&operate.role, error);
        resign(&operate);
    }
    clear(&operate);
    return err;
}
