#include "record/record_list.h"

#include "unit.h"

static void write_record(struct record_list *list, const char *key, const char *value)
{
    struct writer w = writer_init(&list->bytes);

    writer_bytes(&w, key, strlen(key));
    record_list_key_end(list);
    if (value != NULL)
        writer_bytes(&w, value, strlen(value));
    assert_int_equal(writer_done(&w), E_OK);
}

static void keys_and_values(void **state)
{
    struct record_list list;

    record_list_init(&list, 1024);
    write_record(&list, "a", "one");
    assert_int_equal(record_list_seal(&list, false), E_OK);
    write_record(&list, "bb", NULL);
    assert_int_equal(record_list_seal(&list, true), E_OK);
    write_record(&list, "", "");
    assert_int_equal(record_list_seal(&list, false), E_OK);
    assert_int_equal(record_list_count(&list), 3);
    assert_true(slice_equal_text(record_list_at(&list, 0).key, "a"));
    assert_true(slice_equal_text(record_list_at(&list, 0).value, "one"));
    assert_true(slice_equal_text(record_list_at(&list, 1).key, "bb"));
    assert_null(record_list_at(&list, 1).value.at);
    assert_non_null(record_list_at(&list, 2).value.at);
    assert_int_equal(record_list_at(&list, 2).value.size, 0);
    record_list_cut(&list, 1);
    write_record(&list, "c", "three");
    assert_int_equal(record_list_seal(&list, false), E_OK);
    assert_true(slice_equal_text(record_list_at(&list, 1).value, "three"));
    record_list_clear(&list);
    assert_int_equal(record_list_count(&list), 0);
    record_list_release(&list);
}

/* A record that was begun and could not be written whole is taken back with a cut. */
static void half_a_record(void **state)
{
    struct record_list list;
    struct writer w;

    record_list_init(&list, 8);
    write_record(&list, "key", "v");
    assert_int_equal(record_list_seal(&list, false), E_OK);
    w = writer_init(&list.bytes);
    writer_bytes(&w, "abc", 3);
    record_list_key_end(&list);
    writer_bytes(&w, "too long", 8);
    assert_int_equal(writer_done(&w), E_TOO_BIG);
    record_list_cut(&list, record_list_count(&list));
    assert_int_equal(list.bytes.size, 4);
    write_record(&list, "k2", "v2");
    assert_int_equal(record_list_seal(&list, false), E_OK);
    assert_true(slice_equal_text(record_list_at(&list, 1).key, "k2"));
    record_list_release(&list);
}

TESTS(test_record_list, cmocka_unit_test(keys_and_values), cmocka_unit_test(half_a_record));
