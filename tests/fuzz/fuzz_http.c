/* Heads of HTTP requests: any bytes, and what is accepted must hold together. */
#include <stdint.h>
#include <stdlib.h>

#include "http/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds)
        abort();
}

static int is_within(struct slice part, const uint8_t *data, size_t size)
{
    return part.at >= data && part.at + part.size <= data + size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_request r, again;
    enum http_status status = 0;
    size_t head = 0, shorter = 0;
    enum http_parsed parsed = http_request_parse(slice_of(data, size), &r, &head, &status);

    if (parsed == HTTP_PARSED_BAD)
        check(status >= 400 && status <= 505);
    if (parsed != HTTP_PARSED_DONE)
        return 0;
    check(head <= size && head <= HTTP_HEAD_MAX + 2 && r.body_size <= HTTP_BODY_MAX);
    check(is_within(r.method, data, head) && is_within(r.path, data, head));
    check(r.path.size > 0 && r.path.at[0] == '/' && r.field_count <= HTTP_FIELDS_MAX);
    check(r.query.at == NULL || is_within(r.query, data, head));
    for (size_t i = 0; i < r.field_count; i++)
        check(is_within(r.fields[i].name, data, head) && r.fields[i].name.size > 0);
    /* The head alone says the same; one byte less says nothing yet. */
    check(http_request_parse(slice_of(data, head), &again, &shorter, &status) == HTTP_PARSED_DONE);
    check(shorter == head && again.body_size == r.body_size);
    check(http_request_parse(slice_of(data, head - 1), &again, &shorter, &status) ==
          HTTP_PARSED_MORE);
    return 0;
}
