#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

/*
 * Map: hash tables from a number or from bytes to a pointer. Open addressing,
 * linear probing, no tombstones. One thread.
 *
 * Owner: the map owns its table and, in map_slice, copies of the keys; never the
 * values. A value is never NULL, so NULL from find means absent.
 * Invariants: capacity is 0 or a power of two; at least a quarter of the slots is
 * empty; between an entry's own slot and where it lies no slot is empty.
 * The table never shrinks before _release or _clear.
 *
 *     struct map_iter it = {0};
 *     uint64_t id;
 *     struct conn *conn;
 *
 *     while ((conn = map_u64_next(&conns, &it, &id)) != NULL)
 *         ...
 *
 * During a walk the entry just returned may be removed; nothing else may change.
 * The order is the same for the same seed and the same history.
 */
struct map_iter {
    size_t at;
    size_t left;
    bool started;
};

struct map_u64_slot {
    uint64_t key;
    void *value; /* NULL: empty */
};

struct map_u64 {
    struct map_u64_slot *slots;
    size_t count;
    size_t capacity;
    uint64_t seed;
};

/* `seed` comes from outside (random in a node, fixed in a simulation). Allocates nothing yet. */
void map_u64_init(struct map_u64 *m, uint64_t seed);
void map_u64_release(struct map_u64 *m);

/* Drop every entry and the table. */
void map_u64_clear(struct map_u64 *m);

/* NULL: absent. */
void *map_u64_find(const struct map_u64 *m, uint64_t key);

/*
 * Add `key`, or replace its value.
 *
 *   E_NOMEM  nothing changed; never when the key is present already
 */
NODISCARD enum err map_u64_put(struct map_u64 *m, uint64_t key, void *value);

/* The value that was removed; NULL: absent. */
void *map_u64_remove(struct map_u64 *m, uint64_t key);

/* The next value, NULL at the end. `key_out` may be NULL. */
void *map_u64_next(const struct map_u64 *m, struct map_iter *it, uint64_t *key_out);

struct map_slice_slot {
    struct slice key;
    uint64_t hash;
    void *value; /* NULL: empty */
};

struct map_slice {
    struct map_slice_slot *slots;
    size_t count;
    size_t capacity;
    uint64_t seed;
    bool borrows;
};

/* Keys are copied by put, at one allocation each. A uuid is a slice of 16 bytes. */
void map_slice_init(struct map_slice *m, uint64_t seed);

/* Keys are borrowed until removed: for values that hold their own key. A put that
 * replaces a value borrows the new key instead of the old. */
void map_slice_init_borrowing(struct map_slice *m, uint64_t seed);
void map_slice_release(struct map_slice *m);
void map_slice_clear(struct map_slice *m);

/* As for map_u64. */
void *map_slice_find(const struct map_slice *m, struct slice key);
NODISCARD enum err map_slice_put(struct map_slice *m, struct slice key, void *value);
void *map_slice_remove(struct map_slice *m, struct slice key);

/* `key_out` (may be NULL) is borrowed until the entry is removed. */
void *map_slice_next(const struct map_slice *m, struct map_iter *it, struct slice *key_out);
