#include "cli/api.h"
#include "cli/command.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct values {
    char *config, *machine, *id;
    bool json;
};

static const struct mw_option options[] = {
    MW_OPTION_CONFIG(struct values),
    {"machine", MW_OPTION_NAME, NULL, 0, 0, NULL, NULL, "start: only for this machine",
     offsetof(struct values, machine)},
    {"id", MW_OPTION_STRING, NULL, 0, 0, NULL, NULL,
     "halt, rollback: which one; left out: the newest of the plant", offsetof(struct values, id)},
    {"json", MW_OPTION_BOOL, NULL, 0, 0, "false", NULL, "print as JSON",
     offsetof(struct values, json)},
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0},
};

static const char *string(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

static void print_rollout(const json_t *rollout)
{
    size_t i;
    json_t *name;
    printf("%-6s %-12s %.19s", string(rollout, "id"), string(rollout, "state"),
           string(rollout, "bundle"));
    if (string(rollout, "machine")[0] != '\0') {
        printf("  machine %s", string(rollout, "machine"));
    }
    printf("  %s", string(rollout, "reason"));
    json_array_foreach(json_object_get(rollout, "canary"), i, name)
    {
        printf("%s%s", i == 0 ? "  first: " : ", ", json_string_value(name));
    }
    if (string(rollout, "waits")[0] != '\0') {
        printf("  waits for %s", string(rollout, "waits"));
    }
    printf("\n");
}

static void set(json_t *body, const char *key, const char *text)
{
    if (text != NULL && text[0] != '\0') {
        json_object_set_new(body, key, json_string(text));
    }
}

static mw_err show(const struct mw_plant *plant, bool json, struct mw_error *error)
{
    json_t *state = NULL, *rollout;
    size_t i;
    mw_err err = mw_api_ask(plant, "/api/state?limit=0", NULL, &state, error);
    if (err != MW_OK) {
        return err;
    }
    const json_t *rollouts = json_object_get(state, "rollouts");
    if (json) {
        mw_api_print_json(rollouts);
    } else if (json_array_size(rollouts) == 0) {
        printf("no rollout so far\n");
    }
    json_array_foreach(rollouts, i, rollout)
    {
        if (!json) {
            print_rollout(rollout);
        }
    }
    json_decref(state);
    return MW_OK;
}

static mw_err act(const struct mw_plant *plant, const struct values *v, const char *action,
                  const char *bundle, struct mw_error *error)
{
    json_t *answer = NULL, *body = json_object();
    set(body, "action", action);
    set(body, "bundle", bundle);
    set(body, "machine", v->machine);
    set(body, "id", v->id);
    mw_err err = mw_api_ask(plant, "/api/rollout", body, &answer, error);
    json_decref(body);
    if (err == MW_OK && v->json) {
        mw_api_print_json(answer);
    } else if (err == MW_OK) {
        print_rollout(answer);
    }
    json_decref(answer);
    return err;
}

static int run(void *values, int n, char **argv, struct mw_error *error)
{
    const struct values *v = values;
    struct mw_plant plant;
    const char *action = n > 0 ? argv[0] : "status";
    bool starts = strcmp(action, "start") == 0, asks = strcmp(action, "status") == 0;
    bool known = starts || asks || strcmp(action, "halt") == 0 || strcmp(action, "rollback") == 0;
    if (!known || n > (starts ? 2 : 1) || (starts && n < 2)) {
        mw_error_set(error, MW_ERR_ARGUMENT, "start BUNDLE, status, halt or rollback was expected");
        return 2;
    }
    if (mw_plant_read(&plant, v->config, error) != MW_OK) {
        return 2;
    }
    mw_err err = asks ? show(&plant, v->json, error)
                      : act(&plant, v, action, starts ? argv[1] : NULL, error);
    mw_plant_clear(&plant);
    return err == MW_OK ? 0 : 1;
}

const struct mw_subcommand mw_command_rollout = {
    .name = "rollout",
    .synopsis =
        "start BUNDLE | status | halt | rollback  -c plant.yaml [--machine M] [--id R] [--json]",
    .summary = "move the fleet to a bundle in stages, or stop that, or take it back",
    .shorts = "c=config",
    .options = options,
    .values_size = sizeof(struct values),
    .run = run,
    .positional = true,
};
