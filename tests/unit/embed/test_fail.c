#include <stdatomic.h>

#include "base/err.h"
#include "base/mem.h"
#include "os/file.h"
#include "rig.h"
#include "unit.h"

/*
 * What fails around the library: the n-th allocation, a full disk, a disk that refuses. The linker
 * puts the functions below in the way.
 */
static atomic_int allocations_left; /* 0: none fails */
static atomic_bool has_failed;
static atomic_int write_error; /* enum err; E_OK: none */
static atomic_int sync_error;

void *__real_mem_alloc(size_t size);
void *__wrap_mem_alloc(size_t size);
void *__real_mem_alloc_zero(size_t size);
void *__wrap_mem_alloc_zero(size_t size);
void *__real_mem_realloc(void *old, size_t size);
void *__wrap_mem_realloc(void *old, size_t size);
enum err __real_os_file_write(struct os_file *file, int64_t pos, const void *bytes, size_t size);
enum err __wrap_os_file_write(struct os_file *file, int64_t pos, const void *bytes, size_t size);
enum err __real_os_file_sync(struct os_file *file);
enum err __wrap_os_file_sync(struct os_file *file);

static bool fails(void)
{
    if (atomic_load(&allocations_left) <= 0 || atomic_fetch_sub(&allocations_left, 1) != 1)
        return false;
    atomic_store(&has_failed, true);
    return true;
}

void *__wrap_mem_alloc(size_t size)
{
    return fails() ? NULL : __real_mem_alloc(size);
}

void *__wrap_mem_alloc_zero(size_t size)
{
    return fails() ? NULL : __real_mem_alloc_zero(size);
}

void *__wrap_mem_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_mem_realloc(old, size);
}

enum err __wrap_os_file_write(struct os_file *file, int64_t pos, const void *bytes, size_t size)
{
    int e = atomic_load(&write_error);

    return e == E_OK ? __real_os_file_write(file, pos, bytes, size) : (enum err)e;
}

enum err __wrap_os_file_sync(struct os_file *file)
{
    int e = atomic_load(&sync_error);

    return e == E_OK ? __real_os_file_sync(file) : (enum err)e;
}

static void ack(void *ctx, int err, int64_t offset)
{
    int64_t *acknowledged = ctx;

    if (err == DLOG_OK)
        *acknowledged = offset + 1;
}

/* A bit of everything; whatever fails says so. *end is what was acknowledged. */
static void scenario(struct rig *r, int64_t *end, int64_t *async_end)
{
    struct dlog_header headers[20];
    struct dlog_record record = rig_record("some value");
    struct dlog_record batch[3] = {record, record, record};
    struct dlog_verified verified = {.size = sizeof(verified)};
    struct dlog_reader *reader;
    struct dlog_env *env;
    struct dlog *log;
    int64_t offset;

    if (dlog_env_open(r->path, NULL, &env) != DLOG_OK)
        return;
    if (dlog_open(env, "m", &r->options, &log) != DLOG_OK) {
        assert_int_equal(dlog_env_close(env), DLOG_OK);
        return;
    }
    for (int i = 0; i < 20; i++)
        headers[i] = (struct dlog_header){"h", 1, "v", 1};
    if (r->options.format != DLOG_FORMAT_MESSAGE) {
        record.headers = headers;
        record.header_count = 20;
    }
    for (int i = 0; i < 2; i++) {
        if (dlog_append(log, &record, &offset) == DLOG_OK)
            *end = offset + 1;
        if (dlog_append_batch(log, batch, 3, &offset) == DLOG_OK)
            *end = offset + 3;
        (void)!dlog_append_async(log, &record, ack, async_end, NULL);
    }
    if (dlog_reader_open(log, DLOG_FROM_START, NULL, &reader) == DLOG_OK) {
        for (int i = 0; i < 20 && dlog_reader_next(reader, 0, &record) == DLOG_OK; i++)
            continue;
        dlog_reader_close(reader);
    }
    (void)!dlog_offset_for_time(log, 5, &offset);
    (void)!dlog_verify(log, NULL, NULL, &verified);
    (void)!dlog_compact(log, NULL, NULL);
    (void)!dlog_trim(log, 2);
    (void)!dlog_sync(log);
    dlog_close(log);
    assert_int_equal(dlog_env_close(env), DLOG_OK);
}

/* For n = 1, 2, ... until nothing fails: an error, no abort, and all that was promised is there. */
static void run_out_of_memory(enum dlog_format format)
{
    int n = 0;

    do {
        int64_t end = 0, async_end = 0;
        struct rig r;

        rig_init(&r);
        assert_int_equal(dlog_env_close(r.env), DLOG_OK);
        r.options.format = format;
        r.options.compression = DLOG_COMPRESSION_LZ4;
        r.options.preallocate = false;
        atomic_store(&has_failed, false);
        atomic_store(&allocations_left, ++n);
        scenario(&r, &end, &async_end);
        atomic_store(&allocations_left, 0);
        if (async_end > end)
            end = async_end;
        r.env_options.trace = NULL;
        assert_int_equal(dlog_env_open(r.path, &r.env_options, &r.env), DLOG_OK);
        assert_int_equal(dlog_open(r.env, "m", &r.options, &r.log), DLOG_OK);
        assert_true(dlog_end_offset(r.log) >= end);
        assert_true(rig_count(&r) + 2 >= end);
        rig_close(&r);
    } while (atomic_load(&has_failed));
    assert_true(n > 20);
}

static void memory_may_run_out_anywhere(void **state)
{
    run_out_of_memory(DLOG_FORMAT_BATCH);
    run_out_of_memory(DLOG_FORMAT_MESSAGE);
}

static void refuse_what_waits(enum dlog_format format)
{
    struct dlog_record record = rig_record("x");
    int64_t async_end = -1;
    int64_t offset = -1;
    struct rig r;

    rig_init(&r);
    r.options.format = format;
    assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
    rig_fill(&r, 2);
    atomic_store(&write_error, E_NO_SPACE);
    assert_int_equal(dlog_append(r.log, &record, &offset), DLOG_E_NO_SPACE);
    assert_int_equal(dlog_append_async(r.log, &record, ack, &async_end, NULL), DLOG_OK);
    assert_int_equal(dlog_append(r.log, &record, &offset), DLOG_E_NO_SPACE);
    assert_int_equal(offset, -1);
    assert_int_equal(dlog_end_offset(r.log), 2); /* nothing was promised, nothing is kept */
    assert_int_equal(rig_count(&r), 2);
    atomic_store(&write_error, E_OK);
    rig_fill(&r, 2);
    rig_reopen(&r);
    assert_int_equal(async_end, -1);
    assert_int_equal(rig_count(&r), 4);
    assert_non_null(strstr(r.trace, "1 log t: write: no space left"));
    rig_close(&r);
}

static void a_full_disk_refuses_what_waits(void **state)
{
    refuse_what_waits(DLOG_FORMAT_BATCH);
    refuse_what_waits(DLOG_FORMAT_MESSAGE);
}

static void keep_what_was_promised(enum dlog_format format)
{
    struct dlog_record record = rig_record("x");
    struct dlog_stats s = {.size = sizeof(s)};
    int64_t async_end = -1;
    struct rig r;

    rig_init(&r);
    r.options.format = format;
    r.options.durability = DLOG_DURABILITY_INTERVAL;
    r.options.flush_ms = 1000000;
    assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
    rig_fill(&r, 2);
    atomic_store(&write_error, E_NO_SPACE);
    assert_int_equal(dlog_append_async(r.log, &record, ack, &async_end, NULL), DLOG_OK);
    assert_int_equal(dlog_sync(r.log), DLOG_E_NO_SPACE);
    assert_int_equal(dlog_flush(r.log), DLOG_E_NO_SPACE);
    assert_int_equal(dlog_append(r.log, &record, NULL), DLOG_E_NO_SPACE); /* memory has an end */
    assert_int_equal(dlog_trim(r.log, 1), DLOG_E_NO_SPACE);
    assert_int_equal(dlog_end_offset(r.log), 3);
    assert_int_equal(dlog_stats(r.log, &s), DLOG_OK);
    assert_false(s.is_broken);
    atomic_store(&write_error, E_OK);
    assert_int_equal(dlog_append(r.log, &record, NULL), DLOG_OK);
    assert_int_equal(dlog_sync(r.log), DLOG_OK);
    rig_reopen(&r);
    assert_int_equal(async_end, 3);
    assert_int_equal(rig_count(&r), 4);
    rig_close(&r);
}

static void a_full_disk_keeps_what_was_promised(void **state)
{
    keep_what_was_promised(DLOG_FORMAT_BATCH);
    keep_what_was_promised(DLOG_FORMAT_MESSAGE);
}

/* After a failed sync nothing is acknowledged, and nothing is synced again. */
static void a_failed_sync_ends_it(void **state)
{
    struct dlog_record record = rig_record("x");
    struct dlog_stats s = {.size = sizeof(s)};
    int64_t async_end = -1;
    struct dlog *other = NULL;
    struct rig r;

    rig_open(&r);
    rig_fill(&r, 2);
    atomic_store(&sync_error, E_IO);
    assert_int_equal(dlog_append(r.log, &record, NULL), DLOG_E_IO);
    atomic_store(&sync_error, E_OK);
    assert_int_equal(dlog_append(r.log, &record, NULL), DLOG_E_BROKEN);
    assert_int_equal(dlog_append_async(r.log, &record, ack, &async_end, NULL), DLOG_E_BROKEN);
    assert_int_equal(dlog_sync(r.log), DLOG_E_BROKEN);
    assert_int_equal(dlog_trim(r.log, 1), DLOG_E_BROKEN);
    assert_int_equal(dlog_open(r.env, "u", &r.options, &other), DLOG_E_BROKEN);
    assert_int_equal(dlog_delete(r.env, "u"), DLOG_E_BROKEN);
    assert_int_equal(dlog_stats(r.log, &s), DLOG_OK);
    assert_true(s.is_broken);
    assert_int_equal(s.durable_offset, 2);
    assert_true(rig_count(&r) >= 2); /* reads go on */
    assert_non_null(strstr(r.trace, "0 log t: sync: input/output error"));
    assert_int_equal(dlog_close(r.log), DLOG_E_BROKEN);
    assert_int_equal(dlog_env_close(r.env), DLOG_OK);
    assert_int_equal(dlog_env_open(r.path, &r.env_options, &r.env), DLOG_OK);
    assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
    assert_true(rig_count(&r) >= 2);
    rig_close(&r);
    assert_int_equal(async_end, -1);
}

TESTS(test_fail, cmocka_unit_test(memory_may_run_out_anywhere),
      cmocka_unit_test(a_full_disk_refuses_what_waits),
      cmocka_unit_test(a_full_disk_keeps_what_was_promised),
      cmocka_unit_test(a_failed_sync_ends_it));
