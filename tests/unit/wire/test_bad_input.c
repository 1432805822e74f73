#include "messages.h"

#include "base/buf.h"
#include "unit.h"
#include "visit.h"
#include "wire/fetch.h"
#include "wire/header.h"
#include "wire/metadata.h"

enum { MEMORY_MAX = 64 << 20 };

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static enum err metadata_decode(int16_t version, const uint8_t *bytes, size_t size)
{
    struct wire_metadata_request m;
    struct reader r = reader_init(bytes, size);
    struct arena a;
    enum err e;

    arena_init(&a, MEMORY_MAX);
    e = wire_metadata_request_decode(&r, version, &a, &m);
    if (e == E_OK)
        e = reader_done(&r);
    assert_true(a.total <= 1024);
    arena_release(&a);
    return e;
}

static void array_counts(void **state)
{
    assert_int_equal(metadata_decode(1, BYTES(0xff, 0xff, 0xff, 0xff)), E_OK);    /* null */
    assert_int_equal(metadata_decode(0, BYTES(0xff, 0xff, 0xff, 0xff)), E_INVAL); /* not here */
    assert_int_equal(metadata_decode(1, BYTES(0xff, 0xff, 0xff, 0xfe)), E_INVAL); /* -2 */
    assert_int_equal(metadata_decode(1, BYTES(0x80, 0, 0, 0)), E_INVAL);          /* -2^31 */
    assert_int_equal(metadata_decode(1, BYTES(0x7f, 0xff, 0xff, 0xff)), E_TRUNCATED);
    assert_int_equal(metadata_decode(1, BYTES(0, 0, 0, 2, 0, 0)), E_TRUNCATED);
    assert_int_equal(metadata_decode(1, BYTES(0, 0, 0, 1, 0, 1, 'a')), E_OK);
    /* compact: null, 2^32 - 2, five bytes past 32 bits */
    assert_int_equal(metadata_decode(9, BYTES(0, 1, 0, 0, 0)), E_OK);
    assert_int_equal(metadata_decode(9, BYTES(0xff, 0xff, 0xff, 0xff, 0x0f)), E_INVAL);
    assert_int_equal(metadata_decode(9, BYTES(0xff, 0xff, 0xff, 0xff, 0x07, 0, 0)), E_TRUNCATED);
    assert_int_equal(metadata_decode(9, BYTES(0xff, 0xff, 0xff, 0xff, 0x7f)), E_INVAL);
}

static void strings(void **state)
{
    assert_int_equal(metadata_decode(1, BYTES(0, 0, 0, 1, 0, 2, 'a')), E_TRUNCATED);
    assert_int_equal(metadata_decode(1, BYTES(0, 0, 0, 1, 0x7f, 0xff, 'a')), E_TRUNCATED);
    assert_int_equal(metadata_decode(1, BYTES(0, 0, 0, 1, 0xff, 0xff)), E_INVAL); /* null */
    assert_int_equal(metadata_decode(1, BYTES(0, 0, 0, 1, 0xff, 0xfe)), E_INVAL); /* -2 */
    assert_int_equal(metadata_decode(9, BYTES(2, 3, 'a', 0)), E_TRUNCATED);
    assert_int_equal(metadata_decode(9, BYTES(2, 0, 0, 0)), E_INVAL);
    assert_int_equal(metadata_decode(9, BYTES(2, 0x80, 0x80, 2, 0)), E_TRUNCATED);
    assert_int_equal(metadata_decode(9, BYTES(2, 0x81, 0x80, 2, 0)), E_TOO_BIG);
    assert_int_equal(metadata_decode(9, BYTES(2, 0xff, 0xff, 0xff, 0xff, 0x0f, 0)), E_INVAL);
}

static void tagged_fields(void **state)
{
    /* unknown ones are skipped, in any order */
    assert_int_equal(metadata_decode(9, BYTES(0, 1, 0, 0, 2, 99, 1, 7, 5, 0)), E_OK);
    /* a count of 2^31, of 2^32 - 1, of one too many */
    assert_int_equal(metadata_decode(9, BYTES(0, 1, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x08)),
                     E_TRUNCATED);
    assert_int_equal(metadata_decode(9, BYTES(0, 1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f)),
                     E_TRUNCATED);
    assert_int_equal(metadata_decode(9, BYTES(0, 1, 0, 0, 2, 99, 0)), E_TRUNCATED);
    /* a size past the end */
    assert_int_equal(metadata_decode(9, BYTES(0, 1, 0, 0, 1, 99, 2, 7)), E_TRUNCATED);
    assert_int_equal(metadata_decode(9, BYTES(0, 1, 0, 0, 1, 99, 0xff, 0xff, 0xff, 0xff, 0x0f)),
                     E_TRUNCATED);
}

/* A Fetch request v13 with one tagged field: cluster_id, with the given size and value. */
static enum err fetch_decode(uint8_t tag_size, const uint8_t *value, size_t size)
{
    uint8_t bytes[64] = {[25] = 1, [26] = 1, [27] = 1, [28] = 1, [29] = 0, [30] = tag_size};
    struct wire_fetch_request m;
    struct reader r = reader_init(bytes, 31 + size);
    struct arena a;
    enum err e;

    memcpy(bytes + 31, value, size);
    arena_init(&a, MEMORY_MAX);
    e = wire_fetch_request_decode(&r, 13, &a, &m);
    if (e == E_OK)
        assert_true(slice_equal_text(m.cluster_id, "ab"));
    arena_release(&a);
    return e;
}

static void known_tag_has_exactly_its_size(void **state)
{
    assert_int_equal(fetch_decode(3, BYTES(3, 'a', 'b')), E_OK);
    assert_int_equal(fetch_decode(4, BYTES(3, 'a', 'b', 'c')), E_INVAL);
    assert_int_equal(fetch_decode(2, BYTES(3, 'a', 'b')), E_TRUNCATED);
    assert_int_equal(fetch_decode(0, BYTES(0)), E_TRUNCATED);
}

static void header_with_many_tags(void **state)
{
    const uint8_t bytes[] = {0, 18, 0, 3, 0, 0, 0, 1, 0xff, 0xff, 0x80, 0x80, 0x80, 0x80, 0x08};
    struct wire_request_header h;
    struct reader r = reader_init(bytes, sizeof(bytes));

    assert_int_equal(wire_request_header_decode(&r, &h), E_TRUNCATED);
}

static void small_arena(void **state)
{
    uint8_t bytes[4 + 4000 * 2] = {0, 0, 4000 >> 8, 4000 & 0xff};
    struct wire_metadata_request m;
    struct reader r = reader_init(bytes, sizeof(bytes));
    struct arena a;

    arena_init(&a, 4096);
    assert_int_equal(wire_metadata_request_decode(&r, 0, &a, &m), E_TOO_BIG);
    arena_release(&a);
}

/* Damaged messages: any answer, no more memory than the bytes justify. */
static void damaged(const struct message *m, int16_t version, uint64_t seed)
{
    struct visit v = {.fill = true, .items_left = 40};
    void *value = calloc(1, m->size);
    struct arena a;
    struct buf b;
    struct writer w = writer_init(&b);

    arena_init(&a, MEMORY_MAX);
    buf_init(&b, MEMORY_MAX);
    rng_init(&v.rng, seed);
    v.arena = &a;
    m->init(value);
    m->visit(&v, version, value);
    m->encode(&w, version, value);
    assert_int_equal(writer_done(&w), E_OK);
    for (int i = 0; i < 20 && b.size > 0; i++) {
        struct reader r = reader_init(b.at, b.size);

        b.at[rng_below(&v.rng, b.size)] = (uint8_t)rng_next(&v.rng);
        arena_release(&a);
        if (m->decode(&r, version, &a, value) == E_OK)
            assert_true(r.err == E_OK);
        assert_true(a.total <= 4096 + 2 * WIRE_DEPTH_MAX * WIRE_GROWTH_MAX * b.size);
    }
    arena_release(&a);
    buf_release(&b);
    free(value);
}

static void damaged_messages(void **state)
{
    for (size_t i = 0; i < message_count; i++)
        for (int16_t v = messages[i].version_min; v <= messages[i].version_max; v++)
            for (uint64_t seed = 100; seed < 105; seed++)
                damaged(&messages[i], v, seed);
}

TESTS(test_bad_input, cmocka_unit_test(array_counts), cmocka_unit_test(strings),
      cmocka_unit_test(tagged_fields), cmocka_unit_test(known_tag_has_exactly_its_size),
      cmocka_unit_test(header_with_many_tags), cmocka_unit_test(small_arena),
      cmocka_unit_test(damaged_messages));
