#include "broker/handle/handlers_priv.h"

#include "broker/authorise_priv.h"
#include "broker/broker_priv.h"
#include "broker/request_priv.h"
#include "broker/session_priv.h"
#include "config/config.h"
#include "wire/create_topics.h"
#include "wire/metadata.h"

/*
 * Metadata (key 3): which brokers there are and who leads which partition.
 * Topics that are asked for by name and missing are created first, if both the
 * request and auto.create.topics.enable allow it; the answer then waits for that.
 */

enum {
    NULL_MEANS_ALL_SINCE = 1, /* v0: an empty list means all */
    AUTO_CREATE_FLAG_SINCE = 4,
    AUTO_CREATE_MAX = 100, /* topics of one request; the client asks again for the others */
};

struct metadata {
    struct request *req;
    struct wire_metadata_request in;
    struct quorum_op op;
    struct wire_create_topics_request create;
};

static bool asks_for_all(const struct metadata *m)
{
    if (request_version(m->req) < NULL_MEANS_ALL_SINCE)
        return m->in.topics_count == 0;
    return m->in.topics_count < 0;
}

static const struct meta_topic *topic_asked(
    const struct metadata *m, const struct wire_metadata_request_metadata_request_topic *in)
{
    const struct meta_image *image = m->req->shard->image;

    return in->name.at != NULL ? meta_image_topic(image, in->name)
                               : meta_image_topic_by_id(image, in->topic_id);
}

static bool brokers_fill(struct request *req, struct wire_metadata_response *out)
{
    const struct broker *broker = req->shard->broker;
    const struct meta_image *image = req->shard->image;
    size_t count = meta_image_broker_count(image);

    out->brokers = arena_alloc_array(&req->arena, count, sizeof(*out->brokers));
    if (out->brokers == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct meta_broker *b = meta_image_broker_at(image, i);
        struct meta_endpoint endpoint;

        if (b->is_fenced || !broker_endpoint(broker, b, req->session, &endpoint))
            continue;
        wire_metadata_response_metadata_response_broker_init(&out->brokers[out->brokers_count]);
        out->brokers[out->brokers_count++] =
            (struct wire_metadata_response_metadata_response_broker){
                .node_id = b->id,
                .host = endpoint.host,
                .port = endpoint.port,
                .rack = b->rack,
            };
    }
    return true;
}

static bool partitions_fill(struct request *req, const struct meta_topic *topic,
                            struct wire_metadata_response_metadata_response_topic *out)
{
    out->partitions =
        arena_alloc_array(&req->arena, (size_t)topic->partition_count, sizeof(*out->partitions));
    if (out->partitions == NULL)
        return false;
    for (int32_t i = 0; i < topic->partition_count; i++) {
        const struct meta_partition *p = meta_topic_partition(topic, i);
        struct wire_metadata_response_metadata_response_partition *r;
        struct meta_ids replicas;
        struct meta_ids isr;

        if (p == NULL)
            continue;
        replicas = meta_partition_ids(p, META_REPLICAS);
        isr = meta_partition_ids(p, META_ISR);
        r = &out->partitions[out->partitions_count++];
        wire_metadata_response_metadata_response_partition_init(r);
        r->error_code =
            p->leader == META_NO_LEADER ? WIRE_ERROR_LEADER_NOT_AVAILABLE : WIRE_ERROR_NONE;
        r->partition_index = i;
        r->leader_id = p->leader;
        r->leader_epoch = p->leader_epoch;
        r->replica_nodes = replicas.at;
        r->replica_nodes_count = replicas.count;
        r->isr_nodes = isr.at;
        r->isr_nodes_count = isr.count;
    }
    return true;
}

static bool topic_fill(struct metadata *m, const struct meta_topic *topic,
                       struct wire_metadata_response_metadata_response_topic *out)
{
    out->name = topic->name;
    out->topic_id = topic->id;
    out->is_internal = meta_topic_is_internal(topic->name);
    if (m->in.include_topic_authorized_operations)
        out->topic_authorized_operations = AUTHORISE_OPERATIONS_TOPIC;
    return partitions_fill(m->req, topic, out);
}

/* Why a topic that was asked for is not in the image. */
static enum wire_error missing_error(const struct metadata *m,
                                     const struct wire_metadata_request_metadata_request_topic *in)
{
    if (in->name.at == NULL)
        return WIRE_ERROR_UNKNOWN_TOPIC_ID;
    if (!meta_topic_name_is_valid(in->name))
        return WIRE_ERROR_INVALID_TOPIC_EXCEPTION;
    for (int32_t i = 0; i < m->create.topics_count; i++) {
        enum wire_error e =
            m->op.error != WIRE_ERROR_NONE ? m->op.error : m->op.result.topics[i].result.error;

        if (slice_equal(m->create.topics[i].name, in->name) && e != WIRE_ERROR_NONE)
            return e == WIRE_ERROR_TOPIC_ALREADY_EXISTS ? WIRE_ERROR_LEADER_NOT_AVAILABLE : e;
    }
    return WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
}

static bool topics_fill_all(struct metadata *m, struct wire_metadata_response *out)
{
    const struct meta_image *image = m->req->shard->image;
    size_t count = meta_image_topic_count(image);
    struct map_iter it = {0};
    const struct meta_topic *topic;

    out->topics = arena_alloc_array(&m->req->arena, count, sizeof(*out->topics));
    if (out->topics == NULL)
        return false;
    while ((topic = meta_image_next_topic(image, &it)) != NULL) {
        struct wire_metadata_response_metadata_response_topic *t;

        if (!authorise(m->req, AUTHORISE_DESCRIBE, AUTHORISE_TOPIC, topic->name))
            continue;
        t = &out->topics[out->topics_count++];
        wire_metadata_response_metadata_response_topic_init(t);
        if (!topic_fill(m, topic, t))
            return false;
    }
    return true;
}

static bool topics_fill_asked(struct metadata *m, struct wire_metadata_response *out)
{
    size_t count = m->in.topics_count < 0 ? 0 : (size_t)m->in.topics_count;

    out->topics = arena_alloc_array(&m->req->arena, count, sizeof(*out->topics));
    if (out->topics == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct wire_metadata_request_metadata_request_topic *in = &m->in.topics[i];
        const struct meta_topic *topic = topic_asked(m, in);
        struct wire_metadata_response_metadata_response_topic *t = &out->topics[i];

        wire_metadata_response_metadata_response_topic_init(t);
        out->topics_count++;
        t->name = in->name;
        t->topic_id = in->topic_id;
        if (topic == NULL)
            t->error_code = (int16_t)missing_error(m, in);
        else if (!authorise(m->req, AUTHORISE_DESCRIBE, AUTHORISE_TOPIC, topic->name))
            t->error_code = WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED;
        else if (!topic_fill(m, topic, t))
            return false;
    }
    return true;
}

static void metadata_answer(struct metadata *m)
{
    struct request *req = m->req;
    struct wire_metadata_response out;
    bool is_filled;
    struct writer w;

    wire_metadata_response_init(&out);
    out.cluster_id = slice_of_text(quorum_cluster_id(req->shard->broker->quorum));
    out.controller_id = req->shard->broker->node_id;
    if (m->in.include_cluster_authorized_operations)
        out.cluster_authorized_operations = AUTHORISE_OPERATIONS_CLUSTER;
    is_filled = brokers_fill(req, &out) &&
                (asks_for_all(m) ? topics_fill_all(m, &out) : topics_fill_asked(m, &out));
    if (!is_filled) {
        request_drop_no_memory(req);
        return;
    }
    w = request_answer_begin(req);
    wire_metadata_response_encode(&w, request_version(req), &out);
    request_answer_finish(req, &w);
}

/* Auto-create. */

static bool may_create(const struct metadata *m,
                       const struct wire_metadata_request_metadata_request_topic *in)
{
    return in->name.at != NULL && meta_topic_name_is_valid(in->name) &&
           !meta_topic_is_internal(in->name) && topic_asked(m, in) == NULL &&
           authorise(m->req, AUTHORISE_CREATE, AUTHORISE_TOPIC, in->name);
}

static bool is_listed(const struct metadata *m, struct slice name)
{
    for (int32_t i = 0; i < m->create.topics_count; i++) {
        if (slice_equal(m->create.topics[i].name, name))
            return true;
    }
    return false;
}

static void created(struct quorum_op *op)
{
    metadata_answer(LIST_ENTRY(op, struct metadata, op));
}

/* The topics to create, in m->create. False when memory is out. */
static bool missing_collect(struct metadata *m)
{
    bool is_allowed =
        request_version(m->req) < AUTO_CREATE_FLAG_SINCE || m->in.allow_auto_topic_creation;
    int32_t count;

    wire_create_topics_request_init(&m->create);
    if (!is_allowed || asks_for_all(m) ||
        !config_bool(m->req->shard->broker->config, CONFIG_AUTO_CREATE_TOPICS))
        return true;
    count = m->in.topics_count < AUTO_CREATE_MAX ? m->in.topics_count : AUTO_CREATE_MAX;
    m->create.topics = arena_alloc_array(&m->req->arena, (size_t)count, sizeof(*m->create.topics));
    if (m->create.topics == NULL)
        return false;
    for (int32_t i = 0; i < m->in.topics_count && m->create.topics_count < AUTO_CREATE_MAX; i++) {
        struct wire_create_topics_request_creatable_topic *t;

        if (!may_create(m, &m->in.topics[i]) || is_listed(m, m->in.topics[i].name))
            continue;
        t = &m->create.topics[m->create.topics_count++];
        wire_create_topics_request_creatable_topic_init(t);
        t->name = m->in.topics[i].name;
        t->num_partitions = -1;
        t->replication_factor = -1;
    }
    return true;
}

void handle_metadata(struct request *req)
{
    struct reader r = reader_init(req->body, req->body_size);
    struct metadata *m = arena_alloc(&req->arena, sizeof(*m));

    if (m == NULL) {
        request_drop_no_memory(req);
        return;
    }
    m->req = req;
    /* librdkafka 2.16 leaves three bytes behind the request when it asks for all topics. */
    if (wire_metadata_request_decode(&r, request_version(req), &req->arena, &m->in) != E_OK) {
        request_drop(req, "metadata request does not decode");
        return;
    }
    if (!missing_collect(m)) {
        request_drop_no_memory(req);
        return;
    }
    if (m->create.topics_count == 0) {
        metadata_answer(m);
        return;
    }
    m->op = (struct quorum_op){
        .kind = QUORUM_CREATE_TOPICS,
        .loop = req->shard->loop,
        .done = created,
        .arena = &req->arena,
        .request.create_topics = &m->create,
    };
    quorum_submit(req->shard->broker->quorum, &m->op);
}
