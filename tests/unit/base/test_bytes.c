#include "base/arena.h"
#include "base/buf.h"
#include "base/reader.h"
#include "base/rng.h"
#include "base/varint.h"
#include "base/writer.h"
#include "unit.h"

/* Slices, bufs, arenas, writers and varints together: what one writes the other reads. */

static void slices_compare(void **state)
{
    char text[4];

    assert_true(slice_equal(slice_of_text("ab"), slice_of("abc", 2)));
    assert_true(slice_equal(slice_of(NULL, 0), slice_of_text("")));
    assert_false(slice_equal_text(slice_of_text("ab"), "abc"));
    assert_true(slice_compare(slice_of_text("ab"), slice_of_text("abc")) < 0);
    assert_true(slice_compare(slice_of_text("b"), slice_of_text("abc")) > 0);
    assert_int_equal(slice_compare(slice_of(NULL, 0), slice_of_text("")), 0);
    slice_to_text(slice_of_text("abcdef"), text, sizeof(text));
    assert_string_equal(text, "abc");
    slice_to_text(slice_of(NULL, 0), text, sizeof(text));
    assert_string_equal(text, "");
}

static void buf_stops_at_its_maximum(void **state)
{
    struct buf b;

    buf_init(&b, 100);
    assert_int_equal(buf_reserve(&b, 101), E_TOO_BIG);
    assert_int_equal(buf_reserve(&b, SIZE_MAX), E_TOO_BIG);
    assert_int_equal(buf_append(&b, "0123456789", 10), E_OK);
    assert_int_equal(buf_reserve(&b, 91), E_TOO_BIG);
    assert_int_equal(buf_reserve(&b, 90), E_OK);
    assert_int_equal(b.capacity, 100);
    buf_drop(&b, 4);
    assert_true(slice_equal_text(buf_slice(&b), "456789"));
    buf_shrink(&b, 0);
    assert_int_equal(b.capacity, 6);
    buf_drop(&b, 6);
    buf_shrink(&b, 0);
    assert_null(b.at);
    assert_int_equal(buf_printf(&b, "%d-%s", 7, "x"), E_OK);
    assert_true(slice_equal_text(buf_slice(&b), "7-x"));
    assert_int_equal(buf_printf(&b, "%98d", 1), E_TOO_BIG);
    assert_int_equal(b.size, 3);
    buf_release(&b);
    buf_release(NULL);
}

static void arena_stops_at_its_maximum(void **state)
{
    struct arena a;
    struct slice copy;
    size_t total = 0;

    arena_init(&a, 10000);
    assert_null(arena_alloc(&a, 10001));
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_alloc_array(&a, SIZE_MAX / 4, 8));
    while (arena_alloc(&a, 100) != NULL)
        total += 100;
    assert_true(total >= 5000 && a.total <= 10000);
    arena_clear(&a);
    copy = arena_copy(&a, slice_of_text("abc"));
    assert_string_equal((const char *)copy.at, "abc");
    assert_null(arena_copy(&a, slice_of(NULL, 0)).at);
    assert_non_null(arena_copy(&a, slice_of("", 0)).at);
    arena_release(&a);
    arena_release(NULL);
}

static void arena_memory_is_zeroed_and_apart(void **state)
{
    struct arena a;
    struct rng rng;

    rng_init(&rng, 1);
    arena_init(&a, 1 << 20);
    for (int round = 0; round < 20; round++) {
        uint8_t *last = NULL;
        size_t last_size = 0;

        for (int i = 0; i < 50; i++) {
            size_t size = rng_below(&rng, 500);
            uint8_t *at = arena_alloc(&a, size);

            assert_non_null(at);
            assert_int_equal((uintptr_t)at % 16, 0);
            for (size_t j = 0; j < size; j++)
                assert_int_equal(at[j], 0);
            memset(at, 0xee, size);
            for (size_t j = 0; j < last_size; j++)
                assert_int_equal(last[j], 0xee);
            last = at;
            last_size = size;
        }
        arena_clear(&a);
    }
    arena_release(&a);
}

/* A field of each kind, chosen by the seed; written, read back, cut short everywhere. */
static void write_fields(struct writer *w, struct rng *r, int count)
{
    for (int i = 0; i < count; i++) {
        uint64_t v = rng_next(r) >> rng_below(r, 64);
        struct uuid id;

        writer_i8(w, (int8_t)v);
        writer_i16(w, (int16_t)v);
        writer_u16(w, (uint16_t)v);
        writer_i32(w, (int32_t)v);
        writer_u32(w, (uint32_t)v);
        writer_i64(w, (int64_t)v);
        writer_f64(w, (double)v);
        writer_uvarint(w, (uint32_t)v);
        writer_uvarlong(w, v);
        writer_varint(w, (int32_t)v);
        writer_varlong(w, (int64_t)v);
        rng_bytes(r, id.bytes, sizeof(id.bytes));
        writer_uuid(w, id);
        writer_bytes(w, "xyz", 3);
    }
}

static void read_fields(struct reader *in, struct rng *r, int count)
{
    for (int i = 0; i < count; i++) {
        uint64_t v = rng_next(r) >> rng_below(r, 64);
        struct uuid id;

        assert_int_equal(reader_i8(in), (int8_t)v);
        assert_int_equal(reader_i16(in), (int16_t)v);
        assert_int_equal(reader_u16(in), (uint16_t)v);
        assert_int_equal(reader_i32(in), (int32_t)v);
        assert_int_equal(reader_u32(in), (uint32_t)v);
        assert_int_equal(reader_i64(in), (int64_t)v);
        assert_true(reader_f64(in) == (double)v);
        assert_int_equal(reader_uvarint(in), (uint32_t)v);
        assert_true(reader_uvarlong(in) == v);
        assert_int_equal(reader_varint(in), (int32_t)v);
        assert_true(reader_varlong(in) == (int64_t)v);
        rng_bytes(r, id.bytes, sizeof(id.bytes));
        assert_true(uuid_equal(reader_uuid(in), id));
        assert_true(slice_equal_text(reader_slice(in, 3), "xyz"));
    }
}

static void what_is_written_is_read(void **state)
{
    struct buf b;
    struct writer w;
    struct reader in;
    struct rng r;

    buf_init(&b, 1 << 20);
    w = writer_init(&b);
    rng_init(&r, 12);
    write_fields(&w, &r, 1000);
    assert_int_equal(writer_done(&w), E_OK);
    in = reader_init(b.at, b.size);
    rng_init(&r, 12);
    read_fields(&in, &r, 1000);
    assert_int_equal(reader_done(&in), E_OK);
    buf_release(&b);
}

static void writer_errors_stick(void **state)
{
    struct writer_cut cuts[1];
    struct buf b;
    struct writer w;

    buf_init(&b, 6);
    w = writer_init(&b);
    writer_i32(&w, 1);
    writer_i32(&w, 2);
    writer_i8(&w, 3);
    writer_insert(&w, 0, "x", 1);
    writer_i32_at(&w, 0, 9);
    assert_int_equal(writer_done(&w), E_TOO_BIG);
    assert_int_equal(b.size, 4);
    assert_int_equal(b.at[3], 1);
    writer_fail(&w, E_INVAL);
    assert_int_equal(writer_done(&w), E_TOO_BIG);
    w = writer_init(&b);
    writer_accept_cuts(&w, cuts, 1);
    writer_cut(&w, 10, 1);
    writer_cut(&w, 10, 2);
    assert_int_equal(writer_done(&w), E_TOO_BIG);
    assert_int_equal(w.cut_count, 1);
    buf_release(&b);
}

static void inserting_moves_cuts(void **state)
{
    struct writer_cut cuts[3];
    struct buf b;
    struct writer w;

    buf_init(&b, 100);
    w = writer_init(&b);
    writer_accept_cuts(&w, cuts, 3);
    writer_bytes(&w, "ab", 2);
    writer_cut(&w, 10, 1);
    writer_bytes(&w, "cd", 2);
    writer_cut(&w, 20, 2);
    writer_insert(&w, 3, "XY", 2);
    writer_insert(&w, 6, "Z", 1);
    writer_insert(&w, 0, "", 0);
    assert_int_equal(writer_done(&w), E_OK);
    assert_true(slice_equal_text(buf_slice(&b), "abcXYdZ"));
    assert_int_equal(cuts[0].pos, 2);
    assert_int_equal(cuts[1].pos, 7);
    writer_i32_at(&w, 3, 0x31323334);
    assert_true(slice_equal_text(buf_slice(&b), "abc1234"));
    buf_release(&b);
}

static void varints_know_their_size(void **state)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        for (int less = 0; less < 2; less++) {
            uint64_t v = (UINT64_C(1) << bit) - (uint64_t)less;
            uint8_t bytes[VARINT_SIZE_MAX];
            size_t size = varint_put(bytes, v);
            struct reader r = reader_init(bytes, size);

            assert_int_equal(size, varint_size(v));
            assert_true(reader_uvarlong(&r) == v);
            assert_int_equal(reader_done(&r), E_OK);
        }
    }
    assert_int_equal(varint_zigzag32(-1), 1);
    assert_int_equal(varint_zigzag64(INT64_MIN), UINT64_MAX);
}

static void varints_that_are_too_long_are_refused(void **state)
{
    const uint8_t five[] = {0xff, 0xff, 0xff, 0xff, 0x0f};
    const uint8_t beyond[] = {0xff, 0xff, 0xff, 0xff, 0x1f};
    const uint8_t endless[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01};
    struct reader r = reader_init(five, sizeof(five));

    assert_true(reader_uvarint(&r) == UINT32_MAX);
    assert_int_equal(reader_done(&r), E_OK);
    r = reader_init(beyond, sizeof(beyond));
    assert_int_equal(reader_uvarint(&r), 0);
    assert_int_equal(reader_done(&r), E_INVAL);
    r = reader_init(endless, sizeof(endless));
    assert_int_equal(reader_uvarlong(&r), 0);
    assert_int_equal(reader_done(&r), E_INVAL);
    r = reader_init(endless, 3);
    assert_int_equal(reader_varlong(&r), 0);
    assert_int_equal(reader_left(&r), 3);
    assert_int_equal(reader_done(&r), E_TRUNCATED);
}

static void errors_have_names(void **state)
{
    assert_string_equal(err_name(E_OK), "E_OK");
    assert_string_equal(err_name(E_CORRUPT), "E_CORRUPT");
    assert_string_equal(err_text(E_CORRUPT), "data is corrupt");
    assert_string_equal(err_name((enum err)9999), "E_UNKNOWN");
    assert_string_equal(err_text((enum err)9999), "unknown error");
}

TESTS(test_bytes, cmocka_unit_test(slices_compare), cmocka_unit_test(buf_stops_at_its_maximum),
      cmocka_unit_test(arena_stops_at_its_maximum),
      cmocka_unit_test(arena_memory_is_zeroed_and_apart), cmocka_unit_test(what_is_written_is_read),
      cmocka_unit_test(writer_errors_stick), cmocka_unit_test(inserting_moves_cuts),
      cmocka_unit_test(varints_know_their_size),
      cmocka_unit_test(varints_that_are_too_long_are_refused), cmocka_unit_test(errors_have_names));
