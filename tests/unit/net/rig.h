#pragma once

/*
 * A loop with a listener and the connections that it accepted, stepped by the
 * test; the far ends are plain sockets, so that a test decides byte by byte what
 * arrives when.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/conn.h"
#include "net/loop.h"
#include "net/loop_priv.h"
#include "os/os.h"
#include "unit.h"

enum { RIG_CONNS_MAX = 4096 };

struct rig;

/* One accepted connection and what happened to it. */
struct rig_conn {
    struct rig *rig;
    struct conn *conn; /* NULL after on_close */
    size_t received;
    size_t calls;
    size_t drained;
    size_t connected;
    bool is_closed;
    enum err why;
};

struct rig {
    struct os *os;
    struct loop *loop;
    struct listener *listener;
    struct loop_timer tick; /* so that no turn waits longer than a ms */
    struct conn_options options;
    struct conn_events events;
    struct rig_conn *conns;
    size_t count;
};

static inline size_t rig_echo(struct conn *conn, void *ctx, uint8_t *at, size_t size)
{
    struct rig_conn *rc = ctx;

    rc->received += size;
    rc->calls++;
    conn_send_copy(conn, slice_of(at, size));
    return size;
}

static inline void rig_drained(struct conn *conn, void *ctx)
{
    ((struct rig_conn *)ctx)->drained++;
}

static inline void rig_connected(struct conn *conn, void *ctx)
{
    ((struct rig_conn *)ctx)->connected++;
}

static inline void rig_closed(struct conn *conn, void *ctx, enum err why)
{
    struct rig_conn *rc = ctx;

    assert_false(rc->is_closed);
    rc->is_closed = true;
    rc->conn = NULL;
    rc->why = why;
}

static inline void rig_accept(void *ctx, struct net_socket *socket, const char *peer)
{
    struct rig *rig = ctx;
    struct rig_conn *rc = &rig->conns[rig->count];
    struct conn_handler handler = {&rig->events, rc};

    assert_true(rig->count < RIG_CONNS_MAX);
    assert_non_null(strstr(peer, "127.0.0.1:"));
    rc->rig = rig;
    rig->count++;
    assert_int_equal(conn_open(rig->loop, socket, &rig->options, handler, &rc->conn), E_OK);
}

static inline void rig_tick(struct loop_timer *timer)
{
    struct rig *rig = LIST_ENTRY(timer, struct rig, tick);

    loop_timer_start(rig->loop, timer, loop_now_ms(rig->loop) + 1);
}

static inline int rig_setup(void **state)
{
    struct rig *rig = mem_must_alloc(sizeof(*rig));
    const struct listener_options options = {.on_accept = rig_accept, .ctx = rig};
    const struct net_endpoint at = {.host = "127.0.0.1", .port = 0};

    rig->conns = mem_must_alloc(RIG_CONNS_MAX * sizeof(*rig->conns));
    rig->options.receive_bytes_max = 16 << 20;
    rig->events = (struct conn_events){.on_data = rig_echo,
                                       .on_drained = rig_drained,
                                       .on_connected = rig_connected,
                                       .on_close = rig_closed};
    assert_int_equal(os_open(&rig->os), E_OK);
    assert_int_equal(loop_open(rig->os, &rig->loop), E_OK);
    assert_int_equal(listener_open(rig->loop, &at, &options, &rig->listener), E_OK);
    rig->tick.fire = rig_tick;
    loop_timer_start(rig->loop, &rig->tick, 0);
    *state = rig;
    return 0;
}

static inline int rig_teardown(void **state)
{
    struct rig *rig = *state;

    for (size_t i = 0; i < rig->count; i++) {
        if (rig->conns[i].conn != NULL)
            conn_close(rig->conns[i].conn);
    }
    listener_close(rig->listener);
    loop_timer_stop(rig->loop, &rig->tick);
    loop_turn_again(rig->loop);
    loop_turn(rig->loop);
    loop_close(rig->loop);
    os_close(rig->os);
    mem_free(rig->conns);
    mem_free(rig);
    return 0;
}

static inline void rig_turns(struct rig *rig, int count)
{
    while (count-- > 0)
        loop_turn(rig->loop);
}

/* Turn until the condition holds; it must within some seconds. */
#define RIG_UNTIL(rig, condition)                        \
    do {                                                 \
        int64_t end_ms = os_mono_ms((rig)->os) + 10000;  \
        while (!(condition)) {                           \
            assert_true(os_mono_ms((rig)->os) < end_ms); \
            loop_turn((rig)->loop);                      \
        }                                                \
    } while (0)

/* A far end, connected, not blocking, accepted as rig->conns[rig->count - 1]. */
static inline int rig_dial(struct rig *rig)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(listener_port(rig->listener))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t before = rig->count;
    struct timeval soon = {.tv_usec = 1000};

    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
    RIG_UNTIL(rig, rig->count > before);
    return fd;
}

static inline void rig_say(int fd, const void *bytes, size_t size)
{
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT), size);
}

/* Receive exactly `size` bytes, turning meanwhile. */
static inline void rig_hear(struct rig *rig, int fd, void *bytes_out, size_t size)
{
    size_t got = 0;
    int64_t end_ms = os_mono_ms(rig->os) + 10000;

    while (got < size) {
        ssize_t n = recv(fd, (char *)bytes_out + got, size - got, MSG_DONTWAIT);

        assert_true(n > 0 || (n < 0 && errno == EAGAIN));
        if (n > 0)
            got += (size_t)n;
        else
            loop_turn(rig->loop);
        assert_true(os_mono_ms(rig->os) < end_ms);
    }
}

/* The far end sees the end (or a reset). */
static inline void rig_hear_end(struct rig *rig, int fd)
{
    char byte;
    int64_t end_ms = os_mono_ms(rig->os) + 10000;

    for (;;) {
        ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);

        assert_true(n <= 0);
        if (n == 0 || errno != EAGAIN)
            return;
        loop_turn(rig->loop);
        assert_true(os_mono_ms(rig->os) < end_ms);
    }
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
