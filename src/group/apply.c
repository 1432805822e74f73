#include "group/group_priv.h"

#include "base/mem.h"
#include "base/reader.h"
#include "wire/group_metadata_key.h"
#include "wire/group_metadata_value.h"
#include "wire/offset_commit_key.h"
#include "wire/offset_commit_value.h"

/* Records of the log become the replicated state, the only way it ever changes. */

enum { KEY_OFFSET_OLD = 0, KEY_OFFSET = 1, KEY_GROUP = 2 };

struct apply {
    struct groups *groups;
    const struct group_record *record;
    struct reader key; /* behind its version */
    struct arena arena;
};

/* ---- a group ---- */

static enum err set_metadata(struct group_member *m, struct slice protocol, struct slice metadata)
{
    enum err e;

    if (m->protocols == NULL) {
        m->protocols = mem_alloc_zero(sizeof(*m->protocols));
        if (m->protocols == NULL)
            return E_NOMEM;
        m->protocol_count = 1;
    }
    if (m->protocol_count > 1)
        return E_OK; /* a member of this life: it said more than the record does */
    e = group_slice_replace(&m->protocols[0].name, protocol);
    return e == E_OK ? group_slice_replace(&m->protocols[0].metadata, metadata) : e;
}

static enum err apply_member(struct group *group, struct slice protocol,
                             const struct wire_group_metadata_value_member_metadata *in)
{
    struct group_member *m = group_member_find(group, in->member_id);
    enum err e = E_OK;

    if (m == NULL) {
        struct group_member *former = group_member_of_instance(group, in->group_instance_id);

        if (former != NULL)
            group_member_remove(former);
        e = group_member_new(group, in->member_id, in->group_instance_id, &m);
        if (e == E_OK)
            e = group_slice_replace(&m->client_id, in->client_id);
        if (e == E_OK)
            e = group_slice_replace(&m->client_host, in->client_host);
        if (e != E_OK)
            return e;
    }
    m->is_recorded = true;
    m->session_timeout_ms = in->session_timeout;
    m->rebalance_timeout_ms =
        in->rebalance_timeout >= 0 ? in->rebalance_timeout : in->session_timeout;
    e = set_metadata(m, protocol, in->subscription);
    return e == E_OK ? group_slice_replace(&m->assignment, in->assignment) : e;
}

/* Who is in an older record, but not in this one, is a member no more. */
static void drop_unrecorded(struct group *group)
{
    struct list_node *next;

    for (struct list_node *n = group->members.next; n != &group->members; n = next) {
        struct group_member *m = LIST_ENTRY(n, struct group_member, node);

        next = n->next;
        if (!m->is_recorded)
            group_member_remove(m);
        else
            m->is_recorded = false;
    }
}

static enum err fill_group(struct group *group, const struct wire_group_metadata_value *value)
{
    enum err e = group_slice_replace(&group->protocol_type, value->protocol_type);

    if (e == E_OK)
        e = group_slice_replace(&group->protocol, value->protocol);
    for (int32_t i = 0; i < value->members_count && e == E_OK; i++)
        e = apply_member(group, value->protocol, &value->members[i]);
    if (e != E_OK)
        return e;
    drop_unrecorded(group);
    group->generation = value->generation;
    group->state_ms = value->current_state_timestamp;
    group->state = list_is_empty(&group->members) ? GROUP_EMPTY : GROUP_STABLE;
    if (value->leader.at != NULL) {
        struct group_member *leader = group_member_find(group, value->leader);

        group->leader = leader != NULL ? leader : group->leader;
    }
    return E_OK;
}

static enum err apply_group(struct apply *a)
{
    struct wire_group_metadata_value value;
    struct wire_group_metadata_key key;
    struct group *group;
    struct reader r;
    int16_t version;
    enum err e;

    if (wire_group_metadata_key_decode(&a->key, 0, &a->arena, &key) != E_OK)
        return E_CORRUPT;
    group = group_find(a->groups, key.group);
    if (a->record->value.at == NULL) {
        if (group == NULL)
            return E_OK;
        group->state_ms = -1;
        if (group_is_void(group))
            group_remove(group);
        return E_OK;
    }
    r = reader_init(a->record->value.at, a->record->value.size);
    version = reader_i16(&r);
    if (version < 0 || version > WIRE_GROUP_METADATA_VALUE_VERSION_MAX)
        return E_CORRUPT;
    e = wire_group_metadata_value_decode(&r, version, &a->arena, &value);
    if (e != E_OK)
        return e == E_NOMEM ? e : E_CORRUPT;
    if (group == NULL) {
        e = group_create(a->groups, key.group, &group);
        if (e != E_OK)
            return e;
    }
    return fill_group(group, &value);
}

/* ---- an offset ---- */

static enum err decode_offset(struct apply *a, struct group_offset *offset_out)
{
    struct reader r = reader_init(a->record->value.at, a->record->value.size);
    struct wire_offset_commit_value value;
    int16_t version = reader_i16(&r);
    enum err e;

    if (version < 0 || version > WIRE_OFFSET_COMMIT_VALUE_VERSION_MAX)
        return E_CORRUPT;
    e = wire_offset_commit_value_decode(&r, version, &a->arena, &value);
    if (e != E_OK)
        return e == E_NOMEM ? e : E_CORRUPT;
    *offset_out = (struct group_offset){.offset = value.offset,
                                        .commit_ms = value.commit_timestamp,
                                        .expire_ms = value.expire_timestamp,
                                        .log_offset = a->record->offset,
                                        .topic_id = value.topic_id,
                                        .metadata = value.metadata,
                                        .leader_epoch = value.leader_epoch,
                                        .is_committed = true};
    return E_OK;
}

/* `from` becomes what is committed; its metadata is copied. */
static enum err set_offset(struct group *group, const struct group_offset_name *name,
                           const struct group_offset *from)
{
    struct group_offset *to;
    struct slice metadata;
    int32_t pending_count;
    enum err e = group_slice_copy(from->metadata, &metadata);

    if (e != E_OK)
        return e;
    e = group_offset_get(group, name->topic, name->partition, &to);
    if (e != E_OK) {
        group_slice_free(&metadata);
        return e;
    }
    group_slice_free(&to->metadata);
    pending_count = to->pending_count;
    *to = *from;
    to->metadata = metadata;
    to->pending_count = pending_count;
    to->is_committed = true;
    return E_OK;
}

static enum err find_txn(struct groups *groups, int64_t producer_id, struct group_txn **txn_out)
{
    struct group_txn *txn = map_u64_find(&groups->txns, (uint64_t)producer_id);
    enum err e = E_OK;

    if (txn == NULL) {
        txn = mem_alloc_zero(sizeof(*txn));
        if (txn == NULL)
            return E_NOMEM;
        txn->producer_id = producer_id;
        list_init(&txn->offsets);
        e = map_u64_put(&groups->txns, (uint64_t)producer_id, txn);
        if (e != E_OK)
            mem_free(txn);
    }
    if (e == E_OK)
        *txn_out = txn;
    return e;
}

static enum err add_pending(struct apply *a, struct group *group,
                            const struct group_offset_name *name, const struct group_offset *offset)
{
    struct group_txn_offset *pending = mem_alloc_zero(sizeof(*pending));
    struct group_offset *entry;
    struct group_txn *txn;
    enum err e = E_NOMEM;

    if (pending == NULL)
        goto out;
    pending->group = group;
    pending->partition = name->partition;
    pending->offset = *offset;
    pending->offset.metadata = (struct slice){0};
    e = group_slice_copy(name->topic, &pending->topic);
    if (e == E_OK)
        e = group_slice_copy(offset->metadata, &pending->offset.metadata);
    if (e == E_OK)
        e = find_txn(a->groups, a->record->producer_id, &txn);
    if (e == E_OK)
        e = group_offset_get(group, name->topic, name->partition, &entry);
    if (e != E_OK)
        goto out;
    entry->pending_count++;
    group->pending_offsets++;
    list_push_back(&txn->offsets, &pending->node);
    return E_OK;
out:
    if (pending != NULL) {
        group_slice_free(&pending->topic);
        group_slice_free(&pending->offset.metadata);
        mem_free(pending);
    }
    return e;
}

static enum err apply_offset(struct apply *a)
{
    struct wire_offset_commit_key key;
    struct group_offset_name name;
    struct group_offset offset;
    struct group *group;
    enum err e;

    if (wire_offset_commit_key_decode(&a->key, 0, &a->arena, &key) != E_OK)
        return E_CORRUPT;
    name = (struct group_offset_name){key.group, key.topic, key.partition};
    group = group_find(a->groups, key.group);
    if (a->record->value.at == NULL) {
        if (group == NULL)
            return E_OK;
        group_offset_remove(group, name.topic, name.partition);
        if (group_is_void(group))
            group_remove(group);
        return E_OK;
    }
    e = decode_offset(a, &offset);
    if (e == E_OK && group == NULL)
        e = group_create(a->groups, key.group, &group);
    if (e != E_OK)
        return e;
    return a->record->producer_id >= 0 ? add_pending(a, group, &name, &offset)
                                       : set_offset(group, &name, &offset);
}

enum err groups_apply(struct groups *groups, const struct group_record *record)
{
    struct apply a = {
        .groups = groups,
        .record = record,
        .key = reader_init(record->key.at, record->key.size),
    };
    int16_t kind = reader_i16(&a.key);
    enum err e = E_OK;

    if (record->key.at == NULL || record->key.size < sizeof(kind))
        return E_CORRUPT;
    arena_init(&a.arena, GROUP_DECODE_ARENA_MAX);
    if (kind == KEY_OFFSET || kind == KEY_OFFSET_OLD)
        e = apply_offset(&a);
    else if (kind == KEY_GROUP)
        e = apply_group(&a);
    arena_release(&a.arena);
    return e;
}

/* ---- the end of a transaction ---- */

static enum err end_offset(struct group_txn_offset *pending, bool is_commit)
{
    struct group *group = pending->group;
    struct group_offset *entry = group_offset_find(group, pending->topic, pending->partition);
    const struct group_offset_name name = {group->id, pending->topic, pending->partition};
    enum err e = E_OK;

    entry->pending_count--;
    group->pending_offsets--;
    /* One committed after it, outside of the transaction, is newer. */
    if (is_commit && (!entry->is_committed || entry->log_offset < pending->offset.log_offset))
        e = set_offset(group, &name, &pending->offset);
    else if (!entry->is_committed)
        group_offset_remove(group, pending->topic, pending->partition);
    list_remove(&pending->node);
    group_slice_free(&pending->topic);
    group_slice_free(&pending->offset.metadata);
    mem_free(pending);
    if (group_is_void(group))
        group_remove(group);
    return e;
}

enum err groups_apply_marker(struct groups *groups, int64_t producer_id, bool is_commit)
{
    struct group_txn *txn = map_u64_remove(&groups->txns, (uint64_t)producer_id);
    struct list_node *n;
    enum err e = E_OK;

    if (txn == NULL)
        return E_OK;
    while (e == E_OK && (n = list_first(&txn->offsets)) != NULL)
        e = end_offset(LIST_ENTRY(n, struct group_txn_offset, node), is_commit);
    group_txn_free(txn);
    return e;
}

void groups_loaded(struct groups *groups, int64_t now_ms)
{
    struct map_iter it = {0};
    struct group *group;

    while ((group = map_slice_next(&groups->by_id, &it, NULL)) != NULL) {
        for (struct list_node *n = group->members.next; n != &group->members; n = n->next)
            group_member_heard(LIST_ENTRY(n, struct group_member, node), now_ms);
    }
}
