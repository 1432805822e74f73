#include "storage/log_keys.h"

#include <assert.h>

#include "base/mem.h"

enum { CAPACITY_MIN = 64 };

/* Of `capacity` slots so many may be used. */
static size_t usable(size_t capacity)
{
    return capacity / 4 * 3;
}

enum err log_keys_init(struct log_keys *keys, uint64_t key_count, size_t bytes_max,
                       struct hash_key key)
{
    size_t capacity = CAPACITY_MIN;

    while (usable(capacity) < key_count && 2 * capacity <= bytes_max / sizeof(*keys->slots))
        capacity *= 2;
    *keys = (struct log_keys){.key = key};
    keys->slots = mem_alloc_zero(capacity * sizeof(*keys->slots));
    if (keys->slots == NULL)
        return E_NOMEM;
    keys->capacity = capacity;
    keys->count_max = usable(capacity);
    return E_OK;
}

void log_keys_release(struct log_keys *keys)
{
    mem_free(keys->slots);
    *keys = (struct log_keys){0};
}

/* The slot of the key, or the empty one where it would go. */
static struct log_keys_slot *find_slot(const struct log_keys *keys, struct hash_128 hash)
{
    size_t mask = keys->capacity - 1;
    size_t at = (size_t)hash.words[0] & mask;

    for (;; at = (at + 1) & mask) {
        struct log_keys_slot *slot = &keys->slots[at];

        if (slot->next_offset == 0 ||
            (slot->hash.words[0] == hash.words[0] && slot->hash.words[1] == hash.words[1]))
            return slot;
    }
}

void log_keys_put(struct log_keys *keys, struct slice key, int64_t offset)
{
    struct hash_128 hash = hash_sip128(key, keys->key);
    struct log_keys_slot *slot = find_slot(keys, hash);

    if (slot->next_offset == 0) {
        assert(keys->count < keys->count_max);
        keys->count++;
        slot->hash = hash;
    }
    slot->next_offset = offset + 1;
}

int64_t log_keys_find(const struct log_keys *keys, struct slice key)
{
    if (keys->count == 0)
        return -1;
    return find_slot(keys, hash_sip128(key, keys->key))->next_offset - 1;
}
