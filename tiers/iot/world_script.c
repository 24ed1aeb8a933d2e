#include "tiers/iot/world_script.h"

#include "core/wire/number.h"

#include <stdio.h>
#include <string.h>

#define WORDS_MAX 24
#define MICROSECONDS 1e6

enum value { VALUE_NUMBER, VALUE_HOURS, VALUE_HOURS_OR_OFF };
enum subject { SUBJECT_NONE, SUBJECT_SIGNAL, SUBJECT_FAULT };

struct verb {
    const char *name;
    enum mw_world_change_kind kind;
    enum subject subject;
    enum value value;
    double min, max;
};

static const struct verb verbs[] = {
    {"season", MW_WORLD_SEASON, SUBJECT_NONE, VALUE_NUMBER, -60.0, 60.0},
    {"load", MW_WORLD_LOAD, SUBJECT_NONE, VALUE_NUMBER, 0.1, 2.0},
    {"gain", MW_WORLD_GAIN, SUBJECT_SIGNAL, VALUE_NUMBER, 0.01, 100.0},
    {"offset", MW_WORLD_OFFSET, SUBJECT_SIGNAL, VALUE_NUMBER, -1000.0, 1000.0},
    {"bearings", MW_WORLD_BEARINGS, SUBJECT_NONE, VALUE_NUMBER, 0.1, 20.0},
    {"fault", MW_WORLD_FAULT, SUBJECT_FAULT, VALUE_HOURS, 0.05, 10000.0},
    {"faults", MW_WORLD_FAULTS, SUBJECT_NONE, VALUE_HOURS_OR_OFF, 0.05, 10000.0},
};

/* A line being read. */
struct line {
    const char *path;
    unsigned number;
    struct mw_span word[WORDS_MAX];
    size_t words, next;
    struct mw_error *error;
};

static mw_err refuse(const struct line *line, mw_err err, struct mw_span word, const char *expected)
{
    const int size = word.size > 40 ? 40 : (int)word.size;
    return mw_error_set(line->error, err, "%s:%u: '%.*s' is not %s", line->path, line->number, size,
                        size > 0 ? word.data : "", expected);
}

static struct mw_span take(struct line *line)
{
    return line->next < line->words ? line->word[line->next++] : mw_span_of("");
}

/* 250s, 90m, 30h or 2d in hours; false when it is none of these. */
static bool read_hours(struct mw_span word, double *hours)
{
    static const struct {
        char letter;
        double hours;
    } units[] = {{'s', 1.0 / 3600.0}, {'m', 1.0 / 60.0}, {'h', 1.0}, {'d', 24.0}};
    if (word.size < 2) {
        return false;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (word.data[word.size - 1] == units[i].letter) {
            const struct mw_span number = {word.data, word.size - 1};
            if (mw_number_parse_f64(number, hours) != MW_OK) {
                return false;
            }
            *hours *= units[i].hours;
            return true;
        }
    }
    return false;
}

static mw_err read_value(struct line *line, const struct verb *verb, double *value)
{
    const struct mw_span word = take(line);
    if (verb->value == VALUE_HOURS_OR_OFF && mw_span_is(word, "off")) {
        *value = 0.0;
        return MW_OK;
    }
    if (verb->value != VALUE_NUMBER) {
        if (!read_hours(word, value)) {
            return refuse(line, MW_ERR_PARSE, word, "a time like 90m or 24h");
        }
    } else if (mw_number_parse_f64(word, value) != MW_OK) {
        return refuse(line, MW_ERR_PARSE, word, "a number");
    }
    if (!(*value >= verb->min && *value <= verb->max)) {
        char expected[80];
        snprintf(expected, sizeof expected, "%g to %g%s", verb->min, verb->max,
                 verb->value == VALUE_NUMBER ? "" : " hours");
        return refuse(line, MW_ERR_RANGE, word, expected);
    }
    return MW_OK;
}

static mw_err read_subject(struct line *line, const struct verb *verb,
                           struct mw_world_change *change)
{
    if (verb->subject == SUBJECT_NONE) {
        return MW_OK;
    }
    const struct mw_span word = take(line);
    if (verb->subject == SUBJECT_SIGNAL) {
        for (unsigned i = 0; i < MW_MOTOR_SIGNALS; i++) {
            if (mw_span_is(word, mw_motor_signal_name((enum mw_motor_signal)i))) {
                change->signal = (enum mw_motor_signal)i;
                return MW_OK;
            }
        }
        return refuse(line, MW_ERR_PARSE, word, "current, temperature, vibration or sound");
    }
    for (unsigned i = 0; i < MW_MOTOR_FAULTS; i++) {
        if (mw_span_is(word, mw_motor_fault_name((enum mw_motor_fault)i))) {
            change->fault = (enum mw_motor_fault)i;
            return MW_OK;
        }
    }
    return refuse(line, MW_ERR_PARSE, word, "bearing, imbalance, cooling or phase");
}

static mw_err read_machine(struct line *line, const struct mw_world_config *config, int *machine)
{
    const struct mw_span word = take(line);
    const size_t prefix = strlen(config->prefix);
    uint64_t number = 0;
    if (word.size > prefix + 1 && memcmp(word.data, config->prefix, prefix) == 0 &&
        word.data[prefix] == '-' && word.data[prefix + 1] != '0' &&
        mw_number_parse_u64((struct mw_span){word.data + prefix + 1, word.size - prefix - 1},
                            &number) == MW_OK &&
        number >= 1 && number <= config->machines) {
        *machine = (int)(number - 1);
        return MW_OK;
    }
    return refuse(line, MW_ERR_NOT_FOUND, word, "a machine of the plant");
}

static mw_err split(struct line *line, const char *text, size_t size)
{
    line->words = line->next = 0;
    size_t i = 0;
    while (i < size && text[i] != '#') {
        if (text[i] == ' ' || text[i] == '\t' || text[i] == '\r') {
            i++;
            continue;
        }
        if (line->words == WORDS_MAX) {
            return mw_error_set(line->error, MW_ERR_TOO_LARGE, "%s:%u: too many words", line->path,
                                line->number);
        }
        const size_t begin = i;
        while (i < size && text[i] != ' ' && text[i] != '\t' && text[i] != '\r' && text[i] != '#') {
            i++;
        }
        line->word[line->words++] = (struct mw_span){text + begin, i - begin};
    }
    return MW_OK;
}

/* "at TIME VERB": what every line begins with. */
static mw_err read_verb(struct line *line, const struct verb **verb, int64_t *at)
{
    struct mw_span word = take(line);
    if (!mw_span_is(word, "at")) {
        return refuse(line, MW_ERR_PARSE, word, "at");
    }
    double hours = 0.0;
    word = take(line);
    if (!read_hours(word, &hours)) {
        return refuse(line, MW_ERR_PARSE, word, "a time like 90m or 24h");
    }
    if (!(hours >= 0.0 && hours <= 1e6)) {
        return refuse(line, MW_ERR_RANGE, word, "a time after the start");
    }
    *at = (int64_t)(hours * 3600.0 * MICROSECONDS + 0.5);
    word = take(line);
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (mw_span_is(word, verbs[i].name)) {
            *verb = &verbs[i];
            return MW_OK;
        }
    }
    return refuse(line, MW_ERR_PARSE, word,
                  "season, load, gain, offset, bearings, fault or faults");
}

static mw_err read_line(struct line *line, const struct mw_world_config *config,
                        struct mw_world_change *changes, size_t capacity, size_t *n)
{
    const struct verb *verb = NULL;
    struct mw_world_change change = {.machine = -1};
    mw_err err = read_verb(line, &verb, &change.at);
    if (err != MW_OK) {
        return err;
    }
    change.kind = verb->kind;
    err = read_subject(line, verb, &change);
    if (err == MW_OK) {
        err = read_value(line, verb, &change.value);
    }
    bool named = false;
    while (err == MW_OK && (line->next < line->words || !named)) {
        if (line->next < line->words) {
            if (verb->kind == MW_WORLD_FAULTS) {
                return refuse(line, MW_ERR_PARSE, take(line), "expected: faults are the plant's");
            }
            err = read_machine(line, config, &change.machine);
        }
        named = true;
        if (err == MW_OK && *n == capacity) {
            return mw_error_set(line->error, MW_ERR_TOO_LARGE, "%s:%u: more than %zu changes",
                                line->path, line->number, capacity);
        }
        if (err == MW_OK) {
            changes[(*n)++] = change;
        }
    }
    return err;
}

mw_err mw_world_script_parse(const char *text, size_t size, const char *path,
                             const struct mw_world_config *config, struct mw_world_change *changes,
                             size_t capacity, size_t *n, struct mw_error *error)
{
    struct line line = {.path = path, .error = error};
    *n = 0;
    for (size_t begin = 0; begin < size;) {
        const char *newline = memchr(text + begin, '\n', size - begin);
        const size_t end = newline == NULL ? size : (size_t)(newline - text);
        line.number++;
        mw_err err = split(&line, text + begin, end - begin);
        if (err == MW_OK && line.words > 0) {
            err = read_line(&line, config, changes, capacity, n);
        }
        if (err != MW_OK) {
            return err;
        }
        begin = end + 1;
    }
    return MW_OK;
}
