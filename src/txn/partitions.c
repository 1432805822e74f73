#include "txn/txn_priv.h"

#include <string.h>

#include "base/mem.h"
#include "base/sort.h"

/*
 * The partitions of a transaction: kept sorted in one block, made anew from each record; and
 * AddPartitionsToTxn (key 24), which makes the record that has more of them.
 */

/* A topic and one index, on the way into order. */
struct pair {
    struct slice topic;
    int32_t index;
};

static int by_topic_and_index(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    int order = slice_compare(x->topic, y->topic);

    return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

static bool is_same_topic(const struct pair *a, const struct pair *b)
{
    return slice_equal(a->topic, b->topic);
}

/* Sort, and drop what is there twice; how many are left. */
static int32_t pairs_sort(struct pair *pairs, int32_t count)
{
    int32_t kept = 0;

    if (count == 0)
        return 0;
    sort_array(pairs, (size_t)count, sizeof(*pairs), by_topic_and_index);
    for (int32_t i = 1; i < count; i++) {
        if (by_topic_and_index(&pairs[kept], &pairs[i]) != 0)
            pairs[++kept] = pairs[i];
    }
    return kept + 1;
}

/* How many of the pairs from `from` on are of one topic. */
static int32_t run_of(const struct pair *pairs, int32_t count, int32_t from)
{
    int32_t end = from + 1;

    while (end < count && is_same_topic(&pairs[from], &pairs[end]))
        end++;
    return end - from;
}

/* ---- sets ---- */

struct txn_part *txn_set_find(const struct txn_set *set, struct slice topic, int32_t index)
{
    struct txn_set_topic *found = NULL;
    int32_t low = 0, high = set->topic_count;

    while (low < high && found == NULL) {
        int32_t middle = low + (high - low) / 2;
        int order = slice_compare(set->topics[middle].name, topic);

        if (order == 0)
            found = &set->topics[middle];
        else if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    low = 0;
    high = found == NULL ? 0 : found->count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;

        if (found->parts[middle].index == index)
            return &found->parts[middle];
        if (found->parts[middle].index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

void txn_set_release(struct txn_set *set)
{
    mem_free(set->topics);
    *set = (struct txn_set){0};
}

/* Topics, parts and names in one block. */
static enum err set_build(const struct pair *pairs, int32_t count, struct txn_set *set_out)
{
    struct txn_set set = {.left = count};
    size_t names_size = 0;
    struct txn_part *parts;
    uint8_t *names;

    for (int32_t i = 0; i < count; i += run_of(pairs, count, i)) {
        names_size += pairs[i].topic.size;
        set.topic_count++;
    }
    if (count > 0) {
        set.topics = mem_alloc((size_t)set.topic_count * sizeof(*set.topics) +
                               (size_t)count * sizeof(*parts) + names_size);
        if (set.topics == NULL)
            return E_NOMEM;
    }
    parts = (struct txn_part *)(set.topics + set.topic_count);
    names = (uint8_t *)(parts + count);
    for (int32_t i = 0, t = 0; i < count; t++) {
        int32_t run = run_of(pairs, count, i);

        memcpy(names, pairs[i].topic.at, pairs[i].topic.size);
        set.topics[t] = (struct txn_set_topic){
            .name = slice_of(names, pairs[i].topic.size), .parts = parts, .count = run};
        names += pairs[i].topic.size;
        for (int32_t end = i + run; i < end; i++)
            *parts++ = (struct txn_part){.index = pairs[i].index};
    }
    *set_out = set;
    return E_OK;
}

enum err txn_set_of(const struct wire_transaction_log_value *value, struct arena *arena,
                    struct txn_set *set_out)
{
    struct pair *pairs;
    size_t total = 0;
    int32_t count = 0;

    for (int32_t t = 0; t < value->transaction_partitions_count; t++)
        total += (size_t)value->transaction_partitions[t].partition_ids_count;
    pairs = arena_alloc_array(arena, total + 1, sizeof(*pairs));
    if (pairs == NULL)
        return E_NOMEM;
    for (int32_t t = 0; t < value->transaction_partitions_count; t++) {
        const struct wire_transaction_log_value_partitions_schema *topic =
            &value->transaction_partitions[t];

        for (int32_t i = 0; i < topic->partition_ids_count; i++) {
            if (topic->partition_ids[i] < 0)
                return E_CORRUPT;
            pairs[count++] = (struct pair){topic->topic, topic->partition_ids[i]};
        }
    }
    count = pairs_sort(pairs, count);
    return set_build(pairs, count, set_out);
}

/* ---- AddPartitionsToTxn ---- */

/* Those that are there and those that come, sorted; *added_out: some are new. */
static enum err merge(struct arena *arena, const struct txn_set *set, const struct txn_add *add,
                      struct pair **pairs_out, int32_t *count_out)
{
    struct pair *pairs;
    size_t total = 0;
    int32_t count = 0;

    for (int32_t t = 0; t < set->topic_count; t++)
        total += (size_t)set->topics[t].count;
    for (int32_t t = 0; t < add->topic_count; t++)
        total += (size_t)add->topics[t].count;
    if (total > TXN_PARTITIONS_MAX)
        return E_TOO_BIG;
    pairs = arena_alloc_array(arena, total + 1, sizeof(*pairs));
    if (pairs == NULL)
        return E_NOMEM;
    for (int32_t t = 0; t < set->topic_count; t++) {
        for (int32_t i = 0; i < set->topics[t].count; i++)
            pairs[count++] = (struct pair){set->topics[t].name, set->topics[t].parts[i].index};
    }
    for (int32_t t = 0; t < add->topic_count; t++) {
        for (int32_t i = 0; i < add->topics[t].count; i++)
            pairs[count++] = (struct pair){add->topics[t].name, add->topics[t].partitions[i]};
    }
    *pairs_out = pairs;
    *count_out = pairs_sort(pairs, count);
    return E_OK;
}

/* Put sorted pairs into a value. E_TOO_BIG: they would take too much of a record */
static enum err value_set(struct arena *arena, const struct pair *pairs, int32_t count,
                          struct wire_transaction_log_value *value)
{
    int32_t *ids = arena_alloc_array(arena, (size_t)count + 1, sizeof(*ids));
    struct wire_transaction_log_value_partitions_schema *topics =
        arena_alloc_array(arena, (size_t)count + 1, sizeof(*topics));
    size_t size = (size_t)count * sizeof(*ids);
    int32_t topic_count = 0;

    if (ids == NULL || topics == NULL)
        return E_NOMEM;
    for (int32_t i = 0; i < count; topic_count++) {
        int32_t run = run_of(pairs, count, i);

        topics[topic_count].topic = pairs[i].topic;
        topics[topic_count].partition_ids = &ids[i];
        topics[topic_count].partition_ids_count = run;
        size += pairs[i].topic.size;
        for (int32_t end = i + run; i < end; i++)
            ids[i] = pairs[i].index;
    }
    if (size > TXN_PARTITIONS_BYTES_MAX)
        return E_TOO_BIG;
    value->transaction_partitions = topics;
    value->transaction_partitions_count = topic_count;
    return E_OK;
}

static enum err encode_added(struct txn_step *st, const struct txn *txn, const struct txn_add *add)
{
    struct wire_transaction_log_value value;
    struct pair *pairs;
    int32_t count;
    enum err e = txn_value_of(st, txn, &value);

    if (e == E_OK)
        e = merge(st->update->arena, &txn->set, add, &pairs, &count);
    if (e == E_OK)
        e = value_set(st->update->arena, pairs, count, &value);
    if (e == E_TOO_BIG)
        return txn_refuse(st, TXN_REPLY_ADD, WIRE_ERROR_INVALID_REQUEST);
    if (e != E_OK)
        return e;
    if (txn->state != TXN_ONGOING)
        value.transaction_start_timestamp_ms = st->call->wall_ms;
    value.transaction_status = TXN_ONGOING;
    value.client_transaction_version = TXN_VERSION_OLD; /* its end will tell */
    st->update->reply.kind = TXN_REPLY_ADD;
    return txn_encode(st, txn->id, &value);
}

static bool has_all(const struct txn_set *set, const struct txn_add *add)
{
    for (int32_t t = 0; t < add->topic_count; t++) {
        for (int32_t i = 0; i < add->topics[t].count; i++) {
            if (txn_set_find(set, add->topics[t].name, add->topics[t].partitions[i]) == NULL)
                return false;
        }
    }
    return true;
}

/* Only look: which of them are in it. */
static enum err verify(struct txn_step *st, const struct txn *txn, const struct txn_add *add)
{
    enum wire_error *errors;
    size_t total = 0;
    size_t next = 0;

    for (int32_t t = 0; t < add->topic_count; t++)
        total += (size_t)add->topics[t].count;
    errors = arena_alloc_array(st->update->arena, total + 1, sizeof(*errors));
    if (errors == NULL)
        return E_NOMEM;
    for (int32_t t = 0; t < add->topic_count; t++) {
        for (int32_t i = 0; i < add->topics[t].count; i++)
            errors[next++] =
                txn_set_find(&txn->set, add->topics[t].name, add->topics[t].partitions[i]) == NULL
                    ? WIRE_ERROR_TRANSACTION_ABORTABLE
                    : WIRE_ERROR_NONE;
    }
    st->update->reply.kind = TXN_REPLY_ADD;
    st->update->reply.errors = errors;
    return E_OK;
}

enum err txn_add(struct txns *txns, const struct txn_call *call, const struct txn_add *add,
                 struct txn_update *update)
{
    struct txn_step st = txn_step_of(txns, call, update);
    const struct txn *txn = txn_find(txns, add->transactional_id);

    if (add->transactional_id.size == 0)
        return txn_refuse(&st, TXN_REPLY_ADD, WIRE_ERROR_INVALID_REQUEST);
    if (txn == NULL || txn->producer_id != add->producer_id)
        return txn_refuse(&st, TXN_REPLY_ADD, WIRE_ERROR_INVALID_PRODUCER_ID_MAPPING);
    if (txn->epoch != add->producer_epoch || txn->epoch > TXN_EPOCH_LAST)
        return txn_refuse(&st, TXN_REPLY_ADD, WIRE_ERROR_PRODUCER_FENCED);
    if (txn_is_ending(txn))
        return txn_refuse_concurrent(&st, TXN_REPLY_ADD);
    if (add->is_verify)
        return verify(&st, txn, add);
    if (txn->state == TXN_ONGOING && has_all(&txn->set, add))
        return txn_refuse(&st, TXN_REPLY_ADD, WIRE_ERROR_NONE);
    return encode_added(&st, txn, add);
}
