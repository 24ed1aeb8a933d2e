/* number_float.c - decimal text to the nearest float32 or float64, exactly.
 *
 * Three roads, each falling through to the next when it cannot prove its answer:
 *   1. one multiplication or division in float64 (Clinger, "How to read floating point numbers
 *      accurately", 1990); for float32 its result has 29 bits to spare, which tell whether the
 *      error could have crossed a rounding boundary;
 *   2. 128-bit integers, for up to 19 digits and powers of ten up to 27;
 *   3. big integers (number_exact.c). */
#include "core/wire/number.h"
#include "core/wire/number_internal.h"

#include <float.h>
#include <string.h>

#define DIGITS_EXACT 19 /* significant digits that always fit in 64 bits */
#define EXPONENT_CLAMP ((int64_t)1 << 60)

/* How a float is laid out: value = significand * 2^exponent. */
struct layout {
    int significand_bits; /* with the hidden one */
    int exponent_min;     /* of the last bit, for subnormals too */
    uint64_t infinity;    /* its bit pattern */
};
static const struct layout float32 = {24, -149, 0x7F800000U};
static const struct layout float64 = {53, -1074, 0x7FF0000000000000U};

static const double power_of_ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                      1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                      1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
#define POWER_OF_TEN_MAX 22     /* 10^22 is the last that float64 holds exactly */
#define POWER_OF_FIVE_MAX 27    /* 5^27 is the last that 64 bits hold */
#define BEYOND_EXPONENT 1100    /* over any float64, and its biased form still fits in 12 bits */
#define FLOAT32_EXPONENT_MAX 19 /* under 10^19 (the digits) times 10^19 is still a float32 */

static inline bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

/* Reads the digits behind the e. Returns the position after them, or NULL when there are none. */
static const char *scan_exponent(const char *at, const char *end, int64_t *exponent)
{
    bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+')) {
        at++;
    }
    if (at == end || !is_digit(*at)) {
        return NULL;
    }
    int64_t value = 0;
    for (; at < end && is_digit(*at); at++) {
        if (value < EXPONENT_CLAMP / 16) {
            value = value * 10 + (*at - '0');
        }
    }
    *exponent = negative ? -value : value;
    return at;
}

/* More than 19 characters of digits: keeps the first 19 significant ones. */
static void keep_leading_digits(const char *at, const char *end, struct mw_number_decimal *out)
{
    size_t kept = 0;
    int64_t dropped = 0; /* digits left out before the point, or minus those kept behind it */
    bool behind_point = false;
    out->digits = 0;
    for (; at < end; at++) {
        if (*at == '.') {
            behind_point = true;
        } else if (kept == 0 && *at == '0') {
            dropped -= behind_point ? 1 : 0;
        } else if (kept < DIGITS_EXACT) {
            out->digits = out->digits * 10 + (uint64_t)(*at - '0');
            kept++;
            dropped -= behind_point ? 1 : 0;
        } else {
            out->half = out->half || (kept == DIGITS_EXACT && *at >= '5');
            out->cut = out->cut || *at != '0';
            kept = DIGITS_EXACT + 1;
            dropped += behind_point ? 0 : 1;
        }
    }
    out->exponent = out->written_exponent + dropped;
}

bool mw_number_scan(struct mw_span text, struct mw_number_decimal *out)
{
    *out = (struct mw_number_decimal){0};
    if (text.size == 0) {
        return false;
    }
    const char *at = text.data;
    const char *end = at + text.size;
    if (*at == '-') {
        out->negative = true;
        at++;
    }
    const char *first = at;
    uint64_t digits = 0;
    for (; at < end && is_digit(*at); at++) {
        digits = digits * 10 + (uint64_t)(*at - '0');
    }
    if (at == first || (*first == '0' && at - first > 1)) {
        return false;
    }
    ptrdiff_t n = at - first;
    if (at < end && *at == '.') {
        const char *point = at++;
        for (; at < end && is_digit(*at); at++) {
            digits = digits * 10 + (uint64_t)(*at - '0');
        }
        if (at == point + 1) {
            return false;
        }
        const ptrdiff_t behind_point = at - point - 1;
        out->exponent = -(int64_t)behind_point;
        n += behind_point;
    }
    const char *last = at;
    out->digits = digits;
    out->mantissa_size = (size_t)(last - text.data);
    if (at < end && (*at == 'e' || *at == 'E')) {
        at = scan_exponent(at + 1, end, &out->written_exponent);
        if (at == NULL) {
            return false;
        }
        out->exponent += out->written_exponent;
    }
    if (n > DIGITS_EXACT) {
        keep_leading_digits(first, last, out);
    }
    return at == end;
}

/* Rounds to nearest, ties to even, and packs; the sign is left out. May return infinity. */
static uint64_t pack(struct mw_number_binary b, const struct layout *layout)
{
    if (b.significand == 0) {
        return 0;
    }
    int shift = 64 - layout->significand_bits;
    int exponent = b.exponent + shift;
    if (exponent < layout->exponent_min) {
        shift += layout->exponent_min - exponent;
        exponent = layout->exponent_min;
    }
    if (shift > 64) {
        return 0; /* less than half of the smallest subnormal */
    }
    const uint64_t half = (uint64_t)1 << 63;
    const uint64_t hidden = (uint64_t)1 << (layout->significand_bits - 1);
    uint64_t kept = shift == 64 ? 0 : b.significand >> shift;
    uint64_t rest = shift == 64 ? b.significand : b.significand << (64 - shift);
    if (rest > half || (rest == half && (b.sticky || (kept & 1) != 0))) {
        kept++;
    }
    if (kept < hidden) {
        return kept;
    }
    /* A carry out of the significand runs into the exponent, where it belongs. */
    uint64_t biased = (uint64_t)(exponent - layout->exponent_min + 1);
    uint64_t bits = (biased << (layout->significand_bits - 1)) + (kept - hidden);
    return bits < layout->infinity ? bits : layout->infinity;
}

static int leading_zeros(uint64_t x)
{
    int n = 0;
    for (int step = 32; step > 0; step /= 2) {
        if (x >> (64 - step) == 0) {
            x <<= step;
            n += step;
        }
    }
    return n;
}

static uint64_t power_of_five(int64_t n)
{
    uint64_t power = 1;
    for (; n > 0; n--) {
        power *= 5;
    }
    return power;
}

/* digits * 5^n, its upper 64 bits and whether anything is below them. */
static struct mw_number_binary multiply(uint64_t digits, uint64_t five, int exponent)
{
    uint64_t a = digits >> 32;
    uint64_t b = digits & 0xFFFFFFFFU;
    uint64_t c = five >> 32;
    uint64_t d = five & 0xFFFFFFFFU;
    uint64_t middle = a * d + (b * d >> 32);
    uint64_t middle_low = (middle & 0xFFFFFFFFU) + b * c;
    uint64_t high = a * c + (middle >> 32) + (middle_low >> 32);
    uint64_t low = (middle_low << 32) | (b * d & 0xFFFFFFFFU);
    if (high == 0) {
        int zeros = leading_zeros(low);
        return (struct mw_number_binary){low << zeros, exponent - zeros, false};
    }
    int zeros = leading_zeros(high);
    uint64_t top = zeros == 0 ? high : (high << zeros) | (low >> (64 - zeros));
    return (struct mw_number_binary){top, exponent + 64 - zeros, (low << zeros) != 0};
}

/* digits / 5^n: both brought to 64 bits, then 64 steps of long division. */
static struct mw_number_binary divide(uint64_t digits, uint64_t five, int exponent)
{
    int digit_zeros = leading_zeros(digits);
    int five_zeros = leading_zeros(five);
    uint64_t divisor = five << five_zeros;
    uint64_t rest = digits << digit_zeros;
    uint64_t quotient = 0;
    bool carry = false; /* the bit of `rest` above its 64 */
    int steps = 0;
    while (quotient >> 63 == 0) {
        quotient <<= 1;
        if (carry || rest >= divisor) {
            rest -= divisor;
            quotient |= 1;
        }
        carry = rest >> 63 != 0;
        rest <<= 1;
        steps++;
    }
    return (struct mw_number_binary){quotient, exponent - digit_zeros + five_zeros - (steps - 1),
                                     carry || rest != 0};
}

/* The value to 64 bits and a sticky one. The digits are not 0. */
static struct mw_number_binary to_binary(struct mw_span text, const struct mw_number_decimal *d)
{
    const struct mw_number_binary beyond = {(uint64_t)1 << 63, BEYOND_EXPONENT, false};
    if (d->exponent > 310) {
        return beyond; /* at least one digit times 1e311 */
    }
    if (d->exponent < -350) {
        return (struct mw_number_binary){0}; /* under 20 digits times 1e-351 */
    }
    int exponent = (int)d->exponent;
    if (!d->cut && exponent >= 0 && exponent <= POWER_OF_FIVE_MAX) {
        return multiply(d->digits, power_of_five(exponent), exponent);
    }
    if (!d->cut && exponent < 0 && exponent >= -POWER_OF_FIVE_MAX) {
        return divide(d->digits, power_of_five(-exponent), exponent);
    }
    return mw_number_exact(text, d);
}

/* digits * 10^exponent in float64, for |exponent| <= POWER_OF_TEN_MAX. */
static double scale(uint64_t digits, int64_t exponent)
{
    double value = (double)digits;
    return exponent < 0 ? value / power_of_ten[-exponent] : value * power_of_ten[exponent];
}

mw_err mw_number_parse_f32(struct mw_span text, float *value)
{
    struct mw_number_decimal d;
    if (!mw_number_scan(text, &d)) {
        return MW_ERR_PARSE;
    }
    if (d.digits == 0) {
        *value = d.negative ? -0.0F : 0.0F;
        return MW_OK;
    }
#if FLT_EVAL_METHOD == 0 || FLT_EVAL_METHOD == 1
    if (d.exponent >= -POWER_OF_TEN_MAX && d.exponent <= FLOAT32_EXPONENT_MAX) {
        /* Cut digits, the conversion and the one operation together are off by less than 3 units
         * of the last place; so unless a boundary between two float32 (the 29 spare bits at their
         * middle) is within 4, rounding once more gives the same as rounding the true value. The
         * exponent's bounds keep the result among the normal float32. */
        double wide = scale(d.digits, d.exponent);
        uint64_t bits;
        memcpy(&bits, &wide, sizeof bits);
        uint64_t spare = bits & (((uint64_t)1 << 29) - 1);
        if (spare - (((uint64_t)1 << 28) - 4) > 8) {
            *value = (float)(d.negative ? -wide : wide);
            return MW_OK;
        }
    }
#endif
    uint64_t bits = pack(to_binary(text, &d), &float32);
    if (bits == float32.infinity) {
        return MW_ERR_RANGE;
    }
    uint32_t signed_bits = (uint32_t)bits | (d.negative ? 0x80000000U : 0);
    memcpy(value, &signed_bits, sizeof signed_bits);
    return MW_OK;
}

mw_err mw_number_parse_f64(struct mw_span text, double *value)
{
    struct mw_number_decimal d;
    if (!mw_number_scan(text, &d)) {
        return MW_ERR_PARSE;
    }
    if (d.digits == 0) {
        *value = d.negative ? -0.0 : 0.0;
        return MW_OK;
    }
#if FLT_EVAL_METHOD == 0 || FLT_EVAL_METHOD == 1
    if (!d.cut && d.digits <= (uint64_t)1 << 53 && d.exponent >= -POWER_OF_TEN_MAX &&
        d.exponent <= POWER_OF_TEN_MAX) {
        double exact = scale(d.digits, d.exponent);
        *value = d.negative ? -exact : exact;
        return MW_OK;
    }
#endif
    uint64_t bits = pack(to_binary(text, &d), &float64);
    if (bits == float64.infinity) {
        return MW_ERR_RANGE;
    }
    bits |= d.negative ? (uint64_t)1 << 63 : 0;
    memcpy(value, &bits, sizeof bits);
    return MW_OK;
}
