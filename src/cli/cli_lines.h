#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/*
 * Lines: a descriptor cut at '\n'. Every byte counts: empty lines are lines, '\r' stays, and the
 * last line may lack its '\n'. Reads only when the caller says so, so that it can wait elsewhere.
 *
 *     while (cli_lines_next(&l, &line) || (!l.ended && cli_lines_read(&l) == E_OK)) ...
 */
enum { CLI_LINE_SIZE_MAX = 128 * 1024 * 1024 };

struct cli_lines {
    int descriptor; /* borrowed */
    struct buf buf; /* bytes read; those before `pos` were given out */
    size_t pos;
    size_t looked; /* no '\n' in [pos, looked) */
    bool ended;    /* nothing more comes from the descriptor */
};

void cli_lines_init(struct cli_lines *l, int descriptor);
void cli_lines_release(struct cli_lines *l);

/* The next whole line, without '\n'; borrow until cli_lines_read(). */
bool cli_lines_next(struct cli_lines *l, struct slice *line_out);

/*
 * One read(2), which may block; then ask for lines again.
 *
 *   E_TOO_BIG  a line passes CLI_LINE_SIZE_MAX
 *   E_NOMEM
 *   E_IO       see errno
 */
NODISCARD enum err cli_lines_read(struct cli_lines *l);
