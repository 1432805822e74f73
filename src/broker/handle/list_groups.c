#include "broker/handle/handlers_priv.h"

#include "broker/authorise_priv.h"
#include "broker/broker_priv.h"
#include "broker/call_priv.h"
#include "broker/request_priv.h"
#include "coord/coord.h"
#include "wire/list_groups.h"

/* ListGroups (key 16): the groups of all shards that pass the filters of state and type. */

enum { LIST_ARENA_MAX = 64 * 1024 * 1024, LIST_MAX = 1024 * 1024 };

struct list;

struct part {
    struct call call;
    struct list *list;
    struct arena arena; /* copies: the groups may change before the answer is written */
    struct vec groups;  /* of struct group_listed */
    enum wire_error error;
};

struct list {
    struct request *req;
    struct wire_list_groups_request in;
    struct part *parts; /* a shard each */
    int count;
    int pending;
};

static bool keep(struct part *part)
{
    for (size_t i = 0; i < part->groups.count; i++) {
        struct group_listed *g = vec_at(&part->groups, i);

        g->group_id = arena_copy(&part->arena, g->group_id);
        if (g->protocol_type.at != NULL)
            g->protocol_type = arena_copy(&part->arena, g->protocol_type);
        if (g->group_id.at == NULL)
            return false;
    }
    return true;
}

/* On each shard. */
static void list_run(struct call *call)
{
    struct part *part = LIST_ENTRY(call, struct part, call);

    if (call->to->coord == NULL)
        part->error = WIRE_ERROR_COORDINATOR_NOT_AVAILABLE;
    else
        part->error = coord_list(call->to->coord, &part->list->in, &part->groups);
    if (!keep(part)) {
        vec_clear(&part->groups);
        part->error = WIRE_ERROR_COORDINATOR_NOT_AVAILABLE;
    }
    call_return(call);
}

static void fill(struct list *list, struct wire_list_groups_response *out)
{
    for (int i = 0; i < list->count; i++) {
        struct part *part = &list->parts[i];

        if (part->error != WIRE_ERROR_NONE)
            out->error_code = (int16_t)part->error;
        for (size_t k = 0; k < part->groups.count; k++) {
            const struct group_listed *g = vec_at(&part->groups, k);

            if (!authorise(list->req, AUTHORISE_DESCRIBE, AUTHORISE_GROUP, g->group_id))
                continue;
            out->groups[out->groups_count++] = (struct wire_list_groups_response_listed_group){
                .group_id = g->group_id,
                .protocol_type = g->protocol_type.at == NULL ? slice_of("", 0) : g->protocol_type,
                .group_state = slice_of_text(g->state),
                .group_type = slice_of_text(g->type),
            };
        }
    }
}

static void list_answer(struct list *list)
{
    struct request *req = list->req;
    struct wire_list_groups_response out;
    struct writer w = request_answer_begin(req);
    size_t count = 0;

    wire_list_groups_response_init(&out);
    for (int i = 0; i < list->count; i++)
        count += list->parts[i].groups.count;
    out.groups = arena_alloc_array(&req->arena, count + 1, sizeof(*out.groups));
    if (out.groups == NULL) {
        writer_fail(&w, E_NOMEM);
    } else {
        fill(list, &out);
        wire_list_groups_response_encode(&w, request_version(req), &out);
    }
    for (int i = 0; i < list->count; i++) {
        vec_release(&list->parts[i].groups);
        arena_release(&list->parts[i].arena);
    }
    request_answer_finish(req, &w);
}

static void list_done(struct call *call)
{
    struct list *list = LIST_ENTRY(call, struct part, call)->list;

    if (--list->pending == 0)
        list_answer(list);
}

void handle_list_groups(struct request *req)
{
    struct reader r = reader_init(req->body, req->body_size);
    struct broker *broker = req->shard->broker;
    struct list *list = arena_alloc(&req->arena, sizeof(*list));

    if (list != NULL)
        list->parts = arena_alloc_array(&req->arena, (size_t)broker_shard_count(broker),
                                        sizeof(*list->parts));
    if (list == NULL || list->parts == NULL) {
        request_drop_no_memory(req);
        return;
    }
    if (wire_list_groups_request_decode(&r, request_version(req), &req->arena, &list->in) != E_OK) {
        request_drop(req, "list-groups request does not decode");
        return;
    }
    list->req = req;
    list->count = broker_shard_count(broker);
    list->pending = list->count;
    for (int i = 0; i < list->count; i++) {
        struct part *part = &list->parts[i];

        part->list = list;
        arena_init(&part->arena, LIST_ARENA_MAX);
        vec_init(&part->groups, sizeof(struct group_listed), LIST_MAX);
        part->call.run = list_run;
        part->call.done = list_done;
    }
    for (int i = 0, last = list->count; i < last; i++)
        call_start(&list->parts[i].call, req->shard, &broker->shards[i]);
}
