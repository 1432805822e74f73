#include "base/report.h"

#include "unit.h"

static void builds_a_sentence(void **state)
{
    struct report r = {0};

    report_set(&r, "short %s", "read");
    report_prefix(&r, "open segment %d", 42);
    report_append(&r, " at %d", 7);
    assert_string_equal(r.text, "open segment 42: short read at 7");
    report_set(&r, "again: %s", r.text);
    assert_string_equal(r.text, "again: open segment 42: short read at 7");
    report_set(NULL, "x");
    report_append(NULL, "x");
    report_prefix(NULL, "x");
}

static void cuts_what_is_too_long(void **state)
{
    static char lots[2 * REPORT_SIZE];
    struct report r = {0};

    memset(lots, 'x', sizeof(lots) - 1);
    report_set(&r, "%s", lots);
    assert_int_equal(strlen(r.text), REPORT_SIZE - 1);
    assert_string_equal(r.text + REPORT_SIZE - 4, "...");
    report_append(&r, "y");
    assert_string_equal(r.text + REPORT_SIZE - 4, "...");
    report_prefix(&r, "start");
    assert_memory_equal(r.text, "start: xxx", 10);
    assert_int_equal(strlen(r.text), REPORT_SIZE - 1);
    /* One that fits exactly is whole. */
    lots[REPORT_SIZE - 1] = '\0';
    report_set(&r, "%s", lots);
    assert_string_equal(r.text, lots);
}

TESTS(test_report, cmocka_unit_test(builds_a_sentence), cmocka_unit_test(cuts_what_is_too_long));
