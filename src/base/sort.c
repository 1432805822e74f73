#include "base/sort.h"

#include <stdint.h>

/* Heap sort: the largest is on top of a heap that shrinks as the sorted end grows. */

struct sort {
    uint8_t *at;
    size_t item_size;
    int (*compare)(const void *, const void *);
};

static uint8_t *item(const struct sort *s, size_t i)
{
    return s->at + i * s->item_size;
}

static void swap(const struct sort *s, size_t a, size_t b)
{
    uint8_t *x = item(s, a), *y = item(s, b);

    for (size_t i = 0; i < s->item_size; i++) {
        uint8_t byte = x[i];

        x[i] = y[i];
        y[i] = byte;
    }
}

static void sift_down(const struct sort *s, size_t parent, size_t count)
{
    size_t child;

    while ((child = 2 * parent + 1) < count) {
        if (child + 1 < count && s->compare(item(s, child), item(s, child + 1)) < 0)
            child++;
        if (s->compare(item(s, parent), item(s, child)) >= 0)
            return;
        swap(s, parent, child);
        parent = child;
    }
}

void sort_array(void *at, size_t count, size_t item_size,
                int (*compare)(const void *, const void *))
{
    const struct sort s = {at, item_size, compare};

    for (size_t i = count / 2; i-- > 0;)
        sift_down(&s, i, count);
    for (size_t end = count; end-- > 1;) {
        swap(&s, 0, end);
        sift_down(&s, 0, end);
    }
}
