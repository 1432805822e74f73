#include "broker/handle/handlers_priv.h"

#include "broker/authorise_priv.h"
#include "broker/handle/coordinated_priv.h"
#include "broker/request_priv.h"
#include "wire/leave_group.h"

/* LeaveGroup (key 13). group/heartbeat.c */

static void encode(struct request *req, struct writer *w, const struct coord_call *result)
{
    struct wire_leave_group_response out;

    if (result->error == WIRE_ERROR_NONE) {
        wire_leave_group_response_encode(w, request_version(req), result->reply->response.leave);
        return;
    }
    wire_leave_group_response_init(&out);
    out.error_code = (int16_t)result->error;
    wire_leave_group_response_encode(w, request_version(req), &out);
}

void handle_leave_group(struct request *req)
{
    struct reader r = reader_init(req->body, req->body_size);
    struct wire_leave_group_request *in = arena_alloc(&req->arena, sizeof(*in));
    struct coordinated_single *s = in == NULL ? NULL : coordinated_single_new(req);

    if (in == NULL)
        request_drop_no_memory(req);
    if (s == NULL)
        return;
    if (wire_leave_group_request_decode(&r, request_version(req), &req->arena, in) != E_OK) {
        request_drop(req, "leave-group request does not decode");
        return;
    }
    s->encode = encode;
    s->c.coord.kind = COORD_LEAVE;
    s->c.coord.request.leave = in;
    if (authorise(req, AUTHORISE_READ, AUTHORISE_GROUP, in->group_id))
        coordinated_single_start(s, in->group_id);
    else
        coordinated_single_refuse(s, WIRE_ERROR_GROUP_AUTHORIZATION_FAILED);
}
