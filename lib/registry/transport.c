#include "lib/registry/transport.h"

#include "lib/base/clock.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { ATTEMPTS = 4, CONNECT_SECONDS = 5, REDIRECTS = 5, SAID = 160 };

#define FIRST_PAUSE (MW_SECOND / 5) /* doubled from one attempt to the next */

struct receiver {
    struct mw_registry_answer *answer;
    uint64_t limit;
    bool too_large;
};

static size_t on_data(char *data, size_t size, size_t n, void *context)
{
    struct receiver *receiver = context;
    if (receiver->answer->body.size + size * n > receiver->limit) {
        receiver->too_large = true;
        return 0;
    }
    return mw_buffer_add(&receiver->answer->body, data, size * n) == MW_OK ? size * n : 0;
}

static size_t on_header(char *data, size_t size, size_t n, void *context)
{
    static const char name[] = "location:";
    struct receiver *receiver = context;
    struct mw_registry_answer *answer = receiver->answer;
    size_t length = size * n;
    if (length > 5 && strncmp(data, "HTTP/", 5) == 0) { /* of a redirection, or the last one */
        answer->location[0] = '\0';
        answer->body.size = 0;
    }
    if (length < sizeof name || strncasecmp(data, name, sizeof name - 1) != 0) {
        return size * n;
    }
    data += sizeof name - 1;
    length -= sizeof name - 1;
    while (length > 0 && isspace((unsigned char)*data)) {
        data++;
        length--;
    }
    while (length > 0 && isspace((unsigned char)data[length - 1])) {
        length--;
    }
    if (length < sizeof answer->location) {
        memcpy(answer->location, data, length);
        answer->location[length] = '\0';
    }
    return size * n;
}

static struct curl_slist *make_headers(const struct mw_registry_request *request)
{
    char line[512];
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    if (request->type != NULL) {
        (void)snprintf(line, sizeof line, "Content-Type: %s", request->type);
        headers = curl_slist_append(headers, line);
    }
    if (request->accept != NULL) {
        (void)snprintf(line, sizeof line, "Accept: %s", request->accept);
        headers = curl_slist_append(headers, line);
    }
    return headers;
}

static void set_up(CURL *curl, const struct mw_registry *registry,
                   const struct mw_registry_request *request, struct receiver *receiver)
{
    const char *schemes = registry->address.plain ? "http,https" : "https";
    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, schemes);
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, schemes);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "localhost,127.0.0.1,::1");
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(registry->patience / 1000));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, receiver);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, receiver);
    if (registry->ca_file != NULL) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, registry->ca_file);
    }
    if (registry->username != NULL) { /* not sent to another host that a redirection names */
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        curl_easy_setopt(curl, CURLOPT_USERNAME, registry->username);
        curl_easy_setopt(curl, CURLOPT_PASSWORD, registry->password);
    }
    if (strcmp(request->method, "HEAD") == 0) {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    } else if (strcmp(request->method, "GET") == 0) {
        curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
        curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)REDIRECTS);
    } else {
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS,
                         request->body.data == NULL ? "" : request->body.data);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.size);
    }
}

static mw_err perform(struct mw_registry *registry, const struct mw_registry_request *request,
                      struct mw_registry_answer *answer, struct mw_error *error)
{
    char text[CURL_ERROR_SIZE] = "";
    struct receiver receiver = {.answer = answer, .limit = request->limit};
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = make_headers(request);
    if (curl == NULL || headers == NULL) {
        curl_easy_cleanup(curl);
        curl_slist_free_all(headers);
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    set_up(curl, registry, request, &receiver);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, text);
    CURLcode code = curl_easy_perform(curl);
    if (code == CURLE_OK) {
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
    }
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    if (code == CURLE_OK) {
        return MW_OK;
    }
    if (receiver.too_large) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "%s: more than %llu bytes", request->url,
                            (unsigned long long)request->limit);
    }
    mw_err err = code == CURLE_OPERATION_TIMEDOUT ? MW_ERR_TIMEOUT
                 : code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
                         code == CURLE_UNSUPPORTED_PROTOCOL
                     ? MW_ERR_DENIED
                     : MW_ERR_NET;
    return mw_error_set(error, err, "%s: %s", request->url,
                        text[0] != '\0' ? text : curl_easy_strerror(code));
}

/* What the registry said, as far as a person can read it. */
static void describe(const struct mw_registry_answer *answer, char text[SAID])
{
    size_t n = 0;
    for (size_t i = 0; i < answer->body.size && n + 1 < SAID; i++) {
        unsigned char c = (unsigned char)answer->body.data[i];
        if (c >= ' ' && c <= '~') {
            text[n++] = (char)c;
        }
    }
    text[n] = '\0';
}

static mw_err judge(const struct mw_registry_request *request,
                    const struct mw_registry_answer *answer, struct mw_error *error)
{
    char said[SAID];
    if (answer->status < 400) {
        return MW_OK;
    }
    describe(answer, said);
    mw_err err = answer->status == 404                            ? MW_ERR_NOT_FOUND
                 : answer->status == 401 || answer->status == 403 ? MW_ERR_DENIED
                                                                  : MW_ERR_NET;
    return mw_error_set(error, err, "%s %s: status %ld%s%s", request->method, request->url,
                        answer->status, said[0] == '\0' ? "" : ": ", said);
}

/* Whether the same request may fare better in a moment. */
static bool passes_by(mw_err err, long status)
{
    return err == MW_ERR_TIMEOUT ||
           (err == MW_ERR_NET && (status == 0 || status == 429 || status >= 500));
}

mw_err mw_registry_request(struct mw_registry *registry, const struct mw_registry_request *request,
                           struct mw_registry_answer *answer, struct mw_error *error)
{
    struct mw_error why = {0}; /* of the last attempt */
    mw_err err = MW_OK;
    int64_t pause = FIRST_PAUSE;
    *answer = (struct mw_registry_answer){0};
    for (int i = 0; i < ATTEMPTS; i++) {
        mw_buffer_clear(&answer->body);
        answer->status = 0;
        err = perform(registry, request, answer, &why);
        err = err == MW_OK ? judge(request, answer, &why) : err;
        if (!passes_by(err, answer->status) || i + 1 == ATTEMPTS) {
            break;
        }
        struct timespec wait = {pause / MW_SECOND, pause % MW_SECOND * 1000};
        (void)nanosleep(&wait, NULL);
        pause *= 2;
    }
    return err == MW_OK ? MW_OK : mw_error_set(error, err, "%s", why.text);
}
