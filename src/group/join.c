#include <string.h>

#include "base/mem.h"
#include "group/group_priv.h"
#include "wire/join_group.h"

/*
 * JoinGroup (key 11): become a member of the next generation.
 *
 *   no member id    -> a new member; from v4 on it gets an id first and comes back (KIP-394)
 *   an instance id  -> a static member takes the place of its former self (KIP-345)
 *   a member id     -> joins again: a rebalance, or the answer it missed
 */
enum { ID_REQUIRED_SINCE = 4, SKIP_ASSIGNMENT_SINCE = 9, ID_RANDOM_BYTES = 16 };

struct join {
    struct group_step *st;
    struct group *group;
    const struct wire_join_group_request *request;
};

static enum err refuse(struct join *join, enum wire_error error)
{
    return group_reply_join_error(join->st, join->st->call->token, error, join->request->member_id);
}

/* "<client or instance id>-<uuid>", as Kafka makes them. */
static struct slice make_member_id(struct join *join)
{
    static const char digits[] = "0123456789abcdef";
    struct slice name = join->request->group_instance_id.at != NULL
                            ? join->request->group_instance_id
                            : join->st->call->client_id;
    enum { UUID_TEXT = 36 };
    uint8_t bytes[ID_RANDOM_BYTES];
    uint8_t *text = arena_alloc(join->st->update->arena, name.size + 1 + UUID_TEXT);
    size_t at = name.size;

    if (text == NULL)
        return (struct slice){0};
    if (name.size > 0)
        memcpy(text, name.at, name.size);
    rng_bytes(&join->st->groups->rng, bytes, sizeof(bytes));
    text[at++] = '-';
    for (size_t i = 0; i < sizeof(bytes); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            text[at++] = '-';
        text[at++] = (uint8_t)digits[bytes[i] >> 4];
        text[at++] = (uint8_t)digits[bytes[i] & 15];
    }
    return slice_of(text, at);
}

static void free_protocols(struct group_protocol *protocols, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        group_slice_free(&protocols[i].name);
        group_slice_free(&protocols[i].metadata);
    }
    mem_free(protocols);
}

static enum err set_protocols(struct group_member *member,
                              const struct wire_join_group_request *request)
{
    struct group_protocol *protocols =
        mem_alloc_zero((size_t)request->protocols_count * sizeof(*protocols));
    enum err e = protocols == NULL ? E_NOMEM : E_OK;

    for (int32_t i = 0; i < request->protocols_count && e == E_OK; i++) {
        e = group_slice_copy(request->protocols[i].name, &protocols[i].name);
        if (e == E_OK)
            e = group_slice_copy(request->protocols[i].metadata, &protocols[i].metadata);
    }
    if (e != E_OK) {
        if (protocols != NULL)
            free_protocols(protocols, request->protocols_count);
        return e;
    }
    free_protocols(member->protocols, member->protocol_count);
    member->protocols = protocols;
    member->protocol_count = request->protocols_count;
    return E_OK;
}

static bool has_same_protocols(const struct group_member *member,
                               const struct wire_join_group_request *request)
{
    if (member->protocol_count != request->protocols_count)
        return false;
    for (int32_t i = 0; i < member->protocol_count; i++) {
        if (!slice_equal(member->protocols[i].name, request->protocols[i].name) ||
            !slice_equal(member->protocols[i].metadata, request->protocols[i].metadata))
            return false;
    }
    return true;
}

/* What the request says of the member. */
static enum err update_member(struct join *join, struct group_member *member)
{
    const struct wire_join_group_request *request = join->request;
    enum err e = set_protocols(member, request);

    if (e == E_OK)
        e = group_slice_replace(&member->client_id, join->st->call->client_id);
    if (e == E_OK)
        e = group_slice_replace(&member->client_host, join->st->call->client_host);
    if (e != E_OK)
        return e;
    member->session_timeout_ms = request->session_timeout_ms;
    member->rebalance_timeout_ms = request->rebalance_timeout_ms >= 0
                                       ? request->rebalance_timeout_ms
                                       : request->session_timeout_ms;
    return E_OK;
}

/* From now on the member waits for the generation to come. */
static enum err begin_waiting(struct join *join, struct group_member *member)
{
    struct group_step *st = join->st;
    uint64_t before = member->join_token;
    enum err e = map_u64_put(&st->groups->waiting, st->call->token, member);

    if (e != E_OK)
        return e;
    member->join_token = st->call->token;
    if (!member->is_joining)
        join->group->joining_count++;
    member->is_joining = true;
    group_member_heard(member, st->now_ms);
    if (before == 0)
        return E_OK;
    map_u64_remove(&st->groups->waiting, before); /* asked again, on another connection */
    return group_reply_join_error(st, before, WIRE_ERROR_REBALANCE_IN_PROGRESS, member->id);
}

static enum err join_again(struct join *join, struct group_member *member)
{
    enum err e = update_member(join, member);

    if (e == E_OK)
        e = begin_waiting(join, member);
    return e == E_OK ? group_rebalance(join->st, join->group) : e;
}

static enum err add_member(struct join *join, struct slice id)
{
    struct group *group = join->group;
    struct group_member *member;
    enum err e;

    if (list_is_empty(&group->members)) {
        e = group_slice_replace(&group->protocol_type, join->request->protocol_type);
        if (e != E_OK)
            return e;
    }
    e = group_member_new(group, id, join->request->group_instance_id, &member);
    if (e != E_OK)
        return e;
    member->is_new = true;
    e = update_member(join, member);
    if (e == E_OK)
        e = begin_waiting(join, member);
    if (e != E_OK) {
        group_member_remove(member);
        return e;
    }
    group->has_new_members = true;
    return group_rebalance(join->st, group);
}

/*
 * A static member came back without its member id. Its former self, if it still lives, is fenced.
 * When what it subscribes to is as it was, nothing has to move: it gets its assignment again.
 */
static enum err replace_static(struct join *join, struct group_member *member, struct slice id)
{
    struct group_step *st = join->st;
    struct group *group = join->group;
    bool is_unchanged = has_same_protocols(member, join->request);
    bool is_leader = group->leader == member;
    enum err e = E_OK;

    if (member->join_token != 0)
        e = group_reply_join_error(st, member->join_token, WIRE_ERROR_FENCED_INSTANCE_ID,
                                   member->id);
    else if (member->sync_token != 0)
        e = group_reply_sync_error(st, member->sync_token, WIRE_ERROR_FENCED_INSTANCE_ID);
    if (member->join_token != 0)
        map_u64_remove(&st->groups->waiting, member->join_token);
    if (member->sync_token != 0)
        map_u64_remove(&st->groups->waiting, member->sync_token);
    member->join_token = member->sync_token = 0;
    member->is_syncing = false;
    if (e == E_OK)
        e = group_member_rename(member, id);
    if (e != E_OK)
        return e;
    if (group->state != GROUP_STABLE || !is_unchanged)
        return join_again(join, member);
    e = update_member(join, member);
    if (e != E_OK)
        return e;
    group_member_heard(member, st->now_ms);
    e = group_encode(st, group); /* the new id must survive us */
    if (e == E_OK)
        e = group_reply_join(st, member, st->call->token,
                             is_leader && st->call->version >= SKIP_ASSIGNMENT_SINCE);
    return e;
}

static enum err join_new(struct join *join)
{
    struct group_member *former =
        group_member_of_instance(join->group, join->request->group_instance_id);
    struct group_step *st = join->st;
    struct slice id = make_member_id(join);
    enum err e;

    if (id.at == NULL)
        return E_NOMEM;
    if (former != NULL)
        return replace_static(join, former, id);
    if (join->request->group_instance_id.at != NULL || st->call->version < ID_REQUIRED_SINCE)
        return add_member(join, id);
    e = group_pending_add(join->group, id, st->now_ms + join->request->session_timeout_ms);
    if (e != E_OK)
        return e;
    return group_reply_join_error(st, st->call->token, WIRE_ERROR_MEMBER_ID_REQUIRED, id);
}

static enum err join_known(struct join *join, struct group_member *member)
{
    struct group_step *st = join->st;
    bool is_unchanged = has_same_protocols(member, join->request);

    switch (join->group->state) {
    case GROUP_PREPARING:
        return join_again(join, member);
    case GROUP_COMPLETING:
        /* Unchanged: it missed the answer. */
        if (!is_unchanged)
            return join_again(join, member);
        group_member_heard(member, st->now_ms);
        return group_reply_join(st, member, st->call->token, false);
    case GROUP_STABLE:
        /* The leader joins again when the topics have changed: so something is to be assigned. */
        if (!is_unchanged || member == join->group->leader)
            return join_again(join, member);
        group_member_heard(member, st->now_ms);
        return group_reply_join(st, member, st->call->token, false);
    case GROUP_EMPTY:
        break;
    }
    return refuse(join, WIRE_ERROR_UNKNOWN_MEMBER_ID);
}

static enum err join_existing(struct join *join)
{
    const struct wire_join_group_request *request = join->request;
    struct group_pending *pending = group_pending_find(join->group, request->member_id);
    struct group_member *member;
    enum wire_error error;

    if (pending != NULL && request->group_instance_id.at == NULL) {
        group_pending_remove(pending);
        return add_member(join, request->member_id);
    }
    error =
        group_check_member(join->group, request->member_id, request->group_instance_id, &member);
    return error == WIRE_ERROR_NONE ? join_known(join, member) : refuse(join, error);
}

/* Would the group become too large? Those who are in it, or have an id, may come back. */
static bool is_full(const struct join *join)
{
    const struct group *group = join->group;
    size_t count = group->by_id.count + group->pending.count;

    if (join->request->member_id.size > 0 &&
        (group_member_find(group, join->request->member_id) != NULL ||
         group_pending_find(group, join->request->member_id) != NULL))
        return false;
    if (group_member_of_instance(group, join->request->group_instance_id) != NULL)
        return false;
    return count >= (size_t)join->st->groups->options.max_size || count >= GROUP_MEMBERS_MAX;
}

static enum wire_error check(const struct group_options *options,
                             const struct wire_join_group_request *request)
{
    if (request->group_id.size == 0)
        return WIRE_ERROR_INVALID_GROUP_ID;
    if (request->session_timeout_ms < options->min_session_timeout_ms ||
        request->session_timeout_ms > options->max_session_timeout_ms)
        return WIRE_ERROR_INVALID_SESSION_TIMEOUT;
    if (request->protocol_type.size == 0 || request->protocols_count < 1 ||
        request->protocols_count > GROUP_PROTOCOLS_MAX)
        return WIRE_ERROR_INCONSISTENT_GROUP_PROTOCOL;
    return WIRE_ERROR_NONE;
}

enum err group_join(struct groups *groups, const struct group_call *call,
                    const struct wire_join_group_request *request, struct group_update *update)
{
    struct group_step st = group_step_of(groups, call, update);
    struct join join = {.st = &st, .request = request};
    enum wire_error error = check(&groups->options, request);
    enum err e;

    if (error != WIRE_ERROR_NONE)
        return refuse(&join, error);
    join.group = group_find(groups, request->group_id);
    if (join.group == NULL && request->member_id.size > 0)
        return refuse(&join, WIRE_ERROR_UNKNOWN_MEMBER_ID);
    if (join.group == NULL) {
        e = group_create(groups, request->group_id, &join.group);
        if (e != E_OK)
            return e;
    }
    if (is_full(&join))
        return refuse(&join, WIRE_ERROR_GROUP_MAX_SIZE_REACHED);
    if (!group_supports(join.group, request))
        return refuse(&join, WIRE_ERROR_INCONSISTENT_GROUP_PROTOCOL);
    e = request->member_id.size == 0 ? join_new(&join) : join_existing(&join);
    if (group_is_void(join.group))
        group_remove(join.group);
    return e;
}
