#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * List: intrusive, doubly linked, circular. The head is a node of its own; an
 * item holds a node per list that it can be in. Owns nothing, allocates nothing.
 *
 *     struct conn { struct list_node idle; ... };
 *
 *     list_push_back(&idle_conns, &conn->idle);
 *     struct conn *oldest = LIST_ENTRY(list_first(&idle_conns), struct conn, idle);
 *
 *     for (struct list_node *n = list.next; n != &list; n = n->next)
 *         ...
 *
 * Invariant: for a head or a node in a list, n->next->prev == n == n->prev->next.
 * A node outside any list is zeroed or points to itself.
 */
struct list_node {
    struct list_node *prev;
    struct list_node *next;
};

/* The item that holds `node` as its field `member`. */
#define LIST_ENTRY(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void list_init(struct list_node *head)
{
    head->prev = head;
    head->next = head;
}

static inline bool list_is_empty(const struct list_node *head)
{
    return head->next == head;
}

/* Is `node` in some list? */
static inline bool list_is_linked(const struct list_node *node)
{
    return node->next != NULL && node->next != node;
}

static inline void list_insert_after(struct list_node *at, struct list_node *node)
{
    node->prev = at;
    node->next = at->next;
    at->next->prev = node;
    at->next = node;
}

static inline void list_push_back(struct list_node *head, struct list_node *node)
{
    list_insert_after(head->prev, node);
}

static inline void list_push_front(struct list_node *head, struct list_node *node)
{
    list_insert_after(head, node);
}

/* Take `node` out of its list; nothing happens when it is in none. */
static inline void list_remove(struct list_node *node)
{
    if (node->next != NULL) {
        node->prev->next = node->next;
        node->next->prev = node->prev;
    }
    list_init(node);
}

/* First and last node; NULL when the list is empty. */
static inline struct list_node *list_first(const struct list_node *head)
{
    return list_is_empty(head) ? NULL : head->next;
}

static inline struct list_node *list_last(const struct list_node *head)
{
    return list_is_empty(head) ? NULL : head->prev;
}

/* Take the first node out; NULL when the list is empty. */
static inline struct list_node *list_pop_front(struct list_node *head)
{
    struct list_node *node = list_first(head);

    if (node != NULL)
        list_remove(node);
    return node;
}

/* Nodes after the head. Walks the whole list. */
size_t list_count(const struct list_node *head);

/* Move all of `from` to the end of `head`; `from` is empty afterwards. */
void list_splice_back(struct list_node *head, struct list_node *from);
