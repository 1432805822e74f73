#include "broker/handle/handlers_priv.h"

#include "broker/handle/alteration_priv.h"
#include "broker/request_priv.h"
#include "wire/incremental_alter_configs.h"

/* IncrementalAlterConfigs (key 44): some settings of a resource change (KIP-339). */

static void answer(struct alteration *a, struct writer *w)
{
    struct wire_incremental_alter_configs_response out;

    wire_incremental_alter_configs_response_init(&out);
    out.responses = arena_alloc_array(&a->req->arena, (size_t)a->count + 1, sizeof(*out.responses));
    if (out.responses == NULL) {
        writer_fail(w, E_NOMEM);
        return;
    }
    for (int32_t i = 0; i < a->count; i++) {
        const struct alteration_result *result = &a->results[i];

        wire_incremental_alter_configs_response_alter_configs_resource_response_init(
            &out.responses[i]);
        out.responses[i].resource_type = result->type;
        out.responses[i].resource_name = result->name;
        out.responses[i].error_code = (int16_t)result->result.error;
        out.responses[i].error_message = slice_of_text(result->result.message);
    }
    out.responses_count = a->count;
    wire_incremental_alter_configs_response_encode(w, request_version(a->req), &out);
}

/* The settings of one resource; NULL when memory is out. */
static struct meta_alter *alters_of(
    struct request *req,
    const struct wire_incremental_alter_configs_request_alter_configs_resource *in)
{
    struct meta_alter *alters =
        arena_alloc_array(&req->arena, (size_t)in->configs_count + 1, sizeof(*alters));

    for (int32_t i = 0; i < in->configs_count && alters != NULL; i++)
        alters[i] =
            (struct meta_alter){.name = in->configs[i].name,
                                .kind = (enum meta_alter_kind)in->configs[i].config_operation,
                                .value = in->configs[i].value};
    return alters;
}

void handle_incremental_alter_configs(struct request *req)
{
    struct reader r = reader_init(req->body, req->body_size);
    struct wire_incremental_alter_configs_request in;
    struct alteration *a;

    if (wire_incremental_alter_configs_request_decode(&r, request_version(req), &req->arena, &in) !=
        E_OK) {
        request_drop(req, "incremental-alter-configs request does not decode");
        return;
    }
    a = handle_alteration_new(req, in.resources_count, answer);
    if (a == NULL)
        return;
    for (int32_t i = 0; i < in.resources_count; i++) {
        struct meta_alter_resource resource = {.type = in.resources[i].resource_type,
                                               .name = in.resources[i].resource_name,
                                               .alters = alters_of(req, &in.resources[i]),
                                               .alter_count = in.resources[i].configs_count};

        if (resource.alters == NULL) {
            request_drop_no_memory(req);
            return;
        }
        handle_alteration_add(a, &resource);
    }
    handle_alteration_start(a, in.validate_only);
}
