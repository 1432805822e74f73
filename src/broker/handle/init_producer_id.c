#include "broker/handle/handlers_priv.h"

#include "broker/authorise_priv.h"
#include "broker/broker_priv.h"
#include "broker/request_priv.h"
#include "wire/init_producer_id.h"

/*
 * InitProducerId (key 22): an id for an idempotent producer. A shard takes ids
 * from a block that the controller gave it; when it is used up the request
 * waits for the next one. Transactional producers need a coordinator, which
 * there is none of yet.
 */
struct init {
    struct request *req;
    struct quorum_op op;
};

static void init_answer(struct request *req, enum wire_error error, int64_t producer_id)
{
    struct wire_init_producer_id_response out;
    struct writer w = request_answer_begin(req);

    wire_init_producer_id_response_init(&out);
    out.error_code = (int16_t)error;
    out.producer_id = producer_id;
    out.producer_epoch = error == WIRE_ERROR_NONE ? 0 : -1;
    wire_init_producer_id_response_encode(&w, request_version(req), &out);
    request_answer_finish(req, &w);
}

static void block_arrived(struct quorum_op *op)
{
    struct request *req = LIST_ENTRY(op, struct init, op)->req;
    struct broker_shard *shard = req->shard;

    if (op->error != WIRE_ERROR_NONE) {
        init_answer(req, op->error, -1);
        return;
    }
    /* Two requests may have asked at once: the older block's rest is not used. */
    shard->producer_id_next = op->result.first_producer_id;
    shard->producer_id_end = op->result.first_producer_id + META_PRODUCER_ID_BLOCK;
    init_answer(req, WIRE_ERROR_NONE, shard->producer_id_next++);
}

void handle_init_producer_id(struct request *req)
{
    struct reader r = reader_init(req->body, req->body_size);
    struct wire_init_producer_id_request in;
    struct broker_shard *shard = req->shard;
    struct init *init;

    if (wire_init_producer_id_request_decode(&r, request_version(req), &req->arena, &in) != E_OK) {
        request_drop(req, "init-producer-id request does not decode");
        return;
    }
    if (in.transactional_id.at != NULL) {
        init_answer(req,
                    in.transactional_id.size == 0 ? WIRE_ERROR_INVALID_REQUEST
                                                  : WIRE_ERROR_COORDINATOR_NOT_AVAILABLE,
                    -1);
        return;
    }
    if ((in.producer_id == -1) != (in.producer_epoch == -1)) {
        init_answer(req, WIRE_ERROR_INVALID_REQUEST, -1);
        return;
    }
    if (!authorise(req, AUTHORISE_IDEMPOTENT_WRITE, AUTHORISE_CLUSTER,
                   slice_of_text("kafka-cluster"))) {
        init_answer(req, WIRE_ERROR_CLUSTER_AUTHORIZATION_FAILED, -1);
        return;
    }
    if (shard->producer_id_next < shard->producer_id_end) {
        init_answer(req, WIRE_ERROR_NONE, shard->producer_id_next++);
        return;
    }
    init = arena_alloc(&req->arena, sizeof(*init));
    if (init == NULL) {
        request_drop_no_memory(req);
        return;
    }
    init->req = req;
    init->op = (struct quorum_op){
        .kind = QUORUM_PRODUCER_IDS,
        .loop = shard->loop,
        .done = block_arrived,
        .arena = &req->arena,
    };
    quorum_submit(shard->broker->quorum, &init->op);
}
