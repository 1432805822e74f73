#include "base/heap.h"

#include "base/rng.h"
#include "unit.h"

enum { NODES = 200 };

/* Does the subtree keep the invariants? Returns its size. */
static size_t check(const struct heap_node *n, const struct heap_node *parent)
{
    size_t left;
    size_t right;

    if (n == NULL)
        return 0;
    assert_ptr_equal(n->parent, parent);
    if (parent != NULL)
        assert_true(parent->key < n->key || (parent->key == n->key && parent->order < n->order));
    left = check(n->left, n);
    right = check(n->right, n);
    assert_true(left >= right && left <= 2 * right + 1);
    return left + right + 1;
}

static const struct heap_node *least(const struct heap_node *nodes)
{
    const struct heap_node *best = NULL;

    for (size_t i = 0; i < NODES; i++) {
        if (heap_has(&nodes[i]) && (best == NULL || nodes[i].key < best->key ||
                                    (nodes[i].key == best->key && nodes[i].order < best->order)))
            best = &nodes[i];
    }
    return best;
}

static void agrees_with_a_search(void **state)
{
    struct heap_node nodes[NODES] = {{0}};
    struct heap h;
    struct rng rng;
    size_t count = 0;

    heap_init(&h);
    rng_init(&rng, 3);
    for (int step = 0; step < 20000; step++) {
        struct heap_node *n = &nodes[rng_below(&rng, NODES)];
        bool grow = (step / 2000) % 2 == 0;

        if (rng_chance(&rng, grow ? 1 : 5, 6)) {
            struct heap_node *first = heap_peek(&h);

            if (rng_chance(&rng, 1, 2)) {
                assert_ptr_equal(heap_pop(&h), first);
                count -= first != NULL;
            } else {
                count -= heap_has(n);
                heap_remove(&h, n);
                assert_false(heap_has(n));
            }
        } else if (!heap_has(n)) {
            heap_insert(&h, n, rng_between(&rng, -20, 20));
            count++;
        }
        assert_int_equal(h.count, count);
        assert_ptr_equal(heap_peek(&h), least(nodes));
        if (step % 16 == 0)
            assert_int_equal(check(h.root, NULL), count);
    }
}

static void equal_keys_leave_in_order(void **state)
{
    struct heap_node nodes[50] = {{0}};
    struct heap h;

    heap_init(&h);
    assert_null(heap_pop(&h));
    for (size_t i = 0; i < 50; i++)
        heap_insert(&h, &nodes[i], INT64_MIN);
    for (size_t i = 0; i < 50; i++)
        assert_ptr_equal(heap_pop(&h), &nodes[i]);
    assert_null(heap_peek(&h));
}

TESTS(test_heap, cmocka_unit_test(agrees_with_a_search),
      cmocka_unit_test(equal_keys_leave_in_order));
