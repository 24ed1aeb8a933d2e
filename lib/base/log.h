/* log.h - one line a happening on stderr: time, level, role, thing, message, key=value.
 *
 *   2026-11-23T10:58:31.123Z warn bridge thing=motor-7 "record refused" reason="..." bytes=311
 *
 * With MW_LOG_JSON each line is a JSON object with the same keys. A line is one write(2). */
#ifndef MW_BASE_LOG_H
#define MW_BASE_LOG_H

#include <stdint.h>

enum mw_log_level { MW_LOG_DEBUG, MW_LOG_INFO, MW_LOG_WARN, MW_LOG_ERROR };
enum mw_log_format { MW_LOG_TEXT, MW_LOG_JSON };

/* Sets the process's log; role is copied (cut at 31 bytes). Call before threads start. */
void mw_log_init(const char *role, enum mw_log_level level, enum mw_log_format format);

/* A key=value pair for mw_log. Values are copied while the call lasts. */
struct mw_log_pair {
    const char *key;
    enum { MW_LOG_STRING, MW_LOG_INTEGER, MW_LOG_NUMBER } type;
    union {
        const char *string;
        int64_t integer;
        double number;
    } value;
};
#define MW_KS(k, v) ((struct mw_log_pair){(k), MW_LOG_STRING, {.string = (v)}})
#define MW_KI(k, v) ((struct mw_log_pair){(k), MW_LOG_INTEGER, {.integer = (int64_t)(v)}})
#define MW_KN(k, v) ((struct mw_log_pair){(k), MW_LOG_NUMBER, {.number = (double)(v)}})

/* Writes one line. `thing` (a device or machine) may be NULL. pairs may be NULL when n is 0. */
void mw_log_write(enum mw_log_level level, const char *thing, const char *message,
                  const struct mw_log_pair *pairs, unsigned n);

/* mw_log(MW_LOG_INFO, "motor-7", "stopped", MW_KS("by", id), MW_KI("seq", seq)); at least one pair.
 */
#define mw_log(level, thing, message, ...)                                \
    mw_log_write(                                                         \
        (level), (thing), (message), (struct mw_log_pair[]){__VA_ARGS__}, \
        (unsigned)(sizeof((struct mw_log_pair[]){__VA_ARGS__}) / sizeof(struct mw_log_pair)))

#endif
