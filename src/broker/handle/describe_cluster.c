#include "broker/handle/handlers_priv.h"

#include "broker/authorise_priv.h"
#include "broker/broker_priv.h"
#include "broker/request_priv.h"
#include "wire/describe_cluster.h"

/*
 * DescribeCluster (key 60): the brokers and the cluster's id.
 */
enum { ENDPOINT_BROKERS = 1, ENDPOINT_CONTROLLERS = 2 };

static bool brokers_fill(struct request *req, const struct wire_describe_cluster_request *in,
                         struct wire_describe_cluster_response *out)
{
    const struct broker *broker = req->shard->broker;
    const struct meta_image *image = req->shard->image;
    size_t count = meta_image_broker_count(image);

    out->brokers = arena_alloc_array(&req->arena, count, sizeof(*out->brokers));
    if (out->brokers == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct meta_broker *b = meta_image_broker_at(image, i);
        struct wire_describe_cluster_response_describe_cluster_broker *o;
        struct meta_endpoint endpoint;

        if ((b->is_fenced && !in->include_fenced_brokers) ||
            !broker_endpoint(broker, b, req->session, &endpoint))
            continue;
        o = &out->brokers[out->brokers_count++];
        wire_describe_cluster_response_describe_cluster_broker_init(o);
        o->broker_id = b->id;
        o->host = endpoint.host;
        o->port = endpoint.port;
        o->rack = b->rack;
        o->is_fenced = b->is_fenced;
    }
    return true;
}

void handle_describe_cluster(struct request *req)
{
    struct reader r = reader_init(req->body, req->body_size);
    struct wire_describe_cluster_request in;
    struct wire_describe_cluster_response out;
    struct writer w;

    if (wire_describe_cluster_request_decode(&r, request_version(req), &req->arena, &in) != E_OK) {
        request_drop(req, "describe-cluster request does not decode");
        return;
    }
    wire_describe_cluster_response_init(&out);
    out.cluster_id = slice_of_text(quorum_cluster_id(req->shard->broker->quorum));
    if (in.include_cluster_authorized_operations)
        out.cluster_authorized_operations = AUTHORISE_OPERATIONS_CLUSTER;
    if (in.endpoint_type == ENDPOINT_CONTROLLERS) {
        out.error_code = WIRE_ERROR_MISMATCHED_ENDPOINT_TYPE;
        out.error_message = slice_of_text("this is a broker's listener, not a controller's");
    } else if (in.endpoint_type != ENDPOINT_BROKERS) {
        out.error_code = WIRE_ERROR_UNSUPPORTED_ENDPOINT_TYPE;
        out.error_message = slice_of_text("unknown endpoint type");
    } else if (!brokers_fill(req, &in, &out)) {
        request_drop_no_memory(req);
        return;
    }
    if (out.error_code == WIRE_ERROR_NONE)
        out.controller_id = req->shard->broker->node_id;
    w = request_answer_begin(req);
    wire_describe_cluster_response_encode(&w, request_version(req), &out);
    request_answer_finish(req, &w);
}
