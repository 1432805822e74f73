#include "config/properties.h"

#include <stdio.h>

#include "base/rng.h"
#include "config/config.h"
#include "unit.h"

/* Read `text`; write each entry as "line[name]=[value]\n". */
static void check(const char *text, const char *expected)
{
    struct config_properties p = config_properties_init(slice_of_text(text));
    struct buf name, value, out;
    enum err e;

    buf_init(&name, 1000);
    buf_init(&value, 1000);
    buf_init(&out, 10000);
    while ((e = config_properties_next(&p, &name, &value)) == E_OK)
        assert_int_equal(buf_printf(&out, "%zu[%.*s]=[%.*s]\n", p.line, (int)name.size,
                                    (char *)name.at, (int)value.size, (char *)value.at),
                         E_OK);
    if (e != E_NOT_FOUND)
        assert_int_equal(buf_printf(&out, "%zu %s\n", p.line, err_name(e)), E_OK);
    assert_int_equal(buf_append(&out, "", 1), E_OK);
    assert_string_equal((char *)out.at, expected);
    buf_release(&name);
    buf_release(&value);
    buf_release(&out);
}

/* As java.util.Properties.load has it. */
static void reads_as_java_does(void **state)
{
    check("", "");
    check("a=b", "1[a]=[b]\n");
    check("a = b \n\n  c : d\r\ne f\rg", "1[a]=[b ]\n3[c]=[d]\n4[e]=[f]\n5[g]=[]\n");
    check("# x = y \\\n! z\n \t\na==b\nc=:d", "4[a]=[=b]\n5[c]=[:d]\n");
    check("fruits   apple, \\\n   pear\\\r\n\t, fig\nnext=1",
          "1[fruits]=[apple, pear, fig]\n4[next]=[1]\n");
    check("a\\=b\\:c\\ d=e", "1[a=b:c d]=[e]\n");
    check("a=\\t\\n\\r\\f\\q\\\\", "1[a]=[\t\n\r\fq\\]\n");
    check("a=\\u0041\\u00fc\\u20AC", "1[a]=[A\xc3\xbc\xe2\x82\xac]\n");
    check("a=x\\", "1[a]=[x]\n");
    check("a=x\\\\\nb=y", "1[a]=[x\\]\n2[b]=[y]\n");
    check("=v", "1[]=[v]\n");
    check("a=1\nb=\\u00g0\nc=1", "1[a]=[1]\n2 E_INVAL\n");
    check("a=\\u12", "1 E_INVAL\n");
    check("a=\\ud800", "1 E_INVAL\n");
}

static void any_bytes_come_to_an_end(void **state)
{
    static const char ALPHABET[] = "ab=: \\\n\r\tu0#!";
    struct buf name, value;
    struct rng rng;

    buf_init(&name, 200);
    buf_init(&value, 200);
    rng_init(&rng, 13);
    for (int round = 0; round < 5000; round++) {
        char text[100];
        size_t size = rng_below(&rng, sizeof(text));
        struct config_properties p;
        size_t entries = 0;

        for (size_t i = 0; i < size; i++)
            text[i] = ALPHABET[rng_below(&rng, sizeof(ALPHABET) - 1)];
        p = config_properties_init(slice_of(text, size));
        while (config_properties_next(&p, &name, &value) == E_OK)
            assert_true(++entries <= size);
    }
    buf_release(&name);
    buf_release(&value);
}

static void errors_name_file_and_line(void **state)
{
    struct config *c = config_new();
    struct report r = {0};

    assert_int_equal(config_parse_properties(
                         c, slice_of_text("# all\nlog.segment.bytes = 4096 \nshards=\\\n 65\n"),
                         "a.properties", &r),
                     E_INVAL);
    assert_string_equal(r.text,
                        "setting shards: value 65 is not in [1, 64] (from a.properties line 3)");
    assert_int_equal(config_i64(c, CONFIG_LOG_SEGMENT_BYTES), 4096);
    assert_int_equal(config_parse_properties(c, slice_of_text("\n\na=\\u1"), "b", &r), E_INVAL);
    assert_string_equal(r.text, "b line 3: broken \\u escape");
    assert_int_equal(config_parse_properties(c, slice_of(NULL, 0), "b", &r), E_OK);
    config_free(c);
}

TESTS(test_properties, cmocka_unit_test(reads_as_java_does),
      cmocka_unit_test(any_bytes_come_to_an_end), cmocka_unit_test(errors_name_file_and_line));
