#include "base/vec.h"

#include "base/rng.h"
#include "unit.h"

static void agrees_with_an_array(void **state)
{
    enum { MAX = 100 };
    int model[MAX];
    size_t count = 0;
    struct vec v;
    struct rng rng;

    vec_init(&v, sizeof(int), MAX);
    rng_init(&rng, 10);
    for (int step = 0; step < 20000; step++) {
        size_t at = count == 0 ? 0 : rng_below(&rng, count);

        if (rng_chance(&rng, (step / 2000) % 2 == 0 ? 3 : 1, 4)) {
            assert_int_equal(vec_push(&v, &step), count == MAX ? E_TOO_BIG : E_OK);
            if (count < MAX)
                model[count++] = step;
        } else if (count > 0 && rng_chance(&rng, 1, 2)) {
            vec_remove(&v, at);
            count--;
            memmove(model + at, model + at + 1, (count - at) * sizeof(int));
        } else if (count > 0) {
            vec_remove_swap(&v, at);
            model[at] = model[--count];
        }
        assert_int_equal(v.count, count);
        assert_true(v.count <= v.capacity && v.capacity <= MAX);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(*(int *)vec_at(&v, i), model[i]);
    }
    vec_clear(&v);
    assert_int_equal(v.count, 0);
    assert_int_equal(vec_reserve(&v, MAX), E_OK);
    assert_int_equal(vec_reserve(&v, MAX + 1), E_TOO_BIG);
    assert_int_equal(vec_reserve(&v, SIZE_MAX), E_TOO_BIG);
    vec_release(&v);
    vec_release(NULL);
}

TESTS(test_vec, cmocka_unit_test(agrees_with_an_array));
