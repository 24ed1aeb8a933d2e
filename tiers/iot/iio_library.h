/* iio_library.h - libiio, loaded at run time: it brings libxml2, libusb and libavahi along, which
 * nobody should pay for who has no such device. */
#ifndef MW_IOT_IIO_LIBRARY_H
#define MW_IOT_IIO_LIBRARY_H

#include "lib/base/error.h"

#include <iio.h>

/* What is called, by its name without iio_. */
#define MW_IIO_FUNCTIONS(X)      \
    X(create_context_from_uri)   \
    X(context_destroy)           \
    X(context_set_timeout)       \
    X(context_get_devices_count) \
    X(context_get_device)        \
    X(context_find_device)       \
    X(device_get_id)             \
    X(device_get_name)           \
    X(device_get_channels_count) \
    X(device_get_channel)        \
    X(device_find_channel)       \
    X(device_find_attr)          \
    X(device_attr_read_double)   \
    X(device_attr_write_double)  \
    X(device_create_buffer)      \
    X(channel_get_id)            \
    X(channel_get_name)          \
    X(channel_is_output)         \
    X(channel_is_scan_element)   \
    X(channel_find_attr)         \
    X(channel_attr_read_double)  \
    X(channel_attr_write_double) \
    X(channel_get_data_format)   \
    X(channel_enable)            \
    X(channel_disable)           \
    X(channel_read)              \
    X(buffer_refill)             \
    X(buffer_destroy)            \
    X(strerror)

struct mw_iio_library {
    void *handle;
#define MW_IIO_FIELD(name) __typeof__(&iio_##name) name;
    MW_IIO_FUNCTIONS(MW_IIO_FIELD)
#undef MW_IIO_FIELD
};

/* Errors: UNSUPPORTED. Close after an error too; {0} may be closed. */
mw_err mw_iio_library_open(struct mw_iio_library *library, struct mw_error *error);
void mw_iio_library_close(struct mw_iio_library *library);

#endif
