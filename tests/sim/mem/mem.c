#include "base/mem.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "mem/mem.h"

enum { FRESH = 0xa5 };

struct block {
    alignas(16) struct list_node node;
    struct sim_mem *owner;
    size_t size;
};

static _Thread_local struct sim_mem *owner;

void sim_mem_init(struct sim_mem *mem)
{
    *mem = (struct sim_mem){0};
    list_init(&mem->blocks);
}

void sim_mem_reclaim(struct sim_mem *mem)
{
    struct list_node *next;

    for (struct list_node *node = mem->blocks.next; node != &mem->blocks; node = next) {
        next = node->next;
        free(LIST_ENTRY(node, struct block, node));
    }
    list_init(&mem->blocks);
    mem->bytes = 0;
}

struct sim_mem *sim_mem_switch(struct sim_mem *mem)
{
    struct sim_mem *before = owner;

    owner = mem;
    return before;
}

struct sim_mem *sim_mem_current(void)
{
    return owner;
}

void *sim_alloc(size_t size)
{
    void *p = calloc(1, size == 0 ? 1 : size);

    if (p == NULL)
        abort();
    return p;
}

void *sim_realloc(void *old, size_t size)
{
    void *p = realloc(old, size == 0 ? 1 : size);

    if (p == NULL)
        abort();
    return p;
}

void sim_free(void *p)
{
    free(p);
}

static struct block *block_of(void *p)
{
    return (struct block *)p - 1;
}

static struct block *block_new(size_t size)
{
    struct block *block;

    if (owner != NULL && owner->fail_in > 0 && --owner->fail_in == 0)
        return NULL;
    if (size > SIZE_MAX - sizeof(*block))
        return NULL;
    block = malloc(sizeof(*block) + size);
    if (block == NULL)
        return NULL;
    *block = (struct block){.owner = owner, .size = size};
    list_init(&block->node);
    if (owner != NULL) {
        list_push_back(&owner->blocks, &block->node);
        owner->bytes += size;
        if (owner->bytes > owner->bytes_peak)
            owner->bytes_peak = owner->bytes;
    }
    return block;
}

void *mem_alloc(size_t size)
{
    struct block *block = block_new(size);

    return block == NULL ? NULL : memset(block + 1, FRESH, size);
}

void *mem_alloc_zero(size_t size)
{
    struct block *block = block_new(size);

    return block == NULL ? NULL : memset(block + 1, 0, size);
}

void *mem_realloc(void *old, size_t size)
{
    struct block *block = block_new(size);
    size_t kept = 0;

    if (block == NULL)
        return NULL;
    if (old != NULL) {
        kept = block_of(old)->size < size ? block_of(old)->size : size;
        memcpy(block + 1, old, kept);
        mem_free(old);
    }
    memset((uint8_t *)(block + 1) + kept, FRESH, size - kept);
    return block + 1;
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
    struct block *block;

    if (p == NULL)
        return;
    block = block_of(p);
    list_remove(&block->node);
    if (block->owner != NULL)
        block->owner->bytes -= block->size;
    free(block);
}
