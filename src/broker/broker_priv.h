#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "broker/broker.h"
#include "broker/peers_priv.h"
#include "broker/shard_priv.h"
#include "config/listener.h"
#include "net/conn.h"

enum { BROKER_LISTENERS_MAX = CONFIG_LISTENERS_MAX };

/* One bound address. */
struct broker_listener {
    struct broker *broker;
    struct listener *listener;
    struct config_listener at;         /* as bound, with the real port */
    struct config_listener advertised; /* as told to clients */
};

struct broker {
    struct os *os;
    const struct config *config;
    struct quorum *quorum;
    struct replica_roots *roots;
    struct trace *trace;
    struct os_pool *pool;
    struct os_pool *cleaner_pool; /* for compaction; NULL: none */
    int32_t node_id;

    struct broker_shard *shards;
    int shard_count;
    struct broker_listener listeners[BROKER_LISTENERS_MAX];
    size_t listener_count;
    int next_shard;              /* for the next connection */
    int64_t connections_max;     /* max.connections */
    _Atomic int64_t connections; /* open ones, of all shards */
    struct broker_peers peers;   /* shard 0's loop, by which connections are counted */
    _Atomic bool is_ready;
    _Atomic bool is_stopping;
    int64_t opened_ms;
    _Atomic int64_t start_ms; /* from there to being ready; -1 */

    int shards_ready;       /* shard 0's loop, like all that follows */
    struct list_node early; /* struct accepted, before the broker was ready */
    void (*on_ready)(void *ctx);
    void *on_ready_ctx;

    int shards_draining; /* shard 0's loop */
    int shards_running;  /* not stopped yet; shard 0's loop */
    void (*on_stopped)(void *ctx);
    void *on_stopped_ctx;
};

/*
 * Where a client that came in through `session` finds broker `b`: that broker's
 * endpoint of the same listener. False when it has none.
 */
bool broker_endpoint(const struct broker *broker, const struct meta_broker *b,
                     const struct session *session, struct meta_endpoint *endpoint_out);

/* On the shard's own loop. */
NODISCARD enum err shard_open(struct broker *broker, int index, struct loop *loop);
void shard_close(struct broker_shard *shard);

/*
 * Stop in two steps, because the requests of one shard need the partitions of the
 * others: when every shard is drained (no connection, no request under way) all are
 * told to leave: they close their partitions and tell the broker.
 */
void shard_stop(struct broker_shard *shard);
void broker_on_shard_drained(struct broker *broker);
void shard_leave(struct broker_shard *shard);
void broker_on_shard_stopped(struct broker *broker);

/* From a shard: it has seen the metadata that was there at start. */
void broker_on_shard_ready(struct broker *broker);

/* An accepted socket arrives on its shard. */
struct accepted {
    struct loop_task task;
    struct list_node node; /* while the broker is not ready */
    struct broker_listener *listener;
    struct broker_shard *shard;
    struct net_socket *socket;
    struct broker_peer *peer; /* may be NULL */
};
