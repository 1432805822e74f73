#include "txn/txn_priv.h"

#include "wire/init_producer_id.h"

/*
 * InitProducerId (key 22) of a transactional id. A newcomer gets the next epoch, which fences
 * whoever had the last one. A client that says which producer it is goes on after an error
 * (KIP-360): it gets the next epoch only if nobody else came in between, and its second try the
 * answer of the first.
 */

static bool says_who(const struct wire_init_producer_id_request *request)
{
    return request->producer_id >= 0 && request->producer_epoch >= 0;
}

/* Is it the producer, or the one of before the ids were changed, which has not heard of that yet?
 */
static bool is_known(const struct txn *txn, const struct wire_init_producer_id_request *request)
{
    return request->producer_id == txn->producer_id ||
           (request->producer_id == txn->prev_producer_id &&
            request->producer_epoch >= TXN_EPOCH_LAST);
}

static bool is_current(const struct txn *txn, const struct wire_init_producer_id_request *request)
{
    return request->producer_id == txn->producer_id && request->producer_epoch == txn->epoch;
}

static enum err finish(struct txn_step *st, struct slice id,
                       const struct wire_transaction_log_value *value)
{
    enum err e = txn_encode(st, id, value);

    st->update->reply = (struct txn_reply){.kind = TXN_REPLY_INIT,
                                           .producer_id = value->producer_id,
                                           .producer_epoch = value->producer_epoch};
    return e;
}

/* A producer id of its own, from epoch 0 on. */
static enum err give_id(struct txn_step *st, struct slice id,
                        struct wire_transaction_log_value *value)
{
    if (st->call->free_id < 0) {
        st->update->needs_id = true;
        return E_OK;
    }
    st->update->took_id = true;
    value->previous_producer_id = value->producer_id;
    value->producer_id = st->call->free_id;
    value->producer_epoch = 0;
    return finish(st, id, value);
}

static enum err init_new(struct txn_step *st, const struct wire_init_producer_id_request *request)
{
    struct wire_transaction_log_value value;

    if (txns_count(st->txns) >= TXN_COUNT_MAX)
        return E_TOO_BIG;
    wire_transaction_log_value_init(&value);
    value.producer_id = -1;
    value.transaction_timeout_ms = request->transaction_timeout_ms;
    value.transaction_status = TXN_EMPTY;
    value.transaction_start_timestamp_ms = -1;
    value.transaction_last_update_timestamp_ms = st->call->wall_ms;
    return give_id(st, request->transactional_id, &value);
}

static enum err init_again(struct txn_step *st, const struct txn *txn,
                           const struct wire_init_producer_id_request *request)
{
    struct wire_transaction_log_value value;
    bool is_named = says_who(request);
    enum err e = txn_value_of(st, txn, &value);

    if (e != E_OK)
        return e;
    value.transaction_status = TXN_EMPTY;
    value.transaction_timeout_ms = request->transaction_timeout_ms;
    value.transaction_start_timestamp_ms = -1;
    if (is_named && request->producer_epoch != txn->epoch) {
        if (request->producer_epoch != txn->last_epoch)
            return txn_refuse(st, TXN_REPLY_INIT, WIRE_ERROR_PRODUCER_FENCED);
        return finish(st, txn->id, &value); /* it did not get the answer */
    }
    value.last_producer_epoch = is_named ? txn->epoch : -1;
    if (txn->epoch >= TXN_EPOCH_LAST)
        return give_id(st, txn->id, &value);
    value.producer_epoch = (int16_t)(txn->epoch + 1);
    return finish(st, txn->id, &value);
}

enum err txn_init(struct txns *txns, const struct txn_call *call,
                  const struct wire_init_producer_id_request *request, struct txn_update *update)
{
    struct txn_step st = txn_step_of(txns, call, update);
    const struct txn *txn = txn_find(txns, request->transactional_id);
    enum err e;

    if (request->transactional_id.size == 0)
        return txn_refuse(&st, TXN_REPLY_INIT, WIRE_ERROR_INVALID_REQUEST);
    if (request->transaction_timeout_ms <= 0 ||
        request->transaction_timeout_ms > txns->options.max_timeout_ms)
        return txn_refuse(&st, TXN_REPLY_INIT, WIRE_ERROR_INVALID_TRANSACTION_TIMEOUT);
    if (txn == NULL)
        return init_new(&st, request);
    if (says_who(request) && !is_known(txn, request))
        return txn_refuse(&st, TXN_REPLY_INIT, WIRE_ERROR_PRODUCER_FENCED);
    if (txn_is_ending(txn))
        return txn_refuse_concurrent(&st, TXN_REPLY_INIT);
    if (txn->state != TXN_ONGOING)
        return init_again(&st, txn, request);
    if (says_who(request) && !is_current(txn, request)) /* a zombie must not end it */
        return txn_refuse(&st, TXN_REPLY_INIT, WIRE_ERROR_PRODUCER_FENCED);
    e = txn_fence(&st, txn);
    return e == E_OK ? txn_refuse_concurrent(&st, TXN_REPLY_INIT) : e;
}
