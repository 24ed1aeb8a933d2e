#include "core/signal/features.h"

#include <float.h>
#include <kiss_fftr.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Sums run in this many independent lanes: a compiler may then use vector registers without being
 * allowed to reorder floating-point additions, and rounding errors grow with n / LANES only. */
#define LANES 8

/* Peaks this far below the strongest one (in power) are float32 rounding, not signal. */
#define PEAK_FLOOR 1e-10F

struct mw_signal {
    size_t n;
    float rate;
    float scale; /* what the normalised window was divided by */
    bool spectrum_valid;
    kiss_fftr_cfg plan;
    float *window;          /* n samples, without mean, within [-1, 1]; then the power spectrum */
    kiss_fft_cpx *spectrum; /* n/2 + 1 bins */
};

struct moments {
    double m2, m3, m4;
};

static size_t align_up(size_t bytes)
{
    return (bytes + MW_SIGNAL_ALIGN - 1) / MW_SIGNAL_ALIGN * MW_SIGNAL_ALIGN;
}

/* kissfft asks for a heap when a factor is not 2, 3 or 5. */
static bool length_valid(size_t n)
{
    if (n < 16 || n > 65536 || n % 2 != 0) {
        return false;
    }
    for (size_t factor = 2; factor <= 5; factor++) {
        while (n % factor == 0) {
            n /= factor;
        }
    }
    return n == 1;
}

static size_t plan_size(size_t n)
{
    size_t bytes = 0;
    kiss_fftr_alloc((int)n, 0, NULL, &bytes);
    return align_up(bytes);
}

mw_err mw_signal_size(size_t n, size_t *bytes)
{
    if (bytes == NULL || !length_valid(n)) {
        return MW_ERR_ARGUMENT;
    }
    *bytes = align_up(sizeof(struct mw_signal)) + plan_size(n) + align_up(n * sizeof(float)) +
             align_up((n / 2 + 1) * sizeof(kiss_fft_cpx));
    return MW_OK;
}

mw_err mw_signal_init(void *memory, size_t bytes, size_t n, float sample_rate_hz,
                      struct mw_signal **signal)
{
    if (signal == NULL) {
        return MW_ERR_ARGUMENT;
    }
    *signal = NULL;
    size_t needed;
    mw_err err = mw_signal_size(n, &needed);
    if (err != MW_OK || memory == NULL || (uintptr_t)memory % MW_SIGNAL_ALIGN != 0 ||
        !(sample_rate_hz > 0.0F) || !isfinite(sample_rate_hz)) {
        return MW_ERR_ARGUMENT;
    }
    if (bytes < needed) {
        return MW_ERR_TOO_SMALL;
    }
    char *place = memory;
    struct mw_signal *s = (struct mw_signal *)memory;
    memset(s, 0, sizeof *s);
    s->n = n;
    s->rate = sample_rate_hz;
    place += align_up(sizeof *s);
    size_t plan_bytes = plan_size(n);
    s->plan = kiss_fftr_alloc((int)n, 0, place, &plan_bytes);
    place += plan_size(n);
    s->window = (float *)(void *)place;
    place += align_up(n * sizeof(float));
    s->spectrum = (kiss_fft_cpx *)(void *)place;
    if (s->plan == NULL) {
        return MW_ERR_TOO_SMALL;
    }
    *signal = s;
    return MW_OK;
}

/* Mean and largest distance from it. Differences from the first sample are summed, so that a small
 * signal on a large offset keeps its digits. False when a sample is not finite. */
static bool measure(const float *x, size_t n, float *mean, float *peak)
{
    float sum[LANES] = {0}, low[LANES], high[LANES];
    const float first = x[0];
    for (size_t j = 0; j < LANES; j++) {
        low[j] = high[j] = first;
    }
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (size_t j = 0; j < LANES; j++) {
            const float v = x[i + j];
            sum[j] += v - first;
            low[j] = v < low[j] ? v : low[j];
            high[j] = v > high[j] ? v : high[j];
        }
    }
    for (; i < n; i++) {
        sum[0] += x[i] - first;
        low[0] = x[i] < low[0] ? x[i] : low[0];
        high[0] = x[i] > high[0] ? x[i] : high[0];
    }
    double total = 0.0;
    for (size_t j = 0; j < LANES; j++) {
        total += (double)sum[j];
        low[0] = low[j] < low[0] ? low[j] : low[0];
        high[0] = high[j] > high[0] ? high[j] : high[0];
    }
    const double middle = (double)first + total / (double)n;
    if (!isfinite(middle) || !isfinite(high[0] - low[0])) {
        return false;
    }
    *mean = (float)middle;
    if (low[0] == high[0]) {
        *mean = first;
        *peak = 0.0F;
    } else {
        *peak = high[0] - *mean > *mean - low[0] ? high[0] - *mean : *mean - low[0];
    }
    return true;
}

/* Fills y with (x - mean) / peak, so that no power of it can overflow, and sums its moments. */
static struct moments normalise(const float *x, size_t n, float mean, float peak, float *y)
{
    float s2[LANES] = {0}, s3[LANES] = {0}, s4[LANES] = {0};
    const float inverse = 1.0F / peak;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (size_t j = 0; j < LANES; j++) {
            const float v = (x[i + j] - mean) * inverse;
            const float square = v * v;
            y[i + j] = v;
            s2[j] += square;
            s3[j] += square * v;
            s4[j] += square * square;
        }
    }
    for (; i < n; i++) {
        const float v = (x[i] - mean) * inverse;
        y[i] = v;
        s2[0] += v * v;
        s3[0] += v * v * v;
        s4[0] += v * v * v * v;
    }
    struct moments m = {0};
    for (size_t j = 0; j < LANES; j++) {
        m.m2 += (double)s2[j];
        m.m3 += (double)s3[j];
        m.m4 += (double)s4[j];
    }
    m.m2 /= (double)n;
    m.m3 /= (double)n;
    m.m4 /= (double)n;
    return m;
}

mw_err mw_signal_statistics(struct mw_signal *signal, const float *samples,
                            struct mw_signal_features *out)
{
    memset(out, 0, sizeof *out);
    signal->spectrum_valid = false;
    float peak;
    if (!measure(samples, signal->n, &out->mean, &peak)) {
        return MW_ERR_RANGE;
    }
    signal->scale = 0.0F;
    if (peak < FLT_MIN || !isfinite(1.0F / peak)) {
        return MW_OK; /* constant */
    }
    const struct moments m = normalise(samples, signal->n, out->mean, peak, signal->window);
    const double deviation = sqrt(m.m2);
    signal->scale = peak;
    out->peak = peak;
    out->rms = (float)((double)peak * deviation);
    out->crest_factor = (float)(1.0 / deviation);
    out->skewness = (float)(m.m3 / (m.m2 * deviation));
    out->kurtosis = (float)(m.m4 / (m.m2 * m.m2));
    return MW_OK;
}

/* Turns the spectrum into the power of the Hann-windowed signal, which then lies in s->window. */
static void apply_hann(struct mw_signal *s)
{
    const size_t last = s->n / 2;
    const kiss_fft_cpx *x = s->spectrum;
    float *power = s->window;
    /* The spectrum of a real signal mirrors: X[-k] = X*[k]. */
    const float dc = 0.5F * x[0].r - 0.5F * x[1].r;
    const float nyquist = 0.5F * x[last].r - 0.5F * x[last - 1].r;
    power[0] = dc * dc;
    power[last] = nyquist * nyquist;
    for (size_t k = 1; k < last; k++) {
        const float re = 0.5F * x[k].r - 0.25F * (x[k - 1].r + x[k + 1].r);
        const float im = 0.5F * x[k].i - 0.25F * (x[k - 1].i + x[k + 1].i);
        power[k] = re * re + im * im;
    }
}

static void sum_bands(const struct mw_signal *s, float *band_rms)
{
    const size_t n = s->n;
    /* Mean of the squared Hann window is 3/8; bins but the first and last stand for two. */
    const float unit = 2.0F / (0.375F * (float)n * (float)n);
    size_t begin = 0;
    for (size_t band = 0; band < MW_SIGNAL_BANDS; band++) {
        const size_t parts = (size_t)2 << (MW_SIGNAL_BANDS - 1 - band);
        const size_t end = band + 1 == MW_SIGNAL_BANDS ? n / 2 + 1 : (n + parts - 1) / parts;
        float sum = 0.0F;
        for (size_t k = begin; k < end; k++) {
            sum += k == 0 || k == n / 2 ? 0.5F * s->window[k] : s->window[k];
        }
        band_rms[band] = s->scale * sqrtf(sum * unit);
        begin = end;
    }
}

/* Grandke's interpolation around the local maximum at bin k. */
static void interpolate(const struct mw_signal *s, size_t k, float *hz, float *amplitude)
{
    const float *power = s->window;
    const bool right = power[k + 1] > power[k - 1];
    const float ratio = sqrtf((right ? power[k + 1] : power[k - 1]) / power[k]);
    float delta = (2.0F * ratio - 1.0F) / (ratio + 1.0F);
    delta = delta < -0.5F ? -0.5F : delta > 0.5F ? 0.5F : delta;
    /* 1 / the window's transform between two bins: pi d (1 - d^2) / sin(pi d), as a series whose
       tail is nearly geometric. */
    const float d2 = delta * delta;
    const float head = 1.0F + d2 * (1.6449341F + d2 * (1.8940657F + d2 * 1.9711022F));
    const float loss = (1.0F - d2) * head + 2.0F * d2 * d2 * d2 * d2;
    *hz = ((float)k + (right ? delta : -delta)) * s->rate / (float)s->n;
    *amplitude = loss * 4.0F / (float)s->n * s->scale * sqrtf(power[k]);
}

static void find_peaks(const struct mw_signal *s, struct mw_signal_features *out)
{
    const float *power = s->window;
    size_t found[MW_SIGNAL_PEAKS] = {0};
    size_t count = 0;
    float weakest = 0.0F; /* what a new peak must exceed once the list is full */
    for (size_t k = 1; k < s->n / 2; k++) {
        if (power[k] <= weakest || power[k] <= power[k - 1] || power[k] < power[k + 1]) {
            continue;
        }
        size_t place = count < MW_SIGNAL_PEAKS ? count++ : MW_SIGNAL_PEAKS - 1;
        for (; place > 0 && power[found[place - 1]] < power[k]; place--) {
            found[place] = found[place - 1];
        }
        found[place] = k;
        weakest = count < MW_SIGNAL_PEAKS ? 0.0F : power[found[MW_SIGNAL_PEAKS - 1]];
    }
    for (size_t i = 0; i < count && power[found[i]] > PEAK_FLOOR * power[found[0]]; i++) {
        interpolate(s, found[i], &out->peak_hz[i], &out->peak_amplitude[i]);
    }
}

mw_err mw_signal_features(struct mw_signal *signal, const float *samples,
                          struct mw_signal_features *out)
{
    mw_err err = mw_signal_statistics(signal, samples, out);
    if (err != MW_OK || signal->scale == 0.0F) {
        return err;
    }
    kiss_fftr(signal->plan, signal->window, signal->spectrum);
    apply_hann(signal);
    signal->spectrum_valid = true;
    sum_bands(signal, out->band_rms);
    find_peaks(signal, out);
    return MW_OK;
}

float mw_signal_line(const struct mw_signal *signal, float hz, float width_hz)
{
    const float bins = (float)signal->n / signal->rate;
    const float last = (float)(signal->n / 2);
    if (!signal->spectrum_valid || !(hz >= 0.0F) || !(hz * bins <= last)) {
        return 0.0F;
    }
    const float width = width_hz > 0.0F ? width_hz * bins : 0.0F;
    const float low = hz * bins - width, high = hz * bins + width;
    size_t begin = low > 0.0F ? (size_t)(low + 0.5F) : 0;
    size_t end = high < last ? (size_t)(high + 0.5F) : signal->n / 2;
    float strongest = 0.0F;
    for (size_t k = begin; k <= end; k++) {
        strongest = signal->window[k] > strongest ? signal->window[k] : strongest;
    }
    return 4.0F / (float)signal->n * signal->scale * sqrtf(strongest);
}
