#include "base/rng.h"

#include "unit.h"

static void a_seed_repeats(void **state)
{
    struct rng a, b;
    uint8_t bytes[2][13];

    rng_init(&a, 42);
    rng_init(&b, 42);
    for (int i = 0; i < 1000; i++)
        assert_true(rng_next(&a) == rng_next(&b));
    rng_bytes(&a, bytes[0], sizeof(bytes[0]));
    rng_bytes(&b, bytes[1], sizeof(bytes[1]));
    assert_memory_equal(bytes[0], bytes[1], sizeof(bytes[0]));
    rng_init(&b, 43);
    assert_true(rng_next(&a) != rng_next(&b));
}

/* The first outputs of the published xoshiro256** for the state 1, 2, 3, 4. */
static void is_the_published_generator(void **state)
{
    static const uint64_t EXPECTED[] = {11520, 0, 1509978240, 1215971899390074240};
    struct rng r = {.state = {1, 2, 3, 4}};

    for (size_t i = 0; i < 4; i++)
        assert_true(rng_next(&r) == EXPECTED[i]);
}

static void ranges_are_kept_and_filled(void **state)
{
    unsigned cells[7] = {0};
    unsigned hits = 0;
    struct rng r;

    rng_init(&r, 1);
    for (int i = 0; i < 70000; i++) {
        int64_t v = rng_between(&r, -3, 3);

        assert_true(v >= -3 && v <= 3);
        cells[v + 3]++;
        hits += rng_chance(&r, 1, 4);
    }
    for (size_t i = 0; i < 7; i++)
        assert_in_range(cells[i], 9500, 10500);
    assert_in_range(hits, 17000, 18000);
    assert_int_equal(rng_below(&r, 1), 0);
    assert_true(rng_between(&r, 5, 5) == 5);
    rng_between(&r, INT64_MIN, INT64_MAX);
    assert_false(rng_chance(&r, 0, 3));
    assert_true(rng_chance(&r, 3, 3));
}

TESTS(test_rng, cmocka_unit_test(a_seed_repeats), cmocka_unit_test(is_the_published_generator),
      cmocka_unit_test(ranges_are_kept_and_filled));
