#include <stdio.h>

#include "broker/broker_priv.h"
#include "config/config.h"
#include "trace/trace.h"

/*
 * The settings of brokers that were set in the cluster: each shard lays those of the image over its
 * own copy of the node's. What of them is kept elsewhere is told here.
 */

/* What a batch may decompress to while it is checked, at least. */
enum { UNPACKED_BYTES_MAX_MIN = 64 * 1024 * 1024 };

static int64_t slow_ns(const struct config *config)
{
    enum { NS_PER_MS = 1000 * 1000 };
    int64_t ms = config_i64(config, CONFIG_REQUEST_SLOW_MS);

    return ms < 0 || ms > INT64_MAX / NS_PER_MS ? INT64_MAX : ms * NS_PER_MS;
}

enum err shard_settings_open(struct broker_shard *shard)
{
    const struct broker *broker = shard->broker;
    enum err e = config_copy(broker->config, &shard->config);
    int64_t frame_max;

    if (e != E_OK)
        return e;
    frame_max = config_i64(shard->config, CONFIG_SOCKET_REQUEST_MAX);
    shard->frame_bytes_max = (int32_t)frame_max;
    shard->idle_timeout_ms = config_i64(shard->config, CONFIG_CONNECTIONS_IDLE_MS);
    shard->budget.limit_bytes = (size_t)config_i64(shard->config, CONFIG_QUEUED_REQUEST_BYTES) /
                                (size_t)broker->shard_count;
    shard->validates_compressed = config_bool(shard->config, CONFIG_LOG_VALIDATE_COMPRESSED);
    shard->slow_ns = slow_ns(shard->config);
    buf_init(&shard->scratch,
             (size_t)(frame_max > UNPACKED_BYTES_MAX_MIN ? frame_max : UNPACKED_BYTES_MAX_MIN));
    return E_OK;
}

static void take(struct broker_shard *shard, struct slice resource_name, enum config_source source)
{
    struct meta_configs configs =
        meta_image_configs(shard->image, META_RESOURCE_BROKER, resource_name);

    config_unset_all(shard->config, source);
    for (size_t i = 0; i < configs.count; i++) {
        /* Values were checked when they were set; one that a newer version wrote and we do not
         * know is as good as unset. */
        enum err e =
            config_set(shard->config, configs.at[i].name, configs.at[i].value, source, NULL);

        (void)e;
    }
}

/* What all shards share is told by one of them. */
static void tell_node(struct broker_shard *shard)
{
    const struct config *config = shard->config;
    struct trace *trace = shard->broker->trace;
    enum err e;

    shard->broker->connections_max = config_i64(config, CONFIG_MAX_CONNECTIONS);
    shard->broker->peers.connections_max = config_i64(config, CONFIG_MAX_CONNECTIONS_PER_IP);
    if (trace == NULL)
        return;
    trace_set_level(trace, (enum trace_level)config_choice(config, CONFIG_TRACE_LEVEL));
    e = trace_set_levels(trace, slice_of_text(config_text(config, CONFIG_TRACE_COMPONENTS)), NULL);
    (void)e; /* what is no level is left out */
}

static bool is_changed(const struct broker_shard *shard)
{
    for (size_t i = 0; i < shard->delta.changes.count; i++) {
        const struct meta_change *change = vec_at(&shard->delta.changes, i);

        if (change->kind == META_CONFIG_CHANGED && change->resource_type == META_RESOURCE_BROKER &&
            (change->broker_id < 0 || change->broker_id == shard->broker->node_id))
            return true;
    }
    return false;
}

void shard_settings_follow(struct broker_shard *shard)
{
    char name[16];

    if (!is_changed(shard))
        return;
    snprintf(name, sizeof(name), "%d", (int)shard->broker->node_id);
    take(shard, slice_of_text(""), CONFIG_SOURCE_DYNAMIC_DEFAULT);
    take(shard, slice_of_text(name), CONFIG_SOURCE_DYNAMIC);
    shard->validates_compressed = config_bool(shard->config, CONFIG_LOG_VALIDATE_COMPRESSED);
    shard->slow_ns = slow_ns(shard->config);
    if (shard->index == 0)
        tell_node(shard);
}
