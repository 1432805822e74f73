#include "broker/audit_priv.h"

#include <stdio.h>
#include <string.h>

#include "broker/broker_priv.h"
#include "broker/request_priv.h"
#include "broker/shard_priv.h"
#include "trace/trace.h"
#include "wire/error.h"

enum { APIS_MAX = 128 };

static const bool ADMINISTERS[APIS_MAX] = {
    [WIRE_API_CREATE_TOPICS] = true,
    [WIRE_API_DELETE_TOPICS] = true,
    [WIRE_API_DELETE_RECORDS] = true,
    [WIRE_API_CREATE_PARTITIONS] = true,
    [WIRE_API_CREATE_ACLS] = true,
    [WIRE_API_DELETE_ACLS] = true,
    [WIRE_API_ALTER_CONFIGS] = true,
    [WIRE_API_INCREMENTAL_ALTER_CONFIGS] = true,
    [WIRE_API_ALTER_REPLICA_LOG_DIRS] = true,
    [WIRE_API_DELETE_GROUPS] = true,
    [WIRE_API_OFFSET_DELETE] = true,
    [WIRE_API_ELECT_LEADERS] = true,
    [WIRE_API_ALTER_PARTITION_REASSIGNMENTS] = true,
    [WIRE_API_ALTER_CLIENT_QUOTAS] = true,
    [WIRE_API_ALTER_USER_SCRAM_CREDENTIALS] = true,
    [WIRE_API_UPDATE_FEATURES] = true,
    [WIRE_API_UNREGISTER_BROKER] = true,
    [WIRE_API_ADD_RAFT_VOTER] = true,
    [WIRE_API_REMOVE_RAFT_VOTER] = true,
    [WIRE_API_CREATE_DELEGATION_TOKEN] = true,
    [WIRE_API_EXPIRE_DELEGATION_TOKEN] = true,
    [WIRE_API_RENEW_DELEGATION_TOKEN] = true,
};

bool audit_wants(int16_t api_key)
{
    return api_key >= 0 && api_key < APIS_MAX && ADMINISTERS[api_key];
}

static bool is_change(enum authorise_operation operation)
{
    return operation == AUTHORISE_CREATE || operation == AUTHORISE_DELETE ||
           operation == AUTHORISE_ALTER || operation == AUTHORISE_ALTER_CONFIGS ||
           operation == AUTHORISE_CLUSTER_ACTION;
}

static const char *resource_text(enum authorise_resource resource)
{
    switch (resource) {
    case AUTHORISE_TOPIC:
        return "topic";
    case AUTHORISE_GROUP:
        return "group";
    case AUTHORISE_TRANSACTIONAL_ID:
        return "transactional-id";
    case AUTHORISE_CLUSTER:
        break;
    }
    return "cluster";
}

void audit_note(struct audit *a, enum authorise_operation operation,
                enum authorise_resource resource, struct slice name)
{
    size_t left;
    int size;

    if (a == NULL || !is_change(operation))
        return;
    left = sizeof(a->names) - a->size;
    size = snprintf(a->names + a->size, left, "%s%s:%.*s", a->size > 0 ? "," : "",
                    resource_text(resource), (int)(name.size < left ? name.size : left),
                    name.size > 0 ? (const char *)name.at : "");
    if (size < 0 || (size_t)size >= left) {
        a->names[a->size] = '\0';
        a->more++;
    } else {
        a->size += (size_t)size;
    }
}

void audit_trace(const struct request *req, const char *peer)
{
    const struct audit *a = req->audit;

    trace_event(req->shard->broker->trace, TRACE_INFO, TRACE_AUDIT, "admin_action",
                TRACE_FIELDS(trace_text("api", req->api->name), trace_text("peer", peer),
                             trace_slice("client_id", req->header.client_id),
                             trace_text("resources", a->names), trace_i64("more", a->more),
                             trace_text("error", wire_error_name(req->error_code))));
}
