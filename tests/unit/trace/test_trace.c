#include "trace/trace.h"

#include <stdio.h>

#include "base/rng.h"
#include "unit.h"

/* What a trace wrote, and the time it is told. */
struct outside {
    char text[3 * TRACE_LINE_SIZE];
    size_t size;
    size_t lines;
    int64_t now_ms;
};

static void take(void *ctx, const char *line, size_t size)
{
    struct outside *o = ctx;

    assert_true(size > 0 && size <= TRACE_LINE_SIZE);
    assert_int_equal(line[size - 1], '\n');
    if (o->size + size >= sizeof(o->text))
        o->size = 0;
    memcpy(o->text + o->size, line, size);
    o->size += size;
    o->text[o->size] = '\0';
    o->lines++;
}

static int64_t now(void *ctx)
{
    return ((struct outside *)ctx)->now_ms;
}

static struct trace *new_trace(struct outside *o, enum trace_format format)
{
    struct trace *t;

    *o = (struct outside){.now_ms = 1769903999001};
    t = trace_new((struct trace_outside){.write = take, .wall_ms = now, .ctx = o}, format);
    assert_non_null(t);
    return t;
}

static void writes_logfmt(void **state)
{
    struct outside o;
    struct trace *t = new_trace(&o, TRACE_LOGFMT);

    trace_set_node_id(t, 1);
    trace_event(t, TRACE_INFO, TRACE_STORAGE, "segment_rolled",
                TRACE_FIELDS(trace_topic(slice_of_text("orders")), trace_partition(3),
                             trace_offset(-42), trace_error(E_IO), trace_correlation_id(7)));
    trace_event(t, TRACE_WARN, TRACE_NET, "odd",
                TRACE_FIELDS(trace_text("a", ""), trace_text("b", NULL), trace_text("c", "null"),
                             trace_text("d", "x=\"1\" \\\n\t\r\x01\x7f"),
                             trace_text("e", "gr\xc3\xbc\xc3\x9f"), trace_text("f", "\xff\xc2\x85"),
                             trace_bool("g", true), trace_bool("h", false)));
    assert_string_equal(o.text,
                        "ts=2026-01-31T23:59:59.001Z level=info node_id=1 component=storage "
                        "event=segment_rolled topic=orders partition=3 offset=-42 error=E_IO "
                        "correlation_id=7\n"
                        "ts=2026-01-31T23:59:59.001Z level=warn node_id=1 component=net event=odd "
                        "a=\"\" b=null c=\"null\" d=\"x=\\\"1\\\" \\\\\\n\\t\\r\\u0001\\u007f\" "
                        "e=\"gr\xc3\xbc\xc3\x9f\" f=\"\\ufffd\\u0085\" g=true h=false\n");
    trace_free(t);
}

static void writes_json(void **state)
{
    struct outside o;
    struct trace *t = new_trace(&o, TRACE_JSON);

    trace_event(t, TRACE_ERROR, TRACE_MAIN, "odd",
                TRACE_FIELDS(trace_text("a", NULL), trace_text("b", "\"\n"),
                             trace_i64("c", INT64_MIN), trace_bool("d", true)));
    trace_event(t, TRACE_INFO, TRACE_MAIN, "bare", TRACE_NO_FIELDS);
    assert_string_equal(o.text,
                        "{\"ts\":\"2026-01-31T23:59:59.001Z\",\"level\":\"error\","
                        "\"component\":\"main\",\"event\":\"odd\",\"a\":null,\"b\":\"\\\"\\n\","
                        "\"c\":-9223372036854775808,\"d\":true}\n"
                        "{\"ts\":\"2026-01-31T23:59:59.001Z\",\"level\":\"info\","
                        "\"component\":\"main\",\"event\":\"bare\"}\n");
    trace_free(t);
}

static void knows_the_calendar(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } CASES[] = {
        {0, "ts=1970-01-01T00:00:00.000Z"},
        {-1, "ts=1969-12-31T23:59:59.999Z"},
        {951782400000, "ts=2000-02-29T00:00:00.000Z"},
        {951868800000, "ts=2000-03-01T00:00:00.000Z"},
        {4107542400000, "ts=2100-03-01T00:00:00.000Z"},
        {1735603200000, "ts=2024-12-31T00:00:00.000Z"},
        {1735689599999, "ts=2024-12-31T23:59:59.999Z"},
        {253402300799999, "ts=9999-12-31T23:59:59.999Z"},
    };
    struct outside o;
    struct trace *t = new_trace(&o, TRACE_LOGFMT);

    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        o.size = 0;
        o.now_ms = CASES[i].ms;
        trace_event(t, TRACE_INFO, TRACE_MAIN, "x", TRACE_NO_FIELDS);
        assert_memory_equal(o.text, CASES[i].text, strlen(CASES[i].text));
    }
    /* No time is too odd to be written. */
    o.now_ms = INT64_MIN;
    trace_event(t, TRACE_INFO, TRACE_MAIN, "x", TRACE_NO_FIELDS);
    o.now_ms = INT64_MAX;
    trace_event(t, TRACE_INFO, TRACE_MAIN, "x", TRACE_NO_FIELDS);
    trace_free(t);
}

static void levels_are_per_component(void **state)
{
    struct outside o;
    struct report r = {0};
    struct trace *t = new_trace(&o, TRACE_LOGFMT);

    assert_false(trace_is_on(t, TRACE_DEBUG, TRACE_NET));
    assert_false(trace_is_on(NULL, TRACE_ERROR, TRACE_NET));
    trace_event(NULL, TRACE_ERROR, TRACE_NET, "x", TRACE_NO_FIELDS);
    assert_int_equal(trace_set_levels(t, slice_of_text(" net:debug , storage : error,"), &r), E_OK);
    assert_true(trace_is_on(t, TRACE_DEBUG, TRACE_NET));
    assert_false(trace_is_on(t, TRACE_WARN, TRACE_STORAGE));
    assert_true(trace_is_on(t, TRACE_INFO, TRACE_BROKER));
    assert_int_equal(trace_set_levels(t, slice_of_text("net:warn,nat:debug"), &r), E_INVAL);
    assert_string_equal(r.text, "nat:debug is not of the form component:level, such as net:debug");
    assert_true(trace_is_on(t, TRACE_DEBUG, TRACE_NET));
    assert_int_equal(trace_set_levels(t, slice_of_text("net:loud"), NULL), E_INVAL);
    trace_set_level(t, TRACE_ERROR);
    assert_false(trace_is_on(t, TRACE_WARN, TRACE_NET));
    trace_event(t, TRACE_WARN, TRACE_NET, "x", TRACE_NO_FIELDS);
    assert_int_equal(o.lines, 0);
    trace_free(t);
    trace_free(NULL);
}

/* Count and check what JSON demands of one line: quotes, escapes, no control characters. */
static void check_line(const struct outside *o, enum trace_format format)
{
    bool quoted = false;

    for (size_t i = 0; i + 1 < o->size; i++) {
        unsigned char c = (unsigned char)o->text[i];

        assert_true(c >= 0x20 && c != 0x7f);
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
    }
    assert_false(quoted);
    if (format == TRACE_JSON)
        assert_memory_equal(o->text + o->size - 2, "}\n", 2);
}

static void any_field_gives_one_bounded_line(void **state)
{
    struct rng rng;

    rng_init(&rng, 11);
    for (int round = 0; round < 600; round++) {
        enum trace_format format = rng_chance(&rng, 1, 2) ? TRACE_JSON : TRACE_LOGFMT;
        uint8_t bytes[3][3000];
        struct slice s[3];
        struct outside o;
        struct trace *t = new_trace(&o, format);
        bool cut;

        for (size_t i = 0; i < 3; i++) {
            bool tame = rng_chance(&rng, 1, 2);

            s[i] = slice_of(bytes[i], rng_below(&rng, sizeof(bytes[i])));
            rng_bytes(&rng, bytes[i], s[i].size);
            for (size_t j = 0; j < s[i].size && tame; j++)
                bytes[i][j] = (uint8_t)('a' + bytes[i][j] % 26);
        }
        trace_event(t, TRACE_INFO, TRACE_MAIN, "random",
                    TRACE_FIELDS(trace_slice("a", s[0]), trace_slice("b", s[1]),
                                 trace_slice("c", s[2]), trace_i64("d", 1), trace_bool("e", true)));
        assert_int_equal(o.lines, 1);
        check_line(&o, format);
        cut = strstr(o.text, format == TRACE_JSON ? ",\"cut\":true}" : " cut=true\n") != NULL;
        if (s[0].size + s[1].size + s[2].size > TRACE_LINE_SIZE)
            assert_true(cut);
        if (s[0].size + s[1].size + s[2].size < 600)
            assert_false(cut);
        trace_free(t);
    }
}

/* Whatever is left of the line, the fields after it end it correctly. */
static void every_length_around_the_limit(void **state)
{
    static char text[TRACE_LINE_SIZE];

    memset(text, 'x', sizeof(text));
    for (size_t size = 3800; size < sizeof(text); size++) {
        for (int format = TRACE_LOGFMT; format <= TRACE_JSON; format++) {
            struct outside o;
            struct trace *t = new_trace(&o, format);

            trace_event(t, TRACE_INFO, TRACE_MAIN, "x",
                        TRACE_FIELDS(trace_slice("a", slice_of(text, size)),
                                     trace_i64("b", INT64_MIN), trace_text("c", "\n\n\n"),
                                     trace_bool("d", false)));
            check_line(&o, format);
            trace_free(t);
        }
    }
}

static void limits_a_place(void **state)
{
    struct outside o;
    struct trace_limit l;
    struct trace *t = new_trace(&o, TRACE_LOGFMT);
    int passed = 0;

    trace_limit_init(&l, 3, 1000);
    for (int i = 0; i < 10; i++)
        passed += trace_limit_pass(&l, t, TRACE_WARN, TRACE_NET, "noisy");
    assert_int_equal(passed, 3);
    assert_int_equal(o.lines, 0);
    o.now_ms += 999;
    assert_false(trace_limit_pass(&l, t, TRACE_WARN, TRACE_NET, "noisy"));
    o.now_ms += 1;
    assert_true(trace_limit_pass(&l, t, TRACE_WARN, TRACE_NET, "noisy"));
    assert_non_null(strstr(o.text, "event=noisy suppressed=8\n"));
    assert_int_equal(o.lines, 1);
    trace_limit_flush(&l, t, TRACE_WARN, TRACE_NET, "noisy");
    assert_int_equal(o.lines, 1);
    for (int i = 0; i < 4; i++)
        trace_limit_pass(&l, t, TRACE_WARN, TRACE_NET, "noisy");
    trace_limit_flush(&l, t, TRACE_WARN, TRACE_NET, "noisy");
    assert_non_null(strstr(o.text, "event=noisy suppressed=2\n"));
    o.now_ms -= 5000;
    assert_true(trace_limit_pass(&l, t, TRACE_WARN, TRACE_NET, "noisy"));
    assert_false(trace_limit_pass(&l, t, TRACE_DEBUG, TRACE_NET, "quiet"));
    assert_false(trace_limit_pass(&l, NULL, TRACE_ERROR, TRACE_NET, "none"));
    trace_free(t);
}

TESTS(test_trace, cmocka_unit_test(writes_logfmt), cmocka_unit_test(writes_json),
      cmocka_unit_test(knows_the_calendar), cmocka_unit_test(levels_are_per_component),
      cmocka_unit_test(any_field_gives_one_bounded_line),
      cmocka_unit_test(every_length_around_the_limit), cmocka_unit_test(limits_a_place));
