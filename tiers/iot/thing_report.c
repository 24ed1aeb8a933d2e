#include "tiers/iot/thing_report.h"

#include "core/wire/number.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "tiers/iot/latency.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_MOST (64 << 20) /* bytes of truth.jsonl and of twins.jsonl */

struct mw_thing_report {
    const struct mw_plant *plant;
    FILE *truth, *twins; /* twins NULL: not asked for */
    bool known, fast, latency_reset;
};

static mw_err open_log(const struct mw_plant *plant, const char *name, FILE **file,
                       struct mw_error *error)
{
    char path[PATH_MAX];
    mw_err err = mw_plant_path(plant, "things", name, path, sizeof path, error);
    if (err != MW_OK) {
        return err;
    }
    *file = fopen(path, "ae");
    if (*file == NULL) {
        return mw_error_errno(error, MW_ERR_IO, "%s", path);
    }
    setvbuf(*file, NULL, _IOLBF, 1024);
    return MW_OK;
}

mw_err mw_thing_report_new(struct mw_thing_report **out, const struct mw_plant *plant,
                           struct mw_error *error)
{
    *out = NULL;
    struct mw_thing_report *report = calloc(1, sizeof *report);
    if (report == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    report->plant = plant;
    bool simulated = plant->simulate.machines > 0;
    mw_err err = simulated ? open_log(plant, "truth.jsonl", &report->truth, error) : MW_OK;
    if (err == MW_OK && simulated && plant->simulate.twins) {
        err = open_log(plant, "twins.jsonl", &report->twins, error);
    }
    if (err != MW_OK) {
        mw_thing_report_free(report);
        return err;
    }
    *out = report;
    return MW_OK;
}

/* A plant may be simulated for years: a log that has grown long becomes the one before, and that
 * one goes. */
static void bound_log(const struct mw_thing_report *report, const char *name, FILE **file)
{
    char path[PATH_MAX], before[PATH_MAX + 2];
    if (ftello(*file) < LOG_MOST ||
        mw_plant_path(report->plant, "things", name, path, sizeof path, NULL) != MW_OK) {
        return;
    }
    snprintf(before, sizeof before, "%s.1", path);
    if (rename(path, before) != 0) {
        return;
    }
    FILE *fresh = fopen(path, "ae");
    if (fresh == NULL) {
        (void)rename(before, path);
        return;
    }
    setvbuf(fresh, NULL, _IOLBF, 1024);
    fclose(*file);
    *file = fresh;
}

void mw_thing_report_free(struct mw_thing_report *report)
{
    if (report != NULL) {
        if (report->truth != NULL) {
            fclose(report->truth);
        }
        if (report->twins != NULL) {
            fclose(report->twins);
        }
        free(report);
    }
}

static double seconds(int64_t microseconds)
{
    return (double)microseconds / 1e6;
}

void mw_thing_report_truth(struct mw_thing_report *report, const struct mw_world_truth *truth)
{
    fprintf(report->truth,
            "{\"truth\":{\"machine\":\"%s\",\"fault\":\"%s\",\"started\":%.3f,"
            "\"breakdown\":%.3f,\"saved\":%s,\"stopped\":%.3f,\"told\":%.6f}}\n",
            truth->name, mw_motor_fault_name(truth->fault), seconds(truth->started),
            seconds(truth->breakdown), truth->saved ? "true" : "false",
            seconds(truth->saved ? truth->stopped : 0), seconds(mw_clock_utc()));
    bound_log(report, "truth.jsonl", &report->truth);
}

void mw_thing_report_change(struct mw_thing_report *report, int64_t time,
                            const struct mw_world_change *change)
{
    static const char *const kind[] = {
        [MW_WORLD_SEASON] = "season", [MW_WORLD_LOAD] = "load",         [MW_WORLD_GAIN] = "gain",
        [MW_WORLD_OFFSET] = "offset", [MW_WORLD_BEARINGS] = "bearings", [MW_WORLD_FAULT] = "fault",
        [MW_WORLD_FAULTS] = "faults",
    };
    fprintf(report->truth,
            "{\"change\":{\"time\":%.3f,\"wall\":%.6f,\"kind\":\"%s\",\"machine\":%d,"
            "\"signal\":\"%s\",\"value\":%g}}\n",
            seconds(time), seconds(mw_clock_utc()), kind[change->kind], change->machine,
            mw_motor_signal_name(change->signal), change->value);
}

void mw_thing_report_twin(struct mw_thing_report *report, const struct mw_world_record *record)
{
    char number[MW_NUMBER_TEXT];
    mw_number_print_time(number, record->time);
    fprintf(report->twins, "{\"machine\":\"%s\",\"time\":%s,\"features\":{", record->name, number);
    for (size_t i = 0; i < MW_MOTOR_FEATURES; i++) {
        mw_number_print_f32(number, record->features[i]);
        fprintf(report->twins, "%s\"%s\":%s", i == 0 ? "" : ",", mw_motor_feature_names[i], number);
    }
    fputs("}}\n", report->twins);
    bound_log(report, "twins.jsonl", &report->twins);
}

void mw_thing_report_pace(struct mw_thing_report *report, bool fast)
{
    if (report->known && report->fast == fast) {
        return;
    }
    if (!fast) {
        fprintf(report->truth, "{\"paced\":{\"wall\":%.6f}}\n", seconds(mw_clock_utc()));
        report->latency_reset = true;
    }
    report->known = true;
    report->fast = fast;
}

static mw_err print_devices(struct mw_buffer *json, struct mw_thing_device *const *device,
                            unsigned n)
{
    mw_err err = MW_OK;
    for (unsigned i = 0; err == MW_OK && i < n; i++) {
        const struct mw_outbox_device *numbers = mw_thing_device_numbers(device[i]);
        err = mw_buffer_printf(
            json,
            "%s\"%s\":{\"boot\":%u,\"next\":%llu,\"waiting\":%llu,\"published\":%llu,"
            "\"dropped\":%llu,\"suppressed\":%llu,\"bundle\":\"%s\"",
            i == 0 ? "" : ",", mw_thing_device_name(device[i]), numbers->boot,
            (unsigned long long)numbers->next,
            (unsigned long long)mw_thing_device_waiting(device[i]),
            (unsigned long long)numbers->published, (unsigned long long)numbers->dropped,
            (unsigned long long)numbers->suppressed, mw_thing_device_bundle(device[i]));
        mw_thing_device_status(device[i], json);
        err = err == MW_OK ? mw_buffer_printf(json, "}") : err;
    }
    return err;
}

void mw_thing_report_write(struct mw_thing_report *report, struct mw_role *role,
                           struct mw_thing_device *const *device, unsigned n, int64_t plant_time,
                           struct mw_latency *latency)
{
    if (report->latency_reset) {
        report->latency_reset = false;
        latency->n = 0;
    }
    struct mw_buffer json = {0};
    struct mw_error error = {0};
    char path[PATH_MAX];
    mw_err err = mw_buffer_printf(
        &json,
        "{\"v\":1,\"role\":\"thing\",\"pid\":%d,\"time\":%.6f,\"plant_time\":%.3f,\"paced\":%s,"
        "\"latency_ms\":{\"n\":%llu,\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f},\"devices\":{",
        (int)getpid(), seconds(mw_clock_utc()), seconds(plant_time),
        report->fast ? "false" : "true", (unsigned long long)latency->n,
        (double)mw_latency_quantile(latency, 0.5) / 1e3,
        (double)mw_latency_quantile(latency, 0.99) / 1e3,
        (double)mw_latency_quantile(latency, 1) / 1e3);
    if (err == MW_OK) {
        err = print_devices(&json, device, n);
    }
    if (err == MW_OK) {
        err = mw_buffer_printf(&json, "}}\n");
    }
    if (err == MW_OK) {
        err = mw_plant_path(report->plant, "run", "thing.json", path, sizeof path, &error);
    }
    if (err == MW_OK) {
        mw_role_tell(role, (struct mw_span){json.data, json.size});
        err = mw_file_replace(path, json.data, json.size, 0644, &error);
    }
    if (err != MW_OK) {
        mw_log(MW_LOG_WARN, NULL, "cannot write run/thing.json", MW_KS("reason", error.text));
    }
    mw_buffer_free(&json);
}
