#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "net/conn.h"
#include "net/loop.h"
#include "net/loop_priv.h"
#include "net/socket_priv.h"

struct os_file;

/*
 * CONNECTING -- socket is writable --> OPEN -- the peer sent its end --> ENDED
 *      |                                |  |                               |
 *      |            conn_close_when_sent|  |conn_fail                      |conn_fail
 *      |                                v  v                               v
 *      |                          DRAINING --> CLOSING -- conn_attend: on_close --> GONE
 *      +--------------------- conn_fail ---------^
 *
 * ENDED and DRAINING read nothing more and become CLOSING once the queue is sent.
 */
enum conn_state { CONN_CONNECTING, CONN_OPEN, CONN_ENDED, CONN_DRAINING, CONN_CLOSING, CONN_GONE };

/* One thing to send: owned bytes, or a range of a file. */
struct send_item {
    uint8_t *at; /* NULL for a file */
    size_t start;
    size_t end;
    size_t capacity; /* of `at`; more may be appended when it is the last item */
    struct os_file *file;
    int64_t pos; /* of `start` in the file */
};

/* A ring, freed when it is empty: an idle connection keeps nothing. */
struct send_queue {
    struct send_item *items;
    uint32_t first;
    uint32_t count;
    uint32_t capacity; /* a power of two, or 0 */
    size_t bytes;
};

/* Unconsumed bytes are at[start, end). Its capacity is charged to the budget. */
struct receive_block {
    uint8_t *at;
    size_t start;
    size_t end;
    size_t capacity;
};

struct conn {
    struct loop_source source;
    struct loop *loop;
    const struct conn_events *events;
    void *ctx;
    int fd;
    enum conn_state state;
    enum err why; /* of the close */
    uint32_t interest;
    bool is_paused;
    bool is_waiting; /* for memory */
    bool is_blocked; /* the socket takes no more bytes now */

    struct receive_block in;
    size_t expect;
    size_t big_frame; /* size of the latest large frame; 0: frames are small */
    struct send_queue out;

    struct conn_options options;
    int64_t received_ms;
    int64_t active_ms;
    struct loop_timer timer;
    struct list_node ready;
    struct list_node attend;
    struct list_node waiting;
    char peer[NET_PEER_SIZE];
};

static inline bool conn_is_reading(const struct conn *conn)
{
    return conn->state == CONN_OPEN && !conn->is_paused && !conn->is_waiting;
}

static inline size_t conn_left(const struct conn *conn)
{
    return conn->in.end - conn->in.start;
}

/* conn.c */

/* End it with `why` at the end of this turn; the first reason stays. */
void conn_fail(struct conn *conn, enum err why);

/* Have it looked at in step 6. */
void conn_wants_attention(struct conn *conn);

/* Tell epoll what it waits for, if that changed. */
void conn_update_interest(struct conn *conn);

/* Make sure that the timer fires when the next time-out may be over. */
void conn_arm_timer(struct conn *conn);

void conn_deliver_ready(struct loop *loop);
void conn_attend_all(struct loop *loop);
void conn_end_linger(struct loop *loop);

/* conn_receive.c */

/* The socket is readable. */
void conn_receive(struct conn *conn);

/* Offer buffered bytes again, after a pause. */
void conn_redeliver(struct conn *conn);
void conn_release_block(struct conn *conn);

/* conn_send.c */

/* Send what the socket takes, up to a bound. */
void conn_flush(struct conn *conn);
void conn_release_queue(struct conn *conn);

/* budget.c */

/* How many more bytes `conn` may hold now; as favoured connection any number. */
size_t net_budget_room(const struct conn *conn);

/* Make it the favoured one, unless another is; true if it is now. */
bool net_budget_favour(struct conn *conn);
void net_budget_wait(struct conn *conn);
void net_budget_charge(struct conn *conn, size_t capacity_before, size_t capacity_after);

/* It holds nothing now: if it was favoured, let somebody else be. */
void net_budget_done(struct conn *conn);

/* It closes. */
void net_budget_leave(struct conn *conn);
