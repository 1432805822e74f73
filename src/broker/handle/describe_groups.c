#include "broker/handle/handlers_priv.h"

#include "broker/authorise_priv.h"
#include "broker/handle/coordinated_priv.h"
#include "broker/request_priv.h"
#include "wire/describe_groups.h"

/* DescribeGroups (key 15): state and members of groups of the classic protocol. */

struct describe {
    bool include_operations;
};

static void finish(struct coordinated_many *many)
{
    const struct describe *describe = many->ctx;
    struct wire_describe_groups_response out;

    wire_describe_groups_response_init(&out);
    out.groups = arena_alloc_array(&many->req->arena, (size_t)many->count + 1, sizeof(*out.groups));
    if (out.groups == NULL) {
        writer_fail(&many->writer, E_NOMEM);
        return;
    }
    for (int32_t i = 0; i < many->count; i++) {
        const struct coordinated_item *item = &many->items[i];

        wire_describe_groups_response_described_group_init(&out.groups[i]);
        out.groups[i].group_id = item->group_id;
        out.groups[i].error_code = (int16_t)item->error;
        if (item->error == WIRE_ERROR_NONE)
            out.groups[i] = *item->c.coord.described;
        if (item->error == WIRE_ERROR_NONE && describe->include_operations)
            out.groups[i].authorized_operations = AUTHORISE_OPERATIONS_GROUP;
    }
    out.groups_count = many->count;
    wire_describe_groups_response_encode(&many->writer, request_version(many->req), &out);
}

void handle_describe_groups(struct request *req)
{
    struct reader r = reader_init(req->body, req->body_size);
    struct wire_describe_groups_request in;
    struct describe *describe = arena_alloc(&req->arena, sizeof(*describe));
    struct coordinated_many *many;

    if (describe == NULL) {
        request_drop_no_memory(req);
        return;
    }
    if (wire_describe_groups_request_decode(&r, request_version(req), &req->arena, &in) != E_OK) {
        request_drop(req, "describe-groups request does not decode");
        return;
    }
    many = coordinated_many_new(req, in.groups_count);
    if (many == NULL)
        return;
    many->finish = finish;
    many->ctx = describe;
    describe->include_operations = in.include_authorized_operations;
    for (int32_t i = 0; i < many->count; i++) {
        struct coordinated_item *item = &many->items[i];

        item->group_id = in.groups[i];
        item->c.coord.kind = COORD_DESCRIBE;
        item->c.coord.request.group_id = item->group_id;
        if (!authorise(req, AUTHORISE_DESCRIBE, AUTHORISE_GROUP, item->group_id))
            item->error = WIRE_ERROR_GROUP_AUTHORIZATION_FAILED;
    }
    coordinated_many_start(many);
}
