#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"
#include "base/report.h"
#include "cli/cli_args.h"

/*
 * Cli: the command line client, as a function of its arguments and streams.
 *
 * A command is data (cli_command_find): words, options, help text and a function. To add one, write
 * it into the cmd_ file of its noun and list it in cli.c; help, usage errors and abbreviations come
 * from the table.
 *
 * Results go to `out`, everything else to `err`. A closed `out` ends a command early and quietly.
 * Thread: one; librdkafka has its own behind cli_client.h.
 */
enum cli_exit { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_DAMAGED = 3 };

struct cli {
    FILE *out;         /* borrowed */
    FILE *err;         /* borrowed */
    bool out_terminal; /* results are read by a person */
    bool err_terminal;
    bool colour; /* on `out` */
    bool verbose;
    const char *broker;          /* host:port[,host:port]... */
    const struct cli_args *args; /* of this command, global options included */
};

struct cli_command {
    const char *noun;      /* "topic"; or NULL for a command of one word */
    const char *verb;      /* "create" */
    const char *arguments; /* "NAME..." */
    int words_min;         /* how many arguments */
    int words_max;
    const char *summary; /* one line */
    const char *notes;   /* more for --help, or NULL */
    const struct cli_option *options;
    int (*run)(struct cli *cli); /* returns an enum cli_exit */
};

/* The whole program. Returns an enum cli_exit. */
int cli_main(int argc, char **argv, FILE *out, FILE *err);

/* The command that `words` (up to `count`) name, and how many words that took; or NULL. */
const struct cli_command *cli_command_find(char *const *words, int count, int *taken_out);

/* All commands, in the order of the help; NULL past the end. And what every one of them takes. */
const struct cli_command *cli_command_at(size_t index);
const struct cli_option *cli_global_options(void);

/* Print "dlog: TEXT" to `err`; returns CLI_FAILED. */
int cli_fail(const struct cli *cli, const struct report *report);

/* Print "dlog: TEXT" and where to find help; returns CLI_USAGE. */
int cli_usage_error(const struct cli *cli, const struct report *report);

/* The one of the two that fits the error: usage for E_INVAL. With an empty report, the error's
 * text. */
int cli_failed(const struct cli *cli, enum err e, struct report *report);

void cli_sleep_ms(int64_t ms);

/*
 * Pass on everything written to `out`. Afterwards the command goes on or ends:
 *
 *   E_CLOSED  nobody reads any more: end quietly
 *   E_IO      other errors, described in `report`
 */
NODISCARD enum err cli_out_flush(const struct cli *cli, struct report *report);
