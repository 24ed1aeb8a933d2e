#include "tiers/platform/operate_models.h"

#include "lib/base/clock.h"
#include "lib/kube/lines.h"
#include "tiers/platform/operate_plan.h"
#include "tiers/platform/operate_schema.h"
#include "tiers/platform/operate_status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

static const json_t *spec_of(const json_t *object)
{
    return json_object_get(object, "spec");
}

static const json_t *status_of(const json_t *object)
{
    return json_object_get(object, "status");
}

/* ---- rollouts ---- */

static const struct {
    const char *state, *reason;
    bool over;
} states[] = {
    {"canary", "Canary", false},         {"all", "All", false},
    {"stalled", "Stalled", false},       {"done", "Done", true},
    {"rolled-back", "RolledBack", true}, {"halted", "Halted", true},
    {"waiting", "Waiting", false},       {"refused", "Refused", true},
};

static size_t find_state(const char *state)
{
    size_t i = 0;
    while (i < sizeof states / sizeof *states && strcmp(states[i].state, state) != 0) {
        i++;
    }
    return i;
}

static const char *action_of(const json_t *rollout)
{
    const char *action = text_at(spec_of(rollout), "action");
    return action[0] == '\0' ? "start" : action;
}

bool mw_operate_rollout_is_over(const json_t *rollout)
{
    size_t i = find_state(text_at(status_of(rollout), "state"));
    return i < sizeof states / sizeof *states && states[i].over &&
           strcmp(action_of(rollout), text_at(status_of(rollout), "stage")) == 0;
}

static json_t *make_status(const json_t *rollout, const char *id, const char *state,
                           const char *stage, const char *message, int64_t now)
{
    size_t i = find_state(state);
    const char *reason = i < sizeof states / sizeof *states ? states[i].reason : "Unknown";
    bool done = strcmp(state, "done") == 0;
    bool over = i < sizeof states / sizeof *states && states[i].over;
    const char *said = message[0] == '\0' ? reason : message;
    return json_pack(
        "{s:I,s:s,s:s,s:s,s:[o,o]}", "observedGeneration",
        json_integer_value(json_object_get(json_object_get(rollout, "metadata"), "generation")),
        "id", id, "state", state, "stage", stage, "conditions",
        mw_operate_condition(rollout, "Complete", done, reason, said, now),
        mw_operate_condition(rollout, "Progressing", !over, reason, said, now));
}

/* "2026-11-27T00:00:00Z" against seconds; a rollout begun in the same second counts. */
static bool is_younger(const json_t *entry, const json_t *rollout)
{
    int64_t made = 0;
    const char *created = mw_kube_meta(rollout, "creationTimestamp");
    return created != NULL && mw_clock_parse(mw_span_of(created), &made) == MW_OK &&
           json_number_value(json_object_get(entry, "time")) * 1e6 >= (double)made;
}

static bool is_of(const json_t *entry, const json_t *rollout)
{
    const char *id = text_at(status_of(rollout), "id");
    if (id[0] != '\0') {
        return strcmp(text_at(entry, "id"), id) == 0;
    }
    return strcmp(text_at(entry, "bundle"), text_at(spec_of(rollout), "bundle")) == 0 &&
           strcmp(text_at(entry, "machine"), text_at(spec_of(rollout), "machine")) == 0 &&
           is_younger(entry, rollout);
}

static json_t *make_ask(const json_t *rollout, const char *id)
{
    const char *action = action_of(rollout), *machine = text_at(spec_of(rollout), "machine");
    if (strcmp(action, "start") != 0) {
        return json_pack("{s:s,s:s}", "action", action, "id", id);
    }
    return json_pack("{s:s,s:s,s:s*}", "action", action, "bundle",
                     text_at(spec_of(rollout), "bundle"), "machine",
                     machine[0] == '\0' ? NULL : machine);
}

void mw_operate_rollout_next(const json_t *rollout, const json_t *page, int64_t now,
                             struct mw_operate_rollout_step *step)
{
    size_t index;
    json_t *entry, *found = NULL;
    const char *stage = text_at(status_of(rollout), "stage");
    json_array_foreach(json_object_get(page, "rollouts"), index, entry)
    {
        if (found == NULL && is_of(entry, rollout)) {
            found = entry;
        }
    }
    bool asked = strcmp(stage, action_of(rollout)) == 0;
    const char *state = text_at(found, "state");
    *step = (struct mw_operate_rollout_step){NULL, NULL};
    if (found == NULL) {
        bool waits = strcmp(text_at(status_of(rollout), "state"), "waiting") == 0;
        step->ask = (!asked || waits) && strcmp(action_of(rollout), "start") == 0
                        ? make_ask(rollout, "")
                        : NULL;
        return;
    }
    if (!asked && strcmp(action_of(rollout), "start") == 0) {
        stage = "start"; /* found: it was asked for, and only that was not written down */
    } else if (!asked) {
        step->ask = make_ask(rollout, text_at(found, "id"));
    }
    step->status =
        make_status(rollout, text_at(found, "id"), state, stage, text_at(found, "reason"), now);
}

json_t *mw_operate_rollout_asked(const json_t *rollout, const json_t *ask, long http,
                                 const json_t *answer, const char *text, int64_t now)
{
    const char *action = text_at(ask, "action");
    const char *id = text_at(status_of(rollout), "id");
    if (http == 200) {
        const char *begun = text_at(answer, "id");
        return make_status(rollout, begun[0] == '\0' ? id : begun, text_at(answer, "state"), action,
                           text_at(answer, "reason"), now);
    }
    /* Another one under way, or no answer: worth another attempt. The rest is final. */
    bool again = http == 409 || http == 0 || http >= 500;
    return make_status(rollout, id, again ? "waiting" : "refused", again ? "" : action, text, now);
}

/* ---- bundles ---- */

static json_t *bundle_name(const json_t *plant, const char *digest)
{
    const char *hex = strchr(digest, ':');
    return json_sprintf("%s-%.16s", mw_kube_meta(plant, "name"), hex == NULL ? digest : hex + 1);
}

/* Is it what scorers and things are to run: the plant's own, or the newest of its machine? */
static bool is_in_use(const json_t *page, const json_t *spec)
{
    size_t index;
    json_t *entry;
    const char *digest = text_at(spec, "digest"), *machine = text_at(spec, "machine");
    if (machine[0] == '\0') {
        return strcmp(text_at(page, "in_use"), digest) == 0;
    }
    json_array_foreach(json_object_get(page, "rollouts"), index, entry)
    {
        if (strcmp(text_at(entry, "machine"), machine) == 0) {
            const char *state = text_at(entry, "state");
            bool back = strcmp(state, "rolled-back") == 0;
            return strcmp(text_at(entry, back ? "previous" : "bundle"), digest) == 0;
        }
    }
    return false;
}

static json_t *rollout_text(const json_t *page, const char *digest)
{
    size_t index;
    json_t *entry;
    json_array_foreach(json_object_get(page, "rollouts"), index, entry)
    {
        if (strcmp(text_at(entry, "bundle"), digest) == 0) {
            return json_sprintf("%s %s", text_at(entry, "id"), text_at(entry, "state"));
        }
    }
    return json_string("");
}

static json_t *bundle_status(const json_t *bundle, const json_t *spec, const json_t *page,
                             json_t *metrics, int64_t now)
{
    bool used = is_in_use(page, spec);
    return json_pack(
        "{s:I,s:o,s:o,s:[o]}", "observedGeneration",
        json_integer_value(json_object_get(json_object_get(bundle, "metadata"), "generation")),
        "metrics", metrics, "rollout", rollout_text(page, text_at(spec, "digest")), "conditions",
        mw_operate_condition(bundle, "Serving", used, used ? "InUse" : "NotInUse",
                             used ? "things and scorers are to run it" : "another one is in use",
                             now));
}

static json_t *metrics_text(const json_t *model)
{
    const json_t *metrics = json_object_get(model, "metrics");
    char *text = metrics == NULL ? NULL : json_dumps(metrics, JSON_COMPACT | JSON_SORT_KEYS);
    json_t *made = json_string(text == NULL ? "" : text);
    free(text);
    return made;
}

static void add_bundle(json_t *out, const json_t *plant, json_t *name, json_t *spec, json_t *status)
{
    json_array_append_new(
        out,
        json_pack("{s:s,s:s,s:{s:o,s:s,s:{s:s,s:s},s:[{s:s,s:s,s:s,s:s?}]},s:o,s:o}", "apiVersion",
                  MW_OPERATE_API, "kind", "Bundle", "metadata", "name", name, "namespace",
                  mw_kube_meta(plant, "namespace"), "labels", "app.kubernetes.io/instance",
                  mw_kube_meta(plant, "name"), "app.kubernetes.io/managed-by", MW_OPERATE_MANAGER,
                  "ownerReferences", "apiVersion", MW_OPERATE_API, "kind", "Plant", "name",
                  mw_kube_meta(plant, "name"), "uid", mw_kube_meta(plant, "uid"), "spec", spec,
                  "status", status));
}

json_t *mw_operate_bundles(const json_t *plant, const json_t *known, const json_t *page,
                           int64_t now)
{
    json_t *out = json_array();
    const json_t *model = json_object_get(page, "model");
    const char *digest = text_at(model, "bundle"), *machine = text_at(model, "machine");
    json_t *newest = digest[0] == '\0' ? NULL : bundle_name(plant, digest);
    if (newest != NULL) {
        const json_t *before = json_object_get(known, json_string_value(newest));
        json_t *spec =
            json_pack("{s:s,s:s,s:I,s:s*,s:s*}", "plant", mw_kube_meta(plant, "name"), "digest",
                      digest, "version", json_integer_value(json_object_get(model, "version")),
                      "machine", machine[0] == '\0' ? NULL : machine, "cause",
                      json_string_value(json_object_get(model, "cause")));
        add_bundle(out, plant, json_incref(newest), spec,
                   bundle_status(before, spec, page, metrics_text(model), now));
    }
    const char *name;
    json_t *bundle, *all = (json_t *)(uintptr_t)known; /* the iteration takes no const */
    json_object_foreach(all, name, bundle)
    {
        if (newest == NULL || strcmp(name, json_string_value(newest)) != 0) {
            json_t *metrics = json_string(text_at(status_of(bundle), "metrics"));
            json_t *spec = json_deep_copy(spec_of(bundle));
            add_bundle(out, plant, json_string(name), spec,
                       bundle_status(bundle, spec, page, metrics, now));
        }
    }
    json_decref(newest);
    return out;
}
