#include "cli/api.h"
#include "cli/command.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct values {
    char *config, *machine, *type, *finding, *time, *by, *id;
    bool json;
};

#define TEXT(key, fallback, help)                                                              \
    {                                                                                          \
#key, MW_OPTION_STRING, NULL, 0, 0, fallback, NULL, help, offsetof(struct values, key) \
    }

static const struct mw_option options[] = {
    TEXT(config, "plant.yaml", "description of the plant"),
    {"machine", MW_OPTION_NAME, NULL, 0, 0, NULL, NULL, "machine that it happened to",
     offsetof(struct values, machine)},
    TEXT(type, NULL, "failure, repair or inspection"),
    TEXT(finding, NULL, "fault or no_fault: what the repair or inspection found"),
    TEXT(time, NULL,
         "when: seconds since 1970 or YYYY-MM-DDTHH:MM:SS[Z], UTC; left out: now in the plant"),
    TEXT(by, NULL, "who says so; left out: the user's name"),
    TEXT(id, NULL, "id; the same one twice counts once; left out: a new one"),
    {"json", MW_OPTION_BOOL, NULL, 0, 0, "false", NULL, "print the event as it was stored",
     offsetof(struct values, json)},
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0},
};

static mw_err read_time(const char *text, double *seconds, struct mw_error *error)
{
    char *end = NULL;
    struct tm tm = {0};
    *seconds = strtod(text, &end);
    if (end != text && *end == '\0' && isfinite(*seconds)) {
        return MW_OK;
    }
    end = strptime(text, "%Y-%m-%d", &tm);
    if (end != NULL && (*end == 'T' || *end == ' ')) {
        end = strptime(end + 1, "%H:%M:%S", &tm);
    }
    if (end == NULL || (*end != '\0' && strcmp(end, "Z") != 0)) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "--time %s: seconds since 1970 or YYYY-MM-DDTHH:MM:SS was expected",
                            text);
    }
    *seconds = (double)timegm(&tm);
    return MW_OK;
}

static void set(json_t *event, const char *key, const char *text)
{
    if (text != NULL && text[0] != '\0') {
        json_object_set_new(event, key, json_string(text));
    }
}

static mw_err build(const struct values *v, json_t *event, struct mw_error *error)
{
    if (v->machine == NULL || v->type == NULL) {
        return mw_error_set(error, MW_ERR_ARGUMENT, "--machine and --type are needed");
    }
    const char *user = getenv("USER");
    set(event, "machine", v->machine);
    set(event, "type", v->type);
    set(event, "finding", v->finding);
    set(event, "id", v->id);
    set(event, "by", v->by != NULL && v->by[0] != '\0' ? v->by : user == NULL ? "cli" : user);
    if (v->time != NULL && v->time[0] != '\0') {
        double seconds;
        mw_err err = read_time(v->time, &seconds, error);
        if (err != MW_OK) {
            return err;
        }
        json_object_set_new(event, "time", json_real(seconds));
    }
    return MW_OK;
}

static int run(void *values, int n, char **argv, struct mw_error *error)
{
    const struct values *v = values;
    struct mw_plant plant;
    json_t *answer = NULL, *event = json_object();
    (void)n;
    (void)argv;
    mw_err err = build(v, event, error);
    if (err == MW_OK) {
        err = mw_plant_read(&plant, v->config, error);
    }
    if (err != MW_OK) {
        json_decref(event);
        return 2;
    }
    err = mw_api_ask(&plant, "/api/events", event, &answer, error);
    mw_plant_clear(&plant);
    json_decref(event);
    if (err != MW_OK) {
        return 1;
    }
    const char *warning = json_string_value(json_object_get(answer, "warning"));
    if (warning != NULL) {
        fprintf(stderr, "millwright event add: warning: %s\n", warning);
    }
    if (v->json) {
        mw_api_print_json(answer);
    } else {
        printf("recorded: %s of %s, id %s\n", v->type, v->machine,
               json_string_value(json_object_get(answer, "id")));
    }
    json_decref(answer);
    return 0;
}

const struct mw_subcommand mw_command_event_add = {
    .name = "event add",
    .synopsis =
        "-c plant.yaml --machine M --type failure|repair|inspection [--finding fault|no_fault]",
    .summary = "tell that a machine failed, was repaired or inspected: what models learn from",
    .shorts = "c=config",
    .options = options,
    .values_size = sizeof(struct values),
    .run = run,
};
