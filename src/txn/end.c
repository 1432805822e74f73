#include "txn/txn_priv.h"

#include "wire/end_txn.h"

/*
 * The end of a transaction, wanted by its client (EndTxn, key 26) or by us: PREPARE_COMMIT or
 * PREPARE_ABORT is the decision, once it is in the log nothing changes it any more.
 *
 * A client of version 5 on (KIP-890) gets another epoch with each end, so a late request of the
 * last transaction can never reach the next one; and a second try of EndTxn is known by its epoch,
 * one lower than what is recorded.
 */

static enum err encode_decision(struct txn_step *st, const struct txn *txn,
                                const struct wire_transaction_log_value *value)
{
    enum err e = txn_encode(st, txn->id, value);

    if (e == E_OK && txn->set.left > 0)
        return txn_add_markers(st, txn, value, TXN_PART_OUT);
    return e == E_OK ? txn_complete(st, txn->id, value) : e;
}

enum err txn_decide(struct txn_step *st, const struct txn *txn, const struct txn_decision *decision)
{
    size_t record_count = record_list_count(&st->update->records);
    size_t marker_count = st->update->markers.count;
    bool bumps = decision->bumps && txn->epoch <= TXN_EPOCH_LAST; /* a log may say anything */
    struct wire_transaction_log_value value;
    enum err e = txn_value_of(st, txn, &value);

    if (e != E_OK)
        return e;
    value.transaction_status = decision->is_commit ? TXN_PREPARE_COMMIT : TXN_PREPARE_ABORT;
    value.client_transaction_version = bumps ? TXN_VERSION_BUMPS : TXN_VERSION_OLD;
    value.next_producer_id = decision->next_id;
    if (bumps) {
        value.producer_epoch = (int16_t)(txn->epoch + 1);
        value.last_producer_epoch = txn->epoch;
    }
    if (txn->state != TXN_ONGOING) /* it begins and ends here */
        value.transaction_start_timestamp_ms = st->call->wall_ms;
    e = encode_decision(st, txn, &value);
    if (e != E_OK) { /* no record without its markers */
        record_list_cut(&st->update->records, record_count);
        st->update->markers.count = marker_count;
    }
    return e;
}

enum err txn_fence(struct txn_step *st, const struct txn *txn)
{
    return txn_decide(st, txn, &(struct txn_decision){.bumps = true, .next_id = -1});
}

/* ---- EndTxn ---- */

static void reply_with(struct txn_step *st, int64_t producer_id, int16_t epoch)
{
    st->update->reply = (struct txn_reply){
        .kind = TXN_REPLY_END, .producer_id = producer_id, .producer_epoch = epoch};
}

/* A client that keeps its epoch: whether it asks a second time cannot always be seen. */
static enum err end_old(struct txn_step *st, const struct txn *txn,
                        const struct wire_end_txn_request *request)
{
    bool is_same_way = request->committed ==
                       (txn->state == TXN_PREPARE_COMMIT || txn->state == TXN_COMPLETE_COMMIT);
    enum err e;

    if (txn->producer_id != request->producer_id)
        return txn_refuse(st, TXN_REPLY_END, WIRE_ERROR_INVALID_PRODUCER_ID_MAPPING);
    if (txn->epoch != request->producer_epoch)
        return txn_refuse(st, TXN_REPLY_END, WIRE_ERROR_PRODUCER_FENCED);
    if (txn->state == TXN_EMPTY || (txn->state != TXN_ONGOING && !is_same_way))
        return txn_refuse(st, TXN_REPLY_END, WIRE_ERROR_INVALID_TXN_STATE);
    if (txn_is_ending(txn))
        return txn_refuse(st, TXN_REPLY_END, WIRE_ERROR_CONCURRENT_TRANSACTIONS);
    if (txn->state != TXN_ONGOING)
        return txn_refuse(st, TXN_REPLY_END, WIRE_ERROR_NONE);
    e = txn_decide(st, txn, &(struct txn_decision){.is_commit = request->committed, .next_id = -1});
    if (e == E_OK)
        reply_with(st, -1, -1);
    return e;
}

/* Is it the second try of what was done already? Then the epoch has risen, or began anew. */
static bool is_repeated(const struct txn *txn, const struct wire_end_txn_request *request)
{
    if (txn->state == TXN_EMPTY || txn->state == TXN_ONGOING)
        return false;
    if (request->producer_id == txn->producer_id)
        return request->producer_epoch + 1 == txn->epoch;
    return !txn_is_ending(txn) && request->producer_id == txn->prev_producer_id &&
           request->producer_epoch == TXN_EPOCH_LAST && txn->epoch == 0;
}

static enum err end_repeated(struct txn_step *st, const struct txn *txn,
                             const struct wire_end_txn_request *request)
{
    bool is_commit = txn->state == TXN_PREPARE_COMMIT || txn->state == TXN_COMPLETE_COMMIT;

    if (txn->epoch > TXN_EPOCH_LAST && txn->next_producer_id < 0) /* it was fenced, at its last */
        return txn_refuse(st, TXN_REPLY_END, WIRE_ERROR_PRODUCER_FENCED);
    if (request->committed != is_commit)
        return txn_refuse(st, TXN_REPLY_END, WIRE_ERROR_INVALID_TXN_STATE);
    if (txn_is_ending(txn))
        return txn_refuse(st, TXN_REPLY_END, WIRE_ERROR_CONCURRENT_TRANSACTIONS);
    reply_with(st, txn->producer_id, txn->epoch);
    return E_OK;
}

static enum err end_new(struct txn_step *st, const struct txn *txn,
                        const struct wire_end_txn_request *request)
{
    struct txn_decision decision = {.is_commit = request->committed, .bumps = true, .next_id = -1};
    enum err e;

    if (txn->epoch >= TXN_EPOCH_LAST) {
        if (st->call->free_id < 0) {
            st->update->needs_id = true;
            return E_OK;
        }
        decision.next_id = st->call->free_id;
    }
    e = txn_decide(st, txn, &decision);
    if (e != E_OK)
        return e;
    st->update->took_id = decision.next_id >= 0;
    if (decision.next_id >= 0)
        reply_with(st, decision.next_id, 0);
    else
        reply_with(st, txn->producer_id, (int16_t)(txn->epoch + 1));
    return E_OK;
}

enum err txn_end(struct txns *txns, const struct txn_call *call,
                 const struct wire_end_txn_request *request, struct txn_update *update)
{
    struct txn_step st = txn_step_of(txns, call, update);
    const struct txn *txn = txn_find(txns, request->transactional_id);

    if (request->transactional_id.size == 0)
        return txn_refuse(&st, TXN_REPLY_END, WIRE_ERROR_INVALID_REQUEST);
    if (txn == NULL)
        return txn_refuse(&st, TXN_REPLY_END, WIRE_ERROR_INVALID_PRODUCER_ID_MAPPING);
    if (call->version < TXN_END_BUMPS_SINCE)
        return end_old(&st, txn, request);
    if (is_repeated(txn, request))
        return end_repeated(&st, txn, request);
    if (txn->producer_id != request->producer_id)
        return txn_refuse(&st, TXN_REPLY_END, WIRE_ERROR_INVALID_PRODUCER_ID_MAPPING);
    if (txn->epoch != request->producer_epoch || txn_is_ending(txn) ||
        (txn->epoch > TXN_EPOCH_LAST && txn->state != TXN_ONGOING))
        return txn_refuse(&st, TXN_REPLY_END, WIRE_ERROR_PRODUCER_FENCED);
    if (request->committed && txn->state != TXN_ONGOING)
        return txn_refuse(&st, TXN_REPLY_END, WIRE_ERROR_INVALID_TXN_STATE);
    return end_new(&st, txn, request);
}
