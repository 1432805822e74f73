#include "base/parse.h"

#include <stddef.h>

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

enum err parse_u64(struct slice text, uint64_t *value_out)
{
    uint64_t value = 0;
    bool fits = true;

    if (text.size == 0)
        return E_INVAL;
    for (size_t i = 0; i < text.size; i++) {
        uint64_t digit;

        if (!is_digit(text.at[i]))
            return E_INVAL;
        digit = text.at[i] - (uint64_t)'0';
        if (value > (UINT64_MAX - digit) / 10)
            fits = false;
        value = value * 10 + digit;
    }
    if (!fits)
        return E_TOO_BIG;
    *value_out = value;
    return E_OK;
}

/* Take a sign from the front; true when it was a minus. */
static bool sign_take(struct slice *text)
{
    bool negative;

    if (text->size == 0 || (text->at[0] != '-' && text->at[0] != '+'))
        return false;
    negative = text->at[0] == '-';
    *text = slice_of(text->at + 1, text->size - 1);
    return negative;
}

enum err parse_i64(struct slice text, int64_t *value_out)
{
    bool negative = sign_take(&text);
    uint64_t limit = (uint64_t)INT64_MAX + negative;
    uint64_t value;
    enum err e = parse_u64(text, &value);

    if (e != E_OK)
        return e;
    if (value > limit)
        return E_TOO_BIG;
    *value_out = (int64_t)(negative ? -value : value);
    return E_OK;
}

static bool equal_ignoring_case(struct slice text, const char *lower)
{
    struct slice other = slice_of_text(lower);

    if (text.size != other.size)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.at[i];

        if (c >= 'A' && c <= 'Z')
            c = (uint8_t)(c - 'A' + 'a');
        if (c != other.at[i])
            return false;
    }
    return true;
}

enum err parse_bool(struct slice text, bool *value_out)
{
    bool yes = equal_ignoring_case(text, "true");

    if (!yes && !equal_ignoring_case(text, "false"))
        return E_INVAL;
    *value_out = yes;
    return E_OK;
}

/* A decimal number as digits * 10^exponent. */
struct decimal {
    uint64_t digits;
    int64_t exponent;
    bool any; /* at least one digit was there */
};

/* Digits that no longer fit change the exponent only: they are below the precision. */
static void digit_take(struct decimal *d, uint8_t c, bool fraction)
{
    d->any = true;
    if (d->digits < UINT64_MAX / 10 - 1) {
        d->digits = d->digits * 10 + (uint64_t)(c - '0');
        d->exponent -= fraction;
    } else {
        d->exponent += !fraction;
    }
}

static enum err decimal_parse(struct slice text, struct decimal *decimal_out)
{
    enum { EXPONENT_MAX = 100000 }; /* so that sums with it stay in range */
    struct decimal d = {0};
    size_t i = 0;

    for (; i < text.size && is_digit(text.at[i]); i++)
        digit_take(&d, text.at[i], false);
    if (i < text.size && text.at[i] == '.') {
        for (i++; i < text.size && is_digit(text.at[i]); i++)
            digit_take(&d, text.at[i], true);
    }
    if (!d.any)
        return E_INVAL;
    if (i < text.size && (text.at[i] == 'e' || text.at[i] == 'E')) {
        int64_t exponent = 0;
        enum err e = parse_i64(slice_of(text.at + i + 1, text.size - i - 1), &exponent);

        if (e == E_INVAL)
            return e;
        if (e == E_TOO_BIG || exponent > EXPONENT_MAX || exponent < -EXPONENT_MAX)
            return E_TOO_BIG;
        d.exponent += exponent;
        i = text.size;
    }
    if (i != text.size)
        return E_INVAL;
    *decimal_out = d;
    return E_OK;
}

/* Powers of ten that a double holds exactly. */
static const double TENS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                              1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                              1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

enum err parse_f64(struct slice text, double *value_out)
{
    bool negative = sign_take(&text);
    struct decimal d;
    double value;
    enum err e = decimal_parse(text, &d);

    if (e != E_OK)
        return e;
    value = (double)d.digits;
    while (d.exponent != 0 && value != 0) {
        int64_t step = d.exponent > 22 ? 22 : d.exponent < -22 ? -22 : d.exponent;

        value = step > 0 ? value * TENS[step] : value / TENS[-step];
        d.exponent -= step;
    }
    if (value > 1.7976931348623157e308)
        return E_TOO_BIG;
    *value_out = negative ? -value : value;
    return E_OK;
}
