#include <stdio.h>

#include "compact_model.h"

#include "os/dir.h"
#include "os/file.h"
#include "record/batch.h"
#include "storage/log_priv.h"
#include "storage/log_verify.h"
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
static bool fails_on;   /* and everything after it */
static bool fails_late; /* a file is replaced, and yet an error comes back */
static bool is_short;   /* half of a write is done before it fails */
static int syncs;
bool rig_disk_is_full; /* rig.h */

static bool fails(void)
{
    if (fails_on && has_failed)
        return true;
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

WRAP(os_file_size, (struct os_file * file, int64_t *size_out), (file, size_out))
WRAP(os_file_read,
     (struct os_file * file, int64_t pos, void *bytes_out, size_t size, size_t *read_out),
     (file, pos, bytes_out, size, read_out))
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
WRAP(os_dir_file_size, (struct os_dir * dir, const char *name, int64_t *size_out),
     (dir, name, size_out))
WRAP(os_dir_read_file, (struct os_dir * dir, const char *name, struct buf *bytes_out),
     (dir, name, bytes_out))

enum err __real_os_file_open(struct os_dir *dir, const char *name, enum os_file_mode mode,
                             struct os_file **file_out);
enum err __wrap_os_file_open(struct os_dir *dir, const char *name, enum os_file_mode mode,
                             struct os_file **file_out);
enum err __wrap_os_file_open(struct os_dir *dir, const char *name, enum os_file_mode mode,
                             struct os_file **file_out)
{
    int64_t size;

    if (fails())
        return failure;
    if (rig_disk_is_full && mode >= OS_FILE_CREATE &&
        __real_os_dir_file_size(dir, name, &size) != E_OK)
        return E_NO_SPACE;
    return __real_os_file_open(dir, name, mode, file_out);
}

/* Would the file need space that there is not? */
static bool is_growing(struct os_file *file, int64_t end)
{
    int64_t size = 0;

    return rig_disk_is_full && __real_os_file_size(file, &size) == E_OK && end > size;
}

enum err __real_os_file_write(struct os_file *file, int64_t pos, const void *bytes, size_t size);
enum err __wrap_os_file_write(struct os_file *file, int64_t pos, const void *bytes, size_t size);
enum err __wrap_os_file_write(struct os_file *file, int64_t pos, const void *bytes, size_t size)
{
    enum err e;

    if (is_growing(file, pos + (int64_t)size))
        return E_NO_SPACE;
    if (!fails())
        return __real_os_file_write(file, pos, bytes, size);
    if (!is_short)
        return failure;
    e = __real_os_file_write(file, pos, bytes, size / 2);
    return e == E_OK ? failure : e;
}

enum err __real_os_dir_replace_file(struct os_dir *dir, const char *name, struct slice bytes);
enum err __wrap_os_dir_replace_file(struct os_dir *dir, const char *name, struct slice bytes);
enum err __wrap_os_dir_replace_file(struct os_dir *dir, const char *name, struct slice bytes)
{
    bool is_failing = fails() || rig_disk_is_full;
    enum err e = is_failing && !fails_late ? failure : __real_os_dir_replace_file(dir, name, bytes);

    return rig_disk_is_full ? E_NO_SPACE : is_failing ? failure : e;
}

/* What the scenario got told. */
struct told {
    int64_t synced;   /* the log said so */
    int64_t appended; /* the end that an append was told, the most that may be there */
    int64_t start;
    int32_t sequence; /* of producer 5: the next one */
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
                              .base_sequence = told->sequence};
        enum err e;

        told->appended = log_end_offset(r->log) + 2; /* a failed one may be there, too */
        e = rig_append(r, &b, NULL);
        assert_true(e != E_OUT_OF_ORDER);
        if (e == E_OK || e == E_DUPLICATE) /* it was there, though it failed */
            told->sequence += 2;
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
    int calls_before;

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
        if (log_truncate(r->log, 17) == E_OK) { /* else it may be half done */
            calls_before = calls_left;
            calls_left = 0;
            told->sequence = (int32_t)rig_next_sequence(r, 5);
            calls_left = calls_before;
            fill(r, told, 2);
        }
    }
    log_close(r->log);
    r->log = NULL;
}

static void run_as(enum log_format format, enum err with, bool preallocate)
{
    for (int n = 1;; n++) {
        struct told told = {0};
        struct rig r;

        calls_left = 0;
        rig_open_as(&r, format);
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

static void run(enum err with, bool preallocate)
{
    run_as(LOG_FORMAT_BATCH, with, preallocate);
    run_as(LOG_FORMAT_MESSAGE, with, preallocate);
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

static void every_write_ends_too_early_once(void **state)
{
    (void)state;
    is_short = true;
    run(E_NO_SPACE, false);
    run(E_IO, true);
    is_short = false;
}

static void every_call_fails_once_for_want_of_descriptors(void **state)
{
    (void)state;
    run(E_TOO_MANY_FILES, false);
}

/* The files as they are, also in the middle of a swap, are a log that is right and changes not. */
static bool look_at_files(struct rig *r)
{
    struct log_verify_options options = {.is_uncached = false};
    struct log_verify_result result;
    struct log_view view;
    bool is_swapping = false;

    if (log_view_open(r->dir, &view, &r->report) != E_OK)
        fail_msg("view: %s", r->report.text);
    for (size_t i = 0; i < view.segments.count; i++)
        is_swapping |= log_view_segment_at(&view, i)->is_cleaned;
    assert_int_equal(log_verify_view(&view, &options, &result), E_OK);
    for (size_t i = 0; i < result.ranges.count; i++)
        if (log_verify_range_at(&result, i)->kind != LOG_WALK_TORN)
            fail_msg("%s", log_verify_range_at(&result, i)->why);
    if (result.file_count > 0)
        fail_msg("%s", ((struct log_verify_file *)vec_at(&result.files, 0))->why);
    log_verify_release(&result);
    log_view_release(&view);
    return is_swapping;
}

/*
 * A compaction of which call n fails, or with which the process ends there: from n on
 * nothing is done any more. What is found then is the log as before or as after it.
 */
static void run_compaction(enum err with, bool is_end)
{
    static struct compact_model m;
    bool was_reached = true;
    int swaps = 0;

    for (int n = 1; was_reached; n++) {
        struct log_compact_options o = log_compact_options_default();
        struct log_compact_result result;

        compact_model_open(&m, 3);
        for (int i = 0; i < 60; i++) {
            compact_model_append(&m);
            while (i % 10 == 9 && (m.open_txn[2] >= 0 || m.open_txn[3] >= 0))
                compact_model_end_txn(&m);
            if (i == 39) /* the second one finds a part that is clean */
                assert_int_equal(log_compact(m.r.log, &o, m.end, m.r.wall_ms, &result), E_OK);
        }
        failure = with;
        has_failed = false;
        fails_on = is_end;
        calls_left = n;
        if (log_compact(m.r.log, &o, m.end, m.r.wall_ms, &result) == E_OK)
            assert_true(is_end || result.clean_offset > 0);
        log_close(m.r.log);
        calls_left = 0;
        fails_on = false;
        was_reached = has_failed;
        swaps += look_at_files(&m.r);
        log_root_close(m.r.root);
        assert_int_equal(log_root_open(m.r.os, m.r.path, &m.r.root, &m.r.report), E_OK);
        if (rig_open_log(&m.r) != E_OK)
            fail_msg("call %d: %s", n, m.r.report.text);
        if (m.r.recovery.damaged_ranges > 0)
            fail_msg("call %d: taken for damage", n);
        m.end = log_end_offset(m.r.log); /* what nobody synced may be gone */
        m.clean_offset = m.r.log->clean_offset;
        compact_model_check(&m);
        for (int i = 0; i < 20; i++)
            compact_model_append(&m);
        while (m.open_txn[2] >= 0 || m.open_txn[3] >= 0)
            compact_model_end_txn(&m);
        assert_int_equal(log_compact(m.r.log, &o, m.end, m.r.wall_ms, &result), E_OK);
        m.clean_offset = result.clean_offset;
        compact_model_check(&m);
        compact_model_close(&m);
        assert_true(n > 60 || was_reached);
    }
    assert_true(!is_end || swaps > 0);
}

static void every_call_of_a_compaction_fails_once(void **state)
{
    (void)state;
    run_compaction(E_IO, false);
    run_compaction(E_NO_SPACE, false);
    run_compaction(E_TOO_MANY_FILES, false);
    fails_late = true;
    run_compaction(E_NO_SPACE, false);
    run_compaction(E_IO, false);
    fails_late = false;
    is_short = true;
    run_compaction(E_NO_SPACE, false);
    is_short = false;
}

static void a_compaction_may_end_at_every_call(void **state)
{
    (void)state;
    run_compaction(E_IO, true);
}

/* A truncate that is cut off anywhere: the next open knows the largest timestamp of the rest. */
static void a_truncate_that_fails_forgets_no_timestamp(void **state)
{
    enum err e = E_IO;

    (void)state;
    for (int n = 1; e != E_OK; n++) {
        int64_t timestamp, offset;
        struct rig r;

        rig_open(&r);
        rig_fill(&r, 6, 100);
        rig_reopen(&r);
        failure = E_IO;
        calls_left = n;
        e = log_truncate(r.log, 4);
        calls_left = 0;
        log_close(r.log);
        log_root_close(r.root);
        assert_int_equal(log_root_open(r.os, r.path, &r.root, &r.report), E_OK);
        assert_int_equal(rig_open_log(&r), E_OK);
        log_max_timestamp(r.log, &timestamp, &offset);
        assert_int_equal(offset, log_end_offset(r.log) - 1);
        assert_int_equal(timestamp, r.wall_ms + offset);
        rig_close(&r);
    }
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

/* One on another thread came back right after one here failed: what it covers may be lost. */
static void a_sync_that_another_failed_beside_is_not_believed(void **state)
{
    struct log_sync sync;
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_fill(&r, 5, 100);
    log_sync_begin(r.log, &sync);
    failure = E_IO;
    calls_left = 1;
    assert_int_equal(log_sync(r.log), E_IO);
    calls_left = 0;
    log_sync_run(&sync);
    assert_int_equal(log_sync_finish(&sync), E_BROKEN);
    assert_int_equal(log_synced_offset(r.log), 0);
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
      cmocka_unit_test(every_write_ends_too_early_once),
      cmocka_unit_test(every_call_of_a_compaction_fails_once),
      cmocka_unit_test(a_compaction_may_end_at_every_call),
      cmocka_unit_test(a_truncate_that_fails_forgets_no_timestamp),
      cmocka_unit_test(a_failed_sync_breaks_log_and_root),
      cmocka_unit_test(a_sync_that_another_failed_beside_is_not_believed));
