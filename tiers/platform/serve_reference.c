#include "tiers/platform/serve_reference.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/http/form.h"
#include "tiers/platform/bridge_held.h"
#include "tiers/platform/json_text.h"
#include "tiers/platform/serve_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODELS "/quantized/"
#define TELL_GAP (10 * MW_SECOND) /* between two activations of a device that are told */

enum {
    DEVICES_MOST = 65536,
    PEM_MOST = 1 << 20,
    TOLD_MOST = 64 /* activations that are told a second */
};

struct device {
    struct mw_table_key key;
    bool provisioned; /* by POST /provisionDevice */
    bool started;     /* it was activated, and the bridge is to be told */
    int64_t told;     /* monotonic */
    char id[MW_SERVE_ID];
};

/* ---- devices ---- */

/* A chip's id as it prints it, which may be a negative number. */
static bool is_id(const char *id)
{
    size_t digits = strspn(id + (id[0] == '-'), "0123456789");
    return digits > 0 && id[(id[0] == '-') + digits] == '\0';
}

/* NULL: memory is out, or there are too many. */
static struct device *get_device(struct mw_serve_reference *reference, const char *id)
{
    struct device *device = mw_table_find(&reference->devices, mw_span_of(id));
    if (device != NULL || reference->devices.count >= DEVICES_MOST) {
        return device;
    }
    device = calloc(1, sizeof *device);
    if (device == NULL) {
        return NULL;
    }
    snprintf(device->id, sizeof device->id, "%s", id);
    device->key.name = mw_span_of(device->id);
    if (mw_table_add(&reference->devices, device) != MW_OK) {
        free(device);
        return NULL;
    }
    return device;
}

static bool is_named(const struct mw_list *ids, const char *id)
{
    for (size_t i = 0; i < ids->n; i++) {
        if (strcmp(ids->item[i], "+") == 0 || strcmp(ids->item[i], id) == 0) {
            return true;
        }
    }
    return false;
}

static bool may_be_active(const struct mw_serve *serve, const char *id)
{
    const struct device *device = mw_table_find(&serve->reference.devices, mw_span_of(id));
    return (device != NULL && device->provisioned) ||
           is_named(&serve->plant->reference.devices, id);
}

static bool load_device(void *context, struct mw_span key, struct mw_span value)
{
    struct mw_serve_reference *reference = context;
    char id[MW_SERVE_ID];
    (void)value;
    if (key.size < sizeof id) {
        memcpy(id, key.data, key.size);
        id[key.size] = '\0';
        struct device *device = is_id(id) ? get_device(reference, id) : NULL;
        if (device != NULL) {
            device->provisioned = true;
        }
    }
    return true;
}

/* ---- requests ---- */

static void say(struct mw_http_response *response, const char *word)
{
    response->content_type = "text/plain";
    if (mw_buffer_add(&response->body, word, strlen(word)) != MW_OK) {
        mw_http_fail(response, MW_ERR_MEMORY, "out of memory");
    }
}

static bool read_id(const struct mw_http_request *request, char id[MW_SERVE_ID],
                    struct mw_http_response *response)
{
    mw_err err = mw_http_form_get(request->body, "device_id", id, MW_SERVE_ID);
    if (err != MW_OK || !is_id(id)) {
        mw_http_fail(response, MW_ERR_PARSE, "device_id: a decimal number was expected");
        return false;
    }
    return true;
}

static void confirm(struct mw_serve *serve, const struct mw_http_request *request,
                    struct mw_http_response *response)
{
    char id[MW_SERVE_ID];
    if (!read_id(request, id, response)) {
        return;
    }
    bool active = may_be_active(serve, id);
    struct device *device = active ? get_device(&serve->reference, id) : NULL;
    if (device != NULL) {
        device->started = true;
    }
    mw_log(active ? MW_LOG_INFO : MW_LOG_DEBUG, NULL,
           active ? "a device is active" : "a device that was not provisioned asks",
           MW_KS("id", id));
    say(response, active ? "TRUE" : "FALSE");
}

static mw_err store_device(struct mw_serve *serve, const char *id, struct mw_error *error)
{
    struct mw_buffer json = {0};
    mw_err err = mw_buffer_printf(&json, "{\"v\":1,\"id\":\"%s\",\"time\":", id);
    err = err == MW_OK ? mw_json_add_time(&json, mw_clock_utc()) : err;
    err = err == MW_OK ? mw_buffer_add(&json, "}", 1) : err;
    err = err == MW_OK ? mw_bridge_round_add(&serve->round, "provisioned", true, mw_span_of(id),
                                             (struct mw_span){json.data, json.size})
                       : err;
    mw_buffer_free(&json);
    if (err != MW_OK) {
        return mw_error_set(error, err, "out of memory");
    }
    err = mw_serve_commit(serve, error);
    if (err != MW_OK) {
        mw_bridge_round_drop(&serve->round); /* it is refused, so it must not go in later */
    }
    return err;
}

void mw_serve_provision(struct mw_serve *serve, const struct mw_http_request *request,
                        struct mw_http_response *response)
{
    char id[MW_SERVE_ID];
    struct mw_error error = {0};
    if (!read_id(request, id, response)) {
        return;
    }
    struct device *device = get_device(&serve->reference, id);
    mw_err err = device == NULL ? mw_error_set(&error, MW_ERR_FULL, "no room for one more device")
                 : device->provisioned ? MW_OK
                                       : store_device(serve, id, &error);
    if (err != MW_OK) {
        mw_http_fail(response, err, error.text);
        return;
    }
    device->provisioned = true;
    mw_log(MW_LOG_INFO, NULL, "a device was provisioned", MW_KS("id", id));
    say(response, "TRUE");
}

/* The names that are looked for are those of the models at hand, so a path leads nowhere else. */
static void send_model(const struct mw_serve *serve, const char *name,
                       struct mw_http_response *response)
{
    const struct mw_serve_reference *reference = &serve->reference;
    for (size_t i = 0; i < MW_SERVE_MODELS; i++) {
        const struct mw_buffer *file = &reference->model[i].file;
        if (file->size == 0 || strcmp(reference->model[i].name, name) != 0) {
            continue;
        }
        response->content_type = "application/octet-stream";
        if (mw_buffer_add(&response->body, file->data, file->size) != MW_OK) {
            mw_http_fail(response, MW_ERR_MEMORY, "out of memory");
        }
        mw_log(MW_LOG_INFO, NULL, "a model was fetched", MW_KS("name", name));
        return;
    }
    mw_http_fail(response, MW_ERR_NOT_FOUND, "no model of this name is offered");
}

static bool is_post(const char *path)
{
    return strcmp(path, "/confirmActivation") == 0 || strcmp(path, "/provisionDevice") == 0;
}

static bool handle(void *context, const struct mw_http_request *request,
                   struct mw_http_response *response)
{
    struct mw_serve *serve = context;
    bool post = strcmp(request->method, "POST") == 0;
    if (post && strcmp(request->path, "/confirmActivation") == 0) {
        confirm(serve, request, response);
    } else if (post && strcmp(request->path, "/provisionDevice") == 0) {
        mw_http_fail(response, MW_ERR_DENIED,
                     "devices are provisioned at http.port, or named in reference.devices");
    } else if (!post && strncmp(request->path, MODELS, strlen(MODELS)) == 0) {
        send_model(serve, request->path + strlen(MODELS), response);
    } else {
        return false;
    }
    return true;
}

/* ---- every second ---- */

/* That a device has started; it is told of the model when it is heard. */
static void tell_of(struct mw_serve *serve, struct device *device)
{
    struct mw_buffer json = {0};
    struct mw_span id = mw_span_of(device->id);
    char name[MW_NAME_MAX + 1];
    mw_err err = mw_bridge_make_name(&id, 1, name);
    err = err == MW_OK
              ? mw_buffer_printf(&json, "{\"v\":1,\"name\":\"%s\",\"device\":\"%s\",\"time\":",
                                 serve->reference.offered, name)
              : err;
    err = err == MW_OK ? mw_json_add_time(&json, mw_clock_utc()) : err;
    err = err == MW_OK ? mw_buffer_add(&json, "}", 1) : err;
    if (err == MW_OK) {
        (void)mw_bridge_round_add(&serve->round, "download", false, mw_span_of("model"),
                                  (struct mw_span){json.data, json.size});
    }
    mw_buffer_free(&json);
}

void mw_serve_reference_second(struct mw_serve *serve)
{
    struct mw_serve_reference *reference = &serve->reference;
    int64_t now = mw_clock_monotonic();
    struct device *device;
    size_t at = 0, told = 0;
    if (!serve->plant->reference.enabled || serve->stuck) {
        return;
    }
    mw_serve_offer(serve);
    while (reference->offered[0] != '\0' && told < TOLD_MOST &&
           (device = mw_table_next(&reference->devices, &at)) != NULL) {
        if (device->started && (device->told == 0 || now - device->told >= TELL_GAP)) {
            device->started = false;
            device->told = now;
            told++;
            tell_of(serve, device);
        }
    }
}

void mw_serve_reference_order(struct mw_serve *serve, const char *bundle)
{
    snprintf(serve->reference.desired, sizeof serve->reference.desired, "%s", bundle);
    serve->reference.look = 0;
}

json_t *mw_serve_reference_json(const struct mw_serve *serve)
{
    const struct mw_serve_reference *reference = &serve->reference;
    const struct mw_list *ids = &serve->plant->reference.devices;
    size_t at = 0, provisioned = ids->n;
    const struct device *device;
    if (!serve->plant->reference.enabled) {
        return NULL;
    }
    while ((device = mw_table_next(&reference->devices, &at)) != NULL) {
        provisioned += device->provisioned && !is_named(ids, device->id) ? 1 : 0;
    }
    json_t *devices = is_named(ids, "+") ? json_null() : json_integer((json_int_t)provisioned);
    return json_pack("{s:s,s:s,s:o}", "model", reference->offered, "reason", reference->reason,
                     "devices", devices);
}

/* ---- beginning and end ---- */

static void read_order(struct mw_serve *serve, struct mw_span value)
{
    json_t *update = json_loadb(value.data, value.size, 0, NULL);
    const json_t *desired = json_object_get(update, "desired");
    const char *bundle = json_string_value(json_object_get(desired, "bundle"));
    if (bundle != NULL && (bundle[0] == '\0' || mw_digest_valid(mw_span_of(bundle)))) {
        mw_serve_reference_order(serve, bundle);
    }
    json_decref(update);
}

static mw_err load(struct mw_serve *serve, struct mw_error *error)
{
    struct mw_serve_reference *reference = &serve->reference;
    struct mw_span value;
    mw_err err = mw_stream_visit(serve->stream, NULL, "provisioned", load_device, reference, error);
    if (err != MW_OK) {
        return err;
    }
    if (mw_stream_get(serve->stream, NULL, "update", mw_span_of("*"), &value, NULL) == MW_OK) {
        read_order(serve, value);
    }
    if (mw_stream_get(serve->stream, NULL, "download", mw_span_of("model"), &value, NULL) ==
        MW_OK) {
        json_t *offer = json_loadb(value.data, value.size, 0, NULL);
        const char *name = json_string_value(json_object_get(offer, "name"));
        snprintf(reference->offered, sizeof reference->offered, "%s", name == NULL ? "" : name);
        json_decref(offer);
    }
    return MW_OK;
}

static mw_err open_port(struct mw_serve *serve, struct mw_error *error)
{
    const struct mw_plant *plant = serve->plant;
    const char *certificate_file = plant->reference.certificate_file;
    const char *key_file =
        plant->reference.key_file[0] == '\0' ? certificate_file : plant->reference.key_file;
    struct mw_buffer certificate = {0}, key = {0};
    char path[4096], text[16];
    mw_err err = mw_file_read(certificate_file, PEM_MOST, &certificate, error);
    err = err == MW_OK ? mw_file_read(key_file, PEM_MOST, &key, error) : err;
    if (err == MW_OK) {
        struct mw_http_options options = {.address = plant->reference.listen,
                                          .port = (uint16_t)plant->reference.port,
                                          .handler = handle,
                                          .context = serve,
                                          .certificate =
                                              certificate.data == NULL ? "" : certificate.data,
                                          .key = key.data == NULL ? "" : key.data,
                                          .takes_form = is_post,
                                          .any_host = true};
        err = mw_http_server_new(&serve->reference.http, serve->role.loop, &options, error);
    }
    mw_buffer_free(&certificate);
    mw_buffer_free(&key);
    if (err != MW_OK) {
        return mw_error_wrap(error, "reference.listen, port, certificate_file, key_file");
    }
    err = mw_plant_path(plant, "run", "reference", path, sizeof path, error);
    if (err == MW_OK) {
        unsigned port = mw_http_server_port(serve->reference.http);
        snprintf(text, sizeof text, "%u\n", port);
        mw_run_file_replace(path, mw_span_of(text));
        mw_log(MW_LOG_INFO, NULL, "serving firmware by HTTPS",
               MW_KS("address", plant->reference.listen), MW_KI("port", port));
    }
    return err;
}

mw_err mw_serve_reference_begin(struct mw_serve *serve, struct mw_error *error)
{
    if (!serve->plant->reference.enabled) {
        return MW_OK;
    }
    mw_err err = load(serve, error);
    if (err == MW_OK && serve->plant->reference.certificate_file[0] == '\0') {
        mw_log(MW_LOG_WARN, NULL,
               "reference.certificate_file is empty: firmware can neither be activated nor fetch "
               "a model here");
        return MW_OK;
    }
    return err == MW_OK ? open_port(serve, error) : err;
}

void mw_serve_reference_end(struct mw_serve *serve)
{
    struct mw_serve_reference *reference = &serve->reference;
    char path[4096];
    if (reference->http != NULL &&
        mw_plant_path(serve->plant, "run", "reference", path, sizeof path, NULL) == MW_OK) {
        (void)unlink(path);
    }
    mw_http_server_free(reference->http);
    for (size_t i = 0; i < MW_SERVE_MODELS; i++) {
        mw_buffer_free(&reference->model[i].file);
    }
    mw_table_clear(&reference->devices, free);
}
