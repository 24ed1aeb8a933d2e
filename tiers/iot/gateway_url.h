/* gateway_url.h - where a gateway's device is:
 *
 *   tcp://HOST[:PORT]                Modbus TCP; HOST may be [IPv6]; the port is 502 when left out
 *   rtu://PATH[?KEY=VALUE[&...]]     Modbus RTU; rtu:///dev/ttyUSB0?baud=19200&parity=even&stop=1
 *   iio:local, iio:xml:FILE          Linux IIO: of this machine, or a context that a file describes
 *
 * Keys of rtu: baud (300 to 4000000; 19200), parity (none|even|odd; even), data (7|8; 8) and stop
 * (1|2; 1): the defaults of the Modbus over serial line specification. */
#ifndef MW_IOT_GATEWAY_URL_H
#define MW_IOT_GATEWAY_URL_H

#include "lib/base/error.h"

enum mw_gateway_scheme { MW_GATEWAY_TCP, MW_GATEWAY_RTU, MW_GATEWAY_IIO };

struct mw_gateway_url {
    enum mw_gateway_scheme scheme;
    char target[256]; /* the host, the tty's path, or libiio's URI */
    char port[8];     /* tcp */
    int baud, data_bits, stop_bits;
    char parity; /* 'N', 'E' or 'O' */
};

/* Errors: PARSE, RANGE, UNSUPPORTED (another scheme); the message says what was expected. */
mw_err mw_gateway_url_parse(struct mw_gateway_url *url, const char *text, struct mw_error *error);

#endif
