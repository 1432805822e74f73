#include <assert.h>

#include "base/mem.h"
#include "meta/image_priv.h"

/*
 * Which brokers have which topics, kept in both directions:
 *
 *     image.hosts   broker id -> how many replicas, how many leaders, and its topics
 *     topic.hosts   by broker id: how many partitions of the topic it has
 *
 * Partitions are not listed one by one: of a topic that a broker hosts all partitions are looked
 * at. That costs a few bytes per topic and broker where a list would cost more than the
 * partitions themselves, and changes of leader or ISR do not touch it.
 */
struct host {
    int32_t replicas;
    int32_t leaders;
    struct map_u64 topics; /* struct meta_topic, key: its number */
};

static struct host *host_find(const struct meta_image *image, int32_t broker_id)
{
    return map_u64_find(&image->hosts, (uint32_t)broker_id);
}

static struct host *host_get(struct meta_image *image, int32_t broker_id)
{
    struct host *host = host_find(image, broker_id);

    if (host != NULL)
        return host;
    host = mem_alloc_zero(sizeof(*host));
    if (host == NULL)
        return NULL;
    map_u64_init(&host->topics, image->seed);
    if (map_u64_put(&image->hosts, (uint32_t)broker_id, host) == E_OK)
        return host;
    mem_free(host);
    return NULL;
}

static void host_free(struct host *host)
{
    if (host == NULL)
        return;
    map_u64_release(&host->topics);
    mem_free(host);
}

static void host_free_unused(struct meta_image *image, int32_t broker_id)
{
    struct host *host = host_find(image, broker_id);

    if (host == NULL || host->replicas > 0 || host->leaders > 0)
        return;
    host_free(map_u64_remove(&image->hosts, (uint32_t)broker_id));
}

/* Where the broker is in the topic's list, or would go. */
static int32_t place_of(const struct meta_topic *topic, int32_t broker_id)
{
    int32_t low = 0;
    int32_t high = topic->host_count;

    while (low < high) {
        int32_t middle = low + (high - low) / 2;

        if (topic->hosts[middle].broker_id < broker_id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_there(const struct meta_topic *topic, int32_t at, int32_t broker_id)
{
    return at < topic->host_count && topic->hosts[at].broker_id == broker_id;
}

static enum err topic_host_insert(struct meta_topic *topic, int32_t at, int32_t broker_id)
{
    if (topic->host_count == topic->host_capacity) {
        int32_t capacity = topic->host_capacity * 2 + 3;
        struct meta_topic_host *grown =
            mem_realloc(topic->hosts, (size_t)capacity * sizeof(*grown));

        if (grown == NULL)
            return E_NOMEM;
        topic->hosts = grown;
        topic->host_capacity = capacity;
    }
    for (int32_t i = topic->host_count; i > at; i--)
        topic->hosts[i] = topic->hosts[i - 1];
    topic->hosts[at] = (struct meta_topic_host){.broker_id = broker_id, .count = 0};
    topic->host_count++;
    return E_OK;
}

static void topic_host_remove(struct meta_topic *topic, int32_t at)
{
    for (int32_t i = at; i + 1 < topic->host_count; i++)
        topic->hosts[i] = topic->hosts[i + 1];
    topic->host_count--;
}

/* One replica more of `topic` on the broker. */
static enum err replica_add(struct meta_image *image, struct meta_topic *topic, int32_t broker_id)
{
    struct host *host = host_get(image, broker_id);
    int32_t at = place_of(topic, broker_id);
    enum err e = host == NULL ? E_NOMEM : E_OK;

    if (e == E_OK && !is_there(topic, at, broker_id)) {
        e = topic_host_insert(topic, at, broker_id);
        if (e == E_OK) {
            e = map_u64_put(&host->topics, topic->number, topic);
            if (e != E_OK)
                topic_host_remove(topic, at);
        }
    }
    if (e != E_OK) {
        host_free_unused(image, broker_id);
        return e;
    }
    host->replicas++;
    topic->hosts[at].count++;
    return E_OK;
}

static void replica_remove(struct meta_image *image, struct meta_topic *topic, int32_t broker_id)
{
    struct host *host = host_find(image, broker_id);
    int32_t at = place_of(topic, broker_id);

    assert(host != NULL && is_there(topic, at, broker_id));
    host->replicas--;
    if (--topic->hosts[at].count == 0) {
        topic_host_remove(topic, at);
        map_u64_remove(&host->topics, topic->number);
    }
    host_free_unused(image, broker_id);
}

/* `sign` is 1 for a partition that came, -1 for one that went. */
static void tally_add(struct meta_tally *tally, const struct meta_partition *p, int32_t sign)
{
    struct meta_ids replicas = meta_partition_ids(p, META_REPLICAS);

    if (p->leader == META_NO_LEADER)
        tally->leaderless += sign;
    if (p->leader != replicas.at[0])
        tally->imbalanced += sign;
    if (meta_partition_is_reassigning(p))
        tally->reassigning += sign;
    if (p->counts[META_ELR] > 0 || p->counts[META_LAST_KNOWN_ELR] > 0)
        tally->eligible += sign;
}

enum err meta_index_add(struct meta_image *image, struct meta_topic *topic,
                        const struct meta_partition *p)
{
    struct meta_ids replicas = meta_partition_ids(p, META_REPLICAS);
    struct host *leader = NULL;
    int32_t added = 0;
    enum err e = E_OK;

    while (added < replicas.count && e == E_OK) {
        e = replica_add(image, topic, replicas.at[added]);
        if (e == E_OK)
            added++;
    }
    if (e == E_OK && p->leader != META_NO_LEADER) {
        leader = host_get(image, p->leader);
        e = leader == NULL ? E_NOMEM : E_OK;
    }
    if (e != E_OK) {
        while (added > 0)
            replica_remove(image, topic, replicas.at[--added]);
        return e;
    }
    if (leader != NULL)
        leader->leaders++;
    tally_add(&topic->tally, p, 1);
    tally_add(&image->tally, p, 1);
    return E_OK;
}

void meta_index_remove(struct meta_image *image, struct meta_topic *topic,
                       const struct meta_partition *p)
{
    struct meta_ids replicas = meta_partition_ids(p, META_REPLICAS);

    if (replicas.count == 0)
        return; /* a hole */
    tally_add(&topic->tally, p, -1);
    tally_add(&image->tally, p, -1);
    for (int32_t i = 0; i < replicas.count; i++)
        replica_remove(image, topic, replicas.at[i]);
    if (p->leader != META_NO_LEADER) {
        struct host *leader = host_find(image, p->leader);

        assert(leader != NULL && leader->leaders > 0);
        leader->leaders--;
        host_free_unused(image, p->leader);
    }
}

void meta_index_release(struct meta_image *image)
{
    struct map_iter it = {0};
    struct host *host;

    while ((host = map_u64_next(&image->hosts, &it, NULL)) != NULL)
        host_free(host);
    map_u64_release(&image->hosts);
}

struct meta_load meta_image_load(const struct meta_image *image, int32_t broker_id)
{
    const struct host *host = host_find(image, broker_id);

    if (host == NULL)
        return (struct meta_load){0};
    return (struct meta_load){.replicas = host->replicas, .leaders = host->leaders};
}

const struct meta_topic *meta_image_next_hosted(const struct meta_image *image, int32_t broker_id,
                                                struct map_iter *it)
{
    const struct host *host = host_find(image, broker_id);

    return host == NULL ? NULL : map_u64_next(&host->topics, it, NULL);
}

struct meta_tally meta_image_tally(const struct meta_image *image)
{
    return image->tally;
}
