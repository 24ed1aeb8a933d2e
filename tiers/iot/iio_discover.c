#include "tiers/iot/iio_discover.h"

#include "core/span.h"
#include "tiers/iot/gateway_url.h"
#include "tiers/iot/iio_library.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct listing {
    struct mw_buffer *text;
    bool json;
    unsigned found;
};

/* A name of a feature from a device's and a channel's: blanks would end a key. */
static mw_err print_name(struct mw_buffer *name, const char *device, const char *channel)
{
    mw_err err = mw_buffer_printf(name, "%s_%s", device, channel);
    for (size_t i = 0; err == MW_OK && i < name->size; i++) {
        const char c = name->data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
        name->data[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : plain ? c : '_');
    }
    return err;
}

static mw_err print_json(struct mw_buffer *text, const char *name, const char *device,
                         const char *channel, bool window)
{
    json_t *object = json_pack("{s:s,s:s,s:s,s:b}", "feature", name, "device", device, "channel",
                               channel, "window", window);
    char *line = object == NULL ? NULL : json_dumps(object, JSON_COMPACT);
    mw_err err = line == NULL ? MW_ERR_MEMORY : mw_buffer_printf(text, "%s\n", line);
    free(line);
    json_decref(object);
    return err;
}

static mw_err print_channel(struct listing *listing, const char *device, const char *channel,
                            bool window)
{
    struct mw_buffer name = {0};
    mw_err err = print_name(&name, device, channel);
    if (err == MW_OK) {
        err = listing->json ? print_json(listing->text, name.data, device, channel, window)
                            : mw_buffer_printf(listing->text, "  %s: %s %s%s\n", name.data, device,
                                               channel, window ? " window" : "");
    }
    mw_buffer_free(&name);
    listing->found++;
    return err;
}

static mw_err print_device(const struct mw_iio_library *iio, const struct iio_device *device,
                           struct listing *listing)
{
    const char *name = iio->device_get_name(device);
    mw_err err = MW_OK;
    if (name == NULL || strpbrk(name, " \t\"\\") != NULL) {
        name = iio->device_get_id(device);
    }
    for (unsigned i = 0; err == MW_OK && i < iio->device_get_channels_count(device); i++) {
        const struct iio_channel *channel = iio->device_get_channel(device, i);
        const char *id = iio->channel_get_id(channel);
        bool window = iio->channel_is_scan_element(channel);
        bool readable = iio->channel_find_attr(channel, "raw") != NULL ||
                        iio->channel_find_attr(channel, "input") != NULL;
        if (iio->channel_is_output(channel) || (!window && !readable) ||
            strcmp(id, "timestamp") == 0) {
            continue;
        }
        err = print_channel(listing, name, id, window);
    }
    return err;
}

static mw_err discover(const struct mw_iio_library *iio, const struct mw_gateway_url *url,
                       const char *address, struct listing *listing, struct mw_error *error)
{
    struct iio_context *context = iio->create_context_from_uri(url->target);
    char why[128];
    if (context == NULL) {
        iio->strerror(errno, why, sizeof why);
        return mw_error_set(error, MW_ERR_NET, "%s: %s", address, why);
    }
    mw_err err = MW_OK;
    if (!listing->json) {
        err = mw_buffer_printf(listing->text, "device: sensors\nurl: %s\ninterval: 1s\nchannels:\n",
                               address);
    }
    for (unsigned i = 0; err == MW_OK && i < iio->context_get_devices_count(context); i++) {
        err = print_device(iio, iio->context_get_device(context, i), listing);
    }
    iio->context_destroy(context);
    if (err != MW_OK) {
        return mw_error_set(error, err, "out of memory");
    }
    return listing->found > 0
               ? MW_OK
               : mw_error_set(error, MW_ERR_NOT_FOUND, "%s: no channels to read", address);
}

mw_err mw_iio_discover(const char *url, bool json, struct mw_buffer *text, struct mw_error *error)
{
    struct listing listing = {.text = text, .json = json};
    struct mw_iio_library library = {0};
    struct mw_gateway_url parsed;
    mw_err err = mw_gateway_url_parse(&parsed, url, error);
    if (err == MW_OK && parsed.scheme != MW_GATEWAY_IIO) {
        err = mw_error_set(error, MW_ERR_ARGUMENT,
                           "%s: iio:local or iio:xml:FILE was expected: Modbus devices do not "
                           "say what they have",
                           url);
    }
    if (err == MW_OK) {
        err = mw_iio_library_open(&library, error);
    }
    if (err == MW_OK) {
        err = discover(&library, &parsed, url, &listing, error);
    }
    mw_iio_library_close(&library);
    return err;
}
