#include "group/group_priv.h"

#include "wire/sync_group.h"

/*
 * SyncGroup (key 14): the leader says who gets what, the others wait for it. The assignment
 * becomes the group's when its record is in the log (groups_apply); all answers wait for that.
 */

static enum wire_error check(const struct group *group,
                             const struct wire_sync_group_request *request,
                             struct group_member **member_out)
{
    enum wire_error error =
        group_check_member(group, request->member_id, request->group_instance_id, member_out);

    if (error != WIRE_ERROR_NONE)
        return error;
    if (request->generation_id != group->generation)
        return WIRE_ERROR_ILLEGAL_GENERATION;
    if ((request->protocol_type.at != NULL &&
         !slice_equal(request->protocol_type, group->protocol_type)) ||
        (request->protocol_name.at != NULL &&
         !slice_equal(request->protocol_name, group->protocol)))
        return WIRE_ERROR_INCONSISTENT_GROUP_PROTOCOL;
    if (group->state == GROUP_PREPARING)
        return WIRE_ERROR_REBALANCE_IN_PROGRESS;
    return group->state == GROUP_EMPTY ? WIRE_ERROR_UNKNOWN_MEMBER_ID : WIRE_ERROR_NONE;
}

/* Who is not in the request gets nothing. */
static void stage(struct group *group, const struct wire_sync_group_request *request)
{
    for (struct list_node *n = group->members.next; n != &group->members; n = n->next)
        LIST_ENTRY(n, struct group_member, node)->staged = slice_of("", 0);
    for (int32_t i = 0; i < request->assignments_count; i++) {
        struct group_member *m = group_member_find(group, request->assignments[i].member_id);

        if (m != NULL && request->assignments[i].assignment.at != NULL)
            m->staged = request->assignments[i].assignment;
    }
}

/* What the leader sent cannot be written: it has not synced, and is out when it does not. */
static void unstage(struct group *group, struct group_member *leader)
{
    for (struct list_node *n = group->members.next; n != &group->members; n = n->next)
        LIST_ENTRY(n, struct group_member, node)->staged = (struct slice){0};
    map_u64_remove(&group->groups->waiting, leader->sync_token);
    leader->sync_token = 0;
    leader->is_syncing = false;
    leader->must_sync = true;
}

/* The records hold the assignments, so nobody waits any more. */
static enum err tell_members(struct group_step *st, struct group *group)
{
    enum err e = E_OK;

    for (struct list_node *n = group->members.next; n != &group->members; n = n->next) {
        struct group_member *m = LIST_ENTRY(n, struct group_member, node);

        if (m->is_syncing) {
            if (e == E_OK && m->sync_token != 0)
                e = group_reply_sync(st, m->sync_token, group, m->staged);
            if (m->sync_token != 0)
                map_u64_remove(&st->groups->waiting, m->sync_token);
            m->sync_token = 0;
            m->is_syncing = false;
            group_member_heard(m, st->now_ms);
        }
        m->staged = (struct slice){0};
    }
    return e;
}

static enum err begin_waiting(struct group_step *st, struct group_member *member)
{
    uint64_t before = member->sync_token;
    enum err e = map_u64_put(&st->groups->waiting, st->call->token, member);

    if (e != E_OK)
        return e;
    member->sync_token = st->call->token;
    member->is_syncing = true;
    member->must_sync = false;
    if (before == 0)
        return E_OK;
    map_u64_remove(&st->groups->waiting, before); /* asked again, on another connection */
    return group_reply_sync_error(st, before, WIRE_ERROR_REBALANCE_IN_PROGRESS);
}

enum err group_sync(struct groups *groups, const struct group_call *call,
                    const struct wire_sync_group_request *request, struct group_update *update)
{
    struct group_step st = group_step_of(groups, call, update);
    struct group *group = group_find(groups, request->group_id);
    struct group_member *member = NULL;
    enum wire_error error = request->group_id.size == 0 ? WIRE_ERROR_INVALID_GROUP_ID
                            : group == NULL             ? WIRE_ERROR_UNKNOWN_MEMBER_ID
                                                        : check(group, request, &member);
    enum err e;

    if (error != WIRE_ERROR_NONE)
        return group_reply_sync_error(&st, call->token, error);
    if (group->state == GROUP_STABLE) {
        member->must_sync = false;
        group_member_heard(member, st.now_ms);
        return group_reply_sync(&st, call->token, group, member->assignment);
    }
    e = begin_waiting(&st, member);
    if (e != E_OK || member != group->leader)
        return e;
    stage(group, request);
    e = group_encode(&st, group);
    if (e == E_OK)
        return tell_members(&st, group);
    unstage(group, member);
    return e;
}
