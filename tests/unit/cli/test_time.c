#include "unit.h"

#include "cli/cli_time.h"

static const int64_t NOW_MS = 1777636800000; /* 2026-05-01T12:00:00Z */

static void print(void **state)
{
    char text[CLI_TIME_SIZE];

    cli_time_print(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    cli_time_print(NOW_MS + 7, text);
    assert_string_equal(text, "2026-05-01T12:00:00.007Z");
    cli_time_print(-1, text);
    assert_string_equal(text, "-");
    cli_time_print(INT64_MAX, text);
    assert_string_equal(text, "-");
}

static void parse(void **state)
{
    static const struct {
        const char *text;
        int64_t time_ms;
    } CASES[] = {
        {"0", 0},
        {"1777636800123", 1777636800123},
        {"1970-01-01", 0},
        {"2026-05-01", 1777593600000},
        {"2026-05-01T12:00", 1777636800000},
        {"2026-05-01T12:00:05Z", 1777636805000},
        {"2026-05-01T12:00:05.250", 1777636805250},
        {"2024-02-29T00:00Z", 1709164800000},
        {"-90s", 1777636710000},
        {"-10m", 1777636200000},
        {"-2h", 1777629600000},
        {"-7d", 1777032000000},
    };

    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        int64_t time_ms = -1;

        assert_int_equal(cli_time_parse(CASES[i].text, NOW_MS, &time_ms), E_OK);
        assert_int_equal(time_ms, CASES[i].time_ms);
    }
}

static void refuse(void **state)
{
    static const char *const CASES[] = {
        "",
        "x",
        "-",
        "-5",
        "-m",
        "-5y",
        "-5mm",
        "+5m",
        "5m",
        "1e3",
        "2026-13-01",
        "2026-02-30",
        "2026-05-01T",
        "2026-05-01T25:00",
        "2026-05-01T12:00:05.2",
        "2026-05-01T12:00Zx",
        "99999999999999999999",
        "-99999999999d",
    };

    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        int64_t time_ms = -1;

        if (cli_time_parse(CASES[i], NOW_MS, &time_ms) != E_INVAL)
            fail_msg("'%s' is taken for %lld", CASES[i], (long long)time_ms);
        assert_int_equal(time_ms, -1);
    }
}

TESTS(test_time, cmocka_unit_test(print), cmocka_unit_test(parse), cmocka_unit_test(refuse));
