#include "lib/plant/broker.h"

#include "lib/base/file.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static mw_err copy(char *out, size_t capacity, const char *text, const char *what,
                   struct mw_error *error)
{
    int n = snprintf(out, capacity, "%s", text == NULL ? "" : text);
    if (n < 0 || (size_t)n >= capacity) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "%s is longer than %zu bytes", what,
                            capacity - 1);
    }
    return MW_OK;
}

static mw_err read_password(const char *path, struct mw_broker_address *address,
                            struct mw_error *error)
{
    if (path == NULL || path[0] == '\0') {
        return MW_OK;
    }
    struct mw_buffer text = {0};
    mw_err err = mw_file_read(path, sizeof address->password, &text, error);
    if (err == MW_OK && text.data != NULL) {
        text.data[strcspn(text.data, "\r\n")] = '\0';
        err = copy(address->password, sizeof address->password, text.data, "the password", error);
    }
    mw_buffer_free(&text);
    return err;
}

static mw_err from_plant(const struct mw_plant *plant, struct mw_broker_address *address,
                         struct mw_error *error)
{
    address->ca_file = plant->broker.ca_file;
    address->certificate_file = plant->broker.certificate_file;
    address->key_file = plant->broker.key_file;
    mw_err err = copy(address->url, sizeof address->url, plant->broker.url, "broker.url", error);
    if (err == MW_OK) {
        err = copy(address->username, sizeof address->username, plant->broker.username,
                   "broker.username", error);
    }
    if (err == MW_OK) {
        err = read_password(plant->broker.password_file, address, error);
    }
    return err;
}

static mw_err from_file(const char *path, struct mw_broker_address *address, struct mw_error *error)
{
    if (!mw_file_exists(path)) {
        return mw_error_set(error, MW_ERR_NOT_FOUND,
                            "%s is not there: broker.url is empty and no 'millwright up' has "
                            "started a broker on this data folder",
                            path);
    }
    struct mw_buffer text = {0};
    mw_err err = mw_file_read(path, 4096, &text, error);
    if (err != MW_OK) {
        mw_buffer_free(&text);
        return err;
    }
    json_error_t why;
    json_t *root = json_loadb(text.data, text.size, 0, &why);
    mw_buffer_free(&text);
    const char *url = json_string_value(json_object_get(root, "url"));
    if (url == NULL) {
        json_decref(root);
        return mw_error_set(error, MW_ERR_PARSE, "%s:1: an object with \"url\" was expected", path);
    }
    err = copy(address->url, sizeof address->url, url, "url", error);
    if (err == MW_OK) {
        err = copy(address->username, sizeof address->username,
                   json_string_value(json_object_get(root, "username")), "username", error);
    }
    if (err == MW_OK) {
        err = copy(address->password, sizeof address->password,
                   json_string_value(json_object_get(root, "password")), "password", error);
    }
    json_decref(root);
    return err;
}

mw_err mw_plant_broker(const struct mw_plant *plant, struct mw_broker_address *address,
                       struct mw_error *error)
{
    *address = (struct mw_broker_address){.version = plant->broker.version};
    if (plant->broker.url != NULL && plant->broker.url[0] != '\0') {
        return from_plant(plant, address, error);
    }
    char path[4096];
    mw_err err = mw_plant_path(plant, "run", "broker.json", path, sizeof path, error);
    return err == MW_OK ? from_file(path, address, error) : err;
}

mw_err mw_plant_broker_write(const struct mw_plant *plant, const struct mw_broker_address *address,
                             struct mw_error *error)
{
    char path[4096];
    mw_err err = mw_plant_path(plant, "run", "broker.json", path, sizeof path, error);
    if (err != MW_OK) {
        return err;
    }
    json_t *root = json_pack("{s:s,s:s,s:s}", "url", address->url, "username", address->username,
                             "password", address->password);
    char *text = root == NULL ? NULL : json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (text == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    err = mw_file_write(path, text, strlen(text), 0600, error);
    free(text);
    return err;
}
