#include "rig.h"
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
    log_set_options(r.log, &r.options);
    rig_fill(&r, 20, 200);
    assert_true(rig_has_file(&r, "00000000000000000003.log"));
    assert_true(rig_has_file(&r, "00000000000000000003.index"));
    assert_int_equal(rig_check_all(&r), 20);
    rig_crash(&r);
    assert_int_equal(rig_open_log(&r), E_OK);
    assert_int_equal(log_end_offset(r.log), 20);
    assert_int_equal(rig_check_all(&r), 20);
    rig_close(&r);
}

TESTS(test_log, cmocka_unit_test(appends_reads_and_reopens),
      cmocka_unit_test(comes_back_after_a_crash), cmocka_unit_test(rolls_by_size));
