#include "base/map.h"

#include <assert.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

enum { CAPACITY_MIN = 8 };

/* The capacity needed for one entry more; 0 when the present one does. */
static size_t capacity_wanted(size_t count, size_t capacity)
{
    if (count + 1 <= capacity - capacity / 4)
        return 0;
    return capacity == 0 ? CAPACITY_MIN : capacity * 2;
}

/*
 * A walk goes downwards from an empty slot. Entries that a removal moves then come
 * from slots already visited, so that nothing is missed and nothing is seen twice.
 */
static bool iter_step(struct map_iter *it, size_t capacity)
{
    if (it->left == 0)
        return false;
    it->left--;
    it->at = (it->at - 1) & (capacity - 1);
    return true;
}

/* Does an entry whose own slot is `home` have to stay behind `hole`, seen from `at`? */
static bool must_stay(size_t home, size_t hole, size_t at, size_t mask)
{
    return ((at - home) & mask) < ((at - hole) & mask);
}

/* ---- numbers ---- */

void map_u64_init(struct map_u64 *m, uint64_t seed)
{
    *m = (struct map_u64){.seed = seed};
}

void map_u64_clear(struct map_u64 *m)
{
    mem_free(m->slots);
    map_u64_init(m, m->seed);
}

void map_u64_release(struct map_u64 *m)
{
    if (m != NULL)
        map_u64_clear(m);
}

/* Where `key` is, or the empty slot where it would go. */
static size_t u64_locate(const struct map_u64 *m, uint64_t key)
{
    size_t mask = m->capacity - 1;
    size_t at = hash_u64(key, m->seed) & mask;

    while (m->slots[at].value != NULL && m->slots[at].key != key)
        at = (at + 1) & mask;
    return at;
}

void *map_u64_find(const struct map_u64 *m, uint64_t key)
{
    return m->count == 0 ? NULL : m->slots[u64_locate(m, key)].value;
}

static enum err u64_grow(struct map_u64 *m, size_t capacity)
{
    struct map_u64 larger = *m;

    if (capacity > SIZE_MAX / sizeof(*m->slots))
        return E_NOMEM;
    larger.slots = mem_alloc_zero(capacity * sizeof(*m->slots));
    if (larger.slots == NULL)
        return E_NOMEM;
    larger.capacity = capacity;
    for (size_t i = 0; i < m->capacity; i++) {
        if (m->slots[i].value != NULL)
            larger.slots[u64_locate(&larger, m->slots[i].key)] = m->slots[i];
    }
    mem_free(m->slots);
    *m = larger;
    return E_OK;
}

enum err map_u64_put(struct map_u64 *m, uint64_t key, void *value)
{
    size_t at;
    size_t wanted;

    assert(value != NULL);
    if (m->capacity > 0) {
        at = u64_locate(m, key);
        if (m->slots[at].value != NULL) {
            m->slots[at].value = value;
            return E_OK;
        }
    }
    wanted = capacity_wanted(m->count, m->capacity);
    if (wanted > 0 && u64_grow(m, wanted) != E_OK)
        return E_NOMEM;
    m->slots[u64_locate(m, key)] = (struct map_u64_slot){.key = key, .value = value};
    m->count++;
    return E_OK;
}

void *map_u64_remove(struct map_u64 *m, uint64_t key)
{
    size_t mask = m->capacity - 1;
    size_t hole;
    void *value;

    if (m->count == 0)
        return NULL;
    hole = u64_locate(m, key);
    value = m->slots[hole].value;
    if (value == NULL)
        return NULL;
    for (size_t at = (hole + 1) & mask; m->slots[at].value != NULL; at = (at + 1) & mask) {
        size_t home = hash_u64(m->slots[at].key, m->seed) & mask;

        if (must_stay(home, hole, at, mask))
            continue;
        m->slots[hole] = m->slots[at];
        hole = at;
    }
    m->slots[hole] = (struct map_u64_slot){0};
    m->count--;
    return value;
}

void *map_u64_next(const struct map_u64 *m, struct map_iter *it, uint64_t *key_out)
{
    if (!it->started) {
        *it = (struct map_iter){.left = m->capacity, .started = true};
        while (m->capacity > 0 && m->slots[it->at].value != NULL)
            it->at++;
    }
    while (iter_step(it, m->capacity)) {
        const struct map_u64_slot *slot = &m->slots[it->at];

        if (slot->value == NULL)
            continue;
        if (key_out != NULL)
            *key_out = slot->key;
        return slot->value;
    }
    return NULL;
}

/* ---- bytes ---- */

void map_slice_init(struct map_slice *m, uint64_t seed)
{
    *m = (struct map_slice){.seed = seed};
}

void map_slice_init_borrowing(struct map_slice *m, uint64_t seed)
{
    *m = (struct map_slice){.seed = seed, .borrows = true};
}

/* The map made this copy itself: it may cast the const away. */
static void key_free(const struct map_slice *m, struct slice key)
{
    if (!m->borrows)
        mem_free((void *)(uintptr_t)key.at);
}

static enum err key_keep(const struct map_slice *m, struct slice key, struct slice *key_out)
{
    uint8_t *copy;

    if (m->borrows) {
        *key_out = key;
        return E_OK;
    }
    copy = mem_alloc(key.size);
    if (copy == NULL)
        return E_NOMEM;
    if (key.size > 0)
        memcpy(copy, key.at, key.size);
    *key_out = slice_of(copy, key.size);
    return E_OK;
}

void map_slice_clear(struct map_slice *m)
{
    for (size_t i = 0; i < m->capacity; i++) {
        if (m->slots[i].value != NULL)
            key_free(m, m->slots[i].key);
    }
    mem_free(m->slots);
    *m = (struct map_slice){.seed = m->seed, .borrows = m->borrows};
}

void map_slice_release(struct map_slice *m)
{
    if (m != NULL)
        map_slice_clear(m);
}

static size_t slice_locate(const struct map_slice *m, struct slice key, uint64_t hash)
{
    size_t mask = m->capacity - 1;
    size_t at = hash & mask;

    for (; m->slots[at].value != NULL; at = (at + 1) & mask) {
        if (m->slots[at].hash == hash && slice_equal(m->slots[at].key, key))
            break;
    }
    return at;
}

void *map_slice_find(const struct map_slice *m, struct slice key)
{
    if (m->count == 0)
        return NULL;
    return m->slots[slice_locate(m, key, hash_bytes(key, m->seed))].value;
}

static enum err slice_grow(struct map_slice *m, size_t capacity)
{
    size_t mask = capacity - 1;
    struct map_slice_slot *slots;

    if (capacity > SIZE_MAX / sizeof(*slots))
        return E_NOMEM;
    slots = mem_alloc_zero(capacity * sizeof(*slots));
    if (slots == NULL)
        return E_NOMEM;
    for (size_t i = 0; i < m->capacity; i++) {
        size_t at = m->slots[i].hash & mask;

        if (m->slots[i].value == NULL)
            continue;
        while (slots[at].value != NULL)
            at = (at + 1) & mask;
        slots[at] = m->slots[i];
    }
    mem_free(m->slots);
    m->slots = slots;
    m->capacity = capacity;
    return E_OK;
}

enum err map_slice_put(struct map_slice *m, struct slice key, void *value)
{
    uint64_t hash = hash_bytes(key, m->seed);
    struct slice kept;
    size_t wanted;

    assert(value != NULL);
    if (m->capacity > 0) {
        struct map_slice_slot *slot = &m->slots[slice_locate(m, key, hash)];

        if (slot->value != NULL) {
            slot->value = value;
            if (m->borrows)
                slot->key = key;
            return E_OK;
        }
    }
    wanted = capacity_wanted(m->count, m->capacity);
    if (wanted > 0 && slice_grow(m, wanted) != E_OK)
        return E_NOMEM;
    if (key_keep(m, key, &kept) != E_OK)
        return E_NOMEM;
    m->slots[slice_locate(m, key, hash)] =
        (struct map_slice_slot){.key = kept, .hash = hash, .value = value};
    m->count++;
    return E_OK;
}

void *map_slice_remove(struct map_slice *m, struct slice key)
{
    size_t mask = m->capacity - 1;
    size_t hole;
    void *value;

    if (m->count == 0)
        return NULL;
    hole = slice_locate(m, key, hash_bytes(key, m->seed));
    value = m->slots[hole].value;
    if (value == NULL)
        return NULL;
    key_free(m, m->slots[hole].key);
    for (size_t at = (hole + 1) & mask; m->slots[at].value != NULL; at = (at + 1) & mask) {
        if (must_stay(m->slots[at].hash & mask, hole, at, mask))
            continue;
        m->slots[hole] = m->slots[at];
        hole = at;
    }
    m->slots[hole] = (struct map_slice_slot){0};
    m->count--;
    return value;
}

void *map_slice_next(const struct map_slice *m, struct map_iter *it, struct slice *key_out)
{
    if (!it->started) {
        *it = (struct map_iter){.left = m->capacity, .started = true};
        while (m->capacity > 0 && m->slots[it->at].value != NULL)
            it->at++;
    }
    while (iter_step(it, m->capacity)) {
        const struct map_slice_slot *slot = &m->slots[it->at];

        if (slot->value == NULL)
            continue;
        if (key_out != NULL)
            *key_out = slot->key;
        return slot->value;
    }
    return NULL;
}
