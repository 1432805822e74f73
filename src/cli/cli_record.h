#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/*
 * Record: a consumed record on its way to the output. Everything is borrowed.
 */
struct cli_header {
    const char *name;
    struct slice value; /* null is possible */
};

struct cli_record {
    const char *topic;
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms; /* -1: none */
    struct slice key;     /* null is possible, of value too */
    struct slice value;
    const struct cli_header *headers;
    size_t header_count;
};

/*
 * Append the record as `format` says:
 *
 *     %t topic   %p partition   %o offset    %d timestamp, ms since 1970   %D the same, readable
 *     %k key     %K its size    %v value     %V its size (-1 for null)     %h headers: a=b,c=d
 *     %%  \n \t \r \0 \\ \xHH
 *
 *   E_INVAL    not a format (nothing is appended)
 *   E_TOO_BIG, E_NOMEM
 */
NODISCARD enum err cli_record_format(const struct cli_record *record, const char *format,
                                     struct buf *out);

/*
 * Append the record as one line of JSON with topic, partition, offset, timestamp (ms), key, value
 * and headers (an array, since names may repeat). Bytes that are not UTF-8: key_base64 and so on.
 *
 *   E_TOO_BIG, E_NOMEM
 */
NODISCARD enum err cli_record_json(const struct cli_record *record, struct buf *out);
