#include "lib/http/client.h"

#include <curl/curl.h>
#include <string.h>

enum { ANSWER_MOST = 64 << 20, SECONDS = 10 };

static size_t on_data(char *data, size_t size, size_t n, void *context)
{
    struct mw_buffer *answer = context;
    if (answer->size + size * n > ANSWER_MOST || mw_buffer_add(answer, data, size * n) != MW_OK) {
        return 0;
    }
    return size * n;
}

static mw_err perform(CURL *curl, const char *url, struct mw_error *error)
{
    char text[CURL_ERROR_SIZE] = "";
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, text);
    CURLcode code = curl_easy_perform(curl);
    if (code == CURLE_OK) {
        return MW_OK;
    }
    return mw_error_set(error, code == CURLE_OPERATION_TIMEDOUT ? MW_ERR_TIMEOUT : MW_ERR_NET,
                        "%s: %s", url, text[0] != '\0' ? text : curl_easy_strerror(code));
}

mw_err mw_http_request_json(const char *url, struct mw_span body, long *status,
                            struct mw_buffer *answer, struct mw_error *error)
{
    CURL *curl = curl_easy_init();
    if (curl == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    struct curl_slist *headers = NULL;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)SECONDS);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "localhost,127.0.0.1,::1");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    if (body.data != NULL) {
        headers = curl_slist_append(NULL, "Content-Type: application/json");
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.size);
    }
    mw_err err = perform(curl, url, error);
    *status = 0;
    if (err == MW_OK) {
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return err;
}
