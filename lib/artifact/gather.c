#include "lib/artifact/gather.h"

bool mw_gather(char *const *features, size_t n, const struct mw_telemetry *record, float *x)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        size_t tried = 0;
        while (tried < record->n_features && !mw_span_is(record->features[at].name, features[i])) {
            at = at + 1 == record->n_features ? 0 : at + 1;
            tried++;
        }
        if (tried == record->n_features) {
            return false;
        }
        x[i] = record->features[at].value;
        at = at + 1 == record->n_features ? 0 : at + 1;
    }
    return true;
}
