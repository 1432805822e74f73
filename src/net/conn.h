#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

struct loop;
struct os_file;

/*
 * Connections and listeners: bytes in, bytes out, on one loop, with bounded memory.
 * Protocols (Kafka, HTTP, gRPC) stand above and only see conn_events.
 */

/* "127.0.0.1", "::1" or a name; port 0 asks the system for a free one. */
enum { NET_HOST_SIZE = 256 };

struct net_endpoint {
    char host[NET_HOST_SIZE];
    uint16_t port;
};

/*
 * Budget: what all connections that share it may hold in receive buffers
 * together. When it is used up, connections wait for memory instead of reading,
 * except one at a time, so that somebody always finishes. One per loop and door.
 */
struct net_budget {
    size_t limit_bytes;
    size_t used_bytes;
    struct conn *favoured; /* the one that may pass the limit */
    size_t waiting_count;
};

struct conn;

/*
 * What a protocol implements. `ctx` is that of the conn_handler.
 * Inside a callback any conn_ function may be called; the conn itself stays
 * valid until on_close returns.
 */
struct conn_events {
    /*
     * `size` unconsumed bytes stand at `at`; they may be changed in place, and
     * are gone when it returns. Returns how many leading bytes are done with.
     * Called again at once while bytes are consumed and some are left, else
     * when more bytes are there, or as many as conn_expect() asked for in it.
     */
    size_t (*on_data)(struct conn *conn, void *ctx, uint8_t *at, size_t size);

    /* The send queue fell to zero after it was not. May be NULL. */
    void (*on_drained)(struct conn *conn, void *ctx);

    /* An outgoing connection is up. May be NULL. */
    void (*on_connected)(struct conn *conn, void *ctx);

    /*
     * The last call. E_CLOSED: the peer ended it (if it only stopped sending,
     * what is queued by the end of that turn still leaves); E_TIMEOUT: idle too
     * long; E_CANCELLED: our conn_close; E_TOO_BIG, E_IO, E_NOMEM.
     */
    void (*on_close)(struct conn *conn, void *ctx, enum err why);
};

struct conn_options {
    size_t receive_bytes_max;  /* the largest frame: a bound on the receive buffer */
    size_t receive_bytes_idle; /* kept while nothing is expected; 0 frees it */
    int64_t idle_timeout_ms;   /* no byte in either direction; 0: never */
    int64_t frame_timeout_ms;  /* an incomplete frame makes no progress; 0: never */
    struct net_budget *budget; /* NULL: none; borrowed until on_close */
};

/* Who is told. Both are borrowed until on_close. */
struct conn_handler {
    const struct conn_events *events;
    void *ctx; /* for each of them */
};

/* An accepted or connecting socket that has no conn yet. May change threads. */
struct net_socket;

void net_socket_close(struct net_socket *socket);

/*
 * Take `socket` onto `loop`.
 *
 *   E_NOMEM  and the socket is closed
 */
NODISCARD enum err conn_open(struct loop *loop, struct net_socket *socket,
                             const struct conn_options *options, struct conn_handler handler,
                             struct conn **conn_out);

/* Connect out; on_connected or on_close follows. Names are resolved (blocking: use addresses). */
NODISCARD enum err conn_connect(struct loop *loop, const struct net_endpoint *to,
                                const struct conn_options *options, struct conn_handler handler,
                                struct conn **conn_out);

/*
 * on_data is not called before `size` unconsumed bytes are there; 0 or 1: any.
 * Forgotten by the next call of on_data: so a protocol says it, inside on_data,
 * about the frame that starts after the bytes it returns as done with. More
 * than receive_bytes_max closes the connection with E_TOO_BIG.
 */
void conn_expect(struct conn *conn, size_t size);

/* Stop and go on reading. on_data is not called while paused. */
void conn_pause(struct conn *conn);
void conn_resume(struct conn *conn);

/*
 * Queue bytes; they leave in step 6 of the turn. Takes the memory of `bytes`
 * and leaves it empty. Never fails: an error comes as on_close.
 */
void conn_send(struct conn *conn, struct buf *bytes);

/* Queue a copy of `bytes`: for small things. */
void conn_send_copy(struct conn *conn, struct slice bytes);

/*
 * Queue a range of a file; takes a reference of its own. Leaves by sendfile or
 * by read and send, whichever net/ measured to be cheaper for the size. A file
 * that shrank under it closes the connection.
 */
void conn_send_file(struct conn *conn, struct os_file *file, int64_t pos, size_t size);

/* Bytes queued and not yet taken by the kernel. */
size_t conn_queued_bytes(const struct conn *conn);

/*
 * Close now: what is queued is lost. on_close(E_CANCELLED) comes in step 6 of
 * this turn (of the next one, if this is step 6), never inside this call.
 */
void conn_close(struct conn *conn);

/*
 * Close once the queue is sent, then on_close(E_CANCELLED); nothing more is read
 * or queued. The peer is given a second to read it all before a reset.
 */
void conn_close_when_sent(struct conn *conn);

/* Peer as "127.0.0.1:53412"; valid while the conn is. */
const char *conn_peer(const struct conn *conn);
struct loop *conn_loop(const struct conn *conn);

/*
 * Listener: accepts on `loop` and gives each socket away; the owner may pass it
 * to another loop with loop_post and open the conn there.
 *
 *   E_BUSY    the port is taken
 *   E_DENIED  the port needs privileges
 *   E_INVAL   no such address on this machine
 */
struct listener;

struct listener_options {
    void (*on_accept)(void *ctx, struct net_socket *socket, const char *peer);
    void *ctx;
};

NODISCARD enum err listener_open(struct loop *loop, const struct net_endpoint *at,
                                 const struct listener_options *options,
                                 struct listener **listener_out);

/* The port it got, when it asked for 0. */
uint16_t listener_port(const struct listener *listener);
void listener_close(struct listener *listener);
