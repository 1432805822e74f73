#pragma once

#include "base/buf.h"

/* Append docs/configuration.md, made from the table. Errors of buf_reserve. */
NODISCARD enum err config_print_reference(struct buf *out);

/* Append one line per broker setting, for --help. Errors of buf_reserve. */
NODISCARD enum err config_print_help(struct buf *out);
