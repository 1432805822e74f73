#include "broker/broker.h"

#include <string.h>

#include "base/mem.h"
#include "broker/broker_priv.h"
#include "broker/session_priv.h"
#include "config/config.h"
#include "net/loop.h"
#include "os/os.h"
#include "replica/manager.h"
#include "storage/log_guard.h"
#include "trace/trace.h"

int broker_shard_count(const struct broker *broker)
{
    return broker->shard_count;
}

enum err broker_open(const struct broker_options *options, struct broker **broker_out)
{
    struct broker *b = mem_alloc_zero(sizeof(*b));
    uint64_t seed;
    enum err e = E_OK;

    if (b == NULL)
        return E_NOMEM;
    os_random(options->os, &seed, sizeof(seed));
    broker_peers_init(&b->peers, config_i64(options->config, CONFIG_MAX_CONNECTIONS_PER_IP), seed);
    b->os = options->os;
    b->config = options->config;
    b->quorum = options->quorum;
    b->roots = options->roots;
    b->trace = options->trace;
    b->pool = options->pool;
    b->cleaner_pool = options->cleaner_pool;
    b->on_ready = options->on_ready;
    b->on_ready_ctx = options->on_ready_ctx;
    b->opened_ms = os_mono_ms(options->os);
    atomic_init(&b->start_ms, -1);
    list_init(&b->early);
    b->node_id = quorum_node_id(options->quorum);
    b->shard_count = options->shard_count;
    b->connections_max = config_i64(options->config, CONFIG_MAX_CONNECTIONS);
    b->shards = mem_alloc_zero((size_t)b->shard_count * sizeof(*b->shards));
    if (b->shards == NULL)
        e = E_NOMEM;
    for (int i = 0; e == E_OK && i < b->shard_count; i++)
        e = shard_open(b, i, options->loops[i]);
    if (e != E_OK) {
        broker_close(b);
        return e;
    }
    *broker_out = b;
    return E_OK;
}

static void listeners_close(struct broker *b)
{
    for (size_t i = 0; i < b->listener_count; i++)
        listener_close(b->listeners[i].listener);
    b->listener_count = 0;
}

static void early_close(struct broker *b)
{
    struct list_node *node;

    while ((node = list_pop_front(&b->early)) != NULL) {
        struct accepted *a = LIST_ENTRY(node, struct accepted, node);

        net_socket_close(a->socket);
        broker_peer_leave(a->peer);
        mem_free(a);
    }
}

void broker_close(struct broker *b)
{
    if (b == NULL)
        return;
    listeners_close(b);
    early_close(b);
    for (int i = 0; b->shards != NULL && i < b->shard_count; i++)
        shard_close(&b->shards[i]);
    broker_peers_release(&b->peers);
    mem_free(b->shards);
    mem_free(b);
}

/* A socket arrives on its shard. */
static void accepted_run(struct loop_task *task)
{
    struct accepted *a = LIST_ENTRY(task, struct accepted, task);

    if (a->shard->is_draining) {
        net_socket_close(a->socket);
        shard_session_refused(a->shard, a->peer);
    } else {
        session_open(a);
    }
    mem_free(a);
}

/* Connections go to the shards in turn. */
static void accepted_place(struct broker *b, struct accepted *a)
{
    a->shard = &b->shards[b->next_shard];
    b->next_shard = (b->next_shard + 1) % b->shard_count;
    a->task.run = accepted_run;
    if (a->shard == &b->shards[0])
        accepted_run(&a->task);
    else
        loop_post(a->shard->loop, &a->task);
}

/* A socket that is not to be served. */
static void accept_refuse(struct broker *b, struct accepted *a, const char *peer, const char *why)
{
    net_socket_close(a->socket);
    shard_session_refused(&b->shards[0], a->peer);
    shard_trace_refused(&b->shards[0], peer, why);
    mem_free(a);
}

static void on_accept(void *ctx, struct net_socket *socket, const char *peer)
{
    struct broker_listener *listener = ctx;
    struct broker *b = listener->broker;
    int64_t count = atomic_fetch_add_explicit(&b->connections, 1, memory_order_relaxed);
    struct accepted *a = mem_alloc_zero(sizeof(*a));
    enum err e;

    if (a == NULL) {
        net_socket_close(socket);
        shard_session_refused(&b->shards[0], NULL);
        return;
    }
    a->socket = socket;
    a->listener = listener;
    e = count >= b->connections_max ? E_TOO_BIG : broker_peers_enter(&b->peers, peer, &a->peer);
    if (e == E_TOO_BIG)
        accept_refuse(b, a, peer, "max.connections");
    else if (e == E_BUSY)
        accept_refuse(b, a, peer, "max.connections.per.ip");
    else if (e != E_OK)
        accept_refuse(b, a, peer, err_text(e));
    else if (b->shards_ready == b->shard_count)
        accepted_place(b, a);
    else
        list_push_back(&b->early, &a->node);
}

/* Bind one address; `listener` is filled on success. */
static enum err listener_bind(struct broker *b, const struct config_listener *at,
                              struct broker_listener *listener)
{
    struct net_endpoint endpoint = {.port = at->port};
    struct listener_options options = {.on_accept = on_accept, .ctx = listener};
    enum err e;

    memcpy(endpoint.host, at->host, sizeof(endpoint.host));
    e = listener_open(b->shards[0].loop, &endpoint, &options, &listener->listener);
    if (e != E_OK)
        return e;
    listener->broker = b;
    listener->at = *at;
    listener->at.port = listener_port(listener->listener);
    return E_OK;
}

static bool is_any_address(const char *host)
{
    return host[0] == '\0' || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 ||
           strcmp(host, "localhost") == 0;
}

/* Does the listener of that name also stand at another loopback address? */
static bool has_loopback_twin(const struct broker *b, const struct broker_listener *listener)
{
    for (size_t i = 0; i < b->listener_count; i++) {
        const struct config_listener *other = &b->listeners[i].at;

        if (&b->listeners[i] != listener && strcmp(other->name, listener->at.name) == 0 &&
            other->port == listener->at.port && is_loopback(other->host))
            return true;
    }
    return false;
}

/*
 * What clients are told to connect to: advertised.listeners, else the listener
 * itself. One name stands for both loopback addresses, and nobody can connect
 * to "all addresses".
 */
static void advertised_fill(struct broker *b, const struct config_listener *named,
                            size_t named_count, struct broker_listener *listener)
{
    struct config_listener *out = &listener->advertised;

    *out = listener->at;
    for (size_t i = 0; i < named_count; i++) {
        if (strcmp(named[i].name, listener->at.name) == 0) {
            *out = named[i];
            if (out->port == 0)
                out->port = listener->at.port;
            return;
        }
    }
    if (is_any_address(listener->at.host)) {
        memcpy(out->host, "localhost", sizeof("localhost"));
        trace_event(b->trace, TRACE_WARN, TRACE_BROKER, "advertised_as_localhost",
                    TRACE_FIELDS(trace_text("listener", listener->at.name),
                                 trace_text("text", "clients on other machines are told to connect "
                                                    "to themselves: set advertised.listeners")));
    } else if (is_loopback(listener->at.host) && has_loopback_twin(b, listener)) {
        memcpy(out->host, "localhost", sizeof("localhost"));
    }
}

/* Nobody is authenticated yet: whoever reaches the port may read and delete everything. */
static void exposure_warn(struct broker *b, const struct config_listener *at)
{
    if (!is_loopback(at->host))
        trace_event(b->trace, TRACE_WARN, TRACE_BROKER, "listener_without_authentication",
                    TRACE_FIELDS(trace_text("listener", at->name), trace_text("host", at->host),
                                 trace_i64("port", at->port),
                                 trace_text("text", "anyone who reaches this port can read, write "
                                                    "and delete everything")));
}

/* The port of an address of that listener that was bound; 0: there is none. */
static uint16_t named_port(const struct broker *b, const char *name)
{
    for (size_t i = 0; i < b->listener_count; i++) {
        if (strcmp(b->listeners[i].at.name, name) == 0)
            return b->listeners[i].at.port;
    }
    return 0;
}

enum err broker_listen(struct broker *b, struct report *report)
{
    struct config_listener wanted[CONFIG_LISTENERS_MAX];
    struct config_listener named[CONFIG_LISTENERS_MAX];
    size_t wanted_count = 0;
    size_t named_count = 0;
    enum err e;

    e = config_listeners_parse(config_text(b->config, CONFIG_LISTENERS), wanted, &wanted_count,
                               report);
    if (e == E_OK)
        e = config_listeners_parse(config_text(b->config, CONFIG_ADVERTISED_LISTENERS), named,
                                   &named_count, report);
    for (size_t i = 0; e == E_OK && i < wanted_count; i++) {
        struct broker_listener *listener = &b->listeners[b->listener_count];

        /* Port 0 on the second address of a name means the port that the first one got. */
        if (wanted[i].port == 0)
            wanted[i].port = named_port(b, wanted[i].name);
        e = listener_bind(b, &wanted[i], listener);
        if (e == E_OK) {
            exposure_warn(b, &listener->at);
            b->listener_count++;
        } else if (e == E_INVAL && named_port(b, wanted[i].name) != 0) {
            e = E_OK; /* another address of it works */
        } else {
            report_set(
                report, "listen on %s:%u (setting listeners): %s", wanted[i].host, wanted[i].port,
                e == E_BUSY ? "the port is in use; is another broker running?" : err_text(e));
        }
    }
    for (size_t i = 0; e == E_OK && i < b->listener_count; i++)
        advertised_fill(b, named, named_count, &b->listeners[i]);
    if (e != E_OK)
        listeners_close(b);
    return e;
}

size_t broker_listener_count(const struct broker *b)
{
    return b->listener_count;
}

void broker_listener(const struct broker *b, size_t index, struct meta_endpoint *endpoint_out)
{
    const struct broker_listener *listener = &b->listeners[index];

    *endpoint_out = (struct meta_endpoint){
        .name = slice_of_text(listener->advertised.name),
        .host = slice_of_text(listener->advertised.host),
        .port = listener->advertised.port,
    };
}

bool broker_endpoint(const struct broker *broker, const struct meta_broker *b,
                     const struct session *session, struct meta_endpoint *endpoint_out)
{
    const struct broker_listener *through = session == NULL ? NULL : session->listener;

    if (b->id == broker->node_id && through != NULL) {
        *endpoint_out = (struct meta_endpoint){
            .name = slice_of_text(through->advertised.name),
            .host = slice_of_text(through->advertised.host),
            .port = through->advertised.port,
        };
        return true;
    }
    for (int32_t i = 0; i < b->endpoint_count; i++) {
        if (through == NULL || slice_equal_text(b->endpoints[i].name, through->at.name)) {
            *endpoint_out = b->endpoints[i];
            return true;
        }
    }
    return false;
}

bool broker_is_ready(const struct broker *b)
{
    return atomic_load_explicit(&b->is_ready, memory_order_acquire);
}

/* News from a shard, carried to shard 0's loop. */
struct notice {
    struct loop_task task;
    struct broker *broker;
};

static void notice_send(struct broker *b, void (*run)(struct loop_task *task))
{
    struct notice *notice = mem_must_alloc(sizeof(*notice));

    notice->broker = b;
    notice->task.run = run;
    loop_post(b->shards[0].loop, &notice->task);
}

static struct broker *notice_take(struct loop_task *task)
{
    struct notice *notice = LIST_ENTRY(task, struct notice, task);
    struct broker *b = notice->broker;

    mem_free(notice);
    return b;
}

static void ready_run(struct loop_task *task)
{
    struct broker *b = notice_take(task);
    struct list_node *node;

    if (++b->shards_ready < b->shard_count)
        return;
    atomic_store_explicit(&b->start_ms, os_mono_ms(b->os) - b->opened_ms, memory_order_relaxed);
    atomic_store_explicit(&b->is_ready, true, memory_order_release);
    while ((node = list_pop_front(&b->early)) != NULL)
        accepted_place(b, LIST_ENTRY(node, struct accepted, node));
    if (b->on_ready != NULL)
        b->on_ready(b->on_ready_ctx);
}

void broker_on_shard_ready(struct broker *b)
{
    notice_send(b, ready_run);
}

static void drained_run(struct loop_task *task)
{
    struct broker *b = notice_take(task);

    if (--b->shards_draining > 0)
        return;
    for (int i = 0; i < b->shard_count; i++)
        shard_leave(&b->shards[i]);
}

void broker_on_shard_drained(struct broker *b)
{
    notice_send(b, drained_run);
}

static void stopped_run(struct loop_task *task)
{
    struct broker *b = notice_take(task);

    if (--b->shards_running == 0)
        b->on_stopped(b->on_stopped_ctx);
}

void broker_on_shard_stopped(struct broker *b)
{
    notice_send(b, stopped_run);
}

void broker_stop(struct broker *b, void (*on_stopped)(void *ctx), void *ctx)
{
    atomic_store_explicit(&b->is_stopping, true, memory_order_relaxed);
    listeners_close(b);
    early_close(b);
    b->on_stopped = on_stopped;
    b->on_stopped_ctx = ctx;
    b->shards_draining = b->shard_count;
    b->shards_running = b->shard_count;
    for (int i = 0; i < b->shard_count; i++)
        shard_stop(&b->shards[i]);
}

const char *broker_unready_text(const struct broker *b)
{
    size_t failed = 0;

    if (!broker_is_ready(b))
        return "starting";
    if (atomic_load_explicit(&b->is_stopping, memory_order_relaxed))
        return "stopping";
    for (size_t i = 0; i < broker_disk_count(b); i++)
        failed += broker_disk(b, i).is_failed;
    return failed == broker_disk_count(b) ? "no data directory can be written" : NULL;
}

void broker_stats(const struct broker *b, struct broker_stats *stats_out)
{
    struct broker_stats stats = {
        .connections = (uint64_t)atomic_load_explicit(&b->connections, memory_order_relaxed),
        .start_ms = atomic_load_explicit(&b->start_ms, memory_order_relaxed),
    };

    for (int i = 0; i < b->shard_count; i++) {
        const struct meter *meter = &b->shards[i].meter;

        stats.connections_opened += counter_get(&meter->connections_opened);
        stats.connections_refused += counter_get(&meter->connections_refused);
        stats.connections_dropped += counter_get(&meter->connections_dropped);
        stats.bytes_in += counter_get(&meter->bytes_in);
        stats.bytes_out += counter_get(&meter->bytes_out);
        stats.throttled_ms += counter_get(&meter->throttled_ms);
        stats.crc_errors += counter_get(&meter->crc_errors);
        stats.damaged_reads += counter_get(&meter->damaged_reads);
    }
    *stats_out = stats;
}

bool broker_api_stats(const struct broker *b, int16_t api_key, struct meter_api *sum_out)
{
    bool is_known = false;

    for (int i = 0; i < b->shard_count; i++) {
        const struct meter_api *api = meter_api(&b->shards[i].meter, api_key);

        if (api == NULL)
            continue;
        is_known = true;
        hist_merge(&sum_out->us, &api->us);
        for (int k = 0; k < METER_ERRORS; k++)
            counter_add(&sum_out->errors[k], counter_get(&api->errors[k]));
    }
    return is_known;
}

void broker_replica_stats(const struct broker *b, struct replica_stats *sum_out)
{
    for (int i = 0; i < b->shard_count; i++)
        replica_stats_add(sum_out, &b->shards[i].background);
}

uint64_t broker_shard_busy_ns(const struct broker *b, int shard)
{
    return loop_busy_ns(b->shards[shard].loop);
}

size_t broker_disk_count(const struct broker *b)
{
    return replica_roots_count(b->roots);
}

struct broker_disk broker_disk(const struct broker *b, size_t index)
{
    const struct log_root *root = replica_roots_at(b->roots, index);
    struct log_disk disk = log_root_disk(root);

    return (struct broker_disk){.path = log_root_path(root),
                                .level = (int)disk.level,
                                .is_failed = log_root_is_broken(root),
                                .size_bytes = disk.size_bytes,
                                .free_bytes = disk.free_bytes};
}
