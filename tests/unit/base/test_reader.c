#include "base/reader.h"

#include "unit.h"

static void reads_fields_in_order(void **state)
{
    const uint8_t in[] = {0, 0, 0, 7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe};
    struct reader r = reader_init(in, sizeof(in));

    assert_int_equal(reader_i32(&r), 7);
    assert_int_equal(reader_i64(&r), -2);
    assert_int_equal(reader_done(&r), E_OK);
}

static void error_is_sticky(void **state)
{
    const uint8_t in[] = {1, 2, 3, 4, 5};
    struct reader r = reader_init(in, sizeof(in));

    assert_int_equal(reader_i64(&r), 0);
    assert_int_equal(reader_i32(&r), 0);
    assert_int_equal(reader_done(&r), E_TRUNCATED);
}

static void leftover_bytes_are_an_error(void **state)
{
    const uint8_t in[] = {0, 0, 0, 1, 9};
    struct reader r = reader_init(in, sizeof(in));

    assert_int_equal(reader_i32(&r), 1);
    assert_int_equal(reader_done(&r), E_INVAL);
    r = reader_init(NULL, 0);
    assert_int_equal(reader_done(&r), E_OK);
}

TESTS(test_reader, cmocka_unit_test(reads_fields_in_order), cmocka_unit_test(error_is_sticky),
      cmocka_unit_test(leftover_bytes_are_an_error));
