#pragma once

#include <librdkafka/rdkafka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/report.h"
#include "base/vec.h"
#include "cli/cli_args.h"

/*
 * Message: a record as librdkafka hands it out, printed the way --format and --json ask.
 */
struct cli_message_printing {
    bool is_json;
    const char *format;
    struct vec headers; /* struct cli_header, of the record at hand */
};

void cli_message_printing_init(struct cli_message_printing *p);
void cli_message_printing_release(struct cli_message_printing *p);

/* From --format and --json. E_INVAL: both, or a format that is none. */
NODISCARD enum err cli_message_printing_read(const struct cli_args *args,
                                             struct cli_message_printing *p, struct report *report);

/* Append one to `out`. E_NOMEM, E_TOO_BIG */
NODISCARD enum err cli_message_print(const rd_kafka_message_t *message,
                                     struct cli_message_printing *p, struct buf *out);
