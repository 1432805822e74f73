#include "replica/manager.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/parse.h"
#include "config/config.h"
#include "config/topic.h"
#include "net/loop.h"
#include "os/os.h"
#include "replica/guard_priv.h"
#include "replica/manager_priv.h"
#include "replica/partition_priv.h"
#include "replica/scrub_priv.h"
#include "trace/trace.h"

enum {
    MAINTAIN_AT_ONCE = 16,    /* partitions in one tick, so that no turn gets long */
    MAINTAIN_TICK_MS = 10,    /* the least */
    MAINTAIN_SHORT_MS = 1000, /* for all, at most, when a disk gets full */
};

/* Routing must not change between releases of a running cluster's tools; it is not on disk. */
static const uint64_t OWNER_SEED = 0x9e3779b97f4a7c15;

int replica_owner(struct uuid topic_id, int32_t index, int shards)
{
    uint64_t hash =
        hash_u64(hash_bytes(slice_of(topic_id.bytes, sizeof(topic_id.bytes)), OWNER_SEED) +
                     (uint64_t)(uint32_t)index,
                 OWNER_SEED);

    return (int)(hash % (uint64_t)shards);
}

static struct slice key_of(const struct partition_id *id)
{
    return slice_of(id, sizeof(*id));
}

static struct replica_entry *entry_find(const struct replica_manager *m, struct uuid topic_id,
                                        int32_t index)
{
    struct partition_id id = {.topic_id = topic_id, .index = index};

    return map_slice_find(&m->entries, key_of(&id));
}

void replica_trace_entry(const struct replica_manager *m, const struct replica_entry *entry,
                         const struct replica_trouble *t)
{
    trace_event(m->options.trace, t->level, TRACE_REPLICA, t->event,
                TRACE_FIELDS(trace_topic(slice_of_text(entry->topic)),
                             trace_partition(entry->id.index), trace_error(t->err),
                             trace_text("text", t->text != NULL ? t->text : "")));
}

/* Settings */

struct config_topic *replica_topic_config(const struct meta_image *image,
                                          const struct meta_topic *topic)
{
    struct meta_configs configs = meta_image_configs(image, META_RESOURCE_TOPIC, topic->name);
    struct config_topic *t = config_topic_new();

    /* What the controller accepted is set; what an older release accepted and we do not is
     * left at its default. */
    for (size_t i = 0; i < configs.count && t != NULL; i++) {
        enum err e = config_topic_set(t, configs.at[i].name, configs.at[i].value, NULL);

        (void)e;
    }
    return t;
}

/* A segment must be closed before it can be compacted: at most so long it may take (KIP-354). */
static int64_t segment_ms(const struct config *config, const struct config_topic *t,
                          const struct log_options *o)
{
    int64_t ms = config_topic_i64(config, t, CONFIG_TOPIC_SEGMENT_MS);
    int64_t lag_ms = config_topic_i64(config, t, CONFIG_TOPIC_MAX_COMPACTION_LAG_MS);

    return o->is_compacted && lag_ms < ms ? lag_ms : ms;
}

struct log_options replica_log_options(const struct config *config, const struct meta_image *image,
                                       const struct meta_topic *topic)
{
    struct config_topic *t = replica_topic_config(image, topic);
    struct log_options o = log_options_default();
    unsigned policy = config_topic_choice(config, t, CONFIG_TOPIC_CLEANUP_POLICY);

    o.is_compacted = (policy & CONFIG_CLEANUP_COMPACT) != 0;
    o.is_deleted = (policy & CONFIG_CLEANUP_DELETE) != 0;
    o.durability = (enum log_durability)config_topic_choice(config, t, CONFIG_TOPIC_DURABILITY);
    o.flush_messages = config_topic_i64(config, t, CONFIG_TOPIC_FLUSH_MESSAGES);
    o.flush_ms = config_topic_i64(config, t, CONFIG_TOPIC_FLUSH_MS);
    o.segment_bytes = config_topic_i64(config, t, CONFIG_TOPIC_SEGMENT_BYTES);
    o.segment_ms = segment_ms(config, t, &o);
    o.segment_index_bytes = config_topic_i64(config, t, CONFIG_TOPIC_SEGMENT_INDEX_BYTES);
    o.index_interval_bytes = config_topic_i64(config, t, CONFIG_TOPIC_INDEX_INTERVAL);
    o.retention_ms = config_topic_i64(config, t, CONFIG_TOPIC_RETENTION_MS);
    o.retention_bytes = config_topic_i64(config, t, CONFIG_TOPIC_RETENTION_BYTES);
    o.file_delete_delay_ms = config_topic_i64(config, t, CONFIG_TOPIC_DELETE_DELAY_MS);
    o.scrub_interval_ms = config_i64(config, CONFIG_LOG_SCRUB_MS);
    o.producer_id_expiration_ms = config_i64(config, CONFIG_PRODUCER_ID_EXPIRATION_MS);
    o.preallocate = config_topic_bool(config, t, CONFIG_TOPIC_PREALLOCATE);
    config_topic_free(t);
    return o;
}

/* Entries */

static void entry_free(struct replica_manager *m, struct replica_entry *entry)
{
    map_slice_remove(&m->entries, key_of(&entry->id));
    list_remove(&entry->node);
    replica_entry_release(m, entry);
}

/* A directory that nothing will use any more. */
static void delete_directory(struct replica_manager *m, size_t root, const char *name)
{
    enum err e = log_root_delete(replica_roots_at(m->options.roots, root), name);

    trace_event(m->options.trace, e == E_OK ? TRACE_INFO : TRACE_WARN, TRACE_REPLICA,
                "deleted_topic_removed",
                TRACE_FIELDS(trace_text("directory", name), trace_error(e)));
}

/*
 * The root for a partition that is about to be opened. At start its directory
 * may be there; one of a deleted topic that had the same name goes first.
 */
static void choose_root(struct replica_manager *m, const struct meta_image *image,
                        const struct meta_topic *topic, struct replica_entry *entry)
{
    char name[REPLICA_NAME_SIZE];
    struct uuid id;
    size_t root;

    replica_entry_name(entry, name);
    if (m->is_started && replica_roots_look(m->options.roots, name, &root)) {
        replica_roots_count_in(m->options.roots, root);
        entry->root = root; /* somebody put a log there for this topic */
        return;
    }
    if (m->is_started || !replica_roots_find(m->options.roots, name, &root)) {
        entry->root = replica_roots_take(m->options.roots);
        return;
    }
    entry->is_found = true;
    id = log_root_topic_id(replica_roots_at(m->options.roots, root), name);
    if (!uuid_equal(id, topic->id) && meta_image_was_deleted(image, id))
        delete_directory(m, root, name);
    replica_roots_count_in(m->options.roots, root);
    entry->root = root;
}

static struct replica_entry *entry_new(struct replica_manager *m, const struct meta_image *image,
                                       const struct meta_topic *topic, int32_t index)
{
    struct replica_entry *entry = mem_alloc_zero(sizeof(*entry));
    char *name = mem_alloc(topic->name.size + 1);

    if (entry == NULL || name == NULL)
        goto failed;
    slice_to_text(topic->name, name, topic->name.size + 1);
    entry->topic = name;
    entry->id = (struct partition_id){.topic_id = topic->id, .index = index};
    if (map_slice_put(&m->entries, key_of(&entry->id), entry) != E_OK)
        goto failed;
    choose_root(m, image, topic, entry);
    list_push_back(&m->turns, &entry->node);
    return entry;
failed:
    mem_free(name);
    mem_free(entry);
    return NULL;
}

static bool is_replica(const struct replica_manager *m, const struct meta_partition *p)
{
    return meta_ids_have(meta_partition_ids(p, META_REPLICAS), m->options.node_id);
}

/* Following the image */

/* It is not ours any more, and just being opened: what is to become of it comes after that. */
static void entry_doom(struct replica_manager *m, struct replica_entry *entry, bool is_deleted)
{
    map_slice_remove(&m->entries, key_of(&entry->id));
    list_remove(&entry->node);
    list_push_back(&m->doomed, &entry->node);
    entry->fate = is_deleted ? FATE_DELETED : FATE_CLOSED;
}

/* Not a replica any more: the bytes stay until somebody decides about them. */
static void entry_close(struct replica_manager *m, struct replica_entry *entry)
{
    if (entry->state == ENTRY_OPENING) {
        entry_doom(m, entry, false);
        return;
    }
    if (entry->state == ENTRY_OPEN)
        partition_close(entry->partition);
    entry_free(m, entry);
}

static void entry_delete(struct replica_manager *m, struct replica_entry *entry)
{
    char name[REPLICA_NAME_SIZE];
    enum err e = E_OK;

    if (entry->state == ENTRY_OPENING) {
        entry_doom(m, entry, true);
        return;
    }
    if (entry->state == ENTRY_OPEN) {
        e = partition_delete(entry->partition);
    } else if (entry->state == ENTRY_QUEUED && entry->is_found) {
        replica_entry_name(entry, name);
        delete_directory(m, entry->root, name);
    }
    /* What is left of it is found and finished off at the next start. */
    if (e != E_OK)
        replica_trace_entry(
            m, entry, &(struct replica_trouble){TRACE_WARN, "partition_delete_failed", .err = e});
    entry_free(m, entry);
}

static void follow_epoch(struct replica_manager *m, struct replica_entry *entry,
                         int32_t leader_epoch)
{
    enum err e = E_OK;

    entry->leader_epoch = leader_epoch;
    if (entry->state == ENTRY_OPEN)
        e = partition_lead(entry->partition, leader_epoch);
    if (e != E_OK)
        replica_trace_entry(
            m, entry, &(struct replica_trouble){TRACE_ERROR, "leader_epoch_failed", .err = e});
}

/* Those of the last topic again: thousands of partitions of one come in a row. */
static struct log_options options_of(struct replica_manager *m, const struct meta_image *image,
                                     const struct meta_topic *topic)
{
    if (!uuid_equal(m->known_topic_id, topic->id)) {
        m->known_options = replica_log_options(m->options.config, image, topic);
        m->known_compact_options = replica_compact_options(m->options.config, image, topic);
        m->known_topic_id = topic->id;
    }
    return m->known_options;
}

static void follow_partition(struct replica_manager *m, const struct meta_image *image,
                             const struct meta_topic *topic, int32_t index)
{
    const struct meta_partition *p = meta_topic_partition(topic, index);
    struct replica_entry *entry;

    if (p == NULL ||
        replica_owner(topic->id, index, m->options.shard_count) != m->options.shard_index)
        return;
    entry = entry_find(m, topic->id, index);
    if (!is_replica(m, p)) {
        if (entry != NULL)
            entry_close(m, entry);
        return;
    }
    if (entry != NULL) {
        follow_epoch(m, entry, p->leader_epoch);
        return;
    }
    entry = entry_new(m, image, topic, index);
    if (entry == NULL)
        return; /* the broker answers that it does not have the partition */
    entry->leader_epoch = p->leader_epoch;
    entry->log_options = options_of(m, image, topic);
    entry->compact_options = m->known_compact_options;
    replica_queue(m, entry);
}

static void follow_deletion(struct replica_manager *m, const struct meta_change *change)
{
    for (int32_t i = 0; i < change->partition_count; i++) {
        struct replica_entry *entry = entry_find(m, change->topic_id, i);

        if (entry != NULL)
            entry_delete(m, entry);
    }
}

static void follow_config(struct replica_manager *m, const struct meta_image *image,
                          const struct meta_topic *topic)
{
    struct log_options options = replica_log_options(m->options.config, image, topic);
    struct log_compact_options compact_options =
        replica_compact_options(m->options.config, image, topic);

    for (int32_t i = 0; i < topic->partition_count; i++) {
        struct replica_entry *entry = entry_find(m, topic->id, i);

        if (entry == NULL)
            continue;
        entry->log_options = options;
        entry->compact_options = compact_options;
        if (entry->state == ENTRY_OPEN)
            partition_set_options(entry->partition, &options);
        entry->has_new_options = entry->state == ENTRY_OPENING;
    }
}

static void follow_configs(struct replica_manager *m, const struct meta_image *image,
                           const struct meta_change *change)
{
    const struct meta_topic *topic = meta_image_topic_by_id(image, change->topic_id);
    struct map_iter it = {0};

    if (topic != NULL)
        follow_config(m, image, topic);
    if (change->resource_type != META_RESOURCE_BROKER)
        return;
    while ((topic = meta_image_next_topic(image, &it)) != NULL)
        follow_config(m, image, topic);
}

static void follow(struct replica_manager *m, const struct meta_image *image,
                   const struct meta_change *change)
{
    const struct meta_topic *topic = meta_image_topic_by_id(image, change->topic_id);

    switch (change->kind) {
    case META_PARTITION_CREATED:
    case META_PARTITION_CHANGED:
        if (topic != NULL)
            follow_partition(m, image, topic, change->partition);
        break;
    case META_TOPIC_DELETED:
        follow_deletion(m, change);
        break;
    case META_CONFIG_CHANGED:
        follow_configs(m, image, change);
        break;
    case META_TOPIC_CREATED:
    case META_BROKER_CHANGED:
    case META_CONTROLLER_CHANGED:
    case META_FEATURE_CHANGED:
    case META_PRODUCER_IDS_CHANGED:
    case META_QUOTA_CHANGED:
    case META_KEPT_CHANGED:
        break;
    }
}

/* Directories that no partition uses */

/* "orders-eu-3" is partition 3 of orders-eu; false when it is no such name. */
static bool split_name(const char *name, struct slice *topic_out, int32_t *index_out)
{
    const char *dash = NULL;
    int64_t index;

    for (const char *c = name; *c != 0; c++) {
        if (*c == '-')
            dash = c;
    }
    if (dash == NULL || dash == name || parse_i64(slice_of_text(dash + 1), &index) != E_OK ||
        index < 0 || index > INT32_MAX)
        return false;
    *topic_out = slice_of(name, (size_t)(dash - name));
    *index_out = (int32_t)index;
    return true;
}

static void check_found(struct replica_manager *m, const struct meta_image *image,
                        const struct replica_found *found)
{
    const struct meta_topic *topic;
    struct slice name;
    struct uuid id;
    int32_t index;

    if (!split_name(found->name, &name, &index) || slice_equal_text(name, "__cluster_metadata"))
        return;
    topic = meta_image_topic(image, name);
    if (topic != NULL && meta_topic_partition(topic, index) != NULL)
        return; /* whoever owns that partition opens it, or finds that it is another's */
    id = log_root_topic_id(replica_roots_at(m->options.roots, found->root), found->name);
    if (replica_owner(id, index, m->options.shard_count) != m->options.shard_index)
        return; /* one shard deletes or warns */
    if (meta_image_was_deleted(image, id))
        delete_directory(m, found->root, found->name);
    else
        trace_event(m->options.trace, TRACE_WARN, TRACE_REPLICA, "stray_directory",
                    TRACE_FIELDS(trace_text("directory", found->name),
                                 trace_text("root", log_root_path(replica_roots_at(m->options.roots,
                                                                                   found->root))),
                                 trace_text("text", "no such topic; left alone")));
}

static void start(struct replica_manager *m, const struct meta_image *image)
{
    const struct meta_topic *topic;
    struct map_iter it = {0};

    while ((topic = meta_image_next_topic(image, &it)) != NULL) {
        for (int32_t i = 0; i < topic->partition_count; i++)
            follow_partition(m, image, topic, i);
    }
    for (size_t i = 0; i < m->options.roots->found_count; i++)
        check_found(m, image, &m->options.roots->found[i]);
    m->is_started = true;
}

void replica_apply(struct replica_manager *manager, const struct meta_image *image,
                   const struct meta_delta *delta)
{
    manager->known_topic_id = (struct uuid){{0}}; /* its settings may have changed since */
    if (!manager->is_started)
        start(manager, image);
    else
        for (size_t i = 0; i < delta->changes.count; i++)
            follow(manager, image, vec_at(&delta->changes, i));
    replica_open_some(manager);
}

/* Maintenance */

static void maintain(struct replica_manager *m, struct replica_entry *entry)
{
    struct log *log;
    int64_t size_bytes;
    enum err e;

    if (entry->state != ENTRY_OPEN || log_is_broken(partition_log(entry->partition)))
        return;
    log = partition_log(entry->partition);
    size_bytes = log_size_bytes(log);
    e = log_maintain(log, partition_high_watermark(entry->partition), loop_wall_ms(m->loop));
    counter_add(&m->options.shard->stats->retention_bytes,
                (uint64_t)(size_bytes - log_size_bytes(log)));
    if (e != E_OK)
        replica_trace_entry(m, entry,
                            &(struct replica_trouble){TRACE_WARN, "log_maintain_failed", .err = e});
}

/* When `count` more may be looked at, so that all are once per interval. */
static void maintain_later(struct replica_manager *m)
{
    int64_t interval_ms = config_i64(m->options.config, CONFIG_LOG_RETENTION_CHECK_MS);
    int64_t ticks = (int64_t)m->entries.count / MAINTAIN_AT_ONCE + 1;
    int64_t wait_ms;

    if (replica_guard_is_short(m->guard) && interval_ms > MAINTAIN_SHORT_MS)
        interval_ms = MAINTAIN_SHORT_MS;
    wait_ms = interval_ms / ticks;
    if (wait_ms < MAINTAIN_TICK_MS)
        wait_ms = MAINTAIN_TICK_MS;
    if (wait_ms > INT32_MAX)
        wait_ms = INT32_MAX;
    loop_timer_start(m->loop, &m->maintain_timer, loop_now_ms(m->loop) + wait_ms);
}

static void on_maintain(struct loop_timer *timer)
{
    struct replica_manager *m = LIST_ENTRY(timer, struct replica_manager, maintain_timer);
    size_t count = m->entries.count < MAINTAIN_AT_ONCE ? m->entries.count : MAINTAIN_AT_ONCE;

    for (size_t i = 0; i < count; i++) {
        struct list_node *node = list_pop_front(&m->turns);

        assert(node != NULL); /* as many are in turns as in entries */
        list_push_back(&m->turns, node);
        maintain(m, LIST_ENTRY(node, struct replica_entry, node));
    }
    maintain_later(m);
}

static void on_short(void *ctx)
{
    struct replica_manager *m = ctx;

    loop_timer_start(m->loop, &m->maintain_timer, loop_now_ms(m->loop));
    replica_cleaner_hurry(&m->cleaner);
}

/* The whole */

enum err replica_manager_open(const struct replica_manager_options *options,
                              struct replica_manager **manager_out)
{
    struct replica_manager *m = mem_alloc_zero(sizeof(*m));
    uint64_t seed;
    enum err e;

    if (m == NULL)
        return E_NOMEM;
    assert(options->shard_index >= 0 && options->shard_index < options->shard_count);
    m->options = *options;
    e = replica_guard_open(
        &m->options, &(struct replica_guard_events){.on_short = on_short, .ctx = m}, &m->guard);
    if (e == E_OK)
        e = replica_scrub_open(options->shard, options->config, &m->scrub);
    if (e != E_OK) {
        replica_guard_close(m->guard);
        mem_free(m);
        return e;
    }
    m->loop = replica_shard_loop(options->shard);
    os_random(loop_os(m->loop), &seed, sizeof(seed));
    map_slice_init_borrowing(&m->entries, seed);
    list_init(&m->turns);
    replica_opening_init(m);
    m->maintain_timer.fire = on_maintain;
    maintain_later(m);
    replica_cleaner_init(&m->cleaner, m);
    *manager_out = m;
    return E_OK;
}

void replica_manager_close(struct replica_manager *manager)
{
    struct list_node *node;

    if (manager == NULL)
        return;
    replica_scrub_close(manager->scrub);
    replica_guard_close(manager->guard);
    loop_timer_stop(manager->loop, &manager->maintain_timer);
    replica_cleaner_stop(&manager->cleaner);
    replica_opening_stop(manager);
    while ((node = list_first(&manager->turns)) != NULL)
        entry_free(manager, LIST_ENTRY(node, struct replica_entry, node));
    map_slice_release(&manager->entries);
    mem_free(manager);
}

enum err replica_find(struct replica_manager *manager, struct partition_id id,
                      struct partition **partition_out)
{
    struct replica_entry *entry = entry_find(manager, id.topic_id, id.index);

    if (entry == NULL)
        return E_NOT_FOUND;
    if (entry->state == ENTRY_QUEUED && !entry->is_found)
        replica_open_now(manager, entry); /* a new one, and somebody wants it already */
    if (entry->state == ENTRY_QUEUED || entry->state == ENTRY_OPENING)
        return E_NOT_FOUND;
    if (entry->state != ENTRY_OPEN)
        return E_BROKEN;
    *partition_out = entry->partition;
    return E_OK;
}

size_t replica_offline_count(const struct replica_manager *manager)
{
    return manager->offline_count;
}

struct replica_states replica_states(const struct replica_manager *manager)
{
    struct replica_states states = {.offline = manager->offline_count};

    for (struct list_node *n = manager->turns.next; n != &manager->turns; n = n->next)
        states.open += LIST_ENTRY(n, struct replica_entry, node)->state == ENTRY_OPEN;
    states.waiting = manager->entries.count - states.open - states.offline;
    return states;
}
