#include "tiers/platform/operate_status.h"

#include "lib/base/clock.h"
#include "lib/kube/lines.h"
#include "tiers/platform/operate_place.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

struct roles {
    int wanted, ready;
    char waits[256]; /* names of those that are not */
};

static void add_waiting(struct roles *roles, const char *name)
{
    size_t at = strlen(roles->waits);
    snprintf(roles->waits + at, sizeof roles->waits - at, "%s%s", at == 0 ? "" : ", ", name);
}

static void count(const struct mw_operate_account *account, struct roles *roles)
{
    size_t index;
    json_t *object;
    json_array_foreach(account->objects, index, object)
    {
        const char *kind = json_string_value(json_object_get(object, "kind"));
        json_int_t replicas =
            json_integer_value(json_object_get(json_object_get(object, "spec"), "replicas"));
        if (strcmp(kind, "Deployment") != 0 || replicas == 0) {
            continue;
        }
        const char *name = mw_kube_meta(object, "name");
        char key[160];
        snprintf(key, sizeof key, "Deployment/%s", name);
        const json_t *seen = json_object_get(account->seen, key);
        roles->wanted++;
        if (json_is_true(json_object_get(seen, "current")) &&
            json_integer_value(json_object_get(seen, "ready")) >= replicas) {
            roles->ready++;
        } else {
            add_waiting(roles, name);
        }
    }
    if (account->moves) {
        roles->wanted++;
        add_waiting(roles, "the scorer's move");
    }
}

const json_t *mw_operate_condition_of(const json_t *plant, const char *type)
{
    size_t index;
    json_t *condition;
    const json_t *conditions = json_object_get(json_object_get(plant, "status"), "conditions");
    json_array_foreach(conditions, index, condition)
    {
        const char *its = json_string_value(json_object_get(condition, "type"));
        if (its != NULL && strcmp(its, type) == 0) {
            return condition;
        }
    }
    return NULL;
}

json_t *mw_operate_condition(const json_t *object, const char *type, bool is, const char *reason,
                             const char *message, int64_t now)
{
    const json_t *before = mw_operate_condition_of(object, type);
    const char *value = is ? "True" : "False";
    const char *was = json_string_value(json_object_get(before, "status"));
    const char *since = json_string_value(json_object_get(before, "lastTransitionTime"));
    char time[32];
    time_t seconds = (time_t)(now / MW_SECOND);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%SZ", &parts);
    bool stays = was != NULL && since != NULL && strcmp(was, value) == 0;
    return json_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:I}", "type", type, "status", value, "reason", reason, "message",
        message, "lastTransitionTime", stays ? since : time, "observedGeneration",
        json_integer_value(json_object_get(json_object_get(object, "metadata"), "generation")));
}

static void add_condition(const struct mw_operate_account *account, json_t *conditions,
                          const char *type, bool is, const char *reason, const char *message)
{
    json_array_append_new(
        conditions, mw_operate_condition(account->plant, type, is, reason, message, account->now));
}

static json_t *make_conditions(const struct mw_operate_account *account, const struct roles *roles)
{
    json_t *conditions = json_array();
    bool failed = account->reason != NULL, placed = account->class >= 0;
    bool ready = !failed && placed && roles->ready == roles->wanted;
    char waits[320];
    snprintf(waits, sizeof waits, "waiting for %s", roles->waits);
    const char *reason = failed    ? account->reason
                         : !placed ? "NoAccelerator"
                         : ready   ? "AllRolesReady"
                                   : "RolesNotReady";
    const char *message = failed    ? account->problem
                          : !placed ? "no class in cluster.accelerators has a free device"
                          : ready   ? "all roles are ready"
                                    : waits;
    add_condition(account, conditions, "Ready", ready, reason, message);
    bool moves = !failed && placed && !ready;
    add_condition(account, conditions, "Progressing", moves,
                  moves   ? "RolesNotReady"
                  : ready ? "AllRolesReady"
                          : reason,
                  moves ? waits : message);
    bool degraded = failed || !placed;
    add_condition(account, conditions, "Degraded", degraded, degraded ? reason : "AsWanted",
                  degraded ? message : "everything was applied");
    if (account->pipeline != NULL) {
        json_array_append_new(conditions, json_deep_copy(account->pipeline));
    }
    return conditions;
}

json_t *mw_operate_status(const struct mw_operate_account *account)
{
    struct roles roles = {0};
    count(account, &roles);
    const char *run = account->run == NULL || account->run[0] == '\0' ? NULL : account->run;
    return json_pack("{s:I,s:s,s:o,s:s*,s:o}", "observedGeneration",
                     json_integer_value(json_object_get(json_object_get(account->plant, "metadata"),
                                                        "generation")),
                     "accelerator",
                     account->class < 0 ? "" : mw_operate_classes[account->class].name, "roles",
                     json_sprintf("%d/%d", roles.ready, roles.wanted), "run", run, "conditions",
                     make_conditions(account, &roles));
}
