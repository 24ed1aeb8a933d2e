#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/kube/backoff.h"
#include "lib/kube/lines.h"
#include "tiers/platform/operate_internal.h"
#include "tiers/platform/operate_schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NOTE_MOST = 1024 }; /* the API takes no longer one */

static void on_told(void *context, const struct mw_kube_answer *answer)
{
    (void)context;
    if (answer->status < 200 || answer->status > 299) {
        mw_log(MW_LOG_DEBUG, NULL, "an event was not taken", MW_KS("reason", answer->text));
    }
}

static json_t *make_event(const struct mw_operate_item *item, const char *type, const char *reason,
                          const char *note)
{
    char now[64];
    int64_t time = mw_clock_utc();
    time_t seconds = (time_t)(time / MW_SECOND);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t n = strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(now + n, sizeof now - n, ".%06dZ", (int)(time % MW_SECOND));
    const char *name = mw_kube_meta(item->object, "name");
    const char *space = mw_kube_meta(item->object, "namespace");
    return json_pack(
        "{s:s,s:s,s:{s:o,s:s},s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:{s:s,s:s,s:s,s:s,s:s?,s:s?}}",
        "apiVersion", "events.k8s.io/v1", "kind", "Event", "metadata", "name",
        json_sprintf("%s.%llx%04x", name, (unsigned long long)time, mw_kube_random() & 0xFFFFu),
        "namespace", space, "eventTime", now, "reportingController", MW_OPERATE_GROUP "/operator",
        "reportingInstance", item->operate->identity, "action", "Reconcile", "reason", reason,
        "note", note, "type", type, "regarding", "apiVersion", MW_OPERATE_API, "kind", "Plant",
        "name", name, "namespace", space, "uid", mw_kube_meta(item->object, "uid"),
        "resourceVersion", mw_kube_meta(item->object, "resourceVersion"));
}

void mw_operate_tell(struct mw_operate_item *item, const char *type, const char *reason,
                     const char *format, ...)
{
    char note[NOTE_MOST];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(note, sizeof note, format, arguments);
    va_end(arguments);
    const char *last = json_string_value(json_object_get(item->told, reason));
    if (item->object == NULL || (last != NULL && strcmp(last, note) == 0)) {
        return;
    }
    json_object_set_new(item->told, reason, json_string(note));
    mw_log(strcmp(type, "Normal") == 0 ? MW_LOG_INFO : MW_LOG_WARN, item->key.name.data, note,
           MW_KS("reason", reason));
    char *path = NULL;
    json_t *event = make_event(item, type, reason, note);
    if (event != NULL && asprintf(&path, "/apis/events.k8s.io/v1/namespaces/%s/events",
                                  mw_kube_meta(item->object, "namespace")) > 0) {
        struct mw_kube_call call = {.method = "POST", .path = path, .body = event, .done = on_told};
        (void)mw_kube_send(item->operate->kube, &call, NULL, NULL);
        free(path);
    }
    json_decref(event);
}
