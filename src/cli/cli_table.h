#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/vec.h"

/*
 * Table: columns for people.
 *
 *     NAME    PARTITIONS  REPLICAS
 *     orders           3         1
 *
 * A column whose title starts with '>' is aligned to the right (the '>' is not shown). Widths count
 * characters, not bytes. Control characters in a cell become '?', so that data cannot drive the
 * terminal. The last column is not padded. The error is sticky.
 */
enum { CLI_TABLE_COLUMNS_MAX = 16, CLI_TABLE_TEXT_MAX = 256 * 1024 * 1024 };

struct cli_table {
    const char *const *titles; /* borrowed until release */
    size_t columns;
    struct buf text;  /* all cells, each with its NUL */
    struct vec cells; /* size_t: where each begins */
    enum err err;
};

void cli_table_init(struct cli_table *t, const char *const *titles, size_t columns);
void cli_table_release(struct cli_table *t);

/* The next cell, row by row. */
void cli_table_cell(struct cli_table *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Append the table to `out`, each line after `indent` blanks. Asserts that the last row is whole.
 *
 *   E_TOO_BIG, E_NOMEM  of this or of an earlier cell
 */
NODISCARD enum err cli_table_print(const struct cli_table *t, size_t indent, bool colour,
                                   struct buf *out);
