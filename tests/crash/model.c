#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "os/file.h"
#include "record/batch.h"
#include "record/builder.h"
#include "record/control.h"
#include "record/message.h"
#include "storage/frame.h"

enum { COORDINATOR_EPOCH = 1, READ_SIZE = 64 << 10, TOMBSTONE_OF = 8 };

/* Frames. */

static void frames_cut(struct model_frames *frames, int64_t offset)
{
    while (frames->count > 0 && frames->at[frames->count - 1].base_offset >= offset)
        free(frames->at[--frames->count].bytes);
}

static void frames_release(struct model_frames *frames)
{
    frames_cut(frames, -1);
    free(frames->at);
    *frames = (struct model_frames){0};
}

/* The bytes are copied. */
static struct model_entry *frames_add(struct model_frames *frames, const struct model_entry *entry,
                                      struct slice bytes)
{
    struct model_entry *new;

    if (frames->count == frames->capacity) {
        frames->capacity = frames->capacity == 0 ? 64 : 2 * frames->capacity;
        frames->at = realloc(frames->at, (size_t)frames->capacity * sizeof(*frames->at));
        if (frames->at == NULL)
            abort();
    }
    new = &frames->at[frames->count++];
    *new = *entry;
    new->bytes = malloc(bytes.size);
    if (new->bytes == NULL)
        abort();
    memcpy(new->bytes, bytes.at, bytes.size);
    new->size = bytes.size;
    return new;
}

int model_find(const struct model_frames *frames, int64_t offset)
{
    int i = 0;

    while (i < frames->count && frames->at[i].next_offset <= offset)
        i++;
    return i;
}

bool model_frames_equal(const struct model_frames *a, const struct model_frames *b)
{
    for (int i = 0; i < a->count && i < b->count; i++) {
        const struct model_entry *x = &a->at[i], *y = &b->at[i];

        if (x->base_offset != y->base_offset || x->size != y->size ||
            memcmp(x->bytes, y->bytes, x->size) != 0)
            return false;
    }
    return a->count == b->count;
}

/* The model. */

void model_init(struct model *m)
{
    *m = (struct model){.cut = -1, .epoch_next = -1, .damage = -1, .damage_end = -1};
}

void model_release(struct model *m)
{
    frames_release(&m->appended);
    frames_release(&m->stored);
    frames_release(&m->next);
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
    const struct model_frames *all = &m->appended;

    return all->count == 0 ? m->start_next : all->at[all->count - 1].next_offset;
}

struct model_entry *model_add(struct model *m, const struct model_entry *entry, struct slice bytes)
{
    struct model_entry *new = frames_add(&m->appended, entry, bytes);

    if (frame_has_offset(m->options.format))
        batch_patch_offset_epoch(new->bytes, entry->base_offset, entry->leader_epoch);
    frames_add(&m->stored, entry, slice_of(new->bytes, new->size));
    m->version++;
    return new;
}

void model_cut(struct model *m, int64_t offset)
{
    frames_cut(&m->appended, offset);
    frames_cut(&m->stored, offset);
    m->version++;
}

static bool read_range(const struct model *m, const struct log_range *range,
                       struct model_frames *frames, int64_t *offset)
{
    uint8_t *bytes = malloc(range->size);
    struct frame_iter it;
    struct batch_view view;
    size_t got = 0;

    if (bytes == NULL)
        abort();
    if (os_file_read(range->file, range->pos, bytes, range->size, &got) != E_OK)
        got = 0;
    it = frame_iter_init(m->options.format, slice_of(bytes, got), range->base_offset);
    while (frame_iter_next(&it, &view)) {
        const struct batch_header *h = &view.header;
        struct model_entry entry = {.base_offset = h->base_offset,
                                    .next_offset = batch_next_offset(h),
                                    .max_timestamp = h->max_timestamp,
                                    .is_empty = h->record_count == 0};

        frames_add(frames, &entry, view.bytes);
        *offset = entry.next_offset;
    }
    free(bytes);
    return got == range->size;
}

bool model_read(const struct model *m, struct log *log, struct model_frames *frames)
{
    int64_t offset = log_start_offset(log), end = log_end_offset(log);
    bool is_read = true;

    frames_release(frames);
    while (is_read && offset < end) {
        int64_t before = offset;
        struct log_range range;

        if (log_read(log, offset, end, READ_SIZE, &range) != E_OK)
            return false;
        is_read = range.size > 0 && read_range(m, &range, frames, &offset) && offset > before;
        log_range_release(&range);
    }
    return is_read;
}

void model_compacted(struct model *m)
{
    frames_release(&m->stored);
    m->stored = m->next;
    m->next = (struct model_frames){0};
    m->is_compacting = false;
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
    for (int i = m->appended.count - 1; i >= 0; i--) {
        const struct model_entry *e = &m->appended.at[i];

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
    for (int i = 0; i < m->appended.count && m->appended.at[i].next_offset <= end; i++) {
        const struct model_entry *e = &m->appended.at[i];

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

/* Fills `value` anew; some keys lose theirs. */
static struct record_draft draft_record(const struct model_draft *draft, int i, struct rng *rng,
                                        char key[MODEL_KEY_MAX], uint8_t *value)
{
    struct record_draft record = {.timestamp_ms = draft->timestamp_ms + i,
                                  .value = slice_of(value, (size_t)draft->value_size)};

    rng_bytes(rng, value, (size_t)draft->value_size);
    if (draft->keys > 0) {
        snprintf(key, MODEL_KEY_MAX, "key %d", (int)rng_below(rng, (uint64_t)draft->keys));
        record.key = slice_of_text(key);
        if (rng_chance(rng, 1, TOMBSTONE_OF) && frame_has_offset(draft->format))
            record.value = slice_of(NULL, 0);
    }
    return record;
}

static void build_batch(const struct model_draft *draft, struct rng *rng, uint8_t *value,
                        struct buf *out)
{
    struct batch_options options = batch_options_init(0);
    struct batch_builder builder;
    char key[MODEL_KEY_MAX];

    if (draft->producer >= 0) {
        options.producer_id = MODEL_PRODUCER_ID + draft->producer;
        options.producer_epoch = 0;
        options.base_sequence = draft->sequence;
        options.transactional = draft->kind == MODEL_TXN_DATA;
    }
    batch_builder_init(&builder, &options);
    for (int i = 0; i < draft->records; i++) {
        struct record_draft record = draft_record(draft, i, rng, key, value);

        if (batch_builder_add(&builder, &record) != E_OK)
            abort();
    }
    if (batch_builder_finish(&builder, out) != E_OK)
        abort();
    batch_builder_release(&builder);
}

static void build_messages(const struct model_draft *draft, struct rng *rng, uint8_t *value,
                           struct buf *out)
{
    char key[MODEL_KEY_MAX];

    for (int i = 0; i < draft->records; i++) {
        struct record_draft record = draft_record(draft, i, rng, key, value);
        struct message message = {
            .timestamp_ms = record.timestamp_ms, .key = record.key, .value = record.value};

        if (message_encode(&message, out) != E_OK)
            abort();
    }
}

void model_build(const struct model_draft *draft, struct buf *out)
{
    struct rng rng;
    uint8_t *value;

    if (draft->kind == MODEL_TXN_END) {
        build_end(draft, out);
        return;
    }
    rng_init(&rng, draft->seed);
    value = malloc((size_t)draft->value_size + 1);
    if (value == NULL)
        abort();
    if (frame_has_offset(draft->format))
        build_batch(draft, &rng, value, out);
    else
        build_messages(draft, &rng, value, out);
    free(value);
}
