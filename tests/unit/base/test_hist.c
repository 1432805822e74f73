#include "base/hist.h"

#include "base/rng.h"
#include "unit.h"

static void cells_cover_every_value_once(void **state)
{
    uint64_t first = 0;

    for (size_t cell = 0; cell < HIST_CELLS; cell++) {
        uint64_t last = hist_cell_last(cell);

        assert_true(last >= first);
        assert_int_equal(hist_cell(first), cell);
        assert_int_equal(hist_cell(last), cell);
        assert_true(last - first <= first / 8);
        first = last + 1;
    }
    assert_true(first == 0); /* the last cell ends with the largest value */
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void percentiles_agree_with_sorting(void **state)
{
    enum { COUNT = 2000 };
    static uint64_t values[COUNT];
    static struct hist h, half, other;
    struct rng rng;
    uint64_t sum = 0;

    rng_init(&rng, 4);
    for (int round = 0; round < 20; round++) {
        hist_init(&half);
        hist_init(&other);
        hist_init(&h);
        sum = 0;
        for (size_t i = 0; i < COUNT; i++) {
            values[i] = rng_next(&rng) >> rng_below(&rng, 64);
            sum += values[i];
            hist_record(i % 2 == 0 ? &half : &other, values[i]);
        }
        hist_merge(&h, &half);
        hist_merge(&h, &other);
        qsort(values, COUNT, sizeof(values[0]), compare);
        assert_int_equal(counter_get(&h.count), COUNT);
        assert_true(counter_get(&h.sum) == sum);
        assert_true(counter_get(&h.max) == values[COUNT - 1]);
        for (size_t percent = 1; percent <= 100; percent++) {
            uint64_t exact = values[COUNT * percent / 100 - 1];
            uint64_t got = hist_percentile(&h, (double)percent);

            assert_true(got >= exact && got - exact <= exact / 8);
        }
    }
}

static void an_empty_one_is_zero(void **state)
{
    static struct hist h;

    assert_int_equal(hist_percentile(&h, 99), 0);
    hist_record(&h, 5);
    assert_int_equal(hist_percentile(&h, 0), 5);
    assert_int_equal(hist_percentile(&h, 100), 5);
}

TESTS(test_hist, cmocka_unit_test(cells_cover_every_value_once),
      cmocka_unit_test(percentiles_agree_with_sorting), cmocka_unit_test(an_empty_one_is_zero));
