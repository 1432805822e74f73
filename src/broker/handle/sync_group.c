#include "broker/handle/handlers_priv.h"

#include "broker/authorise_priv.h"
#include "broker/handle/coordinated_priv.h"
#include "broker/request_priv.h"
#include "wire/sync_group.h"

/* SyncGroup (key 14): waits for the assignment by the leader of the group. group/sync.c */

static void encode(struct request *req, struct writer *w, const struct coord_call *result)
{
    struct wire_sync_group_response out;

    if (result->error == WIRE_ERROR_NONE) {
        wire_sync_group_response_encode(w, request_version(req), result->reply->response.sync);
        return;
    }
    wire_sync_group_response_init(&out);
    out.error_code = (int16_t)result->error;
    wire_sync_group_response_encode(w, request_version(req), &out);
}

void handle_sync_group(struct request *req)
{
    struct reader r = reader_init(req->body, req->body_size);
    struct wire_sync_group_request *in = arena_alloc(&req->arena, sizeof(*in));
    struct coordinated_single *s = in == NULL ? NULL : coordinated_single_new(req);

    if (in == NULL)
        request_drop_no_memory(req);
    if (s == NULL)
        return;
    if (wire_sync_group_request_decode(&r, request_version(req), &req->arena, in) != E_OK) {
        request_drop(req, "sync-group request does not decode");
        return;
    }
    s->encode = encode;
    req->is_patient = true;
    s->c.coord.kind = COORD_SYNC;
    s->c.coord.request.sync = in;
    if (authorise(req, AUTHORISE_READ, AUTHORISE_GROUP, in->group_id))
        coordinated_single_start(s, in->group_id);
    else
        coordinated_single_refuse(s, WIRE_ERROR_GROUP_AUTHORIZATION_FAILED);
}
