#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/report.h"
#include "base/slice.h"
#include "base/vec.h"
#include "record/builder.h"

/*
 * Line record: a record from a line of JSON, as cli_log_record_json() and `dlog consume --json`
 * write them:
 *
 *     {"timestamp": 1767225600000, "key": "k", "value_base64": "/wA=", "headers": [{"name": "n",
 *      "value": null}]}
 *
 * key, value, and name and value of headers are text, or bytes under NAME_base64, or null; left out
 * is null. Without timestamp it is `now_ms`. offset, topic and partition may be there and count for
 * nothing. Every other member is an error: it would be lost silently.
 *
 * Lifetime: init .. release; drafts are borrowed until the next parse.
 */
struct json_t;

struct cli_line_record {
    struct json_t *root;
    struct vec headers; /* of struct record_header */
    struct buf bytes;   /* what was in base64 */
};

void cli_line_record_init(struct cli_line_record *r);
void cli_line_record_release(struct cli_line_record *r);

/*
 *   E_INVAL  not such a line; the report says what is wrong
 *   E_NOMEM
 */
NODISCARD enum err cli_line_record_parse(struct cli_line_record *r, struct slice line,
                                         int64_t now_ms, struct record_draft *draft_out,
                                         struct report *report);
