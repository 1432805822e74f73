#include "broker/handle/alteration_priv.h"

#include "broker/authorise_priv.h"
#include "broker/broker_priv.h"
#include "broker/request_priv.h"

struct alteration *handle_alteration_new(struct request *req, int32_t count,
                                         void (*answer)(struct alteration *a, struct writer *w))
{
    size_t room = (size_t)(count > 0 ? count : 0) + 1;
    struct alteration *a = arena_alloc(&req->arena, sizeof(*a));

    if (a != NULL) {
        a->results = arena_alloc_array(&req->arena, room, sizeof(*a->results));
        a->asked = arena_alloc_array(&req->arena, room, sizeof(*a->asked));
        a->places = arena_alloc_array(&req->arena, room, sizeof(*a->places));
    }
    if (a == NULL || a->results == NULL || a->asked == NULL || a->places == NULL) {
        request_drop_no_memory(req);
        return NULL;
    }
    a->req = req;
    a->answer = answer;
    return a;
}

static enum wire_error check(const struct alteration *a, const struct meta_alter_resource *resource)
{
    switch (resource->type) {
    case META_RESOURCE_TOPIC:
        return authorise(a->req, AUTHORISE_ALTER_CONFIGS, AUTHORISE_TOPIC, resource->name)
                   ? WIRE_ERROR_NONE
                   : WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED;
    case META_RESOURCE_GROUP:
        return authorise(a->req, AUTHORISE_ALTER_CONFIGS, AUTHORISE_GROUP, resource->name)
                   ? WIRE_ERROR_NONE
                   : WIRE_ERROR_GROUP_AUTHORIZATION_FAILED;
    default:
        return authorise(a->req, AUTHORISE_ALTER_CONFIGS, AUTHORISE_CLUSTER,
                         slice_of_text("kafka-cluster"))
                   ? WIRE_ERROR_NONE
                   : WIRE_ERROR_CLUSTER_AUTHORIZATION_FAILED;
    }
}

void handle_alteration_add(struct alteration *a, const struct meta_alter_resource *resource)
{
    struct alteration_result *result = &a->results[a->count];

    *result = (struct alteration_result){.type = resource->type, .name = resource->name};
    result->result.error = check(a, resource);
    if (result->result.error == WIRE_ERROR_NONE) {
        a->asked[a->asked_count] = *resource;
        a->places[a->asked_count++] = a->count;
    }
    a->count++;
}

static void finish(struct alteration *a)
{
    struct writer w = request_answer_begin(a->req);

    a->answer(a, &w);
    request_answer_finish(a->req, &w);
}

static void altered(struct quorum_op *op)
{
    struct alteration *a = LIST_ENTRY(op, struct alteration, op);

    for (int32_t i = 0; i < a->asked_count; i++)
        a->results[a->places[i]].result = op->error == WIRE_ERROR_NONE
                                              ? op->result.resources[i]
                                              : (struct meta_result){.error = op->error};
    finish(a);
}

void handle_alteration_start(struct alteration *a, bool validate_only)
{
    if (a->asked_count == 0) {
        finish(a);
        return;
    }
    a->op = (struct quorum_op){
        .kind = QUORUM_ALTER_CONFIGS,
        .loop = a->req->shard->loop,
        .done = altered,
        .arena = &a->req->arena,
        .request.alter_configs = {.resources = a->asked,
                                  .resource_count = a->asked_count,
                                  .replace = a->replace,
                                  .validate_only = validate_only},
    };
    quorum_submit(a->req->shard->broker->quorum, &a->op);
}
