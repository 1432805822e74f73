#include "broker/handle/handlers_priv.h"

#include "broker/authorise_priv.h"
#include "broker/broker_priv.h"
#include "broker/handle/topic_result_priv.h"
#include "broker/request_priv.h"
#include "wire/create_partitions.h"

/*
 * CreatePartitions (key 37): grow topics; the controller decides.
 */
struct growth {
    struct request *req;
    struct wire_create_partitions_request in;
    struct wire_create_partitions_request allowed;
    struct wire_create_partitions_response out;
    struct quorum_op op;
};

static void growth_answer(struct growth *g)
{
    struct writer w = request_answer_begin(g->req);

    wire_create_partitions_response_encode(&w, request_version(g->req), &g->out);
    request_answer_finish(g->req, &w);
}

static void grown(struct quorum_op *op)
{
    struct growth *g = LIST_ENTRY(op, struct growth, op);
    int32_t next = 0;

    for (int32_t i = 0; i < g->out.results_count; i++) {
        struct wire_create_partitions_response_create_partitions_topic_result *out =
            &g->out.results[i];

        (void)handle_topic_result(op, &next, &out->error_code, &out->error_message);
    }
    growth_answer(g);
}

static bool allowed_collect(struct growth *g)
{
    size_t count = (size_t)g->in.topics_count;

    g->allowed = g->in;
    g->allowed.topics_count = 0;
    g->allowed.topics = arena_alloc_array(&g->req->arena, count, sizeof(*g->allowed.topics));
    g->out.results = arena_alloc_array(&g->req->arena, count, sizeof(*g->out.results));
    if (g->allowed.topics == NULL || g->out.results == NULL)
        return false;
    g->out.results_count = g->in.topics_count;
    for (size_t i = 0; i < count; i++) {
        const struct wire_create_partitions_request_create_partitions_topic *in = &g->in.topics[i];

        wire_create_partitions_response_create_partitions_topic_result_init(&g->out.results[i]);
        g->out.results[i].name = in->name;
        if (authorise(g->req, AUTHORISE_ALTER, AUTHORISE_TOPIC, in->name))
            g->allowed.topics[g->allowed.topics_count++] = *in;
        else
            g->out.results[i].error_code = WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED;
    }
    return true;
}

void handle_create_partitions(struct request *req)
{
    struct reader r = reader_init(req->body, req->body_size);
    struct growth *g = arena_alloc(&req->arena, sizeof(*g));

    if (g == NULL) {
        request_drop_no_memory(req);
        return;
    }
    g->req = req;
    if (wire_create_partitions_request_decode(&r, request_version(req), &req->arena, &g->in) !=
        E_OK) {
        request_drop(req, "create-partitions request does not decode");
        return;
    }
    wire_create_partitions_response_init(&g->out);
    if (!allowed_collect(g)) {
        request_drop_no_memory(req);
        return;
    }
    if (g->allowed.topics_count == 0) {
        growth_answer(g);
        return;
    }
    g->op = (struct quorum_op){
        .kind = QUORUM_CREATE_PARTITIONS,
        .loop = req->shard->loop,
        .done = grown,
        .arena = &req->arena,
        .request.create_partitions = &g->allowed,
    };
    quorum_submit(req->shard->broker->quorum, &g->op);
}
