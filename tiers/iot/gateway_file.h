/* gateway_file.h - one device behind a gateway, as a file of its own says (gateway.devices in
 * plant.yaml). YAML:
 *
 *   device: press-1                      its name
 *   url: tcp://192.168.1.20              see gateway_url.h
 *   unit: 1                              Modbus unit (slave) number
 *   interval: 1s                         from record to record
 *   timeout: 500ms                       for one answer
 *   order: abcd                          of words and bytes, see modbus_map.h
 *   registers:                           Modbus: a feature each, see modbus_map.h
 *     temperature: input 0 int16 scale=0.1
 *   actions:                             Modbus: what a command writes
 *     stop: coil 3 = 1
 *
 * With url: iio:... instead of registers and actions
 *
 *   window: 1024                         samples of a window
 *   rate: 0                              samples a second; 0: as the device is set
 *   channels:                            see iio_map.h
 *     vibration: adxl345 accel_x window
 */
#ifndef MW_IOT_GATEWAY_FILE_H
#define MW_IOT_GATEWAY_FILE_H

#include "core/wire/message.h"
#include "lib/base/options.h"
#include "tiers/iot/gateway_url.h"
#include "tiers/iot/iio_map.h"
#include "tiers/iot/modbus_map.h"

#define MW_GATEWAY_ACTIONS_MAX 16
#define MW_GATEWAY_WINDOW_MAX 65536

struct mw_gateway_name {
    char text[MW_FEATURE_NAME_MAX + 1];
    unsigned line; /* of the file */
};

struct mw_gateway_channel {
    struct mw_iio_channel at;
    size_t first; /* of its features */
};

struct mw_gateway_file {
    char *path;
    uint64_t hash; /* of its text (FNV-1a) */
    char *device, *url_text;
    int64_t unit;
    int64_t interval, timeout; /* microseconds */
    int order;                 /* enum mw_modbus_order */
    int64_t window;            /* samples */
    double rate;               /* hertz; 0: the device's own */

    struct mw_gateway_url url;
    size_t n_features;
    struct mw_gateway_name feature[MW_FEATURES_MAX];
    struct mw_modbus_register reg[MW_FEATURES_MAX]; /* of each feature; order is never DEVICE */
    size_t n_channels;                              /* IIO; then there are no registers */
    struct mw_gateway_channel channel[MW_FEATURES_MAX];
    size_t n_actions;
    struct mw_gateway_name action[MW_GATEWAY_ACTIONS_MAX];
    struct mw_modbus_write write[MW_GATEWAY_ACTIONS_MAX];
};

extern const struct mw_option mw_gateway_options[];

/* Reads one file. Errors carry FILE:LINE and what was expected. Free with mw_gateway_file_clear,
 * after an error too. */
mw_err mw_gateway_file_read(struct mw_gateway_file *file, const char *path, struct mw_error *error);
/* The same from memory; `path` is only for messages. */
mw_err mw_gateway_file_parse(struct mw_gateway_file *file, const char *text, size_t size,
                             const char *path, struct mw_error *error);
void mw_gateway_file_clear(struct mw_gateway_file *file);

struct mw_gateway_files {
    struct mw_gateway_file *item;
    size_t n;
};

/* Reads all of them; no two may be one device, nor set one serial line differently. */
mw_err mw_gateway_files_read(struct mw_gateway_files *files, const struct mw_list *paths,
                             struct mw_error *error);
void mw_gateway_files_clear(struct mw_gateway_files *files);

#endif
