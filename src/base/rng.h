#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Rng: repeatable random numbers (xoshiro256**, Blackman and Vigna 2018, seeded
 * through splitmix64). Same seed, same numbers, on every machine. Not for secrets.
 */
struct rng {
    uint64_t state[4];
};

void rng_init(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);

/* Uniform in [0, n), n > 0. */
uint64_t rng_below(struct rng *r, uint64_t n);

/* Uniform in [low, high], both inclusive. */
int64_t rng_between(struct rng *r, int64_t low, int64_t high);

/* True `num` times out of `den` > 0. */
bool rng_chance(struct rng *r, uint64_t num, uint64_t den);

void rng_bytes(struct rng *r, void *out, size_t size);
