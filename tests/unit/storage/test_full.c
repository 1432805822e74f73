#include "rig.h"

#include "os/dir.h"
#include "os/file.h"
#include "storage/log_guard.h"
#include "storage/log_priv.h"
#include "unit.h"

/* A disk on which not a byte is left: logs are opened and read all the same. */
enum { SEGMENT_BYTES = 700, RECORDS = 20 };

static const char TAIL[] = "half a batch";

/* A log of several segments, none of which a checkpoint knows, with a torn tail. */
static void make_log(struct rig *r, enum log_format format)
{
    char name[SEGMENT_NAME_SIZE];
    struct os_file *file;

    rig_open_as(r, format);
    r->options.segment_bytes = SEGMENT_BYTES;
    assert_int_equal(log_set_options(r->log, &r->options), E_OK);
    rig_fill(r, RECORDS, 100);
    if (format == LOG_FORMAT_BATCH)
        assert_int_equal(log_begin_epoch(r->log, 3), E_OK);
    assert_int_equal(log_sync(r->log), E_OK);
    segment_name(log_active(r->log)->base_offset, ".log", name);
    rig_crash(r);
    assert_int_equal(os_dir_open_in(log_root_dir(r->root), "t-0", false, &r->dir), E_OK);
    assert_int_equal(os_file_open(r->dir, name, OS_FILE_WRITE, &file), E_OK);
    assert_int_equal(os_file_write(file, rig_file_size(r, name), TAIL, sizeof(TAIL)), E_OK);
    os_file_unref(file);
}

static void open_and_read(enum log_format format)
{
    struct rig r;

    make_log(&r, format);
    for (int life = 0; life < 2; life++) {
        rig_disk_is_full = true;
        assert_int_equal(rig_open_log(&r), E_OK);
        assert_false(r.recovery.was_clean);
        assert_int_equal(log_end_offset(r.log), RECORDS);
        assert_int_equal(rig_check_all(&r), RECORDS);
        assert_int_equal(rig_append(&r, &(struct rig_batch){.format = format, .count = 1}, NULL),
                         E_NO_SPACE);
        assert_false(log_is_broken(r.log));
        if (life == 0)
            rig_crash(&r);
    }
    rig_disk_is_full = false;
    rig_fill(&r, 3, 100);
    rig_reopen(&r);
    assert_true(r.recovery.was_clean);
    assert_int_equal(rig_check_all(&r), RECORDS + 3);
    rig_close(&r);
}

static void a_log_is_opened_and_read(void **state)
{
    (void)state;
    open_and_read(LOG_FORMAT_BATCH);
    open_and_read(LOG_FORMAT_MESSAGE);
}

/* The file has epochs past the end, which nobody could write down to be wrong. */
static void wrong_epochs_go_before_the_next_append(void **state)
{
    static const char text[] = "0\n2\n0 0\n5 20\n";
    struct buf bytes;
    struct rig r;

    (void)state;
    rig_open(&r);
    rig_fill(&r, 5, 100);
    rig_reopen(&r);
    assert_int_equal(os_dir_replace_file(r.dir, "leader-epoch-checkpoint", slice_of_text(text)),
                     E_OK);
    rig_crash(&r);
    rig_disk_is_full = true;
    assert_int_equal(rig_open_log(&r), E_OK);
    assert_int_equal(log_latest_epoch(r.log), 0);
    assert_int_equal(rig_append(&r, &(struct rig_batch){.count = 1}, NULL), E_NO_SPACE);
    rig_disk_is_full = false;
    rig_fill(&r, 30, 100);
    buf_init(&bytes, 1000);
    assert_int_equal(os_dir_read_file(r.dir, "leader-epoch-checkpoint", &bytes), E_OK);
    assert_true(slice_equal_text(buf_slice(&bytes), "0\n1\n0 0\n"));
    buf_release(&bytes);
    rig_close(&r);
}

TESTS(test_full, cmocka_unit_test(a_log_is_opened_and_read),
      cmocka_unit_test(wrong_epochs_go_before_the_next_append));
