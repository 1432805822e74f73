#pragma once

#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/slice.h"

/*
 * Key map: the last offset of each key of a log's dirty section, for compaction.
 * A key is known by 128 bits of a keyed hash, so two that are taken for one would
 * have to be found without the key of the hash.
 *
 * Open addressing, linear probing, no growth: 24 bytes a slot, at most three
 * quarters of them used. One thread.
 */
struct log_keys_slot {
    struct hash_128 hash;
    int64_t next_offset; /* one past the last offset; 0: empty */
};

struct log_keys {
    struct log_keys_slot *slots;
    size_t capacity; /* power of two; 0: nothing allocated */
    size_t count;
    size_t count_max;
    struct hash_key key;
};

/* Room for `keys` of them, or what fits in `bytes_max`. E_NOMEM */
NODISCARD enum err log_keys_init(struct log_keys *keys, uint64_t key_count, size_t bytes_max,
                                 struct hash_key key);
void log_keys_release(struct log_keys *keys);

/* Room for how many more. */
static inline size_t log_keys_left(const struct log_keys *keys)
{
    return keys->count_max - keys->count;
}

/* `offset` is the latest of `key`; log_keys_left() was not 0. */
void log_keys_put(struct log_keys *keys, struct slice key, int64_t offset);

/* -1: not there. */
int64_t log_keys_find(const struct log_keys *keys, struct slice key);
