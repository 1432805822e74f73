#include "base/heap.h"

#include <assert.h>

void heap_init(struct heap *h)
{
    *h = (struct heap){0};
}

static bool is_before(const struct heap_node *a, const struct heap_node *b)
{
    return a->key != b->key ? a->key < b->key : a->order < b->order;
}

/* The pointer that leads to `n`: its parent's or the root. */
static struct heap_node **link_of(struct heap *h, const struct heap_node *n)
{
    if (n->parent == NULL)
        return &h->root;
    return n->parent->left == n ? &n->parent->left : &n->parent->right;
}

/*
 * The link of position `number` in a complete tree numbered level by level from 1.
 * The bits of the number below its highest one are the way down: 0 left, 1 right.
 */
static struct heap_node **link_at(struct heap *h, size_t number, struct heap_node **parent_out)
{
    struct heap_node **link = &h->root;
    struct heap_node *parent = NULL;
    size_t bit = 1;

    while (bit <= number / 2)
        bit <<= 1;
    for (bit >>= 1; bit > 0; bit >>= 1) {
        parent = *link;
        link = (number & bit) == 0 ? &parent->left : &parent->right;
    }
    *parent_out = parent;
    return link;
}

/* Let `n` hang where `at` says, with these children. */
static void hang(struct heap_node **at, struct heap_node *n, const struct heap_node *place)
{
    n->parent = place->parent;
    n->left = place->left;
    n->right = place->right;
    if (n->left != NULL)
        n->left->parent = n;
    if (n->right != NULL)
        n->right->parent = n;
    *at = n;
}

/* Exchange `child` with its parent. */
static void rise(struct heap *h, struct heap_node *child)
{
    struct heap_node *parent = child->parent;
    struct heap_node **link = link_of(h, parent);
    struct heap_node lower = *child; /* what the parent becomes */
    struct heap_node upper = *parent;

    lower.parent = child;
    if (upper.left == child)
        upper.left = parent;
    else
        upper.right = parent;
    hang(link, child, &upper);
    parent->parent = child;
    parent->left = lower.left;
    parent->right = lower.right;
    if (parent->left != NULL)
        parent->left->parent = parent;
    if (parent->right != NULL)
        parent->right->parent = parent;
}

static void sift_up(struct heap *h, struct heap_node *n)
{
    while (n->parent != NULL && is_before(n, n->parent))
        rise(h, n);
}

static void sift_down(struct heap *h, const struct heap_node *n)
{
    for (;;) {
        struct heap_node *least = n->left;

        if (least == NULL) /* then it has no right one either: the tree is complete */
            return;
        if (n->right != NULL && is_before(n->right, least))
            least = n->right;
        if (!is_before(least, n))
            return;
        rise(h, least);
    }
}

void heap_insert(struct heap *h, struct heap_node *n, int64_t key)
{
    struct heap_node *parent;
    struct heap_node **link = link_at(h, h->count + 1, &parent);

    assert(!heap_has(n));
    *n = (struct heap_node){.key = key, .order = ++h->order, .parent = parent};
    *link = n;
    h->count++;
    sift_up(h, n);
}

void heap_remove(struct heap *h, struct heap_node *n)
{
    struct heap_node *parent;
    struct heap_node **link;
    struct heap_node *last;

    if (!heap_has(n))
        return;
    assert(h->count > 0);
    link = link_at(h, h->count, &parent);
    last = *link;
    *link = NULL;
    h->count--;
    if (last != n) {
        hang(link_of(h, n), last, n);
        sift_up(h, last);
        sift_down(h, last);
    }
    *n = (struct heap_node){.key = n->key};
}

struct heap_node *heap_pop(struct heap *h)
{
    struct heap_node *n = h->root;

    if (n != NULL)
        heap_remove(h, n);
    return n;
}
