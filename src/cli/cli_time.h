#pragma once

#include <stdint.h>

#include "base/err.h"

/*
 * Times as people write them; all in UTC.
 */
enum { CLI_TIME_SIZE = 32 };

/* "2026-05-01T12:00:00.123Z"; "-" for what no record has (before 1970). */
void cli_time_print(int64_t time_ms, char text_out[CLI_TIME_SIZE]);

/*
 * Milliseconds since 1970 from one of
 *
 *     1777636800123           milliseconds since 1970
 *     2026-05-01              midnight
 *     2026-05-01T12:00        also with :SS, .mmm and a final Z
 *     -90s -10m -2h -7d       that long before `now_ms`
 *
 *   E_INVAL  none of these
 */
NODISCARD enum err cli_time_parse(const char *text, int64_t now_ms, int64_t *time_ms_out);
