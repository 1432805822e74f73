#include "base/hash.h"

#include "unit.h"

/* The vectors of Kafka's UtilsTest.testMurmur2. */
static void murmur2_is_that_of_kafka(void **state)
{
    static const struct {
        const char *key;
        int32_t hash;
    } CASES[] = {
        {"21", -973932308},
        {"foobar", -790332482},
        {"a-little-bit-long-string", -985981536},
        {"a-little-bit-longer-string", -1486304829},
        {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
        {"abc", 479470107},
    };

    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
        assert_int_equal(hash_murmur2(slice_of_text(CASES[i].key)), CASES[i].hash);
    assert_int_equal(hash_murmur2(slice_of(NULL, 0)), 275646681);
}

/* Every bit of the input and of the seed moves the result; lengths differ too. */
static void every_bit_counts(void **state)
{
    uint8_t bytes[70] = {0};

    for (size_t size = 0; size < sizeof(bytes); size++) {
        uint64_t plain = hash_bytes(slice_of(bytes, size), 5);

        assert_true(plain != hash_bytes(slice_of(bytes, size + 1), 5));
        assert_true(plain != hash_bytes(slice_of(bytes, size), 6));
        for (size_t bit = 0; bit < size * 8; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_true(plain != hash_bytes(slice_of(bytes, size), 5));
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
    for (unsigned bit = 0; bit < 64; bit++)
        assert_true(hash_u64(0, 5) != hash_u64(UINT64_C(1) << bit, 5));
}

/* Consecutive keys fill the low bits evenly: a table of 256 with 25,600 of them. */
static void low_bits_are_even(void **state)
{
    unsigned cells[2][256] = {{0}};

    for (uint64_t key = 0; key < 25600; key++) {
        cells[0][hash_u64(key, 9) & 255]++;
        cells[1][hash_bytes(slice_of(&key, sizeof(key)), 9) & 255]++;
    }
    for (size_t i = 0; i < 256; i++) {
        assert_in_range(cells[0][i], 50, 160);
        assert_in_range(cells[1][i], 50, 160);
    }
}

/* The first vectors of the authors' own: key 00 01 .. 0f, input empty, 00, 00 01, ... */
static void sip128_gives_the_known_values(void **state)
{
    static const uint8_t expected[][16] = {
        {0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02,
         0x93},
        {0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc,
         0x45},
    };
    const struct hash_key key = {{UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)}};
    uint8_t bytes[40] = {0};

    for (size_t size = 0; size < 2; size++) {
        struct hash_128 hash = hash_sip128(slice_of(bytes, size), key);

        assert_memory_equal(&hash, expected[size], sizeof(hash));
    }
    for (size_t size = 1; size < sizeof(bytes); size++) { /* every bit counts here too */
        struct hash_128 plain = hash_sip128(slice_of(bytes, size), key);

        for (size_t bit = 0; bit < size * 8; bit++) {
            struct hash_128 hash;

            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            hash = hash_sip128(slice_of(bytes, size), key);
            assert_true(plain.words[0] != hash.words[0] && plain.words[1] != hash.words[1]);
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}

TESTS(test_hash, cmocka_unit_test(sip128_gives_the_known_values),
      cmocka_unit_test(murmur2_is_that_of_kafka), cmocka_unit_test(every_bit_counts),
      cmocka_unit_test(low_bits_are_even));
