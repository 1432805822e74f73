#include "net/conn.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "net/loop_priv.h"
#include "os/file.h"

enum {
    READ_SIZE_MAX = 64 << 10,
    READ_BYTES_PER_TURN = 1 << 20,
    WRITE_SIZE_MAX = 64 << 10,
    SHORT_READ_CHANCE = 4
};

/* One thing to send: bytes, or a range of a file. */
struct item {
    struct list_node entry;
    struct buf bytes;
    size_t start;
    struct os_file *file; /* NULL: bytes */
    int64_t pos;
    size_t size; /* left of the file's range */
};

static bool is_reading(const struct conn *conn)
{
    return conn->state == CONN_OPEN && !conn->is_paused && !conn->is_waiting;
}

void sim_conn_fail(struct conn *conn, enum err why)
{
    if (conn->state == CONN_CLOSING)
        return;
    conn->state = CONN_CLOSING;
    conn->why = why;
    conn->loop->is_again = true;
    sim_loop_wake(conn->loop);
}

bool sim_conn_has_work(const struct conn *conn)
{
    const struct sim_end *end = conn->end;

    if (conn->state == CONN_CLOSING || end->failed != E_OK)
        return true;
    if (conn->state == CONN_CONNECTING)
        return end->is_up;
    if (is_reading(conn) && (end->received_size > 0 || end->is_ended || conn->is_ready))
        return true;
    if (conn->out_bytes > 0)
        return sim_end_room(end) > 0;
    return conn->state == CONN_ENDED || conn->state == CONN_DRAINING;
}

/* Budget: see net_budget in conn.h. */

static size_t budget_room(const struct conn *conn)
{
    const struct net_budget *budget = conn->options.budget;

    if (budget == NULL || budget->favoured == conn)
        return SIZE_MAX;
    return budget->used_bytes < budget->limit_bytes ? budget->limit_bytes - budget->used_bytes : 0;
}

static void budget_wake(struct loop *loop, const struct net_budget *budget)
{
    if (budget->waiting_count == 0)
        return;
    for (struct list_node *n = loop->conns.next; n != &loop->conns; n = n->next) {
        struct conn *conn = LIST_ENTRY(n, struct conn, entry);

        if (conn->is_waiting && conn->options.budget == budget) {
            conn->is_waiting = false;
            conn->received_ms = loop->now_ms;
            conn->options.budget->waiting_count--;
        }
    }
}

static void set_capacity(struct conn *conn, size_t capacity)
{
    struct net_budget *budget = conn->options.budget;

    if (budget != NULL)
        budget->used_bytes = budget->used_bytes - conn->in_capacity + capacity;
    conn->in_capacity = capacity;
}

static void budget_done(struct conn *conn)
{
    struct net_budget *budget = conn->options.budget;

    if (budget == NULL)
        return;
    if (budget->favoured == conn)
        budget->favoured = NULL;
    budget_wake(conn->loop, budget);
}

/* Room for `size` more bytes; E_AGAIN: there is no memory for them now. */
static enum err reserve(struct conn *conn, size_t *size)
{
    struct net_budget *budget = conn->options.budget;
    size_t need = conn->in_size + *size;
    size_t room = budget_room(conn);
    uint8_t *at;

    if (need <= conn->in_capacity)
        return E_OK;
    if (need - conn->in_capacity > room) {
        if (room == 0 && budget->favoured == NULL) {
            budget->favoured = conn;
        } else if (room + conn->in_capacity <= conn->in_size) {
            return E_AGAIN;
        } else {
            *size = room + conn->in_capacity - conn->in_size;
            need = conn->in_size + *size;
        }
    }
    at = mem_realloc(conn->in, need);
    if (at == NULL)
        return E_NOMEM;
    conn->in = at;
    set_capacity(conn, need);
    return E_OK;
}

static void release_block(struct conn *conn)
{
    mem_free(conn->in);
    conn->in = NULL;
    set_capacity(conn, 0);
}

/* Time-outs. */

static int64_t deadline_ms(const struct conn *conn)
{
    const struct conn_options *o = &conn->options;
    int64_t at_ms = 0;

    if (o->idle_timeout_ms > 0)
        at_ms = conn->active_ms + o->idle_timeout_ms;
    if (o->frame_timeout_ms > 0 && is_reading(conn) && conn->in_size > 0) {
        int64_t frame_ms = conn->received_ms + o->frame_timeout_ms;

        if (at_ms == 0 || frame_ms < at_ms)
            at_ms = frame_ms;
    }
    return at_ms;
}

static void arm_timer(struct conn *conn)
{
    int64_t at_ms = deadline_ms(conn);

    if (at_ms == 0 || conn->state == CONN_CLOSING)
        return;
    if (!conn->timer.is_started || at_ms < conn->timer.node.key)
        loop_timer_start(conn->loop, &conn->timer, at_ms);
}

static void on_timer(struct loop_timer *timer)
{
    struct conn *conn = LIST_ENTRY(timer, struct conn, timer);
    int64_t at_ms = deadline_ms(conn);

    if (at_ms > 0 && at_ms <= conn->loop->now_ms && !conn->is_waiting)
        sim_conn_fail(conn, E_TIMEOUT);
    else if (at_ms > 0)
        loop_timer_start(conn->loop, timer, conn->is_waiting ? conn->loop->now_ms + 1000 : at_ms);
}

/* Receiving. */

static void deliver(struct conn *conn)
{
    conn->is_ready = false;
    while (conn->in_size > 0 && is_reading(conn) && conn->in_size >= conn->expect) {
        size_t taken;

        conn->expect = 0;
        taken = conn->events->on_data(conn, conn->ctx, conn->in, conn->in_size);
        assert(taken <= conn->in_size);
        conn->in_size -= taken;
        if (taken > 0)
            memmove(conn->in, conn->in + taken, conn->in_size);
        if (taken == 0) {
            if (is_reading(conn) && conn->expect <= conn->in_size)
                conn_expect(conn, conn->in_size + 1);
            break;
        }
    }
    if (conn->in_size > 0 && conn->state == CONN_OPEN)
        return;
    if (conn->in_size == 0 && conn->in_capacity > conn->options.receive_bytes_idle)
        release_block(conn);
    if (conn->in_size == 0)
        budget_done(conn);
}

/* One read; false: there is nothing more to read now. */
static bool receive_some(struct conn *conn, size_t *total)
{
    struct rng *rng = &conn->loop->world->rng;
    size_t size = conn->end->received_size;
    size_t room = conn->options.receive_bytes_max - conn->in_size;
    enum err e;

    if (size == 0) {
        if (conn->end->is_ended)
            conn->state = CONN_ENDED;
        return false;
    }
    size = size < READ_SIZE_MAX ? size : READ_SIZE_MAX;
    size = size < room ? size : room;
    if (size == 0) {
        sim_conn_fail(conn, E_TOO_BIG);
        return false;
    }
    if (rng_chance(rng, 1, SHORT_READ_CHANCE))
        size = 1 + (size_t)rng_below(rng, size);
    e = reserve(conn, &size);
    if (e == E_AGAIN) {
        conn->is_waiting = true;
        conn->options.budget->waiting_count++;
        return false;
    }
    if (e != E_OK) {
        sim_conn_fail(conn, e);
        return false;
    }
    conn->in_size += sim_end_read(conn->end, conn->in + conn->in_size, size);
    *total += size;
    conn->received_ms = conn->loop->now_ms;
    conn->active_ms = conn->loop->now_ms;
    deliver(conn);
    return true;
}

void sim_conn_receive(struct conn *conn)
{
    size_t total = 0;

    if (conn->end->failed != E_OK) {
        sim_conn_fail(conn, conn->end->failed);
        return;
    }
    if (conn->state == CONN_CONNECTING && conn->end->is_up) {
        conn->state = CONN_OPEN;
        conn->active_ms = conn->loop->now_ms;
        if (conn->events->on_connected != NULL)
            conn->events->on_connected(conn, conn->ctx);
    }
    if (conn->is_ready && is_reading(conn))
        deliver(conn);
    while (is_reading(conn) && total < READ_BYTES_PER_TURN) {
        if (!receive_some(conn, &total))
            break;
    }
    arm_timer(conn);
}

void conn_expect(struct conn *conn, size_t size)
{
    if (size > conn->options.receive_bytes_max)
        sim_conn_fail(conn, E_TOO_BIG);
    else
        conn->expect = size;
}

void conn_pause(struct conn *conn)
{
    conn->is_paused = true;
}

void conn_resume(struct conn *conn)
{
    if (!conn->is_paused)
        return;
    conn->is_paused = false;
    conn->received_ms = conn->loop->now_ms;
    conn->is_ready = conn->in_size > 0;
    conn->loop->is_again = true;
}

/* Sending. */

static void item_free(struct item *item)
{
    list_remove(&item->entry);
    buf_release(&item->bytes);
    os_file_unref(item->file);
    mem_free(item);
}

static struct item *item_add(struct conn *conn, size_t size)
{
    struct item *item = mem_alloc_zero(sizeof(*item));

    if (item == NULL) {
        sim_conn_fail(conn, E_NOMEM);
        return NULL;
    }
    conn->out_bytes += size;
    list_push_back(&conn->out, &item->entry);
    return item;
}

static bool is_sending(const struct conn *conn, size_t size)
{
    return size > 0 && conn->state < CONN_DRAINING;
}

void conn_send(struct conn *conn, struct buf *bytes)
{
    struct item *item = is_sending(conn, bytes->size) ? item_add(conn, bytes->size) : NULL;

    if (item == NULL) {
        buf_release(bytes);
        return;
    }
    item->bytes = *bytes;
    buf_init(bytes, item->bytes.max);
}

void conn_send_copy(struct conn *conn, struct slice bytes)
{
    struct buf copy;

    buf_init(&copy, bytes.size);
    if (buf_append(&copy, bytes.at, bytes.size) != E_OK) {
        buf_release(&copy);
        sim_conn_fail(conn, E_NOMEM);
        return;
    }
    conn_send(conn, &copy);
    buf_release(&copy);
}

void conn_send_file(struct conn *conn, struct os_file *file, int64_t pos, size_t size)
{
    struct item *item = is_sending(conn, size) ? item_add(conn, size) : NULL;

    if (item == NULL)
        return;
    item->file = os_file_ref(file);
    item->pos = pos;
    item->size = size;
}

size_t conn_queued_bytes(const struct conn *conn)
{
    return conn->out_bytes;
}

/* Copy the next bytes of the queue, up to `size`, from as many items as it takes. */
static enum err gather(struct conn *conn, uint8_t *bytes_out, size_t size, size_t *size_out)
{
    size_t done = 0;

    while (done < size && conn->out_bytes > 0) {
        struct item *item = LIST_ENTRY(list_first(&conn->out), struct item, entry);
        size_t left = item->file == NULL ? item->bytes.size - item->start : item->size;
        size_t part = left < size - done ? left : size - done;

        if (item->file == NULL) {
            memcpy(bytes_out + done, item->bytes.at + item->start, part);
            item->start += part;
        } else {
            size_t got = 0;
            enum err e = os_file_read(item->file, item->pos, bytes_out + done, part, &got);

            if (e != E_OK || got < part)
                return e != E_OK ? e : E_IO; /* it shrank under us */
            item->pos += (int64_t)part;
            item->size -= part;
        }
        done += part;
        conn->out_bytes -= part;
        if (part == left)
            item_free(item);
    }
    *size_out = done;
    return E_OK;
}

static void flush(struct conn *conn)
{
    uint8_t bytes[WRITE_SIZE_MAX];
    size_t room;

    while (conn->out_bytes > 0 && (room = sim_end_room(conn->end)) > 0 &&
           conn->end->failed == E_OK) {
        size_t size = 0;
        enum err e = gather(conn, bytes, room < sizeof(bytes) ? room : sizeof(bytes), &size);

        if (e != E_OK) {
            sim_conn_fail(conn, e);
            return;
        }
        sim_end_send(conn->end, bytes, size);
        conn->active_ms = conn->loop->now_ms;
    }
}

static void finish(struct conn *conn)
{
    struct list_node *n;

    if (conn->is_waiting)
        conn->options.budget->waiting_count--;
    conn->is_waiting = false;
    release_block(conn);
    budget_done(conn);
    conn->events->on_close(conn, conn->ctx, conn->why);
    while ((n = list_first(&conn->out)) != NULL)
        item_free(LIST_ENTRY(n, struct item, entry));
    loop_timer_stop(conn->loop, &conn->timer);
    sim_end_close(conn->end);
    list_remove(&conn->entry);
    mem_free(conn);
}

void sim_conn_attend(struct conn *conn)
{
    bool had_bytes = conn->out_bytes > 0;

    if (conn->state != CONN_CONNECTING && conn->state != CONN_CLOSING && had_bytes)
        flush(conn);
    if (conn->state == CONN_CLOSING) {
        finish(conn);
        return;
    }
    if (conn->out_bytes > 0)
        return;
    if (had_bytes && conn->state < CONN_DRAINING && conn->events->on_drained != NULL)
        conn->events->on_drained(conn, conn->ctx);
    if (conn->out_bytes > 0 || conn->state == CONN_CLOSING)
        return;
    if (conn->state == CONN_ENDED || conn->state == CONN_DRAINING) {
        conn->why = conn->state == CONN_ENDED ? E_CLOSED : E_CANCELLED;
        finish(conn);
    }
}

/* Opening and closing. */

void net_socket_close(struct net_socket *socket)
{
    if (socket == NULL)
        return;
    sim_end_close(socket->end);
    mem_free(socket);
}

enum err conn_open(struct loop *loop, struct net_socket *socket, const struct conn_options *options,
                   struct conn_handler handler, struct conn **conn_out)
{
    struct conn *conn = mem_alloc_zero(sizeof(*conn));

    if (conn == NULL) {
        net_socket_close(socket);
        return E_NOMEM;
    }
    conn->loop = loop;
    conn->events = handler.events;
    conn->ctx = handler.ctx;
    conn->end = socket->end;
    conn->state = socket->is_connecting ? CONN_CONNECTING : CONN_OPEN;
    conn->options = *options;
    conn->received_ms = loop->now_ms;
    conn->active_ms = loop->now_ms;
    conn->timer.fire = on_timer;
    list_init(&conn->out);
    sim_end_peer(conn->end, conn->peer, sizeof(conn->peer));
    conn->end->conn = conn;
    mem_free(socket);
    list_push_back(&loop->conns, &conn->entry);
    loop->is_again = true; /* bytes may have come before */
    sim_loop_wake(loop);
    arm_timer(conn);
    *conn_out = conn;
    return E_OK;
}

enum err conn_connect(struct loop *loop, const struct net_endpoint *to,
                      const struct conn_options *options, struct conn_handler handler,
                      struct conn **conn_out)
{
    struct net_socket *socket = mem_alloc_zero(sizeof(*socket));

    if (socket == NULL)
        return E_NOMEM;
    socket->end = sim_link_connect(loop->os->node, to);
    socket->is_connecting = true;
    return conn_open(loop, socket, options, handler, conn_out);
}

void conn_close(struct conn *conn)
{
    sim_conn_fail(conn, E_CANCELLED);
}

void conn_close_when_sent(struct conn *conn)
{
    if (conn->state >= CONN_DRAINING)
        return;
    conn->state = CONN_DRAINING;
    conn->loop->is_again = true;
}

const char *conn_peer(const struct conn *conn)
{
    return conn->peer;
}

struct loop *conn_loop(const struct conn *conn)
{
    return conn->loop;
}
