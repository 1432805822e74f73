#include "rig.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "os/dir.h"
#include "os/file.h"
#include "record/message.h"
#include "storage/log_priv.h"
#include "unit.h"

/*
 * What may happen to the files of a log of messages. Their offsets are nowhere but in their
 * places, so each test asks of every offset: it is served as it was written, or not at all.
 */
static const char FIRST[] = "00000000000000000000.log";
static const char INDEX[] = "00000000000000000000.index";

enum { VALUE = 100, EVEN = MESSAGE_SIZE_MIN + VALUE, PAIR = 2 * EVEN + 3 };

/* Where message `i` of a segment begins that begins with an even one; every odd one has a key. */
static int64_t place(int64_t i)
{
    return i / 2 * PAIR + i % 2 * EVEN;
}

static void open_small(struct rig *r, int64_t segment_bytes, int count)
{
    rig_open_as(r, LOG_FORMAT_MESSAGE);
    r->options.segment_bytes = segment_bytes;
    r->options.index_interval_bytes = 1000;
    assert_int_equal(log_set_options(r->log, &r->options), E_OK);
    rig_fill(r, count, VALUE);
}

static bool is_served(struct rig *r, int64_t offset)
{
    struct message m;
    struct buf bytes;
    int64_t base;
    size_t size;
    enum err e;

    buf_init(&bytes, 1 << 20);
    e = rig_read(r, offset, 1, &bytes, &base);
    if (e == E_OK) {
        if (base != offset)
            fail_msg("%d came instead of %d", (int)base, (int)offset);
        assert_int_equal(message_decode(buf_slice(&bytes), &m, &size), E_OK);
        if (memcmp(m.value.at, &(uint32_t){(uint32_t)offset}, 4) != 0)
            fail_msg("at %d is another", (int)offset);
    } else if (e != E_CORRUPT) {
        fail_msg("%s at %d", err_name(e), (int)offset);
    }
    buf_release(&bytes);
    return e == E_OK;
}

struct served {
    int64_t bad;
    int64_t first; /* of the bad ones; -1 */
    int64_t last;
};

/* In an order of its own, as readers come. */
static struct served serve(struct rig *r, int64_t count)
{
    struct served s = {.first = -1};

    for (int64_t i = 0; i < count; i++) {
        int64_t offset = i * 1009 % count;

        if (is_served(r, offset))
            continue;
        s.bad++;
        s.first = s.first < 0 || offset < s.first ? offset : s.first;
        s.last = offset > s.last ? offset : s.last;
    }
    return s;
}

/* One more is taken and served, and what is damaged stays that: now, after a stop, after a kill. */
static void go_on(struct rig *r, struct served was)
{
    int64_t end = log_end_offset(r->log);
    struct served is;

    rig_fill(r, 1, VALUE);
    assert_true(is_served(r, end));
    for (int life = 0; life < 3; life++) {
        if (life == 1) {
            rig_reopen(r);
        } else if (life == 2) {
            rig_crash(r);
            assert_int_equal(rig_open_log(r), E_OK);
        }
        assert_int_equal(log_end_offset(r->log), end + 1);
        is = serve(r, end + 1);
        assert_int_equal(is.bad, was.bad);
        assert_int_equal(is.first, was.first);
        assert_int_equal(is.last, was.last);
    }
}

/* The files as they are on the disk now, for a change. */
static void stop(struct rig *r, bool is_clean)
{
    if (is_clean)
        rig_reopen(r);
    rig_crash(r);
    assert_int_equal(os_dir_open_in(log_root_dir(r->root), "t-0", false, &r->dir), E_OK);
}

static void set_u32(struct rig *r, const char *name, int64_t pos, uint32_t value)
{
    struct os_file *file;
    uint8_t bytes[4];

    bytes_put_u32(bytes, value);
    assert_int_equal(os_file_open(r->dir, name, OS_FILE_WRITE, &file), E_OK);
    assert_int_equal(os_file_write(file, pos, bytes, sizeof(bytes)), E_OK);
    os_file_unref(file);
}

static uint32_t get_u32(struct rig *r, const char *name, int64_t pos)
{
    struct os_file *file;
    uint8_t bytes[4];
    size_t got;

    assert_int_equal(os_file_open(r->dir, name, OS_FILE_READ, &file), E_OK);
    assert_int_equal(os_file_read(file, pos, bytes, sizeof(bytes), &got), E_OK);
    assert_int_equal(got, sizeof(bytes));
    os_file_unref(file);
    return bytes_u32(bytes);
}

static void cut_file(struct rig *r, const char *name, int64_t size)
{
    struct os_file *file;

    assert_int_equal(os_file_open(r->dir, name, OS_FILE_WRITE, &file), E_OK);
    assert_int_equal(os_file_truncate(file, size), E_OK);
    os_file_unref(file);
}

/* A bit of message 31, in a sealed segment and in the active one, found after a clean start. */
static void a_flipped_bit_costs_few(void **state)
{
    (void)state;
    for (int at = 0; at < EVEN + 3; at++) {
        for (int is_sealed = 0; is_sealed < 2; is_sealed++) {
            bool is_header = at < 4 || (at >= MESSAGE_POS_MAGIC && at < MESSAGE_POS_TIMESTAMP) ||
                             (at >= MESSAGE_POS_KEY_LENGTH && at < MESSAGE_POS_KEY);
            struct served s;
            struct rig r;

            open_small(&r, is_sealed ? 60 * EVEN : 1 << 20, 80);
            stop(&r, true);
            rig_flip(&r, 0, place(31) + at);
            assert_int_equal(rig_open_log(&r), E_OK);
            s = serve(&r, 80);
            assert_int_equal(s.first, 31);
            assert_int_equal(s.bad, s.last - s.first + 1);
            if (is_header ? s.bad > 10 : s.bad != 1) /* entries come every 8 or 9 messages */
                fail_msg("byte %d costs %d messages", at, (int)s.bad);
            if (at % 8 == 0)
                go_on(&r, s);
            rig_close(&r);
        }
    }
}

/* Also in what the process has open and had checked: a scrub or another read comes upon it. */
static void two_wrong_ones_are_two_ranges(void **state)
{
    struct served s;
    struct rig r;

    (void)state;
    open_small(&r, 60 * EVEN, 200);
    stop(&r, true);
    rig_flip(&r, 0, place(12) + 40);
    rig_flip(&r, 0, place(13) + 40);
    rig_flip(&r, 0, place(40) + 40);
    assert_int_equal(rig_open_log(&r), E_OK);
    s = serve(&r, 200);
    assert_int_equal(s.bad, 3);
    assert_int_equal(s.first, 12);
    assert_int_equal(s.last, 40);
    go_on(&r, s);
    rig_close(&r);
}

/* What an index of the first segment says in a test. */
enum lie { LIE_NONE, LIE_GONE, LIE_EMPTY, LIE_HALF, LIE_SHIFTED, LIE_PLACES, LIE_JUNK, LIE_COUNT };

static void lie(struct rig *r, enum lie what)
{
    int64_t size = rig_file_size(r, INDEX);

    assert_true(size >= 24);
    if (what == LIE_GONE)
        assert_int_equal(os_dir_remove_file(r->dir, INDEX), E_OK);
    if (what == LIE_EMPTY || what == LIE_HALF)
        cut_file(r, INDEX, what == LIE_EMPTY ? 0 : size / 16 * 8 + 3);
    for (int64_t pos = 0; pos < size && what >= LIE_SHIFTED; pos += 8) {
        uint32_t offset = get_u32(r, INDEX, pos), at = get_u32(r, INDEX, pos + 4);

        if (what == LIE_SHIFTED)
            set_u32(r, INDEX, pos, offset + 1);
        if (what == LIE_PLACES)
            set_u32(r, INDEX, pos + 4, at + 7);
        if (what == LIE_JUNK)
            set_u32(r, INDEX, pos + (pos / 8 % 2) * 4, 0x11111111);
    }
}

/* Without damage a lying or lost index costs nothing; with damage at most what follows. */
static void an_index_that_lies_moves_no_message(void **state)
{
    (void)state;
    for (enum lie what = LIE_NONE; what < LIE_COUNT; what++) {
        for (int k = 0; k < 8; k++) { /* nothing; checksum, length, key length; sealed or not */
            static const int where[] = {-1, 40, 2, MESSAGE_POS_KEY_LENGTH + 1};
            struct served s;
            struct rig r;

            open_small(&r, k % 2 ? 60 * EVEN : 1 << 20, 80);
            stop(&r, true);
            lie(&r, what);
            if (where[k / 2] >= 0)
                rig_flip(&r, 0, place(31) + where[k / 2]);
            assert_int_equal(rig_open_log(&r), E_OK);
            s = serve(&r, 80);
            if (k / 2 == 0)
                assert_int_equal(s.bad, 0);
            else
                assert_int_equal(s.first, 31);
            if (k % 2)
                assert_true(s.last < 60);
            go_on(&r, s);
            rig_close(&r);
        }
    }
}

/* No entry at all: a length that is wrong hides what follows, up to the end that is known. */
static void damage_without_an_anchor_ends_with_its_segment(void **state)
{
    (void)state;
    for (int where = 0; where < 2; where++) {
        struct served s;
        struct rig r;

        rig_open_as(&r, LOG_FORMAT_MESSAGE);
        r.options.segment_bytes = 60 * EVEN;
        assert_int_equal(log_set_options(r.log, &r.options), E_OK);
        rig_fill(&r, 100, VALUE);
        stop(&r, true);
        assert_int_equal(os_dir_remove_file(r.dir, INDEX), E_OK);
        rig_flip(&r, 0, place(31) + (where == 0 ? 2 : 40));
        assert_int_equal(rig_open_log(&r), E_OK);
        s = serve(&r, 100);
        assert_int_equal(s.first, 31);
        assert_int_equal(s.last, where == 0 ? 58 : 31); /* 59 messages are in the first segment */
        assert_int_equal(s.bad, s.last - s.first + 1);
        go_on(&r, s);
        rig_close(&r);
    }
}

/* A kill at any byte: what was acknowledged before is there, what was not is cut, and kept aside.
 */
static void a_tail_torn_at_any_byte_is_cut(void **state)
{
    int64_t before, whole;

    (void)state;
    for (int64_t cut = 0;; cut++) {
        char torn[64];
        struct rig r;

        open_small(&r, 1 << 20, 23);
        before = log_size_bytes(r.log);
        rig_fill(&r, 1, 20);
        whole = log_size_bytes(r.log);
        rig_crash(&r);
        if (before + cut >= whole) {
            assert_int_equal(rig_open_log(&r), E_OK);
            assert_int_equal(serve(&r, 24).bad, 0);
            rig_close(&r);
            break;
        }
        assert_int_equal(os_dir_open_in(log_root_dir(r.root), "t-0", false, &r.dir), E_OK);
        cut_file(&r, FIRST, before + cut);
        assert_int_equal(rig_open_log(&r), E_OK);
        assert_int_equal(log_end_offset(r.log), 23);
        /* the first byte that is not zero is the fourth of the length */
        assert_int_equal(r.recovery.torn_bytes > 0, cut >= 4);
        assert_true(r.recovery.torn_bytes <= cut);
        snprintf(torn, sizeof(torn), "%s.torn-%lld", FIRST, (long long)before);
        assert_int_equal(rig_has_file(&r, torn), cut >= 4);
        assert_int_equal(rig_file_size(&r, FIRST), before);
        go_on(&r, serve(&r, 23));
        rig_close(&r);
    }
}

/* The same over a roll: segments behind a torn one go, aside. */
static void a_segment_torn_at_any_byte_ends_the_log(void **state)
{
    (void)state;
    for (int64_t cut = 0; cut < 3 * EVEN; cut += 5) {
        struct served s;
        struct rig r;
        int64_t end;

        open_small(&r, 10 * EVEN, 30); /* 9 a segment */
        rig_crash(&r);
        assert_int_equal(os_dir_open_in(log_root_dir(r.root), "t-0", false, &r.dir), E_OK);
        cut_file(&r, "00000000000000000018.log", cut);
        assert_int_equal(rig_open_log(&r), E_OK);
        end = log_end_offset(r.log);
        assert_int_equal(end, 18 + cut / PAIR * 2 + (cut % PAIR >= EVEN));
        assert_int_equal(rig_has_file(&r, "00000000000000000027.log"), false);
        assert_true(rig_has_file(&r, "00000000000000000027.log.torn-0"));
        s = serve(&r, end);
        assert_int_equal(s.bad, 0);
        go_on(&r, s);
        rig_close(&r);
    }
}

/* Synced bytes are gone from the end: their offsets are not given to others. */
static void durable_bytes_that_are_gone_are_damage(void **state)
{
    (void)state;
    for (int64_t cut = 0; cut < place(40); cut += 97) {
        int64_t whole = cut / PAIR * 2 + (cut % PAIR >= EVEN);
        struct served s;
        struct rig r;

        open_small(&r, 1 << 20, 40);
        stop(&r, true);
        cut_file(&r, FIRST, cut);
        assert_int_equal(rig_open_log(&r), E_OK);
        assert_int_equal(log_end_offset(r.log), 40);
        s = serve(&r, 40);
        assert_int_equal(s.first, whole);
        assert_int_equal(s.bad, 40 - whole);
        go_on(&r, s);
        rig_close(&r);
    }
}

/* More than a crash can leave stands behind what is wrong: damage, whose end nobody knows here. */
static void damage_far_from_the_end_of_a_killed_log(void **state)
{
    enum { COUNT = 70, MIB = 1 << 20 };

    (void)state;
    for (int what = 0; what < 2; what++) {
        struct served s;
        struct rig r;

        rig_open_as(&r, LOG_FORMAT_MESSAGE);
        rig_fill(&r, COUNT, MIB);
        rig_crash(&r);
        assert_int_equal(os_dir_open_in(log_root_dir(r.root), "t-0", false, &r.dir), E_OK);
        rig_flip(&r, 0, what == 0 ? 5000 : 1);
        assert_int_equal(rig_open_log(&r), E_OK);
        assert_int_equal(r.recovery.damaged_ranges, 1);
        assert_true(log_end_offset(r.log) >= COUNT); /* no offset twice */
        assert_int_equal(log_segment_count(r.log), 2);
        for (int64_t offset = 0; offset < COUNT; offset++)
            assert_false(is_served(&r, offset));
        s = serve(&r, COUNT);
        s.last = log_end_offset(r.log) - 1;
        rig_fill(&r, 1, VALUE);
        for (int life = 0; life < 2; life++) {
            struct message m;
            struct buf bytes;
            int64_t base;
            size_t size;

            buf_init(&bytes, MIB);
            assert_int_equal(rig_read(&r, s.last + 1, 1, &bytes, &base), E_OK);
            assert_int_equal(base, s.last + 1);
            assert_int_equal(message_decode(buf_slice(&bytes), &m, &size), E_OK);
            assert_int_equal(m.value.size, VALUE);
            assert_int_equal(rig_read(&r, s.last, 1, &bytes, &base), E_CORRUPT);
            assert_int_equal(rig_read(&r, 30, 1, &bytes, &base), E_CORRUPT);
            buf_release(&bytes);
            rig_crash(&r);
            assert_int_equal(rig_open_log(&r), E_OK);
            assert_int_equal(log_end_offset(r.log), s.last + 2);
        }
        rig_close(&r);
    }
}

static void put_format(struct rig *r, const char *text)
{
    if (text == NULL)
        assert_int_equal(os_dir_remove_file(r->dir, "dlog.format"), E_OK);
    else
        assert_int_equal(os_dir_replace_file(r->dir, "dlog.format", slice_of_text(text)), E_OK);
}

/* A format file that is not this log's is refused before anything is changed, by its name. */
static void a_wrong_format_file_is_refused(void **state)
{
    static const char *const texts[] = {NULL, "", "batch\n", "avro\n", "messages\n", "message 2\n"};

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(texts) / sizeof(texts[0]); i++) {
        struct rig r;
        int64_t size;

        open_small(&r, 10 * EVEN, 30);
        stop(&r, i % 4 < 2);
        size = rig_file_size(&r, "00000000000000000027.log");
        if (i % 2 == 1)
            assert_int_equal(os_dir_remove_file(r.dir, "dlog.checkpoint"), E_OK);
        put_format(&r, texts[i / 2]);
        assert_int_equal(rig_open_log(&r), E_UNSUPPORTED);
        assert_non_null(strstr(r.report.text, "dlog.format"));
        assert_int_equal(rig_file_size(&r, "00000000000000000027.log"), size);
        put_format(&r, "message\n");
        assert_int_equal(rig_open_log(&r), E_OK);
        assert_int_equal(serve(&r, 30).bad, 0);
        rig_close(&r);
    }
}

static void batches_called_messages_are_refused(void **state)
{
    (void)state;
    for (int has_checkpoint = 0; has_checkpoint < 2; has_checkpoint++) {
        struct rig r;
        int64_t size;

        rig_open(&r);
        rig_fill(&r, 30, VALUE);
        stop(&r, true);
        size = rig_file_size(&r, FIRST);
        if (!has_checkpoint)
            assert_int_equal(os_dir_remove_file(r.dir, "dlog.checkpoint"), E_OK);
        put_format(&r, "message\n");
        assert_int_equal(rig_open_log(&r), E_UNSUPPORTED);
        assert_non_null(strstr(r.report.text, "dlog.format"));
        assert_int_equal(rig_file_size(&r, FIRST), size);
        put_format(&r, NULL);
        assert_int_equal(rig_open_log(&r), E_OK);
        assert_int_equal(rig_check_all(&r), 30);
        rig_close(&r);
    }
}

static void cut_at_any_offset_and_appended_to(void **state)
{
    (void)state;
    for (int64_t at = 0; at <= 60; at++) {
        struct rig r;

        open_small(&r, at % 2 ? 25 * EVEN : 1 << 20, 60);
        if (at % 3 == 0)
            rig_reopen(&r);
        assert_int_equal(log_truncate(r.log, at), E_OK);
        assert_int_equal(log_end_offset(r.log), at);
        if (at % 4 < 2)
            rig_fill(&r, 45, VALUE); /* over what old entries of the index named */
        go_on(&r, serve(&r, log_end_offset(r.log)));
        assert_int_equal(rig_check_all(&r), log_end_offset(r.log));
        rig_close(&r);
    }
}

static void the_start_moves_to_any_offset(void **state)
{
    struct log_range range;
    struct rig r;

    (void)state;
    open_small(&r, 10 * EVEN, 30);
    for (int64_t at = 1; at <= 30; at += at % 4 + 1) {
        assert_int_equal(log_delete_before(r.log, at), E_OK);
        if (at % 3 == 0)
            rig_reopen(&r);
        if (at % 3 == 1) {
            rig_crash(&r);
            assert_int_equal(rig_open_log(&r), E_OK);
        }
        assert_int_equal(log_start_offset(r.log), at);
        assert_int_equal(log_read(r.log, at - 1, INT64_MAX, 1, &range), E_OUT_OF_RANGE);
        for (int64_t i = at; i < 30; i++)
            assert_true(is_served(&r, i));
    }
    assert_int_equal(log_delete_before(r.log, 31), E_OUT_OF_RANGE);
    assert_int_equal(log_delete_before(r.log, 30), E_OK);
    rig_fill(&r, 3, VALUE);
    rig_reopen(&r);
    assert_int_equal(rig_check_all(&r), 3);
    rig_close(&r);
}

static void retention_by_size_and_age(void **state)
{
    int64_t now;
    struct rig r;

    (void)state;
    open_small(&r, 10 * EVEN, 90); /* 9 a segment; all of about the same age */
    now = r.wall_ms + 1000;
    r.options.retention_bytes = 45 * EVEN;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    assert_int_equal(log_maintain(r.log, 90, now), E_OK);
    assert_int_equal(log_start_offset(r.log), 45);
    assert_true(is_served(&r, 45));
    r.options.retention_bytes = -1;
    r.options.retention_ms = 5000;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    assert_int_equal(log_maintain(r.log, 90, now), E_OK);
    assert_int_equal(log_start_offset(r.log), 45);
    assert_int_equal(log_maintain(r.log, 90, r.wall_ms + 100000), E_OK);
    assert_true(log_start_offset(r.log) >= 81);
    assert_int_equal(log_end_offset(r.log), 90);
    now = log_start_offset(r.log);
    rig_reopen(&r);
    assert_int_equal(log_start_offset(r.log), now);
    rig_fill(&r, 1, VALUE);
    assert_true(is_served(&r, 90));
    rig_close(&r);
}

static void a_full_segment_is_rolled(void **state)
{
    struct rig_batch many = {.count = 9, .value_size = VALUE};
    struct rig r;
    int64_t end;

    (void)state;
    open_small(&r, 10 * EVEN, 8);
    assert_int_equal(rig_append(&r, &many, NULL), E_OK); /* goes whole into the next one */
    assert_int_equal(log_segment_count(r.log), 2);
    assert_int_equal(log_segment_at(r.log, 1)->base_offset, 8);
    many.count = 11;
    assert_int_equal(rig_append(&r, &many, NULL), E_TOO_BIG);
    end = log_end_offset(r.log);
    assert_int_equal(end, 17);
    r.options.segment_index_bytes = 12;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    rig_fill(&r, 40, VALUE); /* no room for an entry: each has its own segment */
    assert_true(log_segment_count(r.log) >= 7);
    go_on(&r, serve(&r, 57));
    assert_int_equal(rig_check_all(&r), 58);
    rig_close(&r);
}

TESTS(test_message_damage, cmocka_unit_test(a_flipped_bit_costs_few),
      cmocka_unit_test(two_wrong_ones_are_two_ranges),
      cmocka_unit_test(an_index_that_lies_moves_no_message),
      cmocka_unit_test(damage_without_an_anchor_ends_with_its_segment),
      cmocka_unit_test(a_tail_torn_at_any_byte_is_cut),
      cmocka_unit_test(a_segment_torn_at_any_byte_ends_the_log),
      cmocka_unit_test(durable_bytes_that_are_gone_are_damage),
      cmocka_unit_test(damage_far_from_the_end_of_a_killed_log),
      cmocka_unit_test(a_wrong_format_file_is_refused),
      cmocka_unit_test(batches_called_messages_are_refused),
      cmocka_unit_test(cut_at_any_offset_and_appended_to),
      cmocka_unit_test(the_start_moves_to_any_offset), cmocka_unit_test(retention_by_size_and_age),
      cmocka_unit_test(a_full_segment_is_rolled));
