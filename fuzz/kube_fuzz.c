/* What an API server sends on a watch, in pieces of a size that the first byte says: lines stay
 * within their bound, and an event that is let through has its object and its version. */
#include "lib/kube/lines.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool on_line(void *context, struct mw_span line)
{
    struct mw_kube_event event;
    struct mw_error error = {0};
    (void)context;
    mw_err err = mw_kube_event_parse(line, &event, &error);
    bool whole = event.object != NULL && (event.type == MW_KUBE_ERROR || event.version != NULL);
    if (line.size > 4096 || (err == MW_OK) != whole || (err != MW_OK && error.text[0] == '\0')) {
        abort();
    }
    json_decref(event.object);
    return err == MW_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mw_kube_lines lines = {.most = 4096};
    size_t piece = size == 0 ? 1 : (size_t)data[0] + 1;
    mw_err err = MW_OK;
    for (size_t at = 1; at < size && err == MW_OK; at += piece) {
        struct mw_span bytes = {(const char *)data + at, size - at < piece ? size - at : piece};
        err = mw_kube_lines_feed(&lines, bytes, on_line, NULL);
        if (lines.rest.size > 4096) {
            abort();
        }
    }
    mw_kube_lines_clear(&lines);
    return 0;
}
