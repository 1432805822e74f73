#include "broker/shard_priv.h"

#include <string.h>

#include "base/mem.h"
#include "broker/broker_priv.h"
#include "broker/fetch_session_priv.h"
#include "broker/request_priv.h"
#include "broker/session_priv.h"
#include "config/config.h"
#include "config/topic.h"
#include "coord/coord.h"
#include "os/os.h"
#include "replica/manager.h"
#include "replica/partition.h"
#include "trace/trace.h"

enum {
    DRAIN_CHECK_MS = 20,
    TRACES_MAX = 10, /* lines from one place, in so many ms */
    TRACES_MS = 10 * 1000,
    NS_PER_US = 1000,
};

struct broker_shard *shard_of(const struct broker_shard *shard, struct uuid topic_id, int32_t index)
{
    struct broker *broker = shard->broker;

    return &broker->shards[replica_owner(topic_id, index, broker->shard_count)];
}

enum err shard_partition(struct broker_shard *shard, struct uuid topic_id, int32_t index,
                         struct partition **partition_out)
{
    struct partition_id id = {.topic_id = topic_id, .index = index};

    if (shard->manager == NULL) /* it has stopped, and others still finish their requests */
        return E_NOT_FOUND;
    return replica_find(shard->manager, id, partition_out);
}

enum wire_error shard_partition_error(const struct broker_shard *shard, struct uuid topic_id,
                                      enum err e)
{
    switch (e) {
    case E_OK:
        return WIRE_ERROR_NONE;
    case E_NOT_FOUND:
        if (!shard->is_draining && meta_image_topic_by_id(shard->image, topic_id) == NULL)
            return WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        return WIRE_ERROR_NOT_LEADER_OR_FOLLOWER;
    default:
        return WIRE_ERROR_KAFKA_STORAGE_ERROR;
    }
}

enum wire_error shard_check_epoch(const struct partition *partition, int32_t client_epoch)
{
    int32_t epoch = partition_leader_epoch(partition);

    if (client_epoch < 0 || client_epoch == epoch)
        return WIRE_ERROR_NONE;
    return client_epoch < epoch ? WIRE_ERROR_FENCED_LEADER_EPOCH : WIRE_ERROR_UNKNOWN_LEADER_EPOCH;
}

/* Sessions. */

void shard_add_session(struct broker_shard *shard, struct session *session)
{
    list_push_back(&shard->sessions, &session->node);
    counter_add(&shard->meter.connections_opened, 1);
}

void shard_remove_session(struct broker_shard *shard, struct session *session)
{
    list_remove(&session->node);
    counter_add(&shard->meter.connections_closed, 1);
    broker_peer_leave(session->peer);
    atomic_fetch_sub_explicit(&shard->broker->connections, 1, memory_order_relaxed);
}

void shard_session_refused(struct broker_shard *shard, struct broker_peer *peer)
{
    counter_add(&shard->meter.connections_refused, 1);
    broker_peer_leave(peer);
    atomic_fetch_sub_explicit(&shard->broker->connections, 1, memory_order_relaxed);
}

void shard_trace_session(struct broker_shard *shard, const struct session *session,
                         const char *reason)
{
    if (trace_limit_pass(&shard->dropped_limit, shard->broker->trace, TRACE_INFO, TRACE_BROKER,
                         "connection_dropped"))
        trace_event(shard->broker->trace, TRACE_INFO, TRACE_BROKER, "connection_dropped",
                    TRACE_FIELDS(trace_text("peer", conn_peer(session->conn)),
                                 trace_text("reason", reason)));
}

/*
 * Where the time went, by turns of the loop: until the turn in which the answer was ready, from
 * there to the turn in which its line was free, and the rest of that turn, which is the handler, a
 * sync, and others that shared it.
 */
void shard_trace_slow(struct broker_shard *shard, const struct request *req, const char *peer,
                      int64_t ns)
{
    int64_t sent_ns = loop_now_ns(shard->loop);

    if (!trace_limit_pass(&shard->slow_limit, shard->broker->trace, TRACE_WARN, TRACE_BROKER,
                          "slow_request"))
        return;
    trace_event(
        shard->broker->trace, TRACE_WARN, TRACE_BROKER, "slow_request",
        TRACE_FIELDS(
            trace_text("api", req->api->name), trace_i64("version", req->header.api_version),
            trace_text("peer", peer), trace_slice("client_id", req->header.client_id),
            trace_correlation_id(req->header.correlation_id), trace_i64("total_us", ns / NS_PER_US),
            trace_i64("wait_us", (req->answered_ns - req->arrived_ns) / NS_PER_US),
            trace_i64("line_us", (sent_ns - req->answered_ns) / NS_PER_US),
            trace_i64("turn_us", (req->arrived_ns + ns - sent_ns) / NS_PER_US),
            trace_i64("sync_us", req->sync_ns / NS_PER_US)));
}

void shard_trace_refused(struct broker_shard *shard, const char *peer, const char *reason)
{
    if (trace_limit_pass(&shard->refused_limit, shard->broker->trace, TRACE_WARN, TRACE_BROKER,
                         "connection_refused"))
        trace_event(shard->broker->trace, TRACE_WARN, TRACE_BROKER, "connection_refused",
                    TRACE_FIELDS(trace_text("peer", peer), trace_text("reason", reason)));
}

/* Topic settings. */

static void settings_release(struct broker_shard *shard)
{
    struct map_iter it = {0};
    struct topic_settings *settings;

    while ((settings = map_slice_next(&shard->topic_settings, &it, NULL)) != NULL)
        mem_free(settings);
    map_slice_release(&shard->topic_settings);
}

/* Metadata has changed: what is known of topics may not be true, and some may be gone. */
static void settings_age(struct broker_shard *shard)
{
    struct map_iter it = {0};
    struct topic_settings *settings;
    struct slice key;

    shard->settings_generation++;
    while ((settings = map_slice_next(&shard->topic_settings, &it, &key)) != NULL) {
        settings->is_stale = true;
        if (meta_image_topic_by_id(shard->image, settings->topic_id) != NULL)
            continue;
        map_slice_remove(&shard->topic_settings, key);
        mem_free(settings);
    }
}

/*
 * Values were checked when they were set; one that a newer version wrote and we do not know is as
 * good as unset.
 */
static struct config_topic *overrides_of(const struct broker_shard *shard, enum meta_resource type,
                                         struct slice name)
{
    struct meta_configs configs = meta_image_configs(shard->image, type, name);
    struct config_topic *own =
        type == META_RESOURCE_GROUP ? config_group_new() : config_topic_new();

    for (size_t i = 0; own != NULL && i < configs.count; i++) {
        enum err e = config_topic_set(own, configs.at[i].name, configs.at[i].value, NULL);

        (void)e;
    }
    return own;
}

struct config_topic *shard_topic_config(const struct broker_shard *shard,
                                        const struct meta_topic *topic)
{
    return overrides_of(shard, META_RESOURCE_TOPIC, topic->name);
}

struct config_topic *shard_group_config(const struct broker_shard *shard, struct slice group_id)
{
    return overrides_of(shard, META_RESOURCE_GROUP, group_id);
}

static void settings_resolve(struct broker_shard *shard, struct topic_settings *settings)
{
    const struct config *broker = shard->config;
    const struct meta_topic *topic = meta_image_topic_by_id(shard->image, settings->topic_id);
    struct config_topic *own = topic == NULL ? NULL : shard_topic_config(shard, topic);
    const char *policy = config_topic_text(broker, own, CONFIG_TOPIC_CLEANUP_POLICY);
    const char *type = config_topic_text(broker, own, CONFIG_TOPIC_TIMESTAMP_TYPE);

    settings->is_stale = false;
    settings->message_bytes_max =
        (int32_t)config_topic_i64(broker, own, CONFIG_TOPIC_MAX_MESSAGE_BYTES);
    settings->is_compacted = strstr(policy, "compact") != NULL;
    settings->is_deleted = strstr(policy, "delete") != NULL;
    settings->is_log_append_time = strcmp(type, "LogAppendTime") == 0;
    settings->before_max_ms = config_topic_i64(broker, own, CONFIG_TOPIC_TIMESTAMP_BEFORE_MS);
    settings->after_max_ms = config_topic_i64(broker, own, CONFIG_TOPIC_TIMESTAMP_AFTER_MS);
    config_topic_free(own);
}

struct topic_settings *shard_topic_settings(struct broker_shard *shard, struct uuid topic_id)
{
    struct slice key = slice_of(topic_id.bytes, sizeof(topic_id.bytes));
    struct topic_settings *settings = map_slice_find(&shard->topic_settings, key);

    if (settings != NULL && settings->is_stale)
        settings_resolve(shard, settings);
    if (settings != NULL)
        return settings;
    settings = mem_alloc_zero(sizeof(*settings));
    if (settings == NULL)
        return NULL;
    settings->topic_id = topic_id;
    key = slice_of(settings->topic_id.bytes, sizeof(settings->topic_id.bytes));
    if (map_slice_put(&shard->topic_settings, key, settings) != E_OK) {
        mem_free(settings);
        return NULL;
    }
    settings_resolve(shard, settings);
    return settings;
}

/* Metadata. */

static void on_records(void *ctx, const struct quorum_batch *batch)
{
    struct broker_shard *shard = ctx;
    struct report report = {0};

    for (size_t i = 0; i < meta_records_count(batch->records); i++) {
        enum err e = meta_image_apply(shard->image, meta_records_at(batch->records, i),
                                      &shard->delta, &report);

        if (e != E_OK) {
            /* The controller applied the same record before: only memory can fail here. */
            trace_event(
                shard->broker->trace, TRACE_ERROR, TRACE_BROKER, "metadata_apply_failed",
                TRACE_FIELDS(trace_offset(batch->last_offset), trace_text("error", report.text)));
        }
    }
    meta_image_set_offset(shard->image, batch->last_offset);
    if (!shard->is_caught_up)
        return;
    settings_age(shard);
    shard_settings_follow(shard);
    replica_apply(shard->manager, shard->image, &shard->delta);
    coord_apply(shard->coord, shard->image, &shard->delta);
    meta_delta_clear(&shard->delta);
}

static void on_replicas_started(void *ctx)
{
    struct broker_shard *shard = ctx;

    broker_on_shard_ready(shard->broker);
}

static void on_caught_up(void *ctx)
{
    struct broker_shard *shard = ctx;

    shard->is_caught_up = true;
    shard_settings_follow(shard);
    replica_apply(shard->manager, shard->image, &shard->delta);
    coord_apply(shard->coord, shard->image, &shard->delta);
    meta_delta_clear(&shard->delta);
    replica_when_started(shard->manager, on_replicas_started, shard);
}

/* Stop: drain; when all are drained leave the quorum, close the partitions, tell the broker. */

static void on_replicas_stopped(void *ctx)
{
    struct broker_shard *shard = ctx;

    replica_manager_close(shard->manager);
    shard->manager = NULL;
    replica_shard_close(shard->replicas);
    shard->replicas = NULL;
    coord_close(shard->coord);
    shard->coord = NULL;
    broker_on_shard_stopped(shard->broker);
}

static void on_gone(void *ctx)
{
    struct broker_shard *shard = ctx;

    coord_stop(shard->coord);
    /* A sync may still be on the pool: of a policy's timer, or for a client that left. */
    replica_shard_stop(shard->replicas, on_replicas_stopped, shard);
}

static void leave_run(struct loop_task *task)
{
    quorum_unobserve(&LIST_ENTRY(task, struct broker_shard, leave_task)->observer);
}

void shard_leave(struct broker_shard *shard)
{
    shard->leave_task.run = leave_run;
    loop_post(shard->loop, &shard->leave_task);
}

static bool is_drained(const struct broker_shard *shard)
{
    return list_is_empty(&shard->sessions) && shard->request_count == 0;
}

static void drain_check(struct loop_timer *timer)
{
    struct broker_shard *shard = LIST_ENTRY(timer, struct broker_shard, drain_timer);
    struct list_node *node;

    if (!is_drained(shard) && loop_now_ms(shard->loop) < shard->drain_until_ms) {
        loop_timer_start(shard->loop, timer, loop_now_ms(shard->loop) + DRAIN_CHECK_MS);
        return;
    }
    node = shard->sessions.next;
    while (node != &shard->sessions) {
        struct session *session = LIST_ENTRY(node, struct session, node);

        node = node->next;
        session_close(session, "the broker stops and the client does not read");
    }
    broker_on_shard_drained(shard->broker);
}

static void drain_start(struct loop_task *task)
{
    struct broker_shard *shard = LIST_ENTRY(task, struct broker_shard, drain_task);
    struct list_node *node = shard->sessions.next;

    shard->is_draining = true;
    shard->drain_until_ms = loop_now_ms(shard->loop) + BROKER_STOP_MS / 2;
    while (node != &shard->sessions) {
        struct session *session = LIST_ENTRY(node, struct session, node);

        node = node->next;
        session_drain(session);
    }
    shard->drain_timer.fire = drain_check;
    loop_timer_start(shard->loop, &shard->drain_timer, loop_now_ms(shard->loop) + 1);
}

void shard_stop(struct broker_shard *shard)
{
    shard->drain_task.run = drain_start;
    loop_post(shard->loop, &shard->drain_task);
}

/* Open and close. */

/* How many descriptors the logs of a shard may keep. */
static int files_max(const struct broker *broker)
{
    enum { LEAST = 16 };
    int64_t all = config_i64(broker->config, CONFIG_LOG_OPEN_FILES);
    int64_t own;

    if (all < 0)
        all = os_files_max(broker->os) / 2;
    own = all / broker->shard_count;
    return own < LEAST ? LEAST : (int)own;
}

static enum err replicas_open(struct broker_shard *shard)
{
    struct broker *broker = shard->broker;
    struct replica_options replica_options = {
        .loop = shard->loop,
        .pool = broker->pool,
        .trace = broker->trace,
        .stats = &shard->background,
        .files_max = files_max(broker),
    };
    struct replica_manager_options manager_options = {
        .roots = broker->roots,
        .trace = broker->trace,
        .node_id = broker->node_id,
        .shard_index = shard->index,
        .shard_count = broker->shard_count,
        .config = shard->config,
        .pool = broker->pool,
        .cleaner_pool = broker->cleaner_pool,
    };
    enum err e = replica_shard_open(&replica_options, &shard->replicas);

    if (e != E_OK)
        return e;
    manager_options.shard = shard->replicas;
    return replica_manager_open(&manager_options, &shard->manager);
}

enum err shard_open(struct broker *broker, int index, struct loop *loop)
{
    struct broker_shard *shard = &broker->shards[index];
    uint64_t seed;
    enum err e;

    os_random(broker->os, &seed, sizeof(seed));
    shard->broker = broker;
    shard->index = index;
    shard->loop = loop;
    list_init(&shard->sessions);
    list_init(&shard->free_requests);
    map_slice_init_borrowing(&shard->topic_settings, seed);
    meta_delta_init(&shard->delta);
    trace_limit_init(&shard->dropped_limit, TRACES_MAX, TRACES_MS);
    trace_limit_init(&shard->refused_limit, TRACES_MAX, TRACES_MS);
    trace_limit_init(&shard->slow_limit, TRACES_MAX, TRACES_MS);
    e = shard_settings_open(shard);
    if (e != E_OK)
        return e;
    shard->image = meta_image_new(seed);
    shard->fetch_sessions = fetch_sessions_new(
        (int)(config_i64(shard->config, CONFIG_FETCH_SESSION_SLOTS) / broker->shard_count), seed);
    if (shard->image == NULL || shard->fetch_sessions == NULL)
        return E_NOMEM;
    e = replicas_open(shard);
    if (e == E_OK)
        e = coord_open(&(struct coord_options){.loop = loop,
                                               .trace = broker->trace,
                                               .manager = shard->manager,
                                               .config = shard->config,
                                               .shard_index = index,
                                               .shard_count = broker->shard_count},
                       &shard->coord);
    if (e != E_OK)
        return e;
    shard->observer = (struct quorum_observer){
        .loop = loop,
        .ctx = shard,
        .on_records = on_records,
        .on_caught_up = on_caught_up,
        .on_gone = on_gone,
    };
    quorum_observe(broker->quorum, &shard->observer);
    return E_OK;
}

void shard_close(struct broker_shard *shard)
{
    struct list_node *node;

    if (shard->broker == NULL)
        return; /* was never opened */
    while ((node = list_pop_front(&shard->free_requests)) != NULL) {
        struct request *req = LIST_ENTRY(node, struct request, node);

        arena_release(&req->arena);
        buf_release(&req->answer);
        mem_free(req);
    }
    replica_manager_close(shard->manager);
    replica_shard_close(shard->replicas);
    coord_close(shard->coord);
    fetch_sessions_free(shard->fetch_sessions);
    settings_release(shard);
    meter_release(&shard->meter);
    meta_delta_release(&shard->delta);
    meta_image_free(shard->image);
    config_free(shard->config);
    buf_release(&shard->scratch);
}
