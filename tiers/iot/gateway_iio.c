/* gateway_iio.c - Linux IIO devices through libiio.
 *
 * A channel of a window is sampled through its device's buffer, which is opened for the window and
 * closed behind it: a buffer that stayed open would give the oldest samples, not the newest. All
 * window channels of one IIO device share it, so that they are of the same moment. */
#include "core/signal/features.h"
#include "tiers/iot/gateway_driver.h"
#include "tiers/iot/iio_library.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct sensors {
    struct mw_iio_library iio;
    struct iio_context *context; /* NULL: not there, or lost */
    void *plan;                  /* memory of a struct mw_signal */
    size_t plan_bytes;
    float *window;
    uint8_t *raw;
};

static void close_sensors(void *state)
{
    struct sensors *sensors = state;
    if (sensors->context != NULL) {
        sensors->iio.context_destroy(sensors->context);
    }
    mw_iio_library_close(&sensors->iio);
    free(sensors->plan);
    free(sensors->window);
    free(sensors->raw);
    free(sensors);
}

static mw_err open_sensors(void **state, const struct mw_gateway_file *first,
                           struct mw_error *error)
{
    struct sensors *sensors = calloc(1, sizeof *sensors);
    size_t n = (size_t)first->window;
    if (sensors == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    mw_err err = mw_signal_size(n, &sensors->plan_bytes);
    if (err == MW_OK) {
        size_t rounded =
            (sensors->plan_bytes + MW_SIGNAL_ALIGN - 1) / MW_SIGNAL_ALIGN * MW_SIGNAL_ALIGN;
        sensors->plan = aligned_alloc(MW_SIGNAL_ALIGN, rounded);
        sensors->window = calloc(n, sizeof *sensors->window);
        sensors->raw = calloc(n, sizeof(uint64_t));
    }
    if (sensors->plan == NULL || sensors->window == NULL || sensors->raw == NULL) {
        err = mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    } else {
        err = mw_iio_library_open(&sensors->iio, error);
    }
    if (err != MW_OK) {
        close_sensors(sensors);
        return err;
    }
    *state = sensors;
    return MW_OK;
}

static mw_err failed(struct sensors *sensors, const struct mw_gateway_file *file, int number,
                     const char *what, struct mw_error *error)
{
    char why[128];
    sensors->iio.strerror(number, why, sizeof why);
    return mw_error_set(error, MW_ERR_NET, "%s: %s: %s", file->url_text, what, why);
}

/* --- what is there --- */

static mw_err find(struct sensors *sensors, const struct mw_gateway_file *file,
                   const struct mw_iio_channel *at, struct iio_device **device,
                   struct iio_channel **channel, struct mw_error *error)
{
    *device = sensors->iio.context_find_device(sensors->context, at->device);
    if (*device == NULL) {
        return mw_error_set(error, MW_ERR_NET, "%s: no device %s among the %u there",
                            file->url_text, at->device,
                            sensors->iio.context_get_devices_count(sensors->context));
    }
    *channel = sensors->iio.device_find_channel(*device, at->channel, false);
    if (*channel == NULL) {
        return mw_error_set(error, MW_ERR_NET, "%s: no input channel %s among the %u of %s",
                            file->url_text, at->channel,
                            sensors->iio.device_get_channels_count(*device), at->device);
    }
    return MW_OK;
}

/* An attribute that need not be there. */
static int read_optional(struct sensors *sensors, const struct iio_channel *channel,
                         const char *name, double *value)
{
    return sensors->iio.channel_find_attr(channel, name) == NULL
               ? 0
               : sensors->iio.channel_attr_read_double(channel, name, value);
}

/* Processed as the driver does it (input), else (raw + offset) * scale, as the kernel's ABI says.
 */
static mw_err read_value(struct sensors *sensors, const struct mw_gateway_file *file,
                         const struct iio_channel *channel, const struct mw_iio_channel *at,
                         double *value, struct mw_error *error)
{
    double offset = 0, scale = 1;
    bool input = sensors->iio.channel_find_attr(channel, "input") != NULL;
    int number = sensors->iio.channel_attr_read_double(channel, input ? "input" : "raw", value);
    if (number == 0 && !input) {
        number = read_optional(sensors, channel, "offset", &offset);
        number = number == 0 ? read_optional(sensors, channel, "scale", &scale) : number;
        *value = (*value + offset) * scale;
    }
    if (number != 0) {
        return failed(sensors, file, -number, at->channel, error);
    }
    *value = *value * at->scale + at->offset;
    return MW_OK;
}

/* --- windows --- */

static bool same_buffer(const struct mw_gateway_channel *a, const struct mw_gateway_channel *b)
{
    return a->at.window && b->at.window && strcmp(a->at.device, b->at.device) == 0;
}

/* Sets the rate where one is wanted, on the device or its channel, and reads what it came to. */
static mw_err set_rate(struct sensors *sensors, const struct mw_gateway_file *file,
                       const struct iio_device *device, const struct iio_channel *channel,
                       double *rate, struct mw_error *error)
{
    static const char name[] = "sampling_frequency";
    const struct mw_iio_library *iio = &sensors->iio;
    int number = 0;
    if (iio->channel_find_attr(channel, name) != NULL) {
        number = file->rate > 0 ? iio->channel_attr_write_double(channel, name, file->rate) : 0;
        number = number < 0 ? number : iio->channel_attr_read_double(channel, name, rate);
    } else if (iio->device_find_attr(device, name) != NULL) {
        number = file->rate > 0 ? iio->device_attr_write_double(device, name, file->rate) : 0;
        number = number < 0 ? number : iio->device_attr_read_double(device, name, rate);
    } else {
        *rate = file->rate;
    }
    if (number < 0) {
        return failed(sensors, file, -number, name, error);
    }
    return *rate > 0 ? MW_OK
                     : mw_error_set(error, MW_ERR_NET,
                                    "%s: the device does not say its sampling rate: rate was "
                                    "expected",
                                    file->url_text);
}

static mw_err take_window(struct sensors *sensors, const struct mw_gateway_file *file,
                          const struct mw_gateway_channel *at, const struct iio_channel *channel,
                          const struct iio_buffer *buffer, double rate, float *value,
                          struct mw_error *error)
{
    const struct iio_data_format *format = sensors->iio.channel_get_data_format(channel);
    size_t n = (size_t)file->window;
    double offset = 0, scale = 1;
    bool whole = (format->length == 8 || format->length == 16 || format->length == 32 ||
                  format->length == 64) &&
                 format->repeat <= 1;
    if (!whole ||
        sensors->iio.channel_read(channel, (struct iio_buffer *)(uintptr_t)buffer, sensors->raw,
                                  n * (format->length / 8)) != n * (format->length / 8)) {
        return mw_error_set(error, MW_ERR_NET, "%s: %s: %lld samples of %u bits were expected",
                            file->url_text, at->at.channel, (long long)file->window,
                            format->length);
    }
    int number = read_optional(sensors, channel, "offset", &offset);
    number = number == 0 ? read_optional(sensors, channel, "scale", &scale) : number;
    if (number < 0) {
        return failed(sensors, file, -number, at->at.channel, error);
    }
    for (size_t i = 0; i < n; i++) {
        double raw = mw_iio_sample(sensors->raw, i, format->length, format->is_signed);
        sensors->window[i] = (float)((raw + offset) * scale * at->at.scale + at->at.offset);
    }
    struct mw_signal *signal;
    struct mw_signal_features features;
    mw_err err = mw_signal_init(sensors->plan, sensors->plan_bytes, n, (float)rate, &signal);
    if (err == MW_OK) {
        err = mw_signal_features(signal, sensors->window, &features);
    }
    if (err != MW_OK) {
        return mw_error_set(error, err, "%s: %s: %s", file->url_text, at->at.channel,
                            mw_err_text(err));
    }
    mw_iio_window_values(&features, value + at->first);
    return MW_OK;
}

/* All window channels of one IIO device: `first` is the first of them. */
static mw_err read_windows(struct sensors *sensors, const struct mw_gateway_file *file,
                           size_t first, float *value, struct mw_error *error)
{
    const struct mw_iio_library *iio = &sensors->iio;
    struct iio_channel *channel[MW_FEATURES_MAX] = {0};
    struct iio_device *device;
    struct iio_buffer *buffer = NULL;
    double rate = 0;
    mw_err err = MW_OK;
    for (size_t i = first; err == MW_OK && i < file->n_channels; i++) {
        if (same_buffer(&file->channel[i], &file->channel[first])) {
            err = find(sensors, file, &file->channel[i].at, &device, &channel[i], error);
        }
    }
    if (err == MW_OK) {
        err = set_rate(sensors, file, device, channel[first], &rate, error);
    }
    for (size_t i = first; i < file->n_channels; i++) {
        if (err == MW_OK && channel[i] != NULL) {
            iio->channel_enable(channel[i]);
        }
    }
    if (err == MW_OK) {
        buffer = iio->device_create_buffer(device, (size_t)file->window, false);
        ssize_t n = buffer == NULL ? -errno : iio->buffer_refill(buffer);
        if (n < 0) {
            err = failed(sensors, file, (int)-n, file->channel[first].at.device, error);
        }
    }
    for (size_t i = first; err == MW_OK && i < file->n_channels; i++) {
        if (channel[i] != NULL) {
            err = take_window(sensors, file, &file->channel[i], channel[i], buffer, rate, value,
                              error);
        }
    }
    if (buffer != NULL) {
        iio->buffer_destroy(buffer);
    }
    for (size_t i = first; i < file->n_channels; i++) {
        if (channel[i] != NULL) {
            iio->channel_disable(channel[i]);
        }
    }
    return err;
}

/* --- the driver --- */

static mw_err read_channel(struct sensors *sensors, const struct mw_gateway_file *file, size_t i,
                           float *value, struct mw_error *error)
{
    const struct mw_gateway_channel *at = &file->channel[i];
    struct iio_device *device;
    struct iio_channel *channel;
    double number;
    if (at->at.window) {
        for (size_t k = 0; k < i; k++) {
            if (same_buffer(&file->channel[k], at)) {
                return MW_OK; /* it came with that one */
            }
        }
        return read_windows(sensors, file, i, value, error);
    }
    mw_err err = find(sensors, file, &at->at, &device, &channel, error);
    if (err == MW_OK) {
        err = read_value(sensors, file, channel, &at->at, &number, error);
    }
    if (err == MW_OK) {
        value[at->first] = (float)number;
        if (!isfinite(value[at->first])) {
            err = mw_error_set(error, MW_ERR_RANGE, "%s: %s is no finite number", file->url_text,
                               at->at.channel);
        }
    }
    return err;
}

static mw_err read_sensors(void *state, const struct mw_gateway_file *file, float *value,
                           struct mw_error *error)
{
    struct sensors *sensors = state;
    mw_err err = MW_OK;
    if (sensors->context == NULL) {
        sensors->context = sensors->iio.create_context_from_uri(file->url.target);
        if (sensors->context == NULL) {
            return failed(sensors, file, errno, "cannot be opened", error);
        }
        (void)sensors->iio.context_set_timeout(sensors->context, (unsigned)(file->timeout / 1000));
    }
    for (size_t i = 0; err == MW_OK && i < file->n_channels; i++) {
        err = read_channel(sensors, file, i, value, error);
    }
    if (err != MW_OK) { /* what has been plugged in since is seen by a new one only */
        sensors->iio.context_destroy(sensors->context);
        sensors->context = NULL;
    }
    return err;
}

static mw_err write_sensors(void *state, const struct mw_gateway_file *file, size_t action,
                            bool again, struct mw_error *error)
{
    (void)state;
    (void)action;
    (void)again;
    return mw_error_set(error, MW_ERR_UNSUPPORTED, "%s: has no actions", file->url_text);
}

const struct mw_gateway_driver mw_gateway_iio = {open_sensors, close_sensors, read_sensors,
                                                 write_sensors};
