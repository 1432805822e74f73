#include "base/vec.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

enum { CAPACITY_MIN = 4 };

void vec_init(struct vec *v, size_t item_size, size_t max)
{
    assert(item_size > 0);
    if (max > SIZE_MAX / item_size)
        max = SIZE_MAX / item_size;
    *v = (struct vec){.item_size = item_size, .max = max};
}

void vec_release(struct vec *v)
{
    if (v == NULL)
        return;
    mem_free(v->at);
    *v = (struct vec){.item_size = v->item_size, .max = v->max};
}

void vec_clear(struct vec *v)
{
    v->count = 0;
}

enum err vec_reserve(struct vec *v, size_t count)
{
    size_t capacity = v->capacity < CAPACITY_MIN ? CAPACITY_MIN : v->capacity;
    void *at;

    if (count > v->max - v->count)
        return E_TOO_BIG;
    if (count <= v->capacity - v->count)
        return E_OK;
    while (capacity - v->count < count && capacity <= v->max / 2)
        capacity *= 2;
    if (capacity - v->count < count || capacity > v->max)
        capacity = v->max;
    at = mem_realloc(v->at, capacity * v->item_size);
    if (at == NULL)
        return E_NOMEM;
    v->at = at;
    v->capacity = capacity;
    return E_OK;
}

enum err vec_push(struct vec *v, const void *item)
{
    enum err e = vec_reserve(v, 1);

    if (e != E_OK)
        return e;
    v->count++;
    memcpy(vec_at(v, v->count - 1), item, v->item_size);
    return E_OK;
}

void *vec_at(const struct vec *v, size_t index)
{
    assert(index < v->count);
    return (uint8_t *)v->at + index * v->item_size;
}

void vec_remove(struct vec *v, size_t index)
{
    uint8_t *at = vec_at(v, index);

    v->count--;
    memmove(at, at + v->item_size, (v->count - index) * v->item_size);
}

void vec_remove_swap(struct vec *v, size_t index)
{
    uint8_t *at = vec_at(v, index);

    if (index + 1 < v->count)
        memcpy(at, vec_at(v, v->count - 1), v->item_size);
    v->count--;
}
