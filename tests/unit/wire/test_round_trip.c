#include "messages.h"

#include "base/buf.h"
#include "unit.h"
#include "visit.h"

enum { SEEDS = 12, MEMORY_MAX = 16 << 20 };

/* A message with values of `seed`; in `b` its encoding. */
static void message_make(const struct message *m, int16_t version, uint64_t seed, int items,
                         struct arena *a, void *value, struct buf *b)
{
    struct visit v = {.fill = true, .arena = a, .items_left = items};
    struct writer w = writer_init(b);

    rng_init(&v.rng, seed);
    m->init(value);
    m->visit(&v, version, value);
    assert_false(v.wrong);
    m->encode(&w, version, value);
    assert_int_equal(writer_done(&w), E_OK);
}

static void round_trip(const struct message *m, int16_t version, uint64_t seed)
{
    struct visit v = {.fill = false, .items_left = 300};
    void *value = calloc(1, m->size);
    struct arena a;
    struct buf b;
    struct buf again;
    struct reader r;
    struct writer w = writer_init(&again);

    arena_init(&a, MEMORY_MAX);
    buf_init(&b, MEMORY_MAX);
    buf_init(&again, MEMORY_MAX);
    message_make(m, version, seed, v.items_left, &a, value, &b);

    memset(value, 0xa5, m->size);
    r = reader_init(b.at, b.size);
    assert_int_equal(m->decode(&r, version, &a, value), E_OK);
    assert_int_equal(reader_done(&r), E_OK);
    v.arena = &a;
    rng_init(&v.rng, seed);
    m->visit(&v, version, value);
    if (v.wrong)
        fail_msg("%s v%d: seed %d: decoded other values", m->name, version, (int)seed);

    m->encode(&w, version, value);
    assert_int_equal(writer_done(&w), E_OK);
    assert_int_equal(again.size, b.size);
    if (b.size > 0)
        assert_memory_equal(again.at, b.at, b.size);
    arena_release(&a);
    buf_release(&b);
    buf_release(&again);
    free(value);
}

static void every_message_in_every_version(void **state)
{
    for (size_t i = 0; i < message_count; i++) {
        const struct message *m = &messages[i];

        for (int16_t version = m->version_min; version <= m->version_max; version++)
            for (uint64_t seed = 0; seed < SEEDS; seed++)
                round_trip(m, version, seed);
    }
}

/* Every prefix of a message is an error, read from memory that ends where it ends. */
static void truncated(const struct message *m, int16_t version)
{
    void *value = calloc(1, m->size);
    uint8_t *untouched = malloc(m->size);
    struct arena a;
    struct buf b;

    arena_init(&a, MEMORY_MAX);
    buf_init(&b, MEMORY_MAX);
    message_make(m, version, 7, 12, &a, value, &b);
    memset(value, 0xa5, m->size);
    memset(untouched, 0xa5, m->size);
    for (size_t size = 0; size < b.size; size++) {
        uint8_t *copy = malloc(size + 1);
        struct reader r;

        memcpy(copy + 1, b.at, size);
        r = reader_init(copy + 1, size);
        arena_clear(&a);
        if (m->decode(&r, version, &a, value) == E_OK)
            fail_msg("%s v%d: %zu of %zu bytes were enough", m->name, version, size, b.size);
        assert_memory_equal(value, untouched, m->size); /* written only on success */
        free(copy);
    }
    arena_release(&a);
    buf_release(&b);
    free(untouched);
    free(value);
}

static void truncated_at_every_length(void **state)
{
    for (size_t i = 0; i < message_count; i++)
        for (int16_t v = messages[i].version_min; v <= messages[i].version_max; v++)
            truncated(&messages[i], v);
}

static void other_versions_are_refused(void **state)
{
    for (size_t i = 0; i < message_count; i++) {
        const struct message *m = &messages[i];
        const int16_t versions[] = {-1, (int16_t)(m->version_min - 1),
                                    (int16_t)(m->version_max + 1), INT16_MAX};
        void *value = calloc(1, m->size);
        struct arena a;
        struct buf b;

        arena_init(&a, MEMORY_MAX);
        buf_init(&b, MEMORY_MAX);
        for (size_t k = 0; k < sizeof(versions) / sizeof(versions[0]); k++) {
            struct reader r = reader_init(NULL, 0);
            struct writer w = writer_init(&b);

            assert_int_equal(m->decode(&r, versions[k], &a, value), E_UNSUPPORTED);
            m->init(value);
            m->encode(&w, versions[k], value);
            assert_int_equal(writer_done(&w), E_UNSUPPORTED);
        }
        arena_release(&a);
        buf_release(&b);
        free(value);
    }
}

/* A struct of zero bytes (init forgotten) still makes a message that can be read. */
static void zeroed_structs_encode(void **state)
{
    for (size_t i = 0; i < message_count; i++) {
        const struct message *m = &messages[i];

        for (int16_t version = m->version_min; version <= m->version_max; version++) {
            void *value = calloc(1, m->size);
            struct arena a;
            struct buf b;
            struct writer w = writer_init(&b);
            struct reader r;

            arena_init(&a, MEMORY_MAX);
            buf_init(&b, MEMORY_MAX);
            m->encode(&w, version, value);
            assert_int_equal(writer_done(&w), E_OK);
            r = reader_init(b.at, b.size);
            assert_int_equal(m->decode(&r, version, &a, value), E_OK);
            assert_int_equal(reader_done(&r), E_OK);
            arena_release(&a);
            buf_release(&b);
            free(value);
        }
    }
}

TESTS(test_round_trip, cmocka_unit_test(every_message_in_every_version),
      cmocka_unit_test(truncated_at_every_length), cmocka_unit_test(other_versions_are_refused),
      cmocka_unit_test(zeroed_structs_encode));
