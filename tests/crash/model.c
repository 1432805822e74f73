#include "model.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "record/batch.h"
#include "record/builder.h"
#include "record/control.h"

enum { COORDINATOR_EPOCH = 1 };

void model_init(struct model *m)
{
    *m = (struct model){.cut = -1, .epoch_next = -1};
}

void model_release(struct model *m)
{
    model_cut(m, -1);
    free(m->entries);
}

void model_clear(struct model *m)
{
    model_cut(m, -1);
    m->acked = 0;
    m->start = 0;
    m->start_next = 0;
    m->epoch_count = 0;
    m->epoch_next = -1;
    m->topic_id = (struct uuid){{0}};
    m->topic_id_next = (struct uuid){{0}};
}

int64_t model_end(const struct model *m)
{
    return m->count == 0 ? m->start_next : m->entries[m->count - 1].next_offset;
}

struct model_entry *model_add(struct model *m, const struct model_entry *entry, struct slice bytes)
{
    struct model_entry *new;

    if (m->count == m->capacity) {
        m->capacity = m->capacity == 0 ? 64 : 2 * m->capacity;
        m->entries = realloc(m->entries, (size_t)m->capacity * sizeof(*m->entries));
        if (m->entries == NULL)
            abort();
    }
    new = &m->entries[m->count++];
    *new = *entry;
    new->bytes = malloc(bytes.size);
    if (new->bytes == NULL)
        abort();
    memcpy(new->bytes, bytes.at, bytes.size);
    new->size = bytes.size;
    batch_patch_offset_epoch(new->bytes, entry->base_offset, entry->leader_epoch);
    m->version++;
    return new;
}

void model_cut(struct model *m, int64_t offset)
{
    while (m->count > 0 && m->entries[m->count - 1].base_offset >= offset)
        free(m->entries[--m->count].bytes);
    m->version++;
}

void model_begin_epoch(struct model *m, int32_t epoch, int64_t start)
{
    if (m->epoch_count == MODEL_EPOCHS_MAX)
        abort();
    m->epochs[m->epoch_count++] = (struct model_epoch){epoch, start, m->presence != MODEL_PRESENT};
    m->version++;
}

int32_t model_epoch(const struct model *m)
{
    return m->epoch_count == 0 ? -1 : m->epochs[m->epoch_count - 1].epoch;
}

const struct model_entry *model_last(const struct model *m, int producer, int64_t end, int back)
{
    for (int i = m->count - 1; i >= 0; i--) {
        const struct model_entry *e = &m->entries[i];

        if (e->next_offset <= end && e->producer == producer && e->kind != MODEL_TXN_END &&
            back-- == 0)
            return e;
    }
    return NULL;
}

int64_t model_first_unstable(const struct model *m, int64_t end)
{
    int64_t first[MODEL_PRODUCERS];
    int64_t oldest = end;

    for (int p = 0; p < MODEL_PRODUCERS; p++)
        first[p] = end;
    for (int i = 0; i < m->count && m->entries[i].next_offset <= end; i++) {
        const struct model_entry *e = &m->entries[i];

        if (e->kind == MODEL_TXN_END)
            first[e->producer] = end;
        if (e->kind == MODEL_TXN_DATA && first[e->producer] == end)
            first[e->producer] = e->base_offset;
    }
    for (int p = 0; p < MODEL_PRODUCERS; p++)
        oldest = first[p] < oldest ? first[p] : oldest;
    return oldest;
}

static void build_end(const struct model_draft *draft, struct buf *out)
{
    const struct batch_end_txn end = {.leader_epoch = -1,
                                      .timestamp_ms = draft->timestamp_ms,
                                      .producer_id = MODEL_PRODUCER_ID + draft->producer,
                                      .coordinator_epoch = COORDINATOR_EPOCH,
                                      .commit = draft->seed % 2 == 0};

    if (batch_build_end_txn(&end, out) != E_OK)
        abort();
}

void model_build(const struct model_draft *draft, struct buf *out)
{
    struct batch_options options = batch_options_init(0);
    struct batch_builder builder;
    struct rng rng;
    uint8_t *value;

    if (draft->kind == MODEL_TXN_END) {
        build_end(draft, out);
        return;
    }
    if (draft->producer >= 0) {
        options.producer_id = MODEL_PRODUCER_ID + draft->producer;
        options.producer_epoch = 0;
        options.base_sequence = draft->sequence;
        options.transactional = draft->kind == MODEL_TXN_DATA;
    }
    rng_init(&rng, draft->seed);
    value = malloc((size_t)draft->value_size + 1);
    if (value == NULL)
        abort();
    batch_builder_init(&builder, &options);
    for (int i = 0; i < draft->records; i++) {
        rng_bytes(&rng, value, (size_t)draft->value_size);
        if (batch_builder_add(&builder,
                              &(struct record_draft){
                                  .timestamp_ms = draft->timestamp_ms + i,
                                  .value = slice_of(value, (size_t)draft->value_size)}) != E_OK)
            abort();
    }
    if (batch_builder_finish(&builder, out) != E_OK)
        abort();
    batch_builder_release(&builder);
    free(value);
}
