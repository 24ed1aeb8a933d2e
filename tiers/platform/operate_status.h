/* operate_status.h - what a person reads about a Plant: no input, no output. */
#ifndef MW_PLATFORM_OPERATE_STATUS_H
#define MW_PLATFORM_OPERATE_STATUS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct mw_operate_account {
    const json_t *plant;    /* with its status before, if any */
    const json_t *objects;  /* what shall be, of operate_plan.h; NULL: nothing could be planned */
    const json_t *seen;     /* "Deployment/name": {"ready":n,"current":bool} */
    int class;              /* chosen for the scorer; -1: none is free */
    bool moves;             /* the scorer waits for the end of its pods of another class */
    const char *reason;     /* "Conflict", "InvalidSpec", "ApplyFailed"; NULL: all was applied */
    const char *problem;    /* its text */
    const char *run;        /* of the pipeline, the newest; NULL or "": none */
    const json_t *pipeline; /* its condition, as mw_operate_condition made it; NULL: none */
    int64_t now;            /* microseconds UTC */
};

/* The status, the caller's; a condition keeps its lastTransitionTime while its status stays. NULL:
 * out of memory. */
json_t *mw_operate_status(const struct mw_operate_account *account);

/* The condition of that type in the object's status; NULL: none. Borrowed. */
const json_t *mw_operate_condition_of(const json_t *object, const char *type);

/* One condition of an object, whose status before it may hold one of this type already; NULL: a new
 * object. The caller's. */
json_t *mw_operate_condition(const json_t *object, const char *type, bool is, const char *reason,
                             const char *message, int64_t now);

#endif
