#include "unit.h"

#include "cli/cmd.h"
#include "run.h"

static void usage_errors(void **state)
{
    static const struct {
        const char *text;
        const char *said;
    } CASES[] = {
        {"", "usage: dlog"},
        {"topic", "topic create"},
        {"nope", "unknown command 'nope'"},
        {"topic nope", "unknown command 'topic nope'"},
        {"--nope", "--nope"},
        {"topic create", "NAME... is missing; see dlog topic create --help"},
        {"topic list extra", "unexpected argument 'extra'"},
        {"topic list --nope", "--nope; see dlog topic list --help"},
        {"topic create t --partitions 0", "--partitions 0"},
        {"topic create t --replication 40000", "--replication 40000"},
        {"topic create t --config x", "--config x"},
        {"topic list -X nonsense", "-X nonsense"},
        {"topic list -X no.such=1", "no.such"},
        {"produce", "TOPIC is missing"},
        {"produce a b", "unexpected argument 'b'"},
        {"produce t --acks 2", "--acks 2"},
        {"produce t --acks 1 --idempotent true", "needs --acks all"},
        {"produce t --idempotent perhaps", "must be true or false"},
        {"produce t --key a --key-separator b", "exclude each other"},
        {"produce t --header x", "--header x"},
        {"produce t --compression brotli", "brotli"},
        {"produce t --partition -1", "--partition -1"},
        {"produce t --timeout 0", "--timeout 0"},
        {"consume t --from never", "--from never"},
        {"consume t --from @never", "--from @never"},
        {"consume t --from -x", "--from -x"},
        {"consume t --count 0", "--count 0"},
        {"consume t --format %q", "--format %q"},
        {"consume t --format %v --json", "exclude each other"},
        {"consume t --follow --exit-at-end", "exclude each other"},
        {"consume t --group g --from 3", "must be start or end"},
        {"consume t --group g --partition 1", "exclude each other"},
        {"topic add-partitions t --count 0", "--count 0"},
        {"topic alter t", "nothing to change"},
        {"topic alter t --set x", "must be NAME=VALUE"},
        {"config describe", "is missing"},
        {"config describe planet", "has no settings"},
        {"config alter topic", "NAME is missing"},
        {"group describe", "GROUP... is missing"},
        {"group reset-offsets g", "--to PLACE is missing"},
        {"group reset-offsets g --to x", "--to x"},
        {"cluster status -b :x", "must be HOST:PORT"},
        {"probe --count -1", "--count -1"},
        {"bench produce t --size 1", "--size 1"},
        {"bench latency t --rate 0", "must be at least 1"},
        {"backup create", "DEST is missing"},
        {"completion tcsh", "none of bash"},
        {"log", "log verify"},
        {"log dump", "DIR is missing"},
        {"log dump a b", "unexpected argument 'b'"},
        {"log dump d --offset -1", "--offset -1"},
        {"log dump d --count 0", "--count 0"},
        {"log repair", "DIR is missing"},
        {"log repair d", "--from DIR is missing"},
        {"log verify", "DIR... is missing"},
    };

    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct run run = run_text(CASES[i].text);

        if (run.code != CLI_USAGE || strstr(run.err, CASES[i].said) == NULL)
            fail_msg("dlog %s: code %d, %s", CASES[i].text, run.code, run.err);
        assert_string_equal(run.out, "");
        run_release(&run);
    }
}

static void help_and_version(void **state)
{
    static const char *const TEXTS[] = {"--help",        "topic --help",        "produce --help",
                                        "-h topic list", "topic describe -h x", "consume -h",
                                        "log --help",    "log dump -h",         "log verify -h"};
    struct run run;

    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++) {
        run = run_text(TEXTS[i]);
        assert_int_equal(run.code, CLI_DONE);
        assert_non_null(strstr(run.out, "usage: dlog"));
        assert_non_null(strstr(run.out, "--broker"));
        assert_string_equal(run.err, "");
        run_release(&run);
    }
    run = run_text("--version");
    assert_int_equal(run.code, CLI_DONE);
    assert_string_equal(run.out, "dlog " DLOG_VERSION "\n");
    run_release(&run);
}

static void commands_are_found(void **state)
{
    char topic[] = "topic", list[] = "list", produce[] = "produce", more[] = "more";
    char *two[] = {topic, list, more};
    char *one[] = {produce, more};
    int taken = 0;

    assert_ptr_equal(cli_command_find(two, 3, &taken), &cli_topic_list);
    assert_int_equal(taken, 2);
    assert_ptr_equal(cli_command_find(one, 2, &taken), &cli_produce);
    assert_int_equal(taken, 1);
    assert_null(cli_command_find(two, 1, &taken));
    assert_null(cli_command_find(two + 1, 2, &taken));
    assert_null(cli_command_find(NULL, 0, &taken));
}

/* Letters must not clash inside a command, and every line must fit a terminal. */
static void tables_are_sound(void **state)
{
    const struct cli_command *command;

    for (size_t i = 0; (command = cli_command_at(i)) != NULL; i++) {
        char seen[64] = "bXvh"; /* the global ones */
        const struct cli_option *option;

        for (option = command->options; option->name != NULL; option++) {
            if (option->letter != 0)
                assert_null(strchr(seen, option->letter));
            seen[strlen(seen)] = option->letter;
            assert_true(strlen(option->help) <= 66);
        }
        assert_true(strlen(command->summary) <= 66);
        assert_non_null(command->run);
    }
}

static void nobody_there(void **state)
{
    struct run run = run_text("topic list --broker 127.0.0.1:1");

    assert_int_equal(run.code, CLI_FAILED);
    assert_string_equal(run.err, "dlog: cannot reach 127.0.0.1:1: is dlogd running? "
                                 "start it with `dlogd` or pass --broker\n");
    run_release(&run);
}

TESTS(test_cli, cmocka_unit_test(usage_errors), cmocka_unit_test(help_and_version),
      cmocka_unit_test(commands_are_found), cmocka_unit_test(tables_are_sound),
      cmocka_unit_test(nobody_there));
