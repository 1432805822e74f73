#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/report.h"
#include "base/vec.h"

/*
 * Args: options and words of a command line, read with getopt_long against tables.
 *
 * Options may stand before, between and behind the words, long ones may be shortened while that is
 * clear, and `--` ends them. Values are kept as given and borrowed from argv; the typed getters
 * check them. Not for two threads at once: getopt_long keeps its place in globals of libc.
 */
struct cli_option {
    const char *name;     /* long name without dashes; NULL ends a table */
    char letter;          /* or 0 */
    const char *argument; /* name of its value for help; NULL for a flag */
    const char *help;     /* one line */
};

enum { CLI_ARGS_MAX = 4096 }; /* options given, and words */

struct cli_args {
    struct vec given; /* struct cli_given, in order */
    struct vec words; /* char * */
    int read;         /* of argv, by the latest cli_args_read */
};

/* One option as it was given. */
struct cli_given {
    const struct cli_option *option;
    const char *value; /* NULL for a flag */
};

void cli_args_init(struct cli_args *args);
void cli_args_release(struct cli_args *args);

/*
 * Read argv[1..argc) against two tables (the second may be NULL) and add to `args`. With
 * `until_word`, stop at the first word; args->read says how many of argv were read.
 * argv is reordered, as getopt_long does. On failure `report` says what is wrong:
 *
 *   E_INVAL    unknown, ambiguous or incomplete option
 *   E_TOO_BIG  more than CLI_ARGS_MAX
 *   E_NOMEM
 */
struct cli_args_tables {
    const struct cli_option *first;
    const struct cli_option *second;
    bool until_word;
};
NODISCARD enum err cli_args_read(struct cli_args *args, struct cli_args_tables tables, int argc,
                                 char **argv, struct report *report);

int cli_args_word_count(const struct cli_args *args);
const char *cli_args_word(const struct cli_args *args, int index);

bool cli_args_has(const struct cli_args *args, const char *name);

/* The last value given for an option, or NULL. */
const char *cli_args_get(const struct cli_args *args, const char *name);

/* Value number `*at` and later of an option that may repeat; NULL when there are no more. */
const char *cli_args_next(const struct cli_args *args, const char *name, size_t *at);

/* An integer in [min, max]; `*value_out` stays as it is when the option was not given. E_INVAL. */
struct cli_range {
    int64_t min;
    int64_t max;
};
NODISCARD enum err cli_args_i64(const struct cli_args *args, const char *name,
                                struct cli_range range, int64_t *value_out, struct report *report);

/* true or false; `*value_out` stays as it is when the option was not given. E_INVAL. */
NODISCARD enum err cli_args_bool(const struct cli_args *args, const char *name, bool *value_out,
                                 struct report *report);

/*
 * "name=value" cut at the first '='; `name_out` has room for `size` bytes.
 *
 *   E_INVAL    no '=' or an empty name
 *   E_TOO_BIG  the name does not fit
 */
NODISCARD enum err cli_args_pair(const char *text, size_t size, char *name_out,
                                 const char **value_out);
