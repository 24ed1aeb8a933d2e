#include "tiers/training/logistic_loss.h"

#include "tiers/training/elementary.h"

#include <stdlib.h>

#define TILE MW_LOGISTIC_TILE
#define LANES 8 /* sums side by side, added up in a fixed order at the end */

mw_err mw_logistic_data_init(struct mw_logistic_data *data, const float *z, const uint8_t *label,
                             const double *weight, size_t rows, size_t columns)
{
    size_t tiles = (rows + TILE - 1) / TILE;
    *data = (struct mw_logistic_data){.rows = rows, .columns = columns, .tiles = tiles};
    data->z = calloc(tiles * columns * TILE, sizeof *data->z);
    data->sign = calloc(tiles * TILE, sizeof *data->sign);
    data->weight = calloc(tiles * TILE, sizeof *data->weight);
    if (data->z == NULL || data->sign == NULL || data->weight == NULL) {
        mw_logistic_data_fini(data);
        return MW_ERR_MEMORY;
    }
    for (size_t i = 0; i < rows; i++) {
        data->total += weight != NULL ? weight[i] : 1.0;
    }
    for (size_t i = 0; i < rows; i++) {
        double *column = data->z + i / TILE * columns * TILE + i % TILE;
        for (size_t j = 0; j < columns; j++) {
            column[j * TILE] = (double)z[i * columns + j];
        }
        data->sign[i] = label[i] ? 1.0 : -1.0;
        data->weight[i] = (weight != NULL ? weight[i] : 1.0) / data->total;
    }
    return MW_OK;
}

void mw_logistic_data_fini(struct mw_logistic_data *data)
{
    free(data->z);
    free(data->sign);
    free(data->weight);
    *data = (struct mw_logistic_data){0};
}

static double add_lanes(const double *lane)
{
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) +
           ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

static void margins(const double *restrict z, const double *restrict w, size_t columns,
                    double *restrict margin)
{
    for (size_t r = 0; r < TILE; r++) {
        margin[r] = w[columns];
    }
    size_t j = 0;
    for (; j + 4 <= columns; j += 4) {
        const double *restrict c = z + j * TILE;
        double w0 = w[j], w1 = w[j + 1], w2 = w[j + 2], w3 = w[j + 3];
        for (size_t r = 0; r < TILE; r++) {
            margin[r] +=
                (w0 * c[r] + w1 * c[TILE + r]) + (w2 * c[2 * TILE + r] + w3 * c[3 * TILE + r]);
        }
    }
    for (; j < columns; j++) {
        const double *restrict c = z + j * TILE;
        for (size_t r = 0; r < TILE; r++) {
            margin[r] += w[j] * c[r];
        }
    }
}

/* Turns margins into derivatives of the loss by the margin, in place; returns the tile's loss. */
static double losses(double *restrict margin, const double *restrict sign,
                     const double *restrict weight)
{
    double loss[TILE];
    for (size_t r = 0; r < TILE; r++) {
        double m = margin[r] * sign[r];
        double a = m < 0.0 ? m : -m;
        double e = mw_math_exp(a), u = 1.0 + e;
        double hinge = m < 0.0 ? -m : 0.0;
        double wrong = (m < 0.0 ? 1.0 : e) / u; /* probability of the other class */
        loss[r] = weight[r] * (hinge + mw_math_log(u));
        margin[r] = -weight[r] * sign[r] * wrong;
    }
    double lane[LANES] = {0};
    for (size_t r = 0; r < TILE; r += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            lane[l] += loss[r + l];
        }
    }
    return add_lanes(lane);
}

static double dot(const double *restrict a, const double *restrict b)
{
    double lane[LANES] = {0};
    for (size_t r = 0; r < TILE; r += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            lane[l] += a[r + l] * b[r + l];
        }
    }
    return add_lanes(lane);
}

static double sum(const double *a)
{
    double lane[LANES] = {0};
    for (size_t r = 0; r < TILE; r += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            lane[l] += a[r + l];
        }
    }
    return add_lanes(lane);
}

double mw_logistic_data_loss(const struct mw_logistic_data *data, const double *w, double *gradient)
{
    size_t columns = data->columns;
    double loss = 0.0;
    for (size_t j = 0; j <= columns; j++) {
        gradient[j] = 0.0;
    }
    for (size_t t = 0; t < data->tiles; t++) {
        double slope[TILE];
        const double *z = data->z + t * columns * TILE;
        margins(z, w, columns, slope);
        loss += losses(slope, data->sign + t * TILE, data->weight + t * TILE);
        for (size_t j = 0; j < columns; j++) {
            gradient[j] += dot(z + j * TILE, slope);
        }
        gradient[columns] += sum(slope);
    }
    return loss;
}
