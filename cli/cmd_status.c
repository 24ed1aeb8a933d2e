#include "cli/api.h"
#include "cli/command.h"

#include <stdbool.h>
#include <stdint.h>

struct values {
    char *config;
    bool json;
};

static const struct mw_option options[] = {
    MW_OPTION_CONFIG(struct values),
    {"json", MW_OPTION_BOOL, NULL, 0, 0, "false", NULL, "print the whole state as JSON",
     offsetof(struct values, json)},
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0},
};

enum { TRIES = 15 }; /* each lets the server read on for a moment */

/* The account of a large stream takes a while to read the first time. */
static mw_err ask(const char *config, json_t **state, struct mw_error *error)
{
    mw_err err = mw_api_state(config, state, error);
    for (int i = 0; i < TRIES && err == MW_OK; i++) {
        if (json_is_object(json_object_get(*state, "ledger"))) {
            break;
        }
        json_decref(*state);
        err = mw_api_state(config, state, error);
    }
    return err;
}

static int run(void *values, int n, char **argv, struct mw_error *error)
{
    const struct values *v = values;
    json_t *state = NULL;
    (void)n;
    (void)argv;
    if (ask(v->config, &state, error) != MW_OK) {
        return 1;
    }
    if (v->json) {
        mw_api_print_json(state);
    } else {
        mw_api_print_state(state, SIZE_MAX);
    }
    json_decref(state);
    return 0;
}

const struct mw_subcommand mw_command_status = {
    .name = "status",
    .synopsis = "-c plant.yaml [--json]",
    .summary = "say how the plant is: things, model, rollout, account",
    .shorts = "c=config",
    .options = options,
    .values_size = sizeof(struct values),
    .run = run,
};
