#include "cli/api.h"

#include "lib/base/file.h"
#include "lib/http/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* http://ADDRESS:PORT of the running server. */
static mw_err find_url(const struct mw_plant *plant, const char *path, char *url, size_t capacity,
                       struct mw_error *error)
{
    char file[4096];
    struct mw_buffer text = {0};
    mw_err err = mw_plant_path(plant, "run", "http", file, sizeof file, error);
    if (err != MW_OK) {
        return err;
    }
    if (!mw_file_exists(file)) {
        return mw_error_set(error, MW_ERR_STATE, "nothing serves %s: %s", plant->data,
                            plant->http.enabled ? "'millwright up' runs the plant"
                                                : "http.enabled is false in plant.yaml");
    }
    err = mw_file_read(file, 64, &text, error);
    int port = err == MW_OK && text.data != NULL ? atoi(text.data) : 0;
    mw_buffer_free(&text);
    if (err != MW_OK) {
        return err;
    }
    const char *host = plant->http.listen;
    bool six = strchr(host, ':') != NULL;
    if (strcmp(host, "0.0.0.0") == 0) {
        host = "127.0.0.1";
    } else if (strcmp(host, "::") == 0) {
        host = "::1";
    }
    int n = snprintf(url, capacity, six ? "http://[%s]:%d%s" : "http://%s:%d%s", host, port, path);
    return n < 0 || (size_t)n >= capacity
               ? mw_error_set(error, MW_ERR_TOO_LARGE, "http.listen is too long")
               : MW_OK;
}

static mw_err error_of(long status, const json_t *answer, struct mw_error *error)
{
    static const struct {
        long status;
        mw_err code;
    } codes[] = {{400, MW_ERR_PARSE}, {403, MW_ERR_DENIED},    {404, MW_ERR_NOT_FOUND},
                 {409, MW_ERR_STATE}, {413, MW_ERR_TOO_LARGE}, {507, MW_ERR_FULL}};
    mw_err code = MW_ERR_IO;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        code = codes[i].status == status ? codes[i].code : code;
    }
    const char *text = json_string_value(json_object_get(answer, "error"));
    return mw_error_set(error, code, "%s", text == NULL ? "the server gave no reason" : text);
}

mw_err mw_api_ask(const struct mw_plant *plant, const char *path, const json_t *body,
                  json_t **answer, struct mw_error *error)
{
    char url[512];
    long status = 0;
    struct mw_buffer reply = {0};
    *answer = NULL;
    mw_err err = find_url(plant, path, url, sizeof url, error);
    if (err != MW_OK) {
        return err;
    }
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(16));
    struct mw_span sent = {text, text == NULL ? 0 : strlen(text)};
    err = mw_http_request_json(url, sent, &status, &reply, error);
    free(text);
    if (err == MW_OK) {
        *answer = json_loadb(reply.data == NULL ? "" : reply.data, reply.size, 0, NULL);
        err = *answer == NULL
                  ? mw_error_set(error, MW_ERR_PARSE, "%s: JSON was expected in the answer", url)
                  : MW_OK;
    }
    mw_buffer_free(&reply);
    if (err == MW_OK && status != 200) {
        err = error_of(status, *answer, error);
        json_decref(*answer);
        *answer = NULL;
    }
    return err;
}

mw_err mw_api_state(const char *config, json_t **state, struct mw_error *error)
{
    struct mw_plant plant;
    *state = NULL;
    mw_err err = mw_plant_read(&plant, config, error);
    if (err == MW_OK) {
        err = mw_api_ask(&plant, "/api/state", NULL, state, error);
        mw_plant_clear(&plant);
    }
    return err;
}

void mw_api_print_json(const json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(16));
    if (text != NULL) {
        puts(text);
    }
    free(text);
}
