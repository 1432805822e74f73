#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "meta/image_priv.h"

/*
 * Brokers and controllers. Each is one block: the struct, its endpoints, its features, then the
 * texts that these borrow; only a broker's directories, which change, are apart.
 */

/* What both kinds have beside their own fields. */
struct parts {
    const struct meta_endpoint *endpoints;
    int32_t endpoint_count;
    const struct meta_feature_range *features;
    int32_t feature_count;
};

static size_t texts_size(struct parts parts)
{
    size_t size = 0;

    for (int32_t i = 0; i < parts.endpoint_count; i++)
        size += parts.endpoints[i].name.size + parts.endpoints[i].host.size + 2;
    for (int32_t i = 0; i < parts.feature_count; i++)
        size += parts.features[i].name.size + 1;
    return size;
}

static struct slice keep(uint8_t **at, struct slice s)
{
    uint8_t *copy = *at;

    if (s.at == NULL)
        return s;
    if (s.size > 0)
        memcpy(copy, s.at, s.size);
    copy[s.size] = 0;
    *at += s.size + 1;
    return slice_of(copy, s.size);
}

/*
 * A block of `size` bytes for the struct and room for `parts`, which are moved into it, and for
 * `text_size` bytes of more text at *text_out.
 */
static void *node_new(size_t size, struct parts *parts, size_t text_size, uint8_t **text_out)
{
    size_t endpoints_size = (size_t)parts->endpoint_count * sizeof(*parts->endpoints);
    size_t features_size = (size_t)parts->feature_count * sizeof(*parts->features);
    uint8_t *block =
        mem_alloc_zero(size + endpoints_size + features_size + texts_size(*parts) + text_size);
    struct meta_endpoint *endpoints;
    struct meta_feature_range *features;
    uint8_t *text;

    if (block == NULL)
        return NULL;
    endpoints = (void *)(block + size);
    features = (void *)(block + size + endpoints_size);
    text = block + size + endpoints_size + features_size;
    assert(size % sizeof(void *) == 0);
    for (int32_t i = 0; i < parts->endpoint_count; i++) {
        endpoints[i] = parts->endpoints[i];
        endpoints[i].name = keep(&text, parts->endpoints[i].name);
        endpoints[i].host = keep(&text, parts->endpoints[i].host);
    }
    for (int32_t i = 0; i < parts->feature_count; i++) {
        features[i] = parts->features[i];
        features[i].name = keep(&text, parts->features[i].name);
    }
    parts->endpoints = endpoints;
    parts->features = features;
    *text_out = text;
    return block;
}

/* Lists by id: their items begin with it. */

static int32_t id_at(const struct vec *nodes, size_t index)
{
    return **(int32_t **)vec_at(nodes, index);
}

/* Index of the first one whose id is not below `id`. */
static size_t node_position(const struct vec *nodes, int32_t id)
{
    size_t low = 0;
    size_t high = nodes->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (id_at(nodes, middle) < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void *node_find(const struct vec *nodes, int32_t id)
{
    size_t at = node_position(nodes, id);

    if (at == nodes->count || id_at(nodes, at) != id)
        return NULL;
    return *(void **)vec_at(nodes, at);
}

/* Takes `node`. *old_out: the one whose place it took, or NULL. */
static enum err node_put(struct vec *nodes, int32_t id, void *node, void **old_out)
{
    size_t at = node_position(nodes, id);
    void **all = nodes->at;
    enum err e;

    *old_out = node_find(nodes, id);
    if (*old_out != NULL) {
        all[at] = node;
        return E_OK;
    }
    e = vec_push(nodes, &node);
    if (e != E_OK)
        return e;
    all = nodes->at;
    memmove(all + at + 1, all + at, (nodes->count - 1 - at) * sizeof(*all));
    all[at] = node;
    return E_OK;
}

/* Brokers */

static struct uuid *mutable_directories(const struct meta_broker *broker)
{
    union {
        const struct uuid *borrowed;
        struct uuid *owned;
    } at = {.borrowed = broker->log_dirs};

    return at.owned;
}

static void broker_free(struct meta_broker *broker)
{
    if (broker == NULL)
        return;
    mem_free(mutable_directories(broker));
    mem_free(broker);
}

enum err meta_broker_set_directories(struct meta_broker *broker, const struct uuid *at,
                                     int32_t count)
{
    struct uuid *copy = NULL;

    if (count > 0) {
        copy = mem_alloc((size_t)count * sizeof(*copy));
        if (copy == NULL)
            return E_NOMEM;
        memcpy(copy, at, (size_t)count * sizeof(*copy));
    }
    mem_free(mutable_directories(broker));
    broker->log_dirs = copy;
    broker->log_dir_count = count;
    return E_OK;
}

enum err meta_image_put_broker(struct meta_image *image, const struct meta_broker *broker)
{
    struct parts parts = {broker->endpoints, broker->endpoint_count, broker->features,
                          broker->feature_count};
    struct meta_broker *copy;
    void *old = NULL;
    uint8_t *text;
    enum err e;

    copy = node_new(sizeof(*copy), &parts, broker->rack.size + 1, &text);
    if (copy == NULL)
        return E_NOMEM;
    *copy = *broker;
    copy->endpoints = parts.endpoints;
    copy->features = parts.features;
    copy->rack = keep(&text, broker->rack);
    copy->log_dirs = NULL;
    e = meta_broker_set_directories(copy, broker->log_dirs, broker->log_dir_count);
    if (e == E_OK)
        e = node_put(&image->brokers, copy->id, copy, &old);
    broker_free(e == E_OK ? old : copy);
    return e;
}

struct meta_broker *meta_image_mutable_broker(struct meta_image *image, int32_t id)
{
    return node_find(&image->brokers, id);
}

void meta_image_remove_broker(struct meta_image *image, int32_t id)
{
    struct meta_broker *broker = node_find(&image->brokers, id);

    if (broker == NULL)
        return;
    vec_remove(&image->brokers, node_position(&image->brokers, id));
    broker_free(broker);
}

size_t meta_image_broker_count(const struct meta_image *image)
{
    return image->brokers.count;
}

const struct meta_broker *meta_image_broker_at(const struct meta_image *image, size_t index)
{
    return *(struct meta_broker **)vec_at(&image->brokers, index);
}

const struct meta_broker *meta_image_broker(const struct meta_image *image, int32_t id)
{
    return node_find(&image->brokers, id);
}

bool meta_broker_is_active(const struct meta_broker *broker)
{
    return broker != NULL && !broker->is_fenced && !broker->is_in_controlled_shutdown;
}

bool meta_broker_has_directory(const struct meta_broker *broker, struct uuid directory)
{
    if (uuid_equal(directory, meta_directory_migrating) ||
        uuid_equal(directory, meta_directory_unassigned))
        return true;
    if (uuid_equal(directory, meta_directory_lost))
        return false;
    if (broker->log_dir_count == 0)
        return true; /* registered before brokers told theirs */
    for (int32_t i = 0; i < broker->log_dir_count; i++) {
        if (uuid_equal(broker->log_dirs[i], directory))
            return true;
    }
    return false;
}

/* Controllers */

enum err meta_image_put_controller(struct meta_image *image,
                                   const struct meta_controller *controller)
{
    struct parts parts = {controller->endpoints, controller->endpoint_count, controller->features,
                          controller->feature_count};
    struct meta_controller *copy;
    void *old = NULL;
    uint8_t *text;
    enum err e;

    copy = node_new(sizeof(*copy), &parts, 0, &text);
    if (copy == NULL)
        return E_NOMEM;
    *copy = *controller;
    copy->endpoints = parts.endpoints;
    copy->features = parts.features;
    e = node_put(&image->controllers, copy->id, copy, &old);
    mem_free(e == E_OK ? old : copy);
    return e;
}

size_t meta_image_controller_count(const struct meta_image *image)
{
    return image->controllers.count;
}

const struct meta_controller *meta_image_controller_at(const struct meta_image *image, size_t index)
{
    return *(struct meta_controller **)vec_at(&image->controllers, index);
}

const struct meta_controller *meta_image_controller(const struct meta_image *image, int32_t id)
{
    return node_find(&image->controllers, id);
}

void meta_nodes_release(struct meta_image *image)
{
    for (size_t i = 0; i < image->brokers.count; i++)
        broker_free(*(struct meta_broker **)vec_at(&image->brokers, i));
    vec_release(&image->brokers);
    for (size_t i = 0; i < image->controllers.count; i++)
        mem_free(*(void **)vec_at(&image->controllers, i));
    vec_release(&image->controllers);
}
