#include "meta/image.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "meta/image_priv.h"
#include "wire/metadata_record.h"

struct slice meta_text_copy(struct slice s)
{
    uint8_t *at = mem_alloc(s.size + 1);

    if (at == NULL)
        return slice_of(NULL, 0);
    if (s.size > 0)
        memcpy(at, s.at, s.size);
    at[s.size] = 0;
    return slice_of(at, s.size);
}

/* A slice that we own is ours to write and free. */
void meta_text_free(struct slice s)
{
    union {
        const uint8_t *borrowed;
        void *owned;
    } at = {.borrowed = s.at};

    mem_free(at.owned);
}

/* Topics */

static struct slice id_key(const struct uuid *id)
{
    return slice_of(id->bytes, sizeof(id->bytes));
}

static void topic_free(struct meta_topic *topic)
{
    if (topic == NULL)
        return;
    for (int32_t i = 0; i < topic->partition_count; i++)
        mem_free(topic->partitions[i].ids);
    mem_free(topic->partitions);
    mem_free(topic->hosts);
    meta_text_free(topic->name);
    mem_free(topic);
}

struct slice meta_collision_key(struct slice name, uint8_t key_out[META_TOPIC_NAME_SIZE_MAX])
{
    bool has_either = false;

    for (size_t i = 0; i < name.size && i < META_TOPIC_NAME_SIZE_MAX; i++) {
        key_out[i] = name.at[i] == '.' ? '_' : name.at[i];
        has_either = has_either || key_out[i] == '_';
    }
    return has_either ? slice_of(key_out, name.size) : slice_of(NULL, 0);
}

struct meta_topic *meta_image_mutable_topic(struct meta_image *image, struct uuid id)
{
    return map_slice_find(&image->topic_ids, id_key(&id));
}

/* Every entry of the maps that is `topic`; `key` is that of its collisions. */
static void forget_topic(struct meta_image *image, struct meta_topic *topic, struct slice key)
{
    map_slice_remove(&image->topics, topic->name);
    map_slice_remove(&image->topic_ids, id_key(&topic->id));
    if (key.at != NULL && map_slice_find(&image->collisions, key) == topic)
        map_slice_remove(&image->collisions, key);
}

enum err meta_image_add_topic(struct meta_image *image, struct slice name, struct uuid id)
{
    struct meta_topic *topic = mem_alloc_zero(sizeof(*topic));
    uint8_t bytes[META_TOPIC_NAME_SIZE_MAX];
    struct slice key = meta_collision_key(name, bytes);
    enum err e = E_NOMEM;

    if (topic == NULL)
        return E_NOMEM;
    topic->id = id;
    topic->number = ++image->topic_number;
    topic->name = meta_text_copy(name);
    if (topic->name.at == NULL)
        goto out;
    e = map_slice_put(&image->topics, topic->name, topic);
    if (e == E_OK)
        e = map_slice_put(&image->topic_ids, id_key(&topic->id), topic);
    if (e == E_OK && key.at != NULL)
        e = map_slice_put(&image->collisions, key, topic);
    if (e != E_OK)
        forget_topic(image, topic, key);
out:
    if (e != E_OK)
        topic_free(topic);
    return e;
}

enum err meta_image_remove_topic(struct meta_image *image, struct meta_topic *topic)
{
    uint8_t bytes[META_TOPIC_NAME_SIZE_MAX];

    /* Past the maximum the ids' randomness alone keeps them from coming back. */
    if (image->deleted.count < META_DELETED_MAX &&
        map_slice_put(&image->deleted, id_key(&topic->id), image) != E_OK)
        return E_NOMEM;
    for (int32_t i = 0; i < topic->partition_count; i++)
        meta_index_remove(image, topic, &topic->partitions[i]);
    meta_image_remove_configs(image, META_RESOURCE_TOPIC, topic->name);
    forget_topic(image, topic, meta_collision_key(topic->name, bytes));
    image->partition_count -= topic->partition_count;
    topic_free(topic);
    return E_OK;
}

/* Partitions */

bool meta_ids_have(struct meta_ids ids, int32_t id)
{
    for (int32_t i = 0; i < ids.count; i++) {
        if (ids.at[i] == id)
            return true;
    }
    return false;
}

bool meta_ids_equal(struct meta_ids a, struct meta_ids b)
{
    if (a.count != b.count)
        return false;
    for (int32_t i = 0; i < a.count; i++) {
        if (a.at[i] != b.at[i])
            return false;
    }
    return true;
}

struct meta_ids meta_partition_ids(const struct meta_partition *p, enum meta_set set)
{
    const int32_t *at = p->ids;

    if (at == NULL)
        return (struct meta_ids){0};
    for (int i = 0; i < (int)set; i++)
        at += p->counts[i];
    return (struct meta_ids){.at = at, .count = p->counts[set]};
}

bool meta_partition_is_reassigning(const struct meta_partition *p)
{
    return p->counts[META_ADDING] > 0 || p->counts[META_REMOVING] > 0;
}

/*
 * Directory ids are 16 bytes and nearly always the same few: a partition holds
 * numbers, the image the ids.
 */
const struct uuid meta_directory_migrating = {{0}};
const struct uuid meta_directory_unassigned = {{[15] = 1}};
const struct uuid meta_directory_lost = {{[15] = 2}};

struct directory {
    struct uuid id;
    int32_t number;
};

static enum err directory_number(struct meta_image *image, struct uuid id, int32_t *number_out)
{
    struct directory *d = map_slice_find(&image->directory_ids, id_key(&id));
    enum err e;

    if (d == NULL) {
        d = mem_alloc(sizeof(*d));
        if (d == NULL)
            return E_NOMEM;
        *d = (struct directory){.id = id, .number = (int32_t)image->directories.count};
        e = vec_push(&image->directories, &d);
        if (e == E_OK) {
            e = map_slice_put(&image->directory_ids, id_key(&d->id), d);
            if (e != E_OK)
                image->directories.count--;
        }
        if (e != E_OK) {
            mem_free(d);
            return e;
        }
    }
    *number_out = d->number;
    return E_OK;
}

static void directories_release(struct meta_image *image)
{
    map_slice_release(&image->directory_ids);
    for (size_t i = 0; i < image->directories.count; i++)
        mem_free(*(struct directory **)vec_at(&image->directories, i));
    vec_release(&image->directories);
}

static size_t ids_size(const struct meta_partition *p)
{
    size_t count = 0;

    for (int i = 0; i < META_SETS; i++)
        count += p->counts[i];
    return count;
}

struct uuid meta_partition_directory(const struct meta_image *image, const struct meta_partition *p,
                                     int32_t position)
{
    int32_t number = p->ids[ids_size(p) + (size_t)position];

    assert(position >= 0 && position < p->counts[META_REPLICAS]);
    return (*(struct directory **)vec_at(&image->directories, (size_t)number))->id;
}

void meta_draft_of(const struct meta_image *image, const struct meta_partition *p,
                   struct meta_draft *draft_out)
{
    for (int i = 0; i < META_SETS; i++)
        draft_out->sets[i] = meta_partition_ids(p, (enum meta_set)i);
    for (int32_t i = 0; i < p->counts[META_REPLICAS]; i++)
        draft_out->directories[i] = meta_partition_directory(image, p, i);
    draft_out->leader_recovery_state = p->leader_recovery_state;
    draft_out->leader = p->leader;
    draft_out->leader_epoch = p->leader_epoch;
    draft_out->partition_epoch = p->partition_epoch;
}

static bool is_set(struct meta_ids ids)
{
    if (ids.count > META_REPLICAS_MAX)
        return false;
    for (int32_t i = 0; i < ids.count; i++) {
        struct meta_ids before = {.at = ids.at, .count = i};

        if (ids.at[i] < 0 || meta_ids_have(before, ids.at[i]))
            return false;
    }
    return true;
}

/* A partition as drafted, in memory of its own. */
static enum err partition_make(struct meta_image *image, const struct meta_draft *draft,
                               struct meta_partition *p_out)
{
    struct meta_partition p = {.leader = draft->leader,
                               .leader_epoch = draft->leader_epoch,
                               .partition_epoch = draft->partition_epoch,
                               .leader_recovery_state = draft->leader_recovery_state};
    int32_t *at;
    enum err e = E_OK;

    for (int i = 0; i < META_SETS; i++) {
        if (!is_set(draft->sets[i]))
            return E_CORRUPT;
        p.counts[i] = (uint8_t)(draft->sets[i].count > 0 ? draft->sets[i].count : 0);
    }
    if (p.counts[META_REPLICAS] == 0)
        return E_CORRUPT;
    at = p.ids = mem_alloc((ids_size(&p) + p.counts[META_REPLICAS]) * sizeof(*p.ids));
    if (p.ids == NULL)
        return E_NOMEM;
    for (int i = 0; i < META_SETS; i++) {
        if (p.counts[i] > 0)
            memcpy(at, draft->sets[i].at, p.counts[i] * sizeof(*at));
        at += p.counts[i];
    }
    for (int32_t i = 0; i < p.counts[META_REPLICAS] && e == E_OK; i++)
        e = directory_number(image, draft->directories[i], &at[i]);
    if (e == E_OK)
        *p_out = p;
    else
        mem_free(p.ids);
    return e;
}

/* Room for partition `index`; holes in between. */
static enum err topic_reserve(struct meta_image *image, struct meta_topic *topic, int32_t index)
{
    size_t count = (size_t)index + 1;
    struct meta_partition *grown;

    if (index < topic->partition_count)
        return E_OK;
    if (image->partition_count - topic->partition_count + (int64_t)count > META_PARTITIONS_MAX)
        return E_TOO_BIG;
    grown = mem_realloc(topic->partitions, count * sizeof(*grown));
    if (grown == NULL)
        return E_NOMEM;
    topic->partitions = grown;
    return E_OK;
}

enum err meta_image_put_partition(struct meta_image *image, struct meta_topic *topic, int32_t index,
                                  const struct meta_draft *draft)
{
    struct meta_partition p;
    enum err e = partition_make(image, draft, &p);

    if (e != E_OK)
        return e;
    e = topic_reserve(image, topic, index);
    if (e == E_OK)
        e = meta_index_add(image, topic, &p);
    if (e != E_OK) {
        mem_free(p.ids);
        return e;
    }
    for (; topic->partition_count <= index; topic->partition_count++, image->partition_count++)
        topic->partitions[topic->partition_count] =
            (struct meta_partition){.leader = META_NO_LEADER};
    meta_index_remove(image, topic, &topic->partitions[index]);
    mem_free(topic->partitions[index].ids);
    topic->partitions[index] = p;
    return E_OK;
}

/* Features */

enum err meta_image_set_feature(struct meta_image *image, struct slice name, int16_t level)
{
    struct meta_feature *last = &image->features[image->feature_count];
    struct meta_feature *f = image->features;

    while (f < last && !slice_equal(f->name, name))
        f++;
    if (level == 0) {
        if (f < last) {
            meta_text_free(f->name);
            *f = *(last - 1);
            image->feature_count--;
        }
        return E_OK;
    }
    if (f == last) {
        if (image->feature_count == META_FEATURES_MAX)
            return E_TOO_BIG;
        f->name = meta_text_copy(name);
        if (f->name.at == NULL)
            return E_NOMEM;
        image->feature_count++;
    }
    f->level = level;
    return E_OK;
}

/* What is kept */

enum err meta_image_keep(struct meta_image *image, enum meta_kept_kind kind, struct slice key,
                         struct slice record)
{
    struct map_slice *map = &image->kept[kind];
    struct meta_kept *old = map_slice_find(map, key);
    struct meta_kept *kept;
    enum err e;

    if (old == NULL && map->count >= META_KEPT_MAX)
        return E_TOO_BIG;
    kept = mem_alloc(sizeof(*kept) + record.size);
    if (kept == NULL)
        return E_NOMEM;
    kept->size = record.size;
    memcpy(kept->bytes, record.at, record.size);
    e = map_slice_put(map, key, kept);
    mem_free(e == E_OK ? old : kept);
    return e;
}

bool meta_image_forget(struct meta_image *image, enum meta_kept_kind kind, struct slice key)
{
    struct meta_kept *kept = map_slice_remove(&image->kept[kind], key);

    mem_free(kept);
    return kept != NULL;
}

/* META_KEPT_KINDS: records of that key are not kept. */
static enum meta_kept_kind kept_kind(int16_t key)
{
    switch (key) {
    case WIRE_METADATA_ACCESS_CONTROL_ENTRY_RECORD:
        return META_KEPT_ACL;
    case WIRE_METADATA_USER_SCRAM_CREDENTIAL_RECORD:
        return META_KEPT_SCRAM;
    case WIRE_METADATA_DELEGATION_TOKEN_RECORD:
        return META_KEPT_TOKEN;
    default:
        return META_KEPT_KINDS;
    }
}

struct slice meta_image_next_kept(const struct meta_image *image, int16_t key, struct map_iter *it)
{
    enum meta_kept_kind kind = kept_kind(key);
    const struct meta_kept *kept =
        kind == META_KEPT_KINDS ? NULL : map_slice_next(&image->kept[kind], it, NULL);

    return kept == NULL ? slice_of(NULL, 0) : slice_of(kept->bytes, kept->size);
}

size_t meta_image_kept_count(const struct meta_image *image, int16_t key)
{
    enum meta_kept_kind kind = kept_kind(key);

    return kind == META_KEPT_KINDS ? 0 : image->kept[kind].count;
}

enum err meta_image_check_served(const struct meta_image *image, struct report *report)
{
    size_t rules = image->kept[META_KEPT_ACL].count;

    if (rules == 0)
        return E_OK;
    report_set(report,
               "the metadata has %zu access rule%s (ACLs), which are not enforced yet: refusing to "
               "serve without them",
               rules, rules == 1 ? "" : "s");
    return E_UNSUPPORTED;
}

/* The whole */

struct meta_image *meta_image_new(uint64_t seed)
{
    struct meta_image *image = mem_alloc_zero(sizeof(*image));

    if (image == NULL)
        return NULL;
    image->seed = seed;
    map_slice_init_borrowing(&image->topics, seed);
    map_slice_init_borrowing(&image->topic_ids, seed);
    map_slice_init(&image->collisions, seed);
    map_slice_init(&image->deleted, seed);
    map_u64_init(&image->hosts, seed);
    map_slice_init_borrowing(&image->directory_ids, seed);
    vec_init(&image->directories, sizeof(struct directory *), META_DIRECTORIES_MAX);
    vec_init(&image->brokers, sizeof(struct meta_broker *), META_BROKERS_MAX);
    vec_init(&image->controllers, sizeof(struct meta_controller *), META_BROKERS_MAX);
    map_slice_init(&image->quotas, seed);
    for (int i = 0; i < META_KEPT_KINDS; i++)
        map_slice_init(&image->kept[i], seed);
    meta_records_init(&image->pending);
    image->offset = -1;
    if (meta_image_set_feature(image, slice_of_text("kraft.version"), META_KRAFT_VERSION) != E_OK) {
        meta_image_free(image);
        return NULL;
    }
    return image;
}

static void topics_release(struct meta_image *image)
{
    struct map_iter it = {0};
    struct meta_topic *topic;

    map_slice_release(&image->topic_ids);
    while ((topic = map_slice_next(&image->topics, &it, NULL)) != NULL) {
        map_slice_remove(&image->topics, topic->name);
        topic_free(topic);
    }
    map_slice_release(&image->topics);
    map_slice_release(&image->collisions);
    map_slice_release(&image->deleted);
}

static void kept_release(struct map_slice *map)
{
    struct map_iter it = {0};
    struct meta_kept *kept;

    while ((kept = map_slice_next(map, &it, NULL)) != NULL)
        mem_free(kept);
    map_slice_release(map);
}

void meta_image_free(struct meta_image *image)
{
    if (image == NULL)
        return;
    topics_release(image);
    meta_index_release(image);
    directories_release(image);
    meta_configs_release(image);
    meta_nodes_release(image);
    meta_quotas_release(image);
    for (int i = 0; i < META_KEPT_KINDS; i++)
        kept_release(&image->kept[i]);
    meta_records_release(&image->pending);
    for (size_t i = 0; i < image->feature_count; i++)
        meta_text_free(image->features[i].name);
    mem_free(image);
}

bool meta_image_in_transaction(const struct meta_image *image)
{
    return image->in_transaction;
}

int64_t meta_image_offset(const struct meta_image *image)
{
    return image->offset;
}

void meta_image_set_offset(struct meta_image *image, int64_t offset)
{
    image->offset = offset;
}

const struct meta_topic *meta_image_colliding(const struct meta_image *image, struct slice name)
{
    uint8_t bytes[META_TOPIC_NAME_SIZE_MAX];
    struct slice key = meta_collision_key(name, bytes);

    return key.at == NULL ? NULL : map_slice_find(&image->collisions, key);
}

const struct meta_topic *meta_image_topic(const struct meta_image *image, struct slice name)
{
    return map_slice_find(&image->topics, name);
}

const struct meta_topic *meta_image_topic_by_id(const struct meta_image *image, struct uuid id)
{
    return map_slice_find(&image->topic_ids, id_key(&id));
}

bool meta_image_was_deleted(const struct meta_image *image, struct uuid id)
{
    return map_slice_find(&image->deleted, id_key(&id)) != NULL;
}

const struct meta_topic *meta_image_next_topic(const struct meta_image *image, struct map_iter *it)
{
    return map_slice_next(&image->topics, it, NULL);
}

size_t meta_image_topic_count(const struct meta_image *image)
{
    return image->topics.count;
}

int64_t meta_image_partition_count(const struct meta_image *image)
{
    return image->partition_count;
}

const struct meta_partition *meta_topic_partition(const struct meta_topic *topic, int32_t index)
{
    if (index < 0 || index >= topic->partition_count)
        return NULL;
    return topic->partitions[index].ids != NULL ? &topic->partitions[index] : NULL;
}

const struct meta_feature *meta_image_features(const struct meta_image *image, size_t *count_out)
{
    *count_out = image->feature_count;
    return image->features;
}

int16_t meta_image_feature_level(const struct meta_image *image, struct slice name)
{
    for (size_t i = 0; i < image->feature_count; i++) {
        if (slice_equal(image->features[i].name, name))
            return image->features[i].level;
    }
    return 0;
}

int64_t meta_image_next_producer_id(const struct meta_image *image)
{
    return image->next_producer_id;
}

void meta_delta_init(struct meta_delta *delta)
{
    vec_init(&delta->changes, sizeof(struct meta_change), SIZE_MAX / sizeof(struct meta_change));
    arena_init(&delta->names, META_DELTA_NAMES_MAX);
}

void meta_delta_release(struct meta_delta *delta)
{
    vec_release(&delta->changes);
    arena_release(&delta->names);
}

void meta_delta_clear(struct meta_delta *delta)
{
    vec_clear(&delta->changes);
    arena_clear(&delta->names);
}
