#include "rig.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "os/dir.h"
#include "os/file.h"
#include "record/batch.h"
#include "unit.h"

static void appends_reads_and_reopens(void **state)
{
    struct log_appended appended;
    struct rig r;

    (void)state;
    rig_open(&r);
    assert_true(r.recovery.was_clean);
    assert_int_equal(log_end_offset(r.log), 0);
    assert_int_equal(
        rig_append(&r, &(struct rig_batch){.count = 3, .value_size = 10, .timestamp_ms = 5},
                   &appended),
        E_OK);
    assert_int_equal(appended.first_offset, 0);
    assert_int_equal(appended.last_offset, 2);
    assert_int_equal(appended.max_timestamp, 7);
    assert_int_equal(log_synced_offset(r.log), 0);
    assert_true(log_needs_sync(r.log));
    assert_int_equal(log_sync(r.log), E_OK);
    assert_int_equal(log_synced_offset(r.log), 3);
    assert_false(log_needs_sync(r.log));
    rig_fill(&r, 100, 200);
    assert_int_equal(rig_check_all(&r), 101);
    rig_reopen(&r);
    assert_true(r.recovery.was_clean);
    assert_int_equal(log_end_offset(r.log), 103);
    assert_int_equal(log_synced_offset(r.log), 103);
    assert_int_equal(rig_check_all(&r), 101);
    rig_fill(&r, 10, 50);
    rig_reopen(&r);
    assert_true(r.recovery.was_clean);
    assert_int_equal(rig_check_all(&r), 111);
    rig_close(&r);
}

static void comes_back_after_a_crash(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_fill(&r, 50, 100);
    rig_crash(&r);
    assert_int_equal(rig_open_log(&r), E_OK);
    assert_false(r.recovery.was_clean);
    assert_true(r.recovery.scanned_bytes > 0);
    assert_int_equal(r.recovery.torn_bytes, 0);
    assert_int_equal(log_end_offset(r.log), 50);
    assert_int_equal(log_synced_offset(r.log), 50);
    assert_int_equal(rig_check_all(&r), 50);
    rig_crash(&r); /* nothing appended: nothing to scan */
    assert_int_equal(rig_open_log(&r), E_OK);
    assert_true(r.recovery.was_clean);
    assert_int_equal(rig_check_all(&r), 50);
    rig_close(&r);
}

static void rolls_by_size(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    r.options.segment_bytes = 1000;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    rig_fill(&r, 20, 200);
    assert_true(rig_has_file(&r, "00000000000000000003.log"));
    assert_true(rig_has_file(&r, "00000000000000000000.index"));
    assert_true(rig_has_file(&r, "00000000000000000000.timeindex"));
    assert_int_equal(rig_check_all(&r), 20);
    assert_int_equal(rig_append(&r, &(struct rig_batch){.count = 1, .value_size = 1200}, NULL),
                     E_TOO_BIG);
    rig_crash(&r);
    assert_int_equal(rig_open_log(&r), E_OK);
    assert_int_equal(log_end_offset(r.log), 20);
    assert_int_equal(rig_check_all(&r), 20);
    rig_close(&r);
}

static void rolls_by_age_and_index(void **state)
{
    struct rig_batch b = {.count = 1, .value_size = 10, .timestamp_ms = 1000};
    struct rig r;

    (void)state;
    rig_open(&r);
    r.options.segment_ms = 500;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    assert_int_equal(rig_append(&r, &b, NULL), E_OK);
    b.timestamp_ms = 1500;
    assert_int_equal(rig_append(&r, &b, NULL), E_OK);
    assert_false(rig_has_file(&r, "00000000000000000001.log"));
    b.timestamp_ms = 1501;
    assert_int_equal(rig_append(&r, &b, NULL), E_OK);
    assert_true(rig_has_file(&r, "00000000000000000002.log"));
    assert_int_equal(log_maintain(r.log, 3, 2500), E_OK); /* by the clock, too */
    assert_true(rig_has_file(&r, "00000000000000000003.log"));
    r.options.segment_ms = INT64_MAX;
    r.options.segment_index_bytes = 24;
    r.options.index_interval_bytes = 10;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    rig_fill(&r, 12, 10);
    assert_true(rig_has_file(&r, "00000000000000000006.log"));
    assert_int_equal(rig_check_all(&r), 15);
    rig_close(&r);
}

static enum err append_raw(struct rig *r, const struct rig_batch *b, int64_t base, int32_t epoch,
                           bool is_replica)
{
    struct log_appended appended;
    struct buf bytes;
    enum err e;

    buf_init(&bytes, 1 << 20);
    rig_build(b, base, epoch, 0, &bytes);
    e = log_append(r->log,
                   &(struct log_append){.bytes = bytes.at,
                                        .size = bytes.size,
                                        .leader_epoch = epoch,
                                        .is_replica = is_replica,
                                        .wall_ms = r->wall_ms},
                   &appended);
    buf_release(&bytes);
    return e;
}

static void a_replica_continues_its_log(void **state)
{
    struct rig_batch b = {.count = 5, .value_size = 10, .timestamp_ms = 1};
    struct rig r;

    (void)state;
    rig_open(&r);
    assert_int_equal(append_raw(&r, &b, 1000, 4, true), E_OK); /* an empty one begins anywhere */
    assert_int_equal(log_start_offset(r.log), 1000);
    assert_int_equal(log_end_offset(r.log), 1005);
    assert_int_equal(log_latest_epoch(r.log), 4);
    assert_int_equal(append_raw(&r, &b, 1004, 4, true), E_OUT_OF_RANGE);
    assert_int_equal(append_raw(&r, &b, 1006, 4, true), E_OUT_OF_RANGE);
    assert_int_equal(append_raw(&r, &b, 1005, 3, true), E_OUT_OF_RANGE);
    assert_int_equal(append_raw(&r, &b, 1005, 6, true), E_OK);
    assert_int_equal(log_epoch_at(r.log, 1004), 4);
    assert_int_equal(log_epoch_at(r.log, 1005), 6);
    r.options.is_compacted = true;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    assert_int_equal(append_raw(&r, &b, 1020, 6, true), E_OK);
    rig_crash(&r);
    assert_int_equal(rig_open_log(&r), E_OK);
    assert_int_equal(log_start_offset(r.log), 1000);
    assert_int_equal(log_end_offset(r.log), 1025);
    assert_int_equal(log_epoch_at(r.log, 1005), 6);
    rig_close(&r);
}

static void leader_epochs_never_fall(void **state)
{
    struct rig_batch b = {.count = 1, .value_size = 10, .timestamp_ms = 1};
    int32_t epoch;
    int64_t end;
    struct rig r;

    (void)state;
    rig_open(&r);
    assert_int_equal(log_begin_epoch(r.log, 2), E_OK);
    assert_int_equal(append_raw(&r, &b, 0, 2, false), E_OK);
    assert_int_equal(append_raw(&r, &b, 0, 1, false), E_FENCED);
    assert_int_equal(log_begin_epoch(r.log, 5), E_OK);
    assert_int_equal(log_begin_epoch(r.log, 5), E_OK);
    rig_crash(&r);
    assert_int_equal(rig_open_log(&r), E_OK);
    assert_int_equal(log_latest_epoch(r.log), 5);
    log_epoch_end(r.log, 2, &epoch, &end);
    assert_int_equal(epoch, 2);
    assert_int_equal(end, 1);
    log_epoch_end(r.log, 5, &epoch, &end);
    assert_int_equal(end, 1);
    assert_int_equal(log_epoch_at(r.log, 0), 2);
    assert_int_equal(log_epoch_at(r.log, 1), -1);
    rig_close(&r);
}

static void bad_bytes_are_refused(void **state)
{
    struct log_append a = {.leader_epoch = 0};
    struct log_appended appended;
    uint8_t junk[100];
    struct rig r;

    (void)state;
    rig_open(&r);
    memset(junk, 7, sizeof(junk));
    a.bytes = junk;
    assert_int_equal(log_append(r.log, &a, &appended), E_INVAL);
    a.size = sizeof(junk);
    assert_int_not_equal(log_append(r.log, &a, &appended), E_OK);
    assert_int_equal(log_end_offset(r.log), 0);
    rig_close(&r);
}

static void duplicates_are_found_also_after_a_restart(void **state)
{
    struct rig_batch b = {.count = 4, .value_size = 10, .timestamp_ms = 1, .producer_id = 9};
    struct log_appended appended;
    struct rig r;

    (void)state;
    rig_open(&r);
    b.timestamp_ms = r.wall_ms;
    assert_int_equal(rig_append(&r, &b, &appended), E_OK);
    b.base_sequence = 4;
    assert_int_equal(rig_append(&r, &b, &appended), E_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rig_append(&r, &b, &appended), E_DUPLICATE);
        assert_int_equal(appended.first_offset, 4);
        assert_int_equal(appended.last_offset, 7);
        if (i == 0) {
            rig_reopen(&r);
            assert_true(rig_has_file(&r, "00000000000000000008.snapshot"));
        } else {
            rig_crash(&r);
            assert_int_equal(rig_open_log(&r), E_OK);
        }
        assert_int_equal(log_end_offset(r.log), 8);
    }
    b.base_sequence = 12;
    assert_int_equal(rig_append(&r, &b, &appended), E_OUT_OF_ORDER);
    b.base_sequence = 8;
    assert_int_equal(rig_append(&r, &b, &appended), E_OK);
    assert_int_equal(log_truncate(r.log, 8), E_OK); /* forgets the batch, keeps the others */
    b.base_sequence = 12;
    assert_int_equal(rig_append(&r, &b, &appended), E_OUT_OF_ORDER);
    b.base_sequence = 8;
    assert_int_equal(rig_append(&r, &b, &appended), E_OK);
    assert_int_equal(log_maintain(r.log, 0, r.wall_ms + 2 * 24 * 3600 * 1000ll), E_OK);
    b.base_sequence = 99; /* expired: unknown again */
    assert_int_equal(rig_append(&r, &b, &appended), E_OK);
    rig_close(&r);
}

/* The last five batches of producer 9, that end at `count`, are duplicates from `known` on. */
static void check_window(struct rig *r, int count, int known)
{
    struct rig_batch b = {
        .count = 4, .value_size = 10, .timestamp_ms = r->wall_ms, .producer_id = 9};
    struct log_appended appended;

    for (int i = count - 6; i < count; i++) {
        b.base_sequence = 4 * i;
        if (i < known) {
            assert_int_equal(rig_append(r, &b, &appended), E_OUT_OF_ORDER);
            continue;
        }
        assert_int_equal(rig_append(r, &b, &appended), E_DUPLICATE);
        assert_int_equal(appended.first_offset, 4 * i);
        assert_int_equal(appended.last_offset, 4 * i + 3);
        assert_int_equal(appended.max_timestamp, r->wall_ms + 3);
    }
    b.base_sequence = 4 * count + 1;
    assert_int_equal(rig_append(r, &b, &appended), E_OUT_OF_ORDER);
    assert_int_equal(log_end_offset(r->log), 4 * count);
}

static void append_window(struct rig *r, int from, int count)
{
    struct rig_batch b = {
        .count = 4, .value_size = 10, .timestamp_ms = r->wall_ms, .producer_id = 9};

    for (int i = from; i < count; i++) {
        b.base_sequence = 4 * i;
        assert_int_equal(rig_append(r, &b, NULL), E_OK);
    }
}

static void reopen_dir(struct rig *r)
{
    if (r->dir == NULL)
        assert_int_equal(os_dir_open_in(log_root_dir(r->root), "t-0", false, &r->dir), E_OK);
}

static void the_window_survives_a_restart(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    append_window(&r, 0, 8);
    check_window(&r, 8, 3);
    rig_reopen(&r); /* a clean stop */
    assert_true(r.recovery.was_clean);
    check_window(&r, 8, 3);
    append_window(&r, 8, 10); /* two of the window are scanned, three are in the snapshot */
    rig_crash(&r);
    assert_int_equal(rig_open_log(&r), E_OK);
    assert_false(r.recovery.was_clean);
    check_window(&r, 10, 5);
    r.options.segment_bytes = 300; /* a snapshot at each roll */
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    append_window(&r, 10, 17);
    rig_crash(&r);
    assert_int_equal(rig_open_log(&r), E_OK);
    check_window(&r, 17, 12);
    rig_close(&r);
}

/* Without a good snapshot the log is read from an older one on, or from its start. */
static void the_window_survives_a_bad_snapshot(void **state)
{
    static const char name[] = "00000000000000000032.snapshot";

    (void)state;
    for (int is_there = 0; is_there < 2; is_there++) {
        struct rig r;

        rig_open(&r);
        append_window(&r, 0, 8);
        rig_reopen(&r);
        rig_crash(&r);
        reopen_dir(&r);
        assert_int_equal(os_dir_remove_file(r.dir, name), E_OK);
        if (is_there)
            assert_int_equal(os_dir_replace_file(r.dir, name, slice_of("senseless", 9)), E_OK);
        assert_int_equal(rig_open_log(&r), E_OK);
        check_window(&r, 8, 3);
        rig_close(&r);
    }
}

/* Without its window, or with another's, a snapshot is what Kafka's is: the last batch. */
static void a_snapshot_alone_has_the_last_batch(void **state)
{
    static const char name[] = "00000000000000000032.window";

    (void)state;
    for (int is_there = 0; is_there < 2; is_there++) {
        struct rig r;

        rig_open(&r);
        append_window(&r, 0, 8);
        rig_reopen(&r);
        rig_crash(&r);
        reopen_dir(&r);
        assert_int_equal(os_dir_remove_file(r.dir, name), E_OK);
        if (is_there)
            assert_int_equal(os_dir_replace_file(r.dir, name, slice_of("senseless", 9)), E_OK);
        assert_int_equal(rig_open_log(&r), E_OK);
        check_window(&r, 8, 7);
        append_window(&r, 8, 10);
        rig_reopen(&r);
        check_window(&r, 10, 7);
        rig_close(&r);
    }
}

/* A window goes with its snapshot; one that is left alone goes at the next start. */
static void windows_go_with_their_snapshots(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    append_window(&r, 0, 8);
    rig_reopen(&r);
    assert_true(rig_has_file(&r, "00000000000000000032.window"));
    append_window(&r, 8, 9);
    rig_reopen(&r);
    assert_true(rig_has_file(&r, "00000000000000000036.window"));
    assert_false(rig_has_file(&r, "00000000000000000032.window"));
    assert_int_equal(os_dir_replace_file(r.dir, "00000000000000000001.window", slice_of("x", 1)),
                     E_OK);
    rig_reopen(&r);
    assert_false(rig_has_file(&r, "00000000000000000001.window"));
    assert_true(rig_has_file(&r, "00000000000000000036.window"));
    rig_close(&r);
}

static void an_open_transaction_bounds_what_is_stable(void **state)
{
    struct rig_batch b = {.count = 2, .value_size = 10, .producer_id = 9, .transactional = true};
    struct rig r;

    (void)state;
    rig_open(&r);
    b.timestamp_ms = r.wall_ms;
    rig_fill(&r, 3, 10);
    assert_int_equal(log_first_unstable_offset(r.log, 3), 3);
    assert_int_equal(rig_append(&r, &b, NULL), E_OK);
    rig_fill(&r, 3, 10);
    assert_int_equal(log_first_unstable_offset(r.log, 3), 3);
    rig_crash(&r);
    assert_int_equal(rig_open_log(&r), E_OK);
    assert_int_equal(log_first_unstable_offset(r.log, 3), 3);
    rig_reopen(&r);
    assert_int_equal(log_first_unstable_offset(r.log, 3), 3);
    rig_close(&r);
}

static void limits_bound_a_read(void **state)
{
    struct log_range range;
    struct rig r;
    int64_t one;

    (void)state;
    rig_open(&r);
    rig_fill(&r, 30, 100);
    one = log_size_bytes(r.log) / 30;
    assert_int_equal(log_read(r.log, 31, 31, 1000, &range), E_OUT_OF_RANGE);
    assert_int_equal(log_read(r.log, -1, 31, 1000, &range), E_OUT_OF_RANGE);
    assert_int_equal(log_read(r.log, 30, 30, 1000, &range), E_OK);
    assert_int_equal(range.size, 0);
    assert_null(range.file);
    assert_int_equal(log_read(r.log, 20, 10, 1000, &range), E_OK);
    assert_int_equal(range.size, 0);
    for (int i = 0; i < 3; i++) { /* the memo changes nothing */
        assert_int_equal(log_read(r.log, 10, 12, 1 << 20, &range), E_OK);
        assert_int_equal(range.size, 2 * one);
        assert_int_equal(range.pos, 10 * one);
        log_range_release(&range);
    }
    assert_int_equal(log_read(r.log, 10, 30, 0, &range), E_OK); /* the first is whole */
    assert_int_equal(range.size, one);
    log_range_release(&range);
    assert_int_equal(log_read(r.log, 10, 30, (size_t)one + 5, &range), E_OK);
    assert_int_equal(range.size, one); /* the active segment: whole batches */
    log_range_release(&range);
    assert_int_equal(log_read(r.log, 10, 30, 7 * (size_t)one, &range), E_OK);
    assert_int_equal(range.size, 7 * one);
    log_range_release(&range);
    rig_close(&r);
}

static void truncation_cuts_whole_batches(void **state)
{
    struct rig_batch b = {.count = 10, .value_size = 20, .timestamp_ms = 50};
    int64_t timestamp, offset;
    struct rig r;

    (void)state;
    rig_open(&r);
    r.options.segment_bytes = 1000;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    for (int i = 0; i < 10; i++) {
        b.timestamp_ms += 100;
        assert_int_equal(rig_append(&r, &b, NULL), E_OK);
    }
    assert_int_equal(log_truncate(r.log, 200), E_OK);
    assert_int_equal(log_end_offset(r.log), 100);
    assert_int_equal(log_truncate(r.log, 55), E_OK);
    assert_int_equal(log_end_offset(r.log), 50);
    assert_int_equal(log_synced_offset(r.log), 50);
    log_max_timestamp(r.log, &timestamp, &offset);
    assert_int_equal(timestamp, 559);
    assert_int_equal(rig_check_all(&r), 5);
    rig_crash(&r);
    assert_int_equal(rig_open_log(&r), E_OK);
    assert_int_equal(log_end_offset(r.log), 50);
    assert_int_equal(rig_append(&r, &b, NULL), E_OK);
    assert_int_equal(log_delete_before(r.log, 20), E_OK);
    assert_int_equal(log_truncate(r.log, 19), E_OUT_OF_RANGE);
    assert_int_equal(log_truncate(r.log, 20), E_OK);
    assert_int_equal(log_end_offset(r.log), 20);
    assert_int_equal(rig_append(&r, &b, NULL), E_OK);
    rig_reopen(&r);
    assert_int_equal(log_start_offset(r.log), 20);
    assert_int_equal(rig_check_all(&r), 1);
    rig_close(&r);
}

static void deleted_segments_go_after_their_delay(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    r.options.segment_bytes = 1000;
    r.options.file_delete_delay_ms = 1000;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    rig_fill(&r, 20, 200); /* 3 a segment */
    assert_int_equal(log_delete_before(r.log, 21), E_OUT_OF_RANGE);
    assert_int_equal(log_delete_before(r.log, 10), E_OK);
    assert_int_equal(log_delete_before(r.log, 5), E_OK);
    assert_int_equal(log_start_offset(r.log), 10);
    assert_false(rig_has_file(&r, "00000000000000000006.log"));
    assert_true(rig_has_file(&r, "00000000000000000006.log.deleted"));
    assert_true(rig_has_file(&r, "00000000000000000009.log"));
    assert_int_equal(log_maintain(r.log, 20, r.wall_ms + 999), E_OK);
    assert_true(rig_has_file(&r, "00000000000000000006.log.deleted"));
    assert_int_equal(log_maintain(r.log, 20, r.wall_ms + 1000), E_OK);
    assert_false(rig_has_file(&r, "00000000000000000006.log.deleted"));
    rig_crash(&r);
    assert_int_equal(rig_open_log(&r), E_OK);
    assert_int_equal(log_start_offset(r.log), 10);
    assert_int_equal(rig_check_all(&r), 10);
    rig_close(&r);
}

static void retention_by_size_and_time(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    r.options.segment_bytes = 1000;
    r.options.retention_bytes = 2000;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    rig_fill(&r, 20, 200);
    assert_int_equal(log_maintain(r.log, 4, r.wall_ms), E_OK); /* not above the limit */
    assert_int_equal(log_start_offset(r.log), 3);
    assert_int_equal(log_maintain(r.log, 20, r.wall_ms), E_OK);
    assert_int_equal(log_start_offset(r.log), 12);
    assert_true(log_size_bytes(r.log) >= 2000);
    r.options.retention_ms = 1000;
    r.options.is_deleted = false;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    assert_int_equal(log_maintain(r.log, 20, r.wall_ms + 5000), E_OK);
    assert_int_equal(log_start_offset(r.log), 12);
    r.options.is_deleted = true;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    assert_int_equal(log_maintain(r.log, 20, r.wall_ms + 5000), E_OK);
    assert_int_equal(log_start_offset(r.log), 20); /* the active one was rolled and went, too */
    assert_int_equal(log_size_bytes(r.log), 0);
    rig_fill(&r, 1, 10);
    rig_reopen(&r);
    assert_int_equal(log_start_offset(r.log), 20);
    assert_int_equal(log_end_offset(r.log), 21);
    rig_close(&r);
}

static void finds_by_time(void **state)
{
    struct rig_batch b = {.count = 10, .value_size = 50};
    int64_t offset, timestamp;
    struct rig r;

    (void)state;
    rig_open(&r);
    r.options.segment_bytes = 3000;
    r.options.index_interval_bytes = 500;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    for (int i = 0; i < 50; i++) {
        b.codec = i % 5;
        b.timestamp_ms = 10000 + 100 * i; /* records 1 ms apart */
        assert_int_equal(rig_append(&r, &b, NULL), E_OK);
    }
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < 500; i += 3) {
            int64_t when = 10000 + 100 * (i / 10) + i % 10;

            assert_int_equal(log_find_timestamp(r.log, when, INT64_MAX, &offset, &timestamp), E_OK);
            assert_int_equal(offset, i);
            assert_int_equal(timestamp, when);
        }
        assert_int_equal(log_find_timestamp(r.log, 10050, INT64_MAX, &offset, &timestamp), E_OK);
        assert_int_equal(offset, 10);
        assert_int_equal(log_find_timestamp(r.log, 10050, 10, &offset, &timestamp), E_OK);
        assert_int_equal(offset, -1);
        assert_int_equal(log_find_timestamp(r.log, 99999, INT64_MAX, &offset, &timestamp), E_OK);
        assert_int_equal(offset, -1);
        assert_int_equal(timestamp, -1);
        rig_reopen(&r);
    }
    assert_int_equal(log_delete_before(r.log, 15), E_OK);
    assert_int_equal(log_find_timestamp(r.log, 0, INT64_MAX, &offset, &timestamp), E_OK);
    assert_int_equal(offset, 15);
    rig_close(&r);
}

static void syncs_in_three_steps(void **state)
{
    struct log_sync sync;
    struct rig r;

    (void)state;
    rig_open(&r);
    r.options.segment_bytes = 1000;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    rig_fill(&r, 4, 200); /* one segment sealed */
    log_sync_begin(r.log, &sync);
    assert_non_null(sync.files[0]);
    assert_non_null(sync.files[1]);
    rig_fill(&r, 1, 200);
    log_sync_run(&sync);
    assert_int_equal(log_sync_finish(&sync), E_OK);
    assert_int_equal(log_synced_offset(r.log), 4);
    rig_fill(&r, 1, 200);
    log_sync_begin(r.log, &sync);
    assert_int_equal(log_truncate(r.log, 2), E_OK); /* a sync begun before counts for nothing */
    rig_fill(&r, 3, 200);
    log_sync_run(&sync);
    assert_int_equal(log_sync_finish(&sync), E_OK);
    assert_int_equal(log_synced_offset(r.log), 2);
    assert_int_equal(log_sync(r.log), E_OK);
    assert_int_equal(log_sync(r.log), E_OK);
    assert_int_equal(log_synced_offset(r.log), 5);
    rig_close(&r);
}

static void durability_decides_what_needs_a_sync(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    r.options.durability = LOG_DURABILITY_INTERVAL;
    r.options.flush_messages = 3;
    r.options.flush_ms = 1000;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    rig_fill(&r, 2, 10);
    assert_false(log_needs_sync(r.log));
    rig_fill(&r, 1, 10);
    assert_true(log_needs_sync(r.log));
    assert_int_equal(log_sync(r.log), E_OK);
    rig_fill(&r, 1, 10);
    assert_false(log_needs_sync(r.log));
    r.wall_ms += 1000;
    assert_int_equal(log_maintain(r.log, 0, r.wall_ms), E_OK);
    assert_true(log_needs_sync(r.log));
    r.options.durability = LOG_DURABILITY_OS;
    r.options.segment_bytes = 1000;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    assert_false(log_needs_sync(r.log));
    rig_fill(&r, 6, 300);
    assert_true(log_needs_sync(r.log)); /* a sealed one */
    assert_int_equal(log_sync(r.log), E_OK);
    rig_close(&r);
}

/* Invariant 5: an append never leaves more than the window unsynced. */
static void the_unsynced_window_is_bounded(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_fill(&r, 70, 1 << 20);
    assert_true(log_synced_offset(r.log) >= 6);
    rig_fill(&r, 1, 10);
    assert_int_equal(log_sync(r.log), E_OK); /* and the recovery point has moved */
    rig_crash(&r);
    assert_int_equal(rig_open_log(&r), E_OK);
    assert_true(r.recovery.scanned_bytes < 10 << 20);
    assert_int_equal(log_end_offset(r.log), 71);
    rig_close(&r);
}

static void a_topic_id_is_kept(void **state)
{
    struct uuid id = {{1, 2, 3}}, other = {{9}};
    struct rig r;

    (void)state;
    rig_open(&r);
    assert_true(uuid_is_zero(log_topic_id(r.log)));
    for (int i = 0; i < 2; i++) {
        struct uuid want = i == 0 ? id : other;

        assert_int_equal(log_set_topic_id(r.log, want), E_OK);
        assert_int_equal(rig_file_size(&r, "partition.metadata"), 44);
        rig_crash(&r);
        assert_int_equal(rig_open_log(&r), E_OK);
        assert_true(uuid_equal(log_topic_id(r.log), want));
        rig_fill(&r, 1, 10);
        rig_reopen(&r);
        rig_reopen(&r);
        assert_true(uuid_equal(log_topic_id(r.log), want));
    }
    rig_close(&r);
}

static bool see(void *ctx, const char *name)
{
    char *names = ctx;

    snprintf(names + strlen(names), 100, "%s ", name);
    return true;
}

static void roots_lock_list_and_forget(void **state)
{
    char names[200] = "";
    static const char leftover[] = "x-0.0123456789abcdef-delete";
    static const char stranger[] = "please-delete"; /* somebody's folder, not ours */
    struct log_root *second;
    struct os_dir *dir;
    struct log *log;
    struct rig r;

    (void)state;
    rig_open(&r);
    assert_int_equal(log_root_open(r.os, r.path, &second, &r.report), E_BUSY);
    assert_non_null(strstr(r.report.text, ".lock"));
    assert_string_equal(log_root_path(r.root), r.path);
    assert_int_equal(
        log_open(&(struct log_open){r.root, "b-1", &r.options, 0}, &log, NULL, &r.report), E_OK);
    log_close(log);
    assert_int_equal(os_dir_open_in(log_root_dir(r.root), leftover, true, &dir), E_OK);
    os_dir_close(dir);
    assert_int_equal(os_dir_open_in(log_root_dir(r.root), stranger, true, &dir), E_OK);
    os_dir_close(dir);
    assert_int_equal(log_root_list(r.root, see, names), E_OK);
    assert_string_equal(names, "b-1 please-delete t-0 ");
    assert_int_equal(os_dir_open_in(log_root_dir(r.root), leftover, false, &dir), E_NOT_FOUND);
    assert_int_equal(log_root_delete(r.root, stranger), E_OK);
    assert_int_equal(log_root_delete(r.root, stranger), E_NOT_FOUND);
    rig_fill(&r, 1, 10);
    assert_int_equal(log_delete(r.log), E_OK);
    r.log = NULL;
    names[0] = '\0';
    assert_int_equal(log_root_list(r.root, see, names), E_OK);
    assert_string_equal(names, "b-1 ");
    assert_false(log_root_is_broken(r.root));
    log_close(NULL);
    log_root_close(NULL);
    rig_close(&r);
}

/* A sealed segment holds no descriptor until it is read, and then few do. */
static void idle_logs_hold_no_files(void **state)
{
    char command[400];
    struct rig r;

    (void)state;
    rig_open(&r);
    r.options.segment_bytes = 1000;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    rig_fill(&r, 90, 200); /* 30 segments */
    assert_int_equal(log_sync(r.log), E_OK);
    rig_check_all(&r);
    assert_int_equal(log_maintain(r.log, 0, r.wall_ms), E_OK);
    assert_int_equal(log_maintain(r.log, 0, r.wall_ms), E_OK);
    snprintf(command, sizeof(command), "! ls -l /proc/%d/fd | grep -q '%s/t-0/0'", (int)getpid(),
             r.path);
    assert_int_equal(system(command), 0);
    rig_check_all(&r);
    snprintf(command, sizeof(command), "test $(ls -l /proc/%d/fd | grep -c '%s/t-0/0.*log$') -le 9",
             (int)getpid(), r.path);
    assert_int_equal(system(command), 0);
    rig_fill(&r, 1, 200);
    assert_int_equal(rig_check_all(&r), 91);
    rig_close(&r);
}

/* A full disk refuses the append and nothing else; with room the log goes on. */
static void a_full_disk_is_no_harm(void **state)
{
    struct rlimit before, small;
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_fill(&r, 5, 100);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 1000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(rig_append(&r, &(struct rig_batch){.count = 1, .value_size = 2000}, NULL),
                     E_NO_SPACE);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_false(log_is_broken(r.log));
    assert_int_equal(rig_file_size(&r, "00000000000000000000.log"), log_size_bytes(r.log));
    assert_int_equal(rig_check_all(&r), 5);
    rig_fill(&r, 5, 100);
    rig_reopen(&r);
    assert_int_equal(rig_check_all(&r), 10);
    rig_close(&r);
}

TESTS(test_log, cmocka_unit_test(appends_reads_and_reopens),
      cmocka_unit_test(comes_back_after_a_crash), cmocka_unit_test(rolls_by_size),
      cmocka_unit_test(rolls_by_age_and_index), cmocka_unit_test(a_replica_continues_its_log),
      cmocka_unit_test(leader_epochs_never_fall), cmocka_unit_test(bad_bytes_are_refused),
      cmocka_unit_test(duplicates_are_found_also_after_a_restart),
      cmocka_unit_test(the_window_survives_a_restart),
      cmocka_unit_test(the_window_survives_a_bad_snapshot),
      cmocka_unit_test(a_snapshot_alone_has_the_last_batch),
      cmocka_unit_test(windows_go_with_their_snapshots),
      cmocka_unit_test(an_open_transaction_bounds_what_is_stable),
      cmocka_unit_test(limits_bound_a_read), cmocka_unit_test(truncation_cuts_whole_batches),
      cmocka_unit_test(deleted_segments_go_after_their_delay),
      cmocka_unit_test(retention_by_size_and_time), cmocka_unit_test(finds_by_time),
      cmocka_unit_test(syncs_in_three_steps),
      cmocka_unit_test(durability_decides_what_needs_a_sync),
      cmocka_unit_test(the_unsynced_window_is_bounded), cmocka_unit_test(a_topic_id_is_kept),
      cmocka_unit_test(roots_lock_list_and_forget), cmocka_unit_test(idle_logs_hold_no_files),
      cmocka_unit_test(a_full_disk_is_no_harm));
