#include "lib/registry/address.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

static bool host_valid(const char *host, size_t size)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" LOWER DIGITS ".-:[]";
    if (size == 0 || strspn(host, letters) < size) {
        return false;
    }
    const char *bracket = memchr(host, ']', size);
    const char *name_end = host[0] == '[' ? bracket : host;
    if (name_end == NULL || (host[0] != '[' && bracket != NULL)) {
        return false;
    }
    const char *colon = memchr(name_end, ':', size - (size_t)(name_end - host));
    if (colon == NULL) {
        return true;
    }
    size_t digits = size - (size_t)(colon + 1 - host);
    return colon > host && digits > 0 && digits <= 5 && strspn(colon + 1, DIGITS) >= digits;
}

/* Each part begins and ends with a letter or digit. */
static bool name_valid(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > 255 || strspn(name, LOWER DIGITS "._-/") != n) {
        return false;
    }
    bool at_edge = true; /* where only a letter or digit may stand */
    for (size_t i = 0; i < n; i++) {
        bool letter = strchr("._-/", name[i]) == NULL;
        if ((at_edge || name[i] == '/') && !letter && (at_edge || i + 1 == n)) {
            return false;
        }
        if (name[i] == '/' && strchr("._-", name[i - 1]) != NULL) {
            return false;
        }
        at_edge = name[i] == '/';
    }
    return strchr("._-/", name[n - 1]) == NULL;
}

mw_err mw_registry_address_parse(struct mw_registry_address *address, const char *text,
                                 struct mw_error *error)
{
    static const char tls[] = "oci://", plain[] = "oci+http://";
    *address = (struct mw_registry_address){.plain = strncmp(text, plain, sizeof plain - 1) == 0};
    if (!address->plain && strncmp(text, tls, sizeof tls - 1) != 0) {
        return mw_error_set(error, MW_ERR_UNSUPPORTED,
                            "%.200s: expected oci://HOST[:PORT]/NAME (oci+http:// without TLS)",
                            text);
    }
    const char *host = text + (address->plain ? sizeof plain - 1 : sizeof tls - 1);
    size_t size = strcspn(host, "/");
    if (size > 256 || !host_valid(host, size)) {
        return mw_error_set(error, MW_ERR_PARSE, "%.200s: no host, or none that is valid", text);
    }
    if (host[size] == '\0' || !name_valid(host + size + 1)) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "%.200s: expected the name of a repository (a-z, 0-9, . _ - /) behind "
                            "the host",
                            text);
    }
    (void)snprintf(address->base, sizeof address->base, "%s://%.*s",
                   address->plain ? "http" : "https", (int)size, host);
    (void)snprintf(address->name, sizeof address->name, "%s", host + size + 1);
    return MW_OK;
}

/* Printable ASCII without what ends a URL or a header. */
static bool location_valid(struct mw_span location)
{
    for (size_t i = 0; i < location.size; i++) {
        unsigned char c = (unsigned char)location.data[i];
        if (c <= ' ' || c > '~' || c == '"' || c == '<' || c == '>' || c == '#') {
            return false;
        }
    }
    return location.size > 0;
}

static bool begins(struct mw_span text, const char *with)
{
    size_t n = strlen(with);
    return text.size > n && memcmp(text.data, with, n) == 0;
}

mw_err mw_registry_upload_url(const struct mw_registry_address *address, struct mw_span location,
                              const char *digest, char url[MW_REGISTRY_URL_TEXT],
                              struct mw_error *error)
{
    bool whole = begins(location, "https://") || (address->plain && begins(location, "http://"));
    bool relative = location.size > 0 && location.data[0] == '/' && !begins(location, "//");
    if (!location_valid(location) || (!whole && !relative)) {
        return mw_error_set(error, MW_ERR_PARSE, "%s: the upload's Location cannot be used",
                            address->base);
    }
    bool query = memchr(location.data, '?', location.size) != NULL;
    int n =
        snprintf(url, MW_REGISTRY_URL_TEXT, "%s%.*s%cdigest=%s", whole ? "" : address->base,
                 (int)(location.size < MW_REGISTRY_URL_TEXT ? location.size : MW_REGISTRY_URL_TEXT),
                 location.data, query ? '&' : '?', digest);
    return n > 0 && n < MW_REGISTRY_URL_TEXT
               ? MW_OK
               : mw_error_set(error, MW_ERR_TOO_LARGE, "%s: the upload's Location is too long",
                              address->base);
}

static mw_err add_part(struct mw_registry_parts *parts, const json_t *json, uint64_t limit,
                       struct mw_error *error)
{
    const char *digest = json_string_value(json_object_get(json, "digest"));
    const json_t *size = json_object_get(json, "size");
    if (digest == NULL || !mw_digest_valid(mw_span_of(digest)) || !json_is_integer(size) ||
        json_integer_value(size) < 0) {
        return mw_error_set(error, MW_ERR_PARSE, "OCI manifest: a part without digest or size");
    }
    if (parts->n == MW_REGISTRY_PARTS_MAX || (uint64_t)json_integer_value(size) > limit) {
        return mw_error_set(error, MW_ERR_TOO_LARGE,
                            "OCI manifest: more than %d parts, or one of %" JSON_INTEGER_FORMAT
                            " bytes",
                            MW_REGISTRY_PARTS_MAX, json_integer_value(size));
    }
    struct mw_descriptor *part = &parts->part[parts->n++];
    *part = (struct mw_descriptor){.size = (uint64_t)json_integer_value(size)};
    memcpy(part->digest, digest, strlen(digest) + 1);
    return MW_OK;
}

mw_err mw_registry_parts_read(struct mw_registry_parts *parts, struct mw_span manifest,
                              uint64_t limit, struct mw_error *error)
{
    json_error_t why;
    json_auto_t *json = json_loadb(manifest.data == NULL ? "" : manifest.data, manifest.size,
                                   JSON_REJECT_DUPLICATES, &why);
    const json_t *layers = json_object_get(json, "layers");
    parts->n = 0;
    if (json == NULL || !json_is_array(layers)) {
        return mw_error_set(error, MW_ERR_PARSE, "OCI manifest: %.100s",
                            json == NULL ? why.text : "no list of layers");
    }
    mw_err err = add_part(parts, json_object_get(json, "config"), limit, error);
    for (size_t i = 0; err == MW_OK && i < json_array_size(layers); i++) {
        err = add_part(parts, json_array_get(layers, i), limit, error);
    }
    return err;
}
