#include "broker/handle/handlers_priv.h"

#include "broker/authorise_priv.h"
#include "broker/broker_priv.h"
#include "broker/handle/topic_result_priv.h"
#include "broker/request_priv.h"
#include "broker/setting_view_priv.h"
#include "config/topic.h"
#include "wire/create_topics.h"

/*
 * CreateTopics (key 19): the controller decides and writes; the answer comes
 * when this shard has seen the records. A topic that the client may not create
 * is refused before the controller is asked.
 */
enum { CONFIGS_SINCE = 5 };

struct create {
    struct request *req;
    struct wire_create_topics_request in;      /* as asked */
    struct wire_create_topics_request allowed; /* what the controller is asked for */
    struct wire_create_topics_response out;
    struct quorum_op op;
};

/* The settings of a topic that was only asked about; they are valid. */
static struct config_topic *config_asked(
    const struct wire_create_topics_request_creatable_topic *in)
{
    struct config_topic *own = config_topic_new();

    for (int32_t i = 0; own != NULL && i < in->configs_count; i++) {
        enum err e = config_topic_set(own, in->configs[i].name, in->configs[i].value, NULL);

        (void)e; /* only memory can fail here, and this shows one default more */
    }
    return own;
}

/* Its settings as DescribeConfigs would show them. Takes `own`. */
static bool configs_fill(struct request *req, struct config_topic *own,
                         struct wire_create_topics_response_creatable_topic_result *out)
{
    struct setting_view view;

    out->configs = arena_alloc_array(&req->arena, CONFIG_COUNT, sizeof(*out->configs));
    if (out->configs == NULL) {
        config_topic_free(own);
        return false;
    }
    out->configs_count = 0;
    for (int id = 0; id < CONFIG_COUNT; id++) {
        struct wire_create_topics_response_creatable_topic_configs *c;

        if (!setting_view_has((enum config_id)id, CONFIG_TOPIC))
            continue;
        setting_view(req->shard->config, own, (enum config_id)id, &view);
        c = &out->configs[out->configs_count++];
        wire_create_topics_response_creatable_topic_configs_init(c);
        c->name = view.name;
        c->value = arena_copy(&req->arena, view.value);
        c->config_source = (int8_t)view.source;
        c->is_sensitive = view.is_sensitive;
    }
    config_topic_free(own);
    return true;
}

static bool result_fill(struct create *c, const struct meta_topic_result *result, int32_t i)
{
    struct wire_create_topics_response_creatable_topic_result *out = &c->out.topics[i];
    const struct meta_topic *topic;

    out->topic_id = result->topic_id;
    out->num_partitions = result->partition_count;
    out->replication_factor = result->replication_factor;
    topic = meta_image_topic(c->req->shard->image, out->name);
    if (request_version(c->req) < CONFIGS_SINCE)
        return true;
    return configs_fill(c->req,
                        topic != NULL ? shard_topic_config(c->req->shard, topic)
                                      : config_asked(&c->in.topics[i]),
                        out);
}

static void create_answer(struct create *c)
{
    struct writer w = request_answer_begin(c->req);

    wire_create_topics_response_encode(&w, request_version(c->req), &c->out);
    request_answer_finish(c->req, &w);
}

static void created(struct quorum_op *op)
{
    struct create *c = LIST_ENTRY(op, struct create, op);
    int32_t next = 0;

    for (int32_t i = 0; i < c->out.topics_count; i++) {
        struct wire_create_topics_response_creatable_topic_result *out = &c->out.topics[i];

        const struct meta_topic_result *result =
            handle_topic_result(op, &next, &out->error_code, &out->error_message);

        if (result != NULL && out->error_code == WIRE_ERROR_NONE && !result_fill(c, result, i)) {
            request_drop_no_memory(c->req);
            return;
        }
    }
    create_answer(c);
}

/* Refuse what is not allowed; the rest goes to the controller. False when memory is out. */
static bool allowed_collect(struct create *c)
{
    struct arena *arena = &c->req->arena;
    size_t count = (size_t)c->in.topics_count;

    c->allowed = c->in;
    c->allowed.topics_count = 0;
    c->allowed.topics = arena_alloc_array(arena, count, sizeof(*c->allowed.topics));
    c->out.topics = arena_alloc_array(arena, count, sizeof(*c->out.topics));
    if (c->allowed.topics == NULL || c->out.topics == NULL)
        return false;
    c->out.topics_count = c->in.topics_count;
    for (size_t i = 0; i < count; i++) {
        const struct wire_create_topics_request_creatable_topic *in = &c->in.topics[i];
        struct wire_create_topics_response_creatable_topic_result *out = &c->out.topics[i];

        wire_create_topics_response_creatable_topic_result_init(out);
        out->name = in->name;
        if (authorise(c->req, AUTHORISE_CREATE, AUTHORISE_TOPIC, in->name))
            c->allowed.topics[c->allowed.topics_count++] = *in;
        else
            out->error_code = WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED;
    }
    return true;
}

void handle_create_topics(struct request *req)
{
    struct reader r = reader_init(req->body, req->body_size);
    struct create *c = arena_alloc(&req->arena, sizeof(*c));

    if (c == NULL) {
        request_drop_no_memory(req);
        return;
    }
    c->req = req;
    if (wire_create_topics_request_decode(&r, request_version(req), &req->arena, &c->in) != E_OK) {
        request_drop(req, "create-topics request does not decode");
        return;
    }
    wire_create_topics_response_init(&c->out);
    if (!allowed_collect(c)) {
        request_drop_no_memory(req);
        return;
    }
    if (c->allowed.topics_count == 0) {
        create_answer(c);
        return;
    }
    c->op = (struct quorum_op){
        .kind = QUORUM_CREATE_TOPICS,
        .loop = req->shard->loop,
        .done = created,
        .arena = &req->arena,
        .request.create_topics = &c->allowed,
    };
    quorum_submit(req->shard->broker->quorum, &c->op);
}
