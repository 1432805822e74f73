#include "group/group_priv.h"

#include "wire/join_group.h"

/*
 * Rebalance: everybody joins, a generation begins, its leader assigns.
 *
 *   EMPTY, COMPLETING, STABLE -> PREPARING   prepare()
 *   PREPARING -> COMPLETING, EMPTY           complete_join()
 *
 * The joining ends when all members are back, or after the longest rebalance time-out
 * of a member; that of an empty group ends group.initial.rebalance.delay.ms after the last
 * newcomer, so that a fleet that starts gets one generation and not many.
 */

static int64_t rebalance_timeout_ms(const struct group *group)
{
    int64_t longest = 0;

    for (struct list_node *n = group->members.next; n != &group->members; n = n->next) {
        const struct group_member *m = LIST_ENTRY(n, struct group_member, node);

        if (m->rebalance_timeout_ms > longest)
            longest = m->rebalance_timeout_ms;
    }
    return longest;
}

static bool all_know(const struct group *group, struct slice protocol)
{
    for (struct list_node *n = group->members.next; n != &group->members; n = n->next) {
        const struct group_member *m = LIST_ENTRY(n, struct group_member, node);
        bool knows = false;

        for (int32_t i = 0; i < m->protocol_count && !knows; i++)
            knows = slice_equal(m->protocols[i].name, protocol);
        if (!knows)
            return false;
    }
    return true;
}

bool group_supports(const struct group *group, const struct wire_join_group_request *request)
{
    if (list_is_empty(&group->members))
        return true;
    if (!slice_equal(group->protocol_type, request->protocol_type))
        return false;
    for (int32_t i = 0; i < request->protocols_count; i++) {
        if (all_know(group, request->protocols[i].name))
            return true;
    }
    return false;
}

/* Of the leader's protocols, the one that the member would rather have; -1: it knows none. */
static int32_t vote_of(const struct group_member *m, const struct group_member *leader,
                       const bool *known)
{
    for (int32_t i = 0; i < m->protocol_count; i++) {
        for (int32_t k = 0; k < leader->protocol_count; k++) {
            if (known[k] && slice_equal(m->protocols[i].name, leader->protocols[k].name))
                return k;
        }
    }
    return -1;
}

/* Of those that all know the one with most votes, the leader's order deciding a tie. */
static struct slice choose_protocol(const struct group *group)
{
    const struct group_member *leader = group->leader;
    bool known[GROUP_PROTOCOLS_MAX] = {false};
    int32_t votes[GROUP_PROTOCOLS_MAX] = {0};
    int32_t best = -1;

    for (int32_t i = 0; i < leader->protocol_count; i++)
        known[i] = all_know(group, leader->protocols[i].name);
    for (struct list_node *n = group->members.next; n != &group->members; n = n->next) {
        int32_t vote = vote_of(LIST_ENTRY(n, struct group_member, node), leader, known);

        if (vote >= 0)
            votes[vote]++;
    }
    for (int32_t i = 0; i < leader->protocol_count; i++) {
        if (known[i] && (best < 0 || votes[i] > votes[best]))
            best = i;
    }
    return best < 0 ? (struct slice){0} : leader->protocols[best].name;
}

/* Whoever waits for an assignment of the generation that ends learns that it ends. */
static enum err end_syncing(struct group_step *st, struct group *group)
{
    enum err e = E_OK;

    for (struct list_node *n = group->members.next; n != &group->members; n = n->next) {
        struct group_member *m = LIST_ENTRY(n, struct group_member, node);

        if (m->is_syncing && m->sync_token != 0 && e == E_OK)
            e = group_reply_sync_error(st, m->sync_token, WIRE_ERROR_REBALANCE_IN_PROGRESS);
        if (m->is_syncing)
            group_member_heard(m, st->now_ms);
        if (m->sync_token != 0)
            map_u64_remove(&st->groups->waiting, m->sync_token);
        m->sync_token = 0;
        m->is_syncing = false;
        m->must_sync = false;
        group_slice_free(&m->assignment);
    }
    group_timer_clear(st->groups, &group->sync_timer);
    return e;
}

static void wait_for_first(struct group_step *st, struct group *group)
{
    int64_t delay = st->groups->options.initial_rebalance_delay_ms;

    if (delay > group->initial_left_ms)
        delay = group->initial_left_ms;
    group->initial_left_ms -= delay;
    group->has_new_members = false;
    group_timer_set(st->groups, &group->join_timer, st->now_ms + delay);
}

static enum err prepare(struct group_step *st, struct group *group)
{
    enum err e = end_syncing(st, group);

    group->was_empty = group->state == GROUP_EMPTY;
    group->state = GROUP_PREPARING;
    if (group->was_empty) {
        group->initial_left_ms = rebalance_timeout_ms(group);
        wait_for_first(st, group);
    } else {
        group_timer_set(st->groups, &group->join_timer, st->now_ms + rebalance_timeout_ms(group));
    }
    return e;
}

/* Dynamic members that did not come back are out; static ones may still, until their session ends.
 */
static void drop_absent(struct group *group)
{
    struct list_node *next;

    for (struct list_node *n = group->members.next; n != &group->members; n = next) {
        struct group_member *m = LIST_ENTRY(n, struct group_member, node);

        next = n->next;
        if (!m->is_joining && m->instance_id.at == NULL)
            group_member_remove(m);
    }
}

/* The leader is somebody who is here. False: nobody is. */
static bool elect_leader(struct group *group)
{
    if (group->leader != NULL && group->leader->is_joining)
        return true;
    for (struct list_node *n = group->members.next; n != &group->members; n = n->next) {
        struct group_member *m = LIST_ENTRY(n, struct group_member, node);

        if (m->is_joining) {
            group->leader = m;
            return true;
        }
    }
    return false;
}

/* The generation has begun: everybody who is here learns of it and is to sync. */
static enum err tell_members(struct group_step *st, struct group *group)
{
    enum err e = E_OK;

    for (struct list_node *n = group->members.next; n != &group->members; n = n->next) {
        struct group_member *m = LIST_ENTRY(n, struct group_member, node);

        if (e == E_OK && m->join_token != 0)
            e = group_reply_join(st, m, m->join_token, false);
        if (m->join_token != 0)
            map_u64_remove(&st->groups->waiting, m->join_token);
        m->join_token = 0;
        m->is_joining = false;
        m->is_new = false;
        m->must_sync = true;
        group_member_heard(m, st->now_ms);
    }
    group->joining_count = 0;
    group_timer_set(st->groups, &group->sync_timer, st->now_ms + rebalance_timeout_ms(group));
    return e;
}

static enum err complete_join(struct group_step *st, struct group *group)
{
    enum err e;

    group_timer_clear(st->groups, &group->join_timer);
    drop_absent(group);
    if (list_is_empty(&group->members)) {
        group->generation++;
        group_slice_free(&group->protocol);
        group->state = GROUP_EMPTY;
        return group_encode(st, group);
    }
    if (!elect_leader(group)) { /* static members only, none of them here: wait on */
        group_timer_set(st->groups, &group->join_timer, st->now_ms + rebalance_timeout_ms(group));
        return E_OK;
    }
    e = group_slice_replace(&group->protocol, choose_protocol(group));
    if (e != E_OK)
        return e;
    group->generation++;
    group->state = GROUP_COMPLETING;
    return tell_members(st, group);
}

static bool is_complete(const struct group *group)
{
    return group->state == GROUP_PREPARING && !group->was_empty &&
           (size_t)group->joining_count == group->by_id.count && group->pending.count == 0;
}

enum err group_rebalance(struct group_step *st, struct group *group)
{
    enum err e = E_OK;

    if (group->state != GROUP_PREPARING)
        e = prepare(st, group);
    if (e == E_OK && is_complete(group))
        e = complete_join(st, group);
    return e;
}

enum err group_join_due(struct group_step *st, struct group *group)
{
    if (group->was_empty && group->has_new_members && group->initial_left_ms > 0) {
        wait_for_first(st, group);
        return E_OK;
    }
    return complete_join(st, group);
}

enum err group_sync_due(struct group_step *st, struct group *group)
{
    struct list_node *next;
    bool is_anybody = false;

    for (struct list_node *n = group->members.next; n != &group->members; n = next) {
        struct group_member *m = LIST_ENTRY(n, struct group_member, node);

        next = n->next;
        if (!m->must_sync)
            continue;
        is_anybody = true;
        group_member_remove(m);
    }
    return is_anybody ? group_rebalance(st, group) : E_OK;
}

enum err group_member_gone(struct group_step *st, struct group_member *member)
{
    struct group *group = member->group;
    enum err e = E_OK;

    if (member->join_token != 0)
        e = group_reply_join_error(st, member->join_token, WIRE_ERROR_UNKNOWN_MEMBER_ID,
                                   member->id);
    else if (member->sync_token != 0)
        e = group_reply_sync_error(st, member->sync_token, WIRE_ERROR_UNKNOWN_MEMBER_ID);
    group_member_remove(member);
    if (e != E_OK || group->state == GROUP_EMPTY)
        return e;
    return group_rebalance(st, group);
}
