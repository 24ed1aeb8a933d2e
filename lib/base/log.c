#include "lib/base/log.h"

#include "lib/base/clock.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A line is built in one piece on the stack and written by one write(2), so that the lines of
 * several threads and processes on one descriptor do not mix. What does not fit is left out whole
 * pairs at a time, so that a JSON line stays JSON. */
enum { LINE = 4096, LONGEST = 1024 };

static struct {
    char role[32];
    enum mw_log_level level;
    enum mw_log_format format;
} settings = {.level = MW_LOG_INFO};

struct line {
    char text[LINE];
    size_t size;
    bool full; /* something did not fit since this was last cleared */
};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void mw_log_init(const char *role, enum mw_log_level level, enum mw_log_format format)
{
    snprintf(settings.role, sizeof settings.role, "%s", role == NULL ? "" : role);
    settings.level = level;
    settings.format = format;
}

static void put(struct line *line, const char *data, size_t size)
{
    if (size > sizeof line->text - 2 - line->size) { /* keeps room for "}\n" */
        line->full = true;
        return;
    }
    memcpy(line->text + line->size, data, size);
    line->size += size;
}

static void put_text(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

/* The length of the UTF-8 character at text, 0 when it is none (RFC 3629). */
static size_t character(const unsigned char *text)
{
    static const struct {
        unsigned char first, last, low, high, size;
    } ranges[] = {{0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
                  {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3},
                  {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4},
                  {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4}};
    if (text[0] < 0x80) {
        return 1;
    }
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        if (text[0] < ranges[i].first || text[0] > ranges[i].last) {
            continue;
        }
        if (text[1] < ranges[i].low || text[1] > ranges[i].high) {
            return 0;
        }
        for (size_t k = 2; k < ranges[i].size; k++) {
            if ((text[k] & 0xC0) != 0x80) {
                return 0;
            }
        }
        return ranges[i].size;
    }
    return 0;
}

/* Both formats quote as JSON does: a text from outside can neither end the line nor the quotes. */
static void put_quoted(struct line *line, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    put(line, "\"", 1);
    size_t start = line->size;
    while (*at != 0) {
        if (line->size - start > LONGEST) {
            put_text(line, "...");
            break;
        }
        size_t size = character(at);
        char escaped[8];
        if (size == 0) {
            put_text(line, "\\ufffd");
            size = 1;
        } else if (*at == '"' || *at == '\\') {
            put(line, (char[]){'\\', (char)*at}, 2);
        } else if (*at == '\n') {
            put_text(line, "\\n");
        } else if (*at == '\t') {
            put_text(line, "\\t");
        } else if (*at < 0x20 || *at == 0x7F) {
            snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned)*at);
            put_text(line, escaped);
        } else {
            put(line, (const char *)at, size);
        }
        at += size;
    }
    put(line, "\"", 1);
}

static bool is_word(const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-_.:/@+,%";
    size_t size = strspn(text, plain);
    return size > 0 && size <= LONGEST && text[size] == 0;
}

static void put_string(struct line *line, const char *text)
{
    if (settings.format == MW_LOG_TEXT && is_word(text)) {
        put_text(line, text);
    } else {
        put_quoted(line, text);
    }
}

static void put_key(struct line *line, const char *key)
{
    if (settings.format == MW_LOG_JSON) {
        put_text(line, line->size == 1 ? "" : ",");
        put_quoted(line, key);
        put(line, ":", 1);
    } else {
        put(line, " ", 1);
        put_text(line, key);
        put(line, "=", 1);
    }
}

static void put_pair(struct line *line, const struct mw_log_pair *pair)
{
    char text[40];
    put_key(line, pair->key);
    switch (pair->type) {
    case MW_LOG_STRING:
        put_string(line, pair->value.string == NULL ? "" : pair->value.string);
        return;
    case MW_LOG_INTEGER:
        snprintf(text, sizeof text, "%lld", (long long)pair->value.integer);
        break;
    case MW_LOG_NUMBER:
        if (settings.format == MW_LOG_JSON && !isfinite(pair->value.number)) {
            put_text(line, "null");
            return;
        }
        snprintf(text, sizeof text, "%.6g", pair->value.number);
        break;
    }
    put_text(line, text);
}

static void put_head(struct line *line, enum mw_log_level level, const char *thing,
                     const char *message)
{
    char time[32];
    mw_clock_print(time, mw_clock_utc());
    if (settings.format == MW_LOG_TEXT) {
        put_text(line, time);
        put(line, " ", 1);
        put_text(line, level_names[level]);
        if (settings.role[0] != 0) {
            put(line, " ", 1);
            put_text(line, settings.role);
        }
        if (thing != NULL) {
            put_pair(line, &MW_KS("thing", thing));
        }
        put(line, " ", 1);
        put_quoted(line, message);
        return;
    }
    put(line, "{", 1);
    put_pair(line, &MW_KS("time", time));
    put_pair(line, &MW_KS("level", level_names[level]));
    put_pair(line, &MW_KS("role", settings.role));
    if (thing != NULL) {
        put_pair(line, &MW_KS("thing", thing));
    }
    put_pair(line, &MW_KS("message", message));
}

void mw_log_write(enum mw_log_level level, const char *thing, const char *message,
                  const struct mw_log_pair *pairs, unsigned n)
{
    if (level < settings.level) {
        return;
    }
    int number =
        errno; /* logging between a failed call and its report must not change the report */
    struct line line;
    line.size = 0;
    line.full = false;
    put_head(&line, level, thing, message);
    for (unsigned i = 0; i < n; i++) {
        size_t before = line.size;
        line.full = false;
        put_pair(&line, &pairs[i]);
        if (line.full) {
            line.size = before;
        }
    }
    if (settings.format == MW_LOG_JSON) {
        line.text[line.size++] = '}';
    }
    line.text[line.size++] = '\n';
    /* A log that cannot be written has nowhere to say so. */
    ssize_t written;
    do {
        written = write(STDERR_FILENO, line.text, line.size);
    } while (written < 0 && errno == EINTR);
    errno = number;
}
