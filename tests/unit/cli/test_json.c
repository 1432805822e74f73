#include "unit.h"

#include <stdio.h>

#include "cli/cli_json.h"

static void expect(struct cli_json *j, const char *text)
{
    assert_int_equal(cli_json_done(j), E_OK);
    assert_int_equal(j->buf->size, strlen(text));
    assert_memory_equal(j->buf->at, text, j->buf->size);
    buf_release(j->buf);
}

static struct cli_json begin(struct buf *buf)
{
    buf_init(buf, 1 << 20);
    return cli_json_init(buf);
}

static void nesting_and_commas(void **state)
{
    struct buf buf;
    struct cli_json j = begin(&buf);

    cli_json_open(&j, '[');
    cli_json_open(&j, '{');
    cli_json_key(&j, "a");
    cli_json_open(&j, '[');
    cli_json_close(&j, ']');
    cli_json_key(&j, "b");
    cli_json_bool(&j, true);
    cli_json_key(&j, "c");
    cli_json_null(&j);
    cli_json_close(&j, '}');
    cli_json_open(&j, '{');
    cli_json_close(&j, '}');
    cli_json_bool(&j, false);
    cli_json_close(&j, ']');
    expect(&j, "[{\"a\":[],\"b\":true,\"c\":null},{},false]");
}

static void numbers_keep_all_digits(void **state)
{
    struct buf buf;
    struct cli_json j = begin(&buf);

    cli_json_open(&j, '[');
    cli_json_i64(&j, 9007199254740993); /* 2^53 + 1 */
    cli_json_i64(&j, INT64_MAX);
    cli_json_i64(&j, INT64_MIN);
    cli_json_i64(&j, 0);
    cli_json_close(&j, ']');
    expect(&j, "[9007199254740993,9223372036854775807,-9223372036854775808,0]");
}

static void strings_are_escaped(void **state)
{
    static const char TEXT[] = "a\"b\\c\b\f\n\r\t\x01\x1f\x7f/\xc3\xa9\xf0\x9f\x98\x80\0z";
    struct buf buf;
    struct cli_json j = begin(&buf);

    cli_json_string(&j, slice_of(TEXT, sizeof(TEXT) - 1));
    expect(&j, "\"a\\\"b\\\\c\\b\\f\\n\\r\\t\\u0001\\u001f\x7f/\xc3\xa9\xf0\x9f\x98\x80\\u0000z\"");
}

static void null_and_empty_differ(void **state)
{
    struct buf buf;
    struct cli_json j = begin(&buf);

    cli_json_open(&j, '[');
    cli_json_text(&j, NULL);
    cli_json_text(&j, "");
    cli_json_close(&j, ']');
    expect(&j, "[null,\"\"]");
}

static const char *const NOT_UTF8[] = {
    "\x80",             /* continues nothing */
    "\xc3",             /* ends early */
    "\xc3(",            /* continued by an ASCII character */
    "\xc0\xaf",         /* longer than needed */
    "\xe0\x80\xaf",     /* the same */
    "\xed\xa0\x80",     /* a surrogate */
    "\xf4\x90\x80\x80", /* past U+10FFFF */
    "\xf8\x88\x80\x80", /* five bytes */
    "\xff",
};

static void utf8(void **state)
{
    assert_true(cli_json_is_utf8(slice_of_text("")));
    assert_true(cli_json_is_utf8(slice_of_text("a\xc3\xa9\xef\xbf\xbd\xf4\x8f\xbf\xbf")));
    for (size_t i = 0; i < sizeof(NOT_UTF8) / sizeof(NOT_UTF8[0]); i++)
        assert_false(cli_json_is_utf8(slice_of_text(NOT_UTF8[i])));
}

static void bad_bytes_are_replaced_one_by_one(void **state)
{
    struct buf buf;
    struct cli_json j = begin(&buf);

    cli_json_text(&j, "a\xff\xfe"
                      "b\xc3");
    expect(&j, "\"a\xef\xbf\xbd\xef\xbf\xbd"
               "b\xef\xbf\xbd\"");
}

static void base64(void **state)
{
    /* RFC 4648, section 10 */
    static const char *const CASES[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};

    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct buf buf;
        struct cli_json j = begin(&buf);
        char text[16];

        cli_json_base64(&j, slice_of_text(CASES[i][0]));
        snprintf(text, sizeof(text), "\"%s\"", CASES[i][1]);
        expect(&j, text);
    }
}

static void bytes_lose_nothing(void **state)
{
    struct buf buf;
    struct cli_json j = begin(&buf);

    cli_json_open(&j, '{');
    cli_json_bytes(&j, "a", slice_of_text("text"));
    cli_json_bytes(&j, "b", slice_of_text("\xff\xfb"));
    cli_json_bytes(&j, "c", slice_of(NULL, 0));
    cli_json_close(&j, '}');
    expect(&j, "{\"a\":\"text\",\"b_base64\":\"//s=\",\"c\":null}");
}

static void the_error_is_sticky(void **state)
{
    struct buf buf;
    struct cli_json j;

    buf_init(&buf, 4);
    j = cli_json_init(&buf);
    cli_json_open(&j, '[');
    cli_json_text(&j, "does not fit");
    cli_json_i64(&j, 1);
    cli_json_close(&j, ']');
    assert_int_equal(cli_json_done(&j), E_TOO_BIG);
    buf_release(&buf);
}

TESTS(test_json, cmocka_unit_test(nesting_and_commas), cmocka_unit_test(numbers_keep_all_digits),
      cmocka_unit_test(strings_are_escaped), cmocka_unit_test(null_and_empty_differ),
      cmocka_unit_test(utf8), cmocka_unit_test(bad_bytes_are_replaced_one_by_one),
      cmocka_unit_test(base64), cmocka_unit_test(bytes_lose_nothing),
      cmocka_unit_test(the_error_is_sticky));
