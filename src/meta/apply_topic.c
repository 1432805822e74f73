#include <string.h>

#include "meta/apply_priv.h"
#include "wire/clear_elr_record.h"
#include "wire/partition_change_record.h"
#include "wire/partition_record.h"
#include "wire/remove_topic_record.h"
#include "wire/topic_record.h"

/* Topics and partitions. */

enum err meta_apply_topic(struct meta_apply *a)
{
    struct wire_topic_record m;
    enum err e = wire_topic_record_decode(&a->reader, a->version, &a->arena, &m);

    if (e != E_OK)
        return e;
    if (m.name.size == 0 || m.name.size > META_TOPIC_NAME_SIZE_MAX)
        return meta_apply_refuse(a, "a topic's name is empty or too long");
    if (meta_image_topic(a->image, m.name) != NULL)
        return meta_apply_refuse(a, "a topic of this name exists");
    if (meta_image_topic_by_id(a->image, m.topic_id) != NULL ||
        meta_image_was_deleted(a->image, m.topic_id) || uuid_is_zero(m.topic_id))
        return meta_apply_refuse(a, "the topic id was used before, or is zero");
    e = meta_apply_changed(
        a, (struct meta_change){.kind = META_TOPIC_CREATED, .topic_id = m.topic_id});
    return e != E_OK ? e : meta_image_add_topic(a->image, m.name, m.topic_id);
}

enum err meta_apply_remove_topic(struct meta_apply *a)
{
    struct wire_remove_topic_record m;
    enum err e = wire_remove_topic_record_decode(&a->reader, a->version, &a->arena, &m);
    struct meta_topic *topic;
    struct slice name = {0};

    if (e != E_OK)
        return e;
    topic = meta_image_mutable_topic(a->image, m.topic_id);
    if (topic == NULL)
        return meta_apply_refuse(a, "the topic to remove does not exist");
    if (a->delta != NULL) {
        name = arena_copy(&a->delta->names, topic->name);
        if (name.at == NULL)
            return E_NOMEM;
    }
    e = meta_apply_changed(a, (struct meta_change){.kind = META_TOPIC_DELETED,
                                                   .topic_id = m.topic_id,
                                                   .name = name,
                                                   .partition_count = topic->partition_count});
    return e != E_OK ? e : meta_image_remove_topic(a->image, topic);
}

/* A new leader from outside of those that had all that was committed. */
static bool is_unclean(const struct meta_partition *old, const struct meta_draft *draft)
{
    if (draft->leader == META_NO_LEADER || draft->leader == old->leader)
        return false;
    return draft->leader_recovery_state == META_RECOVERING &&
           !meta_ids_have(meta_partition_ids(old, META_ISR), draft->leader) &&
           !meta_ids_have(meta_partition_ids(old, META_ELR), draft->leader);
}

/* Note the change and make it. */
static enum err put(struct meta_apply *a, struct meta_topic *topic, int32_t index,
                    const struct meta_draft *draft)
{
    const struct meta_partition *old = meta_topic_partition(topic, index);
    struct meta_change change = {
        .kind = old == NULL ? META_PARTITION_CREATED : META_PARTITION_CHANGED,
        .is_unclean = old != NULL && is_unclean(old, draft),
        .topic_id = topic->id,
        .partition = index,
    };
    enum err e = meta_apply_changed(a, change);

    if (e == E_OK)
        e = meta_image_put_partition(a->image, topic, index, draft);
    if (e == E_CORRUPT)
        return meta_apply_refuse(a, "the ids of a partition's replicas are invalid");
    return e;
}

/* Directories of a record: none, or one for each replica. */
static enum err take_directories(struct meta_apply *a, const struct uuid *at, int32_t count,
                                 struct meta_draft *draft)
{
    int32_t replicas = draft->sets[META_REPLICAS].count;

    if (replicas > META_REPLICAS_MAX || (count > 0 && count != replicas))
        return meta_apply_refuse(a, "a partition has not one directory per replica");
    for (int32_t i = 0; i < replicas; i++)
        draft->directories[i] = count > 0 ? at[i] : meta_directory_migrating;
    return E_OK;
}

enum err meta_apply_partition(struct meta_apply *a)
{
    struct wire_partition_record m;
    struct meta_draft draft;
    struct meta_topic *topic;
    enum err e = wire_partition_record_decode(&a->reader, a->version, &a->arena, &m);

    if (e != E_OK)
        return e;
    topic = meta_image_mutable_topic(a->image, m.topic_id);
    if (topic == NULL)
        return meta_apply_refuse(a, "the partition's topic does not exist");
    if (m.partition_id < 0 || m.partition_id >= META_PARTITIONS_MAX || m.replicas_count <= 0)
        return meta_apply_refuse(a, "the partition's index or its replicas are invalid");
    draft.sets[META_REPLICAS] = (struct meta_ids){m.replicas, m.replicas_count};
    draft.sets[META_ISR] = (struct meta_ids){m.isr, m.isr_count};
    draft.sets[META_ADDING] = (struct meta_ids){m.adding_replicas, m.adding_replicas_count};
    draft.sets[META_REMOVING] = (struct meta_ids){m.removing_replicas, m.removing_replicas_count};
    draft.sets[META_ELR] =
        (struct meta_ids){m.eligible_leader_replicas, m.eligible_leader_replicas_count};
    draft.sets[META_LAST_KNOWN_ELR] = (struct meta_ids){m.last_known_elr, m.last_known_elr_count};
    draft.leader_recovery_state = m.leader_recovery_state;
    draft.leader = m.leader;
    draft.leader_epoch = m.leader_epoch;
    draft.partition_epoch = m.partition_epoch;
    e = take_directories(a, m.directories, m.directories_count, &draft);
    return e != E_OK ? e : put(a, topic, m.partition_id, &draft);
}

/* Count -1: the record leaves the set as it is. */
static void change_set(struct meta_draft *draft, enum meta_set set, const int32_t *at,
                       int32_t count)
{
    if (count >= 0)
        draft->sets[set] = (struct meta_ids){at, count};
}

/* Replicas that stay keep their directories. */
static void move_directories(const struct meta_image *image, const struct meta_partition *old,
                             struct meta_draft *draft)
{
    struct meta_ids before = meta_partition_ids(old, META_REPLICAS);
    struct meta_ids after = draft->sets[META_REPLICAS];

    for (int32_t i = 0; i < after.count && i < META_REPLICAS_MAX; i++) {
        draft->directories[i] = meta_directory_migrating;
        for (int32_t j = 0; j < before.count; j++) {
            if (before.at[j] == after.at[i])
                draft->directories[i] = meta_partition_directory(image, old, j);
        }
    }
}

/* The partition with what the record changes. */
static enum err change_draft(struct meta_apply *a, const struct wire_partition_change_record *m,
                             const struct meta_partition *old, struct meta_draft *draft)
{
    enum { LEADER_STAYS = -2, RECOVERY_STATE_STAYS = -1 };

    meta_draft_of(a->image, old, draft);
    change_set(draft, META_REPLICAS, m->replicas, m->replicas_count);
    change_set(draft, META_ISR, m->isr, m->isr_count);
    change_set(draft, META_ADDING, m->adding_replicas, m->adding_replicas_count);
    change_set(draft, META_REMOVING, m->removing_replicas, m->removing_replicas_count);
    change_set(draft, META_ELR, m->eligible_leader_replicas, m->eligible_leader_replicas_count);
    change_set(draft, META_LAST_KNOWN_ELR, m->last_known_elr, m->last_known_elr_count);
    /* As in Kafka, the epochs are not in the record: each change of leader is the next one. */
    if (m->leader != LEADER_STAYS) {
        draft->leader = m->leader;
        draft->leader_epoch++;
    }
    draft->partition_epoch++;
    if (m->leader_recovery_state != RECOVERY_STATE_STAYS)
        draft->leader_recovery_state = m->leader_recovery_state;
    if (m->directories_count >= 0)
        return take_directories(a, m->directories, m->directories_count, draft);
    if (m->replicas_count >= 0)
        move_directories(a->image, old, draft);
    return E_OK;
}

enum err meta_apply_partition_change(struct meta_apply *a)
{
    struct wire_partition_change_record m;
    const struct meta_partition *old;
    struct meta_draft draft;
    struct meta_topic *topic;
    enum err e = wire_partition_change_record_decode(&a->reader, a->version, &a->arena, &m);

    if (e != E_OK)
        return e;
    topic = meta_image_mutable_topic(a->image, m.topic_id);
    old = topic == NULL ? NULL : meta_topic_partition(topic, m.partition_id);
    if (old == NULL)
        return meta_apply_refuse(a, "the partition to change does not exist");
    if (m.replicas_count == 0)
        return meta_apply_refuse(a, "a partition without replicas");
    if (old->leader_epoch == INT32_MAX || old->partition_epoch == INT32_MAX)
        return meta_apply_refuse(a, "a partition's epoch is at its end");
    e = change_draft(a, &m, old, &draft);
    return e != E_OK ? e : put(a, topic, m.partition_id, &draft);
}

/* Of every partition of the topic that has any: a change like any other. */
static enum err clear_elr(struct meta_apply *a, struct meta_topic *topic)
{
    enum err e = E_OK;

    for (int32_t i = 0; i < topic->partition_count && e == E_OK; i++) {
        const struct meta_partition *p = meta_topic_partition(topic, i);
        struct meta_draft draft;

        if (p == NULL || (p->counts[META_ELR] == 0 && p->counts[META_LAST_KNOWN_ELR] == 0))
            continue;
        if (p->partition_epoch == INT32_MAX)
            return meta_apply_refuse(a, "a partition's epoch is at its end");
        meta_draft_of(a->image, p, &draft);
        draft.sets[META_ELR].count = 0;
        draft.sets[META_LAST_KNOWN_ELR].count = 0;
        draft.partition_epoch++;
        e = put(a, topic, i, &draft);
    }
    return e;
}

enum err meta_apply_clear_elr(struct meta_apply *a)
{
    struct wire_clear_elr_record m;
    enum err e = wire_clear_elr_record_decode(&a->reader, a->version, &a->arena, &m);
    const struct meta_topic *topic;
    struct map_iter it = {0};

    if (e != E_OK)
        return e;
    if (m.topic_name.size > 0) {
        topic = meta_image_topic(a->image, m.topic_name);
        if (topic == NULL)
            return meta_apply_refuse(a, "the topic does not exist");
        return clear_elr(a, meta_image_mutable_topic(a->image, topic->id));
    }
    while ((topic = meta_image_next_topic(a->image, &it)) != NULL && e == E_OK) {
        if (topic->tally.eligible > 0)
            e = clear_elr(a, meta_image_mutable_topic(a->image, topic->id));
    }
    return e;
}
