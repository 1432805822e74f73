#include "cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cmd.h"

enum { HELP_COLUMN = 34, HELP_TEXT_MAX = 64 };

static const char BROKER_DEFAULT[] = "localhost:9092";

static const struct cli_command *const COMMANDS[] = {
    &cli_produce,
    &cli_consume,
    &cli_topic_create,
    &cli_topic_list,
    &cli_topic_describe,
    &cli_topic_alter,
    &cli_topic_add_partitions,
    &cli_topic_delete,
    &cli_topic_adopt,
    &cli_group_list,
    &cli_group_describe,
    &cli_group_reset_offsets,
    &cli_group_delete,
    &cli_config_describe,
    &cli_config_alter,
    &cli_cluster_status,
    &cli_cluster_brokers,
    &cli_cluster_quorum,
    &cli_cluster_elect,
    &cli_cluster_reassign,
    &cli_probe,
    &cli_bench_produce,
    &cli_bench_consume,
    &cli_bench_latency_command,
    &cli_backup_create_command,
    &cli_backup_verify_command,
    &cli_backup_restore_command,
    &cli_log_verify,
    &cli_log_dump,
    &cli_log_repair,
    &cli_log_export,
    &cli_log_import,
    &cli_log_convert,
    &cli_completion,
};
enum { COMMAND_COUNT = sizeof(COMMANDS) / sizeof(COMMANDS[0]) };

static const struct cli_option GLOBAL_OPTIONS[] = {
    {"broker", 'b', "HOST:PORT", "where the broker is (default $DLOG_BROKER or localhost:9092)"},
    {"client-property", 'X', "NAME=VALUE", "set a property of librdkafka; may repeat"},
    {"verbose", 'v', NULL, "say more on standard error"},
    {"help", 'h', NULL, "this text"},
    {"version", 0, NULL, "print the version"},
    {NULL, 0, NULL, NULL},
};

const struct cli_command *cli_command_at(size_t index)
{
    return index < COMMAND_COUNT ? COMMANDS[index] : NULL;
}

const struct cli_option *cli_global_options(void)
{
    return GLOBAL_OPTIONS;
}

int cli_fail(const struct cli *cli, const struct report *report)
{
    fprintf(cli->err, "dlog: %s\n", report->text);
    return CLI_FAILED;
}

int cli_usage_error(const struct cli *cli, const struct report *report)
{
    fprintf(cli->err, "dlog: %s\n", report->text);
    return CLI_USAGE;
}

int cli_failed(const struct cli *cli, enum err e, struct report *report)
{
    if (report->text[0] == 0)
        report_set(report, "%s", err_text(e));
    return e == E_INVAL ? cli_usage_error(cli, report) : cli_fail(cli, report);
}

void cli_sleep_ms(int64_t ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    nanosleep(&time, NULL);
}

enum err cli_out_flush(const struct cli *cli, struct report *report)
{
    if (fflush(cli->out) == 0 && !ferror(cli->out))
        return E_OK;
    if (errno == EPIPE)
        return E_CLOSED;
    report_set(report, "cannot write the output: %s", strerror(errno));
    return E_IO;
}

const struct cli_command *cli_command_find(char *const *words, int count, int *taken_out)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const struct cli_command *command = COMMANDS[i];
        int taken = command->noun != NULL ? 2 : 1;

        if (count < taken || strcmp(words[taken - 1], command->verb) != 0)
            continue;
        if (command->noun != NULL && strcmp(words[0], command->noun) != 0)
            continue;
        *taken_out = taken;
        return command;
    }
    return NULL;
}

static void help_options(FILE *to, const struct cli_option *options)
{
    for (; options->name != NULL; options++) {
        char text[HELP_TEXT_MAX];
        char letter[] = "-x, ";

        letter[1] = options->letter;
        snprintf(text, sizeof(text), "  %s--%s %s", options->letter != 0 ? letter : "    ",
                 options->name, options->argument != NULL ? options->argument : "");
        fprintf(to, "%-*s %s\n", HELP_COLUMN, text, options->help);
    }
}

static void help_command(FILE *to, const struct cli_command *command)
{
    fprintf(to, "usage: dlog %s%s%s%s%s [options]\n\n%s\n",
            command->noun != NULL ? command->noun : "", command->noun != NULL ? " " : "",
            command->verb, command->arguments[0] != 0 ? " " : "", command->arguments,
            command->summary);
    if (command->options[0].name != NULL)
        fprintf(to, "\nOptions:\n");
    help_options(to, command->options);
    fprintf(to, "\nEverywhere:\n");
    help_options(to, GLOBAL_OPTIONS);
    if (command->notes != NULL)
        fprintf(to, "\n%s", command->notes);
}

/* All commands, or those of one noun. Returns how many there were. */
static int help_commands(FILE *to, const char *noun)
{
    int count = 0;

    fprintf(to, "usage: dlog COMMAND [options]\n\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const struct cli_command *command = COMMANDS[i];
        char text[HELP_TEXT_MAX];

        if (noun != NULL && (command->noun == NULL || strcmp(command->noun, noun) != 0))
            continue;
        snprintf(text, sizeof(text), "  %s%s%s %s", command->noun != NULL ? command->noun : "",
                 command->noun != NULL ? " " : "", command->verb, command->arguments);
        fprintf(to, "%-*s %s\n", HELP_COLUMN, text, command->summary);
        count++;
    }
    fprintf(to, "\nEverywhere:\n");
    help_options(to, GLOBAL_OPTIONS);
    fprintf(to, "\n`dlog COMMAND --help` says more about one. Exit codes: 0 done, 1 failed, "
                "2 usage, 3 found damage.\n");
    return count;
}

static bool noun_exists(const char *word)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (COMMANDS[i]->noun != NULL && strcmp(COMMANDS[i]->noun, word) == 0)
            return true;
    }
    return false;
}

/* No command in `words`: help when asked for, otherwise say what is wrong. */
static int no_command(const struct cli *cli, char *const *words, int count)
{
    const char *noun = count > 0 && noun_exists(words[0]) ? words[0] : NULL;
    struct report report = {0};

    if (count > 1 && noun != NULL && words[1][0] != '-')
        report_set(&report, "unknown command '%s %s'; see dlog %s --help", noun, words[1], noun);
    else if (count > 0 && noun == NULL)
        report_set(&report, "unknown command '%s'; see dlog --help", words[0]);
    if (report.text[0] != 0)
        return cli_usage_error(cli, &report);
    help_commands(cli->err, noun);
    return CLI_USAGE;
}

static bool is_terminal(FILE *file)
{
    int descriptor = fileno(file);

    return descriptor >= 0 && isatty(descriptor);
}

static void cli_init(struct cli *cli, const struct cli_args *args, FILE *out, FILE *err)
{
    const char *no_colour = getenv("NO_COLOR"); /* https://no-color.org */

    *cli = (struct cli){.out = out, .err = err, .args = args};
    cli->out_terminal = is_terminal(out);
    cli->err_terminal = is_terminal(err);
    cli->colour = cli->out_terminal && (no_colour == NULL || no_colour[0] == 0);
}

/* What the global options say, once all of them are read. */
static void cli_settle(struct cli *cli)
{
    cli->verbose = cli_args_has(cli->args, "verbose");
    cli->broker = cli_args_get(cli->args, "broker");
    if (cli->broker == NULL)
        cli->broker = getenv("DLOG_BROKER");
    if (cli->broker == NULL || cli->broker[0] == 0)
        cli->broker = BROKER_DEFAULT;
}

/* Print --version or --help if asked for. */
static bool answer_global(const struct cli *cli, const struct cli_command *command,
                          const char *noun)
{
    if (cli_args_has(cli->args, "version"))
        fprintf(cli->out, "dlog %s\n", DLOG_VERSION);
    else if (!cli_args_has(cli->args, "help"))
        return false;
    else if (command != NULL)
        help_command(cli->out, command);
    else
        help_commands(cli->out, noun);
    return true;
}

static int command_run(struct cli *cli, const struct cli_command *command)
{
    int words = cli_args_word_count(cli->args);
    struct report report = {0};
    enum err e;
    int code;

    if (words < command->words_min)
        report_set(&report, "%s is missing", command->arguments);
    else if (words > command->words_max)
        report_set(&report, "unexpected argument '%s'",
                   cli_args_word(cli->args, command->words_max));
    if (report.text[0] != 0) {
        report_append(&report, "; see dlog %s%s%s --help",
                      command->noun != NULL ? command->noun : "", command->noun != NULL ? " " : "",
                      command->verb);
        return cli_usage_error(cli, &report);
    }
    code = command->run(cli);
    e = cli_out_flush(cli, &report);
    return e == E_IO && code == CLI_DONE ? cli_fail(cli, &report) : code;
}

/* `argv` holds the words of the command and what follows them; args has the options before. */
static int cli_run(struct cli *cli, struct cli_args *args, int argc, char **argv)
{
    struct cli_args_tables tables = {.first = GLOBAL_OPTIONS};
    const struct cli_command *command;
    struct report report = {0};
    int taken;

    command = cli_command_find(argv, argc, &taken);
    if (command == NULL) { /* dlog topic --help */
        bool is_noun = argc > 0 && noun_exists(argv[0]);

        if (is_noun && cli_args_read(args, tables, argc, argv, &report) != E_OK)
            return cli_usage_error(cli, &report);
        if ((argc == 0 || (is_noun && cli_args_word_count(args) == 0)) &&
            answer_global(cli, NULL, is_noun ? argv[0] : NULL))
            return CLI_DONE;
        return no_command(cli, argv, argc);
    }
    tables.second = command->options;
    if (cli_args_read(args, tables, argc - taken + 1, argv + taken - 1, &report) != E_OK) {
        report_append(&report, "; see dlog %s%s%s --help",
                      command->noun != NULL ? command->noun : "", command->noun != NULL ? " " : "",
                      command->verb);
        return cli_usage_error(cli, &report);
    }
    if (answer_global(cli, command, NULL))
        return CLI_DONE;
    cli_settle(cli);
    return command_run(cli, command);
}

int cli_main(int argc, char **argv, FILE *out, FILE *err)
{
    struct cli_args_tables tables = {.first = GLOBAL_OPTIONS, .until_word = true};
    struct report report = {0};
    struct cli_args args;
    struct cli cli;
    int code = CLI_USAGE;

    signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of write */
    cli_args_init(&args);
    cli_init(&cli, &args, out, err);
    if (cli_args_read(&args, tables, argc, argv, &report) != E_OK) {
        report_append(&report, "; see dlog --help");
        cli_usage_error(&cli, &report);
    } else {
        code = cli_run(&cli, &args, argc - args.read, argv + args.read);
    }
    cli_args_release(&args);
    return code;
}
