/* api.h - asks the role `serve` of a plant over HTTP, for the commands that a person types. */
#ifndef MW_CLI_API_H
#define MW_CLI_API_H

#include "lib/base/error.h"
#include "lib/plant/plant.h"

#include <jansson.h>

/* GET when body is NULL, else POST of it (borrowed). *answer is the caller's to decref. Finds the
 * port in data/run/http. Errors: STATE (nothing serves this data folder), NET, TIMEOUT, PARSE,
 * and what the server refused, with its words. */
mw_err mw_api_ask(const struct mw_plant *plant, const char *path, const json_t *body,
                  json_t **answer, struct mw_error *error);

/* Reads plant.yaml and asks for /api/state. */
mw_err mw_api_state(const char *config, json_t **state, struct mw_error *error);

/* The state on stdout: `status` prints it once, `top` again and again. `rows` things at most. */
void mw_api_print_state(const json_t *state, size_t rows);

/* JSON on one line. */
void mw_api_print_json(const json_t *json);

#endif
