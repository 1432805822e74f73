#include "group/group_priv.h"

#include "base/writer.h"
#include "wire/group_metadata_key.h"
#include "wire/group_metadata_value.h"
#include "wire/offset_commit_key.h"
#include "wire/offset_commit_value.h"

/*
 * Records of __consumer_offsets, as Kafka 4 writes them: key and value each begin with a version,
 * which in a key says what it is.
 */
enum { GROUP_VERSION = 3, OFFSET_VERSION = 3, OFFSET_EXPIRING_VERSION = 1, OFFSET_KEY_VERSION = 1 };

static void encode_group_key(struct group_step *st, struct slice group_id)
{
    struct writer w = writer_init(&st->update->records.bytes);
    struct wire_group_metadata_key key;

    wire_group_metadata_key_init(&key);
    key.group = group_id;
    writer_i16(&w, WIRE_GROUP_METADATA_KEY_KEY);
    wire_group_metadata_key_encode(&w, 0, &key);
    record_list_key_end(&st->update->records);
}

static void fill_member(const struct group *group, const struct group_member *m,
                        struct wire_group_metadata_value_member_metadata *out)
{
    wire_group_metadata_value_member_metadata_init(out);
    out->member_id = m->id;
    out->group_instance_id = m->instance_id;
    out->client_id = m->client_id;
    out->client_host = m->client_host;
    out->rebalance_timeout = m->rebalance_timeout_ms;
    out->session_timeout = m->session_timeout_ms;
    out->subscription = group_member_metadata(m, group->protocol);
    out->assignment = m->staged.at != NULL       ? m->staged
                      : m->assignment.at != NULL ? m->assignment
                                                 : slice_of("", 0);
}

static enum err note_group(struct group_step *st, struct slice group_id)
{
    st->update->group_id = arena_copy(st->update->arena, group_id);
    return st->update->group_id.at == NULL ? E_NOMEM : E_OK;
}

enum err group_encode(struct group_step *st, const struct group *group)
{
    struct record_list *records = &st->update->records;
    struct wire_group_metadata_value value;
    struct writer w;
    enum err e;

    wire_group_metadata_value_init(&value);
    value.protocol_type = group->protocol_type.at != NULL ? group->protocol_type : slice_of("", 0);
    value.generation = group->generation;
    value.protocol = group->protocol;
    value.leader = group->leader != NULL ? group->leader->id : (struct slice){0};
    value.current_state_timestamp = st->wall_ms;
    value.members = arena_alloc_array(st->update->arena, list_count(&group->members) + 1,
                                      sizeof(*value.members));
    if (value.members == NULL)
        return E_NOMEM;
    for (struct list_node *n = group->members.next; n != &group->members; n = n->next)
        fill_member(group, LIST_ENTRY(n, struct group_member, node),
                    &value.members[value.members_count++]);
    e = note_group(st, group->id);
    if (e != E_OK)
        return e;
    encode_group_key(st, group->id);
    w = writer_init(&records->bytes);
    writer_i16(&w, GROUP_VERSION);
    wire_group_metadata_value_encode(&w, GROUP_VERSION, &value);
    e = writer_done(&w);
    if (e == E_OK)
        return record_list_seal(records, false);
    record_list_cut(records, record_list_count(records));
    return e;
}

enum err group_encode_tombstone(struct group_step *st, struct slice group_id)
{
    encode_group_key(st, group_id);
    return record_list_seal(&st->update->records, true);
}

static void encode_offset_key(struct writer *w, const struct group_offset_name *name)
{
    struct wire_offset_commit_key key;

    wire_offset_commit_key_init(&key);
    key.group = name->group_id;
    key.topic = name->topic;
    key.partition = name->partition;
    writer_i16(w, OFFSET_KEY_VERSION);
    wire_offset_commit_key_encode(w, 0, &key);
}

enum err group_encode_offset(struct group_step *st, const struct group_offset_name *name,
                             const struct group_offset *offset)
{
    struct record_list *records = &st->update->records;
    struct writer w = writer_init(&records->bytes);
    struct wire_offset_commit_value value;
    int16_t version;
    enum err e;

    encode_offset_key(&w, name);
    record_list_key_end(records);
    if (offset != NULL) {
        version = offset->expire_ms >= 0 ? OFFSET_EXPIRING_VERSION : OFFSET_VERSION;
        wire_offset_commit_value_init(&value);
        value.offset = offset->offset;
        value.leader_epoch = offset->leader_epoch;
        value.metadata = offset->metadata;
        value.commit_timestamp = offset->commit_ms;
        value.expire_timestamp = offset->expire_ms;
        writer_i16(&w, version);
        wire_offset_commit_value_encode(&w, version, &value);
    }
    e = writer_done(&w);
    if (e == E_OK)
        return record_list_seal(records, offset == NULL);
    record_list_cut(records, record_list_count(records));
    return e;
}
