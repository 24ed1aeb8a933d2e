/* serve_reference.h - what firmware of the AIoT reference implementation asks of its platform
 * (`reference` in plant.yaml). On reference.port, by HTTPS with reference.certificate_file:
 *
 *   POST /confirmActivation   device_id=ID    TRUE when the device may be active, else FALSE
 *   GET  /quantized/NAME      the model of that name, MW_FIRMWARE_BYTES of it (firmware.h)
 *
 * and on http.port, where a person's other orders go, too:
 *
 *   POST /provisionDevice     device_id=ID    TRUE: from now on it may be active
 *
 * The model is that of the newest order for all devices, so never of a trial. There is one for all
 * who hear the control topic, so that at most one machine among them can have a baseline of its
 * own. What is offered is appended to the topic `download`, which the bridge reads; so is the
 * device of each activation, so that it is told. */
#ifndef MW_PLATFORM_SERVE_REFERENCE_H
#define MW_PLATFORM_SERVE_REFERENCE_H

#include "lib/artifact/firmware.h"
#include "lib/http/server.h"
#include "tiers/platform/table.h"

#include <jansson.h>

#define MW_SERVE_MODELS 4 /* newest ones that can be fetched */
#define MW_SERVE_ID 24    /* bytes of a device's id, with its NUL */

struct mw_serve;

struct mw_serve_model {
    char name[MW_FIRMWARE_NAME];
    struct mw_buffer file;
};

struct mw_serve_reference {
    struct mw_http_server *http; /* NULL: there is none */
    struct mw_table devices; /* that were activated or provisioned in this run or an earlier one */
    char desired[MW_DIGEST_TEXT]; /* bundle of the newest order for all; empty: none */
    char tried[MW_DIGEST_TEXT];   /* of what the newest attempt was made from */
    int64_t look;                 /* monotonic: not before */
    struct mw_serve_model model[MW_SERVE_MODELS];
    size_t n_models;                /* made in this run */
    char offered[MW_FIRMWARE_NAME]; /* as the stream has it; empty: none */
    char reason[256];               /* why none is offered; empty: one is, or there is no bundle */
};

/* Reads what an earlier run kept, and opens the port. Without reference.enabled: nothing. */
mw_err mw_serve_reference_begin(struct mw_serve *serve, struct mw_error *error);
void mw_serve_reference_end(struct mw_serve *serve);

/* The newest order for all devices; a digest, or empty. */
void mw_serve_reference_order(struct mw_serve *serve, const char *bundle);
/* Every second: makes what has to be offered anew, and puts it into the round. */
void mw_serve_reference_second(struct mw_serve *serve);

/* POST /provisionDevice. */
void mw_serve_provision(struct mw_serve *serve, const struct mw_http_request *request,
                        struct mw_http_response *response);

/* For the state: {"model","reason","devices":n, or null for all}; NULL: reference.enabled is false.
 */
json_t *mw_serve_reference_json(const struct mw_serve *serve);

#endif
