#include "tiers/iot/iio_discover.h"

#include "core/span.h"
#include "tiers/iot/gateway_url.h"
#include "tiers/iot/iio_library.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* A name of a feature from a device's and a channel's: blanks would end a key. */
static mw_err print_name(struct mw_buffer *yaml, const char *device, const char *channel)
{
    size_t from = yaml->size;
    mw_err err = mw_buffer_printf(yaml, "  %s_%s", device, channel);
    for (size_t i = from + 2; err == MW_OK && i < yaml->size; i++) {
        const char c = yaml->data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
        yaml->data[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : plain ? c : '_');
    }
    return err;
}

static mw_err print_device(const struct mw_iio_library *iio, const struct iio_device *device,
                           struct mw_buffer *yaml, unsigned *found)
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
        (*found)++;
        err = print_name(yaml, name, id);
        if (err == MW_OK) {
            err = mw_buffer_printf(yaml, ": %s %s%s\n", name, id, window ? " window" : "");
        }
    }
    return err;
}

static mw_err discover(const struct mw_iio_library *iio, const struct mw_gateway_url *url,
                       const char *text, struct mw_buffer *yaml, struct mw_error *error)
{
    struct iio_context *context = iio->create_context_from_uri(url->target);
    unsigned found = 0;
    char why[128];
    if (context == NULL) {
        iio->strerror(errno, why, sizeof why);
        return mw_error_set(error, MW_ERR_NET, "%s: %s", text, why);
    }
    mw_err err =
        mw_buffer_printf(yaml, "device: sensors\nurl: %s\ninterval: 1s\nchannels:\n", text);
    for (unsigned i = 0; err == MW_OK && i < iio->context_get_devices_count(context); i++) {
        err = print_device(iio, iio->context_get_device(context, i), yaml, &found);
    }
    iio->context_destroy(context);
    if (err != MW_OK) {
        return mw_error_set(error, err, "out of memory");
    }
    return found > 0 ? MW_OK
                     : mw_error_set(error, MW_ERR_NOT_FOUND, "%s: no channels to read", text);
}

mw_err mw_iio_discover(const char *url, struct mw_buffer *yaml, struct mw_error *error)
{
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
        err = discover(&library, &parsed, url, yaml, error);
    }
    mw_iio_library_close(&library);
    return err;
}
