/* What a registry says, and where it is: the first byte chooses the door. */
#include "lib/registry/address.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define DIGEST "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

static void try_address(struct mw_span rest)
{
    char text[1024];
    struct mw_registry_address address;
    struct mw_error error = {0};
    if (rest.size >= sizeof text) {
        return;
    }
    memcpy(text, rest.data, rest.size);
    text[rest.size] = '\0';
    if (mw_registry_address_parse(&address, text, &error) == MW_OK) {
        require(strncmp(address.base, address.plain ? "http://" : "https://", 7) == 0);
        require(address.name[0] != '\0' && strstr(address.name, "..") == NULL);
        require(strpbrk(address.base, " \r\n@?#") == NULL);
    } else {
        require(error.text[0] != '\0');
    }
}

/* What is taken is one line that a request can be sent to, and stays on TLS. */
static void try_location(struct mw_span rest)
{
    struct mw_registry_address address;
    char url[MW_REGISTRY_URL_TEXT];
    require(mw_registry_address_parse(&address, "oci://h:5000/a", NULL) == MW_OK);
    if (mw_registry_upload_url(&address, rest, DIGEST, url, NULL) == MW_OK) {
        require(strncmp(url, "https://", 8) == 0 && strpbrk(url, " \r\n") == NULL);
        require(strcmp(url + strlen(url) - strlen(DIGEST), DIGEST) == 0);
    }
}

static void try_manifest(struct mw_span rest)
{
    static struct mw_registry_parts parts;
    if (mw_registry_parts_read(&parts, rest, 1000, NULL) == MW_OK) {
        require(parts.n >= 1 && parts.n <= MW_REGISTRY_PARTS_MAX);
        for (size_t i = 0; i < parts.n; i++) {
            require(mw_digest_valid(mw_span_of(parts.part[i].digest)));
            require(parts.part[i].size <= 1000);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct mw_span rest = {(const char *)data + 1, size - 1};
    switch (data[0]) {
    case 'a':
        try_address(rest);
        break;
    case 'l':
        try_location(rest);
        break;
    case 'm':
        try_manifest(rest);
        break;
    default:
        break;
    }
    return 0;
}
