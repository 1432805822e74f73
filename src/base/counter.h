#pragma once

#include <stdatomic.h>
#include <stdint.h>

/*
 * Counter: written by one thread, read by any. Relaxed: a reader sees some recent
 * value and learns nothing else from it. No locked instruction. Starts as {0}.
 */
struct counter {
    _Atomic uint64_t value;
};

static inline uint64_t counter_get(const struct counter *c)
{
    return atomic_load_explicit(&c->value, memory_order_relaxed);
}

/* The writer's: set, and add `n` (which may be a negative number's complement). */
static inline void counter_set(struct counter *c, uint64_t v)
{
    atomic_store_explicit(&c->value, v, memory_order_relaxed);
}

static inline void counter_add(struct counter *c, uint64_t n)
{
    counter_set(c, counter_get(c) + n);
}
