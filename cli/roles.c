#include "cli/roles.h"

#include "cli/command.h"
#include "cli/open_plant.h"
#include "lib/base/log.h"
#include "lib/plant/share.h"
#include "tiers/inference/relay_role.h"
#include "tiers/inference/score.h"
#include "tiers/iot/thing.h"
#include "tiers/platform/bridge.h"
#include "tiers/platform/serve.h"
#include "tiers/training/learn.h"
#include "tiers/training/watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct mw_role_entry mw_roles[] = {
    {"bridge", "carry MQTT messages into the stream and orders back to the things", mw_bridge_run,
     "broker bridge topics commands sparkplug reference time artifacts stream log", MW_NICE_ACTS,
     false},
    {"score", "score records and command the things", mw_score_run,
     "action score artifacts stream log", MW_NICE_ACTS, true},
    {"watch", "notice when the plant has moved away from the model", mw_watch_run,
     "watch artifacts stream log", MW_NICE_FOLLOWS, true},
    {"learn", "commission machines, and train, prove and publish models", mw_learn_run,
     "model commission retrain reference.enabled artifacts stream log", MW_NICE_FOLLOWS, true},
    {"thing", "run the things of this plant: simulated ones, or gateways to devices", mw_thing_run,
     "simulate gateway level2 gate broker log", MW_NICE_ACTS, false},
    {"serve", "serve the page and the API, and roll models out", mw_serve_run,
     "http reference rollout artifacts stream log", MW_NICE_FOLLOWS, true},
    {NULL, NULL, NULL, NULL, 0, false},
};

struct values {
    char *config;
    int64_t share;
    char *stream;
    char *socket;
};

static const struct mw_option options[] = {
    MW_OPTION_CONFIG(struct values),
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0},
};

static const struct mw_option bridge_options[] = {
    MW_OPTION_CONFIG(struct values),
    {"share", MW_OPTION_INT, NULL, 0, MW_SHARES_MAX - 1, "0", NULL,
     "which of the bridge.shares bridges this one is, from 0", offsetof(struct values, share)},
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0},
};

static const struct mw_option score_options[] = {
    MW_OPTION_CONFIG(struct values),
    {"stream", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "relay:PATH: read and write through the millwright relay at that socket, not stream.url",
     offsetof(struct values, stream)},
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0},
};

static const struct mw_option relay_options[] = {
    MW_OPTION_CONFIG(struct values),
    {"socket", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "where to listen; run/stream.sock in the data folder when empty",
     offsetof(struct values, socket)},
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0},
};

/* Which share is an argument and not a key: all bridges of a plant read one plant.yaml. */
static mw_err take_share(struct mw_plant *plant, int64_t share, struct mw_error *error)
{
    plant->bridge.share = share;
    return share < plant->bridge.shares
               ? MW_OK
               : mw_error_set(error, MW_ERR_ARGUMENT,
                              "--share %lld: less than bridge.shares (%lld) was expected",
                              (long long)share, (long long)plant->bridge.shares);
}

/* So is a sidecar: the other roles of the plant reach its stream themselves. */
static mw_err take_stream(struct mw_plant *plant, const char *stream, struct mw_error *error)
{
    if (stream == NULL || stream[0] == '\0') {
        return MW_OK;
    }
    if (strncmp(stream, "relay:", 6) != 0) {
        return mw_error_set(error, MW_ERR_ARGUMENT, "--stream %.200s: relay:PATH was expected",
                            stream);
    }
    char *copy = strdup(stream);
    if (copy == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    free(plant->stream.url);
    plant->stream.url = copy;
    return MW_OK;
}

/* What every role begins with: its plant, and its name in the log. Not 0: the exit status. */
static int begin(struct mw_plant *plant, const char *name, const struct values *values,
                 struct mw_error *error)
{
    char title[MW_SHARE_NAME];
    if (mw_open_plant(plant, values->config, error) != MW_OK) {
        return 1;
    }
    if (take_share(plant, values->share, error) != MW_OK ||
        take_stream(plant, values->stream, error) != MW_OK) {
        mw_plant_clear(plant);
        return 2;
    }
    mw_share_name((size_t)values->share, title);
    mw_log_init(values->share > 0 ? title : name, (enum mw_log_level)plant->log.level,
                (enum mw_log_format)plant->log.format);
    return 0;
}

static int run_role(const char *name, const struct values *values, struct mw_error *error)
{
    const struct mw_role_entry *role = mw_roles;
    while (strcmp(role->name, name) != 0) {
        role++;
    }
    struct mw_plant plant;
    int status = begin(&plant, name, values, error);
    if (status == 0) {
        status = role->run(&plant, error) == MW_OK ? 0 : 1;
        mw_plant_clear(&plant);
    }
    return status;
}

/* One command a role: what a pod runs, and what `up` starts. */
#define ROLE_COMMAND(role, text, words, table)                                            \
    static int run_##role(void *values, int n, char **argv, struct mw_error *error)       \
    {                                                                                     \
        (void)n;                                                                          \
        (void)argv;                                                                       \
        return run_role(#role, values, error);                                            \
    }                                                                                     \
    const struct mw_subcommand mw_command_##role = {.name = #role,                        \
                                                    .synopsis = words,                    \
                                                    .summary = text,                      \
                                                    .shorts = "c=config",                 \
                                                    .options = table,                     \
                                                    .values_size = sizeof(struct values), \
                                                    .run = run_##role};

ROLE_COMMAND(bridge, "role: carry MQTT messages into the stream and orders back",
             "-c plant.yaml [--share K]", bridge_options)
ROLE_COMMAND(score, "role: score records and command the things",
             "-c plant.yaml [--stream relay:PATH]", score_options)
ROLE_COMMAND(watch, "role: notice when the plant has moved away from the model", "-c plant.yaml",
             options)
ROLE_COMMAND(learn, "role: commission machines; train, prove and publish models", "-c plant.yaml",
             options)
ROLE_COMMAND(serve, "role: serve the page and the API, roll models out", "-c plant.yaml", options)
ROLE_COMMAND(thing, "role: run the things of the plant, simulated ones or gateways",
             "-c plant.yaml", options)

/* Not in mw_roles: `up` starts none. */
static int run_relay(void *context, int n, char **argv, struct mw_error *error)
{
    (void)n;
    (void)argv;
    const struct values *values = context;
    struct mw_plant plant;
    int status = begin(&plant, "relay", values, error);
    if (status == 0) {
        char path[4096];
        (void)snprintf(path, sizeof path, "%s/run/stream.sock", plant.data);
        mw_err err = mw_relay_run(&plant, values->socket[0] == '\0' ? path : values->socket, error);
        mw_plant_clear(&plant);
        status = mw_error_exit_status(err);
    }
    return status;
}

const struct mw_subcommand mw_command_relay = {
    .name = "relay",
    .synopsis = "-c plant.yaml [--socket PATH]",
    .summary = "role: the streaming sidecar, hold the stream for a scorer beside it",
    .shorts = "c=config",
    .options = relay_options,
    .values_size = sizeof(struct values),
    .run = run_relay};
