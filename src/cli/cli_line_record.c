#include "cli/cli_line_record.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { HEADERS_MAX = 1 << 20, NAME_SIZE = 32, NO_DIGIT = 64 };

static const char SUFFIX[] = "_base64";

void cli_line_record_init(struct cli_line_record *r)
{
    *r = (struct cli_line_record){0};
    vec_init(&r->headers, sizeof(struct record_header), HEADERS_MAX);
    buf_init(&r->bytes, INT32_MAX);
}

void cli_line_record_release(struct cli_line_record *r)
{
    json_decref(r->root);
    vec_release(&r->headers);
    buf_release(&r->bytes);
}

static uint32_t digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (uint32_t)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (uint32_t)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0') + 52;
    return c == '+' ? 62 : c == '/' ? 63 : NO_DIGIT;
}

/* RFC 4648 with padding, and nothing else. The buf has room: `out` does not move. */
static enum err decode_base64(const char *text, size_t size, struct buf *out)
{
    size_t padding = 0;

    while (padding < 2 && padding < size && text[size - padding - 1] == '=')
        padding++;
    if (size % 4 != 0)
        return E_INVAL;
    for (size_t i = 0; i < size; i += 4) {
        size_t count = i + 4 == size ? 3 - padding : 3;
        uint32_t group = 0;
        uint8_t bytes[3];
        enum err e;

        for (size_t k = 0; k < 4; k++) {
            uint32_t digit = k <= count ? digit_of(text[i + k]) : 0;

            if (digit == NO_DIGIT)
                return E_INVAL;
            group = group << 6 | digit;
        }
        bytes[0] = (uint8_t)(group >> 16);
        bytes[1] = (uint8_t)(group >> 8);
        bytes[2] = (uint8_t)group;
        if ((count < 3 && bytes[2] != 0) || (count < 2 && bytes[1] != 0))
            return E_INVAL; /* bits that would be lost */
        e = buf_append(out, bytes, count);
        if (e != E_OK)
            return e;
    }
    return E_OK;
}

/* The member `name` of `object`, or its NAME_base64. */
static enum err read_bytes(struct cli_line_record *r, json_t *object, const char *name,
                           struct slice *bytes_out, struct report *report)
{
    char base64_name[NAME_SIZE];
    json_t *text = json_object_get(object, name), *base64;
    size_t start = r->bytes.size;
    enum err e;

    snprintf(base64_name, sizeof(base64_name), "%s%s", name, SUFFIX);
    base64 = json_object_get(object, base64_name);
    *bytes_out = (struct slice){0};
    if (text != NULL && base64 != NULL) {
        report_set(report, "both \"%s\" and \"%s\"", name, base64_name);
        return E_INVAL;
    }
    if (base64 == NULL) {
        if (json_is_string(text))
            *bytes_out = slice_of(json_string_value(text), json_string_length(text));
        else if (text != NULL && !json_is_null(text))
            report_set(report, "\"%s\" is neither a string nor null", name);
        return report->text[0] == 0 ? E_OK : E_INVAL;
    }
    e = json_is_string(base64)
            ? decode_base64(json_string_value(base64), json_string_length(base64), &r->bytes)
            : E_INVAL;
    if (e == E_INVAL)
        report_set(report, "\"%s\" is not base64", base64_name);
    if (e == E_OK)
        *bytes_out = slice_of(r->bytes.at + start, r->bytes.size - start);
    return e;
}

static bool is_one_of(const char *name, const char *const *names)
{
    while (*names != NULL && strcmp(name, *names) != 0)
        names++;
    return *names != NULL;
}

static enum err check_members(json_t *object, const char *const *names, struct report *report)
{
    const char *name;
    json_t *value;

    json_object_foreach(object, name, value)
    {
        if (is_one_of(name, names))
            continue;
        report_set(report, "\"%.60s\" is no member of a record or header", name);
        return E_INVAL;
    }
    return E_OK;
}

static enum err read_header(struct cli_line_record *r, json_t *object, struct report *report)
{
    static const char *const MEMBERS[] = {"name", "name_base64", "value", "value_base64", NULL};
    struct record_header header;
    enum err e = E_INVAL;

    if (json_is_object(object))
        e = check_members(object, MEMBERS, report);
    else
        report_set(report, "a header is an object with name and value");
    if (e == E_OK)
        e = read_bytes(r, object, "name", &header.key, report);
    if (e == E_OK && header.key.at == NULL) {
        report_set(report, "a header without name");
        e = E_INVAL;
    }
    if (e == E_OK)
        e = read_bytes(r, object, "value", &header.value, report);
    return e == E_OK ? vec_push(&r->headers, &header) : e;
}

static enum err read_headers(struct cli_line_record *r, struct report *report)
{
    json_t *headers = json_object_get(r->root, "headers");
    enum err e = E_OK;

    if (headers != NULL && !json_is_null(headers) && !json_is_array(headers)) {
        report_set(report, "\"headers\" is not an array");
        return E_INVAL;
    }
    for (size_t i = 0; i < json_array_size(headers) && e == E_OK; i++)
        e = read_header(r, json_array_get(headers, i), report);
    return e;
}

static enum err read_time(struct cli_line_record *r, int64_t now_ms, int64_t *time_out,
                          struct report *report)
{
    json_t *time = json_object_get(r->root, "timestamp");

    if (time != NULL && (!json_is_integer(time) || json_integer_value(time) < -1)) {
        report_set(report, "\"timestamp\" is not a number of milliseconds since 1970");
        return E_INVAL;
    }
    *time_out = time == NULL ? now_ms : (int64_t)json_integer_value(time);
    return E_OK;
}

static enum err load(struct cli_line_record *r, struct slice line, struct report *report)
{
    static const char *const MEMBERS[] = {"key",       "key_base64", "value",  "value_base64",
                                          "headers",   "timestamp",  "offset", "topic",
                                          "partition", NULL};
    json_error_t error;

    json_decref(r->root);
    vec_clear(&r->headers);
    buf_clear(&r->bytes);
    r->root = json_loadb((const char *)line.at, line.size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL,
                         &error);
    if (r->root == NULL) {
        report_set(report, "not JSON: %s at byte %d", error.text, error.position);
        return E_INVAL;
    }
    if (!json_is_object(r->root)) {
        report_set(report, "not an object");
        return E_INVAL;
    }
    return check_members(r->root, MEMBERS, report);
}

enum err cli_line_record_parse(struct cli_line_record *r, struct slice line, int64_t now_ms,
                               struct record_draft *draft_out, struct report *report)
{
    struct record_draft draft = {0};
    enum err e = load(r, line, report);

    if (e == E_OK) /* base64 is longer than what it stands for: the bytes stay where they are */
        e = buf_reserve(&r->bytes, line.size + 1);
    if (e == E_OK)
        e = read_time(r, now_ms, &draft.timestamp_ms, report);
    if (e == E_OK)
        e = read_bytes(r, r->root, "key", &draft.key, report);
    if (e == E_OK)
        e = read_bytes(r, r->root, "value", &draft.value, report);
    if (e == E_OK)
        e = read_headers(r, report);
    if (e != E_OK)
        return e;
    draft.headers = r->headers.count > 0 ? vec_at(&r->headers, 0) : NULL;
    draft.header_count = (int32_t)r->headers.count;
    *draft_out = draft;
    return E_OK;
}
