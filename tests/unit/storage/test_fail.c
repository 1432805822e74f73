#include <stdio.h>

#include "rig.h"

#include "os/dir.h"
#include "os/file.h"
#include "record/batch.h"
#include "unit.h"

/*
 * Every call into os/ fails once: the n-th of a scenario, for n = 1, 2, ... until
 * the scenario ends untouched. The linker puts the functions below in the way.
 * Whatever fails, nothing crashes, what was synced is there after a restart, in
 * order, and nothing is there that was not appended.
 */
static int calls_left; /* 0: nothing fails */
static enum err failure;
static bool has_failed;
static int syncs;

static bool fails(void)
{
    if (calls_left == 0 || --calls_left > 0)
        return false;
    has_failed = true;
    return true;
}

#define WRAP(name, parameters, arguments) \
    enum err __real_##name parameters;    \
    enum err __wrap_##name parameters;    \
    enum err __wrap_##name parameters     \
    {                                     \
        if (fails())                      \
            return failure;               \
        return __real_##name arguments;   \
    }

/* The same for one that syncs. */
#define WRAP_SYNC(name, parameters, arguments) \
    enum err __real_##name parameters;         \
    enum err __wrap_##name parameters;         \
    enum err __wrap_##name parameters          \
    {                                          \
        syncs++;                               \
        if (fails())                           \
            return failure;                    \
        return __real_##name arguments;        \
    }

WRAP(os_file_open,
     (struct os_dir * dir, const char *name, enum os_file_mode mode, struct os_file **file_out),
     (dir, name, mode, file_out))
WRAP(os_file_size, (struct os_file * file, int64_t *size_out), (file, size_out))
WRAP(os_file_read,
     (struct os_file * file, int64_t pos, void *bytes_out, size_t size, size_t *read_out),
     (file, pos, bytes_out, size, read_out))
WRAP(os_file_write, (struct os_file * file, int64_t pos, const void *bytes, size_t size),
     (file, pos, bytes, size))
WRAP_SYNC(os_file_sync, (struct os_file * file), (file))
WRAP(os_file_truncate, (struct os_file * file, int64_t size), (file, size))
WRAP(os_file_zero_fill, (struct os_file * file, int64_t pos, int64_t size), (file, pos, size))
WRAP(os_dir_open_in,
     (struct os_dir * parent, const char *name, bool create, struct os_dir **dir_out),
     (parent, name, create, dir_out))
WRAP_SYNC(os_dir_sync, (struct os_dir * dir), (dir))
WRAP(os_dir_list,
     (struct os_dir * dir, bool (*each)(void *ctx, const char *name, bool is_dir), void *ctx),
     (dir, each, ctx))
WRAP(os_dir_rename, (struct os_dir * dir, const char *from, const char *to), (dir, from, to))
WRAP(os_dir_remove_file, (struct os_dir * dir, const char *name), (dir, name))
WRAP(os_dir_read_file, (struct os_dir * dir, const char *name, struct buf *bytes_out),
     (dir, name, bytes_out))
WRAP(os_dir_replace_file, (struct os_dir * dir, const char *name, struct slice bytes),
     (dir, name, bytes))

/* What the scenario got told. */
struct told {
    int64_t synced;   /* the log said so */
    int64_t appended; /* the end that an append was told, the most that may be there */
    int64_t start;
};

static void note(struct rig *r, struct told *told)
{
    if (log_synced_offset(r->log) > told->synced)
        told->synced = log_synced_offset(r->log);
    if (log_end_offset(r->log) > told->appended)
        told->appended = log_end_offset(r->log);
}

static void fill(struct rig *r, struct told *told, int count)
{
    for (int i = 0; i < count; i++) {
        struct rig_batch b = {.count = 2,
                              .value_size = 100,
                              .timestamp_ms = r->wall_ms,
                              .producer_id = 5,
                              .base_sequence = (int32_t)log_end_offset(r->log)};

        told->appended = log_end_offset(r->log) + 2; /* a failed one may be there, too */
        (void)!rig_append(r, &b, NULL);
        note(r, told);
    }
    (void)!log_sync(r->log);
    note(r, told);
}

/* A transaction that is aborted, after the offsets that go. */
static void abort_one(struct rig *r, struct told *told)
{
    struct rig_batch b = {.count = 1,
                          .value_size = 100,
                          .timestamp_ms = r->wall_ms,
                          .producer_id = 6,
                          .base_sequence = -1,
                          .transactional = true};

    for (int i = 0; i < 2; i++) {
        told->appended = log_end_offset(r->log) + 1;
        if (i == 0 ? rig_append(r, &b, NULL) != E_OK : rig_append_marker(r, 6, false) != E_OK)
            return;
        note(r, told);
    }
}

static void scenario(struct rig *r, struct told *told)
{
    struct log_range range;
    int64_t offset, timestamp;

    if (rig_open_log(r) != E_OK)
        return;
    fill(r, told, 8);
    abort_one(r, told);
    (void)!log_begin_epoch(r->log, 3);
    (void)!log_set_topic_id(r->log, (struct uuid){{7}});
    if (log_read(r->log, 3, INT64_MAX, 1 << 20, &range) == E_OK)
        log_range_release(&range);
    (void)!log_find_timestamp(r->log, r->wall_ms, INT64_MAX, &offset, &timestamp);
    if (log_delete_before(r->log, 5) == E_OK)
        told->start = 5;
    (void)!log_maintain(r->log, 5, r->wall_ms + 100000);
    fill(r, told, 3);
    log_close(r->log);
    r->log = NULL;
    if (rig_open_log(r) != E_OK)
        return;
    fill(r, told, 2);
    abort_one(r, told);
    if (log_end_offset(r->log) > 20) {
        told->synced = told->synced < 17 ? told->synced : 16;
        if (log_truncate(r->log, 17) == E_OK) /* else it may be half done */
            fill(r, told, 2);
    }
    log_close(r->log);
    r->log = NULL;
}

static void run(enum err with, bool preallocate)
{
    for (int n = 1;; n++) {
        struct told told = {0};
        struct rig r;

        calls_left = 0;
        rig_open(&r);
        log_close(r.log);
        r.log = NULL;
        r.options.segment_bytes = 700;
        r.options.file_delete_delay_ms = 10;
        r.options.preallocate = preallocate;
        failure = with;
        has_failed = false;
        calls_left = n;
        scenario(&r, &told);
        calls_left = 0;
        log_close(r.log);
        log_root_close(r.root);
        assert_int_equal(log_root_open(r.os, r.path, &r.root, &r.report), E_OK);
        if (rig_open_log(&r) != E_OK)
            fail_msg("call %d: %s", n, r.report.text);
        if (log_end_offset(r.log) < told.synced || log_end_offset(r.log) > told.appended ||
            log_start_offset(r.log) < told.start || r.recovery.damaged_ranges > 0)
            fail_msg("call %d: [%d, %d) synced %d", n, (int)log_start_offset(r.log),
                     (int)log_end_offset(r.log), (int)told.synced);
        rig_check_all(&r);
        rig_check_aborted(&r);
        rig_fill(&r, 2, 100);
        rig_reopen(&r);
        assert_true(r.recovery.was_clean);
        rig_check_all(&r);
        rig_check_aborted(&r);
        rig_close(&r);
        if (!has_failed) {
            assert_true(n > 100);
            break;
        }
    }
}

static void every_call_fails_once_with_an_io_error(void **state)
{
    (void)state;
    run(E_IO, false);
}

static void every_call_fails_once_for_want_of_space(void **state)
{
    (void)state;
    run(E_NO_SPACE, true);
}

static void every_call_fails_once_for_want_of_descriptors(void **state)
{
    (void)state;
    run(E_TOO_MANY_FILES, false);
}

/* A failed sync leaves everything refused but reads; the root knows. */
static void a_failed_sync_breaks_log_and_root(void **state)
{
    struct log_sync sync;
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_fill(&r, 5, 100);
    failure = E_IO;
    calls_left = 1;
    assert_int_equal(log_sync(r.log), E_IO);
    calls_left = 0;
    assert_true(log_is_broken(r.log));
    assert_true(log_root_is_broken(r.root));
    assert_int_equal(rig_append(&r, &(struct rig_batch){.count = 1}, NULL), E_BROKEN);
    assert_int_equal(log_sync(r.log), E_BROKEN);
    assert_false(log_needs_sync(r.log));
    log_sync_begin(r.log, &sync);
    log_sync_run(&sync);
    assert_int_equal(log_sync_finish(&sync), E_BROKEN);
    assert_int_equal(log_maintain(r.log, 0, r.wall_ms), E_BROKEN);
    assert_int_equal(log_delete_before(r.log, 1), E_BROKEN);
    assert_int_equal(log_set_topic_id(r.log, (struct uuid){{1}}), E_BROKEN);
    assert_int_equal(log_truncate(r.log, 1), E_BROKEN);
    assert_int_equal(log_begin_epoch(r.log, 7), E_BROKEN);
    assert_int_equal(rig_check_all(&r), 5);
    log_close(r.log);
    log_root_close(r.root);
    assert_int_equal(log_root_open(r.os, r.path, &r.root, &r.report), E_OK);
    assert_int_equal(rig_open_log(&r), E_OK); /* a restart starts over */
    assert_int_equal(rig_check_all(&r), 5);
    rig_close(&r);
}

/* What a hundred new logs and their first records cost. */
static void creation_syncs_nothing(void **state)
{
    enum { LOGS = 100 };
    static const struct uuid id = {{1, [15] = 7}};
    struct log *logs[LOGS];
    struct rig r;
    struct buf batch;

    (void)state;
    rig_open(&r);
    syncs = 0;
    for (int i = 0; i < LOGS; i++) {
        char name[16];
        struct log_open open = {r.root, name, &r.options, r.wall_ms};

        snprintf(name, sizeof(name), "new-%d", i);
        assert_int_equal(log_open(&open, &logs[i], NULL, &r.report), E_OK);
        assert_int_equal(log_set_topic_id(logs[i], id), E_OK);
        assert_int_equal(log_begin_epoch(logs[i], 3), E_OK);
        assert_int_equal(log_sync(logs[i]), E_OK);
    }
    assert_int_equal(syncs, 0);
    for (int i = 0; i < LOGS; i++) {
        struct log_appended appended;
        struct log_append append = {.leader_epoch = 3, .wall_ms = r.wall_ms};

        buf_init(&batch, 4096);
        rig_build(&(struct rig_batch){.count = 1, .value_size = 10}, 0, 3, 0, &batch);
        append.bytes = batch.at;
        append.size = batch.size;
        assert_int_equal(log_append(logs[i], &append, &appended), E_OK);
        buf_release(&batch);
        if (i == 0)
            assert_int_equal(syncs, 2); /* the root and the checkpoint's file */
    }
    assert_int_equal(syncs, 1 + LOGS); /* the root once for all of them */
    for (int i = 0; i < LOGS; i++)
        log_close(logs[i]);
    rig_close(&r);
}

TESTS(test_fail, cmocka_unit_test(creation_syncs_nothing),
      cmocka_unit_test(every_call_fails_once_with_an_io_error),
      cmocka_unit_test(every_call_fails_once_for_want_of_space),
      cmocka_unit_test(every_call_fails_once_for_want_of_descriptors),
      cmocka_unit_test(a_failed_sync_breaks_log_and_root));
