/* iio_discover.h - which channels an IIO context has. */
#ifndef MW_IOT_IIO_DISCOVER_H
#define MW_IOT_IIO_DISCOVER_H

#include "lib/base/error.h"
#include "lib/base/file.h"

#include <stdbool.h>

/* Adds to `text` the file of a device (gateway_file.h) with all input channels that are found at
 * the address: those with a buffer as windows. With `json` a line for each of them instead:
 *
 *   {"feature":"adxl345_accel_x","device":"adxl345","channel":"accel_x","window":true}
 *
 * Blocks. Errors: ARGUMENT, UNSUPPORTED, NET, NOT_FOUND (no channels), MEMORY.
 */
mw_err mw_iio_discover(const char *url, bool json, struct mw_buffer *text, struct mw_error *error);

#endif
