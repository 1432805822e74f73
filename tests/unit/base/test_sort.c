#include "base/sort.h"

#include "base/rng.h"
#include "unit.h"

enum { COUNT_MAX = 300 };

struct item {
    int32_t key;
    char tail[5]; /* travels with it */
};

static int compare(const void *a, const void *b)
{
    const struct item *x = a, *y = b;

    return (x->key > y->key) - (x->key < y->key);
}

static void fill(struct item *items, size_t count, struct rng *rng, uint32_t keys)
{
    for (size_t i = 0; i < count; i++) {
        items[i].key = (int32_t)rng_below(rng, keys) - (int32_t)keys / 2;
        for (size_t k = 0; k < sizeof(items[i].tail); k++)
            items[i].tail[k] = (char)(items[i].key + (int32_t)k);
    }
}

static void every_size_comes_out_in_order(void **state)
{
    static struct item items[COUNT_MAX];
    struct rng rng;

    (void)state;
    rng_init(&rng, 1);
    for (size_t count = 0; count < COUNT_MAX; count++) {
        int64_t sum = 0;

        fill(items, count, &rng, count % 3 == 0 ? 4 : 1000);
        for (size_t i = 0; i < count; i++)
            sum += items[i].key;
        sort_array(items, count, sizeof(items[0]), compare);
        for (size_t i = 0; i < count; i++) {
            sum -= items[i].key;
            if (i > 0)
                assert_true(items[i - 1].key <= items[i].key);
            for (size_t k = 0; k < sizeof(items[i].tail); k++)
                assert_int_equal(items[i].tail[k], (char)(items[i].key + (int32_t)k));
        }
        assert_int_equal(sum, 0);
    }
}

TESTS(test_sort, cmocka_unit_test(every_size_comes_out_in_order));
