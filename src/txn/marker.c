#include "txn/txn_priv.h"

#include <assert.h>

/*
 * Markers: what a decided transaction still has to tell its partitions, and the record that says
 * that all know it. A marker may be written twice, never too seldom: nobody remembers across a
 * restart which ones were.
 */

enum err txn_add_markers(struct txn_step *st, const struct txn *txn,
                         const struct wire_transaction_log_value *value, enum txn_part_mark mark)
{
    struct arena *arena = st->update->arena;
    struct txn_marker marker = {
        .transactional_id = arena_copy(arena, txn->id),
        .producer_id = value->producer_id,
        .producer_epoch = value->producer_epoch,
        .version = value->client_transaction_version,
        .is_commit = value->transaction_status == TXN_PREPARE_COMMIT,
    };
    enum err e = marker.transactional_id.at == NULL ? E_NOMEM : E_OK;

    for (int32_t t = 0; t < txn->set.topic_count && e == E_OK; t++) {
        const struct txn_set_topic *topic = &txn->set.topics[t];

        marker.topic = arena_copy(arena, topic->name);
        if (marker.topic.at == NULL)
            return E_NOMEM;
        for (int32_t i = 0; i < topic->count && e == E_OK; i++) {
            marker.partition = topic->parts[i].index;
            if (topic->parts[i].mark == mark)
                e = vec_push(&st->update->markers, &marker);
        }
    }
    return e;
}

enum err txn_complete(struct txn_step *st, struct slice id,
                      const struct wire_transaction_log_value *prepared)
{
    struct wire_transaction_log_value value = *prepared;

    value.transaction_status =
        value.transaction_status == TXN_PREPARE_COMMIT ? TXN_COMPLETE_COMMIT : TXN_COMPLETE_ABORT;
    value.transaction_partitions_count = 0;
    value.transaction_last_update_timestamp_ms = st->call->wall_ms;
    if (value.next_producer_id >= 0) {
        value.previous_producer_id = value.producer_id;
        value.producer_id = value.next_producer_id;
        value.producer_epoch = 0;
        value.next_producer_id = -1;
    }
    return txn_encode(st, id, &value);
}

/* ---- what comes back ---- */

static bool is_of(const struct txn *txn, const struct txn_marker *marker)
{
    return txn_is_ending(txn) && txn->producer_id == marker->producer_id &&
           txn->epoch == marker->producer_epoch;
}

static void note(struct txn *txn, const struct txn_marked *marked)
{
    struct txn_part *part =
        txn_set_find(&txn->set, marked->marker->topic, marked->marker->partition);

    if (part == NULL || part->mark == TXN_PART_DONE)
        return;
    if (marked->mark == TXN_MARK_FAILED) {
        part->mark = TXN_PART_FAILED;
        return;
    }
    part->mark = TXN_PART_DONE;
    txn->set.left--;
}

static bool has_failed(const struct txn *txn)
{
    for (int32_t t = 0; t < txn->set.topic_count; t++) {
        for (int32_t i = 0; i < txn->set.topics[t].count; i++) {
            if (txn->set.topics[t].parts[i].mark == TXN_PART_FAILED)
                return true;
        }
    }
    return false;
}

static void retry_later(struct txns *txns, struct txn *txn)
{
    if (txn->retry_ms == 0)
        txn->retry_ms = TXN_MARKER_RETRY_MS;
    txn_timer_set(txns, txn, txns->now_ms + txn->retry_ms);
    txn->retry_ms =
        txn->retry_ms < TXN_MARKER_RETRY_MS_MAX / 2 ? 2 * txn->retry_ms : TXN_MARKER_RETRY_MS_MAX;
}

/* All partitions know it. Should the record not be taken, the timer comes back to it. */
static enum err finish(struct txn_step *st, struct txn *txn)
{
    struct wire_transaction_log_value value;
    enum err e = txn_value_of(st, txn, &value);

    txn_timer_set(st->txns, txn, st->txns->now_ms + TXN_AGAIN_MS);
    if (e != E_OK)
        return e;
    value.next_producer_id = txn->next_producer_id;
    return txn_complete(st, txn->id, &value);
}

enum err txn_marked(struct txns *txns, const struct txn_call *call, const struct txn_marked *marked,
                    size_t count, struct txn_update *update)
{
    struct txn_step st = txn_step_of(txns, call, update);
    struct txn *txn = count == 0 ? NULL : txn_find(txns, marked[0].marker->transactional_id);

    if (txn == NULL || !is_of(txn, marked[0].marker))
        return E_OK;
    for (size_t i = 0; i < count; i++) {
        assert(slice_equal(marked[i].marker->transactional_id, txn->id));
        note(txn, &marked[i]);
    }
    if (txn->set.left == 0)
        return finish(&st, txn);
    if (has_failed(txn) && !heap_has(&txn->timer))
        retry_later(txns, txn);
    return E_OK;
}

/* ---- time ---- */

enum err txn_markers_again(struct txn_step *st, struct txn *txn)
{
    struct wire_transaction_log_value value;
    enum err e;

    if (txn->set.left == 0)
        return finish(st, txn);
    txn_timer_set(st->txns, txn,
                  st->txns->now_ms + TXN_AGAIN_MS); /* unless they are on their way */
    e = txn_value_of(st, txn, &value);
    if (e == E_OK)
        e = txn_add_markers(st, txn, &value, TXN_PART_FAILED);
    if (e != E_OK)
        return e;
    for (int32_t t = 0; t < txn->set.topic_count; t++) {
        for (int32_t i = 0; i < txn->set.topics[t].count; i++) {
            if (txn->set.topics[t].parts[i].mark == TXN_PART_FAILED)
                txn->set.topics[t].parts[i].mark = TXN_PART_OUT;
        }
    }
    txn_timer_clear(st->txns, txn);
    return E_OK;
}
