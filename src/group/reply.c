#include "group/group_priv.h"

#include "wire/join_group.h"
#include "wire/sync_group.h"

/* Replies; what they hold is copied, since they may leave long after the members they tell of. */

enum err group_reply_add(struct group_step *st, const struct group_reply *reply)
{
    return reply->token == 0 ? E_OK : vec_push(&st->update->replies, reply);
}

enum err group_reply_error(struct group_step *st, enum group_reply_kind kind, enum wire_error error)
{
    return group_reply_add(
        st, &(struct group_reply){.token = st->call->token, .kind = kind, .error = error});
}

static bool copy(struct arena *arena, struct slice from, struct slice *to)
{
    if (from.at == NULL) {
        *to = from;
        return true;
    }
    *to = arena_copy(arena, from);
    return to->at != NULL;
}

static enum err add_join(struct group_step *st, uint64_t token,
                         struct wire_join_group_response *response)
{
    return group_reply_add(st, &(struct group_reply){.token = token,
                                                     .kind = GROUP_REPLY_JOIN,
                                                     .error = response->error_code,
                                                     .response.join = response});
}

enum err group_reply_join_error(struct group_step *st, uint64_t token, enum wire_error error,
                                struct slice member_id)
{
    struct wire_join_group_response *response = arena_alloc(st->update->arena, sizeof(*response));

    if (response == NULL)
        return E_NOMEM;
    wire_join_group_response_init(response);
    response->error_code = (int16_t)error;
    response->leader = slice_of("", 0);
    response->protocol_name = slice_of("", 0);
    if (!copy(st->update->arena, member_id, &response->member_id))
        return E_NOMEM;
    return add_join(st, token, response);
}

/* What the leader needs to assign: everybody with metadata. */
static enum err list_members(struct group_step *st, const struct group *group,
                             struct wire_join_group_response *response)
{
    struct arena *arena = st->update->arena;
    int32_t count = 0;

    response->members =
        arena_alloc_array(arena, list_count(&group->members), sizeof(*response->members));
    if (response->members == NULL)
        return E_NOMEM;
    for (struct list_node *n = group->members.next; n != &group->members; n = n->next) {
        const struct group_member *m = LIST_ENTRY(n, struct group_member, node);
        struct wire_join_group_response_join_group_response_member *out =
            &response->members[count++];

        wire_join_group_response_join_group_response_member_init(out);
        if (!copy(arena, m->id, &out->member_id) ||
            !copy(arena, m->instance_id, &out->group_instance_id) ||
            !copy(arena, group_member_metadata(m, group->protocol), &out->metadata))
            return E_NOMEM;
    }
    response->members_count = count;
    return E_OK;
}

enum err group_reply_join(struct group_step *st, struct group_member *member, uint64_t token,
                          bool skip_assignment)
{
    const struct group *group = member->group;
    struct arena *arena = st->update->arena;
    struct wire_join_group_response *response;

    if (token == 0)
        return E_OK;
    response = arena_alloc(arena, sizeof(*response));
    if (response == NULL)
        return E_NOMEM;
    wire_join_group_response_init(response);
    response->generation_id = group->generation;
    response->skip_assignment = skip_assignment;
    if (!copy(arena, group->protocol_type, &response->protocol_type) ||
        !copy(arena, group->protocol, &response->protocol_name) ||
        !copy(arena, group->leader->id, &response->leader) ||
        !copy(arena, member->id, &response->member_id))
        return E_NOMEM;
    if (member == group->leader) {
        enum err e = list_members(st, group, response);

        if (e != E_OK)
            return e;
    }
    return add_join(st, token, response);
}

static enum err add_sync(struct group_step *st, uint64_t token, enum wire_error error,
                         struct wire_sync_group_response *response)
{
    return group_reply_add(st, &(struct group_reply){.token = token,
                                                     .kind = GROUP_REPLY_SYNC,
                                                     .error = error,
                                                     .response.sync = response});
}

enum err group_reply_sync_error(struct group_step *st, uint64_t token, enum wire_error error)
{
    struct wire_sync_group_response *response = arena_alloc(st->update->arena, sizeof(*response));

    if (response == NULL)
        return E_NOMEM;
    wire_sync_group_response_init(response);
    response->error_code = (int16_t)error;
    response->assignment = slice_of("", 0);
    return add_sync(st, token, error, response);
}

enum err group_reply_sync(struct group_step *st, uint64_t token, const struct group *group,
                          struct slice assignment)
{
    struct arena *arena = st->update->arena;
    struct wire_sync_group_response *response = arena_alloc(arena, sizeof(*response));

    if (response == NULL)
        return E_NOMEM;
    wire_sync_group_response_init(response);
    response->assignment = slice_of("", 0);
    if (!copy(arena, group->protocol_type, &response->protocol_type) ||
        !copy(arena, group->protocol, &response->protocol_name) ||
        (assignment.at != NULL && !copy(arena, assignment, &response->assignment)))
        return E_NOMEM;
    return add_sync(st, token, WIRE_ERROR_NONE, response);
}
