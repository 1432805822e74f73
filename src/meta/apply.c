#include <string.h>

#include "base/mem.h"
#include "base/reader.h"
#include "meta/image_priv.h"
#include "wire/broker_registration_change_record.h"
#include "wire/config_record.h"
#include "wire/feature_level_record.h"
#include "wire/fence_broker_record.h"
#include "wire/metadata_record.h"
#include "wire/partition_change_record.h"
#include "wire/partition_record.h"
#include "wire/producer_ids_record.h"
#include "wire/register_broker_record.h"
#include "wire/remove_topic_record.h"
#include "wire/topic_record.h"
#include "wire/unfence_broker_record.h"
#include "wire/unregister_broker_record.h"

/*
 * One function per kind of record. Each decodes, checks the record against the
 * image, and only then changes it.
 */
struct apply {
    struct meta_image *image;
    struct meta_delta *delta;
    struct report *report;
    struct arena arena;
    struct reader reader;
    int16_t version;
};

static enum err changed(struct apply *a, struct meta_change change)
{
    return a->delta == NULL ? E_OK : vec_push(&a->delta->changes, &change);
}

static enum err contradicts(struct apply *a, const char *what)
{
    report_set(a->report, "%s", what);
    return E_CORRUPT;
}

static enum err apply_topic(struct apply *a)
{
    struct wire_topic_record m;
    enum err e = wire_topic_record_decode(&a->reader, a->version, &a->arena, &m);

    if (e != E_OK)
        return e;
    if (m.name.size == 0 || m.name.size > META_TOPIC_NAME_SIZE_MAX)
        return contradicts(a, "a topic's name is empty or too long");
    if (meta_image_topic(a->image, m.name) != NULL)
        return contradicts(a, "a topic of this name exists");
    if (meta_image_topic_by_id(a->image, m.topic_id) != NULL ||
        meta_image_was_deleted(a->image, m.topic_id) || uuid_is_zero(m.topic_id))
        return contradicts(a, "the topic id was used before, or is zero");
    e = changed(a, (struct meta_change){.kind = META_TOPIC_CREATED, .topic_id = m.topic_id});
    return e != E_OK ? e : meta_image_add_topic(a->image, m.name, m.topic_id);
}

static enum err apply_remove_topic(struct apply *a)
{
    struct wire_remove_topic_record m;
    enum err e = wire_remove_topic_record_decode(&a->reader, a->version, &a->arena, &m);
    struct meta_topic *topic;
    struct slice name = {0};

    if (e != E_OK)
        return e;
    topic = meta_image_mutable_topic(a->image, m.topic_id);
    if (topic == NULL)
        return contradicts(a, "the topic to remove does not exist");
    if (a->delta != NULL) {
        name = arena_copy(&a->delta->names, topic->name);
        if (name.at == NULL)
            return E_NOMEM;
    }
    e = changed(a, (struct meta_change){.kind = META_TOPIC_DELETED,
                                        .topic_id = m.topic_id,
                                        .topic_name = name,
                                        .partition_count = topic->partition_count});
    return e != E_OK ? e : meta_image_remove_topic(a->image, topic);
}

static enum err copy_ids(struct meta_partition *p, const struct wire_partition_record *m)
{
    enum err e = meta_ids_copy(m->replicas, m->replicas_count, &p->replicas);

    if (e == E_OK)
        e = meta_ids_copy(m->isr, m->isr_count, &p->isr);
    if (e == E_OK)
        e = meta_ids_copy(m->removing_replicas, m->removing_replicas_count, &p->removing);
    if (e == E_OK)
        e = meta_ids_copy(m->adding_replicas, m->adding_replicas_count, &p->adding);
    if (e == E_OK)
        e = meta_ids_copy(m->eligible_leader_replicas, m->eligible_leader_replicas_count, &p->elr);
    if (e == E_OK)
        e = meta_ids_copy(m->last_known_elr, m->last_known_elr_count, &p->last_known_elr);
    return e;
}

static enum err apply_partition(struct apply *a)
{
    struct wire_partition_record m;
    struct meta_partition p = {0};
    struct meta_topic *topic;
    enum meta_change_kind kind = META_PARTITION_CREATED;
    enum err e = wire_partition_record_decode(&a->reader, a->version, &a->arena, &m);

    if (e != E_OK)
        return e;
    topic = meta_image_mutable_topic(a->image, m.topic_id);
    if (topic == NULL)
        return contradicts(a, "the partition's topic does not exist");
    if (m.partition_id < 0 || m.partition_id >= META_PARTITIONS_MAX || m.replicas_count <= 0)
        return contradicts(a, "the partition's index or its replicas are invalid");
    if (meta_topic_partition(topic, m.partition_id) != NULL)
        kind = META_PARTITION_CHANGED;
    e = copy_ids(&p, &m);
    if (e == E_OK)
        e = meta_topic_reserve(a->image, topic, m.partition_id);
    if (e == E_OK)
        e = changed(a, (struct meta_change){
                           .kind = kind, .topic_id = m.topic_id, .partition = m.partition_id});
    if (e != E_OK) {
        meta_partition_release(&p);
        return e;
    }
    p.leader = m.leader;
    p.leader_epoch = m.leader_epoch;
    p.partition_epoch = m.partition_epoch;
    p.leader_recovery_state = m.leader_recovery_state;
    meta_partition_release(&topic->partitions[m.partition_id]);
    topic->partitions[m.partition_id] = p;
    return E_OK;
}

/* A copy of `ids`, or of `old` when the record leaves them as they are (-1). */
static enum err change_ids(const int32_t *ids, int32_t count, const struct meta_ids *old,
                           struct meta_ids *ids_out)
{
    return count < 0 ? meta_ids_copy(old->at, old->count, ids_out)
                     : meta_ids_copy(ids, count, ids_out);
}

static enum err change_all_ids(struct meta_partition *p, const struct meta_partition *old,
                               const struct wire_partition_change_record *m)
{
    enum err e = change_ids(m->replicas, m->replicas_count, &old->replicas, &p->replicas);

    if (e == E_OK)
        e = change_ids(m->isr, m->isr_count, &old->isr, &p->isr);
    if (e == E_OK)
        e = change_ids(m->removing_replicas, m->removing_replicas_count, &old->removing,
                       &p->removing);
    if (e == E_OK)
        e = change_ids(m->adding_replicas, m->adding_replicas_count, &old->adding, &p->adding);
    if (e == E_OK)
        e = change_ids(m->eligible_leader_replicas, m->eligible_leader_replicas_count, &old->elr,
                       &p->elr);
    if (e == E_OK)
        e = change_ids(m->last_known_elr, m->last_known_elr_count, &old->last_known_elr,
                       &p->last_known_elr);
    return e;
}

static enum err apply_partition_change(struct apply *a)
{
    enum { LEADER_STAYS = -2, RECOVERY_STATE_STAYS = -1 };
    struct wire_partition_change_record m;
    struct meta_topic *topic;
    struct meta_partition *old;
    struct meta_partition p = {0};
    enum err e = wire_partition_change_record_decode(&a->reader, a->version, &a->arena, &m);

    if (e != E_OK)
        return e;
    topic = meta_image_mutable_topic(a->image, m.topic_id);
    if (topic == NULL || meta_topic_partition(topic, m.partition_id) == NULL)
        return contradicts(a, "the partition to change does not exist");
    if (m.replicas_count == 0)
        return contradicts(a, "a partition without replicas");
    old = &topic->partitions[m.partition_id];
    e = change_all_ids(&p, old, &m);
    if (e == E_OK)
        e = changed(a, (struct meta_change){.kind = META_PARTITION_CHANGED,
                                            .topic_id = m.topic_id,
                                            .partition = m.partition_id});
    if (e != E_OK) {
        meta_partition_release(&p);
        return e;
    }
    /* As in Kafka, the epochs are not in the record: each change of leader is the next one. */
    p.leader = m.leader == LEADER_STAYS ? old->leader : m.leader;
    p.leader_epoch = old->leader_epoch + (m.leader == LEADER_STAYS ? 0 : 1);
    p.partition_epoch = old->partition_epoch + 1;
    p.leader_recovery_state = m.leader_recovery_state == RECOVERY_STATE_STAYS
                                  ? old->leader_recovery_state
                                  : m.leader_recovery_state;
    meta_partition_release(old);
    *old = p;
    return E_OK;
}

/* What a setting belongs to, as the delta names it; false when nobody has to know. */
static bool config_owner(const struct apply *a, const struct wire_config_record *m,
                         struct meta_change *change)
{
    const struct meta_topic *topic;
    int32_t id = 0;

    *change = (struct meta_change){.kind = META_CONFIG_CHANGED, .broker_id = -1};
    if (m->resource_type == META_RESOURCE_TOPIC) {
        topic = meta_image_topic(a->image, m->resource_name);
        if (topic != NULL)
            change->topic_id = topic->id;
        return topic != NULL;
    }
    for (size_t i = 0; i < m->resource_name.size && i < 9; i++)
        id = id * 10 + (m->resource_name.at[i] - '0');
    if (m->resource_name.size > 0)
        change->broker_id = id;
    return m->resource_type == META_RESOURCE_BROKER;
}

static enum err apply_config(struct apply *a)
{
    struct wire_config_record m;
    struct meta_change change;
    enum err e = wire_config_record_decode(&a->reader, a->version, &a->arena, &m);

    if (e != E_OK)
        return e;
    if (config_owner(a, &m, &change))
        e = changed(a, change);
    if (e != E_OK)
        return e;
    return meta_image_set_config(a->image, m.resource_type, m.resource_name, m.name, m.value);
}

static struct slice keep(uint8_t **at, struct slice s)
{
    uint8_t *copy = *at;

    if (s.at == NULL)
        return s;
    if (s.size > 0)
        memcpy(copy, s.at, s.size);
    copy[s.size] = 0;
    *at += s.size + 1;
    return slice_of(copy, s.size);
}

/* One block holds all texts of a broker. */
static enum err broker_new(const struct wire_register_broker_record *m,
                           struct meta_broker **broker_out)
{
    struct meta_broker *broker = mem_alloc_zero(sizeof(*broker));
    size_t size = m->rack.size + 1;
    uint8_t *text;

    for (int32_t i = 0; i < m->end_points_count; i++)
        size += m->end_points[i].name.size + m->end_points[i].host.size + 2;
    text = mem_alloc(size);
    if (broker == NULL || text == NULL) {
        mem_free(broker);
        mem_free(text);
        return E_NOMEM;
    }
    broker->text = slice_of(text, size);
    broker->id = m->broker_id;
    broker->epoch = m->broker_epoch;
    broker->incarnation_id = m->incarnation_id;
    broker->is_fenced = m->fenced;
    broker->is_in_controlled_shutdown = m->in_controlled_shutdown;
    broker->rack = keep(&text, m->rack);
    broker->endpoint_count = m->end_points_count;
    for (int32_t i = 0; i < m->end_points_count; i++) {
        broker->endpoints[i].name = keep(&text, m->end_points[i].name);
        broker->endpoints[i].host = keep(&text, m->end_points[i].host);
        broker->endpoints[i].port = m->end_points[i].port;
        broker->endpoints[i].security_protocol = m->end_points[i].security_protocol;
    }
    *broker_out = broker;
    return E_OK;
}

static enum err broker_changed(struct apply *a, int32_t id)
{
    return changed(a, (struct meta_change){.kind = META_BROKER_CHANGED, .broker_id = id});
}

static enum err apply_register_broker(struct apply *a)
{
    struct wire_register_broker_record m;
    struct meta_broker *broker;
    enum err e = wire_register_broker_record_decode(&a->reader, a->version, &a->arena, &m);

    if (e != E_OK)
        return e;
    if (m.broker_id < 0 || m.end_points_count > META_ENDPOINTS_MAX)
        return contradicts(a, "a broker with a negative id or too many endpoints");
    e = broker_new(&m, &broker);
    if (e != E_OK)
        return e;
    e = broker_changed(a, m.broker_id);
    if (e == E_OK)
        e = meta_image_put_broker(a->image, broker);
    if (e != E_OK)
        meta_broker_free(broker);
    return e;
}

/* The broker of that id in that epoch. */
static enum err broker_find(struct apply *a, int32_t id, int64_t epoch,
                            struct meta_broker **broker_out)
{
    struct meta_broker *broker = meta_image_mutable_broker(a->image, id);

    if (broker == NULL || broker->epoch != epoch)
        return contradicts(a, "the broker is not registered, or in another epoch");
    *broker_out = broker;
    return broker_changed(a, id);
}

static enum err apply_unregister_broker(struct apply *a)
{
    struct wire_unregister_broker_record m;
    struct meta_broker *broker;
    enum err e = wire_unregister_broker_record_decode(&a->reader, a->version, &a->arena, &m);

    if (e == E_OK)
        e = broker_find(a, m.broker_id, m.broker_epoch, &broker);
    if (e == E_OK)
        meta_image_remove_broker(a->image, m.broker_id);
    return e;
}

static enum err apply_fence_broker(struct apply *a)
{
    struct wire_fence_broker_record m;
    struct meta_broker *broker;
    enum err e = wire_fence_broker_record_decode(&a->reader, a->version, &a->arena, &m);

    if (e == E_OK)
        e = broker_find(a, m.id, m.epoch, &broker);
    if (e == E_OK)
        broker->is_fenced = true;
    return e;
}

static enum err apply_unfence_broker(struct apply *a)
{
    struct wire_unfence_broker_record m;
    struct meta_broker *broker;
    enum err e = wire_unfence_broker_record_decode(&a->reader, a->version, &a->arena, &m);

    if (e == E_OK)
        e = broker_find(a, m.id, m.epoch, &broker);
    if (e == E_OK)
        broker->is_fenced = false;
    return e;
}

static enum err apply_broker_change(struct apply *a)
{
    enum { FENCE = 1, UNFENCE = -1, IN_CONTROLLED_SHUTDOWN = 1 };
    struct wire_broker_registration_change_record m;
    struct meta_broker *broker;
    enum err e =
        wire_broker_registration_change_record_decode(&a->reader, a->version, &a->arena, &m);

    if (e == E_OK)
        e = broker_find(a, m.broker_id, m.broker_epoch, &broker);
    if (e != E_OK)
        return e;
    if (m.fenced == FENCE || m.fenced == UNFENCE)
        broker->is_fenced = m.fenced == FENCE;
    if (m.in_controlled_shutdown == IN_CONTROLLED_SHUTDOWN)
        broker->is_in_controlled_shutdown = true;
    return E_OK;
}

static enum err apply_feature_level(struct apply *a)
{
    struct wire_feature_level_record m;
    enum err e = wire_feature_level_record_decode(&a->reader, a->version, &a->arena, &m);

    if (e == E_OK && m.feature_level < 0)
        return contradicts(a, "a negative feature level");
    if (e == E_OK)
        e = changed(a, (struct meta_change){.kind = META_FEATURE_CHANGED});
    return e != E_OK ? e : meta_image_set_feature(a->image, m.name, m.feature_level);
}

static enum err apply_producer_ids(struct apply *a)
{
    struct wire_producer_ids_record m;
    enum err e = wire_producer_ids_record_decode(&a->reader, a->version, &a->arena, &m);

    if (e == E_OK && m.next_producer_id < a->image->next_producer_id)
        return contradicts(a, "producer ids go back");
    if (e == E_OK)
        e = changed(a, (struct meta_change){.kind = META_PRODUCER_IDS_CHANGED});
    if (e == E_OK)
        a->image->next_producer_id = m.next_producer_id;
    return e;
}

static enum err apply_nothing(struct apply *a)
{
    a->reader.at = a->reader.end;
    return E_OK;
}

/* Kinds that Kafka knows and that say nothing to us: they may be passed over. */
enum { REGISTER_CONTROLLER_KEY = 27, ZK_MIGRATION_STATE_KEY = 21 };

static enum err dispatch(struct apply *a, int16_t key)
{
    switch (key) {
    case WIRE_METADATA_REGISTER_BROKER_RECORD:
        return apply_register_broker(a);
    case WIRE_METADATA_UNREGISTER_BROKER_RECORD:
        return apply_unregister_broker(a);
    case WIRE_METADATA_TOPIC_RECORD:
        return apply_topic(a);
    case WIRE_METADATA_PARTITION_RECORD:
        return apply_partition(a);
    case WIRE_METADATA_CONFIG_RECORD:
        return apply_config(a);
    case WIRE_METADATA_PARTITION_CHANGE_RECORD:
        return apply_partition_change(a);
    case WIRE_METADATA_FENCE_BROKER_RECORD:
        return apply_fence_broker(a);
    case WIRE_METADATA_UNFENCE_BROKER_RECORD:
        return apply_unfence_broker(a);
    case WIRE_METADATA_REMOVE_TOPIC_RECORD:
        return apply_remove_topic(a);
    case WIRE_METADATA_FEATURE_LEVEL_RECORD:
        return apply_feature_level(a);
    case WIRE_METADATA_PRODUCER_IDS_RECORD:
        return apply_producer_ids(a);
    case WIRE_METADATA_BROKER_REGISTRATION_CHANGE_RECORD:
        return apply_broker_change(a);
    case WIRE_METADATA_NO_OP_RECORD:
    case WIRE_METADATA_BEGIN_TRANSACTION_RECORD:
    case WIRE_METADATA_END_TRANSACTION_RECORD:
    case REGISTER_CONTROLLER_KEY:
    case ZK_MIGRATION_STATE_KEY:
        return apply_nothing(a);
    default:
        return E_UNSUPPORTED;
    }
}

enum err meta_image_apply(struct meta_image *image, struct slice record, struct meta_delta *delta,
                          struct report *report)
{
    struct apply a = {.image = image, .delta = delta, .report = report};
    size_t change_count = delta == NULL ? 0 : delta->changes.count;
    struct wire_metadata_frame frame = {.key = -1};
    const char *name;
    enum err e;

    arena_init(&a.arena, META_RECORD_ARENA_MAX);
    a.reader = reader_init(record.at, record.size);
    report_set(report, "%s", "");
    e = wire_metadata_frame_decode(&a.reader, &frame);
    if (e == E_OK) {
        a.version = frame.version;
        e = dispatch(&a, frame.key);
    }
    arena_release(&a.arena);
    if (e == E_OK)
        return E_OK;
    if (delta != NULL)
        delta->changes.count = change_count;
    if (e == E_TRUNCATED || e == E_INVAL)
        e = E_CORRUPT;
    name = wire_metadata_key_name(frame.key);
    if (report != NULL && report->text[0] == 0)
        report_set(report, "%s", err_text(e));
    report_prefix(report, "metadata record %s (kind %d, version %d)", name == NULL ? "" : name,
                  (int)frame.key, (int)frame.version);
    return e;
}
