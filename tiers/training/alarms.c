#include "tiers/training/alarms.h"

#include <math.h>
#include <stdlib.h>

#define DAY (86400 * 1e6) /* microseconds */

struct place {
    uint32_t machine, row;
    int64_t time;
};

static int by_place(const void *left, const void *right)
{
    const struct place *a = left, *b = right;
    if (a->machine != b->machine) {
        return a->machine < b->machine ? -1 : 1;
    }
    if (a->time != b->time) {
        return a->time < b->time ? -1 : 1;
    }
    return (a->row > b->row) - (a->row < b->row);
}

static int by_length(const void *left, const void *right)
{
    const double *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

struct count {
    struct mw_alarm_metrics *metrics;
    const struct mw_dataset *set;
    const uint8_t *held_out;
    const double *score;
    double threshold;
    double *lead;       /* of each predicted breakdown, in microseconds */
    bool alarm, useful; /* there is one; one of its records is positive */
    bool warned;        /* the run of positive records was in alarm, since: */
    int64_t since;
};

static void end_alarm(struct count *count)
{
    count->metrics->false_alarms += count->alarm && !count->useful;
    count->alarm = false;
}

static void count_record(struct count *count, const struct place *at)
{
    bool positive = count->set->label[at->row] == 1;
    if (!(count->score[at->row] >= count->threshold)) {
        end_alarm(count);
        return;
    }
    if (!count->alarm) {
        count->alarm = true;
        count->useful = false;
        count->metrics->alarms++;
    }
    count->useful = count->useful || positive;
    if (positive && !count->warned) {
        count->warned = true;
        count->since = at->time;
    }
}

/* Walks one machine's records in order of time. */
static void count_machine(struct count *count, const struct place *place, size_t n)
{
    struct mw_alarm_metrics *metrics = count->metrics;
    const uint8_t *label = count->set->label;
    for (size_t i = 0; i < n; i++) {
        bool held = count->held_out[place[i].row] == 1;
        bool more = i + 1 < n, last = !more || label[place[i + 1].row] != 1;
        if (held) {
            count_record(count, &place[i]);
        }
        if (held && more && count->held_out[place[i + 1].row] == 1) {
            metrics->machine_days += (double)(place[i + 1].time - place[i].time) / DAY;
        } else {
            end_alarm(count);
        }
        if (label[place[i].row] == 1 && last) {
            metrics->breakdowns += held;
            if (held && count->warned) {
                count->lead[metrics->predicted++] = (double)(place[i].time - count->since);
            }
            count->warned = false;
        }
    }
}

static void summarise(struct count *count)
{
    struct mw_alarm_metrics *metrics = count->metrics;
    size_t n = metrics->predicted;
    metrics->known = true;
    metrics->lead_median = metrics->alarms_per_machine_day = (double)NAN;
    metrics->false_alarms_per_machine_day = (double)NAN;
    if (n > 0) {
        qsort(count->lead, n, sizeof *count->lead, by_length);
        metrics->lead_median = 0.5 * (count->lead[(n - 1) / 2] + count->lead[n / 2]) / 1e6;
    }
    if (metrics->machine_days > 0.0) {
        metrics->alarms_per_machine_day = (double)metrics->alarms / metrics->machine_days;
        metrics->false_alarms_per_machine_day =
            (double)metrics->false_alarms / metrics->machine_days;
    }
}

mw_err mw_alarms_count(struct mw_alarm_metrics *metrics, const struct mw_dataset *set,
                       const uint8_t *held_out, const double *score, double threshold)
{
    *metrics = (struct mw_alarm_metrics){0};
    if (set->machine == NULL || set->time == NULL || set->label == NULL || set->rows == 0) {
        return MW_OK;
    }
    struct place *place = calloc(set->rows, sizeof *place);
    struct count count = {.metrics = metrics,
                          .set = set,
                          .held_out = held_out,
                          .score = score,
                          .threshold = threshold,
                          .lead = calloc(set->rows, sizeof *count.lead)};
    mw_err err = place == NULL || count.lead == NULL ? MW_ERR_MEMORY : MW_OK;
    for (size_t i = 0; err == MW_OK && i < set->rows; i++) {
        place[i] = (struct place){set->machine[i], (uint32_t)i, set->time[i]};
    }
    if (err == MW_OK) {
        qsort(place, set->rows, sizeof *place, by_place);
        for (size_t start = 0, end; start < set->rows; start = end) {
            for (end = start + 1; end < set->rows && place[end].machine == place[start].machine;) {
                end++;
            }
            count_machine(&count, place + start, end - start);
        }
        summarise(&count);
    }
    free(place);
    free(count.lead);
    return err;
}
