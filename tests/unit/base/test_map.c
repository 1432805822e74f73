#include "base/map.h"

#include "base/rng.h"
#include "unit.h"

/* Keys are small numbers, so an array is the naive model. In map_slice they are spelled. */
enum { KEYS = 500 };

struct spelled {
    char text[16];
    struct slice slice;
};

static struct spelled spell(uint64_t key)
{
    static const char DIGITS[] = "0123456789";
    struct spelled s = {.text = ""};
    size_t size = key % 13;

    memset(s.text, 'k', size);
    for (; key > 0; key /= 10)
        s.text[size++] = DIGITS[key % 10];
    s.slice.size = size; /* the address is set by the caller: this one moves */
    return s;
}

static void check_u64(const struct map_u64 *m, char **model)
{
    struct map_iter it = {0};
    size_t seen = 0;
    uint64_t key;
    char *value;

    while ((value = map_u64_next(m, &it, &key)) != NULL) {
        assert_true(key < KEYS);
        assert_ptr_equal(value, model[key]);
        seen++;
    }
    assert_int_equal(seen, m->count);
    assert_null(map_u64_next(m, &it, NULL));
}

static void u64_agrees_with_an_array(void **state)
{
    static char values[64];
    char *model[KEYS] = {NULL};
    struct map_u64 m;
    struct rng rng;
    size_t count = 0;

    map_u64_init(&m, 77);
    rng_init(&rng, 6);
    for (int step = 0; step < 30000; step++) {
        uint64_t key = rng_below(&rng, KEYS);
        bool grow = (step / 3000) % 2 == 0;

        if (rng_chance(&rng, grow ? 3 : 1, 4)) {
            char *value = &values[rng_below(&rng, sizeof(values))];

            count += model[key] == NULL;
            model[key] = value;
            assert_int_equal(map_u64_put(&m, key, value), E_OK);
        } else {
            assert_ptr_equal(map_u64_remove(&m, key), model[key]);
            count -= model[key] != NULL;
            model[key] = NULL;
        }
        key = rng_below(&rng, KEYS);
        assert_ptr_equal(map_u64_find(&m, key), model[key]);
        assert_int_equal(m.count, count);
        assert_true(m.count <= m.capacity - m.capacity / 4);
        if (step % 500 == 0)
            check_u64(&m, model);
    }
    map_u64_clear(&m);
    assert_null(map_u64_find(&m, 1));
    assert_null(map_u64_remove(&m, 1));
    map_u64_release(&m);
    map_u64_release(NULL);
}

static void slice_agrees_with_an_array(void **state)
{
    static struct spelled keys[KEYS];
    static char values[64];
    char *model[KEYS] = {NULL};
    struct map_slice m;
    struct rng rng;
    size_t count = 0;

    rng_init(&rng, 7);
    for (size_t i = 0; i < KEYS; i++) {
        keys[i] = spell(i);
        keys[i].slice.at = (uint8_t *)keys[i].text;
    }
    for (int borrowing = 0; borrowing < 2; borrowing++) {
        memset(model, 0, sizeof(model));
        count = 0;
        if (borrowing == 1)
            map_slice_init_borrowing(&m, 78);
        else
            map_slice_init(&m, 78);
        for (int step = 0; step < 20000; step++) {
            size_t key = rng_below(&rng, KEYS);

            if (rng_chance(&rng, (step / 2000) % 2 == 0 ? 3 : 1, 4)) {
                char *value = &values[rng_below(&rng, sizeof(values))];
                struct spelled moved = keys[key]; /* a copied key outlives its source */

                moved.slice.at = (uint8_t *)moved.text;
                count += model[key] == NULL;
                model[key] = value;
                assert_int_equal(
                    map_slice_put(&m, borrowing == 1 ? keys[key].slice : moved.slice, value), E_OK);
            } else {
                assert_ptr_equal(map_slice_remove(&m, keys[key].slice), model[key]);
                count -= model[key] != NULL;
                model[key] = NULL;
            }
            key = rng_below(&rng, KEYS);
            assert_ptr_equal(map_slice_find(&m, keys[key].slice), model[key]);
            assert_int_equal(m.count, count);
        }
        map_slice_release(&m);
    }
    map_slice_release(NULL);
}

/* A walk that removes some of what it sees still sees everything once. */
static void walks_may_remove(void **state)
{
    struct rng rng;

    rng_init(&rng, 8);
    for (int round = 0; round < 300; round++) {
        uint64_t count = rng_below(&rng, 60);
        unsigned seen[60] = {0};
        struct map_iter it = {0};
        struct map_u64 m;
        uint64_t key;
        size_t removed = 0;

        map_u64_init(&m, rng_next(&rng));
        for (uint64_t i = 0; i < count; i++)
            assert_int_equal(map_u64_put(&m, i, &m), E_OK);
        while (map_u64_next(&m, &it, &key) != NULL) {
            seen[key]++;
            if (rng_chance(&rng, 1, 2)) {
                assert_non_null(map_u64_remove(&m, key));
                removed++;
            }
        }
        for (uint64_t i = 0; i < count; i++)
            assert_int_equal(seen[i], 1);
        assert_int_equal(m.count, count - removed);
        map_u64_release(&m);
    }
}

static void slice_walks_tell_keys(void **state)
{
    struct map_slice m;
    struct map_iter it = {0};
    struct slice key;
    size_t letters = 0;

    map_slice_init(&m, 1);
    assert_null(map_slice_next(&m, &it, &key));
    assert_int_equal(map_slice_put(&m, slice_of("", 0), &m), E_OK);
    assert_int_equal(map_slice_put(&m, slice_of("ab", 2), &m), E_OK);
    assert_int_equal(map_slice_put(&m, slice_of("abc", 3), &m), E_OK);
    it = (struct map_iter){0};
    while (map_slice_next(&m, &it, &key) != NULL) {
        letters += key.size;
        assert_non_null(map_slice_remove(&m, key));
    }
    assert_int_equal(letters, 5);
    assert_int_equal(m.count, 0);
    map_slice_release(&m);
}

TESTS(test_map, cmocka_unit_test(u64_agrees_with_an_array),
      cmocka_unit_test(slice_agrees_with_an_array), cmocka_unit_test(walks_may_remove),
      cmocka_unit_test(slice_walks_tell_keys));
