#pragma once

#include "base/heap.h"
#include "base/list.h"
#include "net/conn.h"
#include "net/link.h"
#include "net/loop.h"

/* As src/net/loop.c, step for step; only what waits and what is ready differs. */
struct loop {
    struct os *os;
    struct sim_world *world;
    struct sim_thread *thread; /* that runs it; NULL: none */
    struct heap timers;
    struct list_node posted;
    struct list_node hooks;
    struct list_node conns;
    struct list_node listeners;
    int64_t now_ms;
    int64_t wall_ms;
    bool is_again;
    bool is_stopping;
};

/* Something came for it. */
void sim_loop_wake(struct loop *loop);

/*
 * CONNECTING -> OPEN -> ENDED (the peer's end arrived) or DRAINING (close when
 * sent) -> CLOSING -> on_close and gone.
 */
enum conn_state { CONN_CONNECTING, CONN_OPEN, CONN_ENDED, CONN_DRAINING, CONN_CLOSING };

struct conn {
    struct list_node entry; /* in loop->conns */
    struct loop *loop;
    const struct conn_events *events;
    void *ctx;
    struct sim_end *end;
    enum conn_state state;
    enum err why;
    bool is_paused;
    bool is_waiting; /* for memory of its budget */
    bool is_ready;   /* bytes that stand in `in` may be offered again */

    uint8_t *in;
    size_t in_size;
    size_t in_capacity;
    size_t expect;
    struct list_node out;
    size_t out_bytes;

    struct conn_options options;
    int64_t received_ms;
    int64_t active_ms;
    struct loop_timer timer;
    char peer[NET_HOST_SIZE + 8];
};

struct net_socket {
    struct sim_end *end;
    bool is_connecting;
};

/* Would a turn do anything for it now? */
bool sim_conn_has_work(const struct conn *conn);

/* Step 2 and step 6 of one connection; the second may free it. */
void sim_conn_receive(struct conn *conn);
void sim_conn_attend(struct conn *conn);

void sim_conn_fail(struct conn *conn, enum err why);

bool sim_listener_has_work(struct list_node *entry);
void sim_listener_accept(struct list_node *entry);
