#include "base/crc32c.h"

#include "unit.h"

static void known_vectors(void **state)
{
    uint8_t bytes[32];

    assert_int_equal(crc32c_of(NULL, 0), 0);
    assert_int_equal(crc32c_of("123456789", 9), 0xe3069283);
    /* RFC 3720, appendix B.4 */
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(crc32c_of(bytes, sizeof(bytes)), 0x8a9136aa);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(crc32c_of(bytes, sizeof(bytes)), 0x62a8ab43);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    assert_int_equal(crc32c_of(bytes, sizeof(bytes)), 0x46dd794e);
}

static void parts_give_the_whole(void **state)
{
    uint8_t bytes[300];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 37 + 11);
    for (size_t cut = 0; cut <= sizeof(bytes); cut++) {
        uint32_t crc = crc32c_add(0, bytes, cut);

        crc = crc32c_add(crc, bytes + cut, sizeof(bytes) - cut);
        assert_int_equal(crc, crc32c_of(bytes, sizeof(bytes)));
    }
}

TESTS(test_crc32c, cmocka_unit_test(known_vectors), cmocka_unit_test(parts_give_the_whole));
