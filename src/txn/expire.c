#include "txn/txn_priv.h"

/*
 * What time does: it aborts transactions past their time-out, tries markers again, and forgets
 * transactional ids that nobody uses.
 */

/* Either records or markers in one update: so no markers are lost with refused records. */
static bool fits(const struct txn_update *update, const struct txn *txn)
{
    bool has_records = record_list_count(&update->records) > 0;
    bool gives_markers = txn_is_ending(txn) && txn->set.left > 0;

    return gives_markers ? !has_records : has_records || update->markers.count == 0;
}

static enum err time_out(struct txn_step *st, struct txn *txn)
{
    txn_timer_set(st->txns, txn, st->txns->now_ms + TXN_AGAIN_MS); /* should it be refused */
    return txn_fence(st, txn);
}

enum err txns_expire(struct txns *txns, const struct txn_call *call, struct txn_update *update)
{
    struct txn_step st = txn_step_of(txns, call, update);
    struct heap_node *node;
    enum err e = E_OK;

    for (int i = 0; i < TXN_EXPIRE_BATCH && e == E_OK; i++) {
        struct txn *txn;

        node = heap_peek(&txns->timers);
        if (node == NULL || node->key > call->now_ms)
            break;
        txn = LIST_ENTRY(node, struct txn, timer);
        if (!fits(update, txn))
            break;
        e = txn->state == TXN_ONGOING ? time_out(&st, txn) : txn_markers_again(&st, txn);
    }
    /* What finds no room any more is due again a little later; what was added before it stays. */
    return record_list_count(&update->records) > 0 || update->markers.count > 0 ? E_OK : e;
}

/* ---- transactional ids ---- */

static bool is_unused(const struct txn *txn)
{
    return txn->state != TXN_ONGOING && !txn_is_ending(txn);
}

enum err txns_expire_ids(struct txns *txns, const struct txn_call *call, struct txn_update *update,
                         bool *is_done_out)
{
    struct txn_step st = txn_step_of(txns, call, update);
    int64_t since_ms = call->wall_ms - txns->options.id_expiration_ms;
    int count = 0;
    enum err e = E_OK;

    *is_done_out = true;
    for (struct list_node *n = txns->by_use.next; n != &txns->by_use && e == E_OK; n = n->next) {
        const struct txn *txn = LIST_ENTRY(n, struct txn, use);

        if (txn->update_ms > since_ms)
            break;
        if (!is_unused(txn))
            continue;
        if (count++ == TXN_EXPIRE_IDS_BATCH) {
            *is_done_out = false;
            break;
        }
        e = txn_encode_tombstone(&st, txn->id);
    }
    return e;
}
