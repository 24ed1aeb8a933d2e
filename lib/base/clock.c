#include "lib/base/clock.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec time;
    if (clock_gettime(id, &time) != 0) {
        return 0;
    }
    return (int64_t)time.tv_sec * MW_SECOND + time.tv_nsec / 1000;
}

int64_t mw_clock_utc(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t mw_clock_monotonic(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

static int64_t system_now(void *context)
{
    (void)context;
    return mw_clock_utc();
}

const struct mw_clock mw_clock_system = {system_now, NULL};

void mw_clock_print(char text[32], int64_t microseconds)
{
    /* Rounds down, so that times before 1970 print right too. */
    int64_t seconds = microseconds / MW_SECOND;
    int64_t rest = microseconds % MW_SECOND;
    if (rest < 0) {
        rest += MW_SECOND;
        seconds--;
    }
    time_t time = (time_t)seconds;
    struct tm parts;
    if (gmtime_r(&time, &parts) == NULL) {
        memcpy(text, "?", 2);
        return;
    }
    char all[128]; /* what the types could hold; what a calendar holds fits in 32 */
    snprintf(all, sizeof all, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", parts.tm_year + 1900,
             parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
             (int)(rest / 1000));
    memcpy(text, all, 31);
    text[31] = 0;
}

/* Reads exactly n digits. */
static bool digits(struct mw_span *text, size_t n, int *value)
{
    if (text->size < n) {
        return false;
    }
    *value = 0;
    for (size_t i = 0; i < n; i++) {
        char c = text->data[i];
        if (c < '0' || c > '9') {
            return false;
        }
        *value = *value * 10 + (c - '0');
    }
    text->data += n;
    text->size -= n;
    return true;
}

static bool sign(struct mw_span *text, char expected)
{
    if (text->size == 0 || text->data[0] != expected) {
        return false;
    }
    text->data++;
    text->size--;
    return true;
}

/* Days since 1970-01-01 in the Gregorian calendar, reckoned from years that begin in March, so that
 * the leap day comes last. Years from 0. */
static int64_t days_since_1970(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t m = month <= 2 ? month + 9 : month - 3;
    int64_t era = (y >= 0 ? y : y - 399) / 400, in_era = y - era * 400;
    int64_t day_of_year = (153 * m + 2) / 5 + day - 1;
    return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + day_of_year - 719468;
}

static bool is_date(int year, int month, int day)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month >= 1 && month <= 12 && day >= 1 &&
           day <= days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* The digits behind the point, as microseconds. */
static bool fraction(struct mw_span *text, int64_t *value)
{
    int64_t scale = 100000;
    int digit;
    bool any = false, sixth = true;
    *value = 0;
    while (digits(text, 1, &digit)) {
        any = true;
        if (scale > 0) {
            *value += digit * scale;
            scale /= 10;
        } else if (sixth) {
            *value += digit >= 5;
            sixth = false;
        }
    }
    return any;
}

/* HH:MM:SS[.fraction][zone], added to *value. */
static mw_err parse_clock(struct mw_span *text, int64_t *value)
{
    int hour, minute, second, zone_hour = 0, zone_minute = 0;
    int64_t rest = 0, zone = 0;
    if (!digits(text, 2, &hour) || !sign(text, ':') || !digits(text, 2, &minute) ||
        !sign(text, ':') || !digits(text, 2, &second) ||
        (sign(text, '.') && !fraction(text, &rest))) {
        return MW_ERR_PARSE;
    }
    if (!sign(text, 'Z') && text->size > 0) {
        bool east = sign(text, '+');
        if ((!east && !sign(text, '-')) || !digits(text, 2, &zone_hour) || !sign(text, ':') ||
            !digits(text, 2, &zone_minute)) {
            return MW_ERR_PARSE;
        }
        zone = (zone_hour * 60 + zone_minute) * 60 * (east ? 1 : -1);
    }
    if (hour > 23 || minute > 59 || second > 59 || zone_hour > 23 || zone_minute > 59) {
        return MW_ERR_RANGE;
    }
    *value += ((int64_t)hour * 3600 + minute * 60 + second - zone) * MW_SECOND + rest;
    return MW_OK;
}

mw_err mw_clock_parse(struct mw_span text, int64_t *microseconds)
{
    int year, month, day;
    if (!digits(&text, 4, &year) || !sign(&text, '-') || !digits(&text, 2, &month) ||
        !sign(&text, '-') || !digits(&text, 2, &day)) {
        return MW_ERR_PARSE;
    }
    if (!is_date(year, month, day)) {
        return MW_ERR_RANGE;
    }
    int64_t value = days_since_1970(year, month, day) * 86400 * MW_SECOND;
    if (sign(&text, 'T') || sign(&text, ' ')) {
        mw_err err = parse_clock(&text, &value);
        if (err != MW_OK) {
            return err;
        }
    }
    if (text.size > 0) {
        return MW_ERR_PARSE;
    }
    *microseconds = value;
    return MW_OK;
}
