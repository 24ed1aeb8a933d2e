/* The body of a form, as a device sends it: a value that fits, or an error. */
#include "lib/http/form.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char value[16];
    struct mw_span body = {(const char *)data, size};
    mw_err err = mw_http_form_get(body, "device_id", value, sizeof value);
    if (err == MW_OK ? memchr(value, '\0', sizeof value) == NULL
                     : err != MW_ERR_NOT_FOUND && err != MW_ERR_PARSE && err != MW_ERR_TOO_LARGE) {
        abort();
    }
    return 0;
}
