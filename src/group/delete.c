#include "group/group_priv.h"

#include "base/reader.h"
#include "wire/consumer_protocol_subscription.h"
#include "wire/offset_delete.h"

/*
 * Offsets and groups go: on request (OffsetDelete, key 47; DeleteGroups, key 42), with their topic,
 * and when nobody has used them for offsets.retention.minutes.
 */

static enum err add_tombstone(struct group_step *st, const struct group *group,
                              const struct group_topic *topic, int32_t partition)
{
    const struct group_offset_name name = {group->id, topic->name, partition};

    return group_encode_offset(st, &name, NULL);
}

/* Is some member of the group subscribed to the topic? What we cannot read may be anything. */
static bool is_subscribed(const struct group *group, struct slice topic)
{
    struct arena arena;
    bool is_found = false;

    arena_init(&arena, GROUP_DECODE_ARENA_MAX);
    for (struct list_node *n = group->members.next; n != &group->members && !is_found;
         n = n->next) {
        struct slice metadata =
            group_member_metadata(LIST_ENTRY(n, struct group_member, node), group->protocol);
        struct reader r = reader_init(metadata.at, metadata.size);
        struct wire_consumer_protocol_subscription subscription;
        int16_t version = reader_i16(&r);

        if (version > WIRE_CONSUMER_PROTOCOL_SUBSCRIPTION_VERSION_MAX)
            version = WIRE_CONSUMER_PROTOCOL_SUBSCRIPTION_VERSION_MAX; /* it only ever grows */
        if (version < 0 || wire_consumer_protocol_subscription_decode(&r, version, &arena,
                                                                      &subscription) != E_OK) {
            is_found = true;
            break;
        }
        for (int32_t i = 0; i < subscription.topics_count && !is_found; i++)
            is_found = slice_equal(subscription.topics[i], topic);
    }
    arena_release(&arena);
    return is_found;
}

static bool uses_consumer_protocol(const struct group *group)
{
    return slice_equal_text(group->protocol_type, "consumer");
}

/* OffsetDelete */

static enum err delete_topic(
    struct group_step *st, const struct group *group,
    const struct wire_offset_delete_request_offset_delete_request_topic *in,
    struct wire_offset_delete_response_offset_delete_response_topic *out)
{
    bool is_used = !list_is_empty(&group->members) && is_subscribed(group, in->name);
    enum err e = E_OK;

    wire_offset_delete_response_offset_delete_response_topic_init(out);
    out->name = in->name;
    out->partitions = arena_alloc_array(st->update->arena, (size_t)in->partitions_count + 1,
                                        sizeof(*out->partitions));
    if (out->partitions == NULL)
        return E_NOMEM;
    out->partitions_count = in->partitions_count;
    for (int32_t i = 0; i < in->partitions_count && e == E_OK; i++) {
        int32_t partition = in->partitions[i].partition_index;
        const struct group_offset_name name = {group->id, in->name, partition};

        wire_offset_delete_response_offset_delete_response_partition_init(&out->partitions[i]);
        out->partitions[i].partition_index = partition;
        if (is_used)
            out->partitions[i].error_code = WIRE_ERROR_GROUP_SUBSCRIBED_TO_TOPIC;
        else if (group_offset_find(group, in->name, partition) != NULL)
            e = group_encode_offset(st, &name, NULL);
    }
    return e;
}

enum err group_delete_offsets(struct groups *groups, const struct group_call *call,
                              const struct wire_offset_delete_request *request,
                              struct group_update *update)
{
    struct group_step st = group_step_of(groups, call, update);
    const struct group *group = group_find(groups, request->group_id);
    struct wire_offset_delete_response *response = arena_alloc(update->arena, sizeof(*response));
    enum err e = E_OK;

    if (response == NULL)
        return E_NOMEM;
    wire_offset_delete_response_init(response);
    if (request->group_id.size == 0) {
        response->error_code = WIRE_ERROR_INVALID_GROUP_ID;
    } else if (group == NULL) {
        response->error_code = WIRE_ERROR_GROUP_ID_NOT_FOUND;
    } else if (!list_is_empty(&group->members) && !uses_consumer_protocol(group)) {
        response->error_code = WIRE_ERROR_NON_EMPTY_GROUP;
    } else {
        response->topics = arena_alloc_array(update->arena, (size_t)request->topics_count + 1,
                                             sizeof(*response->topics));
        if (response->topics == NULL)
            return E_NOMEM;
        response->topics_count = request->topics_count;
        for (int32_t i = 0; i < request->topics_count && e == E_OK; i++)
            e = delete_topic(&st, group, &request->topics[i], &response->topics[i]);
    }
    return e != E_OK
               ? e
               : group_reply_add(&st, &(struct group_reply){.token = call->token,
                                                            .kind = GROUP_REPLY_OFFSET_DELETE,
                                                            .response.offset_delete = response});
}

/* DeleteGroups */

static enum err delete_all_offsets(struct group_step *st, const struct group *group)
{
    struct map_iter topics = {0};
    struct group_topic *topic;
    enum err e = E_OK;

    while (e == E_OK && (topic = map_slice_next(&group->topics, &topics, NULL)) != NULL) {
        struct map_iter partitions = {0};
        uint64_t partition;

        while (e == E_OK && map_u64_next(&topic->partitions, &partitions, &partition) != NULL)
            e = add_tombstone(st, group, topic, (int32_t)partition);
    }
    return e;
}

enum err group_delete(struct groups *groups, const struct group_call *call, struct slice group_id,
                      struct group_update *update)
{
    struct group_step st = group_step_of(groups, call, update);
    const struct group *group = group_find(groups, group_id);
    size_t before = record_list_count(&update->records);
    enum err e;

    if (group_id.size == 0)
        return group_reply_error(&st, GROUP_REPLY_DELETE, WIRE_ERROR_INVALID_GROUP_ID);
    if (group == NULL)
        return group_reply_error(&st, GROUP_REPLY_DELETE, WIRE_ERROR_GROUP_ID_NOT_FOUND);
    if (group->state != GROUP_EMPTY)
        return group_reply_error(&st, GROUP_REPLY_DELETE, WIRE_ERROR_NON_EMPTY_GROUP);
    e = delete_all_offsets(&st, group);
    if (e == E_OK)
        e = group_encode_tombstone(&st, group_id);
    if (e != E_OK) {
        record_list_cut(&update->records, before);
        return e;
    }
    return group_reply_error(&st, GROUP_REPLY_DELETE, WIRE_ERROR_NONE);
}

/* Topics */

static bool is_enough(const struct group_update *update)
{
    return record_list_count(&update->records) >= GROUP_EXPIRE_BATCH;
}

static enum err forget_topic(struct group_step *st, const struct group *group,
                             const struct group_topic *topic)
{
    struct map_iter it = {0};
    struct group_offset *offset;
    uint64_t partition;
    enum err e = E_OK;

    while (e == E_OK && !is_enough(st->update) &&
           (offset = map_u64_next(&topic->partitions, &it, &partition)) != NULL) {
        if (offset->is_committed)
            e = add_tombstone(st, group, topic, (int32_t)partition);
    }
    return e;
}

enum err groups_delete_topic(struct groups *groups, struct slice topic, struct group_update *update,
                             bool *is_done_out)
{
    struct group_step st = {.groups = groups, .update = update};
    struct map_iter it = {0};
    struct group *group;
    enum err e = E_OK;

    while (e == E_OK && !is_enough(update) &&
           (group = map_slice_next(&groups->by_id, &it, NULL)) != NULL) {
        const struct group_topic *t = map_slice_find(&group->topics, topic);

        if (t != NULL)
            e = forget_topic(&st, group, t);
    }
    if (e == E_OK)
        *is_done_out = !is_enough(update);
    return e;
}

/* Retention, as in Kafka (KIP-211) */

struct expiry {
    struct group_step st;
    const struct group *group;
    const struct group_topic *topic; /* being looked at */
    bool is_topic_used;
    size_t kept; /* offsets of the group */
};

/* Since when is nobody interested? -1: somebody is. */
static int64_t unused_since(const struct expiry *x, const struct group_offset *offset)
{
    const struct group *group = x->group;

    if (group->protocol_type.size == 0)
        return offset->commit_ms;
    if (group->state == GROUP_EMPTY)
        return group->state_ms > offset->commit_ms ? group->state_ms : offset->commit_ms;
    return x->is_topic_used ? -1 : offset->commit_ms;
}

static bool is_expired(const struct expiry *x, const struct group_offset *offset)
{
    int64_t since = unused_since(x, offset);

    if (since < 0 || offset->pending_count > 0)
        return false;
    return offset->expire_ms >= 0
               ? x->st.wall_ms >= offset->expire_ms
               : x->st.wall_ms - since >= x->st.groups->options.offsets_retention_ms;
}

static enum err expire_topic(struct expiry *x)
{
    struct map_iter it = {0};
    struct group_offset *offset;
    uint64_t partition;
    enum err e = E_OK;

    x->is_topic_used = x->group->state != GROUP_EMPTY &&
                       (x->group->state != GROUP_STABLE || !uses_consumer_protocol(x->group) ||
                        is_subscribed(x->group, x->topic->name));
    while (e == E_OK && (offset = map_u64_next(&x->topic->partitions, &it, &partition)) != NULL) {
        if (is_enough(x->st.update) || !is_expired(x, offset))
            x->kept++;
        else
            e = add_tombstone(&x->st, x->group, x->topic, (int32_t)partition);
    }
    return e;
}

static enum err expire_group(struct expiry *x)
{
    struct map_iter it = {0};
    enum err e = E_OK;

    x->kept = 0;
    while (e == E_OK && (x->topic = map_slice_next(&x->group->topics, &it, NULL)) != NULL)
        e = expire_topic(x);
    if (e == E_OK && x->kept == 0 && !is_enough(x->st.update) && x->group->state == GROUP_EMPTY &&
        x->group->state_ms >= 0)
        e = group_encode_tombstone(&x->st, x->group->id);
    return e;
}

enum err groups_expire_offsets(struct groups *groups, int64_t wall_ms, struct group_update *update,
                               bool *is_done_out)
{
    struct expiry x = {.st = {.groups = groups, .update = update, .wall_ms = wall_ms}};
    struct map_iter it = {0};
    enum err e = E_OK;

    while (e == E_OK && !is_enough(update) &&
           (x.group = map_slice_next(&groups->by_id, &it, NULL)) != NULL)
        e = expire_group(&x);
    if (e == E_OK)
        *is_done_out = !is_enough(update);
    return e;
}
