#include "base/mem.h"

#include <stdlib.h>

#include "mem.h"

/* base/mem.h with a count: linked in place of the real one, so that a leak shows at once. */
static size_t alive;

size_t crash_mem_alive(void)
{
    return alive;
}

static void *count(void *p)
{
    if (p == NULL)
        abort();
    alive++;
    return p;
}

void *mem_alloc(size_t size)
{
    return count(malloc(size == 0 ? 1 : size));
}

void *mem_alloc_zero(size_t size)
{
    return count(calloc(1, size == 0 ? 1 : size));
}

void *mem_realloc(void *old, size_t size)
{
    alive -= old != NULL;
    return count(realloc(old, size == 0 ? 1 : size));
}

void *mem_must_alloc(size_t size)
{
    return mem_alloc_zero(size);
}

void mem_free(void *p)
{
    alive -= p != NULL;
    free(p);
}
