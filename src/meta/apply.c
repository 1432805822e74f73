#include <string.h>

#include "meta/apply_priv.h"
#include "wire/abort_transaction_record.h"
#include "wire/begin_transaction_record.h"
#include "wire/metadata_record.h"

/*
 * Records into an image: the frame, the kinds, and metadata transactions (KIP-868), whose records
 * wait until their end is there.
 */

enum err meta_apply_changed(struct meta_apply *a, struct meta_change change)
{
    return a->delta == NULL ? E_OK : vec_push(&a->delta->changes, &change);
}

enum err meta_apply_refuse(struct meta_apply *a, const char *why)
{
    report_set(a->report, "%s", why);
    return E_CORRUPT;
}

static enum err apply_nothing(struct meta_apply *a)
{
    a->reader.at = a->reader.end;
    return E_OK;
}

/* Transactions */

static enum err apply_begin(struct meta_apply *a)
{
    struct wire_begin_transaction_record m;
    enum err e = wire_begin_transaction_record_decode(&a->reader, a->version, &a->arena, &m);

    if (e == E_OK && a->image->in_transaction)
        return meta_apply_refuse(a, "a transaction begins in another");
    if (e == E_OK)
        a->image->in_transaction = true;
    return e;
}

static enum err apply_abort(struct meta_apply *a)
{
    struct wire_abort_transaction_record m;
    enum err e = wire_abort_transaction_record_decode(&a->reader, a->version, &a->arena, &m);

    if (e == E_OK && !a->image->in_transaction)
        return meta_apply_refuse(a, "no transaction to abort");
    if (e != E_OK)
        return e;
    a->image->in_transaction = false;
    meta_records_release(&a->image->pending);
    meta_records_init(&a->image->pending);
    return E_OK;
}

/* All that waited. What the first records changed stays when a later one is refused. */
static enum err apply_end(struct meta_apply *a)
{
    struct meta_records pending = a->image->pending;
    enum err e = E_OK;

    if (!a->image->in_transaction)
        return meta_apply_refuse(a, "no transaction to end");
    a->image->in_transaction = false;
    meta_records_init(&a->image->pending);
    for (size_t i = 0; i < meta_records_count(&pending) && e == E_OK; i++)
        e = meta_image_apply(a->image, meta_records_at(&pending, i), a->delta, a->report);
    meta_records_release(&pending);
    return e != E_OK ? e : apply_nothing(a);
}

/* Kinds */

struct kind {
    int16_t key;
    enum err (*apply)(struct meta_apply *a);
    bool is_immediate; /* also within a transaction */
};

static const struct kind kinds[] = {
    {WIRE_METADATA_REGISTER_BROKER_RECORD, meta_apply_register_broker, false},
    {WIRE_METADATA_UNREGISTER_BROKER_RECORD, meta_apply_unregister_broker, false},
    {WIRE_METADATA_TOPIC_RECORD, meta_apply_topic, false},
    {WIRE_METADATA_PARTITION_RECORD, meta_apply_partition, false},
    {WIRE_METADATA_CONFIG_RECORD, meta_apply_config, false},
    {WIRE_METADATA_PARTITION_CHANGE_RECORD, meta_apply_partition_change, false},
    {WIRE_METADATA_FENCE_BROKER_RECORD, meta_apply_fence_broker, false},
    {WIRE_METADATA_UNFENCE_BROKER_RECORD, meta_apply_unfence_broker, false},
    {WIRE_METADATA_REMOVE_TOPIC_RECORD, meta_apply_remove_topic, false},
    {WIRE_METADATA_DELEGATION_TOKEN_RECORD, meta_apply_token, false},
    {WIRE_METADATA_USER_SCRAM_CREDENTIAL_RECORD, meta_apply_scram, false},
    {WIRE_METADATA_FEATURE_LEVEL_RECORD, meta_apply_feature_level, false},
    {WIRE_METADATA_CLIENT_QUOTA_RECORD, meta_apply_quota, false},
    {WIRE_METADATA_PRODUCER_IDS_RECORD, meta_apply_producer_ids, false},
    {WIRE_METADATA_BROKER_REGISTRATION_CHANGE_RECORD, meta_apply_broker_change, false},
    {WIRE_METADATA_ACCESS_CONTROL_ENTRY_RECORD, meta_apply_acl, false},
    {WIRE_METADATA_REMOVE_ACCESS_CONTROL_ENTRY_RECORD, meta_apply_remove_acl, false},
    {WIRE_METADATA_NO_OP_RECORD, apply_nothing, true},
    {WIRE_METADATA_ZK_MIGRATION_STATE_RECORD, meta_apply_zk_migration_state, false},
    {WIRE_METADATA_REMOVE_USER_SCRAM_CREDENTIAL_RECORD, meta_apply_remove_scram, false},
    {WIRE_METADATA_BEGIN_TRANSACTION_RECORD, apply_begin, true},
    {WIRE_METADATA_END_TRANSACTION_RECORD, apply_end, true},
    {WIRE_METADATA_ABORT_TRANSACTION_RECORD, apply_abort, true},
    {WIRE_METADATA_REMOVE_DELEGATION_TOKEN_RECORD, meta_apply_remove_token, false},
    {WIRE_METADATA_REGISTER_CONTROLLER_RECORD, meta_apply_register_controller, false},
    {WIRE_METADATA_CLEAR_ELR_RECORD, meta_apply_clear_elr, false},
};

static const struct kind *kind_find(int16_t key)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (kinds[i].key == key)
            return &kinds[i];
    }
    return NULL;
}

static enum err dispatch(struct meta_apply *a)
{
    const struct kind *kind = kind_find(a->key);

    if (kind == NULL)
        return E_UNSUPPORTED;
    if (a->image->in_transaction && !kind->is_immediate)
        return meta_records_add(&a->image->pending, a->record);
    return kind->apply(a);
}

enum err meta_image_apply(struct meta_image *image, struct slice record, struct meta_delta *delta,
                          struct report *report)
{
    struct meta_apply a = {.image = image, .delta = delta, .report = report, .record = record};
    size_t change_count = delta == NULL ? 0 : delta->changes.count;
    struct wire_metadata_frame frame = {.key = -1};
    const char *name;
    enum err e;

    arena_init(&a.arena, META_RECORD_ARENA_MAX);
    a.reader = reader_init(record.at, record.size);
    report_set(report, "%s", "");
    e = wire_metadata_frame_decode(&a.reader, &frame);
    if (e == E_OK) {
        a.key = frame.key;
        a.version = frame.version;
        e = dispatch(&a);
    }
    arena_release(&a.arena);
    image->changes++;
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
