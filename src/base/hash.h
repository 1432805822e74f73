#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/*
 * Hashes that are not for security. The first two are for tables in memory:
 * their values differ between releases and never go to disk or wire. A secret
 * seed keeps strangers from choosing keys that collide.
 */
uint64_t hash_bytes(struct slice s, uint64_t seed);
uint64_t hash_u64(uint64_t key, uint64_t seed);

/*
 * MurmurHash2, 32 bits, seed 0x9747b28c, exactly as Kafka's Java clients hash a
 * key: partition = (hash & 0x7fffffff) % partitions. "foobar" gives -790332482.
 */
int32_t hash_murmur2(struct slice key);

/*
 * SipHash-2-4 with 128 bits (Aumasson and Bernstein 2012): a keyed function that
 * nobody can find collisions of without the key. For who takes equal hashes for
 * equal bytes.
 */
struct hash_key {
    uint64_t words[2];
};

struct hash_128 {
    uint64_t words[2];
};

struct hash_128 hash_sip128(struct slice s, struct hash_key key);
