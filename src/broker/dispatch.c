#include "broker/dispatch_priv.h"

#include <stddef.h>

#include "broker/audit_priv.h"
#include "broker/handle/handlers_priv.h"
#include "broker/request_priv.h"
#include "broker/shard_priv.h"
#include "wire/api.h"

/* By key; the gaps are not served. */
static const struct handler HANDLERS[] = {
    [WIRE_API_PRODUCE] = {true, handle_produce},
    [WIRE_API_FETCH] = {false, handle_fetch},
    [WIRE_API_LIST_OFFSETS] = {false, handle_list_offsets},
    [WIRE_API_METADATA] = {false, handle_metadata},
    [WIRE_API_FIND_COORDINATOR] = {false, handle_find_coordinator},
    [WIRE_API_OFFSET_COMMIT] = {false, handle_offset_commit},
    [WIRE_API_OFFSET_FETCH] = {false, handle_offset_fetch},
    [WIRE_API_JOIN_GROUP] = {false, handle_join_group},
    [WIRE_API_HEARTBEAT] = {false, handle_heartbeat},
    [WIRE_API_LEAVE_GROUP] = {false, handle_leave_group},
    [WIRE_API_SYNC_GROUP] = {false, handle_sync_group},
    [WIRE_API_DESCRIBE_GROUPS] = {false, handle_describe_groups},
    [WIRE_API_LIST_GROUPS] = {false, handle_list_groups},
    [WIRE_API_API_VERSIONS] = {false, handle_api_versions},
    [WIRE_API_CREATE_TOPICS] = {false, handle_create_topics},
    [WIRE_API_DELETE_TOPICS] = {false, handle_delete_topics},
    [WIRE_API_DELETE_RECORDS] = {false, handle_delete_records},
    [WIRE_API_INIT_PRODUCER_ID] = {false, handle_init_producer_id},
    [WIRE_API_OFFSET_FOR_LEADER_EPOCH] = {false, handle_offset_for_leader_epoch},
    [WIRE_API_DESCRIBE_CONFIGS] = {false, handle_describe_configs},
    [WIRE_API_ALTER_CONFIGS] = {false, handle_alter_configs},
    [WIRE_API_CREATE_PARTITIONS] = {false, handle_create_partitions},
    [WIRE_API_DELETE_GROUPS] = {false, handle_delete_groups},
    [WIRE_API_INCREMENTAL_ALTER_CONFIGS] = {false, handle_incremental_alter_configs},
    [WIRE_API_OFFSET_DELETE] = {false, handle_offset_delete},
    [WIRE_API_DESCRIBE_CLUSTER] = {false, handle_describe_cluster},
};

const struct handler *dispatch_find(int16_t api_key)
{
    if (api_key < 0 || (size_t)api_key >= sizeof(HANDLERS) / sizeof(HANDLERS[0]))
        return NULL;
    return HANDLERS[api_key].handle == NULL ? NULL : &HANDLERS[api_key];
}

/* Move the body out of the connection's buffer, so that it lives until the answer. */
static bool body_keep(struct request *req)
{
    struct slice copy = arena_copy(&req->arena, slice_of(req->body, req->body_size));

    if (copy.at == NULL)
        return false;
    req->body += copy.at - req->body;
    return true;
}

void dispatch(struct request *req)
{
    const struct handler *handler = dispatch_find(req->header.api_key);

    if (handler == NULL || req->api == NULL) {
        request_drop(req, "an API that is not served");
        return;
    }
    /* ApiVersions answers any version: that is how a client finds out. */
    if (req->api->key != WIRE_API_API_VERSIONS &&
        !wire_api_serves(req->api, req->header.api_version)) {
        request_drop(req, "a version that is not served");
        return;
    }
    if (!handler->borrows_body && !body_keep(req)) {
        request_drop_no_memory(req);
        return;
    }
    if (audit_wants(req->api->key))
        req->audit = arena_alloc(&req->arena, sizeof(*req->audit));
    handler->handle(req);
}
