#include "base/slice.h"

#include <string.h>

struct slice slice_of_text(const char *text)
{
    return text == NULL ? slice_of(NULL, 0) : slice_of(text, strlen(text));
}

bool slice_equal(struct slice a, struct slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

bool slice_equal_text(struct slice a, const char *text)
{
    return slice_equal(a, slice_of_text(text));
}

int slice_compare(struct slice a, struct slice b)
{
    size_t shared = a.size < b.size ? a.size : b.size;
    int order = shared == 0 ? 0 : memcmp(a.at, b.at, shared);

    if (order != 0)
        return order;
    return (a.size > b.size) - (a.size < b.size);
}

void slice_to_text(struct slice s, char *text_out, size_t size)
{
    size_t copied = s.size < size ? s.size : size - 1;

    if (size == 0)
        return;
    if (copied > 0)
        memcpy(text_out, s.at, copied);
    text_out[copied] = '\0';
}
