#include "unit.h"

#include <stdio.h>

#include "cli/cli_args.h"

enum { ARGV_MAX = 32 };

static const struct cli_option FIRST[] = {
    {"broker", 'b', "HOST", "where"},
    {"verbose", 'v', NULL, "more"},
    {NULL, 0, NULL, NULL},
};
static const struct cli_option SECOND[] = {
    {"partitions", 'p', "N", "how many"},
    {"partner", 0, "X", "for ambiguity"},
    {"config", 'c', "K=V", "settings"},
    {"flag", 0, "BOOL", "true or false"},
    {NULL, 0, NULL, NULL},
};

/* Reads blank-separated words, which the arguments borrow until the next call. */
static enum err read_text(struct cli_args *args, const char *text, bool until_word,
                          struct report *report)
{
    struct cli_args_tables tables = {FIRST, SECOND, until_word};
    static char program[] = "dlog";
    static char words[256];
    char *argv[ARGV_MAX + 1] = {program};
    char *rest = NULL;
    int argc = 1;

    snprintf(words, sizeof(words), "%s", text);
    for (char *word = strtok_r(words, " ", &rest); word != NULL && argc < ARGV_MAX;
         word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    cli_args_init(args);
    return cli_args_read(args, tables, argc, argv, report);
}

static void options_and_words_mix(void **state)
{
    struct report report = {0};
    struct cli_args args;

    assert_int_equal(
        read_text(&args, "a -p 3 b --verbose --config=x=y -cz= -b host c -- -d", false, &report),
        E_OK);
    assert_int_equal(cli_args_word_count(&args), 4);
    assert_string_equal(cli_args_word(&args, 0), "a");
    assert_string_equal(cli_args_word(&args, 3), "-d");
    assert_true(cli_args_has(&args, "verbose"));
    assert_false(cli_args_has(&args, "partner"));
    assert_null(cli_args_get(&args, "verbose"));
    assert_string_equal(cli_args_get(&args, "partitions"), "3");
    assert_string_equal(cli_args_get(&args, "broker"), "host");
    cli_args_release(&args);
}

static void repeated_options_keep_their_order(void **state)
{
    struct report report = {0};
    struct cli_args args;
    size_t at = 0;

    assert_int_equal(read_text(&args, "-c a=1 -b one -c b=2 -b two", false, &report), E_OK);
    assert_string_equal(cli_args_next(&args, "config", &at), "a=1");
    assert_string_equal(cli_args_next(&args, "config", &at), "b=2");
    assert_null(cli_args_next(&args, "config", &at));
    assert_string_equal(cli_args_get(&args, "broker"), "two");
    cli_args_release(&args);
}

static void until_word_stops_there(void **state)
{
    struct report report = {0};
    struct cli_args args;

    assert_int_equal(read_text(&args, "-v topic -p 1", true, &report), E_OK);
    assert_int_equal(args.read, 2);
    assert_int_equal(cli_args_word_count(&args), 0);
    assert_false(cli_args_has(&args, "partitions"));
    cli_args_release(&args);
}

static void bad_options_are_named(void **state)
{
    static const struct {
        const char *text;
        const char *said;
    } CASES[] = {
        {"--nope", "--nope"},
        {"-q", "-q"},
        {"--partitions", "--partitions needs a value"},
        {"-p", "--partitions needs a value"},
        {"--part 3", "--part"}, /* partitions or partner */
        {"--verbose=yes", "--verbose takes no value"},
    };

    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct report report = {0};
        struct cli_args args;

        assert_int_equal(read_text(&args, CASES[i].text, false, &report), E_INVAL);
        assert_non_null(strstr(report.text, CASES[i].said));
        assert_int_equal(args.read, 0);
        cli_args_release(&args);
    }
}

static void numbers_stay_in_range(void **state)
{
    struct cli_range range = {1, 10};
    struct report report = {0};
    struct cli_args args;
    int64_t value = 7;

    assert_int_equal(read_text(&args, "-p 10", false, &report), E_OK);
    assert_int_equal(cli_args_i64(&args, "partitions", range, &value, &report), E_OK);
    assert_int_equal(value, 10);
    assert_int_equal(cli_args_i64(&args, "partner", range, &value, &report), E_OK);
    assert_int_equal(value, 10);
    cli_args_release(&args);
    for (const char *const *text = (const char *const[]){"-p 0", "-p 11", "-p x", "-p 1x", NULL};
         *text != NULL; text++) {
        assert_int_equal(read_text(&args, *text, false, &report), E_OK);
        assert_int_equal(cli_args_i64(&args, "partitions", range, &value, &report), E_INVAL);
        assert_int_equal(value, 10);
        assert_non_null(strstr(report.text, "from 1 to 10"));
        cli_args_release(&args);
    }
}

static void booleans(void **state)
{
    struct report report = {0};
    struct cli_args args;
    bool value = true;

    assert_int_equal(read_text(&args, "--flag false", false, &report), E_OK);
    assert_int_equal(cli_args_bool(&args, "flag", &value, &report), E_OK);
    assert_false(value);
    cli_args_release(&args);
    assert_int_equal(read_text(&args, "--flag maybe", false, &report), E_OK);
    assert_int_equal(cli_args_bool(&args, "flag", &value, &report), E_INVAL);
    assert_false(value);
    cli_args_release(&args);
}

static void pairs(void **state)
{
    const char *value = NULL;
    char name[4];

    assert_int_equal(cli_args_pair("abc=d=e", sizeof(name), name, &value), E_OK);
    assert_string_equal(name, "abc");
    assert_string_equal(value, "d=e");
    assert_int_equal(cli_args_pair("a=", sizeof(name), name, &value), E_OK);
    assert_string_equal(value, "");
    assert_int_equal(cli_args_pair("a", sizeof(name), name, &value), E_INVAL);
    assert_int_equal(cli_args_pair("=a", sizeof(name), name, &value), E_INVAL);
    assert_int_equal(cli_args_pair("abcd=e", sizeof(name), name, &value), E_TOO_BIG);
}

static void too_many(void **state)
{
    struct cli_args_tables tables = {FIRST, SECOND, false};
    char **argv = calloc(CLI_ARGS_MAX + 3, sizeof(*argv));
    struct report report = {0};
    struct cli_args args;
    char word[] = "word";

    assert_non_null(argv);
    for (int i = 0; i < CLI_ARGS_MAX + 2; i++)
        argv[i] = word;
    cli_args_init(&args);
    assert_int_equal(cli_args_read(&args, tables, CLI_ARGS_MAX + 2, argv, &report), E_TOO_BIG);
    assert_int_equal(args.read, 0);
    cli_args_release(&args);
    cli_args_release(NULL);
    free(argv);
}

TESTS(test_args, cmocka_unit_test(options_and_words_mix),
      cmocka_unit_test(repeated_options_keep_their_order), cmocka_unit_test(until_word_stops_there),
      cmocka_unit_test(bad_options_are_named), cmocka_unit_test(numbers_stay_in_range),
      cmocka_unit_test(booleans), cmocka_unit_test(pairs), cmocka_unit_test(too_many));
