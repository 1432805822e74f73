#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/report.h"
#include "meta/image.h"
#include "wire/api.h"

struct config;
struct loop;
struct meter_api;
struct os;
struct os_pool;
struct quorum;
struct replica_roots;
struct replica_stats;
struct trace;

/*
 * Broker: the Kafka door and everything behind it on this node. Clients connect,
 * requests are dispatched to handlers, partitions live on shards.
 *
 * Thread:   open and close where no loop runs, or in a simulation; listen, start
 *           and stop on the loop of shard 0; the facts from any thread.
 * Lifetime: broker_open() .. broker_stop() .. its on_stopped .. broker_close().
 */
struct broker;

enum { BROKER_SHARDS_MAX = 64 };

struct broker_options {
    struct os *os;
    const struct config *config; /* borrowed; does not change while the broker lives */
    struct quorum *quorum;
    struct replica_roots *roots;
    struct trace *trace;          /* may be NULL */
    struct os_pool *pool;         /* for syncs; may be NULL */
    struct os_pool *cleaner_pool; /* for compaction; NULL: none */
    struct loop *const *loops;
    int shard_count; /* loops */

    /* Once, on shard 0's loop: every shard has opened its partitions. May be NULL. */
    void (*on_ready)(void *ctx);
    void *on_ready_ctx;
};

NODISCARD enum err broker_open(const struct broker_options *options, struct broker **broker_out);

/* Everything must have stopped: after on_stopped, with no loop turning. */
void broker_close(struct broker *broker);

/*
 * Bind the listeners of the setting `listeners`. Who connects before the broker
 * is ready waits. An address family that the machine lacks is skipped when
 * another address of the same listener works.
 *
 *   E_BUSY, E_DENIED, E_INVAL  as listener_open; the report names the listener
 */
NODISCARD enum err broker_listen(struct broker *broker, struct report *report);

/* What listens, for the start message and for registration; ports are the real ones. */
size_t broker_listener_count(const struct broker *broker);
void broker_listener(const struct broker *broker, size_t index, struct meta_endpoint *endpoint_out);

/*
 * Stop: accept nobody, finish what is in flight, end the long polls, close the
 * connections and the partitions (synced, marked clean). on_stopped() runs on
 * shard 0's loop when all shards are done, at most BROKER_STOP_MS later.
 */
enum { BROKER_STOP_MS = 10 * 1000 };
void broker_stop(struct broker *broker, void (*on_stopped)(void *ctx), void *ctx);

/* Every shard has seen the metadata that was there at start: it can serve. */
bool broker_is_ready(const struct broker *broker);

/* Any thread: can it serve? NULL: yes; else why not, in a few words. */
const char *broker_unready_text(const struct broker *broker);

/* ---- for metrics; any thread ---- */

struct broker_stats {
    uint64_t connections;
    uint64_t connections_opened;
    uint64_t connections_refused;
    uint64_t connections_dropped;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t throttled_ms;
    uint64_t crc_errors;
    uint64_t damaged_reads;
    int64_t start_ms; /* from opening to being ready; -1: not ready yet */
};
void broker_stats(const struct broker *broker, struct broker_stats *stats_out);

/* Of all shards together; what `sum_out` points to is added to. False: there was no such request.
 */
bool broker_api_stats(const struct broker *broker, int16_t api_key, struct meter_api *sum_out);
void broker_replica_stats(const struct broker *broker, struct replica_stats *sum_out);

int broker_shard_count(const struct broker *broker);
uint64_t broker_shard_busy_ns(const struct broker *broker, int shard);

/* The disks of the data directories, as they were found last. */
struct broker_disk {
    const char *path; /* of the directory; lives as long as the roots */
    int level;        /* 0 to 3: ok, warn, throttle, full (storage/log_guard.h) */
    bool is_failed;   /* a write or a sync failed: nothing is written there any more */
    int64_t size_bytes;
    int64_t free_bytes;
};
size_t broker_disk_count(const struct broker *broker);
struct broker_disk broker_disk(const struct broker *broker, size_t index);
