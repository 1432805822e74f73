#include "broker/handle/handlers_priv.h"

#include "broker/authorise_priv.h"
#include "broker/broker_priv.h"
#include "broker/request_priv.h"
#include "config/config.h"
#include "coord/coord.h"
#include "wire/create_topics.h"
#include "wire/find_coordinator.h"

/*
 * FindCoordinator (key 10): which broker leads the partition that a group belongs to. The topic is
 * made when the first one asks; the answer waits for that.
 */
enum { BATCHED_SINCE = 4, CONFIGS = 3 };

enum key_type { KEY_GROUP = 0, KEY_TRANSACTION = 1, KEY_SHARE = 2 };

struct find {
    struct request *req;
    struct wire_find_coordinator_request in;
    struct quorum_op op;
    struct wire_create_topics_request create;
};

struct found {
    enum wire_error error;
    const char *message;
    int32_t node_id;
    struct slice host;
    int32_t port;
};

static struct found not_found(enum wire_error error, const char *message)
{
    return (struct found){.error = error, .message = message, .node_id = -1, .port = -1};
}

static struct found find_group(struct find *find, struct slice key)
{
    const struct broker_shard *shard = find->req->shard;
    const struct meta_topic *topic =
        meta_image_topic(shard->image, slice_of_text(COORD_OFFSETS_TOPIC));
    const struct meta_partition *partition;
    const struct meta_broker *leader;
    struct meta_endpoint endpoint;

    if (topic == NULL || topic->partition_count == 0)
        return not_found(WIRE_ERROR_COORDINATOR_NOT_AVAILABLE,
                         "the topic __consumer_offsets cannot be made now");
    partition = meta_topic_partition(topic, coord_partition_of(key, topic->partition_count));
    leader = partition == NULL ? NULL : meta_image_broker(shard->image, partition->leader);
    if (leader == NULL || leader->is_fenced ||
        !broker_endpoint(shard->broker, leader, find->req->session, &endpoint))
        return not_found(WIRE_ERROR_COORDINATOR_NOT_AVAILABLE,
                         "the partition of the coordinator has no leader");
    return (struct found){.node_id = leader->id, .host = endpoint.host, .port = endpoint.port};
}

static struct found find_one(struct find *find, struct slice key)
{
    if (find->in.key_type == KEY_TRANSACTION)
        return not_found(WIRE_ERROR_COORDINATOR_NOT_AVAILABLE, "transactions are not available");
    if (find->in.key_type != KEY_GROUP)
        return not_found(WIRE_ERROR_INVALID_REQUEST, "an unknown type of coordinator");
    if (!authorise(find->req, AUTHORISE_DESCRIBE, AUTHORISE_GROUP, key))
        return not_found(WIRE_ERROR_GROUP_AUTHORIZATION_FAILED, NULL);
    return find_group(find, key);
}

static bool fill_batched(struct find *find, struct wire_find_coordinator_response *out)
{
    out->coordinators = arena_alloc_array(
        &find->req->arena, (size_t)find->in.coordinator_keys_count + 1, sizeof(*out->coordinators));
    if (out->coordinators == NULL)
        return false;
    out->coordinators_count = find->in.coordinator_keys_count;
    for (int32_t i = 0; i < out->coordinators_count; i++) {
        struct found found = find_one(find, find->in.coordinator_keys[i]);

        wire_find_coordinator_response_coordinator_init(&out->coordinators[i]);
        out->coordinators[i].key = find->in.coordinator_keys[i];
        out->coordinators[i].node_id = found.node_id;
        out->coordinators[i].host = found.host;
        out->coordinators[i].port = found.port;
        out->coordinators[i].error_code = (int16_t)found.error;
        out->coordinators[i].error_message = slice_of_text(found.message);
    }
    return true;
}

static void answer(struct find *find)
{
    struct request *req = find->req;
    struct wire_find_coordinator_response out;
    struct writer w;

    wire_find_coordinator_response_init(&out);
    if (request_version(req) < BATCHED_SINCE) {
        struct found found = find_one(find, find->in.key);

        out.node_id = found.node_id;
        out.host = found.host;
        out.port = found.port;
        out.error_code = (int16_t)found.error;
        out.error_message = slice_of_text(found.message);
    } else if (!fill_batched(find, &out)) {
        request_drop_no_memory(req);
        return;
    }
    w = request_answer_begin(req);
    wire_find_coordinator_response_encode(&w, request_version(req), &out);
    request_answer_finish(req, &w);
}

/* The topic: Kafka's settings. */

static void set_config(struct wire_create_topics_request_creatable_topic *topic, const char *name,
                       struct slice value)
{
    struct wire_create_topics_request_creatable_topic_config *c =
        &topic->configs[topic->configs_count++];

    c->name = slice_of_text(name);
    c->value = value;
}

static void created(struct quorum_op *op)
{
    answer(LIST_ENTRY(op, struct find, op));
}

static bool create_topic(struct find *find)
{
    const struct config *config = find->req->shard->broker->config;
    struct arena *arena = &find->req->arena;
    struct wire_create_topics_request_creatable_topic *topic = arena_alloc(arena, sizeof(*topic));
    struct buf bytes;
    enum err e;

    if (topic == NULL)
        return false;
    wire_create_topics_request_creatable_topic_init(topic);
    topic->configs = arena_alloc_array(arena, CONFIGS, sizeof(*topic->configs));
    buf_init(&bytes, 32);
    e = buf_printf(&bytes, "%lld", (long long)config_i64(config, CONFIG_OFFSETS_TOPIC_SEGMENT));
    if (topic->configs == NULL || e != E_OK) {
        buf_release(&bytes);
        return false;
    }
    topic->name = slice_of_text(COORD_OFFSETS_TOPIC);
    topic->num_partitions = (int32_t)config_i64(config, CONFIG_OFFSETS_TOPIC_PARTITIONS);
    topic->replication_factor = (int16_t)config_i64(config, CONFIG_OFFSETS_TOPIC_REPLICATION);
    set_config(topic, "cleanup.policy", slice_of_text("compact"));
    set_config(topic, "compression.type", slice_of_text("producer"));
    set_config(topic, "segment.bytes", arena_copy(arena, buf_slice(&bytes)));
    buf_release(&bytes);
    wire_create_topics_request_init(&find->create);
    find->create.topics = topic;
    find->create.topics_count = 1;
    find->op = (struct quorum_op){
        .kind = QUORUM_CREATE_TOPICS,
        .loop = find->req->shard->loop,
        .done = created,
        .arena = arena,
        .request.create_topics = &find->create,
    };
    quorum_submit(find->req->shard->broker->quorum, &find->op);
    return true;
}

void handle_find_coordinator(struct request *req)
{
    struct reader r = reader_init(req->body, req->body_size);
    struct find *find = arena_alloc(&req->arena, sizeof(*find));

    if (find == NULL) {
        request_drop_no_memory(req);
        return;
    }
    find->req = req;
    if (wire_find_coordinator_request_decode(&r, request_version(req), &req->arena, &find->in) !=
        E_OK) {
        request_drop(req, "find-coordinator request does not decode");
        return;
    }
    if (find->in.key_type != KEY_GROUP ||
        meta_image_topic(req->shard->image, slice_of_text(COORD_OFFSETS_TOPIC)) != NULL)
        answer(find);
    else if (!create_topic(find))
        request_drop_no_memory(req);
}
