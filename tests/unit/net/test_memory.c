#include <malloc.h>

#include "os/dir.h"
#include "os/file.h"
#include "rig.h"

/* Budgets, idle connections, and file ranges. */

static size_t takes_frames_of(struct conn *conn, void *ctx, uint8_t *at, size_t size)
{
    const size_t frame = 1 << 20;
    struct rig_conn *rc = ctx;

    if (size < frame) {
        conn_expect(conn, frame);
        return 0;
    }
    rc->calls++;
    return frame;
}

static void a_budget_lets_one_at_a_time_finish(void **state)
{
    enum { PEERS = 4 };
    const size_t frame = 1 << 20;
    struct rig *rig = *state;
    struct net_budget budget = {.limit_bytes = 512 << 10};
    uint8_t *bytes = mem_must_alloc(frame);
    size_t said[PEERS] = {0}, most = 0, frames = 0;
    int fds[PEERS];

    rig->events.on_data = takes_frames_of;
    rig->options.budget = &budget;
    for (int i = 0; i < PEERS; i++)
        fds[i] = rig_dial(rig);
    for (int turn = 0; frames < PEERS && turn < 100000; turn++) {
        int i = turn % PEERS;
        size_t part = frame - said[i] < 30000 ? frame - said[i] : 30000;
        ssize_t n = part > 0 ? send(fds[i], bytes + said[i], part, MSG_DONTWAIT) : 0;

        said[i] += n > 0 ? (size_t)n : 0;
        loop_turn(rig->loop);
        most = budget.used_bytes > most ? budget.used_bytes : most;
        frames = 0;
        for (int c = 0; c < PEERS; c++)
            frames += rig->conns[c].calls;
    }
    assert_int_equal(frames, PEERS);
    assert_true(most <= (512 << 10) + 2 * frame);
    assert_int_equal(budget.used_bytes, 0);
    assert_int_equal(budget.waiting_count, 0);
    assert_null(budget.favoured);
    for (int i = 0; i < PEERS; i++)
        close(fds[i]);
    mem_free(bytes);
    rig_turns(rig, 5);
}

static void closing_gives_the_budget_back(void **state)
{
    struct rig *rig = *state;
    struct net_budget budget = {.limit_bytes = 64 << 10};
    uint8_t *bytes = mem_must_alloc(1 << 20);
    int a, b;

    rig->events.on_data = takes_frames_of;
    rig->options.budget = &budget;
    a = rig_dial(rig);
    b = rig_dial(rig);
    rig_say(a, bytes, 100000);
    RIG_UNTIL(rig, budget.used_bytes > 60000);
    rig_say(b, bytes, 100000);
    RIG_UNTIL(rig, budget.waiting_count == 1);
    close(a);
    RIG_UNTIL(rig, rig->conns[0].is_closed && budget.waiting_count == 0);
    close(b);
    RIG_UNTIL(rig, rig->conns[1].is_closed);
    assert_int_equal(budget.used_bytes, 0);
    assert_null(budget.favoured);
    mem_free(bytes);
}

static void an_idle_connection_is_small(void **state)
{
    enum { COUNT = 1000 };
    struct rig *rig = *state;
    size_t before, bytes;
    char got[8];
    int fds[COUNT];

    for (int i = 0; i < 3; i++)
        close(rig_dial(rig)); /* what the first ones allocate for good */
    rig_turns(rig, 5);
    before = mallinfo2().uordblks;
    for (int i = 0; i < COUNT; i++) {
        fds[i] = rig_dial(rig);
        rig_say(fds[i], "ping", 4);
        rig_hear(rig, fds[i], got, 4);
    }
    bytes = (mallinfo2().uordblks - before) / COUNT;
    print_message("# %zu bytes for an idle connection\n", bytes);
    assert_in_range(bytes, 0, 700); /* 0: an instrument has its own allocator */
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
    RIG_UNTIL(rig, rig->conns[rig->count - 1].is_closed);
}

static void file_ranges_arrive_equal(void **state)
{
    static const size_t SIZES[] = {
        1,     2,     100,    4095,    32 << 10, 4096, 4097, (32 << 10) + 1,
        65536, 70000, 262144, 1 << 20, 8 << 20};
    struct rig *rig = *state;
    struct os_dir *dir = NULL;
    struct os_file *file = NULL;
    size_t size = 9 << 20;
    uint8_t *bytes = mem_must_alloc(size), *got = mem_must_alloc(size);
    int fd = rig_dial(rig);

    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 13 + i / 65521);
    assert_int_equal(os_dir_open(rig->os, "unit-net-files", true, &dir), E_OK);
    assert_int_equal(os_file_open(dir, "range", OS_FILE_CREATE, &file), E_OK);
    assert_int_equal(os_file_write(file, 0, bytes, size), E_OK);
    for (size_t i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]); i++) {
        struct conn *conn = rig->conns[0].conn;

        conn_send_copy(conn, slice_of_text("head"));
        conn_send_file(conn, file, 77, SIZES[i]);
        conn_send_copy(conn, slice_of_text("mid"));
        conn_send_file(conn, file, 0, 1000);
        conn_send_file(conn, file, 5, 0);
        conn_send_copy(conn, slice_of_text("tail"));
        assert_int_equal(conn_queued_bytes(conn), SIZES[i] + 1011);
        rig_hear(rig, fd, got, SIZES[i] + 1011);
        assert_memory_equal(got, "head", 4);
        assert_memory_equal(got + 4, bytes + 77, SIZES[i]);
        assert_memory_equal(got + 4 + SIZES[i], "mid", 3);
        assert_memory_equal(got + 7 + SIZES[i], bytes, 1000);
        assert_memory_equal(got + 1007 + SIZES[i], "tail", 4);
    }
    os_file_unref(file);
    assert_int_equal(os_dir_remove_file(dir, "range"), E_OK);
    os_dir_close(dir);
    mem_free(bytes);
    mem_free(got);
    close(fd);
}

static void a_file_that_shrank_closes(void **state)
{
    static const size_t SIZES[] = {1000, 100000};
    struct rig *rig = *state;
    struct os_dir *dir = NULL;
    struct os_file *file = NULL;

    assert_int_equal(os_dir_open(rig->os, "unit-net-files", true, &dir), E_OK);
    assert_int_equal(os_file_open(dir, "short", OS_FILE_CREATE, &file), E_OK);
    assert_int_equal(os_file_write(file, 0, "0123456789", 10), E_OK);
    for (size_t i = 0; i < 2; i++) {
        int fd = rig_dial(rig);

        conn_send_file(rig->conns[i].conn, file, 0, SIZES[i]);
        RIG_UNTIL(rig, rig->conns[i].is_closed);
        assert_int_equal(rig->conns[i].why, E_IO);
        close(fd);
    }
    os_file_unref(file);
    assert_int_equal(os_dir_remove_file(dir, "short"), E_OK);
    os_dir_close(dir);
}

TESTS(test_memory, RIG_TEST(a_budget_lets_one_at_a_time_finish),
      RIG_TEST(closing_gives_the_budget_back), RIG_TEST(an_idle_connection_is_small),
      RIG_TEST(file_ranges_arrive_equal), RIG_TEST(a_file_that_shrank_closes));
