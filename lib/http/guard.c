#include "lib/http/guard.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* The host without port and brackets. False when it is not one. */
static bool host_name(const char *host, char name[256])
{
    const char *end;
    if (host[0] == '[') {
        end = strchr(++host, ']');
        if (end == NULL || (end[1] != '\0' && end[1] != ':')) {
            return false;
        }
    } else {
        end = host + strcspn(host, ":");
    }
    size_t size = (size_t)(end - host);
    if (size == 0 || size >= 256) {
        return false;
    }
    memcpy(name, host, size);
    name[size] = '\0';
    const char *port = end + (*end == ']' ? 1 : 0);
    return port[0] == '\0' || strspn(port + 1, "0123456789") == strlen(port + 1);
}

static bool is_numeric(const char *name)
{
    unsigned char bytes[16];
    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

bool mw_http_host_allowed(const char *host, const char *address, bool any)
{
    char name[256], own[256] = "";
    if (host == NULL || !host_name(host, name)) {
        return false;
    }
    if (strcasecmp(name, "localhost") == 0 || strcmp(name, "127.0.0.1") == 0 ||
        strcmp(name, "::1") == 0 || strcasecmp(name, address) == 0) {
        return true;
    }
    if (!any) {
        return false;
    }
    return is_numeric(name) ||
           (gethostname(own, sizeof own - 1) == 0 && own[0] != '\0' && strcasecmp(name, own) == 0);
}

bool mw_http_origin_allowed(const char *origin, const char *host)
{
    static const char scheme[] = "http://";
    return origin == NULL || (host != NULL && strncmp(origin, scheme, sizeof scheme - 1) == 0 &&
                              strcasecmp(origin + sizeof scheme - 1, host) == 0);
}

static bool type_is(const char *type, const char *expected)
{
    size_t size = strlen(expected);
    return type != NULL && strncasecmp(type, expected, size) == 0 &&
           (type[size] == '\0' || type[size] == ';' || type[size] == ' ');
}

bool mw_http_type_is_json(const char *type)
{
    return type_is(type, "application/json");
}

bool mw_http_type_is_form(const char *type)
{
    return type_is(type, "application/x-www-form-urlencoded");
}
