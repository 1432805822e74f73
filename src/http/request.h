#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

/*
 * The head of an HTTP/1.1 request (RFC 9112), strictly: where the RFC lets a
 * server choose between repairing and refusing, it refuses, because what two
 * parsers read differently is how requests are smuggled. Pure: bytes in, slices out.
 *
 * Refused: bare LF, folded lines, space before the colon, control characters,
 * a second Host or Content-Length, Content-Length with Transfer-Encoding.
 */
enum {
    HTTP_HEAD_MAX = 8192, /* request line and header fields together */
    HTTP_FIELDS_MAX = 64,
    HTTP_BODY_MAX = 64 << 10
};

enum http_status {
    HTTP_OK = 200,
    HTTP_NO_CONTENT = 204,
    HTTP_BAD_REQUEST = 400,
    HTTP_NOT_FOUND = 404,
    HTTP_METHOD_NOT_ALLOWED = 405,
    HTTP_LENGTH_REQUIRED = 411, /* our answer to chunked requests (RFC 9112, 6.3) */
    HTTP_CONTENT_TOO_LARGE = 413,
    HTTP_URI_TOO_LONG = 414,
    HTTP_EXPECTATION_FAILED = 417,
    HTTP_HEAD_TOO_LARGE = 431,
    HTTP_INTERNAL_ERROR = 500,
    HTTP_NOT_IMPLEMENTED = 501,
    HTTP_UNAVAILABLE = 503,
    HTTP_VERSION_NOT_SUPPORTED = 505
};

struct http_field {
    struct slice name; /* as it came; compare with http_request_field */
    struct slice value;
};

/* All slices borrow from the parsed bytes. */
struct http_request {
    struct slice method;
    struct slice path;  /* starts with '/'; not percent-decoded */
    struct slice query; /* after the '?'; null without one */
    struct slice body;  /* set by the server once it is there */
    bool is_head;
    bool is_1_1;
    bool is_kept_alive;
    bool wants_continue;
    size_t body_size;
    size_t field_count;
    struct http_field fields[HTTP_FIELDS_MAX];
};

enum http_parsed {
    HTTP_PARSED_DONE, /* *request_out and *size_out, the size of the head, are set */
    HTTP_PARSED_MORE, /* the head is not complete yet */
    HTTP_PARSED_BAD   /* *status_out is the answer; then close */
};

enum http_parsed http_request_parse(struct slice bytes, struct http_request *request_out,
                                    size_t *size_out, enum http_status *status_out);

/* The value of the first field called `name` (in any case); null when there is none. */
struct slice http_request_field(const struct http_request *request, const char *name);
