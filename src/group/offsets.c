#include "group/group_priv.h"

#include "base/mem.h"
#include "wire/offset_fetch.h"

/* The committed offsets of a group: where they are kept, and how they are asked for (key 9). */

static struct group_topic *topic_find(const struct group *group, struct slice topic)
{
    return map_slice_find(&group->topics, topic);
}

struct group_offset *group_offset_find(const struct group *group, struct slice topic,
                                       int32_t partition)
{
    struct group_topic *t = topic_find(group, topic);

    return t == NULL ? NULL : map_u64_find(&t->partitions, (uint32_t)partition);
}

static enum err topic_get(struct group *group, struct slice name, struct group_topic **topic_out)
{
    struct group_topic *t = topic_find(group, name);
    enum err e = E_OK;

    if (t == NULL) {
        t = mem_alloc_zero(sizeof(*t));
        if (t == NULL)
            return E_NOMEM;
        map_u64_init(&t->partitions, group->groups->seed);
        e = group_slice_copy(name, &t->name);
        if (e == E_OK)
            e = map_slice_put(&group->topics, t->name, t);
        if (e != E_OK)
            group_topic_free(t);
    }
    if (e == E_OK)
        *topic_out = t;
    return e;
}

enum err group_offset_get(struct group *group, struct slice topic, int32_t partition,
                          struct group_offset **offset_out)
{
    struct group_offset *offset;
    struct group_topic *t;
    enum err e = topic_get(group, topic, &t);

    if (e != E_OK)
        return e;
    offset = map_u64_find(&t->partitions, (uint32_t)partition);
    if (offset == NULL) {
        offset = mem_alloc_zero(sizeof(*offset));
        e = offset == NULL ? E_NOMEM : map_u64_put(&t->partitions, (uint32_t)partition, offset);
        if (e != E_OK) {
            mem_free(offset);
            return e;
        }
    }
    *offset_out = offset;
    return E_OK;
}

void group_offset_remove(struct group *group, struct slice topic, int32_t partition)
{
    struct group_topic *t = topic_find(group, topic);
    struct group_offset *offset =
        t == NULL ? NULL : map_u64_find(&t->partitions, (uint32_t)partition);

    if (offset == NULL)
        return;
    offset->is_committed = false;
    if (offset->pending_count > 0)
        return;
    map_u64_remove(&t->partitions, (uint32_t)partition);
    group_slice_free(&offset->metadata);
    mem_free(offset);
    if (t->partitions.count > 0)
        return;
    map_slice_remove(&group->topics, t->name);
    group_topic_free(t);
}

void group_topic_free(struct group_topic *topic)
{
    struct map_iter it = {0};
    struct group_offset *offset;

    while ((offset = map_u64_next(&topic->partitions, &it, NULL)) != NULL) {
        group_slice_free(&offset->metadata);
        mem_free(offset);
    }
    map_u64_release(&topic->partitions);
    group_slice_free(&topic->name);
    mem_free(topic);
}

void group_txn_free(struct group_txn *txn)
{
    struct list_node *n;

    while ((n = list_pop_front(&txn->offsets)) != NULL) {
        struct group_txn_offset *pending = LIST_ENTRY(n, struct group_txn_offset, node);

        group_slice_free(&pending->topic);
        group_slice_free(&pending->offset.metadata);
        mem_free(pending);
    }
    mem_free(txn);
}

bool group_is_void(const struct group *group)
{
    return group->state == GROUP_EMPTY && group->state_ms < 0 && list_is_empty(&group->members) &&
           group->pending.count == 0 && group->topics.count == 0 && group->pending_offsets == 0;
}

/* OffsetFetch */

struct fetch {
    const struct group *group; /* NULL: there is none */
    struct arena *arena;
    bool require_stable;
};

static enum err fill(struct fetch *f, const struct group_offset *offset,
                     struct wire_offset_fetch_response_offset_fetch_response_partitions *out)
{
    out->committed_offset = -1;
    out->committed_leader_epoch = -1;
    out->metadata = slice_of("", 0);
    if (offset != NULL && offset->pending_count > 0 && f->require_stable) {
        out->error_code = WIRE_ERROR_UNSTABLE_OFFSET_COMMIT;
        return E_OK;
    }
    if (offset == NULL || !offset->is_committed)
        return E_OK;
    out->committed_offset = offset->offset;
    out->committed_leader_epoch = offset->leader_epoch;
    /* Answers are parked: what is committed meanwhile must not be under them. */
    out->metadata = arena_copy(f->arena, offset->metadata);
    return out->metadata.at == NULL ? E_NOMEM : E_OK;
}

static enum err fetch_some(struct fetch *f,
                           const struct wire_offset_fetch_request_offset_fetch_request_topics *in,
                           struct wire_offset_fetch_response_offset_fetch_response_topics *out)
{
    enum err e = E_OK;

    wire_offset_fetch_response_offset_fetch_response_topics_init(out);
    out->name = in->name;
    out->topic_id = in->topic_id;
    out->partitions = arena_alloc_array(f->arena, (size_t)in->partition_indexes_count + 1,
                                        sizeof(*out->partitions));
    if (out->partitions == NULL)
        return E_NOMEM;
    out->partitions_count = in->partition_indexes_count;
    for (int32_t i = 0; i < in->partition_indexes_count && e == E_OK; i++) {
        int32_t partition = in->partition_indexes[i];

        wire_offset_fetch_response_offset_fetch_response_partitions_init(&out->partitions[i]);
        out->partitions[i].partition_index = partition;
        e = fill(f, f->group == NULL ? NULL : group_offset_find(f->group, in->name, partition),
                 &out->partitions[i]);
    }
    return e;
}

/* Everything of a topic that is committed, or unsure. */
static enum err fetch_topic(struct fetch *f, const struct group_topic *topic,
                            struct wire_offset_fetch_response_offset_fetch_response_topics *out)
{
    struct map_iter it = {0};
    struct group_offset *offset;
    uint64_t partition;
    int32_t count = 0;

    wire_offset_fetch_response_offset_fetch_response_topics_init(out);
    out->name = arena_copy(f->arena, topic->name);
    out->partitions =
        arena_alloc_array(f->arena, topic->partitions.count + 1, sizeof(*out->partitions));
    if (out->partitions == NULL || out->name.at == NULL)
        return E_NOMEM;
    while ((offset = map_u64_next(&topic->partitions, &it, &partition)) != NULL) {
        struct wire_offset_fetch_response_offset_fetch_response_partitions *p =
            &out->partitions[count];
        enum err e;

        if (!offset->is_committed && !f->require_stable)
            continue;
        wire_offset_fetch_response_offset_fetch_response_partitions_init(p);
        p->partition_index = (int32_t)partition;
        e = fill(f, offset, p);
        if (e != E_OK)
            return e;
        count++;
    }
    out->partitions_count = count;
    return E_OK;
}

static enum err fetch_all(struct fetch *f,
                          struct wire_offset_fetch_response_offset_fetch_response_group *response)
{
    size_t count = f->group == NULL ? 0 : f->group->topics.count;
    struct map_iter it = {0};
    struct group_topic *topic;

    response->topics = arena_alloc_array(f->arena, count + 1, sizeof(*response->topics));
    if (response->topics == NULL)
        return E_NOMEM;
    while (f->group != NULL && (topic = map_slice_next(&f->group->topics, &it, NULL)) != NULL) {
        enum err e = fetch_topic(f, topic, &response->topics[response->topics_count]);

        if (e != E_OK)
            return e;
        if (response->topics[response->topics_count].partitions_count > 0)
            response->topics_count++;
    }
    return E_OK;
}

enum err group_fetch_offsets(
    const struct groups *groups,
    const struct wire_offset_fetch_request_offset_fetch_request_group *request, bool require_stable,
    struct arena *arena, struct wire_offset_fetch_response_offset_fetch_response_group *response)
{
    struct fetch f = {.group = group_find(groups, request->group_id),
                      .arena = arena,
                      .require_stable = require_stable};
    enum err e = E_OK;

    wire_offset_fetch_response_offset_fetch_response_group_init(response);
    response->group_id = request->group_id;
    if (request->topics_count < 0)
        return fetch_all(&f, response);
    response->topics =
        arena_alloc_array(arena, (size_t)request->topics_count + 1, sizeof(*response->topics));
    if (response->topics == NULL)
        return E_NOMEM;
    for (int32_t i = 0; i < request->topics_count && e == E_OK; i++)
        e = fetch_some(&f, &request->topics[i], &response->topics[i]);
    response->topics_count = request->topics_count;
    return e;
}
