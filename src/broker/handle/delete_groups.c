#include "broker/handle/handlers_priv.h"

#include "broker/authorise_priv.h"
#include "broker/handle/coordinated_priv.h"
#include "broker/request_priv.h"
#include "wire/delete_groups.h"

/* DeleteGroups (key 42): each group with all its offsets, if nobody is in it. group/delete.c */

static void finish(struct coordinated_many *many)
{
    struct wire_delete_groups_response out;

    wire_delete_groups_response_init(&out);
    out.results =
        arena_alloc_array(&many->req->arena, (size_t)many->count + 1, sizeof(*out.results));
    if (out.results == NULL) {
        writer_fail(&many->writer, E_NOMEM);
        return;
    }
    for (int32_t i = 0; i < many->count; i++) {
        out.results[i].group_id = many->items[i].group_id;
        out.results[i].error_code = (int16_t)many->items[i].error;
    }
    out.results_count = many->count;
    wire_delete_groups_response_encode(&many->writer, request_version(many->req), &out);
}

void handle_delete_groups(struct request *req)
{
    struct reader r = reader_init(req->body, req->body_size);
    struct wire_delete_groups_request in;
    struct coordinated_many *many;

    if (wire_delete_groups_request_decode(&r, request_version(req), &req->arena, &in) != E_OK) {
        request_drop(req, "delete-groups request does not decode");
        return;
    }
    many = coordinated_many_new(req, in.groups_names_count);
    if (many == NULL)
        return;
    many->finish = finish;
    for (int32_t i = 0; i < many->count; i++) {
        struct coordinated_item *item = &many->items[i];

        item->group_id = in.groups_names[i];
        item->c.coord.kind = COORD_DELETE;
        item->c.coord.request.group_id = item->group_id;
        if (!authorise(req, AUTHORISE_DELETE, AUTHORISE_GROUP, item->group_id))
            item->error = WIRE_ERROR_GROUP_AUTHORIZATION_FAILED;
    }
    coordinated_many_start(many);
}
