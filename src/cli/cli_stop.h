#pragma once

#include <stdbool.h>

#include "base/err.h"

/*
 * Stop: SIGINT and SIGTERM as something to ask for instead of something that happens, so that a
 * command can end in order. From cli_stop_open() on these signals no longer end the process.
 */
struct cli_stop {
    int descriptor; /* readable when a signal waits; for poll(2) */
};

/*   E_IO  the system refuses */
NODISCARD enum err cli_stop_open(struct cli_stop *stop_out);
void cli_stop_close(struct cli_stop *stop);

/* A signal came since the last question. */
bool cli_stop_is_asked(struct cli_stop *stop);
