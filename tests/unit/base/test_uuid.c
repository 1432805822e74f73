#include "base/uuid.h"

#include "base/err.h"
#include "base/rng.h"
#include "unit.h"

static void text_round_trips(void **state)
{
    struct rng rng;

    rng_init(&rng, 2);
    for (int i = 0; i < 5000; i++) {
        struct uuid id, back;
        char text[UUID_TEXT_SIZE];

        rng_bytes(&rng, id.bytes, sizeof(id.bytes));
        uuid_to_text(id, text);
        assert_int_equal(strlen(text), UUID_TEXT_SIZE - 1);
        assert_int_equal(uuid_parse(slice_of_text(text), &back), E_OK);
        assert_true(uuid_equal(id, back));
        assert_true(uuid_hash(id) == uuid_hash(back));
    }
}

static void rejects_what_is_no_id(void **state)
{
    static const char *const BAD[] = {"",
                                      "AAAAAAAAAAAAAAAAAAAAA",
                                      "AAAAAAAAAAAAAAAAAAAAAAA",
                                      "AAAAAAAAAAAAAAAAAAAAAB", /* bits beyond the 128th */
                                      "AAAAAAAAAAAAAAAAAAAA+A",
                                      "AAAAAAAAAAAAAAAAAAAA/A",
                                      "AAAAAAAAAAAAAAAAAAAA=="};
    struct uuid id;

    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++)
        assert_int_equal(uuid_parse(slice_of_text(BAD[i]), &id), E_INVAL);
    assert_int_equal(uuid_parse(slice_of("AAAAAAAAAA\0AAAAAAAAAAA", 22), &id), E_INVAL);
    assert_int_equal(uuid_parse(slice_of_text("AAAAAAAAAAAAAAAAAAAAAA"), &id), E_OK);
    assert_true(uuid_is_zero(id));
    assert_int_equal(uuid_parse(slice_of_text("AAAAAAAAAAAAAAAAAAAAAQ"), &id), E_OK);
    assert_int_equal(id.bytes[15], 1);
    assert_false(uuid_is_zero(id));
}

TESTS(test_uuid, cmocka_unit_test(text_round_trips), cmocka_unit_test(rejects_what_is_no_id));
