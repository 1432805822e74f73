#include "net/conn.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <time.h>

#include "os/dir.h"
#include "os/file.h"
#include "rig.h"

static void echoes_single_bytes_and_large_pieces(void **state)
{
    struct rig *rig = *state;
    int fd = rig_dial(rig);
    size_t size = 1 << 20;
    uint8_t *sent = mem_must_alloc(size), *got = mem_must_alloc(size);
    size_t said = 0, heard = 0;

    for (size_t i = 0; i < size; i++)
        sent[i] = (uint8_t)(i * 31 + i / 251);
    for (int i = 0; i < 100; i++) {
        rig_say(fd, sent + i, 1);
        rig_hear(rig, fd, got + i, 1);
    }
    assert_memory_equal(sent, got, 100);
    while (heard < size) {
        ssize_t n = said < size ? send(fd, sent + said, size - said, MSG_DONTWAIT) : 0;

        said += n > 0 ? (size_t)n : 0;
        loop_turn(rig->loop);
        n = recv(fd, got + heard, size - heard, MSG_DONTWAIT);
        heard += n > 0 ? (size_t)n : 0;
    }
    assert_memory_equal(sent, got, size);
    assert_true(rig->conns[0].drained > 0);
    close(fd);
    RIG_UNTIL(rig, rig->conns[0].is_closed);
    assert_int_equal(rig->conns[0].why, E_CLOSED);
    mem_free(sent);
    mem_free(got);
}

/* A protocol of frames: 4 bytes of length, then that many bytes of one value. */

static uint32_t u32_at(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static size_t frames_data(struct conn *conn, void *ctx, uint8_t *at, size_t size)
{
    struct rig_conn *rc = ctx;
    size_t frame;

    if (size < 4) {
        conn_expect(conn, 4);
        return 0;
    }
    frame = 4 + u32_at(at);
    if (size < frame) {
        conn_expect(conn, frame);
        return 0;
    }
    for (size_t i = 4; i < frame; i++)
        assert_int_equal(at[i], (uint8_t)frame);
    rc->received += frame;
    rc->calls++;
    conn_send_copy(conn, slice_of(at, 4));
    return frame;
}

static size_t frame_make(uint8_t *at, size_t size)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(size >> (24 - 8 * i));
    memset(at + 4, (uint8_t)(size + 4), size);
    return size + 4;
}

/* Say `size` bytes in pieces of `piece`, turning meanwhile, hearing what comes. */
static void say_all(struct rig *rig, int fd, const uint8_t *at, size_t size, size_t piece)
{
    uint8_t heard[4096];

    for (size_t said = 0; said < size;) {
        size_t part = size - said < piece ? size - said : piece;
        ssize_t n = send(fd, at + said, part, MSG_DONTWAIT);

        said += n > 0 ? (size_t)n : 0;
        loop_turn(rig->loop);
        while (recv(fd, heard, sizeof(heard), MSG_DONTWAIT) > 0)
            ;
    }
}

static void frames_of_all_sizes_arrive_whole(void **state)
{
    static const size_t SIZES[] = {0,     1,      3,      100,     16 << 10, 16 << 10, 5,
                                   90000, 200000, 262140, 1 << 20, 1 << 20,  1 << 20,  7,
                                   65536, 65536,  65536,  65536,   3000000,  12,       400};
    static const size_t PIECES[] = {1 << 20, 300000, 65536, 10007, 4096, 977};
    struct rig *rig = *state;
    uint8_t *all = mem_must_alloc(16 << 20);
    size_t size = 0, count = sizeof(SIZES) / sizeof(SIZES[0]);

    rig->events.on_data = frames_data;
    for (size_t i = 0; i < count; i++)
        size += frame_make(all + size, SIZES[i]);
    for (size_t i = 0; i < sizeof(PIECES) / sizeof(PIECES[0]); i++) {
        int fd = rig_dial(rig);
        struct rig_conn *rc = &rig->conns[rig->count - 1];

        say_all(rig, fd, all, size, PIECES[i]);
        RIG_UNTIL(rig, rc->calls == count);
        assert_int_equal(rc->received, size);
        say_all(rig, fd, all, size, PIECES[i]); /* again, with what the first round left */
        RIG_UNTIL(rig, rc->calls == 2 * count);
        close(fd);
    }
    mem_free(all);
}

static void a_frame_past_the_maximum_closes(void **state)
{
    struct rig *rig = *state;
    uint8_t head[4] = {0x7f, 0xff, 0xff, 0xff};
    int fd;

    rig->events.on_data = frames_data;
    fd = rig_dial(rig);
    rig_say(fd, head, 4);
    RIG_UNTIL(rig, rig->conns[0].is_closed);
    assert_int_equal(rig->conns[0].why, E_TOO_BIG);
    rig_hear_end(rig, fd);
    close(fd);
}

static size_t takes_nothing(struct conn *conn, void *ctx, uint8_t *at, size_t size)
{
    ((struct rig_conn *)ctx)->calls++;
    ((struct rig_conn *)ctx)->received = size;
    return 0;
}

static void bytes_nobody_takes_stay_within_the_maximum(void **state)
{
    struct rig *rig = *state;
    char bytes[1000] = "";
    int fd;

    rig->events.on_data = takes_nothing;
    rig->options.receive_bytes_max = 2000;
    fd = rig_dial(rig);
    rig_say(fd, bytes, 1000);
    RIG_UNTIL(rig, rig->conns[0].received == 1000);
    assert_int_equal(rig->conns[0].calls, 1);
    rig_say(fd, bytes, 500);
    RIG_UNTIL(rig, rig->conns[0].received == 1500);
    assert_int_equal(rig->conns[0].calls, 2);
    rig_say(fd, bytes, 500);
    RIG_UNTIL(rig, rig->conns[0].is_closed);
    assert_int_equal(rig->conns[0].why, E_TOO_BIG);
    close(fd);
}

static void a_paused_connection_reads_nothing(void **state)
{
    struct rig *rig = *state;
    int fd = rig_dial(rig);
    struct rig_conn *rc = &rig->conns[0];
    char got[8];

    conn_pause(rc->conn);
    rig_say(fd, "hello", 5);
    rig_turns(rig, 5);
    assert_int_equal(rc->calls, 0);
    conn_resume(rc->conn);
    rig_hear(rig, fd, got, 5);
    assert_memory_equal(got, "hello", 5);
    close(fd);
}

static size_t pauses_after_each_byte(struct conn *conn, void *ctx, uint8_t *at, size_t size)
{
    conn_send_copy(conn, slice_of(at, 1));
    conn_pause(conn);
    return 1;
}

static void a_pause_inside_on_data_keeps_the_rest(void **state)
{
    struct rig *rig = *state;
    struct rig_conn *rc;
    char got[8];
    int fd;

    rig->events.on_data = pauses_after_each_byte;
    fd = rig_dial(rig);
    rc = &rig->conns[0];
    rig_say(fd, "abcdef", 6);
    for (int i = 0; i < 6; i++) {
        rig_hear(rig, fd, got + i, 1);
        rig_turns(rig, 3);
        assert_int_equal(recv(fd, got + 7, 1, MSG_DONTWAIT), -1);
        conn_resume(rc->conn);
    }
    assert_memory_equal(got, "abcdef", 6);
    close(fd);
}

static int64_t cpu_ms(void)
{
    return (int64_t)clock() * 1000 / CLOCKS_PER_SEC;
}

static void a_peer_that_never_reads_costs_nothing(void **state)
{
    struct rig *rig = *state;
    size_t size = 32 << 20, left;
    uint8_t *bytes = mem_must_alloc(size);
    struct buf b;
    int fd = rig_dial(rig);
    struct rig_conn *rc = &rig->conns[0];
    uint8_t *got;
    int64_t before_ms;

    buf_init(&b, size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 65521);
    assert_int_equal(buf_append(&b, bytes, size), E_OK);
    conn_send(rc->conn, &b);
    assert_null(b.at);
    assert_int_equal(conn_queued_bytes(rc->conn), size);
    rig_turns(rig, 100);
    left = conn_queued_bytes(rc->conn);
    assert_in_range(left, size / 2, size - 1);
    loop_timer_stop(rig->loop, &rig->tick);
    loop_timer_start(rig->loop, &rig->tick, loop_now_ms(rig->loop) + 200);
    before_ms = cpu_ms();
    loop_turn(rig->loop); /* sleeps until the tick: there is nothing to do */
    assert_true(rig->tick.is_started);
    assert_true(cpu_ms() - before_ms < 100);
    assert_int_equal(conn_queued_bytes(rc->conn), left);
    got = mem_must_alloc(size);
    rig_hear(rig, fd, got, size);
    assert_memory_equal(got, bytes, size);
    RIG_UNTIL(rig, rc->drained == 1);
    mem_free(got);
    mem_free(bytes);
    close(fd);
}

static void a_reset_in_mid_send_closes(void **state)
{
    struct rig *rig = *state;
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    struct buf b;
    int fd = rig_dial(rig);

    buf_init(&b, 64 << 20);
    assert_int_equal(buf_reserve(&b, 32 << 20), E_OK);
    memset(b.at, 0, 32 << 20);
    b.size = 32 << 20;
    conn_send(rig->conns[0].conn, &b);
    rig_turns(rig, 10);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
    RIG_UNTIL(rig, rig->conns[0].is_closed);
    assert_int_equal(rig->conns[0].why, E_CLOSED);
}

static void a_peer_that_stopped_sending_still_gets_its_answer(void **state)
{
    struct rig *rig = *state;
    char got[8];
    int fd = rig_dial(rig);

    rig_say(fd, "last", 4);
    shutdown(fd, SHUT_WR);
    rig_hear(rig, fd, got, 4);
    rig_hear_end(rig, fd);
    assert_int_equal(rig->conns[0].why, E_CLOSED);
    close(fd);
}

static size_t closes_when_sent(struct conn *conn, void *ctx, uint8_t *at, size_t size)
{
    conn_send_copy(conn, slice_of_text("bye"));
    conn_close_when_sent(conn);
    conn_send_copy(conn, slice_of_text("too late"));
    return 1;
}

static void close_when_sent_sends_first(void **state)
{
    struct rig *rig = *state;
    char got[8], more[20000] = "";
    int fd;

    rig->events.on_data = closes_when_sent;
    fd = rig_dial(rig);
    rig_say(fd, more, sizeof(more));
    rig_hear(rig, fd, got, 3);
    assert_memory_equal(got, "bye", 3);
    rig_say(fd, more, sizeof(more)); /* unread bytes must not turn the end into a reset */
    rig_turns(rig, 3);
    assert_int_equal(recv(fd, got, 1, 0), 0);
    assert_true(rig->conns[0].is_closed);
    assert_int_equal(rig->conns[0].why, E_CANCELLED);
    close(fd);
}

static size_t closes(struct conn *conn, void *ctx, uint8_t *at, size_t size)
{
    conn_send_copy(conn, slice_of(at, size));
    conn_close(conn);
    conn_close(conn);
    assert_false(((struct rig_conn *)ctx)->is_closed);
    return 0;
}

static void closing_inside_a_callback_is_safe(void **state)
{
    struct rig *rig = *state;
    int fd;

    rig->events.on_data = closes;
    fd = rig_dial(rig);
    rig_say(fd, "x", 1);
    RIG_UNTIL(rig, rig->conns[0].is_closed);
    assert_int_equal(rig->conns[0].why, E_CANCELLED);
    rig_hear_end(rig, fd);
    close(fd);
}

static void idle_and_slow_connections_time_out(void **state)
{
    struct rig *rig = *state;
    int idle, slow, busy;
    uint8_t frame[16];

    rig->events.on_data = frames_data;
    rig->options.idle_timeout_ms = 150;
    rig->options.frame_timeout_ms = 60;
    idle = rig_dial(rig);
    slow = rig_dial(rig);
    busy = rig_dial(rig);
    frame_make(frame, 4);
    rig_say(slow, frame, 5);
    for (int64_t end_ms = loop_now_ms(rig->loop) + 400; loop_now_ms(rig->loop) < end_ms;) {
        uint8_t got[4];

        rig_say(busy, frame, 8);
        rig_hear(rig, busy, got, 4);
        usleep(5000);
    }
    assert_true(rig->conns[0].is_closed && rig->conns[0].why == E_TIMEOUT);
    assert_true(rig->conns[1].is_closed && rig->conns[1].why == E_TIMEOUT);
    assert_false(rig->conns[2].is_closed);
    close(idle);
    close(slow);
    close(busy);
}

static void connects_out(void **state)
{
    struct rig *rig = *state;
    struct net_endpoint to = {.host = "127.0.0.1", .port = listener_port(rig->listener)};
    struct rig_conn *out = &rig->conns[RIG_CONNS_MAX - 1];
    struct conn_handler handler = {&rig->events, out};

    out->rig = rig;
    rig->events.on_data = takes_nothing;
    assert_int_equal(conn_connect(rig->loop, &to, &rig->options, handler, &out->conn), E_OK);
    conn_send_copy(out->conn, slice_of_text("early"));
    RIG_UNTIL(rig, rig->count == 1 && rig->conns[0].received == 5);
    assert_int_equal(out->connected, 1);
    assert_string_not_equal(conn_peer(out->conn), "");
    assert_ptr_equal(conn_loop(out->conn), rig->loop);
    conn_close(rig->conns[0].conn);
    RIG_UNTIL(rig, out->is_closed);
    assert_int_equal(out->why, E_CLOSED);

    listener_close(rig->listener);
    rig->listener = NULL;
    loop_turn(rig->loop);
    *out = (struct rig_conn){.rig = rig};
    if (conn_connect(rig->loop, &to, &rig->options, handler, &out->conn) == E_OK) {
        RIG_UNTIL(rig, out->is_closed);
        assert_int_equal(out->connected, 0);
    }
}

static void a_busy_port_is_an_error(void **state)
{
    struct rig *rig = *state;
    const struct listener_options options = {.on_accept = rig_accept, .ctx = rig};
    struct net_endpoint at = {.host = "127.0.0.1", .port = listener_port(rig->listener)};
    struct listener *listener = NULL;

    assert_int_equal(listener_open(rig->loop, &at, &options, &listener), E_BUSY);
    snprintf(at.host, sizeof(at.host), "192.0.2.1");
    assert_int_equal(listener_open(rig->loop, &at, &options, &listener), E_INVAL);
    snprintf(at.host, sizeof(at.host), "no such name");
    assert_int_equal(listener_open(rig->loop, &at, &options, &listener), E_INVAL);
    assert_null(listener);
}

static void out_of_descriptors_pauses_accepting(void **state)
{
    struct rig *rig = *state;
    struct rlimit before, now;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(listener_port(rig->listener))};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int64_t start_ms;

    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    now = before;
    now.rlim_cur = (rlim_t)fd + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    start_ms = cpu_ms();
    for (int64_t end_ms = loop_now_ms(rig->loop) + 80; loop_now_ms(rig->loop) < end_ms;)
        loop_turn(rig->loop);
    assert_true(cpu_ms() - start_ms < 60);
    assert_int_equal(rig->count, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    RIG_UNTIL(rig, rig->count == 1);
    close(fd);
}

TESTS(test_conn, RIG_TEST(echoes_single_bytes_and_large_pieces),
      RIG_TEST(frames_of_all_sizes_arrive_whole), RIG_TEST(a_frame_past_the_maximum_closes),
      RIG_TEST(bytes_nobody_takes_stay_within_the_maximum),
      RIG_TEST(a_paused_connection_reads_nothing), RIG_TEST(a_pause_inside_on_data_keeps_the_rest),
      RIG_TEST(a_peer_that_never_reads_costs_nothing), RIG_TEST(a_reset_in_mid_send_closes),
      RIG_TEST(a_peer_that_stopped_sending_still_gets_its_answer),
      RIG_TEST(close_when_sent_sends_first), RIG_TEST(closing_inside_a_callback_is_safe),
      RIG_TEST(idle_and_slow_connections_time_out), RIG_TEST(connects_out),
      RIG_TEST(a_busy_port_is_an_error), RIG_TEST(out_of_descriptors_pauses_accepting));
