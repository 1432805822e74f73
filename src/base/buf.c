#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { BUF_CAPACITY_MIN = 64 };

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_release(struct buf *b)
{
    if (b == NULL)
        return;
    mem_free(b->at);
    *b = (struct buf){.max = b->max};
}

void buf_clear(struct buf *b)
{
    b->size = 0;
}

static enum err resize(struct buf *b, size_t capacity)
{
    uint8_t *at = mem_realloc(b->at, capacity);

    if (at == NULL)
        return E_NOMEM;
    b->at = at;
    b->capacity = capacity;
    return E_OK;
}

enum err buf_reserve(struct buf *b, size_t size)
{
    size_t capacity = b->capacity < BUF_CAPACITY_MIN ? BUF_CAPACITY_MIN : b->capacity;

    if (size > b->max - b->size)
        return E_TOO_BIG;
    if (size <= b->capacity - b->size)
        return E_OK;
    while (capacity - b->size < size) {
        if (capacity > b->max / 2) {
            capacity = b->max;
            break;
        }
        capacity *= 2;
    }
    return resize(b, capacity < b->max ? capacity : b->max);
}

enum err buf_append(struct buf *b, const void *bytes, size_t size)
{
    enum err e = buf_reserve(b, size);

    if (e != E_OK)
        return e;
    if (size > 0)
        memcpy(b->at + b->size, bytes, size);
    b->size += size;
    return E_OK;
}

void buf_drop(struct buf *b, size_t size)
{
    assert(size <= b->size);
    b->size -= size;
    if (b->size > 0 && size > 0)
        memmove(b->at, b->at + size, b->size);
}

void buf_shrink(struct buf *b, size_t capacity)
{
    if (capacity < b->size)
        capacity = b->size;
    if (capacity >= b->capacity)
        return;
    if (capacity == 0) {
        buf_release(b);
        return;
    }
    if (resize(b, capacity) != E_OK)
        return; /* the larger block is still good */
}

enum err buf_printf(struct buf *b, const char *format, ...)
{
    char text[512];
    va_list args;
    int size;
    enum err e;

    va_start(args, format);
    size = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (size < 0)
        return E_INVAL;
    if ((size_t)size < sizeof(text))
        return buf_append(b, text, (size_t)size);

    e = buf_reserve(b, (size_t)size + 1);
    if (e != E_OK)
        return e;
    va_start(args, format);
    vsnprintf((char *)b->at + b->size, (size_t)size + 1, format, args);
    va_end(args);
    b->size += (size_t)size;
    return E_OK;
}
