#include "storage/log_txns.h"

#include <stdlib.h>

#include "base/mem.h"
#include "record/control.h"
#include "record/record.h"

/* Ids are not secrets and the maps live for one job. */
static const uint64_t MAP_SEED = 0x9e3779b97f4a7c15u;

void log_txns_init(struct log_txns *txns)
{
    *txns = (struct log_txns){0};
    vec_init(&txns->aborted, sizeof(struct log_txns_aborted), LOG_TXNS_ABORTED_MAX);
    map_u64_init(&txns->open, MAP_SEED);
    map_u64_init(&txns->ongoing, MAP_SEED);
    map_u64_init(&txns->committed, MAP_SEED);
}

static void clear_open(struct log_txns *txns)
{
    struct map_iter it = {0};
    struct log_txns_open *open;

    while ((open = map_u64_next(&txns->open, &it, NULL)) != NULL)
        mem_free(open);
    map_u64_clear(&txns->open);
}

void log_txns_release(struct log_txns *txns)
{
    clear_open(txns);
    vec_release(&txns->aborted);
    map_u64_release(&txns->open);
    map_u64_release(&txns->ongoing);
    map_u64_release(&txns->committed);
}

enum log_txns_marker log_txns_read_marker(struct slice batch)
{
    struct record_control_key key;
    struct record_view view;
    struct record_iter it;

    if (record_iter_init(&it, batch, NULL) != E_OK)
        return LOG_TXNS_NO_MARKER;
    if (!record_iter_next(&it, &view))
        return record_iter_done(&it) == E_OK ? LOG_TXNS_EMPTY : LOG_TXNS_NO_MARKER;
    if (record_control_decode_key(view.key, &key) != E_OK)
        return LOG_TXNS_NO_MARKER;
    if (key.type == RECORD_CONTROL_ABORT)
        return LOG_TXNS_ABORT;
    return key.type == RECORD_CONTROL_COMMIT ? LOG_TXNS_COMMIT : LOG_TXNS_NO_MARKER;
}

static enum err survey_begin(struct log_txns *txns, const struct batch_header *h)
{
    struct log_txns_open *open;
    enum err e;

    if (map_u64_find(&txns->open, (uint64_t)h->producer_id) != NULL)
        return E_OK;
    open = mem_alloc(sizeof(*open));
    if (open == NULL)
        return E_NOMEM;
    open->first_offset = h->base_offset;
    e = map_u64_put(&txns->open, (uint64_t)h->producer_id, open);
    if (e != E_OK)
        mem_free(open);
    return e;
}

enum err log_txns_survey(struct log_txns *txns, const struct batch_header *h,
                         enum log_txns_marker marker)
{
    struct log_txns_open *open;
    enum err e = E_OK;

    if (!batch_has_producer(h))
        return E_OK;
    if (!batch_is_control(h))
        return batch_is_transactional(h) ? survey_begin(txns, h) : E_OK;
    if (marker != LOG_TXNS_ABORT && marker != LOG_TXNS_COMMIT)
        return E_OK;
    open = map_u64_remove(&txns->open, (uint64_t)h->producer_id);
    if (open != NULL && marker == LOG_TXNS_ABORT) {
        struct log_txns_aborted aborted = {.producer_id = h->producer_id,
                                           .first_offset = open->first_offset,
                                           .last_offset = batch_last_offset(h)};

        e = vec_push(&txns->aborted, &aborted);
    }
    mem_free(open);
    return e;
}

static int by_first_offset(const void *a, const void *b)
{
    const struct log_txns_aborted *x = a, *y = b;

    return (x->first_offset > y->first_offset) - (x->first_offset < y->first_offset);
}

int64_t log_txns_survey_end(struct log_txns *txns)
{
    struct map_iter it = {0};
    const struct log_txns_open *open;
    int64_t first = -1;

    while ((open = map_u64_next(&txns->open, &it, NULL)) != NULL) {
        if (first < 0 || open->first_offset < first)
            first = open->first_offset;
    }
    clear_open(txns);
    if (txns->aborted.count > 1)
        qsort(txns->aborted.at, txns->aborted.count, sizeof(struct log_txns_aborted),
              by_first_offset);
    return first;
}

void log_txns_rewind(struct log_txns *txns)
{
    map_u64_clear(&txns->ongoing);
    map_u64_clear(&txns->committed);
    txns->next = 0;
    for (size_t i = 0; i < txns->aborted.count; i++)
        ((struct log_txns_aborted *)vec_at(&txns->aborted, i))->is_seen = false;
}

/* Transactions that begin up to `offset` are ongoing from here on. */
static enum err begin_up_to(struct log_txns *txns, int64_t offset)
{
    enum err e = E_OK;

    while (e == E_OK && txns->next < txns->aborted.count) {
        struct log_txns_aborted *aborted = vec_at(&txns->aborted, txns->next);

        if (aborted->first_offset > offset)
            break;
        e = map_u64_put(&txns->ongoing, (uint64_t)aborted->producer_id, aborted);
        txns->next++;
    }
    return e;
}

/* The marker stays until all batches of its transaction are gone. */
static bool walk_marker(struct log_txns *txns, const struct batch_header *h,
                        enum log_txns_marker marker)
{
    const struct log_txns_aborted *aborted;

    switch (marker) {
    case LOG_TXNS_ABORT:
        aborted = map_u64_remove(&txns->ongoing, (uint64_t)h->producer_id);
        return aborted == NULL || !aborted->is_seen;
    case LOG_TXNS_COMMIT:
        return map_u64_remove(&txns->committed, (uint64_t)h->producer_id) == NULL;
    case LOG_TXNS_EMPTY:
        return true;
    case LOG_TXNS_NO_MARKER:
        break;
    }
    return false;
}

enum err log_txns_walk(struct log_txns *txns, const struct batch_header *h,
                       enum log_txns_marker marker, bool *discard_out)
{
    struct log_txns_aborted *aborted;
    enum err e = begin_up_to(txns, batch_last_offset(h));

    if (e != E_OK)
        return e;
    *discard_out = false;
    if (batch_is_control(h)) {
        if (batch_has_producer(h))
            *discard_out = walk_marker(txns, h, marker);
        return E_OK;
    }
    if (!batch_has_producer(h) || !batch_is_transactional(h))
        return E_OK;
    aborted = map_u64_find(&txns->ongoing, (uint64_t)h->producer_id);
    if (aborted == NULL)
        return map_u64_put(&txns->committed, (uint64_t)h->producer_id, txns);
    aborted->is_seen = true;
    *discard_out = true;
    return E_OK;
}
