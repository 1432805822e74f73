#include "unit.h"

#include "cli/cli_table.h"

static const char *const TITLES[] = {"NAME", ">COUNT", "NOTE"};

static void expect(const struct cli_table *t, size_t indent, bool colour, const char *text)
{
    struct buf out;

    buf_init(&out, 1 << 20);
    assert_int_equal(cli_table_print(t, indent, colour, &out), E_OK);
    assert_int_equal(buf_append(&out, "", 1), E_OK);
    assert_string_equal((const char *)out.at, text);
    buf_release(&out);
}

static void columns_line_up(void **state)
{
    struct cli_table t;

    cli_table_init(&t, TITLES, 3);
    cli_table_cell(&t, "%s", "orders");
    cli_table_cell(&t, "%d", 7);
    cli_table_cell(&t, "first");
    cli_table_cell(&t, "a");
    cli_table_cell(&t, "%d", 1234567);
    cli_table_cell(&t, " ");
    expect(&t, 0, false,
           "NAME      COUNT  NOTE\n"
           "orders        7  first\n"
           "a       1234567   \n");
    cli_table_release(&t);
}

static void an_empty_table_is_its_titles(void **state)
{
    struct cli_table t;

    cli_table_init(&t, TITLES, 3);
    expect(&t, 2, false, "  NAME  COUNT  NOTE\n");
    expect(&t, 1, true, " \x1b[1mNAME  COUNT  NOTE\x1b[0m\n");
    cli_table_release(&t);
    cli_table_release(NULL);
}

static void width_is_characters(void **state)
{
    struct cli_table t;

    cli_table_init(&t, TITLES, 2);
    cli_table_cell(&t, "\xc3\xa9t\xc3\xa9s-");
    cli_table_cell(&t, "1");
    cli_table_cell(&t, "abcde");
    cli_table_cell(&t, "2");
    expect(&t, 0, false,
           "NAME   COUNT\n"
           "\xc3\xa9t\xc3\xa9s-      1\n"
           "abcde      2\n");
    cli_table_release(&t);
}

static void data_cannot_drive_the_terminal(void **state)
{
    struct cli_table t;

    cli_table_init(&t, TITLES, 1);
    cli_table_cell(&t, "a\x1b[2J\nb\x7f");
    expect(&t, 0, false, "NAME\na?[2J?b?\n");
    cli_table_release(&t);
}

TESTS(test_table, cmocka_unit_test(columns_line_up), cmocka_unit_test(an_empty_table_is_its_titles),
      cmocka_unit_test(width_is_characters), cmocka_unit_test(data_cannot_drive_the_terminal));
