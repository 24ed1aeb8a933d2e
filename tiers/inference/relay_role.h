/* relay_role.h - the role `relay`: the streaming sidecar. It holds the connection to the plant's
 * stream for a scorer beside it, which then needs neither a Kafka client nor Kafka's secrets
 * (lib/stream/relay.h). */
#ifndef MW_INFERENCE_RELAY_ROLE_H
#define MW_INFERENCE_RELAY_ROLE_H

#include "lib/base/error.h"
#include "lib/plant/plant.h"

/* Serves the plant's stream at the Unix socket `path` until SIGTERM or SIGINT. Blocks. Errors: what
 * mw_relay_new gives. The stream itself is opened for each who comes, who gets that error. */
mw_err mw_relay_run(const struct mw_plant *plant, const char *path, struct mw_error *error);

#endif
