#include "rig.h"

#include <stdio.h>

#include "os/dir.h"
#include "unit.h"

/*
 * Transactions of a log: what a read_committed reader may see, and what it is
 * told was aborted, after restarts, crashes, cuts and rolls; in the tests as
 * "producer@first offset" of each.
 */
enum { COMMIT, ABORT };

static void append_data(struct rig *r, int64_t producer, int32_t sequence)
{
    struct rig_batch b = {.count = 2,
                          .value_size = 50,
                          .timestamp_ms = r->wall_ms,
                          .producer_id = producer,
                          .base_sequence = sequence,
                          .transactional = true};

    assert_int_equal(rig_append(r, &b, NULL), E_OK);
}

static void append_marker(struct rig *r, int64_t producer, int kind)
{
    assert_int_equal(rig_append_marker(r, producer, kind == COMMIT), E_OK);
}

struct told {
    char text[512];
    size_t size;
};

static enum err tell(void *ctx, const struct log_aborted_txn *aborted)
{
    struct told *told = ctx;

    told->size +=
        (size_t)snprintf(told->text + told->size, sizeof(told->text) - told->size, "%s%lld@%lld",
                         told->size > 0 ? " " : "", (long long)aborted->producer_id,
                         (long long)aborted->first_offset);
    return told->size < sizeof(told->text) ? E_OK : E_TOO_BIG;
}

static void check_aborted(struct rig *r, int64_t from, int64_t to, const char *want)
{
    struct told told = {.text = ""};

    assert_int_equal(log_aborted(r->log, from, to, tell, &told), E_OK);
    assert_string_equal(told.text, want);
}

/*
 *   0- 1 data of 1        2- 3 data of 2      4 abort of 1 (2's is open: stable to 2)
 *   5- 6 data of 1        7 commit of 2       8- 9 data of 3
 *  10 abort of 1 (stable to 8)               11 abort of 3
 */
static void fill(struct rig *r)
{
    append_data(r, 1, 0);
    append_data(r, 2, 0);
    append_marker(r, 1, ABORT);
    append_data(r, 1, 2);
    append_marker(r, 2, COMMIT);
    append_data(r, 3, 0);
    append_marker(r, 1, ABORT);
    append_marker(r, 3, ABORT);
}

static void check_all(struct rig *r)
{
    assert_int_equal(log_end_offset(r->log), 12);
    assert_int_equal(rig_check_aborted(r), 3);
    check_aborted(r, 0, 12, "1@0 1@5 3@8");
    check_aborted(r, 0, 2, "1@0");
    check_aborted(r, 0, 5, "1@0"); /* 1@5 begins there: not in the range */
    check_aborted(r, 4, 5, "1@0"); /* of its marker alone */
    check_aborted(r, 5, 12, "1@5 3@8");
    check_aborted(r, 10, 12, "1@5 3@8");
    check_aborted(r, 11, 12, "3@8");
}

static void aborted_transactions_are_told(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    append_data(&r, 1, 0);
    append_marker(&r, 1, COMMIT);
    append_marker(&r, 1, ABORT); /* of nothing: says nothing */
    check_aborted(&r, 0, 4, "");
    rig_reopen(&r);
    assert_false(rig_has_file(&r, "00000000000000000000.txnindex"));
    rig_close(&r);

    rig_open(&r);
    fill(&r);
    check_all(&r);
    rig_reopen(&r);
    assert_true(r.recovery.was_clean);
    assert_int_equal(rig_file_size(&r, "00000000000000000000.txnindex"), 3 * 34);
    check_all(&r);
    append_data(&r, 3, 2);
    append_marker(&r, 3, ABORT);
    check_aborted(&r, 11, 20, "3@8 3@12");
    rig_crash(&r);
    assert_int_equal(rig_open_log(&r), E_OK);
    assert_false(r.recovery.was_clean);
    check_aborted(&r, 0, 20, "1@0 1@5 3@8 3@12");
    rig_close(&r);
}

static void they_are_found_over_segments(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    r.options.segment_bytes = 300;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    fill(&r);
    assert_true(rig_has_file(&r, "00000000000000000002.log"));
    check_all(&r);
    rig_crash(&r);
    assert_int_equal(rig_open_log(&r), E_OK);
    check_all(&r);
    rig_reopen(&r);
    check_all(&r);
    assert_int_equal(log_maintain(r.log, 12, r.wall_ms), E_OK); /* lets go of what is on disk */
    assert_int_equal(log_maintain(r.log, 12, r.wall_ms), E_OK);
    check_all(&r);
    assert_int_equal(log_delete_before(r.log, 12), E_OK);
    check_aborted(&r, 12, 20, "");
    assert_false(rig_has_file(&r, "00000000000000000002.txnindex"));
    rig_close(&r);
}

static void a_cut_takes_them_along(void **state)
{
    /* by the end of the log: what is told, and from where it is unstable */
    static const struct {
        const char *aborted;
        int64_t unstable;
    } want[] = {{"", 0},
                {"", 0},
                {"", 0},
                {"", 0},
                {"", 0},
                {"1@0", 2},
                {"1@0", 2},
                {"1@0", 2},
                {"1@0", 5},
                {"1@0", 5},
                {"1@0", 5},
                {"1@0 1@5", 8},
                {"1@0 1@5 3@8", 12}};

    (void)state;
    for (int segment_bytes = 300; segment_bytes <= 3000; segment_bytes += 2700) {
        for (int64_t cut = 12; cut >= 0; cut--) {
            char text[32];
            struct rig r;
            int64_t end;

            rig_open(&r);
            r.options.segment_bytes = segment_bytes;
            assert_int_equal(log_set_options(r.log, &r.options), E_OK);
            fill(&r);
            rig_reopen(&r);
            assert_int_equal(log_truncate(r.log, cut), E_OK);
            end = log_end_offset(r.log);
            for (int i = 0; i < 3; i++) {
                assert_int_equal(log_end_offset(r.log), end);
                check_aborted(&r, 0, 20, want[end].aborted);
                assert_int_equal(log_first_unstable_offset(r.log, 20), want[end].unstable);
                if (i == 0) {
                    rig_crash(&r);
                    assert_int_equal(rig_open_log(&r), E_OK);
                } else {
                    rig_reopen(&r);
                }
            }
            append_data(&r, 7, 0); /* in place of those that were cut */
            append_marker(&r, 7, ABORT);
            rig_reopen(&r);
            snprintf(text, sizeof(text), "7@%lld", (long long)end);
            check_aborted(&r, end, end + 3, text);
            rig_close(&r);
        }
    }
}

/* What is not a transaction index is made anew, from a snapshot and the log. */
static void a_damaged_index_is_made_anew(void **state)
{
    (void)state;
    for (int segment_bytes = 300; segment_bytes <= 3000; segment_bytes += 2700) {
        struct rig r;
        int found = 0;

        rig_open(&r);
        r.options.segment_bytes = segment_bytes;
        assert_int_equal(log_set_options(r.log, &r.options), E_OK);
        fill(&r);
        rig_reopen(&r);
        rig_crash(&r);
        assert_int_equal(os_dir_open_in(log_root_dir(r.root), "t-0", false, &r.dir), E_OK);
        for (int base = 0; base < 12; base++) {
            char name[64];

            snprintf(name, sizeof(name), "%020d.txnindex", base);
            if (rig_has_file(&r, name)) {
                found++;
                assert_int_equal(os_dir_replace_file(r.dir, name, slice_of("senseless", 9)), E_OK);
            }
        }
        assert_int_equal(found, segment_bytes == 300 ? 3 : 1);
        assert_int_equal(rig_open_log(&r), E_OK);
        assert_true(r.recovery.was_clean);
        check_all(&r);
        append_data(&r, 5, 0);
        append_marker(&r, 5, ABORT);
        rig_reopen(&r);
        check_aborted(&r, 0, 20, "1@0 1@5 3@8 5@12");
        rig_close(&r);
    }
}

static void a_marker_counts_when_it_is_committed(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    append_data(&r, 1, 0);
    assert_int_equal(log_first_unstable_offset(r.log, 2), 0);
    append_marker(&r, 1, COMMIT); /* at 2 */
    append_data(&r, 2, 0);
    append_marker(&r, 2, ABORT); /* at 5 */
    assert_int_equal(log_first_unstable_offset(r.log, 2), 0);
    assert_int_equal(log_first_unstable_offset(r.log, 3), 3);
    assert_int_equal(log_first_unstable_offset(r.log, 5), 3);
    assert_int_equal(log_first_unstable_offset(r.log, 6), 6);
    rig_close(&r);
}

/* Kafka's upper bound of a fetch: the next index entry after its range, else the next segment. */
static void a_range_ends_before_its_upper_bound(void **state)
{
    struct log_range range;
    struct rig r;
    int64_t upper;
    size_t three;

    (void)state;
    rig_open(&r);
    r.options.index_interval_bytes = 250; /* an entry for each third batch */
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    rig_fill(&r, 9, 30);
    three = (size_t)log_size_bytes(r.log) / 3;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(log_read(r.log, 0, 20, three, &range), E_OK);
        assert_int_equal(log_range_upper(r.log, &range, &upper), E_OK);
        assert_int_equal(upper, 3);
        log_range_release(&range);
        assert_int_equal(log_read(r.log, 4, 20, 10, &range), E_OK);
        assert_int_equal(log_range_upper(r.log, &range, &upper), E_OK);
        assert_int_equal(upper, 6);
        log_range_release(&range);
        assert_int_equal(log_read(r.log, 8, 20, 10, &range), E_OK);
        assert_int_equal(log_range_upper(r.log, &range, &upper), E_OK);
        assert_int_equal(upper, 9);
        log_range_release(&range);
        r.options.segment_ms = 0;
        assert_int_equal(log_set_options(r.log, &r.options), E_OK);
        r.wall_ms++;
        rig_fill(&r, 1, 30); /* the same in a sealed segment */
        assert_true(rig_has_file(&r, "00000000000000000009.log"));
        rig_reopen(&r);
    }
    rig_close(&r);
}

/* In another cluster producer ids are others', and nobody ends what was open. */
static void a_log_forgets_its_producers(void **state)
{
    struct rig_batch b = {.count = 1, .value_size = 50, .producer_id = 9, .base_sequence = 5};
    struct rig r;
    int32_t aborted;

    (void)state;
    rig_open(&r);
    b.timestamp_ms = r.wall_ms;
    fill(&r);
    append_data(&r, 4, 0); /* 12 */
    append_data(&r, 5, 0);
    assert_int_equal(rig_append(&r, &b, NULL), E_OK); /* 16 */
    rig_reopen(&r);
    assert_int_equal(log_forget_producers(r.log, r.wall_ms, &aborted), E_OK);
    assert_int_equal(aborted, 2);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(log_end_offset(r.log), 19);
        assert_int_equal(log_first_unstable_offset(r.log, 19), 19);
        assert_int_equal(rig_check_aborted(&r), 5);
        if (i == 0)
            rig_reopen(&r);
        else
            rig_crash(&r);
        if (i > 0)
            assert_int_equal(rig_open_log(&r), E_OK);
    }
    append_data(&r, 4, 0); /* as if it were new */
    b.base_sequence = 0;
    assert_int_equal(rig_append(&r, &b, NULL), E_OK);
    assert_int_equal(log_truncate(r.log, 21), E_OK); /* reads again who there is */
    assert_int_equal(rig_append(&r, &b, NULL), E_OK);
    assert_int_equal(log_forget_producers(r.log, r.wall_ms, &aborted), E_OK);
    assert_int_equal(aborted, 1);
    rig_close(&r);
}

TESTS(test_aborted, cmocka_unit_test(a_log_forgets_its_producers),
      cmocka_unit_test(aborted_transactions_are_told),
      cmocka_unit_test(they_are_found_over_segments), cmocka_unit_test(a_cut_takes_them_along),
      cmocka_unit_test(a_damaged_index_is_made_anew),
      cmocka_unit_test(a_marker_counts_when_it_is_committed),
      cmocka_unit_test(a_range_ends_before_its_upper_bound));
