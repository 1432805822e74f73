#include "broker/handle/handlers_priv.h"

#include "broker/request_priv.h"
#include "broker/shard_priv.h"
#include "wire/find_coordinator.h"

/*
 * FindCoordinator (key 10). There are no groups and no transactions yet, so
 * there is no coordinator: the answer is COORDINATOR_NOT_AVAILABLE, which
 * clients retry. The API is served because librdkafka reads its presence as
 * "LZ4 is supported".
 */
enum { BATCHED_SINCE = 4, KEY_TYPE_MAX = 2 };

static const char UNAVAILABLE[] = "consumer groups and transactions are not available";

static enum wire_error answer_error(const struct wire_find_coordinator_request *in)
{
    if (in->key_type < 0 || in->key_type > KEY_TYPE_MAX)
        return WIRE_ERROR_INVALID_REQUEST;
    return WIRE_ERROR_COORDINATOR_NOT_AVAILABLE;
}

void handle_find_coordinator(struct request *req)
{
    struct reader r = reader_init(req->body, req->body_size);
    struct wire_find_coordinator_request in;
    struct wire_find_coordinator_response out;
    struct writer w;

    if (wire_find_coordinator_request_decode(&r, request_version(req), &req->arena, &in) != E_OK) {
        request_drop(req, "find-coordinator request does not decode");
        return;
    }
    wire_find_coordinator_response_init(&out);
    out.node_id = -1;
    out.port = -1;
    if (request_version(req) < BATCHED_SINCE) {
        out.error_code = (int16_t)answer_error(&in);
        out.error_message = slice_of_text(UNAVAILABLE);
    } else {
        out.coordinators = arena_alloc_array(&req->arena, (size_t)in.coordinator_keys_count,
                                             sizeof(*out.coordinators));
        if (out.coordinators == NULL) {
            request_drop_no_memory(req);
            return;
        }
        out.coordinators_count = in.coordinator_keys_count;
    }
    for (int32_t i = 0; i < out.coordinators_count; i++) {
        wire_find_coordinator_response_coordinator_init(&out.coordinators[i]);
        out.coordinators[i].key = in.coordinator_keys[i];
        out.coordinators[i].node_id = -1;
        out.coordinators[i].port = -1;
        out.coordinators[i].error_code = (int16_t)answer_error(&in);
        out.coordinators[i].error_message = slice_of_text(UNAVAILABLE);
    }
    w = request_answer_begin(req);
    wire_find_coordinator_response_encode(&w, request_version(req), &out);
    request_answer_finish(req, &w);
}
