#include "http/request.h"

#include <stdint.h>
#include <string.h>

enum { METHOD_MAX = 16 };

/* Characters. */

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* RFC 9110, 5.6.2: the characters of methods and field names. */
static bool is_token(uint8_t c)
{
    if (is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return true;
    return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool is_all(struct slice s, bool (*is)(uint8_t))
{
    for (size_t i = 0; i < s.size; i++) {
        if (!is(s.at[i]))
            return false;
    }
    return s.size > 0;
}

static bool is_visible(uint8_t c)
{
    return c > ' ' && c < 0x7f;
}

static bool is_field_char(uint8_t c)
{
    return c == '\t' || (c >= ' ' && c != 0x7f);
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static bool is_host_char(uint8_t c)
{
    return is_visible(c) && strchr("\"#,/<>?@\\^`{|}", c) == NULL;
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 'a' - 'A') : c;
}

/* `text` in lower case. */
static bool is_text(struct slice s, const char *text)
{
    if (s.size != strlen(text))
        return false;
    for (size_t i = 0; i < s.size; i++) {
        if (lower(s.at[i]) != (uint8_t)text[i])
            return false;
    }
    return true;
}

static struct slice trim(struct slice s)
{
    while (s.size > 0 && is_blank(s.at[0]))
        s = slice_of(s.at + 1, s.size - 1);
    while (s.size > 0 && is_blank(s.at[s.size - 1]))
        s.size--;
    return s;
}

/* Cut at the first `c`: before it to *before_out, after it to *s. False: there is none. */
static bool cut(struct slice *s, uint8_t c, struct slice *before_out)
{
    const uint8_t *at = s->size == 0 ? NULL : memchr(s->at, c, s->size);

    if (at == NULL)
        return false;
    *before_out = slice_of(s->at, (size_t)(at - s->at));
    *s = slice_of(at + 1, s->size - before_out->size - 1);
    return true;
}

/* The next line without its CRLF. A CR or LF that is not part of a CRLF is no line end. */
static bool take_line(struct slice *rest, struct slice *line_out)
{
    struct slice line;

    if (!cut(rest, '\n', &line) || line.size == 0 || line.at[line.size - 1] != '\r')
        return false;
    line.size--;
    *line_out = line;
    return true;
}

/* The head ends with an empty line; the size with it, or 0: not there yet. */
static size_t head_size(struct slice bytes)
{
    for (size_t i = 3; i < bytes.size; i++) {
        if (bytes.at[i] == '\n' && memcmp(bytes.at + i - 3, "\r\n\r\n", 4) == 0)
            return i + 1;
    }
    return 0;
}

/* The request line. Returns 0 or the status of the refusal, as do all below. */

static bool is_known_method(struct slice method)
{
    static const char *const KNOWN[] = {"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                        "OPTIONS", "CONNECT", "TRACE", "PATCH"};

    for (size_t i = 0; i < sizeof(KNOWN) / sizeof(KNOWN[0]); i++) {
        if (slice_equal_text(method, KNOWN[i]))
            return true;
    }
    return false;
}

static int parse_version(struct slice s, struct http_request *r)
{
    if (s.size != 8 || memcmp(s.at, "HTTP/", 5) != 0 || !is_digit(s.at[5]) || s.at[6] != '.' ||
        !is_digit(s.at[7]))
        return HTTP_BAD_REQUEST;
    if (s.at[5] != '1')
        return HTTP_VERSION_NOT_SUPPORTED;
    r->is_1_1 = s.at[7] >= '1';
    return 0;
}

/* Origin form, or absolute form (RFC 9112, 3.2.2), whose authority is skipped. */
static int parse_target(struct slice target, struct http_request *r)
{
    struct slice authority;

    if (!is_all(target, is_visible))
        return HTTP_BAD_REQUEST;
    if (target.size > 7 && is_text(slice_of(target.at, 7), "http://")) {
        const uint8_t *path;

        authority = slice_of(target.at + 7, target.size - 7);
        path = memchr(authority.at, '/', authority.size);
        if (path == NULL || path == authority.at)
            return HTTP_BAD_REQUEST;
        target = slice_of(path, (size_t)(target.at + target.size - path));
    }
    if (target.at[0] != '/' || memchr(target.at, '#', target.size) != NULL)
        return HTTP_BAD_REQUEST;
    r->query = target;
    if (!cut(&r->query, '?', &r->path)) {
        r->path = target;
        r->query = slice_of(NULL, 0);
    }
    return 0;
}

static int parse_request_line(struct slice line, struct http_request *r)
{
    struct slice target;
    int status;

    if (!cut(&line, ' ', &r->method) || !is_all(r->method, is_token) || !cut(&line, ' ', &target))
        return HTTP_BAD_REQUEST;
    status = parse_version(line, r);
    if (status != 0)
        return status;
    if (r->method.size > METHOD_MAX || !is_known_method(r->method))
        return HTTP_NOT_IMPLEMENTED;
    r->is_head = slice_equal_text(r->method, "HEAD");
    return parse_target(target, r);
}

/* Header fields. */

struct framing {
    int hosts;
    int lengths;
    bool is_encoded;
    bool is_chunked;
    bool is_closing;
    bool is_keeping;
};

/* Digits only: no sign, no list. */
static int parse_length(struct slice value, struct http_request *r)
{
    size_t size = 0;

    if (!is_all(value, is_digit))
        return HTTP_BAD_REQUEST;
    for (size_t i = 0; i < value.size; i++) {
        size = size * 10 + (size_t)(value.at[i] - '0');
        if (size > HTTP_BODY_MAX)
            return HTTP_CONTENT_TOO_LARGE;
    }
    r->body_size = size;
    return 0;
}

static void parse_connection(struct slice value, struct framing *f)
{
    struct slice option;
    bool is_more = true;

    while (is_more) {
        is_more = cut(&value, ',', &option);
        if (!is_more)
            option = value;
        option = trim(option);
        f->is_closing |= is_text(option, "close");
        f->is_keeping |= is_text(option, "keep-alive");
    }
}

static int parse_field(struct slice line, struct http_request *r, struct framing *f)
{
    struct slice name, value = line;

    if (!cut(&value, ':', &name) || !is_all(name, is_token))
        return HTTP_BAD_REQUEST; /* also a folded line, and a space before the colon */
    value = trim(value);
    if (value.size > 0 && !is_all(value, is_field_char))
        return HTTP_BAD_REQUEST;
    if (r->field_count == HTTP_FIELDS_MAX)
        return HTTP_HEAD_TOO_LARGE;
    r->fields[r->field_count++] = (struct http_field){.name = name, .value = value};

    if (is_text(name, "host")) {
        f->hosts++;
        return value.size == 0 || is_all(value, is_host_char) ? 0 : HTTP_BAD_REQUEST;
    }
    if (is_text(name, "content-length"))
        return f->lengths++ == 0 ? parse_length(value, r) : HTTP_BAD_REQUEST;
    if (is_text(name, "transfer-encoding")) {
        f->is_chunked = !f->is_encoded && is_text(value, "chunked");
        f->is_encoded = true;
    } else if (is_text(name, "connection")) {
        parse_connection(value, f);
    } else if (is_text(name, "expect")) {
        r->wants_continue = is_text(value, "100-continue");
        return r->wants_continue ? 0 : HTTP_EXPECTATION_FAILED;
    }
    return 0;
}

/* What the fields mean together. */
static int check_framing(struct http_request *r, const struct framing *f)
{
    if (f->hosts > 1 || (r->is_1_1 && f->hosts == 0))
        return HTTP_BAD_REQUEST;
    if (f->is_encoded) {
        if (f->lengths > 0 || !r->is_1_1)
            return HTTP_BAD_REQUEST;
        return f->is_chunked ? HTTP_LENGTH_REQUIRED : HTTP_NOT_IMPLEMENTED;
    }
    r->is_kept_alive = !f->is_closing && (r->is_1_1 || f->is_keeping);
    r->wants_continue = r->wants_continue && r->is_1_1 && r->body_size > 0;
    return 0;
}

static int parse_head(struct slice head, struct http_request *r)
{
    struct framing framing = {0};
    struct slice line;
    int status, refusal = 0;

    if (!take_line(&head, &line))
        return HTTP_BAD_REQUEST;
    status = parse_request_line(line, r);
    if (status != 0)
        return status;
    for (;;) {
        if (!take_line(&head, &line))
            return HTTP_BAD_REQUEST;
        if (line.size == 0)
            break;
        status = parse_field(line, r, &framing);
        if (status == HTTP_BAD_REQUEST)
            return status;
        if (refusal == 0)
            refusal = status; /* a malformed field further down counts more */
    }
    status = check_framing(r, &framing);
    return refusal != 0 && status != HTTP_BAD_REQUEST ? refusal : status;
}

enum http_parsed http_request_parse(struct slice bytes, struct http_request *request_out,
                                    size_t *size_out, enum http_status *status_out)
{
    struct slice from = bytes;
    size_t size;
    int status;

    /* RFC 9112, 2.2: one empty line before the request line is not an error. */
    if (from.size >= 2 && from.at[0] == '\r' && from.at[1] == '\n')
        from = slice_of(from.at + 2, from.size - 2);
    size = head_size(slice_of(from.at, from.size < HTTP_HEAD_MAX ? from.size : HTTP_HEAD_MAX));
    if (size == 0) {
        if (from.size < HTTP_HEAD_MAX)
            return HTTP_PARSED_MORE;
        *status_out =
            memchr(from.at, '\n', HTTP_HEAD_MAX) == NULL ? HTTP_URI_TOO_LONG : HTTP_HEAD_TOO_LARGE;
        return HTTP_PARSED_BAD;
    }
    memset(request_out, 0, offsetof(struct http_request, fields));
    status = parse_head(slice_of(from.at, size), request_out);
    if (status != 0) {
        *status_out = (enum http_status)status;
        return HTTP_PARSED_BAD;
    }
    *size_out = (size_t)(from.at - bytes.at) + size;
    return HTTP_PARSED_DONE;
}

struct slice http_request_field(const struct http_request *request, const char *name)
{
    for (size_t i = 0; i < request->field_count; i++) {
        struct slice have = request->fields[i].name;
        size_t k = 0;

        if (have.size != strlen(name))
            continue;
        while (k < have.size && lower(have.at[k]) == lower((uint8_t)name[k]))
            k++;
        if (k == have.size)
            return request->fields[i].value;
    }
    return slice_of(NULL, 0);
}
