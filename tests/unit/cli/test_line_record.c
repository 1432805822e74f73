#include "unit.h"

#include <stdio.h>

#include "cli/cli_line_record.h"
#include "record/record.h"

enum { NOW_MS = 1234 };

static enum err parse(struct cli_line_record *r, const char *line, struct record_draft *draft,
                      struct report *report)
{
    *report = (struct report){0};
    return cli_line_record_parse(r, slice_of_text(line), NOW_MS, draft, report);
}

static void a_line_is_a_record(void **state)
{
    struct cli_line_record r;
    struct record_draft d;
    struct report report;

    (void)state;
    cli_line_record_init(&r);
    assert_int_equal(
        parse(
            &r,
            "{\"offset\":9,\"timestamp\":-1,\"key_base64\":\"/wA=\",\"value\":\"a\\u0000\\u00e9\","
            "\"headers\":[{\"name\":\"n\",\"value\":null},{\"name_base64\":\"\",\"value\":\"\"}]}",
            &d, &report),
        E_OK);
    assert_int_equal(d.timestamp_ms, -1);
    assert_true(slice_equal(d.key, slice_of("\xff\0", 2)));
    assert_true(slice_equal(d.value, slice_of("a\0\xc3\xa9", 4)));
    assert_int_equal(d.header_count, 2);
    assert_true(slice_equal_text(d.headers[0].key, "n"));
    assert_null(d.headers[0].value.at);
    assert_non_null(d.headers[1].key.at);
    assert_int_equal(d.headers[1].key.size, 0);
    assert_non_null(d.headers[1].value.at);
    assert_int_equal(parse(&r, "{\"value\":null}", &d, &report), E_OK); /* nothing is left over */
    assert_int_equal(d.timestamp_ms, NOW_MS);
    assert_null(d.key.at);
    assert_null(d.value.at);
    assert_int_equal(d.header_count, 0);
    cli_line_record_release(&r);
}

/* Every length of the last group, and bytes that are moved by none of the later ones. */
static void base64_is_what_json_wrote(void **state)
{
    static const char *const TEXTS[] = {"", "AA==", "AAE=", "AAEC", "AAECAw==", "AAECAwQ="};
    struct cli_line_record r;
    struct record_draft d;
    struct report report;
    char line[256];

    (void)state;
    cli_line_record_init(&r);
    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++) {
        snprintf(line, sizeof(line), "{\"key_base64\":\"%s\",\"value_base64\":\"%s\"}", TEXTS[i],
                 TEXTS[i]);
        assert_int_equal(parse(&r, line, &d, &report), E_OK);
        assert_true(slice_equal(d.key, slice_of("\0\1\2\3\4", i)));
        assert_true(slice_equal(d.value, d.key));
        assert_non_null(d.value.at);
    }
    cli_line_record_release(&r);
}

static void what_would_be_lost_is_refused(void **state)
{
    static const struct {
        const char *line;
        const char *why;
    } wrong[] = {
        {"", "not JSON"},
        {"{} {}", "not JSON"},
        {"{\"key\":\"\xff\"}", "not JSON"},
        {"{\"key\":\"a\",\"key\":\"b\"}", "not JSON"},
        {"[]", "not an object"},
        {"{\"kez\":\"a\"}", "\"kez\" is no member"},
        {"{\"key\":\"a\",\"key_base64\":\"AA==\"}", "both"},
        {"{\"key\":5}", "neither a string nor null"},
        {"{\"value_base64\":null}", "not base64"},
        {"{\"value_base64\":\"A\"}", "not base64"},
        {"{\"value_base64\":\"AB==\"}", "not base64"},
        {"{\"value_base64\":\"A===\"}", "not base64"},
        {"{\"value_base64\":\"AA==AAAA\"}", "not base64"},
        {"{\"value_base64\":\"A-_A\"}", "not base64"},
        {"{\"timestamp\":\"1\"}", "\"timestamp\""},
        {"{\"timestamp\":-2}", "\"timestamp\""},
        {"{\"timestamp\":1.5}", "\"timestamp\""},
        {"{\"timestamp\":9223372036854775808}", "not JSON"},
        {"{\"headers\":{}}", "not an array"},
        {"{\"headers\":[1]}", "a header is an object"},
        {"{\"headers\":[{\"value\":\"x\"}]}", "without name"},
        {"{\"headers\":[{\"name\":\"n\",\"key\":\"x\"}]}", "\"key\" is no member"},
    };
    struct cli_line_record r;
    struct record_draft d = {.timestamp_ms = 77};
    struct report report;

    (void)state;
    cli_line_record_init(&r);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(parse(&r, wrong[i].line, &d, &report), E_INVAL);
        if (strstr(report.text, wrong[i].why) == NULL)
            fail_msg("%s: %s", wrong[i].line, report.text);
    }
    assert_int_equal(d.timestamp_ms, 77);
    cli_line_record_release(&r);
}

TESTS(test_line_record, cmocka_unit_test(a_line_is_a_record),
      cmocka_unit_test(base64_is_what_json_wrote), cmocka_unit_test(what_would_be_lost_is_refused));
