#include "group/group.h"

#include <string.h>

#include "base/mem.h"
#include "group/group_priv.h"
#include "wire/describe_groups.h"
#include "wire/list_groups.h"

/* The table of groups, and what is asked about them. */

enum err group_slice_copy(struct slice s, struct slice *copy_out)
{
    uint8_t *copy;

    if (s.at == NULL) {
        *copy_out = s;
        return E_OK;
    }
    copy = mem_alloc(s.size + 1);
    if (copy == NULL)
        return E_NOMEM;
    memcpy(copy, s.at, s.size);
    copy[s.size] = 0;
    *copy_out = slice_of(copy, s.size);
    return E_OK;
}

void group_slice_free(struct slice *s)
{
    union {
        const uint8_t *shared;
        uint8_t *owned;
    } at = {.shared = s->at};

    mem_free(at.owned);
    *s = (struct slice){0};
}

enum err group_slice_replace(struct slice *s, struct slice by)
{
    struct slice copy;
    enum err e = group_slice_copy(by, &copy);

    if (e != E_OK)
        return e;
    group_slice_free(s);
    *s = copy;
    return E_OK;
}

const char *group_state_name(enum group_state state)
{
    static const char *const names[] = {
        [GROUP_EMPTY] = "Empty",
        [GROUP_PREPARING] = "PreparingRebalance",
        [GROUP_COMPLETING] = "CompletingRebalance",
        [GROUP_STABLE] = "Stable",
    };

    return names[state];
}

enum err groups_new(const struct group_options *options, uint64_t seed, struct groups **groups_out)
{
    struct groups *groups = mem_alloc_zero(sizeof(*groups));

    if (groups == NULL)
        return E_NOMEM;
    groups->options = *options;
    groups->seed = seed;
    rng_init(&groups->rng, seed);
    map_slice_init_borrowing(&groups->by_id, seed);
    map_u64_init(&groups->waiting, seed);
    map_u64_init(&groups->txns, seed);
    heap_init(&groups->timers);
    *groups_out = groups;
    return E_OK;
}

void groups_free(struct groups *groups)
{
    struct map_iter it = {0};
    struct group_txn *txn;
    struct group *group;

    if (groups == NULL)
        return;
    while ((txn = map_u64_next(&groups->txns, &it, NULL)) != NULL)
        group_txn_free(txn);
    map_u64_release(&groups->txns);
    it = (struct map_iter){0};
    while ((group = map_slice_next(&groups->by_id, &it, NULL)) != NULL)
        group_remove(group);
    map_slice_release(&groups->by_id);
    map_u64_release(&groups->waiting);
    mem_free(groups);
}

void groups_set_options(struct groups *groups, const struct group_options *options)
{
    groups->options = *options;
}

struct group *group_find(const struct groups *groups, struct slice id)
{
    return map_slice_find(&groups->by_id, id);
}

enum err group_create(struct groups *groups, struct slice id, struct group **group_out)
{
    struct group *group = mem_alloc_zero(sizeof(*group));
    enum err e;

    if (group == NULL)
        return E_NOMEM;
    group->groups = groups;
    group->state_ms = -1;
    group->join_timer.kind = GROUP_TIMER_JOIN;
    group->sync_timer.kind = GROUP_TIMER_SYNC;
    list_init(&group->members);
    map_slice_init_borrowing(&group->by_id, groups->seed);
    map_slice_init_borrowing(&group->by_instance, groups->seed);
    map_slice_init_borrowing(&group->pending, groups->seed);
    map_slice_init_borrowing(&group->topics, groups->seed);
    e = group_slice_copy(id, &group->id);
    if (e == E_OK)
        e = map_slice_put(&groups->by_id, group->id, group);
    if (e != E_OK) {
        group_slice_free(&group->id);
        mem_free(group);
        return e;
    }
    *group_out = group;
    return E_OK;
}

void group_remove(struct group *group)
{
    struct map_iter it = {0};
    struct group_pending *pending;
    struct group_topic *topic;
    struct list_node *n;

    while ((n = list_first(&group->members)) != NULL)
        group_member_remove(LIST_ENTRY(n, struct group_member, node));
    while ((pending = map_slice_next(&group->pending, &it, NULL)) != NULL)
        group_pending_remove(pending);
    map_slice_release(&group->pending);
    it = (struct map_iter){0};
    group_timer_clear(group->groups, &group->join_timer);
    group_timer_clear(group->groups, &group->sync_timer);
    while ((topic = map_slice_next(&group->topics, &it, NULL)) != NULL)
        group_topic_free(topic);
    map_slice_release(&group->topics);
    map_slice_release(&group->by_id);
    map_slice_release(&group->by_instance);
    map_slice_remove(&group->groups->by_id, group->id);
    group_slice_free(&group->protocol_type);
    group_slice_free(&group->protocol);
    group_slice_free(&group->id);
    mem_free(group);
}

void group_timer_set(struct groups *groups, struct group_timer *timer, int64_t at_ms)
{
    group_timer_clear(groups, timer);
    heap_insert(&groups->timers, &timer->node, at_ms);
}

void group_timer_clear(struct groups *groups, struct group_timer *timer)
{
    heap_remove(&groups->timers, &timer->node);
}

int64_t groups_deadline_ms(const struct groups *groups)
{
    const struct heap_node *first = heap_peek(&groups->timers);

    return first == NULL ? INT64_MAX : first->key;
}

size_t groups_count(const struct groups *groups)
{
    return groups->by_id.count;
}

void group_update_init(struct group_update *update, struct arena *arena)
{
    *update = (struct group_update){.arena = arena};
    update->producer_id = -1;
    update->producer_epoch = -1;
    record_list_init(&update->records, GROUP_RECORDS_BYTES_MAX);
    vec_init(&update->replies, sizeof(struct group_reply), 2 * GROUP_MEMBERS_MAX + 1);
}

void group_update_release(struct group_update *update)
{
    record_list_release(&update->records);
    vec_release(&update->replies);
}

struct group_step group_step_of(struct groups *groups, const struct group_call *call,
                                struct group_update *update)
{
    return (struct group_step){.groups = groups,
                               .call = call,
                               .update = update,
                               .now_ms = call->now_ms,
                               .wall_ms = call->wall_ms};
}

void groups_forget(struct groups *groups, uint64_t token)
{
    struct group_member *member = map_u64_remove(&groups->waiting, token);

    if (member == NULL)
        return;
    if (member->join_token == token)
        member->join_token = 0;
    else
        member->sync_token = 0;
}

/* ListGroups, DescribeGroups */

static bool is_named(const struct slice *names, int32_t count, const char *name)
{
    for (int32_t i = 0; i < count; i++) {
        size_t size = strlen(name);
        bool is_same = names[i].size == size;

        for (size_t k = 0; k < size && is_same; k++) /* Kafka takes any case, and so do clients */
            is_same = (names[i].at[k] | 0x20) == ((uint8_t)name[k] | 0x20);
        if (is_same)
            return true;
    }
    return count <= 0;
}

enum err groups_list(const struct groups *groups, const struct wire_list_groups_request *request,
                     struct vec *list)
{
    struct map_iter it = {0};
    struct group *group;
    enum err e = E_OK;

    while (e == E_OK && (group = map_slice_next(&groups->by_id, &it, NULL)) != NULL) {
        struct group_listed listed = {.group_id = group->id,
                                      .protocol_type = group->protocol_type,
                                      .state = group_state_name(group->state),
                                      .type = "classic"};

        if (is_named(request->states_filter, request->states_filter_count, listed.state) &&
            is_named(request->types_filter, request->types_filter_count, listed.type))
            e = vec_push(list, &listed);
    }
    return e;
}

/* Answers are parked, and written on another thread: nothing of the group may be in them. */
static bool copy(struct arena *arena, struct slice from, struct slice *to)
{
    if (from.at == NULL)
        return true; /* as it was */
    *to = arena_copy(arena, from);
    return to->at != NULL;
}

static bool describe_member(const struct group *group, const struct group_member *member,
                            struct arena *arena,
                            struct wire_describe_groups_response_described_group_member *out)
{
    wire_describe_groups_response_described_group_member_init(out);
    if (!copy(arena, member->id, &out->member_id) ||
        !copy(arena, member->instance_id, &out->group_instance_id) ||
        !copy(arena, member->client_id, &out->client_id) ||
        !copy(arena, member->client_host, &out->client_host))
        return false;
    return group->state != GROUP_STABLE ||
           (copy(arena, group_member_metadata(member, group->protocol), &out->member_metadata) &&
            copy(arena, member->assignment, &out->member_assignment));
}

static enum err describe_members(const struct group *group, struct arena *arena,
                                 struct wire_describe_groups_response_described_group *out)
{
    out->members = arena_alloc_array(arena, group->by_id.count + 1, sizeof(*out->members));
    if (out->members == NULL)
        return E_NOMEM;
    for (struct list_node *n = group->members.next; n != &group->members; n = n->next) {
        if (!describe_member(group, LIST_ENTRY(n, struct group_member, node), arena,
                             &out->members[out->members_count]))
            return E_NOMEM;
        out->members_count++;
    }
    return E_OK;
}

enum err group_describe(const struct groups *groups, struct slice group_id, int16_t version,
                        struct arena *arena,
                        struct wire_describe_groups_response_described_group *response)
{
    enum { NOT_FOUND_SINCE = 6 };
    const struct group *group = group_find(groups, group_id);

    wire_describe_groups_response_described_group_init(response);
    response->group_id = group_id;
    response->group_state = slice_of_text("Dead");
    if (group == NULL) {
        if (version >= NOT_FOUND_SINCE) {
            response->error_code = WIRE_ERROR_GROUP_ID_NOT_FOUND;
            response->error_message = slice_of_text("there is no such group");
        }
        return E_OK;
    }
    response->group_state = slice_of_text(group_state_name(group->state));
    if (!copy(arena, group->protocol_type, &response->protocol_type) ||
        (group->state == GROUP_STABLE && !copy(arena, group->protocol, &response->protocol_data)))
        return E_NOMEM;
    return describe_members(group, arena, response);
}
