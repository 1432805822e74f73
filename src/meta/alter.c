#include <string.h>

#include "base/parse.h"
#include "config/config.h"
#include "config/table.h"
#include "config/topic.h"
#include "meta/control_priv.h"

/*
 * Settings of topics, brokers and groups. What a request makes of each setting is
 * worked out and checked first; records come when all of a resource is well.
 */

/* For messages; names in them are cut. */
enum { SHOWN_SIZE = 256 };

static struct meta_result check_resource(struct meta_control *control,
                                         const struct meta_alter_resource *resource)
{
    int64_t id;

    switch (resource->type) {
    case META_RESOURCE_TOPIC:
        if (resource->name.size == 0)
            return meta_refuse(control, WIRE_ERROR_INVALID_REQUEST,
                               "There are no settings for all topics.");
        if (meta_image_topic(control->image, resource->name) == NULL)
            return (struct meta_result){.error = WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION};
        return (struct meta_result){0};
    case META_RESOURCE_BROKER:
        if (resource->name.size == 0)
            return (struct meta_result){0};
        if (parse_i64(resource->name, &id) != E_OK || id < 0 || id > INT32_MAX ||
            meta_image_broker(control->image, (int32_t)id) == NULL)
            return meta_refuse(control, WIRE_ERROR_INVALID_REQUEST,
                               "No broker of that id is registered.");
        return (struct meta_result){0};
    case META_RESOURCE_GROUP:
        if (resource->name.size == 0 || resource->name.size > META_RESOURCE_NAME_SIZE_MAX)
            return meta_refuse(control, WIRE_ERROR_INVALID_REQUEST,
                               "A group whose settings are altered has a name of 1 to %d bytes.",
                               META_RESOURCE_NAME_SIZE_MAX);
        return (struct meta_result){0};
    default:
        return meta_refuse(control, WIRE_ERROR_INVALID_REQUEST,
                           "Settings of resource type %d cannot be altered.", (int)resource->type);
    }
}

static struct meta_result check_value(struct meta_control *control,
                                      const struct meta_alter_resource *resource, struct slice name,
                                      struct slice value)
{
    struct report report = {0};
    struct config_topic *group;
    struct config *config;
    enum err e;

    if (resource->type == META_RESOURCE_TOPIC) {
        e = config_topic_check(name, value, &report);
    } else if (resource->type == META_RESOURCE_GROUP) {
        group = config_group_new();
        if (group == NULL)
            return meta_refuse(control, WIRE_ERROR_UNKNOWN_SERVER_ERROR, "out of memory");
        e = config_topic_set(group, name, value, &report);
        config_topic_free(group);
    } else {
        config = config_new();
        if (config == NULL)
            return meta_refuse(control, WIRE_ERROR_UNKNOWN_SERVER_ERROR, "out of memory");
        e = config_set(config, name, value,
                       resource->name.size == 0 ? CONFIG_SOURCE_DYNAMIC_DEFAULT
                                                : CONFIG_SOURCE_DYNAMIC,
                       &report);
        config_free(config);
    }
    if (e == E_OK)
        return (struct meta_result){0};
    return meta_refuse(control,
                       resource->type == META_RESOURCE_BROKER ? WIRE_ERROR_INVALID_REQUEST
                                                              : WIRE_ERROR_INVALID_CONFIG,
                       "%s", report.text[0] != 0 ? report.text : err_text(e));
}

/* The list as it stands: set here, or the default. */
static struct slice list_before(const struct meta_control *control,
                                const struct meta_alter_resource *resource, struct slice name,
                                struct config_entry entry)
{
    struct slice value =
        meta_image_config(control->image, (enum meta_resource)resource->type, resource->name, name);

    if (value.at != NULL)
        return value;
    if (entry.text == NULL && entry.broker_id != CONFIG_NONE)
        entry = config_entry(entry.broker_id);
    return slice_of_text(entry.text == NULL ? "" : entry.text);
}

static bool list_has(const char *list, struct slice item)
{
    struct slice found;
    size_t pos = 0;

    while (config_list_next(list, &pos, &found)) {
        if (slice_equal(found, item))
            return true;
    }
    return false;
}

/* Put the items of `from` that are (not) in `other` behind `out`, each once. */
static enum err list_add(struct buf *out, const char *from, const char *other, bool wanted_in)
{
    struct slice item;
    size_t pos = 0;
    enum err e = E_OK;

    while (e == E_OK && config_list_next(from, &pos, &item)) {
        if (list_has(other, item) == wanted_in)
            e = buf_printf(out, "%s%.*s", out->size > 0 ? "," : "", (int)item.size,
                           (const char *)item.at);
    }
    return e;
}

/* The list that an append or subtract leaves behind, in the arena. */
static enum err list_after(struct meta_control *control, enum meta_alter_kind kind,
                           struct slice before, struct slice value, struct slice *after_out)
{
    struct slice old_text = arena_copy(control->arena, before);
    struct slice new_text = arena_copy(control->arena, value);
    struct buf out;
    enum err e = E_OK;

    if (old_text.at == NULL || new_text.at == NULL)
        return E_NOMEM;
    buf_init(&out, CONFIG_VALUE_SIZE_MAX);
    if (kind == META_ALTER_APPEND) {
        e = list_add(&out, (const char *)old_text.at, "", false);
        if (e == E_OK)
            e = list_add(&out, (const char *)new_text.at, (const char *)old_text.at, false);
    } else {
        e = list_add(&out, (const char *)old_text.at, (const char *)new_text.at, false);
    }
    if (e == E_OK) {
        *after_out = arena_copy(control->arena,
                                slice_of(out.at == NULL ? (const uint8_t *)"" : out.at, out.size));
        e = after_out->at == NULL ? E_NOMEM : E_OK;
    }
    buf_release(&out);
    return e;
}

static enum config_scope scope_of(const struct meta_alter_resource *resource)
{
    return resource->type == META_RESOURCE_TOPIC   ? CONFIG_TOPIC
           : resource->type == META_RESOURCE_GROUP ? CONFIG_GROUP
                                                   : CONFIG_BROKER;
}

/* What one alter makes of its setting: `value_out` NULL removes it. */
static enum err alter_one(struct meta_control *control, const struct meta_alter_resource *resource,
                          const struct meta_alter *alter, struct slice *value_out,
                          struct meta_result *result)
{
    enum config_id id = config_find(alter->name, scope_of(resource));
    char shown[SHOWN_SIZE];
    enum err e = E_OK;

    slice_to_text(alter->name, shown, sizeof(shown));
    *value_out = slice_of(NULL, 0);
    if (alter->kind == META_ALTER_DELETE)
        return E_OK;
    if (alter->kind < META_ALTER_SET || alter->kind > META_ALTER_SUBTRACT ||
        alter->value.at == NULL) {
        *result = meta_refuse(control, WIRE_ERROR_INVALID_REQUEST,
                              "Unknown operation, or null value, for config %s", shown);
        return E_OK;
    }
    *value_out = alter->value;
    if (alter->kind != META_ALTER_SET) {
        if (id == CONFIG_NONE || config_entry(id).type != CONFIG_LIST) {
            *result = meta_refuse(control, WIRE_ERROR_INVALID_CONFIG,
                                  "Can't %s to key %s because its type is not LIST.",
                                  alter->kind == META_ALTER_APPEND ? "APPEND" : "SUBTRACT", shown);
            return E_OK;
        }
        e = list_after(control, alter->kind,
                       list_before(control, resource, alter->name, config_entry(id)), alter->value,
                       value_out);
    }
    if (e == E_OK)
        *result = check_value(control, resource, alter->name, *value_out);
    return e;
}

static bool is_named(const struct meta_alter_resource *resource, struct slice name)
{
    for (int32_t i = 0; i < resource->alter_count; i++) {
        if (slice_equal(resource->alters[i].name, name))
            return true;
    }
    return false;
}

/* AlterConfigs: what is set and not named goes. */
static enum err remove_others(struct meta_control *control,
                              const struct meta_alter_resource *resource)
{
    struct meta_configs configs =
        meta_image_configs(control->image, (enum meta_resource)resource->type, resource->name);
    enum err e = E_OK;

    for (size_t i = 0; i < configs.count && e == E_OK; i++) {
        if (!is_named(resource, configs.at[i].name))
            e = meta_add_config_record(control, resource->type, resource->name, configs.at[i].name,
                                       slice_of(NULL, 0));
    }
    return e;
}

/* Nothing is written for what is so already. */
static bool is_set_so(const struct meta_control *control,
                      const struct meta_alter_resource *resource, int32_t index, struct slice value)
{
    struct slice now = meta_image_config(control->image, (enum meta_resource)resource->type,
                                         resource->name, resource->alters[index].name);

    return (now.at == NULL) == (value.at == NULL) && slice_equal(now, value);
}

/* The settings that a group will have: do they fit the broker's, and each other? */
static enum err check_group(struct meta_control *control,
                            const struct meta_alter_resource *resource, const struct slice *values,
                            bool replace, struct meta_result *result)
{
    struct meta_configs now =
        meta_image_configs(control->image, META_RESOURCE_GROUP, resource->name);
    const struct config *broker = control->config;
    struct config_topic *group = config_group_new();
    struct config *defaults = NULL;
    struct report report = {0};
    enum err e = group == NULL ? E_NOMEM : E_OK;

    if (broker == NULL)
        broker = defaults = config_new();
    if (broker == NULL)
        e = E_NOMEM;
    for (size_t i = 0; i < now.count && e == E_OK && !replace; i++)
        e = config_topic_set(group, now.at[i].name, now.at[i].value, &report);
    for (int32_t i = 0; i < resource->alter_count && e == E_OK; i++) {
        if (values[i].at == NULL)
            config_topic_unset(group, resource->alters[i].name);
        else
            e = config_topic_set(group, resource->alters[i].name, values[i], &report);
    }
    if (e == E_OK)
        e = config_group_check(broker, group, &report);
    config_topic_free(group);
    config_free(defaults);
    if (e != E_INVAL)
        return e;
    *result = meta_refuse(control, WIRE_ERROR_INVALID_CONFIG, "%s", report.text);
    return E_OK;
}

/* Every alter of a resource: the values it leads to, or the first reason why not. */
static enum err values_of(struct meta_control *control, const struct meta_alter_resource *resource,
                          struct slice *values, struct meta_result *result)
{
    enum err e = E_OK;

    for (int32_t i = 0; i < resource->alter_count && e == E_OK; i++) {
        for (int32_t j = 0; j < i; j++) {
            if (slice_equal(resource->alters[j].name, resource->alters[i].name))
                *result = meta_refuse(control, WIRE_ERROR_INVALID_REQUEST,
                                      "Error due to duplicate config keys");
        }
        if (result->error != WIRE_ERROR_NONE)
            return E_OK;
        e = alter_one(control, resource, &resource->alters[i], &values[i], result);
        if (result->error != WIRE_ERROR_NONE)
            return e;
    }
    return e;
}

static enum err alter_resource(struct meta_control *control,
                               const struct meta_alter_resource *resource, bool replace,
                               struct meta_result *result)
{
    struct slice *values;
    enum err e;

    *result = check_resource(control, resource);
    if (resource->alter_count > META_CONFIGS_MAX)
        *result = meta_refuse(control, WIRE_ERROR_INVALID_REQUEST, "More than %d config keys",
                              META_CONFIGS_MAX);
    if (result->error != WIRE_ERROR_NONE)
        return E_OK;
    values = arena_alloc_array(control->arena, (size_t)resource->alter_count + 1, sizeof(*values));
    if (values == NULL)
        return E_NOMEM;
    e = values_of(control, resource, values, result);
    if (e == E_OK && result->error == WIRE_ERROR_NONE && resource->type == META_RESOURCE_GROUP)
        e = check_group(control, resource, values, replace, result);
    if (result->error != WIRE_ERROR_NONE)
        return e;
    for (int32_t i = 0; i < resource->alter_count && e == E_OK; i++) {
        if (!is_set_so(control, resource, i, values[i]))
            e = meta_add_config_record(control, resource->type, resource->name,
                                       resource->alters[i].name, values[i]);
    }
    return e == E_OK && replace ? remove_others(control, resource) : e;
}

/* Type and name in one, so that twins are found; in the arena. */
static struct slice resource_key(struct meta_control *control, const struct meta_alter_resource *r)
{
    uint8_t *key = arena_alloc(control->arena, r->name.size + 1);

    if (key == NULL)
        return slice_of(NULL, 0);
    key[0] = (uint8_t)r->type;
    if (r->name.size > 0)
        memcpy(key + 1, r->name.at, r->name.size);
    return slice_of(key, r->name.size + 1);
}

enum err meta_alter_configs(struct meta_control *control, const struct meta_alter_configs *request,
                            struct meta_result **results_out)
{
    size_t before = meta_records_count(control->records);
    size_t count = request->resource_count > 0 ? (size_t)request->resource_count : 0;
    struct slice *keys = arena_alloc_array(control->arena, count + 1, sizeof(*keys));
    struct meta_result *results = arena_alloc_array(control->arena, count + 1, sizeof(*results));
    bool *is_twin;
    enum err e;

    if (keys == NULL || results == NULL)
        return E_NOMEM;
    for (size_t i = 0; i < count; i++)
        keys[i] = resource_key(control, &request->resources[i]);
    e = meta_find_twins(control, keys, (int32_t)count, &is_twin);
    for (size_t i = 0; i < count && e == E_OK; i++) {
        if (is_twin[i])
            results[i] = meta_refuse(control, WIRE_ERROR_INVALID_REQUEST,
                                     "Each resource must appear at most once.");
        else
            e = alter_resource(control, &request->resources[i], request->replace, &results[i]);
    }
    if (e != E_OK || request->validate_only)
        meta_records_cut(control->records, before);
    if (e == E_OK)
        *results_out = results;
    return e;
}
