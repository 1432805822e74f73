#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Heap: an intrusive binary min-heap of int64 keys, for timers. Allocates nothing,
 * so an insert cannot fail. One thread.
 *
 * Owner: the caller owns the nodes; a node is zeroed before its first use and
 * stays where it is while it is in the heap. Equal keys come out in the order in
 * which they went in.
 *
 *     heap_insert(&timers, &conn->timer, now_ms + timeout_ms);
 *     while ((n = heap_peek(&timers)) != NULL && n->key <= now_ms)
 *         fire(LIST_ENTRY(heap_pop(&timers), struct conn, timer));
 *
 * Invariants: the tree is complete; no node is before its parent.
 */
struct heap_node {
    int64_t key;
    uint64_t order; /* of insertion, from 1; 0: in no heap */
    struct heap_node *parent;
    struct heap_node *left;
    struct heap_node *right;
};

struct heap {
    struct heap_node *root;
    size_t count;
    uint64_t order; /* of the latest insertion */
};

void heap_init(struct heap *h);

static inline bool heap_has(const struct heap_node *n)
{
    return n->order != 0;
}

/* O(log n). `n` must be in no heap. */
void heap_insert(struct heap *h, struct heap_node *n, int64_t key);

/* O(log n). Nothing happens when `n` is in no heap. */
void heap_remove(struct heap *h, struct heap_node *n);

/* The node with the least key; NULL when empty. */
static inline struct heap_node *heap_peek(const struct heap *h)
{
    return h->root;
}

struct heap_node *heap_pop(struct heap *h);
