#pragma once

#include <string.h>

#include "base/slice.h"

/* Small text files, taken apart from the front. */

/* The bytes before `end`, which is dropped with them. */
static inline struct slice text_until(struct slice *text, int end)
{
    const uint8_t *at = text->size == 0 ? NULL : memchr(text->at, end, text->size);
    size_t size = at == NULL ? text->size : (size_t)(at - text->at);
    struct slice part = slice_of(text->at, size);

    if (at != NULL)
        size++;
    *text = slice_of(text->size == 0 ? text->at : text->at + size, text->size - size);
    return part;
}

static inline struct slice text_line(struct slice *text)
{
    return text_until(text, '\n');
}

static inline struct slice text_word(struct slice *line)
{
    return text_until(line, ' ');
}
