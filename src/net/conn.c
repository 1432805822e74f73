#include "net/conn.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/conn_priv.h"
#include "os/errno.h"

/* After its last byte was sent a connection waits this long for the peer's end. */
enum { LINGER_MS = 1000 };

/* Interest. */

void conn_update_interest(struct conn *conn)
{
    uint32_t wanted = 0;

    if (conn->state >= CONN_CLOSING)
        return;
    if (conn_is_reading(conn))
        wanted |= EPOLLIN;
    if (conn->is_blocked || conn->state == CONN_CONNECTING)
        wanted |= EPOLLOUT;
    if (wanted == conn->interest)
        return;
    conn->interest = wanted;
    loop_source_change(conn->loop, &conn->source, conn->fd, wanted);
}

void conn_wants_attention(struct conn *conn)
{
    if (!list_is_linked(&conn->attend))
        list_push_back(&conn->loop->attend, &conn->attend);
}

void conn_fail(struct conn *conn, enum err why)
{
    if (conn->state >= CONN_CLOSING)
        return;
    conn->state = CONN_CLOSING;
    conn->why = why;
    conn_wants_attention(conn);
}

/* Time-outs. */

/* When the next one is over if nothing happens until then; 0: never. */
static int64_t deadline_ms(const struct conn *conn)
{
    const struct conn_options *o = &conn->options;
    int64_t at_ms = 0;

    if (o->idle_timeout_ms > 0)
        at_ms = conn->active_ms + o->idle_timeout_ms;
    if (o->frame_timeout_ms > 0 && conn_is_reading(conn) && conn_left(conn) > 0) {
        int64_t frame_ms = conn->received_ms + o->frame_timeout_ms;

        if (at_ms == 0 || frame_ms < at_ms)
            at_ms = frame_ms;
    }
    return at_ms;
}

/*
 * A timer is moved only to an earlier time, so that the many cases of "something
 * arrived, wait longer" cost nothing; when it fires too early it starts again.
 */
void conn_arm_timer(struct conn *conn)
{
    int64_t at_ms = deadline_ms(conn);

    if (at_ms == 0 || conn->state >= CONN_CLOSING)
        return;
    if (!conn->timer.is_started || at_ms < conn->timer.node.key)
        loop_timer_start(conn->loop, &conn->timer, at_ms);
}

static void on_timer(struct loop_timer *timer)
{
    struct conn *conn = LIST_ENTRY(timer, struct conn, timer);
    int64_t at_ms = deadline_ms(conn);

    if (at_ms > 0 && at_ms <= conn->loop->now_ms && !conn->is_waiting)
        conn_fail(conn, E_TIMEOUT);
    else if (at_ms > 0)
        loop_timer_start(conn->loop, timer, conn->is_waiting ? conn->loop->now_ms + 1000 : at_ms);
}

/* The end. */

static void release(struct loop_source *source)
{
    mem_free(LIST_ENTRY(source, struct conn, source));
}

static void bury(struct conn *conn)
{
    loop_timer_stop(conn->loop, &conn->timer);
    list_remove(&conn->ready); /* also the list of lingering ones */
    close(conn->fd);
    loop_bury(conn->loop, &conn->source);
}

static void on_linger_over(struct loop_timer *timer)
{
    bury(LIST_ENTRY(timer, struct conn, timer));
}

/* Throw away what the peer still sends; until it ends, or a second has passed. */
static void on_linger(struct loop_source *source, uint32_t events)
{
    struct conn *conn = LIST_ENTRY(source, struct conn, source);
    ssize_t count = recv(conn->fd, conn->loop->scratch, LOOP_SCRATCH_SIZE, 0);

    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR) || (events & EPOLLHUP) != 0)
        bury(conn);
}

/*
 * Closing a socket with unread bytes resets the connection, and the reset may
 * overtake the answer that was just sent ("413 too large"). So say that nothing
 * more comes, and read on for a moment.
 */
static void linger(struct conn *conn)
{
    shutdown(conn->fd, SHUT_WR);
    conn->source.ready = on_linger;
    conn->timer.fire = on_linger_over;
    loop_timer_start(conn->loop, &conn->timer, conn->loop->now_ms + LINGER_MS);
    loop_source_change(conn->loop, &conn->source, conn->fd, EPOLLIN);
    list_remove(&conn->ready);
    list_push_back(&conn->loop->linger, &conn->ready);
}

void conn_end_linger(struct loop *loop)
{
    struct list_node *node;

    while ((node = list_first(&loop->linger)) != NULL)
        bury(LIST_ENTRY(node, struct conn, ready));
}

static void finish(struct conn *conn, bool is_polite)
{
    conn->state = CONN_GONE;
    net_budget_leave(conn);
    conn_release_block(conn);
    conn->events->on_close(conn, conn->ctx, conn->why);
    conn_release_queue(conn);
    list_remove(&conn->attend);
    list_remove(&conn->ready);
    if (is_polite)
        linger(conn);
    else
        bury(conn);
}

/* Step 6 for one connection. */
static void attend(struct conn *conn)
{
    bool had_bytes = conn->out.bytes > 0;

    if (conn->state != CONN_CONNECTING && conn->state < CONN_CLOSING && !conn->is_blocked &&
        had_bytes)
        conn_flush(conn);
    if (conn->state == CONN_CLOSING) {
        finish(conn, false);
        return;
    }
    if (conn->out.bytes > 0)
        return;
    if (had_bytes && conn->state < CONN_DRAINING && conn->events->on_drained != NULL)
        conn->events->on_drained(conn, conn->ctx);
    if (conn->out.bytes > 0 || conn->state == CONN_CLOSING)
        return; /* and on_drained made it wait for attention again */
    if (conn->state == CONN_ENDED) {
        conn->why = E_CLOSED;
        finish(conn, false);
    } else if (conn->state == CONN_DRAINING) {
        conn->why = E_CANCELLED;
        finish(conn, true);
    }
}

void conn_attend_all(struct loop *loop)
{
    struct list_node todo, *node;

    list_init(&todo);
    list_splice_back(&todo, &loop->attend);
    while ((node = list_pop_front(&todo)) != NULL)
        attend(LIST_ENTRY(node, struct conn, attend));
}

/* Events. */

static void on_connecting(struct conn *conn)
{
    int error = 0;
    socklen_t size = sizeof(error);

    if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    if (error != 0) {
        conn_fail(conn, os_err_from_errno(error));
        return;
    }
    conn->state = CONN_OPEN;
    conn->active_ms = conn->loop->now_ms;
    conn_update_interest(conn);
    if (conn->out.bytes > 0)
        conn_wants_attention(conn);
    if (conn->events->on_connected != NULL)
        conn->events->on_connected(conn, conn->ctx);
}

static void on_ready(struct loop_source *source, uint32_t events)
{
    struct conn *conn = LIST_ENTRY(source, struct conn, source);

    if (conn->state >= CONN_CLOSING)
        return;
    if (conn->state == CONN_CONNECTING) {
        on_connecting(conn);
        return;
    }
    if ((events & EPOLLOUT) != 0) {
        conn->is_blocked = false; /* flush asks for it again if need be */
        conn_wants_attention(conn);
    }
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && conn_is_reading(conn))
        conn_receive(conn); /* which sees the error, if there is one */
    else if ((events & (EPOLLHUP | EPOLLERR)) != 0)
        conn_fail(conn, E_CLOSED);
    if ((events & EPOLLIN) != 0 && !conn_is_reading(conn))
        conn_update_interest(conn); /* it was paused, and there is something to read */
}

void conn_deliver_ready(struct loop *loop)
{
    struct list_node todo, *node;

    list_init(&todo);
    list_splice_back(&todo, &loop->ready);
    while ((node = list_pop_front(&todo)) != NULL)
        conn_redeliver(LIST_ENTRY(node, struct conn, ready));
}

/* Opening. */

enum err conn_open(struct loop *loop, struct net_socket *socket, const struct conn_options *options,
                   struct conn_handler handler, struct conn **conn_out)
{
    struct conn *conn = mem_alloc_zero(sizeof(*conn));
    enum err e;

    if (conn == NULL) {
        net_socket_close(socket);
        return E_NOMEM;
    }
    conn->source = (struct loop_source){.ready = on_ready, .release = release};
    conn->loop = loop;
    conn->events = handler.events;
    conn->ctx = handler.ctx;
    conn->fd = socket->fd;
    conn->state = socket->is_connecting ? CONN_CONNECTING : CONN_OPEN;
    conn->options = *options;
    conn->received_ms = loop->now_ms;
    conn->active_ms = loop->now_ms;
    conn->timer.fire = on_timer;
    memcpy(conn->peer, socket->peer, sizeof(conn->peer));
    conn->interest = conn->state == CONN_OPEN ? EPOLLIN : EPOLLOUT;
    e = loop_source_add(loop, &conn->source, conn->fd, conn->interest);
    if (e != E_OK) {
        net_socket_close(socket);
        mem_free(conn);
        return e;
    }
    mem_free(socket);
    conn_arm_timer(conn);
    *conn_out = conn;
    return E_OK;
}

enum err conn_connect(struct loop *loop, const struct net_endpoint *to,
                      const struct conn_options *options, struct conn_handler handler,
                      struct conn **conn_out)
{
    struct sockaddr_storage address;
    struct net_socket *taken;
    socklen_t size;
    enum err e = net_resolve(to, false, &address, &size);
    int fd;

    if (e != E_OK)
        return e;
    fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return os_err_from_errno(errno);
    if (connect(fd, (struct sockaddr *)&address, size) != 0 && errno != EINPROGRESS) {
        e = os_err_from_errno(errno);
        close(fd);
        return e;
    }
    e = net_socket_new(fd, &address, &taken);
    if (e != E_OK)
        return e;
    taken->is_connecting = true; /* also when it is up: on_connected comes from the loop */
    return conn_open(loop, taken, options, handler, conn_out);
}

/* What a protocol may ask. */

void conn_pause(struct conn *conn)
{
    conn->is_paused = true; /* epoll is told when it reports bytes: often it need not be */
}

void conn_resume(struct conn *conn)
{
    if (!conn->is_paused)
        return;
    conn->is_paused = false;
    conn->received_ms = conn->loop->now_ms;
    conn_update_interest(conn);
    if (conn_left(conn) > 0 && conn->state < CONN_CLOSING && !list_is_linked(&conn->ready))
        list_push_back(&conn->loop->ready, &conn->ready);
}

void conn_close(struct conn *conn)
{
    conn_fail(conn, E_CANCELLED);
}

void conn_close_when_sent(struct conn *conn)
{
    if (conn->state >= CONN_DRAINING)
        return;
    conn->state = CONN_DRAINING;
    conn_update_interest(conn);
    conn_wants_attention(conn);
}

const char *conn_peer(const struct conn *conn)
{
    return conn->peer;
}

struct loop *conn_loop(const struct conn *conn)
{
    return conn->loop;
}
