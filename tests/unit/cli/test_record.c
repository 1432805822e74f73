#include "unit.h"

#include "cli/cli_record.h"

static const struct cli_header HEADERS[] = {
    {"a", {(const uint8_t *)"1", 1}},
    {"a", {NULL, 0}},
};

static struct cli_record sample(void)
{
    return (struct cli_record){
        .topic = "orders",
        .partition = 3,
        .offset = 9007199254740993,
        .timestamp_ms = 1777636800123,
        .key = slice_of_text("k\xff"),
        .value = slice_of_text("v"),
        .headers = HEADERS,
        .header_count = 2,
    };
}

static void expect(const struct cli_record *record, const char *format, struct slice text)
{
    struct buf out;

    buf_init(&out, 1 << 20);
    assert_int_equal(cli_record_format(record, format, &out), E_OK);
    assert_true(slice_equal(buf_slice(&out), text));
    buf_release(&out);
}

static void formats(void **state)
{
    struct cli_record record = sample();

    expect(&record, "", slice_of_text(""));
    expect(&record, "%t/%p@%o", slice_of_text("orders/3@9007199254740993"));
    expect(&record, "%d %D", slice_of_text("1777636800123 2026-05-01T12:00:00.123Z"));
    expect(&record, "%k:%K:%v:%V:%h", slice_of_text("k\xff:2:v:1:a=1,a="));
    expect(&record, "100%%\\n\\t\\r\\\\\\x41\\xfF", slice_of_text("100%\n\t\r\\A\xff"));
    expect(&record, "a\\0b", slice_of("a\0b", 3));
    record.key = slice_of(NULL, 0);
    record.value = slice_of_text("");
    record.header_count = 0;
    expect(&record, "[%k %K %v %V %h]", slice_of_text("[ -1  0 ]"));
}

static void bad_formats_append_nothing(void **state)
{
    static const char *const FORMATS[] = {"%q", "%", "x%", "\\", "\\q", "\\x", "\\x1", "\\xg0"};
    struct cli_record record = sample();

    for (size_t i = 0; i < sizeof(FORMATS) / sizeof(FORMATS[0]); i++) {
        struct buf out;

        buf_init(&out, 1 << 20);
        assert_int_equal(buf_append(&out, "kept", 4), E_OK);
        assert_int_equal(cli_record_format(&record, FORMATS[i], &out), E_INVAL);
        assert_int_equal(out.size, 4);
        buf_release(&out);
    }
}

static void json(void **state)
{
    static const char TEXT[] =
        "{\"topic\":\"orders\",\"partition\":3,\"offset\":9007199254740993,"
        "\"timestamp\":1777636800123,\"key_base64\":\"a/8=\",\"value\":\"v\","
        "\"headers\":[{\"name\":\"a\",\"value\":\"1\"},{\"name\":\"a\",\"value\":null}]}\n";
    struct cli_record record = sample();
    struct buf out;

    buf_init(&out, 1 << 20);
    assert_int_equal(cli_record_json(&record, &out), E_OK);
    assert_true(slice_equal_text(buf_slice(&out), TEXT));
    buf_release(&out);
    buf_init(&out, sizeof(TEXT) - 2); /* no room for the '\n' */
    assert_int_equal(cli_record_json(&record, &out), E_TOO_BIG);
    buf_release(&out);
}

TESTS(test_record, cmocka_unit_test(formats), cmocka_unit_test(bad_formats_append_nothing),
      cmocka_unit_test(json));
