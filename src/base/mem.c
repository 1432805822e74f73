#include "base/mem.h"

#include <stdlib.h>

void *mem_alloc(size_t size)
{
    return malloc(size == 0 ? 1 : size);
}

void *mem_alloc_zero(size_t size)
{
    return calloc(1, size == 0 ? 1 : size);
}

void *mem_realloc(void *old, size_t size)
{
    return realloc(old, size == 0 ? 1 : size);
}

void *mem_must_alloc(size_t size)
{
    void *p = mem_alloc_zero(size);

    if (p == NULL)
        abort();
    return p;
}

void mem_free(void *p)
{
    free(p);
}
