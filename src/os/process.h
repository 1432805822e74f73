#pragma once

#include "base/err.h"
#include "base/slice.h"

struct os;

/*
 * The process: its standard streams and the signals that end it. For main
 * programs only.
 */
enum os_stream { OS_STDOUT = 1, OS_STDERR = 2 };

/* All of `text` in one write(2) where the system allows; errors are ignored, as there is nobody to
 * tell. */
void os_print(enum os_stream stream, struct slice text);

/* Block SIGTERM and SIGINT and ignore SIGPIPE; before any thread is started. */
void os_stop_signals_block(void);

/* Sleep until the process is asked to end (SIGTERM or SIGINT). */
void os_stop_signal_wait(void);
