/* lines.h - cuts a byte stream into lines with bounded memory, and reads the events of a watch.
 *
 * A watch of the Kubernetes API answers with one JSON object a line:
 *
 *   {"type":"ADDED"|"MODIFIED"|"DELETED","object":{...}}
 *   {"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"..."}}}
 *   {"type":"ERROR","object":{"kind":"Status","code":410,"message":"..."}} */
#ifndef MW_KUBE_LINES_H
#define MW_KUBE_LINES_H

#include "core/span.h"
#include "lib/base/error.h"
#include "lib/base/file.h"

#include <jansson.h>
#include <stdbool.h>

struct mw_kube_lines {
    struct mw_buffer rest; /* the beginning of a line whose end is not there yet */
    size_t most;           /* bytes a line may have */
};

/* The line without its end, borrowed for the call. False stops the feeding. */
typedef bool mw_kube_line_fn(void *context, struct mw_span line);

/* Hands every line that ends within these bytes to fn; empty lines are left out. Errors: TOO_LARGE
 * (a line is longer than `most`), MEMORY; STATE when fn returned false. */
mw_err mw_kube_lines_feed(struct mw_kube_lines *lines, struct mw_span bytes, mw_kube_line_fn *fn,
                          void *context);
void mw_kube_lines_clear(struct mw_kube_lines *lines);

enum mw_kube_event_type { MW_KUBE_ADDED, MW_KUBE_DELETED, MW_KUBE_BOOKMARK, MW_KUBE_ERROR };

struct mw_kube_event {
    enum mw_kube_event_type type; /* ADDED stands for MODIFIED too */
    json_t *object;               /* owned: json_decref */
    const char *version;          /* resourceVersion, borrowed from object; NULL with ERROR */
    int code;                     /* of an ERROR; 0 when it has none */
};

/* Errors: PARSE (no such event), MEMORY. */
mw_err mw_kube_event_parse(struct mw_span line, struct mw_kube_event *event,
                           struct mw_error *error);

/* metadata.<name> as text, NULL when it is not there. Borrowed. */
const char *mw_kube_meta(const json_t *object, const char *name);

#endif
