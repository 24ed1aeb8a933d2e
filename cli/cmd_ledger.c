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
    MW_OPTION_CONFIG(struct values),
    {"json", MW_OPTION_BOOL, NULL, 0, 0, "false", NULL, "print the rows as JSON",
     offsetof(struct values, json)},
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0},
};

/* Rows are printed as they come, so that a large plant takes no more memory than a small one. */
struct printer {
    bool json, begun;
    struct mw_buffer text;
};

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

static mw_err print_json_row(struct printer *printer, const char *before,
                             const struct mw_ledger_row *row, struct mw_error *error)
{
    mw_buffer_clear(&printer->text);
    if (mw_ledger_print_row(row, &printer->text) != MW_OK) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    printf("%s%s", before, printer->text.data);
    return MW_OK;
}

static void begin(struct printer *printer)
{
    if (printer->json) {
        printf("{\"v\":1,\"devices\":[");
    } else {
        printf("%-20s %10s %10s %8s %6s %8s %8s %8s %11s %10s\n", "device", "published", "stored",
               "pending", "dead", "dropped", "missing", "doubled", "suppressed", "scored");
    }
    printer->begun = true;
}

static mw_err print_row(void *context, const struct mw_ledger_row *row, struct mw_error *error)
{
    struct printer *printer = context;
    const char *comma = printer->begun ? "," : "";
    if (!printer->begun) {
        begin(printer);
    }
    if (printer->json) {
        return print_json_row(printer, comma, row, error);
    }
    print_line(row->device, row);
    return MW_OK;
}

static void print_end(const struct mw_ledger_row *total)
{
    print_line("total", total);
    printf("\npublished = stored + pending + dead + dropped + missing%s\n",
           mw_ledger_balances(total) ? "" : ": DOES NOT HOLD");
    note("stored are sketches: they count what was suppressed", total->sketches);
    note("stored were removed since, by age or size", total->expired);
    note("stored are sketches that a full spool has added to older ones", total->merged);
    note("stored came before a model served their device", total->unscored);
    note("stored wait for the scorer", total->awaiting);
    note("stored could not be scored: see the dead letters", total->unscorable);
    note("stored have no score, though later ones have", total->passed);
    note("records carry no number: delivered at least once", total->unnumbered);
    note("dead letters carry no number", total->dead_unnumbered);
}

static mw_err print_total(struct printer *printer, const struct mw_ledger_row *total,
                          struct mw_error *error)
{
    if (!printer->begun) {
        begin(printer);
    }
    if (!printer->json) {
        print_end(total);
        return MW_OK;
    }
    printf("],\"balanced\":%s,", mw_ledger_balances(total) ? "true" : "false");
    mw_err err = print_json_row(printer, "\"total\":", total, error);
    puts("}");
    return err;
}

static int run(void *values, int n, char **argv, struct mw_error *error)
{
    const struct values *v = values;
    struct mw_plant plant;
    struct mw_ledger_row total;
    struct printer printer = {.json = v->json};
    (void)n;
    (void)argv;
    if (mw_plant_read(&plant, v->config, error) != MW_OK) {
        return 2;
    }
    mw_err err = mw_ledger_read(&plant, print_row, &printer, &total, error);
    if (err == MW_OK) {
        err = print_total(&printer, &total, error);
    }
    mw_buffer_free(&printer.text);
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
