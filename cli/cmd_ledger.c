#include "cli/command.h"
#include "lib/base/file.h"
#include "lib/plant/plant.h"
#include "tiers/platform/ledger.h"

#include <stdio.h>
#include <stdlib.h>

struct values {
    char *config;
    bool json;
};

static const struct mw_option options[] = {
    {"config", MW_OPTION_STRING, NULL, 0, 0, "plant.yaml", NULL, "description of the plant",
     offsetof(struct values, config)},
    {"json", MW_OPTION_BOOL, NULL, 0, 0, "false", NULL, "print the rows as JSON",
     offsetof(struct values, json)},
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0},
};

static mw_err print_json(const struct mw_ledger_row *rows, size_t n,
                         const struct mw_ledger_row *total, struct mw_error *error)
{
    struct mw_buffer out = {0};
    mw_err err = mw_buffer_printf(
        &out, "{\"v\":1,\"balanced\":%s,\"total\":", mw_ledger_balances(total) ? "true" : "false");
    if (err == MW_OK) {
        err = mw_ledger_print_row(total, &out);
    }
    if (err == MW_OK) {
        err = mw_buffer_printf(&out, ",\"devices\":[");
    }
    for (size_t i = 0; i < n && err == MW_OK; i++) {
        err = i > 0 ? mw_buffer_add(&out, ",", 1) : MW_OK;
        if (err == MW_OK) {
            err = mw_ledger_print_row(&rows[i], &out);
        }
    }
    if (err == MW_OK) {
        err = mw_buffer_add(&out, "]}", 2);
    }
    if (err == MW_OK) {
        puts(out.data);
    }
    mw_buffer_free(&out);
    return err == MW_OK ? MW_OK : mw_error_set(error, err, "out of memory");
}

static void print_line(const char *name, const struct mw_ledger_row *row)
{
    printf("%-20s %10llu %10llu %8llu %6llu %8llu %8llu %8llu %11llu %10llu\n", name,
           (unsigned long long)row->published, (unsigned long long)row->stored,
           (unsigned long long)row->pending, (unsigned long long)row->dead,
           (unsigned long long)row->dropped, (unsigned long long)row->missing,
           (unsigned long long)row->doubled, (unsigned long long)row->suppressed,
           (unsigned long long)row->scored);
}

static void note(const char *text, unsigned long long count)
{
    if (count > 0) {
        printf("  %10llu %s\n", count, text);
    }
}

static void print_text(const struct mw_ledger_row *rows, size_t n,
                       const struct mw_ledger_row *total)
{
    printf("%-20s %10s %10s %8s %6s %8s %8s %8s %11s %10s\n", "device", "published", "stored",
           "pending", "dead", "dropped", "missing", "doubled", "suppressed", "scored");
    for (size_t i = 0; i < n; i++) {
        print_line(rows[i].device, &rows[i]);
    }
    print_line("total", total);
    printf("\npublished = stored + pending + dead + dropped + missing%s\n",
           mw_ledger_balances(total) ? "" : ": DOES NOT HOLD");
    note("stored are sketches: they count what was suppressed", total->sketches);
    note("stored were removed since, by age or size", total->expired);
    note("stored came before a model served their device", total->unscored);
    note("stored wait for the scorer", total->awaiting);
    note("stored could not be scored: see the dead letters", total->unscorable);
    note("stored have no score, though later ones have", total->passed);
    note("records carry no number: delivered at least once", total->unnumbered);
    note("dead letters carry no number", total->dead_unnumbered);
}

static int run(void *values, int n, char **argv, struct mw_error *error)
{
    const struct values *v = values;
    struct mw_plant plant;
    struct mw_ledger_row *rows = NULL, total;
    size_t n_rows = 0;
    (void)n;
    (void)argv;
    if (mw_plant_read(&plant, v->config, error) != MW_OK) {
        return 2;
    }
    mw_err err = mw_ledger_read(&plant, &rows, &n_rows, &total, error);
    if (err == MW_OK && v->json) {
        err = print_json(rows, n_rows, &total, error);
    } else if (err == MW_OK) {
        print_text(rows, n_rows, &total);
    }
    free(rows);
    mw_plant_clear(&plant);
    if (err != MW_OK) {
        return 1;
    }
    return total.missing == 0 && total.doubled == 0 ? 0 : MW_EXIT_ANSWER_NO;
}

const struct mw_subcommand mw_command_ledger = {
    .name = "ledger",
    .synopsis = "-c plant.yaml [--json]",
    .summary =
        "account for every record: exit 0 when nothing is missing and nothing doubled, else 3",
    .shorts = "c=config",
    .options = options,
    .values_size = sizeof(struct values),
    .run = run,
};
