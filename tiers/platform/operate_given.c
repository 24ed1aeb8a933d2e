#include "tiers/platform/operate_given.h"

#include "tiers/platform/operate_run.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

static const json_t *named(const json_t *list, const char *name)
{
    size_t index;
    const json_t *item;
    json_array_foreach(list, index, item)
    {
        if (strcmp(text_at(item, "name"), name) == 0) {
            return item;
        }
    }
    return NULL;
}

/* The models' image in the spec of a pod; "" for none. */
static const char *reference_in(const json_t *pod_spec)
{
    const json_t *volume = named(json_object_get(pod_spec, "volumes"), "models");
    return text_at(json_object_get(volume, "image"), "reference");
}

__attribute__((format(printf, 3, 4))) static json_t *say(const char *reason, const char *reference,
                                                         const char *format, ...)
{
    char text[480];
    va_list values;
    int n = snprintf(text, sizeof text, "cluster.models: %.160s: ", reference);
    va_start(values, format);
    (void)vsnprintf(text + n, sizeof text - (size_t)n, format, values);
    va_end(values);
    for (char *at = text; *at != '\0'; at++) { /* half a character would make it no text */
        *at = (unsigned char)*at < 0x80 ? *at : '?';
    }
    return json_pack("{s:s,s:s*}", "reason", reason, "text", text);
}

json_t *mw_operate_given_lacks(const json_t *pod)
{
    const char *reference = reference_in(json_object_get(pod, "spec"));
    const json_t *status = json_object_get(pod, "status");
    const json_t *prepare = named(json_object_get(status, "initContainerStatuses"), "prepare");
    const json_t *state = json_object_get(prepare, "state");
    const json_t *waiting = json_object_get(state, "waiting");
    const json_t *ended = json_object_get(state, "terminated");
    const char *reason = text_at(waiting, "reason"), *message = text_at(waiting, "message");
    char line[256];
    if (reference[0] == '\0' || prepare == NULL) {
        return NULL;
    }
    if (strstr(message, reference) != NULL) {
        return say("ModelsNotMounted", reference, "%s: %s", reason, message);
    }
    if (strcmp(reason, "CreateContainerError") == 0 || strcmp(reason, "RunContainerError") == 0) {
        return say("ModelsNotMounted", reference,
                   "the node cannot mount an image; that needs a container runtime with image "
                   "volumes, such as containerd 2.1. It said %s: %s",
                   reason, message);
    }
    if (ended == NULL && strcmp(reason, "CrashLoopBackOff") == 0) {
        ended = json_object_get(json_object_get(prepare, "lastState"), "terminated");
    }
    bool failed = json_integer_value(json_object_get(ended, "exitCode")) != 0;
    if (ended == NULL || (!failed && text_at(ended, "message")[0] == '\0')) {
        return NULL;
    }
    mw_operate_run_last_line(text_at(ended, "message"), line, sizeof line);
    json_t *lacks = say("ModelsRefused", reference, "%s%s", line,
                        failed ? "" : "; the plant goes on with its own");
    json_object_set_new(lacks, "goes_on", json_boolean(!failed));
    return lacks;
}

const json_t *mw_operate_given_worst(const json_t *lacks)
{
    const char *pod;
    const json_t *lack, *found = NULL;
    json_object_foreach((json_t *)(uintptr_t)lacks, pod, lack) /* the iteration takes no const */
    {
        if (found == NULL || !json_is_true(json_object_get(lack, "goes_on"))) {
            found = lack;
        }
    }
    return found;
}

static const char *reference_of(const json_t *deployment)
{
    const json_t *template = json_object_get(json_object_get(deployment, "spec"), "template");
    return reference_in(json_object_get(template, "spec"));
}

bool mw_operate_given_dropped(const json_t *sent, const json_t *answer)
{
    return strcmp(reference_of(sent), reference_of(answer)) != 0;
}
