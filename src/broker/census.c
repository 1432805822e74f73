#include "broker/census.h"

#include <string.h>

#include "base/mem.h"
#include "broker/broker_priv.h"
#include "broker/fetch_session_priv.h"
#include "broker/session_priv.h"
#include "broker/shard_priv.h"
#include "coord/coord.h"
#include "os/os.h"
#include "replica/manager.h"
#include "replica/partition.h"
#include "storage/log.h"
#include "wire/offset_fetch.h"

enum { ARENA_MAX = 64 * 1024 * 1024, OFFSETS_ARENA_MAX = 64 * 1024 * 1024 };

struct broker_census *broker_census_new(struct broker *broker, size_t names_max)
{
    struct broker_census *c = mem_alloc_zero(sizeof(*c));
    uint64_t seed;

    if (c == NULL)
        return NULL;
    os_random(broker->os, &seed, sizeof(seed));
    c->broker = broker;
    c->names_max = names_max;
    arena_init(&c->arena, ARENA_MAX);
    vec_init(&c->lags, sizeof(struct broker_census_lag), names_max);
    map_slice_init_borrowing(&c->by_name, seed);
    return c;
}

void broker_census_free(struct broker_census *c)
{
    if (c == NULL)
        return;
    map_slice_release(&c->by_name);
    vec_release(&c->lags);
    arena_release(&c->arena);
    mem_free(c);
}

/* ---- topics ---- */

static bool topic_alloc(struct broker_census *c, const struct meta_topic *topic,
                        struct broker_census_topic **out)
{
    struct broker_census_topic *t = arena_alloc(&c->arena, sizeof(*t));

    if (t == NULL)
        return false;
    t->name = arena_copy(&c->arena, topic->name);
    t->ends = arena_alloc_array(&c->arena, (size_t)topic->partition_count, sizeof(*t->ends));
    if (t->name.at == NULL || t->ends == NULL || map_slice_put(&c->by_name, t->name, t) != E_OK)
        return false;
    t->partition_count = topic->partition_count;
    for (int32_t i = 0; i < t->partition_count; i++)
        t->ends[i] = -1;
    *out = t;
    return true;
}

/* NULL: there are too many, or no memory. */
static struct broker_census_topic *topic_get(struct broker_census *c,
                                             const struct meta_topic *topic)
{
    struct broker_census_topic *t = map_slice_find(&c->by_name, topic->name);

    if (t != NULL || c->topic_count >= c->names_max || !topic_alloc(c, topic, &t))
        return t;
    c->topic_count++;
    t->next = c->topics;
    c->topics = t;
    return t;
}

struct shard_visit {
    struct broker_census *census;
    struct broker_shard *shard;
    struct arena arena; /* of the offsets of groups */
};

static bool partition_visit(void *ctx, struct partition *p)
{
    struct shard_visit *v = ctx;
    struct broker_census *c = v->census;
    struct partition_id id = partition_id(p);
    const struct meta_topic *topic = meta_image_topic_by_id(v->shard->image, id.topic_id);
    const struct meta_partition *m = topic == NULL ? NULL : meta_topic_partition(topic, id.index);
    struct broker_census_topic *t;

    c->log_bytes += log_size_bytes(partition_log(p));
    if (m == NULL)
        return true; /* being deleted */
    if (m->leader == v->shard->broker->node_id) {
        c->partitions_leading++;
        c->under_replicated +=
            meta_partition_ids(m, META_ISR).count < meta_partition_ids(m, META_REPLICAS).count;
    }
    t = topic_get(c, topic);
    if (t == NULL || id.index >= t->partition_count)
        return true;
    t->log_bytes += log_size_bytes(partition_log(p));
    if (m->leader != v->shard->broker->node_id)
        return true;
    t->led_count++;
    t->ends[id.index] = partition_high_watermark(p);
    return true;
}

static void meters_visit(struct broker_census *c, const struct broker_shard *shard)
{
    struct map_iter it = {0};
    const struct topic_settings *settings;

    while ((settings = map_slice_next(&shard->topic_settings, &it, NULL)) != NULL) {
        const struct meta_topic *topic = meta_image_topic_by_id(shard->image, settings->topic_id);
        struct broker_census_topic *t = topic == NULL ? NULL : topic_get(c, topic);

        if (t == NULL)
            continue;
        t->produced_records += settings->meter.produced_records;
        t->produced_bytes += settings->meter.produced_bytes;
        t->produce_failures += settings->meter.produce_failures;
        t->fetched_bytes += settings->meter.fetched_bytes;
    }
}

/* ---- groups ---- */

static bool lag_fill(struct broker_census *c, struct broker_census_lag *lag,
                     const struct wire_offset_fetch_response_offset_fetch_response_topics *topic)
{
    size_t count = (size_t)topic->partitions_count;

    lag->group = arena_copy(&c->arena, lag->group);
    lag->topic = arena_copy(&c->arena, topic->name);
    lag->indexes = arena_alloc_array(&c->arena, count, sizeof(*lag->indexes));
    lag->committed = arena_alloc_array(&c->arena, count, sizeof(*lag->committed));
    if (lag->group.at == NULL || lag->topic.at == NULL || lag->indexes == NULL ||
        lag->committed == NULL)
        return false;
    lag->count = topic->partitions_count;
    for (int32_t i = 0; i < topic->partitions_count; i++) {
        lag->indexes[i] = topic->partitions[i].partition_index;
        lag->committed[i] = topic->partitions[i].committed_offset;
    }
    return true;
}

static bool group_visit(void *ctx, const struct coord_group *group)
{
    struct shard_visit *v = ctx;
    struct broker_census *c = v->census;

    if (strcmp(group->listed.state, "Empty") == 0)
        c->groups[BROKER_CENSUS_EMPTY]++;
    else if (strcmp(group->listed.state, "Stable") == 0)
        c->groups[BROKER_CENSUS_STABLE]++;
    else
        c->groups[BROKER_CENSUS_REBALANCING]++;
    for (int32_t i = 0; i < group->offsets->topics_count; i++) {
        struct broker_census_lag lag = {.group = group->listed.group_id};

        if (c->lags.count >= c->names_max || !lag_fill(c, &lag, &group->offsets->topics[i]) ||
            vec_push(&c->lags, &lag) != E_OK)
            c->lags_left_out++;
    }
    arena_clear(&v->arena);
    return true;
}

/* All shards were asked: what was committed, and where the partitions end. */
static void lags_settle(struct broker_census *c)
{
    for (size_t i = 0; i < c->lags.count; i++) {
        struct broker_census_lag *lag = vec_at(&c->lags, i);
        const struct broker_census_topic *t = map_slice_find(&c->by_name, lag->topic);

        for (int32_t k = 0; t != NULL && k < lag->count; k++) {
            int32_t index = lag->indexes[k];
            int64_t behind;

            if (index < 0 || index >= t->partition_count || t->ends[index] < 0 ||
                lag->committed[k] < 0)
                continue;
            behind = t->ends[index] - lag->committed[k];
            behind = behind > 0 ? behind : 0;
            lag->records += behind;
            lag->most = behind > lag->most ? behind : lag->most;
        }
    }
}

/* ---- the round ---- */

static void memory_visit(struct broker_census *c, const struct broker_shard *shard)
{
    for (struct list_node *n = shard->sessions.next; n != &shard->sessions; n = n->next) {
        const struct session *s = LIST_ENTRY(n, struct session, node);

        c->request_bytes += (int64_t)s->held_bytes;
        c->answer_bytes += s->conn == NULL ? 0 : (int64_t)conn_queued_bytes(s->conn);
    }
    c->receive_bytes += (int64_t)shard->budget.used_bytes;
    c->scratch_bytes += (int64_t)shard->scratch.capacity;
    c->requests += (size_t)shard->request_count;
    c->fetch_sessions += (size_t)fetch_sessions_count(shard->fetch_sessions);
}

static void shard_visit(struct broker_census *c, struct broker_shard *shard)
{
    struct shard_visit v = {.census = c, .shard = shard};
    struct replica_states states;

    memory_visit(c, shard);
    meters_visit(c, shard);
    c->cluster_topics = (int64_t)meta_image_topic_count(shard->image);
    c->cluster_partitions = meta_image_partition_count(shard->image);
    c->cluster_brokers = (int64_t)meta_image_broker_count(shard->image);
    c->metadata_offset = meta_image_offset(shard->image);
    if (shard->manager == NULL || shard->coord == NULL)
        return; /* it has stopped */
    states = replica_states(shard->manager);
    c->partitions_open += states.open;
    c->partitions_waiting += states.waiting;
    c->partitions_offline += states.offline;
    partition_each(shard->replicas, partition_visit, &v);
    arena_init(&v.arena, OFFSETS_ARENA_MAX);
    if (!coord_each_group(shard->coord, &v.arena, group_visit, &v))
        c->lags_left_out++;
    arena_release(&v.arena);
}

static void home_run(struct loop_task *task)
{
    struct broker_census *c = LIST_ENTRY(task, struct broker_census, task);

    lags_settle(c);
    c->topics_left_out =
        (size_t)c->cluster_topics > c->topic_count && c->topic_count >= c->names_max
            ? (size_t)c->cluster_topics - c->topic_count
            : 0;
    c->done(c);
}

static void shard_run(struct loop_task *task)
{
    struct broker_census *c = LIST_ENTRY(task, struct broker_census, task);

    shard_visit(c, &c->broker->shards[c->shard]);
    if (++c->shard < c->broker->shard_count) {
        loop_post(c->broker->shards[c->shard].loop, &c->task);
        return;
    }
    c->task.run = home_run;
    loop_post(c->home, &c->task);
}

void broker_census_start(struct broker_census *census, struct loop *home,
                         void (*done)(struct broker_census *census), void *ctx)
{
    census->home = home;
    census->done = done;
    census->ctx = ctx;
    census->shard = 0;
    census->task.run = shard_run;
    loop_post(census->broker->shards[0].loop, &census->task);
}
