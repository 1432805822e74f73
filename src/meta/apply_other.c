#include <string.h>

#include "base/parse.h"
#include "meta/apply_priv.h"
#include "wire/access_control_entry_record.h"
#include "wire/client_quota_record.h"
#include "wire/config_record.h"
#include "wire/delegation_token_record.h"
#include "wire/feature_level_record.h"
#include "wire/metadata_record.h"
#include "wire/producer_ids_record.h"
#include "wire/remove_access_control_entry_record.h"
#include "wire/remove_delegation_token_record.h"
#include "wire/remove_user_scram_credential_record.h"
#include "wire/user_scram_credential_record.h"
#include "wire/zk_migration_state_record.h"

/* What is not about topics and nodes. */

/* Settings */

/* What a setting belongs to, as the delta names it; *is_known_out is false when nobody has to
 * know. */
static enum err config_owner(struct meta_apply *a, const struct wire_config_record *m,
                             struct meta_change *change, bool *is_known_out)
{
    const struct meta_topic *topic;
    int64_t id = -1;

    *change = (struct meta_change){
        .kind = META_CONFIG_CHANGED, .broker_id = -1, .resource_type = m->resource_type};
    *is_known_out = true;
    switch (m->resource_type) {
    case META_RESOURCE_TOPIC:
        topic = meta_image_topic(a->image, m->resource_name);
        if (topic != NULL)
            change->topic_id = topic->id;
        *is_known_out = topic != NULL;
        return E_OK;
    case META_RESOURCE_BROKER:
        if (m->resource_name.size > 0 &&
            (parse_i64(m->resource_name, &id) != E_OK || id < 0 || id > INT32_MAX))
            *is_known_out = false;
        change->broker_id = (int32_t)id;
        return E_OK;
    default:
        if (a->delta != NULL)
            change->name = arena_copy(&a->delta->names, m->resource_name);
        return a->delta != NULL && change->name.at == NULL ? E_NOMEM : E_OK;
    }
}

enum err meta_apply_config(struct meta_apply *a)
{
    struct wire_config_record m;
    struct meta_change change = {.kind = META_CONFIG_CHANGED};
    bool is_known = false;
    enum err e = wire_config_record_decode(&a->reader, a->version, &a->arena, &m);

    if (e == E_OK)
        e = config_owner(a, &m, &change, &is_known);
    if (e == E_OK && is_known)
        e = meta_apply_changed(a, change);
    if (e != E_OK)
        return e;
    return meta_image_set_config(a->image, m.resource_type, m.resource_name, m.name, m.value);
}

enum err meta_apply_quota(struct meta_apply *a)
{
    struct wire_client_quota_record m;
    struct meta_quota_part parts[META_QUOTA_PARTS_MAX];
    struct meta_quota_value value;
    enum err e = wire_client_quota_record_decode(&a->reader, a->version, &a->arena, &m);

    if (e != E_OK)
        return e;
    if (m.entity_count < 1 || m.entity_count > META_QUOTA_PARTS_MAX)
        return meta_apply_refuse(a, "a quota of nobody, or of too many at once");
    for (int32_t i = 0; i < m.entity_count; i++)
        parts[i] = (struct meta_quota_part){m.entity[i].entity_type, m.entity[i].entity_name};
    value = (struct meta_quota_value){.key = m.key, .value = m.value};
    e = meta_apply_changed(a, (struct meta_change){.kind = META_QUOTA_CHANGED});
    if (e == E_OK)
        e = m.remove ? meta_image_unset_quota(a->image, parts, m.entity_count, m.key)
                     : meta_image_set_quota(a->image, parts, m.entity_count, &value);
    if (e == E_CORRUPT)
        return meta_apply_refuse(a, "a quota of an entity that names a type twice");
    return e;
}

enum err meta_apply_feature_level(struct meta_apply *a)
{
    struct wire_feature_level_record m;
    enum err e = wire_feature_level_record_decode(&a->reader, a->version, &a->arena, &m);

    if (e == E_OK && m.feature_level < 0)
        return meta_apply_refuse(a, "a negative feature level");
    if (e == E_OK)
        e = meta_apply_changed(a, (struct meta_change){.kind = META_FEATURE_CHANGED});
    return e != E_OK ? e : meta_image_set_feature(a->image, m.name, m.feature_level);
}

enum err meta_apply_producer_ids(struct meta_apply *a)
{
    struct wire_producer_ids_record m;
    enum err e = wire_producer_ids_record_decode(&a->reader, a->version, &a->arena, &m);

    if (e == E_OK && m.next_producer_id < a->image->next_producer_id)
        return meta_apply_refuse(a, "producer ids go back");
    if (e == E_OK)
        e = meta_apply_changed(a, (struct meta_change){.kind = META_PRODUCER_IDS_CHANGED});
    if (e == E_OK)
        a->image->next_producer_id = m.next_producer_id;
    return e;
}

enum err meta_apply_zk_migration_state(struct meta_apply *a)
{
    struct wire_zk_migration_state_record m;
    enum err e = wire_zk_migration_state_record_decode(&a->reader, a->version, &a->arena, &m);

    if (e == E_OK)
        a->image->zk_migration_state = m.zk_migration_state;
    return e;
}

/* What is kept as it came. The record's own key tells the listener what changed. */

static enum err kept_changed(struct meta_apply *a, int16_t key)
{
    return meta_apply_changed(a,
                              (struct meta_change){.kind = META_KEPT_CHANGED, .record_key = key});
}

static enum err keep(struct meta_apply *a, enum meta_kept_kind kind, struct slice key)
{
    enum err e = kept_changed(a, a->key);

    return e != E_OK ? e : meta_image_keep(a->image, kind, key, a->record);
}

/* `record_key` is that of the records which were kept. */
static enum err forget(struct meta_apply *a, enum meta_kept_kind kind, struct slice key,
                       int16_t record_key)
{
    enum err e = kept_changed(a, record_key);

    if (e != E_OK)
        return e;
    if (!meta_image_forget(a->image, kind, key))
        return meta_apply_refuse(a, "there is no such thing to remove");
    return E_OK;
}

enum err meta_apply_acl(struct meta_apply *a)
{
    struct wire_access_control_entry_record m;
    enum err e = wire_access_control_entry_record_decode(&a->reader, a->version, &a->arena, &m);

    return e != E_OK ? e : keep(a, META_KEPT_ACL, slice_of(m.id.bytes, sizeof(m.id.bytes)));
}

enum err meta_apply_remove_acl(struct meta_apply *a)
{
    struct wire_remove_access_control_entry_record m;
    enum err e =
        wire_remove_access_control_entry_record_decode(&a->reader, a->version, &a->arena, &m);

    return e != E_OK ? e
                     : forget(a, META_KEPT_ACL, slice_of(m.id.bytes, sizeof(m.id.bytes)),
                              WIRE_METADATA_ACCESS_CONTROL_ENTRY_RECORD);
}

/* A user may have one credential per mechanism. */
static struct slice scram_key(struct meta_apply *a, int8_t mechanism, struct slice name)
{
    uint8_t *key = arena_alloc(&a->arena, name.size + 1);

    if (key == NULL)
        return slice_of(NULL, 0);
    key[0] = (uint8_t)mechanism;
    if (name.size > 0)
        memcpy(key + 1, name.at, name.size);
    return slice_of(key, name.size + 1);
}

enum err meta_apply_scram(struct meta_apply *a)
{
    struct wire_user_scram_credential_record m;
    enum err e = wire_user_scram_credential_record_decode(&a->reader, a->version, &a->arena, &m);
    struct slice key;

    if (e != E_OK)
        return e;
    key = scram_key(a, m.mechanism, m.name);
    return key.at == NULL ? E_NOMEM : keep(a, META_KEPT_SCRAM, key);
}

enum err meta_apply_remove_scram(struct meta_apply *a)
{
    struct wire_remove_user_scram_credential_record m;
    enum err e =
        wire_remove_user_scram_credential_record_decode(&a->reader, a->version, &a->arena, &m);
    struct slice key;

    if (e != E_OK)
        return e;
    key = scram_key(a, m.mechanism, m.name);
    return key.at == NULL
               ? E_NOMEM
               : forget(a, META_KEPT_SCRAM, key, WIRE_METADATA_USER_SCRAM_CREDENTIAL_RECORD);
}

enum err meta_apply_token(struct meta_apply *a)
{
    struct wire_delegation_token_record m;
    enum err e = wire_delegation_token_record_decode(&a->reader, a->version, &a->arena, &m);

    return e != E_OK ? e : keep(a, META_KEPT_TOKEN, m.token_id);
}

enum err meta_apply_remove_token(struct meta_apply *a)
{
    struct wire_remove_delegation_token_record m;
    enum err e = wire_remove_delegation_token_record_decode(&a->reader, a->version, &a->arena, &m);

    if (e == E_OK)
        e = kept_changed(a, WIRE_METADATA_DELEGATION_TOKEN_RECORD);
    if (e == E_OK)
        meta_image_forget(a->image, META_KEPT_TOKEN, m.token_id); /* one that expired may be gone */
    return e;
}
