#include "tiers/training/metrics.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

static int by_place(const void *left, const void *right)
{
    const struct mw_scored *a = left, *b = right;
    if (a->machine != b->machine) {
        return a->machine < b->machine ? -1 : 1;
    }
    return (a->time > b->time) - (a->time < b->time);
}

static int by_length(const void *left, const void *right)
{
    const double *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

struct count {
    struct mw_alarm_metrics *metrics;
    const struct mw_breakdown *breakdowns;
    size_t n_breakdowns;
    double *lead; /* per breakdown; NaN until one of its records was in alarm */
    int64_t horizon;
};

/* Credits a record in alarm to the breakdowns that it precedes closely enough. True when there is
 * one. */
static bool credit(struct count *count, const struct mw_scored *record)
{
    bool any = false;
    for (size_t b = 0; b < count->n_breakdowns; b++) {
        const struct mw_breakdown *breakdown = &count->breakdowns[b];
        if (breakdown->machine != record->machine || record->time > breakdown->time ||
            breakdown->time - record->time > count->horizon) {
            continue;
        }
        any = true;
        if (isnan(count->lead[b])) { /* records come in order of time: the first is the earliest */
            count->lead[b] = (double)(breakdown->time - record->time);
        }
    }
    return any;
}

/* Walks one machine's records. */
static void count_machine(struct count *count, const struct mw_scored *scored, size_t n,
                          double threshold, size_t confirm)
{
    struct mw_alarm_metrics *metrics = count->metrics;
    size_t above = 0;
    bool useful = false;
    for (size_t i = 0; i < n; i++) {
        above = scored[i].score >= threshold ? above + 1 : 0;
        if (above == confirm) {
            metrics->alarms++;
            useful = false;
        }
        if (above >= confirm) {
            useful = credit(count, &scored[i]) || useful;
        }
        bool ends = i + 1 == n || !(scored[i + 1].score >= threshold);
        metrics->false_alarms += above >= confirm && ends && !useful;
    }
    metrics->machine_time += (double)(scored[n - 1].time - scored[0].time);
}

static void summarise(struct count *count, double day)
{
    struct mw_alarm_metrics *metrics = count->metrics;
    double sum = 0.0;
    size_t n = 0;
    for (size_t b = 0; b < count->n_breakdowns; b++) {
        if (!isnan(count->lead[b])) {
            sum += count->lead[b];
            count->lead[n++] = count->lead[b];
        }
    }
    metrics->predicted = n;
    metrics->lead_least = metrics->lead_median = metrics->lead_mean = (double)NAN;
    if (n > 0) {
        qsort(count->lead, n, sizeof *count->lead, by_length);
        metrics->lead_least = count->lead[0];
        metrics->lead_median = 0.5 * (count->lead[(n - 1) / 2] + count->lead[n / 2]);
        metrics->lead_mean = sum / (double)n;
    }
    if (metrics->machine_time > 0.0) {
        double days = metrics->machine_time / day;
        metrics->alarms_per_machine_day = (double)metrics->alarms / days;
        metrics->false_alarms_per_machine_day = (double)metrics->false_alarms / days;
    }
}

mw_err mw_metrics_alarms(struct mw_alarm_metrics *metrics, struct mw_scored *scored, size_t n,
                         const struct mw_breakdown *breakdowns, size_t n_breakdowns,
                         double threshold, size_t confirm, int64_t horizon, double day)
{
    *metrics = (struct mw_alarm_metrics){.breakdowns = n_breakdowns};
    struct count count = {.metrics = metrics,
                          .breakdowns = breakdowns,
                          .n_breakdowns = n_breakdowns,
                          .lead = calloc(n_breakdowns + 1, sizeof *count.lead),
                          .horizon = horizon};
    if (count.lead == NULL) {
        return MW_ERR_MEMORY;
    }
    for (size_t b = 0; b < n_breakdowns; b++) {
        count.lead[b] = (double)NAN;
    }
    if (n > 0) {
        qsort(scored, n, sizeof *scored, by_place);
    }
    for (size_t start = 0, end; start < n; start = end) {
        for (end = start + 1; end < n && scored[end].machine == scored[start].machine;) {
            end++;
        }
        count_machine(&count, scored + start, end - start, threshold, confirm > 0 ? confirm : 1);
    }
    summarise(&count, day);
    free(count.lead);
    return MW_OK;
}
