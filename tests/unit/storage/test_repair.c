#include "rig.h"

#include <stdio.h>

#include "os/dir.h"
#include "os/file.h"
#include "record/batch.h"
#include "storage/log_priv.h"
#include "storage/log_repair.h"
#include "unit.h"

static const char FIRST[] = "00000000000000000000.log";

/* A second log with the same batches: the good copy. */
struct pair {
    struct rig r;
    struct buf copy; /* all batches, end to end */
    int64_t wrong_epoch_at;
    int64_t missing_from;
    int reads;
};

static void pair_open(struct pair *p, int batches)
{
    int64_t base;

    *p = (struct pair){.wrong_epoch_at = -1, .missing_from = INT64_MAX};
    rig_open(&p->r);
    p->r.options.segment_bytes = 4000;
    p->r.options.index_interval_bytes = 500;
    rig_reopen(&p->r);
    rig_fill(&p->r, batches, 150);
    assert_int_equal(log_sync(p->r.log), E_OK);
    buf_init(&p->copy, 16 << 20);
    for (int64_t offset = 0; offset < log_end_offset(p->r.log);) {
        struct batch_iter it;
        struct batch_view view;
        struct buf piece;

        buf_init(&piece, 1 << 20);
        assert_int_equal(rig_read(&p->r, offset, 1 << 20, &piece, &base), E_OK);
        it = batch_iter_init(buf_slice(&piece));
        while (batch_iter_next(&it, &view))
            offset = batch_next_offset(&view.header);
        assert_int_equal(buf_append(&p->copy, piece.at, it.pos), E_OK);
        buf_release(&piece);
    }
    rig_reopen(&p->r);
}

static void pair_close(struct pair *p)
{
    buf_release(&p->copy);
    rig_close(&p->r);
}

/* Two batches a call. */
static enum err copy_read(void *ctx, int64_t offset, int64_t end, struct buf *out)
{
    struct pair *p = ctx;
    struct batch_iter it = batch_iter_init(buf_slice(&p->copy));
    struct batch_view view;
    int count = 0;

    p->reads++;
    while (batch_iter_next(&it, &view) && count < 2) {
        if (view.header.base_offset < offset || view.header.base_offset >= end ||
            view.header.base_offset >= p->missing_from)
            continue;
        assert_int_equal(buf_append(out, view.bytes.at, view.bytes.size), E_OK);
        if (view.header.base_offset == p->wrong_epoch_at)
            batch_patch_offset_epoch(out->at + out->size - view.bytes.size, view.header.base_offset,
                                     9);
        count++;
    }
    return count > 0 ? E_OK : E_NOT_FOUND;
}

static enum err repair(struct pair *p, int64_t offset)
{
    struct log_repair_source source = {.read = copy_read, .ctx = p};
    struct log_repaired result;

    return log_repair(p->r.log, offset, &source, &result, &p->r.report);
}

static int mark(struct pair *p)
{
    struct log_verify_options options = {.is_uncached = false};
    struct log_verify_result found;
    int count = -1;

    assert_int_equal(log_verify(p->r.log, &options, &found), E_OK);
    assert_int_equal(log_mark_damage(p->r.log, &found, &count), E_OK);
    log_verify_release(&found);
    return count;
}

/* Every byte of the log is that of the copy, and nothing is marked. */
static void assert_whole(struct pair *p)
{
    size_t at = 0;

    assert_int_equal(mark(p), 0);
    for (size_t i = 0; i < log_segment_count(p->r.log); i++) {
        struct segment *s = log_segment_at(p->r.log, i);
        char name[SEGMENT_NAME_SIZE];
        struct buf bytes;

        assert_int_equal(s->damaged.count, 0);
        buf_init(&bytes, 1 << 20);
        segment_name(s->base_offset, ".log", name);
        assert_int_equal(os_dir_read_file(p->r.dir, name, &bytes), E_OK);
        assert_true(bytes.size >= (size_t)s->size);
        assert_memory_equal(bytes.at, p->copy.at + at, (size_t)s->size);
        at += (size_t)s->size;
        buf_release(&bytes);
    }
    assert_int_equal(at, p->copy.size);
    assert_int_equal(log_size_bytes(p->r.log), at);
    assert_int_equal(rig_check_all(&p->r), log_end_offset(p->r.log));
}

static void a_flipped_bit_is_mended(void **state)
{
    struct pair p;

    (void)state;
    pair_open(&p, 60);
    for (int64_t pos = 0; pos < 700; pos += pos < 120 ? 7 : 50) {
        rig_flip(&p.r, 0, pos);
        assert_int_equal(mark(&p), 1);
        assert_int_equal(mark(&p), 0);
        assert_int_equal(
            repair(
                &p,
                ((struct segment_damage *)vec_at(&log_segment_at(p.r.log, 0)->damaged, 0))->offset),
            E_OK);
        assert_whole(&p);
    }
    assert_int_equal(repair(&p, 0), E_NOT_FOUND); /* again does nothing */
    rig_reopen(&p.r);
    assert_whole(&p);
    pair_close(&p);
}

static void a_file_cut_short_is_filled_again(void **state)
{
    (void)state;
    for (int cut = 1; cut < 3; cut++) {
        struct os_file *file;
        struct pair p;
        int64_t size;

        pair_open(&p, 60);
        size = rig_file_size(&p.r, FIRST);
        log_close(p.r.log);
        assert_int_equal(os_file_open(p.r.dir, FIRST, OS_FILE_WRITE, &file), E_OK);
        assert_int_equal(os_file_truncate(file, cut == 1 ? size - 10 : size / 2), E_OK);
        os_file_unref(file);
        assert_int_equal(rig_open_log(&p.r), E_OK);
        assert_int_equal(mark(&p), 1);
        while (log_segment_at(p.r.log, 0)->damaged.count > 0) {
            const struct segment_damage *d = vec_at(&log_segment_at(p.r.log, 0)->damaged, 0);

            assert_int_equal(repair(&p, d->offset), E_OK);
        }
        assert_whole(&p);
        rig_reopen(&p.r);
        assert_whole(&p);
        pair_close(&p);
    }
}

/* The segment before it takes what it had. */
static void a_segment_that_is_gone_comes_back(void **state)
{
    struct pair p;
    char name[SEGMENT_NAME_SIZE];
    int64_t base, end;

    (void)state;
    pair_open(&p, 60);
    base = log_segment_at(p.r.log, 1)->base_offset;
    end = log_segment_at(p.r.log, 2)->base_offset;
    log_close(p.r.log);
    segment_name(base, ".log", name);
    assert_int_equal(os_dir_remove_file(p.r.dir, name), E_OK);
    assert_int_equal(rig_open_log(&p.r), E_OK);
    assert_int_equal(p.r.recovery.damaged_ranges, 1);
    assert_int_equal(repair(&p, end - 1), E_OK);
    assert_whole(&p);
    rig_reopen(&p.r);
    assert_whole(&p);
    pair_close(&p);
}

static void what_is_wrong_with_the_copy_is_refused(void **state)
{
    struct pair p;

    (void)state;
    pair_open(&p, 60);
    rig_flip(&p.r, 0, 100); /* in the first batch */
    assert_int_equal(mark(&p), 1);
    p.wrong_epoch_at = 0;
    assert_int_equal(repair(&p, 0), E_OUT_OF_RANGE);
    assert_non_null(strstr(p.r.report.text, "leader epoch 9"));
    p.wrong_epoch_at = -1;
    p.missing_from = 0;
    assert_int_equal(repair(&p, 0), E_NOT_FOUND);
    p.missing_from = INT64_MAX;
    p.copy.at[80] ^= 1;
    assert_int_equal(repair(&p, 0), E_CORRUPT);
    p.copy.at[80] ^= 1;
    p.copy.at[7] ^= 1; /* another offset */
    assert_int_equal(repair(&p, 0), E_NOT_FOUND);
    p.copy.at[7] ^= 1;
    assert_false(rig_has_file(&p.r, "00000000000000000000.log.repair.tmp"));
    rig_crash(&p.r); /* the mark stands */
    assert_int_equal(rig_open_log(&p.r), E_OK);
    assert_int_equal(mark(&p), 0);
    assert_int_equal(repair(&p, 0), E_OK);
    assert_whole(&p);
    pair_close(&p);
}

TESTS(test_repair, cmocka_unit_test(a_flipped_bit_is_mended),
      cmocka_unit_test(a_file_cut_short_is_filled_again),
      cmocka_unit_test(a_segment_that_is_gone_comes_back),
      cmocka_unit_test(what_is_wrong_with_the_copy_is_refused));
