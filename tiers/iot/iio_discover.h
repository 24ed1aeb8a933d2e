/* iio_discover.h - which channels an IIO context has. */
#ifndef MW_IOT_IIO_DISCOVER_H
#define MW_IOT_IIO_DISCOVER_H

#include "lib/base/error.h"
#include "lib/base/file.h"

/* Writes the file of a device (gateway_file.h) with all input channels that are found at the
 * address: those with a buffer as windows. Blocks. Errors: UNSUPPORTED, NET, NOT_FOUND (no
 * channels).
 */
mw_err mw_iio_discover(const char *url, struct mw_buffer *yaml, struct mw_error *error);

#endif
