#include "tiers/training/calibrate.h"

#include "tiers/training/elementary.h"

#include <math.h>

#define STEPS 100

struct problem {
    const double *logit, *weight;
    const uint8_t *label;
    size_t n;
    double share[2];  /* factor of a record's weight, by class: each class sums to 1/2 */
    double target[2]; /* smoothed, by class */
};

struct slope {
    double a, b, aa, ab, bb; /* first and second derivatives */
};

static double loss_at(const struct problem *p, struct mw_platt at, struct slope *slope)
{
    double loss = 0.0;
    *slope = (struct slope){0};
    for (size_t i = 0; i < p->n; i++) {
        int class = p->label[i] != 0;
        double w = p->share[class] * (p->weight != NULL ? p->weight[i] : 1.0);
        double x = at.a * p->logit[i] + at.b, t = p->target[class];
        double q = mw_math_sigmoid(x), d = w * (q - t), h = w * q * (1.0 - q);
        loss += w * (mw_math_softplus(x) - t * x);
        slope->a += d * p->logit[i];
        slope->b += d;
        slope->aa += h * p->logit[i] * p->logit[i];
        slope->ab += h * p->logit[i];
        slope->bb += h;
    }
    return loss;
}

/* Newton's method with halved steps until the loss falls. */
static struct mw_platt minimise(const struct problem *p)
{
    struct mw_platt at = {1.0, 0.0};
    struct slope slope;
    double loss = loss_at(p, at, &slope);
    for (int k = 0; k < STEPS && fabs(slope.a) + fabs(slope.b) > 1e-10; k++) {
        double aa = slope.aa + 1e-12, bb = slope.bb + 1e-12;
        double det = aa * bb - slope.ab * slope.ab;
        double da = -(bb * slope.a - slope.ab * slope.b) / det;
        double db = -(aa * slope.b - slope.ab * slope.a) / det;
        double step = 1.0;
        for (; step > 1e-10; step *= 0.5) {
            struct mw_platt next = {at.a + step * da, at.b + step * db};
            struct slope there;
            double lower = loss_at(p, next, &there);
            if (lower < loss + 1e-4 * step * (slope.a * da + slope.b * db)) {
                at = next;
                loss = lower;
                slope = there;
                break;
            }
        }
        if (step <= 1e-10) {
            break;
        }
    }
    return at;
}

/* The best b alone, for a given a: the derivative by b rises with b, so halving finds its zero. */
static double best_shift(const struct problem *p, double a)
{
    double low = -50.0, high = 50.0;
    for (int k = 0; k < STEPS; k++) {
        struct slope slope;
        struct mw_platt middle = {a, 0.5 * (low + high)};
        (void)loss_at(p, middle, &slope);
        *(slope.b > 0.0 ? &high : &low) = middle.b;
    }
    return 0.5 * (low + high);
}

mw_err mw_calibrate_fit(const double *logit, const uint8_t *label, const double *weight, size_t n,
                        struct mw_platt *platt, struct mw_error *error)
{
    double total[2] = {0.0, 0.0}, count[2] = {0.0, 0.0};
    for (size_t i = 0; i < n; i++) {
        total[label[i] != 0] += weight != NULL ? weight[i] : 1.0;
        count[label[i] != 0] += 1.0;
    }
    if (count[0] == 0.0 || count[1] == 0.0) {
        return mw_error_set(error, MW_ERR_RANGE,
                            "calibration needs positive and negative validation records");
    }
    struct problem problem = {.logit = logit, .weight = weight, .label = label, .n = n};
    for (int c = 0; c < 2; c++) {
        problem.share[c] = 0.5 / total[c];
    }
    problem.target[1] = (count[1] + 1.0) / (count[1] + 2.0);
    problem.target[0] = 1.0 / (count[0] + 2.0);
    *platt = minimise(&problem);
    if (!(platt->a >= MW_CALIBRATE_LEAST)) {
        platt->a = MW_CALIBRATE_LEAST;
        platt->b = best_shift(&problem, platt->a);
    }
    return MW_OK;
}

void mw_calibrate_fold(struct mw_network *network, struct mw_platt platt)
{
    struct mw_layer *last = &network->layers[network->n_layers - 1];
    for (size_t i = 0; i < last->inputs; i++) {
        last->weight[i] = (float)(platt.a * (double)last->weight[i]);
    }
    last->bias[0] = (float)(platt.a * (double)last->bias[0] + platt.b);
}
