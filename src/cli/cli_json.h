#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/*
 * Json: one document at the end of a buf, RFC 8259, on one line.
 *
 *     cli_json_open(&j, '{');
 *     cli_json_key(&j, "offset");
 *     cli_json_i64(&j, 12);
 *     cli_json_close(&j, '}');
 *
 * Numbers are written with all their digits: readers that hold them in a double lose those above
 * 2^53, we do not. The error is sticky: write everything, then ask once.
 */
enum { CLI_JSON_DEPTH_MAX = 32 };

struct cli_json {
    struct buf *buf; /* borrowed */
    enum err err;
    unsigned depth;
    uint32_t some;  /* bit d: depth d has a value already */
    bool after_key; /* the value of a key comes next */
};

struct cli_json cli_json_init(struct buf *buf);

void cli_json_open(struct cli_json *j, char bracket);  /* '{' or '[' */
void cli_json_close(struct cli_json *j, char bracket); /* '}' or ']' */
void cli_json_key(struct cli_json *j, const char *name);
void cli_json_i64(struct cli_json *j, int64_t value);
void cli_json_bool(struct cli_json *j, bool value);
void cli_json_null(struct cli_json *j);

/* UTF-8; each byte that is not becomes U+FFFD. The null slice becomes null. */
void cli_json_string(struct cli_json *j, struct slice text);
void cli_json_text(struct cli_json *j, const char *text);

/* RFC 4648 with padding. */
void cli_json_base64(struct cli_json *j, struct slice bytes);

/*
 * A key and bytes of any kind: "NAME":"text" if they are UTF-8 and "NAME_base64":"..." if not, so
 * that nothing is lost. The null slice is "NAME":null.
 */
void cli_json_bytes(struct cli_json *j, const char *name, struct slice bytes);

/* All of `text` is well-formed UTF-8 (RFC 3629: no surrogates, nothing longer than needed). */
bool cli_json_is_utf8(struct slice text);

/*
 * Asserts that everything opened was closed.
 *
 *   E_TOO_BIG  past the buf's maximum
 *   E_NOMEM
 */
NODISCARD enum err cli_json_done(const struct cli_json *j);
