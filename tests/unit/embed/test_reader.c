#include <pthread.h>
#include <stdio.h>

#include "rig.h"
#include "unit.h"

static struct dlog_reader *reader_at(struct rig *r, int64_t from)
{
    struct dlog_reader *reader = NULL;

    assert_int_equal(dlog_reader_open(r->log, from, NULL, &reader), DLOG_OK);
    return reader;
}

static void expect(struct dlog_reader *reader, int64_t offset)
{
    struct dlog_record record;

    assert_int_equal(dlog_reader_next(reader, 0, &record), DLOG_OK);
    assert_int_equal(record.offset, offset);
}

static void a_reader_begins_where_it_is_told(void **state)
{
    struct dlog_reader *reader, *none = NULL;
    struct dlog_record record;
    struct rig r;

    rig_open(&r);
    rig_fill(&r, 10);
    reader = reader_at(&r, 7);
    expect(reader, 7);
    assert_int_equal(dlog_reader_seek(reader, DLOG_FROM_START), DLOG_OK);
    expect(reader, 0);
    assert_int_equal(dlog_reader_seek(reader, 11), DLOG_E_OUT_OF_RANGE);
    expect(reader, 1);
    assert_int_equal(dlog_reader_seek(reader, DLOG_FROM_END), DLOG_OK);
    assert_int_equal(dlog_reader_next(reader, 0, &record), DLOG_E_END);
    assert_int_equal(dlog_reader_next(reader, 1, &record), DLOG_E_END);
    rig_fill(&r, 1);
    expect(reader, 10);
    dlog_reader_close(reader);
    assert_int_equal(dlog_reader_open(r.log, 12, NULL, &none), DLOG_E_OUT_OF_RANGE);
    assert_int_equal(dlog_reader_open(r.log, -3, NULL, &none), DLOG_E_OUT_OF_RANGE);
    assert_int_equal(dlog_reader_open(NULL, 0, NULL, &none), DLOG_E_INVAL);
    assert_int_equal(dlog_reader_open(r.log, 0, NULL, NULL), DLOG_E_INVAL);
    assert_int_equal(dlog_reader_next(NULL, 0, &record), DLOG_E_INVAL);
    assert_int_equal(dlog_reader_seek(NULL, 0), DLOG_E_INVAL);
    assert_int_equal(dlog_reader_offset(NULL), -1);
    assert_null(none);
    dlog_reader_close(NULL);
    dlog_reader_wake(NULL);
    rig_close(&r);
}

static void a_time_is_found(void **state)
{
    struct dlog_reader *reader;
    struct dlog_record record = {.value = "x", .value_size = 1};
    int64_t offset = -1;
    struct rig r;

    rig_init(&r);
    r.options.durability = DLOG_DURABILITY_OS;
    r.options.linger_ms = 1000000;
    assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
    for (int i = 0; i < 50; i++) {
        record.timestamp_ms = 1000 + 10 * i;
        assert_int_equal(dlog_append(r.log, &record, NULL), DLOG_OK);
    }
    assert_int_equal(dlog_offset_for_time(r.log, 1195, &offset), DLOG_OK);
    assert_int_equal(offset, 20);
    assert_int_equal(dlog_offset_for_time(r.log, 9999, &offset), DLOG_OK);
    assert_int_equal(offset, 50);
    assert_int_equal(dlog_offset_for_time(r.log, 0, &offset), DLOG_OK);
    assert_int_equal(offset, 0);
    assert_int_equal(dlog_offset_for_time(r.log, 0, NULL), DLOG_E_INVAL);
    assert_int_equal(dlog_reader_open_at_time(r.log, 1300, NULL, &reader), DLOG_OK);
    expect(reader, 30);
    dlog_reader_close(reader);
    record.timestamp_ms = DLOG_NOW;
    assert_int_equal(dlog_append(r.log, &record, NULL), DLOG_OK);
    assert_int_equal(dlog_offset_for_time(r.log, 1600000000000, &offset), DLOG_OK);
    assert_int_equal(offset, 50);
    rig_close(&r);
}

static void a_durable_reader_sees_what_is_durable(void **state)
{
    struct dlog_reader_options options;
    struct dlog_reader *reader;
    struct dlog_record record;
    struct rig r;

    rig_init(&r);
    r.options.durability = DLOG_DURABILITY_OS;
    r.options.linger_ms = 1000000;
    assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
    dlog_reader_options_init(&options, sizeof(options));
    options.durable_only = true;
    options.buffer_bytes = 1;
    rig_fill(&r, 5);
    assert_int_equal(dlog_reader_open(r.log, 0, &options, &reader), DLOG_OK);
    assert_int_equal(dlog_reader_next(reader, 5, &record), DLOG_E_END);
    assert_int_equal(dlog_flush(r.log), DLOG_OK);
    assert_int_equal(dlog_reader_next(reader, 5, &record), DLOG_E_END);
    assert_int_equal(dlog_sync(r.log), DLOG_OK);
    for (int i = 0; i < 5; i++)
        expect(reader, i);
    assert_int_equal(dlog_reader_next(reader, 0, &record), DLOG_E_END);
    dlog_reader_close(reader);
    options.buffer_bytes = 0;
    assert_int_equal(dlog_reader_open(r.log, 0, &options, &reader), DLOG_E_INVAL);
    rig_close(&r);
}

static void segments_are_passed(void **state)
{
    struct dlog_reader_options options;
    struct dlog_reader *reader;
    struct rig r;

    rig_init(&r);
    r.options.durability = DLOG_DURABILITY_OS;
    r.options.segment_bytes = 4096;
    r.options.batch_bytes = 300;
    assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
    rig_fill(&r, 2000);
    rig_reopen(&r);
    assert_int_equal(rig_count(&r), 2000);
    dlog_reader_options_init(&options, sizeof(options));
    options.buffer_bytes = 777; /* ends inside of batches */
    assert_int_equal(dlog_reader_open(r.log, 1000, &options, &reader), DLOG_OK);
    for (int i = 1000; i < 2000; i++)
        expect(reader, i);
    dlog_reader_close(reader);
    rig_close(&r);
}

static void what_was_trimmed_is_gone(void **state)
{
    struct dlog_reader *reader;
    struct dlog_record record;
    struct rig r;

    rig_init(&r);
    r.options.segment_bytes = 4096;
    r.options.durability = DLOG_DURABILITY_OS;
    r.options.batch_bytes = 300;
    assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
    rig_fill(&r, 1000);
    reader = reader_at(&r, 0);
    expect(reader, 0);
    assert_true(rig_has_file(&r, "00000000000000000000.log"));
    assert_int_equal(dlog_trim(r.log, 900), DLOG_OK);
    assert_int_equal(dlog_trim(r.log, 5), DLOG_OK);
    assert_int_equal(dlog_trim(r.log, 1001), DLOG_E_OUT_OF_RANGE);
    assert_int_equal(dlog_trim(NULL, 0), DLOG_E_INVAL);
    assert_int_equal(dlog_start_offset(r.log), 900);
    assert_false(rig_has_file(&r, "00000000000000000000.log"));
    assert_int_equal(rig_count(&r), 100);
    while (dlog_reader_next(reader, 0, &record) == DLOG_OK)
        assert_true(record.offset < 1000);
    assert_int_equal(dlog_reader_seek(reader, 5), DLOG_E_OUT_OF_RANGE);
    assert_int_equal(dlog_reader_next(reader, 0, &record), DLOG_E_OUT_OF_RANGE);
    assert_int_equal(dlog_reader_seek(reader, dlog_start_offset(r.log)), DLOG_OK);
    expect(reader, 900);
    dlog_reader_close(reader);
    assert_int_equal(dlog_trim(r.log, dlog_end_offset(r.log)), DLOG_OK);
    assert_int_equal(rig_count(&r), 0);
    rig_fill(&r, 1);
    rig_reopen(&r);
    assert_int_equal(dlog_start_offset(r.log), 1000);
    assert_int_equal(rig_count(&r), 1);
    rig_close(&r);
}

/* Damage is never given out, and a reader can pass over it. */
static void damage_is_told(void **state)
{
    struct dlog_reader *reader;
    struct dlog_record record;
    struct rig r;

    rig_open(&r);
    rig_fill(&r, 10); /* each in a batch of its own */
    assert_int_equal(dlog_close(r.log), DLOG_OK);
    rig_flip(&r, "00000000000000000000.log", 4 * 69 + 65);
    assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
    reader = reader_at(&r, 0);
    for (int i = 0; i < 4; i++)
        expect(reader, i);
    assert_int_equal(dlog_reader_next(reader, 0, &record), DLOG_E_CORRUPT);
    assert_int_equal(dlog_reader_next(reader, 0, &record), DLOG_E_CORRUPT);
    assert_int_equal(dlog_reader_offset(reader), 4);
    assert_int_equal(dlog_reader_seek(reader, 5), DLOG_OK);
    for (int i = 5; i < 10; i++)
        expect(reader, i);
    dlog_reader_close(reader);
    rig_close(&r);
}

struct waiter {
    struct dlog_reader *reader;
    int result;
    int64_t offset;
};

static void *wait_for_one(void *ctx)
{
    struct waiter *w = ctx;
    struct dlog_record record = {.offset = -1};

    w->result = dlog_reader_next(w->reader, -1, &record);
    w->offset = record.offset;
    return NULL;
}

static void a_waiting_reader_is_woken(void **state)
{
    struct waiter w;
    pthread_t id;
    struct rig r;

    rig_init(&r);
    r.options.durability = DLOG_DURABILITY_OS;
    r.options.linger_ms = 1000000;
    assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
    w.reader = reader_at(&r, DLOG_FROM_END);
    assert_int_equal(pthread_create(&id, NULL, wait_for_one, &w), 0);
    rig_sleep_ms(5);
    rig_fill(&r, 1);
    pthread_join(id, NULL);
    assert_int_equal(w.result, DLOG_OK);
    assert_int_equal(w.offset, 0);

    assert_int_equal(pthread_create(&id, NULL, wait_for_one, &w), 0);
    rig_sleep_ms(5);
    dlog_reader_wake(w.reader);
    pthread_join(id, NULL);
    assert_int_equal(w.result, DLOG_E_WOKEN);

    assert_int_equal(pthread_create(&id, NULL, wait_for_one, &w), 0);
    rig_sleep_ms(5);
    assert_int_equal(dlog_close(r.log), DLOG_OK);
    r.log = NULL;
    pthread_join(id, NULL);
    assert_int_equal(w.result, DLOG_E_CLOSED);
    assert_int_equal(dlog_reader_next(w.reader, 0, &(struct dlog_record){0}), DLOG_E_CLOSED);
    assert_int_equal(dlog_reader_seek(w.reader, 0), DLOG_E_CLOSED);
    rig_close(&r);
    dlog_reader_close(w.reader); /* after its environment */
}

TESTS(test_reader, cmocka_unit_test(a_reader_begins_where_it_is_told),
      cmocka_unit_test(a_time_is_found), cmocka_unit_test(a_durable_reader_sees_what_is_durable),
      cmocka_unit_test(segments_are_passed), cmocka_unit_test(what_was_trimmed_is_gone),
      cmocka_unit_test(damage_is_told), cmocka_unit_test(a_waiting_reader_is_woken));
