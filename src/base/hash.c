#include "base/hash.h"

#include <string.h>

/* Odd constants with well mixed bits: the fractions of the square roots of 2, 3 and 5. */
#define K1 UINT64_C(0x6a09e667f3bcc909)
#define K2 UINT64_C(0xbb67ae8584caa73b)
#define K3 UINT64_C(0x3c6ef372fe94f82b)

/* Both halves of the 128-bit product: every input bit reaches every output bit. */
static uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 product = a;

    product *= b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t load(const uint8_t *at, size_t size)
{
    uint64_t v = 0;

    memcpy(&v, at, size);
    return v;
}

uint64_t hash_bytes(struct slice s, uint64_t seed)
{
    uint64_t h = fold(seed ^ K1, s.size + K2);
    const uint8_t *at = s.at;
    size_t left = s.size;

    while (left >= 16) {
        h = fold(load(at, 8) ^ h, load(at + 8, 8) ^ K3 ^ seed);
        at += 16;
        left -= 16;
    }
    if (left > 0) {
        uint64_t low = load(at, left < 8 ? left : 8);
        uint64_t high = left <= 8 ? 0 : load(at + 8, left - 8);

        h = fold(low ^ h, high ^ K3 ^ seed);
    }
    return fold(h ^ K2, K1 ^ seed);
}

uint64_t hash_u64(uint64_t key, uint64_t seed)
{
    return fold(fold(key ^ K1, seed ^ K2) ^ key, K3);
}

int32_t hash_murmur2(struct slice key)
{
    const uint32_t m = 0x5bd1e995;
    const uint8_t *at = key.at;
    size_t left = key.size;
    uint32_t h = 0x9747b28cu ^ (uint32_t)key.size;

    for (; left >= 4; left -= 4, at += 4) {
        uint32_t k = at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;

        k *= m;
        k ^= k >> 24;
        k *= m;
        h = h * m ^ k;
    }
    if (left > 0) {
        for (size_t i = left; i-- > 0;)
            h ^= (uint32_t)at[i] << 8 * i;
        h *= m;
    }
    h ^= h >> 13;
    h *= m;
    h ^= h >> 15;
    return (int32_t)h;
}

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

static inline void sip_take(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    sip_round(s);
    s->v0 ^= word;
}

static uint64_t sip_end(struct sip *s)
{
    for (int i = 0; i < 4; i++)
        sip_round(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

struct hash_128 hash_sip128(struct slice s, struct hash_key key)
{
    /* "somepseudorandomlygeneratedbytes", with the mark of the 128-bit variant */
    struct sip state = {.v0 = UINT64_C(0x736f6d6570736575) ^ key.words[0],
                        .v1 = UINT64_C(0x646f72616e646f6d) ^ key.words[1] ^ 0xee,
                        .v2 = UINT64_C(0x6c7967656e657261) ^ key.words[0],
                        .v3 = UINT64_C(0x7465646279746573) ^ key.words[1]};
    uint64_t last = (uint64_t)s.size << 56;
    struct hash_128 hash;
    size_t at = 0;

    for (; s.size - at >= 8; at += 8)
        sip_take(&state, load(s.at + at, 8));
    for (size_t i = 0; at + i < s.size; i++)
        last |= (uint64_t)s.at[at + i] << 8 * i;
    sip_take(&state, last);
    state.v2 ^= 0xee;
    hash.words[0] = sip_end(&state);
    state.v1 ^= 0xdd;
    hash.words[1] = sip_end(&state);
    return hash;
}
