#include "rig.h"

#include <stdio.h>

#include "codec/codec.h"
#include "os/dir.h"
#include "os/file.h"
#include "storage/log_compact.h"
#include "storage/log_priv.h"
#include "storage/log_scrub.h"
#include "unit.h"

enum { DAY_MS = 24 * 3600 * 1000 };

static void rig_open_sealed(struct rig *r, int batches)
{
    rig_open(r);
    r->options.segment_bytes = 4000;
    r->options.index_interval_bytes = 500;
    r->options.scrub_interval_ms = DAY_MS;
    rig_reopen(r);
    rig_fill(r, batches, 150);
    assert_int_equal(log_sync(r->log), E_OK);
    assert_true(log_segment_count(r->log) > 4);
}

static int64_t sealed_bytes(const struct rig *r)
{
    return log_size_bytes(r->log) - log_active(r->log)->size;
}

struct total {
    int64_t bytes;
    int steps;
    int damaged;
    int unreadable;
    bool is_round_done;
};

/* Steps until the round is done, or `steps_max` of them. */
static struct total scrub(struct rig *r, int64_t step, int steps_max)
{
    struct total t = {0};

    while (t.steps < steps_max) {
        struct log_scrubbed result;
        struct log_scrub s;
        enum err e = log_scrub_begin(&s, r->log, step, r->wall_ms);

        if (e == E_NOT_FOUND)
            break;
        assert_int_equal(e, E_OK);
        log_scrub_run(&s);
        assert_int_equal(log_scrub_finish(&s, r->log, &result), E_OK);
        t.steps++;
        t.bytes += result.bytes;
        t.damaged += result.damaged_ranges;
        t.unreadable += result.unreadable;
        t.is_round_done = result.is_round_done;
        if (t.is_round_done)
            break;
    }
    return t;
}

static void a_round_reads_all_that_is_sealed(void **state)
{
    struct total t;
    struct rig r;

    (void)state;
    rig_open_sealed(&r, 120);
    for (int64_t step = 1; step < 100000; step *= 50) {
        assert_true(log_scrub_is_due(r.log, r.wall_ms));
        t = scrub(&r, step, 100000);
        assert_true(t.is_round_done);
        assert_int_equal(t.bytes, sealed_bytes(&r));
        assert_int_equal(t.damaged, 0);
        assert_false(log_scrub_is_due(r.log, r.wall_ms + DAY_MS - 1));
        r.wall_ms += DAY_MS;
    }
    r.options.scrub_interval_ms = 0;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    assert_false(log_scrub_is_due(r.log, r.wall_ms));
    rig_close(&r);
}

static void nothing_sealed_is_never_due(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_fill(&r, 5, 100);
    assert_false(log_scrub_is_due(r.log, r.wall_ms));
    rig_close(&r);
}

/* Also where this process has checked before, and for good. */
static void bit_rot_is_found_and_marked(void **state)
{
    struct buf bytes;
    struct total t;
    struct rig r;
    int64_t base, second;

    (void)state;
    rig_open_sealed(&r, 120);
    buf_init(&bytes, 1 << 20);
    assert_int_equal(rig_check_all(&r), 120);
    second = log_segment_at(r.log, 1)->base_offset;
    rig_flip(&r, 0, 100);      /* in the first batch */
    rig_flip(&r, second, 5);   /* a base offset, which no checksum covers */
    rig_flip(&r, second, 900); /* a record */
    assert_int_equal(rig_read(&r, 0, 1, &bytes, &base), E_OK); /* it was right once */
    t = scrub(&r, 1000, 1000);
    assert_int_equal(t.damaged, 3);
    assert_int_equal(t.bytes, sealed_bytes(&r));
    for (int life = 0; life < 2; life++) {
        assert_int_equal(rig_read(&r, 0, 1, &bytes, &base), E_CORRUPT);
        assert_int_equal(rig_read(&r, 1, 1, &bytes, &base), E_OK);
        assert_int_equal(rig_read(&r, second, 1, &bytes, &base), E_CORRUPT);
        assert_int_equal(rig_read(&r, second + 1, 1, &bytes, &base), E_OK);
        rig_crash(&r);
        assert_int_equal(rig_open_log(&r), E_OK);
    }
    r.wall_ms += DAY_MS;
    assert_int_equal(scrub(&r, 1000, 1000).damaged, 0); /* known */
    buf_release(&bytes);
    rig_close(&r);
}

static void a_file_cut_short_is_found(void **state)
{
    static const char NAME[] = "00000000000000000000.log";
    struct os_file *file;
    struct buf bytes;
    struct rig r;
    int64_t base, last;

    (void)state;
    rig_open_sealed(&r, 120);
    buf_init(&bytes, 1 << 20);
    last = log_segment_at(r.log, 1)->base_offset - 1;
    assert_int_equal(rig_check_all(&r), 120);
    assert_int_equal(os_file_open(r.dir, NAME, OS_FILE_WRITE, &file), E_OK);
    assert_int_equal(os_file_truncate(file, rig_file_size(&r, NAME) - 10), E_OK);
    os_file_unref(file);
    assert_int_equal(scrub(&r, 100000, 1000).damaged, 1);
    assert_int_equal(rig_read(&r, last, 1, &bytes, &base), E_CORRUPT);
    assert_int_equal(rig_read(&r, last - 1, 1, &bytes, &base), E_OK);
    assert_int_equal(rig_read(&r, last + 1, 1, &bytes, &base), E_OK);
    buf_release(&bytes);
    rig_close(&r);
}

static void a_restart_goes_on_with_the_round(void **state)
{
    int64_t first;
    struct total t;
    struct rig r;

    (void)state;
    rig_open_sealed(&r, 120);
    first = log_segment_at(r.log, 0)->size + log_segment_at(r.log, 1)->size;
    t = scrub(&r, 1 << 20, 2); /* two segments */
    assert_int_equal(t.bytes, first);
    rig_crash(&r);
    assert_int_equal(rig_open_log(&r), E_OK);
    t = scrub(&r, 1 << 20, 1000);
    assert_int_equal(t.bytes, sealed_bytes(&r) - first);
    rig_reopen(&r);
    assert_true(log_scrub_is_due(r.log, r.wall_ms)); /* nobody has looked yet */
    assert_int_equal(scrub(&r, 1 << 20, 1000).steps, 0);
    assert_false(log_scrub_is_due(r.log, r.wall_ms));
    assert_int_equal(os_dir_replace_file(r.dir, "dlog.scrub", slice_of_text("dlog.scrub 1\n")),
                     E_OK);
    rig_reopen(&r); /* what cannot be read begins a round */
    assert_int_equal(scrub(&r, 1 << 20, 1000).bytes, sealed_bytes(&r));
    rig_close(&r);
}

static void a_step_that_was_overtaken_is_done_again(void **state)
{
    struct log_scrubbed result;
    struct log_scrub s;
    struct rig r;

    (void)state;
    rig_open_sealed(&r, 120);
    assert_int_equal(log_scrub_begin(&s, r.log, 500, r.wall_ms), E_OK);
    assert_int_equal(log_truncate(r.log, 100), E_OK);
    log_scrub_run(&s);
    assert_int_equal(log_scrub_finish(&s, r.log, &result), E_AGAIN);
    assert_int_equal(scrub(&r, 500, 1000).bytes, sealed_bytes(&r));
    r.wall_ms += DAY_MS;
    assert_int_equal(log_scrub_begin(&s, r.log, 500, r.wall_ms), E_OK); /* its segment goes */
    assert_int_equal(log_delete_before(r.log, log_segment_at(r.log, 2)->base_offset), E_OK);
    log_scrub_run(&s);
    assert_int_equal(log_scrub_finish(&s, r.log, &result), E_AGAIN);
    assert_int_equal(scrub(&r, 500, 1000).bytes, sealed_bytes(&r));
    rig_close(&r);
}

/* What is known of the next step is of the old file. */
static void a_compaction_between_steps_begins_the_segment_again(void **state)
{
    struct log_compact_options options = log_compact_options_default();
    struct log_compact_result result;
    struct total t;
    struct rig r;

    (void)state;
    rig_open_sealed(&r, 120);
    assert_int_equal(scrub(&r, 500, 1).steps, 1);
    options.has_keys = false;
    options.codec = CODEC_ZSTD;
    assert_int_equal(log_compact(r.log, &options, log_end_offset(r.log), r.wall_ms, &result), E_OK);
    assert_true(log_segment_at(r.log, 0)->size > 600);
    t = scrub(&r, 500, 1000);
    assert_true(t.is_round_done);
    assert_int_equal(t.damaged, 0);
    assert_int_equal(t.bytes, sealed_bytes(&r));
    rig_close(&r);
}

/* The same place, and other bytes. */
static void a_truncation_between_steps_begins_the_segment_again(void **state)
{
    struct total t;
    struct rig r;

    (void)state;
    rig_open_sealed(&r, 120);
    assert_int_equal(scrub(&r, 1500, 1).steps, 1);
    assert_int_equal(log_truncate(r.log, 2), E_OK);
    rig_fill(&r, 120, 170);
    assert_int_equal(log_sync(r.log), E_OK);
    t = scrub(&r, 500, 1000);
    assert_true(t.is_round_done);
    assert_int_equal(t.damaged, 0);
    assert_int_equal(t.bytes, sealed_bytes(&r));
    rig_close(&r);
}

/* Another log needed the descriptors, and a reader opened the file again. */
static void a_step_counts_though_its_file_was_closed(void **state)
{
    struct log_scrubbed result;
    struct log_files *files;
    struct log_scrub s;
    struct log *other;
    struct rig r;

    (void)state;
    rig_open_sealed(&r, 120);
    assert_int_equal(log_files_open(4, &files), E_OK);
    assert_int_equal(log_open(&(struct log_open){r.root, "other", &r.options, r.wall_ms}, &other,
                              NULL, &r.report),
                     E_OK);
    log_set_files(r.log, files);
    log_set_files(other, files);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(log_scrub_begin(&s, r.log, 500, r.wall_ms), E_OK);
        log_files_use(other, 4);
        assert_null(log_segment_at(r.log, 0)->file);
        if (i == 1)
            assert_int_equal(rig_check_all(&r), 120);
        log_scrub_run(&s);
        assert_int_equal(log_scrub_finish(&s, r.log, &result), E_OK);
        assert_true(result.bytes >= 500);
    }
    log_close(other);
    assert_int_equal(scrub(&r, 500, 1000).damaged, 0);
    rig_close(&r);
    log_files_close(files);
}

static void a_log_may_be_closed_meanwhile(void **state)
{
    struct log_scrub s;
    struct rig r;

    (void)state;
    rig_open_sealed(&r, 120);
    assert_int_equal(log_scrub_begin(&s, r.log, 500, r.wall_ms), E_OK);
    log_close(r.log);
    r.log = NULL;
    log_scrub_run(&s);
    assert_int_equal(s.result, E_OK);
    log_scrub_drop(&s);
    rig_close(&r);
}

/* Without a scrubber reads check again what they checked too long ago. */
static void a_check_is_good_for_the_interval_only(void **state)
{
    struct buf bytes;
    struct rig r;
    int64_t base;

    (void)state;
    rig_open_sealed(&r, 120);
    buf_init(&bytes, 1 << 20);
    assert_int_equal(rig_check_all(&r), 120);
    rig_flip(&r, 0, 100);
    assert_int_equal(rig_read(&r, 0, 1, &bytes, &base), E_OK);
    r.wall_ms += DAY_MS - 1;
    assert_int_equal(log_maintain(r.log, 0, r.wall_ms), E_OK);
    assert_int_equal(rig_read(&r, 0, 1, &bytes, &base), E_OK);
    r.wall_ms += 1000;
    assert_int_equal(log_maintain(r.log, 0, r.wall_ms), E_OK);
    assert_int_equal(rig_read(&r, 0, 1, &bytes, &base), E_CORRUPT);
    assert_int_equal(rig_read(&r, 1, 1, &bytes, &base), E_OK);
    buf_release(&bytes);
    rig_close(&r);
}

static void verified_ranges_lose_what_was_found_wrong(void **state)
{
    struct segment *s = segment_new(0, LOG_FORMAT_BATCH);

    (void)state;
    s->size = 1000;
    segment_add_verified(s, 0, 500);
    segment_add_verified(s, 600, 1000);
    segment_remove_verified(s, 100, 200);
    assert_int_equal(segment_verified_end(s, 0), 100);
    assert_int_equal(segment_verified_end(s, 150), 150);
    assert_int_equal(segment_verified_end(s, 200), 500);
    segment_remove_verified(s, 450, 700);
    assert_int_equal(segment_verified_end(s, 200), 450);
    assert_int_equal(segment_verified_next(s, 450, 1000), 700);
    segment_remove_verified(s, 0, 1000);
    assert_int_equal(s->verified.count, 0);
    segment_free(s);
}

TESTS(test_scrub, cmocka_unit_test(a_round_reads_all_that_is_sealed),
      cmocka_unit_test(nothing_sealed_is_never_due), cmocka_unit_test(bit_rot_is_found_and_marked),
      cmocka_unit_test(a_file_cut_short_is_found),
      cmocka_unit_test(a_restart_goes_on_with_the_round),
      cmocka_unit_test(a_step_that_was_overtaken_is_done_again),
      cmocka_unit_test(a_compaction_between_steps_begins_the_segment_again),
      cmocka_unit_test(a_truncation_between_steps_begins_the_segment_again),
      cmocka_unit_test(a_step_counts_though_its_file_was_closed),
      cmocka_unit_test(a_log_may_be_closed_meanwhile),
      cmocka_unit_test(a_check_is_good_for_the_interval_only),
      cmocka_unit_test(verified_ranges_lose_what_was_found_wrong));
