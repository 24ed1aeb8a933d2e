#include "cli/command.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/plant/plant.h"
#include "tiers/iot/replay.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct values {
    char *config;
    char *speed;
    bool json;
};

static const struct mw_option options[] = {
    MW_OPTION_CONFIG(struct values),
    {"speed", MW_OPTION_STRING, NULL, 0, 0, "max", NULL,
     "times faster than the recording's own times, or max: as fast as acknowledged",
     offsetof(struct values, speed)},
    {"json", MW_OPTION_BOOL, NULL, 0, 0, "false", NULL, "print the result as JSON",
     offsetof(struct values, json)},
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0},
};

static mw_err read_speed(const char *text, double *speed, struct mw_error *error)
{
    char *end = NULL;
    *speed = 0;
    if (strcmp(text, "max") == 0) {
        return MW_OK;
    }
    *speed = strtod(text, &end);
    if (end == text || *end != '\0' || !(*speed > 0 && *speed < 1e9)) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "--speed: \"%s\": a number above 0, or max, was expected", text);
    }
    return MW_OK;
}

/* A replay waits for a broker that is away; without 'millwright up' it would wait in silence. */
static void warn_when_down(const struct mw_plant *plant)
{
    char path[PATH_MAX];
    struct mw_buffer text = {0};
    struct mw_error error = {0};
    if (plant->broker.url != NULL && plant->broker.url[0] != '\0') {
        return;
    }
    if (mw_plant_path(plant, "run", "lock", path, sizeof path, &error) == MW_OK &&
        mw_file_read(path, 64, &text, &error) == MW_OK && text.data != NULL) {
        pid_t holder = (pid_t)atol(text.data);
        if (holder > 0 && kill(holder, 0) != 0 && errno == ESRCH) {
            mw_log(MW_LOG_WARN, NULL, "the plant is down; this waits for 'millwright up'",
                   MW_KS("data", plant->data));
        }
    }
    mw_buffer_free(&text);
}

static void print(const struct mw_replay_result *result, bool json)
{
    double seconds = (double)result->duration / 1e6;
    double rate = seconds > 0 ? (double)result->sent / seconds : 0;
    if (json) {
        printf("{\"rows\":%llu,\"sent\":%llu,\"present\":%llu,\"events\":%llu,\"devices\":%u,"
               "\"seconds\":%.3f}\n",
               (unsigned long long)result->rows, (unsigned long long)result->sent,
               (unsigned long long)result->present, (unsigned long long)result->events,
               result->devices, seconds);
        return;
    }
    printf("%llu records of %u devices stored in %.1f s (%.0f a second), %llu events",
           (unsigned long long)result->sent, result->devices, seconds, rate,
           (unsigned long long)result->events);
    if (result->present > 0) {
        printf("; %llu were there already", (unsigned long long)result->present);
    }
    printf("\n");
}

static int run(void *values, int n, char **argv, struct mw_error *error)
{
    const struct values *v = values;
    struct mw_plant plant;
    struct mw_replay_options replay = {.path = argv, .n = (size_t)n, .quiet = v->json};
    struct mw_replay_result result = {0};
    if (n == 0) {
        mw_error_set(error, MW_ERR_ARGUMENT, "name at least one CSV file");
        return 2;
    }
    if (read_speed(v->speed, &replay.speed, error) != MW_OK ||
        mw_plant_read(&plant, v->config, error) != MW_OK) {
        return 2;
    }
    mw_log_init("replay", (enum mw_log_level)plant.log.level, (enum mw_log_format)plant.log.format);
    warn_when_down(&plant);
    mw_err err = mw_replay_run(&plant, &replay, &result, error);
    mw_plant_clear(&plant);
    if (err == MW_OK) {
        print(&result, v->json);
    }
    return err == MW_OK ? 0 : 1;
}

const struct mw_subcommand mw_command_replay = {
    .name = "replay",
    .synopsis = "-c plant.yaml FILE.csv ... [--speed N|max]",
    .summary = "publish the rows of CSV files as if they were live",
    .shorts = "c=config",
    .options = options,
    .values_size = sizeof(struct values),
    .run = run,
    .positional = true,
};
