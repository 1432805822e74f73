#include "rig.h"

#include <stdio.h>

#include "os/dir.h"
#include "os/file.h"
#include "record/batch.h"
#include "storage/log_priv.h"
#include "unit.h"

static void cut_file(struct rig *r, const char *name, int64_t size)
{
    struct os_file *file;

    assert_int_equal(os_file_open(r->dir, name, OS_FILE_WRITE, &file), E_OK);
    assert_int_equal(os_file_truncate(file, size), E_OK);
    os_file_unref(file);
}

static const char FIRST[] = "00000000000000000000.log";

static void a_tail_torn_at_any_byte_is_cut(void **state)
{
    int64_t whole, before;

    (void)state;
    for (int64_t cut = 1;; cut += cut < 70 ? 1 : 13) {
        char torn[64];
        struct rig r;

        rig_open(&r);
        rig_fill(&r, 3, 60);
        before = log_size_bytes(r.log);
        rig_fill(&r, 1, 90);
        whole = log_size_bytes(r.log);
        rig_crash(&r);
        if (before + cut >= whole) {
            assert_int_equal(rig_open_log(&r), E_OK);
            rig_close(&r);
            break;
        }
        assert_int_equal(os_dir_open_in(log_root_dir(r.root), "t-0", false, &r.dir), E_OK);
        cut_file(&r, FIRST, before + cut);
        assert_int_equal(rig_open_log(&r), E_OK);
        assert_int_equal(log_end_offset(r.log), 3);
        /* the base offset of the batch is 3: its first byte that is not zero is the eighth */
        assert_int_equal(r.recovery.torn_bytes > 0, cut >= 8);
        assert_true(r.recovery.torn_bytes <= cut);
        snprintf(torn, sizeof(torn), "%s.torn-%lld", FIRST, (long long)before);
        assert_int_equal(rig_has_file(&r, torn), cut >= 8);
        assert_int_equal(rig_file_size(&r, FIRST), before);
        assert_int_equal(rig_check_all(&r), 3);
        rig_fill(&r, 2, 33);
        rig_reopen(&r);
        assert_true(r.recovery.was_clean);
        assert_int_equal(rig_check_all(&r), 5);
        rig_close(&r);
    }
}

static void a_flipped_bit_after_a_clean_stop_costs_its_batch_only(void **state)
{
    (void)state;
    for (int at = 0; at < 20; at++) {
        struct rig r;
        struct buf bytes;
        int64_t base, size;
        int bad = 0;

        rig_open(&r);
        buf_init(&bytes, 1 << 20);
        rig_fill(&r, 60, 500);
        rig_reopen(&r);
        /* batches are of one size: the 31st, at bytes spread over header and record */
        size = log_size_bytes(r.log) / 60;
        rig_flip(&r, 0, size * 30 + at * at);
        for (int64_t offset = 0; offset < 60; offset++) {
            enum err e = rig_read(&r, offset, 1, &bytes, &base);

            if (e == E_CORRUPT)
                bad++;
            else
                assert_int_equal(e, E_OK);
            if ((e == E_CORRUPT) != (offset == 30))
                fail_msg("byte %d flipped: %s at %d", at * at, err_name(e), (int)offset);
            if (e == E_OK)
                assert_int_equal(base, offset);
        }
        assert_int_equal(bad, 1);
        rig_fill(&r, 1, 10);
        assert_int_equal(rig_read(&r, 31, 1 << 20, &bytes, &base), E_OK);
        assert_int_equal(rig_read(&r, 0, 1 << 20, &bytes, &base), E_OK);
        assert_int_equal(bytes.size, size * 30);
        buf_release(&bytes);
        rig_close(&r);
    }
}

/* More than W bytes after the recovery point stand right batches: what is wrong is damage. */
static void damage_far_from_the_end_is_kept(void **state)
{
    struct buf bytes;
    struct rig r;
    int64_t base;

    (void)state;
    rig_open(&r);
    buf_init(&bytes, 8 << 20);
    rig_fill(&r, 70, 1 << 20); /* the checkpoint moves only with a sync */
    rig_crash(&r);
    assert_int_equal(os_dir_open_in(log_root_dir(r.root), "t-0", false, &r.dir), E_OK);
    rig_flip(&r, 0, 5000);
    assert_int_equal(rig_open_log(&r), E_OK);
    if (r.recovery.damaged_ranges == 1) {
        assert_int_equal(log_end_offset(r.log), 70);
        assert_int_equal(rig_read(&r, 0, 1, &bytes, &base), E_CORRUPT);
        assert_int_equal(rig_read(&r, 1, 1, &bytes, &base), E_OK);
        rig_reopen(&r); /* it is remembered */
        assert_int_equal(rig_read(&r, 0, 1, &bytes, &base), E_CORRUPT);
        assert_int_equal(rig_read(&r, 69, 1, &bytes, &base), E_OK);
    } else {
        fail_msg("%d damaged ranges", (int)r.recovery.damaged_ranges);
    }
    buf_release(&bytes);
    rig_close(&r);
}

static void a_wrong_batch_in_the_unsynced_window_is_a_torn_tail(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_fill(&r, 20, 100);
    rig_crash(&r);
    assert_int_equal(os_dir_open_in(log_root_dir(r.root), "t-0", false, &r.dir), E_OK);
    rig_flip(&r, 0, rig_file_size(&r, FIRST) / 20 * 12 + 80);
    assert_int_equal(rig_open_log(&r), E_OK);
    assert_int_equal(log_end_offset(r.log), 12);
    assert_true(r.recovery.torn_bytes > 0);
    assert_int_equal(r.recovery.damaged_ranges, 0);
    assert_int_equal(rig_check_all(&r), 12);
    rig_close(&r);
}

static void a_hole_between_segments_ends_the_log(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    r.options.segment_bytes = 1000;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    rig_fill(&r, 12, 200); /* 3 a segment: 0 3 6 9 */
    rig_crash(&r);
    assert_int_equal(os_dir_open_in(log_root_dir(r.root), "t-0", false, &r.dir), E_OK);
    cut_file(&r, "00000000000000000003.log", rig_file_size(&r, "00000000000000000003.log") / 3);
    assert_int_equal(rig_open_log(&r), E_OK);
    assert_int_equal(log_end_offset(r.log), 4);
    assert_false(rig_has_file(&r, "00000000000000000006.log"));
    assert_true(rig_has_file(&r, "00000000000000000006.log.torn-0"));
    assert_true(rig_has_file(&r, "00000000000000000009.log.torn-0"));
    rig_fill(&r, 3, 200);
    rig_reopen(&r);
    assert_int_equal(rig_check_all(&r), 7);
    rig_close(&r);
}

static void zeroes_at_the_end_are_no_damage(void **state)
{
    struct os_file *file;
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_fill(&r, 5, 100);
    rig_reopen(&r);
    assert_int_equal(os_file_open(r.dir, FIRST, OS_FILE_WRITE, &file), E_OK);
    assert_int_equal(os_file_truncate(file, 1 << 20), E_OK);
    os_file_unref(file);
    rig_crash(&r);
    assert_int_equal(rig_open_log(&r), E_OK);
    assert_false(r.recovery.was_clean);
    assert_int_equal(r.recovery.torn_bytes, 0);
    assert_int_equal(rig_check_all(&r), 5);
    rig_close(&r);
}

static void preallocated_files_are_cut_when_closed(void **state)
{
    int64_t size;
    struct rig r;

    (void)state;
    rig_open(&r);
    r.options.preallocate = true;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    rig_fill(&r, 5, 100);
    size = log_size_bytes(r.log);
    assert_true(rig_file_size(&r, FIRST) > size);
    rig_crash(&r);
    assert_int_equal(rig_open_log(&r), E_OK);
    assert_int_equal(rig_check_all(&r), 5);
    assert_int_equal(rig_file_size(&r, FIRST), size);
    rig_fill(&r, 5, 100);
    rig_reopen(&r);
    assert_true(r.recovery.was_clean);
    assert_int_equal(rig_file_size(&r, FIRST), log_size_bytes(r.log));
    assert_int_equal(rig_check_all(&r), 10);
    rig_close(&r);
}

static void lost_indexes_are_rebuilt(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    r.options.segment_bytes = 20000;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    rig_fill(&r, 200, 400);
    rig_reopen(&r);
    assert_int_equal(os_dir_remove_file(r.dir, "00000000000000000000.index"), E_OK);
    assert_int_equal(os_dir_remove_file(r.dir, "00000000000000000000.timeindex"), E_OK);
    assert_int_equal(rig_check_all(&r), 200);
    assert_true(rig_has_file(&r, "00000000000000000000.index"));
    rig_close(&r);
}

static void a_senseless_index_is_rebuilt(void **state)
{
    struct os_file *file;
    struct rig r;
    uint8_t junk[80];

    (void)state;
    rig_open(&r);
    r.options.segment_bytes = 40000;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    rig_fill(&r, 200, 400);
    rig_reopen(&r);
    memset(junk, 0x11, sizeof(junk));
    assert_int_equal(os_file_open(r.dir, "00000000000000000000.index", OS_FILE_WRITE, &file), E_OK);
    assert_int_equal(os_file_write(file, 8, junk, 8), E_OK);
    os_file_unref(file);
    assert_int_equal(rig_check_all(&r), 200);
    for (int64_t offset = 0; offset < 200; offset += 7) {
        struct log_range range;

        assert_int_equal(log_read(r.log, offset, INT64_MAX, 1, &range), E_OK);
        assert_int_equal(range.base_offset, offset);
        log_range_release(&range);
    }
    rig_close(&r);
}

/* Apache Kafka leaves its indexes zero-padded after an unclean stop. */
static void a_padded_index_is_read(void **state)
{
    struct os_file *file;
    struct rig r;

    (void)state;
    rig_open(&r);
    r.options.segment_bytes = 40000;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    rig_fill(&r, 200, 400);
    rig_reopen(&r);
    assert_int_equal(os_file_open(r.dir, "00000000000000000000.index", OS_FILE_WRITE, &file), E_OK);
    assert_int_equal(os_file_truncate(file, 1 << 20), E_OK);
    os_file_unref(file);
    assert_int_equal(rig_check_all(&r), 200);
    assert_int_equal(rig_file_size(&r, "00000000000000000000.index"), 1 << 20);
    rig_close(&r);
}

static void durable_bytes_that_are_gone_are_damage(void **state)
{
    struct buf bytes;
    struct rig r;
    int64_t base, size;

    (void)state;
    rig_open(&r);
    buf_init(&bytes, 1 << 20);
    rig_fill(&r, 10, 100);
    rig_reopen(&r);
    size = log_size_bytes(r.log) / 10;
    rig_crash(&r);
    assert_int_equal(os_dir_open_in(log_root_dir(r.root), "t-0", false, &r.dir), E_OK);
    cut_file(&r, FIRST, 6 * size + 20);
    assert_int_equal(rig_open_log(&r), E_OK);
    assert_true(r.recovery.damaged_ranges > 0);
    assert_int_equal(log_end_offset(r.log), 10);
    for (int64_t offset = 0; offset < 10; offset++)
        assert_int_equal(rig_read(&r, offset, 1, &bytes, &base), offset < 6 ? E_OK : E_CORRUPT);
    rig_fill(&r, 3, 10);
    assert_int_equal(rig_read(&r, 10, 1, &bytes, &base), E_OK);
    assert_int_equal(base, 10);
    rig_reopen(&r);
    assert_true(r.recovery.was_clean);
    assert_int_equal(rig_read(&r, 8, 1, &bytes, &base), E_CORRUPT);
    assert_int_equal(rig_read(&r, 12, 1, &bytes, &base), E_OK);
    buf_release(&bytes);
    rig_close(&r);
}

static void a_lost_segment_is_damage(void **state)
{
    struct buf bytes;
    struct rig r;
    int64_t base;

    (void)state;
    rig_open(&r);
    buf_init(&bytes, 1 << 20);
    r.options.segment_bytes = 1000;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    rig_fill(&r, 12, 200);
    rig_reopen(&r);
    rig_crash(&r);
    assert_int_equal(os_dir_open_in(log_root_dir(r.root), "t-0", false, &r.dir), E_OK);
    assert_int_equal(os_dir_remove_file(r.dir, "00000000000000000003.log"), E_OK);
    assert_int_equal(os_dir_remove_file(r.dir, "00000000000000000009.log"), E_OK);
    assert_int_equal(rig_open_log(&r), E_OK);
    assert_int_equal(log_end_offset(r.log), 12);
    for (int64_t offset = 0; offset < 12; offset++)
        assert_int_equal(rig_read(&r, offset, 1, &bytes, &base),
                         offset / 3 % 2 == 0 ? E_OK : E_CORRUPT);
    rig_fill(&r, 1, 10);
    assert_int_equal(rig_read(&r, 12, 1, &bytes, &base), E_OK);
    buf_release(&bytes);
    rig_close(&r);
}

static void a_lost_checkpoint_costs_a_scan(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    r.options.segment_bytes = 1000;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    rig_fill(&r, 12, 200);
    rig_reopen(&r);
    rig_crash(&r);
    assert_int_equal(os_dir_open_in(log_root_dir(r.root), "t-0", false, &r.dir), E_OK);
    assert_int_equal(os_dir_remove_file(r.dir, "dlog.checkpoint"), E_OK);
    assert_int_equal(rig_open_log(&r), E_OK);
    assert_false(r.recovery.was_clean);
    assert_int_equal(rig_check_all(&r), 12);
    rig_reopen(&r);
    assert_true(r.recovery.was_clean);
    rig_close(&r);
}

static void append_three_segments_and_an_empty_one(struct rig *r)
{
    r->options.segment_bytes = 1000;
    assert_int_equal(log_set_options(r->log, &r->options), E_OK);
    rig_fill(r, 9, 200); /* 3 a segment: 0 3 6 */
    assert_int_equal(log_sync(r->log), E_OK);
    r->wall_ms += 2 * r->options.segment_ms;
    assert_int_equal(log_maintain(r->log, 0, r->wall_ms), E_OK);
    assert_true(rig_has_file(r, "00000000000000000009.log"));
    rig_crash(r);
    assert_int_equal(os_dir_open_in(log_root_dir(r->root), "t-0", false, &r->dir), E_OK);
    cut_file(r, "00000000000000000006.log", rig_file_size(r, "00000000000000000006.log") / 3 * 2);
}

static bool checkpoint_has(struct rig *r, const char *line)
{
    struct buf text;
    bool has;

    buf_init(&text, 10000);
    assert_int_equal(os_dir_read_file(r->dir, "dlog.checkpoint", &text), E_OK);
    assert_int_equal(buf_append(&text, "", 1), E_OK);
    has = strstr((const char *)text.at, line) != NULL;
    buf_release(&text);
    return has;
}

/* Also of a compacted log: what it lacks there was not compacted but never written. */
static void an_empty_segment_after_a_lost_end_goes(void **state)
{
    (void)state;
    for (int is_compacted = 0; is_compacted < 2; is_compacted++) {
        struct rig r;

        rig_open(&r);
        r.options.is_compacted = is_compacted != 0;
        append_three_segments_and_an_empty_one(&r);
        assert_int_equal(rig_open_log(&r), E_OK);
        assert_int_equal(r.recovery.damaged_ranges, 0);
        assert_int_equal(log_end_offset(r.log), 8);
        assert_false(rig_has_file(&r, "00000000000000000009.log"));
        rig_fill(&r, 4, 200);
        assert_int_equal(rig_check_all(&r), 12);
        rig_crash(&r);
        assert_int_equal(rig_open_log(&r), E_OK);
        assert_int_equal(rig_check_all(&r), 12);
        assert_int_equal(checkpoint_has(&r, "gaps 1"), is_compacted);
        rig_close(&r);
    }
}

/* A directory of Apache Kafka's: compaction took offset 8, and the log goes on at 9. */
static void a_gap_before_an_empty_segment_stays(void **state)
{
    struct buf bytes;
    struct rig r;
    int64_t base;

    (void)state;
    rig_open(&r);
    buf_init(&bytes, 1 << 20);
    append_three_segments_and_an_empty_one(&r);
    assert_int_equal(os_dir_remove_file(r.dir, "dlog.checkpoint"), E_OK);
    assert_int_equal(rig_open_log(&r), E_OK);
    assert_int_equal(r.recovery.damaged_ranges, 0);
    assert_int_equal(log_end_offset(r.log), 9);
    assert_true(checkpoint_has(&r, "gaps 1"));
    rig_fill(&r, 4, 200);
    assert_int_equal(rig_read(&r, 8, 1, &bytes, &base), E_OK);
    assert_int_equal(base, 9);
    rig_crash(&r);
    assert_int_equal(rig_open_log(&r), E_OK);
    assert_int_equal(log_end_offset(r.log), 13);
    assert_int_equal(rig_read(&r, 8, 1, &bytes, &base), E_OK);
    assert_int_equal(base, 9);
    buf_release(&bytes);
    rig_close(&r);
}

/* A crash before the first checkpoint leaves what a new log of Apache Kafka's would look like. */
static void a_log_without_gaps_is_known_by_its_batches(void **state)
{
    (void)state;
    for (int count = 1; count < 11; count += 3) {
        struct rig r;

        rig_open(&r);
        r.options.segment_bytes = 1000;
        assert_int_equal(log_set_options(r.log, &r.options), E_OK);
        rig_fill(&r, count, 200);
        rig_crash(&r);
        assert_int_equal(os_dir_open_in(log_root_dir(r.root), "t-0", false, &r.dir), E_OK);
        assert_int_equal(os_dir_remove_file(r.dir, "dlog.checkpoint"), E_OK);
        assert_int_equal(rig_open_log(&r), E_OK);
        assert_true(checkpoint_has(&r, "gaps 0"));
        assert_int_equal(rig_check_all(&r), count);
        rig_close(&r);
    }
}

/* The file that the recovery point is in is gone or too short; what follows it is kept. */
static void a_lost_recovery_point_is_damage(void **state)
{
    (void)state;
    for (int64_t size = -1; size < 400; size += 200) {
        int64_t lost = size < 300 ? 3 : 4; /* a batch has 270 bytes */
        struct buf bytes;
        struct rig r;
        int64_t base;

        rig_open(&r);
        buf_init(&bytes, 1 << 20);
        r.options.segment_bytes = 1000;
        assert_int_equal(log_set_options(r.log, &r.options), E_OK);
        rig_fill(&r, 5, 200); /* the recovery point: 5, in the segment of 3 */
        rig_reopen(&r);
        rig_fill(&r, 6, 200);
        rig_crash(&r);
        assert_int_equal(os_dir_open_in(log_root_dir(r.root), "t-0", false, &r.dir), E_OK);
        if (size < 0)
            assert_int_equal(os_dir_remove_file(r.dir, "00000000000000000003.log"), E_OK);
        else
            cut_file(&r, "00000000000000000003.log", size);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(rig_open_log(&r), E_OK);
            assert_int_equal(r.recovery.damaged_ranges > 0, i == 0);
            assert_int_equal(log_end_offset(r.log), 11);
            for (int64_t offset = 0; offset < 11; offset++)
                assert_int_equal(rig_read(&r, offset, 1, &bytes, &base),
                                 offset < lost || offset > 5 ? E_OK : E_CORRUPT);
            rig_crash(&r);
            if (i == 0)
                assert_int_equal(os_dir_open_in(log_root_dir(r.root), "t-0", false, &r.dir), E_OK);
        }
        assert_int_equal(rig_open_log(&r), E_OK);
        rig_fill(&r, 2, 200);
        assert_int_equal(rig_read(&r, 11, 1, &bytes, &base), E_OK);
        assert_int_equal(base, 11);
        buf_release(&bytes);
        rig_close(&r);
    }
}

static void a_lost_first_segment_moves_the_start(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    r.options.segment_bytes = 1000;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    rig_fill(&r, 2, 200);
    rig_reopen(&r);
    rig_fill(&r, 6, 200);
    rig_crash(&r);
    assert_int_equal(os_dir_open_in(log_root_dir(r.root), "t-0", false, &r.dir), E_OK);
    assert_int_equal(os_dir_remove_file(r.dir, FIRST), E_OK);
    assert_int_equal(rig_open_log(&r), E_OK);
    assert_int_equal(r.recovery.damaged_ranges, 1);
    assert_int_equal(log_start_offset(r.log), 3);
    assert_int_equal(log_end_offset(r.log), 8);
    rig_fill(&r, 2, 200);
    assert_int_equal(rig_check_all(&r), 7);
    rig_close(&r);
}

/* A crash may leave other bytes in an index that was not synced, such as a negative position. */
static void an_index_of_other_bytes_is_rebuilt(void **state)
{
    uint8_t entry[8] = {0, 0, 0, 1, 0xff, 0xff, 0xff, 0};
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_fill(&r, 6, 100);
    rig_reopen(&r);
    rig_fill(&r, 2, 100);
    rig_crash(&r);
    assert_int_equal(os_dir_open_in(log_root_dir(r.root), "t-0", false, &r.dir), E_OK);
    assert_int_equal(
        os_dir_replace_file(r.dir, "00000000000000000000.index", slice_of(entry, sizeof(entry))),
        E_OK);
    assert_int_equal(rig_open_log(&r), E_OK);
    assert_int_equal(rig_check_all(&r), 8);
    rig_close(&r);
}

static void other_formats_are_refused(void **state)
{
    struct rig r;
    uint8_t old[64] = {[11] = 40, [16] = 1};

    (void)state;
    rig_open(&r);
    rig_fill(&r, 1, 200);
    log_close(r.log);
    assert_int_equal(os_dir_replace_file(r.dir, "dlog.format", slice_of("message\n", 8)), E_OK);
    assert_int_equal(rig_open_log(&r), E_UNSUPPORTED);
    assert_int_equal(os_dir_remove_file(r.dir, "dlog.format"), E_OK);
    assert_int_equal(os_dir_remove_file(r.dir, "dlog.checkpoint"), E_OK);
    assert_int_equal(os_dir_replace_file(r.dir, FIRST, slice_of(old, sizeof(old))), E_OK);
    assert_int_equal(rig_open_log(&r), E_UNSUPPORTED);
    rig_close(&r);
}

/* A crash between the cut and the epochs that went with it: they stay away. */
static void epochs_past_the_end_do_not_come_back(void **state)
{
    struct buf epochs;
    struct rig r;

    (void)state;
    rig_open(&r);
    buf_init(&epochs, 1000);
    rig_fill(&r, 4, 100);
    assert_int_equal(log_begin_epoch(r.log, 3), E_OK);
    rig_fill(&r, 2, 100);
    assert_int_equal(os_dir_read_file(r.dir, LOG_EPOCHS_NAME, &epochs), E_OK);
    assert_int_equal(log_truncate(r.log, 2), E_OK);
    log_close(r.log);
    assert_int_equal(os_dir_replace_file(r.dir, LOG_EPOCHS_NAME, buf_slice(&epochs)), E_OK);
    assert_int_equal(rig_open_log(&r), E_OK);
    assert_int_equal(log_latest_epoch(r.log), 0);
    rig_fill(&r, 4, 100);
    rig_reopen(&r);
    assert_int_equal(log_latest_epoch(r.log), 0);
    assert_int_equal(rig_check_all(&r), 6);
    buf_release(&epochs);
    rig_close(&r);
}

TESTS(test_recover, cmocka_unit_test(epochs_past_the_end_do_not_come_back),
      cmocka_unit_test(an_empty_segment_after_a_lost_end_goes),
      cmocka_unit_test(a_gap_before_an_empty_segment_stays),
      cmocka_unit_test(a_log_without_gaps_is_known_by_its_batches),
      cmocka_unit_test(a_lost_recovery_point_is_damage),
      cmocka_unit_test(a_lost_first_segment_moves_the_start),
      cmocka_unit_test(a_tail_torn_at_any_byte_is_cut),
      cmocka_unit_test(a_flipped_bit_after_a_clean_stop_costs_its_batch_only),
      cmocka_unit_test(damage_far_from_the_end_is_kept),
      cmocka_unit_test(a_wrong_batch_in_the_unsynced_window_is_a_torn_tail),
      cmocka_unit_test(a_hole_between_segments_ends_the_log),
      cmocka_unit_test(zeroes_at_the_end_are_no_damage),
      cmocka_unit_test(preallocated_files_are_cut_when_closed),
      cmocka_unit_test(lost_indexes_are_rebuilt), cmocka_unit_test(a_senseless_index_is_rebuilt),
      cmocka_unit_test(a_padded_index_is_read),
      cmocka_unit_test(durable_bytes_that_are_gone_are_damage),
      cmocka_unit_test(a_lost_segment_is_damage), cmocka_unit_test(a_lost_checkpoint_costs_a_scan),
      cmocka_unit_test(an_index_of_other_bytes_is_rebuilt),
      cmocka_unit_test(other_formats_are_refused));
