#include "broker/handle/handlers_priv.h"

#include "broker/authorise_priv.h"
#include "broker/handle/coordinated_priv.h"
#include "broker/request_priv.h"
#include "wire/offset_delete.h"

/* OffsetDelete (key 47). group/delete.c */

static void encode(struct request *req, struct writer *w, const struct coord_call *result)
{
    struct wire_offset_delete_response out;

    if (result->error == WIRE_ERROR_NONE) {
        wire_offset_delete_response_encode(w, request_version(req),
                                           result->reply->response.offset_delete);
        return;
    }
    wire_offset_delete_response_init(&out);
    out.error_code = (int16_t)result->error;
    wire_offset_delete_response_encode(w, request_version(req), &out);
}

void handle_offset_delete(struct request *req)
{
    struct reader r = reader_init(req->body, req->body_size);
    struct wire_offset_delete_request *in = arena_alloc(&req->arena, sizeof(*in));
    struct coordinated_single *s = in == NULL ? NULL : coordinated_single_new(req);

    if (in == NULL)
        request_drop_no_memory(req);
    if (s == NULL)
        return;
    if (wire_offset_delete_request_decode(&r, request_version(req), &req->arena, in) != E_OK) {
        request_drop(req, "offset-delete request does not decode");
        return;
    }
    s->encode = encode;
    s->c.coord.kind = COORD_OFFSET_DELETE;
    s->c.coord.request.offset_delete = in;
    if (authorise(req, AUTHORISE_DELETE, AUTHORISE_GROUP, in->group_id))
        coordinated_single_start(s, in->group_id);
    else
        coordinated_single_refuse(s, WIRE_ERROR_GROUP_AUTHORIZATION_FAILED);
}
