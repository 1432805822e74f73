#include "base/list.h"

#include "base/rng.h"
#include "unit.h"

enum { ITEMS = 30 };

struct item {
    int number;
    struct list_node node;
};

/* The naive model: numbers in an array. */
struct model {
    int numbers[ITEMS];
    size_t count;
};

static void model_insert(struct model *m, size_t at, int number)
{
    memmove(m->numbers + at + 1, m->numbers + at, (m->count - at) * sizeof(int));
    m->numbers[at] = number;
    m->count++;
}

static void model_remove(struct model *m, int number)
{
    for (size_t i = 0; i < m->count; i++) {
        if (m->numbers[i] != number)
            continue;
        m->count--;
        memmove(m->numbers + i, m->numbers + i + 1, (m->count - i) * sizeof(int));
        return;
    }
}

static void check(const struct list_node *head, const struct model *m)
{
    size_t i = 0;

    assert_int_equal(list_count(head), m->count);
    assert_int_equal(list_is_empty(head), m->count == 0);
    for (struct list_node *n = head->next; n != head; n = n->next, i++) {
        assert_ptr_equal(n->next->prev, n);
        assert_ptr_equal(n->prev->next, n);
        assert_int_equal(LIST_ENTRY(n, struct item, node)->number, m->numbers[i]);
    }
}

static void agrees_with_an_array(void **state)
{
    struct item items[ITEMS] = {{0}};
    struct list_node head;
    struct model m = {.count = 0};
    struct rng rng;

    list_init(&head);
    rng_init(&rng, 5);
    for (int i = 0; i < ITEMS; i++)
        items[i].number = i;
    for (int step = 0; step < 10000; step++) {
        struct item *item = &items[rng_below(&rng, ITEMS)];
        struct list_node *n;

        switch (rng_below(&rng, 4)) {
        case 0:
            n = list_pop_front(&head);
            assert_int_equal(n == NULL, m.count == 0);
            if (n != NULL)
                model_remove(&m, LIST_ENTRY(n, struct item, node)->number);
            break;
        case 1:
            list_remove(&item->node);
            assert_false(list_is_linked(&item->node));
            model_remove(&m, item->number);
            break;
        default:
            if (list_is_linked(&item->node))
                break;
            if (rng_chance(&rng, 1, 2)) {
                list_push_back(&head, &item->node);
                model_insert(&m, m.count, item->number);
                assert_ptr_equal(list_last(&head), &item->node);
            } else {
                list_push_front(&head, &item->node);
                model_insert(&m, 0, item->number);
                assert_ptr_equal(list_first(&head), &item->node);
            }
        }
        check(&head, &m);
    }
}

static void splices(void **state)
{
    struct item items[4] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};
    struct model m = {.numbers = {0, 1, 2, 3}, .count = 4};
    struct list_node a, b;

    list_init(&a);
    list_init(&b);
    list_splice_back(&a, &b);
    assert_true(list_is_empty(&a));
    list_push_back(&b, &items[0].node);
    list_push_back(&b, &items[1].node);
    list_splice_back(&a, &b);
    assert_true(list_is_empty(&b));
    list_push_back(&b, &items[2].node);
    list_push_back(&b, &items[3].node);
    list_splice_back(&a, &b);
    check(&a, &m);
}

TESTS(test_list, cmocka_unit_test(agrees_with_an_array), cmocka_unit_test(splices));
