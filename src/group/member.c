#include "group/group_priv.h"

#include "base/mem.h"

/* Members of a group, and ids that were given out for members to come. */

enum err group_member_new(struct group *group, struct slice id, struct slice instance_id,
                          struct group_member **member_out)
{
    struct group_member *member = mem_alloc_zero(sizeof(*member));
    enum err e;

    if (member == NULL)
        return E_NOMEM;
    member->group = group;
    member->session.kind = GROUP_TIMER_SESSION;
    e = group_slice_copy(id, &member->id);
    if (e == E_OK)
        e = group_slice_copy(instance_id, &member->instance_id);
    if (e == E_OK)
        e = map_slice_put(&group->by_id, member->id, member);
    if (e == E_OK && instance_id.at != NULL) {
        e = map_slice_put(&group->by_instance, member->instance_id, member);
        if (e != E_OK)
            map_slice_remove(&group->by_id, member->id);
    }
    if (e != E_OK) {
        group_slice_free(&member->id);
        group_slice_free(&member->instance_id);
        mem_free(member);
        return e;
    }
    list_push_back(&group->members, &member->node);
    if (group->leader == NULL)
        group->leader = member;
    *member_out = member;
    return E_OK;
}

static void forget_token(struct groups *groups, uint64_t *token)
{
    if (*token != 0)
        map_u64_remove(&groups->waiting, *token);
    *token = 0;
}

void group_member_remove(struct group_member *member)
{
    struct group *group = member->group;

    group_timer_clear(group->groups, &member->session);
    forget_token(group->groups, &member->join_token);
    forget_token(group->groups, &member->sync_token);
    if (member->is_joining)
        group->joining_count--;
    list_remove(&member->node);
    map_slice_remove(&group->by_id, member->id);
    if (member->instance_id.at != NULL)
        map_slice_remove(&group->by_instance, member->instance_id);
    if (group->leader == member) {
        struct list_node *first = list_first(&group->members);

        group->leader = first == NULL ? NULL : LIST_ENTRY(first, struct group_member, node);
    }
    for (int32_t i = 0; i < member->protocol_count; i++) {
        group_slice_free(&member->protocols[i].name);
        group_slice_free(&member->protocols[i].metadata);
    }
    mem_free(member->protocols);
    group_slice_free(&member->assignment);
    group_slice_free(&member->client_id);
    group_slice_free(&member->client_host);
    group_slice_free(&member->instance_id);
    group_slice_free(&member->id);
    mem_free(member);
}

struct group_member *group_member_find(const struct group *group, struct slice id)
{
    return map_slice_find(&group->by_id, id);
}

struct group_member *group_member_of_instance(const struct group *group, struct slice instance_id)
{
    return instance_id.at == NULL ? NULL : map_slice_find(&group->by_instance, instance_id);
}

enum err group_member_rename(struct group_member *member, struct slice id)
{
    struct group *group = member->group;
    struct slice copy;
    enum err e = group_slice_copy(id, &copy);

    if (e == E_OK) {
        e = map_slice_put(&group->by_id, copy, member);
        if (e != E_OK)
            group_slice_free(&copy);
    }
    if (e != E_OK)
        return e;
    map_slice_remove(&group->by_id, member->id);
    group_slice_free(&member->id);
    member->id = copy;
    return E_OK;
}

struct slice group_member_metadata(const struct group_member *member, struct slice protocol)
{
    for (int32_t i = 0; i < member->protocol_count; i++) {
        if (slice_equal(member->protocols[i].name, protocol))
            return member->protocols[i].metadata;
    }
    return slice_of("", 0);
}

enum err group_pending_add(struct group *group, struct slice id, int64_t until_ms)
{
    struct group_pending *pending = mem_alloc_zero(sizeof(*pending));
    enum err e;

    if (pending == NULL)
        return E_NOMEM;
    e = group_slice_copy(id, &pending->id);
    if (e == E_OK)
        e = map_slice_put(&group->pending, pending->id, pending);
    if (e != E_OK) {
        group_slice_free(&pending->id);
        mem_free(pending);
        return e;
    }
    pending->group = group;
    pending->timer.kind = GROUP_TIMER_PENDING;
    group_timer_set(group->groups, &pending->timer, until_ms);
    return E_OK;
}

struct group_pending *group_pending_find(const struct group *group, struct slice id)
{
    return map_slice_find(&group->pending, id);
}

void group_pending_remove(struct group_pending *pending)
{
    group_timer_clear(pending->group->groups, &pending->timer);
    map_slice_remove(&pending->group->pending, pending->id);
    group_slice_free(&pending->id);
    mem_free(pending);
}

void group_member_heard(struct group_member *member, int64_t now_ms)
{
    int64_t timeout_ms = member->is_new ? GROUP_NEW_MEMBER_TIMEOUT_MS : member->session_timeout_ms;

    group_timer_set(member->group->groups, &member->session, now_ms + timeout_ms);
}

enum wire_error group_check_member(const struct group *group, struct slice id,
                                   struct slice instance_id, struct group_member **member_out)
{
    struct group_member *member;

    if (instance_id.at != NULL) {
        member = group_member_of_instance(group, instance_id);
        if (member == NULL)
            return WIRE_ERROR_UNKNOWN_MEMBER_ID;
        if (!slice_equal(member->id, id))
            return WIRE_ERROR_FENCED_INSTANCE_ID;
    } else {
        member = group_member_find(group, id);
        if (member == NULL)
            return WIRE_ERROR_UNKNOWN_MEMBER_ID;
    }
    *member_out = member;
    return WIRE_ERROR_NONE;
}
