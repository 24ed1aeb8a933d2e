/* number_shortest.c - a float32 as the shortest decimal that reads back to it.
 *
 * Raffaello Giulietti, "The Schubfach way to render doubles" (2020), at the width of float32. The
 * decimals that read back to v = c * 2^q are those between its neighbours' midpoints. With 10^k the
 * largest power of ten that is not wider than that interval, some multiple of 10^k lies in it and
 * at most one of 10^(k+1): if that one does it is the shortest, else the multiple of 10^k nearest
 * to v. All comparisons are of integers: four times the value over 10^k, kept exact enough by
 * rounding to odd. */
#include "core/wire/number.h"

#include <stdbool.h>
#include <string.h>

#define SIGNIFICAND_BITS 24
#define EXPONENT_MIN (-149) /* of a significand's last bit */
#define POWER_MIN (-45)
#define DIGITS_MAX 9
#define FIXED_MIN (-4) /* decimal exponents of the first digit that are written without an e */
#define FIXED_MAX 15

/* 10^-k for k = POWER_MIN, POWER_MIN + 1, ...: the upper 64 bits, plus 1. */
static const uint64_t inverse_power[] = {
    0xB35DBF821AE4F38CU, 0x8F7E32CE7BEA5C70U, 0xE596B7B0C643C71AU, 0xB7ABC627050305AEU,
    0x92EFD1B8D0CF37BFU, 0xEB194F8E1AE525FEU, 0xBC143FA4E250EB32U, 0x96769950B50D88F5U,
    0xF0BDC21ABB48DB21U, 0xC097CE7BC90715B4U, 0x9A130B963A6C115DU, 0xF684DF56C3E01BC7U,
    0xC5371912364CE306U, 0x9DC5ADA82B70B59EU, 0xFC6F7C4045812297U, 0xC9F2C9CD04674EDFU,
    0xA18F07D736B90BE6U, 0x813F3978F8940985U, 0xCECB8F27F4200F3BU, 0xA56FA5B99019A5C9U,
    0x84595161401484A1U, 0xD3C21BCECCEDA101U, 0xA968163F0A57B401U, 0x878678326EAC9001U,
    0xD8D726B7177A8001U, 0xAD78EBC5AC620001U, 0x8AC7230489E80001U, 0xDE0B6B3A76400001U,
    0xB1A2BC2EC5000001U, 0x8E1BC9BF04000001U, 0xE35FA931A0000001U, 0xB5E620F480000001U,
    0x9184E72A00000001U, 0xE8D4A51000000001U, 0xBA43B74000000001U, 0x9502F90000000001U,
    0xEE6B280000000001U, 0xBEBC200000000001U, 0x9896800000000001U, 0xF424000000000001U,
    0xC350000000000001U, 0x9C40000000000001U, 0xFA00000000000001U, 0xC800000000000001U,
    0xA000000000000001U, 0x8000000000000001U, 0xCCCCCCCCCCCCCCCDU, 0xA3D70A3D70A3D70BU,
    0x83126E978D4FDF3CU, 0xD1B71758E219652CU, 0xA7C5AC471B478424U, 0x8637BD05AF6C69B6U,
    0xD6BF94D5E57A42BDU, 0xABCC77118461CEFDU, 0x89705F4136B4A598U, 0xDBE6FECEBDEDD5BFU,
    0xAFEBFF0BCB24AAFFU, 0x8CBCCC096F5088CCU, 0xE12E13424BB40E14U, 0xB424DC35095CD810U,
    0x901D7CF73AB0ACDAU, 0xE69594BEC44DE15CU, 0xB877AA3236A4B44AU, 0x9392EE8E921D5D08U,
    0xEC1E4A7DB69561A6U, 0xBCE5086492111AEBU, 0x971DA05074DA7BEFU, 0xF1C90080BAF72CB2U,
    0xC16D9A0095928A28U, 0x9ABE14CD44753B53U, 0xF79687AED3EEC552U, 0xC612062576589DDBU,
    0x9E74D1B791E07E49U, 0xFD87B5F28300CA0EU, 0xCAD2F7F5359A3B3FU, 0xA2425FF75E14FC32U,
    0x81CEB32C4B43FCF5U,
};

struct decimal {
    uint32_t digits;
    int exponent; /* value = digits * 10^exponent */
};

/* floor(log2(10^e)) and floor(log10(2^e)), right for |e| <= 1000. */
static int floor_log2_of_power_of_ten(int e)
{
    return (int)((e * 1741647L) >> 19);
}

static int floor_log10_of_power_of_two(int e)
{
    return (int)((e * 1262611L) >> 22);
}

/* floor(log10(3/4 * 2^e)): the interval below a power of two is half as wide as the one above. */
static int floor_log10_of_three_quarters_power_of_two(int e)
{
    return (int)((e * 1262611L - 524031L) >> 22);
}

/* power * x / 2^64, its last bit set when anything was cut off ("rounded to odd"). */
static uint32_t multiply_round_odd(uint64_t power, uint32_t x)
{
    uint64_t low = (power & 0xFFFFFFFFU) * x;
    uint64_t high = (power >> 32) * x + (low >> 32);
    /* The power is too large by up to 1, the product therefore by less than 2^32. */
    return (uint32_t)(high >> 32) | ((uint32_t)high > 1);
}

static struct decimal shortest(uint32_t significand, int exponent)
{
    bool even = (significand & 1) == 0;
    bool lower_is_nearer =
        significand == (uint32_t)1 << (SIGNIFICAND_BITS - 1) && exponent > EXPONENT_MIN;
    int k = lower_is_nearer ? floor_log10_of_three_quarters_power_of_two(exponent)
                            : floor_log10_of_power_of_two(exponent);
    int shift = exponent + floor_log2_of_power_of_ten(-k) + 1;
    uint64_t power = inverse_power[k - POWER_MIN];

    /* Four times the value and its two midpoints, in units of 10^k. */
    uint32_t below = (4 * significand - (lower_is_nearer ? 1 : 2)) << shift;
    uint32_t lower = multiply_round_odd(power, below);
    uint32_t value = multiply_round_odd(power, (4 * significand) << shift);
    uint32_t upper = multiply_round_odd(power, (4 * significand + 2) << shift);
    if (!even) { /* ties go to even, so an odd significand does not own its midpoints */
        lower++;
        upper--;
    }

    uint32_t s = value / 4;
    if (s >= 10) {
        uint32_t t = s / 10;
        bool down = lower <= 40 * t;
        bool up = 40 * t + 40 <= upper;
        if (down != up) {
            return (struct decimal){t + (up ? 1 : 0), k + 1};
        }
    }
    bool down = lower <= 4 * s;
    bool up = 4 * s + 4 <= upper;
    if (down == up) {
        uint32_t middle = 4 * s + 2;
        up = value > middle || (value == middle && (s & 1) != 0);
    }
    return (struct decimal){s + (up ? 1 : 0), k};
}

static size_t put_exponent(char *text, int exponent)
{
    size_t n = 0;
    text[n++] = 'e';
    text[n++] = exponent < 0 ? '-' : '+';
    unsigned magnitude = (unsigned)(exponent < 0 ? -exponent : exponent);
    text[n++] = (char)('0' + magnitude / 10); /* a float32's has two digits at most */
    text[n++] = (char)('0' + magnitude % 10);
    return n;
}

/* Lays out n digits whose first one stands for 10^first. */
static size_t put_decimal(char *text, const char *digits, int n, int first)
{
    size_t at = 0;
    bool fixed = first >= FIXED_MIN && first <= FIXED_MAX;
    int point = fixed ? first + 1 : 1; /* digits before the point; 0 or less: zeros behind it */
    if (point <= 0) {
        text[at++] = '0';
        text[at++] = '.';
        for (int i = point; i < 0; i++) {
            text[at++] = '0';
        }
    }
    for (int i = 0; i < n || i < point; i++) {
        if (i > 0 && i == point) {
            text[at++] = '.';
        }
        text[at++] = i < n ? digits[i] : '0';
    }
    return fixed ? at : at + put_exponent(text + at, first);
}

size_t mw_number_print_f32(char *text, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t significand = bits & ((1U << (SIGNIFICAND_BITS - 1)) - 1);
    int biased = (int)(bits >> (SIGNIFICAND_BITS - 1) & 0xFF);
    size_t n = 0;
    if (biased == 0xFF && significand != 0) {
        memcpy(text, "nan", 4);
        return 3;
    }
    if (bits >> 31 != 0) {
        text[n++] = '-';
    }
    if (biased == 0xFF) {
        memcpy(text + n, "inf", 4);
        return n + 3;
    }
    if (biased == 0 && significand == 0) {
        memcpy(text + n, "0", 2);
        return n + 1;
    }
    if (biased != 0) {
        significand |= 1U << (SIGNIFICAND_BITS - 1);
    }
    struct decimal d = shortest(significand, EXPONENT_MIN + (biased == 0 ? 0 : biased - 1));
    while (d.digits % 10 == 0) {
        d.digits /= 10;
        d.exponent++;
    }
    char digits[DIGITS_MAX + 1];
    int first = DIGITS_MAX + 1;
    for (; d.digits != 0; d.digits /= 10) {
        digits[--first] = (char)('0' + d.digits % 10);
    }
    int count = DIGITS_MAX + 1 - first;
    n += put_decimal(text + n, digits + first, count, d.exponent + count - 1);
    text[n] = '\0';
    return n;
}
