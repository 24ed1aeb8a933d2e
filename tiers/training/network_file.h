/* network_file.h - a trained network as a file, between the steps that train and that quantize.
 *
 *   {"v":1,"kind":"mlp","features":[names],"mean":[..],"factor":[..],"c":0,"quantile":0.99,
 *    "cut":{"input":8,"hidden":1,"output":0},
 *    "layers":[{"inputs":4,"outputs":50,"relu":true,"weight":[outputs rows of
 * inputs],"bias":[..]}]}
 *
 * Every float32 is the shortest decimal that reads back to the same bits. */
#ifndef MW_TRAINING_NETWORK_FILE_H
#define MW_TRAINING_NETWORK_FILE_H

#include "core/span.h"
#include "lib/base/file.h"
#include "tiers/training/network.h"
#include "tiers/training/quantize.h"

#define MW_NETWORK_FILE_MAX (64U << 20) /* bytes */
#define MW_NETWORK_LAYERS_MAX 16
#define MW_NETWORK_WIDTH_MAX 4096

struct mw_network_file {
    struct mw_network network;
    struct mw_quantize_cut cut; /* that the trainer chose for int8 */
    double quantile;            /* autoencoder: of healthy errors that gets the score 0.5 */
};

/* Appends. Errors: RANGE (a number that is not finite), ARGUMENT (a feature's name is not UTF-8),
 * MEMORY. */
mw_err mw_network_file_print(const struct mw_network_file *file, struct mw_buffer *json);
/* Errors: PARSE (layers that do not fit together are too), RANGE, VERSION, TOO_LARGE, MEMORY. On an
 * error *file is empty. Free file->network with mw_network_clear. */
mw_err mw_network_file_parse(struct mw_network_file *file, struct mw_span json,
                             struct mw_error *error);

#endif
