#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "os/dir.h"
#include "rig.h"
#include "unit.h"

/* A disk that gets full under an environment. The linker puts the function below in the way. */
enum { MIB = 1024 * 1024, OUR_MS_MAX = 10 * 1000 };

static atomic_int free_mib; /* of 1000; 0: as the real disk is */

enum err __real_os_dir_usage(struct os_dir *dir, struct os_disk_usage *usage_out);
enum err __wrap_os_dir_usage(struct os_dir *dir, struct os_disk_usage *usage_out);

enum err __wrap_os_dir_usage(struct os_dir *dir, struct os_disk_usage *usage_out)
{
    int mib = atomic_load(&free_mib);

    if (mib == 0)
        return __real_os_dir_usage(dir, usage_out);
    *usage_out =
        (struct os_disk_usage){.size_bytes = 1000ll * MIB, .free_bytes = (int64_t)mib * MIB};
    return E_OK;
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Append until it says `wanted`: the environment asks about its disk only now and then. */
static void append_until(struct rig *r, int wanted)
{
    struct dlog_record record = rig_record("some value");
    int64_t until = now_ms() + OUR_MS_MAX;

    while (dlog_append(r->log, &record, NULL) != wanted) {
        assert_true(now_ms() < until);
        rig_sleep_ms(5);
    }
}

static void a_full_disk_is_told_and_over(void **state)
{
    struct rig r;
    int64_t count;

    (void)state;
    atomic_store(&free_mib, 900);
    rig_open(&r);
    rig_fill(&r, 3);
    atomic_store(&free_mib, 60);
    append_until(&r, DLOG_E_NO_SPACE);
    assert_non_null(strstr(r.trace, "level full: 62914560 of 1048576000 bytes are free"));
    count = dlog_end_offset(r.log);
    assert_int_equal(rig_count(&r), count);
    assert_int_equal(dlog_trim(r.log, 2), DLOG_OK);
    atomic_store(&free_mib, 900);
    append_until(&r, DLOG_OK);
    assert_non_null(strstr(r.trace, "level ok: "));
    assert_int_equal(dlog_end_offset(r.log), count + 1);
    rig_close(&r);
    atomic_store(&free_mib, 0);
}

/* Appends of the caller wait a little, those with a callback do not. */
static void a_nearly_full_disk_slows_down(void **state)
{
    struct dlog_record record = rig_record("some value");
    struct rig r;
    int64_t began;

    (void)state;
    atomic_store(&free_mib, 45);
    rig_init(&r);
    assert_int_equal(dlog_env_close(r.env), DLOG_OK);
    r.env_options.disk_throttle_percent = 90;
    r.env_options.disk_reserve_bytes = 10 * MIB;
    assert_int_equal(dlog_env_open(r.path, &r.env_options, &r.env), DLOG_OK);
    assert_non_null(strstr(r.trace, "level throttle: "));
    assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
    began = now_ms();
    for (int i = 0; i < 4; i++)
        assert_int_equal(dlog_append(r.log, &record, NULL), DLOG_OK);
    assert_true(now_ms() - began >= 4 * 40);
    rig_close(&r);
    atomic_store(&free_mib, 0);
}

static void limits_can_be_off(void **state)
{
    struct dlog_record record = rig_record("some value");
    struct rig r;

    (void)state;
    rig_init(&r);
    assert_int_equal(dlog_env_close(r.env), DLOG_OK);
    r.env_options.disk_throttle_percent = 101;
    assert_int_equal(dlog_env_open(r.path, &r.env_options, &r.env), DLOG_E_INVAL);
    r.env_options.disk_warn_percent = 0;
    r.env_options.disk_throttle_percent = 0;
    r.env_options.disk_reserve_bytes = 0;
    atomic_store(&free_mib, 1);
    assert_int_equal(dlog_env_open(r.path, &r.env_options, &r.env), DLOG_OK);
    assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
    assert_int_equal(dlog_append(r.log, &record, NULL), DLOG_OK);
    assert_null(strstr(r.trace, "level"));
    rig_close(&r);
    atomic_store(&free_mib, 0);
}

/* At WARN retention does not wait for maintain_ms, which is a minute. */
static void retention_makes_room(void **state)
{
    int64_t until = now_ms() + OUR_MS_MAX;
    struct rig r;

    (void)state;
    atomic_store(&free_mib, 900);
    rig_init(&r);
    r.options.segment_bytes = 4096;
    r.options.retention_bytes = 4096;
    assert_int_equal(dlog_open(r.env, "t", &r.options, &r.log), DLOG_OK);
    rig_fill(&r, 300);
    assert_int_equal(dlog_start_offset(r.log), 0);
    atomic_store(&free_mib, 150);
    while (dlog_start_offset(r.log) == 0) {
        append_until(&r, DLOG_OK);
        assert_true(now_ms() < until);
        rig_sleep_ms(20);
    }
    rig_close(&r);
    atomic_store(&free_mib, 0);
}

TESTS(test_disk, cmocka_unit_test(a_full_disk_is_told_and_over),
      cmocka_unit_test(a_nearly_full_disk_slows_down), cmocka_unit_test(limits_can_be_off),
      cmocka_unit_test(retention_makes_room));
