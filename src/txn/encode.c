#include "txn/txn_priv.h"

#include "base/writer.h"
#include "wire/transaction_log_key.h"

/*
 * Records of __transaction_state as Kafka 4 writes them with transaction.version 2: key and value
 * each begin with a version, which in a key says what it is. One record tells all of a
 * transactional id, so the latest is enough and the topic is compacted.
 *
 * last_producer_epoch is ours, in a tagged field that Kafka skips: there a coordinator that comes
 * back does not know any more that an InitProducerId is the second one of the same client.
 */
enum { KEY_VERSION = 0, VALUE_VERSION = 1 };

static enum err copy_topic(struct arena *arena, const struct txn_set_topic *topic,
                           struct wire_transaction_log_value_partitions_schema *out)
{
    int32_t *ids = arena_alloc_array(arena, (size_t)topic->count + 1, sizeof(*ids));

    if (ids == NULL)
        return E_NOMEM;
    for (int32_t i = 0; i < topic->count; i++)
        ids[i] = topic->parts[i].index;
    out->topic = topic->name;
    out->partition_ids = ids;
    out->partition_ids_count = topic->count;
    return E_OK;
}

enum err txn_value_of(struct txn_step *st, const struct txn *txn,
                      struct wire_transaction_log_value *value_out)
{
    struct arena *arena = st->update->arena;
    enum err e = E_OK;

    wire_transaction_log_value_init(value_out);
    value_out->producer_id = txn->producer_id;
    value_out->previous_producer_id = txn->prev_producer_id;
    value_out->next_producer_id = -1;
    value_out->producer_epoch = txn->epoch;
    value_out->last_producer_epoch = txn->last_epoch;
    value_out->transaction_timeout_ms = txn->timeout_ms;
    value_out->transaction_status = (int8_t)txn->state;
    value_out->transaction_last_update_timestamp_ms = st->call->wall_ms;
    value_out->transaction_start_timestamp_ms = txn->start_ms;
    value_out->client_transaction_version = txn->version;
    value_out->transaction_partitions = arena_alloc_array(
        arena, (size_t)txn->set.topic_count + 1, sizeof(*value_out->transaction_partitions));
    if (value_out->transaction_partitions == NULL)
        return E_NOMEM;
    value_out->transaction_partitions_count = txn->set.topic_count;
    for (int32_t i = 0; i < txn->set.topic_count && e == E_OK; i++)
        e = copy_topic(arena, &txn->set.topics[i], &value_out->transaction_partitions[i]);
    return e;
}

static enum err encode_key(struct record_list *records, struct slice id)
{
    struct writer w = writer_init(&records->bytes);
    struct wire_transaction_log_key key = {.transactional_id = id};

    writer_i16(&w, KEY_VERSION);
    wire_transaction_log_key_encode(&w, KEY_VERSION, &key);
    record_list_key_end(records);
    return writer_done(&w);
}

static enum err encode_value(struct record_list *records,
                             const struct wire_transaction_log_value *value)
{
    struct writer w = writer_init(&records->bytes);
    struct wire_transaction_log_value v = *value;

    if (v.transaction_status == TXN_EMPTY) /* null, as in Kafka, where the others have a list */
        v.transaction_partitions_count = -1;
    writer_i16(&w, VALUE_VERSION);
    wire_transaction_log_value_encode(&w, VALUE_VERSION, &v);
    return writer_done(&w);
}

enum err txn_encode(struct txn_step *st, struct slice id,
                    const struct wire_transaction_log_value *value)
{
    struct record_list *records = &st->update->records;
    enum err e = encode_key(records, id);

    if (e == E_OK)
        e = encode_value(records, value);
    if (e == E_OK)
        return record_list_seal(records, false);
    record_list_cut(records, record_list_count(records));
    return e;
}

enum err txn_encode_tombstone(struct txn_step *st, struct slice id)
{
    struct record_list *records = &st->update->records;
    enum err e = encode_key(records, id);

    if (e == E_OK)
        return record_list_seal(records, true);
    record_list_cut(records, record_list_count(records));
    return e;
}
