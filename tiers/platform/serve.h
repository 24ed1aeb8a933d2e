/* serve.h - role `serve`: the page and the API, and the rollout of models.
 *
 *   GET  /               the page                GET  /metrics     Prometheus text
 *   GET  /api/state      all that a person wants to see at once
 *   GET  /api/ledger     the account of every record
 *   POST /api/events     an event: {"machine","type","finding"?,"time"?,"by"?,"id"?}
 *   POST /api/rollout    {"action":"start","bundle":DIGEST OR TAG,"machine"?}
 *                        {"action":"halt"|"rollback","id"?}
 *   GET  /healthz /readyz
 *   POST /provisionDevice, and a port of its own: serve_reference.h
 *
 * Follows telemetry, score, status, drift and model; writes update, rollout and event. A model
 * record begins a rollout. With http.enabled off only the rollouts run. */
#ifndef MW_PLATFORM_SERVE_H
#define MW_PLATFORM_SERVE_H

#include "lib/base/error.h"
#include "lib/plant/plant.h"

/* Runs until SIGTERM or SIGINT. The port is written to data/run/http. Errors: BUSY (another one has
 * the stream or the port), those of opening the stream. */
mw_err mw_serve_run(const struct mw_plant *plant, struct mw_error *error);

#endif
