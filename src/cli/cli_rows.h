#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/report.h"
#include "base/slice.h"
#include "cli/cli_json.h"
#include "cli/cli_table.h"

struct cli;

/*
 * Rows: a list as a table for people, or as an array of objects for programs with --json. One
 * description of the columns serves both.
 *
 *     static const struct cli_column COLUMNS[] = {{"NAME", "name"}, {">PARTITIONS", "partitions"}};
 *
 *     cli_rows_init(&rows, cli, COLUMNS, 2);
 *     for each: cli_rows_text(&rows, name); cli_rows_i64(&rows, count);
 *     code = cli_rows_print(&rows);            also releases
 *
 * A row begins with its first cell and ends with its last. The error is sticky.
 */
struct cli_column {
    const char *title; /* as in cli_table.h */
    const char *key;   /* of the object */
};

struct cli_rows {
    const struct cli *cli;
    const struct cli_column *columns;
    size_t count;
    size_t at; /* column of the next cell */
    bool is_json;
    struct buf text;
    struct cli_json json;
    struct cli_table table;
    const char *titles[CLI_TABLE_COLUMNS_MAX];
};

void cli_rows_init(struct cli_rows *r, const struct cli *cli, const struct cli_column *columns,
                   size_t count);

void cli_rows_slice(struct cli_rows *r, struct slice text); /* NULL: null, and "-" */
void cli_rows_text(struct cli_rows *r, const char *text);
void cli_rows_i64(struct cli_rows *r, int64_t value);
void cli_rows_ids(struct cli_rows *r, const int32_t *ids, int32_t count); /* "1,2" and [1,2] */
void cli_rows_none(struct cli_rows *r);                                   /* null, and "-" */

/* Print and release; the exit code of the command. */
int cli_rows_print(struct cli_rows *r);
void cli_rows_release(struct cli_rows *r);
