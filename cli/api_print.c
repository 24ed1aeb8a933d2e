/* api_print.c - the live state for a person's eyes. */
#include "cli/api.h"

#include "lib/base/clock.h"

#include <stdio.h>
#include <string.h>

static const char *string(const json_t *object, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL || text[0] == '\0' ? otherwise : text;
}

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

/* "sha256:0123456789ab..." as 0123456789ab. */
static void print_digest(const char *before, const char *digest, const char *behind)
{
    bool whole = strncmp(digest, "sha256:", 7) == 0;
    printf("%s%.12s%s", before, whole ? digest + 7 : digest, behind);
}

static void print_time(const json_t *object, const char *key, char text[32])
{
    double seconds = number(object, key);
    if (seconds > 0) {
        mw_clock_print(text, (int64_t)(seconds * 1e6));
        text[19] = '\0';
    } else {
        snprintf(text, 32, "-");
    }
}

/* Of all bridges together; the worst trouble that one of them has. */
static double bridge_rate(json_t *roles, const char **trouble)
{
    const char *role;
    json_t *stats;
    bool paused = false, alone = false, away = false, starting = false;
    double rate = 0;
    json_object_foreach(roles, role, stats)
    {
        if (strncmp(role, "bridge", 6) == 0) {
            rate += number(stats, "rate");
            paused |= json_is_true(json_object_get(stats, "paused"));
            bool begins = json_is_true(json_object_get(stats, "starting"));
            starting |= begins;
            alone |= !begins && json_is_false(json_object_get(stats, "connected"));
            away |= json_is_true(json_object_get(stats, "away"));
        }
    }
    *trouble = paused     ? "  STREAM CANNOT BE WRITTEN"
               : alone    ? "  NO BROKER"
               : away     ? "  KAFKA DOES NOT ANSWER: SPOOLING"
               : starting ? "  starting: the broker has not answered yet"
                          : "";
    return rate;
}

static void print_head(const json_t *state)
{
    const json_t *summary = json_object_get(state, "summary");
    const char *trouble;
    double rate = bridge_rate(json_object_get(state, "roles"), &trouble);
    printf("plant %s  %.0f of %.0f things alive  %.0f records/s%s\n", string(state, "plant", "?"),
           number(summary, "alive"), number(summary, "things"), rate, trouble);
    printf("      %.0f normal, %.0f impending, %.0f immediate\n", number(summary, "normal"),
           number(summary, "impending"), number(summary, "immediate"));
}

static void print_ledger(const json_t *state)
{
    const json_t *ledger = json_object_get(state, "ledger");
    if (!json_is_object(ledger)) {
        printf("account     being read\n");
        return;
    }
    printf("account     %.0f published, %.0f stored, %.0f pending, %.0f dead, %.0f dropped, "
           "%.0f missing, %.0f doubled; %.0f scored\n",
           number(ledger, "published"), number(ledger, "stored"), number(ledger, "pending"),
           number(ledger, "dead"), number(ledger, "dropped"), number(ledger, "missing"),
           number(ledger, "doubled"), number(ledger, "scored"));
}

static bool one_a_machine(const json_t *learn)
{
    return strcmp(string(learn, "scope", "plant"), "machine") == 0;
}

static void print_learn(const json_t *learn)
{
    double waiting = number(learn, "waiting");
    const char *what = string(learn, "waits_for", "?");
    if (one_a_machine(learn)) {
        printf("models      %.0f, one a machine; %.0f drifted", number(learn, "models"),
               number(learn, "drifted"));
        if (waiting > 0) {
            printf(", %.0f of them waiting for %s", waiting, what);
        }
        printf("\n");
    } else if (waiting > 0) {
        printf("learning    waits for %s\n", what);
    }
}

/* What firmware of the reference implementation is offered (docs/layouts.md). */
static void print_reference(const json_t *reference)
{
    const char *reason = string(reference, "reason", "");
    if (json_is_object(reference)) {
        const char *name = string(reference, "model", "");
        printf("firmware    %s%s%s; devices that may be active: ",
               name[0] == '\0' ? "no model" : name, reason[0] == '\0' ? "" : ": ", reason);
        if (json_is_integer(json_object_get(reference, "devices"))) {
            printf("%.0f\n", number(reference, "devices"));
        } else {
            printf("all\n");
        }
    }
}

/* A training that somebody asked for by a control message (docs/layouts.md). */
static void print_asked(const json_t *state, const json_t *learn)
{
    char time[32];
    const json_t *told = json_object_get(state, "learn");
    const json_t *asked = json_object_get(told, "asked");
    if (json_is_true(json_object_get(learn, "asked")) &&
        !json_is_true(json_object_get(learn, "training"))) {
        printf("learning    asked for a model: %.0f labelled records since the last are needed\n",
               number(learn, "asked_needs"));
    }
    if (json_is_object(asked)) {
        const char *refused = string(told, "refused", NULL);
        print_time(told, "time", time);
        printf("training    %s  asked for by %s %s: %s%s\n", time, string(asked, "command", "?"),
               string(asked, "payload", ""), refused == NULL ? "begun" : "refused, ",
               refused == NULL ? "" : refused);
    }
}

static void print_model(const json_t *state)
{
    char time[32];
    const json_t *rollout = json_object_get(state, "rollout");
    const json_t *drift = json_object_get(state, "drift");
    const json_t *learn = json_object_get(json_object_get(state, "roles"), "learn");
    if (!one_a_machine(learn) || string(state, "in_use", NULL) != NULL) {
        print_digest("model       ", string(state, "in_use", "none yet"), "\n");
    }
    if (json_is_object(rollout)) {
        printf("rollout     %s %s", string(rollout, "id", "?"), string(rollout, "state", "?"));
        print_digest(", bundle ", string(rollout, "bundle", "?"), "");
        printf(": %s", string(rollout, "reason", ""));
        const char *waits = string(rollout, "waits", "");
        printf("%s%s\n", waits[0] == '\0' ? "" : "; waits for ", waits);
    }
    if (json_is_object(drift)) {
        print_time(drift, "time", time);
        printf("drift       %s  %s\n", time, string(drift, "text", ""));
    }
    print_learn(learn);
    print_asked(state, learn);
    print_reference(json_object_get(state, "reference"));
}

static void print_thing(const json_t *thing)
{
    char time[32];
    const json_t *score = json_object_get(thing, "score");
    bool gone = json_is_true(json_object_get(thing, "gone"));
    bool away = json_is_true(json_object_get(thing, "away"));
    bool alive = json_is_true(json_object_get(thing, "alive"));
    print_time(thing, "time", time);
    printf("%-24s ", string(thing, "machine", "?"));
    if (json_is_number(score)) {
        printf("%6.3f ", json_number_value(score));
    } else {
        printf("%6s ", "-");
    }
    printf("%-10s %-20s ",
           gone     ? "gone"
           : away   ? "away"
           : !alive ? "silent"
                    : string(thing, "band", "no model"),
           time);
    print_digest("", string(thing, "bundle", "-"), "");
    if (json_object_get(thing, "refused") != NULL) {
        printf("  refused: %s", string(thing, "reason", ""));
    }
    printf("\n");
}

void mw_api_print_state(const json_t *state, size_t rows)
{
    const json_t *things = json_object_get(state, "things");
    size_t n = json_array_size(things);
    print_head(state);
    print_model(state);
    print_ledger(state);
    printf("\n%-24s %6s %-10s %-20s %s\n", "machine", "score", "state", "newest record",
           "model on it");
    for (size_t i = 0; i < n && i < rows; i++) {
        print_thing(json_array_get(things, i));
    }
    double all = number(json_object_get(state, "summary"), "things");
    size_t shown = n < rows ? n : rows;
    if (all > (double)shown) {
        printf("and %.0f more\n", all - (double)shown);
    }
}
