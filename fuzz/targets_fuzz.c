/* Root and targets metadata as a device gets them: two JSON texts with a newline between. What
 * verifies has to list the digest; nothing else may happen. */
#include "lib/artifact/trust.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *line = size > 0 ? memchr(text, '\n', size) : NULL;
    char digest[MW_DIGEST_TEXT];
    uint64_t version = 0;
    struct mw_error error = {0};
    if (line == NULL) {
        return 0;
    }
    size_t root = (size_t)(line - text);
    mw_digest("hello", 5, digest);
    mw_err err = mw_trust_verify_targets((struct mw_span){text, root},
                                         (struct mw_span){line + 1, size - root - 1}, digest,
                                         &version, &error);
    if (err == MW_OK ? version == 0 : error.text[0] == '\0') {
        abort();
    }
    return 0;
}
