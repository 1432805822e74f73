#include "group/group_priv.h"

#include "wire/offset_commit.h"
#include "wire/txn_offset_commit.h"

/*
 * OffsetCommit (key 8) and TxnOffsetCommit (key 28): may who asks commit for the group, and then
 * one record for each partition. The offset counts once the record is in the log.
 */

struct committer {
    struct slice group_id;
    struct slice member_id;
    struct slice instance_id;
    int32_t generation;
    bool is_transactional;
};

/* In Kafka's order: clients' tests know which error comes first. */
static enum wire_error check(const struct group *group, const struct committer *c,
                             struct group_member **member_out)
{
    *member_out = NULL;
    if (group == NULL)
        return c->generation < 0 ? WIRE_ERROR_NONE : WIRE_ERROR_ILLEGAL_GENERATION;
    if (c->generation < 0 && group->state == GROUP_EMPTY)
        return WIRE_ERROR_NONE; /* a consumer that assigns to itself, or a tool */
    if (c->generation >= 0 || c->member_id.size > 0 || c->instance_id.at != NULL) {
        enum wire_error error = group_check_member(group, c->member_id, c->instance_id, member_out);

        if (error != WIRE_ERROR_NONE)
            return error;
        if (c->generation != group->generation)
            return WIRE_ERROR_ILLEGAL_GENERATION;
    } else if (!c->is_transactional && group->state != GROUP_EMPTY) {
        return WIRE_ERROR_UNKNOWN_MEMBER_ID;
    }
    return !c->is_transactional && group->state == GROUP_COMPLETING
               ? WIRE_ERROR_REBALANCE_IN_PROGRESS
               : WIRE_ERROR_NONE;
}

static enum wire_error check_step(struct group_step *st, const struct committer *c)
{
    struct group_member *member;
    enum wire_error error = check(group_find(st->groups, c->group_id), c, &member);

    if (error == WIRE_ERROR_NONE && member != NULL && !member->is_new)
        group_member_heard(member, st->now_ms);
    return error;
}

/* v2 to v4: how long to keep it, from now on; -1: by the retention of the group. */
static int64_t expire_ms(int64_t wall_ms, int64_t retention_ms)
{
    if (retention_ms < 0)
        return -1;
    return retention_ms > INT64_MAX - wall_ms ? INT64_MAX : wall_ms + retention_ms;
}

/* One partition: its record, or the reason why not. */
static enum err commit_one(struct group_step *st, const struct group_offset_name *name,
                           struct group_offset *offset, enum wire_error *error)
{
    if (*error != WIRE_ERROR_NONE)
        return E_OK;
    if (offset->metadata.at == NULL)
        offset->metadata = slice_of("", 0);
    if ((int64_t)offset->metadata.size > st->groups->options.metadata_max_bytes) {
        *error = WIRE_ERROR_OFFSET_METADATA_TOO_LARGE;
        return E_OK;
    }
    return group_encode_offset(st, name, offset);
}

static enum err commit_topic(struct group_step *st,
                             const struct wire_offset_commit_request *request, int32_t index,
                             const enum wire_error *errors,
                             struct wire_offset_commit_response_offset_commit_response_topic *out)
{
    const struct wire_offset_commit_request_offset_commit_request_topic *in =
        &request->topics[index];
    struct group_offset_name name = {.group_id = request->group_id, .topic = in->name};
    enum err e = E_OK;

    wire_offset_commit_response_offset_commit_response_topic_init(out);
    out->name = in->name;
    out->topic_id = in->topic_id;
    out->partitions = arena_alloc_array(st->update->arena, (size_t)in->partitions_count + 1,
                                        sizeof(*out->partitions));
    if (out->partitions == NULL)
        return E_NOMEM;
    out->partitions_count = in->partitions_count;
    for (int32_t i = 0; i < in->partitions_count && e == E_OK; i++) {
        struct group_offset offset = {
            .offset = in->partitions[i].committed_offset,
            .leader_epoch = in->partitions[i].committed_leader_epoch,
            .metadata = in->partitions[i].committed_metadata,
            .commit_ms = st->wall_ms,
            .expire_ms = expire_ms(st->wall_ms, request->retention_time_ms),
        };
        enum wire_error error = errors[i];

        name.partition = in->partitions[i].partition_index;
        e = commit_one(st, &name, &offset, &error);
        wire_offset_commit_response_offset_commit_response_partition_init(&out->partitions[i]);
        out->partitions[i].partition_index = name.partition;
        out->partitions[i].error_code = (int16_t)error;
    }
    return e;
}

/* The errors of all partitions: those of the host, or one for all of them. */
static enum err all_errors(struct arena *arena, size_t count, enum wire_error error,
                           const enum wire_error **errors)
{
    enum wire_error *same;

    if (error == WIRE_ERROR_NONE)
        return E_OK;
    same = arena_alloc_array(arena, count + 1, sizeof(*same));
    if (same == NULL)
        return E_NOMEM;
    for (size_t i = 0; i < count; i++)
        same[i] = error;
    *errors = same;
    return E_OK;
}

enum err group_commit(struct groups *groups, const struct group_call *call,
                      const struct wire_offset_commit_request *request,
                      const enum wire_error *errors, struct group_update *update)
{
    struct group_step st = group_step_of(groups, call, update);
    struct committer committer = {.group_id = request->group_id,
                                  .member_id = request->member_id,
                                  .instance_id = request->group_instance_id,
                                  .generation = request->generation_id_or_member_epoch};
    struct wire_offset_commit_response *response = arena_alloc(update->arena, sizeof(*response));
    size_t count = 0;
    enum err e;

    if (response == NULL)
        return E_NOMEM;
    wire_offset_commit_response_init(response);
    response->topics = arena_alloc_array(update->arena, (size_t)request->topics_count + 1,
                                         sizeof(*response->topics));
    if (response->topics == NULL)
        return E_NOMEM;
    for (int32_t i = 0; i < request->topics_count; i++)
        count += (size_t)request->topics[i].partitions_count;
    e = all_errors(update->arena, count, check_step(&st, &committer), &errors);
    for (int32_t i = 0; i < request->topics_count && e == E_OK; i++) {
        e = commit_topic(&st, request, i, errors, &response->topics[i]);
        errors += request->topics[i].partitions_count;
    }
    if (e != E_OK)
        return e;
    response->topics_count = request->topics_count;
    return group_reply_add(&st, &(struct group_reply){.token = call->token,
                                                      .kind = GROUP_REPLY_OFFSET_COMMIT,
                                                      .response.offset_commit = response});
}

static enum err commit_txn_topic(
    struct group_step *st, const struct wire_txn_offset_commit_request *request, int32_t index,
    const enum wire_error *errors,
    struct wire_txn_offset_commit_response_txn_offset_commit_response_topic *out)
{
    const struct wire_txn_offset_commit_request_txn_offset_commit_request_topic *in =
        &request->topics[index];
    struct group_offset_name name = {.group_id = request->group_id, .topic = in->name};
    enum err e = E_OK;

    wire_txn_offset_commit_response_txn_offset_commit_response_topic_init(out);
    out->name = in->name;
    out->partitions = arena_alloc_array(st->update->arena, (size_t)in->partitions_count + 1,
                                        sizeof(*out->partitions));
    if (out->partitions == NULL)
        return E_NOMEM;
    out->partitions_count = in->partitions_count;
    for (int32_t i = 0; i < in->partitions_count && e == E_OK; i++) {
        struct group_offset offset = {
            .offset = in->partitions[i].committed_offset,
            .leader_epoch = in->partitions[i].committed_leader_epoch,
            .metadata = in->partitions[i].committed_metadata,
            .commit_ms = st->wall_ms,
            .expire_ms = -1,
        };
        enum wire_error error = errors[i];

        name.partition = in->partitions[i].partition_index;
        e = commit_one(st, &name, &offset, &error);
        wire_txn_offset_commit_response_txn_offset_commit_response_partition_init(
            &out->partitions[i]);
        out->partitions[i].partition_index = name.partition;
        out->partitions[i].error_code = (int16_t)error;
    }
    return e;
}

enum err group_commit_txn(struct groups *groups, const struct group_call *call,
                          const struct wire_txn_offset_commit_request *request,
                          const enum wire_error *errors, struct group_update *update)
{
    struct group_step st = group_step_of(groups, call, update);
    struct committer committer = {.group_id = request->group_id,
                                  .member_id = request->member_id,
                                  .instance_id = request->group_instance_id,
                                  .generation = request->generation_id,
                                  .is_transactional = true};
    struct wire_txn_offset_commit_response *response =
        arena_alloc(update->arena, sizeof(*response));
    size_t count = 0;
    enum err e;

    if (response == NULL)
        return E_NOMEM;
    wire_txn_offset_commit_response_init(response);
    response->topics = arena_alloc_array(update->arena, (size_t)request->topics_count + 1,
                                         sizeof(*response->topics));
    if (response->topics == NULL)
        return E_NOMEM;
    for (int32_t i = 0; i < request->topics_count; i++)
        count += (size_t)request->topics[i].partitions_count;
    e = all_errors(update->arena, count, check_step(&st, &committer), &errors);
    for (int32_t i = 0; i < request->topics_count && e == E_OK; i++) {
        e = commit_txn_topic(&st, request, i, errors, &response->topics[i]);
        errors += request->topics[i].partitions_count;
    }
    if (e != E_OK)
        return e;
    response->topics_count = request->topics_count;
    if (record_list_count(&update->records) > 0) {
        update->producer_id = request->producer_id;
        update->producer_epoch = request->producer_epoch;
    }
    return group_reply_add(&st, &(struct group_reply){.token = call->token,
                                                      .kind = GROUP_REPLY_TXN_OFFSET_COMMIT,
                                                      .response.txn_offset_commit = response});
}
