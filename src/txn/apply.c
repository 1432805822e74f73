#include "txn/txn_priv.h"

#include "base/reader.h"
#include "wire/transaction_log_key.h"

/* Records of __transaction_state into the machine: the only place where replicated state changes.
 */

enum { VALUE_VERSION_MAX = 1 };

static enum err decode_value(struct slice bytes, struct arena *arena,
                             struct wire_transaction_log_value *value_out)
{
    struct reader r = reader_init(bytes.at, bytes.size);
    int16_t version = reader_i16(&r);
    struct wire_transaction_log_value value;
    enum err e;

    if (bytes.size < sizeof(version) || version < 0 || version > VALUE_VERSION_MAX)
        return E_CORRUPT;
    e = wire_transaction_log_value_decode(&r, version, arena, &value);
    if (e != E_OK)
        return e == E_NOMEM ? e : E_CORRUPT;
    if (value.transaction_status < TXN_EMPTY || value.transaction_status > TXN_COMPLETE_ABORT ||
        value.producer_id < 0 || value.producer_epoch < 0 || value.transaction_timeout_ms < 0)
        return E_CORRUPT;
    *value_out = value;
    return E_OK;
}

/* Time-outs run while a transaction is open; whoever is ending waits for its markers instead. */
static void set_timer(struct txns *txns, struct txn *txn, bool was_ongoing)
{
    if (!txns->is_loaded)
        return;
    if (txn->state != TXN_ONGOING)
        txn_timer_clear(txns, txn);
    else if (!was_ongoing)
        txn_timer_set(txns, txn, txns->now_ms + txn->timeout_ms);
}

static void take(struct txn *txn, const struct wire_transaction_log_value *value)
{
    txn->producer_id = value->producer_id;
    txn->prev_producer_id = value->previous_producer_id;
    txn->next_producer_id = value->next_producer_id;
    txn->epoch = value->producer_epoch;
    txn->last_epoch = value->last_producer_epoch;
    txn->timeout_ms = value->transaction_timeout_ms;
    txn->start_ms = value->transaction_start_timestamp_ms;
    txn->update_ms = value->transaction_last_update_timestamp_ms;
    txn->version = value->client_transaction_version;
    txn->state = (uint8_t)value->transaction_status;
    txn->retry_ms = 0;
}

static enum err apply_value(struct txns *txns, struct slice id, struct slice bytes,
                            struct arena *arena)
{
    struct wire_transaction_log_value value;
    struct txn *txn = txn_find(txns, id);
    bool was_ongoing = txn != NULL && txn->state == TXN_ONGOING;
    struct txn_set set = {0};
    enum err e = decode_value(bytes, arena, &value);

    if (e != E_OK)
        return e;
    if (value.transaction_status >= TXN_ONGOING && value.transaction_status <= TXN_PREPARE_ABORT)
        e = txn_set_of(&value, arena, &set);
    if (e == E_OK && txn == NULL)
        e = txn_create(txns, id, &txn);
    if (e != E_OK) {
        txn_set_release(&set);
        return e;
    }
    txn_set_release(&txn->set);
    txn->set = set;
    take(txn, &value);
    set_timer(txns, txn, was_ongoing);
    list_remove(&txn->use);
    list_push_back(&txns->by_use, &txn->use);
    return E_OK;
}

enum err txns_apply(struct txns *txns, struct slice key, struct slice value)
{
    struct reader r = reader_init(key.at, key.size);
    struct wire_transaction_log_key k;
    int16_t kind = reader_i16(&r);
    struct arena arena;
    struct txn *txn;
    enum err e = E_OK;

    if (key.at == NULL || key.size < sizeof(kind))
        return E_CORRUPT;
    if (kind != WIRE_TRANSACTION_LOG_KEY_KEY)
        return E_OK;
    arena_init(&arena, TXN_DECODE_ARENA_MAX);
    if (wire_transaction_log_key_decode(&r, 0, &arena, &k) != E_OK || k.transactional_id.size == 0)
        e = E_CORRUPT;
    if (e == E_OK && value.at != NULL)
        e = apply_value(txns, k.transactional_id, value, &arena);
    txn = e == E_OK && value.at == NULL ? txn_find(txns, k.transactional_id) : NULL;
    if (txn != NULL)
        txn_remove(txns, txn);
    arena_release(&arena);
    return e;
}

/* ---- the whole log was applied ---- */

/* What is left of its time, by the clock on the wall, which may have been set meanwhile. */
static int64_t left_ms(const struct txn *txn, int64_t wall_ms)
{
    int64_t spent = wall_ms - txn->start_ms;

    if (spent < 0)
        return txn->timeout_ms;
    return spent >= txn->timeout_ms ? 0 : txn->timeout_ms - spent;
}

static void mark_again(struct txn_set *set)
{
    for (int32_t t = 0; t < set->topic_count; t++) {
        for (int32_t i = 0; i < set->topics[t].count; i++)
            set->topics[t].parts[i].mark = TXN_PART_FAILED;
    }
}

void txns_loaded(struct txns *txns, int64_t now_ms, int64_t wall_ms)
{
    txns->now_ms = now_ms;
    txns->is_loaded = true;
    for (struct list_node *n = txns->by_use.next; n != &txns->by_use; n = n->next) {
        struct txn *txn = LIST_ENTRY(n, struct txn, use);

        if (txn->state == TXN_ONGOING) {
            txn_timer_set(txns, txn, now_ms + left_ms(txn, wall_ms));
        } else if (txn_is_ending(txn)) {
            mark_again(&txn->set);
            txn_timer_set(txns, txn, now_ms);
        }
    }
}
