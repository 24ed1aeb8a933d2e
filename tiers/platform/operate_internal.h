/* operate_internal.h - what the files of the role `operate` share. */
#ifndef MW_PLATFORM_OPERATE_INTERNAL_H
#define MW_PLATFORM_OPERATE_INTERNAL_H

#include "lib/base/role.h"
#include "lib/kube/client.h"
#include "lib/kube/elect.h"
#include "lib/kube/watch.h"
#include "tiers/platform/operate.h"
#include "tiers/platform/operate_run.h"
#include "tiers/platform/table.h"

/* What is watched. Those from MW_OPERATE_OWNED on are made by the operator. */
enum {
    MW_OPERATE_PLANTS,
    MW_OPERATE_NODES,
    MW_OPERATE_PODS,
    MW_OPERATE_ROLLOUTS,
    MW_OPERATE_BUNDLES,
    MW_OPERATE_OWNED,
    MW_OPERATE_CONFIG_MAPS = MW_OPERATE_OWNED,
    MW_OPERATE_CLAIMS,
    MW_OPERATE_SERVICES,
    MW_OPERATE_DEPLOYMENTS,
    MW_OPERATE_KINDS
};

struct mw_operate;

struct mw_operate_kind {
    const char *kind, *group, *plural; /* group: "/api/v1" or "/apis/apps/v1" */
    const char *labels;                /* selector; NULL: all */
    bool spaced;                       /* lies in a namespace */
};
extern const struct mw_operate_kind mw_operate_kinds[MW_OPERATE_KINDS];

struct mw_operate_place_of_kind {
    struct mw_operate *operate;
    int kind;
    struct mw_kube_watch *watch;
    bool whole; /* the list has come and no new one is coming */
};

/* Where a run of the pipeline stands. */
enum mw_operate_phase {
    MW_OPERATE_NO_RUN,
    MW_OPERATE_FINDS,   /* are there Jobs of it already? */
    MW_OPERATE_CHOOSES, /* is there Argo? */
    MW_OPERATE_MAKES,
    MW_OPERATE_FOLLOWS,
    MW_OPERATE_ASKS_WHY, /* it failed: the pods' last words */
    MW_OPERATE_TELLS,    /* the page, that nothing came of it */
    MW_OPERATE_CLEARS,   /* old ones away */
    MW_OPERATE_RUN_OVER
};

struct mw_operate_running {
    enum mw_operate_phase phase;
    char name[64], id[16], cause[16], since[32], machine[64];
    bool argo, made, asking; /* made: some of it by us; asking: an answer is still to come */
    json_t *objects;         /* to make; NULL: not planned yet */
    size_t at;
    json_t *condition; /* Training; NULL: as in the Plant's status */
    char told[64];     /* the name of the run that it is of */
    char step[256], message[512], reason[1024];
    unsigned attempt, failures; /* failures: runs that failed in a row */
    int64_t due, not_before;    /* monotonic: of the next request, of the next run */
};

/* A Plant, and what is known about its objects. */
struct mw_operate_item {
    struct mw_table_key key; /* "namespace/name" */
    struct mw_operate *operate;
    json_t *object;             /* the custom resource; NULL: only its objects have been seen */
    json_t *seen;               /* "Kind/name": {"version":..,"ready":n,"current":bool} */
    json_t *applied;            /* "Kind/name": {"hash":..,"version":..} */
    json_t *pods;               /* of scorers, by name: the number of their class */
    json_t *lacks;              /* of pods, by name: why they have no models (operate_given.h) */
    json_t *told;               /* the last note by reason */
    json_t *status;             /* as last written */
    json_t *rollouts, *bundles; /* of this plant, by name */
    char address[64];           /* of its page, "http://10.96.3.4:8080"; "": none */
    bool asking;                /* the page */
    json_t *ask;                /* what it was asked, for which Rollout */
    char ask_name[256];
    int64_t ask_due; /* monotonic */
    bool listed, dirty, busy;
    int class;         /* chosen; -1: none */
    unsigned avoid;    /* classes for which the scheduler found no place */
    int64_t avoid_end; /* monotonic */
    unsigned attempt;
    int64_t due;                   /* monotonic time before which it is not tried again */
    struct mw_operate_running run; /* of the pipeline, the newest */
    /* the pass that is under way */
    json_t *objects;
    size_t at;
    char reason[32];
    char problem[MW_ERROR_TEXT];
    bool again; /* something failed that may work later */
    int64_t asked;
    int64_t began;
};

struct mw_operate_host {
    struct mw_table_key key; /* of the node */
    struct mw_operate_node node;
    json_t *labels;
    bool listed;
};

struct mw_operate {
    struct mw_role role;
    const struct mw_operate_options *options;
    struct mw_kube_config config;
    struct mw_kube *kube;
    struct mw_kube_elect *elect;
    char identity[128];
    struct mw_operate_place_of_kind kinds[MW_OPERATE_KINDS];
    struct mw_table plants, nodes; /* nodes: only those with devices */
    struct mw_loop_watch *work;
    bool leads, place; /* place: classes have to be given out anew */
    size_t busy;
    uint64_t passes, failures; /* since the start: ended, and of these to be tried again */
};

/* ---- operate_view.c: from the watches to the view ---- */

void mw_operate_on_change(void *context, enum mw_kube_change change, json_t *object);
bool mw_operate_is_whole(const struct mw_operate *operate);
void mw_operate_item_free(void *entry);
void mw_operate_host_free(void *entry);
/* What tells that somebody has changed the object's spec: its generation, or its resourceVersion.
 * The caller's. */
json_t *mw_operate_version_of(const json_t *object);
/* Where the API has the objects of a kind in a namespace, and what `format` adds: a name, a query.
 * The caller's (free). NULL: out of memory. */
__attribute__((format(printf, 4, 5))) char *
mw_operate_path(const char *group, const char *plural, const char *space, const char *format, ...);

/* ---- operate_work.c: which plant is next, and which class it gets ---- */

/* This plant has to be looked at; NULL: all. */
void mw_operate_touch(struct mw_operate *operate, struct mw_operate_item *item);
void mw_operate_on_work(void *context);
/* Now and then: plants that found no place look again. */
void mw_operate_on_tick(void *context);
void mw_operate_on_second(void *context); /* tells the metrics */

/* ---- operate_pass.c: one plant, once ---- */

void mw_operate_pass_begin(struct mw_operate_item *item);
/* Called at its end. */
void mw_operate_pass_over(struct mw_operate_item *item);

/* ---- operate_page.c: what the plants' pages say of their models ---- */

/* Asks those pages whose time has come. */
void mw_operate_on_pages(void *context);

/* ---- operate_pipeline.c: runs of the pipeline ---- */

/* What the page says may ask for one. */
void mw_operate_pipeline_page(struct mw_operate_item *item, const json_t *page);
/* Goes on with it, when its time has come. */
void mw_operate_pipeline_go(struct mw_operate_item *item);
/* The newest run of which something is known, NULL when there is none, and its condition Training.
 * Both borrowed. */
const char *mw_operate_pipeline_newest(const struct mw_operate_item *item,
                                       const json_t **condition);
/* Forgets it. */
void mw_operate_pipeline_drop(struct mw_operate_item *item);

/* ---- operate_tell.c ---- */

/* An Event about the Plant, unless the last one with this reason said the same. type: "Normal" or
 * "Warning". */
void mw_operate_tell(struct mw_operate_item *item, const char *type, const char *reason,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
