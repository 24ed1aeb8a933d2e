/* gateway_driver.h - how a gateway talks to devices that share one connection, one function a step.
 *
 * Every call may block for as long as the devices' timeout says (and for a look-up of the host's
 * name), and is made from the link's own thread. */
#ifndef MW_IOT_GATEWAY_DRIVER_H
#define MW_IOT_GATEWAY_DRIVER_H

#include "tiers/iot/gateway_file.h"

struct mw_gateway_driver {
    /* Makes what the devices of `first`'s address share; connects to nothing yet. `first` is
     * borrowed. Errors: UNSUPPORTED when the library is not there, MEMORY. */
    mw_err (*open)(void **state, const struct mw_gateway_file *first, struct mw_error *error);
    void (*close)(void *state);
    /* Reads all features of a device, connecting first where that is needed: all of value[] or
     * none. Errors: NET, RANGE (a value that is no finite number). */
    mw_err (*read)(void *state, const struct mw_gateway_file *file, float *value,
                   struct mw_error *error);
    /* Does an action of the device; MW_OK once the device has acknowledged it. `again`: it may have
     * been done before, so it is done only when the device does not show it. Errors: NET. */
    mw_err (*write)(void *state, const struct mw_gateway_file *file, size_t action, bool again,
                    struct mw_error *error);
};

/* libmodbus, loaded when the first device of it is opened. */
extern const struct mw_gateway_driver mw_gateway_modbus;
/* libiio, likewise. */
extern const struct mw_gateway_driver mw_gateway_iio;

#endif
