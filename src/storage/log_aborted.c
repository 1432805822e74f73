#include "storage/log_priv.h"

#include "storage/offset_index.h"
#include "storage/txn_index.h"

/*
 * What a read_committed fetch needs beyond the records (KIP-98): how far it may
 * read, and which transactions in that range were aborted.
 */
int64_t log_first_unstable_offset(struct log *log, int64_t high_watermark)
{
    int64_t first = producer_first_unstable(&log->producers, high_watermark);

    return first >= 0 ? first : log->end_offset;
}

enum err log_range_upper(struct log *log, const struct log_range *range, int64_t *offset_out)
{
    size_t i = log_segment_index(log, range->base_offset);
    struct segment *s = log_segment_at(log, i);
    struct offset_index_entry entry;
    enum err e = log_use_indexes(log, s);

    if (e == E_OK)
        e = offset_index_find_after(&s->offsets, s->base_offset, range->pos + (int64_t)range->size,
                                    &entry);
    if (e == E_NOT_FOUND) {
        entry.last_offset = log_segment_end(log, i);
        e = E_OK;
    }
    if (e == E_OK)
        *offset_out = entry.last_offset;
    return e;
}

enum err log_aborted(struct log *log, int64_t from, int64_t to,
                     enum err (*each)(void *ctx, const struct log_aborted_txn *aborted), void *ctx)
{
    for (size_t i = log_segment_index(log, from); i < log_segment_count(log); i++) {
        struct segment *s = log_segment_at(log, i);
        enum err e = log_use_aborted(log, s, log_segment_end(log, i));

        s->used_tick = ++log->tick;
        for (int64_t k = 0; k < txn_index_count(&s->aborted) && e == E_OK; k++) {
            struct txn_aborted a = txn_index_at(&s->aborted, k);

            if (a.last_offset >= from && a.first_offset < to)
                e = each(ctx, &(struct log_aborted_txn){a.producer_id, a.first_offset});
            if (a.last_stable_offset >= to)
                return e;
        }
        if (e != E_OK)
            return e;
    }
    return E_OK;
}
