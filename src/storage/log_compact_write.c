#include "storage/log_compact_priv.h"

#include <stdio.h>
#include <string.h>

#include "os/dir.h"
#include "os/file.h"
#include "record/rebuild.h"
#include "record/record.h"
#include "storage/time_index.h"

/*
 * What is left of a batch, and the segments it goes to. Outputs are written under
 * names that recovery throws away; they are synced one by one when they are full,
 * their names at the end.
 */
enum { WRITE_BYTES = 1024 * 1024 };

/* What becomes of one batch. */
struct verdict {
    bool drops_records;   /* all of them, whatever their keys */
    bool keeps_header;    /* even without records */
    bool is_empty_marker; /* of a transaction without batches */
    bool has_tombstones;  /* among what is kept */
    int64_t horizon_ms;   /* that stands in the batch; -1 */
};

static int64_t horizon_of(const struct batch_header *h)
{
    return (h->attributes & BATCH_DELETE_HORIZON) != 0 ? h->base_timestamp : -1;
}

/* Is this what is known last of an active producer? Without it a restart would forget him. */
static bool is_last_of_producer(const struct log_compact *job, const struct batch_header *h)
{
    size_t low = 0, high = job->producers.count;
    const struct log_compact_producer *p;

    if (!batch_has_producer(h))
        return false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        p = vec_at(&job->producers, middle);
        if (p->id < h->producer_id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == job->producers.count)
        return false;
    p = vec_at(&job->producers, low);
    if (p->id != h->producer_id)
        return false;
    if (p->last_offset >= 0)
        return batch_last_offset(h) == p->last_offset;
    return batch_is_control(h) && h->producer_epoch == p->epoch;
}

static enum err judge(struct log_compact *job, const struct batch_header *h,
                      enum log_txns_marker marker, struct verdict *v)
{
    bool discard;
    enum err e = log_txns_walk(&job->txns, h, marker, &discard);

    if (e != E_OK)
        return e;
    *v = (struct verdict){.horizon_ms = horizon_of(h)};
    v->is_empty_marker = discard && batch_is_control(h);
    v->drops_records = discard && !batch_is_control(h);
    if (v->is_empty_marker) /* its time comes later */
        v->drops_records = v->horizon_ms >= 0 && v->horizon_ms <= job->wall_ms;
    v->keeps_header = is_last_of_producer(job, h) || batch_next_offset(h) == job->end_offset;
    return E_OK;
}

static bool is_kept(const struct log_compact *job, const struct batch_header *h,
                    const struct verdict *v, const struct record_view *record)
{
    if (v->drops_records)
        return false;
    if (batch_is_control(h) || record->offset >= job->end_offset)
        return true;
    if (record->key.at == NULL || record->offset < log_keys_find(&job->keys, record->key))
        return false;
    return record->value.at != NULL || v->horizon_ms < 0 || job->wall_ms < v->horizon_ms;
}

/* Fill job->kept. With no keys every record is kept. */
static enum err choose_records(struct log_compact *job, const struct batch_header *h,
                               struct verdict *v)
{
    struct record_view view;
    struct record_iter it;
    enum err e = record_iter_init(&it, buf_slice(&job->batch), &job->unpack);

    vec_clear(&job->kept);
    if (e != E_OK)
        return e;
    for (const uint8_t *at = it.at; e == E_OK && record_iter_next(&it, &view); at = it.at) {
        struct batch_kept kept = {.bytes = slice_of(at, (size_t)(it.at - at)),
                                  .timestamp_ms = view.timestamp_ms};

        if (job->options.has_keys && !is_kept(job, h, v, &view))
            continue;
        v->has_tombstones |=
            view.value.at == NULL && view.offset < job->end_offset && !batch_is_control(h);
        e = vec_push(&job->kept, &kept);
    }
    return e == E_OK ? record_iter_done(&it) : e;
}

/* Outputs */

static struct log_compact_output *current(const struct log_compact *job)
{
    return log_compact_output_at(job, job->outputs.count - 1);
}

static enum err open_output(struct log_compact *job, int64_t base_offset)
{
    struct log_compact_output output = {.segment = segment_new(base_offset, LOG_FORMAT_BATCH),
                                        .first_input = job->at,
                                        .end_input = job->at + 1};
    char name[SEGMENT_NAME_SIZE];
    enum err e = output.segment == NULL ? E_NOMEM : vec_push(&job->outputs, &output);

    if (e != E_OK) {
        segment_free(output.segment);
        return e;
    }
    job->has_output = true;
    segment_index_reset(&output.segment->offsets);
    segment_index_reset(&output.segment->times);
    segment_name(base_offset, ".log" LOG_CLEANED_SUFFIX, name);
    e = os_file_open(job->dir, name, OS_FILE_CREATE, &output.segment->file);
    return e == E_OK ? os_file_truncate(output.segment->file, 0) : e;
}

static enum err flush(struct log_compact *job)
{
    struct segment *s = current(job)->segment;
    int64_t pos = s->size - (int64_t)job->written.size;
    enum err e;

    if (job->written.size == 0)
        return E_OK;
    e = os_file_write(s->file, pos, job->written.at, job->written.size);
    job->moved_bytes += (int64_t)job->written.size;
    buf_clear(&job->written);
    return e;
}

/* It is what its input is: no use. */
static enum err drop_output(struct log_compact *job)
{
    struct segment *s = current(job)->segment;
    char name[SEGMENT_NAME_SIZE];

    segment_name(s->base_offset, ".log" LOG_CLEANED_SUFFIX, name);
    segment_free(s);
    vec_remove(&job->outputs, job->outputs.count - 1);
    buf_clear(&job->written);
    return os_dir_remove_file(job->dir, name);
}

static enum err write_indexes(struct log_compact *job, struct segment *s)
{
    char name[SEGMENT_NAME_SIZE];
    enum err e =
        time_index_add(&s->times, s->base_offset, s->max_timestamp, s->max_timestamp_offset);

    segment_name(s->base_offset, ".index" LOG_CLEANED_SUFFIX, name);
    if (e == E_OK)
        e = segment_index_write(&s->offsets, job->dir, name);
    segment_name(s->base_offset, ".timeindex" LOG_CLEANED_SUFFIX, name);
    if (e == E_OK)
        e = segment_index_write(&s->times, job->dir, name);
    return e;
}

/*
 * Entries of markers that were kept with their record: who is told of a transaction and never
 * finds its marker drops what follows. An empty file says that the old one does not count.
 */
static enum err write_aborted(struct log_compact *job, const struct log_compact_output *output)
{
    struct segment *s = output->segment;
    char name[SEGMENT_NAME_SIZE];
    struct os_file *file;
    enum err e;

    segment_name(s->base_offset, ".txnindex" LOG_CLEANED_SUFFIX, name);
    if (txn_index_count(&s->aborted) == 0 && !output->has_aborted_file)
        return E_OK;
    e = os_file_open(job->dir, name, OS_FILE_CREATE, &file);
    if (e == E_OK) {
        e = os_file_truncate(file, 0);
        os_file_unref(file);
    }
    if (e == E_OK && txn_index_count(&s->aborted) > 0)
        e = txn_index_write(&s->aborted, job->dir, name);
    return e;
}

static enum err close_output(struct log_compact *job)
{
    struct log_compact_output *output = current(job);
    struct segment *s = output->segment;
    enum err e;

    job->has_output = false;
    if (output->end_input - output->first_input == 1 && !output->is_changed)
        return drop_output(job);
    output->is_changed = true;
    e = flush(job);
    if (e == E_OK)
        e = os_file_sync(s->file);
    if (e == E_OK)
        e = write_indexes(job, s);
    if (e == E_OK)
        e = write_aborted(job, output);
    segment_close_files(s); /* and what was written of the indexes */
    return e;
}

static bool is_full(const struct log_compact *job, int64_t size, int64_t last_offset)
{
    const struct segment *s = current(job)->segment;
    int64_t index_max = job->segment_index_bytes;

    return last_offset - s->base_offset > INT32_MAX ||
           (s->size > 0 && (s->size > job->segment_bytes - size ||
                            (int64_t)s->offsets.entries.size + s->offsets.entry_size > index_max ||
                            (int64_t)s->times.entries.size + s->times.entry_size > index_max));
}

/* The aborted transactions of the input about to be written. */
static enum err load_aborted(struct log_compact *job, bool *has_file_out)
{
    const struct log_compact_input *input = log_compact_input_at(job, job->at);
    char name[SEGMENT_NAME_SIZE];
    enum err e;

    segment_name(input->base_offset, ".txnindex", name);
    txn_index_release(&job->aborted);
    txn_index_forget(&job->aborted);
    job->next_aborted = 0;
    e = txn_index_load(&job->aborted, job->dir, name, input->end_offset);
    *has_file_out = job->aborted.file_count > 0;
    return e;
}

enum err log_compact_write_begin(struct log_compact *job)
{
    const struct log_compact_input *input = log_compact_input_at(job, job->at);
    bool has_aborted_file;
    enum err e = load_aborted(job, &has_aborted_file);

    if (e != E_OK)
        return e;
    if (!job->options.has_keys && !input->has_other_codec)
        return job->has_output ? close_output(job) : E_OK;
    if (job->has_output && job->options.has_keys &&
        !is_full(job, input->size, input->end_offset - 1)) {
        current(job)->end_input = job->at + 1;
        return E_OK;
    }
    if (job->has_output)
        e = close_output(job);
    if (e == E_OK)
        e = open_output(job, input->base_offset);
    if (e == E_OK)
        current(job)->has_aborted_file = has_aborted_file;
    return e;
}

/* A segment that grew in spite of all, because its batches take more room now, is two. */
static enum err split_output(struct log_compact *job, int64_t base_offset)
{
    enum err e;

    current(job)->is_changed = true;
    e = close_output(job);
    if (e == E_OK)
        e = open_output(job, base_offset);
    if (e == E_OK)
        current(job)->is_changed = true;
    return e;
}

/* A marker was put: what the index says of its transaction goes with it. */
static enum err put_aborted(struct log_compact *job, const struct batch_header *h)
{
    int64_t count = txn_index_count(&job->aborted);

    for (; job->next_aborted < count; job->next_aborted++) {
        struct txn_aborted a = txn_index_at(&job->aborted, job->next_aborted);

        if (a.last_offset > batch_last_offset(h))
            break;
        if (a.last_offset == batch_last_offset(h) && h->record_count > 0)
            return txn_index_add(&current(job)->segment->aborted, &a);
    }
    return E_OK;
}

static enum err put(struct log_compact *job, struct slice batch)
{
    struct batch_header h;
    struct segment *s;
    enum err e = batch_peek(batch, &h);

    if (e != E_OK)
        return e;
    if (is_full(job, (int64_t)batch.size, batch_last_offset(&h)) && current(job)->segment->size > 0)
        e = split_output(job, h.base_offset);
    s = current(job)->segment;
    if (e == E_OK)
        e = segment_note_batch(s, &h, s->size, job->index_interval_bytes);
    if (e == E_OK && batch_is_control(&h))
        e = put_aborted(job, &h);
    if (e == E_OK)
        e = buf_append(&job->written, batch.at, batch.size);
    if (e != E_OK)
        return e;
    s->size += (int64_t)batch.size;
    job->result.records_after += h.record_count;
    return job->written.size >= WRITE_BYTES ? flush(job) : E_OK;
}

static enum err put_rebuilt(struct log_compact *job, const struct batch_header *h,
                            const struct batch_rebuild *r)
{
    enum err e;

    /* The batch was loaded, unpacked and chosen from: only then its buffer is free. */
    buf_clear(&job->rebuilt);
    e = batch_rebuild(h, r, &job->scratch, &job->rebuilt);
    if (e != E_OK)
        return e;
    current(job)->is_changed = true;
    return put(job, buf_slice(&job->rebuilt));
}

enum err log_compact_write_batch(struct log_compact *job, const struct batch_header *h,
                                 enum log_txns_marker marker)
{
    struct batch_rebuild r = {.codec = (enum codec_id)batch_codec(h),
                              .level = CODEC_LEVEL_DEFAULT,
                              .horizon_ms = -1,
                              .kept = &job->kept};
    bool is_recoded = job->options.codec >= 0 && !batch_is_control(h) && h->record_count > 0 &&
                      batch_codec(h) != job->options.codec;
    struct verdict v = {.horizon_ms = -1, .keeps_header = true};
    enum err e = E_OK;

    job->result.records_before += h->record_count;
    if (!job->options.has_keys && !is_recoded)
        return put(job, buf_slice(&job->batch));
    if (job->options.has_keys)
        e = judge(job, h, marker, &v);
    if (e == E_OK)
        e = choose_records(job, h, &v);
    if (e != E_OK)
        return e;
    if (job->kept.count == 0 && !v.keeps_header) {
        current(job)->is_changed = true;
        return E_OK;
    }
    if (is_recoded) {
        r.codec = (enum codec_id)job->options.codec;
        r.level = job->options.level;
    }
    if (job->kept.count > 0 && job->options.has_keys && v.horizon_ms < 0 &&
        (v.has_tombstones || v.is_empty_marker))
        r.horizon_ms = job->wall_ms + job->options.delete_retention_ms;
    if (job->kept.count == (size_t)h->record_count && !is_recoded && r.horizon_ms < 0)
        return put(job, buf_slice(&job->batch));
    return put_rebuilt(job, h, &r);
}

enum err log_compact_write_end(struct log_compact *job)
{
    enum err e = job->has_output ? close_output(job) : E_OK;

    return e == E_OK && job->outputs.count > 0 ? os_dir_sync(job->dir) : e;
}
