#include "base/varint.h"

size_t varint_put(uint8_t *out, uint64_t v)
{
    size_t size = 0;

    while (v >= 0x80) {
        out[size++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    out[size++] = (uint8_t)v;
    return size;
}

size_t varint_size(uint64_t v)
{
    size_t size = 1;

    while (v >= 0x80) {
        v >>= 7;
        size++;
    }
    return size;
}
