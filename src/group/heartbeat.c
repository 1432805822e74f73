#include "group/group_priv.h"

#include "wire/heartbeat.h"
#include "wire/leave_group.h"

/* Heartbeat (key 12) and LeaveGroup (key 13), and what happens when nobody says anything. */

enum { LEAVE_MEMBERS_SINCE = 3 };

static enum wire_error check(const struct group *group,
                             const struct wire_heartbeat_request *request,
                             struct group_member **member_out)
{
    enum wire_error error =
        group_check_member(group, request->member_id, request->group_instance_id, member_out);

    if (error != WIRE_ERROR_NONE)
        return error;
    if (group->state == GROUP_EMPTY)
        return WIRE_ERROR_UNKNOWN_MEMBER_ID;
    return request->generation_id != group->generation ? WIRE_ERROR_ILLEGAL_GENERATION
                                                       : WIRE_ERROR_NONE;
}

enum err group_heartbeat(struct groups *groups, const struct group_call *call,
                         const struct wire_heartbeat_request *request, struct group_update *update)
{
    struct group_step st = group_step_of(groups, call, update);
    struct group *group = group_find(groups, request->group_id);
    struct group_member *member = NULL;
    enum wire_error error = request->group_id.size == 0 ? WIRE_ERROR_INVALID_GROUP_ID
                            : group == NULL             ? WIRE_ERROR_UNKNOWN_MEMBER_ID
                                                        : check(group, request, &member);

    if (error == WIRE_ERROR_NONE) {
        group_member_heard(member, st.now_ms);
        if (group->state == GROUP_PREPARING)
            error = WIRE_ERROR_REBALANCE_IN_PROGRESS;
    }
    return group_reply_error(&st, GROUP_REPLY_HEARTBEAT, error);
}

/* LeaveGroup */

static enum err leave_one(struct group_step *st, struct group *group,
                          const struct wire_leave_group_request_member_identity *who,
                          enum wire_error *error_out)
{
    struct group_pending *pending = group_pending_find(group, who->member_id);
    struct group_member *member = NULL;

    *error_out = WIRE_ERROR_NONE;
    if (who->group_instance_id.at == NULL && pending != NULL) {
        group_pending_remove(pending);
        return group->state == GROUP_PREPARING ? group_rebalance(st, group) : E_OK;
    }
    if (who->group_instance_id.at != NULL && who->member_id.size == 0) {
        /* An administrator removes a static member by its name alone. */
        member = group_member_of_instance(group, who->group_instance_id);
        *error_out = member == NULL ? WIRE_ERROR_UNKNOWN_MEMBER_ID : WIRE_ERROR_NONE;
    } else {
        *error_out = group_check_member(group, who->member_id, who->group_instance_id, &member);
    }
    return *error_out == WIRE_ERROR_NONE ? group_member_gone(st, member) : E_OK;
}

static enum err leave_all(struct group_step *st, const struct wire_leave_group_request *request,
                          struct wire_leave_group_response *response)
{
    struct group *group = group_find(st->groups, request->group_id);
    enum err e = E_OK;

    for (int32_t i = 0; i < request->members_count && e == E_OK; i++) {
        enum wire_error error = WIRE_ERROR_UNKNOWN_MEMBER_ID;

        if (group != NULL)
            e = leave_one(st, group, &request->members[i], &error);
        wire_leave_group_response_member_response_init(&response->members[i]);
        response->members[i].member_id = request->members[i].member_id;
        response->members[i].group_instance_id = request->members[i].group_instance_id;
        response->members[i].error_code = (int16_t)error;
    }
    response->members_count = request->members_count;
    if (group != NULL && group_is_void(group))
        group_remove(group);
    return e;
}

enum err group_leave(struct groups *groups, const struct group_call *call,
                     const struct wire_leave_group_request *request, struct group_update *update)
{
    struct group_step st = group_step_of(groups, call, update);
    struct wire_leave_group_response *response = arena_alloc(update->arena, sizeof(*response));
    struct wire_leave_group_request_member_identity lone = {.member_id = request->member_id};
    struct wire_leave_group_request members = *request;
    struct group_reply reply = {.token = call->token, .kind = GROUP_REPLY_LEAVE};
    enum err e;

    if (response == NULL)
        return E_NOMEM;
    wire_leave_group_response_init(response);
    reply.response.leave = response;
    if (request->group_id.size == 0) {
        response->error_code = WIRE_ERROR_INVALID_GROUP_ID;
        return group_reply_add(&st, &reply);
    }
    if (call->version < LEAVE_MEMBERS_SINCE) {
        members.members = &lone;
        members.members_count = 1;
    }
    response->members = arena_alloc_array(update->arena, (size_t)members.members_count + 1,
                                          sizeof(*response->members));
    if (response->members == NULL)
        return E_NOMEM;
    e = leave_all(&st, &members, response);
    if (e != E_OK)
        return e;
    if (call->version < LEAVE_MEMBERS_SINCE) {
        response->error_code = response->members[0].error_code;
        response->members_count = 0;
    }
    return group_reply_add(&st, &reply);
}

/* Time */

static enum err session_due(struct group_step *st, struct group_member *member)
{
    /* It waits for us, not we for it; but a newcomer must get into a generation in time. */
    if (!member->is_new && (member->is_joining || member->is_syncing)) {
        group_member_heard(member, st->now_ms);
        return E_OK;
    }
    return group_member_gone(st, member);
}

static enum err pending_due(struct group_step *st, struct group_pending *pending)
{
    struct group *group = pending->group;
    enum err e = E_OK;

    group_pending_remove(pending);
    if (group->state == GROUP_PREPARING)
        e = group_rebalance(st, group);
    if (group_is_void(group))
        group_remove(group);
    return e;
}

static enum err timer_due(struct group_step *st, struct group_timer *timer)
{
    switch (timer->kind) {
    case GROUP_TIMER_SESSION:
        return session_due(st, LIST_ENTRY(timer, struct group_member, session));
    case GROUP_TIMER_PENDING:
        return pending_due(st, LIST_ENTRY(timer, struct group_pending, timer));
    case GROUP_TIMER_JOIN:
        return group_join_due(st, LIST_ENTRY(timer, struct group, join_timer));
    case GROUP_TIMER_SYNC:
        return group_sync_due(st, LIST_ENTRY(timer, struct group, sync_timer));
    }
    return E_OK;
}

enum err groups_expire(struct groups *groups, int64_t now_ms, int64_t wall_ms,
                       struct group_update *update)
{
    struct group_step st = {
        .groups = groups, .update = update, .now_ms = now_ms, .wall_ms = wall_ms};
    enum err e = E_OK;

    /* One group's records a time: an update is appended as a whole or not at all. */
    while (e == E_OK && groups_deadline_ms(groups) <= now_ms &&
           record_list_count(&update->records) == 0) {
        struct heap_node *node = heap_pop(&groups->timers);

        e = timer_due(&st, LIST_ENTRY(node, struct group_timer, node));
    }
    return e;
}

enum err groups_refused(struct groups *groups, struct slice group_id, int64_t now_ms,
                        struct group_update *update)
{
    struct group_step st = {.groups = groups, .update = update, .now_ms = now_ms, .wall_ms = -1};
    struct group *group = group_find(groups, group_id);

    if (group == NULL)
        return E_OK;
    if (!list_is_empty(&group->members))
        return group_rebalance(&st, group);
    if (group_is_void(group)) /* it was never written */
        group_remove(group);
    return E_OK;
}
