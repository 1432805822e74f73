#include "base/parse.h"

#include <stdio.h>

#include "base/rng.h"
#include "unit.h"

static void i64(const char *text, enum err expected, int64_t value)
{
    int64_t got = 99;

    assert_int_equal(parse_i64(slice_of_text(text), &got), expected);
    assert_true(got == (expected == E_OK ? value : 99));
}

static void f64(const char *text, enum err expected, double value)
{
    double got = 99;

    assert_int_equal(parse_f64(slice_of_text(text), &got), expected);
    assert_true(got == (expected == E_OK ? value : 99));
}

static void reads_whole_numbers(void **state)
{
    uint64_t u;

    i64("0", E_OK, 0);
    i64("-0", E_OK, 0);
    i64("+12", E_OK, 12);
    i64("0000000000000000000000000012", E_OK, 12);
    i64("9223372036854775807", E_OK, INT64_MAX);
    i64("-9223372036854775808", E_OK, INT64_MIN);
    i64("9223372036854775808", E_TOO_BIG, 0);
    i64("-9223372036854775809", E_TOO_BIG, 0);
    i64("99999999999999999999999", E_TOO_BIG, 0);
    i64("99999999999999999999999x", E_INVAL, 0);
    i64("", E_INVAL, 0);
    i64("-", E_INVAL, 0);
    i64("+-1", E_INVAL, 0);
    i64(" 1", E_INVAL, 0);
    i64("1 ", E_INVAL, 0);
    i64("0x10", E_INVAL, 0);
    i64("1.0", E_INVAL, 0);
    assert_int_equal(parse_u64(slice_of_text("18446744073709551615"), &u), E_OK);
    assert_true(u == UINT64_MAX);
    assert_int_equal(parse_u64(slice_of_text("18446744073709551616"), &u), E_TOO_BIG);
    assert_int_equal(parse_u64(slice_of_text("+1"), &u), E_INVAL);
    assert_int_equal(parse_u64(slice_of("1\0", 2), &u), E_INVAL);
    assert_int_equal(parse_u64(slice_of(NULL, 0), &u), E_INVAL);
}

static void reads_booleans(void **state)
{
    bool yes = false;

    assert_int_equal(parse_bool(slice_of_text("True"), &yes), E_OK);
    assert_true(yes);
    assert_int_equal(parse_bool(slice_of_text("FALSE"), &yes), E_OK);
    assert_false(yes);
    assert_int_equal(parse_bool(slice_of_text("yes"), &yes), E_INVAL);
    assert_int_equal(parse_bool(slice_of_text(""), &yes), E_INVAL);
    assert_int_equal(parse_bool(slice_of_text("tru"), &yes), E_INVAL);
}

static void reads_fractions(void **state)
{
    f64("0", E_OK, 0);
    f64("-0.5", E_OK, -0.5);
    f64(".5", E_OK, 0.5);
    f64("5.", E_OK, 5);
    f64("1e3", E_OK, 1000);
    f64("1E-3", E_OK, 0.001);
    f64("+0.1", E_OK, 0.1);
    f64("123456.789", E_OK, 123456.789);
    f64("0.000000000000000000000000", E_OK, 0);
    f64("1e-400", E_OK, 0);
    f64("0e99999", E_OK, 0);
    f64("1e309", E_TOO_BIG, 0);
    f64("1e99999999999999999999", E_TOO_BIG, 0);
    f64("", E_INVAL, 0);
    f64(".", E_INVAL, 0);
    f64("e5", E_INVAL, 0);
    f64("1e", E_INVAL, 0);
    f64("1e5.5", E_INVAL, 0);
    f64("1.2.3", E_INVAL, 0);
    f64("nan", E_INVAL, 0);
    f64("inf", E_INVAL, 0);
    f64("1 ", E_INVAL, 0);
}

static void agrees_with_libc(void **state)
{
    struct rng rng;

    rng_init(&rng, 9);
    for (int i = 0; i < 20000; i++) {
        int64_t n = (int64_t)(rng_next(&rng) >> rng_below(&rng, 64));
        char text[64];
        double expected;
        double got;

        snprintf(text, sizeof(text), "%lld", (long long)n);
        i64(text, E_OK, n);
        /* Up to 15 digits: exact. */
        snprintf(text, sizeof(text), "%lld.%llde%d", (long long)rng_below(&rng, 10000000),
                 (long long)rng_below(&rng, 10000000), (int)rng_between(&rng, -15, 15));
        f64(text, E_OK, strtod(text, NULL));
        /* Beyond: nearly. */
        snprintf(text, sizeof(text), "%llu.%llue%d", (unsigned long long)rng_next(&rng),
                 (unsigned long long)rng_next(&rng), (int)rng_between(&rng, -280, 280));
        expected = strtod(text, NULL);
        assert_int_equal(parse_f64(slice_of_text(text), &got), E_OK);
        assert_true(got >= expected * (1 - 1e-14) && got <= expected * (1 + 1e-14));
    }
}

TESTS(test_parse, cmocka_unit_test(reads_whole_numbers), cmocka_unit_test(reads_booleans),
      cmocka_unit_test(reads_fractions), cmocka_unit_test(agrees_with_libc));
