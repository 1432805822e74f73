#include "rig.h"

#include "os/dir.h"
#include "record/message.h"
#include "storage/log_priv.h"
#include "storage/log_repair.h"
#include "storage/log_scrub.h"
#include "storage/log_verify.h"
#include "unit.h"

/* Scrubber, verifier and repair over a log of messages, whose offsets only their places say. */

enum { VALUE = 100, EVEN = MESSAGE_SIZE_MIN + VALUE, PAIR = 2 * EVEN + 3, DAY_MS = 24 * 3600000 };

static const char INDEX[] = "00000000000000000000.index";

static int64_t place(int64_t i)
{
    return i / 2 * PAIR + i % 2 * EVEN;
}

/* 60 messages in the first segment, an index entry every 8 or 9; then a stop. */
static void open_filled(struct rig *r, int count)
{
    rig_open_as(r, LOG_FORMAT_MESSAGE);
    r->options.segment_bytes = 30 * PAIR;
    r->options.index_interval_bytes = 1000;
    r->options.scrub_interval_ms = DAY_MS;
    rig_reopen(r);
    rig_fill(r, count, VALUE);
    rig_reopen(r);
}

static int scrub(struct rig *r, int64_t step)
{
    struct log_scrubbed result = {0};
    struct log_scrub s;
    int damaged = 0;

    while (!result.is_round_done && log_scrub_begin(&s, r->log, step, r->wall_ms) == E_OK) {
        log_scrub_run(&s);
        assert_int_equal(log_scrub_finish(&s, r->log, &result), E_OK);
        damaged += result.damaged_ranges;
    }
    assert_true(result.is_round_done);
    r->wall_ms += DAY_MS;
    return damaged;
}

/* Every offset is served as it was written, or in [from, to) and not at all. */
static void check_served(struct rig *r, int64_t from, int64_t to)
{
    struct message m;
    struct buf bytes;
    int64_t base;
    size_t size;

    buf_init(&bytes, 1 << 20);
    for (int64_t offset = log_end_offset(r->log); offset-- > 0;) {
        bool is_lost = offset >= from && offset < to;
        enum err e = rig_read(r, offset, 1, &bytes, &base);

        if (e != (is_lost ? E_CORRUPT : E_OK))
            fail_msg("%s at %d", err_name(e), (int)offset);
        if (is_lost)
            continue;
        assert_int_equal(base, offset);
        assert_int_equal(message_decode(buf_slice(&bytes), &m, &size), E_OK);
        assert_memory_equal(m.value.at, (&(uint32_t){(uint32_t)offset}), 4);
    }
    buf_release(&bytes);
}

static void bit_rot_costs_the_scrubber_few(void **state)
{
    (void)state;
    for (int at = 0; at < EVEN + 3; at += at < MESSAGE_POS_KEY ? 1 : 17) {
        bool is_one = (at >= MESSAGE_POS_CRC && at < MESSAGE_POS_MAGIC) ||
                      (at >= MESSAGE_POS_TIMESTAMP && at < MESSAGE_POS_KEY_LENGTH) ||
                      at >= MESSAGE_POS_KEY;
        struct log_verify_range range;
        struct rig r;

        open_filled(&r, 150);
        rig_flip(&r, 0, place(31) + at);
        assert_int_equal(scrub(&r, at % 2 ? 1000 : 1 << 20), 1);
        assert_int_equal(log_find_damage(r.log, 0, &range), E_OK);
        assert_int_equal(range.offset, 31);
        assert_true(range.offset_end <= (is_one ? 32 : 41));
        assert_int_equal(log_find_damage(r.log, range.offset_end, &range), E_NOT_FOUND);
        assert_int_equal(log_find_damage(r.log, 0, &range), E_OK);
        for (int life = 0; life < 2; life++) {
            check_served(&r, 31, range.offset_end);
            assert_int_equal(scrub(&r, 1 << 20), 0); /* it is known */
            rig_crash(&r);
            assert_int_equal(rig_open_log(&r), E_OK);
        }
        rig_close(&r);
    }
}

/* A survey makes an index with other entries: what was known of the end of damage stays known. */
static void a_mark_outlives_its_anchor(void **state)
{
    struct log_verify_range range;
    struct rig r;

    (void)state;
    open_filled(&r, 150);
    rig_flip(&r, 0, place(31) + 2);
    assert_int_equal(scrub(&r, 1 << 20), 1);
    assert_int_equal(log_find_damage(r.log, 0, &range), E_OK);
    rig_crash(&r);
    assert_int_equal(os_dir_open_in(log_root_dir(r.root), "t-0", false, &r.dir), E_OK);
    assert_int_equal(os_dir_remove_file(r.dir, INDEX), E_OK);
    r.options.index_interval_bytes = 3000;
    assert_int_equal(rig_open_log(&r), E_OK);
    check_served(&r, 31, range.offset_end);
    assert_int_equal(scrub(&r, 1 << 20), 0);
    check_served(&r, 31, range.offset_end);
    rig_close(&r);
}

static void verify(struct rig *r, struct log_verify_result *result)
{
    struct log_verify_options options = {.is_uncached = true};
    struct log_view view;

    assert_int_equal(log_view_open(r->dir, &view, &r->report), E_OK);
    assert_int_equal(view.format, LOG_FORMAT_MESSAGE);
    assert_int_equal(log_verify_view(&view, &options, result), E_OK);
    log_view_release(&view);
}

/* The verifier finds what a reader would, in the sealed segments and the last, open or not. */
static void the_verifier_says_what_is_lost(void **state)
{
    static const int64_t where[] = {31, 59, 60, 130, 149}; /* segments begin at 0, 60 and 120 */

    (void)state;
    for (int i = 0; i < 3 * (int)(sizeof(where) / sizeof(where[0])); i++) {
        static const int bytes[] = {40, 2, MESSAGE_POS_MAGIC};
        struct log_verify_options options = {0};
        struct log_verify_result result;
        struct log_verify_range range;
        int64_t bad = where[i / 3];
        struct rig r;

        open_filled(&r, 150);
        verify(&r, &result);
        assert_true(log_verify_is_right(&result));
        assert_int_equal(result.batches, 150);
        assert_int_equal(result.end_offset, 150);
        log_verify_release(&result);

        rig_flip(&r, bad / 60 * 60, place(bad % 60) + bytes[i % 3]);
        verify(&r, &result);
        assert_int_equal(result.range_count, 1);
        range = *log_verify_range_at(&result, 0);
        assert_int_equal(range.kind, LOG_WALK_DAMAGE);
        assert_int_equal(range.offset, bad);
        assert_true(range.offset_end > bad && range.offset_end <= (i % 3 == 0 ? bad + 1 : 150));
        assert_true(range.offset_end <= bad + 10);
        assert_int_equal(result.batches, 150 - (range.offset_end - bad));
        log_verify_release(&result);

        assert_int_equal(log_verify(r.log, &options, &result), E_OK); /* the same of the open log */
        assert_int_equal(result.range_count, 1);
        assert_int_equal(log_verify_range_at(&result, 0)->offset_end, range.offset_end);
        assert_int_equal(log_verify_range_at(&result, 0)->end, range.end);
        log_verify_release(&result);
        check_served(&r, bad, range.offset_end); /* and a reader has no other opinion */
        rig_close(&r);
    }
}

static void a_lost_index_is_told_and_costs_what_follows(void **state)
{
    struct log_verify_result result;
    struct rig r;

    (void)state;
    open_filled(&r, 150);
    assert_int_equal(os_dir_remove_file(r.dir, INDEX), E_OK);
    verify(&r, &result);
    assert_int_equal(result.range_count, 0);
    assert_int_equal(result.file_count, 1);
    log_verify_release(&result);
    rig_flip(&r, 0, place(31) + 2);
    verify(&r, &result);
    assert_int_equal(result.range_count, 1);
    assert_int_equal(log_verify_range_at(&result, 0)->offset, 31);
    assert_int_equal(log_verify_range_at(&result, 0)->offset_end, 60);
    assert_int_equal(result.batches, 150 - 29);
    log_verify_release(&result);
    rig_close(&r);
}

static void a_torn_tail_is_told(void **state)
{
    struct log_verify_result result;
    struct rig r;

    (void)state;
    open_filled(&r, 130);
    rig_fill(&r, 5, VALUE);
    rig_crash(&r);
    assert_int_equal(os_dir_open_in(log_root_dir(r.root), "t-0", false, &r.dir), E_OK);
    rig_flip(&r, 120, place(12) + 40);
    verify(&r, &result);
    assert_int_equal(result.range_count, 1);
    assert_int_equal(log_verify_range_at(&result, 0)->kind, LOG_WALK_TORN);
    assert_int_equal(log_verify_range_at(&result, 0)->offset, 132);
    assert_int_equal(result.batches, 132);
    log_verify_release(&result);
    assert_int_equal(rig_open_log(&r), E_OK);
    assert_int_equal(log_end_offset(r.log), 132);
    check_served(&r, 0, 0);
    rig_close(&r);
}

static enum err no_copy(void *ctx, int64_t offset, int64_t end, struct buf *out)
{
    (void)ctx;
    (void)offset;
    (void)end;
    (void)out;
    fail_msg("asked for a copy");
    return E_NOT_FOUND;
}

static void a_repair_is_refused(void **state)
{
    struct log_repair_source source = {.read = no_copy};
    struct log_repaired repaired;
    struct report report = {{0}};
    struct rig r;

    (void)state;
    open_filled(&r, 150);
    rig_flip(&r, 0, place(31) + 40);
    assert_int_equal(scrub(&r, 1 << 20), 1);
    assert_int_equal(log_repair(r.log, 31, &source, &repaired, &report), E_UNSUPPORTED);
    assert_non_null(strstr(report.text, "messages"));
    check_served(&r, 31, 32);
    rig_close(&r);
}

TESTS(test_message_scrub, cmocka_unit_test(bit_rot_costs_the_scrubber_few),
      cmocka_unit_test(a_mark_outlives_its_anchor),
      cmocka_unit_test(the_verifier_says_what_is_lost),
      cmocka_unit_test(a_lost_index_is_told_and_costs_what_follows),
      cmocka_unit_test(a_torn_tail_is_told), cmocka_unit_test(a_repair_is_refused));
