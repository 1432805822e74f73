#include "record/message.h"

#include "base/crc32c.h"

#include "hex.h"

static const char with_key[] = "00000023 5e435623 01 00 0000019b76daa800 00000008 "
                               "757365722d313233 00000005 6576656e74";
static const char null_key[] = "00000016 acd1b302 01 00 0000019b76daa800 ffffffff 00000000";

static void vectors(void **state)
{
    struct message m = {.timestamp_ms = 1767225600000,
                        .key = slice_of_text("user-123"),
                        .value = slice_of_text("event")};
    struct message got;
    struct buf want, out;
    size_t size;

    buf_init(&want, 200);
    buf_init(&out, 200);
    hex_append(&want, with_key);
    assert_int_equal(message_encode(&m, &out), E_OK);
    assert_true(slice_equal(buf_slice(&out), buf_slice(&want)));
    m.key = slice_of(NULL, 0);
    m.value = slice_of_text("");
    hex_append(&want, null_key);
    assert_int_equal(message_encode(&m, &out), E_OK);
    assert_true(slice_equal(buf_slice(&out), buf_slice(&want)));

    assert_int_equal(message_decode(buf_slice(&want), &got, &size), E_OK);
    assert_int_equal(size, 39);
    assert_int_equal(got.timestamp_ms, 1767225600000);
    assert_int_equal(got.codec, CODEC_NONE);
    assert_true(slice_equal_text(got.key, "user-123"));
    assert_true(slice_equal_text(got.value, "event"));
    assert_int_equal(message_decode(slice_of(want.at + 39, want.size - 39), &got, &size), E_OK);
    assert_int_equal(size, 26);
    assert_null(got.key.at);
    assert_non_null(got.value.at);
    assert_int_equal(got.value.size, 0);
    buf_release(&want);
    buf_release(&out);
}

static void empty_key_is_not_null(void **state)
{
    struct message m = {.key = slice_of_text(""), .value = slice_of_text("v")};
    struct message got;
    struct buf out;
    size_t size;

    buf_init(&out, 27);
    assert_int_equal(message_encode(&m, &out), E_OK);
    assert_int_equal(message_decode(buf_slice(&out), &got, &size), E_OK);
    assert_non_null(got.key.at);
    assert_int_equal(got.key.size, 0);
    buf_release(&out);
}

static void every_truncation(void **state)
{
    struct buf b;
    struct message got;
    size_t size;

    buf_init(&b, 100);
    hex_append(&b, with_key);
    for (size_t cut = 0; cut < b.size; cut++) {
        uint8_t *bytes = malloc(cut == 0 ? 1 : cut);

        memcpy(bytes, b.at, cut);
        assert_int_equal(message_decode(slice_of(bytes, cut), &got, &size), E_TRUNCATED);
        assert_int_equal(message_peek_size(slice_of(bytes, cut), &size),
                         cut < 4 ? E_TRUNCATED : E_OK);
        free(bytes);
    }
    buf_release(&b);
}

static void every_flipped_bit_is_found(void **state)
{
    struct buf b;
    struct message got;
    size_t size;

    buf_init(&b, 100);
    hex_append(&b, with_key);
    for (size_t bit = 0; bit < b.size * 8; bit++) {
        enum err e;

        b.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
        e = message_decode(buf_slice(&b), &got, &size);
        assert_true(e == E_CORRUPT || (e == E_TRUNCATED && bit < 32));
        b.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    buf_release(&b);
}

/* A frame with a right CRC over bytes that are changed first. */
static enum err decode_changed(size_t pos, uint8_t byte)
{
    struct message got;
    struct buf b;
    size_t size;
    uint32_t crc;
    enum err e;

    buf_init(&b, 100);
    hex_append(&b, with_key);
    b.at[pos] = byte;
    crc = __builtin_bswap32(crc32c_of(b.at + 8, b.size - 8));
    memcpy(b.at + 4, &crc, 4);
    e = message_decode(buf_slice(&b), &got, &size);
    buf_release(&b);
    return e;
}

static void lengths_and_bits_are_checked(void **state)
{
    struct message got;
    struct buf b;
    size_t size;

    assert_int_equal(decode_changed(17, 1), E_OK);         /* the time */
    assert_int_equal(decode_changed(8, 0), E_UNSUPPORTED); /* magic */
    assert_int_equal(decode_changed(8, 2), E_UNSUPPORTED);
    assert_int_equal(decode_changed(9, 5), E_UNSUPPORTED); /* codec */
    assert_int_equal(decode_changed(9, 8), E_UNSUPPORTED); /* reserved bit */
    assert_int_equal(decode_changed(21, 9), E_CORRUPT);    /* key one longer */
    assert_int_equal(decode_changed(21, 7), E_CORRUPT);    /* key one shorter */
    assert_int_equal(decode_changed(18, 0x80), E_CORRUPT); /* below -1 */
    assert_int_equal(decode_changed(18, 0x7f), E_CORRUPT); /* far past the end */
    assert_int_equal(decode_changed(33, 4), E_CORRUPT);    /* value one shorter */
    assert_int_equal(decode_changed(33, 6), E_CORRUPT);
    assert_int_equal(decode_changed(30, 0xff), E_CORRUPT); /* negative */

    buf_init(&b, 100);
    hex_append(&b, "00000015 00000000 01 00");
    assert_int_equal(message_peek_size(buf_slice(&b), &size), E_CORRUPT);
    assert_int_equal(message_decode(buf_slice(&b), &got, &size), E_CORRUPT);
    buf_release(&b);
}

static void encode_refuses(void **state)
{
    struct message m = {.value = slice_of_text("12345")};
    struct buf out;

    buf_init(&out, 30); /* 31 are needed */
    assert_int_equal(message_encode(&m, &out), E_TOO_BIG);
    m.value = slice_of(NULL, 0);
    assert_int_equal(message_encode(&m, &out), E_INVAL);
    m.value = slice_of("", (size_t)INT32_MAX + 1);
    assert_int_equal(message_encode(&m, &out), E_TOO_BIG);
    m.value = slice_of_text("");
    m.key = slice_of("", (size_t)INT32_MAX + 1);
    assert_int_equal(message_encode(&m, &out), E_TOO_BIG);
    m.key = slice_of(NULL, 0);
    m.codec = (enum codec_id)5;
    assert_int_equal(message_encode(&m, &out), E_UNSUPPORTED);
    assert_int_equal(out.size, 0);
    buf_release(&out);
}

static void compressed_values(void **state)
{
    static const uint8_t value[3000] = {1, 2, 3};

    for (int id = 0; id < CODEC_COUNT; id++) {
        for (size_t size = 0; size <= sizeof(value); size += sizeof(value)) {
            struct message m = {.key = slice_of_text("k"),
                                .value = slice_of(value, size),
                                .codec = (enum codec_id)id};
            struct message got;
            struct slice plain;
            struct buf out, unpack;
            size_t total;

            buf_init(&out, 10000);
            buf_init(&unpack, size);
            assert_int_equal(message_encode(&m, &out), E_OK);
            assert_int_equal(message_decode(buf_slice(&out), &got, &total), E_OK);
            assert_int_equal(got.codec, id);
            assert_int_equal(message_unpack(&got, &unpack, &plain), E_OK);
            assert_true(slice_equal(plain, m.value));
            assert_non_null(plain.at);
            if (id != CODEC_NONE && size > 0) {
                unpack.max = 0;
                buf_release(&unpack);
                assert_int_equal(message_unpack(&got, &unpack, &plain), E_TOO_BIG);
                got.value.size = 1;
                assert_int_equal(message_unpack(&got, &unpack, &plain), E_CORRUPT);
            }
            buf_release(&out);
            buf_release(&unpack);
        }
    }
}

TESTS(test_message, cmocka_unit_test(vectors), cmocka_unit_test(empty_key_is_not_null),
      cmocka_unit_test(every_truncation), cmocka_unit_test(every_flipped_bit_is_found),
      cmocka_unit_test(lengths_and_bits_are_checked), cmocka_unit_test(encode_refuses),
      cmocka_unit_test(compressed_values));
