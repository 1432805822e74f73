#include <string.h>

#include "base/mem.h"
#include "meta/image_priv.h"

/* Settings: by type of resource, by its name, by the setting's name. */

static void resource_free(struct meta_resource_configs *resource)
{
    if (resource == NULL)
        return;
    for (size_t i = 0; i < resource->count; i++)
        meta_text_free(resource->at[i].name);
    mem_free(resource->at);
    mem_free(resource);
}

static const struct map_slice *type_find(const struct meta_image *image, int8_t type)
{
    for (size_t i = 0; i < image->config_type_count; i++) {
        if (image->config_types[i].type == type)
            return &image->config_types[i].resources;
    }
    return NULL;
}

static struct map_slice *type_get(struct meta_image *image, int8_t type)
{
    size_t i = 0;

    while (i < image->config_type_count && image->config_types[i].type != type)
        i++;
    if (i == META_RESOURCE_TYPES_MAX)
        return NULL;
    if (i == image->config_type_count) {
        image->config_types[i].type = type;
        map_slice_init(&image->config_types[i].resources, image->seed);
        image->config_type_count++;
    }
    return &image->config_types[i].resources;
}

/* Where `name` is, or where it would go. */
static size_t config_position(struct meta_configs configs, struct slice name, bool *found_out)
{
    size_t low = 0;
    size_t high = configs.count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = slice_compare(configs.at[middle].name, name);

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

static struct meta_configs configs_of(const struct meta_resource_configs *resource)
{
    return (struct meta_configs){.at = resource->at, .count = resource->count};
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
    size_t at = config_position(configs_of(resource), name, &found);

    if (config_copy(name, value, &config) != E_OK)
        return E_NOMEM;
    if (found) {
        meta_text_free(resource->at[at].name);
        resource->at[at] = config;
        return E_OK;
    }
    if (resource->count == resource->capacity) {
        size_t capacity = resource->capacity * 2 + 4;
        struct meta_config *grown = mem_realloc(resource->at, capacity * sizeof(*grown));

        if (grown == NULL || resource->count >= META_CONFIGS_MAX) {
            if (grown != NULL)
                resource->at = grown;
            meta_text_free(config.name);
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
    size_t at = config_position(configs_of(resource), name, &found);

    if (!found)
        return;
    meta_text_free(resource->at[at].name);
    resource->count--;
    memmove(resource->at + at, resource->at + at + 1,
            (resource->count - at) * sizeof(*resource->at));
}

/* A resource without settings is none. */
static void resource_remove(struct map_slice *resources, struct slice resource_name)
{
    resource_free(map_slice_remove(resources, resource_name));
}

enum err meta_image_set_config(struct meta_image *image, int8_t type, struct slice resource_name,
                               struct slice name, struct slice value)
{
    struct map_slice *resources = type_get(image, type);
    struct meta_resource_configs *resource;
    enum err e;

    if (resources == NULL)
        return E_CORRUPT;
    resource = map_slice_find(resources, resource_name);
    if (value.at == NULL) {
        if (resource == NULL)
            return E_OK;
        resource_unset(resource, name);
        if (resource->count == 0)
            resource_remove(resources, resource_name);
        return E_OK;
    }
    if (resource == NULL) {
        resource = mem_alloc_zero(sizeof(*resource));
        if (resource == NULL || map_slice_put(resources, resource_name, resource) != E_OK) {
            mem_free(resource);
            return E_NOMEM;
        }
    }
    e = resource_set(resource, name, value);
    if (resource->count == 0)
        resource_remove(resources, resource_name);
    return e;
}

void meta_image_remove_configs(struct meta_image *image, int8_t type, struct slice resource_name)
{
    struct map_slice *resources = type_get(image, type);

    if (resources != NULL)
        resource_remove(resources, resource_name);
}

void meta_configs_release(struct meta_image *image)
{
    for (size_t i = 0; i < image->config_type_count; i++) {
        struct map_slice *resources = &image->config_types[i].resources;
        struct meta_resource_configs *resource;
        struct map_iter it = {0};

        while ((resource = map_slice_next(resources, &it, NULL)) != NULL)
            resource_free(resource);
        map_slice_release(resources);
    }
}

struct meta_configs meta_image_configs(const struct meta_image *image, enum meta_resource type,
                                       struct slice resource_name)
{
    const struct map_slice *resources = type_find(image, (int8_t)type);
    const struct meta_resource_configs *resource =
        resources == NULL ? NULL : map_slice_find(resources, resource_name);

    if (resource == NULL)
        return (struct meta_configs){0};
    return configs_of(resource);
}

struct slice meta_image_config(const struct meta_image *image, enum meta_resource type,
                               struct slice resource_name, struct slice name)
{
    struct meta_configs configs = meta_image_configs(image, type, resource_name);
    bool found;
    size_t at = config_position(configs, name, &found);

    return found ? configs.at[at].value : slice_of(NULL, 0);
}
