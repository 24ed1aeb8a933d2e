/* A kubeconfig: whatever the text, the reader ends and says why it refuses. What the YAML reader
 * lets through can be printed and reads back as the same value. */
#include "lib/kube/config.h"
#include "lib/kube/yaml.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print_and_read(const json_t *value)
{
    struct mw_buffer out = {0};
    json_t *back = NULL;
    if (mw_kube_yaml_print(value, &out) != MW_OK ||
        mw_kube_yaml_parse((struct mw_span){out.data, out.size}, "printed", &back, NULL) != MW_OK ||
        !json_equal(value, back)) {
        abort();
    }
    json_decref(back);
    mw_buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* No names of files: the fuzzer has no business on this machine. */
    if (memmem(data, size, "authority:", 10) == NULL && memmem(data, size, "key:", 4) == NULL &&
        memmem(data, size, "certificate:", 12) == NULL) {
        struct mw_kube_config config;
        struct mw_error error = {0};
        mw_err err = mw_kube_config_parse(&config, (const char *)data, size, "config", &error);
        if ((err == MW_OK) != (config.server != NULL) || (err != MW_OK && error.text[0] == '\0')) {
            abort();
        }
        mw_kube_config_clear(&config);
    }
    json_t *value = NULL;
    if (mw_kube_yaml_parse((struct mw_span){(const char *)data, size}, "text", &value, NULL) ==
        MW_OK) {
        print_and_read(value);
    }
    json_decref(value);
    return 0;
}
