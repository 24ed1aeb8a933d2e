/* number_exact.c - the exact value of a decimal, as a quotient of two big integers.
 *
 * value = digits * 5^e * 2^e. For e >= 0 that is one integer; for e < 0 it is N / 5^-e * 2^e, and
 * schoolbook long division gives 64 bits of it and whether anything is left over. */
#include "core/wire/number_internal.h"

/* A value halfway between two float64 has at most 767 significant digits, so that of more digits
 * only "is any of them not 0" counts. */
#define DIGITS_MAX 800
/* The largest: 10^800 needs 2658 bits, 5^1131 (800 digits, the first at 1e-332) 2627; one bit more
 * for the doubling within the division. */
#define WORDS_MAX 85

struct big {
    uint32_t word[WORDS_MAX]; /* little-endian */
    int n;                    /* words in use; the uppermost is not 0 */
};

/* big = big * factor + addend */
static void big_multiply_add(struct big *big, uint32_t factor, uint32_t addend)
{
    uint64_t carry = addend;
    for (int i = 0; i < big->n; i++) {
        carry += (uint64_t)big->word[i] * factor;
        big->word[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry != 0) {
        big->word[big->n++] = (uint32_t)carry;
    }
}

static void big_multiply_power_of_five(struct big *big, int power)
{
    for (; power >= 13; power -= 13) {
        big_multiply_add(big, 1220703125U, 0); /* 5^13 */
    }
    for (; power > 0; power--) {
        big_multiply_add(big, 5, 0);
    }
}

static int big_bits(const struct big *big)
{
    int bits = 32 * big->n;
    for (uint32_t top = big->word[big->n - 1]; top >> 31 == 0; top <<= 1) {
        bits--;
    }
    return bits;
}

static void big_shift_left(struct big *big, int bits)
{
    int words = bits / 32;
    int rest = bits % 32;
    if (rest != 0) {
        big_multiply_add(big, (uint32_t)1 << rest, 0);
    }
    if (words != 0) {
        for (int i = big->n - 1; i >= 0; i--) {
            big->word[i + words] = big->word[i];
        }
        for (int i = 0; i < words; i++) {
            big->word[i] = 0;
        }
        big->n += words;
    }
}

static bool big_less(const struct big *a, const struct big *b)
{
    if (a->n != b->n) {
        return a->n < b->n;
    }
    for (int i = a->n - 1; i >= 0; i--) {
        if (a->word[i] != b->word[i]) {
            return a->word[i] < b->word[i];
        }
    }
    return false;
}

/* a -= b, for a >= b */
static void big_subtract(struct big *a, const struct big *b)
{
    uint32_t borrow = 0;
    for (int i = 0; i < a->n; i++) {
        uint64_t minus = (uint64_t)(i < b->n ? b->word[i] : 0) + borrow;
        borrow = a->word[i] < minus;
        a->word[i] = (uint32_t)(a->word[i] - minus);
    }
    while (a->n > 0 && a->word[a->n - 1] == 0) {
        a->n--;
    }
}

/* The digits of the text, leading zeros left out. Sets the power of ten of the last one kept. */
static void read_digits(struct mw_span text, const struct mw_number_decimal *decimal,
                        struct big *big, int64_t *exponent, bool *sticky)
{
    int kept = 0;
    bool behind_point = false;
    big->n = 0;
    *exponent = decimal->written_exponent;
    *sticky = false;
    for (size_t i = decimal->negative ? 1 : 0; i < decimal->mantissa_size; i++) {
        char c = text.data[i];
        if (c == '.') {
            behind_point = true;
            continue;
        }
        if (kept == DIGITS_MAX) {
            *sticky = *sticky || c != '0';
            *exponent += behind_point ? 0 : 1;
            continue;
        }
        *exponent -= behind_point ? 1 : 0;
        if (kept > 0 || c != '0') {
            big_multiply_add(big, 10, (uint32_t)(c - '0'));
            kept++;
        }
    }
}

/* The upper 64 bits of an integer. */
static struct mw_number_binary top_bits(const struct big *big, int exponent, bool sticky)
{
    int bits = big_bits(big);
    uint64_t top = 0;
    for (int i = 0; i < 64; i++) {
        int bit = bits - 1 - i;
        top <<= 1;
        if (bit >= 0) {
            top |= (big->word[bit / 32] >> (bit % 32)) & 1;
        }
    }
    for (int bit = 0; bit < bits - 64 && !sticky; bit++) {
        sticky = ((big->word[bit / 32] >> (bit % 32)) & 1) != 0;
    }
    return (struct mw_number_binary){top, exponent + bits - 64, sticky};
}

struct mw_number_binary mw_number_exact(struct mw_span text,
                                        const struct mw_number_decimal *decimal)
{
    struct big numerator;
    int64_t ten;
    bool sticky;
    read_digits(text, decimal, &numerator, &ten, &sticky);
    int exponent = (int)ten;
    if (exponent >= 0) {
        big_multiply_power_of_five(&numerator, exponent);
        return top_bits(&numerator, exponent, sticky);
    }

    struct big divisor = {.word = {1}, .n = 1};
    big_multiply_power_of_five(&divisor, -exponent);
    int difference = big_bits(&numerator) - big_bits(&divisor);
    if (difference < 0) {
        big_shift_left(&numerator, -difference);
    } else {
        big_shift_left(&divisor, difference);
    }
    uint64_t quotient = 0;
    int steps = 0;
    while (quotient >> 63 == 0) {
        quotient <<= 1;
        if (!big_less(&numerator, &divisor)) {
            big_subtract(&numerator, &divisor);
            quotient |= 1;
        }
        big_multiply_add(&numerator, 2, 0);
        steps++;
    }
    return (struct mw_number_binary){quotient, exponent + difference - (steps - 1),
                                     sticky || numerator.n != 0};
}
