#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"

enum { BLOCK_SIZE_MIN = 1024, BLOCK_SIZE_KEPT = 16 * 1024 };

struct arena_block {
    struct arena_block *next;
    size_t size; /* of bytes[] */
    alignas(max_align_t) uint8_t bytes[];
};

void arena_init(struct arena *a, size_t max)
{
    *a = (struct arena){.max = max};
}

static void blocks_free(struct arena_block *b)
{
    while (b != NULL) {
        struct arena_block *next = b->next;

        mem_free(b);
        b = next;
    }
}

void arena_release(struct arena *a)
{
    if (a == NULL)
        return;
    blocks_free(a->blocks);
    *a = (struct arena){.max = a->max};
}

void arena_clear(struct arena *a)
{
    struct arena_block *kept = NULL;
    struct arena_block **link = &a->blocks;

    for (; *link != NULL; link = &(*link)->next) {
        if ((*link)->size <= BLOCK_SIZE_KEPT) {
            kept = *link;
            *link = kept->next;
            kept->next = NULL;
            break;
        }
    }
    blocks_free(a->blocks);
    a->blocks = kept;
    a->used = 0;
    a->total = kept == NULL ? 0 : kept->size;
}

static enum err block_add(struct arena *a, size_t size)
{
    size_t wanted = a->total < BLOCK_SIZE_MIN ? BLOCK_SIZE_MIN : a->total;
    size_t left = a->max - a->total;
    struct arena_block *b;

    if (size > left)
        return E_TOO_BIG;
    if (wanted < size)
        wanted = size;
    if (wanted > left)
        wanted = left;
    b = mem_alloc(sizeof(*b) + wanted);
    if (b == NULL)
        return E_NOMEM;
    b->next = a->blocks;
    b->size = wanted;
    a->blocks = b;
    a->used = 0;
    a->total += wanted;
    return E_OK;
}

void *arena_alloc(struct arena *a, size_t size)
{
    size_t rounded = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    uint8_t *at;

    if (rounded < size)
        return NULL;
    if (a->blocks == NULL || a->blocks->size - a->used < rounded) {
        if (block_add(a, rounded) != E_OK)
            return NULL;
    }
    at = a->blocks->bytes + a->used;
    a->used += rounded;
    if (size > 0)
        memset(at, 0, size);
    return at;
}

void *arena_alloc_array(struct arena *a, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size)
        return NULL;
    return arena_alloc(a, count * size);
}

struct slice arena_copy(struct arena *a, struct slice s)
{
    uint8_t *at;

    if (s.at == NULL)
        return s;
    at = arena_alloc(a, s.size + 1);
    if (at == NULL)
        return slice_of(NULL, 0);
    if (s.size > 0)
        memcpy(at, s.at, s.size);
    at[s.size] = '\0';
    return slice_of(at, s.size);
}
