/* logistic_loss.h - the objective of logistic regression over tiles of rows: the hot loop of the
 * fit. */
#ifndef MW_TRAINING_LOGISTIC_LOSS_H
#define MW_TRAINING_LOGISTIC_LOSS_H

#include "core/err.h"

#include <stddef.h>
#include <stdint.h>

#define MW_LOGISTIC_TILE 256 /* rows a tile */

/* The rows in tiles, column by column inside a tile, so that each step of the loops runs over rows
 * side by side. The last tile is filled up with rows of weight 0. */
struct mw_logistic_data {
    size_t rows, columns, tiles;
    double *z;      /* tiles * columns * MW_LOGISTIC_TILE */
    double *sign;   /* tiles * MW_LOGISTIC_TILE: 1 positive, -1 negative */
    double *weight; /* tiles * MW_LOGISTIC_TILE; their sum is 1 */
    double total;   /* the sum of the weights as given */
};

mw_err mw_logistic_data_init(struct mw_logistic_data *data, const float *z, const uint8_t *label,
                             const double *weight, size_t rows, size_t columns);
void mw_logistic_data_fini(struct mw_logistic_data *data);

/* sum_i weight_i * log(1 + exp(-sign_i * (w z_i + b))); gradient gets columns + 1 derivatives. */
double mw_logistic_data_loss(const struct mw_logistic_data *data, const double *w,
                             double *gradient);

#endif
