/* metrics.h - what a role tells Prometheus, in its text format 0.0.4.
 *
 * A role says of itself in JSON what it does (run/<role>.json). One table, metrics_table.c, says
 * which of these figures are metrics, of which name and unit; a figure that the JSON does not have
 * is left out. Names are millwright_<role>_<figure> in base units (seconds, bytes); those of
 * counters end in _total and count since the process began. */
#ifndef MW_BASE_METRICS_H
#define MW_BASE_METRICS_H

#include "lib/base/file.h"

#include <jansson.h>

/* A figure of a role. Rows of the same name follow one another. */
struct mw_metrics_row {
    /* Where it stands: "records"; "latency_ms.p50"; "devices.*.dropped" adds up those of all
     * members; "devices.{class}" gives one sample a member, with its name as the label `class`.
     * true counts as 1, a list as its length. */
    const char *key;
    const char *name;   /* behind millwright_<role>_; "..._total" is a counter, else a gauge */
    const char *help;   /* one line */
    const char *labels; /* such as quantile="0.5"; NULL: none */
    double scale;       /* into the base unit; 0: as it is */
};

/* The rows of a role, *n of them; none for a role that says nothing. */
const struct mw_metrics_row *mw_metrics_rows(const char *role, size_t *n);

/* What one process of the role says. */
struct mw_metrics_source {
    const json_t *said; /* borrowed */
    const char *share;  /* becomes the label `share`; NULL: none */
};

/* Appends the metrics of a role, those of its n processes side by side. MEMORY. */
mw_err mw_metrics_print_role(struct mw_buffer *out, const char *role,
                             const struct mw_metrics_source *sources, size_t n);
/* The same with rows of the caller's own. */
mw_err mw_metrics_print_rows(struct mw_buffer *out, const char *role,
                             const struct mw_metrics_row *rows, size_t n_rows,
                             const struct mw_metrics_source *sources, size_t n);
/* Appends what Prometheus' own libraries say of a process (process_resident_memory_bytes ...), and
 * millwright_role_info with the label `role`. MEMORY. */
mw_err mw_metrics_print_process(struct mw_buffer *out, const char *role);

#endif
