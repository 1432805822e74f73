#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/dir.h"
#include "rig.h"
#include "unit.h"
#include "wire/produce.h"

/* What a producer is told while a disk gets full. The linker puts the function below in the way. */
enum { MIB = 1024 * 1024 };

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

/* One batch; the answer for it, and how long it says to wait. */
static enum wire_error produce(struct rig *r, struct client *c, int32_t *throttle_ms_out)
{
    struct wire_produce_response out;

    client_produce_send(c, "t", 0, rig_batch(r, 100), -1);
    RECEIVE(c, produce, PRODUCE, 9, &out);
    *throttle_ms_out = out.throttle_time_ms;
    return (enum wire_error)out.responses[0].partition_responses[0].error_code;
}

/* Until it is answered with `error`: the guard asks about a disk only now and then. */
static int32_t produce_until(struct rig *r, struct client *c, enum wire_error error)
{
    int32_t throttle_ms;

    for (int i = 0; i < 1000; i++) {
        if (produce(r, c, &throttle_ms) == error)
            return throttle_ms;
        usleep(10 * 1000);
    }
    fail();
    return 0;
}

static void a_full_disk_is_told_and_over(void **state)
{
    struct rig r;
    struct client c;
    int32_t throttle_ms;

    (void)state;
    atomic_store(&free_mib, 900);
    rig_start(&r, 2, NULL);
    client_open(&c, &r);
    client_create(&c, "t", 1);
    assert_int_equal(produce(&r, &c, &throttle_ms), WIRE_ERROR_NONE);
    assert_int_equal(throttle_ms, 0);
    atomic_store(&free_mib, 50); /* the reserve is 64 MiB */
    assert_int_equal(produce_until(&r, &c, WIRE_ERROR_NOT_ENOUGH_REPLICAS), 1000);
    client_create(&c, "while-full", 1);
    atomic_store(&free_mib, 900);
    (void)produce_until(&r, &c, WIRE_ERROR_NONE);
    assert_int_equal(produce(&r, &c, &throttle_ms), WIRE_ERROR_NONE);
    assert_int_equal(throttle_ms, 0);
    client_close(&c);
    rig_stop(&r);
    atomic_store(&free_mib, 0);
}

/* Whoever does not wait for a held answer, or a broker that stops, ends the hold. */
static void a_held_answer_keeps_nobody(void **state)
{
    const char *const settings[] = {"disk.throttle.percent=90", "disk.warn.percent=50", NULL};
    struct wire_produce_response out;
    struct rig r;
    struct client c, gone;
    int32_t throttle_ms;

    (void)state;
    atomic_store(&free_mib, 80);
    rig_start(&r, 2, settings);
    client_open(&c, &r);
    client_open(&gone, &r);
    client_create(&c, "t", 1);
    assert_int_equal(produce(&r, &c, &throttle_ms), WIRE_ERROR_NONE);
    assert_in_range(throttle_ms, 1, 999);
    for (int i = 0; i < 10; i++)
        client_produce_send(&gone, "t", 0, rig_batch(&r, 100), -1);
    client_close(&gone);
    client_produce_send(&c, "t", 0, rig_batch(&r, 100), -1);
    assert_true(client_is_silent(&c, 20));
    rig_stop_begin(&r);
    RECEIVE(&c, produce, PRODUCE, 9, &out);
    assert_int_equal(out.responses[0].partition_responses[0].error_code, WIRE_ERROR_NONE);
    client_close(&c);
    rig_finish(&r);
    atomic_store(&free_mib, 0);
}

/* Is it answered? A connection that is refused is closed, sooner or later. */
static bool is_served(struct client *c)
{
    static const uint8_t api_versions[] = {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    uint8_t answer[4096];
    struct reader r;
    ssize_t count;

    if (send(c->fd, api_versions, sizeof(api_versions), MSG_NOSIGNAL) != sizeof(api_versions))
        return false;
    count = recv(c->fd, answer, 4, MSG_WAITALL);
    if (count != 4)
        return false;
    r = reader_init(answer, 4);
    count = reader_i32(&r);
    assert_in_range(count, 1, sizeof(answer));
    return recv(c->fd, answer, (size_t)count, MSG_WAITALL) == count;
}

static void an_address_has_so_many_connections(void **state)
{
    const char *const settings[] = {"max.connections.per.ip=2", NULL};
    struct rig r;
    struct client held[2], more;
    int tries = 0;

    (void)state;
    rig_start(&r, 2, settings);
    client_open(&held[0], &r);
    client_open(&held[1], &r);
    for (int round = 0; round < 5; round++) {
        client_open(&more, &r);
        assert_true(client_is_closed(&more));
        client_close(&more);
    }
    client_close(&held[0]);
    for (;;) { /* until the broker has seen that */
        client_open(&more, &r);
        if (is_served(&more))
            break;
        client_close(&more);
        assert_true(++tries < 500);
        usleep(10 * 1000); /* its threads may wait for a processor */
    }
    client_create(&more, "t", 1);
    client_close(&more);
    client_close(&held[1]);
    rig_stop(&r);
}

TESTS(test_disk, cmocka_unit_test(a_full_disk_is_told_and_over),
      cmocka_unit_test(a_held_answer_keeps_nobody),
      cmocka_unit_test(an_address_has_so_many_connections));
