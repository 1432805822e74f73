#include "codec/codec.h"

#include "unit.h"

enum { TEXT_SIZE = 200 * 1000 };

/* Text that compresses to about a third, and not in one repeat. */
static void fill_text(uint8_t *at, size_t size)
{
    uint32_t x = 12345;

    for (size_t i = 0; i < size; i++) {
        x = x * 1664525 + 1013904223;
        at[i] = (uint8_t)('a' + (x >> 24) % 7);
    }
}

static struct slice text_new(size_t size)
{
    uint8_t *at = malloc(size + 1);

    assert_non_null(at);
    fill_text(at, size);
    return slice_of(at, size);
}

static void text_free(struct slice text)
{
    free((void *)(uintptr_t)text.at);
}

static void hex_append(struct buf *b, const char *hex)
{
    for (; hex[0] != 0 && hex[1] != 0; hex += 2) {
        char two[3] = {hex[0], hex[1], 0};
        uint8_t byte = (uint8_t)strtoul(two, NULL, 16);

        assert_int_equal(buf_append(b, &byte, 1), E_OK);
    }
}

static void names(void **state)
{
    enum codec_id id = CODEC_NONE;

    for (int i = 0; i < CODEC_COUNT; i++) {
        assert_int_equal(codec_parse(slice_of_text(codec_name(i)), &id), E_OK);
        assert_int_equal(id, i);
    }
    assert_null(codec_name(-1));
    assert_null(codec_name(CODEC_COUNT));
    assert_int_equal(codec_parse(slice_of_text("brotli"), &id), E_NOT_FOUND);
    assert_true(codec_is_level(CODEC_GZIP, 9));
    assert_false(codec_is_level(CODEC_GZIP, 10));
    assert_false(codec_is_level(CODEC_SNAPPY, 1));
    assert_true(codec_is_level(CODEC_ZSTD, -5));
}

static void round_trips(void **state)
{
    static const size_t sizes[] = {0, 1, 2, 100, 32767, 32768, 32769, 65536, TEXT_SIZE};
    struct slice text = text_new(TEXT_SIZE);

    for (int id = 0; id < CODEC_COUNT; id++) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            struct slice in = slice_of(text.at, sizes[i]);
            struct buf packed, plain;

            buf_init(&packed, 1 << 20);
            buf_init(&plain, 1 + sizes[i]); /* "x" and not one byte more */
            assert_int_equal(buf_append(&packed, "p", 1), E_OK);
            assert_int_equal(buf_append(&plain, "x", 1), E_OK);
            assert_int_equal(codec_compress(id, CODEC_LEVEL_DEFAULT, in, &packed), E_OK);
            assert_int_equal(codec_decompress(id, slice_of(packed.at + 1, packed.size - 1), &plain),
                             E_OK);
            assert_int_equal(plain.at[0], 'x');
            assert_int_equal(packed.at[0], 'p');
            assert_true(slice_equal(slice_of(plain.at + 1, plain.size - 1), in));
            if (id != CODEC_NONE && sizes[i] == TEXT_SIZE)
                assert_true(packed.size < TEXT_SIZE * 3 / 4);
            buf_release(&packed);
            buf_release(&plain);
        }
    }
    text_free(text);
}

static void levels(void **state)
{
    struct slice text = text_new(5000);

    for (int id = 0; id < CODEC_COUNT; id++) {
        for (int level = -8; level <= 25; level++) {
            struct buf packed, plain;

            buf_init(&packed, 1 << 20);
            buf_init(&plain, 5000);
            if (!codec_is_level((enum codec_id)id, level)) {
                assert_int_equal(codec_compress(id, level, text, &packed), E_INVAL);
            } else {
                assert_int_equal(codec_compress(id, level, text, &packed), E_OK);
                assert_int_equal(codec_decompress(id, buf_slice(&packed), &plain), E_OK);
                assert_true(slice_equal(buf_slice(&plain), text));
            }
            buf_release(&packed);
            buf_release(&plain);
        }
    }
    text_free(text);
}

static void unknown_codecs(void **state)
{
    struct buf out;

    buf_init(&out, 100);
    for (int id = -1; id < 9; id++) {
        if (id >= 0 && id < CODEC_COUNT)
            continue;
        assert_int_equal(codec_decompress(id, slice_of_text("x"), &out), E_UNSUPPORTED);
        assert_int_equal(codec_compress(id, 0, slice_of_text("x"), &out), E_UNSUPPORTED);
    }
    buf_release(&out);
}

/* One byte too little room is E_TOO_BIG, and the output is as it was. */
static void limit_is_hard(void **state)
{
    struct slice text = text_new(TEXT_SIZE);

    for (int id = 0; id < CODEC_COUNT; id++) {
        struct buf packed, plain;

        buf_init(&packed, 1 << 20);
        buf_init(&plain, TEXT_SIZE + 1);
        assert_int_equal(codec_compress(id, 0, text, &packed), E_OK);
        assert_int_equal(buf_append(&plain, "xy", 2), E_OK);
        assert_int_equal(codec_decompress(id, buf_slice(&packed), &plain), E_TOO_BIG);
        assert_int_equal(plain.size, 2);
        assert_memory_equal(plain.at, "xy", 2);
        buf_release(&packed);
        buf_release(&plain);

        buf_init(&packed, 10);
        assert_int_equal(codec_compress(id, 0, text, &packed), E_TOO_BIG);
        assert_int_equal(packed.size, 0);
        buf_release(&packed);
    }
    text_free(text);
}

/* 64 MiB of zeros in little: refused at the limit, with little memory held. */
static void bombs_are_refused(void **state)
{
    enum { BOMB_SIZE = 64 << 20, LIMIT = 1 << 20 };
    uint8_t *zeros = calloc(1, BOMB_SIZE);

    assert_non_null(zeros);
    for (int id = CODEC_GZIP; id < CODEC_COUNT; id++) {
        struct buf packed, plain;

        buf_init(&packed, 2 * (size_t)BOMB_SIZE);
        buf_init(&plain, LIMIT);
        assert_int_equal(codec_compress(id, 0, slice_of(zeros, BOMB_SIZE), &packed), E_OK);
        assert_true(packed.size < BOMB_SIZE / 10);
        assert_int_equal(codec_decompress(id, buf_slice(&packed), &plain), E_TOO_BIG);
        assert_true(plain.capacity <= LIMIT);
        buf_release(&packed);
        buf_release(&plain);
    }
    free(zeros);
}

/* Sizes that the input claims and cannot mean: an error, and no memory for them. */
static void claimed_sizes_are_not_believed(void **state)
{
    static const struct {
        int id;
        const char *hex;
    } lies[] = {
        {CODEC_SNAPPY, "80808040"
                       "0061"}, /* 128 MiB in two bytes */
        {CODEC_SNAPPY, "82534e41505059000000000100000001"
                       "00000006"
                       "808080400061"},
        {CODEC_ZSTD, "28b52ffda0"
                     "00000008"
                     "010000"}, /* 128 MiB, one empty block */
    };

    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        struct buf in, out;

        buf_init(&in, 100);
        buf_init(&out, (size_t)1 << 30);
        hex_append(&in, lies[i].hex);
        assert_int_equal(codec_decompress(lies[i].id, buf_slice(&in), &out), E_CORRUPT);
        assert_true(out.capacity < 100 * 1024);
        buf_release(&in);
        buf_release(&out);
    }
}

/* Every prefix is refused, from a block of exactly its size, so that a sanitizer sees overreads. */
static void every_truncation_is_refused(void **state)
{
    struct slice text = text_new(400);

    for (int id = CODEC_GZIP; id < CODEC_COUNT; id++) {
        struct buf packed, plain;

        buf_init(&packed, 4096);
        buf_init(&plain, 1 << 20);
        assert_int_equal(codec_compress(id, 0, text, &packed), E_OK);
        for (size_t size = 0; size < packed.size; size++) {
            uint8_t *cut = malloc(size == 0 ? 1 : size);

            memcpy(cut, packed.at, size);
            /* A snappy stream may end after any chunk, so also after its header. */
            if (id != CODEC_SNAPPY || size != 16)
                assert_int_equal(codec_decompress(id, slice_of(cut, size), &plain), E_CORRUPT);
            assert_int_equal(plain.size, 0);
            free(cut);
        }
        buf_release(&packed);
        buf_release(&plain);
    }
    text_free(text);
}

/* Flip each bit: any answer is fine except a crash or output past the limit. */
static void every_flipped_bit_is_survived(void **state)
{
    struct slice text = text_new(400);

    for (int id = CODEC_GZIP; id < CODEC_COUNT; id++) {
        struct buf packed, plain;

        buf_init(&packed, 4096);
        buf_init(&plain, 4096);
        assert_int_equal(codec_compress(id, 0, text, &packed), E_OK);
        for (size_t bit = 0; bit < packed.size * 8; bit++) {
            enum err e;

            packed.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
            e = codec_decompress(id, buf_slice(&packed), &plain);
            assert_true(e == E_OK || plain.size == 0);
            assert_true(plain.capacity <= 4096);
            buf_clear(&plain);
            packed.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        buf_release(&packed);
        buf_release(&plain);
    }
    text_free(text);
}

/* gzip members, LZ4 and zstd frames may follow each other, down to empty ones. */
static void concatenated(void **state)
{
    static const int ids[] = {CODEC_GZIP, CODEC_LZ4, CODEC_ZSTD};
    struct slice text = text_new(3000);

    for (size_t i = 0; i < 3; i++) {
        struct buf packed, plain;

        buf_init(&packed, 1 << 20);
        buf_init(&plain, 1 << 20);
        for (size_t part = 0; part < 6; part++)
            assert_int_equal(
                codec_compress(ids[i], 0, slice_of(text.at + part * 500, 500), &packed), E_OK);
        assert_int_equal(codec_compress(ids[i], 0, slice_of(text.at, 0), &packed), E_OK);
        assert_int_equal(codec_decompress(ids[i], buf_slice(&packed), &plain), E_OK);
        assert_true(slice_equal(buf_slice(&plain), text));

        buf_clear(&plain);
        assert_int_equal(buf_append(&packed, "garbage", 7), E_OK);
        assert_int_equal(codec_decompress(ids[i], buf_slice(&packed), &plain), E_CORRUPT);
        buf_release(&packed);
        buf_release(&plain);
    }
    text_free(text);
}

/* What other programs wrote: python's gzip, librdkafka's raw snappy, zstd(1) from a pipe, lz4(1).
 */
static void foreign_vectors(void **state)
{
    static const struct {
        int id;
        const char *hex;
    } vectors[] = {
        {CODEC_GZIP, "1f8b0800000000000203cb48cdc9c95728cf2fca49010085114a0d0b000000"},
        {CODEC_SNAPPY, "0b2868656c6c6f20776f726c64"},
        {CODEC_SNAPPY, "82534e41505059000000000100000001"
                       "000000080614"
                       "68656c6c6f20"
                       "00000007051"
                       "0776f726c64"},
        {CODEC_ZSTD, "28b52ffd045859000068656c6c6f20776f726c6468691eb2"},
        {CODEC_LZ4, "04224d186440a70b00008068656c6c6f20776f726c64000000002266bbce"},
    };

    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        struct buf in, out;

        buf_init(&in, 200);
        buf_init(&out, 11);
        hex_append(&in, vectors[i].hex);
        assert_int_equal(codec_decompress(vectors[i].id, buf_slice(&in), &out), E_OK);
        assert_true(slice_equal_text(buf_slice(&out), "hello world"));
        buf_release(&in);
        buf_release(&out);
    }
}

TESTS(test_codec, cmocka_unit_test(names), cmocka_unit_test(round_trips), cmocka_unit_test(levels),
      cmocka_unit_test(unknown_codecs), cmocka_unit_test(limit_is_hard),
      cmocka_unit_test(bombs_are_refused), cmocka_unit_test(claimed_sizes_are_not_believed),
      cmocka_unit_test(every_truncation_is_refused),
      cmocka_unit_test(every_flipped_bit_is_survived), cmocka_unit_test(concatenated),
      cmocka_unit_test(foreign_vectors));
