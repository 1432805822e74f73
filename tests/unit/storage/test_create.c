#include <stdio.h>
#include <string.h>

#include "os/dir.h"
#include "os/file.h"
#include "rig.h"
#include "unit.h"

/* What a crash may leave of a log that never had a record, and of one that has its first. */
static const char FIRST[] = "00000000000000000000.log";
static const char METADATA[] = "partition.metadata";
static const char EPOCHS[] = "leader-epoch-checkpoint";
static const char CHECKPOINT[] = "dlog.checkpoint";
static const struct uuid OURS = {{1, [15] = 7}};
static const struct uuid OTHERS = {{2, [15] = 9}};

enum left { LEFT_WHOLE, LEFT_EMPTY, LEFT_ZEROES, LEFT_GONE, LEFT_COUNT };

/* Make `name` be what is left of it. */
static void leave(struct rig *r, const char *name, enum left left)
{
    static const uint8_t zeroes[512];
    struct os_file *file;
    int64_t size;

    if (left == LEFT_WHOLE)
        return;
    if (left == LEFT_GONE) {
        assert_int_equal(os_dir_remove_file(r->dir, name), E_OK);
        return;
    }
    assert_int_equal(os_file_open(r->dir, name, OS_FILE_WRITE, &file), E_OK);
    assert_int_equal(os_file_size(file, &size), E_OK);
    assert_int_equal(os_file_truncate(file, 0), E_OK);
    if (left == LEFT_ZEROES)
        assert_int_equal(os_file_write(file, 0, zeroes, (size_t)size), E_OK);
    os_file_unref(file);
}

static void dir_again(struct rig *r)
{
    assert_int_equal(os_dir_open_in(log_root_dir(r->root), "t-0", false, &r->dir), E_OK);
}

static void a_half_created_log_is_created_again(void **state)
{
    (void)state;
    for (int i = 0; i < LEFT_COUNT * LEFT_COUNT * 2; i++) {
        enum left metadata = (enum left)(i % LEFT_COUNT);
        enum left epochs = (enum left)(i / LEFT_COUNT % LEFT_COUNT);
        enum left segment = i / LEFT_COUNT / LEFT_COUNT == 0 ? LEFT_WHOLE : LEFT_GONE;
        struct rig r;

        rig_open(&r);
        assert_int_equal(log_set_topic_id(r.log, OURS), E_OK);
        assert_int_equal(log_begin_epoch(r.log, 5), E_OK);
        rig_crash(&r);
        dir_again(&r);
        assert_false(rig_has_file(&r, CHECKPOINT));
        leave(&r, METADATA, metadata);
        leave(&r, EPOCHS, epochs);
        leave(&r, FIRST, segment);
        assert_int_equal(rig_open_log(&r), E_OK);
        assert_true(r.recovery.was_clean);
        if (metadata == LEFT_WHOLE && segment == LEFT_WHOLE)
            assert_true(uuid_equal(log_topic_id(r.log), OURS));
        else
            assert_true(uuid_is_zero(log_topic_id(r.log)));
        assert_int_equal(log_set_topic_id(r.log, OURS), E_OK);
        assert_int_equal(log_begin_epoch(r.log, 5), E_OK);
        assert_int_equal(log_latest_epoch(r.log), 5);
        rig_fill(&r, 3, 100);
        rig_reopen(&r);
        assert_true(uuid_equal(log_topic_id(r.log), OURS));
        assert_int_equal(log_latest_epoch(r.log), 5);
        assert_int_equal(rig_check_all(&r), 3);
        rig_close(&r);
    }
}

/* A directory that lost its id may be another topic's next: it never had a record. */
static void an_empty_directory_takes_a_new_id(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    assert_int_equal(log_set_topic_id(r.log, OURS), E_OK);
    rig_crash(&r);
    assert_true(uuid_equal(log_root_topic_id(r.root, "t-0"), OURS));
    assert_int_equal(rig_open_log(&r), E_OK);
    assert_int_equal(log_set_topic_id(r.log, OTHERS), E_OK);
    rig_fill(&r, 1, 100);
    rig_crash(&r);
    assert_true(uuid_equal(log_root_topic_id(r.root, "t-0"), OTHERS));
    rig_close(&r);
}

/* With the first record the checkpoint says whose it is, whatever became of the other files. */
static void the_first_record_settles_whose_it_is(void **state)
{
    (void)state;
    for (int i = 0; i < LEFT_COUNT * LEFT_COUNT; i++) {
        struct rig r;

        rig_open(&r);
        assert_int_equal(log_set_topic_id(r.log, OURS), E_OK);
        assert_int_equal(log_begin_epoch(r.log, 5), E_OK);
        rig_fill(&r, 2, 100);
        rig_crash(&r);
        dir_again(&r);
        leave(&r, METADATA, (enum left)(i % LEFT_COUNT));
        leave(&r, EPOCHS, (enum left)(i / LEFT_COUNT));
        assert_true(uuid_equal(log_root_topic_id(r.root, "t-0"), OURS));
        assert_int_equal(rig_open_log(&r), E_OK);
        assert_true(uuid_equal(log_topic_id(r.log), OURS));
        assert_int_equal(log_latest_epoch(r.log), 5);
        assert_int_equal(rig_check_all(&r), 2);
        assert_true(rig_file_size(&r, METADATA) > 0); /* Kafka looks there */
        assert_int_equal(os_dir_remove_file(r.dir, CHECKPOINT), E_OK);
        assert_true(uuid_equal(log_root_topic_id(r.root, "t-0"), OURS));
        rig_close(&r);
    }
}

/* Epochs that were not synced with the directory are before a checkpoint passes their batches. */
static void a_checkpoint_makes_epochs_durable(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    assert_int_equal(log_begin_epoch(r.log, 5), E_OK);
    leave(&r, EPOCHS, LEFT_GONE);
    rig_fill(&r, 2, 100);
    rig_reopen(&r); /* moves the recovery point to the end */
    assert_true(r.recovery.was_clean);
    assert_int_equal(log_latest_epoch(r.log), 5);
    rig_close(&r);
}

/* The same when it was opened again without a record: who knows what was synced. */
static void a_settled_log_without_records_keeps_loose_epochs(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    assert_int_equal(log_begin_epoch(r.log, 5), E_OK);
    rig_fill(&r, 1, 100);
    assert_int_equal(log_truncate(r.log, 0), E_OK);
    assert_int_equal(log_begin_epoch(r.log, 6), E_OK);
    rig_crash(&r);
    dir_again(&r);
    assert_int_equal(rig_open_log(&r), E_OK);
    assert_int_equal(log_latest_epoch(r.log), 6);
    leave(&r, EPOCHS, LEFT_GONE);
    rig_fill(&r, 2, 100);
    rig_reopen(&r);
    assert_int_equal(log_latest_epoch(r.log), 6);
    rig_close(&r);
}

/* Many logs, all written and read in turns, with few descriptors. */
static void many_logs_share_few_files(void **state)
{
    enum { LOGS = 100, FILES = 20, ROUNDS = 12 };
    struct log_files *files;
    struct log *logs[LOGS];
    struct rig r;

    (void)state;
    rig_open(&r);
    r.options.segment_bytes = 1000;
    assert_int_equal(log_files_open(FILES, &files), E_OK);
    for (int i = 0; i < LOGS; i++) {
        char name[16];

        snprintf(name, sizeof(name), "many-%d", i);
        assert_int_equal(log_open(&(struct log_open){r.root, name, &r.options, r.wall_ms}, &logs[i],
                                  NULL, &r.report),
                         E_OK);
        log_set_files(logs[i], files);
    }
    for (int round = 0; round < ROUNDS; round++) {
        struct log *own = r.log;

        for (int i = 0; i < LOGS; i++) {
            r.log = logs[i];
            rig_fill(&r, 1, 200); /* every third round rolls */
            if (i % 7 == 0)
                assert_int_equal(log_sync(r.log), E_OK); /* the others when they must */
            assert_true(log_files_count(files) <= FILES + 3);
        }
        for (int i = LOGS; i-- > 0;) {
            r.log = logs[i];
            assert_int_equal(rig_check_all(&r), round + 1);
            assert_true(log_files_count(files) <= FILES + 3);
        }
        r.log = own;
    }
    for (int i = 0; i < LOGS; i++)
        log_close(logs[i]);
    assert_int_equal(log_files_count(files), 0);
    log_files_close(files);
    rig_close(&r);
}

/* A directory that is a root for somebody, a log by itself, is not opened beside him. */
static void a_log_that_is_held_alone_is_busy(void **state)
{
    struct os_lock *lock;
    struct rig r;

    rig_open(&r);
    log_close(r.log);
    r.log = NULL;
    assert_int_equal(os_dir_lock(r.dir, ".lock", &lock), E_OK);
    assert_int_equal(rig_open_log(&r), E_BUSY);
    assert_non_null(strstr(r.report.text, "holds its .lock"));
    os_lock_release(lock);
    assert_int_equal(rig_open_log(&r), E_OK);
    assert_int_equal(os_dir_lock(r.dir, ".lock", &lock), E_BUSY); /* nor the other way round */
    rig_close(&r);
}

TESTS(test_create, cmocka_unit_test(a_log_that_is_held_alone_is_busy),
      cmocka_unit_test(many_logs_share_few_files),
      cmocka_unit_test(a_half_created_log_is_created_again),
      cmocka_unit_test(an_empty_directory_takes_a_new_id),
      cmocka_unit_test(the_first_record_settles_whose_it_is),
      cmocka_unit_test(a_checkpoint_makes_epochs_durable),
      cmocka_unit_test(a_settled_log_without_records_keeps_loose_epochs));
