#include "broker/handle/handlers_priv.h"

#include "base/parse.h"
#include "broker/authorise_priv.h"
#include "broker/broker_priv.h"
#include "broker/request_priv.h"
#include "broker/setting_view_priv.h"
#include "config/topic.h"
#include "wire/describe_configs.h"

/*
 * DescribeConfigs (key 32): every setting of a topic, of a group or of this broker, with
 * where its value comes from and what it would be without that. The broker without a name is
 * what was set in the cluster for all of them.
 */

struct view_request {
    struct request *req;
    const struct wire_describe_configs_request *in;
    const struct wire_describe_configs_request_describe_configs_resource *resource;
    struct wire_describe_configs_response_describe_configs_result *out;
    bool is_cluster; /* only what was set for all brokers */
};

static bool is_wanted(const struct view_request *v, enum config_id id)
{
    const struct wire_describe_configs_request_describe_configs_resource *resource = v->resource;

    if (resource->configuration_keys_count <= 0)
        return true;
    for (int32_t i = 0; i < resource->configuration_keys_count; i++) {
        if (slice_equal_text(resource->configuration_keys[i], config_entry(id).name))
            return true;
    }
    return false;
}

static bool synonyms_fill(
    struct arena *arena, const struct setting_view *view,
    struct wire_describe_configs_response_describe_configs_resource_result *out)
{
    out->synonyms = arena_alloc_array(arena, (size_t)view->synonym_count, sizeof(*out->synonyms));
    if (out->synonyms == NULL)
        return false;
    for (int32_t i = 0; i < view->synonym_count; i++) {
        struct wire_describe_configs_response_describe_configs_synonym *s = &out->synonyms[i];

        wire_describe_configs_response_describe_configs_synonym_init(s);
        s->name = view->synonyms[i].name;
        s->value = arena_copy(arena, view->synonyms[i].value);
        s->source = (int8_t)view->synonyms[i].source;
    }
    out->synonyms_count = view->synonym_count;
    return true;
}

static bool configs_fill(struct view_request *v, const struct config_topic *own,
                         enum config_scope scope)
{
    struct arena *arena = &v->req->arena;
    struct setting_view view;

    v->out->configs = arena_alloc_array(arena, CONFIG_COUNT, sizeof(*v->out->configs));
    if (v->out->configs == NULL)
        return false;
    for (int id = 0; id < CONFIG_COUNT; id++) {
        struct wire_describe_configs_response_describe_configs_resource_result *c;

        if (!setting_view_has((enum config_id)id, scope) || !is_wanted(v, (enum config_id)id))
            continue;
        if (!v->is_cluster)
            setting_view(v->req->shard->config, own, (enum config_id)id, &view);
        else if (!setting_view_cluster(v->req->shard->config, (enum config_id)id, &view))
            continue;
        c = &v->out->configs[v->out->configs_count++];
        wire_describe_configs_response_describe_configs_resource_result_init(c);
        c->name = view.name;
        c->value = arena_copy(arena, view.value); /* the topic's overrides go before the answer */
        c->read_only = view.is_read_only;
        c->config_source = (int8_t)view.source;
        c->is_sensitive = view.is_sensitive;
        c->config_type = view.type;
        c->documentation = v->in->include_documentation ? view.documentation : slice_of(NULL, 0);
        if (v->in->include_synonyms && !synonyms_fill(arena, &view, c))
            return false;
    }
    return true;
}

static bool topic_describe(struct view_request *v)
{
    struct broker_shard *shard = v->req->shard;
    const struct meta_topic *topic = meta_image_topic(shard->image, v->resource->resource_name);
    struct config_topic *own;
    bool is_filled;

    if (!authorise(v->req, AUTHORISE_DESCRIBE_CONFIGS, AUTHORISE_TOPIC,
                   v->resource->resource_name)) {
        v->out->error_code = WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED;
        return true;
    }
    if (topic == NULL) {
        bool is_valid = meta_topic_name_is_valid(v->resource->resource_name);

        v->out->error_code =
            is_valid ? WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION : WIRE_ERROR_INVALID_TOPIC_EXCEPTION;
        return true;
    }
    own = shard_topic_config(shard, topic);
    is_filled = configs_fill(v, own, CONFIG_TOPIC);
    config_topic_free(own);
    return is_filled;
}

static bool broker_describe(struct view_request *v)
{
    struct slice name = v->resource->resource_name;
    int64_t id;

    if (!authorise(v->req, AUTHORISE_DESCRIBE_CONFIGS, AUTHORISE_CLUSTER,
                   slice_of_text("kafka-cluster"))) {
        v->out->error_code = WIRE_ERROR_CLUSTER_AUTHORIZATION_FAILED;
        return true;
    }
    if (name.size > 0 && (parse_i64(name, &id) != E_OK || id != v->req->shard->broker->node_id)) {
        v->out->error_code = WIRE_ERROR_INVALID_REQUEST;
        v->out->error_message = slice_of_text("no broker here has that id");
        return true;
    }
    v->is_cluster = name.size == 0;
    return configs_fill(v, NULL, CONFIG_BROKER);
}

static bool group_describe(struct view_request *v)
{
    struct slice name = v->resource->resource_name;
    struct config_topic *own;
    bool is_filled;

    if (!authorise(v->req, AUTHORISE_DESCRIBE_CONFIGS, AUTHORISE_GROUP, name)) {
        v->out->error_code = WIRE_ERROR_GROUP_AUTHORIZATION_FAILED;
        return true;
    }
    if (name.size == 0) {
        v->out->error_code = WIRE_ERROR_INVALID_REQUEST;
        v->out->error_message = slice_of_text("a group has a name");
        return true;
    }
    own = shard_group_config(v->req->shard, name);
    is_filled = configs_fill(v, own, CONFIG_GROUP);
    config_topic_free(own);
    return is_filled;
}

static bool resource_describe(struct view_request *v)
{
    wire_describe_configs_response_describe_configs_result_init(v->out);
    v->out->resource_type = v->resource->resource_type;
    v->out->resource_name = v->resource->resource_name;
    v->is_cluster = false;
    switch (v->resource->resource_type) {
    case META_RESOURCE_TOPIC:
        return topic_describe(v);
    case META_RESOURCE_BROKER:
        return broker_describe(v);
    case META_RESOURCE_GROUP:
        return group_describe(v);
    default:
        v->out->error_code = WIRE_ERROR_INVALID_REQUEST;
        v->out->error_message = slice_of_text("settings of topics, groups and brokers only");
        return true;
    }
}

void handle_describe_configs(struct request *req)
{
    struct reader r = reader_init(req->body, req->body_size);
    struct wire_describe_configs_request in;
    struct wire_describe_configs_response out;
    struct view_request v = {.req = req, .in = &in};
    bool is_filled;
    struct writer w;

    if (wire_describe_configs_request_decode(&r, request_version(req), &req->arena, &in) != E_OK) {
        request_drop(req, "describe-configs request does not decode");
        return;
    }
    wire_describe_configs_response_init(&out);
    out.results = arena_alloc_array(&req->arena, (size_t)in.resources_count, sizeof(*out.results));
    is_filled = out.results != NULL;
    for (int32_t i = 0; is_filled && i < in.resources_count; i++) {
        v.resource = &in.resources[i];
        v.out = &out.results[i];
        out.results_count++;
        is_filled = resource_describe(&v);
    }
    if (!is_filled) {
        request_drop_no_memory(req);
        return;
    }
    w = request_answer_begin(req);
    wire_describe_configs_response_encode(&w, request_version(req), &out);
    request_answer_finish(req, &w);
}
