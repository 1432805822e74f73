#include "storage/log_guard.h"

#include "os/dir.h"
#include "rig.h"
#include "unit.h"

/*
 * The guard of a root, before a file system that says what the test wants. The linker puts the
 * function below in the way.
 */
enum { KIB = 1024, MIB = 1024 * 1024, DISK_MIB = 1000, RESERVE_MIB = 40 };

static struct {
    bool is_on;
    int64_t free_bytes;
    enum err err;
    int asked;
} disk;

enum err __real_os_dir_usage(struct os_dir *dir, struct os_disk_usage *usage_out);
enum err __wrap_os_dir_usage(struct os_dir *dir, struct os_disk_usage *usage_out);

enum err __wrap_os_dir_usage(struct os_dir *dir, struct os_disk_usage *usage_out)
{
    if (!disk.is_on)
        return __real_os_dir_usage(dir, usage_out);
    disk.asked++;
    if (disk.err != E_OK)
        return disk.err;
    *usage_out = (struct os_disk_usage){.size_bytes = (int64_t)DISK_MIB * MIB,
                                        .free_bytes = disk.free_bytes};
    return E_OK;
}

static const struct log_disk_limits LIMITS = {
    .warn_percent = 80, .throttle_percent = 90, .reserve_bytes = RESERVE_MIB * MIB};

static void guarded_open(struct rig *r, const struct log_disk_limits *limits, int free_mib)
{
    rig_open(r);
    disk.is_on = true;
    disk.err = E_OK;
    disk.free_bytes = (int64_t)free_mib * MIB;
    disk.asked = 0;
    log_root_guard(r->root, limits, r->wall_ms);
}

static void guarded_close(struct rig *r)
{
    disk.is_on = false;
    rig_close(r);
}

static enum log_disk_level level_at(struct rig *r, int free_mib)
{
    disk.free_bytes = (int64_t)free_mib * MIB;
    return log_root_look(r->root, r->wall_ms).level;
}

static enum err append(struct rig *r, int size)
{
    return rig_append(r, &(struct rig_batch){.count = 1, .value_size = size}, NULL);
}

static enum err append_reserved(struct rig *r)
{
    struct log_append a = {.may_use_reserve = true, .wall_ms = r->wall_ms};
    struct log_appended appended;
    struct buf bytes;
    enum err e;

    buf_init(&bytes, SIZE_MAX);
    rig_build(&(struct rig_batch){.count = 1, .value_size = 10}, 0, 0, 0, &bytes);
    a.bytes = bytes.at;
    a.size = bytes.size;
    e = log_append(r->log, &a, &appended);
    buf_release(&bytes);
    return e;
}

static void levels_are_left_below_where_they_are_entered(void **state)
{
    struct rig r;

    (void)state;
    guarded_open(&r, &LIMITS, 201);
    assert_int_equal(log_root_disk(r.root).level, LOG_DISK_OK);
    assert_int_equal(log_root_disk(r.root).size_bytes, (int64_t)DISK_MIB * MIB);
    assert_int_equal(level_at(&r, 200), LOG_DISK_WARN);
    assert_int_equal(level_at(&r, 219), LOG_DISK_WARN);
    assert_int_equal(level_at(&r, 221), LOG_DISK_OK);
    assert_int_equal(log_root_pause_ms(r.root), 0);
    assert_int_equal(level_at(&r, 100), LOG_DISK_THROTTLE);
    assert_int_equal(level_at(&r, 119), LOG_DISK_THROTTLE);
    assert_in_range(log_root_pause_ms(r.root), 1, 100);
    assert_int_equal(level_at(&r, 42), LOG_DISK_THROTTLE);
    assert_in_range(log_root_pause_ms(r.root), 900, LOG_GUARD_PAUSE_MS);
    assert_int_equal(level_at(&r, 40), LOG_DISK_FULL);
    assert_int_equal(log_root_pause_ms(r.root), LOG_GUARD_PAUSE_MS);
    assert_int_equal(level_at(&r, 49), LOG_DISK_FULL); /* a quarter of the reserve more */
    assert_int_equal(level_at(&r, 51), LOG_DISK_THROTTLE);
    assert_int_equal(level_at(&r, 0), LOG_DISK_FULL);
    assert_int_equal(level_at(&r, 150), LOG_DISK_WARN);
    assert_int_equal(level_at(&r, 1000), LOG_DISK_OK);
    assert_string_equal(log_disk_level_text(LOG_DISK_THROTTLE), "throttle");
    guarded_close(&r);
}

static void limits_can_be_off(void **state)
{
    struct log_disk_limits none = {0};
    struct log_disk_limits large = {.reserve_bytes = INT64_MAX};
    struct rig r;

    (void)state;
    guarded_open(&r, &none, 0);
    assert_int_equal(log_root_disk(r.root).level, LOG_DISK_OK);
    assert_int_equal(append(&r, 100), E_OK);
    guarded_close(&r);
    none.throttle_percent = 100;
    guarded_open(&r, &none, 0);
    assert_int_equal(log_root_disk(r.root).level, LOG_DISK_OK);
    guarded_close(&r);
    guarded_open(&r, &large, 251); /* never more than a quarter of the disk */
    assert_int_equal(append(&r, 100), E_OK);
    assert_int_equal(level_at(&r, 250), LOG_DISK_FULL);
    guarded_close(&r);
}

/* What is refused changes nothing; what may use the reserve goes on; space is found again. */
static void a_full_disk_refuses_and_comes_back(void **state)
{
    struct rig r;
    int64_t size;
    int asked;

    (void)state;
    guarded_open(&r, &LIMITS, 500);
    assert_int_equal(append(&r, 100), E_OK);
    disk.free_bytes = (int64_t)RESERVE_MIB * MIB;
    assert_int_equal(append(&r, 100), E_OK); /* the budget of before */
    r.wall_ms += LOG_GUARD_MS;
    size = rig_file_size(&r, "00000000000000000000.log");
    assert_int_equal(append(&r, 100), E_NO_SPACE);
    asked = disk.asked;
    for (int i = 0; i < 100; i++)
        assert_int_equal(append(&r, 100), E_NO_SPACE);
    assert_int_equal(disk.asked, asked);
    assert_int_equal(rig_file_size(&r, "00000000000000000000.log"), size);
    assert_int_equal(log_end_offset(r.log), 2);
    assert_false(log_is_broken(r.log));
    assert_int_equal(append_reserved(&r), E_OK);
    assert_int_equal(log_end_offset(r.log), 3);
    disk.free_bytes = 500ll * MIB;
    assert_int_equal(append(&r, 100), E_NO_SPACE);
    r.wall_ms += LOG_GUARD_FULL_MS;
    assert_int_equal(append(&r, 100), E_OK);
    assert_int_equal(log_root_disk(r.root).level, LOG_DISK_OK);
    assert_int_equal(log_sync(r.log), E_OK);
    assert_int_equal(rig_check_all(&r), 4);
    guarded_close(&r);
}

/* Appends between two questions never take more than was free beside the reserve. */
static void the_reserve_is_not_touched(void **state)
{
    struct rig r;
    int64_t before = 0;

    (void)state;
    guarded_open(&r, &LIMITS, 500);
    disk.free_bytes = (RESERVE_MIB + 5) * (int64_t)MIB;
    (void)log_root_look(r.root, r.wall_ms);
    for (;;) {
        enum err e = append(&r, 300 * KIB);

        disk.free_bytes -= log_size_bytes(r.log) - before;
        before = log_size_bytes(r.log);
        assert_true(disk.free_bytes >= (int64_t)RESERVE_MIB * MIB);
        if (e != E_OK)
            break;
    }
    assert_int_equal(log_root_disk(r.root).level, LOG_DISK_FULL);
    assert_in_range(before, 4 * MIB, 5 * MIB);
    guarded_close(&r);
}

/* One that is larger than the room there is harms nobody else. */
static void a_large_append_alone_is_refused(void **state)
{
    struct rig r;

    (void)state;
    guarded_open(&r, &LIMITS, RESERVE_MIB + 12);
    assert_int_equal(append(&r, 13 * MIB), E_NO_SPACE);
    assert_int_equal(log_root_disk(r.root).level, LOG_DISK_THROTTLE);
    assert_int_equal(append(&r, 100 * KIB), E_OK);
    assert_int_equal(append(&r, 11 * MIB), E_OK);
    guarded_close(&r);
}

static void a_duplicate_is_answered_on_a_full_disk(void **state)
{
    const struct rig_batch batch = {.count = 3, .value_size = 10, .producer_id = 7};
    struct log_appended appended;
    struct rig r;

    (void)state;
    guarded_open(&r, &LIMITS, 500);
    assert_int_equal(rig_append(&r, &batch, &appended), E_OK);
    assert_int_equal(level_at(&r, 1), LOG_DISK_FULL);
    assert_int_equal(rig_append(&r, &batch, &appended), E_DUPLICATE);
    assert_int_equal(appended.first_offset, 0);
    guarded_close(&r);
}

/* From WARN on no zeroes are written, and what was deleted goes at once. */
static void space_is_given_back(void **state)
{
    struct rig r;

    (void)state;
    guarded_open(&r, &LIMITS, 500);
    r.options.preallocate = true;
    r.options.segment_bytes = 10 * MIB;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    assert_int_equal(level_at(&r, 150), LOG_DISK_WARN);
    rig_fill(&r, 1, 100);
    assert_int_equal(rig_file_size(&r, "00000000000000000000.log"), log_size_bytes(r.log));
    assert_int_equal(level_at(&r, 500), LOG_DISK_OK);
    rig_fill(&r, 1, 100);
    assert_true(rig_file_size(&r, "00000000000000000000.log") > log_size_bytes(r.log));

    r.options.segment_bytes = KIB;
    r.options.retention_bytes = KIB;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    rig_fill(&r, 10, 400);
    assert_int_equal(log_sync(r.log), E_OK);
    assert_int_equal(log_maintain(r.log, log_end_offset(r.log), r.wall_ms), E_OK);
    assert_true(rig_has_file(&r, "00000000000000000000.log.deleted"));
    assert_int_equal(level_at(&r, 150), LOG_DISK_WARN);
    assert_int_equal(log_maintain(r.log, log_end_offset(r.log), r.wall_ms), E_OK);
    assert_false(rig_has_file(&r, "00000000000000000000.log.deleted"));
    rig_check_all(&r);
    guarded_close(&r);
}

/* A file system that does not tell is not held against anybody. */
static void no_answer_is_no_level(void **state)
{
    struct rig r;

    (void)state;
    guarded_open(&r, &LIMITS, 500);
    disk.err = E_IO;
    r.wall_ms += LOG_GUARD_MS;
    assert_int_equal(append(&r, 100), E_OK);
    assert_int_equal(log_root_look(r.root, r.wall_ms).level, LOG_DISK_OK);
    r.wall_ms -= 24 * 3600 * 1000; /* the clock may go back */
    disk.err = E_OK;
    disk.free_bytes = MIB;
    assert_int_equal(append(&r, 100), E_NO_SPACE);
    guarded_close(&r);
}

static int64_t ballast_size(struct rig *r)
{
    int64_t size;

    return os_dir_file_size(log_root_dir(r->root), "dlog.ballast", &size) == E_OK ? size : -1;
}

/* A file that is made step by step and given up when nearly nothing else is left. */
static void the_ballast_goes_last(void **state)
{
    struct log_disk_limits limits = LIMITS;
    struct rig r;

    (void)state;
    limits.ballast_bytes = 6 * MIB;
    guarded_open(&r, &limits, 150);
    log_root_ballast(r.root);
    assert_int_equal(ballast_size(&r), -1); /* not on a disk that gets full */
    assert_int_equal(level_at(&r, 500), LOG_DISK_OK);
    log_root_ballast(r.root);
    assert_int_equal(ballast_size(&r), LOG_GUARD_BALLAST_STEP);
    log_root_ballast(r.root);
    log_root_ballast(r.root);
    assert_int_equal(ballast_size(&r), 6 * MIB);

    assert_int_equal(level_at(&r, 6), LOG_DISK_FULL);
    assert_int_equal(ballast_size(&r), 6 * MIB);
    assert_int_equal(level_at(&r, 5), LOG_DISK_FULL);
    assert_int_equal(ballast_size(&r), -1);
    log_root_ballast(r.root);
    assert_int_equal(ballast_size(&r), -1);
    assert_int_equal(level_at(&r, 500), LOG_DISK_OK);
    log_root_ballast(r.root);
    log_root_ballast(r.root);
    assert_int_equal(ballast_size(&r), 6 * MIB);

    limits.reserve_bytes = 16 * MIB; /* a quarter of it at most */
    log_root_guard(r.root, &limits, r.wall_ms);
    assert_int_equal(ballast_size(&r), -1);
    log_root_ballast(r.root);
    assert_int_equal(ballast_size(&r), 4 * MIB);
    log_root_guard(r.root, &limits, r.wall_ms); /* as the next process does */
    assert_int_equal(ballast_size(&r), 4 * MIB);
    disk.free_bytes = 3 * MIB;
    log_root_guard(r.root, &limits, r.wall_ms);
    assert_int_equal(ballast_size(&r), -1);
    guarded_close(&r);
}

TESTS(test_guard, cmocka_unit_test(the_ballast_goes_last),
      cmocka_unit_test(levels_are_left_below_where_they_are_entered),
      cmocka_unit_test(limits_can_be_off), cmocka_unit_test(a_full_disk_refuses_and_comes_back),
      cmocka_unit_test(the_reserve_is_not_touched),
      cmocka_unit_test(a_large_append_alone_is_refused),
      cmocka_unit_test(a_duplicate_is_answered_on_a_full_disk),
      cmocka_unit_test(space_is_given_back), cmocka_unit_test(no_answer_is_no_level));
