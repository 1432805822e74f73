#include "txn/txn.h"

#include <string.h>

#include "base/mem.h"
#include "txn/txn_priv.h"
#include "wire/describe_transactions.h"
#include "wire/list_transactions.h"

/* The table of transactional ids, and what is asked about them. */

static const char *const STATE_NAMES[] = {
    [TXN_EMPTY] = "Empty",
    [TXN_ONGOING] = "Ongoing",
    [TXN_PREPARE_COMMIT] = "PrepareCommit",
    [TXN_PREPARE_ABORT] = "PrepareAbort",
    [TXN_COMPLETE_COMMIT] = "CompleteCommit",
    [TXN_COMPLETE_ABORT] = "CompleteAbort",
    /* Kafka knows these too; nothing here is ever seen in them. */
    "Dead",
    "PrepareEpochFence",
};

enum { STATE_NAME_COUNT = sizeof(STATE_NAMES) / sizeof(STATE_NAMES[0]) };

enum err txns_new(const struct txn_options *options, uint64_t seed, struct txns **txns_out)
{
    struct txns *txns = mem_alloc_zero(sizeof(*txns));

    if (txns == NULL)
        return E_NOMEM;
    txns->options = *options;
    map_slice_init_borrowing(&txns->by_id, seed);
    list_init(&txns->by_use);
    heap_init(&txns->timers);
    *txns_out = txns;
    return E_OK;
}

void txns_free(struct txns *txns)
{
    struct map_iter it = {0};
    struct txn *txn;

    if (txns == NULL)
        return;
    while ((txn = map_slice_next(&txns->by_id, &it, NULL)) != NULL)
        txn_remove(txns, txn);
    map_slice_release(&txns->by_id);
    mem_free(txns);
}

bool txn_is_concurrent(const struct txns *txns, struct slice id)
{
    const struct txn *txn = txn_find(txns, id);

    return txn != NULL && txn_is_ending(txn);
}

size_t txns_count(const struct txns *txns)
{
    return txns->by_id.count;
}

struct txn *txn_find(const struct txns *txns, struct slice id)
{
    return map_slice_find(&txns->by_id, id);
}

/* The id lies behind the struct: one allocation for each. */
enum err txn_create(struct txns *txns, struct slice id, struct txn **txn_out)
{
    struct txn *txn;
    uint8_t *copy;
    enum err e;

    txn = mem_alloc_zero(sizeof(*txn) + id.size);
    if (txn == NULL)
        return E_NOMEM;
    copy = (uint8_t *)(txn + 1);
    memcpy(copy, id.at, id.size);
    txn->id = slice_of(copy, id.size);
    txn->epoch = -1;
    txn->last_epoch = -1;
    e = map_slice_put(&txns->by_id, txn->id, txn);
    if (e != E_OK) {
        mem_free(txn);
        return e;
    }
    *txn_out = txn;
    return E_OK;
}

void txn_remove(struct txns *txns, struct txn *txn)
{
    txn_timer_clear(txns, txn);
    list_remove(&txn->use);
    map_slice_remove(&txns->by_id, txn->id);
    txn_set_release(&txn->set);
    mem_free(txn);
}

void txn_timer_set(struct txns *txns, struct txn *txn, int64_t at_ms)
{
    heap_remove(&txns->timers, &txn->timer);
    heap_insert(&txns->timers, &txn->timer, at_ms);
}

void txn_timer_clear(struct txns *txns, struct txn *txn)
{
    heap_remove(&txns->timers, &txn->timer);
}

int64_t txns_deadline_ms(const struct txns *txns)
{
    const struct heap_node *first = heap_peek(&txns->timers);

    return first == NULL ? INT64_MAX : first->key;
}

/* ---- updates ---- */

void txn_update_init(struct txn_update *update, struct arena *arena)
{
    *update = (struct txn_update){.arena = arena};
    update->reply.producer_id = -1;
    update->reply.producer_epoch = -1;
    record_list_init(&update->records, TXN_RECORDS_BYTES_MAX);
    vec_init(&update->markers, sizeof(struct txn_marker), TXN_MARKERS_MAX);
}

void txn_update_release(struct txn_update *update)
{
    record_list_release(&update->records);
    vec_release(&update->markers);
}

struct txn_step txn_step_of(struct txns *txns, const struct txn_call *call,
                            struct txn_update *update)
{
    txns->now_ms = call->now_ms;
    return (struct txn_step){.txns = txns, .call = call, .update = update};
}

enum err txn_refuse(struct txn_step *st, enum txn_reply_kind kind, enum wire_error error)
{
    st->update->reply =
        (struct txn_reply){.kind = kind, .error = error, .producer_id = -1, .producer_epoch = -1};
    return E_OK;
}

enum err txn_refuse_concurrent(struct txn_step *st, enum txn_reply_kind kind)
{
    if (!st->call->may_wait)
        return txn_refuse(st, kind, WIRE_ERROR_CONCURRENT_TRANSACTIONS);
    st->update->must_wait = true;
    return E_OK;
}

/* ---- DescribeTransactions ---- */

static enum err describe_topic(const struct txn_set_topic *topic, struct arena *arena,
                               struct wire_describe_transactions_response_topic_data *out)
{
    int32_t *partitions = arena_alloc_array(arena, (size_t)topic->count + 1, sizeof(*partitions));

    wire_describe_transactions_response_topic_data_init(out);
    out->topic = arena_copy(arena, topic->name); /* it may be gone when the answer leaves */
    if (partitions == NULL || out->topic.at == NULL)
        return E_NOMEM;
    for (int32_t i = 0; i < topic->count; i++)
        partitions[i] = topic->parts[i].index;
    out->partitions = partitions;
    out->partitions_count = topic->count;
    return E_OK;
}

enum err txn_describe(const struct txns *txns, struct slice transactional_id, struct arena *arena,
                      struct wire_describe_transactions_response_transaction_state *out)
{
    const struct txn *txn = txn_find(txns, transactional_id);
    enum err e = E_OK;

    wire_describe_transactions_response_transaction_state_init(out);
    out->transactional_id = transactional_id;
    if (transactional_id.size == 0)
        out->error_code = WIRE_ERROR_INVALID_REQUEST;
    else if (txn == NULL)
        out->error_code = WIRE_ERROR_TRANSACTIONAL_ID_NOT_FOUND;
    if (out->error_code != WIRE_ERROR_NONE)
        return E_OK;
    out->transaction_state = slice_of_text(STATE_NAMES[txn->state]);
    out->transaction_timeout_ms = txn->timeout_ms;
    out->transaction_start_time_ms = txn->start_ms;
    out->producer_id = txn->producer_id;
    out->producer_epoch = txn->epoch;
    out->topics = arena_alloc_array(arena, (size_t)txn->set.topic_count + 1, sizeof(*out->topics));
    if (out->topics == NULL)
        return E_NOMEM;
    out->topics_count = txn->set.topic_count;
    for (int32_t i = 0; i < txn->set.topic_count && e == E_OK; i++)
        e = describe_topic(&txn->set.topics[i], arena, &out->topics[i]);
    return e;
}

/* ---- ListTransactions ---- */

bool txn_is_state_name(struct slice name)
{
    for (int i = 0; i < STATE_NAME_COUNT; i++) {
        if (slice_equal_text(name, STATE_NAMES[i]))
            return true;
    }
    return false;
}

static bool has_state(const struct wire_list_transactions_request *request, const char *state)
{
    for (int32_t i = 0; i < request->state_filters_count; i++) {
        if (slice_equal_text(request->state_filters[i], state))
            return true;
    }
    return request->state_filters_count <= 0;
}

static bool has_producer(const struct wire_list_transactions_request *request, int64_t producer_id)
{
    for (int32_t i = 0; i < request->producer_id_filters_count; i++) {
        if (request->producer_id_filters[i] == producer_id)
            return true;
    }
    return request->producer_id_filters_count <= 0;
}

/* KIP-994: began longer ago than that. */
static bool is_long(const struct wire_list_transactions_request *request, const struct txn *txn,
                    int64_t wall_ms)
{
    return request->duration_filter < 0 || wall_ms - txn->start_ms > request->duration_filter;
}

enum err txns_list(const struct txns *txns, const struct wire_list_transactions_request *request,
                   int64_t wall_ms, struct vec *list)
{
    struct map_iter it = {0};
    const struct txn *txn;
    enum err e = E_OK;

    while (e == E_OK && (txn = map_slice_next(&txns->by_id, &it, NULL)) != NULL) {
        struct txn_listed listed = {.transactional_id = txn->id,
                                    .producer_id = txn->producer_id,
                                    .state = STATE_NAMES[txn->state]};

        if (has_state(request, listed.state) && has_producer(request, txn->producer_id) &&
            is_long(request, txn, wall_ms))
            e = vec_push(list, &listed);
    }
    return e;
}
