#include <pthread.h>
#include <stdatomic.h>

#include "rig.h"
#include "unit.h"

static struct dlog_stats stats_of(struct rig *r)
{
    struct dlog_stats s = {.size = sizeof(s)};

    assert_int_equal(dlog_stats(r->log, &s), DLOG_OK);
    return s;
}

static void a_record_comes_back_whole(void **state)
{
    struct dlog_header headers[20];
    struct dlog_record record = {
        .timestamp_ms = 42, .key = "k", .key_size = 1, .value = "value", .value_size = 5};
    struct dlog_record null = {.timestamp_ms = 43};
    struct dlog_record empty = {.timestamp_ms = 44, .key = "", .value = ""};
    struct dlog_reader *reader;
    struct dlog_record got;
    int64_t offset = -1;
    struct rig r;

    rig_open(&r);
    for (int i = 0; i < 20; i++)
        headers[i] = (struct dlog_header){"name", 4, i == 3 ? NULL : "thing", i == 3 ? 0 : 5};
    record.headers = headers;
    record.header_count = 20;
    assert_int_equal(dlog_append(r.log, &record, &offset), DLOG_OK);
    assert_int_equal(offset, 0);
    assert_int_equal(dlog_append(r.log, &null, NULL), DLOG_OK);
    assert_int_equal(dlog_append(r.log, &empty, &offset), DLOG_OK);
    assert_int_equal(offset, 2);
    rig_reopen(&r);
    assert_int_equal(dlog_reader_open(r.log, 0, NULL, &reader), DLOG_OK);
    assert_int_equal(dlog_reader_next(reader, 0, &got), DLOG_OK);
    assert_int_equal(got.timestamp_ms, 42);
    assert_int_equal(got.key_size, 1);
    assert_memory_equal(got.key, "k", 1);
    assert_int_equal(got.value_size, 5);
    assert_memory_equal(got.value, "value", 5);
    assert_int_equal(got.header_count, 20);
    assert_memory_equal(got.headers[19].key, "name", 4);
    assert_memory_equal(got.headers[19].value, "thing", 5);
    assert_null(got.headers[3].value);
    assert_int_equal(dlog_reader_next(reader, 0, &got), DLOG_OK);
    assert_null(got.key);
    assert_null(got.value);
    assert_null(got.headers);
    assert_int_equal(dlog_reader_next(reader, 0, &got), DLOG_OK);
    assert_non_null(got.key);
    assert_non_null(got.value);
    assert_int_equal(got.key_size + got.value_size, 0);
    assert_int_equal(dlog_reader_next(reader, 0, &got), DLOG_E_END);
    dlog_reader_close(reader);
    rig_close(&r);
}

static void what_makes_no_sense_is_refused(void **state)
{
    struct dlog_header header = {.key = NULL};
    struct dlog_record good = rig_record("x");
    struct dlog_record bad[6];
    int64_t offset = 77;
    struct rig r;

    rig_init(&r);
    r.options.record_bytes_max = 1000;
    assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
    for (int i = 0; i < 6; i++)
        bad[i] = good;
    bad[0].flags = 1;
    bad[1].timestamp_ms = -1;
    bad[2].value = NULL;
    bad[3].key_size = 3;
    bad[4].headers = &header;
    bad[4].header_count = 1;
    bad[5].header_count = 1;
    for (int i = 0; i < 6; i++)
        assert_int_equal(dlog_append(r.log, &bad[i], &offset), DLOG_E_INVAL);
    assert_int_equal(dlog_append(NULL, &good, &offset), DLOG_E_INVAL);
    assert_int_equal(dlog_append(r.log, NULL, &offset), DLOG_E_INVAL);
    assert_int_equal(dlog_append_batch(r.log, &good, 0, &offset), DLOG_E_INVAL);
    good.value_size = 1001;
    assert_int_equal(dlog_append(r.log, &good, &offset), DLOG_E_TOO_BIG);
    header = (struct dlog_header){.key = "", .key_size = SIZE_MAX};
    good.value_size = 1;
    good.headers = &header;
    good.header_count = 1;
    assert_int_equal(dlog_append(r.log, &good, &offset), DLOG_E_TOO_BIG);
    assert_int_equal(offset, 77);
    assert_int_equal(dlog_end_offset(r.log), 0);
    rig_close(&r);
}

static void a_batch_is_all_or_nothing(void **state)
{
    struct dlog_record records[50];
    struct dlog_stats before, after;
    int64_t first = -1;
    struct rig r;

    rig_open(&r);
    rig_fill(&r, 3);
    for (int i = 0; i < 50; i++)
        records[i] = rig_record("many");
    before = stats_of(&r);
    assert_int_equal(dlog_append_batch(r.log, records, 50, &first), DLOG_OK);
    after = stats_of(&r);
    assert_int_equal(first, 3);
    assert_int_equal(after.syncs, before.syncs + 1);
    assert_int_equal(after.written_batches, before.written_batches + 1);
    assert_int_equal(after.durable_offset, 53);
    records[49].flags = 1;
    assert_int_equal(dlog_append_batch(r.log, records, 50, &first), DLOG_E_INVAL);
    assert_int_equal(dlog_end_offset(r.log), 53);
    assert_int_equal(rig_count(&r), 53);
    rig_close(&r);
}

/* More than a segment may hold is refused as a whole, and what was collected before stays. */
static void a_batch_fits_a_segment(void **state)
{
    static char bytes[3000];
    struct dlog_record records[4];
    struct dlog_record small = rig_record("small");
    struct rig r;

    rig_init(&r);
    r.options.segment_bytes = 10000;
    r.options.durability = DLOG_DURABILITY_OS;
    r.options.linger_ms = 1000000;
    assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
    assert_int_equal(dlog_append(r.log, &small, NULL), DLOG_OK);
    for (int i = 0; i < 4; i++)
        records[i] =
            (struct dlog_record){.timestamp_ms = 1, .value = bytes, .value_size = sizeof(bytes)};
    assert_int_equal(dlog_append_batch(r.log, records, 4, NULL), DLOG_E_TOO_BIG);
    assert_int_equal(dlog_end_offset(r.log), 1);
    assert_int_equal(dlog_append_batch(r.log, records, 2, NULL), DLOG_OK);
    for (int i = 0; i < 20; i++)
        assert_int_equal(dlog_append(r.log, &records[0], NULL), DLOG_OK);
    assert_int_equal(rig_count(&r), 23);
    rig_reopen(&r);
    assert_int_equal(rig_count(&r), 23);
    rig_close(&r);
}

static void durabilities_differ(void **state)
{
    struct dlog_stats s;
    struct rig r;

    rig_open(&r);
    rig_fill(&r, 2);
    s = stats_of(&r);
    assert_int_equal(s.durable_offset, 2);
    assert_int_equal(s.syncs, 2);

    r.options.durability = DLOG_DURABILITY_OS;
    r.options.linger_ms = 1000000;
    assert_int_equal(dlog_set_options(r.log, &r.options), DLOG_OK);
    rig_fill(&r, 3);
    s = stats_of(&r);
    assert_int_equal(s.end_offset, 5);
    assert_int_equal(s.written_offset, 2);
    assert_int_equal(dlog_flush(r.log), DLOG_OK);
    s = stats_of(&r);
    assert_int_equal(s.written_offset, 5);
    assert_int_equal(s.durable_offset, 2);
    rig_fill(&r, 1);
    assert_int_equal(rig_count(&r), 6); /* a reader sees what is collected */
    assert_int_equal(dlog_sync(r.log), DLOG_OK);
    assert_int_equal(dlog_sync(r.log), DLOG_OK);
    assert_int_equal(stats_of(&r).durable_offset, 6);
    rig_close(&r);
}

/* Wait until `*what` of the log's state is `value`, for up to ten seconds. */
static bool becomes(struct rig *r, int64_t value, bool is_durable)
{
    for (int i = 0; i < 10000; i++) {
        struct dlog_stats s = stats_of(r);

        if ((is_durable ? s.durable_offset : s.written_offset) == value)
            return true;
        rig_sleep_ms(1);
    }
    return false;
}

static void the_flusher_writes_and_syncs_in_time(void **state)
{
    struct rig r;

    rig_init(&r);
    r.options.durability = DLOG_DURABILITY_OS;
    assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
    rig_fill(&r, 3);
    assert_true(becomes(&r, 3, false)); /* linger_ms */
    r.options.durability = DLOG_DURABILITY_INTERVAL;
    r.options.flush_ms = 20;
    assert_int_equal(dlog_set_options(r.log, &r.options), DLOG_OK);
    rig_fill(&r, 3);
    assert_true(becomes(&r, 6, true)); /* flush_ms */
    r.options.flush_ms = 1000000;
    r.options.flush_records = 10;
    assert_int_equal(dlog_set_options(r.log, &r.options), DLOG_OK);
    rig_fill(&r, 10);
    assert_true(becomes(&r, 16, true)); /* flush_records */
    rig_close(&r);
}

enum { ASYNC_COUNT = 1000 };

struct acks {
    struct dlog *log;
    int64_t next; /* offset */
    atomic_int count;
    atomic_int wrong;
    int again; /* appends to make from the callback */
};

static void acked(void *ctx, int err, int64_t offset)
{
    struct dlog_record record = rig_record("again");
    struct acks *a = ctx;

    if (err != DLOG_OK || offset != a->next++)
        atomic_fetch_add(&a->wrong, 1);
    if (a->again > 0) {
        a->again--;
        if (dlog_append_async(a->log, &record, acked, a, NULL) != DLOG_OK)
            atomic_fetch_add(&a->wrong, 1);
    }
    if (offset == 0 && dlog_close(a->log) != DLOG_E_INVAL)
        atomic_fetch_add(&a->wrong, 1);
    atomic_fetch_add(&a->count, 1);
}

static void run_async(enum dlog_durability durability)
{
    struct dlog_record record = rig_record("async");
    struct acks acks = {.again = 5};
    struct dlog_stats s;
    struct rig r;

    rig_init(&r);
    r.options.durability = durability;
    r.options.flush_ms = 10;
    assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
    acks.log = r.log;
    for (int i = 0; i < ASYNC_COUNT; i++)
        assert_int_equal(dlog_append_async(r.log, &record, acked, &acks, NULL), DLOG_OK);
    for (int i = 0; i < 10000 && atomic_load(&acks.count) < ASYNC_COUNT + 5; i++)
        rig_sleep_ms(1);
    assert_int_equal(atomic_load(&acks.count), ASYNC_COUNT + 5);
    assert_int_equal(atomic_load(&acks.wrong), 0);
    s = stats_of(&r);
    assert_true(s.syncs < ASYNC_COUNT);
    assert_int_equal(s.written_offset, ASYNC_COUNT + 5);
    if (durability != DLOG_DURABILITY_OS)
        assert_int_equal(s.durable_offset, ASYNC_COUNT + 5);
    rig_close(&r);
}

static void callbacks_come_in_order(void **state)
{
    run_async(DLOG_DURABILITY_ALWAYS);
    run_async(DLOG_DURABILITY_INTERVAL);
    run_async(DLOG_DURABILITY_OS);
}

static void too_many_in_flight_are_refused(void **state)
{
    struct dlog_record record = rig_record("async");
    struct acks acks = {.again = 0};
    struct rig r;

    rig_init(&r);
    r.options.durability = DLOG_DURABILITY_INTERVAL;
    r.options.flush_ms = 1000000;
    r.options.async_pending_max = 3;
    assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
    acks.log = r.log;
    for (int i = 0; i < 3; i++)
        assert_int_equal(dlog_append_async(r.log, &record, acked, &acks, NULL), DLOG_OK);
    assert_int_equal(dlog_append_async(r.log, &record, acked, &acks, NULL), DLOG_E_AGAIN);
    assert_int_equal(dlog_append_async(r.log, &record, NULL, NULL, NULL), DLOG_E_INVAL);
    assert_int_equal(stats_of(&r).pending_callbacks, 3);
    assert_int_equal(dlog_sync(r.log), DLOG_OK);
    for (int i = 0; i < 10000 && atomic_load(&acks.count) < 3; i++)
        rig_sleep_ms(1);
    assert_int_equal(dlog_append_async(r.log, &record, acked, &acks, NULL), DLOG_OK);
    rig_close(&r);
    assert_int_equal(atomic_load(&acks.count), 4);
    assert_int_equal(atomic_load(&acks.wrong), 0);
}

enum { WRITERS = 4, EACH = 80 };

struct writer {
    struct dlog *log;
    pthread_t id;
    int64_t offsets[EACH];
    int wrong;
};

static void *write_many(void *ctx)
{
    struct writer *w = ctx;

    for (int i = 0; i < EACH; i++) {
        struct dlog_record record = rig_record("w");

        if (dlog_append(w->log, &record, &w->offsets[i]) != DLOG_OK ||
            (i > 0 && w->offsets[i] <= w->offsets[i - 1]))
            w->wrong++;
    }
    return NULL;
}

static void *read_many(void *ctx)
{
    struct writer *w = ctx;
    struct dlog_reader_options options;
    struct dlog_reader *reader;
    struct dlog_record record;

    dlog_reader_options_init(&options, sizeof(options));
    options.durable_only = w->offsets[0] != 0;
    if (dlog_reader_open(w->log, 0, &options, &reader) != DLOG_OK) {
        w->wrong = 1;
        return NULL;
    }
    for (int64_t next = 0; next < (int64_t)WRITERS * EACH; next++) {
        if (dlog_reader_next(reader, 60000, &record) != DLOG_OK || record.offset != next) {
            w->wrong++;
            break;
        }
    }
    dlog_reader_close(reader);
    return NULL;
}

/* Every offset once, every reader sees all, and the syncs are fewer than the appends. */
static void run_threads(enum dlog_format format, enum dlog_durability durability)
{
    static struct writer writers[WRITERS], readers[2];
    static char seen[WRITERS * EACH];
    struct dlog_stats s;
    struct rig r;

    memset(writers, 0, sizeof(writers));
    memset(readers, 0, sizeof(readers));
    memset(seen, 0, sizeof(seen));
    rig_init(&r);
    r.options.format = format;
    r.options.durability = durability;
    r.options.flush_ms = 5;
    assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
    for (int i = 0; i < 2; i++) {
        readers[i].log = r.log;
        readers[i].offsets[0] = i;
        readers[i].offsets[0] = durability == DLOG_DURABILITY_OS ? 0 : i;
        assert_int_equal(pthread_create(&readers[i].id, NULL, read_many, &readers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        writers[i].log = r.log;
        assert_int_equal(pthread_create(&writers[i].id, NULL, write_many, &writers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(writers[i].id, NULL);
        assert_int_equal(writers[i].wrong, 0);
        for (int k = 0; k < EACH; k++)
            assert_int_equal(seen[writers[i].offsets[k]]++, 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(readers[i].id, NULL);
        assert_int_equal(readers[i].wrong, 0);
    }
    s = stats_of(&r);
    assert_int_equal(s.end_offset, WRITERS * EACH);
    assert_true(s.syncs <= s.end_offset);
    assert_int_equal(rig_count(&r), WRITERS * EACH);
    rig_close(&r);
}

static void threads_append_and_read_at_once(void **state)
{
    static const enum dlog_format formats[] = {DLOG_FORMAT_BATCH, DLOG_FORMAT_MESSAGE};

    for (int i = 0; i < 2; i++) {
        run_threads(formats[i], DLOG_DURABILITY_ALWAYS);
        run_threads(formats[i], DLOG_DURABILITY_INTERVAL);
        run_threads(formats[i], DLOG_DURABILITY_OS);
    }
}

static void compressions_give_back_the_same(void **state)
{
    int64_t plain_size = 0;

    for (int c = DLOG_COMPRESSION_NONE; c <= DLOG_COMPRESSION_ZSTD; c++) {
        struct rig r;

        rig_init(&r);
        r.options.durability = DLOG_DURABILITY_OS;
        r.options.compression = (enum dlog_compression)c;
        assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
        rig_fill(&r, 3000);
        assert_int_equal(rig_count(&r), 3000);
        rig_reopen(&r);
        assert_int_equal(rig_count(&r), 3000);
        if (c == DLOG_COMPRESSION_NONE)
            plain_size = stats_of(&r).size_bytes;
        else
            assert_true(stats_of(&r).size_bytes < plain_size);
        rig_close(&r);
    }
}

TESTS(test_append, cmocka_unit_test(a_record_comes_back_whole),
      cmocka_unit_test(what_makes_no_sense_is_refused), cmocka_unit_test(a_batch_is_all_or_nothing),
      cmocka_unit_test(a_batch_fits_a_segment), cmocka_unit_test(durabilities_differ),
      cmocka_unit_test(the_flusher_writes_and_syncs_in_time),
      cmocka_unit_test(callbacks_come_in_order), cmocka_unit_test(too_many_in_flight_are_refused),
      cmocka_unit_test(threads_append_and_read_at_once),
      cmocka_unit_test(compressions_give_back_the_same));
