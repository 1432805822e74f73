#include "storage/log_verify.h"

#include <stdio.h>

#include "base/bytes.h"
#include "os/dir.h"
#include "storage/log_priv.h"
#include "storage/offset_index.h"
#include "storage/time_index.h"

/*
 * Indexes are checked in step with the walk: both rise, so the entry that comes next either names
 * the batch at hand, or one further on, or nothing that is there.
 */
enum { PROGRESS_BYTES = 4 << 20, SNAPSHOT_BYTES_MAX = 1 << 30 };

struct index_check {
    struct segment_index index;
    int64_t next; /* entry */
    int64_t wrong_entry;
    const char *why; /* NULL: nothing wrong yet */
};

struct verify {
    const struct log_view *view;
    const struct log_verify_options *options;
    struct log_verify_result *result;
    struct index_check offsets; /* of the segment at hand */
    struct index_check times;
    size_t segment;
    int64_t base_offset;
    int64_t max_timestamp; /* of the segment so far */
    bool is_damaged;       /* the segment, so far */
    bool is_begun;
    int64_t done_bytes;
    int64_t told_bytes;
    int64_t total_bytes;
};

static enum err add_file(struct verify *v, const char *name, int64_t entry, const char *why)
{
    struct log_verify_file f = {.entry = entry, .why = why};

    snprintf(f.name, sizeof(f.name), "%s", name);
    v->result->file_count++;
    return v->result->files.count == LOG_VERIFY_MAX ? E_OK : vec_push(&v->result->files, &f);
}

static enum err add_range(struct verify *v, const struct log_walk_item *item)
{
    struct log_verify_range r = {.kind = item->kind,
                                 .segment = v->base_offset,
                                 .pos = item->pos,
                                 .end = item->end,
                                 .offset = item->offset,
                                 .offset_end = item->offset_end,
                                 .why = item->why};

    v->result->range_count++;
    return v->result->ranges.count == LOG_VERIFY_MAX ? E_OK : vec_push(&v->result->ranges, &r);
}

static void note_wrong(struct index_check *ix, const char *why)
{
    if (ix->why == NULL) {
        ix->why = why;
        ix->wrong_entry = ix->next;
    }
    ix->next++;
}

/* The next entry, if there is one. */
static const uint8_t *entry_of(const struct index_check *ix)
{
    return ix->next < ix->index.count
               ? ix->index.entries.at + (size_t)ix->next * ix->index.entry_size
               : NULL;
}

static void check_offset_entries(struct verify *v, const struct log_walk_item *item)
{
    struct index_check *ix = &v->offsets;
    const uint8_t *at;

    while ((at = entry_of(ix)) != NULL) {
        int64_t pos = (int32_t)bytes_u32(at + 4);
        int64_t last_offset = v->base_offset + (int32_t)bytes_u32(at);

        if (pos >= item->end)
            return;
        if (item->kind != LOG_WALK_BATCH)
            ix->next++; /* written when the batch was right; nobody gets that far */
        else if (pos != item->pos)
            note_wrong(ix, "points at no batch");
        else if (last_offset != item->offset_end - 1)
            note_wrong(ix, "names another offset than its batch has");
        else
            ix->next++;
    }
}

static void check_time_entries(struct verify *v, const struct log_walk_item *item)
{
    struct index_check *ix = &v->times;
    const uint8_t *at;

    while ((at = entry_of(ix)) != NULL) {
        int64_t timestamp = (int64_t)bytes_u64(at);
        int64_t offset = v->base_offset + (int32_t)bytes_u32(at + 8);

        if (offset >= item->offset_end)
            return;
        if (item->kind != LOG_WALK_BATCH)
            ix->next++;
        else if (offset < item->offset && !v->is_damaged)
            note_wrong(ix, "names an offset that does not exist, or is out of order");
        else if (timestamp < v->max_timestamp)
            note_wrong(ix, "a record before it is younger");
        else if (timestamp > v->max_timestamp && !v->is_damaged)
            note_wrong(ix, "names a time that no record has");
        else
            ix->next++;
    }
}

/* The .log is renamed last: an index may have its new name already when that has not. */
static enum err read_index(struct verify *v, struct index_check *ix, const char *suffix)
{
    const struct log_view_segment *s = log_view_segment_at(v->view, v->segment);
    char name[SEGMENT_NAME_SIZE], cleaned[SEGMENT_NAME_SIZE / 2];
    enum err e = E_NOT_FOUND;

    snprintf(cleaned, sizeof(cleaned), "%s" LOG_CLEANED_SUFFIX, suffix);
    segment_name(s->base_offset, cleaned, name);
    if (s->is_cleaned)
        e = segment_index_load(&ix->index, v->view->dir, name);
    segment_name(s->base_offset, suffix, name);
    return e == E_NOT_FOUND ? segment_index_load(&ix->index, v->view->dir, name) : e;
}

static enum err load_index(struct verify *v, struct index_check *ix, const char *suffix)
{
    const struct log_view_segment *s = log_view_segment_at(v->view, v->segment);
    bool is_last = v->segment + 1 == v->view->segments.count;
    char name[SEGMENT_NAME_SIZE];
    enum err e;

    ix->next = 0;
    ix->why = NULL;
    e = read_index(v, ix, suffix);
    if (e != E_NOT_FOUND)
        return e;
    segment_name(s->base_offset, suffix, name);
    segment_index_reset(&ix->index);
    if (is_last || s->size == 0 || v->view->is_foreign)
        return E_OK; /* written when the segment is sealed */
    return add_file(v, name, -1, "is missing");
}

static enum err begin_segment(struct verify *v, size_t segment)
{
    enum err e;

    v->segment = segment;
    v->base_offset = log_view_segment_at(v->view, segment)->base_offset;
    v->max_timestamp = -1;
    v->is_damaged = false;
    v->is_begun = true;
    offset_index_init(&v->offsets.index);
    time_index_init(&v->times.index);
    e = load_index(v, &v->offsets, ".index");
    if (e == E_OK)
        e = load_index(v, &v->times, ".timeindex");
    return e;
}

static enum err end_index(struct verify *v, struct index_check *ix, const char *suffix)
{
    char name[SEGMENT_NAME_SIZE];
    bool is_last = v->segment + 1 == v->view->segments.count;
    enum err e = E_OK;

    if (entry_of(ix) != NULL && !is_last && !v->is_damaged)
        note_wrong(ix, "points behind the end of the segment");
    segment_name(v->base_offset, suffix, name);
    if (ix->why != NULL)
        e = add_file(v, name, ix->wrong_entry, ix->why);
    segment_index_release(&ix->index);
    return e;
}

static enum err end_segment(struct verify *v)
{
    enum err e;

    if (!v->is_begun)
        return E_OK;
    e = end_index(v, &v->offsets, ".index");
    if (e == E_OK)
        e = end_index(v, &v->times, ".timeindex");
    return e;
}

static enum err tell(struct verify *v, bool is_due)
{
    if (v->options->progress == NULL || (!is_due && v->done_bytes - v->told_bytes < PROGRESS_BYTES))
        return E_OK;
    v->told_bytes = v->done_bytes;
    return v->options->progress(v->options->ctx, v->done_bytes, v->total_bytes) ? E_OK
                                                                                : E_CANCELLED;
}

static enum err take(struct verify *v, const struct log_walk_item *item)
{
    enum err e = E_OK;

    if (item->kind == LOG_WALK_BATCH) {
        v->result->batches++;
        v->result->bytes += item->end - item->pos;
        v->result->end_offset = item->offset_end;
        if (item->header.max_timestamp > v->max_timestamp)
            v->max_timestamp = item->header.max_timestamp;
    } else {
        v->is_damaged = true;
        e = add_range(v, item);
    }
    check_offset_entries(v, item);
    check_time_entries(v, item);
    v->done_bytes += item->end - item->pos;
    return e == E_OK ? tell(v, false) : e;
}

static enum err walk(struct verify *v)
{
    struct log_walk_item item;
    struct log_walk w;
    enum err e = log_walk_init(&w, v->view, 0);

    if (e != E_OK)
        return e;
    w.is_uncached = v->options->is_uncached;
    while (e == E_OK) {
        e = log_walk_next(&w, &item);
        if (e == E_OK && (!v->is_begun || item.segment != v->segment)) {
            e = end_segment(v);
            if (e == E_OK)
                e = tell(v, v->is_begun);
            if (e == E_OK)
                e = begin_segment(v, item.segment);
        }
        if (e == E_OK)
            e = take(v, &item);
    }
    if (e == E_NOT_FOUND)
        e = end_segment(v);
    segment_index_release(&v->offsets.index);
    segment_index_release(&v->times.index);
    log_walk_release(&w);
    return e == E_OK ? tell(v, true) : e;
}

static enum err check_snapshots(struct verify *v)
{
    struct producers producers;
    char name[SEGMENT_NAME_SIZE];
    struct buf bytes;
    enum err e = E_OK;

    producer_init(&producers);
    buf_init(&bytes, SNAPSHOT_BYTES_MAX);
    for (size_t i = 0; i < v->view->snapshots.count && e == E_OK; i++) {
        segment_name(*(int64_t *)vec_at(&v->view->snapshots, i), ".snapshot", name);
        buf_clear(&bytes);
        e = os_dir_read_file(v->view->dir, name, &bytes);
        if (e == E_NOT_FOUND) { /* its log goes on and has dropped it */
            e = E_OK;
            continue;
        }
        if (e == E_OK)
            e = producer_decode(&producers, buf_slice(&bytes));
        if (e == E_CORRUPT || e == E_UNSUPPORTED || e == E_IO)
            e = add_file(v, name, -1, "cannot be read");
    }
    buf_release(&bytes);
    producer_release(&producers);
    return e;
}

static enum err check_small_files(struct verify *v)
{
    enum err e = E_OK;

    if (v->view->is_checkpoint_wrong)
        e = add_file(v, LOG_CHECKPOINT_NAME, -1, "cannot be read: the next start scans everything");
    if (e == E_OK && v->view->is_epoch_cache_wrong)
        e = add_file(v, LOG_EPOCHS_NAME, -1, "cannot be read");
    return e == E_OK ? check_snapshots(v) : e;
}

enum err log_verify_view(const struct log_view *view, const struct log_verify_options *options,
                         struct log_verify_result *result_out)
{
    struct log_verify_result result = {.start_offset = view->start_offset,
                                       .end_offset = view->start_offset,
                                       .segments = (int64_t)view->segments.count};
    struct verify v = {
        .view = view, .options = options, .result = &result, .total_bytes = log_view_size(view)};
    enum err e;

    vec_init(&result.ranges, sizeof(struct log_verify_range), LOG_VERIFY_MAX);
    vec_init(&result.files, sizeof(struct log_verify_file), LOG_VERIFY_MAX);
    e = walk(&v);
    if (e == E_OK)
        e = check_small_files(&v);
    if (e != E_OK)
        log_verify_release(&result);
    else
        *result_out = result;
    return e;
}

enum err log_verify(const struct log *log, const struct log_verify_options *options,
                    struct log_verify_result *result_out)
{
    struct log_view view;
    struct os_dir *dir;
    enum err e = log_dir_open(log, &dir);

    if (e != E_OK)
        return e;
    e = log_view_take(log, dir, &view);
    if (e == E_OK) {
        e = log_verify_view(&view, options, result_out);
        log_view_release(&view);
    }
    os_dir_close(dir);
    return e;
}

void log_verify_release(struct log_verify_result *result)
{
    vec_release(&result->ranges);
    vec_release(&result->files);
}
