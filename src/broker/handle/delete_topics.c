#include "broker/handle/handlers_priv.h"

#include "broker/authorise_priv.h"
#include "broker/broker_priv.h"
#include "broker/handle/topic_result_priv.h"
#include "broker/request_priv.h"
#include "config/config.h"
#include "wire/delete_topics.h"

/*
 * DeleteTopics (key 20): by name, or by id from v6. Who may not even see a topic
 * by its id learns nothing about its name.
 */
enum { TOPICS_SINCE = 6 };

struct deletion {
    struct request *req;
    struct wire_delete_topics_request in;      /* as asked, always in the form of v6 */
    struct wire_delete_topics_request allowed; /* what the controller is asked for */
    struct wire_delete_topics_response out;
    struct quorum_op op;
};

static void deletion_answer(struct deletion *d)
{
    struct writer w = request_answer_begin(d->req);

    wire_delete_topics_response_encode(&w, request_version(d->req), &d->out);
    request_answer_finish(d->req, &w);
}

static void deleted(struct quorum_op *op)
{
    struct deletion *d = LIST_ENTRY(op, struct deletion, op);
    int32_t next = 0;

    for (int32_t i = 0; i < d->out.responses_count; i++) {
        struct wire_delete_topics_response_deletable_topic_result *out = &d->out.responses[i];
        const struct meta_topic_result *result =
            handle_topic_result(op, &next, &out->error_code, &out->error_message);

        if (result == NULL)
            continue;
        out->name = result->name;
        out->topic_id = result->topic_id;
    }
    deletion_answer(d);
}

/* Names of v1 to v5 in the form of v6. False when memory is out. */
static bool names_to_topics(struct deletion *d)
{
    if (request_version(d->req) >= TOPICS_SINCE)
        return true;
    d->in.topics =
        arena_alloc_array(&d->req->arena, (size_t)d->in.topic_names_count, sizeof(*d->in.topics));
    if (d->in.topics == NULL)
        return false;
    for (int32_t i = 0; i < d->in.topic_names_count; i++) {
        wire_delete_topics_request_delete_topic_state_init(&d->in.topics[i]);
        d->in.topics[i].name = d->in.topic_names[i];
    }
    d->in.topics_count = d->in.topic_names_count;
    d->in.topic_names_count = 0;
    return true;
}

static enum wire_error refusal(const struct deletion *d, struct slice name)
{
    if (!config_bool(d->req->shard->broker->config, CONFIG_DELETE_TOPIC))
        return WIRE_ERROR_TOPIC_DELETION_DISABLED;
    if (name.at != NULL && !authorise(d->req, AUTHORISE_DELETE, AUTHORISE_TOPIC, name))
        return WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED;
    return WIRE_ERROR_NONE;
}

static bool allowed_collect(struct deletion *d)
{
    const struct meta_image *image = d->req->shard->image;
    size_t count = (size_t)d->in.topics_count;

    d->allowed = d->in;
    d->allowed.topics_count = 0;
    d->allowed.topics = arena_alloc_array(&d->req->arena, count, sizeof(*d->allowed.topics));
    d->out.responses = arena_alloc_array(&d->req->arena, count, sizeof(*d->out.responses));
    if (d->allowed.topics == NULL || d->out.responses == NULL)
        return false;
    d->out.responses_count = d->in.topics_count;
    for (size_t i = 0; i < count; i++) {
        const struct wire_delete_topics_request_delete_topic_state *in = &d->in.topics[i];
        struct wire_delete_topics_response_deletable_topic_result *out = &d->out.responses[i];
        const struct meta_topic *topic =
            in->name.at == NULL ? meta_image_topic_by_id(image, in->topic_id) : NULL;

        wire_delete_topics_response_deletable_topic_result_init(out);
        out->name = in->name;
        out->topic_id = in->topic_id;
        out->error_code = (int16_t)refusal(d, topic != NULL ? topic->name : in->name);
        if (out->error_code == WIRE_ERROR_NONE)
            d->allowed.topics[d->allowed.topics_count++] = *in;
    }
    return true;
}

void handle_delete_topics(struct request *req)
{
    struct reader r = reader_init(req->body, req->body_size);
    struct deletion *d = arena_alloc(&req->arena, sizeof(*d));

    if (d == NULL) {
        request_drop_no_memory(req);
        return;
    }
    d->req = req;
    if (wire_delete_topics_request_decode(&r, request_version(req), &req->arena, &d->in) != E_OK) {
        request_drop(req, "delete-topics request does not decode");
        return;
    }
    wire_delete_topics_response_init(&d->out);
    if (!names_to_topics(d) || !allowed_collect(d)) {
        request_drop_no_memory(req);
        return;
    }
    if (d->allowed.topics_count == 0) {
        deletion_answer(d);
        return;
    }
    d->op = (struct quorum_op){
        .kind = QUORUM_DELETE_TOPICS,
        .loop = req->shard->loop,
        .done = deleted,
        .arena = &req->arena,
        .request.delete_topics = &d->allowed,
    };
    quorum_submit(req->shard->broker->quorum, &d->op);
}
