#include <dirent.h>
#include <pthread.h>
#include <stdio.h>

#include "rig.h"
#include "unit.h"

/* What keeps a log in shape: verification, compaction, retention. */

static void small_segments(struct rig *r)
{
    rig_init(r);
    r->options.segment_bytes = 4096;
    r->options.durability = DLOG_DURABILITY_OS;
    r->options.batch_bytes = 300;
    assert_int_equal(dlog_open(r->env, "t", &r->options, &r->log), DLOG_OK);
}

struct found {
    int count;
    struct dlog_damage last;
};

static void find(void *ctx, const struct dlog_damage *damage)
{
    struct found *f = ctx;

    assert_non_null(damage->why);
    f->count++;
    f->last = *damage;
}

static void verification_finds_damage(void **state)
{
    struct dlog_verified v = {.size = sizeof(v)};
    struct found found = {0};
    struct dlog_record record;
    struct dlog_reader *reader;
    struct rig r;

    small_segments(&r);
    rig_fill(&r, 1000);
    assert_int_equal(dlog_verify(r.log, find, &found, &v), DLOG_OK);
    assert_int_equal(v.valid_end_offset, 1000);
    assert_true(v.valid_bytes > 4096);
    assert_int_equal(v.damaged_ranges + v.wrong_files + found.count, 0);
    assert_int_equal(dlog_close(r.log), DLOG_OK);
    rig_flip(&r, "00000000000000000000.log", 400);
    assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
    assert_int_equal(dlog_verify(r.log, find, &found, &v), DLOG_OK);
    assert_int_equal(v.damaged_ranges, 1);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.last.segment, 0);
    assert_true(found.last.pos <= 400 && found.last.end_pos > 400);
    assert_int_equal(dlog_verify(r.log, NULL, NULL, &v), DLOG_OK);

    /* A reader stops there and passes over it as it was told. */
    assert_int_equal(dlog_reader_open(r.log, 0, NULL, &reader), DLOG_OK);
    while (dlog_reader_offset(reader) < found.last.offset)
        assert_int_equal(dlog_reader_next(reader, 0, &record), DLOG_OK);
    assert_int_equal(dlog_reader_next(reader, 0, &record), DLOG_E_CORRUPT);
    assert_int_equal(dlog_reader_seek(reader, found.last.end_offset), DLOG_OK);
    assert_int_equal(dlog_reader_next(reader, 0, &record), DLOG_OK);
    assert_int_equal(record.offset, found.last.end_offset);
    dlog_reader_close(reader);

    assert_int_equal(dlog_verify(r.log, NULL, NULL, NULL), DLOG_E_INVAL);
    assert_int_equal(dlog_verify(NULL, NULL, NULL, &v), DLOG_E_INVAL);
    v.size = 0;
    assert_int_equal(dlog_verify(r.log, NULL, NULL, &v), DLOG_E_INVAL);
    rig_close(&r);
}

static void append_keyed(struct rig *r, int count)
{
    for (int i = 0; i < count; i++) {
        char key[16], value[16];
        struct dlog_record record = {.timestamp_ms = RIG_NOW, .key = key, .value = value};

        record.key_size = (size_t)snprintf(key, sizeof(key), "k%d", i % 10);
        record.value_size = (size_t)snprintf(value, sizeof(value), "%d", i);
        assert_int_equal(dlog_append(r->log, &record, NULL), DLOG_OK);
    }
}

static void compaction_keeps_the_last_of_a_key(void **state)
{
    struct dlog_compact_options options;
    struct dlog_compacted c = {.size = sizeof(c)};
    struct dlog_reader *reader;
    struct dlog_record record;
    int64_t last = -1;
    int count = 0;
    struct rig r;

    small_segments(&r);
    append_keyed(&r, 2000);
    assert_int_equal(dlog_compact(r.log, NULL, &c), DLOG_OK);
    assert_true(c.records_before > 1000);
    assert_true(c.records_after < 50);
    assert_true(c.bytes_after < c.bytes_before);
    assert_true(c.compacted_offset > 1000 && c.compacted_offset <= 2000);
    assert_int_equal(dlog_compact(r.log, NULL, NULL), DLOG_OK);
    for (int round = 0; round < 2; round++) {
        last = -1;
        count = 0;
        assert_int_equal(dlog_reader_open(r.log, DLOG_FROM_START, NULL, &reader), DLOG_OK);
        while (dlog_reader_next(reader, 0, &record) == DLOG_OK) {
            assert_true(record.offset > last);
            assert_int_equal(strtol(record.value, NULL, 10), record.offset);
            last = record.offset;
            count++;
        }
        dlog_reader_close(reader);
        assert_int_equal(last, 1999);
        assert_true(count < 200);
        rig_reopen(&r);
    }
    append_keyed(&r, 3);
    assert_int_equal(dlog_end_offset(r.log), 2003);
    dlog_compact_options_init(&options, sizeof(options));
    options.memory_bytes = 0;
    assert_int_equal(dlog_compact(r.log, &options, NULL), DLOG_E_INVAL);
    c.size = 0;
    assert_int_equal(dlog_compact(r.log, NULL, &c), DLOG_E_INVAL);
    assert_int_equal(dlog_compact(NULL, NULL, NULL), DLOG_E_INVAL);
    rig_close(&r);
}

static void *compact_and_verify(void *ctx)
{
    struct dlog_verified v = {.size = sizeof(v)};
    struct dlog *log = ctx;
    int e = DLOG_OK;

    while (e == DLOG_OK || e == DLOG_E_AGAIN) {
        e = dlog_compact(log, NULL, NULL);
        if (e == DLOG_OK)
            e = dlog_verify(log, NULL, NULL, &v);
        if (e == DLOG_OK && dlog_end_offset(log) >= 3000)
            break;
    }
    return e == DLOG_OK ? ctx : NULL;
}

/* Compaction and verification on one thread, appends on another, retention on a third. */
static void care_goes_on_beside_appends(void **state)
{
    pthread_t id;
    void *result;
    struct rig r;

    small_segments(&r);
    assert_int_equal(pthread_create(&id, NULL, compact_and_verify, r.log), 0);
    append_keyed(&r, 1500);
    assert_int_equal(dlog_trim(r.log, 300), DLOG_OK);
    append_keyed(&r, 1500);
    pthread_join(id, &result);
    assert_non_null(result);
    rig_close(&r);
}

static void retention_drops_segments(void **state)
{
    struct rig r;

    rig_init(&r);
    assert_int_equal(dlog_env_close(r.env), DLOG_OK);
    r.env_options.maintain_ms = 10;
    assert_int_equal(dlog_env_open(r.path, &r.env_options, &r.env), DLOG_OK);
    r.options.segment_bytes = 4096;
    r.options.durability = DLOG_DURABILITY_OS;
    r.options.batch_bytes = 300;
    r.options.retention_bytes = 8000;
    assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
    rig_fill(&r, 3000);
    for (int i = 0; i < 10000 && dlog_start_offset(r.log) < 1000; i++)
        rig_sleep_ms(1);
    assert_true(dlog_start_offset(r.log) >= 1000);
    assert_false(rig_has_file(&r, "00000000000000000000.log"));
    r.options.retention_bytes = -1;
    r.options.retention_ms = 1000; /* the records are of RIG_NOW, long ago */
    assert_int_equal(dlog_set_options(r.log, &r.options), DLOG_OK);
    for (int i = 0; i < 10000 && dlog_start_offset(r.log) < 3000; i++)
        rig_sleep_ms(1);
    assert_int_equal(dlog_start_offset(r.log), 3000);
    rig_close(&r);
    assert_non_null(strstr(r.trace, "retention: it begins at offset"));
}

static int descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

/* However many segments a log has, few are open; when nobody uses it any more, none. */
static void descriptors_are_few(void **state)
{
    enum { MOST = 30 }; /* LIMITS in dlog.h */
    static char bytes[2000];
    struct dlog_record record = {.value = bytes, .value_size = sizeof(bytes)};
    struct dlog_reader *reader;
    struct dlog_record got;
    int64_t offset;
    struct rig r;
    int before;

    rig_init(&r);
    assert_int_equal(dlog_env_close(r.env), DLOG_OK);
    r.env_options.maintain_ms = 100;
    r.options.segment_bytes = 4096;
    r.options.durability = DLOG_DURABILITY_OS;
    assert_int_equal(dlog_env_open(r.path, &r.env_options, &r.env), DLOG_OK);
    before = descriptors();
    assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
    assert_int_equal(descriptors(), before);
    for (int i = 0; i < 60; i++) {
        assert_int_equal(dlog_append(r.log, &record, NULL), DLOG_OK);
        assert_int_equal(dlog_flush(r.log), DLOG_OK);
        assert_true(descriptors() <= before + MOST);
    }
    assert_int_equal(dlog_sync(r.log), DLOG_OK);
    assert_int_equal(dlog_reader_open(r.log, 0, NULL, &reader), DLOG_OK);
    for (int i = 0; i < 60; i++) {
        assert_int_equal(dlog_reader_next(reader, 0, &got), DLOG_OK);
        assert_int_equal(dlog_offset_for_time(r.log, 2, &offset), DLOG_OK);
        assert_true(descriptors() <= before + MOST);
    }
    for (int i = 0; i < 600 && descriptors() > before; i++)
        rig_sleep_ms(50);
    assert_int_equal(descriptors(), before);
    dlog_reader_close(reader);
    rig_close(&r);
}

TESTS(test_care, cmocka_unit_test(descriptors_are_few), cmocka_unit_test(verification_finds_damage),
      cmocka_unit_test(compaction_keeps_the_last_of_a_key),
      cmocka_unit_test(care_goes_on_beside_appends), cmocka_unit_test(retention_drops_segments));
