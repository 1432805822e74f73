#include "meta/image.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "meta/image_priv.h"

/* Topics */

static struct slice id_key(const struct uuid *id)
{
    return slice_of(id->bytes, sizeof(id->bytes));
}

static struct slice text_copy(struct slice s)
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
static void text_free(struct slice s)
{
    union {
        const uint8_t *borrowed;
        void *owned;
    } at = {.borrowed = s.at};

    mem_free(at.owned);
}

void meta_partition_release(struct meta_partition *partition)
{
    mem_free(partition->replicas.at);
    mem_free(partition->isr.at);
    mem_free(partition->removing.at);
    mem_free(partition->adding.at);
    mem_free(partition->elr.at);
    mem_free(partition->last_known_elr.at);
    *partition = (struct meta_partition){.leader = META_NO_LEADER};
}

static void topic_free(struct meta_topic *topic)
{
    if (topic == NULL)
        return;
    for (int32_t i = 0; i < topic->partition_count; i++)
        meta_partition_release(&topic->partitions[i]);
    mem_free(topic->partitions);
    text_free(topic->name);
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
    topic->name = text_copy(name);
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

static void resource_free(struct meta_resource_configs *resource)
{
    if (resource == NULL)
        return;
    for (size_t i = 0; i < resource->count; i++)
        text_free(resource->at[i].name);
    mem_free(resource->at);
    mem_free(resource);
}

/* The type and the name, as bytes in `key_out`; the null slice when no resource has such a name. */
static struct slice resource_key(int8_t type, struct slice name,
                                 uint8_t key_out[META_RESOURCE_NAME_SIZE_MAX + 1])
{
    if (name.size > META_RESOURCE_NAME_SIZE_MAX)
        return slice_of(NULL, 0);
    key_out[0] = (uint8_t)type;
    if (name.size > 0)
        memcpy(key_out + 1, name.at, name.size);
    return slice_of(key_out, name.size + 1);
}

enum err meta_image_remove_topic(struct meta_image *image, struct meta_topic *topic)
{
    uint8_t key[META_RESOURCE_NAME_SIZE_MAX + 1];
    uint8_t bytes[META_TOPIC_NAME_SIZE_MAX];

    /* Past the maximum the ids' randomness alone keeps them from coming back. */
    if (image->deleted.count < META_DELETED_MAX &&
        map_slice_put(&image->deleted, id_key(&topic->id), image) != E_OK)
        return E_NOMEM;
    resource_free(
        map_slice_remove(&image->configs, resource_key(META_RESOURCE_TOPIC, topic->name, key)));
    forget_topic(image, topic, meta_collision_key(topic->name, bytes));
    image->partition_count -= topic->partition_count;
    topic_free(topic);
    return E_OK;
}

enum err meta_topic_reserve(struct meta_image *image, struct meta_topic *topic, int32_t index)
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
    for (size_t i = (size_t)topic->partition_count; i < count; i++)
        grown[i] = (struct meta_partition){.leader = META_NO_LEADER};
    topic->partitions = grown;
    image->partition_count += (int64_t)count - topic->partition_count;
    topic->partition_count = (int32_t)count;
    return E_OK;
}

enum err meta_ids_copy(const int32_t *at, int32_t count, struct meta_ids *ids_out)
{
    struct meta_ids ids = {0};

    if (count > META_REPLICAS_MAX)
        return E_CORRUPT;
    if (count > 0) {
        ids.at = mem_alloc((size_t)count * sizeof(*ids.at));
        if (ids.at == NULL)
            return E_NOMEM;
        memcpy(ids.at, at, (size_t)count * sizeof(*ids.at));
        ids.count = count;
    }
    *ids_out = ids;
    return E_OK;
}

/* Settings */

/* Where `name` is, or where it would go. */
static size_t config_position(const struct meta_resource_configs *resource, struct slice name,
                              bool *found_out)
{
    size_t low = 0;
    size_t high = resource->count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = slice_compare(resource->at[middle].name, name);

        if (order == 0) {
            *found_out = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found_out = false;
    return low;
}

/* Name and value in one block that starts with the name; both NUL-terminated. */
static enum err config_copy(struct slice name, struct slice value, struct meta_config *config_out)
{
    uint8_t *at = mem_alloc(name.size + value.size + 2);

    if (at == NULL)
        return E_NOMEM;
    if (name.size > 0)
        memcpy(at, name.at, name.size);
    at[name.size] = 0;
    if (value.size > 0)
        memcpy(at + name.size + 1, value.at, value.size);
    at[name.size + 1 + value.size] = 0;
    config_out->name = slice_of(at, name.size);
    config_out->value = slice_of(at + name.size + 1, value.size);
    return E_OK;
}

static enum err resource_set(struct meta_resource_configs *resource, struct slice name,
                             struct slice value)
{
    struct meta_config config;
    bool found;
    size_t at = config_position(resource, name, &found);

    if (config_copy(name, value, &config) != E_OK)
        return E_NOMEM;
    if (found) {
        text_free(resource->at[at].name);
        resource->at[at] = config;
        return E_OK;
    }
    if (resource->count == resource->capacity) {
        size_t capacity = resource->capacity * 2 + 4;
        struct meta_config *grown = mem_realloc(resource->at, capacity * sizeof(*grown));

        if (grown == NULL || resource->count >= META_CONFIGS_MAX) {
            if (grown != NULL)
                resource->at = grown;
            text_free(config.name);
            return grown == NULL ? E_NOMEM : E_TOO_BIG;
        }
        resource->at = grown;
        resource->capacity = capacity;
    }
    memmove(resource->at + at + 1, resource->at + at,
            (resource->count - at) * sizeof(*resource->at));
    resource->at[at] = config;
    resource->count++;
    return E_OK;
}

static void resource_unset(struct meta_resource_configs *resource, struct slice name)
{
    bool found;
    size_t at = config_position(resource, name, &found);

    if (!found)
        return;
    text_free(resource->at[at].name);
    resource->count--;
    memmove(resource->at + at, resource->at + at + 1,
            (resource->count - at) * sizeof(*resource->at));
}

enum err meta_image_set_config(struct meta_image *image, int8_t type, struct slice resource_name,
                               struct slice name, struct slice value)
{
    uint8_t key_bytes[META_RESOURCE_NAME_SIZE_MAX + 1];
    struct slice key = resource_key(type, resource_name, key_bytes);
    struct meta_resource_configs *resource;

    if (key.at == NULL)
        return E_CORRUPT;
    resource = map_slice_find(&image->configs, key);
    if (value.at == NULL) {
        if (resource != NULL)
            resource_unset(resource, name);
        return E_OK;
    }
    if (resource == NULL) {
        resource = mem_alloc_zero(sizeof(*resource));
        if (resource == NULL || map_slice_put(&image->configs, key, resource) != E_OK) {
            mem_free(resource);
            return E_NOMEM;
        }
    }
    return resource_set(resource, name, value);
}

struct meta_configs meta_image_configs(const struct meta_image *image, enum meta_resource type,
                                       struct slice resource_name)
{
    uint8_t key_bytes[META_RESOURCE_NAME_SIZE_MAX + 1];
    struct slice key = resource_key((int8_t)type, resource_name, key_bytes);
    const struct meta_resource_configs *resource = NULL;

    if (key.at != NULL)
        resource = map_slice_find(&image->configs, key);
    if (resource == NULL)
        return (struct meta_configs){0};
    return (struct meta_configs){.at = resource->at, .count = resource->count};
}

struct slice meta_image_config(const struct meta_image *image, enum meta_resource type,
                               struct slice resource_name, struct slice name)
{
    struct meta_configs configs = meta_image_configs(image, type, resource_name);
    struct meta_resource_configs resource = {.at = configs.at, .count = configs.count};
    bool found;
    size_t at = config_position(&resource, name, &found);

    return found ? configs.at[at].value : slice_of(NULL, 0);
}

/* Brokers */

void meta_broker_free(struct meta_broker *broker)
{
    if (broker == NULL)
        return;
    text_free(broker->text);
    mem_free(broker);
}

static struct meta_broker *broker_at(const struct meta_image *image, size_t index)
{
    return *(struct meta_broker **)vec_at(&image->brokers, index);
}

/* Index of the first broker whose id is not below `id`. */
static size_t broker_position(const struct meta_image *image, int32_t id)
{
    size_t i = 0;

    while (i < image->brokers.count && broker_at(image, i)->id < id)
        i++;
    return i;
}

struct meta_broker *meta_image_mutable_broker(struct meta_image *image, int32_t id)
{
    size_t at = broker_position(image, id);

    if (at == image->brokers.count || broker_at(image, at)->id != id)
        return NULL;
    return broker_at(image, at);
}

enum err meta_image_put_broker(struct meta_image *image, struct meta_broker *broker)
{
    size_t at = broker_position(image, broker->id);
    struct meta_broker **brokers;
    enum err e;

    if (at < image->brokers.count && broker_at(image, at)->id == broker->id) {
        brokers = image->brokers.at;
        meta_broker_free(brokers[at]);
        brokers[at] = broker;
        return E_OK;
    }
    e = vec_push(&image->brokers, &broker);
    if (e != E_OK)
        return e;
    brokers = image->brokers.at;
    memmove(brokers + at + 1, brokers + at, (image->brokers.count - 1 - at) * sizeof(*brokers));
    brokers[at] = broker;
    return E_OK;
}

void meta_image_remove_broker(struct meta_image *image, int32_t id)
{
    size_t at = broker_position(image, id);

    if (at == image->brokers.count || broker_at(image, at)->id != id)
        return;
    meta_broker_free(broker_at(image, at));
    vec_remove(&image->brokers, at);
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
            text_free(f->name);
            *f = *(last - 1);
            image->feature_count--;
        }
        return E_OK;
    }
    if (f == last) {
        if (image->feature_count == META_FEATURES_MAX)
            return E_TOO_BIG;
        f->name = text_copy(name);
        if (f->name.at == NULL)
            return E_NOMEM;
        image->feature_count++;
    }
    f->level = level;
    return E_OK;
}

/* The whole */

struct meta_image *meta_image_new(uint64_t seed)
{
    struct meta_image *image = mem_alloc_zero(sizeof(*image));

    if (image == NULL)
        return NULL;
    map_slice_init_borrowing(&image->topics, seed);
    map_slice_init_borrowing(&image->topic_ids, seed);
    map_slice_init(&image->collisions, seed);
    map_slice_init(&image->deleted, seed);
    map_slice_init(&image->configs, seed);
    vec_init(&image->brokers, sizeof(struct meta_broker *), META_BROKERS_MAX);
    image->offset = -1;
    if (meta_image_set_feature(image, slice_of_text("kraft.version"), META_KRAFT_VERSION) != E_OK) {
        meta_image_free(image);
        return NULL;
    }
    return image;
}

void meta_image_free(struct meta_image *image)
{
    struct map_iter it = {0};
    struct meta_resource_configs *resource;
    struct meta_topic *topic;

    if (image == NULL)
        return;
    map_slice_release(&image->topic_ids);
    while ((topic = map_slice_next(&image->topics, &it, NULL)) != NULL) {
        map_slice_remove(&image->topics, topic->name);
        topic_free(topic);
    }
    map_slice_release(&image->topics);
    it = (struct map_iter){0};
    while ((resource = map_slice_next(&image->configs, &it, NULL)) != NULL)
        resource_free(resource);
    map_slice_release(&image->configs);
    map_slice_release(&image->collisions);
    map_slice_release(&image->deleted);
    for (size_t i = 0; i < image->brokers.count; i++)
        meta_broker_free(broker_at(image, i));
    vec_release(&image->brokers);
    for (size_t i = 0; i < image->feature_count; i++)
        text_free(image->features[i].name);
    mem_free(image);
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
    return topic->partitions[index].replicas.count > 0 ? &topic->partitions[index] : NULL;
}

size_t meta_image_broker_count(const struct meta_image *image)
{
    return image->brokers.count;
}

const struct meta_broker *meta_image_broker_at(const struct meta_image *image, size_t index)
{
    return broker_at(image, index);
}

const struct meta_broker *meta_image_broker(const struct meta_image *image, int32_t id)
{
    size_t at = broker_position(image, id);

    if (at == image->brokers.count || broker_at(image, at)->id != id)
        return NULL;
    return broker_at(image, at);
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
