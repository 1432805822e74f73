#include "rig.h"

#include <stdio.h>

#include "os/dir.h"
#include "os/file.h"
#include "storage/log_verify.h"
#include "unit.h"

static const char FIRST[] = "00000000000000000000.log";

/* A log of several segments, closed; producers, so that there are snapshots. */
static void rig_open_filled(struct rig *r, int batches)
{
    rig_open(r);
    r->options.segment_bytes = 4000;
    r->options.index_interval_bytes = 300;
    rig_reopen(r);
    for (int i = 0; i < batches; i++) {
        struct rig_batch b = {.count = 2,
                              .value_size = 100 + i % 7,
                              .timestamp_ms = r->wall_ms + i * 10 - i % 3 * 25,
                              .producer_id = 7,
                              .base_sequence = i * 2};

        assert_int_equal(rig_append(r, &b, NULL), E_OK);
    }
    log_close(r->log);
    r->log = NULL;
}

static enum err verify(struct rig *r, struct log_verify_result *result)
{
    struct log_verify_options options = {.is_uncached = true};
    struct log_view view;
    enum err e = log_view_open(r->dir, &view, &r->report);

    if (e != E_OK)
        return e;
    e = log_verify_view(&view, &options, result);
    log_view_release(&view);
    return e;
}

static void assert_right(struct rig *r, int64_t batches)
{
    struct log_verify_result result = {0};

    assert_int_equal(verify(r, &result), E_OK);
    for (size_t i = 0; i < result.ranges.count; i++)
        print_message("# %s at %lld\n", log_verify_range_at(&result, i)->why,
                      (long long)log_verify_range_at(&result, i)->pos);
    for (size_t i = 0; i < result.files.count; i++)
        print_message("# %s: %s\n", ((struct log_verify_file *)vec_at(&result.files, i))->name,
                      ((struct log_verify_file *)vec_at(&result.files, i))->why);
    assert_true(log_verify_is_right(&result));
    assert_int_equal(result.batches, batches);
    assert_int_equal(result.end_offset, batches * 2);
    log_verify_release(&result);
}

/* One wrong range; it. */
static struct log_verify_range one_range(struct rig *r)
{
    struct log_verify_result result = {0};
    struct log_verify_range range;

    assert_int_equal(verify(r, &result), E_OK);
    assert_int_equal(result.range_count, 1);
    range = *log_verify_range_at(&result, 0);
    log_verify_release(&result);
    return range;
}

static struct log_verify_file one_file(struct rig *r)
{
    struct log_verify_result result = {0};
    struct log_verify_file file;

    assert_int_equal(verify(r, &result), E_OK);
    assert_int_equal(result.range_count, 0);
    assert_int_equal(result.file_count, 1);
    file = *(struct log_verify_file *)vec_at(&result.files, 0);
    log_verify_release(&result);
    return file;
}

static void flip_in(struct rig *r, const char *name, int64_t pos)
{
    struct os_file *file;
    uint8_t byte;
    size_t got;

    assert_int_equal(os_file_open(r->dir, name, OS_FILE_WRITE, &file), E_OK);
    assert_int_equal(os_file_read(file, pos, &byte, 1, &got), E_OK);
    byte ^= 0x01;
    assert_int_equal(os_file_write(file, pos, &byte, 1), E_OK);
    os_file_unref(file);
}

static void cut_file(struct rig *r, const char *name, int64_t size)
{
    struct os_file *file;

    assert_int_equal(os_file_open(r->dir, name, OS_FILE_WRITE, &file), E_OK);
    assert_int_equal(os_file_truncate(file, size), E_OK);
    os_file_unref(file);
}

static void a_whole_log_is_right(void **state)
{
    struct log_verify_options options = {.is_uncached = false};
    struct log_verify_result result = {0};
    struct rig r;

    (void)state;
    rig_open_filled(&r, 60);
    assert_right(&r, 60);
    assert_int_equal(rig_open_log(&r), E_OK); /* the same while it is open, and after more */
    assert_true(r.recovery.was_clean);
    rig_fill(&r, 3, 50);
    assert_int_equal(log_verify(r.log, &options, &result), E_OK);
    assert_true(log_verify_is_right(&result));
    assert_int_equal(result.batches, 63);
    assert_int_equal(result.bytes, log_size_bytes(r.log));
    assert_int_equal(result.end_offset, log_end_offset(r.log));
    log_verify_release(&result);
    rig_close(&r);
}

static void an_empty_log_is_right(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    assert_right(&r, 0);
    rig_reopen(&r);
    assert_right(&r, 0);
    rig_close(&r);
}

/* Also base offset, length, epoch and magic, which no checksum covers. */
static void every_flipped_bit_is_found(void **state)
{
    struct rig r;
    int64_t size;

    (void)state;
    rig_open_filled(&r, 60);
    size = rig_file_size(&r, FIRST);
    assert_true(size > 3000);
    for (int64_t pos = 0; pos < size; pos += pos < 400 ? 1 : 17) {
        struct log_verify_range range;

        flip_in(&r, FIRST, pos);
        range = one_range(&r);
        if (range.segment != 0 || range.pos > pos || range.end <= pos)
            fail_msg("byte %d flipped, found [%d, %d): %s", (int)pos, (int)range.pos,
                     (int)range.end, range.why);
        assert_int_equal(range.kind, LOG_WALK_DAMAGE);
        assert_int_equal(range.offset_end - range.offset, 2);
        flip_in(&r, FIRST, pos);
    }
    assert_right(&r, 60);
    rig_close(&r);
}

static void an_open_log_is_asked_on_the_disk(void **state)
{
    struct log_verify_options options = {.is_uncached = true};
    struct log_verify_result result = {0};
    struct rig r;

    (void)state;
    rig_open_filled(&r, 60);
    assert_int_equal(rig_open_log(&r), E_OK);
    assert_int_equal(rig_check_all(&r), 60); /* all of it counts as checked now */
    rig_flip(&r, 0, 1500);
    assert_int_equal(log_verify(r.log, &options, &result), E_OK);
    assert_int_equal(result.range_count, 1);
    assert_int_equal(result.batches, 59);
    log_verify_release(&result);
    rig_close(&r);
}

static void lost_bytes_are_found(void **state)
{
    struct log_verify_range range;
    struct log_verify_result result = {0};
    struct rig r;
    char name[64];
    int64_t second;

    (void)state;
    rig_open_filled(&r, 60);
    assert_int_equal(verify(&r, &result), E_OK);
    assert_true(result.segments > 3);
    log_verify_release(&result);

    cut_file(&r, FIRST, rig_file_size(&r, FIRST) - 10); /* inside its last batch */
    assert_int_equal(verify(&r, &result), E_OK);
    assert_int_equal(
        log_verify_range_at(&result, 0)->offset_end - log_verify_range_at(&result, 0)->offset, 2);
    log_verify_release(&result);

    cut_file(&r, FIRST, 0); /* all of it */
    range = one_range(&r);
    assert_int_equal(range.kind, LOG_WALK_LOST);
    assert_int_equal(range.pos, range.end);
    assert_int_equal(range.offset, 0);
    second = range.offset_end;

    assert_int_equal(os_dir_remove_file(r.dir, FIRST), E_OK);
    range = one_range(&r);
    assert_int_equal(range.kind, LOG_WALK_LOST);
    assert_int_equal(range.offset, 0);
    assert_int_equal(range.offset_end, second);
    assert_int_equal(range.segment, second);
    rig_close(&r);

    rig_open_filled(&r, 60); /* one in the middle */
    snprintf(name, sizeof(name), "%020d.log", (int)second);
    assert_int_equal(os_dir_remove_file(r.dir, name), E_OK);
    range = one_range(&r);
    assert_int_equal(range.kind, LOG_WALK_LOST);
    assert_int_equal(range.segment, 0);
    assert_int_equal(range.offset, second);
    assert_true(range.offset_end > second);
    rig_close(&r);
}

static void a_log_without_any_segment_has_lost_all(void **state)
{
    struct log_verify_range range;
    struct rig r;

    (void)state;
    rig_open_filled(&r, 5);
    assert_int_equal(os_dir_remove_file(r.dir, FIRST), E_OK);
    range = one_range(&r);
    assert_int_equal(range.kind, LOG_WALK_LOST);
    assert_int_equal(range.offset, 0);
    assert_int_equal(range.offset_end, 10);
    rig_close(&r);
}

static void a_torn_tail_is_told_from_damage(void **state)
{
    struct log_verify_range range;
    int64_t settled;
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_fill(&r, 10, 100);
    rig_reopen(&r);
    settled = log_size_bytes(r.log);
    rig_fill(&r, 5, 100);
    assert_int_equal(log_sync(r.log), E_OK);
    rig_crash(&r);
    assert_int_equal(os_dir_open_in(log_root_dir(r.root), "t-0", false, &r.dir), E_OK);
    rig_flip(&r, 0, settled + 100);
    range = one_range(&r);
    assert_int_equal(range.kind, LOG_WALK_TORN);
    assert_int_equal(range.pos, settled);
    assert_int_equal(range.offset, 10);
    rig_flip(&r, 0, settled + 100);
    rig_flip(&r, 0, settled - 20);
    range = one_range(&r);
    assert_int_equal(range.kind, LOG_WALK_DAMAGE);
    assert_int_equal(range.end, settled);
    rig_close(&r);
}

static void zeroes_written_ahead_are_nothing(void **state)
{
    struct log_verify_result result = {0};
    struct rig r;

    (void)state;
    rig_open(&r);
    r.options.preallocate = true;
    rig_reopen(&r);
    rig_fill(&r, 4, 100);
    assert_true(rig_file_size(&r, FIRST) > log_size_bytes(r.log));
    assert_int_equal(verify(&r, &result), E_OK);
    assert_true(log_verify_is_right(&result));
    assert_int_equal(result.batches, 4);
    log_verify_release(&result);
    rig_close(&r);
}

/* Each byte of each entry. */
static void wrong_index_entries_are_found(void **state)
{
    static const char *const suffixes[] = {"00000000000000000000.index",
                                           "00000000000000000000.timeindex"};
    struct rig r;

    (void)state;
    rig_open_filled(&r, 60);
    for (int i = 0; i < 2; i++) {
        int64_t size = rig_file_size(&r, suffixes[i]);

        assert_true(size >= 8);
        for (int64_t pos = 0; pos < size; pos++) {
            struct log_verify_file file;

            if (i == 1 && pos % 12 == 11)
                continue; /* the other record of the batch: Kafka writes that, too */
            flip_in(&r, suffixes[i], pos);
            file = one_file(&r);
            assert_string_equal(file.name, suffixes[i]);
            assert_int_equal(file.entry, pos / (i == 0 ? 8 : 12));
            flip_in(&r, suffixes[i], pos);
        }
        assert_int_equal(os_dir_remove_file(r.dir, suffixes[i]), E_OK);
        assert_string_equal(one_file(&r).why, "is missing");
        assert_int_equal(rig_open_log(&r), E_OK);
        assert_int_equal(rig_check_all(&r), 60); /* rebuilt by who reads it */
        log_close(r.log);
        r.log = NULL;
        assert_right(&r, 60);
    }
    rig_close(&r);
}

static void small_files_are_read(void **state)
{
    struct log_verify_result result = {0};
    struct rig r;

    (void)state;
    rig_open_filled(&r, 60);
    flip_in(&r, "00000000000000000120.snapshot", 20);
    assert_string_equal(one_file(&r).name, "00000000000000000120.snapshot");
    flip_in(&r, "00000000000000000120.snapshot", 20);
    flip_in(&r, "dlog.checkpoint", 30);
    assert_string_equal(one_file(&r).name, "dlog.checkpoint");
    flip_in(&r, "dlog.checkpoint", 30);
    flip_in(&r, "leader-epoch-checkpoint", 0); /* the version */
    assert_string_equal(one_file(&r).name, "leader-epoch-checkpoint");
    flip_in(&r, "leader-epoch-checkpoint", 0);
    assert_int_equal(os_dir_replace_file(r.dir, "dlog.format", slice_of_text("other\n")), E_OK);
    assert_int_equal(verify(&r, &result), E_UNSUPPORTED);
    assert_int_equal(os_dir_remove_file(r.dir, "dlog.format"), E_OK);
    assert_right(&r, 60);
    rig_close(&r);
}

static void what_is_no_log_is_refused(void **state)
{
    struct log_verify_result result = {0};
    struct os_dir *dir = NULL, *log_dir;
    struct rig r;

    (void)state;
    rig_open(&r);
    assert_int_equal(os_dir_open_in(log_root_dir(r.root), "empty", true, &dir), E_OK);
    log_dir = r.dir;
    r.dir = dir;
    assert_int_equal(verify(&r, &result), E_NOT_FOUND);
    assert_non_null(strstr(r.report.text, "not a log"));
    r.dir = log_dir;
    os_dir_close(dir);
    rig_close(&r);
}

/* A file that is taken away while the log is open: reads of it say so, others go on. */
static void a_segment_that_vanishes_is_not_skipped(void **state)
{
    struct buf bytes;
    struct rig r;
    int64_t base;

    (void)state;
    rig_open_filled(&r, 60);
    assert_int_equal(rig_open_log(&r), E_OK);
    buf_init(&bytes, 1 << 20);
    assert_int_equal(os_dir_remove_file(r.dir, FIRST), E_OK);
    assert_int_equal(rig_read(&r, 0, 1, &bytes, &base), E_CORRUPT);
    assert_int_equal(rig_read(&r, 100, 1, &bytes, &base), E_OK);
    assert_int_equal(base, 100);
    buf_release(&bytes);
    rig_close(&r);
}

struct told {
    int calls;
    int stop_after;
    int64_t last;
};

static bool progress(void *ctx, int64_t done, int64_t total)
{
    struct told *told = ctx;

    assert_true(done >= told->last && done <= total);
    told->last = done;
    return ++told->calls != told->stop_after;
}

static void it_tells_how_far_it_is_and_stops(void **state)
{
    struct told told = {0};
    struct log_verify_options options = {.progress = progress, .ctx = &told};
    struct log_verify_result result = {0};
    struct rig r;

    (void)state;
    rig_open_filled(&r, 60);
    assert_int_equal(rig_open_log(&r), E_OK);
    assert_int_equal(log_verify(r.log, &options, &result), E_OK);
    assert_int_equal(told.calls, result.segments);
    assert_int_equal(told.last, log_size_bytes(r.log));
    log_verify_release(&result);
    told = (struct told){.stop_after = 2};
    assert_int_equal(log_verify(r.log, &options, &result), E_CANCELLED);
    assert_int_equal(told.calls, 2);
    rig_close(&r);
}

TESTS(test_verify, cmocka_unit_test(a_whole_log_is_right), cmocka_unit_test(an_empty_log_is_right),
      cmocka_unit_test(every_flipped_bit_is_found),
      cmocka_unit_test(an_open_log_is_asked_on_the_disk), cmocka_unit_test(lost_bytes_are_found),
      cmocka_unit_test(a_log_without_any_segment_has_lost_all),
      cmocka_unit_test(a_torn_tail_is_told_from_damage),
      cmocka_unit_test(zeroes_written_ahead_are_nothing),
      cmocka_unit_test(wrong_index_entries_are_found), cmocka_unit_test(small_files_are_read),
      cmocka_unit_test(what_is_no_log_is_refused),
      cmocka_unit_test(a_segment_that_vanishes_is_not_skipped),
      cmocka_unit_test(it_tells_how_far_it_is_and_stops));
